//! How a room's nodes keep each other's rosters: whom a change is told, when a snapshot is sent or
//! asked for, and what a link that comes or goes means. Never says what is true (`roster`), never
//! sends.
//!
//! A node hears of a room by two roads that may overtake each other: the link that comes up, and
//! the word that the other node has the room. Changes are told from when both are known, and a
//! snapshot comes before the first of them.
//!
//! Where only the way to a node is cut, those who reach it are asked (`away`). What they say counts
//! by the life and the change it is of, as the node itself has numbered them: an older copy never
//! takes the place of a newer one, whoever passes it on.

mod away;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use starling_proto::{
    NodeId, RoomId,
    link::LinkMessage,
    roster::{Change, Known, Snapshot},
};

use away::Away;
pub use away::{ASK_EVERY, ASKED, MAX_AWAY};

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
    /// Nodes without a link whose peers go on.
    away: Away,
}

impl Exchange {
    /// Nobody is known yet.
    pub fn new(room: RoomId) -> Self {
        Self { room, links: BTreeMap::new(), members: BTreeSet::new(), away: Away::default() }
    }

    /// The nodes that are told this room's changes.
    pub fn members(&self) -> impl Iterator<Item = &NodeId> {
        self.members.iter()
    }

    /// Nodes without a link that others reach.
    pub fn away(&self) -> impl Iterator<Item = &NodeId> {
        self.away.nodes()
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
        self.away.remove(&node);
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
        self.away.remove(node);
        Exchanged { facts: replica.node_lost(now, node), ..Exchanged::default() }
    }

    /// It is down, but another node reaches the node: its peers go on.
    pub fn link_cut(&mut self, node: &NodeId) {
        self.links.remove(node);
        self.members.remove(node);
        self.away.insert(node);
    }

    /// A node without a link is reached by another one, after all.
    pub fn node_found(&mut self, node: &NodeId) {
        if !self.links.contains_key(node) {
            self.away.insert(node);
        }
    }

    /// The questions that are due about nodes without a link. Call it after those calls that make
    /// one, and twice a second.
    pub fn ask(&mut self, replica: &RoomReplica, now: Instant) -> Exchanged {
        let due = self.away.due(now, &self.members).into_iter();
        let send = due.map(|(of, about)| {
            let known = about.iter().map(|node| replica.known(node)).collect();
            (of, LinkMessage::RostersWanted { room: self.room.clone(), known })
        });
        Exchanged { send: send.collect(), ..Exchanged::default() }
    }

    /// A node asks about others that it has no link with: about those that we have one with, it is
    /// told what it does not know, or that there is nothing.
    pub fn rosters_wanted(&self, replica: &RoomReplica, by: &NodeId, known: &[Known]) -> Exchanged {
        let answer = |known: &Known| {
            let (room, node) = (self.room.clone(), known.node.clone());
            let epoch = *self.links.get(&node)?;
            let snapshot = replica.news_of(epoch, known);
            Some((by.clone(), LinkMessage::Roster { room, node, epoch, snapshot }))
        };
        let asks = self.links.contains_key(by);
        let send = known.iter().take(MAX_AWAY).filter(|known| asks && known.node != *by);
        Exchanged { send: send.filter_map(answer).collect(), ..Exchanged::default() }
    }

    /// What a node says of one that we have no link with.
    pub fn roster(
        &mut self,
        replica: &mut RoomReplica,
        now: Instant,
        by: &NodeId,
        (node, epoch): (&NodeId, u64),
        snapshot: Option<Snapshot>,
    ) -> Exchanged {
        // Once nobody is said to reach it, its peers are lost, and a late word must not keep them.
        if !self.links.contains_key(by) || !self.away.answered(by, node) {
            return Exchanged::default();
        }
        let told = snapshot.map(|snapshot| replica.remote_snapshot(now, node, epoch, snapshot));
        Exchanged { facts: told.unwrap_or_default().facts, ..Exchanged::default() }
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

    /// A room on `here`, cut from `there`, which `third` reaches.
    fn cut(replica: &mut RoomReplica) -> Exchange {
        let mut exchange = Exchange::new(room());
        let now = Instant::now();
        for node in ["third", "there"] {
            exchange.link_up(id(node), 1);
            let _ = exchange.node_has_room(replica, &id(node));
        }
        let theirs = Snapshot { seq: 3, peers: vec![peer("p")] };
        let _ = exchange.snapshot(replica, now, &id("there"), theirs);
        exchange.link_cut(&id("there"));
        exchange
    }

    fn third_says(
        exchange: &mut Exchange,
        replica: &mut RoomReplica,
        epoch: u64,
        snapshot: Snapshot,
    ) -> usize {
        let there = id("there");
        let (now, third) = (Instant::now(), id("third"));
        let told = exchange.roster(replica, now, &third, (&there, epoch), Some(snapshot));
        told.facts.len()
    }

    #[test]
    fn peers_behind_a_cut_link_are_asked_of_a_third_node() {
        let (_, mut replica) = here();
        let mut exchange = cut(&mut replica);
        let told = exchange.ask(&replica, Instant::now());
        let known = vec![Known { node: id("there"), epoch: 1, seq: 3 }];
        let wanted = LinkMessage::RostersWanted { room: room(), known };
        assert_eq!(told.send, [(id("third"), wanted)]);
        let two = || Snapshot { seq: 5, peers: vec![peer("p"), peer("q")] };
        assert_eq!(third_says(&mut exchange, &mut replica, 1, two()), 1, "q has joined");
        let older = Snapshot { seq: 4, peers: vec![peer("p")] };
        assert_eq!(third_says(&mut exchange, &mut replica, 1, older), 0);
        let late = Snapshot { seq: 9, peers: Vec::new() };
        let _ = exchange.link_down(&mut replica, Instant::now(), &id("there"));
        assert_eq!(
            third_says(&mut exchange, &mut replica, 1, late.clone()),
            0,
            "nobody reaches it"
        );
        exchange.node_found(&id("there"));
        assert_eq!(third_says(&mut exchange, &mut replica, 1, late), 2);
        exchange.link_up(id("there"), 1);
        assert_eq!(third_says(&mut exchange, &mut replica, 1, two()), 0, "it speaks for itself");
    }

    #[test]
    fn a_third_node_passes_on_what_is_newer_and_what_it_has_itself() {
        let (mut exchange, mut replica) = here();
        let now = Instant::now();
        let (there, asks) = (id("there"), id("asks"));
        let theirs = Snapshot { seq: 3, peers: vec![peer("p")] };
        let known = |epoch, seq| [Known { node: id("there"), epoch, seq }];
        let answers = |exchange: &Exchange, replica: &RoomReplica, known: &[Known]| {
            let told = exchange.rosters_wanted(replica, &id("asks"), known);
            let answers = told.send.into_iter().map(|(to, message)| {
                assert_eq!(to, id("asks"));
                let LinkMessage::Roster { epoch, snapshot, .. } = message else { panic!() };
                (epoch, snapshot)
            });
            answers.collect::<Vec<_>>()
        };
        exchange.link_up(asks, 1);
        assert_eq!(answers(&exchange, &replica, &known(0, 0)), [], "it has no link itself");
        exchange.link_up(there.clone(), 2);
        let nobody = Snapshot { seq: 0, peers: Vec::new() };
        assert_eq!(answers(&exchange, &replica, &known(1, 9)), [(2, Some(nobody))], "another life");
        let _ = exchange.snapshot(&mut replica, now, &there, theirs.clone());
        assert_eq!(answers(&exchange, &replica, &known(1, 9)), [(2, Some(theirs.clone()))]);
        assert_eq!(answers(&exchange, &replica, &known(2, 2)), [(2, Some(theirs))]);
        assert_eq!(answers(&exchange, &replica, &known(2, 3)), [(2, None)], "known already");
        exchange.link_cut(&there);
        assert_eq!(answers(&exchange, &replica, &known(2, 0)), [], "a third hand is one too many");
    }
}
