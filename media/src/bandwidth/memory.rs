//! Which layers a consumer lost for want of bandwidth, so that it does not climb back to fall again
//! (mediasoup `SimulcastProducerStreamManager.cpp`, `BweDowngradeConservativeMs`). Each climb back
//! costs a key frame. Decides no grant.

/// How long a spatial layer is kept from one that lost it, in microseconds (LY2).
const HOLD: i64 = 10_000_000;
/// Longest such time, after climbs that failed again and again.
const MAX_HOLD: i64 = 40_000_000;
/// A layer lost so soon after it was granted was a climb that failed (LY2).
const PROVEN: i64 = 8_000_000;
/// An estimate so many times what it was at the fall was shown by a probe: nothing else raises it
/// so far.
const RELEASE: u64 = 2;
/// Falls so close to each other are one: the first layer lost is the one that was too much.
const ONE_FALL: i64 = 3_000_000;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// The lowest layer that is kept from it.
    lost: Option<u8>,
    fell_at: i64,
    climbed_at: Option<i64>,
    hold: i64,
    /// Bits per second there were when it fell.
    estimate: u64,
}

impl Memory {
    /// The highest spatial layer to climb to now; none if there is no limit. `estimate` in bits per
    /// second: what is far more than there was when the layer was lost is another path.
    pub fn ceiling(&self, now: i64, estimate: u64) -> Option<u8> {
        let held =
            now - self.fell_at < self.hold && estimate < self.estimate.saturating_mul(RELEASE);
        let lost = self.lost.filter(|_| held)?;
        Some(lost.saturating_sub(1))
    }

    /// The spatial layer granted of `estimate` is another.
    pub fn on_grant(&mut self, now: i64, estimate: u64, before: Option<u8>, after: Option<u8>) {
        if after > before {
            self.climbed_at = Some(now);
            return;
        }
        let Some(before) = before.filter(|_| after < before) else { return };
        if self.lost.is_some() && now - self.fell_at < ONE_FALL {
            return;
        }
        let failed = self.lost == Some(before)
            && self.climbed_at.is_some_and(|climbed| now - climbed < PROVEN);
        self.hold = if failed { (2 * self.hold).min(MAX_HOLD) } else { HOLD };
        self.lost = Some(before);
        self.fell_at = now;
        self.estimate = estimate;
    }

    /// Its owner wishes otherwise: what was lost may be tried again.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    #[test]
    fn a_layer_that_was_lost_is_kept_away_for_ten_seconds() {
        let mut memory = Memory::default();
        memory.on_grant(0, 500_000, None, Some(2));
        assert_eq!(memory.ceiling(0, 500_000), None);
        memory.on_grant(20 * S, 500_000, Some(2), Some(1));
        assert_eq!(memory.ceiling(29 * S, 500_000), Some(1));
        assert_eq!(memory.ceiling(30 * S, 500_000), None);
        assert_eq!(memory.ceiling(21 * S, 999_999), Some(1));
        assert_eq!(memory.ceiling(21 * S, 1_000_000), None);
    }

    #[test]
    fn falling_on_is_the_same_fall() {
        let mut memory = Memory::default();
        memory.on_grant(0, 500_000, Some(2), Some(1));
        memory.on_grant(S, 500_000, Some(1), Some(0));
        assert_eq!(memory.ceiling(2 * S, 500_000), Some(1));
        memory.on_grant(9 * S, 500_000, Some(1), Some(0));
        assert_eq!(memory.ceiling(10 * S, 500_000), Some(0));
    }

    #[test]
    fn a_climb_that_fails_waits_twice_as_long() {
        let mut memory = Memory::default();
        memory.on_grant(0, 500_000, Some(2), Some(1));
        for (climb, hold) in [(11, 20), (40, 40), (90, 40)] {
            memory.on_grant(climb * S, 500_000, Some(1), Some(2));
            memory.on_grant((climb + 1) * S, 500_000, Some(2), Some(1));
            assert_eq!(memory.ceiling((climb + hold) * S, 500_000), Some(1), "after {climb} s");
            assert_eq!(memory.ceiling((climb + 1 + hold) * S, 500_000), None, "after {climb} s");
        }
        memory.on_grant(200 * S, 500_000, Some(1), Some(2));
        memory.on_grant(209 * S, 500_000, Some(2), Some(1));
        assert_eq!(memory.ceiling(219 * S, 500_000), None);
    }

    #[test]
    fn having_nothing_at_all_keeps_the_lowest_layer_reachable() {
        let mut memory = Memory::default();
        memory.on_grant(0, 500_000, Some(0), None);
        assert_eq!(memory.ceiling(S, 500_000), Some(0));
    }
}
