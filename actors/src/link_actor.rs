//! LinkActor: one link to another node. It knows which room each flow and each message belongs to,
//! and passes them on. Holds no room's state.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use starling_cluster::{
    decide::{budget::Top, pulls::Request},
    link::Link,
};
use starling_proto::{NodeId, RoomId, flow::FlowId, link::LinkMessage};

use crate::{
    node::NodeMsg,
    room::{DataRoomMsg, RoomMsg, TracedRoomMsg},
};

/// Most flows of a link, both sides' together: 1,000 rooms of 20 remote producers.
const MAX_FLOWS: usize = 20_000;

/// A link as rooms hold it.
#[derive(Clone)]
pub(crate) struct LinkPort {
    pub(crate) link: Arc<dyn Link>,
    pub(crate) actor: ActorRef<LinkMsg>,
    flows: Arc<AtomicU64>,
}

impl LinkPort {
    pub(crate) fn new(link: Arc<dyn Link>, actor: ActorRef<LinkMsg>) -> Self {
        Self { link, actor, flows: Arc::default() }
    }

    pub(crate) fn node(&self) -> &NodeId {
        self.link.node()
    }

    /// A flow of this side, owned by `room` from now on.
    pub(crate) fn new_flow(&self, room: &RoomId) -> FlowId {
        let count = self.flows.fetch_add(1, Ordering::Relaxed);
        let flow = FlowId(count * 2 + self.link.flow_parity());
        let _ = self.actor.cast(LinkMsg::FlowOpened { flow, room: room.clone() });
        flow
    }

    /// The other side asked for something on its flow that is not here.
    pub(crate) fn refuse_flow(&self, flow: FlowId) {
        self.link.send(LinkMessage::PipeRefused { flow });
        let _ = self.actor.cast(LinkMsg::FlowClosed(flow));
    }

    /// The flow is over here; the other side is told.
    pub(crate) fn end_flow(&self, flow: FlowId) {
        self.link.send(LinkMessage::PipeClose { flow });
        let _ = self.actor.cast(LinkMsg::FlowClosed(flow));
    }
}

/// What a link is told.
pub(crate) enum LinkMsg {
    /// From the other node.
    Message(Box<LinkMessage>),
    /// The best layers that the link takes of these flows.
    Tops(Vec<(FlowId, Top)>),
    /// This node has peers of a room.
    RoomUp { room: RoomId, actor: ActorRef<RoomMsg> },
    /// It has none any more.
    RoomDown(RoomId),
    /// A room uses a flow.
    FlowOpened { flow: FlowId, room: RoomId },
    /// It does not any more.
    FlowClosed(FlowId),
}

/// What a link is made of.
pub(crate) struct LinkArgs {
    pub(crate) link: Arc<dyn Link>,
    pub(crate) node: ActorRef<NodeMsg>,
    pub(crate) rooms: BTreeMap<RoomId, ActorRef<RoomMsg>>,
}

pub(crate) struct LinkState {
    args: LinkArgs,
    port: LinkPort,
    flows: BTreeMap<FlowId, RoomId>,
    /// Rooms of the other node.
    theirs: BTreeSet<RoomId>,
}

/// The actor; see [`LinkMsg`].
pub(crate) struct LinkActor;

impl Actor for LinkActor {
    type Msg = LinkMsg;
    type State = LinkState;
    type Arguments = LinkArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<LinkMsg>,
        args: LinkArgs,
    ) -> Result<LinkState, ActorProcessingErr> {
        let port = LinkPort::new(args.link.clone(), myself);
        args.link.send(LinkMessage::Rooms(args.rooms.keys().cloned().collect()));
        for room in args.rooms.values() {
            let _ = room.cast(RoomMsg::LinkUp(port.clone()));
        }
        Ok(LinkState { args, port, flows: BTreeMap::new(), theirs: BTreeSet::new() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<LinkMsg>,
        message: LinkMsg,
        state: &mut LinkState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            LinkMsg::Message(message) => state.on_message(*message),
            LinkMsg::Tops(tops) => {
                let node = state.port.node().clone();
                for (flow, top) in tops {
                    let Some(room) = state.flows.get(&flow) else { continue };
                    state.tell_room(room, RoomMsg::PipeTop { node: node.clone(), flow, top });
                }
            }
            LinkMsg::RoomUp { room, actor } => {
                state.port.link.send(LinkMessage::RoomOpened(room.clone()));
                let _ = actor.cast(RoomMsg::LinkUp(state.port.clone()));
                if state.theirs.contains(&room) {
                    let _ = actor.cast(RoomMsg::NodeHasRoom(state.port.node().clone()));
                }
                state.args.rooms.insert(room, actor);
            }
            LinkMsg::RoomDown(room) => {
                state.port.link.send(LinkMessage::RoomClosed(room.clone()));
                state.args.rooms.remove(&room);
                state.flows.retain(|_, owner| *owner != room);
            }
            LinkMsg::FlowOpened { flow, room } => {
                state.flows.insert(flow, room);
            }
            LinkMsg::FlowClosed(flow) => {
                state.flows.remove(&flow);
            }
        }
        Ok(())
    }
}

impl LinkState {
    fn on_message(&mut self, message: LinkMessage) {
        let node = self.port.node().clone();
        match message {
            LinkMessage::Load { load, state } => {
                self.tell_node(NodeMsg::RemoteLoad { node, load, state });
            }
            LinkMessage::Cost(cost) => self.tell_node(NodeMsg::RemoteCost { node, cost }),
            LinkMessage::Placed(placed) => self.tell_node(NodeMsg::RemotePlaced(placed)),
            // The endpoint has taken what is about links.
            LinkMessage::Draining(_)
            | LinkMessage::ReachWanted { .. }
            | LinkMessage::Reach { .. } => {}
            LinkMessage::Rooms(rooms) => {
                let now: BTreeSet<_> = rooms.into_iter().collect();
                let gone: Vec<_> = self.theirs.difference(&now).cloned().collect();
                gone.into_iter().for_each(|room| self.their_room(room, false));
                // Peers that were kept while the link was down, in rooms that have ended there.
                let ended = self.args.rooms.iter().filter(|(room, _)| !now.contains(*room));
                for (_, actor) in ended {
                    let _ = actor.cast(RoomMsg::NodeLeftRoom(node.clone()));
                }
                now.into_iter().for_each(|room| self.their_room(room, true));
            }
            LinkMessage::RoomOpened(room) => self.their_room(room, true),
            LinkMessage::RoomClosed(room) => self.their_room(room, false),
            LinkMessage::RoomDeleted(room) => self.tell_node(NodeMsg::RoomDeletedElsewhere(room)),
            message @ (LinkMessage::Snapshot { .. }
            | LinkMessage::Delta { .. }
            | LinkMessage::SnapshotWanted(_)
            | LinkMessage::RostersWanted { .. }
            | LinkMessage::Roster { .. }
            | LinkMessage::Muted { .. }
            | LinkMessage::Joining { .. }) => self.on_roster(node, message),
            LinkMessage::Voices { room, voices } => {
                self.tell_room(&room, RoomMsg::RemoteVoices { node, voices });
            }
            LinkMessage::PipeOpen { flow, room, producer, layers } => {
                self.pipe_open(node, &room, Request { flow, producer, layers, hops: None });
            }
            LinkMessage::PipeOpenVia { flow, room, producer, layers, hops } => {
                self.pipe_open(node, &room, Request { flow, producer, layers, hops: Some(hops) });
            }
            LinkMessage::PipeServed { flow, path } => {
                if let Some(room) = self.flows.get(&flow).cloned() {
                    self.tell_room(&room, RoomMsg::PipeServed { node, flow, path });
                }
            }
            LinkMessage::Moderate { room, peer, order } => {
                self.tell_room(&room, RoomMsg::Moderate { by: None, peer, order });
            }
            LinkMessage::DataOpen { flow, room, producer, granted } => {
                if self.admit_flow(flow, &room) {
                    let open = DataRoomMsg::Open { node, flow, producer, granted };
                    self.tell_room(&room, RoomMsg::Data(open));
                }
            }
            LinkMessage::PipeRefused { flow } => {
                if let Some(room) = self.flows.remove(&flow) {
                    self.tell_room(&room, RoomMsg::PipeRefused { node, flow });
                }
            }
            LinkMessage::PipeLayers { flow, layers } => {
                if let Some(room) = self.flows.get(&flow).cloned() {
                    self.tell_room(&room, RoomMsg::PipeLayers { node, flow, layers });
                }
            }
            LinkMessage::PipeClose { flow } => {
                if let Some(room) = self.flows.remove(&flow) {
                    self.tell_room(&room, RoomMsg::PipeClosed { node, flow });
                }
            }
        }
    }

    /// Who is in a room, on that node or on others.
    fn on_roster(&self, node: NodeId, message: LinkMessage) {
        match message {
            LinkMessage::Snapshot { room, snapshot } => {
                self.tell_room(&room, RoomMsg::RemoteSnapshot { node, snapshot });
            }
            LinkMessage::Delta { room, seq, change } => {
                self.tell_room(&room, RoomMsg::RemoteDelta { node, seq, change: Box::new(change) });
            }
            LinkMessage::SnapshotWanted(room) => {
                self.tell_room(&room, RoomMsg::SnapshotWanted(node))
            }
            LinkMessage::RostersWanted { room, known } => {
                self.tell_room(&room, RoomMsg::RostersWanted { by: node, known });
            }
            LinkMessage::Roster { room, node: of, epoch, snapshot } => {
                self.tell_room(&room, RoomMsg::Roster { by: node, of, epoch, snapshot });
            }
            LinkMessage::Muted { room, peer, muted } => {
                self.tell_room(&room, RoomMsg::RemoteMuted { peer, muted });
            }
            LinkMessage::Joining { room, peer, context } => {
                self.tell_room(&room, RoomMsg::Traced(TracedRoomMsg::Joining { peer, context }));
            }
            _ => {}
        }
    }

    fn pipe_open(&mut self, node: NodeId, room: &RoomId, request: Request) {
        if self.admit_flow(request.flow, room) {
            self.tell_room(room, RoomMsg::PipeOpen { node, request });
        }
    }

    /// The other node wants something of a room on a flow.
    fn admit_flow(&mut self, flow: FlowId, room: &RoomId) -> bool {
        // Both sides count their flows in their own half; one of ours would hijack a pipe.
        let theirs = flow.0 & 1 != self.port.link.flow_parity();
        if !theirs || self.flows.len() >= MAX_FLOWS || !self.args.rooms.contains_key(room) {
            self.port.link.send(LinkMessage::PipeRefused { flow });
            return false;
        }
        self.flows.insert(flow, room.clone());
        true
    }

    /// The other node has peers of a room, or none any more.
    fn their_room(&mut self, room: RoomId, has: bool) {
        let changed =
            if has { self.theirs.insert(room.clone()) } else { self.theirs.remove(&room) };
        let node = self.port.node().clone();
        if !has {
            // Either side's pulls in it are over; what of them was not closed is not going to be.
            self.flows.retain(|_, of| *of != room);
        }
        if changed {
            self.tell_node(NodeMsg::RemoteRoom { node: node.clone(), room: room.clone(), has });
        }
        let message = if has { RoomMsg::NodeHasRoom(node) } else { RoomMsg::NodeLeftRoom(node) };
        self.tell_room(&room, message);
    }

    fn tell_room(&self, room: &RoomId, message: RoomMsg) {
        if let Some(actor) = self.args.rooms.get(room) {
            let _ = actor.cast(message);
        }
    }

    fn tell_node(&self, message: NodeMsg) {
        let _ = self.args.node.cast(message);
    }
}
