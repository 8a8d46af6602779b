//! A node's QUIC endpoint: keeps one link with every wanted node. Decides nothing itself (`peers`).
#![expect(clippy::disallowed_methods, reason = "drives the pure `peers` with the clock")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use quinn::{Endpoint, EndpointConfig, Incoming, TokioRuntime, VarInt};
use rand::{SeedableRng, rngs::SmallRng};
use starling_proto::{Id, NodeId, link::Hello};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
    time::{sleep_until, timeout},
};

use super::{
    LinkConfig, LinkError, LinkEvent, LinkTls, Target,
    handshake::{Ended, Established, Introduction},
    lock,
    peers::{LinkId, Peers},
    session::{QuicLink, Session},
    transport,
    watch::Watch,
};
use crate::decide::liveness::LivenessCounters;

/// Events that may wait for the owner; then links read no more, and QUIC's flow control holds
/// their senders back. A burst of roster snapshots from every node of a large cluster fits.
const MAX_EVENTS: usize = 4_096;
/// Handshakes under way from other nodes: as many as may wait for one.
const MAX_HANDSHAKES: usize = 64;
/// A handshake takes three round trips and a Retry; between continents that is 1.2 s.
const HANDSHAKE: Duration = Duration::from_secs(3);
/// How long `shutdown` waits for the other sides to hear of it.
const LINGER: Duration = Duration::from_secs(1);

/// A node's links. Dropping it without `shutdown` closes them, too, but waits for nothing.
#[derive(Debug)]
pub struct LinkEndpoint {
    local: SocketAddr,
    targets: watch::Sender<Vec<Target>>,
    stop: watch::Sender<bool>,
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What all tasks of an endpoint see.
#[derive(Debug)]
struct Shared {
    config: LinkConfig,
    /// That of the configuration, or a newer one.
    tls: Mutex<LinkTls>,
    endpoint: Endpoint,
    /// Which life of this node it is: the configuration's, or a later one.
    epoch: AtomicU64,
    /// Connections refused because they came from a life that is over.
    stale: AtomicU64,
    watch: Arc<Watch>,
    peers: Mutex<Peers>,
    /// Why a wanted node has no link.
    troubles: Mutex<BTreeMap<NodeId, String>>,
}

/// What dials and links tell the endpoint's task.
enum Notice {
    Established(Box<Established>),
    DialFailed {
        node: NodeId,
        /// This node's life that was introduced.
        ours: u64,
        why: Ended,
    },
    Down(NodeId, LinkId),
}

impl LinkEndpoint {
    /// Listens and starts the endpoint's task. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// [`LinkError::Tls`] if the certificate is not this node's, [`LinkError::Bind`] if the address
    /// cannot be used.
    pub fn bind(config: LinkConfig) -> Result<(Self, mpsc::Receiver<LinkEvent>), LinkError> {
        config.tls.check_owner(&config.node)?;
        let bind = |source| LinkError::Bind { addr: config.listen, source };
        let socket = transport::socket(config.listen).map_err(bind)?;
        let server = transport::server(&config.tls, config.congestion);
        let endpoint =
            Endpoint::new(EndpointConfig::default(), Some(server), socket, Arc::new(TokioRuntime))
                .map_err(bind)?;
        let local = endpoint.local_addr().map_err(bind)?;
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        let shared = Arc::new(Shared {
            peers: Mutex::new(Peers::new(config.node.clone())),
            epoch: AtomicU64::new(config.epoch),
            stale: AtomicU64::new(0),
            watch: Arc::new(Watch::new(events.downgrade())),
            tls: Mutex::new(config.tls.clone()),
            config,
            endpoint,
            troubles: Mutex::default(),
        });
        let (targets, wanted) = watch::channel(Vec::new());
        let (stop, stopped) = watch::channel(false);
        let (notify, notices) = mpsc::unbounded_channel();
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            events,
            notify,
            links: BTreeMap::new(),
            tails: BTreeMap::new(),
            next: 0,
            rng: SmallRng::from_os_rng(),
            handshakes: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
        };
        let task = tokio::spawn(keeper.run(wanted, stopped, notices));
        Ok((Self { local, targets, stop, shared, task: Mutex::new(Some(task)) }, receiver))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The nodes to have links with from now on: all of them, every time. Links to others are
    /// closed.
    pub fn set_targets(&self, targets: Vec<Target>) {
        self.targets.send_replace(targets);
    }

    /// From now on this node is in a newer life: links of the one before end.
    pub fn set_epoch(&self, epoch: u64) {
        self.shared.epoch.store(epoch, Relaxed);
        self.shared.watch.end_all(&Ended::Replaced);
    }

    /// From now on this node shows another certificate, and takes others by another authority.
    /// Links that are up stay: they were checked when they came up.
    ///
    /// # Errors
    /// [`LinkError::Tls`] if the certificate is not this node's; nothing has changed then.
    pub fn set_tls(&self, tls: LinkTls) -> Result<(), LinkError> {
        let Shared { config, endpoint, .. } = &*self.shared;
        tls.check_owner(&config.node)?;
        endpoint.set_server_config(Some(transport::server(&tls, config.congestion)));
        *lock(&self.shared.tls) = tls;
        Ok(())
    }

    /// What was seen of silent links.
    pub fn liveness(&self) -> LivenessCounters {
        self.shared.watch.counters()
    }

    /// Connections refused because they came from a life that is over.
    pub fn stale_refused(&self) -> u64 {
        self.shared.stale.load(Relaxed)
    }

    /// Why wanted nodes have no link, for operators: the last reason for each.
    pub fn troubles(&self) -> BTreeMap<NodeId, String> {
        lock(&self.shared.troubles).clone()
    }

    /// Closes all links and the socket; returns when the other sides were told, or after a second.
    /// The event channel ends after the last `Down`.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // An error is a panic of the task, which has been reported where it happened.
            let _ = task.await;
        }
    }
}

/// The endpoint's task.
struct Keeper {
    shared: Arc<Shared>,
    events: mpsc::Sender<LinkEvent>,
    /// Unbounded, but holds at most one notice per handshake under way and per link.
    notify: mpsc::UnboundedSender<Notice>,
    links: BTreeMap<LinkId, Arc<QuicLink>>,
    /// The task of the newest link with each node: the next one waits for it.
    tails: BTreeMap<NodeId, JoinHandle<()>>,
    next: u64,
    rng: SmallRng,
    handshakes: Arc<Semaphore>,
}

impl Keeper {
    async fn run(
        mut self,
        mut wanted: watch::Receiver<Vec<Target>>,
        mut stopped: watch::Receiver<bool>,
        mut notices: mpsc::UnboundedReceiver<Notice>,
    ) {
        let endpoint = self.shared.endpoint.clone();
        let watching = tokio::spawn(self.shared.watch.clone().run());
        loop {
            self.dial_due();
            let deadline = lock(&self.shared.peers).next_deadline();
            tokio::select! {
                // Changed, or the endpoint's handle was dropped: both end it.
                _ = stopped.changed() => break,
                changed = wanted.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let targets = wanted.borrow_and_update().clone();
                    self.set_targets(targets);
                }
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => self.accept(incoming),
                    None => break,
                },
                Some(notice) = notices.recv() => self.handle_notice(notice),
                () = sleep_until(deadline.unwrap_or_else(Instant::now).into()),
                    if deadline.is_some() => {}
            }
        }
        watching.abort();
        self.stop().await;
    }

    fn set_targets(&mut self, targets: Vec<Target>) {
        let close = {
            let wanted = |node: &NodeId| targets.iter().any(|target| target.node == *node);
            lock(&self.shared.troubles).retain(|node, _| wanted(node));
            let lives = targets.iter().map(|target| (target.node.clone(), target.epoch));
            self.shared.watch.set_targets(&lives.collect());
            lock(&self.shared.peers).set_targets(Instant::now(), targets)
        };
        for id in close {
            if let Some(link) = self.links.get(&id) {
                link.end(Ended::Unwanted);
            }
        }
    }

    fn dial_due(&self) {
        loop {
            let due = lock(&self.shared.peers).poll_dial(Instant::now());
            let Some(target) = due else { return };
            let (shared, notify) = (Arc::clone(&self.shared), self.notify.clone());
            tokio::spawn(async move {
                let (node, introduction) = (target.node.clone(), shared.introduction());
                let ours = introduction.hello.epoch;
                let notice = match shared.dial(&target, introduction).await {
                    Ok(established) => Notice::Established(Box::new(established)),
                    Err(why) => Notice::DialFailed { node, ours, why },
                };
                // The keeper is gone when the endpoint shuts down.
                let _ = notify.send(notice);
            });
        }
    }

    fn accept(&self, incoming: Incoming) {
        let known = lock(&self.shared.peers).knows(incoming.remote_address());
        if !known && !incoming.remote_address_validated() {
            // It may not be retried only if it carries a token, and then it is validated.
            let _ = incoming.retry();
            return;
        }
        let Ok(permit) = Arc::clone(&self.handshakes).try_acquire_owned() else {
            incoming.ignore();
            return;
        };
        let (shared, notify) = (Arc::clone(&self.shared), self.notify.clone());
        tokio::spawn(async move {
            match shared.welcome(incoming).await {
                Ok(established) => {
                    let _ = notify.send(Notice::Established(Box::new(established)));
                }
                Err(why) => tracing::debug!(%why, "connection did not become a link"),
            }
            drop(permit);
        });
    }

    fn handle_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Established(established) => self.on_established(*established),
            Notice::DialFailed { node, ours, why } => {
                tracing::debug!(%node, %why, "dial failed");
                if why.is_over() {
                    let (by, reason) = (node.clone(), why.to_string());
                    // With a full channel the next dial says it again.
                    let _ = self.events.try_send(LinkEvent::Over { by, epoch: ours, reason });
                }
                lock(&self.shared.troubles).insert(node.clone(), why.to_string());
                lock(&self.shared.peers).on_dial_failed(Instant::now(), &node, &mut self.rng);
            }
            Notice::Down(node, id) => {
                self.links.remove(&id);
                lock(&self.shared.peers).on_down(Instant::now(), &node, id, &mut self.rng);
            }
        }
    }

    fn on_established(&mut self, established: Established) {
        let (node, epoch) = (established.node.clone(), established.epoch);
        let id = LinkId(self.next);
        self.next += 1;
        let replaced = {
            let mut peers = lock(&self.shared.peers);
            if let Err(why) = peers.still_wanted(&node, epoch) {
                drop(peers);
                Ended::refused(why, epoch).close(&established.connection);
                let (ours, why) = (established.ours, Ended::Unwanted);
                let _ = self.notify.send(Notice::DialFailed { node, ours, why });
                return;
            }
            peers.on_up(Instant::now(), &node, epoch, id)
        };
        if let Some(old) = replaced.and_then(|id| self.links.get(&id)) {
            old.end(Ended::Replaced);
        }
        lock(&self.shared.troubles).remove(&node);
        let watch = Arc::clone(&self.shared.watch);
        let session = Session::new(&self.shared.config.node, id, watch, established);
        self.links.insert(id, Arc::clone(session.link()));
        let (previous, notify) = (self.tails.remove(&node), self.notify.clone());
        let (events, who) = (self.events.clone(), node.clone());
        let task = tokio::spawn(async move {
            session.run(previous, events).await;
            let _ = notify.send(Notice::Down(who, id));
        });
        self.tails.insert(node, task);
    }

    async fn stop(mut self) {
        for link in self.links.values() {
            link.end(Ended::Shutdown);
        }
        self.shared.endpoint.close(VarInt::from_u32(0), Ended::Shutdown.to_string().as_bytes());
        let tails = std::mem::take(&mut self.tails);
        let told = async {
            for (_, task) in tails {
                let _ = task.await;
            }
            self.shared.endpoint.wait_idle().await;
        };
        // Whoever does not answer finds out by silence.
        let _ = timeout(LINGER, told).await;
    }
}

impl Shared {
    async fn dial(
        &self,
        target: &Target,
        introduction: Introduction<'_>,
    ) -> Result<Established, Ended> {
        let connecting = async {
            let config = transport::client(&lock(&self.tls), self.config.congestion);
            let connection = self
                .endpoint
                .connect_with(config, target.addr, target.node.as_str())
                .map_err(|e| Ended::Lost(e.to_string()))?
                .await?;
            let introduced = introduction.dialled(&target.node, &connection).await;
            introduced.inspect_err(|why| why.close(&connection))
        };
        let dialled = timeout(HANDSHAKE, connecting).await.unwrap_or(Err(Ended::Timeout));
        dialled.inspect_err(|why| self.count(why))
    }

    async fn welcome(&self, incoming: Incoming) -> Result<Established, Ended> {
        let connecting = async {
            let connection = incoming.accept()?.await?;
            let introduced = self.introduction().accepted(&connection).await;
            introduced.inspect_err(|why| why.close(&connection))
        };
        let welcomed = timeout(HANDSHAKE, connecting).await.unwrap_or(Err(Ended::Timeout));
        welcomed.inspect_err(|why| self.count(why))
    }

    fn count(&self, why: &Ended) {
        if matches!(why, Ended::Stale { .. }) {
            self.stale.fetch_add(1, Relaxed);
        }
    }

    fn introduction(&self) -> Introduction<'_> {
        let (version_min, version_max) = self.config.versions;
        let hello = Hello {
            node: self.config.node.clone(),
            epoch: self.epoch.load(Relaxed),
            version_min,
            version_max,
        };
        Introduction { hello, peers: &self.peers }
    }
}
