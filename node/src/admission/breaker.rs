//! Whether it is worth asking somebody who has not answered. Pure: a server that is gone must cost
//! a join nothing, and must be noticed when it is back.

use std::time::{Duration, Instant};

/// Failures in a row before nobody waits for it any more: one or two may be lost connections, and
/// each keeps a client waiting for the whole timeout.
const FAILURES: u32 = 5;
/// Then one join in so long a time is asked for all the same, to find out.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    failures: u32,
    /// Nobody is asked before, once there were [`FAILURES`].
    until: Option<Instant>,
}

impl Breaker {
    /// Whether to ask for a join now.
    pub(super) fn asks(&mut self, now: Instant) -> bool {
        match self.until {
            Some(until) if now < until => false,
            // The next one waits until this one's answer, or for another pause.
            Some(_) => {
                self.until = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// It answered.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// It did not.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES {
            self.until = Some(now + PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_five_failures_one_join_a_second_is_asked_for() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            assert!(breaker.asks(at(0)));
            breaker.failed(at(0));
        }
        assert!(breaker.asks(at(0)), "four are no pattern");
        breaker.failed(at(0));
        let asked = [0, 500, 999, 1_000, 1_001, 1_999, 2_000].map(|ms| breaker.asks(at(ms)));
        assert_eq!(asked, [false, false, false, true, false, false, true]);
        breaker.failed(at(2_500));
        assert_eq!([3_000, 3_499, 3_500].map(|ms| breaker.asks(at(ms))), [false, false, true]);
        breaker.answered();
        assert!([3_500, 3_500].map(|ms| breaker.asks(at(ms))).iter().all(|asks| *asks));
    }

    #[test]
    fn failures_that_are_not_in_a_row_stop_nothing() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for n in 0..20 {
            assert!(breaker.asks(now));
            if n % 5 == 4 { breaker.answered() } else { breaker.failed(now) }
        }
    }
}
