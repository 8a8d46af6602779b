//! Which pieces of messages have come: their numbers (TSN) above what was acknowledged, in serial
//! number arithmetic (RFC 1982). Never does: keep a piece.

/// How far ahead of what is acknowledged a piece may be. A window of full pieces is a tenth of it;
/// short messages in a window of so many are 20,000 a second on a path of 400 ms.
pub(super) const MAX_AHEAD: u32 = 8_192;

/// Where a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It has come before.
    Again,
    /// The first that is missing.
    Next,
    /// Behind one that is missing.
    New,
    /// Too far ahead.
    Ahead,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Arrived {
    /// Number of the last piece before which none is missing; absent before an INIT.
    cumulative: Option<u32>,
    /// One for each number above it, in a circle.
    bits: Box<[u64; MAX_AHEAD as usize / 64]>,
}

impl Default for Arrived {
    fn default() -> Self {
        Self { cumulative: None, bits: Box::new([0; MAX_AHEAD as usize / 64]) }
    }
}

impl Arrived {
    /// The first number is known. Only the first INIT counts.
    pub(super) fn begin(&mut self, first: u32) {
        self.cumulative.get_or_insert(first.wrapping_sub(1));
    }

    /// Where a piece is. Before an INIT nothing is taken anyway.
    pub(super) fn place(&self, tsn: u32) -> Place {
        let Some(cumulative) = self.cumulative else { return Place::Again };
        let distance = tsn.wrapping_sub(cumulative);
        if distance == 0 || distance >= 1 << 31 {
            Place::Again
        } else if distance > MAX_AHEAD {
            Place::Ahead
        } else if self.bits[word(tsn)] & bit(tsn) != 0 {
            Place::Again
        } else if distance == 1 {
            Place::Next
        } else {
            Place::New
        }
    }

    /// It has come.
    pub(super) fn mark(&mut self, tsn: u32) {
        self.bits[word(tsn)] |= bit(tsn);
    }

    /// All up to `cumulative` have come, or never will.
    pub(super) fn acknowledge(&mut self, cumulative: u32) {
        let Some(before) = self.cumulative else { return };
        let passed = cumulative.wrapping_sub(before);
        if passed >= 1 << 31 {
            return;
        }
        for n in 1..=passed.min(MAX_AHEAD) {
            let tsn = before.wrapping_add(n);
            self.bits[word(tsn)] &= !bit(tsn);
        }
        self.cumulative = Some(cumulative);
    }
}

const fn word(tsn: u32) -> usize {
    (tsn % MAX_AHEAD / 64) as usize
}

const fn bit(tsn: u32) -> u64 {
    1 << (tsn % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_new_once_across_the_end_of_the_numbers() {
        let mut arrived = Arrived::default();
        assert_eq!(arrived.place(7), Place::Again, "no INIT yet");
        let first = u32::MAX - 1;
        arrived.begin(first);
        arrived.begin(500);
        for n in 0..3 * MAX_AHEAD {
            let tsn = first.wrapping_add(n);
            assert_eq!(arrived.place(tsn), Place::Next);
            assert_eq!(arrived.place(tsn.wrapping_add(1)), Place::New);
            assert_eq!(arrived.place(tsn.wrapping_add(MAX_AHEAD)), Place::Ahead);
            arrived.mark(tsn);
            assert_eq!(arrived.place(tsn), Place::Again);
            arrived.acknowledge(tsn);
            assert_eq!(arrived.place(tsn), Place::Again);
        }
    }

    #[test]
    fn a_jump_forgets_all_that_it_passes() {
        let mut arrived = Arrived::default();
        arrived.begin(1);
        (1..=MAX_AHEAD).for_each(|tsn| arrived.mark(tsn));
        arrived.acknowledge(5 * MAX_AHEAD);
        let after = 5 * MAX_AHEAD + 1..=6 * MAX_AHEAD;
        assert!(after.clone().skip(1).all(|tsn| arrived.place(tsn) == Place::New));
        arrived.acknowledge(3);
        assert_eq!(arrived.place(*after.start()), Place::Next, "never back");
    }
}
