//! PeerActor: one client's membership of a room on this node. It owns the client's transports,
//! producers and consumers, negotiates them with the pure functions of `media::negotiation`, and
//! speaks to the client through its session. A peer without a session is a program's, steered over
//! REST.

mod chosen;
mod client;
mod consumers;
mod data;
mod inspect;
mod plain;
mod program;
mod quality;
mod shown;
mod steer;
mod transports;
mod webrtc;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::{Value, json};
use starling_media::event::{IceState, StreamScore};
use starling_proto::{
    Code, ConsumerId, Moderation, PeerId, ProducerId, Refusal, RoomId, RtpCapabilities,
    RtpParameters, TransportId,
    mute::Muted,
    observer::Happened,
    rest::{
        ConnectPlainTransport, ConsumerCreated, CreateConsumer, CreatePlainTransport,
        CreateProducer, PeerObjects, PlainTransportInfo, ProducerCreated, TransportBitrates,
    },
    roster::ProducerEntry,
    rtp::{ConsumerLayers, RtpMapping},
    signal::{ServerNotification, VideoOrientation},
    trace::{TraceType, Traced},
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{
    data::DataEvent,
    direct::Direct,
    dtls::Cause,
    limits::JOIN_WITHIN,
    node::{Of, Reply, Shared, Steered},
    room::{Consume, RoomMsg, Shown},
    router::{Look, RouterMsg, StatsWish},
    session::{FromClient, Grants, ToClient},
    worker::WorkerHandle,
};
pub(crate) use client::check_name;
use consumers::{Available, Consumer};
use data::Channels;
pub(crate) use data::DataPeerMsg;
pub(crate) use program::ProgramMsg;
use transports::Transport;
pub(crate) use transports::check_free_json;

/// What a peer is told.
pub(crate) enum PeerMsg {
    /// From its client. The permit counts it against the session's inbox until it is handled.
    Client(Box<FromClient>, OwnedSemaphorePermit),
    /// The client's session ended.
    SessionEnded,
    /// It has not joined in time?
    JoinDeadline,
    /// The room took it in: the answer to its `join`, and what others produce.
    Joined { request: u32, answer: Value, available: Vec<(PeerId, Arc<ProducerEntry>)> },
    /// A producer of another peer is there, or is now this.
    Available { peer: PeerId, entry: Arc<ProducerEntry> },
    /// A producer of another peer goes on under another id.
    Replaced { peer: PeerId, old: ProducerId, entry: Arc<ProducerEntry> },
    /// The room does not know the producer that it was to consume, any more.
    NotConsumed(Box<Consume>),
    /// It is gone.
    Gone(ProducerId),
    /// It paused or resumed.
    Paused { producer: ProducerId, paused: bool },
    /// Of the room, about data channels.
    Channel(DataPeerMsg),
    /// Of a transport's session, about its data channels.
    Data(DataEvent),
    /// For the client.
    Tell(ServerNotification),
    /// The room has done what the client asked for, or not.
    Answer { request: u32, result: Result<Value, Refusal> },
    /// An admin of the room does this to the peer.
    Moderated(Moderation),
    /// Whose video it gets.
    Show(Shown),
    /// A transport ended by itself.
    TransportFailed { id: TransportId, cause: Option<Cause>, reason: String },
    /// A plain transport has learnt where its other side is.
    Tuple { id: TransportId, rtp: Option<SocketAddr>, rtcp: Option<SocketAddr> },
    /// DTLS has its keys.
    Secured(TransportId),
    /// A transport's client was found, or lost.
    Ice { id: TransportId, state: IceState },
    /// Scores of its producer.
    ProducerScore { id: ProducerId, scores: Vec<StreamScore> },
    /// A camera of its is held otherwise.
    Orientation { id: ProducerId, video_orientation: VideoOrientation },
    /// Score of its consumer.
    ConsumerScore { id: ConsumerId, score: Value },
    /// Layers of its consumer.
    ConsumerLayers { id: ConsumerId, layers: Option<ConsumerLayers> },
    /// An operator has silenced it, or no more.
    Mute(Muted),
    /// It is sent away.
    Close { code: u16, reason: String },
    /// REST: make a plain transport.
    CreatePlain { options: CreatePlainTransport, reply: Reply<PlainTransportInfo> },
    /// A program wants a direct transport.
    CreateDirect(Reply<Direct>),
    /// The program has let go of it.
    DirectEnded(TransportId),
    /// REST: where it sends.
    ConnectPlain {
        transport: TransportId,
        options: ConnectPlainTransport,
        reply: Reply<PlainTransportInfo>,
    },
    /// REST: limits of a transport.
    SetBitrates { transport: TransportId, limits: TransportBitrates, reply: Reply<()> },
    /// REST: change or end a producer or consumer.
    Steer { what: Steered, reply: Reply<()> },
    /// REST: end a transport.
    RemoveTransport { transport: TransportId, reply: Reply<()> },
    /// REST: produce on a plain transport.
    PlainProduce { transport: TransportId, producer: CreateProducer, reply: Reply<ProducerCreated> },
    /// REST: consume on a plain transport.
    PlainConsume {
        transport: TransportId,
        consumer: Box<CreateConsumer>,
        of: (PeerId, Box<ProducerEntry>),
        reply: Reply<ConsumerCreated>,
    },
    /// REST: about data channels.
    Program(ProgramMsg),
    /// REST: its transports, producers and consumers.
    Objects(Reply<PeerObjects>),
    /// REST: statistics, or what the plane holds.
    Inspect { of: StatsWish, dump: bool, reply: Reply<Value> },
    /// REST: tell what passes.
    Trace { of: StatsWish, types: Vec<TraceType>, reply: Reply<mpsc::Receiver<Traced>> },
    /// REST: resume a consumer.
    ResumeConsumer { consumer: ConsumerId, reply: Reply<()> },
    /// A handler that panics, for the test of exit policies.
    #[cfg(test)]
    Panic,
    /// A handler that waits, for tests of what overtakes what.
    #[cfg(test)]
    Hold(tokio::sync::oneshot::Receiver<()>),
}

/// What a peer is made of.
pub(crate) struct PeerArgs {
    pub(crate) id: PeerId,
    pub(crate) incarnation: u64,
    pub(crate) display_name: String,
    pub(crate) room: ActorRef<RoomMsg>,
    pub(crate) room_id: RoomId,
    /// Which core its transports are on: that of `router` and `worker`.
    pub(crate) core: usize,
    pub(crate) router: ActorRef<RouterMsg>,
    pub(crate) worker: WorkerHandle,
    pub(crate) shared: Arc<Shared>,
    pub(crate) grants: Grants,
    /// What an operator has silenced of what it sends.
    pub(crate) muted: Muted,
    /// Absent for a program's peer.
    pub(crate) outbox: Option<mpsc::Sender<ToClient>>,
    /// What its lines in the log are part of: the trace of its join, or nothing.
    pub(crate) logged: tracing::Span,
}

/// A producer of this peer.
struct Own {
    transport: TransportId,
    entry: ProducerEntry,
    /// Its client, or an operator in its place, wants it so; an entry is paused if it is muted,
    /// too.
    paused: bool,
    /// As its client sends.
    rtp: RtpParameters,
    mapping: RtpMapping,
}

pub(crate) struct PeerState {
    args: PeerArgs,
    myself: ActorRef<PeerMsg>,
    joined: bool,
    display_name: String,
    capabilities: Option<RtpCapabilities>,
    /// Its client says itself what it consumes.
    chooses: bool,
    /// What is consumed unasked is so without packets of silence.
    ignore_dtx: bool,
    transports: BTreeMap<TransportId, Transport>,
    /// Limits that operators have set: least and most of what is sent, 0 for none.
    bounds: BTreeMap<TransportId, (u64, u64)>,
    producers: BTreeMap<ProducerId, Own>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    /// Producers of others, consumed or not yet.
    available: BTreeMap<ProducerId, Available>,
    /// Whose video it gets.
    shown: Shown,
    channels: Channels,
    next_mid: u64,
    /// Of all its producers, once it has produced.
    cname: Option<String>,
}

/// The actor; see [`PeerMsg`].
pub(crate) struct PeerActor;

impl Actor for PeerActor {
    type Msg = PeerMsg;
    type State = PeerState;
    type Arguments = PeerArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<PeerMsg>,
        args: PeerArgs,
    ) -> Result<PeerState, ActorProcessingErr> {
        if args.outbox.is_some() {
            myself.send_after(JOIN_WITHIN, || PeerMsg::JoinDeadline);
        }
        Ok(PeerState {
            myself,
            joined: args.outbox.is_none(),
            display_name: args.display_name.clone(),
            capabilities: None,
            chooses: false,
            ignore_dtx: false,
            transports: BTreeMap::new(),
            bounds: BTreeMap::new(),
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            available: BTreeMap::new(),
            shown: None,
            channels: Channels::default(),
            next_mid: 0,
            cname: None,
            args,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<PeerMsg>,
        message: PeerMsg,
        state: &mut PeerState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            PeerMsg::Client(message, _permit) => {
                state.args.logged.clone().in_scope(|| state.on_client(*message));
            }
            PeerMsg::SessionEnded => myself.stop(None),
            PeerMsg::JoinDeadline if state.joined => {}
            PeerMsg::JoinDeadline => {
                state.close(4000, "the client did not join within 10 s");
            }
            PeerMsg::Close { code, reason } => state.close(code, &reason),
            #[cfg(test)]
            PeerMsg::Panic => panic!("asked to"),
            #[cfg(test)]
            PeerMsg::Hold(until) => drop(until.await),
            other => state.args.logged.clone().in_scope(|| state.handle(other)),
        }
        Ok(())
    }
}

/// Also after a panic and a kill, where an actor's `post_stop` is not called.
impl Drop for PeerState {
    fn drop(&mut self) {
        self.leave();
    }
}

impl PeerState {
    fn handle(&mut self, message: PeerMsg) {
        match message {
            PeerMsg::Joined { request, answer, available } => {
                self.on_joined(request, answer, available);
            }
            PeerMsg::Available { peer, entry } => self.on_available(peer, entry),
            PeerMsg::Replaced { peer, old, entry } => self.on_replaced(peer, &old, entry),
            PeerMsg::NotConsumed(refused) => self.consume_again(refused),
            PeerMsg::Gone(producer) => self.on_gone(&producer),
            PeerMsg::Paused { producer, paused } => self.on_paused(&producer, paused),
            PeerMsg::Channel(message) => self.handle_data(message),
            PeerMsg::Data(event) => self.on_data_event(event),
            PeerMsg::Tell(notification) => self.notify(notification),
            PeerMsg::Answer { request: id, result } => self.tell(ToClient::Response { id, result }),
            PeerMsg::Moderated(order) => self.moderated(order),
            PeerMsg::Mute(muted) => self.mute(muted),
            PeerMsg::Show(shown) => self.show(shown),
            PeerMsg::TransportFailed { id, cause, reason } => {
                self.args.shared.dtls.count(cause);
                self.on_transport_failed(&id, &reason);
            }
            message @ (PeerMsg::Tuple { .. }
            | PeerMsg::Secured(_)
            | PeerMsg::Ice { .. }
            | PeerMsg::ProducerScore { .. }
            | PeerMsg::Orientation { .. }
            | PeerMsg::ConsumerScore { .. }
            | PeerMsg::ConsumerLayers { .. }) => self.on_fact(message),
            PeerMsg::CreatePlain { options, reply } => {
                let _ = reply.send(self.create_plain(&options));
            }
            PeerMsg::CreateDirect(reply) => self.create_direct(reply),
            PeerMsg::DirectEnded(id) => drop(self.remove_transport(&id)),
            PeerMsg::ConnectPlain { transport, options, reply } => {
                let _ = reply.send(self.connect_plain(&transport, options));
            }
            PeerMsg::SetBitrates { transport, limits, reply } => {
                let _ = reply.send(self.set_bitrates(transport, &limits));
            }
            PeerMsg::Steer { what, reply } => drop(reply.send(self.steer(what))),
            PeerMsg::RemoveTransport { transport, reply } => {
                let _ = reply.send(self.remove_transport(&transport));
            }
            PeerMsg::PlainProduce { transport, producer, reply } => {
                let _ = reply.send(self.plain_produce(transport, producer));
            }
            PeerMsg::PlainConsume { transport, consumer, of, reply } => {
                let (peer, entry) = of;
                let _ = reply.send(self.plain_consume(&transport, *consumer, peer, &entry));
            }
            PeerMsg::Program(message) => self.handle_program(message),
            PeerMsg::Objects(reply) => drop(reply.send(Ok(self.objects()))),
            PeerMsg::Inspect { of, dump, reply } => self.inspect(of, dump, reply),
            PeerMsg::Trace { of, types, reply } => match self.check_own(&of) {
                Ok(()) => self.for_router(RouterMsg::Look(Look::Trace { of, types, reply })),
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
            PeerMsg::ResumeConsumer { consumer, reply } => {
                let _ = reply.send(self.resume_consumer(&consumer));
            }
            _ => {}
        }
    }

    fn to_room(&self, message: RoomMsg) {
        let _ = self.args.room.cast(message);
    }

    fn to_router(&self, message: RouterMsg) {
        let _ = self.args.router.cast(message);
    }

    /// Something about a consumer, which the router hears of from the room.
    fn for_router(&self, message: RouterMsg) {
        self.to_room(RoomMsg::ForRouter { core: self.args.core, message });
    }

    /// Queues something for the client. A client that does not read is sent away: what it was told
    /// before must not be lost, so nothing can be dropped instead.
    fn tell(&self, message: ToClient) {
        let Some(outbox) = &self.args.outbox else { return };
        if outbox.try_send(message).is_err() {
            self.myself.stop(Some("the client does not read".into()));
        }
    }

    fn notify(&self, notification: ServerNotification) {
        if self.joined {
            self.tell(ToClient::Notification(notification));
        }
    }

    fn close(&self, code: u16, reason: &str) {
        self.tell(ToClient::Close { code, reason: reason.to_owned() });
        self.myself.stop(None);
    }

    fn on_producer_score(&self, id: ProducerId, scores: &[StreamScore]) {
        let Some(own) = self.producers.get(&id) else { return };
        let score = scores.iter().map(|of| {
            let mut told =
                json!({ "encodingIdx": of.encoding, "ssrc": of.ssrc, "score": of.score });
            if let Some(rid) = own.rtp.encodings.get(of.encoding).and_then(|it| it.rid.as_ref()) {
                told["rid"] = json!(rid);
            }
            told
        });
        let score: Value = score.collect();
        self.observed(Happened::Score, Of::Producer(&id), || json!({ "score": score }));
        self.notify(ServerNotification::ProducerScore { producer_id: id, score });
    }

    /// What the plane has found.
    fn on_fact(&mut self, fact: PeerMsg) {
        match fact {
            PeerMsg::Tuple { id, rtp, rtcp } => self.on_tuple(&id, rtp, rtcp),
            PeerMsg::Secured(id) => self.observed_dtls(&id, "connected"),
            PeerMsg::Ice { id, state } => self.on_ice(id, state),
            PeerMsg::ProducerScore { id, scores } => self.on_producer_score(id, &scores),
            PeerMsg::Orientation { id: producer_id, video_orientation } => {
                let (event, of) = (Happened::VideoOrientationChange, Of::Producer(&producer_id));
                self.observed(event, of, || json!({ "videoOrientation": video_orientation }));
                self.notify(ServerNotification::ProducerVideoOrientationChanged {
                    producer_id,
                    video_orientation,
                });
            }
            PeerMsg::ConsumerScore { id, score } => {
                self.note_score(&id, &score);
                let of = Of::Consumer(&id);
                self.observed(Happened::Score, of, || json!({ "score": score }));
                self.notify(ServerNotification::ConsumerScore { consumer_id: id, score });
            }
            PeerMsg::ConsumerLayers { id, layers } => {
                let of = Of::Consumer(&id);
                self.observed(Happened::LayersChange, of, || json!({ "layers": layers }));
                self.notify(ServerNotification::ConsumerLayersChanged { consumer_id: id, layers });
            }
            _ => {}
        }
    }

    /// Tells those who observe the node.
    fn observed(&self, event: Happened, of: Of<'_>, info: impl FnOnce() -> Value) {
        let PeerArgs { room_id, id, shared, .. } = &self.args;
        shared.feed.tell_of(event, (room_id, id), of, info);
    }

    fn observed_dtls(&self, id: &TransportId, state: &str) {
        let info = || json!({ "dtlsState": state });
        self.observed(Happened::DtlsStateChange, Of::Transport(id), info);
    }

    fn on_tuple(&self, id: &TransportId, rtp: Option<SocketAddr>, rtcp: Option<SocketAddr>) {
        // RTCP's is learnt after RTP's, or with it.
        let (event, learnt) = match rtcp {
            Some(rtcp) => (Happened::RtcpTuple, Some(rtcp)),
            None => (Happened::Tuple, rtp),
        };
        let Some(at) = learnt else { return };
        let info = || json!({ "remoteIp": at.ip(), "remotePort": at.port() });
        self.observed(event, Of::Transport(id), info);
    }

    /// Its transports end in the router, and the room forgets it.
    fn leave(&mut self) {
        for id in std::mem::take(&mut self.consumers).into_keys() {
            self.observed(Happened::Close, Of::Consumer(&id), || Value::Null);
            self.to_room(RoomMsg::Unconsume(id));
        }
        self.leave_channels();
        for id in std::mem::take(&mut self.producers).into_keys() {
            self.observed(Happened::Close, Of::Producer(&id), || Value::Null);
        }
        for id in std::mem::take(&mut self.transports).into_keys() {
            self.observed(Happened::Close, Of::Transport(&id), || Value::Null);
            self.to_router(RouterMsg::RemoveTransport(id));
        }
        let (peer, incarnation) = (self.args.id.clone(), self.args.incarnation);
        self.to_room(RoomMsg::PeerEnded { peer, incarnation });
    }
}

fn too_many(what: &str, most: usize) -> Refusal {
    Refusal::new(Code::LimitReached, format!("a peer may have {most} {what}"))
        .hint("close those that are no longer used")
}
