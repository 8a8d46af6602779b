//! The registry in etcd. One task holds this node's lease and writes what is under it (`session`),
//! one keeps the view (`watcher`); both try again with backoff, calls do not. Never blocks a start:
//! etcd may be down.

mod backoff;
mod client;
mod desk;
mod keys;
mod session;
#[cfg(test)]
mod tests;
mod watcher;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use client::{Etcd, bounded};
use desk::Desk;
use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};
use keys::{decode, encode};
use session::Session;
use starling_proto::{
    NodeId, RevocationId, RoomId, WebhookId,
    registry::{
        MAX_RECORD, NodeRecord, PresenceRecord, RevocationRecord, RoomRecord, WebhookRecord,
    },
};
use tokio::{sync::mpsc, task::JoinHandle};
use watcher::Watcher;

use super::{Registry, RegistryError, Revision, WatchEvent, feed::Feed};

/// Where etcd is, and as whom this node speaks to it.
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdConfig {
    /// `http://host:port` or `https://…`, at least one.
    pub endpoints: Vec<String>,
    /// All keys begin with this: clusters that share an etcd have different ones.
    pub prefix: String,
    /// User and password, if etcd wants them.
    pub user: Option<(String, String)>,
    /// For `https` endpoints.
    pub tls: Option<EtcdTls>,
    /// How long this node stays registered without a sign of life: 5 s; etcd takes no less than 2.
    /// Other nodes notice a death by their links, so this only has to be above an etcd election.
    pub lease_ttl: Duration,
    /// This node.
    pub node: NodeId,
}

/// How to trust etcd and to be trusted.
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdTls {
    /// Certificate of the authority that signed etcd's, as PEM; the system's are not asked.
    pub ca_pem: Vec<u8>,
    /// This node's certificate and key, as PEM, if etcd wants one.
    pub identity_pem: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why etcd cannot be used as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtcdConfigError {
    /// There must be at least one.
    #[error("no etcd endpoint is given")]
    NoEndpoint,
    /// It must begin with `http://` or `https://` and name a host.
    #[error("etcd endpoint {0} is not a URL like http://host:2379")]
    BadEndpoint(String),
    /// TLS options with an `http` endpoint, or the other way round.
    #[error(
        "etcd endpoint {0} and the TLS options do not fit: https needs them, http forbids them"
    )]
    TlsMismatch(String),
    /// etcd counts leases in seconds.
    #[error("an etcd lease of {0:?} is not between 1 s and 1 h")]
    BadTtl(Duration),
}

/// What the registry has seen, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EtcdCounters {
    /// Keys or values that are not ours, too large, or do not decode: skipped.
    pub undecodable: u64,
    /// Times the whole view was read.
    pub listed: u64,
    /// Times the watch went on where it had ended.
    pub resumed: u64,
    /// Tries to watch that failed.
    pub lost: u64,
    /// Leases taken.
    pub leases: u64,
}

/// A node's registry in etcd. Dropped without `leave`, its lease ends by itself.
#[derive(Debug)]
pub struct EtcdRegistry {
    etcd: Arc<Etcd>,
    desk: Arc<Desk>,
    feed: Arc<Feed>,
    tasks: [JoinHandle<()>; 2],
}

impl EtcdConfig {
    /// As usual: prefix `/starling/`, 5 s lease, no user, no TLS.
    pub fn new(endpoints: Vec<String>, node: NodeId) -> Self {
        Self {
            endpoints,
            prefix: "/starling/".to_owned(),
            user: None,
            tls: None,
            lease_ttl: Duration::from_secs(5),
            node,
        }
    }

    fn check(&self) -> Result<(), EtcdConfigError> {
        if self.endpoints.is_empty() {
            return Err(EtcdConfigError::NoEndpoint);
        }
        for endpoint in &self.endpoints {
            let bad = || EtcdConfigError::BadEndpoint(endpoint.clone());
            let (scheme, host) = endpoint.split_once("://").ok_or_else(bad)?;
            if host.is_empty() || host.contains(char::is_whitespace) {
                return Err(bad());
            }
            match (scheme, &self.tls) {
                ("http", None) | ("https", Some(_)) => {}
                ("http", Some(_)) | ("https", None) => {
                    return Err(EtcdConfigError::TlsMismatch(endpoint.clone()));
                }
                _ => return Err(bad()),
            }
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&self.lease_ttl) {
            return Err(EtcdConfigError::BadTtl(self.lease_ttl));
        }
        Ok(())
    }
}

impl EtcdRegistry {
    /// Starts; etcd is looked for in the background, and until it is found calls answer
    /// `Unavailable`.
    ///
    /// # Errors
    /// [`EtcdConfigError`] if the configuration can never work.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(config: EtcdConfig) -> Result<Self, EtcdConfigError> {
        config.check()?;
        let etcd = Arc::new(Etcd::new(config));
        let (desk, feed) = (Arc::new(Desk::new()), Arc::new(Feed::new()));
        let session = Session::new(etcd.clone(), desk.clone());
        let watcher = Watcher::new(etcd.clone(), feed.clone(), desk.clone());
        let tasks = [tokio::spawn(session.run()), tokio::spawn(watcher.run())];
        Ok(Self { etcd, desk, feed, tasks })
    }

    /// What it has seen so far.
    pub fn counters(&self) -> EtcdCounters {
        self.etcd.seen.counters()
    }
}

#[async_trait]
impl Registry for EtcdRegistry {
    async fn register(&self, mut record: NodeRecord) -> Result<(), RegistryError> {
        // JSON has no such number, and a record that does not decode hides the node.
        if !record.load.stress.is_finite() {
            record.load.stress = 1.0;
        }
        match self.desk.register(record) {
            Some(ticket) => self.desk.fulfilled(ticket).await,
            None => Ok(()),
        }
    }

    async fn leave(&self) {
        let ticket = self.desk.leave();
        if let Err(error) = self.desk.fulfilled(ticket).await {
            tracing::debug!(%error, "left without a word: the lease ends by itself");
        }
    }

    async fn set_presence(
        &self,
        room: &RoomId,
        presence: Option<PresenceRecord>,
    ) -> Result<(), RegistryError> {
        match self.desk.set_presence(room, presence)? {
            Some(ticket) => self.desk.fulfilled(ticket).await,
            None => Ok(()),
        }
    }

    async fn put_revocation(
        &self,
        id: &RevocationId,
        record: &RevocationRecord,
        within: Duration,
    ) -> Result<(), RegistryError> {
        let mut member = self.etcd.member().await?;
        let ttl = i64::try_from(within.as_secs()).unwrap_or(i64::MAX);
        let granted = bounded(member.client.lease_grant(ttl, None)).await;
        let lease = member.answered(granted)?.id();
        let (key, value) = (self.etcd.keys.revocation(id), encode(record));
        let put = member.client.put(key, value, Some(PutOptions::new().with_lease(lease)));
        let written = bounded(put).await;
        // If it was not written the lease ends by itself, with nothing.
        member.answered(written)?;
        Ok(())
    }

    async fn delete_revocation(&self, id: &RevocationId) -> Result<bool, RegistryError> {
        let mut member = self.etcd.member().await?;
        let deleted = bounded(member.client.delete(self.etcd.keys.revocation(id), None)).await;
        Ok(member.answered(deleted)?.deleted() > 0)
    }

    async fn room(&self, room: &RoomId) -> Result<Option<(Revision, RoomRecord)>, RegistryError> {
        let mut member = self.etcd.member().await?;
        let read = bounded(member.client.get(self.etcd.keys.room(room), None)).await;
        let answer = member.answered(read)?;
        let kv = answer.kvs().first();
        Ok(kv.and_then(|kv| Some((kv.mod_revision(), decode(kv.value())?))))
    }

    async fn put_room(
        &self,
        room: &RoomId,
        record: &RoomRecord,
        expected: Revision,
    ) -> Result<Revision, RegistryError> {
        self.put(self.etcd.keys.room(room), encode(record), expected).await
    }

    async fn delete_room(&self, room: &RoomId, expected: Revision) -> Result<(), RegistryError> {
        let key = self.etcd.keys.room(room);
        let delete = TxnOp::delete(key.as_str(), None);
        self.swap(key, expected, delete).await.map(drop)
    }

    async fn put_webhook(
        &self,
        id: &WebhookId,
        record: &WebhookRecord,
        expected: Revision,
    ) -> Result<Revision, RegistryError> {
        self.put(self.etcd.keys.webhook(id), encode(record), expected).await
    }

    async fn delete_webhook(
        &self,
        id: &WebhookId,
        expected: Revision,
    ) -> Result<(), RegistryError> {
        let key = self.etcd.keys.webhook(id);
        let delete = TxnOp::delete(key.as_str(), None);
        self.swap(key, expected, delete).await.map(drop)
    }

    fn lease_age(&self) -> Option<Duration> {
        self.etcd.seen.lease_age()
    }

    fn watch(&self) -> mpsc::Receiver<WatchEvent> {
        self.feed.watch()
    }
}

impl EtcdRegistry {
    /// Writes a record if `key` is still at `expected`.
    async fn put(
        &self,
        key: String,
        value: Vec<u8>,
        expected: Revision,
    ) -> Result<Revision, RegistryError> {
        if value.len() > MAX_RECORD {
            let text = format!("the record is larger than {MAX_RECORD} bytes");
            return Err(RegistryError::Unavailable(text));
        }
        let put = TxnOp::put(key.as_str(), value, None);
        self.swap(key, expected, put).await
    }

    /// Does `op` if `key` is still at `expected`; answers the revision that made.
    async fn swap(
        &self,
        key: String,
        expected: Revision,
        op: TxnOp,
    ) -> Result<Revision, RegistryError> {
        let mut member = self.etcd.member().await?;
        // A key that does not exist has modification revision 0.
        let unchanged = Compare::mod_revision(key, CompareOp::Equal, expected);
        let swap = member.client.txn(Txn::new().when([unchanged]).and_then([op]));
        let answer = bounded(swap).await;
        let answer = member.answered(answer)?;
        if !answer.succeeded() {
            return Err(RegistryError::Conflict);
        }
        Ok(answer.header().map_or(expected, |header| header.revision()))
    }
}

impl Drop for EtcdRegistry {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl std::fmt::Debug for EtcdConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EtcdConfig")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("user", &self.user.as_ref().map(|(user, _)| user))
            .field("tls", &self.tls.is_some())
            .field("lease_ttl", &self.lease_ttl)
            .field("node", &self.node)
            .finish()
    }
}
