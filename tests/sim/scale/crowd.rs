//! How evenly a burst of joins is spread that all nodes answer, each from loads that are half a
//! second old and words of the others that are as late as a cluster of that size makes them. What a
//! node has just placed itself is left out: it is a thousandth of what it has not heard of.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use starling_cluster::decide::{
    placement::{Candidate, Decision, PlacementInput, Whereabouts, place},
    reservations::{ARRIVAL, Reservations, tell_after},
};
use starling_proto::{
    NodeId,
    link::PlacedJoins,
    registry::{NodeLoad, NodeRecord, NodeState, RoomPolicy},
};

use super::{
    Joins, LOAD_EVERY, Size,
    cluster::{add, record, room},
};

/// Joins of the burst per node, and how fast they come: ten seconds of a cluster that is full
/// within three minutes.
const JOINS_PER_NODE: usize = 100;
const JOINS_PER_NODE_AND_SECOND: f64 = 10.0;
/// A word's way between continents.
const WAY: Duration = Duration::from_millis(50);

/// What everybody knows, and what is on its way.
struct Burst {
    records: Vec<NodeRecord>,
    loads: Vec<NodeLoad>,
    heard: Reservations,
    /// Rooms and nodes of those who will be there.
    coming: VecDeque<(Instant, usize, usize)>,
    /// Placements by when all have heard of them.
    words: BTreeMap<(Instant, usize), PlacedJoins>,
    /// When each node tells what it places now, or told last.
    tells: Vec<Option<Instant>>,
    /// Nodes of each room.
    there: BTreeMap<usize, BTreeSet<NodeId>>,
}

impl Burst {
    fn new(nodes: usize) -> Self {
        Self {
            records: (0..nodes).map(record).collect(),
            loads: vec![NodeLoad::default(); nodes],
            heard: Reservations::default(),
            coming: VecDeque::new(),
            words: BTreeMap::new(),
            tells: vec![None; nodes],
            there: BTreeMap::new(),
        }
    }

    /// What has arrived and what was heard by now; says which nodes that was about.
    fn until(&mut self, now: Instant) -> Vec<NodeId> {
        while let Some((_, room, node)) = self.coming.front().copied().filter(|it| it.0 <= now) {
            self.coming.pop_front();
            add(&mut self.loads[node]);
            self.there.entry(room).or_default().insert(self.records[node].id.clone());
        }
        let mut about = Vec::new();
        while let Some(word) = self.words.first_entry().filter(|word| word.key().0 <= now) {
            let ((at, _), placed) = word.remove_entry();
            about.push(placed.node.clone());
            self.heard.heard(at, &[placed]);
        }
        about
    }

    /// `by` sends somebody to a node.
    fn placed(&mut self, now: Instant, join: usize, by: usize, of: usize, node: usize) {
        self.coming.push_back((now + ARRIVAL, of, node));
        let tells = match self.tells[by] {
            Some(at) if at > now => at,
            told => now + tell_after(now, told, self.records.len() - 1),
        };
        self.tells[by] = Some(tells);
        let word = PlacedJoins { room: room(of), node: self.records[node].id.clone(), joins: 1 };
        self.words.insert((tells + WAY, join), word);
    }
}

/// People of the fullest node of those that joined, and on average, in rooms of so many each. A
/// room of more than one is kept together on purpose until its node is 20 hundredths fuller than
/// others.
pub(super) fn crowded(size: Size, each: usize) -> (u64, f64) {
    let joins = (size.nodes * JOINS_PER_NODE).min(size.peers);
    let size = Size { rooms: (joins / each).max(1), peers: joins, ..size };
    let mut rng = SmallRng::seed_from_u64(2);
    let records: Vec<_> = (0..size.nodes).map(record).collect();
    let numbers: BTreeMap<_, _> = records.iter().map(|node| &node.id).zip(0..).collect();
    let mut burst = Burst::new(size.nodes);
    let step = Duration::from_secs(1).div_f64(JOINS_PER_NODE_AND_SECOND * size.nodes as f64);
    let mut now = Instant::now();
    let (mut told, none) = (now, BTreeSet::new());
    let mut candidates = candidates(&records, &burst, now);
    for (join, (of, region)) in Joins::new(size, 1).enumerate() {
        now += step;
        for node in burst.until(now) {
            candidates[numbers[&node]].placed = burst.heard.count(now, &node, told);
        }
        if now >= told + LOAD_EVERY {
            told = now;
            candidates = self::candidates(&records, &burst, now);
        }
        let here = rng.random_range(0..size.nodes);
        let decision = place(&PlacementInput {
            now,
            here: &records[here].id,
            room: &room(of),
            policy: &RoomPolicy::default(),
            candidates: &candidates,
            room_nodes: burst.there.get(&of).unwrap_or(&none),
            room_peers: 0,
            client: Whereabouts { region: &format!("region-{region}"), zone: "" },
            wanted: None,
            reservations: &burst.heard,
        });
        let node = match decision {
            Decision::Node(node) => numbers[&node],
            Decision::Here => here,
            Decision::Refused(refusal) => unreachable!("nobody is full: {refusal:?}"),
        };
        burst.placed(now, join, here, of, node);
    }
    burst.until(now + ARRIVAL);
    let most = burst.loads.iter().map(|load| u64::from(load.peers)).max().unwrap_or(0);
    (most, joins as f64 / size.nodes as f64)
}

fn candidates<'a>(records: &'a [NodeRecord], burst: &Burst, now: Instant) -> Vec<Candidate<'a>> {
    let all = records.iter().zip(&burst.loads);
    let candidate = |(record, load): (&'a NodeRecord, &NodeLoad)| Candidate {
        record,
        load: *load,
        state: NodeState::Up,
        placed: burst.heard.count(now, &record.id, now),
        linked: true,
    };
    all.map(candidate).collect()
}
