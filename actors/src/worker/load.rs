//! How busy a worker's thread is. Times in, gauges out.

use std::time::{Duration, Instant};

use super::{counters::WorkerCounters, poll::thread_cpu};

/// Length of the window of `busy` and `longest_turn`.
const WINDOW: Duration = Duration::from_secs(1);
/// Counters are copied out this often, and before every sleep as long as this.
const REPORT_EVERY: Duration = Duration::from_millis(10);

/// The window that runs.
#[derive(Debug)]
pub(crate) struct Load {
    since: Instant,
    reported: Instant,
    awake_since: Instant,
    awake: Duration,
    longest: Duration,
}

impl Load {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            reported: now,
            awake_since: now,
            awake: Duration::ZERO,
            longest: Duration::ZERO,
        }
    }

    /// The thread goes on after a sleep.
    pub(crate) const fn woke(&mut self, now: Instant) {
        self.awake_since = now;
    }

    /// A turn that began at `began` is over and a sleep of `sleep` follows. True if it is time to
    /// copy the counters out.
    pub(crate) fn turn_ended(
        &mut self,
        began: Instant,
        now: Instant,
        sleep: Duration,
        counters: &mut WorkerCounters,
    ) -> bool {
        self.awake += now.saturating_duration_since(self.awake_since);
        self.longest = self.longest.max(now.saturating_duration_since(began));
        let window = now.saturating_duration_since(self.since);
        if window >= WINDOW {
            counters.busy = (self.awake.as_secs_f32() / window.as_secs_f32()).min(1.0);
            counters.longest_turn = self.longest;
            self.since = now;
            self.awake = Duration::ZERO;
            self.longest = Duration::ZERO;
        }
        let age = now.saturating_duration_since(self.reported);
        let report = age >= REPORT_EVERY || sleep >= REPORT_EVERY;
        if report {
            self.reported = now;
            counters.cpu = thread_cpu();
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_the_share_of_the_window_spent_awake() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut load = Load::new(start);
        let mut counters = WorkerCounters::default();
        load.turn_ended(at(0), at(200), Duration::ZERO, &mut counters);
        load.woke(at(900));
        load.turn_ended(at(900), at(1_000), Duration::ZERO, &mut counters);
        assert!((counters.busy - 0.3).abs() < 0.001, "{}", counters.busy);
        assert_eq!(counters.longest_turn, Duration::from_millis(200));
        load.woke(at(2_000));
        load.turn_ended(at(2_000), at(2_001), Duration::ZERO, &mut counters);
        assert!(counters.busy < 0.01, "the window before is forgotten");
    }
}
