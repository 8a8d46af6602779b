//! What was sent lately, by output sequence number, so that a NACK can be answered from the
//! producer's ring. Holds no packet: 16 bytes for each.

use std::time::Duration;

use crate::codec::Edit;

/// Packets remembered per video stream: two seconds at 500 packets per second, about 5 Mb/s, and
/// 16 KiB, which leaves a consumer under its 24 KiB.
pub const VIDEO: usize = 1024;
/// Per audio stream: 2.5 s of 20 ms packets.
pub const AUDIO: usize = 128;

/// How a packet was sent; what it takes to send it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// As sent.
    pub output: u16,
    /// As received, in its stream.
    pub input: u16,
    /// Input minus output timestamp.
    pub ts_offset: u32,
    /// What was changed in it.
    pub edit: Edit,
    /// Encoding, and the low bits of its stream's uid; never 255.
    pub stream: u8,
    /// Millisecond of the plane it was last sent again, modulo 2^16: what is remembered for longer
    /// than that minute is not asked for. 0 if it was not.
    pub resent_ms: u16,
}

/// The memory of one output stream.
#[derive(Debug, Default)]
pub struct SentPackets {
    entries: Box<[Sent]>,
}

/// [`Sent::stream`] of a place that holds nothing.
const NOTHING: u8 = u8::MAX;

impl SentPackets {
    /// Remembers `capacity` packets, a power of two; nothing if 0.
    pub fn new(capacity: usize) -> Self {
        debug_assert!(capacity == 0 || capacity.is_power_of_two());
        let nothing = Sent { stream: NOTHING, ..Sent::default() };
        Self { entries: vec![nothing; capacity].into_boxed_slice() }
    }

    /// A packet was sent for the first time.
    pub fn insert(&mut self, sent: Sent) {
        if let Some(index) = self.index(sent.output) {
            self.entries[index] = sent;
        }
    }

    /// How `output` was sent, if it is remembered and was not sent again within `rtt`. Marks it
    /// sent again at `now_ms`.
    pub fn resend(&mut self, output: u16, now_ms: u32, rtt: Duration) -> Option<Sent> {
        let now_ms = (now_ms as u16).max(1);
        let index = self.index(output)?;
        let sent = &mut self.entries[index];
        if sent.stream == NOTHING || sent.output != output {
            return None;
        }
        let since = now_ms.wrapping_sub(sent.resent_ms);
        if sent.resent_ms != 0 && u128::from(since) < rtt.as_millis() {
            return None;
        }
        sent.resent_ms = now_ms;
        Some(*sent)
    }

    /// How `output` was sent, if it is remembered.
    pub fn find(&self, output: u16) -> Option<Sent> {
        let sent = self.entries[self.index(output)?];
        (sent.stream != NOTHING && sent.output == output).then_some(sent)
    }

    fn index(&self, output: u16) -> Option<usize> {
        let mask = self.entries.len().checked_sub(1)?;
        Some(usize::from(output) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(100);

    fn sent(output: u16) -> Sent {
        Sent { output, input: output.wrapping_add(7), ..Sent::default() }
    }

    #[test]
    fn a_sent_packet_is_found_until_its_place_is_taken() {
        let mut packets = SentPackets::new(4);
        assert_eq!(packets.resend(0, 10, RTT), None);
        packets.insert(sent(65_535));
        packets.insert(sent(0));
        assert_eq!(packets.resend(65_535, 10, RTT).map(|sent| sent.input), Some(6));
        assert_eq!(packets.find(65_535).map(|sent| sent.input), Some(6));
        assert_eq!(packets.find(1), None);
        assert_eq!(packets.resend(1, 10, RTT), None);
        packets.insert(sent(3));
        assert_eq!(packets.resend(65_535, 500, RTT), None);
    }

    #[test]
    fn a_packet_is_not_sent_again_within_a_round_trip() {
        let mut packets = SentPackets::new(4);
        packets.insert(sent(1));
        assert!(packets.resend(1, 10, RTT).is_some());
        assert!(packets.resend(1, 109, RTT).is_none());
        assert!(packets.resend(1, 110, RTT).is_some());
        packets.insert(sent(2));
        assert!(packets.resend(2, 0, RTT).is_some());
        assert!(packets.resend(2, 0, RTT).is_none());
    }

    #[test]
    fn a_stream_without_nack_remembers_nothing() {
        let mut packets = SentPackets::new(0);
        packets.insert(sent(1));
        assert_eq!(packets.resend(1, 10, RTT), None);
    }

    #[test]
    fn a_video_consumer_stays_under_its_memory_budget() {
        assert!(VIDEO * size_of::<Sent>() <= 16 * 1024);
    }
}
