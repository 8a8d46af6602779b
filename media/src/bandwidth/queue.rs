//! How long packets wait in the path's queue, and how fast it empties. How long: the one-way delay
//! beside the least one there was. How fast: packets that were sent before the one ahead of them
//! had left the bottleneck leave it right behind that one, so that the time between them is the
//! bottleneck's alone. Decides nothing.
//!
//! libwebrtc knows such a rate only of its probes (`goog_cc/probe_bitrate_estimator.cc`); media
//! that is forwarded as it comes, frame by frame, is a train of packets each time.

use std::collections::VecDeque;

/// Each half of the time over which the least delay counts, in microseconds: a route that became
/// longer is known after twenty seconds at most.
const BASE_HALF: i64 = 10_000_000;
/// A shorter queue before a packet is none: one other that is sent, the tokens of a shaper that
/// passes a few at once, or a receiver that was late to look.
const QUEUED: i64 = 5_000;
/// Time between packets that is looked back at for a rate, in microseconds.
const LOOK_BACK: i64 = 250_000;
/// Packets it is kept of: that time at 8 Mb/s. 6 KiB.
const GAPS: usize = 256;
/// The least that shows a rate: so many packets over so long. Less is the receiver's own
/// unevenness.
const FEW: usize = 3;
const SHORT: i64 = 25_000;

/// Time between two packets that left a queue one after the other.
#[derive(Clone, Copy, Debug)]
struct Gap {
    at: i64,
    time: i64,
    bytes: u64,
}

/// See the module. Times are microseconds, by either end's clock.
#[derive(Clone, Debug, Default)]
pub struct PathQueue {
    /// Least delay in the half that is being filled, since when, and in the one before it.
    least: Option<(i64, i64)>,
    before: Option<i64>,
    gaps: VecDeque<Gap>,
    /// When the newest packet arrived, and how long it had waited.
    newest: Option<(i64, i64)>,
}

impl PathQueue {
    /// A packet arrived, in the order they were sent. `bytes`: of it, and of those between it and
    /// the one before that nobody tells about.
    pub fn on_arrival(&mut self, sent: i64, arrival: i64, bytes: u64) {
        let base = self.base(sent, arrival);
        let wait = arrival - sent - base;
        if let Some((last, _)) = self.newest {
            if arrival < last {
                return;
            }
            if last - (sent + base) >= QUEUED {
                if self.gaps.len() == GAPS {
                    self.gaps.pop_front();
                }
                self.gaps.push_back(Gap { at: arrival, time: arrival - last, bytes });
            }
        }
        self.newest = Some((arrival, wait));
        while self.gaps.front().is_some_and(|gap| arrival - gap.at > LOOK_BACK) {
            self.gaps.pop_front();
        }
    }

    /// How long the newest packet waited.
    pub fn wait(&self) -> i64 {
        self.newest.map_or(0, |(_, wait)| wait)
    }

    /// Bits per second that leave the queue, over the last quarter of a second; nothing if there
    /// was none.
    pub fn rate(&self) -> Option<u64> {
        if self.gaps.len() < FEW {
            return None;
        }
        let time: i64 = self.gaps.iter().map(|gap| gap.time).sum();
        let bytes: u64 = self.gaps.iter().map(|gap| gap.bytes).sum();
        (time >= SHORT).then(|| per_second(bytes, time))
    }

    /// The same of the newest few alone; nothing if that is more without the longest of their gaps.
    /// One packet that was held up is no narrow path: those behind it come all at once.
    pub fn newest_rate(&self) -> Option<u64> {
        let (mut count, mut time, mut bytes) = (0, 0, 0);
        let mut longest = Gap { at: 0, time: 0, bytes: 0 };
        for gap in self.gaps.iter().rev() {
            (count, time, bytes) = (count + 1, time + gap.time, bytes + gap.bytes);
            if gap.time > longest.time {
                longest = *gap;
            }
            if count >= FEW && time >= SHORT {
                break;
            }
        }
        if count < FEW || time < SHORT {
            return None;
        }
        let rate = per_second(bytes, time);
        let without = per_second(bytes - longest.bytes, (time - longest.time).max(1));
        (without < rate + rate / 2).then_some(rate)
    }

    /// What is known of the rate is of another path.
    pub fn forget_rate(&mut self) {
        self.gaps.clear();
    }

    fn base(&mut self, sent: i64, arrival: i64) -> i64 {
        let delay = arrival - sent;
        let (mut least, since) = *self.least.get_or_insert((delay, arrival));
        least = least.min(delay);
        let base = self.before.map_or(least, |before| before.min(least));
        if arrival - since > BASE_HALF {
            self.before = Some(least);
            self.least = Some((delay, arrival));
        } else {
            self.least = Some((least, since));
        }
        base
    }
}

fn per_second(bytes: u64, micros: i64) -> u64 {
    bytes * 8_000_000 / micros.max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;
    const DELAY: i64 = 7_000_000;

    /// Frames of eight packets of 1,000 bytes each 40 ms over a path of `rate` bits per second,
    /// whose queue is `busy` until then.
    fn frames(queue: &mut PathQueue, at: i64, count: i64, rate: i64, mut busy: i64) -> i64 {
        for frame in 0..count {
            let sent = at + frame * 40 * MS;
            for _ in 0..8 {
                busy = busy.max(sent) + 8_000_000_000 / rate;
                queue.on_arrival(sent, busy + DELAY, 1_000);
            }
        }
        busy
    }

    #[test]
    fn a_train_shows_the_rate_of_the_path_though_less_is_sent() {
        let mut queue = PathQueue::default();
        assert_eq!(queue.rate(), None);
        // 1.6 Mb/s are sent.
        frames(&mut queue, 0, 6, 2_500_000, 0);
        assert_eq!(queue.rate(), Some(2_500_000));
        assert_eq!(queue.wait(), 22_400);
    }

    #[test]
    fn a_path_that_becomes_narrow_is_told_by_four_packets_of_a_frame() {
        let mut queue = PathQueue::default();
        frames(&mut queue, 0, 10, 2_500_000, 0);
        assert_eq!(queue.newest_rate(), Some(2_500_000));
        for n in 1..=4 {
            queue.on_arrival(400 * MS, 400 * MS + DELAY + n * 13_333, 1_000);
        }
        assert_eq!(queue.newest_rate(), Some(600_015));
        assert!(queue.rate() > Some(1_000_000), "{:?}", queue.rate());
    }

    #[test]
    fn a_packet_that_is_held_up_is_no_narrow_path() {
        let mut queue = PathQueue::default();
        frames(&mut queue, 0, 10, 2_500_000, 0);
        // Nothing arrives for 90 ms, and then all there is.
        for n in 0..16 {
            let sent = (400 + n / 8 * 40) * MS;
            queue.on_arrival(sent, 490 * MS + DELAY + n * 500, 1_000);
        }
        assert!(queue.newest_rate().is_none_or(|rate| rate > 2_000_000));
    }

    #[test]
    fn what_does_not_wait_shows_no_rate() {
        let mut queue = PathQueue::default();
        for n in 0..100 {
            queue.on_arrival(n * 20 * MS, n * 20 * MS + DELAY, 1_000);
        }
        assert_eq!((queue.rate(), queue.wait()), (None, 0));
    }

    #[test]
    fn a_longer_route_is_a_queue_for_twenty_seconds_at_most() {
        let mut queue = PathQueue::default();
        for n in 0..2_000 {
            let longer = if n < 250 { 0 } else { 50 * MS };
            queue.on_arrival(n * 20 * MS, n * 20 * MS + DELAY + longer, 1_000);
            match n {
                300 | 700 => assert_eq!(queue.wait(), 50 * MS),
                1_300 => assert_eq!(queue.wait(), 0),
                _ => {}
            }
        }
    }
}
