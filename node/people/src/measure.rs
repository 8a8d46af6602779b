//! What a receiver makes of stamped packets: loss, order, duplicates and delay.

use std::collections::HashMap;

use starling_media::rtp::RtpHeader;

use crate::clock::monotonic;

/// Where a payload's stamp begins, behind the longest codec descriptor.
pub const STAMP_AT: usize = 8;
/// Time and number.
pub const STAMP: usize = 16;
/// Delays kept: an hour of a video of 250 packets a second.
const MAX_DELAYS: usize = 1_000_000;
/// Packets behind the newest within which a repetition is told from a late first arrival.
const WINDOW: usize = 4_096;

/// When a packet was sent, and its place among all of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds of [`monotonic`].
    pub sent: u64,
    /// From 0 on.
    pub number: u64,
}

impl Stamp {
    /// Of a payload.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let stamp = payload.get(STAMP_AT..STAMP_AT + STAMP)?;
        let (sent, number) = (stamp.first_chunk()?, stamp.last_chunk()?);
        Some(Self { sent: u64::from_be_bytes(*sent), number: u64::from_be_bytes(*number) })
    }
}

/// One stream.
#[derive(Clone, Debug, Default)]
struct Stream {
    first: u64,
    /// One more than the newest.
    end: u64,
    seen: Vec<u64>,
    received: u64,
}

/// All streams of one receiver, or of many.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    streams: HashMap<u32, Stream>,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Nanoseconds from sender to receiver.
    pub delays: Vec<f64>,
}

impl Measure {
    /// Takes an RTP packet in the clear.
    pub fn take(&mut self, packet: &[u8]) {
        let Some(header) = RtpHeader::parse(packet) else { return };
        let Some(stamp) = Stamp::read(header.payload(packet)) else { return };
        let now = monotonic();
        let stream = self.streams.entry(header.ssrc).or_insert_with(|| Stream {
            first: stamp.number,
            end: stamp.number,
            seen: vec![u64::MAX; WINDOW],
            received: 0,
        });
        let place = stamp.number as usize % WINDOW;
        if stream.seen[place] == stamp.number {
            self.duplicates += 1;
            return;
        }
        stream.seen[place] = stamp.number;
        stream.received += 1;
        self.reordered += u64::from(stamp.number < stream.end);
        stream.end = stream.end.max(stamp.number + 1);
        stream.first = stream.first.min(stamp.number);
        if self.delays.len() < MAX_DELAYS {
            self.delays.push(now.saturating_sub(stamp.sent) as f64);
        }
    }

    /// What was found since the last call of this. What is under way counts to the next.
    pub fn begin_anew(&mut self) -> Self {
        let mut found = Self {
            reordered: std::mem::take(&mut self.reordered),
            duplicates: std::mem::take(&mut self.duplicates),
            delays: std::mem::take(&mut self.delays),
            ..Self::default()
        };
        for (ssrc, stream) in &mut self.streams {
            let Stream { first, end, received, .. } = *stream;
            found.streams.insert(*ssrc, Stream { first, end, received, seen: Vec::new() });
            (stream.first, stream.received) = (stream.end, 0);
        }
        found
    }

    /// Streams of which something came.
    pub fn heard(&self) -> usize {
        self.streams.values().filter(|stream| stream.received > 0).count()
    }

    /// Streams seen.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Packets received once or more.
    pub fn received(&self) -> u64 {
        self.streams.values().map(|stream| stream.received).sum()
    }

    /// Packets missing between the first and the last of each stream.
    pub fn lost(&self) -> u64 {
        let sent: u64 = self.streams.values().map(|stream| stream.end - stream.first).sum();
        sent.saturating_sub(self.received())
    }

    /// Adds what another receiver found.
    pub fn add(&mut self, other: &Self) {
        for (ssrc, stream) in &other.streams {
            // Receivers have streams of their own under the same numbers.
            let key =
                (0..).map(|n| ssrc.wrapping_add(n)).find(|key| !self.streams.contains_key(key));
            self.streams.insert(key.unwrap_or(*ssrc), stream.clone());
        }
        self.reordered += other.reordered;
        self.duplicates += other.duplicates;
        let room = MAX_DELAYS.saturating_sub(self.delays.len()).min(other.delays.len());
        self.delays.extend_from_slice(&other.delays[..room]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(count: usize) -> Vec<Vec<u8>> {
        let packet = |n: usize| {
            let mut bytes = vec![0x80, 100, 0, n as u8, 0, 0, 0, 0, 0, 0, 0, 5];
            bytes.extend_from_slice(&[0; STAMP_AT]);
            bytes.extend_from_slice(&monotonic().to_be_bytes());
            bytes.extend_from_slice(&(n as u64).to_be_bytes());
            bytes
        };
        (0..count).map(packet).collect()
    }

    fn measure(order: &[usize]) -> (u64, u64, u64, u64) {
        let packets = packets(10);
        let mut measure = Measure::default();
        order.iter().for_each(|n| measure.take(&packets[*n]));
        (measure.received(), measure.lost(), measure.reordered, measure.duplicates)
    }

    #[test]
    fn packets_in_order_are_neither_lost_nor_late() {
        assert_eq!(measure(&[0, 1, 2, 3]), (4, 0, 0, 0));
    }

    #[test]
    fn a_gap_is_a_loss_until_it_is_filled() {
        assert_eq!(measure(&[0, 1, 4]), (3, 2, 0, 0));
        assert_eq!(measure(&[0, 1, 4, 3, 2]), (5, 0, 2, 0));
    }

    #[test]
    fn a_repetition_counts_once() {
        assert_eq!(measure(&[3, 4, 4, 3, 5]), (3, 0, 0, 2));
    }

    #[test]
    fn what_was_found_before_counts_no_more_when_it_begins_anew() {
        let packets = packets(10);
        let mut measure = Measure::default();
        [0, 1, 4].iter().for_each(|n| measure.take(&packets[*n]));
        let first = measure.begin_anew();
        assert_eq!((first.received(), first.lost(), first.delays.len()), (3, 2, 3));
        assert_eq!((measure.heard(), measure.streams()), (0, 1));
        [5, 5, 7].iter().for_each(|n| measure.take(&packets[*n]));
        let second = measure.begin_anew();
        assert_eq!((second.received(), second.lost(), second.duplicates), (2, 1, 1));
        assert_eq!(second.heard(), 1);
    }

    #[test]
    fn a_delay_is_measured_per_packet() {
        let packets = packets(2);
        let mut measure = Measure::default();
        packets.iter().for_each(|packet| measure.take(packet));
        assert!(measure.delays.len() == 2 && measure.delays.iter().all(|ns| *ns < 1e9));
    }
}
