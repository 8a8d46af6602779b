//! The peer's data channels: those it sends on, and one for each that another sends on. A consumer
//! begins when the client has opened its end, so that it gets every message from its first on.

mod consumers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};
use starling_media::negotiation::stream_delivery;
use starling_proto::{
    Code, DataConsumerId, DataProducerId, PeerId, Refusal, TransportId,
    json::Json,
    roster::DataProducerEntry,
    sctp::{Delivery, SctpState, SctpStreamParameters},
    signal::{ClientNotification, ProduceData, ServerNotification},
};

use super::{
    PeerState, too_many,
    transports::{Transport, Way, check_free_json, no_transport},
};
use crate::{
    data::{Channel, DataCommand, DataEvent, DataPort, StatsOf},
    fresh,
    limits::{CHANNEL_NAME, DATA_PRODUCERS_PER_PEER, SUBCHANNELS},
    node::Reply,
    room::{DataRoomMsg, RoomMsg},
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

/// What is said of a data producer beside its stream.
pub(super) struct NewChannel {
    pub(super) label: String,
    pub(super) protocol: String,
    pub(super) paused: bool,
    pub(super) app_data: Value,
}

/// See the module.
#[derive(Default)]
pub(super) struct Channels {
    pub(super) producers: BTreeMap<DataProducerId, Own>,
    pub(super) consumers: BTreeMap<DataConsumerId, Consumer>,
    /// Of others, consumed or not yet.
    pub(super) available: BTreeMap<DataProducerId, Available>,
    next_stream: u16,
}

impl Channels {
    /// Whether a stream of a transport is in use.
    fn uses(&self, transport: &TransportId, stream: u16) -> bool {
        let same = |on: &TransportId, its: u16| on == transport && its == stream;
        self.producers.values().any(|it| same(&it.transport, it.stream))
            || self.consumers.values().any(|it| same(&it.transport, it.stream))
    }
}

pub(super) struct Own {
    pub(super) transport: TransportId,
    pub(super) stream: u16,
    pub(super) delivery: Delivery,
    pub(super) channel: Channel,
    pub(super) paused: bool,
    pub(super) app_data: Value,
}

pub(super) struct Consumer {
    pub(super) transport: TransportId,
    pub(super) stream: u16,
    pub(super) delivery: Delivery,
    pub(super) producer: DataProducerId,
    pub(super) channel: Channel,
    /// The client has answered.
    pub(super) accepted: bool,
    /// What it wished before it had.
    pub(super) paused: bool,
    /// What it is in.
    pub(super) subchannels: BTreeSet<u16>,
    pub(super) low_threshold: u32,
}

pub(super) struct Available {
    pub(super) peer: PeerId,
    pub(super) entry: Arc<DataProducerEntry>,
}

impl PeerState {
    pub(super) fn produce_data(&mut self, produce: ProduceData) -> Result<Value, Refusal> {
        if !self.joined {
            return Err(Refusal::new(Code::WrongState, "join before you produce"));
        }
        self.args.grants.check_data()?;
        let ProduceData { transport_id: transport, sctp_stream_parameters: wanted, .. } = produce;
        let Some(Transport::WebRtc { way: Way::FromClient, data, .. }) =
            self.transports.get(&transport)
        else {
            return Err(no_transport(&transport)
                .hint("produce on the transport created with direction 'producer'"));
        };
        let port = data.clone();
        let ProduceData { label, protocol, paused, app_data, .. } = produce;
        let channel = NewChannel { label, protocol, paused, app_data };
        let id = self.start_data_producer(transport, port, &wanted, channel)?;
        Ok(json!({ "dataProducerId": id }))
    }

    /// Starts a data producer on a transport, to whose session `port` leads.
    pub(super) fn start_data_producer(
        &mut self,
        transport: TransportId,
        port: DataPort,
        wanted: &SctpStreamParameters,
        channel: NewChannel,
    ) -> Result<DataProducerId, Refusal> {
        if self.channels.producers.len() >= DATA_PRODUCERS_PER_PEER {
            return Err(too_many("data producers", DATA_PRODUCERS_PER_PEER));
        }
        let delivery = stream_delivery(wanted)?;
        let stream = wanted.stream_id;
        if self.channels.uses(&transport, stream) {
            let message = format!("something else of this transport has stream {stream}");
            return Err(Refusal::new(Code::BadRequest, message));
        }
        let NewChannel { label, protocol, paused, app_data } = channel;
        if label.len() > CHANNEL_NAME || protocol.len() > CHANNEL_NAME {
            let message = format!("label and protocol have at most {CHANNEL_NAME} bytes each");
            return Err(Refusal::new(Code::TooLarge, message));
        }
        check_free_json("appData", &app_data)?;
        let channel = Channel { label: label.clone(), protocol: protocol.clone() };
        let id: DataProducerId = fresh::id();
        let own = Own { transport, stream, delivery, channel, paused, app_data: app_data.clone() };
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
        self.channels.producers.insert(id.clone(), own);
        Ok(id)
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
                let subchannels: BTreeSet<_> = subchannels.into_iter().take(SUBCHANNELS).collect();
                self.set_subchannels(&id, subchannels);
            }
            ClientNotification::SetDataConsumerBufferedAmountLowThreshold(id, threshold) => {
                self.set_low_threshold(&id, threshold);
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
                if let Some(available) = self.channels.available.get_mut(&producer) {
                    Arc::make_mut(&mut available.entry).paused = paused;
                }
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

    pub(super) fn close_data_producer(&mut self, id: &DataProducerId) {
        let Some(own) = self.channels.producers.remove(id) else { return };
        if let Some(port) = self.port(&own.transport) {
            let command = DataCommand::CloseProducer(id.clone());
            self.data_room(DataRoomMsg::Forward { port, command });
        }
        let (peer, producer) = (self.args.id.clone(), id.clone());
        self.data_room(DataRoomMsg::Close { peer, producer });
    }

    pub(super) fn pause_data_producer(&mut self, producer: DataProducerId, paused: bool) {
        if let Some(own) = self.channels.producers.get_mut(&producer) {
            own.paused = paused;
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
        let direct = transport.is_some_and(|it| self.sctp_state(it).is_none());
        match (port, of) {
            // Nobody is there to answer, and there is nothing to tell.
            (Some(port), Some(of)) if !direct && port.state() == SctpState::New => {
                let _ = reply.send(Ok(of.of_nothing()));
            }
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
    pub(super) fn to_consumer(
        &self,
        id: &DataConsumerId,
        command: impl FnOnce(DataConsumerId) -> DataCommand,
    ) {
        let Some(consumer) = self.channels.consumers.get(id) else { return };
        if let Some(port) = self.port(&consumer.transport) {
            self.data_room(DataRoomMsg::Forward { port, command: command(id.clone()) });
        }
    }

    pub(super) fn port(&self, transport: &TransportId) -> Option<DataPort> {
        match self.transports.get(transport) {
            Some(Transport::WebRtc { data, .. } | Transport::Direct(data)) => Some(data.clone()),
            Some(Transport::Plain(plain)) => plain.data.clone(),
            None => None,
        }
    }

    fn data_room(&self, message: DataRoomMsg) {
        self.to_room(RoomMsg::Data(message));
    }
}
