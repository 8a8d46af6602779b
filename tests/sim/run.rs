//! One run: a plan, perhaps a planted bug, and what came of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ctx::MS, fault::Fault, oracle::Violation, plan::Plan, plant::Plant, world::World};

/// More events than any run has had by a factor of ten: two parts of the cluster keep each other
/// busy without end.
const MOST_EVENTS: u64 = 20_000_000;

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was wrong first, if anything.
    pub violation: Option<Violation>,
    /// Faults that were planned and hurt nobody.
    pub missing: Vec<Fault>,
    /// How often each hurt.
    pub hits: BTreeMap<Fault, u64>,
    /// What happened, in number.
    pub events: u64,
    /// Packets that people heard.
    pub packets: u64,
    /// The longest that somebody who was to hear a source did not while people were moved and
    /// nothing broke, in milliseconds.
    pub stood_ms: u64,
}

impl Outcome {
    /// Nothing was wrong, and everything that was planned came to pass.
    pub fn is_clean(&self) -> bool {
        self.violation.is_none() && self.missing.is_empty()
    }
}

/// Runs a plan to its end, or to the first thing that is wrong. `trace` gets a line per event.
///
/// # Panics
/// If the run does not end.
pub fn run(plan: Plan, plant: Option<Plant>, mut trace: Option<&mut dyn FnMut(String)>) -> Outcome {
    let seed = plan.seed;
    let mut world = World::new(plan, plant);
    while world.step(&mut trace) {
        assert!(world.events < MOST_EVENTS, "seed {seed} does not end");
    }
    let violation = world.violation();
    let faults = &world.ctx.faults;
    Outcome {
        seed,
        // What was cut short could not hurt.
        missing: if violation.is_some() { Vec::new() } else { faults.missing() },
        hits: Fault::ALL.into_iter().map(|fault| (fault, faults.hits(fault))).collect(),
        events: world.events,
        packets: world.ctx.oracle.packets,
        stood_ms: world.ctx.oracle.stood / MS,
        violation,
    }
}
