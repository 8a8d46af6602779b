//! Data channels of programs' peers, as the program asks for them. Never decides; every method is a
//! question to the actor that owns the answer.

use serde_json::Value;
use starling_proto::{
    DataConsumerId, DataProducerId, PeerId, Refusal, RoomId, TransportId,
    rest::{
        ChangeDataConsumer, ChangeDataProducer, CreateDataConsumer, CreateDataProducer,
        DataConsumerCreated, DataProducerCreated,
    },
};

use super::{Node, ask};
use crate::{peer::ProgramMsg, room::RoomMsg};

impl Node {
    /// Starts a data producer on a plain transport with SCTP, or on a direct one.
    ///
    /// # Errors
    /// `transport_not_found`, `bad_request`, `limit_reached`.
    pub async fn produce_data(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        producer: CreateDataProducer,
    ) -> Result<DataProducerCreated, Refusal> {
        let (transport, producer) = (transport.clone(), Box::new(producer));
        self.ask_program(room, peer, |reply| ProgramMsg::ProduceData { transport, producer, reply })
            .await
    }

    /// Starts a data consumer on such a transport.
    ///
    /// # Errors
    /// `transport_not_found`, `producer_not_found`, `bad_request`, `limit_reached`.
    pub async fn consume_data(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        consumer: CreateDataConsumer,
    ) -> Result<DataConsumerCreated, Refusal> {
        let (room, peer) = (self.room_ref(room).await?, peer.clone());
        let transport = transport.clone();
        ask(&room, |reply| RoomMsg::ProgramConsumeData { peer, transport, consumer, reply }).await
    }

    /// Ends a data producer of a peer.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, `producer_not_found` (`consumer_not_found` of
    /// consumers).
    pub async fn close_data_producer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: DataProducerId,
    ) -> Result<(), Refusal> {
        self.ask_program(room, peer, |reply| ProgramMsg::CloseDataProducer(id, reply)).await
    }

    /// Ends a data consumer of a peer.
    ///
    /// # Errors
    /// As [`Node::close_data_producer`].
    pub async fn close_data_consumer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: DataConsumerId,
    ) -> Result<(), Refusal> {
        self.ask_program(room, peer, |reply| ProgramMsg::CloseDataConsumer(id, reply)).await
    }

    /// Pauses a data producer, or lets it go on.
    ///
    /// # Errors
    /// As [`Node::close_data_producer`].
    pub async fn change_data_producer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: DataProducerId,
        change: ChangeDataProducer,
    ) -> Result<(), Refusal> {
        let ask = |reply| ProgramMsg::ChangeDataProducer { id, change, reply };
        self.ask_program(room, peer, ask).await
    }

    /// Changes a data consumer.
    ///
    /// # Errors
    /// As [`Node::close_data_producer`]; `too_large`.
    pub async fn change_data_consumer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: DataConsumerId,
        change: ChangeDataConsumer,
    ) -> Result<(), Refusal> {
        let ask = |reply| ProgramMsg::ChangeDataConsumer { id, change, reply };
        self.ask_program(room, peer, ask).await
    }

    /// mediasoup's statistics of a data producer, or its dump.
    ///
    /// # Errors
    /// As [`Node::close_data_producer`].
    pub async fn inspect_data_producer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: DataProducerId,
        dump: bool,
    ) -> Result<Value, Refusal> {
        let ask = |reply| ProgramMsg::InspectDataProducer { id, dump, reply };
        self.ask_program(room, peer, ask).await
    }

    /// mediasoup's statistics of a data consumer, or its dump.
    ///
    /// # Errors
    /// As [`Node::close_data_producer`].
    pub async fn inspect_data_consumer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        id: DataConsumerId,
        dump: bool,
    ) -> Result<Value, Refusal> {
        let ask = |reply| ProgramMsg::InspectDataConsumer { id, dump, reply };
        self.ask_program(room, peer, ask).await
    }
}
