//! The way of facts from a worker to its actor: one bounded channel of batches. Never blocks the
//! worker.
//!
//! Overflow: while the channel is full the worker keeps what it has and tries again every turn.
//! Above [`MAX_PENDING`] events it drops the newest and counts them; a control plane that far
//! behind is told so by the counter, and media goes on.

use starling_media::Event;
use tokio::sync::mpsc::{self, OwnedPermit, error::TrySendError};

/// Batches waiting for the actor. A batch is made at most once per turn; 1,024 turns are tens of
/// milliseconds of a busy worker and minutes of an idle one.
pub(crate) const MAX_BATCHES: usize = 1_024;
/// Events of one batch: as many as a turn publishes.
pub(crate) const MAX_BATCH: usize = 256;
/// Events kept by the worker while the channel is full: a minute of one event per second and object
/// of a thousand objects.
pub(crate) const MAX_PENDING: usize = 65_536;

/// What a worker tells.
#[derive(Debug, PartialEq)]
pub enum WorkerEvent {
    /// What happened in its plane, in order.
    Facts(Vec<Event>),
    /// Its thread panicked, or could not wait for its sockets. Nothing follows; its sockets are
    /// closed.
    Died(String),
}

/// The worker's end.
#[derive(Debug)]
pub struct EventSink {
    sender: mpsc::Sender<WorkerEvent>,
    last_words: OwnedPermit<WorkerEvent>,
    pending: Vec<Event>,
    dropped: u64,
}

impl EventSink {
    /// Both ends. After the last batch of a worker that was stopped, or after `Died`, the receiver
    /// gives `None`.
    pub fn channel() -> (Self, mpsc::Receiver<WorkerEvent>) {
        let (sender, receiver) = mpsc::channel(MAX_BATCHES + 1);
        let last_words =
            sender.clone().try_reserve_owned().expect("a new channel has a place for last words");
        (Self { sender, last_words, pending: Vec::new(), dropped: 0 }, receiver)
    }

    /// Queues a fact for the next [`Self::publish`].
    pub(crate) fn push(&mut self, event: Event) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(event);
        } else {
            self.dropped += 1;
        }
    }

    /// Sends what is queued, unless the actor is behind. True if something had to stay.
    pub(crate) fn publish(&mut self) -> bool {
        while !self.pending.is_empty() {
            let rest = self.pending.split_off(self.pending.len().min(MAX_BATCH));
            let batch = std::mem::replace(&mut self.pending, rest);
            match self.sender.try_send(WorkerEvent::Facts(batch)) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => self.pending.clear(),
                Err(TrySendError::Full(WorkerEvent::Facts(mut batch))) => {
                    batch.append(&mut self.pending);
                    self.pending = batch;
                    return true;
                }
                Err(TrySendError::Full(WorkerEvent::Died(_))) => {}
            }
        }
        false
    }

    /// Events lost because the actor was too far behind.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The end; has its own place in the channel.
    pub(crate) fn die(self, reason: String) {
        self.last_words.send(WorkerEvent::Died(reason));
    }
}

#[cfg(test)]
mod tests {
    use starling_media::TransportKey;

    use super::*;

    fn fact(n: usize) -> Event {
        Event::Dtls { transport: TransportKey(n as u64), datagram: vec![] }
    }

    #[test]
    fn a_full_channel_keeps_order_and_leaves_room_for_last_words() {
        let (mut sink, mut receiver) = EventSink::channel();
        for n in 0..MAX_BATCHES {
            sink.push(fact(n));
            assert!(!sink.publish());
        }
        sink.push(fact(MAX_BATCHES));
        assert!(sink.publish(), "the channel is full");
        assert_eq!(receiver.try_recv(), Ok(WorkerEvent::Facts(vec![fact(0)])));
        assert!(!sink.publish());
        sink.die("why".into());
        let mut n = 1;
        while let Ok(event) = receiver.try_recv() {
            match event {
                WorkerEvent::Facts(batch) => {
                    assert_eq!(batch, [fact(n)]);
                    n += 1;
                }
                WorkerEvent::Died(reason) => assert_eq!((reason.as_str(), n), ("why", 1_025)),
            }
        }
        assert_eq!(n, MAX_BATCHES + 1);
    }

    #[test]
    fn an_actor_that_never_reads_costs_a_bounded_backlog() {
        let (mut sink, _receiver) = EventSink::channel();
        for n in 0..MAX_BATCHES {
            sink.push(fact(n));
            sink.publish();
        }
        for n in 0..MAX_PENDING + 5 {
            sink.push(fact(n));
        }
        assert_eq!(sink.dropped(), 5);
    }
}
