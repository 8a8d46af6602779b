//! An answer, written. Never does: decide what is in it.

use std::fmt::{Arguments, Write};

use serde_json::Value;
use starling_proto::{
    RtpParameters,
    rtp::{Parameters, RtpCodecParameters},
    transport::{DtlsRole, IceCandidate, Protocol, WebRtcTransportInfo},
};

use super::offer::{Offer, Section};

/// What of an m-line is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum AnswerSection {
    /// Nothing: port 0.
    Refused,
    /// The client sends this.
    Receives(RtpParameters),
    /// The client gets this.
    Sends(Sent),
}

/// What is sent on an m-line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// In the client's numbers. Without encodings nothing is sent yet.
    pub rtp: RtpParameters,
    /// `a=msid`: tracks of one stream are played in sync (RFC 8830).
    pub stream: String,
    /// The track's id.
    pub track: String,
}

/// An answer to an offer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// To what.
    pub offer: &'a Offer,
    /// Our transport.
    pub transport: &'a WebRtcTransportInfo,
    /// As many as the offer has.
    pub sections: &'a [AnswerSection],
    /// `o=` session id.
    pub session: u64,
}

impl Answer<'_> {
    /// As text.
    pub fn to_text(&self) -> String {
        let mut text = Text(String::with_capacity(4096));
        text.push(format_args!("v=0"));
        text.line(format_args!("o=- {} 1 IN IP4 0.0.0.0", self.session));
        text.line(format_args!("s=-"));
        text.line(format_args!("t=0 0"));
        let both = || self.offer.sections.iter().zip(self.sections);
        let live = || both().filter(|(_, answer)| **answer != AnswerSection::Refused);
        let mids: Vec<&str> = live().filter_map(|(offered, _)| offered.mid.as_deref()).collect();
        if !mids.is_empty() {
            text.line(format_args!("a=group:BUNDLE {}", mids.join(" ")));
        }
        if self.offer.mixed_extensions {
            text.line(format_args!("a=extmap-allow-mixed"));
        }
        text.line(format_args!("a=msid-semantic: WMS *"));
        text.line(format_args!("a=ice-lite"));
        text.line(format_args!("{ICE_OPTIONS}"));
        let mut tagged = true;
        for (offered, answer) in both() {
            match answer {
                AnswerSection::Refused => text.refuse(offered),
                AnswerSection::Receives(rtp) => {
                    text.head(offered, rtp);
                    self.transport(&mut text, std::mem::take(&mut tagged));
                    text.line(format_args!("a=recvonly"));
                    text.rtp(rtp, Toward::Us);
                    text.received_rids(rtp);
                }
                AnswerSection::Sends(sent) => {
                    text.head(offered, &sent.rtp);
                    self.transport(&mut text, std::mem::take(&mut tagged));
                    text.line(format_args!("a=sendonly"));
                    text.line(format_args!("a=msid:{} {}", sent.stream, sent.track));
                    text.rtp(&sent.rtp, Toward::Client);
                    text.sent_ssrcs(&sent.rtp);
                }
            }
        }
        text.line(format_args!(""));
        text.0
    }

    /// Candidates stand in the bundle's tagged section alone (RFC 9429 §5.3.1).
    fn transport(&self, text: &mut Text, tagged: bool) {
        let WebRtcTransportInfo { ice_parameters, ice_candidates, dtls_parameters, .. } =
            self.transport;
        text.line(format_args!("a=ice-ufrag:{}", ice_parameters.username_fragment));
        text.line(format_args!("a=ice-pwd:{}", ice_parameters.password));
        for fingerprint in &dtls_parameters.fingerprints {
            text.line(format_args!(
                "a=fingerprint:{} {}",
                fingerprint.algorithm, fingerprint.value
            ));
        }
        let setup = match self.offer.dtls.role {
            DtlsRole::Server => "active",
            DtlsRole::Client | DtlsRole::Auto => "passive",
        };
        text.line(format_args!("a=setup:{setup}"));
        if tagged {
            for candidate in ice_candidates {
                text.line(format_args!("{}", candidate_line(candidate)));
            }
            text.line(format_args!("a=end-of-candidates"));
        }
    }
}

/// Candidates may come by PATCH (RFC 8840 §4.1.3), and nomination is RFC 8445's (§10). The fragment
/// of a restart says the same as the answer did (RFC 9725 §4.3.3).
pub(super) const ICE_OPTIONS: &str = "a=ice-options:trickle ice2";

/// `a=candidate` (RFC 8839 §5.1).
pub(super) fn candidate_line(candidate: &IceCandidate) -> String {
    let IceCandidate { foundation, priority, address, protocol, port, tcp_type, .. } = candidate;
    let (transport, tail) = match protocol {
        Protocol::Udp => ("udp", String::new()),
        Protocol::Tcp => ("tcp", format!(" tcptype {}", tcp_type.as_deref().unwrap_or("passive"))),
    };
    format!("a=candidate:{foundation} 1 {transport} {priority} {address} {port} typ host{tail}")
}

/// Whose preferences `a=fmtp` states.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Toward {
    Us,
    Client,
}

/// The answer so far. Lines begin with their line break, so that codecs can be added to an m-line.
struct Text(String);

impl Text {
    /// Adds to the line. Names and parameters come from other clients: a line break in one of them
    /// would be a line of their own in this client's answer.
    fn push(&mut self, args: Arguments<'_>) {
        let start = self.0.len();
        self.0.write_fmt(args).expect("writing into a String cannot fail");
        if self.0[start..].contains(char::is_control) {
            let added = self.0.split_off(start);
            self.0.extend(added.chars().filter(|character| !character.is_control()));
        }
    }

    fn line(&mut self, args: Arguments<'_>) {
        self.0.push_str("\r\n");
        self.push(args);
    }

    fn refuse(&mut self, offered: &Section) {
        let Section { media, protocol, formats, mid, .. } = offered;
        self.line(format_args!("m={media} 0 {protocol} {formats}"));
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        if let Some(mid) = mid {
            self.line(format_args!("a=mid:{mid}"));
        }
        self.line(format_args!("a=inactive"));
    }

    fn head(&mut self, offered: &Section, rtp: &RtpParameters) {
        let Section { media, protocol, mid, .. } = offered;
        self.line(format_args!("m={media} 9 {protocol}"));
        for codec in &rtp.codecs {
            self.push(format_args!(" {}", codec.payload_type));
        }
        self.line(format_args!("c=IN IP4 0.0.0.0"));
        if let Some(mid) = mid {
            self.line(format_args!("a=mid:{mid}"));
        }
        self.line(format_args!("a=rtcp-mux"));
        if offered.rtp.rtcp.reduced_size {
            self.line(format_args!("a=rtcp-rsize"));
        }
    }

    fn rtp(&mut self, rtp: &RtpParameters, toward: Toward) {
        for extension in &rtp.header_extensions {
            self.line(format_args!("a=extmap:{} {}", extension.id, extension.uri));
        }
        for codec in &rtp.codecs {
            self.codec(codec, toward);
        }
    }

    fn codec(&mut self, codec: &RtpCodecParameters, toward: Toward) {
        let payload_type = codec.payload_type;
        let name = codec.mime_type.split_once('/').map_or("", |(_, name)| name);
        self.line(format_args!("a=rtpmap:{payload_type} {name}/{}", codec.clock_rate));
        if let Some(channels) = codec.channels.filter(|channels| *channels > 1) {
            self.push(format_args!("/{channels}"));
        }
        for feedback in &codec.rtcp_feedback {
            let gap = if feedback.parameter.is_empty() { "" } else { " " };
            self.line(format_args!(
                "a=rtcp-fb:{payload_type} {}{gap}{}",
                feedback.kind, feedback.parameter
            ));
        }
        let fmtp = fmtp(&codec.parameters, toward);
        if !fmtp.is_empty() {
            self.line(format_args!("a=fmtp:{payload_type} {fmtp}"));
        }
    }

    fn received_rids(&mut self, rtp: &RtpParameters) {
        let rids: Vec<&str> = rtp.encodings.iter().filter_map(|e| e.rid.as_deref()).collect();
        for rid in &rids {
            self.line(format_args!("a=rid:{rid} recv"));
        }
        if !rids.is_empty() {
            self.line(format_args!("a=simulcast:recv {}", rids.join(";")));
        }
    }

    fn sent_ssrcs(&mut self, rtp: &RtpParameters) {
        let cname = rtp.rtcp.cname.as_deref().filter(|cname| !cname.is_empty()).unwrap_or("-");
        for encoding in &rtp.encodings {
            let Some(ssrc) = encoding.ssrc else { continue };
            if let Some(rtx) = encoding.rtx {
                self.line(format_args!("a=ssrc-group:FID {ssrc} {}", rtx.ssrc));
            }
            self.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
            if let Some(rtx) = encoding.rtx {
                self.line(format_args!("a=ssrc:{} cname:{cname}", rtx.ssrc));
            }
        }
    }
}

/// `key=value;…`, without Chromium's hints to its own encoder. Who says that it sends stereo is
/// told that we take it (RFC 7587 §7: without `stereo=1` it would send mono).
fn fmtp(parameters: &Parameters, toward: Toward) -> String {
    let mut pairs: Vec<String> = parameters
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
    let stereo = parameters.get("sprop-stereo").and_then(Value::as_u64) == Some(1);
    if toward == Toward::Us && stereo && !parameters.contains_key("stereo") {
        pairs.push("stereo=1".to_owned());
    }
    pairs.join(";")
}
