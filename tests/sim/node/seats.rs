//! Sessions of a room on a simulated node: opened, joined, superseded, ended, as
//! `actors/src/room/local.rs` has them.

use std::{collections::BTreeMap, time::Duration};

use starling_cluster::decide::{
    rejoin::{ELSEWHERE, FOR_GOOD, Offer},
    standby::{STANDBYS, standby},
};
use starling_proto::{
    Code, NodeId, PeerId, ProducerId, Refusal,
    json::Json,
    roster::{PeerEntry, ProducerEntry},
};

use super::{
    Life,
    desk::Desk,
    joins::closed,
    leaving::Moving,
    room::{Own, Room},
};
use crate::sim::{
    ctx::{Ctx, SECOND},
    event::{Packet, Seat, ToClient, ToNode},
};

/// `node::signal::socket::SILENCE`.
const SILENCE: u64 = 15 * SECOND;
/// `actors::limits::JOIN_WITHIN`.
const JOIN_WITHIN: u64 = 10 * SECOND;

/// A session of this node.
#[derive(Clone, Debug)]
pub(super) struct Here {
    pub(super) seat: Seat,
    pub(super) incarnation: u64,
    pub(super) joined: bool,
    pub(super) moving: Moving,
    resumed: bool,
    pub(super) layer: u8,
    opened: u64,
    pub(super) heard: u64,
}

impl Here {
    /// Where its packets go.
    pub(super) fn shown_at(&self) -> Option<Seat> {
        self.joined.then_some(self.seat)
    }
}

impl Room {
    /// A client's session: without a ticket its id must be free.
    pub(super) fn open(
        &mut self,
        desk: &mut Desk<'_>,
        seat: Seat,
        peer: &PeerId,
        resumed: Option<u64>,
    ) -> Result<(), Refusal> {
        let known = self.replica.peer(peer);
        let taken = known.is_some_and(|view| !view.lost) || self.here.contains_key(peer);
        if taken && resumed.is_none() {
            return Err(Refusal::new(Code::PeerExists, "it is in the room"));
        }
        let wall = desk.ctx.wall(desk.skew).max(resumed.map_or(0, |old| old + 1));
        let open = [&self.here, &self.heirs].map(|of| of.get(peer).map(|here| here.incarnation));
        let open = open.into_iter().flatten().max().map_or(0, |open| open + 1);
        let incarnation = self.replica.next_incarnation(peer, wall.max(open));
        let now = desk.ctx.now;
        let here = Here {
            seat,
            incarnation,
            joined: false,
            moving: Moving::No,
            resumed: resumed.is_some(),
            layer: 0,
            opened: now,
            heard: now,
        };
        if let Some(heir) = self.heirs.remove(peer) {
            self.supersede(desk, peer, &heir);
        }
        let shown = self.here.get(peer).is_some_and(|old| old.joined);
        if shown && here.resumed {
            // It goes on until its heir has joined.
            self.heirs.insert(peer.clone(), here);
        } else if let Some(old) = self.here.insert(peer.clone(), here) {
            self.supersede(desk, peer, &old);
        }
        Ok(())
    }

    /// Tells a session that there is a newer one of the peer, and ends it. If it had not joined,
    /// the newer one may be a try that its client gave up, come late: then it is to try again.
    pub(super) fn supersede(&mut self, desk: &mut Desk<'_>, peer: &PeerId, old: &Here) {
        let code = if old.joined { FOR_GOOD } else { ELSEWHERE };
        desk.seats.remove(&old.seat);
        desk.tell(old.seat, ToClient::Closed(closed(code, "", Vec::new())));
        self.peer_ended(desk, peer, old.incarnation);
    }

    pub(super) fn on_word(&mut self, desk: &mut Desk<'_>, seat: Seat, peer: &PeerId, word: ToNode) {
        let now = desk.ctx.now;
        let all = [self.heirs.get_mut(peer), self.here.get_mut(peer)];
        let current = all.into_iter().flatten().find(|here| here.seat == seat);
        let incarnation = current.map(|here| {
            here.heard = now;
            here.incarnation
        });
        match (word, incarnation) {
            (ToNode::Media { producer, source, layer, seq, size }, _) => {
                self.on_media(desk, seat, (producer, source, layer), seq, size);
            }
            (ToNode::Bye, _) => self.bye(desk, seat, peer),
            (ToNode::Ask, _) => desk.tell(seat, ToClient::Answer),
            (ToNode::Join, Some(incarnation)) => self.join(desk, seat, peer, incarnation),
            (ToNode::Produce(entry), Some(incarnation)) => {
                self.produce(desk, seat, peer, incarnation, *entry);
            }
            (ToNode::Close(producer), Some(_)) => {
                let local = self.replica.local_close(desk.ctx.instant(), peer, &producer);
                self.carry_out(desk, local);
            }
            (ToNode::Layer(layer), Some(_)) => {
                if let Some(here) = self.here.get_mut(peer).filter(|here| here.seat == seat) {
                    here.layer = layer;
                }
                self.want_layers(desk);
            }
            _ => {}
        }
    }

    fn bye(&mut self, desk: &mut Desk<'_>, seat: Seat, peer: &PeerId) {
        desk.seats.remove(&seat);
        let all = [self.heirs.get(peer), self.here.get(peer)];
        let ended = all.into_iter().flatten().find(|here| here.seat == seat);
        if let Some(incarnation) = ended.map(|here| here.incarnation) {
            self.peer_ended(desk, peer, incarnation);
        }
    }

    fn join(&mut self, desk: &mut Desk<'_>, seat: Seat, peer: &PeerId, incarnation: u64) {
        let heir = self.heirs.get(peer).filter(|heir| heir.incarnation == incarnation);
        let Some(here) = heir.or(self.here.get(peer)).filter(|here| !here.joined) else { return };
        let elsewhere = self.replica.peer(peer).filter(|view| view.node != desk.id);
        if elsewhere.is_some_and(|view| {
            (!view.lost && !here.resumed) || view.entry.incarnation >= incarnation
        }) {
            desk.seats.remove(&seat);
            desk.tell(seat, ToClient::Closed(closed(FOR_GOOD, "", Vec::new())));
            return self.peer_ended(desk, peer, incarnation);
        }
        let heir = self.heirs.remove(peer);
        let old = heir.and_then(|heir| self.here.insert(peer.clone(), heir));
        if let Some(here) = self.here.get_mut(peer) {
            here.joined = true;
        }
        let entry = PeerEntry {
            id: peer.clone(),
            incarnation,
            display_name: String::new(),
            device: Json(serde_json::Value::Null),
            producers: Vec::new(),
            data_producers: Vec::new(),
        };
        let local = self.replica.local_join(desk.ctx.instant(), entry);
        self.carry_out(desk, local);
        if let Some(old) = old {
            self.supersede(desk, peer, &old);
        }
        let offer = self.offer(desk, incarnation);
        desk.tell(seat, ToClient::Joined(offer));
        self.consume_all(desk, peer);
        if self.draining {
            self.tell_to_go(desk, peer, None, Duration::ZERO);
        }
    }

    fn consume_all(&mut self, desk: &mut Desk<'_>, peer: &PeerId) {
        let others = self.replica.peers().filter(|view| view.entry.id != *peer);
        let available: Vec<(NodeId, ProducerId)> = others
            .flat_map(|view| {
                view.entry.producers.iter().map(|it| (view.node.clone(), it.id.clone()))
            })
            .collect();
        for (node, producer) in available {
            self.consume(desk, peer, &node, &producer);
        }
    }

    pub(super) fn peer_ended(&mut self, desk: &mut Desk<'_>, peer: &PeerId, incarnation: u64) {
        // An heir that never joined leaves the session as it is that it would have followed.
        if take(&mut self.heirs, peer, incarnation) {
            return;
        }
        if take(&mut self.here, peer, incarnation) {
            let unused = self.plane.forget_peer(peer);
            self.end_unused(desk, &unused);
            // The room goes on showing the peer until its heir has joined, or has not.
            if let Some(heir) = self.heirs.remove(peer) {
                self.here.insert(peer.clone(), heir);
                return;
            }
        }
        let local = self.replica.local_leave(desk.ctx.instant(), peer, incarnation);
        self.carry_out(desk, local);
    }

    fn produce(
        &mut self,
        desk: &mut Desk<'_>,
        seat: Seat,
        peer: &PeerId,
        incarnation: u64,
        entry: ProducerEntry,
    ) {
        if self.replica.peer(peer).is_none_or(|view| view.node != desk.id) {
            return;
        }
        let producer = entry.id.clone();
        let local = self.replica.local_produce(desk.ctx.instant(), peer, entry);
        self.own.insert(producer, Own { seat, incarnation });
        self.carry_out(desk, local);
    }

    fn on_media(
        &mut self,
        desk: &mut Desk<'_>,
        seat: Seat,
        (producer, source, layer): (ProducerId, u8, u8),
        seq: u64,
        size: u32,
    ) {
        let Some(own) = self.own.get(&producer).filter(|own| own.seat == seat) else { return };
        let (room, client, incarnation) = (self.id.clone(), seat.0, own.incarnation);
        let (home, via) = (desk.index, Vec::new());
        let packet =
            Packet { room, client, incarnation, home, producer, source, layer, seq, size, via };
        self.forward(desk, &packet);
    }

    /// The room ends on this node: its clients are told to come again.
    pub(super) fn fail(&self, desk: &mut Desk<'_>) {
        for here in self.here.values().chain(self.heirs.values()) {
            desk.seats.remove(&here.seat);
            desk.tell(here.seat, ToClient::Closed(closed(ELSEWHERE, "", Vec::new())));
        }
    }

    pub(super) fn offer(&self, desk: &Desk<'_>, incarnation: u64) -> Offer {
        let exclude = std::iter::once(desk.id.clone()).collect();
        let nodes = desk.view.reachable();
        let standby = standby(&self.id, &self.record.policy, &nodes, &exclude, STANDBYS);
        let standby = standby.iter().map(ToString::to_string).collect();
        Offer { standby, ticket: incarnation.to_string() }
    }

    pub(super) fn renew_standby(&mut self, desk: &mut Desk<'_>) {
        for here in self.here.values().filter(|here| here.joined) {
            let offer = self.offer(desk, here.incarnation);
            desk.tell(here.seat, ToClient::Offered(offer));
        }
    }

    fn silent(&self, now: u64) -> Vec<(PeerId, Seat)> {
        let over = |here: &Here| {
            now >= here.heard + SILENCE || (!here.joined && now >= here.opened + JOIN_WITHIN)
        };
        let silent = self.here.iter().chain(&self.heirs).filter(|(_, here)| over(here));
        silent.map(|(peer, here)| (peer.clone(), here.seat)).collect()
    }
}

/// Ends a session; false if there is no such one.
fn take(of: &mut BTreeMap<PeerId, Here>, peer: &PeerId, incarnation: u64) -> bool {
    let found = of.get(peer).is_some_and(|here| here.incarnation == incarnation);
    found && of.remove(peer).is_some()
}

impl Life {
    /// Clients that have been silent for too long, or opened and never joined, are gone.
    pub(super) fn end_silent(&mut self, ctx: &mut Ctx) {
        self.each_room(ctx, |room, desk| {
            for (peer, seat) in room.silent(desk.ctx.now) {
                desk.tell(seat, ToClient::Closed(closed(1006, "", Vec::new())));
                room.bye(desk, seat, &peer);
            }
        });
    }

    /// A packet that a planted bug held back comes.
    pub(in crate::sim) fn on_late(&mut self, ctx: &mut Ctx, packet: &Packet) {
        let room = packet.room.clone();
        self.with_room(ctx, &room, |room, desk| room.shout(desk, packet));
    }
}
