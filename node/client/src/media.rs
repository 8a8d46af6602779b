//! Transports, producers and consumers of a program's peer.

use starling_proto::{
    ConsumerId, PeerId, RoomId, TransportId,
    rest::{
        ConnectPlainTransport, ConsumerCreated, CreateConsumer, CreatePlainTransport,
        CreateProducer, PlainTransportInfo, ProducerCreated,
    },
};

use crate::{Client, Error, peers::path};

impl Client {
    /// Gives a peer a plain RTP transport.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_plain_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        wish: &CreatePlainTransport,
    ) -> Result<PlainTransportInfo, Error> {
        self.post(&format!("{}/transports", path(room, peer)), wish).await
    }

    /// Tells a transport where to send.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn connect_plain_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        wish: &ConnectPlainTransport,
    ) -> Result<PlainTransportInfo, Error> {
        self.post(&format!("{}/transports/{transport}/connect", path(room, peer)), wish).await
    }

    /// Ends a transport, with what it produces and consumes.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn remove_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
    ) -> Result<(), Error> {
        self.delete(&format!("{}/transports/{transport}", path(room, peer))).await
    }

    /// Starts a producer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn produce(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        wish: &CreateProducer,
    ) -> Result<ProducerCreated, Error> {
        self.post(&format!("{}/transports/{transport}/producers", path(room, peer)), wish).await
    }

    /// Starts a consumer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn consume(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        wish: &CreateConsumer,
    ) -> Result<ConsumerCreated, Error> {
        self.post(&format!("{}/transports/{transport}/consumers", path(room, peer)), wish).await
    }

    /// Resumes a consumer that was made paused.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn resume_consumer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        consumer: &ConsumerId,
    ) -> Result<(), Error> {
        self.post(&format!("{}/consumers/{consumer}/resume", path(room, peer)), &()).await
    }

    /// Asks the sender of what a consumer gets for a key frame.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn request_key_frame(
        &self,
        room: &RoomId,
        peer: &PeerId,
        consumer: &ConsumerId,
    ) -> Result<(), Error> {
        self.post(&format!("{}/consumers/{consumer}/keyframe", path(room, peer)), &()).await
    }
}
