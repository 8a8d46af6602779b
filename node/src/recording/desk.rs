//! What a recorder asks of the node that has its peer: over REST, or within the process.

use std::future::Future;

use starling_actors::Node;
use starling_proto::{
    ConsumerId, PeerId, Refusal, RoomId, TransportId,
    rest::{ConnectPlainTransport, ConsumerCreated, CreateConsumer, CreatePlainTransport},
};

/// The node, for one peer of one room.
pub(crate) trait Desk: Sync {
    /// What it refuses with.
    type Error: Send;

    /// Something on this machine went wrong.
    fn failed(why: String) -> Self::Error;

    /// Makes a plain transport.
    fn transport(
        &self,
        wish: CreatePlainTransport,
    ) -> impl Future<Output = Result<TransportId, Self::Error>> + Send;

    /// Says where it sends.
    fn connect(
        &self,
        transport: &TransportId,
        to: ConnectPlainTransport,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Has it send something.
    fn consume(
        &self,
        transport: &TransportId,
        wish: CreateConsumer,
    ) -> impl Future<Output = Result<ConsumerCreated, Self::Error>> + Send;

    /// Lets it begin.
    fn resume(&self, consumer: &ConsumerId)
    -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Ends a transport; it may have gone with its peer or the room.
    fn close(&self, transport: &TransportId) -> impl Future<Output = ()> + Send;
}

/// The node of this process.
#[derive(Clone)]
pub(super) struct Within {
    pub(super) node: Node,
    pub(super) room: RoomId,
    pub(super) peer: PeerId,
}

impl Desk for Within {
    type Error = Trouble;

    fn failed(why: String) -> Trouble {
        Trouble::Failed(why)
    }

    async fn transport(&self, wish: CreatePlainTransport) -> Result<TransportId, Trouble> {
        let made = self.node.create_plain_transport(&self.room, &self.peer, wish).await?;
        Ok(made.transport_id)
    }

    async fn connect(
        &self,
        transport: &TransportId,
        to: ConnectPlainTransport,
    ) -> Result<(), Trouble> {
        self.node.connect_plain_transport(&self.room, &self.peer, transport, to).await?;
        Ok(())
    }

    async fn consume(
        &self,
        transport: &TransportId,
        wish: CreateConsumer,
    ) -> Result<ConsumerCreated, Trouble> {
        Ok(self.node.plain_consume(&self.room, &self.peer, transport, wish).await?)
    }

    async fn resume(&self, consumer: &ConsumerId) -> Result<(), Trouble> {
        Ok(self.node.resume_consumer(&self.room, &self.peer, consumer).await?)
    }

    async fn close(&self, transport: &TransportId) {
        let _ = self.node.remove_transport(&self.room, &self.peer, transport).await;
    }
}

/// Why a track is not recorded.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The node refused: what was to be recorded may have ended.
    Refused(Refusal),
    /// This machine cannot.
    Failed(String),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
