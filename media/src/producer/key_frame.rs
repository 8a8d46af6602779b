//! Where the latest key frame of a stream is, and whether all since then is still in its buffer:
//! then a receiver can begin there without asking the sender. Chooses nothing, sends nothing.

use std::time::{Duration, Instant};

use crate::{codec::Layers, ingress::PacketRing};

/// What is older is not begun with: it would be decoded only to be thrown away. As long as packets
/// stay in the buffer.
const MAX_AGE: Duration = Duration::from_secs(2);

/// The packet a decoder can begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFrame {
    sequence: u16,
    timestamp: u32,
}

/// All packets from a key frame to the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its first sequence number.
    pub first: u16,
    /// Timestamp of its first picture.
    pub first_timestamp: u32,
    /// Timestamp of its last picture.
    pub last_timestamp: u32,
    /// Pictures in it.
    pub pictures: u32,
    /// Bytes of its packets that a receiver gets.
    pub bytes: usize,
}

impl KeyFrame {
    /// A packet came that decoding can begin at. Parameter sets and what follows them are one key
    /// frame, which begins with the first of them.
    pub fn note(known: &mut Option<Self>, sequence: u16, timestamp: u32) {
        let newer = known.is_none_or(|known| {
            let ahead = timestamp.wrapping_sub(known.timestamp).cast_signed();
            let earlier = known.sequence.wrapping_sub(sequence).cast_signed() > 0;
            ahead > 0 || (ahead == 0 && earlier)
        });
        if newer {
            *known = Some(Self { sequence, timestamp });
        }
    }

    /// What a receiver of `target` needs to go on with what follows `newest`. `None` if it is too
    /// old, or something is missing.
    pub fn stretch(
        self,
        now: Instant,
        ring: &PacketRing,
        newest: u16,
        target: Layers,
    ) -> Option<Stretch> {
        let key = ring.slot(ring.by_sequence(self.sequence)?)?;
        if now.saturating_duration_since(key.received) > MAX_AGE {
            return None;
        }
        let mut stretch = Stretch {
            first: self.sequence,
            first_timestamp: self.timestamp,
            last_timestamp: self.timestamp,
            pictures: 1,
            bytes: 0,
        };
        for ahead in 0..=newest.wrapping_sub(self.sequence) {
            let packet = ring.slot(ring.by_sequence(self.sequence.wrapping_add(ahead))?)?;
            if packet.header.timestamp != stretch.last_timestamp {
                stretch.last_timestamp = packet.header.timestamp;
                stretch.pictures += 1;
            }
            let facts = &packet.facts;
            if facts.spatial_layer <= target.spatial && facts.temporal_layer <= target.temporal {
                stretch.bytes += packet.bytes.len();
            }
        }
        Some(stretch)
    }
}

#[cfg(test)]
mod tests {
    use starling_proto::MediaKind;

    use super::*;
    use crate::{codec::PacketFacts, rtp::RtpHeader};

    fn put(ring: &mut PacketRing, now: Instant, sequence: u16, timestamp: u32, temporal: u8) {
        let mut packet = vec![0u8; 100];
        packet[0] = 0x80;
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        let header = RtpHeader::parse(&packet).unwrap();
        let facts = PacketFacts { temporal_layer: temporal, ..PacketFacts::default() };
        ring.insert(now, &header, &packet, facts);
    }

    #[test]
    fn a_stretch_is_whole_or_none() {
        let now = Instant::now();
        let mut ring = PacketRing::new(MediaKind::Video);
        for (sequence, timestamp, temporal) in
            [(65_534, 0, 0), (65_535, 0, 0), (0, 3_000, 1), (2, 6_000, 0)]
        {
            put(&mut ring, now, sequence, timestamp, temporal);
        }
        let mut key = None;
        KeyFrame::note(&mut key, 65_535, 0);
        KeyFrame::note(&mut key, 65_534, 0);
        KeyFrame::note(&mut key, 65_535, 0);
        let key = key.unwrap();
        assert_eq!(key.stretch(now, &ring, 2, Layers::ALL), None);
        put(&mut ring, now, 1, 3_000, 1);
        let stretch = key.stretch(now, &ring, 2, Layers::ALL).unwrap();
        assert_eq!((stretch.first, stretch.pictures, stretch.bytes), (65_534, 3, 500));
        assert_eq!((stretch.first_timestamp, stretch.last_timestamp), (0, 6_000));
        let base = Layers { spatial: 0, temporal: 0 };
        assert_eq!(key.stretch(now, &ring, 2, base).unwrap().bytes, 300);
        let late = now + Duration::from_millis(2_001);
        assert_eq!(key.stretch(late, &ring, 2, Layers::ALL), None);
    }

    #[test]
    fn the_latest_key_frame_counts_also_if_it_comes_late() {
        let mut key = None;
        KeyFrame::note(&mut key, 10, 9_000);
        KeyFrame::note(&mut key, 5, 3_000);
        assert_eq!(key, Some(KeyFrame { sequence: 10, timestamp: 9_000 }));
        KeyFrame::note(&mut key, 20, 12_000);
        assert_eq!(key, Some(KeyFrame { sequence: 20, timestamp: 12_000 }));
    }
}
