//! Joins this node has just placed, counted until the chosen node's own load tells of them. Without
//! it a burst goes to one node: Jicofo used one load report for 15 decisions (jicofo #1298). Never
//! decides.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use starling_proto::NodeId;

/// How long a join counts at most: load is in the registry every 5 s, so two reports were missed.
pub const HOLD: Duration = Duration::from_secs(10);
/// How long a client takes to reach the node it was sent to; a load report from within that time does
/// not tell of it yet.
const ARRIVAL: Duration = Duration::from_millis(500);
/// Joins remembered per node: ten seconds at 400 a second, more than a node accepts.
const MAX_PER_NODE: usize = 4_096;

/// What was placed on which node, and when.
#[derive(Clone, Debug, Default)]
pub struct Reservations {
    nodes: BTreeMap<NodeId, VecDeque<Instant>>,
}

impl Reservations {
    /// A join was placed on `node`, which may be this one.
    pub fn reserve(&mut self, now: Instant, node: &NodeId) {
        self.nodes.retain(|_, placed| {
            while placed.front().is_some_and(|at| now.saturating_duration_since(*at) >= HOLD) {
                placed.pop_front();
            }
            !placed.is_empty()
        });
        let placed = self.nodes.entry(node.clone()).or_default();
        if placed.len() == MAX_PER_NODE {
            placed.pop_front();
        }
        placed.push_back(now);
    }

    /// Joins placed on `node` that a load reported at `reported` does not tell of.
    pub fn count(&self, now: Instant, node: &NodeId, reported: Instant) -> u32 {
        let Some(placed) = self.nodes.get(node) else {
            return 0;
        };
        let told =
            |at: &Instant| *at + ARRIVAL <= reported || now.saturating_duration_since(*at) >= HOLD;
        u32::try_from(placed.len() - placed.partition_point(told)).unwrap_or(u32::MAX)
    }
}
