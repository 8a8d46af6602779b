//! What every handler may use. Never does: change.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use starling_actors::{Metric, Node};
use tokio::sync::Semaphore;

use super::{Answers, dev::DevNodes};
use crate::{
    admission::Admission,
    auth::{Admin, Passes, Tokens},
    config::Config,
    events,
    hooks::Hooks,
    ice::IceServers,
    limit::{JOINS_PER_WORKER, PerAddress, Rate, Turnstile},
    metrics::Counters,
    recording::Recordings,
    reload::Renewal,
    traces::Exported,
};

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// The parts.
pub struct Inner {
    /// The node.
    pub node: Node,
    /// Room tokens.
    pub tokens: Tokens,
    /// The operators' tokens.
    pub admin: Admin,
    /// Between nodes.
    pub passes: Passes,
    /// Own figures.
    pub counters: Counters,
    /// `starling dev`: clients need no token, and nodes can be killed.
    pub dev: Option<Arc<dyn DevNodes>>,
    /// How long a drain waits if nobody says.
    pub drain_deadline: Duration,
    /// Pages that may call the API.
    pub cors_origins: Vec<String>,
    /// Pages that may open signalling.
    pub ws_origins: Vec<String>,
    /// Believe `X-Forwarded-For`.
    pub trust_forwarded_for: bool,
    /// Where clients reach this node, without a slash at the end.
    pub api_url: String,
    /// STUN and TURN servers for clients.
    pub ice: IceServers,
    /// Whom the node tells what happens.
    pub(crate) hooks: Hooks,
    /// Whom it asks who may join.
    pub(crate) admission: Admission,
    /// Where spans of joins go.
    pub(crate) traces: Exported,
    /// WHIP and WHEP sessions.
    pub whip: crate::whip::Sessions,
    /// What it records.
    pub recordings: Recordings,
    /// What can be read again.
    pub renewal: Renewal,
    /// Answers that are given again to who asks again.
    pub answers: Answers,
    /// Who may read the cluster's events.
    pub readers: Arc<Semaphore>,
    /// The same of other nodes.
    pub reading_nodes: Arc<Semaphore>,
    /// Release.
    pub version: &'static str,
    sessions: Mutex<PerAddress>,
    turnstile: Mutex<Turnstile>,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    /// For a running node.
    pub(crate) fn new(
        node: Node,
        config: &Config,
        dev: Option<Arc<dyn DevNodes>>,
        renewal: Renewal,
        traces: Exported,
    ) -> Self {
        let per_second = config.http.sessions_per_second;
        let rate = (per_second > 0).then(|| Rate::new(per_second, per_second.saturating_mul(10)));
        let workers = u32::try_from(config.rtc.workers).unwrap_or(u32::MAX);
        let joins = config.http.joins_per_second;
        let joins = joins.unwrap_or_else(|| JOINS_PER_WORKER.saturating_mul(workers));
        let hooks = Hooks::new(&config.hooks);
        let admission = Admission::new(&config.hooks, hooks.signing(), config.id.clone());
        Self(Arc::new(Inner {
            recordings: Recordings::new(node.clone(), config),
            tokens: Tokens::watching(config.token_keys.clone(), node.revocations()),
            node,
            admin: Admin::new(config.admin_tokens.clone()),
            passes: Passes::new(&config.cluster_secret),
            counters: Counters::default(),
            dev,
            drain_deadline: config.drain_deadline,
            cors_origins: config.http.cors_origins.clone(),
            ws_origins: config.http.ws_origins.clone(),
            trust_forwarded_for: config.http.trust_forwarded_for,
            api_url: config.http.api_url.clone(),
            ice: IceServers::new(&config.ice),
            hooks,
            admission,
            traces,
            whip: crate::whip::Sessions::default(),
            renewal,
            answers: Answers::default(),
            readers: Arc::new(Semaphore::new(events::READERS)),
            reading_nodes: Arc::new(Semaphore::new(events::READING_NODES)),
            version: env!("CARGO_PKG_VERSION"),
            sessions: Mutex::new(PerAddress::new(rate)),
            turnstile: Mutex::new(Turnstile::new(Instant::now(), joins)),
        }))
    }

    /// What this crate counts.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut all = self.counters.metrics();
        all.extend(self.tokens.metrics());
        all.extend(self.recordings.metrics());
        all.extend(self.renewal.metrics());
        all.extend(self.hooks.metrics());
        all.extend(self.admission.metrics());
        all.extend(self.traces.metrics());
        all
    }

    /// Whether one more session from `address` is fine now.
    pub fn admit(&self, address: IpAddr) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.admit(Instant::now(), address)
    }

    /// Whether the node takes in one more client now.
    ///
    /// # Errors
    /// After how long it may come again.
    pub fn enter(&self, comes_back: bool) -> Result<(), Duration> {
        let mut turnstile = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        turnstile.enter(Instant::now(), comes_back)
    }
}
