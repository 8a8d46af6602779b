//! etcd, as nodes see it: a view with revisions, leases that end, a log that watchers follow, and
//! all that can happen to it. One member stands for all.

use std::collections::{BTreeMap, BTreeSet};

use starling_cluster::registry::{Change, View};
use starling_proto::{
    NodeId, RoomId,
    registry::{NodeRecord, PresenceRecord, RoomRecord},
};

use super::{
    ctx::{Ctx, MS, SECOND},
    event::{Answer, Call, Event},
    fault::Fault,
};

/// How long a lease lasts without a sign of life: the product's default.
pub(super) const TTL: u64 = 5 * SECOND;
/// How long a call takes.
const TURN: u64 = 4 * MS;
/// How much longer while etcd is slow: less than callers wait.
const SLOW: u64 = 1_500 * MS;
/// How long callers wait.
pub(super) const PATIENCE: u64 = 2 * SECOND;

#[derive(Clone, Debug, Default)]
struct State {
    view: View,
    leases: BTreeMap<u64, u64>,
    node_leases: BTreeMap<NodeId, u64>,
    presence_leases: BTreeMap<(RoomId, NodeId), u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Etcd {
    state: State,
    saved: State,
    revision: i64,
    next_lease: u64,
    /// Changes since the beginning, or since it lost its memory.
    log: Vec<Change>,
    generation: u32,
    /// Who follows the log: which life of which node.
    watchers: BTreeMap<usize, u32>,
    /// Views on their way to who begins to watch.
    handed: BTreeMap<usize, View>,
    /// What is sent to a watcher comes after what was sent before.
    sent: BTreeMap<usize, u64>,
    down: bool,
    slow: bool,
    cut: BTreeSet<usize>,
    /// Keys written and deleted for nodes.
    pub(super) writes: u64,
}

impl Etcd {
    pub(super) fn view(&self) -> &View {
        &self.state.view
    }

    /// The view that a node asked for.
    pub(super) fn handed(&mut self, node: usize) -> Option<View> {
        self.handed.remove(&node)
    }

    /// Whether this life of a node hears of changes.
    pub(super) fn follows(&self, node: usize, life: u32) -> bool {
        self.watchers.get(&node) == Some(&life)
    }

    pub(super) fn change(&self, generation: u32, index: usize) -> Option<Change> {
        let known = (generation == self.generation).then(|| self.log.get(index)).flatten();
        known.cloned()
    }

    /// What restoring brings back.
    pub(super) fn save(&mut self) {
        self.saved = self.state.clone();
    }

    pub(super) fn set_down(&mut self, down: bool) {
        self.down = down;
        if down {
            self.watchers.clear();
        }
    }

    pub(super) fn set_slow(&mut self, slow: bool) {
        self.slow = slow;
    }

    pub(super) fn cut(&mut self, node: usize, on: bool) {
        if on {
            self.cut.insert(node);
            self.watchers.remove(&node);
        } else {
            self.cut.remove(&node);
        }
    }

    pub(super) fn heal(&mut self) {
        (self.down, self.slow) = (false, false);
        self.cut.clear();
    }

    fn put(&mut self, change: Change) -> bool {
        let changed = self.state.view.apply(&change);
        if changed {
            self.writes += 1;
            self.log.push(change);
        }
        changed
    }

    fn revoke(&mut self, lease: u64) {
        self.state.leases.remove(&lease);
        let nodes: Vec<_> = under(&self.state.node_leases, lease);
        for node in nodes {
            self.state.node_leases.remove(&node);
            self.put(Change::Node(node, None));
        }
        let rooms: Vec<_> = under(&self.state.presence_leases, lease);
        for (room, node) in rooms {
            self.state.presence_leases.remove(&(room.clone(), node.clone()));
            self.put(Change::Presence(room, node, None));
        }
    }

    fn put_node(&mut self, lease: u64, record: NodeRecord) -> Answer {
        let known = self.state.view.nodes.get(&record.id);
        if known.is_some_and(|known| known.epoch > record.epoch) {
            return Answer::Superseded;
        }
        self.state.node_leases.insert(record.id.clone(), lease);
        self.put(Change::Node(record.id.clone(), Some(record)));
        Answer::Claimed
    }

    fn put_presence(
        &mut self,
        lease: u64,
        room: RoomId,
        node: NodeId,
        presence: Option<PresenceRecord>,
    ) -> Answer {
        let key = (room.clone(), node.clone());
        match presence {
            Some(_) => self.state.presence_leases.insert(key, lease),
            None => self.state.presence_leases.remove(&key),
        };
        self.put(Change::Presence(room.clone(), node, presence.clone()));
        Answer::Wrote { room, presence }
    }

    fn ensure(&mut self, room: RoomId, record: RoomRecord) -> Answer {
        if let Some((_, known)) = self.state.view.rooms.get(&room) {
            let record = Some(known.clone());
            return Answer::Record { room, record };
        }
        self.revision += 1;
        self.put(Change::Room(room.clone(), Some((self.revision, record.clone()))));
        Answer::Record { room, record: Some(record) }
    }

    fn forget(&mut self, room: RoomId, revision: i64) -> Answer {
        if self.state.view.rooms.get(&room).is_some_and(|(at, _)| *at == revision) {
            self.put(Change::Room(room, None));
        }
        Answer::Kept
    }
}

fn under<K: Clone>(leases: &BTreeMap<K, u64>, lease: u64) -> Vec<K> {
    let held = leases.iter().filter(|(_, of)| **of == lease);
    held.map(|(key, _)| key.clone()).collect()
}

impl Ctx {
    /// A node asks.
    pub(super) fn ask(&mut self, node: usize, life: u32, call: Call) {
        let turn = self.turn();
        self.after(turn, Event::Call { node, life, call });
    }

    fn turn(&mut self) -> u64 {
        if self.etcd.slow {
            self.faults.hit(Fault::EtcdSlow);
            return TURN + SLOW / 2;
        }
        TURN
    }

    /// Why a node does not reach it.
    fn out_of_reach(&self, node: usize) -> Option<Fault> {
        if self.etcd.down {
            return Some(Fault::EtcdDown);
        }
        if self.etcd.cut.contains(&node) {
            return Some(Fault::EtcdCut);
        }
        self.net.is_isolated(node).then_some(Fault::Isolation)
    }

    /// The call has come to etcd, or not.
    pub(super) fn on_call(&mut self, node: usize, life: u32, id: &NodeId, call: Call) {
        if let Some(fault) = self.out_of_reach(node) {
            self.faults.hit(fault);
            let answer = match call {
                Call::Ensure { room, .. } => Answer::Record { room, record: None },
                _ => Answer::Nothing,
            };
            return self.after(PATIENCE, Event::Answer { node, life, answer });
        }
        let before = self.etcd.log.len();
        let answer = self.answer(node, life, id, call);
        self.tell_watchers(before);
        let turn = self.turn();
        // A watcher's snapshot must not overtake a change, nor be overtaken.
        let sent = self.etcd.sent.entry(node).or_default();
        *sent = (self.now + turn).max(*sent);
        let at = if answer == Answer::Synced { *sent } else { self.now + turn };
        self.at(at, Event::Answer { node, life, answer });
    }

    fn answer(&mut self, node: usize, life: u32, id: &NodeId, call: Call) -> Answer {
        let now = self.now;
        let etcd = &mut self.etcd;
        let alive = |etcd: &Etcd, lease: &u64| etcd.state.leases.contains_key(lease);
        match call {
            Call::Grant => {
                etcd.next_lease += 1;
                etcd.state.leases.insert(etcd.next_lease, now + TTL);
                Answer::Granted { lease: etcd.next_lease }
            }
            Call::KeepAlive { lease } | Call::Node { lease, .. } | Call::Presence { lease, .. }
                if !alive(etcd, &lease) =>
            {
                Answer::Gone { lease }
            }
            Call::KeepAlive { lease } => {
                etcd.state.leases.insert(lease, now + TTL);
                Answer::Kept
            }
            Call::Node { lease, record } => etcd.put_node(lease, *record),
            Call::Presence { lease, room, presence } => {
                etcd.put_presence(lease, room, id.clone(), presence)
            }
            Call::Ensure { room, record } => etcd.ensure(room, record),
            Call::Forget { room, revision } => etcd.forget(room, revision),
            Call::Revoke { lease } => {
                etcd.revoke(lease);
                Answer::Kept
            }
            Call::Sync => {
                etcd.watchers.insert(node, life);
                etcd.handed.insert(node, etcd.state.view.clone());
                Answer::Synced
            }
        }
    }

    fn tell_watchers(&mut self, from: usize) {
        let watchers: Vec<_> = self.etcd.watchers.clone().into_iter().collect();
        for index in from..self.etcd.log.len() {
            for (node, life) in &watchers {
                if let Some(fault) = self.out_of_reach(*node) {
                    self.faults.hit(fault);
                    self.etcd.watchers.remove(node);
                    continue;
                }
                let turn = self.turn();
                let sent = self.etcd.sent.entry(*node).or_default();
                *sent = (self.now + turn).max(*sent);
                let (at, generation) = (*sent, self.etcd.generation);
                self.at(at, Event::Watch { node: *node, life: *life, generation, index });
            }
        }
    }

    /// Ends leases; comes back.
    pub(super) fn on_leases(&mut self) {
        let before = self.etcd.log.len();
        if !self.etcd.down {
            let now = self.now;
            let due = self.etcd.state.leases.iter().filter(|(_, until)| **until <= now);
            let due: Vec<_> = due.map(|(lease, _)| *lease).collect();
            due.into_iter().for_each(|lease| self.etcd.revoke(lease));
        }
        self.tell_watchers(before);
        self.after(500 * MS, Event::Leases);
    }

    /// It comes back with another memory: everybody has to look anew.
    pub(super) fn on_memory(&mut self, fault: Fault) {
        let state = match fault {
            Fault::EtcdRestore => self.etcd.saved.clone(),
            _ => State::default(),
        };
        self.etcd.state = state;
        let until = self.now + TTL;
        // A restored etcd gives leases their whole time again.
        self.etcd.state.leases.values_mut().for_each(|at| *at = until);
        self.etcd.generation += 1;
        self.etcd.log.clear();
        self.etcd.watchers.clear();
        self.faults.hit(fault);
    }

    /// What watchers had not seen is gone.
    pub(super) fn on_compaction(&mut self) {
        if !self.etcd.watchers.is_empty() {
            self.faults.hit(Fault::EtcdCompact);
        } else {
            self.faults.idle(Fault::EtcdCompact);
        }
        self.etcd.watchers.clear();
        self.etcd.generation += 1;
        self.etcd.log.clear();
    }
}
