//! Which nodes a room's policy allows, given which are up. Never ranks them.

use std::collections::BTreeSet;

use starling_proto::{
    NodeId,
    registry::{NodeRecord, NodeState, RoomPolicy},
};

/// What a policy comes down to while these nodes are up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope<'a> {
    /// Some pinned node is up: only these.
    Pinned(BTreeSet<&'a NodeId>),
    /// Some node of the policy's regions is up: only there.
    Regions(BTreeSet<&'a str>),
    /// Anywhere.
    Anywhere,
}

impl<'a> Scope<'a> {
    /// Pins go before regions. A draining node is not up: a policy of which only draining nodes are
    /// left allows every node, because a call in the wrong place is better than none.
    pub(super) fn of(
        policy: &'a RoomPolicy,
        nodes: impl Iterator<Item = (&'a NodeRecord, NodeState)> + Clone,
    ) -> Self {
        let up = nodes.filter(|(_, state)| *state == NodeState::Up).map(|(record, _)| record);
        if !policy.pinned_nodes.is_empty() {
            let pinned: BTreeSet<_> = policy.pinned_nodes.iter().collect();
            if up.clone().any(|record| pinned.contains(&record.id)) {
                return Self::Pinned(pinned);
            }
        }
        if !policy.regions.is_empty() {
            let regions: BTreeSet<_> = policy.regions.iter().map(String::as_str).collect();
            if up.clone().any(|record| regions.contains(record.region.as_str())) {
                return Self::Regions(regions);
            }
        }
        Self::Anywhere
    }

    /// Whether the policy allows this node.
    pub(super) fn allows(&self, record: &NodeRecord) -> bool {
        match self {
            Self::Pinned(nodes) => nodes.contains(&record.id),
            Self::Regions(regions) => regions.contains(record.region.as_str()),
            Self::Anywhere => true,
        }
    }
}
