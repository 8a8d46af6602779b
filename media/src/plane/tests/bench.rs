//! A plane on a table: what goes in and what came out, in plain values.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::json;
use starling_proto::{
    MediaKind, RtpParameters,
    rtp::{CodecMapping, EncodingMapping, RtpMapping, RtpType},
};

use crate::{
    Command, ConsumerKey, Event, PipeKey, Plane, PlaneConfig, ProducerKey, SocketId, TransportKey,
    command::{Bitrates, ConsumerParams, ProducerParams},
    rtcp::{self, RtcpItem},
    rtp::{RtpHeader, is_rtcp},
};

/// One packet that left.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Packet {
    pub(super) fn header(&self) -> RtpHeader {
        RtpHeader::parse(&self.bytes).unwrap()
    }

    pub(super) fn payload(&self) -> &[u8] {
        let header = self.header();
        let end = self.bytes.len() - header.padding_len;
        &self.bytes[header.header_len..end]
    }

    pub(super) fn extension(&self, id: u8) -> Option<&[u8]> {
        let header = self.header();
        let (_, range) = header.extensions(&self.bytes).find(|(found, _)| *found == id)?;
        Some(&self.bytes[range])
    }
}

pub(super) struct Bench {
    pub plane: Plane,
    pub now: Instant,
    pub packets: Vec<Packet>,
    pub piped: Vec<(PipeKey, Vec<u8>)>,
    pub events: Vec<Event>,
    /// How long it takes to send.
    pub sending: Duration,
}

impl Bench {
    pub(super) fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self::at(seed, start)
    }

    pub(super) fn at(seed: u64, start: Instant) -> Self {
        let wall = Duration::from_secs(1_700_000_000);
        let plane = Plane::new(PlaneConfig { seed, start, wall });
        let (packets, piped, events) = (Vec::new(), Vec::new(), Vec::new());
        Self { plane, now: start, packets, piped, events, sending: Duration::ZERO }
    }

    pub(super) fn command(&mut self, command: Command) {
        let ignored = self.plane.counters().commands_ignored;
        self.plane.handle_command(self.now, command.clone());
        assert_eq!(self.plane.counters().commands_ignored, ignored, "ignored: {command:?}");
        self.settle();
    }

    /// Takes what left.
    pub(super) fn settle(&mut self) {
        let (packets, piped, sent) = (&mut self.packets, &mut self.piped, self.now + self.sending);
        self.plane.flush(self.now, &mut |flight| {
            for run in flight.runs {
                for bytes in flight.bytes[run.bytes.clone()].chunks(run.segment) {
                    packets.push(Packet { to: run.to, bytes: bytes.to_vec() });
                }
            }
            for (pipe, range) in flight.piped {
                piped.push((*pipe, flight.bytes[range.clone()].to_vec()));
            }
            sent
        });
        while let Some(event) = self.plane.poll_event() {
            self.events.push(event);
        }
    }

    pub(super) fn receive(&mut self, socket: u32, from: SocketAddr, packet: &[u8]) {
        let mut datagram = packet.to_vec();
        self.plane.handle_datagram(self.now, SocketId(socket), from, &mut datagram);
        self.settle();
    }

    /// Lets `ms` go by, with every timer at its time.
    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some((at, _)) = self.plane.next_timeout().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.plane.handle_timeout(self.now);
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn plain(&mut self, key: u64, to: SocketAddr) {
        self.command(Command::AddPlain {
            transport: TransportKey(key),
            rtp: SocketId(key as u32 + 10),
            rtcp: None,
            comedia: false,
            srtp: false,
        });
        self.command(Command::ConnectPlain { transport: TransportKey(key), rtp: to, rtcp: None });
    }

    /// So much may be sent to its receiver, whatever it tells.
    pub(super) fn open(&mut self, transport: u64) {
        let wide = Some(500_000_000);
        let bitrates =
            Bitrates { initial_outgoing: wide, min_outgoing: wide, ..Bitrates::default() };
        self.command(Command::SetBitrates { transport: TransportKey(transport), bitrates });
    }

    pub(super) fn produce(&mut self, transport: u64, producer: u64, rtp: RtpParameters) {
        self.command(Command::Produce {
            transport: TransportKey(transport),
            producer: ProducerKey(producer),
            params: Box::new(ProducerParams {
                kind: kind_of(&rtp),
                mapping: mapping(&rtp),
                rtp,
                paused: false,
                encrypted: false,
                key_frame_delay: Duration::ZERO,
            }),
        });
    }

    pub(super) fn consume(
        &mut self,
        transport: u64,
        consumer: u64,
        producer: u64,
        params: ConsumerParams,
    ) {
        self.command(Command::Consume {
            transport: TransportKey(transport),
            consumer: ConsumerKey(consumer),
            producer: ProducerKey(producer),
            params: Box::new(params),
        });
    }

    /// RTP with this SSRC that left since the last call, of anybody's.
    pub(super) fn take_rtp(&mut self, ssrc: u32) -> Vec<Packet> {
        let taken = self.packets.iter().filter(|packet| {
            !is_rtcp(&packet.bytes)
                && RtpHeader::parse(&packet.bytes).is_some_and(|header| header.ssrc == ssrc)
        });
        let taken: Vec<_> = taken.cloned().collect();
        self.packets.retain(|packet| {
            is_rtcp(&packet.bytes)
                || RtpHeader::parse(&packet.bytes).is_none_or(|header| header.ssrc != ssrc)
        });
        taken
    }

    /// RTCP for this address that left since the last call.
    pub(super) fn take_rtcp(&mut self, to: SocketAddr) -> Vec<RtcpItem> {
        let mut items = Vec::new();
        for packet in self.packets.iter().filter(|packet| packet.to == to) {
            if is_rtcp(&packet.bytes) {
                assert_eq!(rtcp::parse(&packet.bytes, &mut items), 0);
            }
        }
        self.packets.retain(|packet| packet.to != to || !is_rtcp(&packet.bytes));
        items
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub(super) fn parameters(value: serde_json::Value) -> RtpParameters {
    serde_json::from_value(value).unwrap()
}

fn kind_of(rtp: &RtpParameters) -> MediaKind {
    if rtp.codecs[0].mime_type.starts_with("audio/") { MediaKind::Audio } else { MediaKind::Video }
}

fn mapping(rtp: &RtpParameters) -> RtpMapping {
    let codec = |payload_type| CodecMapping { payload_type, mapped_payload_type: 101 };
    RtpMapping {
        codecs: rtp.codecs.iter().map(|known| codec(known.payload_type)).collect(),
        encodings: rtp
            .encodings
            .iter()
            .enumerate()
            .map(|(index, encoding)| EncodingMapping {
                ssrc: encoding.ssrc,
                rid: encoding.rid.clone(),
                scalability_mode: None,
                mapped_ssrc: 9_000 + index as u32,
            })
            .collect(),
    }
}

/// Opus from Chrome, SSRC as given; its ids differ from the router's.
pub(super) fn opus(ssrc: u32) -> RtpParameters {
    parameters(json!({
        "mid": "0",
        "codecs": [{"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2,
            "rtcpFeedback": [{"type": "transport-cc"}]}],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4},
            {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 1}],
        "encodings": [{"ssrc": ssrc}],
        "rtcp": {"cname": "publisher"}
    }))
}

/// One VP8 stream with RTX on the next SSRC.
pub(super) fn vp8(ssrc: u32) -> RtpParameters {
    let mut rtp = vp8_simulcast();
    rtp.encodings = parameters(json!({
        "codecs": [], "encodings": [{"ssrc": ssrc, "rtx": {"ssrc": ssrc + 1}}]
    }))
    .encodings;
    rtp
}

/// VP8 simulcast from Chrome: rids and no SSRCs.
pub(super) fn vp8_simulcast() -> RtpParameters {
    parameters(json!({
        "mid": "1",
        "codecs": [
            {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "rtcpFeedback": [
                {"type": "nack"}, {"type": "nack", "parameter": "pli"},
                {"type": "ccm", "parameter": "fir"}, {"type": "transport-cc"},
                {"type": "goog-remb"}]},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000,
                "parameters": {"apt": 96}}],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4},
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "id": 10},
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", "id": 11},
            {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
                "id": 3},
            {"uri": "urn:3gpp:video-orientation", "id": 13}],
        "encodings": [{"rid": "r0"}, {"rid": "r1"}, {"rid": "r2"}],
        "rtcp": {"cname": "publisher"}
    }))
}

/// What a browser gets of `vp8` or `vp8_simulcast`, with RTX on the next SSRC.
pub(super) fn video_consumer(ssrc: u32, rtp_type: RtpType) -> ConsumerParams {
    let rtp = parameters(json!({
        "mid": "7",
        "codecs": [
            {"mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000, "rtcpFeedback": [
                {"type": "nack"}, {"type": "nack", "parameter": "pli"},
                {"type": "ccm", "parameter": "fir"}, {"type": "transport-cc"}]},
            {"mimeType": "video/rtx", "payloadType": 102, "clockRate": 90000,
                "parameters": {"apt": 101}}],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 4},
            {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
                "id": 5},
            {"uri": "urn:3gpp:video-orientation", "id": 8}],
        "encodings": [{"ssrc": ssrc, "rtx": {"ssrc": ssrc + 1}}],
        "rtcp": {"cname": "publisher"}
    }));
    let kind = MediaKind::Video;
    ConsumerParams {
        kind,
        rtp,
        rtp_type,
        paused: false,
        preferred: None,
        pipe_layers: 0,
        encrypted: false,
        ignore_dtx: false,
    }
}

/// What a browser gets of `opus`.
pub(super) fn audio_consumer(ssrc: u32) -> ConsumerParams {
    let rtp = parameters(json!({
        "mid": "6",
        "codecs": [{"mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2,
            "rtcpFeedback": []}],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1},
            {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 6}],
        "encodings": [{"ssrc": ssrc}],
        "rtcp": {"cname": "publisher"}
    }));
    ConsumerParams {
        kind: MediaKind::Audio,
        rtp,
        rtp_type: RtpType::Simple,
        paused: false,
        preferred: None,
        pipe_layers: 0,
        encrypted: false,
        ignore_dtx: false,
    }
}

/// An RTP packet with one-byte header extensions.
pub(super) fn rtp(
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type | u8::from(marker) << 7];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&timestamp.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    if !extensions.is_empty() {
        packet[0] |= 0x10;
        let mut block = Vec::new();
        for (id, value) in extensions {
            block.push(id << 4 | (value.len() as u8 - 1));
            block.extend_from_slice(value);
        }
        block.resize(block.len().next_multiple_of(4), 0);
        packet.extend_from_slice(&[0xbe, 0xde, 0, (block.len() / 4) as u8]);
        packet.extend_from_slice(&block);
    }
    packet.extend_from_slice(payload);
    packet
}

/// A VP8 payload: 15-bit picture id, TL0PICIDX, temporal layer.
pub(super) fn vp8_payload(key: bool, picture: u16, tl0: u8, tid: u8, sync: bool) -> Vec<u8> {
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let layer = tid << 6 | u8::from(sync) << 5;
    let mut payload = vec![0x90, 0xe0, high, low, tl0, layer, u8::from(!key)];
    payload.extend_from_slice(&[0xaa; 40]);
    payload
}

/// Adds a header extension in two-byte form (RFC 8285 §4.3) to a packet that has none yet and no
/// payload: a descriptor with a structure is longer than 16 bytes.
pub(super) fn extend_header(packet: &mut Vec<u8>, id: u8, value: &[u8]) {
    packet[0] |= 0x10;
    let len = (2 + value.len()).next_multiple_of(4);
    packet.extend([0x10, 0, 0, (len / 4) as u8, id, value.len() as u8]);
    packet.extend(value);
    packet.resize(16 + len, 0);
}
