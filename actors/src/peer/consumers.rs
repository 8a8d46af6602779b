//! The peer's consumers: one for each producer of the others that it can decode. Made paused,
//! resumed when the client has accepted it, so that no key frame is lost on a client that is not
//! ready.

use std::sync::Arc;

use serde_json::{Value, json};
use starling_media::{
    command::ConsumerParams,
    negotiation::{ConsumerOptions, can_consume, consumer_parameters},
};
use starling_proto::{
    Code, ConsumerId, MediaKind, PeerId, ProducerId, Refusal, RtpParameters, TransportId,
    observer::Happened,
    roster::ProducerEntry,
    rtp::ConsumerLayers,
    signal::{NewConsumer, ServerNotification, ServerRequest},
};

use super::{PeerState, chosen::summary, quality::Quality};
use crate::{
    fresh,
    limits::CONSUMERS_PER_PEER,
    node::Of,
    room::{Consume, RoomMsg},
    router::RouterMsg,
    session::ToClient,
};

/// A consumer of this peer.
pub(super) struct Consumer {
    pub(super) transport: TransportId,
    pub(super) producer: ProducerId,
    /// The client has answered, or needs not.
    accepted: bool,
    /// The client's wish.
    paused: bool,
    /// Last-N leaves it out.
    pub(super) suspended: bool,
    /// What the room could not do yet: the producer's peer has moved and not produced again.
    refused: Option<Box<Consume>>,
    pub(super) quality: Quality,
}

/// How a consumer begins, as its client wishes.
pub(super) struct Start {
    pub(super) paused: bool,
    /// Without packets of silence.
    pub(super) ignore_dtx: bool,
    /// Highest layers wanted.
    pub(super) preferred: Option<ConsumerLayers>,
}

/// A producer of another peer. The room's peers share what it says.
pub(super) struct Available {
    pub(super) peer: PeerId,
    pub(super) entry: Arc<ProducerEntry>,
    /// Newer than the entry's.
    pub(super) paused: bool,
}

impl Consumer {
    /// Nothing is to be sent on it.
    pub(super) const fn is_stopped(&self) -> bool {
        !self.accepted || self.paused || self.suspended
    }
}

impl PeerState {
    pub(super) fn on_available(&mut self, peer: PeerId, entry: Arc<ProducerEntry>) {
        if self.chooses {
            self.notify(ServerNotification::NewProducer(Box::new(summary(&peer, &entry, None))));
            return self.learn([(peer, entry)]);
        }
        // A program says itself what it consumes, and a client without capabilities never does.
        if self.capabilities.is_none() {
            return;
        }
        let (id, paused) = (entry.id.clone(), entry.paused);
        self.available.insert(id.clone(), Available { peer, entry, paused });
        self.consume(&id);
    }

    /// Remembers what can be consumed.
    pub(super) fn learn(&mut self, these: impl IntoIterator<Item = (PeerId, Arc<ProducerEntry>)>) {
        for (peer, entry) in these {
            let (id, paused) = (entry.id.clone(), entry.paused);
            self.available.insert(id, Available { peer, entry, paused });
        }
    }

    /// All that is available and not consumed yet: after `join`, or when a transport for it is
    /// there.
    pub(super) fn consume_all(&mut self) {
        if self.chooses {
            return;
        }
        let ids: Vec<_> = self.available.keys().cloned().collect();
        ids.iter().for_each(|id| self.consume(id));
    }

    fn consume(&mut self, producer: &ProducerId) {
        let Some(transport) = self.receiving_transport().cloned() else { return };
        let Some(capabilities) = &self.capabilities else { return };
        let Some(Available { peer, entry, paused }) = self.available.get(producer) else { return };
        let consumed = self.consumers.values().any(|consumer| consumer.producer == *producer);
        if consumed || self.consumers.len() >= CONSUMERS_PER_PEER {
            return;
        }
        if !can_consume(&entry.consumable.0, capabilities) {
            return;
        }
        let options = ConsumerOptions {
            enable_rtx: entry.kind == MediaKind::Video,
            mid: Some(self.next_mid.to_string()),
            cname: peer.to_string(),
            encrypted: entry.is_encrypted(),
        };
        let mut rng = rand::rng();
        let made = consumer_parameters(&entry.consumable.0, capabilities, options, &mut rng);
        let Ok(rtp) = made else { return };
        self.next_mid += 1;
        let (peer, entry, producer_paused) = (peer.clone(), entry.clone(), *paused);
        let consumer: ConsumerId = fresh::id();
        let start = Start { paused: true, ignore_dtx: self.ignore_dtx, preferred: None };
        self.start_consumer(&consumer, &transport, &entry, rtp.clone(), start);
        self.consumers.insert(
            consumer.clone(),
            Consumer {
                transport: transport.clone(),
                producer: entry.id.clone(),
                accepted: false,
                paused: false,
                suspended: false,
                refused: None,
                quality: Quality::default(),
            },
        );
        self.tell(ToClient::Request(ServerRequest::NewConsumer(Box::new(NewConsumer {
            app_data: app_data(&entry, &peer),
            peer_id: peer,
            transport_id: transport,
            consumer_id: consumer,
            producer_id: entry.id.clone(),
            kind: entry.kind,
            rtp_parameters: rtp,
            rtp_type: entry.rtp_type,
            producer_paused,
            consumer_score: json!({"score": 10, "producerScore": 10, "producerScores": [10]}),
        }))));
        self.suspend_others();
    }

    pub(super) fn start_consumer(
        &self,
        consumer: &ConsumerId,
        transport: &TransportId,
        entry: &ProducerEntry,
        rtp: RtpParameters,
        start: Start,
    ) {
        let Start { paused, ignore_dtx, preferred } = start;
        self.observed(
            Happened::NewConsumer,
            Of::Consumer(consumer),
            || json!({ "transportId": transport, "producerId": entry.id, "kind": entry.kind }),
        );
        self.to_room(RoomMsg::Consume(Box::new(Consume {
            peer: self.myself.clone(),
            by: self.args.id.clone(),
            core: self.args.core,
            transport: transport.clone(),
            consumer: consumer.clone(),
            producer: entry.id.clone(),
            params: Box::new(ConsumerParams {
                kind: entry.kind,
                rtp,
                rtp_type: entry.rtp_type,
                paused,
                preferred,
                pipe_layers: 0,
                encrypted: entry.is_encrypted(),
                ignore_dtx,
            }),
        })));
    }

    /// The producer had moved before the room heard of the consumer, and so has the consumer here;
    /// or it is about to move or to end, which the peer will hear.
    pub(super) fn consume_again(&mut self, mut refused: Box<Consume>) {
        let Some(consumer) = self.consumers.get_mut(&refused.consumer) else { return };
        if consumer.producer == refused.producer {
            consumer.refused = Some(refused);
            return;
        }
        refused.producer = consumer.producer.clone();
        refused.params.paused = consumer.is_stopped();
        self.to_room(RoomMsg::Consume(refused));
    }

    pub(super) fn on_answer(&mut self, id: &ConsumerId, accepted: bool) {
        let Some(consumer) = self.consumers.get_mut(id) else { return };
        if !accepted {
            return self.end_consumer(id);
        }
        consumer.accepted = true;
        let paused = consumer.is_stopped();
        self.for_router(RouterMsg::PauseConsumer { consumer: id.clone(), paused });
    }

    pub(super) fn pause_consumer(&mut self, id: &ConsumerId, paused: bool) {
        let Some(consumer) = self.consumers.get_mut(id) else { return };
        consumer.paused = paused;
        let event = if paused { Happened::Pause } else { Happened::Resume };
        let (paused, accepted) = (consumer.is_stopped(), consumer.accepted);
        self.observed(event, Of::Consumer(id), || Value::Null);
        if accepted {
            self.for_router(RouterMsg::PauseConsumer { consumer: id.clone(), paused });
        }
    }

    /// A program's consumer.
    pub(super) fn resume_consumer(&mut self, id: &ConsumerId) -> Result<(), Refusal> {
        if !self.consumers.contains_key(id) {
            let message = format!("this peer has no such consumer: {id}");
            return Err(Refusal::new(Code::ConsumerNotFound, message));
        }
        self.pause_consumer(id, false);
        Ok(())
    }

    pub(super) fn add_consumer(
        &mut self,
        id: ConsumerId,
        transport: TransportId,
        producer: ProducerId,
        paused: bool,
    ) {
        self.consumers.insert(
            id,
            Consumer {
                transport,
                producer,
                accepted: true,
                paused,
                suspended: false,
                refused: None,
                quality: Quality::default(),
            },
        );
    }

    pub(super) fn end_consumer(&mut self, id: &ConsumerId) {
        if self.consumers.remove(id).is_some() {
            self.observed(Happened::Close, Of::Consumer(id), || Value::Null);
            self.to_room(RoomMsg::Unconsume(id.clone()));
        }
    }

    /// The same source under a new id: its consumer, if there is one, goes on; the client keeps
    /// what it has.
    pub(super) fn on_replaced(
        &mut self,
        peer: PeerId,
        old: &ProducerId,
        entry: Arc<ProducerEntry>,
    ) {
        let (id, is) = (entry.id.clone(), entry.paused);
        let mut refused = Vec::new();
        for consumer in self.consumers.values_mut().filter(|c| c.producer == *old) {
            consumer.producer = id.clone();
            refused.extend(consumer.refused.take());
        }
        refused.into_iter().for_each(|refused| self.consume_again(refused));
        // Who joined after the old one ended and before this one began does not know the old one.
        let was = self.available.remove(old).map_or(is, |before| before.paused);
        if self.chooses {
            let replaces = Some(old.clone());
            let told = summary(&peer, &entry, replaces);
            self.notify(ServerNotification::NewProducer(Box::new(told)));
            self.learn([(peer, entry)]);
        } else {
            self.on_available(peer, entry);
        }
        if was != is {
            self.on_paused(&id, is);
        }
    }

    pub(super) fn on_gone(&mut self, producer: &ProducerId) {
        let known = self.available.remove(producer).is_some();
        if self.chooses && known {
            self.notify(ServerNotification::ProducerClosed { producer_id: producer.clone() });
        }
        for id in self.consumers_of(producer) {
            self.end_consumer(&id);
            self.notify(ServerNotification::ConsumerClosed { consumer_id: id });
        }
    }

    pub(super) fn on_paused(&mut self, producer: &ProducerId, paused: bool) {
        if let Some(available) = self.available.get_mut(producer) {
            available.paused = paused;
        }
        for consumer_id in self.consumers_of(producer) {
            self.notify(if paused {
                ServerNotification::ConsumerPaused { consumer_id }
            } else {
                ServerNotification::ConsumerResumed { consumer_id }
            });
        }
    }

    fn consumers_of(&self, producer: &ProducerId) -> Vec<ConsumerId> {
        let of = self.consumers.iter().filter(|(_, consumer)| consumer.producer == *producer);
        of.map(|(id, _)| id.clone()).collect()
    }
}

/// The producer's `appData`, with whose it is, as mediasoup-demo has it.
pub(super) fn app_data(entry: &ProducerEntry, peer: &PeerId) -> Value {
    let mut data = match &entry.app_data.0 {
        Value::Object(map) => map.clone(),
        _ => serde_json::Map::new(),
    };
    data.insert("peerId".into(), json!(peer));
    data.insert("source".into(), json!(entry.source));
    Value::Object(data)
}
