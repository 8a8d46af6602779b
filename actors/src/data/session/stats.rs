//! Statistics of a session's producers and consumers, under mediasoup's names.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use starling_proto::{Code, DataConsumerId, DataProducerId, Refusal};

use super::{DataSession, Use};

/// Of what.
#[derive(Debug)]
pub(crate) enum StatsOf {
    Producer(DataProducerId, Channel),
    Consumer(DataConsumerId, Channel),
}

/// What a channel is called.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(crate) label: String,
    pub(crate) protocol: String,
}

impl DataSession {
    pub(super) fn stats(&self, of: &StatsOf) -> Result<Value, Refusal> {
        let found = match of {
            StatsOf::Producer(id, channel) => self.producer_stats(id, channel),
            StatsOf::Consumer(id, channel) => self.consumer_stats(id, channel),
        };
        found.ok_or_else(|| Refusal::new(Code::BadRequest, "it has just ended"))
    }

    fn producer_stats(&self, id: &DataProducerId, channel: &Channel) -> Option<Value> {
        let is = |it: &&Use| matches!(it, Use::Producer(producing) if producing.id == *id);
        let Use::Producer(producing) = self.streams.values().find(is)? else { return None };
        let counters = producing.topic.with(|topic| topic.counters());
        Some(json!([{
            "type": "data-producer",
            "timestamp": now_ms(),
            "label": channel.label,
            "protocol": channel.protocol,
            "messagesReceived": counters.messages,
            "bytesReceived": counters.bytes,
        }]))
    }

    fn consumer_stats(&self, id: &DataConsumerId, channel: &Channel) -> Option<Value> {
        let stream = self.consumer(id)?;
        let Use::Consumer(consuming) = self.streams.get(&stream)? else { return None };
        Some(json!([{
            "type": "data-consumer",
            "timestamp": now_ms(),
            "label": channel.label,
            "protocol": channel.protocol,
            "messagesSent": consuming.messages,
            "bytesSent": consuming.bytes,
            "bufferedAmount": self.sctp.buffered_amount(stream),
        }]))
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
