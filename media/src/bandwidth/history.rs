//! What was sent lately, by transport-wide sequence number, until feedback tells when it arrived.
//! A ring of fixed size: a packet costs one store. Never estimates.

use crate::rtp::SeqNo;

/// Packets remembered: at 2,000 packets per second, about 20 Mb/s, a second, and no round trip with
/// its feedback interval is longer on a path that shows video. 24 KiB.
const PACKETS: usize = 2048;

/// A packet that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentPacket {
    /// When, in microseconds of the estimator; wraps after 71 minutes.
    sent: u32,
    /// Bytes of it.
    pub size: u16,
    /// Bytes sent since the packet before it that feedback never tells about, such as audio
    /// without a transport-wide number.
    pub untold: u16,
    /// Probe it belongs to; 0 if none.
    pub probe: u8,
    state: State,
}

impl SentPacket {
    /// Bytes of it, and of those before it that nobody tells about.
    pub fn bytes(&self) -> u64 {
        u64::from(self.size) + u64::from(self.untold)
    }

    /// When it was sent, in microseconds of the estimator, given that this was before `now`.
    pub fn sent(&self, now: i64) -> i64 {
        now - i64::from((now as u32).wrapping_sub(self.sent))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Empty,
    InFlight,
    /// Feedback told that it did not arrive; it may still tell otherwise.
    Lost,
    Told,
}

/// What a feedback says about a packet, that was not known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It arrived.
    Arrived(SentPacket),
    /// It did not.
    Lost(SentPacket),
}

/// See the module.
#[derive(Debug)]
pub struct History {
    packets: Box<[SentPacket]>,
    next: u16,
    sent: u64,
    untold: u32,
    /// Bytes that feedback did not tell about yet.
    in_flight: u64,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// Nothing was sent. Numbers start at 0.
    pub fn new() -> Self {
        let packets = vec![SentPacket::default(); PACKETS].into_boxed_slice();
        Self { packets, next: 0, sent: 0, untold: 0, in_flight: 0 }
    }

    /// The number of the next packet.
    pub const fn next_sequence(&self) -> u16 {
        self.next
    }

    /// Bytes sent that feedback did not tell about yet.
    pub const fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The packet with [`Self::next_sequence`] was sent at `now`.
    pub fn on_sent(&mut self, now: i64, size: usize, probe: u8) {
        let untold = std::mem::take(&mut self.untold).min(u32::from(u16::MAX)) as u16;
        let size = size.min(usize::from(u16::MAX)) as u16;
        let packet = SentPacket { sent: now as u32, size, untold, probe, state: State::InFlight };
        let place = &mut self.packets[usize::from(self.next) % PACKETS];
        let forgotten = std::mem::replace(place, packet);
        if forgotten.state == State::InFlight {
            self.in_flight -= forgotten.bytes();
        }
        self.in_flight += packet.bytes();
        self.next = self.next.wrapping_add(1);
        self.sent += 1;
    }

    /// Bytes went out that feedback will not tell about.
    pub fn on_untold(&mut self, bytes: usize) {
        self.untold = self.untold.saturating_add(bytes.min(1 << 20) as u32);
    }

    /// What feedback says about `sequence`; nothing if it is forgotten or was told before.
    pub fn tell(&mut self, sequence: u16, arrived: bool) -> Option<News> {
        let behind = SeqNo(self.next).distance_from(SeqNo(sequence));
        if behind <= 0 || behind as usize > PACKETS || behind as u64 > self.sent {
            return None;
        }
        let packet = &mut self.packets[usize::from(sequence) % PACKETS];
        if packet.state == State::InFlight {
            self.in_flight -= packet.bytes();
        }
        match (packet.state, arrived) {
            (State::InFlight | State::Lost, true) => {
                packet.state = State::Told;
                Some(News::Arrived(*packet))
            }
            (State::InFlight, false) => {
                packet.state = State::Lost;
                Some(News::Lost(*packet))
            }
            (State::Empty | State::Told | State::Lost, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(news: Option<News>) -> Option<(i64, u16, u16)> {
        match news? {
            News::Arrived(packet) => Some((packet.sent(10_000_000), packet.size, packet.untold)),
            News::Lost(_) => None,
        }
    }

    #[test]
    fn a_packet_is_told_once() {
        let mut history = History::new();
        assert_eq!(history.tell(0, true), None);
        history.on_untold(100);
        history.on_sent(9_000_000, 1_000, 0);
        assert_eq!(history.next_sequence(), 1);
        assert_eq!(history.in_flight(), 1_100);
        assert_eq!(arrived(history.tell(0, true)), Some((9_000_000, 1_000, 100)));
        assert_eq!(history.in_flight(), 0);
        assert_eq!(history.tell(0, true), None);
        assert_eq!(history.tell(0, false), None);
        assert_eq!(history.tell(1, true), None);
        assert_eq!(history.tell(65_535, true), None);
    }

    #[test]
    fn a_lost_packet_may_still_arrive() {
        let mut history = History::new();
        history.on_sent(0, 500, 3);
        assert!(matches!(history.tell(0, false), Some(News::Lost(packet)) if packet.probe == 3));
        assert_eq!((history.tell(0, false), history.in_flight()), (None, 0));
        assert_eq!(arrived(history.tell(0, true)).map(|told| told.1), Some(500));
    }

    #[test]
    fn an_overwritten_packet_is_forgotten_and_numbers_wrap() {
        let mut history = History::new();
        for at in 0..70_000 {
            history.on_sent(at, at as usize % 1_000, 0);
        }
        let next = history.next_sequence();
        assert_eq!(next, (70_000 - 65_536) as u16);
        let remembered: u64 = (70_000 - 2_048..70_000).map(|at| at % 1_000).sum();
        assert_eq!(history.in_flight(), remembered);
        assert_eq!(history.tell(next.wrapping_sub(2_049), true), None);
        assert!(history.tell(next.wrapping_sub(2_048), true).is_some());
        assert!(history.tell(next.wrapping_sub(1), true).is_some());
    }

    #[test]
    fn times_are_told_over_the_wrap_of_71_minutes() {
        let mut history = History::new();
        let at = (1 << 32) - 5;
        history.on_sent(at, 1, 0);
        let Some(News::Arrived(packet)) = history.tell(0, true) else { unreachable!() };
        assert_eq!(packet.sent(at + 1_000_000), at);
    }
}
