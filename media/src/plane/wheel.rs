//! When each transport is looked after: one wheel of 100 ms slots for all, a visit about each
//! second. An idle transport costs one visit a second and nothing in between.

use std::time::{Duration, Instant};

/// Width of a slot. Consent, reports and scores are counted in seconds.
pub(super) const SLOT: Duration = Duration::from_millis(100);
/// Slots: more than the longest distance of two visits.
const SLOTS: usize = 16;
/// Shortest distance of two visits, in slots.
const MIN_DISTANCE: u64 = 8;
/// How many distances there are: 0.8 to 1.2 s, so that transports made together drift apart
/// (RFC 3550 §6.2 randomises the same interval).
pub(super) const DISTANCES: u64 = 5;

/// What is visited.
pub(super) type Visit = u32;

#[derive(Debug)]
pub(super) struct Wheel {
    start: Instant,
    /// Slots gone by since `start`.
    tick: u64,
    slots: [Vec<Visit>; SLOTS],
    visits: usize,
}

impl Wheel {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, tick: 0, slots: std::array::from_fn(|_| Vec::new()), visits: 0 }
    }

    /// When the next slot ends; never if nothing is to be visited.
    pub(super) fn next(&self) -> Option<Instant> {
        (self.visits > 0).then(|| self.start + SLOT * (self.tick as u32 + 1))
    }

    /// Visits `index` in `random % DISTANCES` slots more than the least distance.
    pub(super) fn add(&mut self, now: Instant, index: Visit, random: u64) {
        if self.visits == 0 {
            self.tick = self.slot_at(now);
        }
        let at = self.tick + MIN_DISTANCE + random % DISTANCES;
        self.slots[(at % SLOTS as u64) as usize].push(index);
        self.visits += 1;
    }

    /// Forgets `index`.
    pub(super) fn remove(&mut self, index: Visit) {
        for slot in &mut self.slots {
            let before = slot.len();
            slot.retain(|visit| *visit != index);
            self.visits -= before - slot.len();
        }
    }

    /// Moves what is due into `due`. After a long sleep every visit is due once.
    pub(super) fn due(&mut self, now: Instant, due: &mut Vec<Visit>) {
        let now = self.slot_at(now);
        let from = self.tick.max(now.saturating_sub(SLOTS as u64));
        for tick in from + 1..=now {
            due.append(&mut self.slots[(tick % SLOTS as u64) as usize]);
        }
        self.visits = self.slots.iter().map(Vec::len).sum();
        self.tick = self.tick.max(now);
    }

    fn slot_at(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.start).as_millis() / SLOT.as_millis()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_visit_comes_once_after_its_distance() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        assert_eq!(wheel.next(), None);
        wheel.add(ms(start, 5_000), 7, 0);
        assert_eq!(wheel.next(), Some(ms(start, 5_100)));
        let mut due = Vec::new();
        wheel.due(ms(start, 5_799), &mut due);
        assert!(due.is_empty());
        wheel.due(ms(start, 5_800), &mut due);
        assert_eq!(due, [7]);
        wheel.due(ms(start, 9_000), &mut due);
        assert_eq!(due, [7]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn after_a_long_sleep_nothing_is_missed_or_visited_twice() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        for index in 0..5 {
            wheel.add(start, index, u64::from(index));
        }
        let mut due = Vec::new();
        wheel.due(ms(start, 3_600_000), &mut due);
        due.sort_unstable();
        assert_eq!(due, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_removed_transport_is_not_visited() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        wheel.add(start, 1, 0);
        wheel.add(start, 2, 0);
        wheel.remove(1);
        let mut due = Vec::new();
        wheel.due(ms(start, 2_000), &mut due);
        assert_eq!(due, [2]);
    }
}
