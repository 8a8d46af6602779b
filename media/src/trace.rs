//! Who is traced and for what. A mask that is empty costs a comparison.

use starling_proto::trace::TraceType;

use crate::command::{ConsumerKey, ProducerKey, TransportKey};

/// Types of trace events that are wanted; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceTypes(u8);

impl TraceTypes {
    /// Nothing is wanted.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// This is wanted.
    pub const fn has(self, kind: TraceType) -> bool {
        self.0 & bit(kind) != 0
    }

    /// In mediasoup's names.
    pub fn names(self) -> Vec<&'static str> {
        let wanted = TraceType::ALL.into_iter().filter(|kind| self.has(*kind));
        wanted.map(TraceType::name).collect()
    }
}

impl FromIterator<TraceType> for TraceTypes {
    fn from_iter<I: IntoIterator<Item = TraceType>>(types: I) -> Self {
        Self(types.into_iter().fold(0, |mask, kind| mask | bit(kind)))
    }
}

const fn bit(kind: TraceType) -> u8 {
    1 << kind as u8
}

/// What is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceOf {
    /// A producer.
    Producer(ProducerKey),
    /// A consumer.
    Consumer(ConsumerKey),
    /// A transport.
    Transport(TransportKey),
}
