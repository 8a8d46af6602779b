//! Peers of this node that leave it for another: what they are told, and how long their sessions
//! here go on. Drains, moves of a peer and moves of a room all come here; whom to move, and where
//! to, is decided elsewhere (`decide::drain`, placement).

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use starling_proto::{
    Code, PeerId, Refusal,
    signal::{NodeHint, ResumeOffer, ServerNotification},
};

use super::{RoomMsg, RoomState, local::Here};
use crate::{peer::PeerMsg, session::ToClient};

/// How long a session goes on after its peer has joined another node, if the client does not end it
/// before: it leaves when the other node has sent all that this one did, or after 2.5 s
/// (`decide::rejoin::OVERLAP`).
const HANDOVER: Duration = Duration::from_secs(4);

/// Whether a session is on its way to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    /// It stays.
    No,
    /// It was told to go.
    Told,
    /// It is there since then, and gets what it got here until it leaves.
    There(Instant),
}

/// Where a client is to go.
pub(crate) struct MoveWish {
    pub(crate) to: NodeHint,
    /// At a time of its own within so long, so that many do not come at once.
    pub(crate) within: Duration,
    /// What its client reads.
    pub(crate) reason: &'static str,
}

/// Who of a room could be asked to move.
pub(crate) struct Leavers {
    pub(crate) clients: BTreeSet<PeerId>,
    /// Sessions that cannot be asked: programs', and those that are coming or on their way out.
    pub(crate) others: usize,
}

impl Here {
    /// Its peer has joined on another node.
    pub(super) fn moved(&mut self, now: Instant) {
        match self.moving {
            Moving::No => self.let_go(),
            Moving::Told => self.moving = Moving::There(now),
            Moving::There(_) => {}
        }
    }

    fn let_go(&self) {
        let reason = "the peer continued on another node".to_owned();
        let _ = self.actor.cast(PeerMsg::Close { code: 4000, reason });
    }

    /// A client that could go elsewhere.
    fn can_leave(&self) -> bool {
        self.joined && self.outbox.is_some() && !matches!(self.moving, Moving::There(_))
    }
}

impl RoomState {
    /// The room ends, and with it the peers' actors: their clients are told here.
    pub(super) fn tell_clients(&self, code: u16, reason: &str) {
        let sessions = self.here.values().chain(self.heirs.values());
        for outbox in sessions.filter_map(|here| here.outbox.as_ref()) {
            let _ = outbox.try_send(ToClient::Close { code, reason: reason.to_owned() });
        }
    }

    /// Nodes came or went: peers learn where they would go now.
    pub(super) fn renew_standby(&mut self) {
        let version = self.args.shared.nodes_version();
        if std::mem::replace(&mut self.nodes_version, version) == version {
            return;
        }
        for (peer, here) in self.here.iter().filter(|(_, here)| here.joined) {
            let offer = self.offer(peer, here);
            let _ = here.actor.cast(PeerMsg::Tell(ServerNotification::StandbyChanged(offer)));
        }
    }

    fn offer(&self, peer: &PeerId, here: &Here) -> ResumeOffer {
        let (room, policy) = (&self.args.id, &self.args.record.policy);
        let narrowed = here.narrowed.as_ref();
        self.args.shared.resume_offer(room, policy, peer, here.incarnation, narrowed)
    }

    pub(super) fn handle_leaving(&mut self, message: RoomMsg) {
        match message {
            RoomMsg::Leavers(reply) => drop(reply.send(Ok(self.leavers()))),
            RoomMsg::MovePeer { peer, wish, reply } => {
                let told = self.move_peer(&peer, &wish);
                if let Some(reply) = reply {
                    let _ = reply.send(told);
                }
            }
            RoomMsg::WhereIs { peer, reply } => {
                let found = self.replica.peer(&peer).map(|view| view.node.clone());
                let _ = reply.send(found.ok_or_else(|| {
                    Refusal::new(Code::PeerNotFound, format!("there is no peer '{peer}' any more"))
                }));
            }
            RoomMsg::Cut(reason) => {
                for here in self.here.values().filter(|here| here.joined) {
                    let reason = reason.to_owned();
                    let _ = here.actor.cast(PeerMsg::Close { code: 4001, reason });
                }
            }
            _ => {}
        }
    }

    /// Nobody is to leave any more: who was told so and is still here stays, if its client
    /// understands that.
    pub(super) fn set_draining(&mut self, draining: bool) {
        self.draining = draining;
        let told = self.here.values_mut().filter(|here| !draining && here.moving == Moving::Told);
        for here in told {
            here.moving = Moving::No;
            let stay = move_to(Vec::new(), Duration::ZERO, "this node stays");
            let _ = here.actor.cast(PeerMsg::Tell(stay));
        }
    }

    fn leavers(&self) -> Leavers {
        let clients = self.here.iter().filter(|(_, here)| here.can_leave());
        let clients: BTreeSet<_> = clients.map(|(peer, _)| peer.clone()).collect();
        let others = self.here.len() - clients.len();
        Leavers { clients, others }
    }

    /// Tells a client to go to a node, and to its standby nodes if that does not take it. Its
    /// session goes on here until it has left.
    fn move_peer(&mut self, peer: &PeerId, wish: &MoveWish) -> Result<(), Refusal> {
        let MoveWish { to, within, reason } = wish;
        let here = self.here(peer)?;
        if here.outbox.is_none() {
            let message = format!("peer '{peer}' is a program's: it has no client that could move");
            return Err(Refusal::new(Code::WrongState, message)
                .hint("end it, and make another one on the other node"));
        }
        if !here.joined {
            return Err(Refusal::new(Code::WrongState, format!("peer '{peer}' is still joining")));
        }
        let offer = self.offer(peer, here);
        let others = offer.standby.iter().filter(|node| node.node_id != to.node_id).cloned();
        let nodes = std::iter::once(to.clone()).chain(others).collect();
        self.tell_to_go(peer, offer, move_to(nodes, *within, reason));
        self.trace_move(peer, &to.node_id);
        Ok(())
    }

    /// Who joins a node that is about to leave is told so, before a drain has seen it.
    pub(super) fn tell_to_move(&mut self, peer: &PeerId) {
        let Some(here) = self.here.get(peer) else { return };
        let offer = self.offer(peer, here);
        let nodes = offer.standby.clone();
        let go = move_to(nodes, Duration::ZERO, "this node is about to leave");
        self.tell_to_go(peer, offer, go);
    }

    fn tell_to_go(&mut self, peer: &PeerId, offer: ResumeOffer, go: ServerNotification) {
        let Some(here) = self.here.get_mut(peer) else { return };
        if here.moving == Moving::No {
            here.moving = Moving::Told;
        }
        let _ = here.actor.cast(PeerMsg::Tell(ServerNotification::StandbyChanged(offer)));
        let _ = here.actor.cast(PeerMsg::Tell(go));
    }

    /// Sessions whose clients have had their time elsewhere.
    pub(super) fn close_moved(&self, now: Instant) {
        for here in self.here.values() {
            if let Moving::There(since) = here.moving
                && now.saturating_duration_since(since) >= HANDOVER
            {
                here.let_go();
            }
        }
    }
}

/// To these nodes, each client at a time of its own within so long; to none means to stay.
fn move_to(nodes: Vec<NodeHint>, within: Duration, reason: &str) -> ServerNotification {
    let within_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
    ServerNotification::MoveTo { nodes, reason: reason.to_owned(), within_ms, retry_after_ms: 0 }
}
