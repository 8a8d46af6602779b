//! One life of a node: what its actors do with what is decided. Carries out; where it chooses, that
//! is a choice of an actor (`actors/src/node`, `room`, `link_actor`) that no pure machine makes
//! yet.

mod desk;
mod joins;
mod leaving;
mod links;
mod lives;
mod pipes;
mod plane;
mod registrar;
mod room;
mod seats;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use starling_cluster::{
    decide::{
        drain::Drain, life::Life as Span, liveness::Liveness, pulls::Reach, view::ClusterView,
    },
    link::peers::Peers,
    registry::WatchEvent,
};
use starling_proto::{
    NodeId, PeerId, RoomId,
    link::{LinkMessage, VERSION_MIN},
    registry::{NodeCost, NodeLoad, NodeRecord, NodeState},
};

use super::{
    ctx::{Ctx, MS, SECOND},
    event::{Answer, Call, Event, Seat, ToClient, ToNode},
    oracle::{RoomView, Size},
    plant::Plant,
};
use desk::Desk;
use joins::Waiting;
use links::LinkEnd;
use registrar::Registrar;
use room::Room;

/// How often a node looks at the clock: `drain::STEP`.
const TICK: u64 = 100 * MS;
/// `actors::limits::LOAD_EVERY`.
const LOAD_EVERY: u64 = 500 * MS;
/// `actors::limits::RECORD_EVERY`.
const RECORD_EVERY: u64 = 5 * SECOND;
/// `actors::limits::ROOM_LINGER`.
const LINGER: u64 = 3 * SECOND;
/// `actors::limits::RESTORE_AFTER`.
const RESTORE_AFTER: u64 = 2 * SECOND;
/// `actors::limits::FORGET_AFTER`.
const FORGET_AFTER: std::time::Duration = std::time::Duration::from_secs(5);
/// `actors::limits::PENDING_JOINS`.
const PENDING_JOINS: usize = 4_096;

/// A running process.
pub(super) struct Life {
    pub(super) index: usize,
    /// Counted from the machine's first.
    pub(super) number: u32,
    pub(super) id: NodeId,
    /// Of the process: it outlives being given up.
    span: Span,
    /// How wrong its clock is.
    pub(super) skew: i64,
    pub(super) view: ClusterView,
    peers: Peers,
    liveness: Liveness,
    links: BTreeMap<usize, LinkEnd>,
    dialling: BTreeMap<u64, NodeId>,
    rooms: BTreeMap<RoomId, Room>,
    waiting: BTreeMap<RoomId, Vec<Waiting>>,
    /// Open WebSockets.
    seats: BTreeMap<Seat, (RoomId, PeerId)>,
    state: NodeState,
    /// It is sending its own away.
    drain: Option<Drain>,
    registrar: Registrar,
    told: u64,
    written: u64,
    /// Who was in reach when peers were last told where to go.
    reachable: BTreeMap<NodeId, (u64, NodeState)>,
    /// Nodes as rooms were last told of them.
    reach: BTreeMap<NodeId, Reach>,
}

/// The index of a node by its name.
pub(super) fn index_of(node: &NodeId) -> usize {
    use starling_proto::Id;
    node.as_str()[1..].parse().expect("nodes of a plan are n0, n1, …")
}

/// The name of a node of a plan.
pub(super) fn name(index: usize) -> NodeId {
    format!("n{index}").parse().expect("a letter and digits")
}

impl Life {
    /// A process starts.
    pub(super) fn start(ctx: &mut Ctx, index: usize, number: u32, region: u8, skew: i64) -> Self {
        let (id, epoch) = (name(index), ctx.wall(skew));
        let record = NodeRecord {
            id: id.clone(),
            epoch,
            region: format!("r{region}"),
            zone: String::new(),
            link_addr: ([127, 0, 0, 1], 7_000 + index as u16).into(),
            api_url: id.to_string(),
            version: String::new(),
            protocol: (VERSION_MIN, ctx.speaks[index]),
            state: NodeState::Up,
            load: NodeLoad::default(),
            cost: None,
            cordoned: false,
        };
        ctx.after(TICK, Event::Tick { node: index, life: number });
        ctx.after(0, Event::Poll { node: index, life: number });
        ctx.oracle.unwell(ctx.now, index);
        Self {
            index,
            number,
            peers: Peers::new(id.clone()),
            liveness: Liveness::default(),
            id,
            span: Span::new(epoch),
            skew,
            view: ClusterView::new(record),
            links: BTreeMap::new(),
            dialling: BTreeMap::new(),
            rooms: BTreeMap::new(),
            waiting: BTreeMap::new(),
            seats: BTreeMap::new(),
            state: NodeState::Up,
            drain: None,
            registrar: Registrar::new(index, number),
            told: 0,
            written: 0,
            reachable: BTreeMap::new(),
            reach: BTreeMap::new(),
        }
    }

    /// Open WebSockets, to be told of the end of the process.
    pub(super) fn open_seats(&self) -> impl Iterator<Item = Seat> {
        self.seats.keys().copied()
    }

    fn with_room<R>(
        &mut self,
        ctx: &mut Ctx,
        room: &RoomId,
        work: impl FnOnce(&mut Room, &mut Desk<'_>) -> R,
    ) -> Option<R> {
        let room = self.rooms.get_mut(room)?;
        let mut desk = Desk {
            ctx,
            links: &mut self.links,
            seats: &mut self.seats,
            view: &self.view,
            index: self.index,
            id: &self.id,
            skew: self.skew,
        };
        Some(work(room, &mut desk))
    }

    fn each_room(&mut self, ctx: &mut Ctx, mut work: impl FnMut(&mut Room, &mut Desk<'_>)) {
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        for room in rooms {
            self.with_room(ctx, &room, &mut work);
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, ctx: &mut Ctx) {
        self.dial(ctx);
        self.tend_links(ctx);
        if self.view.has_untold() {
            let placed = self.view.take_untold();
            self.broadcast(ctx, &LinkMessage::Placed(placed));
        }
        if ctx.now >= self.told + LOAD_EVERY {
            self.told = ctx.now;
            self.tell_load(ctx);
            self.renew(ctx);
            if ctx.now >= self.written + RECORD_EVERY || self.written == 0 {
                self.written = ctx.now;
                self.registrar.record(ctx, self.view.own().clone());
            }
            self.restore_rooms(ctx);
            self.forget_unused(ctx);
            self.renew_standby(ctx);
            self.renew_reach(ctx);
            self.notice_flows(ctx);
        }
        self.end_silent(ctx);
        self.each_room(ctx, |room, desk| room.tick(desk));
        self.step_drain(ctx);
        self.close_empty(ctx);
        if let Some(event) = self.registrar.tick(ctx) {
            self.on_registry(ctx, event);
        }
        let sizes = self.sizes(ctx);
        ctx.oracle.check_sizes(ctx.now, &self.id, &sizes);
        if ctx.net.is_slow(self.index) {
            ctx.oracle.unwell(ctx.now, self.index);
        }
        ctx.after(TICK, Event::Tick { node: self.index, life: self.number });
    }

    fn refresh_own(&mut self) {
        let peers = self.seats.len() as u32;
        let load = NodeLoad {
            stress: peers as f32 * 0.01,
            peers,
            rooms: self.rooms.len() as u32,
            ..NodeLoad::default()
        };
        self.view.set_own(load, NodeCost::default(), self.state);
    }

    fn tell_load(&mut self, ctx: &mut Ctx) {
        self.refresh_own();
        let (load, state) = (self.view.own().load, self.state);
        self.broadcast(ctx, &LinkMessage::Load { load, state });
    }

    fn broadcast(&mut self, ctx: &mut Ctx, message: &LinkMessage) {
        let nodes: Vec<_> = self.links.keys().copied().collect();
        nodes.into_iter().for_each(|node| self.say(ctx, node, message.clone()));
    }

    fn restore_rooms(&mut self, ctx: &mut Ctx) {
        if !self.view.available {
            return;
        }
        for (id, room) in &mut self.rooms {
            if self.view.has_record(id) {
                room.unrecorded = None;
            } else if ctx.now >= *room.unrecorded.get_or_insert(ctx.now) + RESTORE_AFTER {
                room.unrecorded = None;
                let record = room.record.clone();
                ctx.ask(self.index, self.number, Call::Ensure { room: id.clone(), record });
            }
        }
    }

    fn forget_unused(&mut self, ctx: &mut Ctx) {
        for room in self.view.forgettable(ctx.instant(), FORGET_AFTER) {
            if !self.rooms.contains_key(&room) {
                let revision = self.view.revision(&room);
                ctx.ask(self.index, self.number, Call::Forget { room, revision });
            }
        }
    }

    fn renew_standby(&mut self, ctx: &mut Ctx) {
        let now = self.view.reachable();
        let now = now.into_iter().map(|(id, it)| (id, (it.epoch, it.state))).collect();
        if self.reachable != now {
            self.reachable = now;
            self.each_room(ctx, |room, desk| room.renew_standby(desk));
        }
    }

    /// What trees are made of has changed: regions, who drains, who relays.
    fn renew_reach(&mut self, ctx: &mut Ctx) {
        let now = self.view.nodes();
        let now = now.into_iter().map(|(id, it)| (id, pipes::reach_of(&it, true))).collect();
        if self.reach != now {
            self.reach = now;
            ctx.oracle.unrest(ctx.now);
            self.each_room(ctx, |room, desk| room.meet_pulls(desk));
        }
    }

    /// Who has not heard yet that a session is over, because only third nodes can say so, goes on
    /// using its flow.
    fn notice_flows(&mut self, ctx: &mut Ctx) {
        for (node, link) in &mut self.links {
            let id = name(*node);
            let used: BTreeSet<_> =
                self.rooms.values().flat_map(|room| room.flows_with(&id)).collect();
            let theirs = ctx.oracle.use_flows((self.index, *node), used.clone());
            link.notice(ctx.now, &(&used | theirs));
        }
    }

    fn close_empty(&mut self, ctx: &mut Ctx) {
        if ctx.planted(Plant::Squatter) {
            return;
        }
        let late = |room: &Room| room.empty.is_some_and(|since| ctx.now >= since + LINGER);
        let over = |room: &Room| late(room) && !room.pulls.relays();
        let empty: Vec<_> =
            self.rooms.iter().filter(|(_, room)| over(room)).map(|(id, _)| id.clone()).collect();
        for id in empty {
            let persistent = self.rooms.remove(&id).is_some_and(|room| room.record.persistent);
            self.room_down(ctx, &id);
            self.registrar.presence(ctx, &id, None);
            if !persistent && self.view.others_of(&id).is_empty() {
                let revision = self.view.revision(&id);
                ctx.ask(self.index, self.number, Call::Forget { room: id, revision });
            }
        }
    }

    fn on_registry(&mut self, ctx: &mut Ctx, event: WatchEvent) {
        for (room, record) in self.view.on_registry(ctx.instant(), event) {
            if let (Some(here), Some(record)) = (self.rooms.get_mut(&room), record) {
                here.record = record;
            }
        }
        self.retarget(ctx);
    }

    /// A change of the registry's log.
    pub(super) fn on_watch(&mut self, ctx: &mut Ctx, generation: u32, index: usize) {
        if !ctx.etcd.follows(self.index, self.number) {
            return;
        }
        if let Some(change) = ctx.etcd.change(generation, index) {
            self.registrar.on_change(ctx, &change);
            self.on_registry(ctx, WatchEvent::Change(change));
        }
    }

    /// The registry answers.
    pub(super) fn on_answer(&mut self, ctx: &mut Ctx, answer: Answer) {
        if let Answer::Record { room, record } = answer {
            return self.on_record(ctx, room, record);
        }
        if let Some(event) = self.registrar.on_answer(ctx, answer) {
            self.on_registry(ctx, event);
        }
    }

    /// A client says something.
    pub(super) fn on_word(&mut self, ctx: &mut Ctx, seat: Seat, word: ToNode) {
        if let ToNode::Open { room, peer, resumes } = word {
            return self.admit(ctx, Waiting { seat, room, peer, resumes });
        }
        let Some((room, peer)) = self.seats.get(&seat).cloned() else {
            let gone = ToClient::Closed(joins::closed(1006, "", Vec::new()));
            if word != ToNode::Bye && !matches!(word, ToNode::Media { .. }) {
                desk::tell(ctx, self.index, seat, gone);
            }
            return;
        };
        self.with_room(ctx, &room, |room, desk| room.on_word(desk, seat, &peer, word));
    }

    /// What the rooms here look like from here.
    pub(super) fn views(&self) -> Vec<RoomView> {
        self.rooms.values().map(|room| room.seen(&self.id)).collect()
    }

    fn sizes(&self, ctx: &Ctx) -> Vec<Size> {
        let mut sizes = vec![Size {
            of: "joins that wait",
            is: self.waiting.values().map(Vec::len).sum(),
            most: PENDING_JOINS,
        }];
        sizes.extend(self.links.values().flat_map(|link| link.sizes(ctx, self.index)));
        sizes
    }

    /// What there is here that belongs to somebody.
    pub(super) fn owned(&self) -> Vec<String> {
        let rooms = self.rooms.keys().map(|room| format!("{} has {room}", self.id));
        let seats = self.seats.keys().map(|seat| format!("{} has seat {seat:?}", self.id));
        let waiting = self.waiting.keys().map(|room| format!("{} waits for {room}", self.id));
        let flows = self.links.iter().filter(|(_, link)| !link.flows.is_empty());
        let flows = flows.map(|(node, _)| format!("{} has flows with n{node}", self.id));
        rooms.chain(seats).chain(waiting).chain(flows).collect()
    }
}
