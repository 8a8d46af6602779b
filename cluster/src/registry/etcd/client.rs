//! Calls of etcd, each bounded in time. Never tries twice.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use etcd_client::{Certificate, Client, ConnectOptions, Error, Identity, TlsOptions};
use tokio::sync::OnceCell;

use super::{EtcdConfig, EtcdCounters, keys::Keys};
use crate::registry::RegistryError;

/// Longest call. A linearizable read or a write takes a millisecond, a leader election a second.
pub(super) const CALL: Duration = Duration::from_secs(2);
/// HTTP/2 pings find connections whose other end vanished. etcd closes those that ping more often than
/// every 5 s (`--grpc-keepalive-min-time`).
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
            Failure::LeaseGone | Failure::Superseded => Self::NotRegistered,
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
}

impl Seen {
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

/// One etcd, connected to when first needed: with a password, connecting is a call.
#[derive(Debug)]
pub(super) struct Etcd {
    pub(super) config: EtcdConfig,
    pub(super) keys: Keys,
    pub(super) seen: Seen,
    client: OnceCell<Connected>,
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
        Self { config, keys, seen: Seen::default(), client: OnceCell::new() }
    }

    pub(super) async fn client(&self) -> Result<Client, Failure> {
        let connect = self.client.get_or_try_init(|| async {
            let options = options(&self.config);
            Client::connect(&self.config.endpoints, Some(options)).await.map(Connected)
        });
        bounded(connect).await.map(|connected| connected.0.clone())
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
