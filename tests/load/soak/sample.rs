//! What a cluster takes and holds at a moment, and how that goes on.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::{client::Failure, figures::Figures, sys::monotonic};

/// Gauges of a node that are 0 when nobody is there.
const EMPTY: [(&str, &str); 6] = [
    ("peers", "starling_peers"),
    ("rooms", "starling_rooms"),
    ("transports", "starling_transports"),
    ("producers", "starling_producers"),
    ("consumers", "starling_consumers"),
    ("sessions", "starling_signal_sessions"),
];
/// Descriptors, threads and tasks that come and go by themselves: connections that are just being
/// asked for these very numbers, threads of the runtime's pool for blocking work, timers.
const SLACK: [(&str, f64); 3] = [("descriptors", 6.0), ("threads", 4.0), ("tasks", 12.0)];

/// One node's.
#[derive(Clone, Debug, Default)]
pub(super) struct OfNode {
    /// Resident megabytes.
    pub(super) memory: f64,
    descriptors: f64,
    threads: f64,
    tasks: f64,
    gauges: [f64; EMPTY.len()],
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Of the clock that all processes share.
    pub(super) at: Duration,
    pub(super) nodes: Vec<OfNode>,
    keys: f64,
    took: Duration,
}

impl Sample {
    pub(super) async fn take(cluster: &Cluster) -> Result<Self, Failure> {
        let began = Instant::now();
        let mut nodes = Vec::new();
        for node in &cluster.nodes {
            let figures: Figures = node.figures().await?;
            nodes.push(OfNode {
                memory: node.memory() / 1e6,
                descriptors: node.descriptors() as f64,
                threads: node.threads() as f64,
                tasks: figures.sum("starling_tasks"),
                gauges: EMPTY.map(|(_, name)| figures.sum(name)),
            });
        }
        let keys = cluster.keys().await?;
        Ok(Self { at: Duration::from_nanos(monotonic()), nodes, keys, took: began.elapsed() })
    }

    /// Nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.iter().all(|node| node.gauges.iter().all(|gauge| *gauge == 0.0))
    }

    /// What is more than it was at first, in words.
    pub(super) fn beyond(&self, baseline: &Self) -> Vec<String> {
        let mut beyond = Vec::new();
        for (n, (now, then)) in self.nodes.iter().zip(&baseline.nodes).enumerate() {
            let mut note = |name: &str, now: f64, most: f64| {
                if now > most {
                    beyond.push(format!("node {}: {now} {name} are left, {most} may be", n + 1));
                }
            };
            for (place, (name, _)) in EMPTY.iter().enumerate() {
                note(name, now.gauges[place], 0.0);
            }
            let counts = [
                (now.descriptors, then.descriptors),
                (now.threads, then.threads),
                (now.tasks, then.tasks),
            ];
            for ((name, slack), (now, then)) in SLACK.iter().zip(counts) {
                note(name, now, then + slack);
            }
        }
        if self.keys > baseline.keys {
            let (now, then) = (self.keys, baseline.keys);
            beyond.push(format!("etcd: {now} keys are left, {then} may be"));
        }
        beyond
    }

    /// The heads of [`Self::line`].
    pub(super) fn heads() -> String {
        let node = format!(
            "{:>8} {:>5} {:>5} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6} {:>6}",
            "MB", "fds", "thr", "tasks", "peers", "rooms", "transp", "produc", "consum", "sess"
        );
        format!("{node} | {node} | {:>5}", "keys")
    }

    /// For people.
    pub(super) fn line(&self) -> String {
        let node = |of: &OfNode| {
            let gauges: Vec<_> = of.gauges.iter().map(|it| format!("{it:>6}")).collect();
            let OfNode { memory, descriptors, threads, tasks, .. } = of;
            format!("{memory:>8.1} {descriptors:>5} {threads:>5} {tasks:>6} {}", gauges.join(" "))
        };
        let nodes: Vec<_> = self.nodes.iter().map(node).collect();
        format!("{} | {:>5}", nodes.join(" | "), self.keys)
    }

    /// For machines.
    pub(super) fn json(&self) -> Value {
        let node = |of: &OfNode| {
            let mut all = json!({
                "memory_mb": of.memory, "descriptors": of.descriptors, "threads": of.threads,
                "tasks": of.tasks
            });
            for (place, (name, _)) in EMPTY.iter().enumerate() {
                all[*name] = json!(of.gauges[place]);
            }
            all
        };
        json!({
            "at_s": self.at.as_secs_f64(), "etcd_keys": self.keys, "took_ms": self.took.as_millis() as u64,
            "nodes": self.nodes.iter().map(node).collect::<Vec<_>>()
        })
    }
}

/// How a figure goes on: the line with the least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trend {
    pub(super) per_hour: f64,
    pub(super) hours: f64,
    pub(super) first: f64,
}

impl Trend {
    /// Of points in seconds and whatever.
    pub(super) fn of(points: &[(f64, f64)]) -> Self {
        let n = points.len() as f64;
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(&|it| it.0), mean(&|it| it.1));
        let both: f64 = points.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
        let square: f64 = points.iter().map(|it| (it.0 - x).powi(2)).sum();
        let span = points.last().map_or(0.0, |last| last.0 - points[0].0);
        let first = points.first().map_or(0.0, |it| it.1);
        Self { per_hour: 3_600.0 * both / square, hours: span / 3_600.0, first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(memory: f64, peers: f64, descriptors: f64, keys: f64) -> Sample {
        let mut node = OfNode { memory, descriptors, ..OfNode::default() };
        node.gauges[0] = peers;
        Sample { at: Duration::ZERO, nodes: vec![node], keys, took: Duration::ZERO }
    }

    #[test]
    fn a_line_is_found_through_noise_and_none_where_there_is_none() {
        let noise = |n: usize| if n.is_multiple_of(2) { 0.5 } else { -0.5 };
        let points: Vec<_> =
            (0..100).map(|n| (36.0 * n as f64, 50.0 + 0.02 * n as f64 + noise(n))).collect();
        let trend = Trend::of(&points);
        // 0.02 each 36 s are 2 an hour.
        assert!((trend.per_hour - 2.0).abs() < 0.1, "{trend:?}");
        assert!((trend.hours - 0.99).abs() < 1e-9);
        let flat: Vec<_> = (0..100).map(|n| (36.0 * n as f64, 50.0 + noise(n))).collect();
        assert!(Trend::of(&flat).per_hour.abs() < 0.1);
    }

    #[test]
    fn what_is_left_is_named_and_what_comes_and_goes_is_not() {
        let baseline = sample(50.0, 0.0, 20.0, 2.0);
        assert!(sample(90.0, 0.0, 26.0, 2.0).beyond(&baseline).is_empty());
        let left = sample(50.0, 1.0, 27.0, 3.0).beyond(&baseline);
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(left[0].contains("1 peers") && left[2].contains("3 keys"), "{left:?}");
        assert!(!sample(1.0, 1.0, 0.0, 0.0).is_empty() && baseline.is_empty());
    }
}
