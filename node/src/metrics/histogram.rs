//! How long something takes, counted by many at once. Never does: read a clock.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use starling_actors::Metric;

/// Upper bounds, in milliseconds: a join within one node takes 5 ms, one that waits for etcd and
/// for somebody else's consent a few hundred, and after 8 s it is refused.
const BOUNDS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

/// See the module.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one is for what is above all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// It took so long.
    pub fn add(&self, took: Duration) {
        let above = |bound: &u64| took > Duration::from_millis(*bound);
        let place = BOUNDS.iter().take_while(|bound| above(bound)).count();
        self.buckets[place].fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// As figures.
    pub(super) fn metrics(&self, name: &'static str, help: &'static str) -> Vec<Metric> {
        let bounds = BOUNDS.iter().map(|ms| Some(*ms as f64 / 1e3)).chain([None]);
        let counts = self.buckets.iter().map(|count| count.load(Relaxed));
        let sum = self.micros.load(Relaxed) as f64 / 1e6;
        Metric::histogram(name, help, bounds.zip(counts), sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_that_is_not_below_it() {
        let joins = Histogram::default();
        for ms in [1, 5, 6, 10_001] {
            joins.add(Duration::from_millis(ms));
        }
        let all = joins.metrics("starling_join_seconds", "Joins.");
        let value = |suffix: &str, le: &str| {
            let found = all.iter().find(|metric| {
                metric.suffix == suffix && metric.labels.iter().all(|(_, text)| text == le)
            });
            found.unwrap().value
        };
        let below = ["0.005", "0.01", "10.0", "+Inf"].map(|le| value("_bucket", le));
        assert_eq!(below, [2.0, 3.0, 3.0, 4.0]);
        assert_eq!((value("_sum", ""), value("_count", "")), (10.013, 4.0));
    }
}
