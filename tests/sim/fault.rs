//! Kinds of faults, and how often each took effect. A fault that is planned and hurts nobody proves
//! nothing, so runs ask.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A process dies, and its machine says so to who asks.
    Crash,
    /// A machine dies: nothing answers.
    PowerLoss,
    /// A process stands still and goes on later.
    Pause,
    /// Nothing comes through one way.
    CutOneWay,
    /// Nothing comes through either way.
    CutBoth,
    /// A node reaches nobody: no node, no client, no registry.
    Isolation,
    /// Datagrams are lost.
    Loss,
    /// Frames come late, and not all equally late.
    Delay,
    /// Datagrams come twice.
    Duplication,
    /// Datagrams overtake each other.
    Reordering,
    /// Large datagrams are lost until the sender finds out.
    MtuHole,
    /// A node takes its time.
    Slowness,
    /// A client loses its way to its node.
    ClientCut,
    /// A client is gone without a word.
    Vanishing,
    /// A node sends its people away.
    Drain,
    /// An operator sends somebody to another node.
    Move,
    /// Somebody takes an id that is in use elsewhere.
    Clone,
    /// A node's wall clock jumps.
    ClockJump,
    /// The registry does not answer.
    EtcdDown,
    /// It answers late.
    EtcdSlow,
    /// One node does not reach it.
    EtcdCut,
    /// It forgets everything.
    EtcdWipe,
    /// It goes back to an old snapshot.
    EtcdRestore,
    /// It compacts what watchers have not seen.
    EtcdCompact,
}

impl Fault {
    /// All there are.
    pub const ALL: [Self; 24] = [
        Self::Crash,
        Self::PowerLoss,
        Self::Pause,
        Self::CutOneWay,
        Self::CutBoth,
        Self::Isolation,
        Self::Loss,
        Self::Delay,
        Self::Duplication,
        Self::Reordering,
        Self::MtuHole,
        Self::Slowness,
        Self::ClientCut,
        Self::Vanishing,
        Self::Drain,
        Self::Move,
        Self::Clone,
        Self::ClockJump,
        Self::EtcdDown,
        Self::EtcdSlow,
        Self::EtcdCut,
        Self::EtcdWipe,
        Self::EtcdRestore,
        Self::EtcdCompact,
    ];

    /// Its name, as reports have it.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).ok();
        name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// What was planned and what took effect.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    planned: BTreeMap<Fault, u64>,
    hit: BTreeMap<Fault, u64>,
    /// It came to pass, but nothing was in its way: a hole for large packets where none was sent.
    idle: BTreeMap<Fault, u64>,
}

impl Faults {
    /// It is about to happen.
    pub fn plan(&mut self, fault: Fault) {
        *self.planned.entry(fault).or_default() += 1;
    }

    /// It has hurt.
    pub fn hit(&mut self, fault: Fault) {
        *self.hit.entry(fault).or_default() += 1;
    }

    /// It is over (or cannot be), and nothing could have been hurt.
    pub fn idle(&mut self, fault: Fault) {
        *self.idle.entry(fault).or_default() += 1;
    }

    /// How often it hurt.
    pub fn hits(&self, fault: Fault) -> u64 {
        self.hit.get(&fault).copied().unwrap_or(0)
    }

    /// Planned, and never took effect although it could have.
    pub fn missing(&self) -> Vec<Fault> {
        let missed = |(fault, planned): (&Fault, &u64)| {
            let idle = self.idle.get(fault).copied().unwrap_or(0);
            (self.hits(*fault) == 0 && idle < *planned).then_some(*fault)
        };
        self.planned.iter().filter_map(missed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_was_planned_and_hurt_nobody_is_missed() {
        let mut faults = Faults::default();
        assert!(faults.missing().is_empty());
        faults.plan(Fault::Loss);
        assert_eq!(faults.missing(), [Fault::Loss]);
        faults.hit(Fault::Loss);
        assert!(faults.missing().is_empty());
        faults.plan(Fault::MtuHole);
        faults.idle(Fault::MtuHole);
        assert!(faults.missing().is_empty(), "nothing large was sent");
    }
}
