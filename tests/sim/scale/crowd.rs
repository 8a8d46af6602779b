//! How evenly a burst of joins is spread that all nodes answer, each from loads that are half a
//! second old and words of the others that are as old as a cluster of that size makes them. What a
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
    JOINS_PER_SECOND, Joins, LOAD_EVERY, Size,
    cluster::{add, record, room},
};

/// Joins of the burst per node: ten seconds of a cluster that fills up within two minutes.
const JOINS_PER_NODE: usize = 100;
/// A word's way between continents.
const WAY: Duration = Duration::from_millis(50);

/// Somebody who was placed.
struct Placed {
    at: Instant,
    room: usize,
    node: usize,
}

/// People of the fullest node of those that joined, and on average.
pub(super) fn crowded(size: Size) -> (u64, f64) {
    let joins = (size.nodes * JOINS_PER_NODE).min(size.peers);
    let size = Size { rooms: (joins / 10).max(1), peers: joins, ..size };
    let mut rng = SmallRng::seed_from_u64(2);
    let records: Vec<_> = (0..size.nodes).map(record).collect();
    let numbers: BTreeMap<_, _> = records.iter().map(|node| &node.id).zip(0..).collect();
    let mut loads = vec![NodeLoad::default(); size.nodes];
    let mut there: BTreeMap<usize, BTreeSet<NodeId>> = BTreeMap::new();
    let (mut heard, mut unheard, mut coming) =
        (Reservations::default(), VecDeque::new(), VecDeque::new());
    let step = Duration::from_micros(1_000_000 / JOINS_PER_SECOND);
    let (mut now, late) = (Instant::now(), tell_after(size.nodes - 1) + WAY);
    let (mut told, mut candidates) = (now, candidates(&records, &loads, now));
    for (of, region) in Joins::new(size) {
        now += step;
        while let Some(Placed { node, room, .. }) = due(&mut coming, now, ARRIVAL) {
            add(&mut loads[node]);
            there.entry(room).or_default().insert(records[node].id.clone());
        }
        while let Some(Placed { at, room: of, node }) = due(&mut unheard, now, late) {
            let word = PlacedJoins { room: room(of), node: records[node].id.clone(), joins: 1 };
            heard.heard(at + late, &[word]);
        }
        if now >= told + LOAD_EVERY {
            (told, candidates) = (now, self::candidates(&records, &loads, now));
        }
        let here = rng.random_range(0..size.nodes);
        let decision = place(&PlacementInput {
            now,
            here: &records[here].id,
            room: &room(of),
            policy: &RoomPolicy::default(),
            candidates: &candidates,
            room_nodes: there.get(&of).unwrap_or(&BTreeSet::new()),
            room_peers: 0,
            client: Whereabouts { region: &format!("region-{region}"), zone: "" },
            wanted: None,
            reservations: &heard,
        });
        let node = match decision {
            Decision::Node(node) => numbers[&node],
            Decision::Here => here,
            Decision::Refused(refusal) => unreachable!("nobody is full: {refusal:?}"),
        };
        coming.push_back(Placed { at: now, room: of, node });
        unheard.push_back(Placed { at: now, room: of, node });
    }
    coming.into_iter().for_each(|placed: Placed| add(&mut loads[placed.node]));
    let most = loads.iter().map(|load| u64::from(load.peers)).max().unwrap_or(0);
    (most, joins as f64 / size.nodes as f64)
}

fn due(queue: &mut VecDeque<Placed>, now: Instant, after: Duration) -> Option<Placed> {
    let due = queue.front().is_some_and(|placed| placed.at + after <= now);
    if due { queue.pop_front() } else { None }
}

fn candidates<'a>(
    records: &'a [NodeRecord],
    loads: &[NodeLoad],
    reported: Instant,
) -> Vec<Candidate<'a>> {
    let all = records.iter().zip(loads);
    let candidate = |(record, load): (&'a NodeRecord, &NodeLoad)| Candidate {
        record,
        load: *load,
        state: NodeState::Up,
        reported,
        linked: true,
    };
    all.map(candidate).collect()
}
