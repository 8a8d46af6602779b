//! Sessions that leave a simulated node for another, as `actors/src/room/away.rs` and
//! `actors/src/node/drain.rs` have them: `decide::drain` says whom to ask, and when.

use std::{collections::BTreeSet, time::Duration};

use starling_cluster::decide::{
    drain::{self, Ask, Drain, Stage},
    placement::{Decision, Whereabouts},
    rejoin::ELSEWHERE,
    standby::standby,
    view::Join,
};
use starling_proto::{NodeId, PeerId, registry::NodeState};

use super::{Life, desk::Desk, joins::closed, name, room::Room, seats::Here};
use crate::sim::{
    ctx::{Ctx, SECOND},
    event::{Seat, ToClient},
    fault::Fault,
};

/// `actors::room::away::HANDOVER`.
const HANDOVER: u64 = 4 * SECOND;

/// Whether a session is on its way to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    /// It stays.
    No,
    /// It was told to go.
    Told,
    /// It is there since then, and gets what it got here until it leaves.
    There(u64),
}

impl Room {
    /// The peer's session is on another node now. Where it was here, it is over: at once, or, if it
    /// was asked to move, when its client has got everything there.
    pub(super) fn peer_moved(
        &mut self,
        desk: &mut Desk<'_>,
        peer: &PeerId,
        from: &NodeId,
        to: &NodeId,
    ) {
        let winner = self.replica.peer(peer).map_or(u64::MAX, |view| view.entry.incarnation);
        if from != desk.id || to == desk.id {
            return;
        }
        let Some(here) = self.here.get_mut(peer).filter(|here| here.incarnation < winner) else {
            return;
        };
        match here.moving {
            Moving::No => {
                let old = here.clone();
                self.supersede(desk, peer, &old);
            }
            Moving::Told => here.moving = Moving::There(desk.ctx.now),
            Moving::There(_) => {}
        }
    }

    /// Tells a client to go, to this node if one is named, or else to its standby nodes; false if
    /// it has not joined.
    pub(super) fn tell_to_go(
        &mut self,
        desk: &mut Desk<'_>,
        peer: &PeerId,
        to: Option<&NodeId>,
        within: Duration,
    ) -> bool {
        let Some(here) = self.here.get_mut(peer).filter(|here| here.joined) else { return false };
        if here.moving == Moving::No {
            here.moving = Moving::Told;
        }
        let (seat, incarnation) = (here.seat, here.incarnation);
        let offer = self.offer(desk, incarnation);
        let first = to.map(ToString::to_string);
        let others = offer.standby.iter().filter(|node| Some(*node) != first.as_ref()).cloned();
        let nodes = first.clone().into_iter().chain(others).collect();
        desk.tell(seat, ToClient::Offered(offer));
        let within_ms = within.as_millis() as u32;
        desk.tell(seat, ToClient::MoveTo { nodes, within_ms });
        true
    }

    /// Nobody is to leave any more: who was told so and is still here stays.
    pub(super) fn stay(&mut self, desk: &mut Desk<'_>) {
        self.draining = false;
        for here in self.here.values_mut().filter(|here| here.moving == Moving::Told) {
            here.moving = Moving::No;
            desk.tell(here.seat, ToClient::MoveTo { nodes: Vec::new(), within_ms: 0 });
        }
    }

    /// Sessions whose clients have had their time elsewhere.
    pub(super) fn close_moved(&mut self, desk: &mut Desk<'_>) {
        let now = desk.ctx.now;
        let is_late =
            |here: &Here| matches!(here.moving, Moving::There(since) if now >= since + HANDOVER);
        let late = self.here.iter().filter(|(_, here)| is_late(here));
        let late: Vec<_> = late.map(|(peer, here)| (peer.clone(), here.clone())).collect();
        late.iter().for_each(|(peer, old)| self.supersede(desk, peer, old));
    }

    /// Who could be asked to move, and how many cannot.
    fn leavers(&self) -> (BTreeSet<PeerId>, usize) {
        let there = |moving| matches!(moving, Moving::There(_));
        let can = self.here.iter().filter(|(_, here)| here.joined && !there(here.moving));
        let clients: BTreeSet<_> = can.map(|(peer, _)| peer.clone()).collect();
        let others = self.here.len() - clients.len();
        (clients, others)
    }

    /// Whoever is still here is sent away.
    fn cut(&mut self, desk: &mut Desk<'_>) {
        let all = self.here.iter().filter(|(_, here)| here.joined);
        let all: Vec<_> = all.map(|(id, here)| (id.clone(), here.clone())).collect();
        for (peer, here) in all {
            desk.seats.remove(&here.seat);
            desk.tell(here.seat, ToClient::Closed(closed(ELSEWHERE, "", Vec::new())));
            self.peer_ended(desk, &peer, here.incarnation);
        }
    }
}

impl Life {
    /// It takes no peers, and sends its own away within so long.
    pub(in crate::sim) fn drain(&mut self, ctx: &mut Ctx, within: Duration, emergency: bool) {
        self.state = NodeState::Draining;
        self.tell_load(ctx);
        self.each_room(ctx, |room, _| room.draining = true);
        self.drain = Some(Drain::new(ctx.instant(), within, emergency));
        if self.rooms.values().all(|room| room.leavers().0.is_empty()) {
            ctx.faults.idle(Fault::Drain);
        }
    }

    /// It takes peers again.
    pub(in crate::sim) fn undrain(&mut self, ctx: &mut Ctx) {
        self.state = NodeState::Up;
        self.tell_load(ctx);
        self.drain = None;
        self.each_room(ctx, |room, desk| room.stay(desk));
    }

    /// An operator sends a client to another node; false if it has not joined here.
    pub(in crate::sim) fn move_client(&mut self, ctx: &mut Ctx, seat: Seat, to: usize) -> bool {
        let Some((room, peer)) = self.seats.get(&seat).cloned() else { return false };
        let told = self.with_room(ctx, &room, |room, desk| {
            room.tell_to_go(desk, &peer, Some(&name(to)), Duration::ZERO)
        });
        told == Some(true)
    }

    /// To be called every `drain::STEP`.
    pub(super) fn step_drain(&mut self, ctx: &mut Ctx) {
        let Some(mut drain) = self.drain.take() else { return };
        let (mut here, mut others) = (drain::Here::new(), 0);
        for (id, room) in &self.rooms {
            let (clients, rest) = room.leavers();
            here.insert(id.clone(), clients);
            others += rest;
        }
        let nodes = self.view.reachable();
        let up = nodes.values().filter(|it| it.id != self.id && it.state == NodeState::Up);
        let step = drain.step(ctx.instant(), &here, others, up.count());
        for ask in step.ask {
            let Some(to) = self.target(ctx, &ask) else { continue };
            drain.sent(&ask, to.clone());
            ctx.faults.hit(Fault::Drain);
            self.with_room(ctx, &ask.room, |room, desk| {
                room.tell_to_go(desk, &ask.peer, Some(&to), step.within)
            });
        }
        match step.stage {
            Stage::Going => self.drain = Some(drain),
            Stage::Empty => {}
            Stage::Late => self.each_room(ctx, |room, desk| room.cut(desk)),
        }
    }

    /// Where somebody could go: where a join would be placed, or else the room's next standby node.
    fn target(&mut self, ctx: &Ctx, ask: &Ask) -> Option<NodeId> {
        let policy = self.rooms.get(&ask.room)?.record.policy.clone();
        self.refresh_own();
        let (now, client) = (ctx.instant(), Whereabouts::default());
        let (room, policy) = (&ask.room, &policy);
        let join = Join { room, policy, here_has_room: true, client, wanted: None };
        let placed = match self.view.place(now, &join) {
            Decision::Node(node) => Some(node),
            Decision::Here | Decision::Refused(_) => None,
        };
        let mut not = ask.avoid.clone();
        not.insert(self.id.clone());
        let nodes = self.view.reachable();
        let placed = placed.filter(|node| !not.contains(node));
        let node = placed.or_else(|| standby(room, policy, &nodes, &not, 1).into_iter().next())?;
        self.view.reserve(now, room, &Decision::Node(node.clone()));
        Some(node)
    }
}
