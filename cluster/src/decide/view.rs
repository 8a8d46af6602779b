//! What this node believes about the cluster: the registry's last view, and what links tell since.
//! Placement and standby are decided from it. Never asks anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use starling_proto::{
    NodeId, RoomId,
    link::PlacedJoins,
    registry::{NodeCost, NodeLoad, NodeRecord, NodeState, RoomPolicy, RoomRecord},
};

use super::{
    placement::{
        Candidate, Considered, Decision, LeftOut, PlacementInput, Score, Whereabouts, explain,
        place,
    },
    reservations::Reservations,
    standby::standby,
};
use crate::{
    link::Target,
    registry::{Change, View, WatchEvent},
};

/// Load of a node as its link told it.
#[derive(Clone, Copy, Debug)]
struct Told {
    load: NodeLoad,
    state: NodeState,
    at: Instant,
}

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

/// The view; see the module.
#[derive(Debug)]
pub struct ClusterView {
    here: NodeId,
    /// The registry answers.
    pub available: bool,
    /// It has answered once.
    pub seen: bool,
    registry: View,
    /// Nodes that the registry has lost but a link still reaches, or another node: it may be the
    /// one that is wrong.
    kept: BTreeMap<NodeId, NodeRecord>,
    /// Own record, also while the registry does not know it.
    own: NodeRecord,
    told: BTreeMap<NodeId, Told>,
    /// What linked nodes' work costs them.
    costs: BTreeMap<NodeId, NodeCost>,
    linked: BTreeSet<NodeId>,
    /// Nodes without a link that another node reaches.
    vouched: BTreeSet<NodeId>,
    /// The last life of nodes that were given up, and whose lease had ended: it is over.
    over: BTreeMap<NodeId, u64>,
    /// Rooms of linked nodes.
    rooms_of: BTreeMap<NodeId, BTreeSet<RoomId>>,
    reservations: Reservations,
    /// Rooms that are not to stay and that no node has, and since when.
    unused: BTreeMap<RoomId, Instant>,
}

/// Unused rooms deleted at once: a node that died may have had thousands, which the registry need
/// not hear of in one moment.
const FORGET_AT_ONCE: usize = 64;
/// Nodes whose last life is remembered to be over: a month of pods that never come back.
const MAX_OVER: usize = 4_096;

impl ClusterView {
    /// A view in which nothing is known but this node.
    pub fn new(own: NodeRecord) -> Self {
        Self {
            here: own.id.clone(),
            available: false,
            seen: false,
            registry: View::default(),
            kept: BTreeMap::new(),
            own,
            told: BTreeMap::new(),
            costs: BTreeMap::new(),
            linked: BTreeSet::new(),
            vouched: BTreeSet::new(),
            over: BTreeMap::new(),
            rooms_of: BTreeMap::new(),
            reservations: Reservations::default(),
            unused: BTreeMap::new(),
        }
    }

    /// A registry event; answers the rooms whose record it changed, with what they are now.
    pub fn on_registry(
        &mut self,
        now: Instant,
        event: WatchEvent,
    ) -> Vec<(RoomId, Option<RoomRecord>)> {
        match event {
            WatchEvent::Snapshot(view) => {
                (self.available, self.seen) = (true, true);
                let mut rooms: BTreeSet<_> = self.registry.rooms.keys().cloned().collect();
                rooms.extend(view.rooms.keys().cloned());
                let before = std::mem::replace(&mut self.registry, view);
                for (node, record) in before.nodes {
                    if !self.registry.nodes.contains_key(&node) {
                        self.keep(node, record);
                    }
                }
                self.kept.retain(|node, _| !self.registry.nodes.contains_key(node));
                rooms.iter().for_each(|room| self.look_at(now, room));
                rooms.into_iter().map(|room| (room.clone(), self.record(&room))).collect()
            }
            WatchEvent::Change(Change::Node(id, Some(record))) => {
                self.kept.remove(&id);
                self.registry.nodes.insert(id, record);
                Vec::new()
            }
            WatchEvent::Change(Change::Node(id, None)) => {
                if let Some(record) = self.registry.nodes.remove(&id) {
                    self.keep(id, record);
                }
                Vec::new()
            }
            WatchEvent::Change(Change::Room(room, value)) => {
                match value {
                    Some(value) => self.registry.rooms.insert(room.clone(), value),
                    None => self.registry.rooms.remove(&room),
                };
                self.look_at(now, &room);
                let record = self.record(&room);
                vec![(room, record)]
            }
            WatchEvent::Change(Change::Presence(room, node, value)) => {
                match value {
                    Some(value) => self.registry.presence.insert((room.clone(), node), value),
                    None => self.registry.presence.remove(&(room.clone(), node)),
                };
                self.look_at(now, &room);
                Vec::new()
            }
            WatchEvent::Lost => {
                self.available = false;
                Vec::new()
            }
        }
    }

    /// Notes since when a room that is not to stay has had nobody.
    fn look_at(&mut self, now: Instant, room: &RoomId) {
        let passing = self.record(room).is_some_and(|record| !record.persistent);
        if passing && self.present(room).next().is_none() {
            self.unused.entry(room.clone()).or_insert(now);
        } else {
            self.unused.remove(room);
        }
    }

    /// Rooms that have had nobody for `age`, and whose record this node is to delete: any one would
    /// do, so it is the one that clients of the room would be sent to first. Each is named again
    /// after another `age`.
    pub fn forgettable(&mut self, now: Instant, age: Duration) -> Vec<RoomId> {
        if !self.available {
            return Vec::new();
        }
        let due = self.unused.iter().filter(|(_, since)| now.duration_since(**since) >= age);
        let due: Vec<_> = due.map(|(room, _)| room.clone()).take(FORGET_AT_ONCE).collect();
        if due.is_empty() {
            return due;
        }
        let nodes = self.reachable();
        for room in &due {
            self.unused.insert(room.clone(), now);
        }
        let mine = |room: &RoomId| {
            let first = standby(room, &RoomPolicy::default(), &nodes, &BTreeSet::new(), 1);
            self.others_of(room).is_empty() && first.first().is_none_or(|node| *node == self.here)
        };
        due.iter().filter(|room| mine(room)).cloned().collect()
    }

    /// The registry has lost a node: its lease has ended. If nobody reaches it either, that life is
    /// over; whatever comes back is another.
    fn keep(&mut self, node: NodeId, record: NodeRecord) {
        if self.linked.contains(&node) || self.vouched.contains(&node) {
            self.kept.insert(node, record);
        } else if node != self.here {
            self.end_life(node, record.epoch);
        }
    }

    fn end_life(&mut self, node: NodeId, epoch: u64) {
        if self.over.len() >= MAX_OVER {
            self.over.pop_first();
        }
        let over = self.over.entry(node).or_default();
        *over = epoch.max(*over);
    }

    /// How busy this node is, and whether it takes peers.
    pub fn set_own(&mut self, load: NodeLoad, cost: NodeCost, state: NodeState) {
        (self.own.load, self.own.cost, self.own.state) = (load, Some(cost), state);
    }

    /// This node keeps whom it has and takes nobody else.
    pub fn set_cordoned(&mut self, cordoned: bool) {
        self.own.cordoned = cordoned;
    }

    /// This node's record.
    pub fn own(&self) -> &NodeRecord {
        &self.own
    }

    /// A link to `node` is up. It says anew which rooms it has: some may have ended while the link
    /// was cut.
    pub fn link_up(&mut self, node: NodeId) {
        self.vouched.remove(&node);
        self.rooms_of.remove(&node);
        self.linked.insert(node);
    }

    /// It is down, and the node out of reach: what it told is forgotten. If the registry has lost
    /// it, too, that life is over.
    pub fn link_down(&mut self, node: &NodeId) {
        self.linked.remove(node);
        self.vouched.remove(node);
        self.told.remove(node);
        self.costs.remove(node);
        self.rooms_of.remove(node);
        if let Some(record) = self.kept.remove(node) {
            self.end_life(node.clone(), record.epoch);
        }
    }

    /// It is down, but another node reaches the node: that one is alive, with its rooms.
    pub fn link_cut(&mut self, node: &NodeId) {
        if self.linked.remove(node) {
            self.vouched.insert(node.clone());
            self.told.remove(node);
        }
    }

    /// A node without a link is reached by another one, after all.
    pub fn node_found(&mut self, node: &NodeId) {
        if !self.linked.contains(node) {
            self.vouched.insert(node.clone());
        }
    }

    /// Nodes without a link that another node reaches.
    pub fn vouched(&self) -> impl Iterator<Item = &NodeId> {
        self.vouched.iter()
    }

    /// Whether this node's registry record is that of a newer life: another process has its id.
    pub fn is_succeeded(&self) -> bool {
        self.registry.nodes.get(&self.here).is_some_and(|record| record.epoch > self.own.epoch)
    }

    /// This node is in a newer life from now on.
    pub fn renew(&mut self, epoch: u64) {
        self.own.epoch = epoch;
    }

    /// A linked node told its load.
    pub fn on_load(&mut self, at: Instant, node: NodeId, load: NodeLoad, state: NodeState) {
        self.told.insert(node, Told { load, state, at });
    }

    /// A linked node told what its work costs it.
    pub fn on_cost(&mut self, node: NodeId, cost: NodeCost) {
        self.costs.insert(node, cost);
    }

    /// A linked node has peers of a room, or none any more.
    pub fn on_room(&mut self, node: NodeId, room: RoomId, has: bool) {
        // The last words of a link that is down.
        if !self.linked.contains(&node) {
            return;
        }
        let rooms = self.rooms_of.entry(node).or_default();
        if has {
            rooms.insert(room)
        } else {
            rooms.remove(&room)
        };
    }

    /// A room's record.
    pub fn record(&self, room: &RoomId) -> Option<RoomRecord> {
        self.registry.rooms.get(room).map(|(_, record)| record.clone())
    }

    /// Whether the registry has a record of the room.
    pub fn has_record(&self, room: &RoomId) -> bool {
        self.registry.rooms.contains_key(room)
    }

    /// The revision of a room's record; 0 if there is none.
    pub fn revision(&self, room: &RoomId) -> i64 {
        self.registry.rooms.get(room).map_or(0, |(revision, _)| *revision)
    }

    /// All rooms of the registry.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomId, &RoomRecord)> {
        self.registry.rooms.iter().map(|(room, (_, record))| (room, record))
    }

    /// Nodes with peers of the room, other than this one.
    pub fn others_of(&self, room: &RoomId) -> BTreeSet<NodeId> {
        let told = self.rooms_of.iter().filter(|(_, rooms)| rooms.contains(room));
        let nodes = self.present(room).chain(told.map(|(node, _)| node));
        nodes.filter(|node| **node != self.here).cloned().collect()
    }

    /// Nodes with peers of the room, as the registry has it.
    fn present(&self, room: &RoomId) -> impl Iterator<Item = &NodeId> {
        let least: NodeId = "-".parse().expect("an id of one character, the least one");
        let presence = self.registry.presence.range((room.clone(), least)..);
        let of_room = presence.take_while(move |((of, _), _)| of == room);
        of_room.map(|((_, node), _)| node)
    }

    /// All nodes with their newest state, this one included.
    pub fn nodes(&self) -> BTreeMap<NodeId, NodeRecord> {
        let mut nodes = self.registry.nodes.clone();
        nodes.extend(self.kept.clone());
        nodes.insert(self.here.clone(), self.own.clone());
        for (node, told) in &self.told {
            if let Some(record) = nodes.get_mut(node) {
                (record.load, record.state) = (told.load, told.state);
                record.cost = self.costs.get(node).copied().or(record.cost);
            }
        }
        nodes
    }

    /// Nodes a client may be sent to: linked, so that they are alive as far as we know.
    pub fn reachable(&self) -> BTreeMap<NodeId, NodeRecord> {
        let mut nodes = self.nodes();
        nodes.retain(|node, _| *node == self.here || self.linked.contains(node));
        nodes
    }

    /// Whether a link to `node` is up.
    pub fn is_linked(&self, node: &NodeId) -> bool {
        self.linked.contains(node)
    }

    /// The nodes to have links with.
    pub fn targets(&self) -> Vec<Target> {
        let all = self.registry.nodes.values().chain(self.kept.values());
        let others = all.filter(|record| record.id != self.here);
        others
            .map(|record| Target {
                node: record.id.clone(),
                // A life that is over is refused, by a number that only a newer one has.
                epoch: self
                    .over
                    .get(&record.id)
                    .map_or(record.epoch, |over| record.epoch.max(over.saturating_add(1))),
                addr: record.link_addr,
            })
            .collect()
    }

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
    fn candidates(&self, now: Instant) -> Vec<Candidate<'_>> {
        let kept = self.kept.values();
        let others = self.registry.nodes.values().chain(kept).filter(|of| of.id != self.here);
        let candidate = |record| {
            let NodeRecord { id, load, state, .. }: &NodeRecord = record;
            let told = self.told.get(id);
            Candidate {
                record,
                load: told.map_or(*load, |told| told.load),
                state: told.map_or(*state, |told| told.state),
                reported: told.map_or(now, |told| told.at),
                linked: *id == self.here || self.linked.contains(id),
            }
        };
        others.chain([&self.own]).map(candidate).collect()
    }

    /// Counts a join where it was placed, until it is there.
    pub fn reserve(&mut self, now: Instant, room: &RoomId, decision: &Decision) {
        match decision {
            Decision::Here => self.reservations.reserve(now, room, &self.here),
            Decision::Node(node) => self.reservations.reserve(now, room, node),
            Decision::Refused(_) => {}
        }
    }

    /// Another node placed joins, a moment ago.
    pub fn on_placed(&mut self, now: Instant, placed: &[PlacedJoins]) {
        self.reservations.heard(now, placed);
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

#[cfg(test)]
mod tests;
