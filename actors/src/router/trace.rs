//! Who looks at trace events. A tracer that reads too slowly loses events and is told how many;
//! nobody waits for it.

use std::collections::BTreeMap;

use starling_media::{
    Command,
    trace::{TraceOf, TraceTypes},
};
use starling_proto::{
    Code, Refusal,
    trace::{TraceEvent, TraceType, Traced},
};
use tokio::sync::{mpsc, oneshot};

use super::{Look, RouterMsg, RouterState, StatsWish};

/// Tracers of a room on one node: people who look at it by hand, and a program for each.
const MAX_TRACERS: usize = 16;
/// Events that wait for one: a second of a stream of 300 packets a second.
const WAITING: usize = 256;

struct Tracer {
    types: TraceTypes,
    to: mpsc::Sender<Traced>,
    lost: u64,
    /// Dropped with it: nobody waits for its end any more.
    _over: oneshot::Sender<()>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Tracers(BTreeMap<TraceOf, Vec<Tracer>>);

impl Tracers {
    /// Hands an event to those who want its type.
    pub(super) fn tell(&mut self, of: TraceOf, event: Box<TraceEvent>) {
        let tracers = self.0.get_mut(&of).into_iter().flatten();
        for tracer in tracers.filter(|tracer| tracer.types.has(event.kind)) {
            if tracer.lost > 0 && tracer.to.try_send(Traced::Lost(tracer.lost)).is_ok() {
                tracer.lost = 0;
            }
            let late = tracer.lost > 0;
            if late || tracer.to.try_send(Traced::Event(event.clone())).is_err() {
                tracer.lost += 1;
            }
        }
    }

    /// What was traced is gone: whoever looked at it sees the end.
    pub(super) fn end(&mut self, of: TraceOf) {
        self.0.remove(&of);
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    fn wanted(&self, of: TraceOf) -> TraceTypes {
        let tracers = self.0.get(&of).into_iter().flatten();
        let types = tracers.map(|tracer| tracer.types);
        TraceType::ALL.into_iter().filter(|kind| types.clone().any(|t| t.has(*kind))).collect()
    }
}

impl RouterState {
    pub(super) fn trace(
        &mut self,
        wish: &StatsWish,
        types: Vec<TraceType>,
    ) -> Result<mpsc::Receiver<Traced>, Refusal> {
        let of = match wish {
            StatsWish::Producer(id) => self.producers.get(id).map(|p| TraceOf::Producer(p.key)),
            StatsWish::Consumer(id) => self.consumers.get(id).map(|c| TraceOf::Consumer(c.key)),
            StatsWish::Transport(id) => self.transports.get(id).map(|t| TraceOf::Transport(t.key)),
        };
        let gone = || Refusal::new(Code::WrongState, "it has just ended");
        let of = of.ok_or_else(gone)?;
        if self.tracers.count() >= MAX_TRACERS {
            let message = format!("{MAX_TRACERS} tracers look at this room already");
            return Err(Refusal::new(Code::LimitReached, message).hint("end one of them first"));
        }
        let (to, from) = mpsc::channel(WAITING);
        let (_over, over) = oneshot::channel();
        let (closed, myself) = (to.clone(), self.myself.clone());
        let tracer = Tracer { types: types.into_iter().collect(), to, lost: 0, _over };
        self.tracers.0.entry(of).or_default().push(tracer);
        self.command(Command::Trace { of, types: self.tracers.wanted(of) });
        tokio::spawn(async move {
            tokio::select! {
                () = closed.closed() => drop(myself.cast(RouterMsg::Look(Look::Untrace(of)))),
                _ = over => {}
            }
        });
        Ok(from)
    }

    /// A tracer of `of` listens no more.
    pub(super) fn untrace(&mut self, of: TraceOf) {
        let Some(tracers) = self.tracers.0.get_mut(&of) else { return };
        tracers.retain(|tracer| !tracer.to.is_closed());
        if tracers.is_empty() {
            self.tracers.0.remove(&of);
        }
        self.command(Command::Trace { of, types: self.tracers.wanted(of) });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use starling_media::ProducerKey;
    use starling_proto::trace::TraceDirection;

    use super::*;

    fn event(kind: TraceType) -> Box<TraceEvent> {
        let (timestamp, direction, info) = (0, TraceDirection::In, Value::Null);
        Box::new(TraceEvent { kind, timestamp, direction, info })
    }

    #[test]
    fn a_slow_tracer_loses_events_and_is_told_how_many() {
        let of = TraceOf::Producer(ProducerKey(1));
        let mut tracers = Tracers::default();
        let (to, mut from) = mpsc::channel(2);
        let types = [TraceType::Rtp].into_iter().collect();
        let (_over, _) = oneshot::channel();
        tracers.0.insert(of, vec![Tracer { types, to, lost: 0, _over }]);
        for _ in 0..7 {
            tracers.tell(of, event(TraceType::Rtp));
            tracers.tell(of, event(TraceType::Pli));
        }
        let rtp = || Ok(Traced::Event(event(TraceType::Rtp)));
        assert_eq!((from.try_recv(), from.try_recv()), (rtp(), rtp()));
        tracers.tell(of, event(TraceType::Rtp));
        assert_eq!((from.try_recv(), from.try_recv()), (Ok(Traced::Lost(5)), rtp()));
    }
}
