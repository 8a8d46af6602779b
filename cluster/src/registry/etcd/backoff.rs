//! How long to wait before etcd is tried again. The only layer that tries again: calls of the
//! registry fail at once.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// First wait: a leader election is over after about a second, a lost connection at once.
const FIRST: Duration = Duration::from_millis(100);
/// Longest wait: state must converge within 5 s of etcd's return.
const LONGEST: Duration = Duration::from_secs(2);

/// Doubles from first to longest, half of it random, so that nodes do not return in step.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    jitter: SmallRng,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST, jitter: SmallRng::from_os_rng() }
    }

    /// It worked: the next wait is a first one.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }

    pub(super) async fn wait(&mut self) {
        let share = self.jitter.random_range(0.5..=1.0);
        tokio::time::sleep(self.next.mul_f64(share)).await;
        self.next = (self.next * 2).min(LONGEST);
    }
}
