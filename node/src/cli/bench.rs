//! `starling bench`: what a packet costs on this machine. A node is started in a process of its
//! own, people come into a room on it, and what its media thread spends is divided by what it
//! forwards.
//! Never does: touch a running cluster.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::Duration,
};

use serde::Serialize;
use serde_json::json;
use starling_client::Client;
use starling_people::guest::Seen;
use starling_proto::NodeId;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{
    load_test::{LoadTest, Party, SETTLE},
    node::random_secret,
    output::{self, Failure, Format, Line, Shown, note},
    remote::Remote,
};
use crate::config::value;

/// Longest wait for the node.
const START: Duration = Duration::from_secs(20);
/// A camera of the load test at its best, in bits per second: what is meant by a video.
const VIDEO: f64 = 900_000.0;

/// Measures what forwarding costs on this machine, on a node of its own that is there for nothing
/// else.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Sender, node and receivers share this machine: the cost of a packet is the \
                  node's media thread's alone, latency and loss are of all of them. Few packets \
                  cost more each than many: give more subscribers until the machine is busy."
)]
pub(super) struct Bench {
    /// People with a camera and a microphone.
    #[arg(long, default_value_t = 2, value_name = "NUMBER")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=100))]
    publishers: u16,
    /// People who watch them.
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_000))]
    subscribers: u16,
    /// How long is measured.
    #[arg(long, default_value = "5s", value_parser = time, value_name = "TIME")]
    duration: Duration,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn time(text: &str) -> Result<Duration, String> {
    let time = value::duration(text).filter(|time| *time >= Duration::from_secs(1));
    time.ok_or_else(|| "write it as 5s or 1m, at least 1s".to_owned())
}

/// What a node has done until now.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Work {
    /// Of its media thread.
    cpu: Duration,
    forwarded: u64,
    at: Duration,
}

/// What was found.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    cores: usize,
    publishers: u16,
    subscribers: u16,
    seconds: f64,
    packets_per_second: f64,
    /// Share of a core that the media thread had.
    busy_percent: f64,
    micros_per_packet: f64,
    /// What a core would forward at this cost.
    packets_per_second_per_core: f64,
    mbit_per_second_per_core: f64,
    videos_per_core: f64,
    loss_percent: f64,
    latency_p50_ms: f64,
    latency_p99_ms: f64,
}

impl Found {
    fn new(bench: &Bench, from: Work, to: Work, seen: &Seen) -> Self {
        let seconds = to.at.saturating_sub(from.at).as_secs_f64().max(1e-3);
        let cpu = to.cpu.saturating_sub(from.cpu).as_secs_f64();
        let packets = to.forwarded.saturating_sub(from.forwarded) as f64;
        let bits = seen.bytes as f64 * 8.0 / (seen.received.max(1) as f64);
        let per_core = if cpu > 0.0 { packets / cpu } else { 0.0 };
        let heard = (seen.received + seen.lost).max(1) as f64;
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            publishers: bench.publishers,
            subscribers: bench.subscribers,
            seconds: round(seconds),
            packets_per_second: (packets / seconds).round(),
            busy_percent: round(cpu / seconds * 100.0),
            micros_per_packet: round(if packets > 0.0 { cpu / packets * 1e6 } else { 0.0 }),
            packets_per_second_per_core: per_core.round(),
            mbit_per_second_per_core: (per_core * bits / 1e6).round(),
            videos_per_core: (per_core * bits / VIDEO).round(),
            loss_percent: round(seen.lost as f64 / heard * 100.0),
            latency_p50_ms: round(seen.delays.percentile_ms(50.0)),
            latency_p99_ms: round(seen.delays.percentile_ms(99.0)),
        }
    }

    fn lines(&self) -> Vec<Figure> {
        let line = |what, value: String| Figure { what, value };
        vec![
            line("forwarded", format!("{} packets/s", self.packets_per_second)),
            line("busy", format!("{}% of a core", self.busy_percent)),
            line("cost", format!("{} µs a packet", self.micros_per_packet)),
            line(
                "a core",
                format!(
                    "{} packets/s, {} Mb/s, {} videos of 900 kb/s",
                    self.packets_per_second_per_core,
                    self.mbit_per_second_per_core,
                    self.videos_per_core
                ),
            ),
            line("loss", format!("{}%", self.loss_percent)),
            line(
                "latency",
                format!("p50 {} ms, p99 {} ms", self.latency_p50_ms, self.latency_p99_ms),
            ),
        ]
    }
}

/// Two places.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A figure for people.
#[derive(Debug, Serialize)]
struct Figure {
    what: &'static str,
    value: String,
}

impl Line for Figure {
    const HEAD: &'static [&'static str] = &["figure", "value"];

    fn name(&self) -> String {
        self.what.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), self.value.clone()]
    }
}

/// Does it.
///
/// # Errors
/// A node that does not start, and people who do not come.
pub(super) fn run(bench: &Bench) -> Result<(), Failure> {
    // On all cores, as a load test.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let found = runtime.block_on(measured(bench));
    runtime.shutdown_background();
    let found = found?;
    match bench.output {
        Format::Table | Format::Wide | Format::Name => {
            Shown::All(&found.lines()).print(bench.output)
        }
        other => output::value(other, &json!(found)),
    }
}

async fn measured(bench: &Bench) -> Result<Found, Failure> {
    let (node, remote) = start().await?;
    let client = remote.client()?;
    let id: NodeId = "node-1".parse().expect("a name of ours is an id");
    let Bench { publishers, subscribers, duration, .. } = *bench;
    let test = LoadTest::of(publishers.into(), subscribers.into(), duration, remote)?;
    let party = Party::gather(&test).await?;
    let looks = async {
        sleep(SETTLE).await;
        let from = look(&client, &id).await?;
        sleep(duration.mul_f64(0.9)).await;
        Ok::<_, Failure>((from, look(&client, &id).await?))
    };
    let (looks, watched) = tokio::join!(looks, party.measure(duration));
    drop(node);
    let (from, to) = looks?;
    if to.forwarded == from.forwarded {
        return Err(Failure::Failed("the node forwarded nothing".to_owned()));
    }
    Ok(Found::new(bench, from, to, &watched.seen))
}

/// A node of this program in a process that ends with us.
async fn start() -> Result<(Child, Remote), Failure> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
    let port = port.map_err(failed)?.port().to_string();
    let token = random_secret();
    let child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(["dev", "--nodes", "1", "--workers", "1", "--log", "error", "--port", &port])
        .env("STARLING_ADMIN_TOKEN", &token)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let remote = Remote::at(format!("http://localhost:{port}"), token);
    let client = remote.client()?;
    let end = Instant::now() + START;
    while let Err(error) = client.nodes().await {
        if Instant::now() > end {
            return Err(error.into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    note("a node runs in a process of its own");
    Ok((child, remote))
}

async fn look(client: &Client, id: &NodeId) -> Result<Work, Failure> {
    let (workers, metrics) = tokio::try_join!(client.workers(id), client.metrics())?;
    let seconds: f64 = workers.workers.iter().map(|worker| worker.cpu_seconds).sum();
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ok(Work {
        cpu: Duration::from_secs_f64(seconds.max(0.0)),
        forwarded: forwarded(&metrics),
        at: at.unwrap_or_default(),
    })
}

/// Of all workers.
fn forwarded(metrics: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.starts_with("starling_rtp_forwarded_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn failed(error: std::io::Error) -> Failure {
    Failure::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        bench: Bench,
    }

    #[test]
    fn a_packet_costs_what_the_media_thread_spent_on_it() {
        let bench = Alone::parse_from(["x", "--publishers", "1"]).bench;
        let work = |cpu_ms, forwarded, at| Work {
            cpu: Duration::from_millis(cpu_ms),
            forwarded,
            at: Duration::from_secs(at),
        };
        let seen = Seen { received: 1_000, lost: 10, bytes: 1_125_000, ..Seen::default() };
        let found = Found::new(&bench, work(500, 1_000, 10), work(1_000, 101_000, 15), &seen);
        assert_eq!((found.packets_per_second, found.busy_percent), (20_000.0, 10.0));
        assert_eq!((found.micros_per_packet, found.packets_per_second_per_core), (5.0, 200_000.0));
        // 9,000 bits a packet.
        assert_eq!((found.mbit_per_second_per_core, found.videos_per_core), (1_800.0, 2_000.0));
        assert_eq!(found.loss_percent, 0.99);
    }

    #[test]
    fn what_all_workers_forwarded_is_read_from_the_metrics() {
        let metrics = "# TYPE starling_rtp_forwarded counter\n\
                       starling_rtp_forwarded_total{worker=\"0\"} 70\n\
                       starling_rtp_forwarded_total{worker=\"1\"} 7\n\
                       starling_rtp_received_total{worker=\"0\"} 9\n";
        assert_eq!(forwarded(metrics), 77);
    }
}
