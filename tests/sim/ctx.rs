//! What every part of the simulation has at hand: the time, the dice, what is to happen, and what
//! lies between the nodes. Never knows a node.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    etcd::Etcd, event::Event, fault::Faults, network::Network, oracle::Oracle, plan::Plan,
    plant::Plant,
};

/// Microseconds since 1970 when a simulation begins: 14 November 2023.
const WALL: u64 = 1_700_000_000_000_000;

/// A millisecond of virtual time.
pub(super) const MS: u64 = 1_000;
/// A second of it.
pub(super) const SECOND: u64 = 1_000_000;

/// See the module.
pub(super) struct Ctx {
    base: Instant,
    /// Microseconds since the beginning.
    pub(super) now: u64,
    pub(super) rng: SmallRng,
    queue: BinaryHeap<Reverse<Due>>,
    planned: u64,
    pub(super) net: Network,
    pub(super) etcd: Etcd,
    pub(super) oracle: Oracle,
    pub(super) faults: Faults,
    pub(super) plant: Option<Plant>,
    /// Which life of each machine runs; none if it is down.
    pub(super) lives: Vec<Option<u32>>,
    /// The newest link protocol of each machine's program.
    pub(super) speaks: Vec<u16>,
    /// Nodes that one serves a producer to.
    pub(super) fan_out: usize,
}

struct Due {
    at: u64,
    order: u64,
    event: Event,
}

impl Ctx {
    pub(super) fn new(plan: &Plan, plant: Option<Plant>) -> Self {
        Self {
            base: Instant::now(),
            now: 0,
            rng: SmallRng::seed_from_u64(plan.seed),
            queue: BinaryHeap::new(),
            planned: 0,
            net: Network::new(plan),
            etcd: Etcd::default(),
            oracle: Oracle::new(plan),
            faults: Faults::default(),
            plant,
            lives: vec![None; plan.nodes.len()],
            speaks: plan.nodes.iter().map(|node| node.speaks).collect(),
            fan_out: plan.fan_out,
        }
    }

    /// Now, for what decides.
    pub(super) fn instant(&self) -> Instant {
        self.base + Duration::from_micros(self.now)
    }

    /// What a clock that is wrong by `skew` shows.
    pub(super) fn wall(&self, skew: i64) -> u64 {
        (WALL + self.now).saturating_add_signed(skew)
    }

    /// The virtual time of what a decision named: then it is due, and not a moment before.
    pub(super) fn micros(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.base).as_nanos();
        u64::try_from(nanos.div_ceil(1_000)).unwrap_or(u64::MAX)
    }

    pub(super) fn at(&mut self, at: u64, event: Event) {
        self.planned += 1;
        self.queue.push(Reverse(Due { at: at.max(self.now), order: self.planned, event }));
    }

    pub(super) fn after(&mut self, delay: u64, event: Event) {
        self.at(self.now + delay, event);
    }

    /// The next event; the clock goes there.
    pub(super) fn pop(&mut self) -> Option<Event> {
        let Reverse(due) = self.queue.pop()?;
        self.now = due.at;
        Some(due.event)
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random::<f64>() < share
    }

    /// Bugs rest while nothing is to break, but for the one that is of that time.
    pub(super) fn planted(&self, plant: Plant) -> bool {
        let calm = self.oracle.calm.is_some();
        self.plant == Some(plant) && calm == (plant == Plant::Homebody)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
