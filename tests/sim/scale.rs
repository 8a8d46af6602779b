//! A cluster of a thousand nodes with a million people in a hundred thousand rooms, as one of its
//! nodes sees it: what its decisions cost, what joins write to the registry, how many links there
//! are and how many are needed, and how much a node has to remember. The decisions are the
//! product's; nothing is sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use starling_cluster::{
    decide::{
        placement::{Decision, Whereabouts},
        roster::{RESUME_WINDOW, RoomReplica},
        standby::{STANDBYS, standby},
        view::{ClusterView, Join},
    },
    link::peers::Peers,
    registry::{Change, View, WatchEvent},
};
use starling_proto::{
    NodeId, PeerId, RoomId,
    json::Json,
    link::{VERSION_MAX, VERSION_MIN},
    registry::{NodeLoad, NodeRecord, NodeState, PresenceRecord, RoomPolicy, RoomRecord},
    roster::{PeerEntry, Snapshot},
};

/// Regions of the cluster.
const REGIONS: usize = 5;
/// Joins a second of the whole cluster: a million within a minute and a half.
const JOINS_PER_SECOND: u64 = 10_000;
/// `actors::limits::LOAD_EVERY`.
const LOAD_EVERY: Duration = Duration::from_millis(500);
/// A person's share of a node that could take 2,000.
const STRESS: f32 = 1.0 / 2_000.0;

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Rooms.
    pub rooms: usize,
    /// People.
    pub peers: usize,
}

impl Size {
    /// The goal's.
    pub const FULL: Self = Self { nodes: 1_000, rooms: 100_000, peers: 1_000_000 };
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of what.
    pub size: Size,
    /// Placements, in order of time.
    pub decisions: Vec<Duration>,
    /// Standby lists, in order of time.
    pub standbys: Vec<Duration>,
    /// Joins that wrote nothing, one key, two, more.
    pub writes: [u64; 4],
    /// Keys written by somebody who was not a room's first on their node.
    pub writes_of_others: u64,
    /// Links that nodes have, all together, and those of which both ends share a room.
    pub links: (usize, usize),
    /// How long a node takes to say whom to dial, once.
    pub dialling: Duration,
    /// People of the fullest node, and on average.
    pub fullest: (u64, f64),
    /// Bytes that the view of one node takes, and the rosters of the average node's rooms.
    pub memory: (u64, u64),
    /// Nodes of a room, on average.
    pub spread: f64,
}

struct Cluster {
    view: ClusterView,
    nodes: Vec<NodeId>,
    loads: Vec<NodeLoad>,
    rooms: Vec<RoomId>,
    /// Who has whom, as the registry does.
    presence: BTreeMap<usize, BTreeMap<usize, u32>>,
    now: Instant,
}

fn record(at: usize) -> NodeRecord {
    NodeRecord {
        id: format!("node-{at}").parse().expect("letters and digits"),
        epoch: 1,
        region: format!("region-{}", at % REGIONS),
        zone: String::new(),
        link_addr: ([10, 0, (at / 256) as u8, (at % 256) as u8], 7_443).into(),
        api_url: format!("https://node-{at}.example:8443"),
        version: "0.1.0".to_owned(),
        protocol: (VERSION_MIN, VERSION_MAX),
        state: NodeState::Up,
        load: NodeLoad::default(),
        cost: None,
        cordoned: false,
    }
}

impl Cluster {
    fn new(size: Size) -> Self {
        let now = Instant::now();
        let records: Vec<_> = (0..size.nodes).map(record).collect();
        let mut view = ClusterView::new(records[0].clone());
        let nodes: Vec<_> = records.iter().map(|record| record.id.clone()).collect();
        let known = records.into_iter().map(|record| (record.id.clone(), record)).collect();
        let all = View { nodes: known, ..View::default() };
        view.on_registry(now, WatchEvent::Snapshot(all));
        nodes[1..].iter().for_each(|node| view.link_up(node.clone()));
        let room = |at| format!("room-{at}").parse().expect("letters and digits");
        Self {
            view,
            nodes,
            loads: vec![NodeLoad::default(); size.nodes],
            rooms: (0..size.rooms).map(room).collect(),
            presence: BTreeMap::new(),
            now,
        }
    }

    /// All nodes tell their load.
    fn tell(&mut self) {
        for (node, load) in self.nodes.iter().zip(&self.loads).skip(1) {
            self.view.on_load(self.now, node.clone(), *load, NodeState::Up);
        }
        self.view.set_own(self.loads[0], Default::default(), NodeState::Up);
    }

    /// Where somebody goes, and how long it took to say.
    fn place(&mut self, room: usize, region: usize) -> (usize, Duration) {
        let (room, region) = (&self.rooms[room], format!("region-{region}"));
        let join = Join {
            room,
            policy: &RoomPolicy::default(),
            here_has_room: false,
            client: Whereabouts { region: &region, zone: "" },
            wanted: None,
        };
        let begun = Instant::now();
        let decision = self.view.place(self.now, &join);
        let took = begun.elapsed();
        self.view.reserve(self.now, room, &decision);
        let node = match decision {
            Decision::Node(node) => self.nodes.iter().position(|of| *of == node),
            Decision::Here | Decision::Refused(_) => None,
        };
        (node.unwrap_or(0), took)
    }

    /// Somebody is there now; keys that were written for it.
    fn seat(&mut self, room: usize, node: usize) -> usize {
        self.loads[node].peers += 1;
        self.loads[node].stress = self.loads[node].peers as f32 * STRESS;
        let of_room = self.presence.entry(room).or_default();
        let (first, new) = (of_room.is_empty(), !of_room.contains_key(&node));
        *of_room.entry(node).or_default() += 1;
        let (id, name) = (self.rooms[room].clone(), self.nodes[node].clone());
        let mut changes = Vec::new();
        if first {
            changes.push(Change::Room(id.clone(), Some((1, RoomRecord::default()))));
        }
        if new {
            let here = PresenceRecord { epoch: 1, incarnation: 0 };
            changes.push(Change::Presence(id.clone(), name.clone(), Some(here)));
            self.view.on_room(name, id, true);
        }
        let written = changes.len();
        for change in changes {
            self.view.on_registry(self.now, WatchEvent::Change(change));
        }
        written
    }

    /// Pairs of nodes that share a room.
    fn needed_links(&self) -> usize {
        let mut pairs = BTreeSet::new();
        for nodes in self.presence.values() {
            for a in nodes.keys() {
                pairs.extend(nodes.keys().filter(|b| a < *b).map(|b| (*a, *b)));
            }
        }
        pairs.len()
    }
}

/// Bytes of memory this process has in use, as Linux counts.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

/// The rosters of one node with the average number of rooms: its own people and everybody else's.
fn rosters(cluster: &Cluster) -> Vec<RoomReplica> {
    let (node, now) = (cluster.nodes.len() / 2, cluster.now);
    let here = cluster.presence.iter().filter(|(_, nodes)| nodes.contains_key(&node));
    here.map(|(room, nodes)| {
        let mut replica = RoomReplica::new(cluster.nodes[node].clone(), 1, RESUME_WINDOW);
        for (at, peers) in nodes {
            let entry = |peer: u32| PeerEntry {
                id: format!("peer-{room}-{at}-{peer}").parse::<PeerId>().expect("an id"),
                incarnation: 1,
                display_name: "A name of twenty chrs".to_owned(),
                device: Json(json!({"flag": "chrome", "name": "Chrome", "version": "131"})),
                producers: Vec::new(),
                data_producers: Vec::new(),
            };
            let peers = (0..*peers).map(entry).collect();
            let snapshot = Snapshot { seq: 2, peers };
            let _ = replica.remote_snapshot(now, &cluster.nodes[*at], 1, snapshot);
        }
        replica
    })
    .collect()
}

/// Measures.
pub fn run(size: Size) -> Report {
    let mut rng = SmallRng::seed_from_u64(1);
    let before = resident();
    let mut cluster = Cluster::new(size);
    let (mut decisions, mut standbys) = (Vec::with_capacity(size.peers), Vec::new());
    let (mut writes, mut writes_of_others) = ([0; 4], 0);
    let step = Duration::from_micros(1_000_000 / JOINS_PER_SECOND);
    let mut told = cluster.now;
    for join in 0..size.peers {
        cluster.now += step;
        if cluster.now >= told + LOAD_EVERY {
            told = cluster.now;
            cluster.tell();
        }
        // Every room gets somebody; the rest make some rooms large.
        let skewed = (rng.random::<f64>().powi(2) * size.rooms as f64) as usize;
        let room = if join < size.rooms { join } else { skewed.min(size.rooms - 1) };
        let near = room % REGIONS;
        let region = if rng.random_bool(0.8) { near } else { rng.random_range(0..REGIONS) };
        let (node, took) = cluster.place(room, region);
        decisions.push(took);
        let known = cluster.presence.get(&room).is_some_and(|nodes| nodes.contains_key(&node));
        let written = cluster.seat(room, node);
        writes[written.min(3)] += 1;
        writes_of_others += if known { written as u64 } else { 0 };
        if join % 1_000 == 0 {
            standbys.push(standby_list(&cluster, room));
        }
    }
    let view = resident().saturating_sub(before);
    let before = resident();
    let rosters = rosters(&cluster);
    let memory = (view, resident().saturating_sub(before));
    drop(rosters);
    decisions.sort_unstable();
    standbys.sort_unstable();
    let peers = cluster.loads.iter().map(|load| u64::from(load.peers));
    let shares: usize = cluster.presence.values().map(BTreeMap::len).sum();
    Report {
        size,
        decisions,
        standbys,
        writes,
        writes_of_others,
        links: (size.nodes * (size.nodes - 1) / 2, cluster.needed_links()),
        dialling: dialling(&cluster),
        fullest: (peers.max().unwrap_or(0), size.peers as f64 / size.nodes as f64),
        memory,
        spread: shares as f64 / cluster.presence.len().max(1) as f64,
    }
}

fn standby_list(cluster: &Cluster, room: usize) -> Duration {
    let nodes = cluster.view.reachable();
    let begun = Instant::now();
    let (policy, none) = (RoomPolicy::default(), BTreeSet::new());
    let named = standby(&cluster.rooms[room], &policy, &nodes, &none, STANDBYS);
    assert_eq!(named.len(), STANDBYS, "nobody is away");
    begun.elapsed()
}

/// A node that has just started is told of all others.
fn dialling(cluster: &Cluster) -> Duration {
    let mut peers = Peers::new(cluster.nodes[0].clone());
    let begun = Instant::now();
    let _ = peers.set_targets(cluster.now, cluster.view.targets());
    while peers.poll_dial(cluster.now).is_some() {}
    begun.elapsed()
}

fn share(of: &[Duration], share: f64) -> f64 {
    let at = ((of.len() as f64 * share) as usize).min(of.len().saturating_sub(1));
    of.get(at).map_or(0.0, |took| took.as_nanos() as f64 / 1_000.0)
}

impl Report {
    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let Size { nodes, rooms, peers } = self.size;
        let percentiles = |of: &[Duration]| {
            let [p50, p99, most] = [0.5, 0.99, 1.0].map(|part| share(of, part));
            format!("p50 {p50:.1} µs, p99 {p99:.1} µs, max {most:.1} µs (n = {})", of.len())
        };
        let [none, one, two, more] = self.writes;
        let (most, mean) = self.fullest;
        let (all, needed) = self.links;
        let (view, rosters) = (self.memory.0 as f64 / 1e6, self.memory.1 as f64 / 1e6);
        vec![
            format!("{nodes} nodes, {rooms} rooms, {peers} people, {JOINS_PER_SECOND} joins/s"),
            format!("placement: {}", percentiles(&self.decisions)),
            format!("standby list: {}", percentiles(&self.standbys)),
            format!("joins by keys written: 0: {none}, 1: {one}, 2: {two}, more: {more}"),
            format!("keys written by joins to a room that the node has: {}", self.writes_of_others),
            format!("people per node: max {most}, mean {mean:.0}; a room on {:.2}", self.spread),
            format!("links: {all}; of nodes that share a room: {needed}"),
            format!(
                "to say whom to dial, all at once: {:.1} ms",
                self.dialling.as_secs_f64() * 1e3
            ),
            format!("memory of one node: view {view:.1} MB, rosters {rosters:.1} MB"),
        ]
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let percentiles = |of: &[Duration]| json!({"p50": share(of, 0.5), "p99": share(of, 0.99), "max": share(of, 1.0)});
        json!({
            "nodes": self.size.nodes,
            "rooms": self.size.rooms,
            "peers": self.size.peers,
            "placementMicros": percentiles(&self.decisions),
            "standbyMicros": percentiles(&self.standbys),
            "joinsByWrites": self.writes,
            "writesOfOthers": self.writes_of_others,
            "fullest": self.fullest.0,
            "mean": self.fullest.1,
            "nodesPerRoom": self.spread,
            "links": self.links.0,
            "linksNeeded": self.links.1,
            "diallingMs": self.dialling.as_secs_f64() * 1e3,
            "viewBytes": self.memory.0,
            "rosterBytes": self.memory.1,
        })
    }
}
