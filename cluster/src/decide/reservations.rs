//! Joins that were just placed, by this node or by others that told it, counted until the chosen
//! node's own load tells of them. Without it a burst goes to one node: Jicofo used one load report
//! for 15 decisions (jicofo #1298). Never decides.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use starling_proto::{NodeId, RoomId, link::PlacedJoins};

/// How long a join counts at most. Load is in the registry every 5 s: two reports were missed, and
/// the third had its time to come.
pub const HOLD: Duration = Duration::from_secs(15);
/// How long a client takes to reach the node it was sent to; a load report from within that time
/// does not tell of it yet.
pub const ARRIVAL: Duration = Duration::from_millis(500);
/// Joins remembered per node: fifteen seconds at 270 a second, more than a node accepts.
const MAX_PER_NODE: usize = 4_096;
/// Rooms remembered: as many as joins, if each is for another room.
const MAX_ROOMS: usize = 65_536;
/// Rooms and nodes with joins that others have not been told of: what 20 ms bring at 50,000 joins a
/// second. What is more is not told, as if the word were lost.
const MAX_UNTOLD: usize = 1_024;
/// Least time between two tellings: a burst of joins is one message, and a client needs longer than
/// this to reach its node.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// The same for each node that is told: however many nodes there are, each hears at most a
/// thousand tellings a second.
const TELL_EVERY_PER_NODE: Duration = Duration::from_millis(1);

/// A word's way to another continent.
const WAY: Duration = Duration::from_millis(50);

/// Time between two tellings to `others`.
fn tell_every(others: usize) -> Duration {
    TELL_EVERY.max(TELL_EVERY_PER_NODE * u32::try_from(others).unwrap_or(u32::MAX))
}

/// How long a join waits to be told to `others`, if they were last told something at `told`. After
/// a silence the first word goes at once: all hear that a burst begins.
pub fn tell_after(now: Instant, told: Option<Instant>, others: usize) -> Duration {
    let since = told.map_or(Duration::MAX, |told| now.saturating_duration_since(told));
    tell_every(others).saturating_sub(since).max(TELL_EVERY)
}

/// Joins that others placed, by the second.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    began: Option<Instant>,
    joins: u32,
    before: u32,
}

impl Pace {
    const SECOND: Duration = Duration::from_secs(1);

    fn count(&mut self, now: Instant, joins: u16) {
        if self.began.is_none_or(|at| now.saturating_duration_since(at) >= Self::SECOND) {
            self.before = self.per_second(now);
            (self.began, self.joins) = (Some(now), 0);
        }
        self.joins = self.joins.saturating_add(joins.into());
    }

    /// Of this second so far, or of the last whole one.
    fn per_second(&self, now: Instant) -> u32 {
        let ago = self.began.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        match ago {
            ago if ago < Self::SECOND => self.joins.max(self.before),
            ago if ago < 2 * Self::SECOND => self.joins,
            _ => 0,
        }
    }
}

/// What was placed on which node, and when.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    /// Asked for every candidate of every placement, hence hashed; never iterated in a decision.
    nodes: HashMap<NodeId, VecDeque<Instant>>,
    /// The newest join of each room on each node.
    rooms: BTreeMap<RoomId, BTreeMap<NodeId, Instant>>,
    /// Placed here, and not told yet.
    untold: BTreeMap<(RoomId, NodeId), u16>,
    heard: Pace,
    swept: Option<Instant>,
}

impl Reservations {
    /// This node placed a join to `room` on `node`, which may be this one. `now` must not go back.
    pub fn reserve(&mut self, now: Instant, room: &RoomId, node: &NodeId) {
        self.hold(now, room, node, 1);
        let key = (room.clone(), node.clone());
        if self.untold.len() < MAX_UNTOLD || self.untold.contains_key(&key) {
            let joins = self.untold.entry(key).or_default();
            *joins = joins.saturating_add(1);
        }
    }

    /// Another node did so, a moment ago.
    pub fn heard(&mut self, now: Instant, placed: &[PlacedJoins]) {
        for PlacedJoins { room, node, joins } in placed.iter().take(MAX_UNTOLD) {
            self.hold(now, room, node, *joins);
            self.heard.count(now, *joins);
        }
    }

    /// Joins that so many other nodes have placed and this one has not heard of, if as many come as
    /// lately.
    pub fn unheard(&self, now: Instant, others: usize) -> usize {
        let late = tell_every(others) + WAY;
        (f64::from(self.heard.per_second(now)) * late.as_secs_f64()) as usize
    }

    /// Whether anything is to be told.
    pub fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// What this node has placed since it was asked last, for the others.
    pub fn take_untold(&mut self) -> Vec<PlacedJoins> {
        let untold = std::mem::take(&mut self.untold).into_iter();
        untold.map(|((room, node), joins)| PlacedJoins { room, node, joins }).collect()
    }

    fn hold(&mut self, now: Instant, room: &RoomId, node: &NodeId, joins: u16) {
        self.sweep(now);
        let placed = self.nodes.entry(node.clone()).or_default();
        let joins = usize::from(joins).min(MAX_PER_NODE);
        placed.drain(..(placed.len() + joins).saturating_sub(MAX_PER_NODE));
        placed.extend(std::iter::repeat_n(now, joins));
        if self.rooms.len() < MAX_ROOMS || self.rooms.contains_key(room) {
            self.rooms.entry(room.clone()).or_default().insert(node.clone(), now);
        }
    }

    /// Joins placed on `node` that a load reported at `reported` does not tell of.
    pub fn count(&self, now: Instant, node: &NodeId, reported: Instant) -> u32 {
        let Some(placed) = self.nodes.get(node) else {
            return 0;
        };
        // The last one that does not count; none before the clock's beginning.
        let told = reported.checked_sub(ARRIVAL).max(now.checked_sub(HOLD));
        if placed.back().is_none_or(|at| Some(*at) <= told) {
            return 0;
        }
        let first = placed.partition_point(|at| Some(*at) <= told);
        u32::try_from(placed.len() - first).unwrap_or(u32::MAX)
    }

    /// Nodes on which joins to `room` were placed lately: soon they will be nodes of the room.
    pub fn nodes_of(&self, now: Instant, room: &RoomId) -> impl Iterator<Item = &NodeId> {
        let placed = self.rooms.get(room).into_iter().flatten();
        placed.filter(move |(_, at)| !over(now, **at)).map(|(node, _)| node)
    }

    /// Once a second, because it looks at everything.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|at| now.saturating_duration_since(at) < HOLD / 10) {
            return;
        }
        self.swept = Some(now);
        self.nodes.retain(|_, placed| {
            placed.drain(..placed.partition_point(|at| over(now, *at)));
            !placed.is_empty()
        });
        self.rooms.retain(|_, nodes| {
            nodes.retain(|_, at| !over(now, *at));
            !nodes.is_empty()
        });
    }
}

fn over(now: Instant, at: Instant) -> bool {
    now.saturating_duration_since(at) >= HOLD
}
