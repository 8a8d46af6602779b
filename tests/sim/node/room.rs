//! A room on a simulated node: `Exchange` and `RoomReplica` decide, here it is carried out as
//! `actors/src/room` does.

use std::collections::{BTreeMap, BTreeSet};

use starling_cluster::decide::{
    exchange::{Exchange, Exchanged},
    liveness::Verdict,
    roster::{Fact, Local, RESUME_WINDOW, RoomReplica},
};
use starling_proto::{
    Id, NodeId, PeerId, ProducerId, RoomId,
    flow::FlowId,
    link::LinkMessage,
    registry::RoomRecord,
    roster::{Change, Known, ProducerEntry, Snapshot},
};

use super::{
    desk::Desk,
    pulls::{ASK_AGAIN, Pull, Pulls},
    seats::Here,
};
use crate::sim::{
    ctx::{Ctx, SECOND},
    event::{Event, Packet, Seat, VIDEO},
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
            replica: RoomReplica::new(node, ctx.wall(skew), RESUME_WINDOW),
            here: BTreeMap::new(),
            heirs: BTreeMap::new(),
            own: BTreeMap::new(),
            pulls: Pulls::default(),
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
        self.ask_about_dry(desk);
        self.want_layers(desk);
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
        self.pulls.lose(node);
        match verdict {
            Verdict::Link => {
                self.exchange.link_cut(node);
                self.ask_rosters(desk);
            }
            Verdict::Node => self.node_lost(desk, node),
        }
    }

    /// A node without a link is reached by another one.
    pub(super) fn node_found(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        self.exchange.node_found(node);
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
        self.after_exchange(desk, told);
    }

    pub(super) fn node_has_room(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        let told = self.exchange.node_has_room(&self.replica, node);
        self.after_exchange(desk, told);
    }

    pub(super) fn node_left_room(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        self.pulls.lose(node);
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
        if !desk.ctx.planted(Plant::Deaf) {
            self.pull_again(desk, node);
        }
    }

    pub(super) fn delta(&mut self, desk: &mut Desk<'_>, node: &NodeId, seq: u64, change: &Change) {
        let now = desk.ctx.instant();
        let told = self.exchange.delta(&mut self.replica, now, node, seq, change);
        self.after_exchange(desk, told);
    }

    pub(super) fn apply(&mut self, desk: &mut Desk<'_>, facts: Vec<Fact>) {
        let haunted = desk.ctx.planted(Plant::Ghost);
        for fact in facts {
            if haunted && self.concerns_us(desk, &fact) {
                continue;
            }
            match fact {
                Fact::PeerMoved { peer, from, to } => self.peer_moved(desk, &peer, &from, &to),
                Fact::ProducerAdded { peer, node, producer } => {
                    self.consumed_by_all(desk, &peer, &node, &producer.id);
                }
                Fact::ProducerReplaced { peer, node, old, producer } => {
                    self.move_pull(desk, &node, &old, &producer);
                    // Who came meanwhile knows nothing of the old one.
                    self.consumed_by_all(desk, &peer, &node, &producer.id);
                }
                Fact::ProducerClosed { producer, .. } => {
                    self.end_pull(desk, &producer);
                    self.pulls.uses.remove(&producer);
                    self.own.remove(&producer);
                    self.unserve(desk, &producer);
                }
                _ => {}
            }
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

    /// A peer here consumes a producer; it is pulled if it is elsewhere.
    pub(super) fn consume(
        &mut self,
        desk: &mut Desk<'_>,
        by: &PeerId,
        node: &NodeId,
        producer: &ProducerId,
    ) {
        self.pulls.uses.entry(producer.clone()).or_default().insert(by.clone());
        if node != desk.id && !self.pulls.pulls.contains_key(producer) {
            self.pulls.pulls.insert(producer.clone(), Pull::new(node.clone()));
            self.open_pull(desk, producer);
        }
    }

    fn open_pull(&mut self, desk: &mut Desk<'_>, producer: &ProducerId) {
        let Some(pull) = self.pulls.pulls.get_mut(producer) else { return };
        let Some(flow) = desk.new_flow(&pull.node, &self.id) else { return };
        let node = pull.node.clone();
        (pull.layers, pull.wanted) = (0, BTreeMap::new());
        if let Some(old) = pull.flow.replace(flow) {
            desk.end_flow(&node, old, false);
        }
        let (room, producer) = (self.id.clone(), producer.clone());
        desk.send(&node, LinkMessage::PipeOpen { flow, room, producer, layers: 0 });
        self.want_layers(desk);
    }

    fn end_pull(&mut self, desk: &mut Desk<'_>, producer: &ProducerId) {
        if let Some(Pull { node, flow: Some(flow), .. }) = self.pulls.pulls.remove(producer) {
            desk.end_flow(&node, flow, false);
        }
    }

    /// What nobody here consumes any more is not pulled.
    pub(super) fn end_unused(&mut self, desk: &mut Desk<'_>, unused: &[ProducerId]) {
        unused.iter().for_each(|producer| self.end_pull(desk, producer));
    }

    fn move_pull(
        &mut self,
        desk: &mut Desk<'_>,
        node: &NodeId,
        old: &ProducerId,
        producer: &ProducerEntry,
    ) {
        self.end_pull(desk, old);
        self.own.remove(old);
        self.unserve(desk, old);
        self.pulls.rename(old, &producer.id);
        if node != desk.id && self.pulls.uses.contains_key(&producer.id) {
            self.pulls.pulls.insert(producer.id.clone(), Pull::new(node.clone()));
            self.open_pull(desk, &producer.id);
        }
    }

    fn pull_again(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        let dry = self.pulls.pulls.iter();
        let dry = dry.filter(|(_, pull)| pull.node == *node && pull.flow.is_none());
        let dry: Vec<_> = dry.map(|(producer, _)| producer.clone()).collect();
        for producer in dry {
            if self.replica.producer(&producer).is_some_and(|(owner, _)| owner.node == node) {
                self.open_pull(desk, &producer);
            }
        }
    }

    fn ask_about_dry(&mut self, desk: &mut Desk<'_>) {
        let now = desk.ctx.now;
        let mut asked = Vec::new();
        for pull in self.pulls.pulls.values_mut().filter(|pull| pull.flow.is_none()) {
            if pull.asked.is_none_or(|at| now >= at + ASK_AGAIN) {
                pull.asked = Some(now);
                asked.push(pull.node.clone());
            }
        }
        asked.sort_unstable();
        asked.dedup();
        for node in asked {
            desk.send(&node, LinkMessage::SnapshotWanted(self.id.clone()));
        }
    }

    /// The layers that consumers here watch are asked for.
    pub(super) fn want_layers(&mut self, desk: &mut Desk<'_>) {
        for (producer, pull) in &mut self.pulls.pulls {
            let Some(flow) = pull.flow else { continue };
            let union = union(&self.pulls.uses, &self.here, producer);
            let layers = pull.want(desk.ctx.now, union);
            if layers != pull.layers {
                pull.layers = layers;
                desk.send(&pull.node, LinkMessage::PipeLayers { flow, layers });
            }
        }
    }

    /// A node wants a producer of ours.
    pub(super) fn serve(
        &mut self,
        desk: &mut Desk<'_>,
        node: &NodeId,
        flow: FlowId,
        producer: &ProducerId,
        layers: u32,
    ) {
        let own = self.replica.producer(producer).is_some_and(|(owner, _)| owner.node == desk.id);
        if !own || !self.own.contains_key(producer) {
            return desk.end_flow(node, flow, true);
        }
        self.pulls.served.insert((node.clone(), flow), (producer.clone(), layers));
    }

    /// A producer of ours is no more: whoever is sent it is told.
    fn unserve(&mut self, desk: &mut Desk<'_>, producer: &ProducerId) {
        let of = self.pulls.served.iter().filter(|(_, (of, _))| of == producer);
        let over: Vec<_> = of.map(|(to, _)| to.clone()).collect();
        for (node, flow) in over {
            self.pulls.served.remove(&(node.clone(), flow));
            desk.end_flow(&node, flow, false);
        }
    }

    /// The other side ended a flow: one it pulled, or one we did.
    pub(super) fn flow_over(&mut self, desk: &mut Desk<'_>, node: &NodeId, flow: FlowId) {
        if let Some((_, pull)) = self.pulls.by_flow(node, flow) {
            pull.flow = None;
            if !desk.ctx.planted(Plant::Deaf) {
                self.ask_about_dry(desk);
            }
            return;
        }
        self.pulls.served.remove(&(node.clone(), flow));
    }

    /// A packet of another node.
    pub(super) fn on_packet(
        &mut self,
        desk: &mut Desk<'_>,
        node: &NodeId,
        flow: FlowId,
        packet: &Packet,
    ) {
        let now = desk.ctx.now;
        let union = union(&self.pulls.uses, &self.here, &packet.producer);
        let Some((producer, pull)) = self.pulls.by_flow(node, flow) else { return };
        if *producer != packet.producer {
            return;
        }
        pull.want(now, union);
        let wanted = *pull.wanted.entry(packet.layer).or_insert(now);
        let ends = (super::index_of(node), desk.index);
        desk.ctx.oracle.check_wanted(now, ends, wanted, packet);
        if desk.ctx.planted(Plant::Echo) && desk.ctx.chance(0.05) {
            let (node, packet) = (desk.index, packet.clone());
            desk.ctx.after(3 * SECOND, Event::Late { node, packet });
        }
        self.forward(desk, packet);
    }

    /// To those here who watch it.
    pub(super) fn forward(&self, desk: &mut Desk<'_>, packet: &Packet) {
        let video = packet.source > 0;
        let by = self.pulls.uses.get(&packet.producer).into_iter().flatten();
        for here in by.filter_map(|peer| self.here.get(peer)) {
            if let Some(seat) = here.shown_at()
                && (!video || here.layer == packet.layer)
            {
                desk.hear(seat, packet);
            }
        }
        if desk.ctx.planted(Plant::ThinWalls) {
            let seats: Vec<_> =
                desk.seats.iter().filter(|(_, (room, _))| *room != self.id).collect();
            let seats: Vec<_> = seats.into_iter().map(|(seat, _)| *seat).collect();
            seats.into_iter().for_each(|seat| desk.hear(seat, packet));
        }
    }

    /// To everybody here, as a planted bug would.
    pub(super) fn shout(&self, desk: &mut Desk<'_>, packet: &Packet) {
        let seats: Vec<_> = self.here.values().filter_map(Here::shown_at).collect();
        seats.into_iter().for_each(|seat| desk.hear(seat, packet));
    }

    pub(super) fn flows_with(&self, node: &NodeId) -> usize {
        self.pulls.flows_with(node)
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

/// The layers of a producer that somebody here watches.
fn union(
    uses: &BTreeMap<ProducerId, BTreeSet<PeerId>>,
    here: &BTreeMap<PeerId, Here>,
    producer: &ProducerId,
) -> u32 {
    let video = producer.as_str().contains(VIDEO);
    let by = uses.get(producer).into_iter().flatten();
    let layers = by.filter_map(|peer| here.get(peer)).map(|here| here.layer);
    layers.fold(0, |all, layer| all | 1 << if video { layer } else { 0 })
}
