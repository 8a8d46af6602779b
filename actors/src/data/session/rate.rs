//! How many messages a client may send: beyond it they wait in the association, and the client with
//! them. Pure: `now` is an argument.

use std::time::{Duration, Instant};

/// Messages a second of one client. A game sends 60; a file in pieces of a kilobyte, on a path of
/// 80 Mbit/s, 10,000.
const PER_SECOND: u32 = 20_000;
/// Messages at once: what that is in 100 ms.
const BURST: f64 = PER_SECOND as f64 / 10.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Rate {
    tokens: f64,
    at: Instant,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self { tokens: BURST, at: now }
    }

    /// Whether a message may be read now; it is counted.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * f64::from(PER_SECOND)).min(BURST);
        self.at = self.at.max(now);
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        may
    }

    /// When one may be read again, if not now.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.tokens < 1.0).then(|| self.at + Duration::from_millis(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_held_to_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let mut taken = 0;
        for ms in 0..1_000 {
            while rate.take(start + Duration::from_millis(ms)) {
                taken += 1;
            }
            assert!(rate.due().is_some());
        }
        assert!((21_900..=22_000).contains(&taken), "{taken} in a second with a burst");
    }
}
