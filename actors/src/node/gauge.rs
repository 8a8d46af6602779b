//! How late the control plane's timers are and how much memory is in use: what of a node's cost no
//! worker counts. Never decides what that means (`cluster::decide::cost`).

use std::{
    fs,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use starling_cluster::decide::cost::{Counted, Meter};
use starling_proto::registry::NodeCost;

/// How often a timer is watched: often enough for a mean of the last second, and nothing beside
/// what a node's timers cost anyhow.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// Share of the newest lateness in the mean: about the last second.
const WEIGHT: f64 = 0.1;
/// How often memory is read: it changes slowly, and is three files.
const READ_EVERY: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Gauge {
    meter: Meter,
    /// Microseconds.
    delay: Arc<AtomicU64>,
    memory: Option<(Instant, f32)>,
}

impl Gauge {
    /// Watches from now on, until it is dropped.
    pub(super) fn start() -> Self {
        let delay = Arc::new(AtomicU64::new(0));
        tokio::spawn(watch(Arc::downgrade(&delay)));
        Self { meter: Meter::default(), delay, memory: None }
    }

    /// What the node costs, with what its workers counted.
    pub(super) fn cost(&mut self, now: Instant, counted: Counted) -> NodeCost {
        let fresh = self.memory.filter(|(at, _)| now.duration_since(*at) < READ_EVERY);
        let (_, memory) = *self.memory.insert(fresh.unwrap_or_else(|| (now, memory())));
        let delay = Duration::from_micros(self.delay.load(Relaxed));
        self.meter.measure(now, Counted { delay, memory, ..counted })
    }
}

async fn watch(delay: Weak<AtomicU64>) {
    let mut mean = 0.0;
    loop {
        let due = tokio::time::Instant::now() + WATCH_EVERY;
        tokio::time::sleep_until(due).await;
        let late = due.elapsed().as_micros() as f64;
        mean += (late - mean) * WEIGHT;
        let Some(delay) = delay.upgrade() else { return };
        delay.store(mean as u64, Relaxed);
    }
}

/// Share of this container's memory, or else of the machine's, that is in use; 0 where it cannot be
/// read.
fn memory() -> f32 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let number = |path: &str| read(path).trim().parse().ok();
    let of_group = number("/sys/fs/cgroup/memory.max").and_then(|most: u64| {
        let used: u64 = number("/sys/fs/cgroup/memory.current")?;
        // The kernel drops file caches before it runs out.
        let cached = field(&read("/sys/fs/cgroup/memory.stat"), "inactive_file").unwrap_or(0);
        Some(used.saturating_sub(cached) as f32 / most.max(1) as f32)
    });
    let of_machine = || {
        let info = read("/proc/meminfo");
        let (total, free) = (field(&info, "MemTotal:")?, field(&info, "MemAvailable:")?);
        Some(1.0 - free as f32 / total.max(1) as f32)
    };
    of_group.or_else(of_machine).unwrap_or(0.0)
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_share() {
        let info = "MemTotal:       16000 kB\nMemFree: 1 kB\nMemAvailable:    4000 kB\n";
        assert_eq!(
            (field(info, "MemTotal:"), field(info, "MemAvailable:")),
            (Some(16_000), Some(4_000))
        );
        assert_eq!(field(info, "SwapTotal:"), None);
        assert!((0.01..=1.0).contains(&memory()), "{}", memory());
    }

    #[tokio::test]
    async fn a_runtime_that_is_held_up_is_late() {
        let mut gauge = Gauge::start();
        tokio::time::sleep(Duration::from_millis(150)).await;
        let idle = gauge.cost(Instant::now(), Counted::default()).delay_ms;
        std::thread::sleep(Duration::from_millis(600));
        tokio::time::sleep(Duration::from_millis(150)).await;
        let late = gauge.cost(Instant::now(), Counted::default()).delay_ms;
        assert!(late > idle + 20.0, "{idle} {late}");
    }
}
