//! What the other nodes say about their peers: one replica per node, and what is left of nodes out
//! of reach. Never merges (`merge`).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use starling_proto::{
    NodeId, PeerId,
    roster::{Change, PeerEntry, Snapshot},
};

use super::{merge::Claim, produced::Produced};

/// Peers kept of one node in one room. A node of 16 cores carries a few thousand; what is above is
/// not shown.
const MAX_PEERS: usize = 16_384;
/// Producers kept of one peer. Camera, microphone and screens are under ten.
const MAX_PRODUCERS: usize = 256;
/// Nodes kept in one room, those without peers included; their epochs are remembered.
const MAX_NODES: usize = 4_096;
/// A snapshot that was asked for and has not come is asked for again after this: it may be some MB
/// on a slow link.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What became of a delta.
pub(super) enum Applied {
    /// It changed something.
    Changed,
    /// It was known, old, or about something unknown.
    Nothing,
    /// Something before it is missing.
    Gap {
        /// Ask for a snapshot now.
        ask: bool,
    },
}

/// One node's peers as far as it has told them.
#[derive(Clone, Debug, Default)]
struct Replica {
    epoch: u64,
    seq: u64,
    /// A snapshot has come since the node was last out of reach.
    synced: bool,
    asked: Option<Instant>,
    /// Until when its peers stay although it is out of reach.
    lost: Option<Instant>,
    peers: BTreeMap<PeerId, PeerEntry>,
}

/// A peer of a life of a node that is over.
#[derive(Clone, Debug)]
struct Orphan {
    node: NodeId,
    entry: PeerEntry,
    until: Instant,
}

/// What all other nodes say.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    nodes: BTreeMap<NodeId, Replica>,
    orphans: BTreeMap<PeerId, Orphan>,
}

impl Claims {
    /// What counts of all that is said about `peer`.
    pub(super) fn best(&self, peer: &PeerId) -> Option<Claim<'_>> {
        let nodes = self.nodes.iter().filter_map(|(node, replica)| {
            Some(Claim { node, entry: replica.peers.get(peer)?, lost: replica.lost })
        });
        let orphan = self.orphans.get(peer).map(|orphan| Claim {
            node: &orphan.node,
            entry: &orphan.entry,
            lost: Some(orphan.until),
        });
        nodes.chain(orphan).max_by(Claim::compare)
    }

    /// A message of `epoch` came: if that is a new life of the node, the peers of the old one are
    /// lost until `until`. Returns them.
    pub(super) fn supersede(&mut self, until: Instant, node: &NodeId, epoch: u64) -> Vec<PeerId> {
        let Some(replica) = self.nodes.get_mut(node) else {
            return Vec::new();
        };
        if epoch <= replica.epoch {
            return Vec::new();
        }
        let old = std::mem::replace(replica, Replica { epoch, ..Replica::default() });
        let until = old.lost.unwrap_or(until);
        let touched = old.peers.keys().cloned().collect();
        for (peer, entry) in old.peers {
            debug_assert_eq!(peer, entry.id, "peers are kept by id");
            self.orphan(node, entry, until);
        }
        touched
    }

    fn orphan(&mut self, node: &NodeId, entry: PeerEntry, until: Instant) {
        let known = self.orphans.get(&entry.id);
        if known.is_none_or(|known| known.entry.incarnation < entry.incarnation) {
            self.orphans.insert(entry.id.clone(), Orphan { node: node.clone(), entry, until });
        }
    }

    /// Replaces what is known of a node; returns whose claims may have changed.
    pub(super) fn snapshot(
        &mut self,
        node: &NodeId,
        epoch: u64,
        snapshot: Snapshot,
    ) -> Vec<PeerId> {
        let Some(replica) = self.replica(node, epoch) else {
            return Vec::new();
        };
        if snapshot.seq < replica.seq {
            return Vec::new();
        }
        replica.seq = snapshot.seq;
        replica.synced = true;
        replica.asked = None;
        replica.lost = None;
        let peers = snapshot.peers.into_iter().take(MAX_PEERS).map(|mut entry| {
            entry.producers.truncate(MAX_PRODUCERS);
            entry.data_producers.truncate(MAX_PRODUCERS);
            (entry.id.clone(), entry)
        });
        let old = std::mem::replace(&mut replica.peers, peers.collect());
        old.into_keys().chain(replica.peers.keys().cloned()).collect()
    }

    /// Of which life of a node something is known, and up to which change.
    pub(super) fn known(&self, node: &NodeId) -> (u64, u64) {
        let known =
            |replica: &Replica| (replica.epoch, if replica.synced { replica.seq } else { 0 });
        self.nodes.get(node).map_or((0, 0), known)
    }

    /// What a life of a node has told.
    pub(super) fn told(&self, node: &NodeId, epoch: u64) -> Snapshot {
        let replica = self.nodes.get(node).filter(|replica| replica.epoch == epoch);
        let told =
            |it: &Replica| Snapshot { seq: it.seq, peers: it.peers.values().cloned().collect() };
        replica.map_or(Snapshot { seq: 0, peers: Vec::new() }, told)
    }

    /// Applies one change of a node. A superseded peer is kept until `until`.
    pub(super) fn delta(
        &mut self,
        now: Instant,
        until: Instant,
        node: &NodeId,
        epoch: u64,
        seq: u64,
        change: &Change,
    ) -> Applied {
        let Some(replica) = self.replica(node, epoch) else {
            return Applied::Nothing;
        };
        if seq <= replica.seq {
            return Applied::Nothing;
        }
        if !replica.synced || seq != replica.seq + 1 {
            let ask = replica.asked.is_none_or(|asked| now >= asked + ASK_AGAIN);
            if ask {
                replica.asked = Some(now);
            }
            return Applied::Gap { ask };
        }
        replica.seq = seq;
        let before = match change {
            Change::PeerSuperseded { peer, .. } => replica.peers.get(peer).cloned(),
            _ => None,
        };
        if !apply(&mut replica.peers, change) {
            return Applied::Nothing;
        }
        if let Some(entry) = before {
            self.orphan(node, entry, until);
        }
        Applied::Changed
    }

    /// Marks a node's peers as lost until `until`; returns them.
    pub(super) fn lose(&mut self, until: Instant, node: &NodeId) -> Vec<PeerId> {
        let Some(replica) = self.nodes.get_mut(node) else {
            return Vec::new();
        };
        replica.synced = false;
        replica.asked = None;
        replica.lost.get_or_insert(until);
        replica.peers.keys().cloned().collect()
    }

    /// Drops the peers of a life of a node; returns them.
    pub(super) fn remove(&mut self, node: &NodeId, epoch: u64) -> Vec<PeerId> {
        let Some(replica) = self.nodes.get_mut(node).filter(|r| r.epoch == epoch) else {
            return Vec::new();
        };
        replica.synced = false;
        replica.asked = None;
        replica.lost = None;
        std::mem::take(&mut replica.peers).into_keys().collect()
    }

    /// Drops what was lost until `now`; returns whose claims changed.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<PeerId> {
        let mut touched = Vec::new();
        for replica in self.nodes.values_mut() {
            if replica.lost.is_some_and(|until| until <= now) {
                replica.lost = None;
                touched.extend(std::mem::take(&mut replica.peers).into_keys());
            }
        }
        self.orphans.retain(|peer, orphan| {
            if orphan.until <= now {
                touched.push(peer.clone());
            }
            orphan.until > now
        });
        touched
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let lost = self.nodes.values().filter(|replica| !replica.peers.is_empty());
        let nodes = lost.filter_map(|replica| replica.lost);
        nodes.chain(self.orphans.values().map(|orphan| orphan.until)).min()
    }

    /// Lost sessions older than `incarnation` can never be true again: when the newer one leaves,
    /// the peer has left.
    pub(super) fn forget_lost(&mut self, peer: &PeerId, incarnation: u64) {
        for replica in self.nodes.values_mut().filter(|replica| replica.lost.is_some()) {
            if replica.peers.get(peer).is_some_and(|entry| entry.incarnation < incarnation) {
                replica.peers.remove(peer);
            }
        }
        if self.orphans.get(peer).is_some_and(|orphan| orphan.entry.incarnation < incarnation) {
            self.orphans.remove(peer);
        }
    }

    /// The replica of this life of the node; none if a newer life is known.
    fn replica(&mut self, node: &NodeId, epoch: u64) -> Option<&mut Replica> {
        if !self.nodes.contains_key(node) {
            if self.nodes.len() >= MAX_NODES {
                self.nodes.retain(|_, replica| !replica.peers.is_empty());
            }
            if self.nodes.len() >= MAX_NODES {
                return None;
            }
            self.nodes.insert(node.clone(), Replica { epoch, ..Replica::default() });
        }
        self.nodes.get_mut(node).filter(|replica| replica.epoch == epoch)
    }
}

/// Whose entry a change is about.
pub(super) fn subject(change: &Change) -> &PeerId {
    match change {
        Change::PeerJoined(entry) => &entry.id,
        Change::PeerLeft { peer, .. }
        | Change::PeerSuperseded { peer, .. }
        | Change::Renamed { peer, .. }
        | Change::ProducerAdded { peer, .. }
        | Change::ProducerClosed { peer, .. }
        | Change::ProducerPaused { peer, .. }
        | Change::DataProducerAdded { peer, .. }
        | Change::DataProducerClosed { peer, .. }
        | Change::DataProducerPaused { peer, .. } => peer,
    }
}

/// Applies a change to a node's peers; false if there is nothing to change.
pub(super) fn apply(peers: &mut BTreeMap<PeerId, PeerEntry>, change: &Change) -> bool {
    if let Change::PeerJoined(entry) = change {
        return join(peers, entry);
    }
    let Some(entry) = peers.get_mut(subject(change)) else {
        return false;
    };
    match change {
        Change::PeerJoined(_) => false,
        Change::PeerLeft { peer, incarnation } | Change::PeerSuperseded { peer, incarnation } => {
            entry.incarnation <= *incarnation && peers.remove(peer).is_some()
        }
        Change::Renamed { display_name, .. } => {
            let changed = entry.display_name != *display_name;
            entry.display_name.clone_from(display_name);
            changed
        }
        Change::ProducerAdded { producer, .. } => add(&mut entry.producers, producer),
        Change::ProducerClosed { producer, .. } => close(&mut entry.producers, producer),
        Change::ProducerPaused { producer, paused, .. } => {
            pause(&mut entry.producers, producer, *paused)
        }
        Change::DataProducerAdded { producer, .. } => add(&mut entry.data_producers, producer),
        Change::DataProducerClosed { producer, .. } => close(&mut entry.data_producers, producer),
        Change::DataProducerPaused { producer, paused, .. } => {
            pause(&mut entry.data_producers, producer, *paused)
        }
    }
}

fn add<P: Produced>(producers: &mut Vec<P>, producer: &P) -> bool {
    let full = producers.len() >= MAX_PRODUCERS;
    match producers.iter_mut().find(|known| known.id() == producer.id()) {
        Some(known) if known == producer => return false,
        Some(known) => *known = producer.clone(),
        None if full => return false,
        None => producers.push(producer.clone()),
    }
    true
}

fn close<P: Produced>(producers: &mut Vec<P>, producer: &P::Id) -> bool {
    let before = producers.len();
    producers.retain(|known| known.id() != producer);
    producers.len() != before
}

fn pause<P: Produced>(producers: &mut [P], producer: &P::Id, paused: bool) -> bool {
    let known = producers.iter_mut().find(|known| known.id() == producer);
    known.is_some_and(|known| std::mem::replace(known.paused(), paused) != paused)
}

fn join(peers: &mut BTreeMap<PeerId, PeerEntry>, entry: &PeerEntry) -> bool {
    let known = peers.get(&entry.id);
    if known.is_none() && peers.len() >= MAX_PEERS {
        return false;
    }
    if known.is_some_and(|known| known == entry || known.incarnation > entry.incarnation) {
        return false;
    }
    let mut entry = entry.clone();
    entry.producers.truncate(MAX_PRODUCERS);
    entry.data_producers.truncate(MAX_PRODUCERS);
    peers.insert(entry.id.clone(), entry);
    true
}
