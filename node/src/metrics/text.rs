//! Figures as text: in Prometheus' format 0.0.4, and as OpenMetrics 1.0 for who asks for it. Never
//! does: count.

use std::{collections::BTreeMap, fmt::Write};

use starling_actors::{Metric, MetricKind};

/// How they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Prometheus' own, which everything reads.
    Prometheus,
    /// The standard that came of it.
    OpenMetrics,
}

impl Format {
    /// What a reader wants that says `Accept: …`. Prometheus names OpenMetrics if it wants that.
    pub(crate) fn wanted(accept: &str) -> Self {
        let is_open = |kind: &str| {
            let mut parts = kind.split(';').map(str::trim);
            let version = |part: &str| part.strip_prefix("version=").map(str::to_owned);
            parts.next() == Some("application/openmetrics-text")
                && parts.find_map(version).is_none_or(|version| version == "1.0.0")
        };
        if accept.split(',').any(is_open) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// `Content-Type` of the text.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All figures: samples of one name stand together under one HELP and TYPE.
pub(crate) fn write(metrics: &[Metric], format: Format) -> String {
    let mut families: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for metric in metrics {
        families.entry(metric.name).or_default().push(metric);
    }
    let mut out = String::new();
    for (name, samples) in families {
        let Some(first) = samples.first() else { continue };
        describe(&mut out, name, first, format);
        for sample in samples {
            let Metric { suffix, value, .. } = sample;
            let _ = writeln!(out, "{name}{suffix}{} {value}", labels(&sample.labels));
        }
    }
    if format == Format::OpenMetrics {
        out += "# EOF\n";
    }
    out
}

/// HELP, TYPE and, in OpenMetrics, UNIT, where a counter's family is named without `_total`.
fn describe(out: &mut String, name: &str, of: &Metric, format: Format) {
    let help = of.help.replace('\\', "\\\\").replace('\n', "\\n");
    let kind = kind(of.kind);
    if format == Format::Prometheus {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        return;
    }
    let family = name.strip_suffix("_total").unwrap_or(name);
    let _ = writeln!(out, "# TYPE {family} {kind}");
    if let Some(unit) = unit(name) {
        let _ = writeln!(out, "# UNIT {family} {unit}");
    }
    let _ = writeln!(out, "# HELP {family} {}", help.replace('"', "\\\""));
}

/// What a kind is called in both formats.
pub(crate) const fn kind(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    }
}

/// What a name says to be counted in, if it is not things.
pub(crate) fn unit(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix("_total").unwrap_or(name);
    ["bits_per_second", "seconds", "bytes", "ratio"]
        .into_iter()
        .find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
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
            write(&metrics, Format::Prometheus),
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
            write(&metrics, Format::Prometheus),
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
    fn openmetrics_has_units_and_an_end_and_names_counters_without_total() {
        let metrics = [
            Metric::counter("starling_cpu_seconds_total", "CPU \"time\".", 7).label("worker", "0"),
            Metric::gauge("starling_peers", "Peers.", 2.0),
        ];
        assert_eq!(
            write(&metrics, Format::OpenMetrics),
            "# TYPE starling_cpu_seconds counter\n\
             # UNIT starling_cpu_seconds seconds\n\
             # HELP starling_cpu_seconds CPU \\\"time\\\".\n\
             starling_cpu_seconds_total{worker=\"0\"} 7\n\
             # TYPE starling_peers gauge\n\
             # HELP starling_peers Peers.\n\
             starling_peers 2\n\
             # EOF\n"
        );
    }

    #[test]
    fn openmetrics_is_for_who_asks_for_a_version_that_we_write() {
        for (accept, format) in [
            ("", Format::Prometheus),
            ("*/*", Format::Prometheus),
            ("text/plain;version=0.0.4", Format::Prometheus),
            ("application/openmetrics-text", Format::OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5",
                Format::OpenMetrics,
            ),
            ("application/openmetrics-text; version=0.0.1,text/plain;q=0.5", Format::Prometheus),
        ] {
            assert_eq!(Format::wanted(accept), format, "{accept}");
        }
    }
}
