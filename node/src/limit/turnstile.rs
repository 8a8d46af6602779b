//! How many clients a node takes in per second, whoever they are: a node that died may send it a
//! thousand at once. Who is turned away is told when to come again, each another time. Never does:
//! read the clock.

use std::time::{Duration, Instant};

/// Joins per second and worker unless settings say otherwise: a join with ICE and DTLS costs a core
/// about 5 ms, so that half of it goes on forwarding.
pub const JOINS_PER_WORKER: u32 = 100;
/// Longest time that somebody is told to wait: later the others may be gone again.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A token bucket that holds a second's joins, and gives those it turns away a place in the queue.
#[derive(Clone, Debug)]
pub struct Turnstile {
    interval: Duration,
    /// When the bucket will be full again.
    full: Instant,
    /// When the last one who was turned away comes again.
    promised: Instant,
}

impl Turnstile {
    /// `per_second` of 0 lets everybody in.
    pub fn new(now: Instant, per_second: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(per_second).unwrap_or_default();
        Self { interval, full: now, promised: now }
    }

    /// Lets somebody in, or says after how long they may come again. Half of the bucket is kept for
    /// those who come back after their node was lost.
    ///
    /// # Errors
    /// How long to wait.
    pub fn enter(&mut self, now: Instant, comes_back: bool) -> Result<(), Duration> {
        let holds = Duration::from_millis(if comes_back { 1_000 } else { 500 }).max(self.interval);
        let full = self.full.max(now) + self.interval;
        let over = full.saturating_duration_since(now).saturating_sub(holds);
        if self.interval.is_zero() || over.is_zero() {
            self.full = full;
            return Ok(());
        }
        self.promised = self.promised.max(now + over - self.interval) + self.interval;
        let wait = self.promised.saturating_duration_since(now);
        if wait > MAX_WAIT {
            self.promised = now + MAX_WAIT;
        }
        Err(wait.min(MAX_WAIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_second_of_joins_comes_in_at_once_and_then_the_rate() {
        let now = Instant::now();
        let mut turnstile = Turnstile::new(now, 10);
        let entered = (0..30).filter(|_| turnstile.enter(now, true).is_ok()).count();
        assert_eq!(entered, 10);
        let later = now + ms(300);
        let entered = (0..30).filter(|_| turnstile.enter(later, true).is_ok()).count();
        assert_eq!(entered, 3);
    }

    #[test]
    fn who_is_turned_away_comes_again_one_after_the_other_and_is_let_in() {
        let now = Instant::now();
        let mut turnstile = Turnstile::new(now, 10);
        let waits: Vec<_> = (0..20).filter_map(|_| turnstile.enter(now, true).err()).collect();
        assert_eq!(waits, (1..=10).map(|n| ms(100 * n)).collect::<Vec<_>>());
        for wait in waits {
            assert_eq!(turnstile.enter(now + wait, true), Ok(()), "{wait:?}");
        }
    }

    #[test]
    fn half_is_kept_for_those_who_come_back() {
        let now = Instant::now();
        let mut turnstile = Turnstile::new(now, 10);
        let new = (0..30).filter(|_| turnstile.enter(now, false).is_ok()).count();
        let back = (0..30).filter(|_| turnstile.enter(now, true).is_ok()).count();
        assert_eq!((new, back), (5, 5));
    }

    #[test]
    fn nobody_is_told_to_wait_longer_than_ten_seconds() {
        let now = Instant::now();
        let mut turnstile = Turnstile::new(now, 1);
        let longest = (0..100).filter_map(|_| turnstile.enter(now, true).err()).max();
        assert_eq!(longest, Some(MAX_WAIT));
    }

    #[test]
    fn without_a_rate_everybody_comes_in() {
        let now = Instant::now();
        let mut turnstile = Turnstile::new(now, 0);
        assert!((0..10_000).all(|_| turnstile.enter(now, false).is_ok()));
    }
}
