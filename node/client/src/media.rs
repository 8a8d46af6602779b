//! Transports, producers and consumers of a program's peer.

use starling_proto::{
    ConsumerId, PeerId, RoomId, TransportId,
    rest::{
        ConnectPlainTransport, ConnectTransport, ConsumerCreated, CreateConsumer,
        CreateDataConsumer, CreateDataProducer, CreatePlainTransport, CreateProducer,
        CreateTransport, DataConsumerCreated, DataProducerCreated, IceRestarted,
        PlainTransportInfo, ProducerCreated, TransportBitrates, TransportConnected,
        TransportCreated,
    },
};

use crate::{Client, Error, peers::path};

impl Client {
    /// Gives a peer a transport of either kind.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        wish: &CreateTransport,
    ) -> Result<TransportCreated, Error> {
        self.post(&format!("{}/transports", path(room, peer)), wish).await
    }

    /// Connects a transport of either kind, once.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn connect_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        wish: &ConnectTransport,
    ) -> Result<TransportConnected, Error> {
        self.post(&format!("{}/connect", on(room, peer, transport)), wish).await
    }

    /// Gives a WebRTC transport new ICE credentials.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn restart_ice(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
    ) -> Result<IceRestarted, Error> {
        self.post(&format!("{}/restart-ice", on(room, peer, transport)), &()).await
    }

    /// Limits what a transport sends and receives.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn set_bitrates(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        limits: &TransportBitrates,
    ) -> Result<(), Error> {
        self.put(&format!("{}/bitrates", on(room, peer, transport)), limits).await
    }

    /// Starts a data producer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn produce_data(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        wish: &CreateDataProducer,
    ) -> Result<DataProducerCreated, Error> {
        self.post(&format!("{}/data-producers", on(room, peer, transport)), wish).await
    }

    /// Starts a data consumer.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn consume_data(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        wish: &CreateDataConsumer,
    ) -> Result<DataConsumerCreated, Error> {
        self.post(&format!("{}/data-consumers", on(room, peer, transport)), wish).await
    }

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
        self.post(&format!("{}/connect", on(room, peer, transport)), wish).await
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
        self.delete(&on(room, peer, transport)).await
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
        self.post(&format!("{}/producers", on(room, peer, transport)), wish).await
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
        self.post(&format!("{}/consumers", on(room, peer, transport)), wish).await
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

fn on(room: &RoomId, peer: &PeerId, transport: &TransportId) -> String {
    format!("{}/transports/{transport}", path(room, peer))
}
