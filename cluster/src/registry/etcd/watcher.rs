//! The view, kept up to date: listed once, then watched from the next revision on; listed again
//! after compaction or when etcd is not the one it was. Never writes.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use etcd_client::{Client, GetOptions, WatchOptions, WatchResponse, WatchStream};
use starling_proto::registry::MAX_RECORD;

use super::{
    backoff::Backoff,
    client::{CALL, Etcd, Failure, bounded},
    desk::Desk,
};
use crate::registry::{View, feed::Feed};

/// Keys read in one call: 200 KB of usual records, and 64 MiB if all are as large as may be.
const PAGE: i64 = 1_000;
/// Largest answer taken: a page of the largest records, and what surrounds them.
const MAX_ANSWER: usize = 2 * PAGE as usize * MAX_RECORD;

/// Up to where the view is true, and of which etcd.
#[derive(Clone, Copy, Debug)]
struct Mark {
    cluster: u64,
    revision: i64,
}

/// Runs until its task is aborted.
pub(super) struct Watcher {
    etcd: Arc<Etcd>,
    feed: Arc<Feed>,
    desk: Arc<Desk>,
    mark: Option<Mark>,
    backoff: Backoff,
    /// Failures to watch that are left before it is said that etcd is lost.
    tries: usize,
}

impl Watcher {
    pub(super) fn new(etcd: Arc<Etcd>, feed: Arc<Feed>, desk: Arc<Desk>) -> Self {
        let tries = etcd.config.endpoints.len();
        Self { etcd, feed, desk, mark: None, backoff: Backoff::new(), tries }
    }

    pub(super) async fn run(mut self) {
        loop {
            let failure = self.once().await;
            tracing::debug!(?failure, "the registry's watch");
            self.backoff.wait().await;
        }
    }

    /// Watches at one member until that fails.
    async fn once(&mut self) -> Failure {
        let etcd = self.etcd.clone();
        let member = match etcd.member().await {
            Ok(member) => member,
            Err(failure) => {
                self.closed();
                return failure;
            }
        };
        let failure = match self.open(member.client.clone()).await {
            Ok((stream, resumed)) => {
                self.tries = etcd.config.endpoints.len();
                self.follow(stream, resumed).await
            }
            Err(failure) => {
                self.closed();
                failure
            }
        };
        member.failed(&failure);
        failure
    }

    /// A watch may have ended with its member: each is tried before it is said.
    fn closed(&mut self) {
        self.tries = self.tries.saturating_sub(1);
        if self.tries == 0 {
            self.lose();
        }
    }

    fn lose(&self) {
        self.etcd.seen.lost.fetch_add(1, Relaxed);
        self.feed.lose();
    }

    /// Lists if need be, and watches from there. True if it goes on where it had ended.
    async fn open(&mut self, mut client: Client) -> Result<(WatchStream, bool), Failure> {
        if let Some(mark) = self.mark {
            if let Ok(stream) = self.watch(&mut client, mark).await? {
                return Ok((stream, true));
            }
            self.mark = None;
        }
        let (view, mark) = self.list(&mut client).await?;
        let stream = self.watch(&mut client, mark).await?;
        let stream = stream
            .map_err(|Gone| Failure::Unavailable("etcd changed while it was listed".to_owned()))?;
        self.etcd.seen.listed.fetch_add(1, Relaxed);
        self.mark = Some(mark);
        self.desk.compare(&self.etcd.config.node, &view);
        self.feed.snapshot(view);
        Ok((stream, false))
    }

    /// A watch from `mark` on, unless that is compacted, or of another cluster or an earlier state
    /// of this one: etcd would wait for a revision that is years ahead and say nothing.
    async fn watch(
        &self,
        client: &mut Client,
        mark: Mark,
    ) -> Result<Result<WatchStream, Gone>, Failure> {
        let from = mark.revision + 1;
        let options = WatchOptions::new().with_prefix().with_start_revision(from);
        let mut watcher = client.watch_client().max_decoding_message_size(MAX_ANSWER);
        let watch = watcher.watch(self.etcd.keys.prefix(), Some(options));
        let mut stream = bounded(watch).await?;
        let Some(created) = bounded(stream.message()).await? else {
            return Err(Failure::Unavailable("the watch ended at once".to_owned()));
        };
        let same = created.header().is_some_and(|header| {
            header.cluster_id() == mark.cluster && header.revision() >= mark.revision
        });
        if !same || created.canceled() {
            return Ok(Err(Gone));
        }
        Ok(Ok(stream))
    }

    /// Takes changes until the stream ends or is silent.
    async fn follow(&mut self, mut stream: WatchStream, mut resumed: bool) -> Failure {
        // etcd creates a watch of compacted revisions and cancels it then: ask what it says next.
        let mut ask = resumed;
        let mut asked = false;
        loop {
            if std::mem::take(&mut ask) {
                asked = true;
                if let Err(failure) = bounded(stream.request_progress()).await {
                    return failure;
                }
            }
            match tokio::time::timeout(CALL, stream.message()).await {
                Err(_) if asked => {
                    self.lose();
                    return Failure::Unavailable("the watch is silent".to_owned());
                }
                // An idle watch and a dead one look the same until it is asked.
                Err(_) => ask = true,
                Ok(Ok(Some(answer))) => {
                    if let Err(failure) = self.cancelled(&answer) {
                        return failure;
                    }
                    if std::mem::take(&mut resumed) {
                        self.etcd.seen.resumed.fetch_add(1, Relaxed);
                        self.feed.find();
                    }
                    self.take(&answer);
                    self.backoff.reset();
                    asked = false;
                }
                Ok(Ok(None)) => return Failure::Unavailable("the watch ended".to_owned()),
                Ok(Err(error)) => return error.into(),
            }
        }
    }

    fn cancelled(&mut self, answer: &WatchResponse) -> Result<(), Failure> {
        if !answer.canceled() {
            return Ok(());
        }
        if answer.compact_revision() > 0 {
            self.mark = None;
        }
        Err(Failure::Unavailable(answer.cancel_reason().to_owned()))
    }

    fn take(&mut self, answer: &WatchResponse) {
        for kv in answer.events().iter().filter_map(|event| event.kv()) {
            // Version 0 is a key that was deleted.
            let change = if kv.version() == 0 {
                self.etcd.keys.deleted(kv.key())
            } else {
                self.etcd.keys.written(kv.key(), kv.value(), kv.mod_revision())
            };
            match change {
                Some(change) => {
                    self.desk.heard(&self.etcd.config.node, &change);
                    self.feed.change(change);
                }
                None => drop(self.etcd.seen.undecodable.fetch_add(1, Relaxed)),
            }
            // The header's revision may be ahead of the events that were sent so far.
            if let Some(mark) = &mut self.mark {
                mark.revision = kv.mod_revision();
            }
        }
    }

    /// All keys at one revision, page by page.
    async fn list(&self, client: &mut Client) -> Result<(View, Mark), Failure> {
        let prefix = self.etcd.keys.prefix().as_bytes();
        let (mut from, mut end) = (prefix.to_vec(), prefix.to_vec());
        // The prefix ends with a slash: its successor is the first key behind all that begin with
        // it.
        *end.last_mut().expect("a prefix is not empty") += 1;
        let mut kv_client = client.kv_client().max_decoding_message_size(MAX_ANSWER);
        let (mut view, mut mark): (View, Option<Mark>) = (View::default(), None);
        loop {
            let at = mark.map_or(0, |mark| mark.revision);
            let range = GetOptions::new().with_range(end.clone()).with_limit(PAGE);
            let page = bounded(kv_client.get(from, Some(range.with_revision(at)))).await?;
            let Some(header) = page.header() else {
                return Err(Failure::Unavailable("an answer without a header".to_owned()));
            };
            let mark = *mark
                .get_or_insert(Mark { cluster: header.cluster_id(), revision: header.revision() });
            for kv in page.kvs() {
                match self.etcd.keys.written(kv.key(), kv.value(), kv.mod_revision()) {
                    Some(change) => drop(view.apply(&change)),
                    None => drop(self.etcd.seen.undecodable.fetch_add(1, Relaxed)),
                }
            }
            let Some(last) = page.kvs().last().filter(|_| page.more()) else {
                return Ok((view, mark));
            };
            from = [last.key(), &[0]].concat();
        }
    }
}

/// What was to be watched is not there any more.
#[derive(Clone, Copy, Debug)]
struct Gone;
