//! Groups packets that were sent together and tells how much further apart two groups arrived than
//! they were sent (libwebrtc `goog_cc/inter_arrival_delta.cc`). Knows nothing of trends.

/// Packets sent within this time are one group.
const GROUP: i64 = 5_000;
/// A packet that arrives so soon after the one before it, and gained on it, was held up with it
/// somewhere and is of its group.
const BURST_GAP: i64 = 5_000;
/// Longest such burst.
const MAX_BURST: i64 = 100_000;
/// Groups that arrive before the one sent earlier, in a row, until all is begun anew: the path or
/// the receiver's clock is another.
const MAX_REORDERED: u8 = 3;
/// The same for a gap that the sender did not make.
const MAX_GAP: i64 = 3_000_000;

/// How two groups differ, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// From last packet sent to last packet sent.
    pub sent: i64,
    /// From last arrival to last arrival.
    pub arrival: i64,
    /// When the later group had arrived, by the receiver's clock.
    pub at: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct ArrivalGroups {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u8,
}

impl ArrivalGroups {
    /// A packet that was sent at `sent` by our clock and arrived at `arrival` by the receiver's.
    /// What is told is about the two groups before its own.
    pub fn on_packet(&mut self, sent: i64, arrival: i64) -> Option<Delta> {
        let new = Group {
            first_sent: sent,
            last_sent: sent,
            first_arrival: arrival,
            last_arrival: arrival,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(new);
            return None;
        };
        if sent < current.first_sent {
            return None;
        }
        if !begins_anew(current, sent, arrival) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrival = arrival;
            return None;
        }
        let complete = *current;
        self.current = Some(new);
        let previous = self.previous.replace(complete)?;
        let delta = Delta {
            sent: complete.last_sent - previous.last_sent,
            arrival: complete.last_arrival - previous.last_arrival,
            at: complete.last_arrival,
        };
        if delta.arrival < 0 {
            self.reordered += 1;
            if self.reordered >= MAX_REORDERED {
                *self = Self::default();
            }
            return None;
        }
        if delta.arrival - delta.sent >= MAX_GAP {
            *self = Self::default();
            return None;
        }
        self.reordered = 0;
        Some(delta)
    }
}

fn begins_anew(current: &Group, sent: i64, arrival: i64) -> bool {
    let sent_gap = sent - current.last_sent;
    if sent_gap == 0 {
        return false;
    }
    let arrival_gap = arrival - current.last_arrival;
    let burst = arrival_gap < sent_gap
        && arrival_gap <= BURST_GAP
        && arrival - current.first_arrival < MAX_BURST;
    !burst && sent - current.first_sent > GROUP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(packets: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut groups = ArrivalGroups::default();
        let told = packets.iter().filter_map(|(sent, arrival)| groups.on_packet(*sent, *arrival));
        told.map(|delta| (delta.sent, delta.arrival)).collect()
    }

    #[test]
    fn packets_of_one_frame_are_one_group() {
        let packets =
            [(0, 50_000), (1_000, 52_000), (33_000, 83_000), (34_000, 86_000), (66_000, 120_000)];
        assert_eq!(all(&packets), [(33_000, 34_000)]);
    }

    #[test]
    fn what_was_held_up_together_is_one_group() {
        let packets = [(0, 50_000), (10_000, 100_000), (20_000, 101_000), (30_000, 102_000)];
        assert_eq!(all(&packets), []);
        let later = [(200_000, 250_000), (300_000, 350_000)];
        assert_eq!(all(&[&packets[..], &later].concat()), [(30_000, 52_000), (170_000, 148_000)]);
    }

    #[test]
    fn three_groups_out_of_order_begin_anew() {
        let mut packets = vec![(0, 100_000), (20_000, 120_000), (40_000, 140_000)];
        assert_eq!(all(&packets).len(), 1);
        packets.extend((3..7).map(|n| (n * 20_000, 90_000 - n * 20_000)));
        packets.extend([(200_000, 500_000), (220_000, 520_000), (240_000, 540_000)]);
        assert_eq!(all(&packets).last(), Some(&(20_000, 20_000)));
    }

    #[test]
    fn a_gap_of_the_receivers_clock_is_no_delay() {
        let packets = [(0, 0), (20_000, 20_000), (40_000, 9_000_000), (60_000, 9_020_000)];
        assert_eq!(all(&packets), [(20_000, 20_000)]);
    }
}
