//! What is sent: single packets like audio, or bursts like the frames of a video. Each packet
//! carries the time it was sent and a running number, so that whoever gets it can tell delay, loss
//! and order.

use std::time::Duration;

use serde_json::{Value, json};
use starling_media::{
    command::{ConsumerParams, ProducerParams, SrtpKey},
    srtp::Sender,
};
use starling_people::measure::STAMP_AT;
use starling_proto::{
    MediaKind, RtpParameters,
    rtp::{RtpMapping, RtpType},
    transport::SrtpProfile,
};

use crate::sys::monotonic;

/// Bytes of an RTP header without extensions.
pub(crate) const HEADER: usize = 12;

/// What frames look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One packet with 160 bytes of payload every 20 ms.
    Audio,
    /// Eight packets of 1,100 bytes every 33 ms, 60 for a key frame every 3 s.
    Video,
}

impl Shape {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Audio => "single",
            Self::Video => "burst",
        }
    }

    /// As it is sent into a node, header included.
    pub(crate) const fn packet_len(self) -> usize {
        match self {
            Self::Audio => HEADER + 160,
            Self::Video => 1_100,
        }
    }

    /// Between two frames, as people send them.
    pub(crate) const fn interval(self) -> Duration {
        match self {
            Self::Audio => Duration::from_millis(20),
            Self::Video => Duration::from_micros(33_333),
        }
    }

    /// Frames between two key frames.
    pub(crate) const fn period(self) -> u32 {
        match self {
            Self::Audio => 1,
            Self::Video => 90,
        }
    }

    const fn packets(self, key_frame: bool) -> u32 {
        match (self, key_frame) {
            (Self::Audio, _) => 1,
            (Self::Video, false) => 8,
            (Self::Video, true) => 60,
        }
    }

    const fn payload_type(self) -> u8 {
        match self {
            Self::Audio => 100,
            Self::Video => 101,
        }
    }

    /// In RTP clock ticks.
    const fn frame_ticks(self) -> u32 {
        match self {
            Self::Audio => 960,
            Self::Video => 3_000,
        }
    }

    pub(crate) const fn kind(self) -> MediaKind {
        match self {
            Self::Audio => MediaKind::Audio,
            Self::Video => MediaKind::Video,
        }
    }

    fn codecs(self) -> Value {
        match self {
            Self::Audio => json!([{
                "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2,
                "parameters": {}, "rtcpFeedback": [{"type": "transport-cc"}]
            }]),
            Self::Video => json!([
                {"mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000, "parameters": {},
                    "rtcpFeedback": [{"type": "nack"}, {"type": "nack", "parameter": "pli"},
                        {"type": "ccm", "parameter": "fir"}, {"type": "transport-cc"}]},
                {"mimeType": "video/rtx", "payloadType": 102, "clockRate": 90000,
                    "parameters": {"apt": 101}, "rtcpFeedback": []}
            ]),
        }
    }

    fn encoding(self, ssrc: u32) -> Value {
        match self {
            Self::Audio => json!({"ssrc": ssrc}),
            Self::Video => json!({"ssrc": ssrc, "rtx": {"ssrc": ssrc + 1}}),
        }
    }

    /// A producer of this shape, without header extensions.
    pub(crate) fn producer(self, ssrc: u32) -> ProducerParams {
        let mapping = json!({
            "codecs": [
                {"payloadType": self.payload_type(), "mappedPayloadType": self.payload_type()},
                {"payloadType": 102, "mappedPayloadType": 102}],
            "encodings": [{"ssrc": ssrc, "mappedSsrc": ssrc + 7}]
        });
        ProducerParams {
            kind: self.kind(),
            rtp: parse(json!({
                "codecs": self.codecs(), "headerExtensions": [],
                "encodings": [self.encoding(ssrc)], "rtcp": {"cname": "load"}
            })),
            mapping: serde_json::from_value::<RtpMapping>(mapping).expect("a mapping by hand"),
            paused: false,
            encrypted: false,
            key_frame_delay: Duration::ZERO,
        }
    }

    /// What a browser gets: MID, abs-send-time and transport-wide sequence numbers on every packet.
    pub(crate) fn consumer(self, ssrc: u32, rtp_type: RtpType) -> ConsumerParams {
        let rtp = parse(json!({
            "mid": "0", "codecs": self.codecs(),
            "headerExtensions": [
                {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1},
                {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 4},
                {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
                    "id": 5}],
            "encodings": [self.encoding(ssrc)], "rtcp": {"cname": "load"}
        }));
        let pipe_layers = u32::from(rtp_type == RtpType::Pipe);
        ConsumerParams {
            kind: self.kind(),
            rtp,
            rtp_type,
            paused: false,
            preferred: None,
            pipe_layers,
            encrypted: false,
            ignore_dtx: false,
        }
    }
}

impl Shape {
    /// Parameters of a client that publishes this shape with the room's payload types.
    pub(crate) fn publish(self, capabilities: &Value, ssrc: u32) -> Option<Value> {
        let codecs = capabilities["codecs"].as_array()?;
        let wanted = match self {
            Self::Audio => "audio/opus",
            Self::Video => "video/VP8",
        };
        let codec = codecs.iter().find(|codec| codec["mimeType"] == wanted)?;
        let codec = json!({
            "mimeType": wanted, "payloadType": codec["preferredPayloadType"],
            "clockRate": codec["clockRate"], "channels": codec["channels"], "parameters": {},
            "rtcpFeedback": codec["rtcpFeedback"]
        });
        let mid = self.name();
        Some(json!({
            "mid": mid, "codecs": [codec], "headerExtensions": [], "encodings": [{"ssrc": ssrc}],
            "rtcp": {"cname": "load"}
        }))
    }
}

fn parse(value: Value) -> RtpParameters {
    serde_json::from_value(value).expect("parameters by hand")
}

/// Master key of the `n`-th party.
pub(crate) fn key(profile: SrtpProfile, n: usize) -> SrtpKey {
    let (key, salt) = profile.lengths();
    let bytes = |len: usize, with: u8| {
        (0..len).map(|at| (n >> (8 * (at % 4))) as u8 ^ with.wrapping_add(at as u8)).collect()
    };
    SrtpKey { key: bytes(key, 0x51), salt: bytes(salt, 0xa3) }
}

/// One stream as its publisher sends it.
pub(crate) struct Source {
    shape: Shape,
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    number: u64,
    frame: u32,
    srtp: Option<Sender>,
}

impl Source {
    pub(crate) fn new(shape: Shape, ssrc: u32, srtp: Option<Sender>) -> Self {
        let payload_type = shape.payload_type();
        Self { shape, ssrc, payload_type, sequence: 1, number: 0, frame: 0, srtp }
    }

    /// With the payload type that was negotiated.
    pub(crate) const fn with_payload_type(mut self, payload_type: u8) -> Self {
        self.payload_type = payload_type;
        self
    }

    /// Goes on from this sequence number.
    pub(crate) const fn with_sequence(mut self, sequence: u16) -> Self {
        self.sequence = sequence;
        self
    }

    /// Packets made so far.
    pub(crate) const fn packets(&self) -> u64 {
        self.number
    }

    /// Makes the next frame: packets of equal length, protected if there is a key, back to back in
    /// `out`. Gives their length.
    pub(crate) fn frame(&mut self, out: &mut Vec<u8>) -> usize {
        out.clear();
        let key_frame = self.frame.is_multiple_of(self.shape.period());
        let count = self.shape.packets(key_frame);
        let tag = self.srtp.as_ref().map_or(0, Sender::rtp_overhead);
        let len = self.shape.packet_len();
        for n in 0..count {
            let start = out.len();
            self.packet(out, n, count, key_frame);
            if let Some(srtp) = &mut self.srtp {
                out.resize(start + len + tag, 0);
                srtp.protect_rtp(&mut out[start..], len).expect("a whole packet with room");
            }
        }
        self.frame = self.frame.wrapping_add(1);
        len + tag
    }

    fn packet(&mut self, out: &mut Vec<u8>, n: u32, count: u32, key_frame: bool) {
        let start = out.len();
        let marker = self.shape == Shape::Video && n + 1 == count;
        out.extend_from_slice(&[0x80, self.payload_type | u8::from(marker) << 7]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        let ticks = self.frame.wrapping_mul(self.shape.frame_ticks());
        out.extend_from_slice(&ticks.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        let payload = out.len();
        if self.shape == Shape::Video {
            let [high, low] = (self.frame as u16 | 0x8000).to_be_bytes();
            let first = 0x80 | u8::from(n == 0) << 4;
            out.extend_from_slice(&[
                first,
                0xe0,
                high,
                low,
                self.frame as u8,
                0,
                u8::from(!key_frame),
            ]);
        }
        out.resize(payload + STAMP_AT, 0);
        out.extend_from_slice(&monotonic().to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.resize(start + self.shape.packet_len(), 0x5a);
        self.sequence = self.sequence.wrapping_add(1);
        self.number += 1;
    }
}
