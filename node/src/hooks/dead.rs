//! What was given up: the last of it, for operators to look at and to send once more, and how much
//! it was. Pure.

use std::collections::VecDeque;

use starling_proto::{rest::DeadLetter, time::Timestamp};

use super::{lane::Letter, verdict::Dead};

/// Of each webhook: enough to see what they have in common. At about 700 bytes each those of 32
/// webhooks are 2 MB.
const KEPT: usize = 100;

/// What all webhooks came to since the node's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Events that were taken.
    pub(crate) delivered: u64,
    /// Attempts that failed and were, or will be, followed by another.
    pub(crate) again: u64,
    /// Events given up, in the order of [`Dead::ALL`].
    pub(crate) dead: [u64; Dead::ALL.len()],
}

impl Counts {
    /// One more was given up.
    pub(super) fn died(&mut self, why: Dead) {
        let place = Dead::ALL.iter().position(|other| *other == why);
        self.dead[place.expect("ALL has all reasons")] += 1;
    }
}

/// The last that were given up for a webhook, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Pile(VecDeque<(DeadLetter, Letter)>);

impl Pile {
    pub(super) fn add(
        &mut self,
        wall: Timestamp,
        letter: Letter,
        attempts: u32,
        why: Dead,
        trouble: Option<String>,
    ) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        let event = (*letter.event).clone();
        let dead = DeadLetter { at: wall, reason: why.name().to_owned(), trouble, attempts, event };
        self.0.push_back((dead, letter));
    }

    pub(super) fn list(&self) -> Vec<DeadLetter> {
        self.0.iter().map(|(dead, _)| dead.clone()).collect()
    }

    /// All of them, which are no longer here.
    pub(super) fn take(&mut self) -> Vec<Letter> {
        self.0.drain(..).map(|(_, letter)| letter).collect()
    }
}
