//! Where joins go, as this node sees the cluster, and what is on its way.

use std::time::Instant;

use starling_proto::{
    NodeId, RoomId,
    link::PlacedJoins,
    registry::{NodeRecord, RoomPolicy},
};

use super::ClusterView;
use crate::decide::placement::{
    Candidate, Considered, Decision, LeftOut, PlacementInput, Score, Whereabouts, explain, place,
};

/// A join that is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Join<'a> {
    /// Where to.
    pub room: &'a RoomId,
    /// The room's, or the default.
    pub policy: &'a RoomPolicy,
    /// This node has peers of the room.
    pub here_has_room: bool,
    /// Where the client is.
    pub client: Whereabouts<'a>,
    /// The node to prefer over all others.
    pub wanted: Option<&'a NodeId>,
}

/// What a placement makes of a node.
#[derive(Clone, Debug)]
pub struct Explained {
    /// Which.
    pub node: NodeId,
    /// Peers on their way to it.
    pub placed: u32,
    /// Its points, or why it gets none.
    pub score: Result<Score, LeftOut>,
}

impl ClusterView {
    /// Decides where a join goes.
    pub fn place(&self, now: Instant, join: &Join<'_>) -> Decision {
        self.with_input(now, join, place)
    }

    /// What [`ClusterView::place`] makes of every node.
    pub fn explain(&self, now: Instant, join: &Join<'_>) -> Vec<Explained> {
        self.with_input(now, join, |input| {
            let own = |considered: Considered<'_>| Explained {
                node: considered.node.clone(),
                placed: considered.placed,
                score: considered.score,
            };
            explain(input).into_iter().map(own).collect()
        })
    }

    fn with_input<T>(
        &self,
        now: Instant,
        join: &Join<'_>,
        decide: impl FnOnce(&PlacementInput<'_>) -> T,
    ) -> T {
        let mut room_nodes = self.others_of(join.room);
        if join.here_has_room {
            room_nodes.insert(self.here.clone());
        }
        decide(&PlacementInput {
            now,
            here: &self.here,
            room: join.room,
            policy: join.policy,
            candidates: &self.candidates(now),
            room_nodes: &room_nodes,
            room_peers: 0,
            client: join.client,
            wanted: join.wanted,
            reservations: &self.reservations,
        })
    }

    /// As [`ClusterView::nodes`], borrowed: a thousand records are not copied for every join.
    pub(super) fn candidates(&self, now: Instant) -> Vec<Candidate<'_>> {
        let mut all = Vec::with_capacity(self.others.len() + 1);
        all.extend(self.others.values().filter_map(|other| {
            let record = other.record.as_ref()?;
            Some(Candidate {
                record,
                load: other.told.map_or(record.load, |told| told.load),
                state: other.state(record),
                placed: other.placed(now, &self.reservations, &record.id),
                linked: other.is_linked(),
            })
        }));
        let NodeRecord { load, state, .. } = self.own;
        let placed = self.reservations.count(now, &self.here, now);
        all.push(Candidate { record: &self.own, load, state, placed, linked: true });
        all
    }

    /// Counts a join where it was placed, until it is there.
    pub fn reserve(&mut self, now: Instant, room: &RoomId, decision: &Decision) {
        match decision {
            Decision::Here => self.reservations.reserve(now, room, &self.here),
            Decision::Node(node) => {
                self.reservations.reserve(now, room, node);
                self.count(now, node);
            }
            Decision::Refused(_) => {}
        }
    }

    fn count(&mut self, now: Instant, node: &NodeId) {
        if let Some(other) = self.others.get_mut(node) {
            other.count(now, &self.reservations, node);
        }
    }

    /// Another node placed joins, a moment ago.
    pub fn on_placed(&mut self, now: Instant, placed: &[PlacedJoins]) {
        self.reservations.heard(now, placed);
        placed.iter().for_each(|placed| self.count(now, &placed.node));
    }

    /// Whether this node has placed joins that the others do not know of.
    pub fn has_untold(&self) -> bool {
        self.reservations.has_untold()
    }

    /// These joins, once.
    pub fn take_untold(&mut self) -> Vec<PlacedJoins> {
        self.reservations.take_untold()
    }
}
