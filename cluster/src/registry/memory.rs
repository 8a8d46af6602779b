//! The registry of one process: `starling dev` and tests run many nodes on one store. Leases, lost
//! reach and return behave as etcd's do. Never survives its process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use starling_proto::{
    NodeId, RevocationId, RoomId, WebhookId,
    registry::{NodeRecord, PresenceRecord, RevocationRecord, RoomRecord, WebhookRecord},
};
use tokio::sync::mpsc;

use super::{Change, Registry, RegistryError, Revision, View, WatchEvent, feed::Feed};

/// A node's lease after its last sign of life, as in etcd by default.
const LEASE_TTL: Duration = Duration::from_secs(5);

/// The store all nodes of a process share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MemoryRegistry {
    store: Arc<Mutex<Store>>,
    ttl: Duration,
}

/// One node's way to the store. Dropped without `leave`, its lease ends after the store's ttl.
#[derive(Debug)]
pub struct MemoryNode {
    registry: MemoryRegistry,
    life: u64,
    feed: Arc<Feed>,
}

#[derive(Debug)]
struct Store {
    up: bool,
    revision: Revision,
    view: View,
    /// Under which life's lease a key is.
    leased: BTreeMap<LeaseKey, u64>,
    /// Lives so far; each handle is one.
    lives: u64,
    seats: BTreeMap<u64, Seat>,
}

/// What is under leases: nodes, and their rooms.
type LeaseKey = (NodeId, Option<RoomId>);

/// What the store knows of a handle.
#[derive(Debug)]
struct Seat {
    node: NodeId,
    feed: Arc<Feed>,
    reach: Reach,
    /// Goes up when reach changes, so that a lease that was about to end knows that it was kept.
    changes: u64,
    /// Written when in reach, kept for later when not.
    record: Option<NodeRecord>,
    presence: BTreeMap<RoomId, PresenceRecord>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Here,
    Away,
    /// Does not come back.
    Dead,
}

impl Default for MemoryRegistry {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRegistry {
    /// An empty store with leases of 5 s.
    pub fn new() -> Self {
        Self::with_ttl(LEASE_TTL)
    }

    /// An empty store with leases of `ttl`.
    pub fn with_ttl(ttl: Duration) -> Self {
        let store = Store {
            up: true,
            revision: 0,
            view: View::default(),
            leased: BTreeMap::new(),
            lives: 0,
            seats: BTreeMap::new(),
        };
        Self { store: Arc::new(Mutex::new(store)), ttl }
    }

    /// A node's way to the store. A second one for the same id is a restarted node: the first has
    /// no say any more, and its lease ends after the ttl.
    pub fn for_node(&self, node: NodeId) -> MemoryNode {
        self.kill(&node);
        let feed = Arc::new(Feed::new());
        let mut store = self.store();
        store.lives += 1;
        let life = store.lives;
        if store.up {
            feed.snapshot(store.view.clone());
        } else {
            feed.lose();
        }
        let seat = Seat {
            node,
            feed: feed.clone(),
            reach: Reach::Here,
            changes: 0,
            record: None,
            presence: BTreeMap::new(),
        };
        store.seats.insert(life, seat);
        drop(store);
        MemoryNode { registry: self.clone(), life, feed }
    }

    /// All nodes reach the store, or none does: calls err, watches get `Lost`, and a `Snapshot` on
    /// return. Leases do not end meanwhile.
    pub fn set_available(&self, available: bool) {
        let mut store = self.store();
        store.up = available;
        store.reach_changed();
    }

    /// One node reaches the store or does not. Its lease ends after the ttl; on return it is taken
    /// again, with record and presence.
    pub fn set_node_available(&self, node: &NodeId, available: bool) {
        self.set_reach(node, if available { Reach::Here } else { Reach::Away });
    }

    /// The node's process ends without a word: its calls err, its lease ends after the ttl (outside
    /// a tokio runtime: at once).
    pub fn kill(&self, node: &NodeId) {
        self.set_reach(node, Reach::Dead);
    }

    fn set_reach(&self, node: &NodeId, reach: Reach) {
        let store = self.store();
        let newest = store.seats.iter().rev().find(|(_, seat)| seat.node == *node);
        let life = newest.map(|(life, _)| *life);
        drop(store);
        if let Some(life) = life {
            self.set_life_reach(life, reach);
        }
    }

    fn set_life_reach(&self, life: u64, reach: Reach) {
        let mut store = self.store();
        let Some(seat) = store.seats.get_mut(&life) else {
            return;
        };
        if seat.reach == Reach::Dead || seat.reach == reach {
            return;
        }
        seat.reach = reach;
        seat.changes += 1;
        let changes = seat.changes;
        store.reach_changed();
        if reach == Reach::Here {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(self.clone().end_lease(life, changes))),
            Err(_) => store.end(life),
        }
    }

    /// Ends the lease of a handle that stays out of reach for the ttl.
    async fn end_lease(self, life: u64, changes: u64) {
        loop {
            tokio::time::sleep(self.ttl).await;
            let mut store = self.store();
            if store.seats.get(&life).is_none_or(|seat| seat.changes != changes) {
                return;
            }
            if store.up {
                store.end(life);
                return;
            }
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    fn reaches(&self, seat: &Seat) -> bool {
        self.up && seat.reach == Reach::Here
    }

    fn write(&mut self, change: &Change) {
        if !self.view.apply(change) {
            return;
        }
        for seat in self.seats.values().filter(|seat| self.reaches(seat)) {
            seat.feed.change(change.clone());
        }
    }

    /// Writes a key under a life's lease; an older lease of the key has no hold on it any more.
    fn write_leased(&mut self, life: u64, change: &Change) {
        let (key, there) = match change {
            Change::Node(node, record) => ((node.clone(), None), record.is_some()),
            Change::Presence(room, node, presence) => {
                ((node.clone(), Some(room.clone())), presence.is_some())
            }
            Change::Revocation(..) | Change::Room(..) | Change::Webhook(..) => return,
        };
        if there {
            self.leased.insert(key, life);
        } else {
            self.leased.remove(&key);
        }
        self.write(change);
    }

    /// Writes what a node remembers.
    fn write_seat(&mut self, life: u64) {
        let Some(seat) = self.seats.get(&life) else {
            return;
        };
        let Some(record) = seat.record.clone() else {
            return;
        };
        let (node, presence) = (seat.node.clone(), seat.presence.clone());
        let gone = self.rooms_of(life).filter(|room| !presence.contains_key(room));
        for room in gone.collect::<Vec<_>>() {
            self.write_leased(life, &Change::Presence(room, node.clone(), None));
        }
        self.write_leased(life, &Change::Node(node.clone(), Some(record)));
        for (room, presence) in presence {
            self.write_leased(life, &Change::Presence(room, node.clone(), Some(presence)));
        }
    }

    fn reach_changed(&mut self) {
        let back: Vec<_> = self
            .seats
            .iter()
            .filter(|(_, seat)| self.reaches(seat) && seat.feed.is_lost())
            .map(|(life, _)| *life)
            .collect();
        for life in &back {
            self.write_seat(*life);
        }
        for (life, seat) in &self.seats {
            if back.contains(life) {
                seat.feed.snapshot(self.view.clone());
            } else if !self.reaches(seat) {
                seat.feed.lose();
            }
        }
    }

    /// Removes all that is under a life's lease.
    fn erase(&mut self, life: u64) {
        let keys = self.leased.iter().filter(|(_, owner)| **owner == life);
        for (node, room) in keys.map(|(key, _)| key.clone()).rev().collect::<Vec<_>>() {
            let change = match room {
                Some(room) => Change::Presence(room, node, None),
                None => Change::Node(node, None),
            };
            self.write_leased(life, &change);
        }
    }

    fn end(&mut self, life: u64) {
        self.erase(life);
        if self.seats.get(&life).is_some_and(|seat| seat.reach == Reach::Dead) {
            self.seats.remove(&life);
        }
    }

    fn rooms_of(&self, life: u64) -> impl Iterator<Item = RoomId> {
        let leased = self.leased.iter().filter(move |(_, owner)| **owner == life);
        leased.filter_map(|((_, room), _)| room.clone())
    }
}

impl MemoryNode {
    /// What the store remembers of this handle; nothing if a newer one took its place.
    fn seat<'a>(&self, store: &'a mut Store) -> Result<&'a mut Seat, RegistryError> {
        let seat = store.seats.get_mut(&self.life).filter(|seat| seat.reach != Reach::Dead);
        seat.ok_or(RegistryError::NotRegistered)
    }

    /// Whether the store can be reached.
    fn reach(&self, store: &Store) -> Result<(), RegistryError> {
        if store.seats.get(&self.life).is_some_and(|seat| store.reaches(seat)) {
            return Ok(());
        }
        Err(RegistryError::Unavailable("the store is set unavailable".to_owned()))
    }
}

#[async_trait]
impl Registry for MemoryNode {
    async fn register(&self, record: NodeRecord) -> Result<(), RegistryError> {
        let mut store = self.registry.store();
        self.seat(&mut store)?.record = Some(record);
        self.reach(&store)?;
        store.write_seat(self.life);
        Ok(())
    }

    async fn leave(&self) {
        let mut store = self.registry.store();
        let Ok(seat) = self.seat(&mut store) else {
            return;
        };
        seat.record = None;
        seat.presence.clear();
        if self.reach(&store).is_ok() {
            store.erase(self.life);
        }
    }

    async fn set_presence(
        &self,
        room: &RoomId,
        presence: Option<PresenceRecord>,
    ) -> Result<(), RegistryError> {
        let mut store = self.registry.store();
        let seat = self.seat(&mut store)?;
        match presence.clone() {
            Some(presence) => seat.presence.insert(room.clone(), presence),
            None => seat.presence.remove(room),
        };
        if seat.record.is_none() {
            return Err(RegistryError::NotRegistered);
        }
        let node = seat.node.clone();
        self.reach(&store)?;
        store.write_leased(self.life, &Change::Presence(room.clone(), node, presence));
        Ok(())
    }

    async fn put_revocation(
        &self,
        id: &RevocationId,
        record: &RevocationRecord,
        within: Duration,
    ) -> Result<(), RegistryError> {
        let mut store = self.registry.store();
        self.reach(&store)?;
        store.write(&Change::Revocation(id.clone(), Some(record.clone())));
        drop(store);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (registry, id) = (self.registry.clone(), id.clone());
            runtime.spawn(async move {
                tokio::time::sleep(within).await;
                registry.store().write(&Change::Revocation(id, None));
            });
        }
        Ok(())
    }

    async fn delete_revocation(&self, id: &RevocationId) -> Result<bool, RegistryError> {
        let mut store = self.registry.store();
        self.reach(&store)?;
        let there = store.view.revocations.contains_key(id);
        store.write(&Change::Revocation(id.clone(), None));
        Ok(there)
    }

    async fn room(&self, room: &RoomId) -> Result<Option<(Revision, RoomRecord)>, RegistryError> {
        let store = self.registry.store();
        self.reach(&store)?;
        Ok(store.view.rooms.get(room).cloned())
    }

    async fn put_room(
        &self,
        room: &RoomId,
        record: &RoomRecord,
        expected: Revision,
    ) -> Result<Revision, RegistryError> {
        let mut store = self.registry.store();
        self.reach(&store)?;
        if store.view.rooms.get(room).map_or(0, |(revision, _)| *revision) != expected {
            return Err(RegistryError::Conflict);
        }
        store.revision += 1;
        let revision = store.revision;
        store.write(&Change::Room(room.clone(), Some((revision, record.clone()))));
        Ok(revision)
    }

    async fn delete_room(&self, room: &RoomId, expected: Revision) -> Result<(), RegistryError> {
        let mut store = self.registry.store();
        self.reach(&store)?;
        if store.view.rooms.get(room).map_or(0, |(revision, _)| *revision) != expected {
            return Err(RegistryError::Conflict);
        }
        store.write(&Change::Room(room.clone(), None));
        Ok(())
    }

    async fn put_webhook(
        &self,
        id: &WebhookId,
        record: &WebhookRecord,
        expected: Revision,
    ) -> Result<Revision, RegistryError> {
        let mut store = self.registry.store();
        self.reach(&store)?;
        if store.view.webhooks.get(id).map_or(0, |(revision, _)| *revision) != expected {
            return Err(RegistryError::Conflict);
        }
        store.revision += 1;
        let revision = store.revision;
        store.write(&Change::Webhook(id.clone(), Some((revision, record.clone()))));
        Ok(revision)
    }

    async fn delete_webhook(
        &self,
        id: &WebhookId,
        expected: Revision,
    ) -> Result<(), RegistryError> {
        let mut store = self.registry.store();
        self.reach(&store)?;
        if store.view.webhooks.get(id).map_or(0, |(revision, _)| *revision) != expected {
            return Err(RegistryError::Conflict);
        }
        store.write(&Change::Webhook(id.clone(), None));
        Ok(())
    }

    fn watch(&self) -> mpsc::Receiver<WatchEvent> {
        self.feed.watch()
    }
}

impl Drop for MemoryNode {
    fn drop(&mut self) {
        self.registry.set_life_reach(self.life, Reach::Dead);
    }
}
