//! Replay window (RFC 3711 §3.3.2): which packet indices were seen. Never decides on authenticity.

/// Indices remembered behind the highest; libsrtp's size in mediasoup. At 1,000 packets/s one
/// second of reordering, for 128 bytes a stream.
pub(super) const WINDOW: u64 = 1024;

const WORDS: usize = (WINDOW / 64) as usize;

/// A ring of bits: index i is bit i modulo [`WINDOW`].
pub(super) struct ReplayWindow {
    highest: u64,
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// That has seen `first` only.
    pub(super) fn new(first: u64) -> Self {
        let mut window = Self { highest: first, seen: [0; WORDS] };
        window.mark(first);
        window
    }

    /// Highest index seen.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Neither seen nor too old to know.
    pub(super) fn is_new(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        self.highest - index < WINDOW && self.seen[word(index)] & bit(index) == 0
    }

    /// Remembers an authentic index for which [`Self::is_new`] holds.
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for skipped in self.highest + 1..index {
                    self.seen[word(skipped)] &= !bit(skipped);
                }
            }
            self.highest = index;
        }
        self.mark(index);
    }

    fn mark(&mut self, index: u64) {
        self.seen[word(index)] |= bit(index);
    }
}

fn word(index: u64) -> usize {
    (index % WINDOW / 64) as usize
}

fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn skipped_index_is_new_although_its_bit_was_used_before() {
        for gap in 2..WINDOW + 2 {
            let mut window = ReplayWindow::new(0);
            (1..WINDOW).for_each(|index| window.accept(index));
            window.accept(WINDOW - 1 + gap);
            let between = WINDOW..WINDOW - 1 + gap;
            let known = between.clone().filter(|&index| window.is_new(index)).count();
            assert_eq!(known as u64, (gap - 1).min(WINDOW - 1), "{gap}");
        }
    }

    proptest! {
        /// Against a set that remembers everything.
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec(-1_400..1_400_i64, 1..600)) {
            let mut window = ReplayWindow::new(10_000);
            let mut seen = BTreeSet::from([10_000_u64]);
            let mut at = 10_000_i64;
            for step in steps {
                at = (at + step).max(0);
                let index = at as u64;
                let highest = *seen.last().expect("never empty");
                let wanted = !seen.contains(&index) && index + WINDOW > highest;
                prop_assert_eq!(window.is_new(index), wanted);
                if wanted {
                    window.accept(index);
                    seen.insert(index);
                }
                prop_assert_eq!(window.highest(), *seen.last().expect("never empty"));
            }
        }
    }
}
