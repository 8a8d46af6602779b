//! A figure for operators, in a form any exporter can print. Never does: print.

/// Counter or gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows while the node lives.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `starling_…`, with unit and `_total` as Prometheus wants them.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// From bounded sets.
    pub labels: Vec<(&'static str, String)>,
    /// Now.
    pub value: f64,
}

impl Metric {
    /// A counter without labels.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: MetricKind::Counter, labels: Vec::new(), value: value as f64 }
    }

    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: MetricKind::Gauge, labels: Vec::new(), value }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}
