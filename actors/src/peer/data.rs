//! The peer's data channels: those it sends on, and one for each that another sends on. A consumer
//! begins when the client has opened its end, so that it gets every message from its first on.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use starling_media::negotiation::stream_delivery;
use starling_proto::{
    Code, DataConsumerId, DataProducerId, PeerId, Refusal, TransportId,
    json::Json,
    roster::DataProducerEntry,
    sctp::{Delivery, STREAMS},
    signal::{ClientNotification, NewDataConsumer, ProduceData, ServerNotification, ServerRequest},
};

use super::{
    PeerState, too_many,
    transports::{Transport, check_free_json, no_transport},
};
use crate::{
    data::{Channel, DataCommand, DataEvent, DataPort, StatsOf},
    fresh,
    limits::{CHANNEL_NAME, DATA_CONSUMERS_PER_PEER, DATA_PRODUCERS_PER_PEER, SUBCHANNELS},
    node::Reply,
    room::{DataRoomMsg, RoomMsg},
    session::ToClient,
};

/// What a peer is told about data channels.
pub(crate) enum DataPeerMsg {
    /// A data producer of another peer is there, or is now this.
    Available { peer: PeerId, entry: Arc<DataProducerEntry> },
    /// It goes on under another id.
    Replaced { peer: PeerId, old: DataProducerId, entry: Arc<DataProducerEntry> },
    /// It is gone.
    Gone(DataProducerId),
    /// It paused or resumed.
    Paused { producer: DataProducerId, paused: bool },
    /// The room does not know what the consumer is of, any more.
    NotConsumed(DataConsumerId),
    /// Messages for it may be missing.
    Interrupted { producer: DataProducerId, reason: String },
}

/// See the module.
#[derive(Default)]
pub(super) struct Channels {
    producers: BTreeMap<DataProducerId, Own>,
    consumers: BTreeMap<DataConsumerId, Consumer>,
    /// Of others, consumed or not yet.
    available: BTreeMap<DataProducerId, Available>,
    next_stream: u16,
}

struct Own {
    transport: TransportId,
    stream: u16,
    channel: Channel,
}

struct Consumer {
    transport: TransportId,
    stream: u16,
    delivery: Delivery,
    producer: DataProducerId,
    channel: Channel,
    /// The client has answered.
    accepted: bool,
    /// What it wished before it had.
    paused: bool,
}

struct Available {
    peer: PeerId,
    entry: Arc<DataProducerEntry>,
}

impl PeerState {
    pub(super) fn produce_data(&mut self, produce: ProduceData) -> Result<Value, Refusal> {
        if !self.joined {
            return Err(Refusal::new(Code::WrongState, "join before you produce"));
        }
        if !self.args.grants.publish {
            return Err(Refusal::new(Code::Forbidden, "the token does not grant publishing")
                .hint("ask for a token with publish"));
        }
        if self.channels.producers.len() >= DATA_PRODUCERS_PER_PEER {
            return Err(too_many("data producers", DATA_PRODUCERS_PER_PEER));
        }
        let ProduceData { transport_id: transport, sctp_stream_parameters: wanted, .. } = produce;
        let Some(Transport::WebRtc { producing: true, data, .. }) = self.transports.get(&transport)
        else {
            return Err(no_transport(&transport)
                .hint("produce on the transport created with direction 'producer'"));
        };
        let port = data.clone();
        let delivery = stream_delivery(&wanted)?;
        let stream = wanted.stream_id;
        let used = |own: &Own| own.transport == transport && own.stream == stream;
        if self.channels.producers.values().any(used) {
            let message = format!("another data producer of this transport has stream {stream}");
            return Err(Refusal::new(Code::BadRequest, message));
        }
        let ProduceData { label, protocol, paused, app_data, .. } = produce;
        if label.len() > CHANNEL_NAME || protocol.len() > CHANNEL_NAME {
            let message = format!("label and protocol have at most {CHANNEL_NAME} bytes each");
            return Err(Refusal::new(Code::TooLarge, message));
        }
        check_free_json("appData", &app_data)?;
        let channel = Channel { label: label.clone(), protocol: protocol.clone() };
        let id: DataProducerId = fresh::id();
        let app_data = Json(app_data);
        let entry =
            DataProducerEntry { id: id.clone(), label, protocol, delivery, paused, app_data };
        self.data_room(DataRoomMsg::Produce {
            peer: self.args.id.clone(),
            incarnation: self.args.incarnation,
            port,
            stream,
            entry: Box::new(entry),
        });
        self.channels.producers.insert(id.clone(), Own { transport, stream, channel });
        Ok(json!({ "dataProducerId": id }))
    }

    pub(super) fn on_data_notification(&mut self, notification: ClientNotification) {
        match notification {
            ClientNotification::CloseDataProducer(id) => self.close_data_producer(&id),
            ClientNotification::PauseDataProducer(id) => self.pause_data_producer(id, true),
            ClientNotification::ResumeDataProducer(id) => self.pause_data_producer(id, false),
            ClientNotification::CloseDataConsumer(id) => self.end_data_consumer(&id),
            ClientNotification::PauseDataConsumer(id) => self.pause_data_consumer(&id, true),
            ClientNotification::ResumeDataConsumer(id) => self.pause_data_consumer(&id, false),
            ClientNotification::SetDataConsumerSubchannels(id, subchannels) => {
                let subchannels = subchannels.into_iter().take(SUBCHANNELS).collect();
                self.to_consumer(&id, |id| DataCommand::Subchannels { id, subchannels });
            }
            ClientNotification::SetDataConsumerBufferedAmountLowThreshold(id, threshold) => {
                let threshold = threshold as usize;
                self.to_consumer(&id, |id| DataCommand::LowThreshold { id, threshold });
            }
            _ => {}
        }
    }

    pub(super) fn handle_data(&mut self, message: DataPeerMsg) {
        match message {
            DataPeerMsg::Available { peer, entry } => self.on_data_available(peer, entry),
            DataPeerMsg::Replaced { peer, old, entry } => self.on_data_replaced(peer, &old, entry),
            DataPeerMsg::Gone(producer) => {
                self.channels.available.remove(&producer);
                for data_consumer_id in self.consumers_of_data(&producer) {
                    self.end_data_consumer(&data_consumer_id);
                    let reason = None;
                    self.notify(ServerNotification::DataConsumerClosed {
                        data_consumer_id,
                        reason,
                    });
                }
            }
            DataPeerMsg::Paused { producer, paused } => {
                for data_consumer_id in self.consumers_of_data(&producer) {
                    self.notify(if paused {
                        ServerNotification::DataConsumerPaused { data_consumer_id }
                    } else {
                        ServerNotification::DataConsumerResumed { data_consumer_id }
                    });
                }
            }
            DataPeerMsg::NotConsumed(id) => self.ask_to_consume(&id),
            DataPeerMsg::Interrupted { producer, reason } => self.interrupted(&producer, &reason),
        }
    }

    /// What the session of a transport has to say.
    pub(super) fn on_data_event(&mut self, event: DataEvent) {
        match event {
            DataEvent::ProducerClosed { id, reason } => {
                if self.channels.producers.contains_key(&id) {
                    self.close_data_producer(&id);
                    let data_producer_id = id;
                    self.notify(ServerNotification::DataProducerClosed {
                        data_producer_id,
                        reason,
                    });
                }
            }
            DataEvent::ConsumerClosed { id, reason } => {
                if self.channels.consumers.contains_key(&id) {
                    self.end_data_consumer(&id);
                    let (data_consumer_id, reason) = (id, Some(reason));
                    self.notify(ServerNotification::DataConsumerClosed {
                        data_consumer_id,
                        reason,
                    });
                }
            }
            DataEvent::BufferedAmountLow { id, amount } => {
                let (data_consumer_id, buffered_amount) = (id, amount);
                self.notify(ServerNotification::DataConsumerBufferedAmountLow {
                    data_consumer_id,
                    buffered_amount,
                });
            }
        }
    }

    fn on_data_available(&mut self, peer: PeerId, entry: Arc<DataProducerEntry>) {
        // A program's peer has no channels, and a client that chooses has not asked.
        if !self.args.grants.subscribe || self.chooses || self.args.outbox.is_none() {
            return;
        }
        let id = entry.id.clone();
        self.channels.available.insert(id.clone(), Available { peer, entry });
        self.consume_data(&id);
    }

    /// All that is available and not consumed yet.
    pub(super) fn consume_all_data(&mut self) {
        let ids: Vec<_> = self.channels.available.keys().cloned().collect();
        ids.iter().for_each(|id| self.consume_data(id));
    }

    fn consume_data(&mut self, producer: &DataProducerId) {
        let Some(transport) = self.receiving_transport().cloned() else { return };
        let Some(Available { peer, entry }) = self.channels.available.get(producer) else { return };
        let consumed = self.channels.consumers.values().any(|it| it.producer == *producer);
        if consumed || self.channels.consumers.len() >= DATA_CONSUMERS_PER_PEER {
            return;
        }
        let (peer, entry) = (peer.clone(), entry.clone());
        let Some(stream) = self.free_stream() else { return };
        let id: DataConsumerId = fresh::id();
        let consumer = Consumer {
            transport: transport.clone(),
            stream,
            delivery: entry.delivery,
            producer: producer.clone(),
            channel: Channel { label: entry.label.clone(), protocol: entry.protocol.clone() },
            accepted: false,
            paused: false,
        };
        self.channels.consumers.insert(id.clone(), consumer);
        self.ask_to_consume(&id);
        self.tell(ToClient::Request(ServerRequest::NewDataConsumer(Box::new(NewDataConsumer {
            app_data: app_data(&entry, &peer),
            peer_id: peer,
            transport_id: transport,
            data_consumer_id: id,
            data_producer_id: producer.clone(),
            sctp_stream_parameters: entry.delivery.on(stream),
            label: entry.label.clone(),
            protocol: entry.protocol.clone(),
            data_producer_paused: entry.paused,
        }))));
    }

    /// In a circle, so that a stream has long been reset when it is used again.
    fn free_stream(&mut self) -> Option<u16> {
        let used = |stream: &u16| self.channels.consumers.values().any(|it| it.stream == *stream);
        let mut all = (0..STREAMS).map(|n| (self.channels.next_stream + n) % STREAMS);
        let free = all.find(|stream| !used(stream))?;
        self.channels.next_stream = (free + 1) % STREAMS;
        Some(free)
    }

    /// The room gets the messages here; they begin to reach the client when it has answered.
    fn ask_to_consume(&self, id: &DataConsumerId) {
        let Some(consumer) = self.channels.consumers.get(id) else { return };
        // Still of a producer that is gone: the peer is about to hear it.
        if !self.channels.available.contains_key(&consumer.producer) {
            return;
        }
        let (consumer, producer) = (id.clone(), consumer.producer.clone());
        self.data_room(DataRoomMsg::Consume { peer: self.myself.clone(), consumer, producer });
        self.start_data_consumer(id);
    }

    pub(super) fn on_data_answer(&mut self, id: &DataConsumerId, accepted: bool) {
        let Some(consumer) = self.channels.consumers.get_mut(id) else { return };
        if !accepted {
            return self.end_data_consumer(id);
        }
        consumer.accepted = true;
        self.start_data_consumer(id);
    }

    fn start_data_consumer(&self, id: &DataConsumerId) {
        let Some(consumer) = self.channels.consumers.get(id).filter(|it| it.accepted) else {
            return;
        };
        let Some(port) = self.port(&consumer.transport) else { return };
        let (stream, delivery) = (consumer.stream, consumer.delivery);
        self.data_room(DataRoomMsg::Start { consumer: id.clone(), port, stream, delivery });
        if consumer.paused {
            self.to_consumer(id, |id| DataCommand::PauseConsumer { id, paused: true });
        }
    }

    fn pause_data_consumer(&mut self, id: &DataConsumerId, paused: bool) {
        let Some(consumer) = self.channels.consumers.get_mut(id) else { return };
        consumer.paused = paused;
        if consumer.accepted {
            self.to_consumer(id, |id| DataCommand::PauseConsumer { id, paused });
        }
    }

    pub(super) fn end_data_consumer(&mut self, id: &DataConsumerId) {
        self.to_consumer(id, DataCommand::CloseConsumer);
        if self.channels.consumers.remove(id).is_some() {
            self.data_room(DataRoomMsg::Unconsume(id.clone()));
        }
    }

    fn close_data_producer(&mut self, id: &DataProducerId) {
        let Some(own) = self.channels.producers.remove(id) else { return };
        if let Some(port) = self.port(&own.transport) {
            let command = DataCommand::CloseProducer(id.clone());
            self.data_room(DataRoomMsg::Forward { port, command });
        }
        let (peer, producer) = (self.args.id.clone(), id.clone());
        self.data_room(DataRoomMsg::Close { peer, producer });
    }

    fn pause_data_producer(&self, producer: DataProducerId, paused: bool) {
        if self.channels.producers.contains_key(&producer) {
            let peer = self.args.id.clone();
            self.data_room(DataRoomMsg::Pause { peer, producer, paused });
        }
    }

    /// A transport ended, and with it what was on it.
    pub(super) fn end_channels(&mut self, transport: &TransportId) {
        let of = &self.channels;
        let producers = of.producers.iter().filter(|(_, own)| own.transport == *transport);
        let producers: Vec<_> = producers.map(|(id, _)| id.clone()).collect();
        let consumers = of.consumers.iter().filter(|(_, it)| it.transport == *transport);
        let consumers: Vec<_> = consumers.map(|(id, _)| id.clone()).collect();
        producers.iter().for_each(|id| self.close_data_producer(id));
        consumers.iter().for_each(|id| self.end_data_consumer(id));
    }

    /// Its session is over.
    pub(super) fn leave_channels(&mut self) {
        for id in std::mem::take(&mut self.channels.consumers).into_keys() {
            self.data_room(DataRoomMsg::Unconsume(id));
        }
    }

    fn on_data_replaced(
        &mut self,
        peer: PeerId,
        old: &DataProducerId,
        entry: Arc<DataProducerEntry>,
    ) {
        let id = entry.id.clone();
        for consumer in self.channels.consumers.values_mut().filter(|it| it.producer == *old) {
            consumer.producer = id.clone();
        }
        self.channels.available.remove(old);
        self.on_data_available(peer, entry);
        self.interrupted(&id, "its peer has connected again");
    }

    fn interrupted(&self, producer: &DataProducerId, reason: &str) {
        for data_consumer_id in self.consumers_of_data(producer) {
            let reason = reason.to_owned();
            self.notify(ServerNotification::DataConsumerInterrupted { data_consumer_id, reason });
        }
    }

    fn consumers_of_data(&self, producer: &DataProducerId) -> Vec<DataConsumerId> {
        let of = self.channels.consumers.iter().filter(|(_, it)| it.producer == *producer);
        of.map(|(id, _)| id.clone()).collect()
    }

    /// Ids of the data producers and data consumers on a transport.
    pub(super) fn channels_of(
        &self,
        transport: &TransportId,
    ) -> (Vec<&DataProducerId>, Vec<&DataConsumerId>) {
        let own = self.channels.producers.iter().filter(|(_, own)| own.transport == *transport);
        let consumers = self.channels.consumers.iter().filter(|(_, it)| it.transport == *transport);
        (own.map(|(id, _)| id).collect(), consumers.map(|(id, _)| id).collect())
    }

    pub(super) fn data_producer_stats(&self, id: &DataProducerId, reply: Reply<Value>) {
        let own = self.channels.producers.get(id);
        let of = own.map(|own| StatsOf::Producer(id.clone(), own.channel.clone()));
        self.channel_stats(own.map(|own| &own.transport), of, reply);
    }

    pub(super) fn data_consumer_stats(&self, id: &DataConsumerId, reply: Reply<Value>) {
        let consumer = self.channels.consumers.get(id);
        let of = consumer.map(|it| StatsOf::Consumer(id.clone(), it.channel.clone()));
        self.channel_stats(consumer.map(|it| &it.transport), of, reply);
    }

    fn channel_stats(
        &self,
        transport: Option<&TransportId>,
        of: Option<StatsOf>,
        reply: Reply<Value>,
    ) {
        let port = transport.and_then(|transport| self.port(transport));
        match (port, of) {
            (Some(port), Some(of)) => {
                let command = DataCommand::Stats { of, reply };
                self.data_room(DataRoomMsg::Forward { port, command });
            }
            (None, _) | (_, None) => {
                let refusal = Refusal::new(Code::BadRequest, "this peer has no such object");
                let _ = reply.send(Err(refusal));
            }
        }
    }

    /// By way of the room, behind what was said to it about the consumer before.
    fn to_consumer(
        &self,
        id: &DataConsumerId,
        command: impl FnOnce(DataConsumerId) -> DataCommand,
    ) {
        let Some(consumer) = self.channels.consumers.get(id) else { return };
        if let Some(port) = self.port(&consumer.transport) {
            self.data_room(DataRoomMsg::Forward { port, command: command(id.clone()) });
        }
    }

    fn port(&self, transport: &TransportId) -> Option<DataPort> {
        match self.transports.get(transport) {
            Some(Transport::WebRtc { data, .. }) => Some(data.clone()),
            Some(Transport::Plain(_) | Transport::Direct) | None => None,
        }
    }

    fn data_room(&self, message: DataRoomMsg) {
        self.to_room(RoomMsg::Data(message));
    }
}

/// The data producer's `appData`, with whose it is, as mediasoup-demo has it.
fn app_data(entry: &DataProducerEntry, peer: &PeerId) -> Value {
    let mut data = match &entry.app_data.0 {
        Value::Object(map) => map.clone(),
        _ => serde_json::Map::new(),
    };
    data.insert("peerId".into(), json!(peer));
    data.entry("channel").or_insert_with(|| json!(entry.label));
    Value::Object(data)
}
