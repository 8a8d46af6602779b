//! The one SDP we write: what a plain RTP receiver needs to open a consumer, as
//! `ffmpeg -protocol_whitelist file,udp,rtp -i consumer.sdp`. Never does: read SDP, WebRTC.

use std::{fmt::Write, net::IpAddr};

use serde_json::Value;
use starling_proto::{
    MediaKind, RtpParameters,
    rtp::{Parameters, RtpCodecParameters},
};

use super::codec::{is_rtx, kind_of};

/// SDP (RFC 8866) of a receiver at `ip`. `rtcp_port` is `None` where RTCP shares `port`. RTX is
/// left out: a plain receiver asks for nothing again.
pub fn sdp_of(parameters: &RtpParameters, ip: IpAddr, port: u16, rtcp_port: Option<u16>) -> String {
    let codecs: Vec<&RtpCodecParameters> =
        parameters.codecs.iter().filter(|codec| !is_rtx(&codec.mime_type)).collect();
    let video = codecs.iter().any(|codec| kind_of(&codec.mime_type) == Some(MediaKind::Video));
    let media = if video { "video" } else { "audio" };
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let mut sdp = format!(
        "v=0\r\no=- 0 0 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m={media} {port} RTP/AVP"
    );
    for codec in &codecs {
        push(&mut sdp, format_args!(" {}", codec.payload_type));
    }
    push(&mut sdp, format_args!("\r\n"));
    match rtcp_port {
        Some(rtcp_port) => push(&mut sdp, format_args!("a=rtcp:{rtcp_port}\r\n")),
        None => push(&mut sdp, format_args!("a=rtcp-mux\r\n")),
    }
    for codec in &codecs {
        push_codec(&mut sdp, codec);
    }
    let cname = parameters.rtcp.cname.as_deref().filter(|cname| !cname.is_empty());
    for ssrc in parameters.encodings.iter().filter_map(|encoding| encoding.ssrc) {
        push(&mut sdp, format_args!("a=ssrc:{ssrc} cname:{}\r\n", cname.unwrap_or("-")));
    }
    sdp
}

fn push_codec(sdp: &mut String, codec: &RtpCodecParameters) {
    let payload_type = codec.payload_type;
    let name = codec.mime_type.split_once('/').map_or("", |(_, name)| name);
    push(sdp, format_args!("a=rtpmap:{payload_type} {name}/{}", codec.clock_rate));
    if let Some(channels) = codec.channels.filter(|channels| *channels > 1) {
        push(sdp, format_args!("/{channels}"));
    }
    push(sdp, format_args!("\r\n"));
    let fmtp = fmtp(&codec.parameters);
    if !fmtp.is_empty() {
        push(sdp, format_args!("a=fmtp:{payload_type} {fmtp}\r\n"));
    }
}

/// `key=value;…`, without Chromium's hints to its own encoder.
fn fmtp(parameters: &Parameters) -> String {
    let pairs: Vec<String> = parameters
        .iter()
        .filter(|(key, _)| !key.starts_with("x-google-"))
        .filter_map(|(key, value)| match value {
            Value::String(text) if text.is_empty() => Some(key.clone()),
            Value::String(text) => Some(format!("{key}={text}")),
            Value::Number(number) => Some(format!("{key}={number}")),
            Value::Bool(flag) => Some(format!("{key}={}", u8::from(*flag))),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        })
        .collect();
    pairs.join(";")
}

fn push(sdp: &mut String, text: std::fmt::Arguments<'_>) {
    sdp.write_fmt(text).expect("writing into a String cannot fail");
}
