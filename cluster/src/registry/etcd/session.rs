//! This node's lease and all that is under it: taken, kept alive, written, and taken again when
//! lost. The only writer of leased keys. Never reads rooms.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use etcd_client::{
    Client, Compare, CompareOp, LeaseKeepAliveStream, LeaseKeeper, PutOptions, Txn, TxnOp,
};
use starling_proto::registry::NodeRecord;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    backoff::Backoff,
    client::{Etcd, Failure, bounded},
    desk::{Desk, Due},
    keys::{decode, encode},
};

/// Keys written in one transaction; etcd takes 128 (`--max-txn-ops`).
const BATCH: usize = 100;

/// The lease of now.
#[derive(Clone, Copy, Debug)]
struct Lease {
    id: i64,
    /// The node's record is under it.
    claimed: bool,
}

/// Runs until its task is aborted; the lease then ends by itself.
pub(super) struct Session {
    etcd: Arc<Etcd>,
    desk: Arc<Desk>,
    lease: Option<Lease>,
    backoff: Backoff,
}

impl Session {
    pub(super) fn new(etcd: Arc<Etcd>, desk: Arc<Desk>) -> Self {
        Self { etcd, desk, lease: None, backoff: Backoff::new() }
    }

    pub(super) async fn run(mut self) {
        loop {
            if !self.desk.wants() {
                self.revoke().await;
                self.desk.rest();
                self.desk.wished().await;
                continue;
            }
            let Err(failure) = self.hold().await else {
                continue;
            };
            tracing::debug!(?failure, "this node's registration");
            match failure {
                Failure::Unavailable(_) => {}
                Failure::LeaseGone => self.lease = None,
                Failure::Superseded | Failure::Taken(_) => self.revoke().await,
            }
            // A lease that is gone is taken again at once; callers need not know.
            if !matches!(failure, Failure::LeaseGone) {
                self.desk.fail(failure.into());
            }
            self.backoff.wait().await;
        }
    }

    async fn hold(&mut self) -> Result<(), Failure> {
        let etcd = self.etcd.clone();
        let member = etcd.member().await?;
        let held = self.hold_at(member.client.clone()).await;
        member.answered(held)
    }

    /// Keeps the lease and writes what is wanted; returns when nothing is.
    async fn hold_at(&mut self, mut client: Client) -> Result<(), Failure> {
        let mut lease = self.lease(&mut client).await?;
        let (mut keeper, mut answers) = bounded(client.lease_client().keep_alive(lease.id)).await?;
        let mut ticks = interval(self.ttl() / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        while self.desk.wants() {
            self.write_due(&mut client, &mut lease).await?;
            self.lease = Some(lease);
            self.backoff.reset();
            tokio::select! {
                () = self.desk.wished() => {}
                _ = ticks.tick() => {
                    keep_alive(&mut keeper, &mut answers).await?;
                    self.etcd.seen.renewed(true);
                }
            }
        }
        Ok(())
    }

    /// The lease of before, or a new one.
    async fn lease(&mut self, client: &mut Client) -> Result<Lease, Failure> {
        if let Some(lease) = self.lease {
            return Ok(lease);
        }
        let seconds = self.ttl().as_secs_f64().ceil() as i64;
        let id = bounded(client.lease_grant(seconds, None)).await?.id();
        self.etcd.seen.leases.fetch_add(1, Relaxed);
        self.etcd.seen.renewed(true);
        self.desk.forget_written();
        let lease = Lease { id, claimed: false };
        self.lease = Some(lease);
        Ok(lease)
    }

    async fn write_due(&self, client: &mut Client, lease: &mut Lease) -> Result<(), Failure> {
        let due = self.desk.take();
        match self.write(client, lease, &due).await {
            Ok(()) => self.desk.wrote(due.version),
            Err(failure) => {
                self.desk.give_back(due);
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn write(
        &self,
        client: &mut Client,
        lease: &mut Lease,
        due: &Due,
    ) -> Result<(), Failure> {
        let node = &self.etcd.config.node;
        if let Some(record) = &due.record {
            if lease.claimed {
                let ours = Compare::lease(self.etcd.keys.node(node), CompareOp::Equal, lease.id);
                if !self.put_record(client, lease.id, record, ours).await? {
                    return Err(Failure::LeaseGone);
                }
            } else {
                self.claim(client, lease.id, record).await?;
                lease.claimed = true;
            }
        }
        for rooms in due.rooms.chunks(BATCH) {
            let ops = rooms.iter().map(|(room, presence)| {
                let key = self.etcd.keys.presence(room, node);
                match presence {
                    Some(value) => TxnOp::put(key, encode(value), Some(under(lease.id))),
                    None => TxnOp::delete(key, None),
                }
            });
            bounded(client.txn(Txn::new().and_then(ops.collect::<Vec<_>>()))).await?;
        }
        Ok(())
    }

    /// Puts the record in place of whatever an earlier life left, unless a later one was faster. An
    /// earlier life elsewhere may be alive: its lease says so, and is waited for.
    async fn claim(
        &self,
        client: &mut Client,
        lease: i64,
        record: &NodeRecord,
    ) -> Result<(), Failure> {
        let key = self.etcd.keys.node(&self.etcd.config.node);
        let known = bounded(client.get(key.as_str(), None)).await?;
        let known = known.kvs().first();
        if let Some(other) = known.and_then(|kv| decode::<NodeRecord>(kv.value())) {
            if other.epoch > record.epoch {
                return Err(Failure::Superseded);
            }
            // Whoever holds the same address, or the same name, is its successor.
            let same = other.link_addr == record.link_addr || other.api_url == record.api_url;
            if !same && other.epoch < record.epoch {
                return Err(Failure::Taken(other.link_addr.to_string()));
            }
        }
        let revision = known.map_or(0, |kv| kv.mod_revision());
        let unchanged = Compare::mod_revision(key, CompareOp::Equal, revision);
        if self.put_record(client, lease, record, unchanged).await? {
            return Ok(());
        }
        Err(Failure::Unavailable("another process writes this node's record".to_owned()))
    }

    async fn put_record(
        &self,
        client: &mut Client,
        lease: i64,
        record: &NodeRecord,
        guard: Compare,
    ) -> Result<bool, Failure> {
        let key = self.etcd.keys.node(&self.etcd.config.node);
        let put = TxnOp::put(key, encode(record), Some(under(lease)));
        Ok(bounded(client.txn(Txn::new().when([guard]).and_then([put]))).await?.succeeded())
    }

    /// Ends the lease; if etcd does not answer, it ends by itself.
    async fn revoke(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        self.etcd.seen.renewed(false);
        if let Ok(mut member) = self.etcd.member().await
            && let Err(failure) = bounded(member.client.lease_revoke(lease.id)).await
        {
            tracing::debug!(?failure, "the lease ends by itself");
        }
    }

    fn ttl(&self) -> Duration {
        self.etcd.config.lease_ttl
    }
}

async fn keep_alive(
    keeper: &mut LeaseKeeper,
    answers: &mut LeaseKeepAliveStream,
) -> Result<(), Failure> {
    bounded(keeper.keep_alive()).await?;
    match bounded(answers.message()).await? {
        Some(answer) if answer.ttl() > 0 => Ok(()),
        Some(_) => Err(Failure::LeaseGone),
        None => Err(Failure::Unavailable("the keep-alive stream ended".to_owned())),
    }
}

fn under(lease: i64) -> PutOptions {
    PutOptions::new().with_lease(lease)
}
