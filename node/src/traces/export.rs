//! Spans go to the collector in batches. Never does: decide what a span is, or when to try again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::http::{HeaderValue, Method, header::CONTENT_TYPE};
use rand::Rng;
use starling_client::http::{Answer, Ask, ask};
use starling_proto::{NodeId, span::Span};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    Counts,
    again::{Failure, again},
    otlp,
};
use crate::config::Traces;

/// Spans of a batch, of about 400 bytes: 100 KB.
const BATCH: usize = 256;
/// From the first span of a batch until it is sent, so that those of a burst go together.
const GATHER: Duration = Duration::from_millis(500);
/// Longest try. What is newer says more than what waits.
const WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for the last spans of a node that ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// Sends what waits.
#[derive(Clone, Debug)]
pub(super) struct Flush(mpsc::Sender<oneshot::Sender<()>>);

impl Flush {
    pub(super) async fn all(&self) {
        let (done, flushed) = oneshot::channel();
        if self.0.try_send(done).is_ok() {
            let _ = timeout(GOODBYE, flushed).await;
        }
    }
}

pub(super) fn start(
    to: Traces,
    node: NodeId,
    spans: mpsc::Receiver<Span>,
    counts: Arc<Counts>,
) -> Flush {
    let (flush, flushes) = mpsc::channel(1);
    let exporter = Exporter { to, node, counts, answers: true };
    tokio::spawn(exporter.run(spans, flushes));
    Flush(flush)
}

struct Exporter {
    to: Traces,
    node: NodeId,
    counts: Arc<Counts>,
    /// It took what was sent last.
    answers: bool,
}

impl Exporter {
    async fn run(
        mut self,
        mut spans: mpsc::Receiver<Span>,
        mut flushes: mpsc::Receiver<oneshot::Sender<()>>,
    ) {
        let mut batch = Vec::new();
        loop {
            let flushed = tokio::select! {
                biased;
                came = spans.recv_many(&mut batch, BATCH) => {
                    if came == 0 {
                        return;
                    }
                    tokio::select! {
                        flush = flushes.recv() => flush,
                        () = sleep(GATHER) => None,
                    }
                }
                flush = flushes.recv() => flush,
            };
            while batch.len() < BATCH
                && let Ok(span) = spans.try_recv()
            {
                batch.push(span);
            }
            self.send(&batch).await;
            batch.clear();
            if let Some(done) = flushed {
                let _ = done.send(());
            }
        }
    }

    async fn send(&mut self, spans: &[Span]) {
        if spans.is_empty() {
            return;
        }
        let body = otlp::request(&self.node, env!("CARGO_PKG_VERSION"), spans);
        let mut tries = 0;
        let taken = loop {
            tries += 1;
            let Err((failure, reason)) = self.once(body.clone()).await else { break true };
            self.tell(Some(&reason));
            let jitter = rand::rng().random();
            match again(failure, tries, jitter) {
                Some(pause) => sleep(pause).await,
                None => break false,
            }
        };
        if taken {
            self.tell(None);
        }
        let count: &AtomicU64 = if taken { &self.counts.exported } else { &self.counts.failed };
        count.fetch_add(spans.len() as u64, Relaxed);
    }

    async fn once(&self, body: Vec<u8>) -> Result<(), (Failure, String)> {
        let kind = (CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let headers = self.to.headers.iter().cloned().chain([kind]).collect();
        let (method, url) = (Method::POST, self.to.url.clone());
        let asked = ask(Ask { method, url, headers, body: body.into(), within: WITHIN }).await;
        let answer = asked.map_err(|error| (Failure::Silence, error.to_string()))?;
        let Answer { status, retry_after, .. } = answer;
        if status.is_success() {
            return Ok(());
        }
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Err((Failure::Status(status.as_u16(), seconds), format!("it answered {status}")))
    }

    /// Once when it begins, and once when it ends.
    fn tell(&mut self, failure: Option<&str>) {
        let answered = std::mem::replace(&mut self.answers, failure.is_none());
        let url = &self.to.url;
        match failure {
            Some(reason) if answered => {
                tracing::warn!(%url, reason, "the collector takes no spans");
            }
            None if !answered => tracing::info!(%url, "the collector takes spans again"),
            _ => {}
        }
    }
}
