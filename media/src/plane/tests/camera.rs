//! A browser's camera: VP8 in three layers of three temporal layers each, as Chrome sends it.

use std::time::Instant;

use super::bench::{Bench, Packet, address, rtp, vp8_payload};
use crate::{
    rtcp::{SenderInfo, build},
    rtp::NtpTime,
};

/// Temporal layers of a cycle of four frames, and whether they are layer syncs.
const PATTERN: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];

pub(super) struct Camera {
    pub layers: [Layer; 3],
    /// Layers that are sent.
    pub on: [bool; 3],
    /// Layers whose next frame is a key frame.
    pub key: [bool; 3],
    pub twcc: u16,
    pub started: Instant,
}

#[derive(Clone, Copy)]
pub(super) struct Layer {
    pub ssrc: u32,
    pub rid: &'static [u8],
    pub sequence: u16,
    pub timestamp_base: u32,
    pub picture: u16,
    pub tl0: u8,
    pub cycle: usize,
    pub packets: u8,
    pub sent: u32,
}

impl Camera {
    pub(super) fn new(started: Instant) -> Self {
        let layer = |ssrc, rid, sequence, timestamp_base, picture, packets| Layer {
            ssrc,
            rid,
            sequence,
            timestamp_base,
            picture,
            tl0: picture as u8,
            cycle: 0,
            packets,
            sent: 0,
        };
        Self {
            layers: [
                layer(100, b"r0", 65_530, 4_294_960_000, 32_760, 1),
                layer(200, b"r1", 1_000, 77_000, 500, 2),
                layer(300, b"r2", 40_000, 3_000_000_000, 9_000, 3),
            ],
            on: [true; 3],
            key: [true; 3],
            twcc: 0,
            started,
        }
    }

    fn timestamp(&self, now: Instant, layer: usize) -> u32 {
        let elapsed = now.duration_since(self.started).as_micros() * 90 / 1000;
        self.layers[layer].timestamp_base.wrapping_add(elapsed as u32)
    }

    /// The packets of one frame of each layer that is on.
    pub(super) fn frame(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for index in 0..3 {
            if self.on[index] {
                self.layer_frame(now, index, &mut packets);
            }
        }
        packets
    }

    fn layer_frame(&mut self, now: Instant, index: usize, packets: &mut Vec<Vec<u8>>) {
        let timestamp = self.timestamp(now, index);
        let key = std::mem::take(&mut self.key[index]);
        let layer = &mut self.layers[index];
        if key {
            layer.cycle = 0;
        }
        let (tid, sync) = PATTERN[layer.cycle % 4];
        layer.cycle += 1;
        layer.picture = (layer.picture + 1) & 0x7fff;
        layer.tl0 = layer.tl0.wrapping_add(u8::from(tid == 0));
        for n in 0..layer.packets {
            let mut payload = vp8_payload(key, layer.picture, layer.tl0, tid, sync);
            if n > 0 {
                payload[0] = 0x80;
            }
            let twcc = self.twcc.to_be_bytes();
            self.twcc = self.twcc.wrapping_add(1);
            let mut extensions: Vec<(u8, &[u8])> = vec![(3, &twcc)];
            // Chrome names its streams until it knows that it was heard.
            if layer.sent < 20 {
                extensions.extend([(4, &b"1"[..]), (10, layer.rid)]);
            }
            let last = n + 1 == layer.packets;
            let sequence = layer.sequence;
            packets.push(rtp(96, layer.ssrc, sequence, timestamp, last, &extensions, &payload));
            layer.sequence = layer.sequence.wrapping_add(1);
            layer.sent += 1;
        }
    }

    /// A sender report of each layer that is on, by the camera's own clock.
    pub(super) fn reports(&self, now: Instant) -> Vec<u8> {
        let elapsed = now.duration_since(self.started);
        let ntp = NtpTime::from_unix(std::time::Duration::from_secs(1_000_000) + elapsed);
        let mut packet = Vec::new();
        for index in (0..3).filter(|index| self.on[*index]) {
            let layer = &self.layers[index];
            let timestamp = self.timestamp(now, index);
            let info = SenderInfo { ssrc: layer.ssrc, ntp, timestamp, packets: 1, octets: 1 };
            build::sender_report(&mut packet, &info, &[]);
        }
        packet
    }

    /// Sends for `ms` from the plain transport 1, 30 frames and one report each second.
    pub(super) fn run(&mut self, bench: &mut Bench, ms: u64) {
        for n in 0..ms / 33 {
            if n % 30 == 3 {
                let reports = self.reports(bench.now);
                bench.receive(11, address(5001), &reports);
            }
            for packet in self.frame(bench.now) {
                bench.receive(11, address(5001), &packet);
            }
            self.obey(bench);
            bench.advance(33);
        }
    }

    /// Key frames as asked for by PLI.
    pub(super) fn obey(&mut self, bench: &mut Bench) {
        for item in bench.take_rtcp(address(5001)) {
            if let crate::rtcp::RtcpItem::Pli { media, .. } = item {
                let asked = self.layers.iter().position(|layer| layer.ssrc == media).unwrap();
                self.key[asked] = true;
            }
        }
    }
}

/// What a decoder needs: no hole in sequence numbers, picture ids and TL0PICIDX, time that goes on.
pub(super) fn assert_decodable(packets: &[Packet]) {
    for pair in packets.windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!(b.sequence, a.sequence.wrapping_add(1), "sequence after {a:?}");
        let (p, q) = (picture(&pair[0]), picture(&pair[1]));
        let elapsed = b.timestamp.wrapping_sub(a.timestamp);
        if p.0 == q.0 {
            assert_eq!((elapsed, p), (0, q));
            continue;
        }
        assert_eq!(q.0, (p.0 + 1) & 0x7fff, "picture id after {a:?}");
        assert_eq!(q.1, p.1.wrapping_add(u8::from(q.2 == 0)), "TL0PICIDX after {a:?}");
        assert!((1..90_000).contains(&elapsed), "{elapsed} ticks after {a:?}");
        assert!(a.marker, "{a:?} ended no frame");
    }
}

/// Picture id, TL0PICIDX, temporal layer.
pub(super) fn picture(packet: &Packet) -> (u16, u8, u8) {
    let payload = packet.payload();
    let id = u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff;
    (id, payload[4], payload[5] >> 6)
}
