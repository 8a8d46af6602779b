//! Calls of etcd, each bounded in time, at one member until that fails. Never tries twice.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use etcd_client::{Certificate, Client, ConnectOptions, Error, Identity, TlsOptions};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::sync::OnceCell;

use super::{EtcdConfig, EtcdCounters, keys::Keys};
use crate::registry::RegistryError;

/// Longest call. A linearizable read or a write takes a millisecond, a leader election a second.
pub(super) const CALL: Duration = Duration::from_secs(2);
/// HTTP/2 pings find connections whose other end vanished. etcd closes those that ping more often
/// than every 5 s (`--grpc-keepalive-min-time`).
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// Why a call did not work.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer, or not the one that was asked for.
    Unavailable(String),
    /// The lease has ended.
    LeaseGone,
    /// A newer life of this node is registered.
    Superseded,
    /// Another process, there, has this node's id.
    Taken(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // gRPC NOT_FOUND: etcd says so only of leases.
            Error::GRpcStatus(status) if i32::from(status.code()) == 5 => Self::LeaseGone,
            Error::LeaseKeepAliveError(text) if text == "lease not found" => Self::LeaseGone,
            Error::GRpcStatus(status) => Self::Unavailable(status.message().to_owned()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(text) => Self::Unavailable(text),
            Failure::LeaseGone => Self::NotRegistered,
            Failure::Superseded => Self::Succeeded,
            Failure::Taken(at) => Self::Taken(at),
        }
    }
}

/// What was seen, counted.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) undecodable: AtomicU64,
    pub(super) listed: AtomicU64,
    pub(super) resumed: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) leases: AtomicU64,
    renewed: Mutex<Option<Instant>>,
}

impl Seen {
    /// The lease was taken or renewed now, or given back.
    #[expect(clippy::disallowed_methods, reason = "its age is for operators, and decides nothing")]
    pub(super) fn renewed(&self, has_lease: bool) {
        let at = has_lease.then(Instant::now);
        *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// How long ago that was.
    pub(super) fn lease_age(&self) -> Option<Duration> {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.map(|at| at.elapsed())
    }

    pub(super) fn counters(&self) -> EtcdCounters {
        EtcdCounters {
            undecodable: self.undecodable.load(Relaxed),
            listed: self.listed.load(Relaxed),
            resumed: self.resumed.load(Relaxed),
            lost: self.lost.load(Relaxed),
            leases: self.leases.load(Relaxed),
        }
    }
}

/// The members of an etcd. Each has its own connection, made when first needed: a client that
/// balances over all of them goes on asking the dead ones, because they answer fastest.
#[derive(Debug)]
pub(super) struct Etcd {
    pub(super) config: EtcdConfig,
    pub(super) keys: Keys,
    pub(super) seen: Seen,
    clients: Vec<OnceCell<Connected>>,
    /// The member that is asked.
    current: AtomicUsize,
}

/// A member that is asked something.
pub(super) struct Member<'a> {
    pub(super) client: Client,
    etcd: &'a Etcd,
    index: usize,
}

/// `Client` has no `Debug`.
struct Connected(Client);

impl std::fmt::Debug for Connected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connected")
    }
}

impl Etcd {
    pub(super) fn new(config: EtcdConfig) -> Self {
        let keys = Keys::new(&config.prefix);
        let clients: Vec<_> = config.endpoints.iter().map(|_| OnceCell::new()).collect();
        // Nodes begin with different members, so that one does not serve them all.
        let first = SmallRng::from_os_rng().random_range(0..clients.len());
        Self { config, keys, seen: Seen::default(), clients, current: AtomicUsize::new(first) }
    }

    /// The member to ask now. With a password, connecting is a call.
    pub(super) async fn member(&self) -> Result<Member<'_>, Failure> {
        let index = self.current.load(Relaxed);
        let connect = self.clients[index].get_or_try_init(|| async {
            let endpoint = &self.config.endpoints[index..=index];
            Client::connect(endpoint, Some(options(&self.config))).await.map(Connected)
        });
        match bounded(connect).await {
            Ok(connected) => Ok(Member { client: connected.0.clone(), etcd: self, index }),
            Err(failure) => {
                self.pass_over(index);
                Err(failure)
            }
        }
    }

    fn pass_over(&self, index: usize) {
        let next = (index + 1) % self.clients.len();
        // Whoever fails second finds that another member is asked already.
        let _ = self.current.compare_exchange(index, next, Relaxed, Relaxed);
    }
}

impl Member<'_> {
    /// What came of asking.
    pub(super) fn answered<T>(&self, answer: Result<T, Failure>) -> Result<T, Failure> {
        answer.inspect_err(|failure| self.failed(failure))
    }

    /// A member that does not answer is not asked next.
    pub(super) fn failed(&self, failure: &Failure) {
        if matches!(failure, Failure::Unavailable(_)) {
            self.etcd.pass_over(self.index);
        }
    }
}

/// Waits for a call no longer than [`CALL`].
pub(super) async fn bounded<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Unavailable(format!("no answer within {CALL:?}"))),
    }
}

fn options(config: &EtcdConfig) -> ConnectOptions {
    let mut options = ConnectOptions::new()
        .with_connect_timeout(CALL)
        .with_keep_alive(PING.0, PING.1)
        .with_keep_alive_while_idle(false)
        .with_require_leader(true);
    if let Some((user, password)) = &config.user {
        options = options.with_user(user, password).with_auto_token_refresh(true);
    }
    if let Some(tls) = &config.tls {
        let mut wanted = TlsOptions::new().ca_certificate(Certificate::from_pem(&tls.ca_pem));
        if let Some((certificate, key)) = &tls.identity_pem {
            wanted = wanted.identity(Identity::from_pem(certificate, key));
        }
        options = options.with_tls(wanted);
    }
    options
}
