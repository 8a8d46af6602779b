//! A plane behind a bottleneck, in virtual time: cameras of three layers, a shaper with a queue,
//! and a receiver that tells when packets arrive, asks for what is missing, and shows pictures.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use starling_proto::{rtp::RtpType, trace::TraceEvent};

use super::{
    bench::*,
    screen::{Piece, Screen},
};
use crate::{
    Event, TransportKey,
    bandwidth::{Trace, path::Path},
    rtcp::{
        RtcpItem, SenderInfo, build,
        twcc::{Feedback, Symbols},
    },
    rtp::{NtpTime, RtpHeader, is_rtcp},
};

/// Bits per second of a camera's layers (libwebrtc `video/config/simulcast.cc`, 720 lines at a cap
/// of 1.7 Mb/s).
pub(super) const CHROME: [u64; 3] = [150_000, 450_000, 1_700_000];
/// Temporal layers of four frames, and the share of four frames' bytes each has.
const PATTERN: [(u8, bool, u64); 4] =
    [(0, false, 40), (2, true, 20), (1, true, 20), (2, false, 20)];
/// Until a key frame's bytes are saved up again, frames have this share of theirs.
const SAVING: u64 = 85;

/// What a camera and its sender are like.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub bitrates: [u64; 3],
    pub temporal: bool,
    pub frame_ms: i64,
    /// A key frame, as a multiple of the mean frame.
    pub key_frame: u64,
    /// From its sender to us, and back.
    pub upstream_ms: i64,
    /// Between the packets of a frame.
    pub spread_ms: i64,
}

impl Shape {
    /// A browser far away, with an encoder that spends much on key frames.
    pub(super) const fn browser(bitrates: [u64; 3], temporal: bool) -> Self {
        Self { bitrates, temporal, frame_ms: 33, key_frame: 6, upstream_ms: 30, spread_ms: 1 }
    }

    /// The load generator beside us.
    pub(super) const fn load(bitrates: [u64; 3], temporal: bool) -> Self {
        Self { bitrates, temporal, frame_ms: 40, key_frame: 4, upstream_ms: 2, spread_ms: 0 }
    }
}

struct Camera {
    base: u32,
    shape: Shape,
    layers: [Layer; 3],
}

#[derive(Clone, Copy, Default)]
struct Layer {
    sequence: u16,
    picture: u16,
    tl0: u8,
    cycle: usize,
    key_at: Option<i64>,
    /// Bytes spent on a key frame and not yet saved.
    debt: u64,
}

impl Camera {
    fn new(base: u32, shape: Shape) -> Self {
        let layer = Layer { key_at: Some(0), ..Layer::default() };
        Self { base, shape, layers: [layer; 3] }
    }

    fn ssrc(&self, layer: usize) -> u32 {
        self.base + 100 * layer as u32
    }

    /// Packets of one frame of each layer.
    fn frame(&mut self, ms: i64, out: &mut VecDeque<(i64, u32, Vec<u8>)>) {
        let shape = self.shape;
        for index in 0..3 {
            let ssrc = self.ssrc(index);
            let layer = &mut self.layers[index];
            let cycle = if shape.temporal { PATTERN[layer.cycle % 4] } else { (0, false, 25) };
            // A key frame is one of the lowest temporal layer.
            let key = layer.key_at.is_some_and(|at| at <= ms) && cycle.0 == 0;
            if key {
                layer.key_at = None;
            }
            let (tid, sync, share) = cycle;
            layer.cycle += 1;
            layer.picture = (layer.picture + 1) & 0x7fff;
            layer.tl0 = layer.tl0.wrapping_add(u8::from(tid == 0));
            let mean = shape.bitrates[index] * shape.frame_ms as u64 / 8_000;
            let bytes = if key {
                layer.debt += (shape.key_frame - 1) * mean;
                shape.key_frame * mean
            } else {
                let all = mean * 4 * share / 100;
                let saved = if layer.debt > 0 { all * (100 - SAVING) / 100 } else { 0 };
                layer.debt = layer.debt.saturating_sub(saved);
                all - saved
            };
            let packets = bytes.div_ceil(1_090);
            for n in 0..packets {
                let mut payload = vp8_payload(key, layer.picture, layer.tl0, tid, sync);
                if n > 0 {
                    payload[0] = 0x80;
                }
                let last = n + 1 == packets;
                Piece { first: n == 0, last, key, sent: ms }.write(&mut payload);
                payload.resize(((bytes / packets) as usize).max(payload.len()), 0xaa);
                let rid: &[u8] = [b"r0", b"r1", b"r2"][index];
                let extensions: [(u8, &[u8]); 2] = [(4, b"1"), (10, rid)];
                let timestamp = (ms * 90) as u32;
                let packet = rtp(96, ssrc, layer.sequence, timestamp, last, &extensions, &payload);
                layer.sequence = layer.sequence.wrapping_add(1);
                let at = ms + shape.upstream_ms / 2 + n as i64 * shape.spread_ms;
                out.push_back((at, self.base, packet));
            }
        }
    }

    fn report(&self, ms: i64) -> Vec<u8> {
        let ntp = NtpTime::from_unix(Duration::from_millis(1_000_000 + ms as u64));
        let mut packet = Vec::new();
        for index in 0..3 {
            let timestamp = (ms * 90) as u32;
            let ssrc = self.ssrc(index);
            let info = SenderInfo { ssrc, ntp, timestamp, packets: 1, octets: 1 };
            build::sender_report(&mut packet, &info, &[]);
        }
        packet
    }
}

/// One receiver of several cameras and a microphone.
pub(super) struct World {
    pub bench: Bench,
    pub path: Path,
    cameras: Vec<Camera>,
    upstream: VecDeque<(i64, u32, Vec<u8>)>,
    pub ms: i64,
    audio: u16,
    /// When packets of audio were lost.
    pub unheard: Vec<i64>,
    /// Bytes of media that arrived: when, of which consumer's SSRC.
    arrived: Vec<(i64, u32, usize)>,
    pub probation: usize,
    /// Of the `probator` stream.
    pub padded: usize,
    /// When which consumer got which layers.
    pub layers: Vec<(i64, Option<(u8, u8)>)>,
    traces: Vec<Trace>,
    /// Trace events of the viewer's transport, once they are asked for.
    pub told: Vec<TraceEvent>,
    /// By SSRC: highest sequence number that arrived, and what is missing: asked when.
    seen: BTreeMap<u32, (u16, BTreeMap<u16, i64>)>,
    /// What is on its way to the receiver: when, SSRC, sequence number.
    flying: VecDeque<(i64, u32, u16, Piece)>,
    pub screens: BTreeMap<u32, Screen>,
    pub repaired: usize,
}

const VIEWER: u16 = 7_000;
/// The microphone's consumer.
pub(super) const VOICE: u32 = 50;

impl World {
    pub(super) fn new(cameras: usize, rate: u64, shape: Shape) -> Self {
        let mut bench = Bench::new(9);
        bench.plain(1, address(5_001));
        bench.plain(900, address(VIEWER));
        bench.produce(1, 1, opus(77));
        let mut world = Self {
            bench,
            path: Path::new(rate),
            cameras: Vec::new(),
            upstream: VecDeque::new(),
            ms: 0,
            audio: 0,
            unheard: Vec::new(),
            arrived: Vec::new(),
            probation: 0,
            padded: 0,
            layers: Vec::new(),
            traces: Vec::new(),
            told: Vec::new(),
            seen: BTreeMap::new(),
            flying: VecDeque::new(),
            screens: BTreeMap::new(),
            repaired: 0,
        };
        world.bench.consume(900, 1, 1, audio_consumer(VOICE));
        for n in 0..cameras as u64 {
            let base = 1_000 * (n as u32 + 1);
            world.bench.plain(100 + n, address(6_000 + n as u16));
            world.bench.produce(100 + n, 100 + n, vp8_simulcast());
            let consumer = video_consumer(base + 7, RtpType::Simulcast);
            world.bench.consume(900, 100 + n, 100 + n, consumer);
            world.cameras.push(Camera::new(base, shape));
        }
        world
    }

    pub(super) fn run(&mut self, ms: i64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.step();
            self.ms += 1;
        }
    }

    fn step(&mut self) {
        let ms = self.ms;
        let place = |base: u32| u64::from(base / 1_000 - 1);
        for camera in &mut self.cameras {
            // Cameras are not in step.
            if (ms + i64::from(camera.base / 1_000 * 7)) % camera.shape.frame_ms == 0 {
                camera.frame(ms, &mut self.upstream);
            }
            if ms % 1_000 == 500 {
                let report = camera.report(ms);
                let place = place(camera.base);
                self.bench.receive(110 + place as u32, address(6_000 + place as u16), &report);
            }
        }
        self.upstream.make_contiguous().sort_by_key(|(at, ..)| *at);
        while let Some((_, base, packet)) = self.upstream.pop_front_if(|(at, ..)| *at <= ms) {
            let place = place(base);
            self.bench.receive(110 + place as u32, address(6_000 + place as u16), &packet);
        }
        if ms % 20 == 0 {
            let packet = rtp(111, 77, self.audio, ms as u32 * 48, false, &[], &[9; 80]);
            self.audio = self.audio.wrapping_add(1);
            self.bench.receive(11, address(5_001), &packet);
        }
        if let Some((base, reference, count, deltas)) = self.path.feedback(ms * 1_000) {
            let mut symbols = Symbols::default();
            for delta in deltas {
                match delta {
                    Some(delta) => symbols.received(delta),
                    None => symbols.lost(),
                }
            }
            let head = Feedback {
                sender_ssrc: 1,
                media_ssrc: 2,
                base_sequence: base,
                reference_time: reference,
                feedback_count: count,
            };
            let mut packet = Vec::new();
            head.write(&symbols, &mut packet);
            self.bench.receive(910, address(VIEWER), &packet);
        }
        self.repair();
        self.bench.advance(1);
        self.take();
        if ms % 500 == 250 {
            let (_, viewer) = self
                .bench
                .plane
                .transports
                .iter()
                .find(|(_, transport)| transport.key == TransportKey(900))
                .unwrap();
            self.traces.push(viewer.bandwidth.as_ref().unwrap().estimator.trace());
        }
    }

    fn take(&mut self) {
        let ms = self.ms;
        for packet in std::mem::take(&mut self.bench.packets) {
            if is_rtcp(&packet.bytes) {
                self.take_rtcp(&packet);
                continue;
            }
            let header = RtpHeader::parse(&packet.bytes).unwrap();
            let sequence = packet.extension(5).map(|at| u16::from_be_bytes([at[0], at[1]]));
            let arrival = self.path.send(ms * 1_000, packet.bytes.len(), sequence);
            let Some(arrival) = arrival else {
                if header.ssrc == VOICE {
                    self.unheard.push(ms);
                }
                continue;
            };
            if header.ssrc == 1_234 {
                self.probation += packet.bytes.len();
                self.padded += 1;
            } else if header.payload_type == 102 {
                let payload = packet.payload();
                let sequence = u16::from_be_bytes([payload[0], payload[1]]);
                let piece = Piece::read(&payload[2..]);
                self.flying.push_back((arrival / 1_000, header.ssrc - 1, sequence, piece));
                self.probation += packet.bytes.len();
            } else {
                if header.payload_type == 101 {
                    let piece = Piece::read(packet.payload());
                    self.flying.push_back((arrival / 1_000, header.ssrc, header.sequence, piece));
                }
                self.arrived.push((arrival / 1_000, header.ssrc, packet.bytes.len()));
            }
        }
        for event in self.bench.take_events() {
            match event {
                Event::ConsumerLayers { layers, .. } => {
                    let layers =
                        layers.map(|it| (it.spatial_layer, it.temporal_layer.unwrap_or(0)));
                    self.layers.push((ms, layers));
                }
                Event::Trace { event, .. } => self.told.push(*event),
                _ => {}
            }
        }
    }

    /// What arrived, and what the receiver asks for again: each 20 ms, at once and then once a
    /// round trip.
    fn repair(&mut self) {
        let ms = self.ms;
        while let Some((_, ssrc, sequence, piece)) = self.flying.pop_front_if(|(at, ..)| *at <= ms)
        {
            self.screens.entry(ssrc).or_default().take(ms, sequence, piece);
            let (newest, missing) =
                self.seen.entry(ssrc).or_insert_with(|| (sequence, BTreeMap::new()));
            if sequence.wrapping_sub(*newest).cast_signed() > 0 {
                let mut next = newest.wrapping_add(1);
                while next != sequence {
                    missing.insert(next, 0);
                    next = next.wrapping_add(1);
                }
                *newest = sequence;
            } else if missing.remove(&sequence).is_some() {
                self.repaired += 1;
            }
        }
        if ms % 20 != 0 {
            return;
        }
        let mut packets = Vec::new();
        for (ssrc, (newest, missing)) in &mut self.seen {
            missing.retain(|sequence, _| newest.wrapping_sub(*sequence) < 500);
            let due = missing.iter_mut().filter(|(_, asked)| ms - **asked >= 100);
            let due = due.map(|(sequence, asked)| {
                *asked = ms;
                *sequence
            });
            let lost: Vec<u16> = due.collect();
            if !lost.is_empty() {
                build::nack(&mut packets, 1, *ssrc, &lost, 1_200);
            }
        }
        for (ssrc, screen) in &mut self.screens {
            if screen.wants_key_frame(ms) {
                build::pli(&mut packets, 1, *ssrc);
            }
        }
        if !packets.is_empty() {
            self.bench.receive(910, address(VIEWER), &packets);
        }
    }

    fn take_rtcp(&mut self, packet: &Packet) {
        let mut items = Vec::new();
        crate::rtcp::parse(&packet.bytes, &mut items);
        for item in items {
            let RtcpItem::Pli { media, .. } = item else { continue };
            for camera in &mut self.cameras {
                let layer = (0..3).find(|layer| camera.base + 100 * layer == media);
                if let Some(layer) = layer {
                    let key_at = &mut camera.layers[layer as usize].key_at;
                    *key_at = Some(key_at.unwrap_or(self.ms + camera.shape.upstream_ms / 2));
                }
            }
        }
    }

    /// Bits per second of `ssrc` that arrived in a stretch of time.
    pub(super) fn bitrate(&self, ssrc: u32, from: i64, to: i64) -> u64 {
        let bytes =
            self.arrived.iter().filter(|(at, whose, _)| *whose == ssrc && (from..to).contains(at));
        bytes.map(|(.., bytes)| *bytes as u64).sum::<u64>() * 8_000 / (to - from) as u64
    }

    /// A line for each half second, for whoever looks into a failure.
    pub(super) fn print(&self, ssrc: u32) {
        for from in (0..self.ms).step_by(500) {
            let worst =
                self.path.waits.iter().filter(|(at, _)| (from..from + 500).contains(&(at / 1_000)));
            let worst = worst.map(|(_, wait)| wait / 1_000).max().unwrap_or(0);
            let drops =
                self.path.drops.iter().filter(|at| (from..from + 500).contains(&(**at / 1_000)));
            let layers: Vec<_> = self
                .layers
                .iter()
                .filter(|(at, ..)| (from..from + 500).contains(at))
                .map(|(at, layers)| (at % 500, layers.unwrap_or((9, 9))))
                .collect();
            let trace = self.traces[from as usize / 500];
            eprintln!(
                "{:6.1} s {:5} kb/s, waits {worst:4} ms, drops {}, {layers:?} est {} delay {} loss {:?} {:.2} arrives {} {:?} {}",
                from as f64 / 1e3,
                self.bitrate(ssrc, from, from + 500) / 1_000,
                drops.count(),
                trace.bitrate / 1000,
                trace.delay_based / 1000,
                trace.loss_based.map(|it| it / 1000),
                trace.loss,
                trace.arrives.unwrap_or(0) / 1000,
                trace.usage,
                if trace.limited { "alr" } else { "" },
            );
        }
    }
}
