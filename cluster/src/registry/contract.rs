//! What every registry does, whatever is behind it. The same suite runs on memory and on a real
//! etcd.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use starling_proto::{
    Id, NodeId, RevocationId, RoomId, WebhookId,
    registry::{
        NodeLoad, NodeRecord, NodeState, PresenceRecord, RevocationRecord, RoomRecord,
        WebhookRecord,
    },
};
use tokio::sync::mpsc;

use super::{
    Change, Registry, RegistryError, View, WatchEvent,
    etcd::{EtcdConfig, EtcdRegistry},
    memory::MemoryRegistry,
    server::EtcdServer,
};

/// Leases of all beds: the shortest that etcd grants.
pub(super) const TTL: Duration = Duration::from_secs(2);
/// Anything that should happen happens within this, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// A registry under test.
#[async_trait]
trait Bed: Send + Sync {
    /// A new process of a node.
    fn node(&self, name: &str) -> Arc<dyn Registry>;
    /// All nodes lose reach.
    fn cut(&mut self);
    /// They find it again.
    fn mend(&mut self);
}

impl Bed for MemoryRegistry {
    fn node(&self, name: &str) -> Arc<dyn Registry> {
        Arc::new(self.for_node(node(name)))
    }
    fn cut(&mut self) {
        self.set_available(false);
    }
    fn mend(&mut self) {
        self.set_available(true);
    }
}

impl Bed for EtcdServer {
    fn node(&self, name: &str) -> Arc<dyn Registry> {
        Arc::new(EtcdRegistry::connect(config(self.url(), name)).unwrap())
    }
    fn cut(&mut self) {
        self.kill();
    }
    fn mend(&mut self) {
        self.start();
    }
}

macro_rules! contract {
    ($($name:ident,)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::MemoryRegistry::with_ttl(super::TTL)).await;
            })*
        }
        mod etcd {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::EtcdServer::spawn()).await;
            })*
        }
    };
}

contract! {
    a_node_is_seen_until_it_leaves,
    the_first_thing_a_watch_brings_is_the_view,
    of_eight_writers_of_a_room_one_wins,
    a_revocation_ends_by_itself_or_is_taken_back,
    a_webhook_is_known_to_all_until_it_is_deleted,
    changes_come_in_the_order_they_were_made_in,
    presence_waits_for_its_node,
    what_a_dead_node_wrote_ends_with_its_lease,
    a_restarted_node_takes_the_place_of_its_earlier_life,
    a_receiver_that_falls_behind_gets_the_view,
    while_out_of_reach_calls_fail_and_presence_is_remembered,
}

async fn a_node_is_seen_until_it_leaves(bed: impl Bed) {
    let (a, b) = (bed.node("a"), bed.node("b"));
    let mut seen = Seen::new(b.watch());
    seen.until(|view| view.nodes.is_empty()).await;
    a.register(record("a", 1)).await.unwrap();
    seen.until(|view| view.nodes.get(&node("a")) == Some(&record("a", 1))).await;
    let busy = NodeRecord { load: NodeLoad { peers: 7, ..NodeLoad::default() }, ..record("a", 1) };
    a.register(busy.clone()).await.unwrap();
    seen.until(|view| view.nodes.get(&node("a")) == Some(&busy)).await;
    a.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    seen.until(|view| view.presence.get(&(room("r"), node("a"))) == Some(&PRESENCE)).await;
    a.set_presence(&room("r"), None).await.unwrap();
    seen.until(|view| view.presence.is_empty()).await;
    a.set_presence(&room("s"), Some(PRESENCE)).await.unwrap();
    a.leave().await;
    seen.until(|view| view.nodes.is_empty() && view.presence.is_empty()).await;
    assert_eq!(a.set_presence(&room("r"), Some(PRESENCE)).await, Err(RegistryError::NotRegistered));
}

async fn the_first_thing_a_watch_brings_is_the_view(bed: impl Bed) {
    let a = bed.node("a");
    a.register(record("a", 1)).await.unwrap();
    a.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    let revision = a.put_room(&room("r"), &ROOM, 0).await.unwrap();
    for late in [&bed.node("b"), &a] {
        let mut watch = late.watch();
        let mut view = match next(&mut watch).await {
            WatchEvent::Snapshot(view) => view,
            other => panic!("{other:?}"),
        };
        // A node that was there before may hear of the last writes as changes.
        while view.rooms.is_empty() || view.presence.is_empty() {
            let WatchEvent::Change(change) = next(&mut watch).await else { panic!() };
            view.apply(&change);
        }
        assert_eq!(view.nodes, [(node("a"), record("a", 1))].into());
        assert_eq!(view.rooms, [(room("r"), (revision, ROOM))].into());
        assert_eq!(view.presence, [((room("r"), node("a")), PRESENCE)].into());
    }
}

async fn of_eight_writers_of_a_room_one_wins(bed: impl Bed) {
    let nodes: Vec<_> = (0..8).map(|i| bed.node(&format!("n{i}"))).collect();
    let writes = nodes.iter().zip(1..).map(|(writer, incarnation)| async move {
        writer.put_room(&room("r"), &RoomRecord { incarnation, ..ROOM }, 0).await
    });
    let answers = futures::future::join_all(writes).await;
    let won: Vec<_> = answers.iter().zip(1..).filter(|(answer, _)| answer.is_ok()).collect();
    let [(Ok(revision), incarnation)] = won[..] else { panic!("{answers:?}") };
    let lost = answers.iter().filter(|answer| **answer == Err(RegistryError::Conflict));
    assert_eq!(lost.count(), 7, "{answers:?}");
    let known = nodes[0].room(&room("r")).await.unwrap();
    assert_eq!(known, Some((*revision, RoomRecord { incarnation, ..ROOM })));

    let (a, b, r) = (&nodes[0], &nodes[1], room("r"));
    let second = a.put_room(&r, &ROOM, *revision).await.unwrap();
    assert!(second > *revision);
    assert_eq!(b.put_room(&r, &ROOM, *revision).await, Err(RegistryError::Conflict));
    assert_eq!(b.delete_room(&r, *revision).await, Err(RegistryError::Conflict));
    b.delete_room(&r, second).await.unwrap();
    assert_eq!(a.room(&r).await.unwrap(), None);
    assert_eq!(a.put_room(&r, &ROOM, second).await, Err(RegistryError::Conflict));
    assert!(a.put_room(&r, &ROOM, 0).await.unwrap() > second, "a revision never comes again");
}

async fn a_revocation_ends_by_itself_or_is_taken_back(bed: impl Bed) {
    let (a, b) = (bed.node("a"), bed.node("b"));
    let mut seen = Seen::new(b.watch());
    let (short, long): (RevocationId, RevocationId) =
        ("short".parse().unwrap(), "long".parse().unwrap());
    let record = RevocationRecord {
        token_id: Some("t1".to_owned()),
        room: Some(room("r")),
        expires_at: 9,
        ..RevocationRecord::default()
    };
    a.put_revocation(&long, &record, Duration::from_secs(600)).await.unwrap();
    a.put_revocation(&short, &record, TTL).await.unwrap();
    seen.until(|view| view.revocations.get(&short) == Some(&record)).await;
    // Whoever made it may be gone.
    drop(a);
    seen.until(|view| !view.revocations.contains_key(&short)).await;
    assert_eq!(seen.view.revocations.get(&long), Some(&record));
    assert!(b.delete_revocation(&long).await.unwrap());
    seen.until(|view| view.revocations.is_empty()).await;
    assert!(!b.delete_revocation(&long).await.unwrap());
}

async fn a_webhook_is_known_to_all_until_it_is_deleted(bed: impl Bed) {
    let (a, b) = (bed.node("a"), bed.node("b"));
    let mut seen = Seen::new(b.watch());
    let id: WebhookId = "billing".parse().unwrap();
    let record = WebhookRecord {
        created_at: 7,
        url: "https://example.org/hook".to_owned(),
        events: vec!["room.started".to_owned()],
        room: Some(room("r")),
    };
    let first = a.put_webhook(&id, &record, 0).await.unwrap();
    assert_eq!(b.put_webhook(&id, &record, 0).await, Err(RegistryError::Conflict));
    seen.until(|view| view.webhooks.get(&id) == Some(&(first, record.clone()))).await;
    assert_eq!(b.delete_webhook(&id, first + 1).await, Err(RegistryError::Conflict));
    b.delete_webhook(&id, first).await.unwrap();
    seen.until(|view| view.webhooks.is_empty()).await;
    assert!(a.put_webhook(&id, &record, 0).await.unwrap() > first);
}

async fn changes_come_in_the_order_they_were_made_in(bed: impl Bed) {
    let (a, b) = (bed.node("a"), bed.node("b"));
    let mut watch = b.watch();
    assert_eq!(next(&mut watch).await, WatchEvent::Snapshot(View::default()));
    let (mut revision, mut made) = (0, Vec::new());
    for incarnation in 1..=50 {
        let record = RoomRecord { incarnation, ..ROOM };
        revision = a.put_room(&room("r"), &record, revision).await.unwrap();
        made.push(WatchEvent::Change(Change::Room(room("r"), Some((revision, record)))));
    }
    a.delete_room(&room("r"), revision).await.unwrap();
    made.push(WatchEvent::Change(Change::Room(room("r"), None)));
    for change in made {
        assert_eq!(next(&mut watch).await, change);
    }
}

async fn presence_waits_for_its_node(bed: impl Bed) {
    let a = bed.node("a");
    let early = a.set_presence(&room("r"), Some(PRESENCE)).await;
    assert_eq!(early, Err(RegistryError::NotRegistered));
    a.register(record("a", 1)).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.presence.contains_key(&(room("r"), node("a")))).await;
}

async fn what_a_dead_node_wrote_ends_with_its_lease(bed: impl Bed) {
    let (a, b) = (bed.node("a"), bed.node("b"));
    a.register(record("a", 1)).await.unwrap();
    a.set_presence(&room("r"), Some(PRESENCE)).await.unwrap();
    a.put_room(&room("r"), &ROOM, 0).await.unwrap();
    let mut seen = Seen::new(b.watch());
    seen.until(|view| view.presence.len() == 1 && view.rooms.len() == 1).await;
    let died = Instant::now();
    drop(a);
    seen.until(|view| view.nodes.is_empty() && view.presence.is_empty()).await;
    assert!(died.elapsed() > TTL / 2, "a lease outlives a moment's silence: {:?}", died.elapsed());
    assert_eq!(seen.view.rooms.len(), 1, "a room is under no lease");
}

async fn a_restarted_node_takes_the_place_of_its_earlier_life(bed: impl Bed) {
    let (first, b) = (bed.node("a"), bed.node("b"));
    first.register(record("a", 1)).await.unwrap();
    first.set_presence(&room("old"), Some(PRESENCE)).await.unwrap();
    let mut seen = Seen::new(b.watch());
    seen.until(|view| view.presence.len() == 1).await;
    let second = bed.node("a");
    second.register(record("a", 2)).await.unwrap();
    second.set_presence(&room("new"), Some(PRESENCE)).await.unwrap();
    seen.until(|view| view.nodes.get(&node("a")).is_some_and(|a| a.epoch == 2)).await;
    let fenced = first.register(NodeRecord { state: NodeState::Draining, ..record("a", 1) }).await;
    let told = [RegistryError::Succeeded, RegistryError::NotRegistered];
    assert!(fenced.is_err_and(|error| told.contains(&error)));
    drop(first);
    seen.until(|view| !view.presence.contains_key(&(room("old"), node("a")))).await;
    tokio::time::sleep(TTL * 2).await;
    seen.until(|view| view.presence.len() == 1).await;
    assert_eq!(seen.view.nodes.get(&node("a")), Some(&record("a", 2)));
}

async fn a_receiver_that_falls_behind_gets_the_view(bed: impl Bed) {
    let (a, b) = (bed.node("a"), bed.node("b"));
    let mut watch = b.watch();
    assert_eq!(next(&mut watch).await, WatchEvent::Snapshot(View::default()));
    let mut up_to_date = Seen::new(b.watch());
    let mut revision = 0;
    for incarnation in 1..=1_200 {
        let record = RoomRecord { incarnation, ..ROOM };
        revision = a.put_room(&room("r"), &record, revision).await.unwrap();
    }
    let last = (revision, RoomRecord { incarnation: 1_200, ..ROOM });
    up_to_date.until(|view| view.rooms.get(&room("r")) == Some(&last)).await;
    let mut slow = Seen::new(watch);
    slow.until(|view| view.rooms.get(&room("r")) == Some(&last)).await;
    assert_eq!(slow.snapshots, 1, "instead of what it missed");
    assert!(slow.changes < 1_200, "{} changes", slow.changes);
}

async fn while_out_of_reach_calls_fail_and_presence_is_remembered(mut bed: impl Bed) {
    let a = bed.node("a");
    a.register(record("a", 1)).await.unwrap();
    a.set_presence(&room("ended"), Some(PRESENCE)).await.unwrap();
    a.put_room(&room("r"), &ROOM, 0).await.unwrap();
    let mut seen = Seen::new(a.watch());
    seen.until(|view| view.presence.len() == 1 && view.rooms.len() == 1).await;

    bed.cut();
    let started = Instant::now();
    unavailable(a.set_presence(&room("begun"), Some(PRESENCE)).await);
    unavailable(a.set_presence(&room("ended"), None).await);
    unavailable(a.register(record("a", 2)).await);
    unavailable(a.room(&room("r")).await);
    unavailable(a.put_room(&room("new"), &ROOM, 0).await);
    assert!(started.elapsed() < Duration::from_secs(13), "five calls of 2 s at most");
    seen.lost().await;
    assert_eq!(seen.view.rooms.len(), 1, "the last view stays");

    bed.mend();
    let begun = (room("begun"), node("a"));
    seen.until(|view| {
        view.presence.contains_key(&begun)
            && view.presence.len() == 1
            && view.nodes.get(&node("a")).is_some_and(|a| a.epoch == 2)
    })
    .await;
    assert!(!seen.is_lost);
    assert!(a.room(&room("r")).await.unwrap().is_some());
    assert_eq!(a.room(&room("new")).await.unwrap(), None, "rooms are not remembered");
}

fn unavailable<T: std::fmt::Debug>(answer: Result<T, RegistryError>) {
    assert!(matches!(answer, Err(RegistryError::Unavailable(_))), "{answer:?}");
}

pub(super) const ROOM: RoomRecord = RoomRecord {
    incarnation: 1,
    policy: starling_proto::registry::RoomPolicy {
        pinned_nodes: Vec::new(),
        regions: Vec::new(),
        mode: starling_proto::registry::PolicyMode::Balance,
        max_peers: 0,
        last_n: 0,
        audio_levels: starling_proto::registry::AudioLevels::DEFAULT,
    },
    persistent: false,
};
pub(super) const PRESENCE: PresenceRecord = PresenceRecord { epoch: 1, incarnation: 1 };

pub(super) fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

pub(super) fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

pub(super) fn record(name: &str, epoch: u64) -> NodeRecord {
    NodeRecord {
        id: node(name),
        epoch,
        region: "eu".to_owned(),
        zone: "a".to_owned(),
        link_addr: "127.0.0.1:7000".parse().unwrap(),
        api_url: "http://127.0.0.1:7001".to_owned(),
        version: "0.1.0".to_owned(),
        protocol: (1, 1),
        state: NodeState::Up,
        cordoned: false,
        load: NodeLoad::default(),
        cost: None,
    }
}

pub(super) fn config(url: String, name: &str) -> EtcdConfig {
    EtcdConfig { lease_ttl: TTL, ..EtcdConfig::new(vec![url], node(name)) }
}

pub(super) async fn next(watch: &mut mpsc::Receiver<WatchEvent>) -> WatchEvent {
    let event = tokio::time::timeout(SOON, watch.recv()).await;
    event.expect("something happens").expect("the registry lives")
}

/// A watch and what it has brought.
pub(super) struct Seen {
    watch: mpsc::Receiver<WatchEvent>,
    pub(super) view: View,
    pub(super) is_lost: bool,
    pub(super) snapshots: u32,
    pub(super) changes: u32,
}

impl Seen {
    pub(super) fn new(watch: mpsc::Receiver<WatchEvent>) -> Self {
        Self { watch, view: View::default(), is_lost: false, snapshots: 0, changes: 0 }
    }

    async fn step(&mut self) {
        match next(&mut self.watch).await {
            WatchEvent::Snapshot(view) => {
                (self.view, self.is_lost) = (view, false);
                self.snapshots += 1;
            }
            WatchEvent::Change(change) => {
                assert!(self.view.apply(&change), "no change: {change:?}");
                self.changes += 1;
            }
            WatchEvent::Lost => self.is_lost = true,
        }
    }

    /// Reads until the view is so; at once if it is, and a snapshot has come.
    pub(super) async fn until(&mut self, so: impl Fn(&View) -> bool) {
        while self.snapshots == 0 || self.is_lost || !so(&self.view) {
            self.step().await;
        }
    }

    /// Reads until the registry is out of reach.
    pub(super) async fn lost(&mut self) {
        while !self.is_lost {
            self.step().await;
        }
    }
}
