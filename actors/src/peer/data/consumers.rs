//! Data channels that the peer gets: one for each that another sends on.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use starling_proto::{
    DataConsumerId, DataProducerId, PeerId, TransportId,
    roster::DataProducerEntry,
    sctp::STREAMS,
    signal::{NewDataConsumer, ServerNotification, ServerRequest},
};

use super::{Available, Consumer, DataCommand, DataRoomMsg, PeerState};
use crate::{data::Channel, fresh, limits::DATA_CONSUMERS_PER_PEER, session::ToClient};

impl PeerState {
    pub(in crate::peer) fn on_data_available(
        &mut self,
        peer: PeerId,
        entry: Arc<DataProducerEntry>,
    ) {
        let id = entry.id.clone();
        // A program asks for each, and a client that chooses has not asked.
        let asks = self.chooses || self.args.outbox.is_none();
        let consumed = self.channels.consumers.values().any(|it| it.producer == id);
        if !self.args.grants.subscribe || asks && !consumed {
            return;
        }
        self.channels.available.insert(id.clone(), Available { peer, entry });
        self.consume_data(&id);
    }

    /// All that is available and not consumed yet.
    pub(in crate::peer) fn consume_all_data(&mut self) {
        let ids: Vec<_> = self.channels.available.keys().cloned().collect();
        ids.iter().for_each(|id| self.consume_data(id));
    }

    pub(in crate::peer) fn consume_data(&mut self, producer: &DataProducerId) {
        let Some(transport) = self.receiving_transport().cloned() else { return };
        let Some(Available { peer, entry }) = self.channels.available.get(producer) else { return };
        let consumed = self.channels.consumers.values().any(|it| it.producer == *producer);
        if consumed || self.channels.consumers.len() >= DATA_CONSUMERS_PER_PEER {
            return;
        }
        let (peer, entry) = (peer.clone(), entry.clone());
        let Some(stream) = self.free_stream(&transport) else { return };
        let id: DataConsumerId = fresh::id();
        let consumer = Consumer {
            transport: transport.clone(),
            stream,
            delivery: entry.delivery,
            producer: producer.clone(),
            channel: Channel { label: entry.label.clone(), protocol: entry.protocol.clone() },
            accepted: false,
            paused: false,
            subchannels: BTreeSet::new(),
            low_threshold: 0,
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
    pub(in crate::peer) fn free_stream(&mut self, transport: &TransportId) -> Option<u16> {
        let mut all = (0..STREAMS).map(|n| (self.channels.next_stream + n) % STREAMS);
        let free = all.find(|stream| !self.channels.uses(transport, *stream))?;
        self.channels.next_stream = (free + 1) % STREAMS;
        Some(free)
    }

    /// The room gets the messages here; they begin to reach the client when it has answered.
    pub(in crate::peer) fn ask_to_consume(&self, id: &DataConsumerId) {
        let Some(consumer) = self.channels.consumers.get(id) else { return };
        // Still of a producer that is gone: the peer is about to hear it.
        if !self.channels.available.contains_key(&consumer.producer) {
            return;
        }
        let (consumer, producer) = (id.clone(), consumer.producer.clone());
        self.data_room(DataRoomMsg::Consume { peer: self.myself.clone(), consumer, producer });
        self.start_data_consumer(id);
    }

    pub(in crate::peer) fn on_data_answer(&mut self, id: &DataConsumerId, accepted: bool) {
        let Some(consumer) = self.channels.consumers.get_mut(id) else { return };
        if !accepted {
            return self.end_data_consumer(id);
        }
        consumer.accepted = true;
        self.start_data_consumer(id);
    }

    pub(in crate::peer) fn start_data_consumer(&self, id: &DataConsumerId) {
        let Some(consumer) = self.channels.consumers.get(id).filter(|it| it.accepted) else {
            return;
        };
        let Some(port) = self.port(&consumer.transport) else { return };
        let (stream, delivery) = (consumer.stream, consumer.delivery);
        self.data_room(DataRoomMsg::Start { consumer: id.clone(), port, stream, delivery });
        if consumer.paused {
            self.to_consumer(id, |id| DataCommand::PauseConsumer { id, paused: true });
        }
        if !consumer.subchannels.is_empty() {
            let subchannels = consumer.subchannels.clone();
            self.to_consumer(id, |id| DataCommand::Subchannels { id, subchannels });
        }
        if consumer.low_threshold > 0 {
            let threshold = consumer.low_threshold as usize;
            self.to_consumer(id, |id| DataCommand::LowThreshold { id, threshold });
        }
    }

    pub(in crate::peer) fn set_subchannels(
        &mut self,
        id: &DataConsumerId,
        subchannels: BTreeSet<u16>,
    ) {
        let Some(consumer) = self.channels.consumers.get_mut(id) else { return };
        consumer.subchannels = subchannels.clone();
        self.to_consumer(id, |id| DataCommand::Subchannels { id, subchannels });
    }

    pub(in crate::peer) fn pause_data_consumer(&mut self, id: &DataConsumerId, paused: bool) {
        let Some(consumer) = self.channels.consumers.get_mut(id) else { return };
        consumer.paused = paused;
        if consumer.accepted {
            self.to_consumer(id, |id| DataCommand::PauseConsumer { id, paused });
        }
    }

    pub(in crate::peer) fn end_data_consumer(&mut self, id: &DataConsumerId) {
        self.to_consumer(id, DataCommand::CloseConsumer);
        if self.channels.consumers.remove(id).is_some() {
            self.data_room(DataRoomMsg::Unconsume(id.clone()));
        }
    }

    pub(in crate::peer) fn on_data_replaced(
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

    pub(in crate::peer) fn interrupted(&self, producer: &DataProducerId, reason: &str) {
        for data_consumer_id in self.consumers_of_data(producer) {
            let reason = reason.to_owned();
            self.notify(ServerNotification::DataConsumerInterrupted { data_consumer_id, reason });
        }
    }

    pub(in crate::peer) fn consumers_of_data(
        &self,
        producer: &DataProducerId,
    ) -> Vec<DataConsumerId> {
        let of = self.channels.consumers.iter().filter(|(_, it)| it.producer == *producer);
        of.map(|(id, _)| id.clone()).collect()
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
