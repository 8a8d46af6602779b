//! What happens on this node, for whoever observes it: one list that all observers read at their
//! own pace. Costs a look at a counter while nobody does, and nobody waits for an observer.

use std::sync::Arc;

use serde_json::Value;
use starling_proto::{
    Code, ConsumerId, PeerId, ProducerId, Refusal, RoomId, TransportId,
    observer::{Happened, Observed},
};
use tokio::sync::broadcast;

use crate::fresh;

/// Events kept for the slowest observer: those of a peer that joins a room of 300 and leaves it.
const KEPT: usize = 2_048;
/// Observers of a node: people who look at it by hand, and a program for each.
const MAX_OBSERVERS: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Feed(broadcast::Sender<Arc<Observed>>);

impl Default for Feed {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

/// An object of a peer.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    Transport(&'a TransportId),
    Producer(&'a ProducerId),
    Consumer(&'a ConsumerId),
}

impl Feed {
    /// Tells an event, if anybody observes.
    pub(crate) fn tell(&self, make: impl FnOnce() -> Observed) {
        if self.0.receiver_count() > 0 {
            let _ = self.0.send(Arc::new(make()));
        }
    }

    /// Of a room, or of the node if there is none.
    pub(crate) fn tell_of_room(
        &self,
        event: Happened,
        room: Option<&RoomId>,
        info: impl FnOnce() -> Value,
    ) {
        self.tell(|| Observed { info: info(), ..observed(event, room.cloned()) });
    }

    /// Of an object of a peer.
    pub(crate) fn tell_of(
        &self,
        event: Happened,
        (room, peer): (&RoomId, &PeerId),
        of: Of<'_>,
        info: impl FnOnce() -> Value,
    ) {
        self.tell(|| {
            let mut told = observed(event, Some(room.clone()));
            told.peer_id = Some(peer.clone());
            told.info = info();
            match of {
                Of::Transport(id) => told.transport_id = Some(id.clone()),
                Of::Producer(id) => told.producer_id = Some(id.clone()),
                Of::Consumer(id) => told.consumer_id = Some(id.clone()),
            }
            told
        });
    }

    /// What happens from now on.
    ///
    /// # Errors
    /// `limit_reached`.
    pub(crate) fn observe(&self) -> Result<broadcast::Receiver<Arc<Observed>>, Refusal> {
        if self.0.receiver_count() >= MAX_OBSERVERS {
            let message = format!("{MAX_OBSERVERS} observers look at this node already");
            return Err(Refusal::new(Code::LimitReached, message).hint("end one of them first"));
        }
        Ok(self.0.subscribe())
    }
}

fn observed(event: Happened, room_id: Option<RoomId>) -> Observed {
    Observed {
        event,
        timestamp: fresh::wall_us() / 1_000,
        room_id,
        peer_id: None,
        transport_id: None,
        producer_id: None,
        consumer_id: None,
        info: Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_costs_nothing_and_too_many_are_refused() {
        let feed = Feed::default();
        feed.tell(|| panic!("nobody asked"));
        let all: Vec<_> = (0..MAX_OBSERVERS).map(|_| feed.observe().unwrap()).collect();
        assert_eq!(feed.observe().unwrap_err().code, Code::LimitReached);
        drop(all);
        let mut late = feed.observe().unwrap();
        for _ in 0..KEPT + 3 {
            feed.tell_of_room(Happened::NewRouter, None, || Value::Null);
        }
        assert!(matches!(late.try_recv(), Err(broadcast::error::TryRecvError::Lagged(3))));
        assert_eq!(late.try_recv().unwrap().event, Happened::NewRouter);
    }
}
