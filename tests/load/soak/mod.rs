//! `starling-load soak`: two nodes and an etcd under people who come and go, for as long as it is
//! asked to. What a node takes of the machine must not grow with the number of those who were
//! there, and when all have left nothing of them may be left.

mod churn;
mod cluster;
mod sample;
mod whip;

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::client::Failure;
use churn::{Churn, KINDS};
use cluster::Cluster;
use sample::{Sample, Trend};

/// Share of the time that fills pools, caches and arenas, and is in no trend.
const WARM: f64 = 0.25;
/// What the resident memory of a node may seem to grow by after that: arenas of the allocator come
/// and go by so much.
const NOISE_MB: f64 = 2.0;
/// And an hour, in long runs (T-R03).
const PER_HOUR_MB: f64 = 1.0;
/// Until nothing is left of anybody: who is cut off keeps a place for 30 s, and a room its record
/// for five more.
const LEFT: Duration = Duration::from_secs(75);
/// Samples of a run.
const SAMPLES: u32 = 120;
/// Between two of them at least: reading metrics is work as well.
const LEAST: Duration = Duration::from_secs(1);

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct SoakConfig {
    time: Duration,
    rooms: usize,
    /// Of a hundred people so many are left behind, as a leak would: to see the soak fail.
    leak: usize,
}

impl SoakConfig {
    /// `[--minutes 30] [--rooms 6] [--leak 0]`.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut words = crate::room::Words::new(words)?;
        let minutes = words.number("--minutes", 30)?.clamp(1, 24 * 60);
        let config = Self {
            time: Duration::from_secs(60 * minutes as u64),
            rooms: words.number("--rooms", 6)?.clamp(1, 100),
            leak: words.number("--leak", 0)?.min(100),
        };
        words.end().map(|()| config)
    }
}

/// Runs it.
pub(crate) async fn soak(config: SoakConfig) -> Result<(), Failure> {
    let cluster = Arc::new(Cluster::start().await?);
    // Each kind once, for what a node makes the first time and keeps.
    let churn = Churn::new(Arc::clone(&cluster), config.rooms, config.leak)?;
    churn.each_once().await?;
    let baseline = settled(&cluster, None).await?;
    println!("{}", Sample::heads());
    println!("{}", baseline.line());
    let running = churn.start();
    let samples = sampled(&cluster, config.time).await?;
    let left_behind = running.stop().await;
    let last = settled(&cluster, Some(&baseline)).await?;
    println!("{}", last.line());
    let report = judge(&config, &baseline, &samples, &last, &churn);
    drop(left_behind);
    report
}

async fn sampled(cluster: &Cluster, time: Duration) -> Result<Vec<Sample>, Failure> {
    let every = (time / SAMPLES).max(LEAST);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (began, mut samples) = (Instant::now(), Vec::new());
    while began.elapsed() < time {
        ticks.tick().await;
        let sample = Sample::take(cluster).await?;
        if samples.len() % 10 == 0 {
            println!("{}", sample.line());
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// Waits until the counts are those of `baseline`, or no longer change without one.
async fn settled(cluster: &Cluster, baseline: Option<&Sample>) -> Result<Sample, Failure> {
    let end = Instant::now() + LEFT;
    loop {
        let sample = Sample::take(cluster).await?;
        let quiet = match baseline {
            Some(baseline) => sample.beyond(baseline).is_empty(),
            None => sample.is_empty(),
        };
        if quiet || Instant::now() > end {
            return Ok(sample);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

fn judge(
    config: &SoakConfig,
    baseline: &Sample,
    samples: &[Sample],
    last: &Sample,
    churn: &Churn,
) -> Result<(), Failure> {
    let warm = (samples.len() as f64 * WARM) as usize;
    let mut wrong = Vec::new();
    let mut trends = Vec::new();
    for node in 0..baseline.nodes.len() {
        let points: Vec<_> =
            samples[warm..].iter().map(|it| (it.at.as_secs_f64(), it.nodes[node].memory)).collect();
        let trend = Trend::of(&points);
        let bound = (NOISE_MB / trend.hours).max(PER_HOUR_MB);
        println!(
            "node {}: memory {:.1} MB at the end of the warm-up, {:+.2} MB an hour (at most \
             {bound:.2}; n={} samples in {:.2} h)",
            node + 1,
            trend.first,
            trend.per_hour,
            points.len(),
            trend.hours
        );
        if trend.per_hour > bound {
            wrong.push(format!("node {} grows by {:.2} MB an hour", node + 1, trend.per_hour));
        }
        trends.push(json!({
            "mb_per_hour": trend.per_hour, "bound": bound, "hours": trend.hours,
            "first_mb": trend.first, "n": points.len()
        }));
    }
    wrong.extend(last.beyond(baseline));
    let done: Vec<_> =
        KINDS.iter().zip(&churn.done).map(|(kind, n)| (kind.name(), n.load(Relaxed))).collect();
    for (kind, n) in &done {
        println!("{kind}: {n} times");
        if *n == 0 {
            wrong.push(format!("{kind} never happened"));
        }
    }
    let (failed, all) = (churn.failed.load(Relaxed), done.iter().map(|it| it.1).sum::<u64>());
    println!("failed: {failed}");
    if failed * 100 > all {
        wrong.push(format!("{failed} of {all} comings and goings failed"));
    }
    let report = json!({
        "seconds": config.time.as_secs(), "baseline": baseline.json(), "last": last.json(),
        "trends": trends, "failed": failed, "wrong": wrong,
        "done": done.iter().copied().collect::<std::collections::BTreeMap<_, _>>(),
        "samples": samples.iter().map(Sample::json).collect::<Vec<_>>()
    });
    let path = Path::new("target/reports/soak.json");
    fs::create_dir_all("target/reports")?;
    fs::write(path, serde_json::to_string_pretty(&report)? + "\n")?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
