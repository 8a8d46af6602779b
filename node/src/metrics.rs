//! What HTTP and signalling count, and how all figures are written (`text`). Never does: sample
//! anything; counters are absolute.

mod histogram;
#[cfg(test)]
mod list;
pub(crate) mod text;
#[cfg(test)]
mod used;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use histogram::Histogram;
use starling_actors::Metric;
use starling_proto::Code;

/// What HTTP and signalling count.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers by class: 1xx (upgrades), 2xx, 3xx, 4xx, 5xx.
    answers: [AtomicU64; 5],
    /// Refusals.
    refusals: ByCode,
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
    /// How long clients waited for their place in the room.
    pub joins: Histogram,
}

/// Counts by [`Code`], in the order of `Code::ALL`: more than the library has defaults for.
#[derive(Debug)]
struct ByCode([AtomicU64; Code::ALL.len()]);

impl Default for ByCode {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; Code::ALL.len()])
    }
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
        self.refusals.0[place.expect("ALL has all codes")].fetch_add(1, Relaxed);
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
                "starling_signal_sessions_opened_total",
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
        all.extend(self.joins.metrics(
            "starling_join_seconds",
            "How long clients waited for their place in the room, those who got one.",
        ));
        all.extend(self.by_class());
        all
    }

    /// Answers by status, refusals by code.
    fn by_class(&self) -> Vec<Metric> {
        let counter =
            |name, help, cell: &AtomicU64| Metric::counter(name, help, cell.load(Relaxed));
        let mut all = Vec::new();
        for (class, cell) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&self.answers) {
            let help = "HTTP answers by class of status.";
            all.push(counter("starling_http_answers_total", help, cell).label("status", *class));
        }
        for (code, cell) in Code::ALL.iter().zip(&self.refusals.0) {
            let help = "Refusals over HTTP and at the start of signalling, by code.";
            let metric = counter("starling_refusals_total", help, cell);
            all.push(metric.label("code", code.as_str()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{
        text::{Format, write},
        *,
    };

    #[test]
    fn own_counters_are_told_by_class_and_code() {
        let counters = Counters::default();
        counters.answered(204);
        counters.answered(404);
        counters.answered(404);
        counters.refused(Code::Unauthorized);
        let text = write(&counters.metrics(), Format::Prometheus);
        assert!(text.contains("starling_http_answers_total{status=\"2xx\"} 1\n"));
        assert!(text.contains("starling_http_answers_total{status=\"4xx\"} 2\n"));
        assert!(text.contains("starling_refusals_total{code=\"unauthorized\"} 1\n"));
        assert!(text.contains("starling_refusals_total{code=\"forbidden\"} 0\n"));
    }
}
