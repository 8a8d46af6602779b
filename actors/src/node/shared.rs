//! What all actors of a node may read: settings, certificate, capabilities, and where clients can
//! go. Written only by the node actor.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use starling_cluster::decide::standby::{STANDBYS, standby};
use starling_media::ice::{Announcement, worker_candidates};
use starling_proto::{
    Grants, NodeId, PeerId, RoomId, RtpCapabilities,
    registry::{NodeRecord, RoomPolicy},
    rest::{DrainInfo, DrainStage},
    signal::{NodeHint, ResumeOffer},
    transport::{DtlsParameters, DtlsRole, IceCandidate, Protocol},
};

use ractor::ActorRef;
use tokio::sync::watch;

use super::{
    NodeConfig, feed::Feed, journal::Journal, revocations::Revocations, webhooks::Webhooks,
};
use crate::{
    Metric,
    dtls::{Cause, Certificate},
    limits::WORKER_SILENCE,
    router::RouterSeq,
    ticket::Ticket,
    worker::WorkerHandle,
    worker_actor::WorkerMsg,
};

/// One of the node's media workers, as rooms hold it.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) handle: WorkerHandle,
    pub(crate) actor: ActorRef<WorkerMsg>,
    started: Instant,
    peers: Arc<AtomicI64>,
}

impl Core {
    /// Share of the last second its thread was awake; all of it if it is dead.
    pub(crate) fn busy(&self) -> f32 {
        if self.handle.is_dead() { 1.0 } else { self.handle.counters().busy }
    }

    /// Sessions there, of all rooms.
    pub(crate) fn peers(&self) -> usize {
        usize::try_from(self.peers.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn count_peer(&self, change: i64) {
        self.peers.fetch_add(change, Ordering::Relaxed);
    }
}

/// See the module.
pub(crate) struct Shared {
    pub(crate) config: NodeConfig,
    pub(crate) certificate: Certificate,
    pub(crate) capabilities: RtpCapabilities,
    /// Addresses and names in candidates; empty: the sockets' own.
    pub(crate) announced: Vec<String>,
    epoch: AtomicU64,
    peers: AtomicI64,
    nodes: RwLock<BTreeMap<NodeId, NodeRecord>>,
    /// Grows when a node comes, goes, or changes whether it takes peers.
    nodes_version: AtomicU64,
    cores: RwLock<BTreeMap<usize, Core>>,
    next_router: AtomicU32,
    /// Tokens that are good no longer.
    pub(super) revocations: watch::Sender<Revocations>,
    /// Of all rooms.
    pub(crate) speakers: SpeakerCounters,
    /// Of all WebRTC transports.
    pub(crate) dtls: DtlsCounters,
    /// What observers are told.
    pub(crate) feed: Feed,
    /// What the cluster's events are told to.
    pub(crate) journal: Arc<Journal>,
    /// Who is told what happens.
    pub(super) webhooks: watch::Sender<Option<Webhooks>>,
    /// How far it is with leaving.
    drain: RwLock<DrainInfo>,
}

/// DTLS sessions that came to nothing.
#[derive(Debug, Default)]
pub(crate) struct DtlsCounters {
    certificate: AtomicU64,
    handshake: AtomicU64,
}

impl DtlsCounters {
    /// A transport ended; `None`: not because of its session.
    pub(crate) fn count(&self, cause: Option<Cause>) {
        match cause {
            Some(Cause::Certificate) => self.certificate.fetch_add(1, Ordering::Relaxed),
            Some(Cause::Handshake) => self.handshake.fetch_add(1, Ordering::Relaxed),
            None => 0,
        };
    }

    /// As figures for operators.
    pub(crate) fn metrics(&self) -> [Metric; 2] {
        const HELP: &str = "DTLS sessions that failed.";
        [("certificate", &self.certificate), ("handshake", &self.handshake)].map(
            |(reason, count)| {
                let count = count.load(Ordering::Relaxed);
                Metric::counter("starling_dtls_failed_total", HELP, count).label("reason", reason)
            },
        )
    }
}

/// What rooms count of who speaks.
#[derive(Debug, Default)]
pub(crate) struct SpeakerCounters {
    changes: AtomicU64,
    told: AtomicU64,
}

impl SpeakerCounters {
    /// A room's active speaker is another.
    pub(crate) fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// A node was told of voices.
    pub(crate) fn count_told(&self) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes of active speakers, messages to nodes.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.changes.load(Ordering::Relaxed), self.told.load(Ordering::Relaxed))
    }
}

impl Shared {
    pub(super) fn new(
        config: NodeConfig,
        certificate: Certificate,
        capabilities: RtpCapabilities,
        epoch: u64,
    ) -> Self {
        let quiet = DrainInfo::quiet(config.id.clone(), DrainStage::Up, 0);
        Self {
            announced: config.announced.clone(),
            journal: Journal::new(config.id.clone(), epoch),
            config,
            certificate,
            capabilities,
            epoch: AtomicU64::new(epoch),
            peers: AtomicI64::new(0),
            nodes: RwLock::default(),
            nodes_version: AtomicU64::new(0),
            cores: RwLock::default(),
            next_router: AtomicU32::new(1),
            revocations: watch::Sender::default(),
            speakers: SpeakerCounters::default(),
            dtls: DtlsCounters::default(),
            feed: Feed::default(),
            webhooks: watch::Sender::default(),
            drain: RwLock::new(quiet),
        }
    }

    /// How far the node is with leaving.
    pub(crate) fn drain(&self) -> DrainInfo {
        let drain = self.drain.read().unwrap_or_else(PoisonError::into_inner);
        DrainInfo { left: self.peers(), ..drain.clone() }
    }

    pub(super) fn set_drain(&self, drain: DrainInfo) {
        *self.drain.write().unwrap_or_else(PoisonError::into_inner) = drain;
    }

    /// Which life of the node this is.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    pub(super) fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Sessions of this node.
    pub(crate) fn peers(&self) -> u32 {
        u32::try_from(self.peers.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn count_peer(&self, change: i64) {
        self.peers.fetch_add(change, Ordering::Relaxed);
    }

    pub(super) fn set_nodes(&self, nodes: BTreeMap<NodeId, NodeRecord>) {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let same = known.len() == nodes.len()
            && known.values().zip(nodes.values()).all(|(old, new)| {
                (&old.id, old.epoch, old.state) == (&new.id, new.epoch, new.state)
            });
        if !same {
            self.nodes_version.fetch_add(1, Ordering::Release);
        }
        *known = nodes;
    }

    /// One of them told something new, or this one did.
    pub(super) fn set_node(&self, node: NodeRecord) {
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let new = (node.epoch, node.state);
        if known.get(&node.id).is_none_or(|old| (old.epoch, old.state) != new) {
            self.nodes_version.fetch_add(1, Ordering::Release);
        }
        known.insert(node.id.clone(), node);
    }

    /// What is known of a node that clients may be sent to, or of this one.
    pub(crate) fn node(&self, node: &NodeId) -> Option<NodeRecord> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(node).cloned()
    }

    /// Standby nodes may be others when this is another number.
    pub(crate) fn nodes_version(&self) -> u64 {
        self.nodes_version.load(Ordering::Acquire)
    }

    /// A worker runs, or runs again.
    pub(super) fn set_worker(
        &self,
        index: usize,
        handle: WorkerHandle,
        actor: ActorRef<WorkerMsg>,
    ) {
        let mut cores = self.cores.write().unwrap_or_else(PoisonError::into_inner);
        let peers = cores.get(&index).map(|core| core.peers.clone()).unwrap_or_default();
        cores.insert(index, Core { handle, actor, started: Instant::now(), peers });
    }

    /// All workers, by number.
    pub(crate) fn cores(&self) -> Vec<(usize, Core)> {
        let cores = self.cores.read().unwrap_or_else(PoisonError::into_inner);
        cores.iter().map(|(index, core)| (*index, core.clone())).collect()
    }

    pub(crate) fn workers(&self) -> Vec<WorkerHandle> {
        self.cores().into_iter().map(|(_, core)| core.handle).collect()
    }

    /// Never given before. (A node that starts a thousand routers a second lasts seven weeks.)
    pub(crate) fn next_router(&self) -> RouterSeq {
        RouterSeq(self.next_router.fetch_add(1, Ordering::Relaxed))
    }

    /// All worker threads turned lately.
    pub(super) fn alive(&self) -> bool {
        self.cores().iter().all(|(_, Core { handle, started, .. })| {
            let silence = started.elapsed().saturating_sub(handle.counters().last_turn);
            !handle.is_dead() && silence < WORKER_SILENCE
        })
    }

    /// This node, for a client.
    pub(crate) fn hint(&self) -> NodeHint {
        NodeHint {
            node_id: self.config.id.clone(),
            url: signalling_url(&self.config.api_url),
            region: self.config.region.clone(),
        }
    }

    /// Where a peer goes, and with what, if this node dies. `narrowed`: with no more than this.
    pub(crate) fn resume_offer(
        &self,
        room: &RoomId,
        policy: &RoomPolicy,
        peer: &PeerId,
        incarnation: u64,
        narrowed: Option<&Grants>,
    ) -> ResumeOffer {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let exclude = BTreeSet::from([self.config.id.clone()]);
        let standby = standby(room, policy, &nodes, &exclude, STANDBYS);
        let ticket = Ticket::new(room.clone(), peer.clone(), incarnation).narrowed(narrowed);
        let within = self.config.resume_within.as_millis();
        ResumeOffer {
            standby: standby.iter().filter_map(|id| nodes.get(id)).map(hint_of).collect(),
            resume_ticket: ticket.sign(&self.config.cluster_secret),
            resume_within_ms: u32::try_from(within).unwrap_or(u32::MAX),
        }
    }

    /// Our side of a client's DTLS handshakes.
    pub(crate) fn dtls_parameters(&self) -> DtlsParameters {
        let fingerprints = self.certificate.fingerprints().to_vec();
        DtlsParameters { role: DtlsRole::Auto, fingerprints }
    }

    /// Where a client reaches a worker; over TCP alone if it says that nothing else comes through.
    pub(crate) fn candidates(&self, worker: &WorkerHandle, force_tcp: bool) -> Vec<IceCandidate> {
        let bound: Vec<_> = worker.local_addrs().iter().map(|(_, addr)| *addr).collect();
        let how = Announcement {
            announced: self.announced.clone(),
            internal: self.config.internal.clone(),
            tcp: worker.listens_tcp(),
            preferred: self.config.rtc_prefer,
        };
        let mut candidates = worker_candidates(&bound, &how);
        candidates.retain(|candidate| !force_tcp || candidate.protocol == Protocol::Tcp);
        candidates
    }

    /// The address a program is told to send to: the first announced one that is an address.
    pub(crate) fn plain_ip(&self, bound: IpAddr) -> IpAddr {
        let announced = self.announced.iter().filter_map(|text| text.parse::<IpAddr>().ok());
        let same_family = |ip: &IpAddr| ip.is_ipv4() == bound.is_ipv4();
        if bound.is_loopback() {
            return bound;
        }
        announced.clone().find(same_family).unwrap_or(bound)
    }
}

pub(super) fn hint_of(record: &NodeRecord) -> NodeHint {
    NodeHint {
        node_id: record.id.clone(),
        url: signalling_url(&record.api_url),
        region: record.region.clone(),
    }
}

/// `http://host:1` becomes `ws://host:1/ws`.
pub(super) fn signalling_url(api_url: &str) -> String {
    let api_url = api_url.trim_end_matches('/');
    let url = match api_url.split_once("://") {
        Some(("https", rest)) => format!("wss://{rest}"),
        Some((_, rest)) => format!("ws://{rest}"),
        None => format!("ws://{api_url}"),
    };
    format!("{url}/ws")
}
