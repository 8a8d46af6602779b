//! What the clients of the plane negotiated, and the sessions that mutations begin with.

use std::{sync::OnceLock, time::Duration};

use serde_json::{Value, json};
use starling_media::{
    command::{ConsumerParams, ProducerParams},
    rtcp::build,
};
use starling_proto::{
    MediaKind, RtpParameters,
    rtp::{CodecMapping, EncodingMapping, RtpMapping, RtpType},
};

use super::{AUDIO, CHECK, COMMAND, PIPE, PROVEN, RAW, WAIT};
use crate::packets;

fn parameters(value: Value) -> RtpParameters {
    serde_json::from_value(value).expect("parameters")
}

fn mapped(kind: MediaKind, rtp: RtpParameters) -> ProducerParams {
    let codec = |payload_type| CodecMapping { payload_type, mapped_payload_type: 101 };
    let codecs = rtp.codecs.iter().map(|known| codec(known.payload_type)).collect();
    let encodings = rtp.encodings.iter().zip(9_000..);
    let encodings = encodings
        .map(|(encoding, mapped_ssrc)| EncodingMapping {
            ssrc: encoding.ssrc,
            rid: encoding.rid.clone(),
            scalability_mode: None,
            mapped_ssrc,
        })
        .collect();
    ProducerParams {
        kind,
        rtp,
        mapping: RtpMapping { codecs, encodings },
        paused: false,
        encrypted: false,
        key_frame_delay: Duration::ZERO,
    }
}

/// VP8 simulcast as Chrome sends it: RIDs, no SSRCs.
pub(super) fn video() -> &'static ProducerParams {
    static MADE: OnceLock<ProducerParams> = OnceLock::new();
    MADE.get_or_init(|| {
        let feedback = json!([{"type": "nack"}, {"type": "nack", "parameter": "pli"},
            {"type": "ccm", "parameter": "fir"}, {"type": "transport-cc"}, {"type": "goog-remb"}]);
        let rtp = json!({
            "mid": "1",
            "codecs": [
                {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "rtcpFeedback": feedback},
                {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}}],
            "headerExtensions": [
                {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4},
                {"uri": "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "id": 10},
                {"uri": "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", "id": 11},
                {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", "id": 3}],
            "encodings": [{"rid": "r0"}, {"rid": "r1"}, {"rid": "r2"}],
            "rtcp": {"cname": "publisher"}
        });
        mapped(MediaKind::Video, parameters(rtp))
    })
}

pub(super) fn audio() -> &'static ProducerParams {
    static MADE: OnceLock<ProducerParams> = OnceLock::new();
    MADE.get_or_init(|| {
        let rtp = json!({
            "mid": "0",
            "codecs": [{"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2}],
            "headerExtensions": [{"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4}],
            "encodings": [{"ssrc": 7777}],
            "rtcp": {"cname": "publisher"}
        });
        mapped(MediaKind::Audio, parameters(rtp))
    })
}

pub(super) fn consumer_of(producer: u64, ssrc: u32) -> ConsumerParams {
    static MADE: OnceLock<[ConsumerParams; 2]> = OnceLock::new();
    let [video, audio] = MADE.get_or_init(|| {
        let extensions = json!([{"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 4},
            {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", "id": 5}]);
        let video = json!({
            "mid": "7",
            "codecs": [
                {"mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000, "rtcpFeedback": [
                    {"type": "nack"}, {"type": "nack", "parameter": "pli"}, {"type": "transport-cc"}]},
                {"mimeType": "video/rtx", "payloadType": 102, "clockRate": 90000, "parameters": {"apt": 101}}],
            "headerExtensions": extensions,
            "encodings": [{"ssrc": 1, "rtx": {"ssrc": 2}}],
            "rtcp": {"cname": "publisher"}
        });
        let audio = json!({
            "mid": "6",
            "codecs": [{"mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2}],
            "headerExtensions": extensions,
            "encodings": [{"ssrc": 1}],
            "rtcp": {"cname": "publisher"}
        });
        [(MediaKind::Video, video), (MediaKind::Audio, audio)].map(|(kind, rtp)| ConsumerParams {
            kind,
            rtp: parameters(rtp),
            rtp_type: RtpType::Simulcast,
            paused: false,
            preferred: None,
            pipe_layers: 0,
            encrypted: false,
            ignore_dtx: false,
        })
    });
    let mut made = if producer == AUDIO { audio.clone() } else { video.clone() };
    made.rtp.encodings[0].ssrc = Some(ssrc);
    if let Some(rtx) = &mut made.rtp.encodings[0].rtx {
        rtx.ssrc = ssrc + 1;
    }
    made
}

fn with_bytes(step: u8, who: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![step, who];
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

/// A packet of simulcast stream `n`, as Chrome sends it.
fn simulcast(n: u8, sequence: u16, key: bool) -> Vec<u8> {
    let rid = [b'r', b'0' + n];
    let number = (sequence * 3 + u16::from(n)).to_be_bytes();
    let extensions: [(u8, &[u8]); 3] = [(4, b"1"), (10, &rid), (3, &number)];
    let payload = packets::vp8(key, sequence, sequence as u8, (sequence % 3) as u8);
    packets::rtp(96, 1_000 + u32::from(n), sequence, true, &extensions, &payload)
}

pub(super) fn sessions() -> Vec<Vec<u8>> {
    let mut simulcasting = Vec::new();
    for sequence in 0..6 {
        for layer in 0..3 {
            let packet = simulcast(layer, sequence, sequence == 0 || sequence == 4);
            simulcasting.extend(with_bytes(PROVEN, 0, &packet));
        }
        simulcasting.extend([WAIT, 8]);
    }
    let mut layered = vec![COMMAND, 2, 0];
    layered.extend_from_slice(&simulcasting);
    layered.extend([COMMAND, 2, 2, COMMAND, 3, 0, WAIT, 10]);
    for sequence in 6..9 {
        layered.extend(with_bytes(PROVEN, 0, &simulcast(2, sequence, sequence == 6)));
    }
    let mut repairing = simulcasting.clone();
    let mut lost = Vec::new();
    build::receiver_report(&mut lost, 1, &[]);
    build::nack(&mut lost, 1, 10_000, &[0, 1, 2, 3, 60_000], 100);
    build::pli(&mut lost, 1, 10_000);
    repairing.extend(with_bytes(PROVEN, 1, &lost));
    repairing.extend([WAIT, 10]);
    repairing.extend(with_bytes(PROVEN, 0, &simulcast(0, 20, false)));
    repairing.extend([WAIT, 30]);
    let rtx: [(u8, &[u8]); 2] = [(4, b"1"), (11, b"r0")];
    let repeated = [&[0, 19][..], &packets::vp8(false, 19, 19, 0)].concat();
    repairing.extend(with_bytes(PROVEN, 0, &packets::rtp(97, 1_100, 0, false, &rtx, &repeated)));
    let mut speaking = Vec::new();
    for sequence in 0..5 {
        let packet = packets::rtp(111, 7_777, sequence, sequence == 0, &[(4, b"0")], &[0xf8; 20]);
        speaking.extend(with_bytes(PROVEN, 0, &packet));
        speaking.extend([WAIT, 5]);
    }
    speaking.extend(with_bytes(RAW, 3, &packets::rtp(100, 3, 1, false, &[], &[1; 20])));
    speaking.extend([COMMAND, 1, 0x81, COMMAND, 1, 0x01, COMMAND, 12, 1, CHECK, 1]);
    let mut report = Vec::new();
    let info = starling_media::rtcp::SenderInfo { ssrc: 1_000, packets: 5, ..Default::default() };
    build::sender_report(&mut report, &info, &[]);
    build::bye(&mut report, &[1_001]);
    let mut replacing = simulcasting.clone();
    replacing.extend(with_bytes(PROVEN, 0, &report));
    replacing.extend([COMMAND, 8, 2, COMMAND, 9, 2, COMMAND, 7, 0, WAIT, 250]);
    let mut piping = vec![COMMAND, 7, 0, COMMAND, 8, 0x80];
    for sequence in 0..4 {
        piping.extend(with_bytes(PIPE, 0, &simulcast(1, sequence, sequence == 0)));
    }
    piping.extend(with_bytes(PIPE, 0, &lost));
    let hello = with_bytes(RAW, 0, &packets::client_hello(0));
    vec![simulcasting, layered, repairing, speaking, replacing, piping, hello]
}
