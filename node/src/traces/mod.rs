//! Traces of joins, on their way from the node's actors to an OpenTelemetry collector: OTLP over
//! HTTP in protobuf. A collector that does not answer costs its spans and nothing else. Without the
//! feature `otel`, and where no collector is named, nothing is recorded.

#[cfg(feature = "otel")]
mod again;
#[cfg(feature = "otel")]
mod export;
mod join;
#[cfg(test)]
mod list;
#[cfg(feature = "otel")]
mod otlp;
mod sample;
#[cfg(test)]
#[cfg(feature = "otel")]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use starling_actors::{Metric, Traces};
use starling_proto::NodeId;

pub(crate) use self::join::{Join, came_with};
use crate::config;

/// A node's traces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exported {
    traces: Traces,
    share: f64,
    counts: Arc<Counts>,
    #[cfg(feature = "otel")]
    flush: Option<export::Flush>,
}

/// What became of spans.
#[derive(Debug, Default)]
struct Counts {
    exported: AtomicU64,
    failed: AtomicU64,
}

impl Exported {
    /// Sends a node's spans to a collector, for as long as the node lives.
    #[cfg(feature = "otel")]
    pub(crate) fn start(config: Option<&config::Traces>, node: &NodeId) -> Self {
        let Some(config) = config else { return Self::default() };
        let ((traces, spans), counts) = (Traces::new(), Arc::<Counts>::default());
        let flush = export::start(config.clone(), node.clone(), spans, counts.clone());
        Self { traces, share: config.share, counts, flush: Some(flush) }
    }

    /// The check of the configuration has refused a collector.
    #[cfg(not(feature = "otel"))]
    pub(crate) fn start(_: Option<&config::Traces>, _: &NodeId) -> Self {
        Self::default()
    }

    /// Where the node's actors tell spans.
    pub(crate) fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What waits is sent, if the collector answers at once: the node is about to end.
    #[cfg(feature = "otel")]
    pub(crate) async fn flush(&self) {
        if let Some(flush) = &self.flush {
            flush.all().await;
        }
    }

    /// Nothing waits.
    #[cfg(not(feature = "otel"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub(crate) async fn flush(&self) {}

    /// Figures for operators.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let help = "Spans of traces, by what became of them.";
        let (exported, failed) =
            (self.counts.exported.load(Relaxed), self.counts.failed.load(Relaxed));
        let all = [("exported", exported), ("failed", failed), ("queue_full", self.traces.lost())];
        all.map(|(outcome, n)| {
            Metric::counter("starling_trace_spans_total", help, n).label("outcome", outcome)
        })
        .into()
    }
}
