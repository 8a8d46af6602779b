//! Makes a red plan short: actions are left out as long as the same invariant is broken.

use super::{
    oracle::Invariant,
    plan::{Plan, Timed},
    plant::Plant,
    run::run,
};

/// Runs that are tried at most: a run takes a tenth of a second.
const MOST_RUNS: usize = 400;

/// The plan with as few actions as were found to be enough (Zeller's ddmin, one chunk at a time).
pub fn shrink(plan: &Plan, plant: Option<Plant>, invariant: Invariant) -> Plan {
    let broken = |actions: &[Timed]| {
        let plan = Plan { actions: actions.to_vec(), ..plan.clone() };
        run(plan, plant, None).violation.is_some_and(|it| it.invariant == invariant)
    };
    let mut actions = plan.actions.clone();
    let mut chunk = actions.len().div_ceil(2);
    let mut runs = 0;
    while chunk > 0 && runs < MOST_RUNS {
        let mut at = 0;
        while at < actions.len() && runs < MOST_RUNS {
            let mut fewer = actions.clone();
            fewer.drain(at..(at + chunk).min(fewer.len()));
            runs += 1;
            if broken(&fewer) {
                actions = fewer;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    Plan { actions, ..plan.clone() }
}
