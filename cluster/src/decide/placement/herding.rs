//! A burst of joins onto a cluster whose loads are old (jicofo #1298: 92 joins in 31 s, 58 of them
//! to one bridge of a dozen), over many seeds. Where several nodes answer, each knows what it has
//! placed itself and, if they tell each other, what the others have.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use starling_proto::{
    Id, NodeId, RoomId,
    link::PlacedJoins,
    registry::{NodeLoad, NodeRecord, NodeState, PolicyMode, RoomPolicy},
};

use super::{Candidate, Decision, PlacementInput, Whereabouts, place};
use crate::decide::reservations::{ARRIVAL, Reservations};

const NODES: usize = 12;
const JOINS: usize = 100;
const AGE: Duration = Duration::from_secs(10);
/// Word of a placement waits 20 ms to be told, and crosses a continent.
const HEARD: Duration = Duration::from_millis(50);
const SEEDS: u64 = 200;

/// Who answers the joins.
#[derive(Clone, Copy, Debug)]
enum Answered {
    ByOne,
    /// Each by a node of its own choice.
    ByAll,
}

/// How old the loads are that placement goes by.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// Each node tells every ten seconds, at a moment of its own.
    EveryTen,
    /// Always what was true ten seconds ago.
    TenAgo,
}

#[derive(Clone, Debug)]
struct Setup {
    answered: Answered,
    told: Told,
    /// How late nodes hear what others place; absent: never.
    heard: Option<Duration>,
    /// Stress and peers of each node at the start.
    start: (f32, u32),
    /// Peers per room.
    room: usize,
    policy: RoomPolicy,
    /// How long all the joins take.
    within: Duration,
    /// Told of when it is printed.
    name: &'static str,
}

impl Setup {
    fn new(answered: Answered, told: Told) -> Self {
        Self {
            answered,
            told,
            heard: Some(HEARD),
            start: (0.05, 5),
            room: 1,
            policy: RoomPolicy::default(),
            within: Duration::from_secs(30),
            name: "rooms of one",
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

struct Word {
    due: Instant,
    from: usize,
    placed: Vec<PlacedJoins>,
}

struct Burst<'a> {
    setup: &'a Setup,
    start: Instant,
    records: Vec<NodeRecord>,
    /// When nodes tell their loads, within the ten seconds.
    phases: Vec<Duration>,
    /// Peers of each node by when they were there.
    arrived: Vec<Vec<Instant>>,
    rooms: BTreeMap<RoomId, BTreeMap<NodeId, Instant>>,
    reservations: Vec<Reservations>,
    on_the_way: Vec<Word>,
}

impl<'a> Burst<'a> {
    fn new(setup: &'a Setup, random: &mut Random) -> Self {
        let record = |i: usize| NodeRecord {
            id: NodeId::parse(&format!("sfu-{i}")).unwrap(),
            epoch: 1,
            region: String::new(),
            zone: String::new(),
            link_addr: "127.0.0.1:7000".parse().unwrap(),
            api_url: String::new(),
            version: String::new(),
            protocol: (1, 1),
            state: NodeState::Up,
            cordoned: false,
            load: NodeLoad::default(),
            cost: None,
        };
        Self {
            setup,
            start: Instant::now(),
            records: (0..NODES).map(record).collect(),
            phases: (0..NODES).map(|_| Duration::from_millis(random.below(10_000))).collect(),
            arrived: vec![Vec::new(); NODES],
            rooms: BTreeMap::new(),
            reservations: vec![Reservations::default(); NODES],
            on_the_way: Vec::new(),
        }
    }

    /// When the load of node `i` that is known at `now` was true.
    fn as_of(&self, i: usize, now: Instant) -> Instant {
        match self.setup.told {
            Told::TenAgo => now - AGE,
            Told::EveryTen => {
                let since = now - self.start + AGE - self.phases[i];
                now - Duration::from_nanos((since.as_nanos() % AGE.as_nanos()) as u64)
            }
        }
    }

    fn load(&self, i: usize, at: Instant) -> NodeLoad {
        let (stress, peers) = self.setup.start;
        let came = self.arrived[i].iter().filter(|there| **there <= at).count() as u32;
        let stress = stress + 0.01 * came as f32;
        NodeLoad { stress, peers: peers + came, ..NodeLoad::default() }
    }

    fn join(&mut self, now: Instant, by: usize, room: &RoomId) {
        let due = self.on_the_way.extract_if(.., |word| word.due <= now).collect::<Vec<_>>();
        for word in due {
            for (i, reservations) in self.reservations.iter_mut().enumerate() {
                if i != word.from {
                    reservations.heard(word.due, &word.placed);
                }
            }
        }
        let node = self.decide(now, by, room);
        let i = self.records.iter().position(|record| record.id == node).unwrap();
        self.arrived[i].push(now + ARRIVAL);
        let there = self.rooms.entry(room.clone()).or_default();
        there.entry(node.clone()).or_insert(now + ARRIVAL);
        self.reservations[by].reserve(now, room, &node);
        if let Some(heard) = self.setup.heard {
            let placed = self.reservations[by].take_untold();
            self.on_the_way.push(Word { due: now + heard, from: by, placed });
        }
    }

    fn decide(&self, now: Instant, by: usize, room: &RoomId) -> NodeId {
        let reported = |i| self.as_of(i, now);
        let candidates = self.records.iter().enumerate().map(|(i, record)| Candidate {
            record,
            load: self.load(i, reported(i)),
            state: NodeState::Up,
            placed: self.reservations[by].count(now, &record.id, reported(i)),
            linked: true,
        });
        let candidates: Vec<_> = candidates.collect();
        let there = self.rooms.get(room).into_iter().flatten();
        let mut room_nodes: BTreeSet<_> =
            there.filter(|(_, at)| **at <= now).map(|(node, _)| node.clone()).collect();
        room_nodes.extend(self.reservations[by].nodes_of(now, room).cloned());
        let decision = place(&PlacementInput {
            now,
            here: &self.records[by].id,
            room,
            policy: &self.setup.policy,
            candidates: &candidates,
            room_nodes: &room_nodes,
            room_peers: 0,
            client: Whereabouts::default(),
            wanted: None,
            reservations: &self.reservations[by],
        });
        match decision {
            Decision::Here => self.records[by].id.clone(),
            Decision::Node(node) => node,
            Decision::Refused(refusal) => panic!("{refusal:?}"),
        }
    }
}

/// The most crowded node's share of the joins beside the mean.
fn crowding(setup: &Setup, seed: u64) -> f64 {
    let mut random = Random(seed);
    let mut burst = Burst::new(setup, &mut random);
    let millis = setup.within.as_millis() as u64;
    let mut times: Vec<_> = (0..JOINS).map(|_| random.below(millis)).collect();
    times.sort_unstable();
    for (join, at) in times.into_iter().enumerate() {
        let by = match setup.answered {
            Answered::ByOne => 0,
            Answered::ByAll => random.below(NODES as u64) as usize,
        };
        let room = RoomId::parse(&format!("room-{}", join / setup.room)).unwrap();
        burst.join(burst.start + Duration::from_millis(at), by, &room);
    }
    let most = burst.arrived.iter().map(Vec::len).max().unwrap_or(0);
    most as f64 * NODES as f64 / JOINS as f64
}

/// Median, 99th percentile and the worst of all seeds; printed.
fn measure(setup: &Setup) -> [f64; 3] {
    let mut all: Vec<_> = (0..SEEDS).map(|seed| crowding(setup, seed)).collect();
    all.sort_by(f64::total_cmp);
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    let of = [at(0.5), at(0.99), at(1.0)];
    let Setup { answered, told, heard, start, within, name, .. } = setup;
    let how = format!("{name}, {start:?} each, in {within:?}, {answered:?}, {told:?}, {heard:?}");
    println!("{how:86} p50 {:.2} p99 {:.2} max {:.2}", of[0], of[1], of[2]);
    of
}

fn all_ways() -> impl Iterator<Item = Setup> {
    let answered = [Answered::ByOne, Answered::ByAll];
    answered
        .into_iter()
        .flat_map(|answered| [Told::EveryTen, Told::TenAgo].map(|told| Setup::new(answered, told)))
}

#[test]
fn a_burst_of_joins_spreads_whoever_answers_and_however_old_the_loads_are() {
    for setup in all_ways() {
        for start in [(0.0, 0), (0.05, 5)] {
            let of_one = measure(&Setup { start, ..setup.clone() });
            assert!(of_one[2] <= 1.3, "{of_one:?}");
            let of_four =
                measure(&Setup { start, room: 4, name: "rooms of four", ..setup.clone() });
            assert!(of_four[2] <= 1.5, "{of_four:?}");
        }
    }
}

#[test]
fn a_burst_of_joins_to_one_room_uses_all_nodes_if_its_policy_says_so() {
    let policy = RoomPolicy { mode: PolicyMode::Spread, ..RoomPolicy::default() };
    for setup in all_ways() {
        let name = "one room, spread";
        let of = measure(&Setup { room: JOINS, policy: policy.clone(), name, ..setup });
        assert!(of[2] <= 1.5, "{of:?}");
    }
}

#[test]
fn a_burst_of_joins_to_one_room_fills_few_nodes_and_none_of_them_up() {
    for setup in all_ways() {
        let of = measure(&Setup { room: JOINS, name: "one room", ..setup });
        assert!(of[2] <= 3.0, "25 peers, a fifth of them more than affinity allows: {of:?}");
        assert!(of[0] >= 2.0, "it is not spread without need: {of:?}");
    }
}

/// Five joins are on their way at any moment that nobody else has heard of.
#[test]
fn a_burst_within_a_second_spreads_but_for_what_nobody_could_have_heard_of() {
    for setup in all_ways() {
        let of = measure(&Setup { within: Duration::from_secs(1), ..setup });
        assert!(of[0] <= 1.5 && of[2] <= 2.0, "{of:?}");
    }
}

/// What the words of the others are for: without, every node sees the same few idle ones.
#[test]
fn nodes_that_do_not_hear_of_each_other_crowd() {
    for told in [Told::EveryTen, Told::TenAgo] {
        let of = measure(&Setup { heard: None, ..Setup::new(Answered::ByAll, told) });
        assert!(of[0] > 1.5, "{of:?}");
    }
}
