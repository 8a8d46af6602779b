//! What this node believes about the cluster: the registry's last view, and what links tell since.
//! Placement and standby are decided from it. Never asks anybody.

mod other;
mod placing;
mod told_rooms;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use starling_proto::{
    NodeId, RoomId, WebhookId,
    registry::{NodeCost, NodeLoad, NodeRecord, NodeState, RoomPolicy, RoomRecord, WebhookRecord},
};

pub use self::placing::{Explained, Join};
use self::{
    other::{Other, Reach, Told},
    told_rooms::ToldRooms,
};
use super::{reservations::Reservations, standby::first_of};
use crate::{
    link::Target,
    registry::{Change, Revision, WatchEvent},
};

/// The view; see the module.
#[derive(Debug)]
pub struct ClusterView {
    here: NodeId,
    /// The registry answers.
    pub available: bool,
    /// It has answered once.
    pub seen: bool,
    /// Rooms of the registry.
    rooms: BTreeMap<RoomId, (Revision, RoomRecord)>,
    /// Which nodes have peers of which room, as the registry has it.
    presence: BTreeSet<(RoomId, NodeId)>,
    /// Webhooks of the registry.
    webhooks: BTreeMap<WebhookId, (Revision, WebhookRecord)>,
    /// Own record, also while the registry does not know it.
    own: NodeRecord,
    /// Which life of this node the registry has.
    own_registered: Option<u64>,
    others: BTreeMap<NodeId, Other>,
    /// The last life of nodes that were given up, and whose lease had ended: it is over.
    over: BTreeMap<NodeId, u64>,
    /// Rooms of linked nodes.
    told_rooms: ToldRooms,
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
            rooms: BTreeMap::new(),
            presence: BTreeSet::new(),
            webhooks: BTreeMap::new(),
            own,
            own_registered: None,
            others: BTreeMap::new(),
            over: BTreeMap::new(),
            told_rooms: ToldRooms::default(),
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
                let mut rooms: BTreeSet<_> = self.rooms.keys().cloned().collect();
                rooms.extend(view.rooms.keys().cloned());
                self.rooms = view.rooms;
                self.presence = view.presence.into_keys().collect();
                self.webhooks = view.webhooks;
                let had = self.others.iter().filter(|(_, other)| other.registered);
                let had: Vec<_> = had.map(|(node, _)| node.clone()).collect();
                let lost = had.into_iter().filter(|node| !view.nodes.contains_key(node));
                lost.chain([self.here.clone()]).for_each(|node| self.on_node(node, None));
                view.nodes.into_iter().for_each(|(node, record)| self.on_node(node, Some(record)));
                rooms.iter().for_each(|room| self.look_at(now, room));
                rooms.into_iter().map(|room| (room.clone(), self.record(&room))).collect()
            }
            WatchEvent::Change(Change::Node(node, record)) => {
                self.on_node(node, record);
                Vec::new()
            }
            WatchEvent::Change(Change::Room(room, value)) => {
                match value {
                    Some(value) => self.rooms.insert(room.clone(), value),
                    None => self.rooms.remove(&room),
                };
                self.look_at(now, &room);
                let record = self.record(&room);
                vec![(room, record)]
            }
            WatchEvent::Change(Change::Presence(room, node, value)) => {
                let key = (room, node);
                match value {
                    Some(_) => self.presence.insert(key.clone()),
                    None => self.presence.remove(&key),
                };
                self.look_at(now, &key.0);
                Vec::new()
            }
            // Who reads tokens knows them; nothing is placed by them.
            WatchEvent::Change(Change::Revocation(..)) => Vec::new(),
            WatchEvent::Change(Change::Webhook(id, value)) => {
                match value {
                    Some(value) => self.webhooks.insert(id, value),
                    None => self.webhooks.remove(&id),
                };
                Vec::new()
            }
            WatchEvent::Lost => {
                self.available = false;
                Vec::new()
            }
        }
    }

    /// Who is told what happens.
    pub fn webhooks(&self) -> &BTreeMap<WebhookId, (Revision, WebhookRecord)> {
        &self.webhooks
    }

    /// The registry has a node, or has lost it: its lease has ended. If nobody reaches it either,
    /// that life is over; whatever comes back is another.
    fn on_node(&mut self, node: NodeId, record: Option<NodeRecord>) {
        if node == self.here {
            self.own_registered = record.map(|record| record.epoch);
        } else if let Some(record) = record {
            let other = self.others.entry(node).or_default();
            (other.record, other.registered) = (Some(record), true);
        } else if let Some(epoch) = self.others.get_mut(&node).and_then(Other::unregistered) {
            self.end_life(node, epoch);
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
        for room in &due {
            self.unused.insert(room.clone(), now);
        }
        let (policy, none) = (RoomPolicy::default(), BTreeSet::new());
        let mine = |room: &RoomId| {
            let first = self.standby(room, &policy, &none, 1);
            self.others_of(room).is_empty() && first.first().is_none_or(|node| *node == self.here)
        };
        due.iter().filter(|room| mine(room)).cloned().collect()
    }

    /// That life is over, and what is left of it is forgotten.
    fn end_life(&mut self, node: NodeId, epoch: u64) {
        if self.others.get(&node).is_some_and(Other::is_forgotten) {
            self.others.remove(&node);
        }
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
        self.told_rooms.remove(&node);
        self.others.entry(node).or_default().reach = Reach::Link;
    }

    /// It is down, and the node out of reach: what it told is forgotten. If the registry has lost
    /// it, too, that life is over.
    pub fn link_down(&mut self, node: &NodeId) {
        self.told_rooms.remove(node);
        let Some(other) = self.others.get_mut(node) else { return };
        match other.unreached() {
            Some(epoch) => self.end_life(node.clone(), epoch),
            None if other.is_forgotten() => drop(self.others.remove(node)),
            None => {}
        }
    }

    /// It is down, but another node reaches the node: that one is alive, with its rooms.
    pub fn link_cut(&mut self, node: &NodeId) {
        if let Some(other) = self.others.get_mut(node).filter(|other| other.is_linked()) {
            (other.reach, other.told) = (Reach::Others, None);
        }
    }

    /// A node without a link is reached by another one, after all.
    pub fn node_found(&mut self, node: &NodeId) {
        let other = self.others.entry(node.clone()).or_default();
        if !other.is_linked() {
            other.reach = Reach::Others;
        }
    }

    /// Nodes without a link that another node reaches.
    pub fn vouched(&self) -> impl Iterator<Item = &NodeId> {
        let vouched = self.others.iter().filter(|(_, other)| other.reach == Reach::Others);
        vouched.map(|(node, _)| node)
    }

    /// Whether this node's registry record is that of a newer life: another process has its id.
    pub fn is_succeeded(&self) -> bool {
        self.own_registered.is_some_and(|epoch| epoch > self.own.epoch)
    }

    /// This node is in a newer life from now on.
    pub fn renew(&mut self, epoch: u64) {
        self.own.epoch = epoch;
    }

    /// A linked node told its load.
    pub fn on_load(&mut self, at: Instant, node: NodeId, load: NodeLoad, state: NodeState) {
        let other = self.others.entry(node.clone()).or_default();
        other.told = Some(Told { load, state, at });
        other.count(at, &self.reservations, &node);
    }

    /// A linked node told what its work costs it.
    pub fn on_cost(&mut self, node: NodeId, cost: NodeCost) {
        self.others.entry(node).or_default().cost = Some(cost);
    }

    /// A linked node has peers of a room, or none any more.
    pub fn on_room(&mut self, node: NodeId, room: RoomId, has: bool) {
        // Others are the last words of a link that is down.
        if self.is_linked(&node) {
            self.told_rooms.set(node, room, has);
        }
    }

    /// A room's record.
    pub fn record(&self, room: &RoomId) -> Option<RoomRecord> {
        self.rooms.get(room).map(|(_, record)| record.clone())
    }

    /// Whether the registry has a record of the room.
    pub fn has_record(&self, room: &RoomId) -> bool {
        self.rooms.contains_key(room)
    }

    /// The revision of a room's record; 0 if there is none.
    pub fn revision(&self, room: &RoomId) -> i64 {
        self.rooms.get(room).map_or(0, |(revision, _)| *revision)
    }

    /// All rooms of the registry.
    pub fn rooms(&self) -> impl Iterator<Item = (&RoomId, &RoomRecord)> {
        self.rooms.iter().map(|(room, (_, record))| (room, record))
    }

    /// Nodes with peers of the room, other than this one.
    pub fn others_of(&self, room: &RoomId) -> BTreeSet<NodeId> {
        let nodes = self.present(room).chain(self.told_rooms.nodes(room));
        nodes.filter(|node| **node != self.here).cloned().collect()
    }

    /// Nodes with peers of the room, as the registry has it.
    fn present(&self, room: &RoomId) -> impl Iterator<Item = &NodeId> {
        let least: NodeId = "-".parse().expect("an id of one character, the least one");
        let presence = self.presence.range((room.clone(), least)..);
        presence.take_while(move |(of, _)| of == room).map(|(_, node)| node)
    }

    /// All nodes with their newest state, this one included. Copies all records: for a person who
    /// asks, not for a join.
    pub fn nodes(&self) -> BTreeMap<NodeId, NodeRecord> {
        let others = self.others.iter();
        let others = others.filter_map(|(node, other)| Some((node.clone(), other.newest()?)));
        others.chain([(self.here.clone(), self.own.clone())]).collect()
    }

    /// Nodes a client may be sent to: linked, so that they are alive as far as we know. Copies them
    /// as [`ClusterView::nodes`] does.
    pub fn reachable(&self) -> BTreeMap<NodeId, NodeRecord> {
        let linked = self.others.iter().filter(|(_, other)| other.is_linked());
        let others = linked.filter_map(|(node, other)| Some((node.clone(), other.newest()?)));
        others.chain([(self.here.clone(), self.own.clone())]).collect()
    }

    /// One of [`ClusterView::reachable`].
    pub fn node(&self, node: &NodeId) -> Option<NodeRecord> {
        if *node == self.here {
            return Some(self.own.clone());
        }
        self.others.get(node).filter(|other| other.is_linked()).and_then(Other::newest)
    }

    /// The first `n` of [`ClusterView::reachable`] for a room, as [`standby`](super::standby) says.
    pub fn standby(
        &self,
        room: &RoomId,
        policy: &RoomPolicy,
        exclude: &BTreeSet<NodeId>,
        n: usize,
    ) -> Vec<NodeId> {
        let linked = self.others.values().filter(|other| other.is_linked());
        let others =
            linked.filter_map(|other| other.record.as_ref().map(|it| (it, other.state(it))));
        first_of(room, policy, others.chain([(&self.own, self.own.state)]), exclude, n)
    }

    /// Whether a link to `node` is up.
    pub fn is_linked(&self, node: &NodeId) -> bool {
        self.others.get(node).is_some_and(Other::is_linked)
    }

    /// The nodes to have links with.
    pub fn targets(&self) -> Vec<Target> {
        let others = self.others.values().filter_map(|other| other.record.as_ref());
        let target = |record: &NodeRecord| Target {
            node: record.id.clone(),
            // A life that is over is refused, by a number that only a newer one has.
            epoch: self
                .over
                .get(&record.id)
                .map_or(record.epoch, |over| record.epoch.max(over.saturating_add(1))),
            addr: record.link_addr,
        };
        others.map(target).collect()
    }
}

#[cfg(test)]
mod tests;
