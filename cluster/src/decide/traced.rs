//! A room's part of traces, on one node: which of its peers' joins are traced, which of their spans
//! are open here, and what of what follows belongs to them. Where nobody traces, all is empty.
//! Never decides whether a join is traced, draws an id, or reads a clock.

use std::collections::BTreeMap;

use starling_proto::{
    ConsumerId, NodeId, PeerId, RoomId,
    flow::FlowId,
    span::{Note, Span, SpanContext, SpanName, names},
};

/// What belongs to a join begins within so long of it, and what has not ended by then is no part of
/// it any more: a stream of who joins is there after a second or two, and one that comes later was
/// not waited for. Also how long a peer that was told of is awaited.
pub const WITHIN_US: u64 = 10_000_000;
/// Peers of a room whose joins are followed at the same time, and who are away: more than come
/// within [`WITHIN_US`], but for a room that is begun by a bell.
pub const JOINS: usize = 64;
/// Streams that are followed for one join: the microphones and cameras on a first page.
pub const STREAMS: usize = 16;

/// Draws the name of a span.
pub type Draw<'a> = &'a mut dyn FnMut() -> [u8; 8];

/// On its way to somebody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// From another node.
    Pull(NodeId, FlowId),
    /// To another node.
    Serve(NodeId, FlowId),
    /// To a peer of this one.
    Forward(ConsumerId),
}

impl Stream {
    const fn name(&self) -> SpanName {
        match self {
            Self::Pull(..) => names::PULL,
            Self::Serve(..) => names::SERVE,
            Self::Forward(_) => names::FORWARD,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Traced {
    room: RoomId,
    /// Told of by another node, and not yet to the peers here.
    awaited: BTreeMap<PeerId, Span>,
    joins: BTreeMap<PeerId, Followed>,
    away: BTreeMap<PeerId, Away>,
    streams: BTreeMap<Stream, (PeerId, Span)>,
}

#[derive(Debug)]
struct Followed {
    context: SpanContext,
    until_us: u64,
    streams: usize,
}

#[derive(Debug)]
struct Away {
    since_us: u64,
    name: SpanName,
    note: (Note, NodeId),
}

impl Traced {
    /// Nothing is traced yet.
    pub fn new(room: RoomId) -> Self {
        let (awaited, joins) = (BTreeMap::new(), BTreeMap::new());
        Self { room, awaited, joins, away: BTreeMap::new(), streams: BTreeMap::new() }
    }

    /// A peer of this node has joined, as `context`.
    pub fn entered(&mut self, now_us: u64, peer: &PeerId, context: SpanContext) {
        self.away.remove(peer);
        self.follow(now_us, peer, context);
    }

    /// Another node is about to tell of a peer, as a part of `parent`.
    pub fn announced(&mut self, now_us: u64, peer: &PeerId, parent: SpanContext, draw: Draw<'_>) {
        self.awaited.retain(|_, span| now_us < span.start_us.saturating_add(WITHIN_US));
        if self.awaited.len() < JOINS {
            let span = self.begin(names::SHOW, now_us, peer, parent, draw);
            self.awaited.insert(peer.clone(), span);
        }
    }

    /// The peers here know of a peer of another node: what has ended with that.
    pub fn shown(&mut self, now_us: u64, peer: &PeerId, draw: Draw<'_>) -> Vec<Span> {
        let away = self.away.remove(peer);
        let Some(show) = self.awaited.remove(peer) else { return Vec::new() };
        self.follow(now_us, peer, show.context);
        let back = away.zip(show.parent).map(|(away, parent)| {
            let span = self.begin(away.name, away.since_us, peer, parent, draw);
            span.note(away.note.0, away.note.1.to_string()).ended(now_us)
        });
        [show.ended(now_us)].into_iter().chain(back).collect()
    }

    /// The node of a peer is lost.
    pub fn lost(&mut self, now_us: u64, peer: &PeerId, node: &NodeId) {
        let note = (names::FROM, node.clone());
        self.leaves(peer, Away { since_us: now_us, name: names::AWAY, note });
    }

    /// A peer of this node was asked to move to another.
    pub fn asked_to_move(&mut self, now_us: u64, peer: &PeerId, to: &NodeId) {
        let note = (names::TO, to.clone());
        self.leaves(peer, Away { since_us: now_us, name: names::HAND_OVER, note });
    }

    /// A peer has left the room, or stayed.
    pub fn stays_away(&mut self, peer: &PeerId) {
        self.away.remove(peer);
    }

    /// A stream of `publisher` sets out for `receiver`, a peer of this node, or for another node:
    /// is it a part of one of their joins?
    pub fn sets_out(
        &mut self,
        now_us: u64,
        stream: Stream,
        (publisher, receiver): (&PeerId, Option<&PeerId>),
        notes: Vec<(Note, String)>,
        draw: Draw<'_>,
    ) -> bool {
        self.forget(now_us);
        // Who has just come waits; a publisher that has just come is waited for.
        let followed = receiver.filter(|peer| self.joins.contains_key(*peer)).unwrap_or(publisher);
        let Some(join) = self.joins.get_mut(followed) else { return false };
        if join.streams >= STREAMS {
            return false;
        }
        join.streams += 1;
        let parent = join.context;
        let span = self.begin(stream.name(), now_us, followed, parent, draw);
        let span = span.note(names::PUBLISHER, publisher.to_string());
        let span = match receiver {
            Some(receiver) => span.note(names::RECEIVER, receiver.to_string()),
            None => span,
        };
        let span = Span { notes: span.notes.into_iter().chain(notes).collect(), ..span };
        self.streams.insert(stream, (followed.clone(), span));
        true
    }

    /// It has arrived.
    pub fn arrived(&mut self, now_us: u64, stream: &Stream) -> Option<Span> {
        let (_, span) = self.streams.remove(stream)?;
        Some(span.ended(now_us))
    }

    /// It is not wanted any more, or not to be had.
    pub fn gave_up(&mut self, stream: &Stream) {
        self.streams.remove(stream);
    }

    fn leaves(&mut self, peer: &PeerId, away: Away) {
        if self.away.len() < JOINS || self.away.contains_key(peer) {
            self.away.insert(peer.clone(), away);
        }
    }

    fn follow(&mut self, now_us: u64, peer: &PeerId, context: SpanContext) {
        self.forget(now_us);
        if self.joins.len() < JOINS || self.joins.contains_key(peer) {
            let until_us = now_us.saturating_add(WITHIN_US);
            self.joins.insert(peer.clone(), Followed { context, until_us, streams: 0 });
        }
    }

    /// What began with a join that is not followed any more ends with that, untold.
    fn forget(&mut self, now_us: u64) {
        if self.joins.values().any(|join| join.until_us <= now_us) {
            self.joins.retain(|_, join| now_us < join.until_us);
            let joins = &self.joins;
            self.streams.retain(|_, (of, _)| joins.contains_key(of));
        }
    }

    fn begin(
        &self,
        name: SpanName,
        now_us: u64,
        peer: &PeerId,
        parent: SpanContext,
        draw: Draw<'_>,
    ) -> Span {
        Span {
            name,
            context: SpanContext { trace: parent.trace, span: draw() },
            parent: Some(parent),
            start_us: now_us,
            end_us: now_us,
            room: self.room.clone(),
            peer: peer.clone(),
            notes: Vec::new(),
            error: None,
        }
    }
}

#[cfg(test)]
mod tests;
