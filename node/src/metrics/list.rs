//! `docs/metrics.md`: every figure there is, as the code has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use starling_actors::{Metric, described};

use super::text::{kind, unit};
use crate::{reload::expiry, testing::app};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
/// What stands above the table.
const MARK: &str = "<!-- made by a test: UPDATE=1 cargo test -p starling-node every_figure -->\n\n";
/// Labels with more values than a table should show, or none that are known beforehand.
const OPEN: [&str; 6] = ["code", "le", "node", "protocol", "version", "worker"];

/// Every figure there is.
pub(super) async fn all() -> Vec<Metric> {
    let mut all = described();
    all.extend(app().await.metrics());
    // The node of the tests has none.
    all.extend(expiry(Some(0), Some(0)));
    all
}

fn table(all: &[Metric]) -> String {
    let mut families: BTreeMap<&str, Vec<&Metric>> = BTreeMap::new();
    for metric in all {
        families.entry(metric.name).or_default().push(metric);
    }
    let mut out =
        String::from("| name | kind | unit | labels | what |\n| --- | --- | --- | --- | --- |\n");
    for (name, samples) in families {
        let unit = unit(name).map_or("", |unit| match unit {
            "bits_per_second" => "bit/s",
            other => other,
        });
        let (kind, help) = (kind(samples[0].kind), samples[0].help);
        out += &format!("| `{name}` | {kind} | {unit} | {} | {help} |\n", labels(&samples));
    }
    out
}

fn labels(samples: &[&Metric]) -> String {
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in samples.iter().flat_map(|sample| &sample.labels) {
        known.entry(name).or_default().insert(value);
    }
    let shown = known.iter().filter(|(name, _)| **name != "le").map(|(name, values)| {
        let values = values.iter().copied().collect::<Vec<_>>().join(", ");
        if OPEN.contains(name) { format!("`{name}`") } else { format!("`{name}`: {values}") }
    });
    shown.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn the_documentation_has_every_figure() {
    let table = table(&all().await);
    let page = fs::read_to_string(PAGE).unwrap();
    let (head, _) = page.split_once(MARK).expect("the page has the mark");
    let expected = format!("{head}{MARK}{table}");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, &expected).unwrap();
    } else if page != expected {
        panic!("docs/metrics.md is out of date; its table must be:\n\n{table}");
    }
}

#[tokio::test]
async fn figures_are_named_as_prometheus_wants_them() {
    let mut wrong = Vec::new();
    let all = all().await;
    for metric in &all {
        let Metric { name, suffix, help, .. } = metric;
        let counter = metric.kind == starling_actors::MetricKind::Counter;
        let parts = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with("starling_") || !name.chars().all(parts) {
            wrong.push(format!("{name}: not starling_ and words"));
        }
        if counter != name.ends_with("_total") {
            wrong.push(format!("{name}: counters, and nothing else, end with _total"));
        }
        if !help.ends_with('.') || help.contains('|') {
            wrong.push(format!("{name}: its help is no sentence"));
        }
        // OpenMetrics names a counter's family without it, and knows no two of one name.
        let family = name.trim_end_matches("_total");
        if counter && all.iter().any(|other| other.name == family) {
            wrong.push(format!("{name}: {family} is there, too"));
        }
        let same = |other: &&Metric| other.name == *name;
        if all.iter().filter(same).any(|other| (other.kind, other.help) != (metric.kind, help)) {
            wrong.push(format!("{name}: two meanings"));
        }
        let twin = |other: &&Metric| other.suffix == *suffix && other.labels == metric.labels;
        if all.iter().filter(same).filter(twin).count() != 1 {
            wrong.push(format!("{name}{suffix}: twice with the same labels"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
