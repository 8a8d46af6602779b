//! The cluster, and the view that one of its nodes has of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use serde_json::json;
use starling_cluster::{
    decide::{
        placement::{Decision, Whereabouts},
        roster::{RESUME_WINDOW, RoomReplica},
        standby::STANDBYS,
        view::{ClusterView, Join},
    },
    registry::{Change, View, WatchEvent},
};
use starling_proto::{
    NodeId, PeerId, RoomId,
    json::Json,
    link::{VERSION_MAX, VERSION_MIN},
    registry::{NodeLoad, NodeRecord, NodeState, PresenceRecord, RoomPolicy, RoomRecord},
    roster::{PeerEntry, Snapshot},
};

use super::{REGIONS, STRESS, Size};

pub(super) struct Cluster {
    pub(super) view: ClusterView,
    pub(super) nodes: Vec<NodeId>,
    pub(super) now: Instant,
    numbers: HashMap<NodeId, usize>,
    loads: Vec<NodeLoad>,
    rooms: Vec<RoomId>,
    /// People of each room, by node.
    presence: Vec<BTreeMap<usize, u32>>,
}

/// Node number `at`.
pub(super) fn record(at: usize) -> NodeRecord {
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

/// Room number `at`.
pub(super) fn room(at: usize) -> RoomId {
    format!("room-{at}").parse().expect("letters and digits")
}

/// One person more.
pub(super) fn add(load: &mut NodeLoad) {
    load.peers += 1;
    load.stress = load.peers as f32 * STRESS;
}

const HERE: PresenceRecord = PresenceRecord { epoch: 1, incarnation: 0 };

impl Cluster {
    pub(super) fn new(size: Size) -> Self {
        let now = Instant::now();
        let nodes: Vec<_> = (0..size.nodes).map(|at| record(at).id).collect();
        let known = nodes.iter().enumerate().map(|(at, node)| (node.clone(), record(at)));
        let all = View { nodes: known.collect(), ..View::default() };
        let mut view = ClusterView::new(record(0));
        view.on_registry(now, WatchEvent::Snapshot(all));
        nodes[1..].iter().for_each(|node| view.link_up(node.clone()));
        Self {
            view,
            numbers: nodes.iter().cloned().zip(0..).collect(),
            nodes,
            now,
            loads: vec![NodeLoad::default(); size.nodes],
            rooms: (0..size.rooms).map(room).collect(),
            presence: vec![BTreeMap::new(); size.rooms],
        }
    }

    /// All nodes tell their load.
    pub(super) fn tell(&mut self) {
        for (node, load) in self.nodes.iter().zip(&self.loads).skip(1) {
            self.view.on_load(self.now, node.clone(), *load, NodeState::Up);
        }
        self.view.set_own(self.loads[0], Default::default(), NodeState::Up);
    }

    /// Where somebody goes, and how long it took to say.
    pub(super) fn place(&mut self, room: usize, region: usize) -> (usize, Duration) {
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
        // A word of it goes to the others.
        if self.view.has_untold() {
            let _ = self.view.take_untold();
        }
        let node = match decision {
            Decision::Node(node) => self.numbers.get(&node).copied(),
            Decision::Here | Decision::Refused(_) => None,
        };
        (node.unwrap_or(0), took)
    }

    /// What else is in the answer: where that is, and the nodes that stand by.
    pub(super) fn answer(&self, room: usize, node: usize) {
        let (policy, not) = (RoomPolicy::default(), BTreeSet::from([self.nodes[node].clone()]));
        let standby = self.view.standby(&self.rooms[room], &policy, &not, STANDBYS);
        assert_eq!(standby.len(), STANDBYS, "nobody is away");
        let hints = standby.iter().chain([&self.nodes[node]]).filter_map(|it| self.view.node(it));
        assert_eq!(hints.count(), STANDBYS + 1, "nobody is away");
    }

    pub(super) fn has(&self, room: usize, node: usize) -> bool {
        self.presence[room].contains_key(&node)
    }

    /// Somebody is there now; keys that were written for it, and how long the view took to hear of
    /// each.
    pub(super) fn seat(&mut self, room: usize, node: usize, heard: &mut Vec<Duration>) -> usize {
        add(&mut self.loads[node]);
        let of_room = &mut self.presence[room];
        let (first, new) = (of_room.is_empty(), !of_room.contains_key(&node));
        *of_room.entry(node).or_default() += 1;
        let (id, name) = (&self.rooms[room], &self.nodes[node]);
        let mut changes = Vec::new();
        if first {
            changes.push(Change::Room(id.clone(), Some((1, RoomRecord::default()))));
        }
        if new {
            changes.push(Change::Presence(id.clone(), name.clone(), Some(HERE)));
        }
        let written = changes.len();
        for change in changes {
            let event = WatchEvent::Change(change);
            let begun = Instant::now();
            self.view.on_registry(self.now, event);
            heard.push(begun.elapsed());
        }
        if new {
            // By its link, too.
            self.view.on_room(name.clone(), id.clone(), true);
        }
        written
    }

    /// People of the fullest node, and on average.
    pub(super) fn fullest(&self) -> (u64, f64) {
        let peers = || self.loads.iter().map(|load| u64::from(load.peers));
        (peers().max().unwrap_or(0), peers().sum::<u64>() as f64 / self.nodes.len() as f64)
    }

    /// Nodes of a room, on average.
    pub(super) fn spread(&self) -> f64 {
        let shares: usize = self.presence.iter().map(BTreeMap::len).sum();
        shares as f64 / self.presence.len().max(1) as f64
    }

    /// Links that nodes have, all together; those of which both ends share a room; and the most of
    /// these that one node has.
    pub(super) fn links(&self) -> [usize; 3] {
        let n = self.nodes.len();
        let mut shared = vec![false; n * n];
        for nodes in &self.presence {
            for a in nodes.keys() {
                nodes.keys().filter(|b| *b != a).for_each(|b| shared[a * n + b] = true);
            }
        }
        let of_node = shared.chunks(n.max(1)).map(|row| row.iter().filter(|pair| **pair).count());
        let of_node: Vec<_> = of_node.collect();
        let needed = of_node.iter().sum::<usize>() / 2;
        [n * n.saturating_sub(1) / 2, needed, of_node.into_iter().max().unwrap_or(0)]
    }

    /// What another node has that started just now and has heard everything.
    pub(super) fn replica(&self) -> ClusterView {
        let mut view = ClusterView::new(record(0));
        let mut all = View::default();
        all.nodes.extend((0..self.nodes.len()).map(record).map(|node| (node.id.clone(), node)));
        for (room, nodes) in self.rooms.iter().zip(&self.presence) {
            all.rooms.insert(room.clone(), (1, RoomRecord::default()));
            let on = nodes.keys().map(|node| ((room.clone(), self.nodes[*node].clone()), HERE));
            all.presence.extend(on);
        }
        view.on_registry(self.now, WatchEvent::Snapshot(all));
        for (node, load) in self.nodes.iter().zip(&self.loads).skip(1) {
            view.link_up(node.clone());
            view.on_load(self.now, node.clone(), *load, NodeState::Up);
        }
        for (room, nodes) in self.rooms.iter().zip(&self.presence) {
            for node in nodes.keys() {
                view.on_room(self.nodes[*node].clone(), room.clone(), true);
            }
        }
        view
    }

    /// The rosters of one node with the average number of rooms: its own people and everybody
    /// else's.
    pub(super) fn rosters(&self) -> Vec<RoomReplica> {
        let (node, now) = (self.nodes.len() / 2, self.now);
        let all = self.presence.iter().enumerate();
        all.filter(|(_, nodes)| nodes.contains_key(&node))
            .map(|(room, nodes)| {
                let mut replica = RoomReplica::new(self.nodes[node].clone(), 1, RESUME_WINDOW);
                for (at, peers) in nodes {
                    let entry = |peer: u32| PeerEntry {
                        id: format!("peer-{room}-{at}-{peer}").parse::<PeerId>().expect("an id"),
                        incarnation: 1,
                        display_name: "A name of twenty chrs".to_owned(),
                        device: Json(json!({"flag": "chrome", "name": "Chrome", "version": "131"})),
                        producers: Vec::new(),
                        data_producers: Vec::new(),
                    };
                    let snapshot = Snapshot { seq: 2, peers: (0..*peers).map(entry).collect() };
                    let _ = replica.remote_snapshot(now, &self.nodes[*at], 1, snapshot);
                }
                replica
            })
            .collect()
    }
}
