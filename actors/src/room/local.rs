//! Peers of this node: opened, joined, ended.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use ractor::{Actor, ActorRef};
use serde_json::{Value, json};
use starling_media::command::ProducerParams;
use starling_proto::{
    Code, PeerId, Refusal, TransportId,
    json::Json,
    rest::{CreatePeer, PeerInfo},
    roster::{PeerEntry, ProducerEntry},
    signal::{JoinAnswer, PeerSummary},
    span::SpanContext,
};
use tokio::sync::{Semaphore, mpsc};

use super::{RoomState, Shown, ShownWish, away::Moving, routers::Counted};
use crate::{
    fresh,
    limits::PEERS_PER_CORE,
    peer::{DataPeerMsg, PeerActor, PeerArgs, PeerMsg, check_free_json, check_name},
    router::RouterMsg,
    session::{FromClient, Grants, INBOX, OUTBOX, Program, Session, SessionRequest, ToClient},
};

/// A session of this node.
pub(super) struct Here {
    pub(super) actor: ActorRef<PeerMsg>,
    pub(super) incarnation: u64,
    pub(super) joined: bool,
    /// It came with a ticket: a peer of that id elsewhere is the same peer.
    resumed: bool,
    /// It was told to move and, once it has, when.
    pub(super) moving: Moving,
    /// Its client, to be told when its actor can no longer do it.
    pub(super) outbox: Option<mpsc::Sender<ToClient>>,
    /// What it was let in with, if that is less than its token grants.
    pub(super) narrowed: Option<Grants>,
    /// Where its transports are.
    pub(super) core: usize,
    /// Its join is a part of this, until it has joined.
    trace: Option<SpanContext>,
    /// Whose video it wishes.
    pub(super) wish: ShownWish,
    /// Whose video it gets.
    pub(super) shown: Shown,
    /// Nobody is told of it.
    pub(super) hidden: bool,
    _counted: Counted,
}

impl Here {
    /// It is not to get everybody's video, or was not until now.
    pub(super) fn limits_video(&self) -> bool {
        self.shown.is_some() || self.wish.count.is_some_and(|count| count > 0)
    }
}

impl RoomState {
    /// A client's session. Without a ticket its id must be free; with one it takes the place of the
    /// session it resumes, wherever that is.
    pub(super) async fn open(
        &mut self,
        request: SessionRequest,
        resumed: Option<u64>,
    ) -> Result<Session, Refusal> {
        self.check_free(&request.peer, resumed)?;
        let incarnation = self.next_incarnation(&request.peer, resumed);
        let (outbox, to_client) = mpsc::channel(OUTBOX);
        let (core, of_core) = self.place().await?;
        let (outbox_of, hidden) = (Some(outbox.clone()), request.grants.hidden);
        let narrowed = request.narrowed.then(|| request.grants.clone());
        let args = self.peer_args(&request.peer, incarnation, request.grants, core, outbox_of)?;
        let logged = request.trace.map(|of| tracing::info_span!("peer", trace_id = of.trace_id()));
        let args = PeerArgs { logged: logged.unwrap_or_else(tracing::Span::none), ..args };
        let actor = self.spawn_peer(args).await?;
        let here = Here {
            actor: actor.clone(),
            incarnation,
            joined: false,
            resumed: resumed.is_some(),
            moving: Moving::No,
            outbox: Some(outbox),
            narrowed,
            core,
            trace: request.trace,
            wish: ShownWish::default(),
            shown: None,
            hidden,
            _counted: Counted::new(&self.args.shared, of_core),
        };
        self.admit(request.peer, here);
        let (inbox, from_client) = mpsc::channel(INBOX);
        tokio::spawn(forward(from_client, actor));
        Ok(Session { inbox, outbox: to_client })
    }

    /// A program's peer: it joins at once and stays until it is removed.
    pub(super) async fn create_peer(
        &mut self,
        (CreatePeer { id: peer, display_name, device }, trace): Program,
    ) -> Result<PeerInfo, Refusal> {
        check_name(&display_name)?;
        check_free_json("device", &device)?;
        self.check_free(&peer, None)?;
        let incarnation = self.next_incarnation(&peer, None);
        let grants = Grants::member();
        let (core, of_core) = self.place().await?;
        let args = self.peer_args(&peer, incarnation, grants, core, None)?;
        let args = PeerArgs { display_name: display_name.clone(), ..args };
        let actor = self.spawn_peer(args).await?;
        let here = Here {
            actor,
            incarnation,
            joined: true,
            resumed: false,
            moving: Moving::No,
            outbox: None,
            narrowed: None,
            core,
            trace: None,
            wish: ShownWish::default(),
            shown: None,
            hidden: false,
            _counted: Counted::new(&self.args.shared, of_core),
        };
        self.admit(peer.clone(), here);
        let device = match device {
            Value::Null => json!({"flag": "program", "name": "REST"}),
            device => device,
        };
        let entering = trace.map(|trace| self.begin_join(&peer, trace, false));
        self.take_in(&peer, incarnation, display_name, device);
        self.end_join(entering);
        let infos = self.peer_infos();
        let made = infos.into_iter().find(|info| info.id == peer);
        made.ok_or_else(|| Refusal::new(Code::Internal, "the peer ended at once"))
    }

    fn check_free(&self, peer: &PeerId, resumed: Option<u64>) -> Result<(), Refusal> {
        let policy = &self.args.record.policy;
        let room_left = PEERS_PER_CORE * self.args.shared.config.workers.max(1);
        if self.here.len() >= room_left && !self.here.contains_key(peer) {
            let message = format!("this room has {room_left} peers on this node");
            return Err(Refusal::new(Code::NoCapacity, message).hint("join through another node"));
        }
        let most = policy.max_peers as usize;
        let known = self.replica.peer(peer);
        if most > 0 && known.is_none() && self.replica.len() >= most {
            let message = format!("the room is full: its policy allows {most} peers");
            return Err(Refusal::new(Code::LimitReached, message));
        }
        let taken = known.is_some_and(|view| !view.lost) || self.here.contains_key(peer);
        if taken && resumed.is_none() {
            let message = format!("a peer '{peer}' is in the room");
            return Err(Refusal::new(Code::PeerExists, message)
                .hint("choose another peer id, or resume with the ticket of its join"));
        }
        Ok(())
    }

    fn next_incarnation(&self, peer: &PeerId, resumed: Option<u64>) -> u64 {
        let wall = fresh::wall_us().max(resumed.map_or(0, |old| old.saturating_add(1)));
        let open = self.here.get(peer).into_iter().chain(self.heirs.get(peer));
        let open = open.map(|here| here.incarnation.saturating_add(1)).max().unwrap_or(0);
        self.replica.next_incarnation(peer, wall.max(open))
    }

    fn peer_args(
        &self,
        peer: &PeerId,
        incarnation: u64,
        grants: Grants,
        core: usize,
        outbox: Option<mpsc::Sender<ToClient>>,
    ) -> Result<PeerArgs, Refusal> {
        let router = self.routers.get(core).ok_or_else(|| {
            Refusal::new(Code::Internal, "the room's router has just failed").hint("try again")
        })?;
        Ok(PeerArgs {
            id: peer.clone(),
            incarnation,
            display_name: String::new(),
            room: self.myself.clone(),
            room_id: self.args.id.clone(),
            core,
            router: router.actor.clone(),
            worker: router.worker.clone(),
            shared: self.args.shared.clone(),
            grants,
            muted: self.muted_of(peer),
            outbox,
            logged: tracing::Span::none(),
        })
    }

    async fn spawn_peer(&self, args: PeerArgs) -> Result<ActorRef<PeerMsg>, Refusal> {
        let supervisor = self.myself.get_cell();
        let spawned = Actor::spawn_linked(None, PeerActor, args, supervisor).await;
        let (actor, _) = spawned.map_err(|error| {
            Refusal::new(Code::Internal, format!("the peer did not start: {error}"))
        })?;
        Ok(actor)
    }

    /// A newer session of the same peer ends the older one here: at once, or when it has joined. If
    /// that ended before, the others would see the peer leave and come again; and if the newer one
    /// never joins, it was the try of a client that has given it up, and may be on the older one.
    fn admit(&mut self, peer: PeerId, here: Here) {
        if let Some(heir) = self.heirs.remove(&peer) {
            supersede(&heir);
        }
        let shown = self.here.get(&peer).is_some_and(|old| old.joined);
        if shown && here.resumed {
            self.heirs.insert(peer, here);
        } else if let Some(old) = self.here.insert(peer, here) {
            supersede(&old);
        }
    }

    pub(super) fn join(
        &mut self,
        request: u32,
        peer: &PeerId,
        incarnation: u64,
        display_name: String,
        device: Value,
    ) {
        let sessions = self.here.get(peer).into_iter().chain(self.heirs.get(peer));
        let mut sessions = sessions.filter(|here| here.incarnation == incarnation);
        let Some(here) = sessions.next() else { return };
        // Two clients took the same id on two nodes at once: the room's view decides, as for
        // `open`; of two that resumed, the later one.
        let own = &self.args.shared.config.id;
        let elsewhere = self.replica.peer(peer).filter(|view| view.node != own);
        if elsewhere.is_some_and(|view| {
            (!view.lost && !here.resumed) || view.entry.incarnation >= incarnation
        }) {
            let reason = format!("a peer '{peer}' is in the room");
            let _ = here.actor.cast(PeerMsg::Close { code: 4000, reason });
            return;
        }
        let actor = here.actor.clone();
        let heir = take(&mut self.heirs, peer, incarnation);
        let old = heir.and_then(|heir| self.here.insert(peer.clone(), heir));
        let (mut hidden, mut trace) = (false, None);
        if let Some(here) = self.here.get_mut(peer) {
            (here.joined, hidden, trace) = (true, here.hidden, here.trace.take());
        }
        let entering = trace.map(|trace| self.begin_join(peer, trace, hidden));
        if !hidden {
            self.take_in(peer, incarnation, display_name, device);
        }
        old.iter().for_each(supersede);
        let answer = self.join_answer(peer, incarnation);
        let mut available = Vec::new();
        for view in self.replica.peers().filter(|view| view.entry.id != *peer) {
            for entry in &view.entry.producers {
                available.push((view.entry.id.clone(), self.entries.share(entry)));
            }
            for entry in &view.entry.data_producers {
                let (peer, entry) = (view.entry.id.clone(), Arc::new(entry.clone()));
                let _ = actor.cast(PeerMsg::Channel(DataPeerMsg::Available { peer, entry }));
            }
        }
        let _ = actor.cast(PeerMsg::Joined { request, answer: json!(answer), available });
        if let Some(speaker) = self.speaker_notification() {
            let _ = actor.cast(PeerMsg::Tell(speaker));
        }
        if self.draining {
            self.tell_to_move(peer);
        }
        self.end_join(entering);
    }

    fn take_in(&mut self, peer: &PeerId, incarnation: u64, display_name: String, device: Value) {
        self.names.insert(peer.clone(), display_name.clone());
        let entry = PeerEntry {
            id: peer.clone(),
            incarnation,
            display_name,
            device: Json(device),
            producers: Vec::new(),
            data_producers: Vec::new(),
        };
        let local = self.replica.local_join(Instant::now(), entry);
        self.carry_out(local);
    }

    fn join_answer(&self, peer: &PeerId, incarnation: u64) -> JoinAnswer {
        let others = self.replica.peers().filter(|view| view.entry.id != *peer);
        let peers = others.map(|view| PeerSummary {
            peer_id: view.entry.id.clone(),
            display_name: view.entry.display_name.clone(),
            device: view.entry.device.0.clone(),
            node_id: view.node.clone(),
        });
        JoinAnswer {
            peers: peers.collect(),
            node: self.args.shared.hint(),
            resume: self.args.shared.resume_offer(
                &self.args.id,
                &self.args.record.policy,
                peer,
                incarnation,
                self.here.get(peer).and_then(|here| here.narrowed.as_ref()),
            ),
        }
    }

    pub(super) fn peer_ended(&mut self, peer: &PeerId, incarnation: u64) {
        if take(&mut self.heirs, peer, incarnation).is_some() {
            return;
        }
        let ended = take(&mut self.here, peer, incarnation).is_some();
        if ended && let Some(heir) = self.heirs.remove(peer) {
            // It takes its place when it joins, and leaves for both if it does not.
            self.here.insert(peer.clone(), heir);
            return;
        }
        let local = self.replica.local_leave(Instant::now(), peer, incarnation);
        self.carry_out(local);
        self.check_empty();
    }

    pub(super) fn produce(
        &mut self,
        peer: &PeerId,
        incarnation: u64,
        transport: TransportId,
        entry: ProducerEntry,
        params: Box<ProducerParams>,
    ) {
        let here = self.here.get(peer).filter(|here| here.incarnation == incarnation);
        let Some((actor, core)) = here.map(|here| (here.actor.clone(), here.core)) else { return };
        // A session that another node has taken over is about to hear of it.
        let own = &self.args.shared.config.id;
        if self.replica.peer(peer).is_none_or(|view| view.node != own) {
            return;
        }
        let producer = entry.id.clone();
        let local = self.replica.local_produce(Instant::now(), peer, entry);
        self.own.insert(producer.clone(), core);
        let message = RouterMsg::Produce { transport, producer, params, peer: actor };
        self.routers.tell(core, message);
        self.carry_out(local);
    }

    /// A peer's actor failed: its client is told to come again, and the room forgets it.
    pub(super) fn peer_failed(&mut self, id: ractor::ActorId) -> Option<PeerId> {
        let mut sessions = self.here.iter().chain(&self.heirs);
        let (peer, here) = sessions.find(|(_, here)| here.actor.get_id() == id)?;
        let (peer, incarnation) = (peer.clone(), here.incarnation);
        if let Some(outbox) = &here.outbox {
            let reason = "the peer failed on the node".to_owned();
            let _ = outbox.try_send(ToClient::Close { code: 4001, reason });
        }
        self.peer_ended(&peer, incarnation);
        Some(peer)
    }
}

/// Takes a peer's session out, if it is this one.
fn take(of: &mut BTreeMap<PeerId, Here>, peer: &PeerId, incarnation: u64) -> Option<Here> {
    of.get(peer).filter(|here| here.incarnation == incarnation)?;
    of.remove(peer)
}

/// Tells a session that there is a newer one of the peer. If it had not joined, the newer one may
/// be a try that its client gave up, come late: then the client is to try again.
fn supersede(old: &Here) {
    let code = if old.joined { 4000 } else { 4001 };
    let reason = "the peer continued in another session".to_owned();
    let _ = old.actor.cast(PeerMsg::Close { code, reason });
}

/// Passes a client's messages to its peer. At most [`INBOX`] are unhandled at any time, although
/// the actor's mailbox has no bound.
async fn forward(mut from: mpsc::Receiver<FromClient>, to: ActorRef<PeerMsg>) {
    let permits = Arc::new(Semaphore::new(INBOX));
    while let Some(message) = from.recv().await {
        let Ok(permit) = permits.clone().acquire_owned().await else { break };
        if to.cast(PeerMsg::Client(Box::new(message), permit)).is_err() {
            return;
        }
    }
    let _ = to.cast(PeerMsg::SessionEnded);
}
