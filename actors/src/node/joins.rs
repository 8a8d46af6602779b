//! Joins on their way to a room: the ticket is read, the placement asked, the room started when its
//! record is known.

use std::{collections::BTreeMap, time::Instant};

use ractor::Actor;
use starling_cluster::decide::{
    placement::{Decision, Whereabouts},
    view::Join,
};
use starling_proto::{
    Code, Refusal, RoomId,
    registry::{NodeState, PresenceRecord, RoomRecord},
    rest::PeerInfo,
};

use super::{
    Reply,
    actor::{NodeTree, Room},
};
use crate::{
    fresh,
    limits::PENDING_JOINS,
    link_actor::LinkMsg,
    registry_actor::{RegistryMsg, registry_lost},
    room::{RoomActor, RoomArgs, RoomMsg},
    session::{Program, Session, SessionRequest},
    ticket::Ticket,
};

/// Somebody on the way into a room.
pub(super) enum Waiting {
    /// A client; the incarnation its ticket names.
    Client(Box<SessionRequest>, Option<u64>, Reply<Session>),
    /// A program.
    Program(Box<Program>, Reply<PeerInfo>),
}

impl Waiting {
    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Client(_, _, reply) => drop(reply.send(Err(refusal))),
            Self::Program(_, reply) => drop(reply.send(Err(refusal))),
        }
    }

    fn into_message(self) -> RoomMsg {
        match self {
            Self::Client(request, resumed, reply) => RoomMsg::Open { request, resumed, reply },
            Self::Program(peer, reply) => RoomMsg::CreatePeer(peer, reply),
        }
    }

    fn resumes(&self) -> bool {
        matches!(self, Self::Client(_, Some(_), _))
    }
}

/// Joins that wait for their room's record, bounded.
#[derive(Default)]
pub(super) struct Waitlist {
    rooms: BTreeMap<RoomId, Vec<Waiting>>,
    len: usize,
}

impl Waitlist {
    /// Joins that wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a join; says whether it is the first for its room, or gives it back if there are too
    /// many.
    fn push(&mut self, room: &RoomId, join: Waiting) -> Result<bool, Waiting> {
        if self.len >= PENDING_JOINS {
            return Err(join);
        }
        self.len += 1;
        let joins = self.rooms.entry(room.clone()).or_default();
        joins.push(join);
        Ok(joins.len() == 1)
    }

    fn take(&mut self, room: &RoomId) -> Vec<Waiting> {
        let joins = self.rooms.remove(room).unwrap_or_default();
        self.len -= joins.len();
        joins
    }
}

impl NodeTree {
    pub(super) async fn open_session(
        &mut self,
        mut request: SessionRequest,
        reply: Reply<Session>,
    ) {
        let ticket = match self.read_ticket(&request) {
            Ok(ticket) => ticket,
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        let resumed = ticket.as_ref().map(|ticket| ticket.incarnation);
        if let Some(left) = ticket.and_then(|ticket| ticket.grants) {
            (request.grants, request.narrowed) = (request.grants.and(&left), true);
        }
        let room = request.room.clone();
        self.admit(room, Waiting::Client(Box::new(request), resumed, reply)).await;
    }

    fn read_ticket(&self, request: &SessionRequest) -> Result<Option<Ticket>, Refusal> {
        let Some(text) = &request.resume_ticket else { return Ok(None) };
        let secret = &self.shared.config.cluster_secret;
        let ticket = Ticket::verify(text, secret, fresh::wall_us());
        match ticket.filter(|t| t.room == request.room && t.peer == request.peer) {
            Some(ticket) => Ok(Some(ticket)),
            None => Err(Refusal::new(Code::Unauthorized, "the resume ticket is not valid")
                .hint("join without it")),
        }
    }

    /// Lets somebody into a room, if this node is the place for it: a client that came here by
    /// itself stays here unless the room's policy, a drain or a full node forbids it.
    pub(super) async fn admit(&mut self, room: RoomId, join: Waiting) {
        if self.life.is_over() {
            self.refused += 1;
            return join.refuse(
                Refusal::new(Code::Draining, "this node was given up and begins anew")
                    .hint("join through another node"),
            );
        }
        let known = self.rooms.get(&room).map(|here| here.record.clone());
        let known = known.or_else(|| self.view.record(&room));
        let policy = known.as_ref().map(|record| record.policy.clone()).unwrap_or_default();
        let here_has_room = self.rooms.contains_key(&room);
        let own = self.shared.config.id.clone();
        self.refresh_own();
        let now = Instant::now();
        let decision = self.view.place(
            now,
            &Join {
                room: &room,
                policy: &policy,
                here_has_room,
                client: Whereabouts::default(),
                wanted: Some(&own),
            },
        );
        // A peer that is let in counts at once: only what is sent elsewhere is reserved.
        if decision != Decision::Here {
            self.reserve(now, &room, &decision);
        }
        if let Some(refusal) = self.refusal(decision, &room, join.resumes()) {
            self.refused += 1;
            return join.refuse(refusal);
        }
        if here_has_room {
            return self.send_to_room(&room, join);
        }
        if let Some(record) = known {
            return match self.start_room(&room, record).await {
                Ok(()) => self.send_to_room(&room, join),
                Err(refusal) => join.refuse(refusal),
            };
        }
        // A registry that is known not to answer is not waited for, least of all behind other
        // calls.
        if self.registry_is_lost() {
            if self.view.others_of(&room).is_empty() {
                return join.refuse(registry_lost());
            }
            return match self.start_room(&room, RoomRecord::default()).await {
                Ok(()) => self.send_to_room(&room, join),
                Err(refusal) => join.refuse(refusal),
            };
        }
        match self.waiting.push(&room, join) {
            Ok(true) => drop(self.registry.cast(RegistryMsg::Ensure { room, known: None })),
            Ok(false) => {}
            Err(join) => join.refuse(
                Refusal::new(Code::LimitReached, "too many joins wait for the registry")
                    .hint("try again in a few seconds"),
            ),
        }
    }

    fn refusal(&self, decision: Decision, room: &RoomId, resumes: bool) -> Option<Refusal> {
        match decision {
            Decision::Here => None,
            // A peer whose own node died must not be refused by a full one: its place is counted
            // already.
            Decision::Refused(refusal) if resumes && refusal.code == Code::NoCapacity => None,
            Decision::Refused(refusal) => Some(refusal),
            Decision::Node(node) => {
                let url = self.view.node(&node).map(|record| record.api_url).unwrap_or_default();
                let (code, message) = if self.state == NodeState::Draining {
                    (Code::Draining, "this node takes no new peers".to_owned())
                } else {
                    (Code::WrongNode, format!("room '{room}' is placed on node '{node}'"))
                };
                Some(Refusal::new(code, message).hint(format!("join through {url}")))
            }
        }
    }

    /// A room's record came: its joins go in, or learn why not. Where the registry is out of reach,
    /// a room that another node has is known by its link.
    pub(super) async fn on_record(&mut self, room: RoomId, record: Result<RoomRecord, Refusal>) {
        if self.rooms.contains_key(&room) {
            let joins = self.waiting.take(&room);
            return joins.into_iter().for_each(|join| self.send_to_room(&room, join));
        }
        let joins = self.waiting.take(&room);
        if joins.is_empty() {
            return;
        }
        let elsewhere = !self.view.others_of(&room).is_empty();
        let record = match record {
            Err(refusal) if refusal.code == Code::RegistryUnavailable && elsewhere => {
                Ok(RoomRecord::default())
            }
            other => other,
        };
        let started = match record {
            Ok(record) => self.start_room(&room, record).await,
            Err(refusal) => Err(refusal),
        };
        match started {
            Ok(()) => joins.into_iter().for_each(|join| self.send_to_room(&room, join)),
            Err(refusal) => joins.into_iter().for_each(|join| join.refuse(refusal.clone())),
        }
    }

    /// The registry answered once, and does not now.
    pub(super) fn registry_is_lost(&self) -> bool {
        self.view.seen && !self.view.available
    }

    fn send_to_room(&mut self, room: &RoomId, join: Waiting) {
        let Some(here) = self.rooms.get_mut(room) else { return };
        here.sent += 1;
        self.sessions += 1;
        self.resumed += u64::from(join.resumes());
        let _ = here.actor.cast(join.into_message());
    }

    /// The room's actor, with its links; the cluster is told.
    async fn start_room(&mut self, room: &RoomId, record: RoomRecord) -> Result<(), Refusal> {
        let args = RoomArgs {
            id: room.clone(),
            record: record.clone(),
            node: self.myself.clone(),
            shared: self.shared.clone(),
        };
        let spawned = Actor::spawn_linked(None, RoomActor, args, self.myself.get_cell()).await;
        let (actor, _) = spawned.map_err(|error| {
            Refusal::new(Code::Internal, format!("the room did not start: {error}"))
        })?;
        for slot in self.links.values() {
            let (room, actor) = (room.clone(), actor.clone());
            let _ = slot.actor.cast(LinkMsg::RoomUp { room, actor });
        }
        for node in self.view.vouched() {
            let _ = actor.cast(RoomMsg::NodeFound(node.clone()));
        }
        if self.view.others_of(room).is_empty() {
            self.tell_room_started(room);
        }
        let incarnation = record.incarnation;
        let presence = PresenceRecord { epoch: self.shared.epoch(), incarnation };
        let _ = self.registry.cast(RegistryMsg::Presence(room.clone(), Some(presence)));
        self.rooms.insert(room.clone(), Room { actor, sent: 0, record, unrecorded: None });
        Ok(())
    }
}
