//! Spans of traces on their way to whoever exports them. Recorded only if somebody does; what the
//! queue cannot hold is lost and counted. Never does: export, or decide what is traced.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use starling_proto::{
    PeerId, RoomId,
    span::{Span, SpanContext, SpanName},
};
use tokio::sync::mpsc;

use crate::fresh;

/// Spans that wait to be exported: those of 100 joins of a room with a few streams, of about 400
/// bytes each. A collector that answers takes as many several times a second.
const QUEUE: usize = 2_048;

/// Where spans go; nowhere, by default. Clones go to the same place.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Span>,
    lost: AtomicU64,
}

impl Traces {
    /// To where they come out.
    pub fn new() -> (Self, mpsc::Receiver<Span>) {
        let (queue, spans) = mpsc::channel(QUEUE);
        (Self(Some(Arc::new(Inner { queue, lost: AtomicU64::new(0) }))), spans)
    }

    /// Whether anybody wants spans.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A piece of work begins, in a trace and perhaps as a part of another span there.
    pub fn begin(
        &self,
        name: SpanName,
        (trace, parent): ([u8; 16], Option<SpanContext>),
        room: &RoomId,
        peer: &PeerId,
    ) -> Span {
        let now_us = fresh::wall_us();
        Span {
            name,
            context: SpanContext { trace, span: fresh::span() },
            parent,
            start_us: now_us,
            end_us: now_us,
            room: room.clone(),
            peer: peer.clone(),
            notes: Vec::new(),
            error: None,
        }
    }

    /// A piece of work has ended now.
    pub fn end(&self, span: Span) {
        self.tell(span.ended(fresh::wall_us()));
    }

    /// A piece of work has ended.
    pub fn tell(&self, span: Span) {
        if let Some(inner) = &self.0
            && inner.queue.try_send(span).is_err()
        {
            inner.lost.fetch_add(1, Relaxed);
        }
    }

    /// Spans lost because too many waited.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| inner.lost.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use starling_proto::span::names;

    use super::*;

    #[test]
    fn what_does_not_fit_the_queue_is_lost_and_counted() {
        let (traces, spans) = Traces::new();
        let (room, peer) = ("r".parse().unwrap(), "p".parse().unwrap());
        for _ in 0..QUEUE + 3 {
            traces.end(traces.begin(names::JOIN, ([1; 16], None), &room, &peer));
        }
        assert_eq!((spans.len(), traces.lost()), (QUEUE, 3));
        let nobody = Traces::default();
        nobody.end(nobody.begin(names::JOIN, ([1; 16], None), &room, &peer));
        assert_eq!((nobody.is_on(), nobody.lost()), (false, 0));
    }
}
