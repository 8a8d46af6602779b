//! One other node: what the registry has of it, and what links tell of it. Never decides.

use std::time::Instant;

use starling_proto::{
    NodeId,
    registry::{NodeCost, NodeLoad, NodeRecord, NodeState},
};

use crate::decide::reservations::{ARRIVAL, HOLD, Reservations};

/// Load of a node as its link told it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) load: NodeLoad,
    pub(super) state: NodeState,
    pub(super) at: Instant,
}

/// Who reaches a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nobody that this node knows of.
    #[default]
    Nobody,
    /// This node, by a link.
    Link,
    /// Another node, while this one has no link.
    Others,
}

/// A node other than this one.
#[derive(Debug, Default)]
pub(super) struct Other {
    /// As the registry has it; or had it, if it has lost a node that somebody still reaches: it may
    /// be the one that is wrong.
    pub(super) record: Option<NodeRecord>,
    /// The registry has it now.
    pub(super) registered: bool,
    pub(super) reach: Reach,
    pub(super) told: Option<Told>,
    /// Peers placed there that `told` does not tell of: looked up when either changes, not for each
    /// of a thousand nodes at each join.
    placed: u32,
    /// What its work costs it, as its link told.
    pub(super) cost: Option<NodeCost>,
}

impl Other {
    pub(super) fn is_linked(&self) -> bool {
        self.reach == Reach::Link
    }

    /// Its record, with the newest load and state.
    pub(super) fn newest(&self) -> Option<NodeRecord> {
        let mut record = self.record.clone()?;
        if let Some(told) = self.told {
            (record.load, record.state) = (told.load, told.state);
            record.cost = self.cost.or(record.cost);
        }
        Some(record)
    }

    /// Its load was told, or a join was placed there.
    pub(super) fn count(&mut self, now: Instant, reservations: &Reservations, node: &NodeId) {
        let told = self.told.map_or(now, |told| told.at);
        self.placed = reservations.count(now, node, told);
    }

    /// Peers placed there that its newest load does not tell of.
    pub(super) fn placed(&self, now: Instant, reservations: &Reservations, node: &NodeId) -> u32 {
        match self.told {
            // Only a new load takes from them what is not older than it by more than this.
            Some(told) if now.saturating_duration_since(told.at) < HOLD - ARRIVAL => self.placed,
            told => reservations.count(now, node, told.map_or(now, |told| told.at)),
        }
    }

    /// The newest state.
    pub(super) fn state(&self, record: &NodeRecord) -> NodeState {
        self.told.map_or(record.state, |told| told.state)
    }

    /// The registry has lost it. If nobody reaches it either, that life is over: its epoch.
    pub(super) fn unregistered(&mut self) -> Option<u64> {
        self.registered = false;
        let lost = self.reach == Reach::Nobody;
        let record = if lost { self.record.take() } else { None };
        record.map(|record| record.epoch)
    }

    /// Nobody reaches it: what it told is forgotten. If the registry has lost it, too, that life is
    /// over: its epoch.
    pub(super) fn unreached(&mut self) -> Option<u64> {
        (self.reach, self.told, self.cost) = (Reach::Nobody, None, None);
        let record = if self.registered { None } else { self.record.take() };
        record.map(|record| record.epoch)
    }

    /// Nothing is known of it.
    pub(super) fn is_forgotten(&self) -> bool {
        self.record.is_none() && self.reach == Reach::Nobody && self.told.is_none()
    }
}
