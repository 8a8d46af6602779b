//! What was measured, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::{JOINS_PER_SECOND, Size, Watching};

/// What was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of what.
    pub size: Size,
    /// To decide where a join goes: from the view, by the scores of all nodes. Shortest first, as
    /// the others.
    pub placements: Vec<Duration>,
    /// The same with the reservation, the standby list and the nodes' addresses.
    pub answers: Vec<Duration>,
    /// What a key of the registry that changed costs the view.
    pub changes: Vec<Duration>,
    /// Joins that wrote nothing, one key, two, more.
    pub writes: [u64; 4],
    /// Keys written by somebody who was not a room's first on their node.
    pub writes_of_others: u64,
    /// Links that nodes have, all together; those of which both ends share a room; the most of
    /// these at one node.
    pub links: [usize; 3],
    /// How long a node takes to say whom to dial, once.
    pub dialling: Duration,
    /// What it costs to watch all these links while they are idle.
    pub watching: Watching,
    /// People of the fullest node, and on average.
    pub fullest: (u64, f64),
    /// The same of a burst that every node answers a part of, with words of the others that come
    /// late: in rooms of one, and of ten.
    pub crowded: [(u64, f64); 2],
    /// Bytes that the view of one node takes, and the rosters of the average node's rooms.
    pub memory: (u64, u64),
    /// Most bytes that this process had.
    pub peak: u64,
    /// Nodes of a room, on average.
    pub spread: f64,
    /// How long all of it took.
    pub took: Duration,
}

impl Report {
    pub(super) fn new(size: Size) -> Self {
        Self {
            size,
            placements: Vec::with_capacity(size.peers),
            answers: Vec::new(),
            changes: Vec::new(),
            writes: [0; 4],
            writes_of_others: 0,
            links: [0; 3],
            dialling: Duration::ZERO,
            watching: Watching::default(),
            fullest: (0, 0.0),
            crowded: [(0, 0.0); 2],
            memory: (0, 0),
            peak: 0,
            spread: 0.0,
            took: Duration::ZERO,
        }
    }

    pub(super) fn sort(&mut self) {
        let polls = &mut self.watching.polls;
        for times in [&mut self.placements, &mut self.answers, &mut self.changes, polls] {
            times.sort_unstable();
        }
    }

    /// For people: rows of a table.
    pub fn lines(&self) -> Vec<String> {
        let Size { nodes, rooms, peers } = self.size;
        let times = |of: &[Duration]| {
            let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| share(of, part));
            format!("p50 {p50:.1} µs, p99 {p99:.1} µs, max {most:.0} µs (n = {})", of.len())
        };
        let evenly = |(most, mean): (u64, f64)| {
            format!("most {most}, mean {mean:.0}: {:.2}", most as f64 / mean.max(1.0))
        };
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let [none, one, two, more] = self.writes;
        let [all, needed, most] = self.links;
        let of_node = needed as f64 * 2.0 / nodes.max(1) as f64;
        let rows = [
            (
                "cluster",
                format!("{nodes} nodes, {rooms} rooms, {peers} people, {JOINS_PER_SECOND} joins/s"),
            ),
            ("placement", times(&self.placements)),
            ("whole answer, with standby list", times(&self.answers)),
            ("a changed key, until the view has it", times(&self.changes)),
            ("joins by keys written", format!("0: {none}, 1: {one}, 2: {two}, more: {more}")),
            ("keys written by those whose node has the room", self.writes_of_others.to_string()),
            ("people per node, one answers", evenly(self.fullest)),
            ("people per node, all answer a burst, rooms of one", evenly(self.crowded[0])),
            ("people per node, all answer a burst, rooms of ten", evenly(self.crowded[1])),
            ("nodes of a room", format!("{:.2}", self.spread)),
            ("links", format!("{all}, {} a node", nodes.saturating_sub(1))),
            (
                "links between nodes that share a room",
                format!("{needed}, {of_node:.0} a node, at most {most}"),
            ),
            (
                "to say whom to dial, all at once",
                format!("{:.1} ms", self.dialling.as_secs_f64() * 1e3),
            ),
            ("a look at all links, 20 a second", times(&self.watching.polls)),
            ("probes a second on idle links", format!("{:.0}", self.watching.probes)),
            ("links suspected that were well", self.watching.wronged.to_string()),
            (
                "a silent one is given up",
                format!("after {:.2} s", self.watching.verdict.as_secs_f64()),
            ),
            ("memory of a node's view", mb(self.memory.0)),
            ("memory of a node's rosters", mb(self.memory.1)),
            ("memory of this run, at most", mb(self.peak)),
            ("this run took", format!("{:.0} s", self.took.as_secs_f64())),
        ];
        rows.into_iter().map(|(what, figure)| format!("| {what} | {figure} |")).collect()
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let times = |of: &[Duration]| {
            let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| share(of, part));
            json!({"p50": p50, "p99": p99, "max": most, "n": of.len()})
        };
        let evenly = |(most, mean): (u64, f64)| json!({"most": most, "mean": mean});
        json!({
            "nodes": self.size.nodes,
            "rooms": self.size.rooms,
            "peers": self.size.peers,
            "placementMicros": times(&self.placements),
            "answerMicros": times(&self.answers),
            "changeMicros": times(&self.changes),
            "joinsByWrites": self.writes,
            "writesOfOthers": self.writes_of_others,
            "perNode": evenly(self.fullest),
            "perNodeOfBurst": self.crowded.map(evenly),
            "nodesPerRoom": self.spread,
            "links": self.links[0],
            "linksNeeded": self.links[1],
            "linksNeededMost": self.links[2],
            "diallingMs": self.dialling.as_secs_f64() * 1e3,
            "pollMicros": times(&self.watching.polls),
            "probesPerSecond": self.watching.probes,
            "wronglySuspected": self.watching.wronged,
            "verdictSeconds": self.watching.verdict.as_secs_f64(),
            "viewBytes": self.memory.0,
            "rosterBytes": self.memory.1,
            "peakBytes": self.peak,
            "tookSeconds": self.took.as_secs_f64(),
        })
    }
}

/// Microseconds that this share of all stayed below.
fn share(of: &[Duration], share: f64) -> f64 {
    let at = ((of.len() as f64 * share) as usize).min(of.len().saturating_sub(1));
    of.get(at).map_or(0.0, |took| took.as_nanos() as f64 / 1_000.0)
}
