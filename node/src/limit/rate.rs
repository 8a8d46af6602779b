//! The generic cell rate algorithm: a token bucket in one instant. Never does: read the clock.

use std::time::{Duration, Instant};

/// So many per second, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval: Duration,
    tolerance: Duration,
}

impl Rate {
    /// `per_second` must not be 0.
    ///
    /// # Panics
    /// If it is.
    pub fn new(per_second: u32, burst: u32) -> Self {
        assert!(per_second > 0, "a rate of nothing is no rate");
        let interval = Duration::from_secs(1) / per_second;
        Self { interval, tolerance: interval * burst.max(1) }
    }

    /// Whether one more is fine. `used` is when the bucket will be full again; it is the caller's
    /// to keep, and any instant in the past means "full".
    pub fn admit(&self, now: Instant, used: &mut Instant) -> bool {
        let from = now.max(*used);
        if from.saturating_duration_since(now) + self.interval > self.tolerance {
            return false;
        }
        *used = from + self.interval;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_the_rate() {
        let start = Instant::now();
        let rate = Rate::new(10, 3);
        let mut used = start;
        let at = |ms| start + Duration::from_millis(ms);
        let admitted: Vec<_> = [0, 0, 0, 0, 50, 100, 100, 200, 5_000, 5_000, 5_000, 5_000]
            .map(|ms| rate.admit(at(ms), &mut used))
            .into();
        assert_eq!(
            admitted,
            [true, true, true, false, false, true, false, true, true, true, true, false]
        );
    }
}
