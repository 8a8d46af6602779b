//! One of a peer's objects, of whichever kind: what is the same for all of them.

use std::fmt;

use serde_json::Value;
use starling_proto::{
    ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, RoomId, TransportId,
    rest::{ChangeConsumer, ChangeDataConsumer, ChangeDataProducer, ChangeProducer},
};

use crate::{Client, Error, Events, peers::path};

/// One of a peer's objects. As text it is the last part of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A transport.
    Transport(TransportId),
    /// What it sends.
    Producer(ProducerId),
    /// What it gets.
    Consumer(ConsumerId),
    /// A data channel that it sends on.
    DataProducer(DataProducerId),
    /// One that it gets.
    DataConsumer(DataConsumerId),
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(id) => write!(f, "transports/{id}"),
            Self::Producer(id) => write!(f, "producers/{id}"),
            Self::Consumer(id) => write!(f, "consumers/{id}"),
            Self::DataProducer(id) => write!(f, "data-producers/{id}"),
            Self::DataConsumer(id) => write!(f, "data-consumers/{id}"),
        }
    }
}

impl Client {
    /// What the node holds of an object, in the fields of mediasoup's `dump`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn dump(&self, room: &RoomId, peer: &PeerId, of: &Object) -> Result<Value, Error> {
        self.get(&at(room, peer, of)).await
    }

    /// What it counts of it, in the fields of mediasoup's `getStats`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn stats(&self, room: &RoomId, peer: &PeerId, of: &Object) -> Result<Value, Error> {
        self.get(&format!("{}/stats", at(room, peer, of))).await
    }

    /// What passes it from now on: `trace` events, each a `starling_proto::trace::TraceEvent`, of
    /// these types or of all. Data channels have none.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn trace(
        &self,
        room: &RoomId,
        peer: &PeerId,
        of: &Object,
        types: &[&str],
    ) -> Result<Events, Error> {
        let query = match types {
            [] => String::new(),
            types => format!("?types={}", types.join(",")),
        };
        self.events(&format!("{}/trace{query}", at(room, peer, of))).await
    }

    /// Ends it. A transport ends with all that is on it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn close(&self, room: &RoomId, peer: &PeerId, of: &Object) -> Result<(), Error> {
        self.delete(&at(room, peer, of)).await
    }

    /// Pauses or resumes a producer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_producer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: &ProducerId,
        change: &ChangeProducer,
    ) -> Result<(), Error> {
        self.patch(&at(room, peer, &Object::Producer(id.clone())), change).await
    }

    /// Pauses or resumes a consumer, or changes its layers and priority.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_consumer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: &ConsumerId,
        change: &ChangeConsumer,
    ) -> Result<(), Error> {
        self.patch(&at(room, peer, &Object::Consumer(id.clone())), change).await
    }

    /// Pauses or resumes a data producer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_data_producer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: &DataProducerId,
        change: &ChangeDataProducer,
    ) -> Result<(), Error> {
        self.patch(&at(room, peer, &Object::DataProducer(id.clone())), change).await
    }

    /// Pauses or resumes a data consumer, or changes what it is in.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_data_consumer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: &DataConsumerId,
        change: &ChangeDataConsumer,
    ) -> Result<(), Error> {
        self.patch(&at(room, peer, &Object::DataConsumer(id.clone())), change).await
    }
}

fn at(room: &RoomId, peer: &PeerId, of: &Object) -> String {
    format!("{}/{of}", path(room, peer))
}
