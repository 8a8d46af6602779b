//! What is not media waits here while too much of it is at once: retransmissions, which come in
//! heaps just when the path is full (libwebrtc `pacing/pacing_controller.cc`). Media itself is
//! never delayed. Knows nothing of packets.

use std::collections::VecDeque;

/// What may wait: a NACK names at most 17 packets per item, and a second of loss at 2 Mb/s is 250.
/// More is dropped, and asked for again.
const QUEUE: usize = 256;
/// What may go at once, in seconds of the rate: about a frame.
const BURST: f64 = 0.04;
/// And at least this many bytes: four packets.
const MIN_BURST: f64 = 4_800.0;

/// See the module.
#[derive(Debug)]
pub struct Pacer<T> {
    queue: VecDeque<(u16, T)>,
    /// Bytes that may go now; below zero after one that was larger.
    allowance: f64,
    updated_at: Option<i64>,
}

impl<T> Default for Pacer<T> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), allowance: 0.0, updated_at: None }
    }
}

impl<T> Pacer<T> {
    /// Waits for its turn. False if too much waits already.
    pub fn push(&mut self, bytes: usize, what: T) -> bool {
        let room = self.queue.len() < QUEUE;
        if room {
            self.queue.push_back((bytes.min(usize::from(u16::MAX)) as u16, what));
        }
        room
    }

    /// The next one whose turn it is, at `rate` bits per second. `now` is in microseconds.
    pub fn pop(&mut self, now: i64, rate: u64) -> Option<T> {
        let rate = rate as f64 / 8.0;
        let most = (rate * BURST).max(MIN_BURST);
        self.allowance = match self.updated_at.replace(now) {
            Some(at) => (self.allowance + rate * (now - at).max(0) as f64 / 1e6).min(most),
            None => most,
        };
        if self.allowance <= 0.0 {
            return None;
        }
        let (bytes, what) = self.queue.pop_front()?;
        self.allowance -= f64::from(bytes);
        Some(what)
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets what `which` says.
    pub fn forget(&mut self, which: impl Fn(&T) -> bool) {
        self.queue.retain(|(_, what)| !which(what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(pacer: &mut Pacer<u32>, now: i64) -> Vec<u32> {
        std::iter::from_fn(|| pacer.pop(now, 1_000_000)).collect()
    }

    #[test]
    fn a_few_go_at_once_and_the_rest_at_the_rate() {
        let mut pacer = Pacer::default();
        for n in 0..20 {
            assert!(pacer.push(1_250, n));
        }
        // 1 Mb/s: 40 ms are 5,000 bytes, and 10 ms one packet.
        assert_eq!(drain(&mut pacer, 0), [0, 1, 2, 3]);
        assert_eq!(drain(&mut pacer, 5_000), [4]);
        assert!(drain(&mut pacer, 10_000).is_empty());
        assert_eq!(drain(&mut pacer, 30_000), [5, 6]);
        // After a pause, no more than a burst.
        assert_eq!(drain(&mut pacer, 9_000_000), [7, 8, 9, 10]);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut pacer = Pacer::default();
        let taken = (0..1_000).filter(|n| pacer.push(100, *n)).count();
        assert_eq!(taken, QUEUE);
        pacer.forget(|n| *n != 7);
        assert_eq!(drain(&mut pacer, 0), [7]);
        assert!(pacer.is_empty());
    }
}
