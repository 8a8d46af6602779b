//! Traced joins: `cluster::decide::traced` decides what of this room is a part of them, here other
//! nodes are told and ended spans handed on. Costs nothing where nobody traces.

use starling_cluster::decide::{pulls::Action, roster::Fact, traced::Stream};
use starling_proto::{
    ConsumerId, NodeId, PeerId, ProducerId,
    link::LinkMessage,
    span::{Note, Span, SpanContext, names},
};

use super::RoomState;
use crate::{fresh, traces::Traces};

/// What a room is told of traced joins.
pub(crate) enum TracedRoomMsg {
    /// A node is about to tell of a peer.
    Joining { peer: PeerId, context: SpanContext },
    /// The first packet of a stream left that the room waited for.
    Arrived(Stream),
}

impl RoomState {
    pub(super) fn handle_traced(&mut self, message: TracedRoomMsg) {
        match message {
            TracedRoomMsg::Joining { peer, context } => self.await_peer(&peer, context),
            TracedRoomMsg::Arrived(stream) => self.arrived(&stream),
        }
    }

    fn traces(&self) -> &Traces {
        &self.args.shared.config.traces
    }

    /// A peer of this node joins, as a part of `parent`: the other nodes are to know before they
    /// are told of the peer.
    pub(super) fn begin_join(&mut self, peer: &PeerId, parent: SpanContext, hidden: bool) -> Span {
        let of = (parent.trace, Some(parent));
        let span = self.traces().begin(names::ENTER, of, &self.args.id, peer);
        // Nobody is told of a hidden one.
        let members = self.exchange.members().filter(|_| !hidden);
        for port in members.filter_map(|node| self.links.get(node)) {
            port.link.send(LinkMessage::Joining {
                room: self.args.id.clone(),
                peer: peer.clone(),
                context: span.context,
            });
        }
        self.traced.entered(span.start_us, peer, span.context);
        span
    }

    pub(super) fn end_join(&self, entering: Option<Span>) {
        if let Some(span) = entering {
            self.traces().end(span);
        }
    }

    /// Another node is about to tell of a peer.
    fn await_peer(&mut self, peer: &PeerId, context: SpanContext) {
        if self.traces().is_on() {
            self.traced.announced(fresh::wall_us(), peer, context, &mut fresh::span);
        }
    }

    /// Peers here know of it by now.
    pub(super) fn trace_fact(&mut self, fact: &Fact) {
        if !self.traces().is_on() {
            return;
        }
        match fact {
            Fact::PeerJoined { peer, .. } | Fact::PeerMoved { peer, .. } => {
                let spans = self.traced.shown(fresh::wall_us(), peer, &mut fresh::span);
                spans.into_iter().for_each(|span| self.traces().tell(span));
            }
            Fact::PeerLost { peer, node } => self.traced.lost(fresh::wall_us(), peer, node),
            Fact::PeerFound { peer, .. } | Fact::PeerLeft { peer, .. } => {
                self.traced.stays_away(peer);
            }
            _ => {}
        }
    }

    /// A client of this node was asked to go to another.
    pub(super) fn trace_move(&mut self, peer: &PeerId, to: &NodeId) {
        if self.traces().is_on() {
            self.traced.asked_to_move(fresh::wall_us(), peer, to);
        }
    }

    /// A peer of this node wants a producer: whether its first packet is to be told of.
    pub(super) fn trace_consumer(
        &mut self,
        consumer: &ConsumerId,
        receiver: &PeerId,
        producer: &ProducerId,
    ) -> bool {
        let stream = Stream::Forward(consumer.clone());
        self.sets_out(stream, Some(receiver), producer, None)
    }

    /// Another node is asked for a producer, or asks for one.
    pub(super) fn trace_pull(&mut self, action: &Action) -> bool {
        match action {
            Action::Open { node, flow, producer, .. } => {
                let stream = Stream::Pull(node.clone(), *flow);
                self.sets_out(stream, None, producer, Some((names::FROM, node)))
            }
            Action::Serve { node, flow, producer, .. } => {
                let stream = Stream::Serve(node.clone(), *flow);
                self.sets_out(stream, None, producer, Some((names::TO, node)))
            }
            _ => false,
        }
    }

    fn sets_out(
        &mut self,
        stream: Stream,
        receiver: Option<&PeerId>,
        producer: &ProducerId,
        node: Option<(Note, &NodeId)>,
    ) -> bool {
        if !self.traces().is_on() {
            return false;
        }
        let Some((view, _)) = self.replica.producer(producer) else { return false };
        let publisher = view.entry.id.clone();
        let from = receiver.map(|_| (names::FROM, view.node)).or(node);
        let producer = (names::PRODUCER, producer.to_string());
        let notes = from.map(|(note, node)| (note, node.to_string())).into_iter();
        let notes = notes.chain([producer]).collect();
        let of = (&publisher, receiver);
        self.traced.sets_out(fresh::wall_us(), stream, of, notes, &mut fresh::span)
    }

    /// The first packet left, or the way of a stream is known.
    pub(super) fn arrived(&mut self, stream: &Stream) {
        if let Some(span) = self.traced.arrived(fresh::wall_us(), stream) {
            self.traces().tell(span);
        }
    }
}
