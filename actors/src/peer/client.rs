//! What the peer does with its client's messages. Routes; the work is in the files beside it.

use std::sync::Arc;

use serde_json::{Value, json};
use starling_proto::{
    Code, Moderation, PeerId, Refusal, TransportId,
    roster::ProducerEntry,
    signal::{ClientNotification, ClientRequest, Join, Produce, ServerNotification},
};

use super::{
    PeerState,
    chosen::summary,
    transports::{NewProducer, Transport, Way, check_free_json, no_transport},
};
use crate::{
    limits::{DISPLAY_NAME, PINS},
    node::Reply,
    room::{RoomMsg, ShownWish},
    router::{Look, RouterMsg, StatsWish},
    session::{FromClient, ToClient},
};

impl PeerState {
    pub(super) fn on_client(&mut self, message: FromClient) {
        match message {
            FromClient::Request { id, request } => self.on_request(id, request),
            FromClient::Notification(notification) => self.on_notification(notification),
            FromClient::ConsumerAnswered { consumer, accepted } => {
                self.on_answer(&consumer, accepted);
            }
            FromClient::DataConsumerAnswered { consumer, accepted } => {
                self.on_data_answer(&consumer, accepted);
            }
        }
    }

    fn on_request(&mut self, id: u32, request: ClientRequest) {
        let result = match request {
            ClientRequest::RtcStatsUrl => Ok(json!({})),
            ClientRequest::RouterRtpCapabilities => {
                Ok(json!({ "routerRtpCapabilities": self.args.shared.capabilities }))
            }
            ClientRequest::Join(join) => match self.join(id, *join) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            ClientRequest::CreateWebRtcTransport { producing, force_tcp } => {
                let way = if producing { Way::FromClient } else { Way::ToClient };
                self.create_webrtc(way, force_tcp).map(|info| json!(info))
            }
            ClientRequest::ConnectWebRtcTransport { transport, dtls } => {
                self.connect_webrtc(&transport, dtls).map(|()| json!({}))
            }
            ClientRequest::RestartIce { transport } => {
                self.restart_ice(&transport).map(|ice| json!({ "iceParameters": ice }))
            }
            ClientRequest::Produce(produce) => self.produce(*produce),
            ClientRequest::Consume(wish) => self.consume_chosen(*wish),
            ClientRequest::ProduceData(produce) => self.produce_data(*produce),
            ClientRequest::Moderate { peer, order } => match self.moderate(id, peer, order) {
                Ok(()) => return,
                Err(refusal) => Err(refusal),
            },
            ClientRequest::TransportStats(transport) => {
                return self.stats(id, StatsWish::Transport(transport));
            }
            ClientRequest::ProducerStats(producer) => {
                return self.stats(id, StatsWish::Producer(producer));
            }
            ClientRequest::ConsumerStats(consumer) => {
                return self.stats(id, StatsWish::Consumer(consumer));
            }
            ClientRequest::DataProducerStats(producer) => {
                return self.answer_later(id, |reply| self.data_producer_stats(&producer, reply));
            }
            ClientRequest::DataConsumerStats(consumer) => {
                return self.answer_later(id, |reply| self.data_consumer_stats(&consumer, reply));
            }
        };
        self.tell(ToClient::Response { id, result });
    }

    /// The room answers with [`super::PeerMsg::Joined`].
    fn join(&mut self, request: u32, join: Join) -> Result<(), Refusal> {
        if self.joined {
            return Err(Refusal::new(Code::WrongState, "the peer has joined already"));
        }
        let Join { display_name, mut device, rtp_capabilities, auto_consume, ignore_dtx } = join;
        check_name(&display_name)?;
        mark_recorder(&mut device, self.args.grants.recorder);
        check_free_json("device", &device)?;
        if let Some(capabilities) = &rtp_capabilities {
            starling_media::negotiation::validate_rtp_capabilities(capabilities)?;
        }
        self.capabilities = rtp_capabilities.filter(|_| self.args.grants.subscribe);
        self.chooses = !auto_consume && self.args.grants.subscribe;
        self.ignore_dtx = ignore_dtx;
        self.display_name.clone_from(&display_name);
        let (peer, incarnation) = (self.args.id.clone(), self.args.incarnation);
        self.to_room(RoomMsg::Join { request, peer, incarnation, display_name, device });
        Ok(())
    }

    /// The room answers with [`super::PeerMsg::Answer`].
    fn moderate(&self, request: u32, peer: PeerId, order: Moderation) -> Result<(), Refusal> {
        self.args.grants.check_admin()?;
        if !self.joined {
            return Err(Refusal::new(Code::WrongState, "join before you moderate"));
        }
        let (who, room) = (&self.args.id, &self.args.room_id);
        tracing::info!(target: "audit", %who, %room, %peer, ?order, "moderated");
        let by = Some((self.myself.clone(), request));
        self.to_room(RoomMsg::Moderate { by, peer, order });
        Ok(())
    }

    /// The room took the peer in. What others produce is consumed after the answer, or, by a client
    /// that chooses, listed in it.
    pub(super) fn on_joined(
        &mut self,
        request: u32,
        mut answer: Value,
        available: Vec<(PeerId, Arc<ProducerEntry>)>,
    ) {
        if self.chooses {
            let list = available.iter().map(|(peer, entry)| summary(peer, entry, None));
            answer["producers"] = json!(list.collect::<Vec<_>>());
            self.learn(available);
            self.joined = true;
            self.tell(ToClient::Response { id: request, result: Ok(answer) });
            return self.tell_muted();
        }
        self.joined = true;
        self.tell(ToClient::Response { id: request, result: Ok(answer) });
        self.tell_muted();
        available.into_iter().for_each(|(peer, entry)| self.on_available(peer, entry));
    }

    /// Whoever comes back while it is silenced.
    fn tell_muted(&self) {
        if !self.args.muted.is_nothing() {
            self.notify(ServerNotification::Muted(self.args.muted));
        }
    }

    fn produce(&mut self, produce: Produce) -> Result<Value, Refusal> {
        if !self.joined {
            return Err(Refusal::new(Code::WrongState, "join before you produce"));
        }
        self.args.grants.check_produce(produce.kind, &produce.source())?;
        let transport = produce.transport_id.clone();
        let Some(Transport::WebRtc { way: Way::FromClient, .. }) = self.transports.get(&transport)
        else {
            return Err(no_transport(&transport)
                .hint("produce on the transport created with direction 'producer'"));
        };
        let source = produce.source();
        let Produce {
            kind,
            rtp_parameters: rtp,
            paused,
            key_frame_request_delay: key_frame_delay_ms,
            app_data,
            ..
        } = produce;
        let new = NewProducer { kind, rtp, source, paused, key_frame_delay_ms, app_data };
        let id = self.start_producer(transport, new)?;
        Ok(json!({ "producerId": id }))
    }

    fn on_notification(&mut self, notification: ClientNotification) {
        match notification {
            ClientNotification::CloseProducer(id) => self.close_producer(&id),
            ClientNotification::PauseProducer(id) => self.pause_producer(&id, true),
            ClientNotification::ResumeProducer(id) => self.pause_producer(&id, false),
            ClientNotification::PauseConsumer(id) => self.pause_consumer(&id, true),
            ClientNotification::ResumeConsumer(id) => self.pause_consumer(&id, false),
            ClientNotification::RequestConsumerKeyFrame(id) => {
                if self.consumers.contains_key(&id) {
                    self.for_router(RouterMsg::KeyFrame(id));
                }
            }
            ClientNotification::SetConsumerPreferredLayers(consumer, layers) => {
                if self.consumers.contains_key(&consumer) {
                    self.for_router(RouterMsg::PreferLayers { consumer, layers });
                }
            }
            ClientNotification::SetConsumerPriority(consumer, priority) => {
                if self.consumers.contains_key(&consumer) {
                    self.for_router(RouterMsg::SetPriority { consumer, priority });
                }
            }
            ClientNotification::SetLastN { last_n: count, pins } => {
                let pins = pins.into_iter().take(PINS).collect();
                let (peer, wish) = (self.args.id.clone(), ShownWish { count, pins });
                self.to_room(RoomMsg::WishShown { peer, wish });
            }
            ClientNotification::ChangeDisplayName(name) => {
                if check_name(&name).is_ok() && self.joined {
                    self.display_name.clone_from(&name);
                    self.to_room(RoomMsg::Rename {
                        peer: self.args.id.clone(),
                        display_name: name,
                    });
                }
            }
            other => self.on_data_notification(other),
        }
    }

    /// Statistics come from the worker, a turn later: a task of its own waits for them.
    fn stats(&self, id: u32, of: StatsWish) {
        let mine = match &of {
            StatsWish::Transport(id) => self.transports.contains_key(id),
            // Who chooses layers is shown what there is to choose from.
            StatsWish::Producer(id) => {
                self.producers.contains_key(id)
                    || self.consumers.values().any(|consumer| consumer.producer == *id)
            }
            StatsWish::Consumer(id) => self.consumers.contains_key(id),
        };
        if !mine {
            let result = Err(Refusal::new(Code::BadRequest, "this peer has no such object"));
            return self.tell(ToClient::Response { id, result });
        }
        let others = matches!(&of, StatsWish::Producer(id) if !self.producers.contains_key(id));
        self.answer_later(id, |reply| match others {
            // What is looked into as this peer's must be its own.
            true => self.for_router(RouterMsg::Look(Look::Stats { of, reply })),
            false => self.inspect(of, false, reply),
        });
    }

    fn answer_later(&self, id: u32, ask: impl FnOnce(Reply<Value>)) {
        let (reply, answer): (Reply<Value>, _) = tokio::sync::oneshot::channel();
        ask(reply);
        let Some(outbox) = self.args.outbox.clone() else { return };
        tokio::spawn(async move {
            let gone = || Err(Refusal::new(Code::Timeout, "the statistics did not come"));
            let result = answer.await.unwrap_or_else(|_| gone());
            let result = result.map(|stats| json!({ "stats": stats }));
            let _ = outbox.try_send(ToClient::Response { id, result });
        });
    }

    pub(super) fn receiving_transport(&self) -> Option<&TransportId> {
        self.transports.iter().find_map(|(id, transport)| match transport {
            Transport::WebRtc { way: Way::ToClient, .. } => Some(id),
            Transport::WebRtc { .. } | Transport::Plain(_) | Transport::Direct(_) => None,
        })
    }
}

/// `device.recorder` says that somebody records, and only what the token says of it is told.
fn mark_recorder(device: &mut Value, recorder: bool) {
    if recorder && !device.is_object() {
        *device = json!({});
    }
    let Some(fields) = device.as_object_mut() else { return };
    fields.remove("recorder");
    if recorder {
        fields.insert("recorder".to_owned(), json!(true));
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.len() > DISPLAY_NAME {
        let message = format!("a display name has at most {DISPLAY_NAME} bytes");
        return Err(Refusal::new(Code::TooLarge, message));
    }
    Ok(())
}
