//! Data channels on this node: what is shared between who sends and who receives (`topic`), the
//! streams of one transport (`session`), carried over DTLS (`dtls`) or plain UDP (`plain`), a
//! program's end (`direct`), and the two ends of a flow between nodes (`flow`). Nothing here is on
//! a packet's path.

mod bell;
mod direct;
mod flow;
mod plain;
mod port;
mod session;
mod topic;

pub(crate) use bell::Doorbell;
pub(crate) use direct::spawn_direct;
pub use direct::{DirectData, DirectSender};
pub(crate) use flow::{pull, serve};
pub(crate) use plain::spawn_plain;
pub(crate) use port::{DataInbox, DataPort, port};
pub(crate) use session::{Channel, DataSession, StatsOf};
pub(crate) use topic::{SharedTopic, Subscription};

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;
use starling_proto::{DataConsumerId, DataProducerId, sctp::Delivery};

use crate::node::Reply;

/// What a session is told.
#[derive(Debug)]
pub(crate) enum DataCommand {
    /// What comes on a stream is for a topic.
    Produce { id: DataProducerId, stream: u16, topic: Arc<SharedTopic> },
    /// It is not, any more.
    CloseProducer(DataProducerId),
    /// What comes in a topic is for a stream.
    Consume { id: DataConsumerId, stream: u16, delivery: Delivery, topic: Arc<SharedTopic> },
    /// It is not, any more.
    CloseConsumer(DataConsumerId),
    /// What comes meanwhile is missed.
    PauseConsumer { id: DataConsumerId, paused: bool },
    /// All that the consumer is in.
    Subchannels { id: DataConsumerId, subchannels: BTreeSet<u16> },
    /// In bytes.
    LowThreshold { id: DataConsumerId, threshold: usize },
    /// mediasoup's statistics.
    Stats { of: StatsOf, reply: Reply<Value> },
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataEvent {
    /// The client closed its channel, or the association ended.
    ProducerClosed {
        /// Which.
        id: DataProducerId,
        /// Sentence for people.
        reason: String,
    },
    /// The client closed its channel or was too slow, or the association ended.
    ConsumerClosed {
        /// Which.
        id: DataConsumerId,
        /// Sentence for people.
        reason: String,
    },
    /// What waits has fallen to the threshold.
    BufferedAmountLow {
        /// Which.
        id: DataConsumerId,
        /// In bytes.
        amount: u64,
    },
}
