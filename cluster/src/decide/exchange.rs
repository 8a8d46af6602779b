//! How a room's nodes keep each other's rosters: whom a change is told, when a snapshot is sent or
//! asked for, and what a link that comes or goes means. Never says what is true (`roster`), never
//! sends.
//!
//! A node hears of a room by two roads that may overtake each other: the link that comes up, and
//! the word that the other node has the room. Changes are told from when both are known, and a
//! snapshot comes before the first of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use starling_proto::{
    NodeId, RoomId,
    link::LinkMessage,
    roster::{Change, Snapshot},
};

use super::roster::{Fact, Local, Outcome, RoomReplica};

/// What a call leaves to do, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "messages go to the nodes named, facts to the peers here"]
pub struct Exchanged {
    /// A node that is told this room's changes from now on: it has heard nothing else of it yet.
    pub met: Option<NodeId>,
    /// For other nodes, in order.
    pub send: Vec<(NodeId, LinkMessage)>,
    /// For the peers here.
    pub facts: Vec<Fact>,
}

/// One room's exchange with its other nodes; as many entries as links.
#[derive(Clone, Debug)]
pub struct Exchange {
    room: RoomId,
    /// Links that are up, each with the life of the other node.
    links: BTreeMap<NodeId, u64>,
    /// Nodes that are told changes.
    members: BTreeSet<NodeId>,
}

impl Exchange {
    /// Nobody is known yet.
    pub fn new(room: RoomId) -> Self {
        Self { room, links: BTreeMap::new(), members: BTreeSet::new() }
    }

    /// The nodes that are told this room's changes.
    pub fn members(&self) -> impl Iterator<Item = &NodeId> {
        self.members.iter()
    }

    /// A change here: it is told to all members.
    pub fn tell(&self, local: Local) -> Exchanged {
        let (room, to) = (&self.room, || self.members.iter().cloned());
        let send = local.delta.into_iter().flat_map(|(seq, change)| {
            to().map(move |node| {
                let (room, change) = (room.clone(), change.clone());
                (node, LinkMessage::Delta { room, seq, change })
            })
        });
        Exchanged { met: None, send: send.collect(), facts: local.facts }
    }

    /// A link is up. Whatever came late over an earlier one: on this, nothing has been told yet.
    pub fn link_up(&mut self, node: NodeId, epoch: u64) {
        self.members.remove(&node);
        self.links.insert(node, epoch);
    }

    /// It is down. The node's peers are kept for a while: they may come back, here or elsewhere.
    pub fn link_down(
        &mut self,
        replica: &mut RoomReplica,
        now: Instant,
        node: &NodeId,
    ) -> Exchanged {
        self.links.remove(node);
        self.members.remove(node);
        Exchanged { facts: replica.node_lost(now, node), ..Exchanged::default() }
    }

    /// It is down, but another node reaches the node: its peers go on.
    pub fn link_cut(&mut self, node: &NodeId) {
        self.links.remove(node);
        self.members.remove(node);
    }

    /// A node has peers of this room: it is told ours.
    pub fn node_has_room(&mut self, replica: &RoomReplica, node: &NodeId) -> Exchanged {
        if !self.links.contains_key(node) || !self.members.insert(node.clone()) {
            return Exchanged::default();
        }
        let send = self.snapshot_for(replica, node).into_iter().collect();
        Exchanged { met: Some(node.clone()), send, facts: Vec::new() }
    }

    /// It has none any more: they have left.
    pub fn node_left_room(
        &mut self,
        replica: &mut RoomReplica,
        now: Instant,
        node: &NodeId,
    ) -> Exchanged {
        self.members.remove(node);
        let Some(epoch) = self.links.get(node) else { return Exchanged::default() };
        Exchanged { facts: replica.node_gone(now, node, *epoch), ..Exchanged::default() }
    }

    /// A node missed a change.
    pub fn snapshot_wanted(&self, replica: &RoomReplica, node: &NodeId) -> Exchanged {
        let send = self.snapshot_for(replica, node).into_iter().collect();
        Exchanged { send, ..Exchanged::default() }
    }

    /// A node's peers: so it has the room.
    pub fn snapshot(
        &mut self,
        replica: &mut RoomReplica,
        now: Instant,
        node: &NodeId,
        snapshot: Snapshot,
    ) -> Exchanged {
        let told = self.node_has_room(replica, node);
        let Some(epoch) = self.links.get(node) else { return told };
        let outcome = replica.remote_snapshot(now, node, *epoch, snapshot);
        self.after(node, told, outcome)
    }

    /// A change of them.
    pub fn delta(
        &mut self,
        replica: &mut RoomReplica,
        now: Instant,
        node: &NodeId,
        seq: u64,
        change: &Change,
    ) -> Exchanged {
        let told = self.node_has_room(replica, node);
        let Some(epoch) = self.links.get(node) else { return told };
        let outcome = replica.remote_delta(now, node, *epoch, seq, change);
        self.after(node, told, outcome)
    }

    fn after(&self, node: &NodeId, mut told: Exchanged, outcome: Outcome) -> Exchanged {
        if outcome.want_snapshot {
            told.send.push((node.clone(), LinkMessage::SnapshotWanted(self.room.clone())));
        }
        told.facts.extend(outcome.facts);
        told
    }

    fn snapshot_for(&self, replica: &RoomReplica, node: &NodeId) -> Option<(NodeId, LinkMessage)> {
        let (room, snapshot) = (self.room.clone(), replica.snapshot());
        let linked = self.links.contains_key(node);
        linked.then(|| (node.clone(), LinkMessage::Snapshot { room, snapshot }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use starling_proto::{json::Json, roster::PeerEntry};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(15);

    fn id(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    fn room() -> RoomId {
        "r".parse().unwrap()
    }

    fn here() -> (Exchange, RoomReplica) {
        (Exchange::new(room()), RoomReplica::new(id("here"), 10, WINDOW))
    }

    fn peer(name: &str) -> PeerEntry {
        PeerEntry {
            id: name.parse().unwrap(),
            incarnation: 7,
            display_name: String::new(),
            device: Json(serde_json::Value::Null),
            producers: Vec::new(),
            data_producers: Vec::new(),
        }
    }

    fn snapshot(seq: u64) -> LinkMessage {
        LinkMessage::Snapshot { room: room(), snapshot: Snapshot { seq, peers: Vec::new() } }
    }

    #[test]
    fn a_node_is_sent_a_snapshot_once_and_changes_from_then_on() {
        let (mut exchange, mut replica) = here();
        let now = Instant::now();
        let there = id("there");
        assert_eq!(exchange.node_has_room(&replica, &there), Exchanged::default(), "no link yet");
        exchange.link_up(there.clone(), 1);
        let told = exchange.node_has_room(&replica, &there);
        assert_eq!(
            (told.met, told.send),
            (Some(there.clone()), vec![(there.clone(), snapshot(10))])
        );
        assert_eq!(exchange.node_has_room(&replica, &there), Exchanged::default(), "told already");
        let told = exchange.tell(replica.local_join(now, peer("p")));
        let change = Change::PeerJoined(peer("p"));
        assert_eq!(told.send, [(there, LinkMessage::Delta { room: room(), seq: 11, change })]);
        assert_eq!(told.facts.len(), 1);
    }

    #[test]
    fn a_new_link_begins_anew() {
        let (mut exchange, mut replica) = here();
        let there = id("there");
        exchange.link_up(there.clone(), 1);
        let _ = exchange.node_has_room(&replica, &there);
        exchange.link_up(there.clone(), 1);
        assert_eq!(exchange.members().count(), 0);
        let told = exchange.tell(replica.local_join(Instant::now(), peer("p")));
        assert!(told.send.is_empty(), "it would have to ask for the snapshot anyway");
    }

    #[test]
    fn a_change_before_any_snapshot_is_answered_by_ours_and_the_wish_for_theirs() {
        let (mut exchange, mut replica) = here();
        let there = id("there");
        let change = Change::PeerJoined(peer("p"));
        exchange.link_up(there.clone(), 1);
        let told = exchange.delta(&mut replica, Instant::now(), &there, 4, &change);
        let wanted = LinkMessage::SnapshotWanted(room());
        assert_eq!(told.send, [(there.clone(), snapshot(10)), (there, wanted)]);
        assert!(told.facts.is_empty());
    }

    #[test]
    fn what_comes_without_a_link_changes_nothing() {
        let (mut exchange, mut replica) = here();
        let (there, now) = (id("there"), Instant::now());
        let theirs = Snapshot { seq: 3, peers: vec![peer("p")] };
        let told = exchange.snapshot(&mut replica, now, &there, theirs);
        assert_eq!((told, replica.len()), (Exchanged::default(), 0));
        assert_eq!(exchange.snapshot_wanted(&replica, &there), Exchanged::default());
    }

    #[test]
    fn peers_of_a_lost_link_stay_and_those_of_a_node_that_left_do_not() {
        let (mut exchange, mut replica) = here();
        let (there, now) = (id("there"), Instant::now());
        let theirs = Snapshot { seq: 3, peers: vec![peer("p")] };
        exchange.link_up(there.clone(), 1);
        let told = exchange.snapshot(&mut replica, now, &there, theirs);
        assert_eq!((told.facts.len(), replica.len()), (1, 1));
        let _ = exchange.link_down(&mut replica, now, &there);
        assert_eq!((replica.len(), exchange.members().count()), (1, 0));
        exchange.link_up(there.clone(), 1);
        let _ = exchange.node_left_room(&mut replica, now, &there);
        assert_eq!(replica.len(), 0);
    }
}
