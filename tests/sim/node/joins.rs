//! Joins on their way to a room: what `actors/src/node/joins.rs` does with what placement says.

use starling_cluster::decide::{
    placement::{Decision, Whereabouts},
    rejoin::{Closed, ELSEWHERE, FOR_GOOD, NOT_NOW},
    view::Join,
};
use starling_proto::{
    Code, PeerId, Refusal, RoomId,
    link::LinkMessage,
    registry::{NodeState, PresenceRecord, RoomRecord},
};

use super::{Life, PENDING_JOINS, desk, room::Room};
use crate::sim::{
    ctx::Ctx,
    event::{Call, Seat, ToClient},
};

/// A client on the way in.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) seat: Seat,
    pub(super) room: RoomId,
    pub(super) peer: String,
    pub(super) resumes: Option<u64>,
}

/// How a WebSocket ends.
pub(super) fn closed(code: u16, refusal: &str, nodes: Vec<String>) -> Closed {
    Closed { code, refusal: refusal.to_owned(), nodes, retry_after_ms: 0 }
}

/// As `node/src/signal/socket.rs` says it.
fn as_closed(refusal: &Refusal, nodes: Vec<String>) -> Closed {
    let code = match refusal.code {
        Code::WrongNode | Code::Draining => ELSEWHERE,
        Code::NoCapacity | Code::RegistryUnavailable | Code::Internal => NOT_NOW,
        _ => FOR_GOOD,
    };
    closed(code, &refusal.code.to_string(), nodes)
}

impl Life {
    /// Lets somebody into a room, if this node is the place for it.
    pub(super) fn admit(&mut self, ctx: &mut Ctx, join: Waiting) {
        let room = join.room.clone();
        let known = self.rooms.get(&room).map(|here| here.record.clone());
        let known = known.or_else(|| self.view.record(&room));
        let policy = known.as_ref().map(|record| record.policy.clone()).unwrap_or_default();
        let here_has_room = self.rooms.contains_key(&room);
        self.refresh_own();
        let (now, own) = (ctx.instant(), self.id.clone());
        let client = Whereabouts::default();
        let (room_of, policy) = (&room, &policy);
        let asked = Join { room: room_of, policy, here_has_room, client, wanted: Some(&own) };
        let decision = self.view.place(now, &asked);
        if decision != Decision::Here {
            self.view.reserve(now, &room, &decision);
        }
        if let Some((refusal, nodes)) = self.refusal(decision, join.resumes.is_some()) {
            return self.turn_away(ctx, &join, &refusal, nodes);
        }
        if here_has_room {
            return self.let_in(ctx, join);
        }
        if let Some(record) = known {
            self.start_room(ctx, &room, record);
            return self.let_in(ctx, join);
        }
        if self.view.seen && !self.view.available {
            if self.view.others_of(&room).is_empty() {
                let refusal = Refusal::new(Code::RegistryUnavailable, "its watch is lost");
                return self.turn_away(ctx, &join, &refusal, Vec::new());
            }
            self.start_room(ctx, &room, RoomRecord::default());
            return self.let_in(ctx, join);
        }
        if self.waiting.values().map(Vec::len).sum::<usize>() >= PENDING_JOINS {
            let refusal = Refusal::new(Code::NoCapacity, "too many joins wait");
            return self.turn_away(ctx, &join, &refusal, Vec::new());
        }
        let joins = self.waiting.entry(room.clone()).or_default();
        joins.push(join);
        if joins.len() == 1 {
            let record = RoomRecord { incarnation: ctx.wall(self.skew), ..RoomRecord::default() };
            ctx.ask(self.index, self.number, Call::Ensure { room, record });
        }
    }

    fn refusal(&self, decision: Decision, resumes: bool) -> Option<(Refusal, Vec<String>)> {
        match decision {
            Decision::Here => None,
            Decision::Refused(refusal) if resumes && refusal.code == Code::NoCapacity => None,
            Decision::Refused(refusal) => Some((refusal, Vec::new())),
            Decision::Node(node) => {
                let draining = self.state == NodeState::Draining;
                let code = if draining { Code::Draining } else { Code::WrongNode };
                Some((Refusal::new(code, "elsewhere"), vec![node.to_string()]))
            }
        }
    }

    fn turn_away(&self, ctx: &mut Ctx, join: &Waiting, refusal: &Refusal, nodes: Vec<String>) {
        let word = ToClient::Closed(as_closed(refusal, nodes));
        desk::tell(ctx, self.index, join.seat, word);
    }

    /// The registry's record of a room came, or did not.
    pub(super) fn on_record(&mut self, ctx: &mut Ctx, room: RoomId, record: Option<RoomRecord>) {
        let Some(joins) = self.waiting.remove(&room) else { return };
        if !self.rooms.contains_key(&room) {
            let elsewhere = !self.view.others_of(&room).is_empty();
            let record = record.or_else(|| elsewhere.then(RoomRecord::default));
            let Some(record) = record else {
                let refusal = Refusal::new(Code::RegistryUnavailable, "it does not answer");
                joins.iter().for_each(|join| self.turn_away(ctx, join, &refusal, Vec::new()));
                return;
            };
            self.start_room(ctx, &room, record);
        }
        joins.into_iter().for_each(|join| self.let_in(ctx, join));
    }

    fn let_in(&mut self, ctx: &mut Ctx, join: Waiting) {
        let peer: PeerId = join.peer.parse().expect("names of a plan are ids");
        let opened = self.with_room(ctx, &join.room, |room, desk| {
            room.open(desk, join.seat, &peer, join.resumes)
        });
        match opened {
            Some(Ok(())) => {
                self.seats.insert(join.seat, (join.room, peer));
                desk::tell(ctx, self.index, join.seat, ToClient::Opened);
            }
            Some(Err(refusal)) => self.turn_away(ctx, &join, &refusal, Vec::new()),
            None => {}
        }
    }

    fn start_room(&mut self, ctx: &mut Ctx, room: &RoomId, record: RoomRecord) {
        let incarnation = record.incarnation;
        let presence = PresenceRecord { epoch: self.span.epoch(), incarnation };
        let started = Room::new(ctx, room.clone(), record, self.id.clone(), self.skew);
        self.rooms.insert(room.clone(), started);
        ctx.oracle.room(ctx.now, self.index, room, true);
        let links: Vec<_> = self.links.keys().copied().collect();
        for node in links {
            self.say(ctx, node, LinkMessage::RoomOpened(room.clone()));
            let Some(link) = self.links.get(&node) else { continue };
            let (epoch, has, id) = (link.epoch, link.theirs.contains(room), super::name(node));
            self.with_room(ctx, room, |room, desk| room.link_up(desk, &id, epoch, has));
        }
        let away: Vec<_> = self.view.vouched().cloned().collect();
        for node in away {
            self.with_room(ctx, room, |room, desk| room.node_found(desk, &node));
        }
        self.registrar.presence(ctx, room, Some(presence));
    }
}
