//! State by SSRC, bounded. Never hashes: SSRCs are few, runs of packets repeat the last one, and a
//! sorted list cannot be made slow by the other side's choice of numbers.

/// What happens to one SSRC more than the bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// It gets no state.
    Refuse,
    /// The one unused for longest loses its state.
    Evict,
}

/// A bounded map from SSRC to `T`.
pub(super) struct Streams<T> {
    bound: usize,
    when_full: WhenFull,
    /// Sorted by SSRC; the second number is the place in `slots`.
    order: Vec<(u32, u32)>,
    slots: Vec<Slot<T>>,
    last: usize,
    clock: u64,
}

struct Slot<T> {
    ssrc: u32,
    used: u64,
    value: T,
}

impl<T> Streams<T> {
    /// Empty.
    pub(super) fn new(bound: usize, when_full: WhenFull) -> Self {
        Self { bound, when_full, order: Vec::new(), slots: Vec::new(), last: 0, clock: 0 }
    }

    /// Where the state of `ssrc` is; valid until the next `insert`.
    pub(super) fn find(&self, ssrc: u32) -> Option<usize> {
        if self.slots.get(self.last).is_some_and(|slot| slot.ssrc == ssrc) {
            return Some(self.last);
        }
        let at = self.order.binary_search_by_key(&ssrc, |entry| entry.0).ok()?;
        Some(self.order[at].1 as usize)
    }

    /// State at a place from [`Self::find`].
    pub(super) fn at(&self, place: usize) -> &T {
        &self.slots[place].value
    }

    /// State at a place from [`Self::find`], as the one used last.
    pub(super) fn touch(&mut self, place: usize) -> &mut T {
        self.clock += 1;
        self.last = place;
        let slot = &mut self.slots[place];
        slot.used = self.clock;
        &mut slot.value
    }

    /// Adds state for an SSRC that has none; false if it was refused.
    pub(super) fn insert(&mut self, ssrc: u32, value: T) -> bool {
        let place = if self.slots.len() < self.bound {
            self.slots.push(Slot { ssrc, used: 0, value });
            self.slots.len() - 1
        } else if self.when_full == WhenFull::Evict {
            let Some(place) = self.oldest() else { return false };
            let old = std::mem::replace(&mut self.slots[place], Slot { ssrc, used: 0, value });
            self.order.retain(|entry| entry.0 != old.ssrc);
            place
        } else {
            return false;
        };
        let at = self.order.partition_point(|entry| entry.0 < ssrc);
        self.order.insert(at, (ssrc, place as u32));
        self.touch(place);
        true
    }

    /// How many SSRCs have state.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn oldest(&self) -> Option<usize> {
        (0..self.slots.len()).min_by_key(|&place| self.slots[place].used)
    }
}
