//! Links: dialled when `Peers` says so, up after both Hellos, down when `Liveness` says so
//! (`watch`) or after a second in which nothing comes; and what `actors/src/link_actor.rs` does
//! with what comes over one.

use std::collections::{BTreeMap, BTreeSet};

use starling_cluster::{
    decide::{
        liveness::{End, Sample, Verdict},
        pulls::Request,
    },
    link::peers::{LinkId, Opened, Refused},
};
use starling_proto::{RoomId, flow::FlowId, link::LinkMessage};

use super::{Life, Size, index_of, name};
use crate::sim::{
    ctx::{Ctx, SECOND},
    event::{Event, Frame, Packet},
    network::{MAX_CONTROL, Way},
    plant::Plant,
};

/// `cluster::link::transport::IDLE`.
const IDLE: u64 = SECOND;
/// `cluster::link::endpoint::HANDSHAKE`.
const HANDSHAKE: u64 = 3 * SECOND;
/// `actors::link_actor::MAX_FLOWS`.
const MAX_FLOWS: usize = 20_000;

/// A flow that neither side uses any more is closed within this, or its link is: what is said of it
/// is under way for less than a second.
const UNUSED: u64 = 5 * SECOND;

/// This node's end of a link.
#[derive(Debug)]
pub(super) struct LinkEnd {
    pub(super) conn: u64,
    /// Which life of the other node.
    pub(super) epoch: u64,
    heard: u64,
    /// What has come, and which of it was an answer.
    pub(super) sample: Sample,
    /// Rooms of the other node.
    pub(super) theirs: BTreeSet<RoomId>,
    pub(super) flows: BTreeMap<FlowId, RoomId>,
    /// Those that no room uses, on either side, and since when.
    unused: BTreeMap<FlowId, u64>,
    /// Flows this side has opened so far.
    pub(super) opened: u64,
    /// More waits than may.
    overfull: bool,
    /// Rosters with somebody in them, for a planted bug.
    rosters: u64,
}

impl LinkEnd {
    pub(super) fn say(&mut self, ctx: &mut Ctx, from: usize, to: usize, message: LinkMessage) {
        if message.since() <= ctx.speaks[from].min(ctx.speaks[to]) {
            self.overfull |= !ctx.send(self.conn, from, to, Frame::Control(message));
        }
    }

    /// These flows are in use on either side.
    pub(super) fn notice(&mut self, now: u64, used: &BTreeSet<FlowId>) {
        let flows = &self.flows;
        self.unused.retain(|flow, _| flows.contains_key(flow) && !used.contains(flow));
        for flow in flows.keys().filter(|flow| !used.contains(flow)) {
            self.unused.entry(*flow).or_insert(now);
        }
    }

    pub(super) fn sizes(&self, ctx: &Ctx, from: usize) -> [Size; 3] {
        let leaked = self.unused.values().filter(|since| **since + UNUSED < ctx.now);
        [
            Size {
                of: "control messages that wait",
                is: ctx.backlog(self.conn, from),
                // What is noticed at the next tick was sent within one.
                most: MAX_CONTROL + 256,
            },
            Size { of: "flows of a link, all rooms'", is: self.flows.len(), most: MAX_FLOWS },
            Size { of: "flows of a link that nobody uses", is: leaked.count(), most: 0 },
        ]
    }
}

impl Life {
    pub(super) fn say(&mut self, ctx: &mut Ctx, node: usize, message: LinkMessage) {
        if let Some(link) = self.links.get_mut(&node) {
            link.say(ctx, self.index, node, message);
        }
    }

    pub(super) fn dial(&mut self, ctx: &mut Ctx) {
        while let Some(target) = self.peers.poll_dial(ctx.instant()) {
            let (conn, to) = (ctx.net.connection(), index_of(&target.node));
            self.dialling.insert(conn, target.node.clone());
            ctx.send(conn, self.index, to, Frame::Hello { epoch: self.span.epoch() });
            let (node, life, to) = (self.index, self.number, target.node);
            ctx.after(HANDSHAKE, Event::DialTimeout { node, life, conn, to });
        }
    }

    pub(in crate::sim) fn on_dial_timeout(&mut self, ctx: &mut Ctx, conn: u64) {
        self.dial_failed(ctx, conn);
    }

    fn dial_failed(&mut self, ctx: &mut Ctx, conn: u64) {
        if let Some(node) = self.dialling.remove(&conn) {
            ctx.forget(Way::Link(conn, self.index));
            let now = ctx.instant();
            self.peers.on_dial_failed(now, &node, &mut ctx.rng);
        }
    }

    /// The nodes to have links with are others.
    pub(super) fn retarget(&mut self, ctx: &mut Ctx) {
        let targets = self.view.targets();
        let lives = targets.iter().map(|target| (target.node.clone(), target.epoch)).collect();
        self.liveness.set_targets(ctx.instant(), &lives);
        let close = self.peers.set_targets(ctx.instant(), targets);
        for LinkId(conn) in close {
            let link = self.links.iter().find(|(_, link)| link.conn == conn);
            if let Some(node) = link.map(|(node, _)| *node) {
                ctx.send(conn, self.index, node, Frame::Close);
                self.link_down(ctx, node, End::Left);
            }
        }
    }

    pub(super) fn tend_links(&mut self, ctx: &mut Ctx) {
        let now = ctx.now;
        let dead = |link: &LinkEnd| match link.overfull {
            true => Some(End::Ours),
            false => (now >= link.heard + IDLE).then_some(End::Silent),
        };
        let dead: Vec<_> =
            self.links.iter().filter_map(|(node, link)| Some((*node, dead(link)?))).collect();
        dead.into_iter().for_each(|(node, end)| self.link_down(ctx, node, end));
    }

    /// Something came from a node.
    pub(in crate::sim) fn on_frame(&mut self, ctx: &mut Ctx, from: usize, conn: u64, frame: Frame) {
        match frame {
            Frame::Hello { epoch } => self.on_hello(ctx, from, conn, epoch),
            Frame::Welcome { epoch } => self.on_welcome(ctx, from, conn, epoch),
            Frame::Refused { over } => self.on_refused(ctx, from, conn, over),
            frame => {
                let link = self.links.get_mut(&from).filter(|link| link.conn == conn);
                let Some(link) = link else { return };
                link.heard = ctx.now;
                link.sample.received += 1;
                match frame {
                    Frame::Close => self.link_down(ctx, from, End::Theirs),
                    Frame::Ping => drop(ctx.send(conn, self.index, from, Frame::Ack)),
                    Frame::Ack => link.sample.answers += 1,
                    Frame::Control(message) => self.on_message(ctx, from, message),
                    Frame::Packet { flow, packet } => self.on_packet(ctx, from, flow, &packet),
                    _ => {}
                }
            }
        }
    }

    fn on_hello(&mut self, ctx: &mut Ctx, from: usize, conn: u64, epoch: u64) {
        if let Err(why) = self.peers.admit(&name(from), epoch, Opened::ByThem) {
            return self.refuse(ctx, from, conn, epoch, &why);
        }
        ctx.send(conn, self.index, from, Frame::Welcome { epoch: self.span.epoch() });
        self.link_up(ctx, from, conn, epoch);
    }

    fn on_welcome(&mut self, ctx: &mut Ctx, from: usize, conn: u64, epoch: u64) {
        if !self.dialling.contains_key(&conn) {
            // It took too long, and was given up.
            ctx.send(conn, self.index, from, Frame::Close);
            return;
        }
        if let Err(why) = self.peers.admit(&name(from), epoch, Opened::ByUs) {
            self.refuse(ctx, from, conn, epoch, &why);
            return self.dial_failed(ctx, conn);
        }
        self.dialling.remove(&conn);
        self.link_up(ctx, from, conn, epoch);
    }

    fn refuse(&self, ctx: &mut Ctx, to: usize, conn: u64, epoch: u64, why: &Refused) {
        let over = matches!(why, Refused::Stale { .. }).then_some(epoch);
        ctx.send(conn, self.index, to, Frame::Refused { over });
    }

    fn on_refused(&mut self, ctx: &mut Ctx, from: usize, conn: u64, over: Option<u64>) {
        let up = self.links.get(&from).is_some_and(|link| link.conn == conn);
        if !up && !self.dialling.contains_key(&conn) {
            return;
        }
        self.dial_failed(ctx, conn);
        if up {
            self.link_down(ctx, from, End::Theirs);
        }
        if let Some(epoch) = over {
            self.on_over(ctx, epoch);
        }
    }

    fn link_up(&mut self, ctx: &mut Ctx, node: usize, conn: u64, epoch: u64) {
        let (id, now) = (name(node), ctx.instant());
        let replaced = self.peers.on_up(now, &id, epoch, LinkId(conn));
        if let Some(LinkId(old)) = replaced {
            ctx.send(old, self.index, node, Frame::Close);
        }
        self.end_link(ctx, node, End::Ours);
        self.liveness.link_up(now, &id, conn, epoch, true);
        let link = LinkEnd {
            conn,
            epoch,
            heard: ctx.now,
            sample: Sample::default(),
            theirs: BTreeSet::new(),
            flows: BTreeMap::new(),
            unused: BTreeMap::new(),
            opened: 0,
            overfull: false,
            rosters: 0,
        };
        self.links.insert(node, link);
        ctx.oracle.link(ctx.now, self.index, node, true);
        self.view.link_up(id.clone());
        self.say(ctx, node, LinkMessage::Rooms(self.rooms.keys().cloned().collect()));
        self.each_room(ctx, |room, desk| room.link_up(desk, &id, epoch, false));
        self.tell_load(ctx);
    }

    pub(super) fn link_down(&mut self, ctx: &mut Ctx, node: usize, end: End) {
        let Some(conn) = self.links.get(&node).map(|link| link.conn) else { return };
        self.end_link(ctx, node, end);
        let now = ctx.instant();
        self.peers.on_down(now, &name(node), LinkId(conn), &mut ctx.rng);
    }

    fn end_link(&mut self, ctx: &mut Ctx, node: usize, end: End) {
        let Some(link) = self.links.remove(&node) else { return };
        let (id, now) = (name(node), ctx.instant());
        ctx.forget(Way::Link(link.conn, self.index));
        ctx.oracle.link(ctx.now, self.index, node, false);
        let verdict = self.liveness.link_down(now, &id, link.conn, link.epoch, end);
        match verdict {
            Verdict::Link => self.view.link_cut(&id),
            Verdict::Node => self.view.link_down(&id),
        }
        self.each_room(ctx, |room, desk| room.link_down(desk, &id, verdict));
        self.retarget(ctx);
    }

    fn on_message(&mut self, ctx: &mut Ctx, from: usize, message: LinkMessage) {
        let node = name(from);
        match message {
            LinkMessage::Load { load, state } => {
                self.view.on_load(ctx.instant(), node, load, state);
            }
            LinkMessage::Placed(placed) => self.view.on_placed(ctx.instant(), &placed),
            LinkMessage::ReachWanted { node, .. } => self.reach_wanted(ctx, from, node),
            LinkMessage::Reach { node, epoch, ago_ms } => self.reach(ctx, &node, epoch, ago_ms),
            LinkMessage::Rooms(rooms) => {
                let now: BTreeSet<_> = rooms.into_iter().collect();
                let Some(link) = self.links.get(&from) else { return };
                let gone: Vec<_> = link.theirs.difference(&now).cloned().collect();
                gone.into_iter().for_each(|room| self.their_room(ctx, from, &room, false));
                // Peers that were kept while the link was down, in rooms that have ended there.
                let ended: Vec<_> =
                    self.rooms.keys().filter(|room| !now.contains(*room)).cloned().collect();
                for room in ended {
                    self.with_room(ctx, &room, |it, desk| it.node_left_room(desk, &node));
                }
                now.iter().for_each(|room| self.their_room(ctx, from, room, true));
            }
            LinkMessage::RoomOpened(room) => self.their_room(ctx, from, &room, true),
            LinkMessage::RoomClosed(room) => self.their_room(ctx, from, &room, false),
            message @ (LinkMessage::Snapshot { .. }
            | LinkMessage::Delta { .. }
            | LinkMessage::SnapshotWanted(_)
            | LinkMessage::RostersWanted { .. }
            | LinkMessage::Roster { .. }) => self.on_roster(ctx, from, message),
            LinkMessage::PipeOpen { flow, room, producer, layers } => {
                self.on_open(ctx, from, room, Request { flow, producer, layers, hops: None });
            }
            LinkMessage::PipeOpenVia { flow, room, producer, layers, hops } => {
                let hops = Some(hops);
                self.on_open(ctx, from, room, Request { flow, producer, layers, hops });
            }
            LinkMessage::PipeServed { flow, path } => {
                self.with_flow(ctx, from, flow, |it, desk| it.pipe_served(desk, &node, flow, path));
            }
            LinkMessage::PipeLayers { flow, layers } => {
                self.with_flow(ctx, from, flow, |it, desk| {
                    it.pipe_layers(desk, &node, flow, layers);
                });
            }
            LinkMessage::PipeRefused { flow } | LinkMessage::PipeClose { flow } => {
                self.with_flow(ctx, from, flow, |it, desk| {
                    desk.forget_flow(&node, flow);
                    it.flow_over(desk, &node, flow);
                });
            }
            _ => {}
        }
    }

    /// Who is in a room, on that node or on others.
    fn on_roster(&mut self, ctx: &mut Ctx, from: usize, message: LinkMessage) {
        let node = name(from);
        match message {
            LinkMessage::Snapshot { room, mut snapshot } => {
                if !snapshot.peers.is_empty() && self.overlooks(ctx, from) {
                    snapshot.peers.pop();
                }
                self.with_room(ctx, &room, |it, desk| it.snapshot(desk, &node, snapshot));
            }
            LinkMessage::Delta { room, seq, change } => {
                self.with_room(ctx, &room, |it, desk| it.delta(desk, &node, seq, &change));
            }
            LinkMessage::SnapshotWanted(room) => {
                self.with_room(ctx, &room, |it, desk| it.snapshot_wanted(desk, &node));
            }
            LinkMessage::RostersWanted { room, known } => {
                self.with_room(ctx, &room, |it, desk| it.rosters_wanted(desk, &node, &known));
            }
            LinkMessage::Roster { room, node: of, epoch, snapshot } => {
                self.with_room(ctx, &room, |it, desk| {
                    it.roster(desk, &node, (&of, epoch), snapshot);
                });
            }
            _ => {}
        }
    }

    /// The other node wants something of a room on a flow.
    fn on_open(&mut self, ctx: &mut Ctx, from: usize, room: RoomId, request: Request) {
        let flow = request.flow;
        let theirs = flow.0 & 1 != u64::from(self.index > from);
        let full = self.links.get(&from).is_none_or(|link| link.flows.len() >= MAX_FLOWS);
        if !theirs || full || !self.rooms.contains_key(&room) {
            return self.say(ctx, from, LinkMessage::PipeRefused { flow });
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.flows.insert(flow, room.clone());
        }
        self.with_room(ctx, &room, |it, desk| it.pipe_open(desk, &name(from), request));
    }

    /// Of a planted bug: this roster is not read to its end.
    fn overlooks(&mut self, ctx: &Ctx, from: usize) -> bool {
        let Some(link) = self.links.get_mut(&from) else { return false };
        link.rosters += 1;
        ctx.planted(Plant::Forgetful) && link.rosters.is_multiple_of(2)
    }

    fn with_flow(
        &mut self,
        ctx: &mut Ctx,
        from: usize,
        flow: FlowId,
        work: impl FnOnce(&mut super::Room, &mut super::Desk<'_>),
    ) {
        let room = self.links.get(&from).and_then(|link| link.flows.get(&flow)).cloned();
        if let Some(room) = room {
            self.with_room(ctx, &room, work);
        }
    }

    fn their_room(&mut self, ctx: &mut Ctx, from: usize, room: &RoomId, has: bool) {
        let Some(link) = self.links.get_mut(&from) else { return };
        if has {
            link.theirs.insert(room.clone());
        } else {
            link.theirs.remove(room);
            link.flows.retain(|_, of| of != room);
        }
        let node = name(from);
        self.view.on_room(node.clone(), room.clone(), has);
        self.with_room(ctx, room, |it, desk| match has {
            true => it.node_has_room(desk, &node),
            false => it.node_left_room(desk, &node),
        });
    }

    /// A room of this node has ended.
    pub(super) fn room_down(&mut self, ctx: &mut Ctx, room: &RoomId) {
        ctx.oracle.room(ctx.now, self.index, room, false);
        let nodes: Vec<_> = self.links.keys().copied().collect();
        for node in nodes {
            self.say(ctx, node, LinkMessage::RoomClosed(room.clone()));
            if let Some(link) = self.links.get_mut(&node) {
                link.flows.retain(|_, of| of != room);
            }
        }
    }

    fn on_packet(&mut self, ctx: &mut Ctx, from: usize, flow: FlowId, packet: &Packet) {
        let node = name(from);
        self.with_flow(ctx, from, flow, |it, desk| it.on_packet(desk, &node, flow, packet));
    }
}
