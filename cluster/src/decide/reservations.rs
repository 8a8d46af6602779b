//! Joins this node has just placed, counted until the chosen node's own load tells of them. Without
//! it a burst goes to one node: Jicofo used one load report for 15 decisions (jicofo #1298). Never
//! decides.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use starling_proto::{NodeId, RoomId};

/// How long a join counts at most: load is in the registry every 5 s, so two reports were missed.
pub const HOLD: Duration = Duration::from_secs(10);
/// How long a client takes to reach the node it was sent to; a load report from within that time
/// does not tell of it yet.
pub const ARRIVAL: Duration = Duration::from_millis(500);
/// Joins remembered per node: ten seconds at 400 a second, more than a node accepts.
const MAX_PER_NODE: usize = 4_096;
/// Rooms remembered: as many as joins, if each is for another room.
const MAX_ROOMS: usize = 65_536;

/// What was placed on which node, and when.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    /// Asked for every candidate of every placement, hence hashed; never iterated in a decision.
    nodes: HashMap<NodeId, VecDeque<Instant>>,
    /// The newest join of each room on each node.
    rooms: BTreeMap<RoomId, BTreeMap<NodeId, Instant>>,
    swept: Option<Instant>,
}

impl Reservations {
    /// A join to `room` was placed on `node`, which may be this one. `now` must not go back.
    pub fn reserve(&mut self, now: Instant, room: &RoomId, node: &NodeId) {
        self.sweep(now);
        let placed = self.nodes.entry(node.clone()).or_default();
        if placed.len() == MAX_PER_NODE {
            placed.pop_front();
        }
        placed.push_back(now);
        if self.rooms.len() < MAX_ROOMS || self.rooms.contains_key(room) {
            self.rooms.entry(room.clone()).or_default().insert(node.clone(), now);
        }
    }

    /// Joins placed on `node` that a load reported at `reported` does not tell of.
    pub fn count(&self, now: Instant, node: &NodeId, reported: Instant) -> u32 {
        let Some(placed) = self.nodes.get(node) else {
            return 0;
        };
        let told = |at: &Instant| *at + ARRIVAL <= reported || over(now, *at);
        u32::try_from(placed.len() - placed.partition_point(told)).unwrap_or(u32::MAX)
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
