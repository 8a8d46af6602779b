//! Pipes of a room on a simulated node: `Pulls` decides, here it is carried out as
//! `actors/src/room/pipes.rs` does, with a [`Plane`](super::plane::Plane) for routers.

use std::{collections::BTreeSet, time::Instant};

use starling_cluster::decide::{
    pulls::{Action, NewFlow, Pulls, Reach, Request},
    tree::Place,
};
use starling_proto::{
    NodeId, PeerId, ProducerId,
    flow::FlowId,
    link::LinkMessage,
    registry::{NodeRecord, NodeState},
    roster::ProducerEntry,
};

use super::{desk::Desk, room::Room, seats::Here};
use crate::sim::{
    ctx::SECOND,
    event::{Event, Packet},
    plant::Plant,
};

/// `actors::room::pipes::RELAYS`: the link protocol that brought relays.
const RELAYS: u16 = 4;

impl Room {
    fn pull(
        &mut self,
        desk: &mut Desk<'_>,
        what: impl FnOnce(&mut Pulls, Instant, &mut NewFlow<'_>) -> Vec<Action>,
    ) {
        let now = desk.ctx.instant();
        let mut new_flow = |node: &NodeId| desk.new_flow(node, &self.id);
        let actions = what(&mut self.pulls, now, &mut new_flow);
        actions.into_iter().for_each(|action| self.carry_out_pull(desk, action));
        self.want_layers(desk);
    }

    fn carry_out_pull(&mut self, desk: &mut Desk<'_>, action: Action) {
        match action {
            Action::Open { node, flow, producer, hops } => {
                let deaf = desk.ctx.planted(Plant::Deaf) && self.broke.contains(&producer);
                if deaf {
                    return;
                }
                let (room, layers) = (self.id.clone(), 0);
                let open = match hops {
                    Some(hops) => LinkMessage::PipeOpenVia { flow, room, producer, layers, hops },
                    None => LinkMessage::PipeOpen { flow, room, producer, layers },
                };
                desk.send(&node, open);
            }
            Action::Attach { producer, node, flow } => self.plane.attach(producer, node, flow),
            Action::Detach(producer) => {
                self.plane.detach(&producer);
                self.broke.insert(producer);
            }
            Action::End(producer) => self.plane.end(&producer),
            Action::Close { node, flow } => {
                self.plane.unserve(&(node.clone(), flow));
                desk.end_flow(&node, flow, false);
            }
            Action::Refuse { node, flow } => desk.end_flow(&node, flow, true),
            Action::Serve { node, flow, producer, layers } => {
                if self.replica.producer(&producer).is_none() {
                    desk.end_flow(&node, flow, true);
                    return self.flow_over(desk, &node, flow);
                }
                self.plane.serve((node, flow), producer, layers);
            }
            Action::Unserve { node, flow } => self.plane.unserve(&(node, flow)),
            Action::Tell { node, flow, path } => {
                desk.send(&node, LinkMessage::PipeServed { flow, path });
            }
            Action::AskRoster(node) => {
                desk.send(&node, LinkMessage::SnapshotWanted(self.id.clone()));
            }
        }
    }

    /// A peer here consumes a producer, if it does not already; it is pulled if it is elsewhere.
    pub(super) fn consume(
        &mut self,
        desk: &mut Desk<'_>,
        by: &PeerId,
        node: &NodeId,
        producer: &ProducerId,
    ) {
        if self.plane.consume(producer, by) && node != desk.id {
            self.pull(desk, |pulls, now, flows| pulls.used(now, producer, node, flows));
        }
    }

    /// What nobody here consumes any more is not pulled for them.
    pub(super) fn end_unused(&mut self, desk: &mut Desk<'_>, unused: &[ProducerId]) {
        for producer in unused {
            self.pull(desk, |pulls, now, _| pulls.unused(now, producer));
        }
    }

    /// The source of `old` is `producer` now, on `node`. `old` is there until the pulls end it.
    pub(super) fn move_pull(
        &mut self,
        desk: &mut Desk<'_>,
        node: &NodeId,
        old: &ProducerId,
        producer: &ProducerEntry,
    ) {
        let new = &producer.id;
        let forgotten = self.own.contains_key(old) && desk.ctx.planted(Plant::Homebody);
        if old != new || node != desk.id {
            self.own.remove(old);
        }
        if old != new {
            self.plane.succeed(old, new);
        }
        let used = self.plane.is_used(new) && !forgotten;
        self.pull(desk, |pulls, now, flows| pulls.replaced(now, (old, new), node, used, flows));
    }

    pub(super) fn end_pull(&mut self, desk: &mut Desk<'_>, producer: &ProducerId) {
        self.pull(desk, |pulls, _, _| pulls.ended(producer));
        self.own.remove(producer);
        self.plane.remove(producer);
    }

    /// Somebody may have asked for it before.
    pub(super) fn producer_appeared(
        &mut self,
        desk: &mut Desk<'_>,
        node: &NodeId,
        producer: &ProducerId,
    ) {
        self.pull(desk, |pulls, now, flows| pulls.appeared(now, producer, node, flows));
    }

    /// The link to a node is down, or the room there has ended.
    pub(super) fn lose_pulls(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        self.plane.lose(node);
        self.pull(desk, |pulls, now, flows| pulls.lose(now, node, flows));
    }

    /// The room is on other nodes than before, or they are other ones.
    pub(super) fn meet_pulls(&mut self, desk: &mut Desk<'_>) {
        let records = desk.view.nodes();
        let relay_here = desk.view.own().protocol.1 >= RELAYS;
        let reach = |node: &NodeId| {
            let mut reach = records.get(node).map(|record| reach_of(record, relay_here));
            if desk.ctx.planted(Plant::Borderless) {
                reach.iter_mut().for_each(|reach| reach.place.region.clear());
            }
            let mut reach = reach.unwrap_or_default();
            reach.place.leaving |= !self.crowd.has(node);
            (node.clone(), reach)
        };
        let nodes = self.exchange.members().chain([desk.id]).map(reach).collect();
        let away = self.exchange.away().cloned().collect();
        self.pull(desk, |pulls, now, flows| pulls.set_nodes(now, nodes, away, flows));
    }

    /// A node told its peers anew.
    pub(super) fn pull_again(&mut self, desk: &mut Desk<'_>, node: &NodeId) {
        self.pull(desk, |pulls, now, flows| pulls.told(now, node, flows));
    }

    /// A node wants a producer.
    pub(super) fn pipe_open(&mut self, desk: &mut Desk<'_>, node: &NodeId, request: Request) {
        let found = self.replica.producer(&request.producer);
        let origin = found.map(|(owner, _)| owner.node.clone());
        let origin = origin.as_ref();
        self.pull(desk, |pulls, now, flows| pulls.asked(now, node, request, origin, flows));
    }

    /// It wants other layers.
    pub(super) fn pipe_layers(
        &mut self,
        desk: &mut Desk<'_>,
        node: &NodeId,
        flow: FlowId,
        layers: u32,
    ) {
        if !self.pulls.layers(node, flow, layers) {
            self.plane.serve_layers(&(node.clone(), flow), layers);
            self.want_layers(desk);
        }
    }

    /// It says by which way what it serves comes to it.
    pub(super) fn pipe_served(
        &mut self,
        desk: &mut Desk<'_>,
        node: &NodeId,
        flow: FlowId,
        path: Vec<NodeId>,
    ) {
        self.pull(desk, |pulls, now, flows| pulls.served(now, node, flow, path, flows));
    }

    /// The other side ended a flow: one it pulled, or one we did.
    pub(super) fn flow_over(&mut self, desk: &mut Desk<'_>, node: &NodeId, flow: FlowId) {
        self.pull(desk, |pulls, now, flows| pulls.over(now, node, flow, flows));
    }

    pub(super) fn tick_pulls(&mut self, desk: &mut Desk<'_>) {
        let now = desk.ctx.instant();
        if self.pulls.next_deadline().is_some_and(|at| at <= now) {
            self.pull(desk, |pulls, now, flows| pulls.tick(now, flows));
        }
    }

    /// The layers that are watched here, or further down, are asked for.
    pub(super) fn want_layers(&mut self, desk: &mut Desk<'_>) {
        self.plane.eager = desk.ctx.planted(Plant::Eager);
        for ((node, flow), layers) in self.plane.want(desk.ctx.now, &self.here) {
            desk.send(&node, LinkMessage::PipeLayers { flow, layers });
        }
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
        desk.ctx.oracle.check_way(now, desk.index, packet);
        let wanted = self.plane.accept(now, (node, flow), packet, &self.here);
        let Some(wanted) = wanted else { return };
        let ends = (super::index_of(node), desk.index);
        desk.ctx.oracle.check_wanted(now, ends, wanted, packet);
        if desk.ctx.planted(Plant::Echo) && desk.ctx.chance(0.05) {
            let (node, packet) = (desk.index, packet.clone());
            desk.ctx.after(3 * SECOND, Event::Late { node, packet });
        }
        if desk.ctx.planted(Plant::Boomerang) {
            desk.send_packet(node, flow, packet);
        }
        self.forward(desk, packet);
    }

    /// To those here who watch it, and to the nodes that get it from here.
    pub(super) fn forward(&mut self, desk: &mut Desk<'_>, packet: &Packet) {
        let selfish = desk.ctx.planted(Plant::Selfish) && !self.own.contains_key(&packet.producer);
        let all = desk.ctx.planted(Plant::Greedy);
        for (node, flow) in self.plane.takers(packet, all).filter(|_| !selfish) {
            desk.send_packet(node, *flow, packet);
        }
        let video = packet.source > 0;
        let watches = |peer: &PeerId| {
            let here = self.here.get(peer)?;
            here.shown_at().filter(|_| !video || here.layer == packet.layer)
        };
        let shown = self.plane.shown(&packet.producer, |peer| watches(peer).is_some());
        shown.iter().filter_map(watches).for_each(|seat| desk.hear(seat, packet));
        if desk.ctx.planted(Plant::ThinWalls) {
            let others = desk.seats.iter().filter(|(_, (room, _))| *room != self.id);
            let others: Vec<_> = others.map(|(seat, _)| *seat).collect();
            others.into_iter().for_each(|seat| desk.hear(seat, packet));
        }
    }

    /// To everybody here, as a planted bug would.
    pub(super) fn shout(&self, desk: &mut Desk<'_>, packet: &Packet) {
        let seats: Vec<_> = self.here.values().filter_map(Here::shown_at).collect();
        seats.into_iter().for_each(|seat| desk.hear(seat, packet));
    }

    /// Flows with a node that are in use, either side's.
    pub(super) fn flows_with(&self, node: &NodeId) -> BTreeSet<FlowId> {
        self.pulls.flows_with(node).chain(self.plane.flows_to(node)).collect()
    }
}

/// How trees see a node.
pub(super) fn reach_of(record: &NodeRecord, relay_here: bool) -> Reach {
    let place =
        Place { region: record.region.clone(), leaving: record.state == NodeState::Draining };
    Reach { place, relays: relay_here && record.protocol.1 >= RELAYS }
}
