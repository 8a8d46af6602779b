//! Who is in a room: this node's peers as truth, the other nodes' as replicas, and one merged view
//! of both. Owns sequence numbers, gaps, lost nodes and deadlines. Never sends, never reads a
//! clock, never names a node that should take a peer (`placement`, `standby`).
//!
//! ```text
//! local_*  ──────────────→ delta to broadcast ─→ remote_delta of the others
//! remote_snapshot/_delta ─→ claims of each node ─┐
//! node_lost, expire ─────→ their deadlines ──────┴→ highest incarnation per peer ─→ facts
//! ```
//!
//! Facts are the difference between the merged view before and after a call, in the order in which
//! clients must hear them. Folding all facts gives exactly [`RoomReplica::peers`].

mod claims;
#[cfg(test)]
mod convergence;
mod crowd;
mod fact;
mod merge;
mod produced;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use claims::{Applied, Claims};
pub use crowd::Crowd;
pub use fact::Fact;
use merge::Member;
use starling_proto::{
    DataProducerId, NodeId, PeerId, ProducerId,
    roster::{Change, DataProducerEntry, Known, PeerEntry, ProducerEntry, Snapshot},
};

/// How long a lost node's peers stay in the room. A browser notices a dead WebSocket within seconds
/// and tries its standby nodes at once; 15 s covers a network change with DHCP.
pub const RESUME_WINDOW: Duration = Duration::from_secs(15);
/// How long a producer of a resumed peer waits to be produced again. A page re-produces camera and
/// microphone one after the other, each a round trip and a negotiation of up to a second.
pub const SETTLE: Duration = Duration::from_secs(5);

/// What a call of `local_*` leaves to do.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "the delta goes to the room's other nodes, the facts to the peers here"]
pub struct Local {
    /// For the room's other nodes: its number and what changed.
    pub delta: Option<(u64, Change)>,
    /// For the peers here.
    pub facts: Vec<Fact>,
}

/// What a message of another node leaves to do.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "facts go to the peers here, and a wanted snapshot must be asked for"]
pub struct Outcome {
    /// For the peers here.
    pub facts: Vec<Fact>,
    /// Something is missing: ask this node for a snapshot. True at most once a second per node.
    pub want_snapshot: bool,
}

/// A peer of the room in the merged view.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerView<'a> {
    /// Itself. Producers waiting to be produced again after a resume are not among its producers.
    pub entry: &'a PeerEntry,
    /// The node it is on.
    pub node: &'a NodeId,
    /// That node is out of reach; the peer is dropped when the resume window ends.
    pub lost: bool,
}

/// A room on one node. The room actor is its only caller; each method takes `now` where time
/// matters.
///
/// The caller's part:
/// - broadcast each `delta` in order; when a link comes up or a node opens the room, send
///   [`snapshot`](Self::snapshot);
/// - after every call, wake up at [`next_deadline`](Self::next_deadline) and call
///   [`expire`](Self::expire);
/// - on `PeerMoved` whose `from` is this node and `to` is not: the session here is superseded;
///   close it and call [`local_leave`](Self::local_leave) with its incarnation;
/// - on `ProducerReplaced` whose `old` it does not know: treat it as `ProducerAdded`.
#[derive(Clone, Debug)]
pub struct RoomReplica {
    here: NodeId,
    window: Duration,
    seq: u64,
    own: BTreeMap<PeerId, PeerEntry>,
    claims: Claims,
    members: BTreeMap<PeerId, Member>,
}

impl RoomReplica {
    /// An empty room on node `here`. `first_seq` is microseconds since 1970 now, so that a room
    /// that is closed and opened again (or whose actor was restarted) goes on counting above what
    /// other nodes have seen. `window` is how long a lost node's peers stay: [`RESUME_WINDOW`].
    pub fn new(here: NodeId, first_seq: u64, window: Duration) -> Self {
        Self {
            here,
            window,
            seq: first_seq,
            own: BTreeMap::new(),
            claims: Claims::default(),
            members: BTreeMap::new(),
        }
    }

    /// The incarnation for a session of `peer` that begins now: `wall_us` (microseconds since
    /// 1970), or one above any session of that id known here, if a clock is behind.
    pub fn next_incarnation(&self, peer: &PeerId, wall_us: u64) -> u64 {
        let known = self.own.get(peer).map(|own| own.incarnation);
        let known = known.max(self.claims.best(peer).map(|claim| claim.entry.incarnation));
        known.map_or(wall_us, |known| wall_us.max(known.saturating_add(1)))
    }

    /// A peer joined here, or resumed here from this or another node. Replaces an older session of
    /// the same id here; an `entry` that is not newer than that changes nothing.
    pub fn local_join(&mut self, now: Instant, entry: PeerEntry) -> Local {
        let peer = entry.id.clone();
        if self.own.get(&peer).is_some_and(|old| old.incarnation >= entry.incarnation) {
            return Local::default();
        }
        self.local(now, peer, Change::PeerJoined(entry))
    }

    /// A session of a peer here ended for good. Nothing happens if a newer session of it is here.
    pub fn local_leave(&mut self, now: Instant, peer: &PeerId, incarnation: u64) -> Local {
        if self.own.get(peer).is_none_or(|own| own.incarnation > incarnation) {
            return Local::default();
        }
        let newer = self.claims.best(peer).is_some_and(|best| best.entry.incarnation > incarnation);
        let peer = peer.clone();
        // Said as it is, because the others may hear of the end before they hear of the newer
        // session.
        let change = if newer {
            Change::PeerSuperseded { peer: peer.clone(), incarnation }
        } else {
            Change::PeerLeft { peer: peer.clone(), incarnation }
        };
        self.local(now, peer, change)
    }

    /// A peer here has another name.
    pub fn local_rename(&mut self, now: Instant, peer: &PeerId, display_name: String) -> Local {
        self.local(now, peer.clone(), Change::Renamed { peer: peer.clone(), display_name })
    }

    /// A peer here produces.
    pub fn local_produce(&mut self, now: Instant, peer: &PeerId, producer: ProducerEntry) -> Local {
        self.local(now, peer.clone(), Change::ProducerAdded { peer: peer.clone(), producer })
    }

    /// A producer of a peer here ended.
    pub fn local_close(&mut self, now: Instant, peer: &PeerId, producer: &ProducerId) -> Local {
        let producer = producer.clone();
        self.local(now, peer.clone(), Change::ProducerClosed { peer: peer.clone(), producer })
    }

    /// A producer of a peer here is paused or not.
    pub fn local_pause(
        &mut self,
        now: Instant,
        peer: &PeerId,
        producer: &ProducerId,
        paused: bool,
    ) -> Local {
        let (id, producer) = (peer.clone(), producer.clone());
        self.local(now, peer.clone(), Change::ProducerPaused { peer: id, producer, paused })
    }

    /// A peer here produces data.
    pub fn local_produce_data(
        &mut self,
        now: Instant,
        peer: &PeerId,
        producer: DataProducerEntry,
    ) -> Local {
        self.local(now, peer.clone(), Change::DataProducerAdded { peer: peer.clone(), producer })
    }

    /// A data producer of a peer here ended.
    pub fn local_close_data(
        &mut self,
        now: Instant,
        peer: &PeerId,
        producer: &DataProducerId,
    ) -> Local {
        let producer = producer.clone();
        self.local(now, peer.clone(), Change::DataProducerClosed { peer: peer.clone(), producer })
    }

    /// A data producer of a peer here is paused or not.
    pub fn local_pause_data(
        &mut self,
        now: Instant,
        peer: &PeerId,
        producer: &DataProducerId,
        paused: bool,
    ) -> Local {
        let (id, producer) = (peer.clone(), producer.clone());
        self.local(now, peer.clone(), Change::DataProducerPaused { peer: id, producer, paused })
    }

    fn local(&mut self, now: Instant, peer: PeerId, change: Change) -> Local {
        if !claims::apply(&mut self.own, &change) {
            return Local::default();
        }
        self.seq += 1;
        let mut facts = Vec::new();
        self.merge(now, &peer, &mut facts);
        Local { delta: Some((self.seq, change)), facts }
    }

    /// All peers of another node, replacing what was known of it. Ignored if it is of an older
    /// epoch, older than what is known, or this node's own.
    pub fn remote_snapshot(
        &mut self,
        now: Instant,
        node: &NodeId,
        epoch: u64,
        snapshot: Snapshot,
    ) -> Outcome {
        if *node == self.here {
            return Outcome::default();
        }
        let mut touched = self.claims.supersede(now + self.window, node, epoch);
        touched.extend(self.claims.snapshot(node, epoch, snapshot));
        Outcome { facts: self.merge_all(now, touched), want_snapshot: false }
    }

    /// One change of another node. A duplicate or one of an older epoch changes nothing; where one
    /// is missing before it, it is dropped and a snapshot wanted.
    pub fn remote_delta(
        &mut self,
        now: Instant,
        node: &NodeId,
        epoch: u64,
        seq: u64,
        change: &Change,
    ) -> Outcome {
        if *node == self.here {
            return Outcome::default();
        }
        let mut touched = self.claims.supersede(now + self.window, node, epoch);
        let mut want_snapshot = false;
        match self.claims.delta(now, now + self.window, node, epoch, seq, change) {
            Applied::Changed => touched.push(claims::subject(change).clone()),
            Applied::Nothing => {}
            Applied::Gap { ask } => want_snapshot = ask,
        }
        Outcome { facts: self.merge_all(now, touched), want_snapshot }
    }

    /// A node is out of reach: its peers are kept for the resume window. A snapshot of it ends
    /// that, so this is to be called before anything of its next link is handed in.
    pub fn node_lost(&mut self, now: Instant, node: &NodeId) -> Vec<Fact> {
        let touched = self.claims.lose(now + self.window, node);
        self.merge_all(now, touched)
    }

    /// A link to this life of a node is up: peers of an earlier one are kept for the resume window.
    pub fn node_life(&mut self, now: Instant, node: &NodeId, epoch: u64) -> Vec<Fact> {
        let touched = self.claims.supersede(now + self.window, node, epoch);
        self.merge_all(now, touched)
    }

    /// A life of a node has no peers of this room any more (it said so): they leave at once.
    pub fn node_gone(&mut self, now: Instant, node: &NodeId, epoch: u64) -> Vec<Fact> {
        let touched = self.claims.remove(node, epoch);
        self.merge_all(now, touched)
    }

    /// Drops lost peers whose window has ended and producers that were not produced again in time.
    pub fn expire(&mut self, now: Instant) -> Vec<Fact> {
        let touched = self.claims.expire(now);
        let mut facts = self.merge_all(now, touched);
        for member in self.members.values_mut() {
            member.settle(now, &mut facts);
        }
        facts
    }

    /// When [`expire`](Self::expire) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let settling = self.members.values().filter_map(Member::deadline).min();
        settling.into_iter().chain(self.claims.deadline()).min()
    }

    /// This node's peers, for another node.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { seq: self.seq, peers: self.own.values().cloned().collect() }
    }

    /// What is known here of another node's peers.
    pub fn known(&self, node: &NodeId) -> Known {
        let (epoch, seq) = self.claims.known(node);
        Known { node: node.clone(), epoch, seq }
    }

    /// What a life of another node has told of its peers, for a third one; none if that one knows
    /// as much.
    pub fn news_of(&self, epoch: u64, known: &Known) -> Option<Snapshot> {
        let told = self.claims.told(&known.node, epoch);
        ((epoch, told.seq) > (known.epoch, known.seq)).then_some(told)
    }

    /// The merged view, in order of peer id.
    pub fn peers(&self) -> impl Iterator<Item = PeerView<'_>> {
        self.members.values().map(Member::view)
    }

    /// One peer of the merged view.
    pub fn peer(&self, peer: &PeerId) -> Option<PeerView<'_>> {
        self.members.get(peer).map(Member::view)
    }

    /// A producer and its peer in the merged view. Looks at every peer.
    pub fn producer(&self, id: &ProducerId) -> Option<(PeerView<'_>, &ProducerEntry)> {
        self.members.values().find_map(|member| {
            let producer = member.view().entry.producers.iter().find(|p| p.id == *id)?;
            Some((member.view(), producer))
        })
    }

    /// A data producer and its peer in the merged view. Looks at every peer.
    pub fn data_producer(&self, id: &DataProducerId) -> Option<(PeerView<'_>, &DataProducerEntry)> {
        self.members.values().find_map(|member| {
            let producer = member.view().entry.data_producers.iter().find(|p| p.id == *id)?;
            Some((member.view(), producer))
        })
    }

    /// How many peers the merged view has.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the merged view has no peer.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many sessions are here, superseded ones included.
    pub fn local_len(&self) -> usize {
        self.own.len()
    }

    fn merge_all(&mut self, now: Instant, mut touched: Vec<PeerId>) -> Vec<Fact> {
        touched.sort_unstable();
        touched.dedup();
        let mut facts = Vec::new();
        for peer in &touched {
            self.merge(now, peer, &mut facts);
        }
        facts
    }

    fn merge(&mut self, now: Instant, peer: &PeerId, facts: &mut Vec<Fact>) {
        let own =
            self.own.get(peer).map(|entry| merge::Claim { node: &self.here, entry, lost: None });
        let best = own.into_iter().chain(self.claims.best(peer)).max_by(merge::Claim::compare);
        let incarnation = best.map(|claim| claim.entry.incarnation);
        match (self.members.get_mut(peer), best) {
            (Some(member), Some(claim)) => member.update(now, claim, facts),
            (None, Some(claim)) => {
                self.members.insert(peer.clone(), Member::join(claim, facts));
            }
            (Some(_), None) => {
                if let Some(member) = self.members.remove(peer) {
                    member.leave(facts);
                }
            }
            (None, None) => {}
        }
        if let Some(incarnation) = incarnation {
            self.claims.forget_lost(peer, incarnation);
        }
    }
}
