//! RouterActor: one room's forwarding on one worker. It knows which key of the plane stands for
//! which transport, producer and consumer, turns the room's and the peers' wishes into commands,
//! and tells the worker's facts to whom they concern. Decides nothing.

mod awaited;
mod events;
mod keys;
mod message;
mod pipes;
mod relay;
mod stats;
mod trace;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use starling_cluster::{
    decide::{budget::Top, traced::Stream},
    link::Link,
};
use starling_media::{
    Command, ConsumerKey, PipeKey, ProducerKey, TransportKey,
    command::{ConsumerParams, IceCredentials, ProducerParams},
    trace::TraceOf,
};
use starling_proto::{ConsumerId, ProducerId, TransportId, flow::FlowId};
use tokio::sync::mpsc;

use crate::{
    data::{self, DataInbox},
    direct::Direct,
    dtls::Certificate,
    peer::PeerMsg,
    room::RoomMsg,
    transport::{TransportActor, TransportArgs, TransportMsg},
    worker::{PipeOut, WorkerHandle},
    worker_actor::WorkerMsg,
};

use keys::Keys;
pub(crate) use keys::RouterSeq;
pub(crate) use message::{Look, PlainSockets, RouterMsg, Source, StatsWish, Taker, Tap};
use stats::Question;
use trace::Tracers;

/// What a router is made of.
pub(crate) struct RouterArgs {
    pub(crate) seq: RouterSeq,
    pub(crate) worker: WorkerHandle,
    pub(crate) worker_actor: ActorRef<WorkerMsg>,
    pub(crate) room: ActorRef<RoomMsg>,
    pub(crate) certificate: Certificate,
}

struct Transport {
    key: TransportKey,
    actor: Option<ActorRef<TransportMsg>>,
    /// Closed with it, after the command that ends it.
    sockets: Option<PlainSockets>,
    /// Of a direct one.
    pipe: Option<PipeKey>,
    /// To the data channels of a plain one; dropped with it.
    sctp: Option<mpsc::Sender<Vec<u8>>>,
}

struct Producer {
    key: ProducerKey,
    peer: Option<ActorRef<PeerMsg>>,
    pipe: Option<Pipe>,
}

struct Consumer {
    key: ConsumerKey,
    peer: ActorRef<PeerMsg>,
}

/// A pipe transport.
struct Pipe {
    transport: TransportKey,
    key: PipeKey,
    end: PipeEnd,
    /// Layers that were last asked for on it.
    wanted: u32,
}

/// What is at the other end of it.
enum PipeEnd {
    /// A flow of a link.
    Flow(FlowId, Arc<dyn Link>),
    /// The router that a producer is pulled from, and the pipe's key there.
    Source(ActorRef<RouterMsg>, PipeKey),
    /// A router that is served; it says itself when it wants no more.
    Taker,
}

struct Served {
    pipe: Pipe,
    consumer: ConsumerKey,
    /// Layers that are wanted there.
    wished: u32,
    /// The best that the link takes.
    top: Top,
}

pub(crate) struct RouterState {
    args: RouterArgs,
    keys: Keys,
    transports: BTreeMap<TransportId, Transport>,
    transport_ids: BTreeMap<TransportKey, (TransportId, Option<ActorRef<PeerMsg>>)>,
    producers: BTreeMap<ProducerId, Producer>,
    producer_ids: BTreeMap<ProducerKey, ProducerId>,
    consumers: BTreeMap<ConsumerId, Consumer>,
    consumer_ids: BTreeMap<ConsumerKey, ConsumerId>,
    served: BTreeMap<Taker, Served>,
    stats: BTreeMap<u64, Question>,
    tracers: Tracers,
    /// Whose first packets the room waits for.
    awaited: BTreeSet<Stream>,
    myself: ActorRef<RouterMsg>,
}

/// The actor; see [`RouterMsg`].
pub(crate) struct RouterActor;

impl Actor for RouterActor {
    type Msg = RouterMsg;
    type State = RouterState;
    type Arguments = RouterArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<RouterMsg>,
        args: RouterArgs,
    ) -> Result<RouterState, ActorProcessingErr> {
        args.worker_actor.cast(WorkerMsg::RouterUp {
            seq: args.seq,
            router: myself.clone(),
            room: args.room.clone(),
            worker: args.worker.clone(),
        })?;
        Ok(RouterState {
            keys: Keys::new(args.seq),
            args,
            transports: BTreeMap::new(),
            transport_ids: BTreeMap::new(),
            producers: BTreeMap::new(),
            producer_ids: BTreeMap::new(),
            consumers: BTreeMap::new(),
            consumer_ids: BTreeMap::new(),
            served: BTreeMap::new(),
            stats: BTreeMap::new(),
            tracers: Tracers::default(),
            awaited: BTreeSet::new(),
            myself,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<RouterMsg>,
        message: RouterMsg,
        state: &mut RouterState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RouterMsg::AddWebRtc { id, peer, ice, data } => {
                state.add_webrtc(&myself, id, peer, ice, data).await?;
            }
            RouterMsg::Events(events) => state.on_events(events),
            RouterMsg::Close => myself.stop(None),
            other => state.handle(other),
        }
        Ok(())
    }

    /// A transport that fails ends that transport: its peer is told, the others notice nothing.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<RouterMsg>,
        event: SupervisionEvent,
        state: &mut RouterState,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(cell, error) = event else { return Ok(()) };
        let failed = state.transports.iter().find_map(|(id, transport)| {
            let actor = transport.actor.as_ref()?;
            (actor.get_id() == cell.get_id()).then(|| id.clone())
        });
        let Some(id) = failed else { return Ok(()) };
        tracing::error!(transport = %id, %error, "a transport failed and was ended");
        let peer = state.transports.get(&id).and_then(|t| state.transport_ids.get(&t.key));
        if let Some((_, Some(peer))) = peer {
            let reason = "the transport failed on the node".to_owned();
            let _ = peer.cast(PeerMsg::TransportFailed { id: id.clone(), cause: None, reason });
        }
        state.remove_transport(&id);
        Ok(())
    }
}

/// Also after a panic and a kill, where an actor's `post_stop` is not called.
impl Drop for RouterState {
    fn drop(&mut self) {
        self.close();
    }
}

impl RouterState {
    fn command(&self, command: Command) {
        // A full queue means that the worker is stuck or gone; its watchdog says so.
        let _ = self.args.worker.command(command);
    }

    async fn add_webrtc(
        &mut self,
        myself: &ActorRef<RouterMsg>,
        id: TransportId,
        peer: ActorRef<PeerMsg>,
        ice: IceCredentials,
        data: DataInbox,
    ) -> Result<(), ActorProcessingErr> {
        let key = self.keys.transport();
        self.command(Command::AddWebRtc { transport: key, ice, consent: crate::limits::CONSENT });
        let args = TransportArgs {
            id: id.clone(),
            key,
            worker: self.args.worker.clone(),
            certificate: self.args.certificate.clone(),
            peer: peer.clone(),
            data,
        };
        let (actor, _) = Actor::spawn_linked(None, TransportActor, args, myself.get_cell()).await?;
        self.transport_ids.insert(key, (id.clone(), Some(peer)));
        self.transports.insert(
            id,
            Transport { key, actor: Some(actor), sockets: None, pipe: None, sctp: None },
        );
        Ok(())
    }

    fn handle(&mut self, message: RouterMsg) {
        match message {
            RouterMsg::Connect { id, dtls } => {
                self.tell_transport(&id, TransportMsg::Connect(dtls))
            }
            RouterMsg::RestartIce { id, ice } => {
                self.on_transport(&id, |transport| Command::RestartIce { transport, ice })
            }
            RouterMsg::AddPlain { id, peer, plain, data } => {
                self.add_plain(id, peer, plain, data);
            }
            RouterMsg::AddDirect { id, peer, tap } => self.add_direct(id, peer, tap),
            RouterMsg::ConnectPlain { id, rtp, rtcp } => {
                self.on_transport(&id, |transport| Command::ConnectPlain { transport, rtp, rtcp })
            }
            RouterMsg::SetSrtp { id, keys } => {
                self.on_transport(&id, |transport| Command::SetSrtp { transport, keys });
            }
            RouterMsg::RemoveTransport(id) => self.remove_transport(&id),
            RouterMsg::Produce { transport, producer, params, peer } => {
                self.produce(&transport, producer, params, peer);
            }
            RouterMsg::PauseProducer { producer, paused } => {
                if let Some(Producer { key, .. }) = self.producers.get(&producer) {
                    self.command(Command::PauseProducer { producer: *key, paused });
                }
            }
            RouterMsg::RemoveProducer(id) => self.remove_producer(&id),
            RouterMsg::SucceedProducer { old, new } => self.succeed_producer(&old, &new),
            RouterMsg::Consume { transport, consumer, producer, params, peer } => {
                self.consume(&transport, consumer, &producer, params, peer);
            }
            message @ (RouterMsg::PauseConsumer { .. }
            | RouterMsg::PreferLayers { .. }
            | RouterMsg::SetPriority { .. }
            | RouterMsg::SetBitrates { .. }
            | RouterMsg::KeyFrame(_)) => self.relay(message),
            RouterMsg::RemoveConsumer(id) => self.remove_consumer(&id),
            RouterMsg::Pull { entry, from } => self.pull(*entry, from),
            RouterMsg::Unpull(id) => self.unpull(&id),
            RouterMsg::Serve { entry, flow, link, layers } => {
                self.serve(&entry, flow, link, layers);
            }
            RouterMsg::ServeCore { entry, pipe, out } => self.serve_core(&entry, pipe, out),
            RouterMsg::ServeLayers { taker, layers } => {
                if let Some((consumer, layers)) =
                    self.change_served(&taker, |served| served.wished = layers)
                {
                    self.command(Command::SetPipeLayers { consumer, layers });
                }
            }
            RouterMsg::ServeTop { taker, top } => {
                if let Some((consumer, layers)) =
                    self.change_served(&taker, |served| served.top = top)
                {
                    self.command(Command::WithholdPipeLayers { consumer, layers });
                }
            }
            RouterMsg::Unserve(taker) => self.unserve(&taker),
            RouterMsg::UnserveNode(node) => self.unserve_node(&node),
            RouterMsg::Look(look) => self.look(look),
            #[cfg(test)]
            RouterMsg::ToTransport(id, message) => self.tell_transport(&id, message),
            #[cfg(test)]
            RouterMsg::Panic => panic!("asked to"),
            RouterMsg::AddWebRtc { .. } | RouterMsg::Events(_) | RouterMsg::Close => {
                unreachable!("handled by the actor")
            }
        }
    }

    fn remove_consumer(&mut self, id: &ConsumerId) {
        self.on_consumer(id, |consumer| Command::RemoveConsumer { consumer });
        self.await_no_more(|| Stream::Forward(id.clone()));
        if let Some(consumer) = self.consumers.remove(id) {
            self.consumer_ids.remove(&consumer.key);
            self.tracers.end(TraceOf::Consumer(consumer.key));
        }
    }

    fn tell_transport(&self, id: &TransportId, message: TransportMsg) {
        if let Some(Transport { actor: Some(actor), .. }) = self.transports.get(id) {
            let _ = actor.cast(message);
        }
    }

    fn on_transport(&self, id: &TransportId, command: impl FnOnce(TransportKey) -> Command) {
        if let Some(transport) = self.transports.get(id) {
            self.command(command(transport.key));
        }
    }

    fn on_consumer(&self, id: &ConsumerId, command: impl FnOnce(ConsumerKey) -> Command) {
        if let Some(consumer) = self.consumers.get(id) {
            self.command(command(consumer.key));
        }
    }

    fn add_plain(
        &mut self,
        id: TransportId,
        peer: ActorRef<PeerMsg>,
        plain: PlainSockets,
        data: Option<DataInbox>,
    ) {
        let transport = self.keys.transport();
        let (rtp, rtcp) = (plain.rtp.0, plain.rtcp.map(|(socket, _)| socket));
        let (comedia, srtp) = (plain.comedia, plain.srtp);
        self.command(Command::AddPlain { transport, rtp, rtcp, comedia, srtp });
        let sctp = data.map(|data| {
            self.command(Command::EnableSctp { transport });
            let (worker, peer) = (self.args.worker.clone(), peer.clone());
            let out = move |datagram| {
                worker.command(Command::SendDtls { transport, datagram });
            };
            data::spawn_plain(data, Box::new(out), move |event| {
                let _ = peer.cast(PeerMsg::Data(event));
            })
        });
        self.transport_ids.insert(transport, (id.clone(), Some(peer)));
        let (key, sockets) = (transport, Some(plain));
        let transport = Transport { key, actor: None, sockets, pipe: None, sctp };
        self.transports.insert(id, transport);
    }

    fn add_direct(&mut self, id: TransportId, peer: ActorRef<PeerMsg>, tap: Tap) {
        let (transport, pipe) = (self.keys.transport(), self.keys.pipe());
        self.command(Command::AddDirect { transport, pipe });
        self.args.worker.set_pipe_out(pipe, PipeOut::Tap(tap.out));
        let sink = self.args.worker.pipe_sink(pipe);
        let told = peer.clone();
        let data = data::spawn_direct(tap.data, move |event| {
            let _ = told.cast(PeerMsg::Data(event));
        });
        let direct = Direct::new(id.clone(), sink, tap.packets, data, peer.clone());
        self.transport_ids.insert(transport, (id.clone(), Some(peer)));
        let (key, pipe) = (transport, Some(pipe));
        let transport = Transport { key, actor: None, sockets: None, pipe, sctp: None };
        self.transports.insert(id, transport);
        // A program that does not wait any more ends it with the answer.
        let _ = tap.reply.send(Ok(direct));
    }

    fn remove_transport(&mut self, id: &TransportId) {
        let Some(transport) = self.transports.remove(id) else { return };
        self.transport_ids.remove(&transport.key);
        self.tracers.end(TraceOf::Transport(transport.key));
        self.command(Command::RemoveTransport { transport: transport.key });
        if let Some(pipe) = transport.pipe {
            self.args.worker.clear_pipe_out(pipe);
        }
        if let Some(actor) = transport.actor {
            actor.stop(None);
        }
    }

    fn produce(
        &mut self,
        transport: &TransportId,
        id: ProducerId,
        params: Box<ProducerParams>,
        peer: ActorRef<PeerMsg>,
    ) {
        let key = self.keys.producer();
        // A transport that has just ended leaves the producer's place, until the room hears of it.
        if let Some(&Transport { key: transport, .. }) = self.transports.get(transport) {
            self.command(Command::Produce { transport, producer: key, params });
        }
        self.install(id, Producer { key, peer: Some(peer), pipe: None });
    }

    /// Puts a producer in the place of the one that had its id: consumers go over at once, and the
    /// old one ends.
    fn install(&mut self, id: ProducerId, producer: Producer) {
        let key = producer.key;
        if let Some(old) = self.producers.remove(&id) {
            self.command(Command::ReplaceProducer { old: old.key, new: key });
            self.end_producer(old);
        }
        self.producer_ids.insert(key, id.clone());
        self.producers.insert(id, producer);
    }

    fn remove_producer(&mut self, id: &ProducerId) {
        if let Some(producer) = self.producers.remove(id) {
            self.end_producer(producer);
        }
    }

    /// Consumers of `old` go over to `new`, which may be yet to be pulled, when they can begin with
    /// it, or when the room removes `old`.
    fn succeed_producer(&mut self, old: &ProducerId, new: &ProducerId) {
        let Some(&Producer { key: old, .. }) = self.producers.get(old) else { return };
        let new = self.producer_or_place(new);
        self.command(Command::SucceedProducer { old, new });
    }

    fn end_producer(&mut self, producer: Producer) {
        self.producer_ids.remove(&producer.key);
        self.tracers.end(TraceOf::Producer(producer.key));
        self.command(Command::RemoveProducer { producer: producer.key });
        if let Some(pipe) = producer.pipe {
            self.end_pipe(&pipe);
        }
    }

    fn consume(
        &mut self,
        transport: &TransportId,
        id: ConsumerId,
        producer: &ProducerId,
        params: Box<ConsumerParams>,
        peer: ActorRef<PeerMsg>,
    ) {
        let Some(&Transport { key: transport, .. }) = self.transports.get(transport) else {
            return;
        };
        let producer = self.producer_or_place(producer);
        let key = self.keys.consumer();
        self.command(Command::Consume { transport, consumer: key, producer, params });
        self.consumer_ids.insert(key, id.clone());
        self.consumers.insert(id, Consumer { key, peer });
    }

    /// The key of a producer; of its place if it is yet to be pulled, so that consumers can wait
    /// for it.
    fn producer_or_place(&mut self, id: &ProducerId) -> ProducerKey {
        if let Some(producer) = self.producers.get(id) {
            return producer.key;
        }
        let key = self.keys.producer();
        self.install(id.clone(), Producer { key, peer: None, pipe: None });
        key
    }

    fn close(&mut self) {
        let ids: Vec<_> = self.transports.keys().cloned().collect();
        ids.iter().for_each(|id| self.remove_transport(id));
        let producers: Vec<_> = self.producers.keys().cloned().collect();
        producers.iter().for_each(|id| self.remove_producer(id));
        let served: Vec<_> = self.served.keys().cloned().collect();
        served.iter().for_each(|taker| self.unserve(taker));
        let _ = self.args.worker_actor.cast(WorkerMsg::RouterDown(self.args.seq));
    }
}
