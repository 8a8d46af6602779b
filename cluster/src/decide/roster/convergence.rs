//! Three nodes, random joins, leaves, losses, duplicates, cuts and restarts: facts always add up to
//! the view, and once all is delivered, all nodes see the truth.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use starling_proto::{
    DataProducerId, Id, NodeId, PeerId, ProducerId,
    roster::{Change, DataProducerEntry, Snapshot},
};

use super::{
    Fact, Local, RESUME_WINDOW, RoomReplica,
    tests::{data, node, peer, producer},
};

const NODES: usize = 3;
const PEERS: [&str; 3] = ["p", "q", "r"];
const SOURCES: [&str; 2] = ["camera", "screen"];

#[derive(Clone, Debug)]
enum Step {
    Join { at: usize, who: usize },
    Leave { at: usize, who: usize },
    Produce { at: usize, who: usize, source: usize },
    ProduceData { at: usize, who: usize, source: usize },
    CloseData { at: usize, who: usize },
    PauseData { at: usize, who: usize, paused: bool },
    Close { at: usize, who: usize },
    Pause { at: usize, who: usize, paused: bool },
    Rename { at: usize, who: usize },
    Deliver { from: usize, to: usize, twice: bool },
    Drop { from: usize, to: usize },
    Cut { a: usize, b: usize },
    Heal { a: usize, b: usize },
    Restart { at: usize },
    Pass { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let (at, who) = (0..NODES, 0..PEERS.len());
    let pair = (0..NODES, 0..NODES);
    prop_oneof![
        4 => (at.clone(), who.clone()).prop_map(|(at, who)| Step::Join { at, who }),
        2 => (at.clone(), who.clone()).prop_map(|(at, who)| Step::Leave { at, who }),
        4 => (at.clone(), who.clone(), 0..SOURCES.len())
            .prop_map(|(at, who, source)| Step::Produce { at, who, source }),
        3 => (at.clone(), who.clone(), 0..SOURCES.len())
            .prop_map(|(at, who, source)| Step::ProduceData { at, who, source }),
        1 => (at.clone(), who.clone()).prop_map(|(at, who)| Step::CloseData { at, who }),
        1 => (at.clone(), who.clone(), any::<bool>())
            .prop_map(|(at, who, paused)| Step::PauseData { at, who, paused }),
        1 => (at.clone(), who.clone()).prop_map(|(at, who)| Step::Close { at, who }),
        1 => (at.clone(), who.clone(), any::<bool>())
            .prop_map(|(at, who, paused)| Step::Pause { at, who, paused }),
        1 => (at.clone(), who).prop_map(|(at, who)| Step::Rename { at, who }),
        12 => (pair.clone(), any::<bool>())
            .prop_map(|((from, to), twice)| Step::Deliver { from, to, twice }),
        1 => pair.clone().prop_map(|(from, to)| Step::Drop { from, to }),
        1 => pair.clone().prop_map(|(a, b)| Step::Cut { a, b }),
        2 => pair.prop_map(|(a, b)| Step::Heal { a, b }),
        1 => at.prop_map(|at| Step::Restart { at }),
        2 => (1..8_000u64).prop_map(|millis| Step::Pass { millis }),
    ]
}

#[derive(Clone, Debug)]
enum Message {
    Snapshot(Snapshot),
    Delta(u64, Change),
    SnapshotWanted,
}

/// What somebody who only hears the facts of one node knows.
#[derive(Default)]
struct Listener {
    peers: BTreeMap<PeerId, (NodeId, bool, String, BTreeSet<ProducerId>)>,
    paused: BTreeSet<ProducerId>,
}

struct World {
    now: Instant,
    clock: u64,
    rooms: Vec<RoomReplica>,
    epochs: Vec<u64>,
    listeners: Vec<Listener>,
    /// Queues of links that are up.
    links: BTreeMap<(usize, usize), VecDeque<Message>>,
}

impl Listener {
    fn hear(&mut self, fact: &Fact) {
        match fact.clone() {
            Fact::PeerJoined { peer, node, display_name, .. } => {
                let known = (node, false, display_name, BTreeSet::new());
                assert!(self.peers.insert(peer, known).is_none(), "joined twice");
            }
            Fact::PeerMoved { peer, from, to } => {
                let known = self.peers.get_mut(&peer).unwrap();
                assert_eq!(known.0, from);
                (known.0, known.1) = (to, false);
            }
            Fact::PeerLost { peer, .. } => {
                assert!(!std::mem::replace(&mut self.peers.get_mut(&peer).unwrap().1, true));
            }
            Fact::PeerFound { peer, .. } => {
                assert!(std::mem::replace(&mut self.peers.get_mut(&peer).unwrap().1, false));
            }
            Fact::PeerLeft { peer, .. } => {
                assert!(self.peers.remove(&peer).unwrap().3.is_empty(), "producers left open");
            }
            Fact::Renamed { peer, display_name } => {
                self.peers.get_mut(&peer).unwrap().2 = display_name;
            }
            Fact::ProducerAdded { peer, producer, .. } => self.open(&peer, &producer),
            Fact::ProducerReplaced { peer, old, producer, .. } => {
                self.close(&peer, &old);
                self.open(&peer, &producer);
            }
            Fact::ProducerClosed { peer, producer } => self.close(&peer, &producer),
            Fact::ProducerPaused { producer, paused, .. } => self.pause(producer, paused),
            Fact::DataProducerAdded { peer, producer, .. } => {
                self.open(&peer, &alike(&producer));
            }
            Fact::DataProducerReplaced { peer, old, producer, .. } => {
                self.close(&peer, &stream_id(&old));
                self.open(&peer, &alike(&producer));
            }
            Fact::DataProducerClosed { peer, producer } => {
                self.close(&peer, &stream_id(&producer));
            }
            Fact::DataProducerPaused { producer, paused, .. } => {
                self.pause(stream_id(&producer), paused);
            }
        }
    }

    fn pause(&mut self, producer: ProducerId, paused: bool) {
        assert_ne!(self.paused.contains(&producer), paused);
        let _ = if paused { self.paused.insert(producer) } else { self.paused.remove(&producer) };
    }

    fn open(&mut self, peer: &PeerId, producer: &super::ProducerEntry) {
        assert!(self.peers.get_mut(peer).unwrap().3.insert(producer.id.clone()), "added twice");
        if producer.paused {
            self.paused.insert(producer.id.clone());
        }
    }

    fn close(&mut self, peer: &PeerId, producer: &ProducerId) {
        assert!(self.peers.get_mut(peer).unwrap().3.remove(producer), "closed unknown");
        self.paused.remove(producer);
    }
}

/// Ids of data producers are their own, so one set can hold both.
fn stream_id(data: &DataProducerId) -> ProducerId {
    data.as_str().parse().unwrap()
}

fn alike(producer: &DataProducerEntry) -> super::ProducerEntry {
    let mut stream = super::tests::producer(producer.id.as_str(), "", "");
    stream.paused = producer.paused;
    stream
}

/// All that a peer produces: ids and pauses.
fn produced(entry: &super::PeerEntry) -> impl Iterator<Item = (ProducerId, bool)> {
    let streams = entry.producers.iter().map(|it| (it.id.clone(), it.paused));
    streams.chain(entry.data_producers.iter().map(|it| (stream_id(&it.id), it.paused)))
}

impl World {
    fn new() -> Self {
        let rooms = (0..NODES).map(|i| RoomReplica::new(name(i), 0, RESUME_WINDOW)).collect();
        let pairs = (0..NODES).flat_map(|a| (0..NODES).map(move |b| (a, b)));
        Self {
            now: Instant::now(),
            clock: 1,
            rooms,
            epochs: vec![1; NODES],
            listeners: (0..NODES).map(|_| Listener::default()).collect(),
            links: pairs
                .filter(|(a, b)| a != b)
                .map(|pair| {
                    let hello = Snapshot { seq: 0, peers: Vec::new() };
                    (pair, VecDeque::from([Message::Snapshot(hello)]))
                })
                .collect(),
        }
    }

    fn tell(&mut self, at: usize, local: Local) {
        if let Some((seq, change)) = local.delta {
            for (_, queue) in self.links.iter_mut().filter(|((from, _), _)| *from == at) {
                queue.push_back(Message::Delta(seq, change.clone()));
            }
        }
        self.hear(at, &local.facts);
    }

    fn hear(&mut self, at: usize, facts: &[Fact]) {
        for fact in facts {
            self.listeners[at].hear(fact);
        }
        invariant_facts_add_up_to_the_view(&self.rooms[at], &self.listeners[at]);
        for fact in facts {
            if let Fact::PeerMoved { peer, from, to } = fact
                && *from == name(at)
                && *to != name(at)
                && let Some(entry) =
                    self.rooms[at].snapshot().peers.iter().find(|own| own.id == *peer)
            {
                let local = self.rooms[at].local_leave(self.now, peer, entry.incarnation);
                self.tell(at, local);
            }
        }
    }

    fn receive(&mut self, from: usize, to: usize, message: Message) {
        let (now, epoch, from_name) = (self.now, self.epochs[from], name(from));
        let outcome = match message {
            Message::Snapshot(s) => self.rooms[to].remote_snapshot(now, &from_name, epoch, s),
            Message::Delta(seq, c) => self.rooms[to].remote_delta(now, &from_name, epoch, seq, &c),
            Message::SnapshotWanted => {
                let snapshot = Message::Snapshot(self.rooms[to].snapshot());
                self.links.get_mut(&(to, from)).unwrap().push_back(snapshot);
                return;
            }
        };
        if outcome.want_snapshot {
            self.links.get_mut(&(to, from)).unwrap().push_back(Message::SnapshotWanted);
        }
        self.hear(to, &outcome.facts);
    }

    fn cut(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            if self.links.remove(&(from, to)).is_some() {
                let facts = self.rooms[to].node_lost(self.now, &name(from));
                self.hear(to, &facts);
            }
        }
    }

    fn heal(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            if from != to && !self.links.contains_key(&(from, to)) {
                let snapshot = Message::Snapshot(self.rooms[from].snapshot());
                self.links.insert((from, to), VecDeque::from([snapshot]));
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for at in 0..NODES {
            let facts = self.rooms[at].expire(self.now);
            self.hear(at, &facts);
            assert!(self.rooms[at].next_deadline().is_none_or(|deadline| deadline > self.now));
        }
    }

    fn run(&mut self, step: Step) {
        self.clock += 1;
        let now = self.now;
        match step {
            Step::Join { at, who } => {
                let mut entry = peer(PEERS[who], 0);
                entry.incarnation = self.rooms[at].next_incarnation(&entry.id, self.clock);
                let local = self.rooms[at].local_join(now, entry);
                self.tell(at, local);
            }
            Step::Leave { at, who } => {
                let local = self.rooms[at].local_leave(now, &peer(PEERS[who], 0).id, u64::MAX);
                self.tell(at, local);
            }
            Step::Produce { at, who, source } => {
                let id = format!("{}-{}", SOURCES[source], self.clock % 4);
                let producer = producer(
                    &format!("{}-{id}", PEERS[who]),
                    SOURCES[source],
                    if self.clock.is_multiple_of(3) { "video/VP8" } else { "video/H264" },
                );
                let local = self.rooms[at].local_produce(now, &peer(PEERS[who], 0).id, producer);
                self.tell(at, local);
            }
            Step::ProduceData { at, who, source } => {
                let id = format!("data-{}-{}-{}", PEERS[who], SOURCES[source], self.clock % 4);
                let producer = data(&id, SOURCES[source]);
                let peer = peer(PEERS[who], 0).id;
                let local = self.rooms[at].local_produce_data(now, &peer, producer);
                self.tell(at, local);
            }
            Step::CloseData { at, who } => self.first_data(at, who, |room, peer, producer| {
                room.local_close_data(now, peer, producer)
            }),
            Step::PauseData { at, who, paused } => {
                self.first_data(at, who, |room, peer, producer| {
                    room.local_pause_data(now, peer, producer, paused)
                });
            }
            Step::Close { at, who } => self.first_producer(at, who, |room, peer, producer| {
                room.local_close(now, peer, producer)
            }),
            Step::Pause { at, who, paused } => {
                self.first_producer(at, who, |room, peer, producer| {
                    room.local_pause(now, peer, producer, paused)
                });
            }
            Step::Rename { at, who } => {
                let name = format!("name {}", self.clock);
                let local = self.rooms[at].local_rename(now, &peer(PEERS[who], 0).id, name);
                self.tell(at, local);
            }
            Step::Deliver { from, to, twice } => {
                let Some(queue) = self.links.get_mut(&(from, to)) else { return };
                let Some(message) = queue.pop_front() else { return };
                if twice {
                    self.receive(from, to, message.clone());
                }
                self.receive(from, to, message);
            }
            Step::Drop { from, to } => {
                self.links.get_mut(&(from, to)).map(VecDeque::pop_front);
            }
            Step::Cut { a, b } => self.cut(a, b),
            Step::Heal { a, b } => self.heal(a, b),
            Step::Restart { at } => self.restart(at),
            Step::Pass { millis } => self.pass(Duration::from_millis(millis)),
        }
    }

    fn restart(&mut self, at: usize) {
        for other in 0..NODES {
            self.cut(at, other);
        }
        self.epochs[at] += 1;
        self.rooms[at] = RoomReplica::new(name(at), 0, RESUME_WINDOW);
        self.listeners[at] = Listener::default();
    }

    fn first_producer(
        &mut self,
        at: usize,
        who: usize,
        call: impl FnOnce(&mut RoomReplica, &PeerId, &ProducerId) -> Local,
    ) {
        let id = peer(PEERS[who], 0).id;
        let own = self.rooms[at].snapshot().peers;
        let entry = own.into_iter().find(|entry| entry.id == id);
        if let Some(producer) = entry.and_then(|entry| entry.producers.into_iter().next()) {
            let local = call(&mut self.rooms[at], &id, &producer.id);
            self.tell(at, local);
        }
    }

    fn first_data(
        &mut self,
        at: usize,
        who: usize,
        call: impl FnOnce(&mut RoomReplica, &PeerId, &DataProducerId) -> Local,
    ) {
        let id = peer(PEERS[who], 0).id;
        let own = self.rooms[at].snapshot().peers;
        let entry = own.into_iter().find(|entry| entry.id == id);
        if let Some(producer) = entry.and_then(|entry| entry.data_producers.into_iter().next()) {
            let local = call(&mut self.rooms[at], &id, &producer.id);
            self.tell(at, local);
        }
    }

    /// All links come up, all is delivered, all windows end.
    fn settle(&mut self) {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            self.heal(a, b);
        }
        for _ in 0..3 {
            while let Some((&(from, to), queue)) =
                self.links.iter_mut().find(|(_, queue)| !queue.is_empty())
            {
                let message = queue.pop_front().unwrap();
                self.receive(from, to, message);
            }
            self.pass(RESUME_WINDOW + Duration::from_secs(10));
            // Every node says something, so that a message dropped last is missed.
            for at in 0..NODES {
                let mut entry = peer(&format!("last-{at}"), 0);
                entry.incarnation = self.rooms[at].next_incarnation(&entry.id, self.clock);
                let local = self.rooms[at].local_join(self.now, entry);
                self.tell(at, local);
            }
        }
        while let Some((&(from, to), queue)) =
            self.links.iter_mut().find(|(_, queue)| !queue.is_empty())
        {
            let message = queue.pop_front().unwrap();
            self.receive(from, to, message);
        }
    }
}

fn name(index: usize) -> NodeId {
    node(&format!("node-{index}"))
}

fn invariant_facts_add_up_to_the_view(room: &RoomReplica, listener: &Listener) {
    assert_eq!(room.len(), listener.peers.len());
    for view in room.peers() {
        let (node, lost, display_name, producers) = &listener.peers[&view.entry.id];
        assert_eq!((node, *lost), (view.node, view.lost));
        assert_eq!(*display_name, view.entry.display_name);
        for (producer, paused) in produced(view.entry) {
            assert!(producers.contains(&producer));
            assert_eq!(listener.paused.contains(&producer), paused);
        }
    }
}

fn invariant_all_see_the_truth(world: &World) {
    let mut truth = BTreeMap::new();
    for (at, room) in world.rooms.iter().enumerate() {
        for entry in room.snapshot().peers {
            let other = truth.insert(entry.id.clone(), (name(at), entry));
            assert!(other.is_none(), "two nodes own {other:?}");
        }
    }
    for (room, listener) in world.rooms.iter().zip(&world.listeners) {
        let seen: BTreeMap<_, _> = room
            .peers()
            .map(|view| (view.entry.id.clone(), (view.node.clone(), view.entry.clone())))
            .collect();
        assert_eq!(seen, truth);
        for (peer, known) in &listener.peers {
            let producers = produced(&truth[peer].1).map(|(id, _)| id);
            assert_eq!(known.3, producers.collect());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn all_nodes_come_to_see_the_truth(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.settle();
        invariant_all_see_the_truth(&world);
    }
}
