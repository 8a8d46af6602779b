//! Figures in Prometheus' text format 0.0.4, and those that only this crate can count. Never does:
//! sample anything; counters are absolute.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use starling_actors::{Metric, MetricKind};
use starling_proto::Code;

/// `Content-Type` of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What HTTP and signalling count.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers by class: 1xx (upgrades), 2xx, 3xx, 4xx, 5xx.
    answers: [AtomicU64; 5],
    /// Refusals by [`Code`], in the order of `Code::ALL`.
    refusals: [AtomicU64; Code::ALL.len()],
    /// TCP connections now.
    pub connections: AtomicU64,
    /// Connections that were not accepted, because descriptors or our own bound were used up.
    pub connections_refused: AtomicU64,
    /// WebSockets now.
    pub sessions: AtomicU64,
    /// WebSockets ever.
    pub sessions_total: AtomicU64,
    /// Frames from clients.
    pub frames_in: AtomicU64,
    /// Frames to clients.
    pub frames_out: AtomicU64,
    /// Frames from clients that were no protoo frames.
    pub frames_malformed: AtomicU64,
    /// Clients that answered no ping.
    pub sessions_silent: AtomicU64,
    /// Requests handed on to another node.
    pub forwarded: AtomicU64,
}

impl Counters {
    /// Counts an answer.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.answers[class].fetch_add(1, Relaxed);
    }

    /// Counts a refusal.
    pub fn refused(&self, code: Code) {
        let place = Code::ALL.iter().position(|other| *other == code);
        self.refusals[place.expect("ALL has all codes")].fetch_add(1, Relaxed);
    }

    /// All of it.
    pub fn metrics(&self) -> Vec<Metric> {
        let counter =
            |name, help, cell: &AtomicU64| Metric::counter(name, help, cell.load(Relaxed));
        let mut all = vec![
            Metric::gauge(
                "starling_http_connections",
                "Open TCP connections of the HTTP listeners.",
                self.connections.load(Relaxed) as f64,
            ),
            counter(
                "starling_http_connections_refused_total",
                "Connections not accepted for want of descriptors or room.",
                &self.connections_refused,
            ),
            Metric::gauge(
                "starling_signal_sessions",
                "Open signalling WebSockets.",
                self.sessions.load(Relaxed) as f64,
            ),
            counter(
                "starling_signal_sessions_total",
                "Signalling WebSockets opened.",
                &self.sessions_total,
            ),
            counter(
                "starling_signal_sessions_silent_total",
                "WebSockets ended because the client answered no ping.",
                &self.sessions_silent,
            ),
            counter(
                "starling_signal_frames_received_total",
                "Text frames from clients.",
                &self.frames_in,
            ),
            counter(
                "starling_signal_frames_malformed_total",
                "Frames from clients that were no protoo frames.",
                &self.frames_malformed,
            ),
            counter(
                "starling_signal_frames_sent_total",
                "Text frames to clients.",
                &self.frames_out,
            ),
            counter(
                "starling_http_forwarded_total",
                "REST requests handed on to another node.",
                &self.forwarded,
            ),
        ];
        // Outside of a runtime, as in tests, there are none.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let tasks = runtime.metrics().num_alive_tasks() as f64;
            all.push(Metric::gauge(
                "starling_tasks",
                "Tasks of the runtime that are alive.",
                tasks,
            ));
        }
        for (class, cell) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&self.answers) {
            let help = "HTTP answers by class of status.";
            all.push(counter("starling_http_answers_total", help, cell).label("status", *class));
        }
        for (code, cell) in Code::ALL.iter().zip(&self.refusals) {
            let help = "Refusals over HTTP and at the start of signalling, by code.";
            let metric = counter("starling_refusals_total", help, cell);
            all.push(metric.label("code", code.as_str()));
        }
        all
    }
}

/// The figures as text: samples of one name stand together under one HELP and TYPE.
pub fn text(metrics: &[Metric]) -> String {
    let mut families: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for metric in metrics {
        families.entry(metric.name).or_default().push(metric);
    }
    let mut out = String::new();
    for (name, samples) in families {
        let Some(first) = samples.first() else { continue };
        let kind = match first.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let help = first.help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for sample in samples {
            let Metric { suffix, value, .. } = sample;
            let _ = writeln!(out, "{name}{suffix}{} {value}", labels(&sample.labels));
        }
    }
    out
}

fn labels(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<_> =
        labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_text_format_of_prometheus() {
        let metrics = [
            Metric::counter("starling_packets_total", "Packets.", 7).label("kind", "audio"),
            Metric::gauge("starling_peers", "Peers of this node.", 2.0),
            Metric::counter("starling_packets_total", "Packets.", 9).label("kind", "a\"b\\c\n"),
            Metric::gauge("starling_stress", "Busiest \\ worker\nof all.", 0.25),
        ];
        assert_eq!(
            text(&metrics),
            "# HELP starling_packets_total Packets.\n\
             # TYPE starling_packets_total counter\n\
             starling_packets_total{kind=\"audio\"} 7\n\
             starling_packets_total{kind=\"a\\\"b\\\\c\\n\"} 9\n\
             # HELP starling_peers Peers of this node.\n\
             # TYPE starling_peers gauge\n\
             starling_peers 2\n\
             # HELP starling_stress Busiest \\\\ worker\\nof all.\n\
             # TYPE starling_stress gauge\n\
             starling_stress 0.25\n"
        );
    }

    #[test]
    fn a_histogram_counts_what_is_below_each_bound() {
        let buckets = [(Some(0.001), 5), (Some(0.002), 0), (None, 2)];
        let metrics = Metric::histogram("starling_latency_seconds", "Latency.", buckets, 0.25);
        assert_eq!(
            text(&metrics),
            "# HELP starling_latency_seconds Latency.\n\
             # TYPE starling_latency_seconds histogram\n\
             starling_latency_seconds_bucket{le=\"0.001\"} 5\n\
             starling_latency_seconds_bucket{le=\"0.002\"} 5\n\
             starling_latency_seconds_bucket{le=\"+Inf\"} 7\n\
             starling_latency_seconds_sum 0.25\n\
             starling_latency_seconds_count 7\n"
        );
    }

    #[test]
    fn own_counters_are_told_by_class_and_code() {
        let counters = Counters::default();
        counters.answered(204);
        counters.answered(404);
        counters.answered(404);
        counters.refused(Code::Unauthorized);
        let text = text(&counters.metrics());
        assert!(text.contains("starling_http_answers_total{status=\"2xx\"} 1\n"));
        assert!(text.contains("starling_http_answers_total{status=\"4xx\"} 2\n"));
        assert!(text.contains("starling_refusals_total{code=\"unauthorized\"} 1\n"));
        assert!(text.contains("starling_refusals_total{code=\"forbidden\"} 0\n"));
    }
}
