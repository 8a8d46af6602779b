//! The two ends of a data producer's flow between nodes: a task that sends what comes in the topic
//! here, and a sink that puts it into the topic there.

use std::{
    future::poll_fn,
    sync::{Arc, Weak},
    task::{Poll, Wake},
};

use starling_cluster::link::{DataLane, DataSink};
use starling_media::data::{Next, cost};
use starling_proto::{flow::FlowId, message::DataMessage};

use super::{SharedTopic, Subscription, topic::NODE_PATIENCE};

/// Sends what comes in a topic on a flow, until the flow is closed. True if the other node was too
/// slow, and has missed messages.
pub(crate) async fn serve(
    topic: Arc<SharedTopic>,
    reliable: bool,
    lane: Arc<DataLane>,
    flow: FlowId,
) -> bool {
    let key = topic.with(|topic| topic.subscribe(reliable, NODE_PATIENCE, None));
    let subscription = Subscription { topic, key };
    loop {
        let next = poll_fn(|context| {
            match subscription.topic.with(|topic| topic.take(key, context.waker())) {
                Next::Message(message) => Poll::Ready(Some(message)),
                Next::Nothing => Poll::Pending,
                Next::Evicted => Poll::Ready(None),
            }
        });
        let Some(message) = next.await else { return true };
        let cost = cost(&message);
        if !lane.send(flow, &message.header(), &message.payload, cost).await {
            return false;
        }
    }
}

struct Pulled {
    topic: Arc<SharedTopic>,
    broken: Box<dyn Fn() + Send + Sync>,
}

impl DataSink for Pulled {
    fn deliver(&self, message: &[u8]) {
        let now = std::time::Instant::now();
        let message = DataMessage::decode(message).map(Arc::new);
        let taken = message.is_some_and(|it| self.topic.with(|topic| topic.push(now, it)).is_ok());
        // It sends more than it was granted, or what nobody can read.
        if !taken {
            (self.broken)();
        }
    }
}

struct Granter {
    topic: Weak<SharedTopic>,
    lane: Arc<DataLane>,
    flow: FlowId,
}

impl Wake for Granter {
    fn wake(self: Arc<Self>) {
        let Some(topic) = self.topic.upgrade() else { return };
        let freed = topic.with(|topic| topic.take_freed());
        if freed > 0 {
            self.lane.grant(self.flow, freed);
        }
    }
}

/// Puts what comes on a flow into a topic. Gives what the other node may send at first. `broken` is
/// called when it breaks the rules.
pub(crate) fn pull(
    topic: &Arc<SharedTopic>,
    lane: &Arc<DataLane>,
    flow: FlowId,
    broken: Box<dyn Fn() + Send + Sync>,
) -> usize {
    let granter = Granter { topic: Arc::downgrade(topic), lane: lane.clone(), flow };
    let room = topic.with(|topic| topic.set_remote_source(Arc::new(granter).into()));
    lane.open(flow, Arc::new(Pulled { topic: topic.clone(), broken }));
    room
}
