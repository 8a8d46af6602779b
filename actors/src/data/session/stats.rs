//! Statistics of a session's producers and consumers, under mediasoup's names.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use starling_proto::{Code, DataConsumerId, DataProducerId, Refusal};

use super::{DataSession, Use};
use crate::data::SharedTopic;

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

impl StatsOf {
    /// Before anything has come or gone.
    pub(crate) fn of_nothing(&self) -> Value {
        match self {
            Self::Producer(_, channel) => producer_stats(&SharedTopic::default(), channel),
            Self::Consumer(_, channel) => consumer_stats(channel, 0, 0, 0),
        }
    }
}

impl DataSession {
    pub(super) fn stats(&self, of: &StatsOf) -> Result<Value, Refusal> {
        let found = match of {
            StatsOf::Producer(id, channel) => {
                let is = |it: &&Use| matches!(it, Use::Producer(producing) if producing.id == *id);
                self.streams.values().find(is).and_then(|it| match it {
                    Use::Producer(producing) => Some(producer_stats(&producing.topic, channel)),
                    Use::Consumer(_) => None,
                })
            }
            StatsOf::Consumer(id, channel) => self.consumer(id).and_then(|stream| {
                let Use::Consumer(it) = self.streams.get(&stream)? else { return None };
                let buffered = self.sctp.buffered_amount(stream);
                Some(consumer_stats(channel, it.messages, it.bytes, buffered))
            }),
        };
        found.ok_or_else(just_ended)
    }
}

/// Of a data producer.
pub(in crate::data) fn producer_stats(topic: &SharedTopic, channel: &Channel) -> Value {
    let counters = topic.with(|topic| topic.counters());
    json!([{
        "type": "data-producer",
        "timestamp": now_ms(),
        "label": channel.label,
        "protocol": channel.protocol,
        "messagesReceived": counters.messages,
        "bytesReceived": counters.bytes,
    }])
}

/// Of a data consumer.
pub(in crate::data) fn consumer_stats(
    channel: &Channel,
    messages: u64,
    bytes: u64,
    buffered: usize,
) -> Value {
    json!([{
        "type": "data-consumer",
        "timestamp": now_ms(),
        "label": channel.label,
        "protocol": channel.protocol,
        "messagesSent": messages,
        "bytesSent": bytes,
        "bufferedAmount": buffered,
    }])
}

/// Who asked is about to hear it.
pub(in crate::data) fn just_ended() -> Refusal {
    Refusal::new(Code::BadRequest, "it has just ended")
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
