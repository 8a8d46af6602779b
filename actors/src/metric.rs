//! A figure for operators, in a form any exporter can print. Never does: print.

/// What its numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows while the node lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A sample of a distribution; see [`Metric::histogram`].
    Histogram,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// `starling_…`, with unit and `_total` as Prometheus wants them.
    pub name: &'static str,
    /// Behind the name, in samples of a histogram.
    pub suffix: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// What its numbers mean.
    pub kind: MetricKind,
    /// From bounded sets.
    pub labels: Vec<(&'static str, String)>,
    /// Now.
    pub value: f64,
}

impl Metric {
    /// A counter without labels.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::sample(name, help, MetricKind::Counter, value as f64)
    }

    /// A gauge without labels.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::sample(name, help, MetricKind::Gauge, value)
    }

    /// The samples of a histogram: how many values each of `buckets` has, with its upper bound but
    /// for the last, and the sum of all values.
    pub fn histogram(
        name: &'static str,
        help: &'static str,
        buckets: impl IntoIterator<Item = (Option<f64>, u64)>,
        sum: f64,
    ) -> Vec<Self> {
        let sample = |suffix, value| Self {
            suffix,
            ..Self::sample(name, help, MetricKind::Histogram, value)
        };
        let mut all = Vec::new();
        let mut count = 0;
        for (bound, values) in buckets {
            count += values;
            let bound = bound.map_or_else(|| "+Inf".to_owned(), canonical);
            all.push(sample("_bucket", count as f64).label("le", bound));
        }
        all.extend([sample("_sum", sum), sample("_count", count as f64)]);
        all
    }

    fn sample(name: &'static str, help: &'static str, kind: MetricKind, value: f64) -> Self {
        Self { name, suffix: "", help, kind, labels: Vec::new(), value }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// A bound as OpenMetrics wants it: whole numbers with a fraction.
fn canonical(bound: f64) -> String {
    if bound.fract() == 0.0 { format!("{bound:.1}") } else { bound.to_string() }
}
