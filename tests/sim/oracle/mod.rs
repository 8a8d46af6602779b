//! Who knows the truth: what people did, what they heard, and what must never be. Each invariant is
//! a function in a file of its own. Never acts.

mod bounds;
mod everyone_hears;
mod no_going_back;
mod nobody_stands;
mod nothing_left;
mod one_crossing;
mod one_incarnation;
mod only_demanded;
mod room_walls;
mod short_ways;
mod views_agree;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use starling_proto::{NodeId, ProducerId, RoomId, flow::FlowId};

use super::{
    event::{Packet, Seat},
    plan::Plan,
};
pub(super) use bounds::Size;
use one_crossing::Crossings;
pub(super) use views_agree::RoomView;

/// What must always be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// At most one live incarnation of a peer is heard by anyone.
    OneIncarnation,
    /// Nobody hears a room they are not in.
    RoomWalls,
    /// Nobody hears an older incarnation of a source after a newer one.
    NoGoingBack,
    /// Who can reach a publisher hears it, soon after all is mended.
    EveryoneHears,
    /// Nothing crosses a link that nobody there wants.
    OnlyDemanded,
    /// Every queue and table is within its bound.
    Bounds,
    /// Who has left leaves nothing behind.
    NothingLeft,
    /// Soon after all is mended, all nodes of a room see the same people, and they are there.
    ViewsAgree,
    /// No packet comes to a node twice, or by more links than a tree is deep.
    ShortWays,
    /// Soon after nodes have come to rest, each stream enters each region once.
    OneCrossing,
    /// While nothing breaks, nobody stops hearing anybody, whoever is moved.
    NobodyStands,
}

/// One that was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When, in microseconds.
    pub at: u64,
    /// What was seen.
    pub what: String,
}

/// Where a person is, as they see it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Not here yet.
    Outside,
    /// On the way in, or back in.
    Coming,
    In,
    /// Of their own will.
    Left,
    /// Sent away, or gave up.
    Ended,
}

/// A person.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) room: RoomId,
    pub(super) name: String,
    /// Somebody else has the name, too.
    pub(super) contested: bool,
    pub(super) at: Whereabouts,
    /// The layer of videos that they watch, and since when.
    pub(super) layer: (u8, u64),
    /// What they send, and since when.
    pub(super) sends: BTreeMap<u8, (ProducerId, u64)>,
    /// Seats that are open.
    pub(super) seats: BTreeMap<u32, Ear>,
}

/// What is heard on a seat.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// Of each peer's sources.
    newest: BTreeMap<(String, u8), u64>,
    /// When media last came.
    pub(super) last: u64,
}

/// What each node's peers hear of somebody.
type OnNode = BTreeMap<usize, Heard>;

/// What a node's peers hear.
#[derive(Clone, Copy, Debug)]
struct Heard {
    /// Which session, and which node has it.
    incarnation: u64,
    home: usize,
    since: u64,
    last: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Oracle {
    pub(super) people: Vec<Person>,
    violation: Option<Violation>,
    heard: BTreeMap<(RoomId, String), OnNode>,
    /// When somebody last heard a source of somebody, in the layer that they watch.
    last: BTreeMap<(usize, usize, u8), u64>,
    /// Links as each end sees them, and since when.
    links: BTreeMap<(usize, usize), u64>,
    /// Flows that each end of a link uses.
    flows: BTreeMap<(usize, usize), BTreeSet<FlowId>>,
    /// Which node has which room, and since when.
    rooms: BTreeMap<(usize, RoomId), u64>,
    /// When a node last stood still or was slow.
    unwell: BTreeMap<usize, u64>,
    crossings: Crossings,
    /// Since when nothing breaks.
    pub(super) calm: Option<u64>,
    /// The longest that somebody has not heard a source since then.
    pub(super) stood: u64,
    /// Packets that people heard.
    pub(super) packets: u64,
}

impl Oracle {
    pub(super) fn new(plan: &Plan) -> Self {
        let people = plan.clients.iter().map(|client| Person {
            room: room(client.room),
            name: client.name.clone(),
            contested: plan.clients.iter().filter(|it| it.name == client.name).count() > 1,
            at: Whereabouts::Outside,
            layer: (0, 0),
            sends: BTreeMap::new(),
            seats: BTreeMap::new(),
        });
        Self {
            people: people.collect(),
            violation: None,
            heard: BTreeMap::new(),
            last: BTreeMap::new(),
            links: BTreeMap::new(),
            flows: BTreeMap::new(),
            rooms: BTreeMap::new(),
            unwell: BTreeMap::new(),
            crossings: Crossings::new(plan),
            calm: None,
            stood: 0,
            packets: 0,
        }
    }

    /// The first thing that was wrong.
    pub(super) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(super) fn judge(&mut self, invariant: Invariant, at: u64, wrong: Option<String>) {
        if let (None, Some(what)) = (&self.violation, wrong) {
            self.violation = Some(Violation { invariant, at, what });
        }
    }

    pub(super) fn link(&mut self, at: u64, from: usize, to: usize, up: bool) {
        self.crossings.stir(at);
        self.flows.remove(&(from, to));
        if up {
            self.links.insert((from, to), at)
        } else {
            self.links.remove(&(from, to))
        };
    }

    /// A node uses these flows of its link to another one; those that the other one uses.
    pub(super) fn use_flows(
        &mut self,
        (from, to): (usize, usize),
        used: BTreeSet<FlowId>,
    ) -> &BTreeSet<FlowId> {
        self.flows.insert((from, to), used);
        self.flows.entry((to, from)).or_default()
    }

    /// A node has a room, or has it no more.
    pub(super) fn room(&mut self, at: u64, node: usize, room: &RoomId, has: bool) {
        self.crossings.stir_room(at, room);
        let key = (node, room.clone());
        if has {
            self.rooms.insert(key, at)
        } else {
            self.rooms.remove(&key)
        };
    }

    /// A process is no more.
    pub(super) fn forget_rooms(&mut self, node: usize) {
        self.rooms.retain(|(of, _), _| *of != node);
    }

    /// Nodes that have had a room for `long`.
    fn with_room_for(&self, now: u64, room: &RoomId, long: u64) -> impl Iterator<Item = usize> {
        let with =
            self.rooms.iter().filter(move |((_, of), since)| of == room && **since + long <= now);
        with.map(|((node, _), _)| *node)
    }

    /// Both ends have had the link for `long`.
    fn linked_for(&self, now: u64, a: usize, b: usize, long: u64) -> bool {
        let up = |way| self.links.get(&way).is_some_and(|since| since + long <= now);
        up((a, b)) && up((b, a))
    }

    /// A node stands still or is slow.
    pub(super) fn unwell(&mut self, now: u64, node: usize) {
        self.unwell.insert(node, now);
        self.crossings.stir(now);
    }

    fn well_for(&self, now: u64, node: usize, long: u64) -> bool {
        self.unwell.get(&node).is_none_or(|at| at + long <= now)
    }

    /// A packet came to somebody.
    pub(super) fn hear(&mut self, now: u64, seat: Seat, node: usize, packet: &Packet) {
        let (client, number) = seat;
        // A page that closed its transport hears nothing of it.
        if !self.people[client].seats.contains_key(&number) {
            return;
        }
        self.packets += 1;
        let speaker = self.people[packet.client].name.clone();
        let wrong = room_walls::check(&self.people[client], packet);
        self.judge(Invariant::RoomWalls, now, wrong);
        let person = &mut self.people[client];
        let watches = packet.source == 0 || packet.layer == person.layer.0;
        if let Some(ear) = person.seats.get_mut(&number) {
            ear.last = now;
            let newest = ear.newest.entry((speaker.clone(), packet.source)).or_default();
            let wrong = no_going_back::check(*newest, packet);
            *newest = packet.incarnation.max(*newest);
            self.judge(Invariant::NoGoingBack, now, wrong);
        }
        let wrong = one_incarnation::check(self, now, node, &speaker, packet);
        self.judge(Invariant::OneIncarnation, now, wrong);
        let on_node = self.heard.entry((packet.room.clone(), speaker)).or_default();
        let (incarnation, home) = (packet.incarnation, packet.home);
        let known = on_node.get(&node).filter(|heard| heard.incarnation == incarnation);
        let since = known.map_or(now, |heard| heard.since);
        on_node.insert(node, Heard { incarnation, home, since, last: now });
        if watches {
            let last = self.last.insert((client, packet.client, packet.source), now);
            nobody_stands::check(self, now, (client, packet.client, packet.source), last);
        }
    }

    /// Things happen again.
    pub(super) fn end_calm(&mut self, now: u64) {
        nobody_stands::check_all(self, now);
        self.calm = None;
    }

    /// All was mended a while ago.
    pub(super) fn check_well(&mut self, now: u64, views: &[RoomView]) {
        self.judge(Invariant::ViewsAgree, now, views_agree::check(views));
        self.judge(Invariant::EveryoneHears, now, everyone_hears::check(self, now));
    }

    /// Everybody left a while ago.
    pub(super) fn check_gone(&mut self, now: u64, owned: &[String]) {
        self.judge(Invariant::NothingLeft, now, nothing_left::check(owned));
    }

    /// How large something is.
    pub(super) fn check_sizes(&mut self, now: u64, node: &NodeId, sizes: &[Size]) {
        self.judge(Invariant::Bounds, now, bounds::check(node, sizes));
    }

    /// A node has another view of the nodes.
    pub(super) fn unrest(&mut self, now: u64) {
        self.crossings.stir(now);
    }

    /// A packet crossed a link to a node.
    pub(super) fn check_way(&mut self, now: u64, node: usize, packet: &Packet) {
        self.judge(Invariant::ShortWays, now, short_ways::check(node, packet));
        let wrong = self.crossings.check(now, node, packet);
        let wrong = wrong.filter(|_| self.is_whole(now, &packet.room));
        self.judge(Invariant::OneCrossing, now, wrong);
    }

    /// All nodes with a room have links with each other.
    fn is_whole(&self, now: u64, room: &RoomId) -> bool {
        let with: Vec<_> = self.with_room_for(now, room, 0).collect();
        let linked = |a, b| a == b || self.linked_for(now, a, b, 0);
        with.iter().all(|a| with.iter().all(|b| linked(*a, *b)))
    }

    /// A packet crossed a link to a node where it was last wanted at `wanted`.
    pub(super) fn check_wanted(
        &mut self,
        now: u64,
        (from, to): (usize, usize),
        wanted: u64,
        packet: &Packet,
    ) {
        let calm = self.well_for(now, from, only_demanded::GRACE)
            && self.well_for(now, to, only_demanded::GRACE);
        if calm {
            let wrong = only_demanded::check(now, wanted, packet);
            self.judge(Invariant::OnlyDemanded, now, wrong);
        }
    }
}

/// The name of a room of a plan.
pub(super) fn room(number: u8) -> RoomId {
    format!("room-{number}").parse().expect("a name of letters and digits")
}
