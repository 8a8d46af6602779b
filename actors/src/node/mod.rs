//! A node as the program holds it: a handle on the actor tree. Never decides; every method is a
//! question to the actor that owns the answer.

mod actor;
mod admin;
mod config;
mod feed;
mod gauge;
mod joins;
mod load;
mod peers;
mod place;
mod shared;
mod start;
mod workers;

use std::{sync::Arc, time::Duration};

use ractor::ActorRef;
use serde_json::Value;
use starling_proto::{
    Code, NodeId, Refusal, RoomId, RtpCapabilities,
    rest::{
        ClientAt, CreateRoom, NodeInfo, Placement, PlacementExplained, PolicyChange, RoomInfo,
        WorkersInfo,
    },
};
use tokio::sync::oneshot;

pub use config::{NodeConfig, RESUME_WITHIN, StartError};
pub(crate) use feed::Of;
pub use peers::{Inspected, Steered};

pub(crate) use actor::NodeMsg;
pub(crate) use shared::{Core, Shared};

use crate::{
    Metric,
    room::RoomMsg,
    session::{Session, SessionRequest},
};

/// Where an answer goes. A dropped one is [`Code::Internal`].
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Longest wait for an answer of an actor. The slowest answers wait for the registry, whose own
/// bound is 2 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// Attempts at a join whose room ends under it. Each means that a room failed in that moment.
const JOIN_TRIES: usize = 3;
/// Between them: the node hears of a room's end within a scheduler's turn.
const JOIN_PAUSE: Duration = Duration::from_millis(50);

/// Whether a node should get new peers, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// It was registered once, is not draining, and its workers run.
    pub ready: bool,
    /// What does not work at the moment, as sentences.
    pub degraded: Vec<String>,
}

/// A running node. Clones are the same node; it runs until [`Node::stop`].
#[derive(Clone)]
pub struct Node {
    actor: ActorRef<NodeMsg>,
    pub(crate) shared: Arc<Shared>,
}

impl Node {
    /// Binds the sockets, starts the tree and registers.
    ///
    /// # Errors
    /// [`StartError`]; an unreachable registry is not one.
    pub async fn start(config: NodeConfig) -> Result<Self, StartError> {
        let (actor, shared) = start::start(config).await?;
        Ok(Self { actor, shared })
    }

    /// Its id.
    pub fn id(&self) -> &NodeId {
        &self.shared.config.id
    }

    /// What its routers take and give.
    pub fn rtp_capabilities(&self) -> &RtpCapabilities {
        &self.shared.capabilities
    }

    /// Ends everything at once: sessions are closed, the lease is given back.
    pub async fn stop(&self) {
        let _ = ask(&self.actor, NodeMsg::Stop).await;
        let _ = self.actor.stop_and_wait(None, Some(PATIENCE)).await;
    }

    /// Opens a client's session.
    ///
    /// # Errors
    /// `draining`, `wrong_node`, `no_capacity`, `peer_exists`, `registry_unavailable`,
    /// `limit_reached`.
    pub async fn open_session(&self, request: SessionRequest) -> Result<Session, Refusal> {
        let request = Box::new(request);
        self.join(|reply| NodeMsg::OpenSession(request.clone(), reply)).await
    }

    /// Where a join to the room should go; it is counted there until it comes.
    ///
    /// # Errors
    /// `no_capacity`, `registry_unavailable`.
    pub async fn place(&self, room: &RoomId, client: ClientAt) -> Result<Placement, Refusal> {
        let room = room.clone();
        ask(&self.actor, |reply| NodeMsg::Place { room, client, reply }).await
    }

    /// Where a join would go now, and why: every node's points. Counts nothing.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn explain(
        &self,
        room: &RoomId,
        client: ClientAt,
    ) -> Result<PlacementExplained, Refusal> {
        let room = room.clone();
        ask(&self.actor, |reply| NodeMsg::Explain { room, client, reply }).await
    }

    /// All nodes this one knows.
    pub async fn nodes(&self) -> Vec<NodeInfo> {
        ask(&self.actor, NodeMsg::Nodes).await.unwrap_or_default()
    }

    /// All rooms of the registry and of this node.
    pub async fn rooms(&self) -> Vec<RoomInfo> {
        ask(&self.actor, NodeMsg::Rooms).await.unwrap_or_default()
    }

    /// One room.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn room(&self, room: &RoomId) -> Result<RoomInfo, Refusal> {
        let rooms = self.rooms().await;
        let found = rooms.into_iter().find(|info| info.id == *room);
        let mut info = found.ok_or_else(|| room_not_found(room))?;
        // A room that is on other nodes only has no peers to tell of here.
        if let Ok(here) = self.room_ref(room).await
            && let Ok((peers, speaker)) = ask(&here, RoomMsg::Summary).await
        {
            (info.peers, info.active_speaker) = (Some(peers), speaker);
        }
        Ok(info)
    }

    /// Makes a room that stays when it is empty.
    ///
    /// # Errors
    /// `room_exists`, `registry_unavailable`.
    pub async fn create_room(&self, room: CreateRoom) -> Result<RoomInfo, Refusal> {
        ask(&self.actor, |reply| NodeMsg::CreateRoom(room, reply)).await
    }

    /// Changes where a room's peers may be.
    ///
    /// # Errors
    /// `room_not_found`, `registry_unavailable`.
    pub async fn set_room_policy(
        &self,
        room: &RoomId,
        change: impl Into<PolicyChange>,
    ) -> Result<RoomInfo, Refusal> {
        let (room, change) = (room.clone(), change.into());
        ask(&self.actor, |reply| NodeMsg::SetPolicy { room, change, reply }).await
    }

    /// Deletes a room: its peers are sent away on every node.
    ///
    /// # Errors
    /// `room_not_found`, `registry_unavailable`.
    pub async fn delete_room(&self, room: &RoomId) -> Result<(), Refusal> {
        let room = room.clone();
        ask(&self.actor, |reply| NodeMsg::DeleteRoom { room, reply }).await
    }

    /// What this node's router of a room forwards to whom.
    ///
    /// # Errors
    /// `room_not_found`.
    pub async fn router_dump(&self, room: &RoomId) -> Result<Value, Refusal> {
        let room = self.room_ref(room).await?;
        ask(&room, RoomMsg::RouterDump).await
    }

    /// This node's process and its workers.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn workers(&self) -> Result<WorkersInfo, Refusal> {
        ask(&self.actor, NodeMsg::Workers).await
    }

    /// Takes no new peers, tells the present ones where to go, and returns when the last has left
    /// or at the deadline.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn drain(&self, deadline: Duration) -> Result<(), Refusal> {
        ask(&self.actor, NodeMsg::Drain).await?;
        let end = tokio::time::Instant::now() + deadline;
        while tokio::time::Instant::now() < end {
            if self.shared.peers() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Takes new peers again.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn undrain(&self) -> Result<(), Refusal> {
        ask(&self.actor, NodeMsg::Undrain).await
    }

    /// Should it get new peers?
    pub async fn readiness(&self) -> Readiness {
        let gone = || Readiness { ready: false, degraded: vec!["the node is stopping".into()] };
        ask(&self.actor, NodeMsg::Readiness).await.unwrap_or_else(|_| gone())
    }

    /// Do the worker threads turn? Never asks the registry: a cluster must not restart because etcd
    /// did.
    pub fn alive(&self) -> bool {
        self.shared.alive()
    }

    /// Figures for operators.
    pub async fn metrics(&self) -> Vec<Metric> {
        ask(&self.actor, NodeMsg::Metrics).await.unwrap_or_default()
    }

    /// Which life of the node this is.
    #[cfg(test)]
    pub(crate) fn epoch(&self) -> u64 {
        self.shared.epoch
    }

    /// Ends its links; the nodes are dialled again.
    #[cfg(test)]
    pub(crate) fn cut_links(&self) {
        let _ = self.actor.cast(NodeMsg::CutLinks);
    }

    pub(crate) async fn room_ref(&self, room: &RoomId) -> Result<ActorRef<RoomMsg>, Refusal> {
        let room = room.clone();
        ask(&self.actor, |reply| NodeMsg::RoomRef { room, reply }).await
    }

    /// Asks to let somebody into a room, and again if the room ended before it had looked at that:
    /// the node starts another.
    async fn join<T>(&self, message: impl Fn(Reply<T>) -> NodeMsg) -> Result<T, Refusal> {
        for _ in 1..JOIN_TRIES {
            if let Some(answer) = ask_once(&self.actor, &message).await {
                return answer;
            }
            tokio::time::sleep(JOIN_PAUSE).await;
        }
        ask(&self.actor, message).await
    }
}

/// Sends a question and waits, bounded.
pub(crate) async fn ask<M: ractor::Message, T>(
    actor: &ActorRef<M>,
    message: impl FnOnce(Reply<T>) -> M,
) -> Result<T, Refusal> {
    let gone = || Err(ended().hint("try again; the log says what failed"));
    ask_once(actor, message).await.unwrap_or_else(gone)
}

/// The same; nothing if whoever was to answer ended without looking at the question.
async fn ask_once<M: ractor::Message, T>(
    actor: &ActorRef<M>,
    message: impl FnOnce(Reply<T>) -> M,
) -> Option<Result<T, Refusal>> {
    let (reply, answer) = oneshot::channel();
    if actor.cast(message(reply)).is_err() {
        return Some(Err(ended().hint("try again")));
    }
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(answer) => answer.ok(),
        Err(_) => Some(Err(Refusal::new(Code::Internal, "the node did not answer in time")
            .hint("it is overloaded, or the registry is slow; see /readyz"))),
    }
}

fn ended() -> Refusal {
    Refusal::new(Code::Internal, "this part of the node has just ended")
}

pub(crate) fn room_not_found(room: &RoomId) -> Refusal {
    Refusal::new(Code::RoomNotFound, format!("there is no room '{room}' here"))
        .hint("`starling rooms list` shows all rooms and the nodes they are on")
}
