//! RoomActor: a room on this node. It owns who is here, holds the replica of who is on the room's
//! other nodes (`cluster::decide::roster` decides what a message means), and carries out what
//! follows: tells peers, tells nodes, pulls producers, serves them, and spreads them over the cores
//! it uses. Never sees a packet; never elected, never alone.

mod admin;
mod away;
mod data;
mod entries;
mod facts;
mod floor;
mod local;
mod moderate;
mod mute;
mod pipe_infos;
mod pipes;
mod remote;
mod routers;
mod shown;
mod told;
mod traced;
mod uses;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use serde_json::Value;
use starling_cluster::decide::{
    budget::Top,
    exchange::Exchange,
    floor::Floor,
    liveness::Verdict,
    pulls::Request,
    roster::{Crowd, RoomReplica},
    traced::Traced,
};
use starling_media::command::{ConsumerParams, ProducerParams};
use starling_proto::{
    ConsumerId, Moderation, NodeId, PeerId, ProducerId, RoomId, TransportId,
    flow::FlowId,
    mute::Muted,
    observer::Happened,
    registry::RoomRecord,
    rest::{
        ConsumerCreated, CreateConsumer, CreateDataConsumer, DataConsumerCreated, PeerInfo,
        PipeInfo,
    },
    roster::{Change, Known, ProducerEntry, Snapshot},
    voice::{Voice, Voices},
};

use crate::{
    fresh,
    limits::ROOM_LINGER,
    link_actor::LinkPort,
    node::{NodeMsg, Reply, Shared},
    peer::PeerMsg,
    router::{RouterMsg, RouterSeq, Taker},
    session::{Program, Session, SessionRequest},
};
pub(crate) use away::{Leavers, MoveWish};
pub(crate) use data::DataRoomMsg;
use data::RoomData;
use entries::Entries;
use local::Here;
use pipes::Pipes;
use routers::Routers;
pub(crate) use shown::{Shown, ShownWish};
pub(crate) use traced::TracedRoomMsg;
use uses::Uses;

/// What a room is told.
pub(crate) enum RoomMsg {
    /// A client opens its session.
    Open { request: Box<SessionRequest>, resumed: Option<u64>, reply: Reply<Session> },
    /// REST makes a peer.
    CreatePeer(Box<Program>, Reply<PeerInfo>),
    /// A peer joins.
    Join { request: u32, peer: PeerId, incarnation: u64, display_name: String, device: Value },
    /// A peer's session is over.
    PeerEnded { peer: PeerId, incarnation: u64 },
    /// A peer has another name.
    Rename { peer: PeerId, display_name: String },
    /// An admin of the room, here (whose request it is) or on another node, does this to a peer.
    Moderate { by: Option<(ActorRef<PeerMsg>, u32)>, peer: PeerId, order: Moderation },
    /// Whose video a peer wishes.
    WishShown { peer: PeerId, wish: ShownWish },
    /// A peer produces.
    Produce {
        peer: PeerId,
        incarnation: u64,
        transport: TransportId,
        entry: Box<ProducerEntry>,
        params: Box<ProducerParams>,
    },
    /// It produces no more.
    CloseProducer { peer: PeerId, producer: ProducerId },
    /// It pauses or goes on.
    PauseProducer { peer: PeerId, producer: ProducerId, paused: bool },
    /// A peer consumes.
    Consume(Box<Consume>),
    /// A peer's wish about a consumer, for the router on its core: it goes the way of
    /// [`RoomMsg::Consume`], so that it does not come before it.
    ForRouter { core: usize, message: RouterMsg },
    /// It consumes no more.
    Unconsume(ConsumerId),
    /// A link is up.
    LinkUp(LinkPort),
    /// It is down; a verdict about the link alone leaves the node's peers in the room.
    LinkDown(NodeId, Verdict),
    /// A node whose link is down is out of everybody's reach, too.
    NodeLost(NodeId),
    /// A node without a link is reached by another one.
    NodeFound(NodeId),
    /// A node has peers of this room.
    NodeHasRoom(NodeId),
    /// It has none any more.
    NodeLeftRoom(NodeId),
    /// A node's peers.
    RemoteSnapshot { node: NodeId, snapshot: Snapshot },
    /// A change of them.
    RemoteDelta { node: NodeId, seq: u64, change: Box<Change> },
    /// A node missed a change.
    SnapshotWanted(NodeId),
    /// A node asks about others that it has no link with.
    RostersWanted { by: NodeId, known: Vec<Known> },
    /// A node answers for one that we have no link with.
    Roster { by: NodeId, of: NodeId, epoch: u64, snapshot: Option<Snapshot> },
    /// A node wants a producer.
    PipeOpen { node: NodeId, request: Request },
    /// By which way a producer comes to the node that it is pulled from.
    PipeServed { node: NodeId, flow: FlowId, path: Vec<NodeId> },
    /// It wants other layers of it.
    PipeLayers { node: NodeId, flow: FlowId, layers: u32 },
    /// The best layer that the link takes of a flow.
    PipeTop { node: NodeId, flow: FlowId, top: Top },
    /// A node does not have what we wanted.
    PipeRefused { node: NodeId, flow: FlowId },
    /// A flow is over.
    PipeClosed { node: NodeId, flow: FlowId },
    /// Microphones of this node, as its planes have just measured them.
    Heard(Heard),
    /// A node's microphones.
    RemoteVoices { node: NodeId, voices: Voices },
    /// About data channels.
    Data(DataRoomMsg),
    /// About traced joins.
    Traced(TracedRoomMsg),
    /// Something may be due.
    Tick,
    /// Something about pulls is.
    PullsDue,
    /// REST: how many there are, and who has the floor.
    Summary(Reply<(u32, Option<PeerId>)>),
    /// REST: who is here and elsewhere.
    Peers(Reply<Vec<PeerInfo>>),
    /// REST: what the router here forwards to whom.
    RouterDump(Reply<Value>),
    /// REST: what is pulled from other nodes.
    Pipes(Reply<Vec<PipeInfo>>),
    /// REST: a peer of this node.
    PeerRef { peer: PeerId, reply: Reply<ActorRef<PeerMsg>> },
    /// REST: send a peer away.
    RemovePeer { peer: PeerId, reason: String, reply: Reply<()> },
    /// REST: silence a peer, or no more.
    Mute { peer: PeerId, muted: Muted, reply: Reply<Muted> },
    /// REST: what is silenced of one.
    MutedOf { peer: PeerId, reply: Reply<Muted> },
    /// Another node's operator has silenced a peer, or no more.
    RemoteMuted { peer: PeerId, muted: Muted },
    /// REST: a program's peer consumes.
    PlainConsume {
        peer: PeerId,
        transport: TransportId,
        consumer: CreateConsumer,
        reply: Reply<ConsumerCreated>,
    },
    /// REST: the same of a data producer.
    ProgramConsumeData {
        peer: PeerId,
        transport: TransportId,
        consumer: CreateDataConsumer,
        reply: Reply<DataConsumerCreated>,
    },
    /// The node is draining, or no more: whoever joins is told where to go.
    Drain(bool),
    /// Who could be asked to move.
    Leavers(Reply<Leavers>),
    /// Send a client to another node, make before break.
    MovePeer { peer: PeerId, wish: MoveWish, reply: Option<Reply<()>> },
    /// On which node a peer is.
    WhereIs { peer: PeerId, reply: Reply<NodeId> },
    /// Whoever is still here is sent away.
    Cut(&'static str),
    /// Something the room needs has failed: its peers are told to reconnect.
    Fail(String),
    /// A router, or the thread of its core, has failed: its peers are told to reconnect.
    RouterLost { seq: RouterSeq, reason: String },
    /// Its record changed.
    Record(RoomRecord),
    /// Its peers are sent away for good.
    Delete,
    /// It had nobody a while ago, after so many joins.
    Lingered { opened: u64 },
    /// It is empty, and the node has forgotten it.
    Close,
    /// For the test of exit policies.
    #[cfg(test)]
    RouterRef(Reply<ActorRef<RouterMsg>>),
    /// A handler that panics, for the same.
    #[cfg(test)]
    Panic,
    /// A handler that waits, for tests of what overtakes what.
    #[cfg(test)]
    Hold(tokio::sync::oneshot::Receiver<()>),
}

/// Microphones of one plane, measured at once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) voices: Vec<Voice>,
    /// These have fallen silent.
    pub(crate) silent: Vec<ProducerId>,
}

/// What a peer wants to consume.
pub(crate) struct Consume {
    pub(crate) peer: ActorRef<PeerMsg>,
    /// Its name.
    pub(crate) by: PeerId,
    /// Where the peer's transports are.
    pub(crate) core: usize,
    pub(crate) transport: TransportId,
    pub(crate) consumer: ConsumerId,
    pub(crate) producer: ProducerId,
    pub(crate) params: Box<ConsumerParams>,
}

/// What a room is made of.
pub(crate) struct RoomArgs {
    pub(crate) id: RoomId,
    pub(crate) record: RoomRecord,
    pub(crate) node: ActorRef<NodeMsg>,
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct RoomState {
    args: RoomArgs,
    myself: ActorRef<RoomMsg>,
    routers: Routers,
    replica: RoomReplica,
    /// Sessions of this node, joined or not.
    here: BTreeMap<PeerId, Here>,
    /// Those that take the place of one of them when they join.
    heirs: BTreeMap<PeerId, Here>,
    links: BTreeMap<NodeId, LinkPort>,
    /// Who of them is told what.
    exchange: Exchange,
    /// Which nodes have peers.
    crowd: Crowd,
    /// What comes from other nodes and goes to them.
    pipes: Pipes,
    /// The core of each producer of this node.
    own: BTreeMap<ProducerId, usize>,
    /// Who here consumes what.
    uses: Uses,
    /// Names that peers here were told.
    names: BTreeMap<PeerId, String>,
    /// What operators have silenced, of peers on all nodes.
    muted: BTreeMap<PeerId, Muted>,
    entries: Entries,
    /// Who speaks, over all nodes.
    floor: Floor,
    /// Peers here were told of voices, and not yet of silence.
    voices_told: bool,
    /// When peers here were last told of voices.
    volumes_told: Option<Instant>,
    data: RoomData,
    /// The version of the nodes that peers' standby lists were made from.
    nodes_version: u64,
    /// Joins taken up so far, refused ones included: tells the node whether it and the room agree
    /// that nobody is here.
    opened: u64,
    /// Who joins is told where to go.
    draining: bool,
    /// Of traced joins.
    traced: Traced,
}

/// Also after a panic and a kill, where an actor's `post_stop` is not called.
impl Drop for RoomState {
    fn drop(&mut self) {
        let RoomArgs { shared, id, .. } = &self.args;
        shared.feed.tell_of_room(Happened::Close, Some(id), || Value::Null);
    }
}

/// The actor; see [`RoomMsg`].
pub(crate) struct RoomActor;

impl Actor for RoomActor {
    type Msg = RoomMsg;
    type State = RoomState;
    type Arguments = RoomArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<RoomMsg>,
        args: RoomArgs,
    ) -> Result<RoomState, ActorProcessingErr> {
        let config = &args.shared.config;
        let replica = RoomReplica::new(config.id.clone(), fresh::wall_us(), config.resume_within);
        myself.send_interval(TICK, || RoomMsg::Tick);
        let Shared { feed, .. } = &*args.shared;
        feed.tell_of_room(Happened::NewRouter, Some(&args.id), || Value::Null);
        Ok(RoomState {
            myself,
            routers: Routers::default(),
            replica,
            here: BTreeMap::new(),
            heirs: BTreeMap::new(),
            links: BTreeMap::new(),
            exchange: Exchange::new(args.id.clone()),
            crowd: Crowd::default(),
            pipes: Pipes::new(args.shared.config.id.clone()),
            own: BTreeMap::new(),
            uses: Uses::default(),
            names: BTreeMap::new(),
            muted: BTreeMap::new(),
            entries: Entries::default(),
            floor: Floor::default(),
            voices_told: false,
            volumes_told: None,
            data: RoomData::default(),
            nodes_version: args.shared.nodes_version(),
            opened: 0,
            draining: false,
            traced: Traced::new(args.id.clone()),
            args,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<RoomMsg>,
        message: RoomMsg,
        state: &mut RoomState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RoomMsg::Open { request, resumed, reply } => {
                let opened = state.open(*request, resumed).await;
                state.count_opened();
                let _ = reply.send(opened);
            }
            RoomMsg::CreatePeer(peer, reply) => {
                let created = state.create_peer(*peer).await;
                state.count_opened();
                let _ = reply.send(created);
            }
            RoomMsg::Traced(message) => state.handle_traced(message),
            RoomMsg::Fail(reason) => state.fail(&reason),
            RoomMsg::RouterLost { seq, reason } => {
                if !state.router_lost(seq, &reason) {
                    state.fail(&reason);
                }
            }
            RoomMsg::Delete => {
                state.tell_clients(4000, "the room was deleted");
                myself.stop(None);
            }
            RoomMsg::Lingered { opened } => state.lingered(opened),
            RoomMsg::Close => myself.stop(None),
            #[cfg(test)]
            RoomMsg::Panic => panic!("asked to"),
            #[cfg(test)]
            RoomMsg::Hold(until) => drop(until.await),
            other => state.handle(other),
        }
        Ok(())
    }

    /// A peer that fails ends that peer: the room forgets it as if it had left.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<RoomMsg>,
        event: SupervisionEvent,
        state: &mut RoomState,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(cell, error) = event
            && let Some(peer) = state.peer_failed(cell.get_id())
        {
            tracing::error!(%peer, %error, "a peer failed and was ended");
        }
        Ok(())
    }
}

/// How often a room looks for deadlines: they are seconds, and a tick of an idle room costs
/// microseconds.
const TICK: std::time::Duration = std::time::Duration::from_millis(500);

impl RoomState {
    fn handle(&mut self, message: RoomMsg) {
        match message {
            RoomMsg::Join { request, peer, incarnation, display_name, device } => {
                self.join(request, &peer, incarnation, display_name, device);
            }
            RoomMsg::PeerEnded { peer, incarnation } => self.peer_ended(&peer, incarnation),
            RoomMsg::Rename { peer, display_name } => {
                let local = self.replica.local_rename(Instant::now(), &peer, display_name);
                self.carry_out(local);
            }
            RoomMsg::Moderate { by, peer, order } => self.on_moderate(by, &peer, order),
            RoomMsg::WishShown { peer, wish } => self.wish_shown(&peer, wish),
            RoomMsg::Produce { peer, incarnation, transport, entry, params } => {
                self.produce(&peer, incarnation, transport, *entry, params);
            }
            RoomMsg::CloseProducer { peer, producer } => {
                let local = self.replica.local_close(Instant::now(), &peer, &producer);
                self.carry_out(local);
            }
            RoomMsg::PauseProducer { peer, producer, paused } => {
                let local = self.replica.local_pause(Instant::now(), &peer, &producer, paused);
                self.carry_out(local);
            }
            RoomMsg::Consume(consume) => self.consume(*consume),
            RoomMsg::ForRouter { core, message } => self.routers.tell(core, message),
            RoomMsg::Unconsume(consumer) => self.unconsume(&consumer),
            RoomMsg::LinkUp(port) => self.link_up(port),
            RoomMsg::LinkDown(node, verdict) => self.link_down(&node, verdict),
            RoomMsg::NodeLost(node) => self.node_lost(&node),
            RoomMsg::NodeFound(node) => self.node_found(&node),
            RoomMsg::NodeHasRoom(node) => self.node_has_room(&node),
            RoomMsg::NodeLeftRoom(node) => self.node_left_room(&node),
            RoomMsg::RemoteSnapshot { node, snapshot } => self.remote_snapshot(&node, snapshot),
            RoomMsg::RemoteDelta { node, seq, change } => self.remote_delta(&node, seq, &change),
            RoomMsg::SnapshotWanted(node) => self.snapshot_wanted(&node),
            RoomMsg::RostersWanted { by, known } => self.rosters_wanted(&by, &known),
            RoomMsg::Roster { by, of, epoch, snapshot } => {
                self.roster(&by, (&of, epoch), snapshot);
            }
            RoomMsg::PipeOpen { node, request } => self.pipe_open(&node, request),
            RoomMsg::PipeServed { node, flow, path } => self.pipe_served(&node, flow, path),
            RoomMsg::PipeLayers { node, flow, layers } => self.pipe_layers(node, flow, layers),
            RoomMsg::PipeTop { node, flow, top } => {
                let taker = Taker::Node(node, flow);
                self.routers.tell_all(|| RouterMsg::ServeTop { taker: taker.clone(), top });
            }
            RoomMsg::PipeRefused { node, flow } | RoomMsg::PipeClosed { node, flow } => {
                if !self.data_flow_over(&node, flow) {
                    self.flow_over(&node, flow);
                }
            }
            RoomMsg::Heard(heard) => self.heard(heard),
            RoomMsg::RemoteVoices { node, voices } => self.remote_voices(&node, voices),
            RoomMsg::Data(message) => self.handle_data(message),
            RoomMsg::Tick => self.tick(),
            RoomMsg::PullsDue => self.tick_pulls(),
            #[cfg(test)]
            RoomMsg::RouterRef(reply) => {
                let _ = reply.send(Ok(self.routers.first().expect("somebody was here")));
            }
            RoomMsg::Drain(draining) => self.set_draining(draining),
            message @ (RoomMsg::Leavers(_)
            | RoomMsg::MovePeer { .. }
            | RoomMsg::WhereIs { .. }
            | RoomMsg::Cut(_)) => self.handle_leaving(message),
            RoomMsg::Record(record) => {
                self.args.record = record;
                self.show_all();
            }
            other => self.handle_admin(other),
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.replica.next_deadline().is_some_and(|deadline| deadline <= now) {
            let facts = self.replica.expire(now);
            self.apply(facts);
        }
        self.ask_rosters();
        self.tick_pulls();
        self.renew_standby();
        self.close_moved(now);
        self.tick_data(now);
        self.tell_volumes(now);
    }

    /// The room ends on this node; its peers may come again at once.
    fn fail(&self, reason: &str) {
        // First the node, so that a client that comes again finds another room.
        let room = self.args.id.clone();
        let _ = self.args.node.cast(NodeMsg::RoomEnded { room, actor: self.myself.clone() });
        self.tell_clients(4001, reason);
        self.myself.stop(None);
    }

    fn count_opened(&mut self) {
        self.opened += 1;
        self.check_empty();
    }

    /// Nobody is here: it is looked at again after a while, in case a page is only reloading.
    fn check_empty(&self) {
        if self.here.is_empty() {
            let opened = self.opened;
            self.myself.send_after(ROOM_LINGER, move || RoomMsg::Lingered { opened });
        }
    }

    /// Nobody has come since: the node is told, unless other nodes still get streams through this
    /// one. They go elsewhere, as a tree does not depend on nodes without peers.
    fn lingered(&self, opened: u64) {
        if opened != self.opened || !self.here.is_empty() {
            return;
        }
        if self.pipes.pulls.relays() {
            return self.check_empty();
        }
        let (room, actor) = (self.args.id.clone(), self.myself.clone());
        let _ = self.args.node.cast(NodeMsg::RoomEmpty { room, actor, opened });
    }
}
