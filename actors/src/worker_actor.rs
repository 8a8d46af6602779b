//! WorkerActor: one core of the media plane. It hands its thread's events to the routers they
//! concern, and when the thread dies it tells the rooms that were on it and starts a new one.
//! Never sees a packet.

use std::collections::BTreeMap;

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use starling_media::{Event, trace::TraceOf};

use crate::{
    node::NodeMsg,
    room::RoomMsg,
    router::{RouterMsg, RouterSeq},
    worker::{EventSink, Worker, WorkerConfig, WorkerEvent, WorkerHandle},
};

/// What people are told whose room was on a thread that died.
const THREAD_DIED: &str = "the node's media worker failed";

/// What a worker is told.
pub(crate) enum WorkerMsg {
    /// A router of a room works on this core.
    RouterUp {
        seq: RouterSeq,
        router: ActorRef<RouterMsg>,
        room: ActorRef<RoomMsg>,
        worker: WorkerHandle,
    },
    /// It does not any more.
    RouterDown(RouterSeq),
    /// A room has ended, perhaps without a word.
    RoomGone(ActorId),
    /// From the thread.
    Thread(WorkerEvent),
    /// How to reach the thread.
    Handle(RpcReplyPort<WorkerHandle>),
}

/// What a worker is made of.
pub(crate) struct WorkerArgs {
    pub(crate) config: WorkerConfig,
    pub(crate) node: ActorRef<NodeMsg>,
}

struct Routed {
    router: ActorRef<RouterMsg>,
    room: ActorRef<RoomMsg>,
}

pub(crate) struct WorkerState {
    args: WorkerArgs,
    handle: WorkerHandle,
    routers: BTreeMap<RouterSeq, Routed>,
}

/// The actor; see [`WorkerMsg`].
pub(crate) struct WorkerActor;

impl Actor for WorkerActor {
    type Msg = WorkerMsg;
    type State = WorkerState;
    type Arguments = WorkerArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<WorkerMsg>,
        args: WorkerArgs,
    ) -> Result<WorkerState, ActorProcessingErr> {
        let handle = spawn(&myself, &args)?;
        Ok(WorkerState { args, handle, routers: BTreeMap::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<WorkerMsg>,
        message: WorkerMsg,
        state: &mut WorkerState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            WorkerMsg::RouterUp { seq, router, room, worker } => {
                // Made with the handle of a thread that died meanwhile.
                if worker.is_dead() {
                    let _ = room.cast(RoomMsg::RouterLost { seq, reason: THREAD_DIED.to_owned() });
                }
                state.routers.insert(seq, Routed { router, room });
            }
            WorkerMsg::RouterDown(seq) => {
                state.routers.remove(&seq);
            }
            WorkerMsg::RoomGone(room) => {
                for routed in state.routers.values().filter(|routed| routed.room.get_id() == room) {
                    let _ = routed.router.cast(RouterMsg::Close);
                }
            }
            WorkerMsg::Handle(reply) => drop(reply.send(state.handle.clone())),
            WorkerMsg::Thread(WorkerEvent::Facts(events)) => state.route(events),
            WorkerMsg::Thread(WorkerEvent::Died(reason)) => {
                tracing::error!(worker = state.args.config.index, %reason, "a worker thread died");
                state.end_routers(THREAD_DIED);
                state.handle = spawn(&myself, &state.args)?;
            }
        }
        Ok(())
    }

    /// A router that fails ends with its peers, who are told to reconnect; the other rooms notice
    /// nothing.
    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<WorkerMsg>,
        event: SupervisionEvent,
        state: &mut WorkerState,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(cell, error) = event else { return Ok(()) };
        let failed = |routed: &Routed| routed.router.get_id() == cell.get_id();
        let Some(seq) = state.routers.iter().find_map(|(seq, r)| failed(r).then_some(*seq)) else {
            return Ok(());
        };
        tracing::error!(%error, "a router failed and was ended");
        if let Some(routed) = state.routers.remove(&seq) {
            let reason = "the room's router failed".to_owned();
            let _ = routed.room.cast(RoomMsg::RouterLost { seq, reason });
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<WorkerMsg>,
        state: &mut WorkerState,
    ) -> Result<(), ActorProcessingErr> {
        state.handle.stop();
        Ok(())
    }
}

/// Starts the thread and tells the node how to reach it.
fn spawn(
    myself: &ActorRef<WorkerMsg>,
    args: &WorkerArgs,
) -> Result<WorkerHandle, ActorProcessingErr> {
    let (sink, mut events) = EventSink::channel();
    let handle = Worker::spawn(args.config.clone(), sink)?;
    let actor = myself.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if actor.cast(WorkerMsg::Thread(event)).is_err() {
                return;
            }
        }
    });
    let index = args.config.index;
    args.node.cast(NodeMsg::WorkerUp { index, handle: handle.clone(), actor: myself.clone() })?;
    Ok(handle)
}

impl WorkerState {
    /// Hands each router its events, in order and in one message.
    fn route(&self, events: Vec<Event>) {
        let mut by_router: BTreeMap<RouterSeq, Vec<Event>> = BTreeMap::new();
        for event in events {
            by_router.entry(RouterSeq::of(key_of(&event))).or_default().push(event);
        }
        for (seq, events) in by_router {
            if let Some(routed) = self.routers.get(&seq) {
                let _ = routed.router.cast(RouterMsg::Events(events));
            }
        }
    }

    fn end_routers(&mut self, reason: &str) {
        for (seq, routed) in std::mem::take(&mut self.routers) {
            let reason = reason.to_owned();
            let _ = routed.room.cast(RoomMsg::RouterLost { seq, reason });
        }
    }
}

fn key_of(event: &Event) -> u64 {
    match event {
        Event::IceState { transport, .. }
        | Event::Dtls { transport, .. }
        | Event::Sctp { transport, .. }
        | Event::PlainTuple { transport, .. }
        | Event::Bandwidth { transport, .. } => transport.0,
        Event::ProducerScore { producer, .. }
        | Event::LayersWanted { producer, .. }
        | Event::VideoOrientation { producer, .. }
        | Event::Voice { producer, .. } => producer.0,
        Event::ConsumerStarted { consumer }
        | Event::ConsumerScore { consumer, .. }
        | Event::ConsumerLayers { consumer, .. } => consumer.0,
        Event::Trace { of: TraceOf::Producer(producer), .. } => producer.0,
        Event::Trace { of: TraceOf::Consumer(consumer), .. } => consumer.0,
        Event::Trace { of: TraceOf::Transport(transport), .. } => transport.0,
        Event::Stats { token, .. } => *token,
    }
}
