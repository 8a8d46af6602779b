//! A camera and a microphone that are not there: simulcast VP8 with temporal layers at given
//! bitrates, as an encoder without mercy would make it, and packets of audio. Each packet says what
//! it belongs to, so that a receiver can tell frames, layers, losses and delay.

use starling_media::{rtcp::SenderInfo, rtp::NtpTime};

/// Longest packet, RTP header included: as Chromium's, with room for extensions.
const LONGEST: usize = 1_100;
const HEADER: usize = 12;
/// Behind the payload descriptor and the first byte of VP8.
const MARK_AT: usize = 7;
/// A key frame has so many times the bytes of an average frame.
const KEY_FRAME: f64 = 4.0;
/// Until a key frame's bytes are saved up again, frames have this share of theirs.
const SAVING: f64 = 0.85;
/// 20 ms of Opus at 32 kb/s.
const AUDIO_PAYLOAD: usize = 80;
const VIDEO_CLOCK: u32 = 90_000;

/// What a packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Encoding, 0 the smallest.
    pub spatial: u8,
    /// Nanoseconds of CLOCK_MONOTONIC when it was sent.
    pub sent: u64,
    /// Place in its frame, and packets of the frame.
    pub index: u16,
    /// See `index`.
    pub count: u16,
    /// Of a key frame.
    pub key_frame: bool,
    /// Its temporal layer.
    pub temporal: u8,
}

impl Mark {
    const LEN: usize = 15;

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.spatial);
        out.extend_from_slice(&self.sent.to_be_bytes());
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&[u8::from(self.key_frame), self.temporal]);
    }

    /// Of a payload of ours; none if it is too short to have one.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mark: &[u8; Self::LEN] = payload.get(MARK_AT..)?.first_chunk()?;
        let number = |at: usize| u16::from_be_bytes([mark[at], mark[at + 1]]);
        Some(Self {
            spatial: mark[0],
            sent: u64::from_be_bytes(*mark[1..].first_chunk()?),
            index: number(9),
            count: number(11),
            key_frame: mark[13] != 0,
            temporal: mark[14],
        })
    }
}

/// One encoding.
#[derive(Clone, Debug)]
struct Layer {
    ssrc: u32,
    bits_per_second: f64,
    sequence: u16,
    picture: u16,
    base: u8,
    key_wanted: bool,
    /// Bytes spent on a key frame and not yet saved.
    debt: f64,
    packets: u32,
    octets: u32,
}

/// All encodings of one camera.
#[derive(Clone, Debug)]
pub struct Camera {
    payload_type: u8,
    fps: u32,
    temporal_layers: u8,
    frame: u32,
    layers: Vec<Layer>,
}

impl Camera {
    /// Encodings from the smallest, with SSRCs from `ssrc` on.
    pub fn new(ssrc: u32, payload_type: u8, kbps: &[u32], fps: u32, temporal: u8) -> Self {
        let layers = (ssrc..).zip(kbps).map(|(ssrc, kbps)| Layer {
            ssrc,
            bits_per_second: f64::from(*kbps) * 1e3,
            sequence: 1,
            picture: 0,
            base: 0,
            key_wanted: true,
            debt: 0.0,
            packets: 0,
            octets: 0,
        });
        let layers = layers.collect();
        Self { payload_type, fps, temporal_layers: temporal, frame: 0, layers }
    }

    /// Of each encoding.
    pub fn ssrcs(&self) -> Vec<u32> {
        self.layers.iter().map(|layer| layer.ssrc).collect()
    }

    /// The next frame of this encoding will be a key frame.
    pub fn want_key_frame(&mut self, ssrc: u32) {
        for layer in self.layers.iter_mut().filter(|layer| layer.ssrc == ssrc) {
            layer.key_wanted = true;
        }
    }

    /// Appends the packets of the next picture in all its encodings, sent at `now`.
    pub fn picture(&mut self, now: u64, out: &mut Vec<Vec<u8>>) {
        let (temporal, share) = pattern(self.temporal_layers, self.frame);
        let timestamp = self.frame.wrapping_mul(VIDEO_CLOCK / self.fps);
        for n in 0..self.layers.len() {
            let layer = &mut self.layers[n];
            let average = layer.bits_per_second / 8.0 / f64::from(self.fps);
            // A key frame is one of the lowest temporal layer.
            let key_frame = layer.key_wanted && temporal == 0;
            layer.key_wanted &= !key_frame;
            let bytes = if key_frame {
                layer.debt += (KEY_FRAME - share) * average;
                KEY_FRAME * average
            } else {
                let saved = if layer.debt > 0.0 { SAVING } else { 1.0 };
                layer.debt -= (1.0 - saved) * share * average;
                saved * share * average
            };
            if temporal == 0 {
                layer.base = layer.base.wrapping_add(1);
            }
            let least = MARK_AT + Mark::LEN;
            let room = LONGEST - HEADER;
            let count = (bytes / room as f64).ceil().max(1.0) as u16;
            let payload = ((bytes / f64::from(count)) as usize).max(least);
            let spatial = n as u8;
            for index in 0..count {
                let mark = Mark { spatial, sent: now, index, count, key_frame, temporal };
                out.push(layer.packet(self.payload_type, timestamp, payload, &mark));
            }
            layer.picture = layer.picture.wrapping_add(1) & 0x7fff;
        }
        self.frame = self.frame.wrapping_add(1);
    }

    /// Sender reports about the last picture, of each encoding.
    pub fn reports(&self, ntp: NtpTime) -> Vec<SenderInfo> {
        let timestamp = self.frame.wrapping_sub(1).wrapping_mul(VIDEO_CLOCK / self.fps);
        let report = |layer: &Layer| SenderInfo {
            ssrc: layer.ssrc,
            ntp,
            timestamp,
            packets: layer.packets,
            octets: layer.octets,
        };
        self.layers.iter().map(report).collect()
    }
}

impl Layer {
    fn packet(&mut self, payload_type: u8, timestamp: u32, payload: usize, mark: &Mark) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + payload + 16);
        let marker = mark.index + 1 == mark.count;
        header(&mut out, payload_type | u8::from(marker) << 7, self.sequence, timestamp, self.ssrc);
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        // Frames above the lowest layer are no reference here.
        let droppable = u8::from(mark.temporal > 0) << 5;
        let first = 0x80 | droppable | u8::from(mark.index == 0) << 4;
        let temporal = mark.temporal << 6 | u8::from(mark.temporal > 0) << 5;
        let vp8 = u8::from(!mark.key_frame);
        out.extend_from_slice(&[first, 0xe0, high, low, self.base, temporal, vp8]);
        mark.write(&mut out);
        out.resize(HEADER + payload, 0x5a);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
        out
    }
}

fn header(out: &mut Vec<u8>, payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32) {
    out.extend_from_slice(&[0x80, payload_type]);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
}

/// Temporal layer of a frame, and its bytes against the average: L1T2 gives its base 60 %, L1T3
/// 40 % and 60 % with the middle (libwebrtc, `simulcast_rate_allocator.cc`).
const fn pattern(layers: u8, frame: u32) -> (u8, f64) {
    match (layers, frame % 4) {
        (2, 0 | 2) => (0, 1.2),
        (2, _) => (1, 0.8),
        (3, 0) => (0, 1.6),
        (3, 2) => (1, 0.8),
        (3, _) => (2, 0.8),
        _ => (0, 1.0),
    }
}

/// A microphone.
#[derive(Clone, Debug)]
pub struct Microphone {
    /// Its stream's.
    pub ssrc: u32,
    payload_type: u8,
    sequence: u16,
}

impl Microphone {
    /// Of this stream.
    pub const fn new(ssrc: u32, payload_type: u8) -> Self {
        Self { ssrc, payload_type, sequence: 1 }
    }

    /// The next 20 ms.
    pub fn packet(&mut self, now: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + AUDIO_PAYLOAD + 16);
        let timestamp = u32::from(self.sequence).wrapping_mul(960);
        header(&mut out, self.payload_type, self.sequence, timestamp, self.ssrc);
        out.resize(HEADER + MARK_AT, 0x5a);
        let (index, count, key_frame) = (0, 1, true);
        Mark { spatial: 0, sent: now, index, count, key_frame, temporal: 0 }.write(&mut out);
        out.resize(HEADER + AUDIO_PAYLOAD, 0x5a);
        self.sequence = self.sequence.wrapping_add(1);
        out
    }
}

#[cfg(test)]
mod tests {
    use starling_media::rtp::RtpHeader;

    use super::*;

    fn pictures(camera: &mut Camera, count: usize) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        (0..count).for_each(|_| camera.picture(7, &mut out));
        out
    }

    fn of(packets: &[Vec<u8>], ssrc: u32) -> Vec<(RtpHeader, Mark)> {
        let read = |packet: &Vec<u8>| {
            let header = RtpHeader::parse(packet).unwrap();
            (header, Mark::read(header.payload(packet)).unwrap())
        };
        packets.iter().map(read).filter(|(header, _)| header.ssrc == ssrc).collect()
    }

    #[test]
    fn a_mark_survives_its_payload() {
        let mut camera = Camera::new(5, 96, &[100, 1_000], 25, 1);
        let packets = of(&pictures(&mut camera, 1), 6);
        // 20 KB in packets of 1,088.
        assert_eq!(packets.len(), 19);
        for (n, (header, mark)) in packets.iter().enumerate() {
            let (index, count) = (n as u16, 19);
            let wanted = Mark { spatial: 1, sent: 7, index, count, key_frame: true, temporal: 0 };
            assert_eq!((*mark, header.marker), (wanted, n == 18));
        }
    }

    #[test]
    fn an_encoding_has_its_bitrate_key_frame_or_not() {
        for temporal in 1..=3 {
            let mut camera = Camera::new(5, 96, &[100, 1_000], 25, temporal);
            let packets = pictures(&mut camera, 500);
            let bytes = |ssrc: u32| -> usize {
                let whole = packets.iter().filter(|it| it[8..12] == ssrc.to_be_bytes());
                whole.map(|packet| packet.len() - HEADER).sum()
            };
            for (ssrc, kbps) in [(5, 100.0), (6, 1_000.0)] {
                let found = bytes(ssrc) as f64 * 8.0 / 20.0 / 1e3;
                assert!((found / kbps - 1.0).abs() < 0.02, "T{temporal}, {kbps}: {found}");
            }
        }
    }

    #[test]
    fn a_key_frame_waits_for_the_lowest_layer_and_comes_once() {
        let mut camera = Camera::new(5, 96, &[100], 25, 3);
        pictures(&mut camera, 1);
        camera.want_key_frame(5);
        let next = of(&pictures(&mut camera, 8), 5);
        let keys: Vec<_> = next.iter().filter(|(_, mark)| mark.key_frame).collect();
        assert!(keys.iter().all(|(header, _)| header.timestamp == 4 * 3_600));
        assert!(!keys.is_empty());
    }
}
