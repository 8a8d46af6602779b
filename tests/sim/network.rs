//! What lies between machines: distances, weather, cuts, and streams that repeat what was lost.
//! Never looks inside what it carries.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::Rng;
use serde::Serialize;

use super::{
    ctx::{Ctx, MS, SECOND},
    event::{Event, Frame, Seat},
    fault::Fault,
    plan::{Plan, Weather},
};

/// How long a stream waits before it repeats what was lost: RFC 9002's probe timeout at first.
const REPEAT: u64 = 200 * MS;
/// Datagrams above this are lost in a hole, as on a path with IPv6's least MTU.
const HOLE: u32 = 1_200;
/// How long a sender takes to find that a path has shrunk.
const FOUND_OUT: u64 = SECOND;
/// Control messages of a link that may wait; then the link is given up (`Link::send`).
pub(super) const MAX_CONTROL: usize = 4_096;

/// One direction of something that delivers all, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Way {
    /// A connection of two nodes, from this one.
    Link(u64, usize),
    /// From a client.
    Up(Seat),
    /// To a client.
    Down(Seat),
}

#[derive(Debug, Default)]
struct Stream {
    /// When the newest arrives: nothing later comes before it.
    last: u64,
    under_way: usize,
    /// Arrived at a cut.
    stuck: VecDeque<Event>,
}

#[derive(Debug, Default)]
struct Pair {
    base: u64,
    cuts: Vec<Fault>,
    weather: Weather,
    /// The weather's faults that have not hurt yet: the first that can be hurt is.
    due: BTreeSet<Fault>,
    shrunk: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Network {
    pairs: BTreeMap<(usize, usize), Pair>,
    streams: BTreeMap<Way, Stream>,
    slow: BTreeMap<usize, u64>,
    /// How far clients are from any node.
    reach: Vec<u64>,
    client_cuts: BTreeMap<(usize, usize), Fault>,
    isolated: BTreeSet<usize>,
    next: u64,
}

impl Network {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut pairs = BTreeMap::new();
        for (from, a) in plan.nodes.iter().enumerate() {
            for (to, b) in plan.nodes.iter().enumerate() {
                let base = if a.region == b.region { MS / 2 } else { 20 * MS };
                pairs.insert((from, to), Pair { base, ..Pair::default() });
            }
        }
        let reach = plan.clients.iter().map(|client| client.reach_ms * MS).collect();
        Self {
            pairs,
            streams: BTreeMap::new(),
            slow: BTreeMap::new(),
            reach,
            client_cuts: BTreeMap::new(),
            isolated: BTreeSet::new(),
            next: 0,
        }
    }

    /// A number for a new connection.
    pub(super) fn connection(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn cut(&mut self, from: usize, to: usize, fault: Fault) {
        self.pairs.entry((from, to)).or_default().cuts.push(fault);
    }

    pub(super) fn mend(&mut self, from: usize, to: usize, fault: Fault) {
        let pair = self.pairs.entry((from, to)).or_default();
        if let Some(at) = pair.cuts.iter().position(|cut| *cut == fault) {
            pair.cuts.remove(at);
        }
    }

    pub(super) fn isolate(&mut self, node: usize, on: bool) {
        if on {
            self.isolated.insert(node)
        } else {
            self.isolated.remove(&node)
        };
    }

    pub(super) fn is_isolated(&self, node: usize) -> bool {
        self.isolated.contains(&node)
    }

    pub(super) fn cut_client(&mut self, client: usize, node: usize, on: bool) {
        if on {
            self.client_cuts.insert((client, node), Fault::ClientCut);
        } else {
            self.client_cuts.remove(&(client, node));
        }
    }

    pub(super) fn slow(&mut self, node: usize, by: u64) {
        if by > 0 {
            self.slow.insert(node, by)
        } else {
            self.slow.remove(&node)
        };
    }

    pub(super) fn is_slow(&self, node: usize) -> bool {
        self.slow.contains_key(&node)
    }

    /// The weather changes; answers what of the weather before had nothing to hurt.
    pub(super) fn weather(&mut self, from: usize, to: usize, weather: Weather) -> Vec<Fault> {
        let pair = self.pairs.entry((from, to)).or_default();
        pair.weather = weather;
        pair.shrunk = None;
        std::mem::replace(&mut pair.due, weather.faults().into_iter().collect())
            .into_iter()
            .collect()
    }

    /// All is well again.
    pub(super) fn heal(&mut self) -> Vec<Fault> {
        let mut idle = Vec::new();
        for pair in self.pairs.values_mut() {
            pair.cuts.clear();
            pair.weather = Weather::default();
            pair.shrunk = None;
            idle.extend(std::mem::take(&mut pair.due));
        }
        self.slow.clear();
        self.client_cuts.clear();
        self.isolated.clear();
        idle
    }

    /// Why nothing gets from a node to another.
    pub(super) fn cut_between(&self, from: usize, to: usize) -> Option<Fault> {
        if self.isolated.contains(&from) || self.isolated.contains(&to) {
            return Some(Fault::Isolation);
        }
        self.pairs.get(&(from, to)).and_then(|pair| pair.cuts.last().copied())
    }

    /// Why a client and a node do not reach each other.
    pub(super) fn client_cut(&self, client: usize, node: usize) -> Option<Fault> {
        if self.isolated.contains(&node) {
            return Some(Fault::Isolation);
        }
        self.client_cuts.get(&(client, node)).copied()
    }

    fn cut_on(&self, event: &Event) -> Option<Fault> {
        match event {
            Event::Frame { from, to, .. } => self.cut_between(*from, *to),
            Event::ToNode { node, seat, .. } | Event::ToClient { node, seat, .. } => {
                self.client_cut(seat.0, *node)
            }
            _ => None,
        }
    }
}

impl Ctx {
    /// From a node to another. False if too much waits.
    pub(super) fn send(&mut self, conn: u64, from: usize, to: usize, frame: Frame) -> bool {
        let reliable = frame.is_reliable();
        let size = if let Frame::Packet { packet, .. } = &frame { packet.size } else { 60 };
        let event = Event::Frame { from, to, conn, frame };
        let delay = self.delay(from, to);
        if reliable {
            let late = self.repeats(from, to);
            return self.stream(Way::Link(conn, from), delay + late, event);
        }
        if let Some(fault) = self.net.cut_between(from, to) {
            self.faults.hit(fault);
        } else if !self.swallowed(from, to, size) {
            if self.befalls(from, to, Fault::Duplication) {
                self.after(delay + MS, event.clone());
            }
            let behind = if self.befalls(from, to, Fault::Reordering) { 60 * MS } else { 0 };
            self.after(delay + behind, event);
        }
        true
    }

    /// Between a client and a node.
    pub(super) fn signal(&mut self, way: Way, event: Event) {
        let (Way::Up(seat) | Way::Down(seat)) = way else { return };
        let delay = self.net.reach[seat.0];
        self.stream(way, delay, event);
    }

    /// A client's media.
    pub(super) fn cast(&mut self, seat: Seat, node: usize, event: Event) {
        match self.net.client_cut(seat.0, node) {
            Some(fault) => self.faults.hit(fault),
            None => self.after(self.net.reach[seat.0], event),
        }
    }

    fn stream(&mut self, way: Way, delay: u64, event: Event) -> bool {
        let at = self.now + delay;
        let stream = self.net.streams.entry(way).or_default();
        stream.last = at.max(stream.last + 1);
        stream.under_way += 1;
        let (at, fits) = (stream.last, stream.under_way <= MAX_CONTROL);
        self.at(at, event);
        fits
    }

    /// What arrives of something that came to its end of the way.
    pub(super) fn arrive(&mut self, way: Way, event: Event) -> Option<Event> {
        let cut = self.net.cut_on(&event);
        let stream = self.net.streams.entry(way).or_default();
        if stream.stuck.is_empty() && cut.is_none() {
            stream.under_way = stream.under_way.saturating_sub(1);
            return Some(event);
        }
        stream.stuck.push_back(event);
        if stream.stuck.len() == 1 {
            self.after(REPEAT, Event::Retry { way });
        }
        cut.into_iter().for_each(|fault| self.faults.hit(fault));
        None
    }

    /// What arrives of what was stuck.
    pub(super) fn retry(&mut self, way: Way) -> Vec<Event> {
        let Some(first) = self.net.streams.get(&way).and_then(|it| it.stuck.front()) else {
            return Vec::new();
        };
        if let Some(fault) = self.net.cut_on(first) {
            self.faults.hit(fault);
            self.after(REPEAT, Event::Retry { way });
            return Vec::new();
        }
        let stream = self.net.streams.entry(way).or_default();
        stream.under_way = stream.under_way.saturating_sub(stream.stuck.len());
        stream.stuck.drain(..).collect()
    }

    /// Nobody is at its ends any more.
    pub(super) fn forget(&mut self, way: Way) {
        self.net.streams.remove(&way);
    }

    /// Control messages of a connection that are under way from a node.
    pub(super) fn backlog(&self, conn: u64, from: usize) -> usize {
        self.net.streams.get(&Way::Link(conn, from)).map_or(0, |stream| stream.under_way)
    }

    fn delay(&mut self, from: usize, to: usize) -> u64 {
        let pair = self.net.pairs.entry((from, to)).or_default();
        let (base, jitter) = (pair.base, pair.weather.jitter_ms * MS);
        pair.due.remove(&Fault::Delay);
        let slow: u64 = [from, to].iter().filter_map(|node| self.net.slow.get(node)).sum();
        if slow > 0 {
            self.faults.hit(Fault::Slowness);
        }
        if jitter > 0 {
            self.faults.hit(Fault::Delay);
            return base + slow + self.rng.random_range(0..=jitter);
        }
        base + slow
    }

    /// How much later a stream's frame comes because it had to be repeated.
    fn repeats(&mut self, from: usize, to: usize) -> u64 {
        let tries = (0..4).take_while(|_| self.befalls(from, to, Fault::Loss)).count();
        REPEAT * tries as u64
    }

    fn swallowed(&mut self, from: usize, to: usize, size: u32) -> bool {
        let now = self.now;
        let pair = self.net.pairs.entry((from, to)).or_default();
        if pair.weather.hole && size > HOLE {
            let since = *pair.shrunk.get_or_insert(now);
            if now < since + FOUND_OUT {
                pair.due.remove(&Fault::MtuHole);
                self.faults.hit(Fault::MtuHole);
                return true;
            }
        }
        self.befalls(from, to, Fault::Loss)
    }

    fn befalls(&mut self, from: usize, to: usize, fault: Fault) -> bool {
        let pair = self.net.pairs.entry((from, to)).or_default();
        let share = pair.weather.share(fault);
        let due = pair.due.remove(&fault);
        let hit = due || self.chance(share);
        if hit {
            self.faults.hit(fault);
        }
        hit
    }
}
