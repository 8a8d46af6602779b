//! NodeActor: the root of the tree. It knows the workers, the rooms and the links of this node,
//! holds the view of the cluster, and brings those together who must know each other. Routes; the
//! work is in the files beside it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};
use starling_cluster::{
    decide::{life::Life, liveness::Verdict, view::ClusterView},
    link::{Link, LinkEndpoint, LinkEvent, LinkTls},
    registry::{Change, RegistryError, WatchEvent},
};
use starling_proto::{
    NodeId, Refusal, RevocationId, RoomId, WebhookId,
    link::{LinkMessage, PlacedJoins},
    observer::Happened,
    registry::{NodeCost, NodeLoad, NodeState, RoomPolicy, RoomRecord, WebhookRecord},
    rest::{
        ClientAt, CreateRoom, LinkInfo, NodeInfo, PeerInfo, Placement, PlacementExplained,
        PolicyChange, RevocationInfo, RoomInfo, RoomMoving, WorkersInfo,
    },
    signal::NodeHint,
};
use tokio::task::JoinHandle;

use super::{
    Readiness, Reply, Shared,
    drain::{Scene, Target},
    gauge::Gauge,
    joins::{Waiting, Waitlist},
    move_room::Moves,
    rtts::Rtts,
};
use crate::{
    Metric,
    limits::LOAD_EVERY,
    link_actor::LinkMsg,
    registry_actor::RegistryMsg,
    room::RoomMsg,
    session::{Program, Session, SessionRequest},
    worker::WorkerHandle,
    worker_actor::WorkerMsg,
};

/// What a node is told.
pub(crate) enum NodeMsg {
    /// REST.
    Revoke { revocation: RevocationInfo, reply: Reply<()> },
    /// Another certificate for links; it is this node's.
    LinkTls(LinkTls),
    /// REST.
    Pardon { id: RevocationId, reply: Reply<()> },
    /// A worker's thread runs, or runs again.
    WorkerUp { index: usize, handle: WorkerHandle, actor: ActorRef<WorkerMsg> },
    /// From the registry's watch.
    Registry(WatchEvent),
    /// This node's record was written, or not.
    Registered(Result<(), RegistryError>),
    /// A room's record, for the joins that wait for it.
    RoomRecord { room: RoomId, record: Result<RoomRecord, Refusal> },
    /// From the link endpoint.
    Link(LinkEvent),
    /// A linked node's load.
    RemoteLoad { node: NodeId, load: NodeLoad, state: NodeState },
    /// What a linked node's work costs it.
    RemoteCost { node: NodeId, cost: NodeCost },
    /// A linked node placed joins.
    RemotePlaced(Vec<PlacedJoins>),
    /// A linked node has peers of a room, or none any more.
    RemoteRoom { node: NodeId, room: RoomId, has: bool },
    /// Another node's operator deleted a room.
    RoomDeletedElsewhere(RoomId),
    /// A room has had nobody for a while, after this many sessions.
    RoomEmpty { room: RoomId, actor: ActorRef<RoomMsg>, opened: u64 },
    /// A room has ended by itself.
    RoomEnded { room: RoomId, actor: ActorRef<RoomMsg> },
    /// Time to tell the load.
    Tick,
    /// Time to tell which joins were placed.
    TellPlaced,
    /// A client opens a session.
    OpenSession(Box<SessionRequest>, Reply<Session>),
    /// REST.
    CreatePeer { room: RoomId, peer: Box<Program>, reply: Reply<PeerInfo> },
    /// REST.
    Place { room: RoomId, client: ClientAt, reply: Reply<Placement> },
    /// REST.
    Explain { room: RoomId, client: ClientAt, reply: Reply<PlacementExplained> },
    /// REST.
    MoveRoom { room: RoomId, to: NodeId, reply: Reply<RoomMoving> },
    /// REST.
    Nodes(Reply<Vec<NodeInfo>>),
    /// REST.
    Rooms(Reply<Vec<RoomInfo>>),
    /// REST.
    CreateRoom(CreateRoom, Reply<RoomInfo>),
    /// REST.
    SetPolicy {
        room: RoomId,
        change: PolicyChange,
        seen: Option<Box<RoomPolicy>>,
        reply: Reply<RoomInfo>,
    },
    /// REST.
    DeleteRoom { room: RoomId, reply: Reply<()> },
    /// REST.
    CreateWebhook { id: WebhookId, record: WebhookRecord, reply: Reply<()> },
    /// REST.
    DeleteWebhook { id: WebhookId, reply: Reply<()> },
    /// REST.
    Links(Reply<Vec<LinkInfo>>),
    /// All rooms with peers here.
    RoomRefs(Reply<Vec<ActorRef<RoomMsg>>>),
    /// A room with peers here.
    RoomRef { room: RoomId, reply: Reply<ActorRef<RoomMsg>> },
    /// Take no new peers; move the others to other nodes.
    Drain { within: Duration, emergency: bool, reply: Reply<()> },
    /// Take no new peers.
    Cordon(Reply<()>),
    /// What a drain looks at.
    Scene(Reply<Scene>),
    /// Where somebody here could go; it is reserved there.
    Target(Target, Reply<NodeHint>),
    /// Take new peers again.
    Undrain(Reply<()>),
    /// The process and its workers.
    Workers(Reply<WorkersInfo>),
    /// Probe.
    Readiness(Reply<Readiness>),
    /// Figures.
    Metrics(Reply<Vec<Metric>>),
    /// Everything ends.
    Stop(Reply<()>),
    /// Ends all links, for tests of links that flap.
    #[cfg(test)]
    CutLinks,
}

/// A room of this node.
pub(super) struct Room {
    pub(super) actor: ActorRef<RoomMsg>,
    /// Sessions it was sent.
    pub(super) sent: u64,
    pub(super) record: RoomRecord,
    /// Since when the registry has had no record of it.
    pub(super) unrecorded: Option<Instant>,
}

pub(super) struct LinkSlot {
    pub(super) actor: ActorRef<LinkMsg>,
    pub(super) link: Arc<dyn Link>,
    pub(super) rtts: Rtts,
}

pub(crate) struct NodeTree {
    pub(super) myself: ActorRef<NodeMsg>,
    pub(super) shared: Arc<Shared>,
    pub(super) registry: ActorRef<RegistryMsg>,
    pub(super) endpoint: LinkEndpoint,
    pub(super) view: ClusterView,
    pub(super) rooms: BTreeMap<RoomId, Room>,
    pub(super) links: BTreeMap<NodeId, LinkSlot>,
    /// The last one of each node that has no link; as many as nodes have been linked.
    pub(super) ended_links: BTreeMap<NodeId, ActorRef<LinkMsg>>,
    pub(super) waiting: Waitlist,
    pub(super) state: NodeState,
    /// `state` is for those who ask for a place; this says that nobody is to leave.
    pub(super) cordoned: bool,
    pub(super) moves: Moves,
    /// A drain under way.
    pub(super) drain: Option<JoinHandle<()>>,
    pub(super) registered: bool,
    /// When it is over, the next one begins as soon as the registry agrees.
    pub(super) life: Life,
    /// Since when another process is registered under this node's id.
    pub(super) taken: Option<Instant>,
    pub(super) record_written: Option<Instant>,
    pub(super) gauge: Gauge,
    /// A [`NodeMsg::TellPlaced`] is on its way.
    pub(super) telling: bool,
    /// When the last one went.
    pub(super) told_placed: Option<Instant>,
    pub(super) sessions: u64,
    /// Of these, with a ticket.
    pub(super) resumed: u64,
    pub(super) refused: u64,
}

/// The actor; see [`NodeMsg`].
pub(crate) struct NodeActor;

impl Actor for NodeActor {
    type Msg = NodeMsg;
    type State = NodeTree;
    type Arguments = super::start::NodeArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<NodeMsg>,
        args: super::start::NodeArgs,
    ) -> Result<NodeTree, ActorProcessingErr> {
        let state = super::start::assemble(myself.clone(), args).await?;
        myself.send_interval(LOAD_EVERY, || NodeMsg::Tick);
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<NodeMsg>,
        message: NodeMsg,
        state: &mut NodeTree,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            NodeMsg::Link(LinkEvent::Up(link)) => state.link_up(link).await?,
            NodeMsg::OpenSession(request, reply) => {
                state.open_session(*request, reply).await;
            }
            NodeMsg::CreatePeer { room, peer, reply } => {
                state.admit(room, Waiting::Program(peer, reply)).await;
            }
            NodeMsg::RoomRecord { room, record } => state.on_record(room, record).await,
            NodeMsg::Stop(reply) => {
                state.stop().await;
                let _ = reply.send(Ok(()));
                myself.stop(None);
            }
            other => state.handle(other),
        }
        Ok(())
    }

    /// A room that fails ends on this node: its peers are told by their own ends, other rooms
    /// notice nothing. A link, worker or registry actor that fails is started again by what it
    /// stood for: a link by the next dial; the others are the node itself, which then stops.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<NodeMsg>,
        event: SupervisionEvent,
        state: &mut NodeTree,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(cell, error) = event else { return Ok(()) };
        let id = cell.get_id();
        let room = state.rooms.iter().find(|(_, room)| room.actor.get_id() == id);
        if let Some((name, room)) = room.map(|(name, room)| (name.clone(), room.actor.clone())) {
            tracing::error!(room = %name, %error, "a room failed and was ended");
            state.room_ended(&name, &room);
            return Ok(());
        }
        let link = state.links.iter().find(|(_, slot)| slot.actor.get_id() == id);
        if let Some(node) = link.map(|(node, _)| node.clone()) {
            tracing::error!(%node, %error, "a link's actor failed; the link is given up");
            state.link_down(&node, Verdict::Node);
            return Ok(());
        }
        tracing::error!(%error, "an actor that the node cannot do without failed; the node stops");
        myself.stop(Some("a worker or the registry actor failed".into()));
        Ok(())
    }
}

impl NodeTree {
    fn handle(&mut self, message: NodeMsg) {
        match message {
            NodeMsg::WorkerUp { index, handle, actor } => {
                let before = self.shared.cores().into_iter().find(|(of, _)| *of == index);
                if before.is_some_and(|(_, core)| core.handle.is_dead()) {
                    let info = || serde_json::json!({ "workerIndex": index });
                    self.shared.feed.tell_of_room(Happened::Died, None, info);
                }
                self.shared.set_worker(index, handle, actor);
            }
            NodeMsg::Registry(event) => self.on_registry(event),
            NodeMsg::Registered(result) => self.on_registered(result),
            NodeMsg::Link(LinkEvent::Message { node, message, .. }) => {
                if let Some(slot) = self.links.get(&node) {
                    let _ = slot.actor.cast(LinkMsg::Message(message));
                }
            }
            NodeMsg::Link(LinkEvent::Budget { node, epoch, tops }) => {
                if let Some(slot) = self.links.get(&node).filter(|it| it.link.epoch() == epoch) {
                    let _ = slot.actor.cast(LinkMsg::Tops(tops));
                }
            }
            NodeMsg::Link(LinkEvent::Down { node, epoch, reason, verdict, left }) => {
                tracing::info!(%node, %reason, ?verdict, "a link is down");
                // The end of an older life must not end the link to the newer one.
                if self.links.get(&node).is_some_and(|slot| slot.link.epoch() == epoch) {
                    self.link_down(&node, verdict);
                    self.tell_link_down(&node, verdict, left);
                }
            }
            NodeMsg::Link(LinkEvent::Verdict { node, verdict, .. }) => {
                self.on_verdict(&node, verdict);
            }
            NodeMsg::Link(LinkEvent::Over { by, epoch, reason }) => {
                self.on_over(&by, epoch, &reason);
            }
            NodeMsg::RemoteLoad { node, load, state } => {
                if !self.view.is_linked(&node) {
                    return;
                }
                self.view.on_load(Instant::now(), node.clone(), load, state);
                // With a thousand nodes two thousand of these come in a second.
                if let Some(record) = self.view.node(&node) {
                    self.shared.set_node(record);
                }
            }
            NodeMsg::RemoteCost { node, cost } => {
                if self.view.is_linked(&node) {
                    self.view.on_cost(node, cost);
                }
            }
            NodeMsg::RemotePlaced(placed) => self.view.on_placed(Instant::now(), &placed),
            NodeMsg::TellPlaced => self.tell_placed(),
            NodeMsg::RemoteRoom { node, room, has } => self.view.on_room(node, room, has),
            NodeMsg::RoomDeletedElsewhere(room) => self.delete_here(&room),
            NodeMsg::RoomEmpty { room, actor, opened } => self.room_empty(&room, &actor, opened),
            NodeMsg::RoomEnded { room, actor } => self.room_ended(&room, &actor),
            NodeMsg::Tick => self.tick(),
            NodeMsg::LinkTls(tls) => {
                if let Err(error) = self.endpoint.set_tls(tls) {
                    tracing::error!(%error, "links keep their certificate");
                }
            }
            #[cfg(test)]
            NodeMsg::CutLinks => self.endpoint.set_targets(Vec::new()),
            other => self.handle_admin(other),
        }
    }

    fn on_registry(&mut self, event: WatchEvent) {
        self.shared.on_revocations(&event);
        let nodes = matches!(event, WatchEvent::Snapshot(_) | WatchEvent::Change(Change::Node(..)));
        let webhooks =
            matches!(event, WatchEvent::Snapshot(_) | WatchEvent::Change(Change::Webhook(..)));
        let changed = self.view.on_registry(Instant::now(), event);
        for (room, record) in changed {
            match (self.rooms.get_mut(&room), record) {
                (Some(here), Some(record)) if here.record != record => {
                    here.record = record.clone();
                    let _ = here.actor.cast(RoomMsg::Record(record));
                }
                _ => {}
            }
        }
        if nodes {
            self.endpoint.set_targets(self.view.targets());
            self.publish_nodes();
        }
        if webhooks {
            self.publish_webhooks();
        }
    }

    pub(super) fn publish_nodes(&self) {
        self.shared.set_nodes(self.view.reachable());
    }

    /// Its peers' sessions are closed by the end of their actors.
    fn room_ended(&mut self, room: &RoomId, actor: &ActorRef<RoomMsg>) {
        let current = self.rooms.get(room).is_some_and(|r| r.actor.get_id() == actor.get_id());
        if current {
            self.forget_room(room);
        }
    }

    fn room_empty(&mut self, room: &RoomId, actor: &ActorRef<RoomMsg>, opened: u64) {
        // Of an earlier room of that name, or a session on its way that the room has not counted.
        let said = |here: &&Room| here.actor.get_id() == actor.get_id() && here.sent == opened;
        let Some(here) = self.rooms.get(room).filter(said) else { return };
        let _ = here.actor.cast(RoomMsg::Close);
        let persistent = here.record.persistent;
        self.forget_room(room);
        let everywhere = self.view.others_of(room).is_empty();
        if everywhere {
            self.tell_room_ended(room, false);
        }
        if !persistent && everywhere {
            let revision = self.view.revision(room);
            let _ = self.registry.cast(RegistryMsg::Forget(room.clone(), revision));
        }
    }

    pub(super) fn forget_room(&mut self, room: &RoomId) {
        let Some(ended) = self.rooms.remove(room) else { return };
        for (_, core) in self.shared.cores() {
            let _ = core.actor.cast(WorkerMsg::RoomGone(ended.actor.get_id()));
        }
        for slot in self.links.values() {
            let _ = slot.actor.cast(LinkMsg::RoomDown(room.clone()));
        }
        let _ = self.registry.cast(RegistryMsg::Presence(room.clone(), None));
    }

    /// Its name is free at once: who joins now finds another room.
    pub(super) fn delete_here(&mut self, room: &RoomId) {
        if let Some(here) = self.rooms.get(room) {
            let _ = here.actor.cast(RoomMsg::Delete);
            self.forget_room(room);
        }
    }

    pub(super) fn broadcast(&self, message: &LinkMessage) {
        for slot in self.links.values() {
            slot.link.send(message.clone());
        }
    }

    async fn stop(&mut self) {
        self.end_drain();
        for room in self.rooms.values() {
            let _ = room.actor.cast(RoomMsg::Fail("the node is stopping".into()));
        }
        let (reply, left) = tokio::sync::oneshot::channel();
        let _ = self.registry.cast(RegistryMsg::Leave(reply));
        let _ = left.await;
        self.endpoint.shutdown().await;
        for worker in self.shared.workers() {
            worker.stop();
        }
    }
}
