//! What a room reaches of its node: links, clients, and the node's view.

use std::collections::BTreeMap;

use starling_cluster::decide::view::ClusterView;
use starling_proto::{NodeId, PeerId, RoomId, flow::FlowId, link::LinkMessage};

use super::{index_of, links::LinkEnd};
use crate::sim::{
    ctx::Ctx,
    event::{Event, Frame, Packet, Seat, ToClient},
    network::Way,
    plant::Plant,
};

/// See the module.
pub(super) struct Desk<'a> {
    pub(super) ctx: &'a mut Ctx,
    pub(super) links: &'a mut BTreeMap<usize, LinkEnd>,
    pub(super) seats: &'a mut BTreeMap<Seat, (RoomId, PeerId)>,
    pub(super) view: &'a ClusterView,
    pub(super) index: usize,
    pub(super) id: &'a NodeId,
    pub(super) skew: i64,
}

impl Desk<'_> {
    pub(super) fn tell(&mut self, seat: Seat, word: ToClient) {
        tell(self.ctx, self.index, seat, word);
    }

    pub(super) fn send(&mut self, node: &NodeId, message: LinkMessage) {
        let to = index_of(node);
        if let Some(link) = self.links.get_mut(&to) {
            link.say(self.ctx, self.index, to, message);
        }
    }

    /// A flow of this side with `node`, for a room.
    pub(super) fn new_flow(&mut self, node: &NodeId, room: &RoomId) -> Option<FlowId> {
        let to = index_of(node);
        let link = self.links.get_mut(&to)?;
        let flow = FlowId(link.opened * 2 + u64::from(self.index > to));
        link.opened += 1;
        link.flows.insert(flow, room.clone());
        Some(flow)
    }

    /// It is over; the other side is told.
    pub(super) fn end_flow(&mut self, node: &NodeId, flow: FlowId, refused: bool) {
        let message = match refused {
            true => LinkMessage::PipeRefused { flow },
            false => LinkMessage::PipeClose { flow },
        };
        self.send(node, message);
        self.forget_flow(node, flow);
    }

    pub(super) fn forget_flow(&mut self, node: &NodeId, flow: FlowId) {
        if self.ctx.planted(Plant::Hoard) {
            return;
        }
        if let Some(link) = self.links.get_mut(&index_of(node)) {
            link.flows.remove(&flow);
        }
    }

    pub(super) fn send_packet(&mut self, node: &NodeId, flow: FlowId, packet: &Packet) {
        let to = index_of(node);
        if let Some(link) = self.links.get(&to) {
            let (conn, mut packet) = (link.conn, packet.clone());
            packet.via.push(self.index);
            self.ctx.send(conn, self.index, to, Frame::Packet { flow, packet });
        }
    }

    /// A packet to a client.
    pub(super) fn hear(&mut self, seat: Seat, packet: &Packet) {
        match self.ctx.net.client_cut(seat.0, self.index) {
            Some(fault) => self.ctx.faults.hit(fault),
            None => self.ctx.oracle.hear(self.ctx.now, seat, self.index, packet),
        }
    }
}

pub(super) fn tell(ctx: &mut Ctx, node: usize, seat: Seat, word: ToClient) {
    ctx.signal(Way::Down(seat), Event::ToClient { node, seat, word });
}
