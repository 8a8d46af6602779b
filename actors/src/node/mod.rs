//! A node as the program holds it: a handle on the actor tree. Never decides; every method is a
//! question to the actor that owns the answer.

mod actor;
mod admin;
mod config;
mod data_channels;
mod drain;
mod feed;
mod gauge;
mod joins;
mod journal;
mod leave;
mod links;
mod load;
mod move_room;
mod peers;
mod place;
mod reach;
mod revocations;
mod rtts;
mod shared;
mod start;
mod told;
mod webhooks;
mod workers;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use ractor::ActorRef;
use serde_json::Value;
use starling_cluster::link::LinkTls;
use starling_proto::{
    Code, NodeId, PeerId, Refusal, RoomId, RtpCapabilities,
    registry::RoomPolicy,
    rest::{
        ClientAt, CreateRoom, DrainInfo, DrainStage, MovePeer, NodeInfo, PeerMoved, Placement,
        PlacementExplained, PolicyChange, RoomInfo, RoomMoving, WorkersInfo,
    },
};
use tokio::sync::oneshot;

pub use config::{NodeConfig, RESUME_WITHIN, StartError};
pub(crate) use feed::Of;
pub use journal::{Follower, Told};
pub use peers::{Inspected, Steered};
pub use revocations::Revocations;
pub(crate) use revocations::revocation_not_found;
pub(crate) use told::is_first;
pub use webhooks::Webhooks;

pub(crate) use actor::NodeMsg;
use drain::Target;
pub(crate) use shared::{Core, DtlsCounters, Shared};

use crate::{
    Metric,
    room::{MoveWish, RoomMsg},
    session::{Session, SessionRequest},
};

/// Where an answer goes. A dropped one is [`Code::Timeout`].
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Longest wait for an answer of an actor. The slowest answers wait for the registry, whose own
/// bound is 2 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks whether a drain is over.
const DRAIN_LOOK: Duration = Duration::from_millis(50);
/// Longest wait for a client that was told to move. A move takes a second; two of these are within
/// what a node waits for another's answer.
const MOVED_WITHIN: Duration = Duration::from_millis(3_500);
/// Between two looks whether it has.
const MOVE_LOOK: Duration = Duration::from_millis(50);
/// Nodes that it is sent to, if the operator does not name one.
const MOVE_TRIES: usize = 2;

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

    /// Returns when the node has ended: by [`Node::stop`], or by itself, after it said why in the
    /// log.
    pub async fn ended(&self) {
        let _ = self.actor.wait(None).await;
    }

    /// Shows another certificate on links from now on. Links that are up stay.
    ///
    /// # Errors
    /// `bad_request` if it is not this node's.
    pub fn set_link_tls(&self, tls: LinkTls) -> Result<(), Refusal> {
        tls.check_owner(self.id())
            .map_err(|error| Refusal::new(Code::BadRequest, error.to_string()))?;
        // It fails only while the node ends.
        let _ = self.actor.cast(NodeMsg::LinkTls(tls));
        Ok(())
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
        let (room, change, seen) = (room.clone(), change.into(), None);
        ask(&self.actor, |reply| NodeMsg::SetPolicy { room, change, seen, reply }).await
    }

    /// The same, if the policy is still the one that was seen.
    ///
    /// # Errors
    /// As [`Node::set_room_policy`]; `precondition_failed`.
    pub async fn change_room_policy(
        &self,
        room: &RoomId,
        change: PolicyChange,
        seen: RoomPolicy,
    ) -> Result<RoomInfo, Refusal> {
        let (room, seen) = (room.clone(), Some(Box::new(seen)));
        ask(&self.actor, |reply| NodeMsg::SetPolicy { room, change, seen, reply }).await
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

    /// Takes no new peers, moves the present ones to other nodes, and returns when the last has
    /// left or when `within` has passed and the rest were cut.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn drain(&self, within: Duration) -> Result<(), Refusal> {
        self.start_drain(within, false).await?;
        self.drained(within).await;
        Ok(())
    }

    /// Waits for the end of a drain that was started with so much time.
    pub async fn drained(&self, within: Duration) {
        let end = tokio::time::Instant::now() + within + PATIENCE;
        while self.drain_info().stage == DrainStage::Draining && tokio::time::Instant::now() < end {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
    }

    /// The same without waiting for its end. An emergency asks everybody at once.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn start_drain(&self, within: Duration, emergency: bool) -> Result<(), Refusal> {
        ask(&self.actor, |reply| NodeMsg::Drain { within, emergency, reply }).await
    }

    /// How far it is with leaving.
    pub fn drain_info(&self) -> DrainInfo {
        self.shared.drain()
    }

    /// Takes no new peers; those that are here stay.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn cordon(&self) -> Result<(), Refusal> {
        ask(&self.actor, NodeMsg::Cordon).await
    }

    /// Takes new peers again. Whoever was asked to move and has not may stay.
    ///
    /// # Errors
    /// Only if the node is stopping.
    pub async fn undrain(&self) -> Result<(), Refusal> {
        ask(&self.actor, NodeMsg::Undrain).await
    }

    /// Moves a client to another node, make before break, and answers when it is there. Without a
    /// wanted node one is chosen, and another one if the client does not get there.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, `node_not_found`, `no_capacity`, `draining`,
    /// `wrong_state` for a program's peer, `timeout`.
    pub async fn move_peer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        MovePeer { to: wanted }: MovePeer,
    ) -> Result<PeerMoved, Refusal> {
        let actor = self.room_ref(room).await?;
        let mut avoid = BTreeSet::new();
        let tries = if wanted.is_some() { 1 } else { MOVE_TRIES };
        for _ in 0..tries {
            let target =
                Target { room: room.clone(), avoid: avoid.clone(), wanted: wanted.clone() };
            let to = ask(&self.actor, |reply| NodeMsg::Target(target, reply)).await?;
            avoid.insert(to.node_id.clone());
            let reason = "an operator moves this client";
            let wish = MoveWish { to, within: Duration::ZERO, reason };
            let told = |reply| RoomMsg::MovePeer { peer: peer.clone(), wish, reply: Some(reply) };
            ask(&actor, told).await?;
            if let Some(to) = self.moved(&actor, peer).await? {
                return Ok(PeerMoved { peer: peer.clone(), from: self.id().clone(), to });
            }
        }
        let message = format!("peer '{peer}' was told to move and has not");
        Err(Refusal::new(Code::Timeout, message)
            .hint("its client may not know 'moveTo', or does not reach the other node"))
    }

    /// Begins to move this node's clients of a room to another node, in batches, and answers how
    /// many they are.
    ///
    /// # Errors
    /// `room_not_found`, `node_not_found`, `no_capacity`, `draining`, `wrong_state` where the
    /// room's policy forbids it.
    pub async fn move_room(&self, room: &RoomId, to: &NodeId) -> Result<RoomMoving, Refusal> {
        let (room, to) = (room.clone(), to.clone());
        ask(&self.actor, |reply| NodeMsg::MoveRoom { room, to, reply }).await
    }

    /// Waits until a peer is on another node; says which.
    async fn moved(
        &self,
        room: &ActorRef<RoomMsg>,
        peer: &PeerId,
    ) -> Result<Option<NodeId>, Refusal> {
        let end = tokio::time::Instant::now() + MOVED_WITHIN;
        while tokio::time::Instant::now() < end {
            let at = ask(room, |reply| RoomMsg::WhereIs { peer: peer.clone(), reply }).await?;
            if at != *self.id() {
                return Ok(Some(at));
            }
            tokio::time::sleep(MOVE_LOOK).await;
        }
        Ok(None)
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
        self.shared.epoch()
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
    let gone = || Err(ended().hint("try again"));
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
        Err(_) => Some(Err(Refusal::new(Code::Timeout, "the node did not answer in time")
            .hint("it is overloaded, or the registry is slow; see /readyz"))),
    }
}

fn ended() -> Refusal {
    Refusal::new(Code::Timeout, "this part of the node has just ended")
}

pub(crate) fn room_not_found(room: &RoomId) -> Refusal {
    Refusal::new(Code::RoomNotFound, format!("there is no room '{room}' here"))
        .hint("`starling rooms list` shows all rooms and the nodes they are on")
}
