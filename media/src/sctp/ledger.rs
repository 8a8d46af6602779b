//! What waits to be sent on each stream, with what each message costs beside its payload: a million
//! messages of one byte are not a megabyte. Never knows a message's content.

use std::collections::{BTreeMap, VecDeque};

/// What the association keeps of a message beside its payload.
const OVERHEAD: usize = 256;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    streams: BTreeMap<u16, Waiting>,
    total: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Payload bytes of each message, oldest first; the first may be acknowledged in part.
    messages: VecDeque<usize>,
    payload: usize,
}

impl Waiting {
    fn cost(&self) -> usize {
        self.payload + OVERHEAD * self.messages.len()
    }
}

impl Ledger {
    /// A message was queued.
    pub(super) fn write(&mut self, id: u16, payload: usize) {
        let waiting = self.streams.entry(id).or_default();
        waiting.messages.push_back(payload);
        waiting.payload += payload;
        self.total += payload + OVERHEAD;
    }

    /// `left` payload bytes of a stream wait still. Messages are taken for gone in order, which for
    /// unordered ones is near enough.
    pub(super) fn settle(&mut self, id: u16, left: usize) {
        let Some(waiting) = self.streams.get_mut(&id) else { return };
        let before = waiting.cost();
        let mut gone = waiting.payload.saturating_sub(left);
        waiting.payload -= gone;
        while let Some(first) = waiting.messages.front_mut() {
            if *first > gone {
                *first -= gone;
                break;
            }
            gone -= *first;
            waiting.messages.pop_front();
        }
        self.total = self.total + waiting.cost() - before;
        if waiting.messages.is_empty() {
            self.streams.remove(&id);
        }
    }

    /// The stream is closed.
    pub(super) fn forget(&mut self, id: u16) {
        if let Some(waiting) = self.streams.remove(&id) {
            self.total -= waiting.cost();
        }
    }

    /// Streams on which something waits.
    pub(super) fn ids(&self) -> Vec<u16> {
        self.streams.keys().copied().collect()
    }

    /// What a stream's messages cost.
    pub(super) fn waiting(&self, id: u16) -> usize {
        self.streams.get(&id).map_or(0, Waiting::cost)
    }

    /// Payload bytes that wait on a stream.
    pub(super) fn payload(&self, id: u16) -> usize {
        self.streams.get(&id).map_or(0, |waiting| waiting.payload)
    }

    /// What all cost.
    pub(super) fn total(&self) -> usize {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cost_more_than_their_bytes_until_they_are_gone() {
        let mut ledger = Ledger::default();
        for _ in 0..4 {
            ledger.write(1, 10);
        }
        ledger.write(2, 5);
        assert_eq!((ledger.waiting(1), ledger.payload(1)), (40 + 4 * OVERHEAD, 40));
        ledger.settle(1, 25);
        assert_eq!((ledger.waiting(1), ledger.payload(1)), (25 + 3 * OVERHEAD, 25));
        ledger.settle(1, 0);
        assert_eq!((ledger.ids(), ledger.total()), (vec![2], 5 + OVERHEAD));
        ledger.forget(2);
        assert_eq!((ledger.ids(), ledger.total()), (vec![], 0));
    }
}
