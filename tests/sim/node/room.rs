//! A room on a simulated node: `Exchange` and `RoomReplica` decide, here it is carried out as
//! `actors/src/room` does.

use std::collections::{BTreeMap, BTreeSet};

use starling_cluster::decide::{
    exchange::{Exchange, Exchanged},
    liveness::Verdict,
    pulls::Pulls,
    roster::{Crowd, Fact, Local, RESUME_WINDOW, RoomReplica},
};
use starling_proto::{
    NodeId, PeerId, ProducerId, RoomId,
    link::LinkMessage,
    registry::RoomRecord,
    roster::{Change, Known, ProducerEntry, Snapshot},
};

use super::{desk::Desk, plane::Plane, seats::Here};
use crate::sim::{
    ctx::{Ctx, SECOND},
    event::Seat,
    oracle::RoomView,
    plant::Plant,
};

/// A producer of this node.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) seat: Seat,
    pub(super) incarnation: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) record: RoomRecord,
    pub(super) exchange: Exchange,
    pub(super) replica: RoomReplica,
    pub(super) here: BTreeMap<PeerId, Here>,
    /// Sessions that are to take the place of one that is here when they have joined.
    pub(super) heirs: BTreeMap<PeerId, Here>,
    pub(super) own: BTreeMap<ProducerId, Own>,
    pub(super) pulls: Pulls,
    /// Which nodes have peers.
    pub(super) crowd: Crowd,
    pub(super) plane: Plane,
    /// Streams that broke off once, for a planted bug.
    pub(super) broke: BTreeSet<ProducerId>,
    /// Since when nobody is here.
    pub(super) empty: Option<u64>,
    /// Since when the registry has had no record of it.
    pub(super) unrecorded: Option<u64>,
    pub(super) draining: bool,
}

impl Room {
    pub(super) fn new(ctx: &Ctx, id: RoomId, record: RoomRecord, node: NodeId, skew: i64) -> Self {
        Self {
            exchange: Exchange::new(id.clone()),
            id,
            record,
            replica: RoomReplica::new(node.clone(), ctx.wall(skew), RESUME_WINDOW),
            here: BTreeMap::new(),
            heirs: BTreeMap::new(),
            own: BTreeMap::new(),
            pulls: Pulls::with_fan_out(node, ctx.fan_out),
            crowd: Crowd::default(),
            plane: Plane::default(),
            broke: BTreeSet::new(),
            empty: Some(ctx.now),
            unrecorded: None,
            draining: false,
        }
    }

    pub(super) fn tick(&mut self, desk: &mut Desk<'_>) {
        let now = desk.ctx.instant();
        if self.replica.next_deadline().is_some_and(|deadline| deadline <= now) {
            let facts = self.replica.expire(now);
            self.apply(desk, facts);
        }
        self.ask_rosters(desk);
        self.tick_pulls(desk);
        self.want_layers(desk);
        self.close_moved(desk);
        self.empty = match self.here.is_empty() {
            true => self.empty.or(Some(desk.ctx.now)),
            false => None,
        };
    }

    /// Tells the room's other nodes, then acts on the facts here.
    pub(super) fn carry_out(&mut self, desk: &mut Desk<'_>, local: Local) {
        let told = self.exchange.tell(local);
        self.after_exchange(desk, told);
    }

    fn after_exchange(&mut self, desk: &mut Desk<'_>, told: Exchanged) {
        for (node, message) in told.send {
            let wish = matches!(message, LinkMessage::SnapshotWanted(_));
            if !(wish && desk.ctx.planted(Plant::Forgetful)) {
                desk.send(&node, message);
            }
        }
        if told.met.is_some() {
            self.meet_pulls(desk);
        }
        self.apply(desk, told.facts);
    }

    pub(super) fn link_up(&mut self, desk: &mut Desk<'_>, node: &NodeId, epoch: u64, has: bool) {
        self.exchange.link_up(node.clone(), epoch);
        let facts = self.replica.node_life(desk.ctx.instant(), node, epoch);
        self.apply(desk, facts);
        if has {
            self.node_has_room(desk, node);
        }
    }

    pub(super) fn link_down(&mut self, desk: &mut Desk<'_>, node: &NodeId, verdict: Verdict) {
        self.lose_pulls(desk, node);
        match verdict {
            Verdict::Link => {
                self.exchange.link_cut(node);
                self.meet_pulls(desk);
                self.ask_rosters(desk);
            }
            Verdict::Node => self.node_lost(desk, node),
        }
    }

    /// A node without a link is reached by another one.
    pub(super) fn node_found(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        self.exchange.node_found(node);
        self.meet_pulls(desk);
        self.ask_rosters(desk);
    }

    fn ask_rosters(&mut self, desk: &mut Desk<'_>) {
        let told = self.exchange.ask(&self.replica, desk.ctx.instant());
        self.after_exchange(desk, told);
    }

    pub(super) fn rosters_wanted(&mut self, desk: &mut Desk<'_>, by: &NodeId, known: &[Known]) {
        let told = self.exchange.rosters_wanted(&self.replica, by, known);
        self.after_exchange(desk, told);
    }

    pub(super) fn roster(
        &mut self,
        desk: &mut Desk<'_>,
        by: &NodeId,
        of: (&NodeId, u64),
        snapshot: Option<Snapshot>,
    ) {
        let now = desk.ctx.instant();
        let told = self.exchange.roster(&mut self.replica, now, by, of, snapshot);
        self.after_exchange(desk, told);
    }

    /// A node is out of everybody's reach.
    pub(super) fn node_lost(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        let told = self.exchange.link_down(&mut self.replica, desk.ctx.instant(), node);
        self.meet_pulls(desk);
        self.after_exchange(desk, told);
    }

    pub(super) fn node_has_room(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        let told = self.exchange.node_has_room(&self.replica, node);
        self.after_exchange(desk, told);
    }

    pub(super) fn node_left_room(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        self.lose_pulls(desk, node);
        let told = self.exchange.node_left_room(&mut self.replica, desk.ctx.instant(), node);
        self.after_exchange(desk, told);
    }

    pub(super) fn snapshot_wanted(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        let told = self.exchange.snapshot_wanted(&self.replica, node);
        self.after_exchange(desk, told);
    }

    pub(super) fn snapshot(&mut self, desk: &mut Desk<'_>, node: &NodeId, snapshot: Snapshot) {
        let now = desk.ctx.instant();
        let told = self.exchange.snapshot(&mut self.replica, now, node, snapshot);
        self.after_exchange(desk, told);
        self.pull_again(desk, node);
    }

    pub(super) fn delta(&mut self, desk: &mut Desk<'_>, node: &NodeId, seq: u64, change: &Change) {
        let now = desk.ctx.instant();
        let told = self.exchange.delta(&mut self.replica, now, node, seq, change);
        self.after_exchange(desk, told);
    }

    pub(super) fn apply(&mut self, desk: &mut Desk<'_>, facts: Vec<Fact>) {
        let haunted = desk.ctx.planted(Plant::Ghost);
        let crowd = self.crowd.take_all(&facts);
        for fact in facts {
            if haunted && self.concerns_us(desk, &fact) {
                continue;
            }
            match fact {
                Fact::PeerMoved { peer, from, to } => self.peer_moved(desk, &peer, &from, &to),
                Fact::ProducerAdded { peer, node, producer } => {
                    self.producer_appeared(desk, &node, &producer.id);
                    self.consumed_by_all(desk, &peer, &node, &producer.id);
                }
                Fact::ProducerReplaced { peer, node, old, producer } => {
                    self.move_pull(desk, &node, &old, &producer);
                    // Who came meanwhile knows nothing of the old one.
                    self.consumed_by_all(desk, &peer, &node, &producer.id);
                }
                Fact::ProducerClosed { producer, .. } => self.end_pull(desk, &producer),
                _ => {}
            }
        }
        if crowd {
            desk.ctx.oracle.unrest(desk.ctx.now);
            self.meet_pulls(desk);
        }
    }

    /// Of a planted bug: what would end a session of this node that somebody else took the name of.
    fn concerns_us(&self, desk: &Desk<'_>, fact: &Fact) -> bool {
        let alive = |peer: &PeerId| {
            self.here.get(peer).is_some_and(|here| {
                let contested = desk.ctx.oracle.people[here.seat.0].contested;
                // On a third node somebody hears the other one.
                let heard = self.exchange.members().count() > 1;
                contested && heard && here.heard + SECOND > desk.ctx.now
            })
        };
        match fact {
            Fact::PeerMoved { peer, .. } => alive(peer),
            Fact::ProducerReplaced { peer, old, .. } => self.own.contains_key(old) && alive(peer),
            _ => false,
        }
    }

    fn consumed_by_all(
        &mut self,
        desk: &mut Desk<'_>,
        peer: &PeerId,
        node: &NodeId,
        producer: &ProducerId,
    ) {
        let others = self.here.iter().filter(|(id, it)| *id != peer && it.joined);
        let others: Vec<_> = others.map(|(id, _)| id.clone()).collect();
        others.iter().for_each(|by| self.consume(desk, by, node, producer));
    }

    pub(super) fn seen(&self, node: &NodeId) -> RoomView {
        let ids =
            |entries: &[ProducerEntry]| entries.iter().map(|entry| entry.id.clone()).collect();
        let peers = self.replica.peers().filter(|view| !view.lost).map(|view| {
            let seen = (view.node.clone(), view.entry.incarnation, ids(&view.entry.producers));
            (view.entry.id.clone(), seen)
        });
        let own = self.here.iter().filter(|(_, here)| here.joined);
        RoomView {
            node: node.clone(),
            room: self.id.clone(),
            peers: peers.collect(),
            own: own.map(|(peer, here)| (peer.clone(), here.incarnation)).collect(),
        }
    }
}
