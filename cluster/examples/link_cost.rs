//! What a link costs and what it does to latency: CPU per packet on loopback, and video-shaped load
//! over a 40 ms path with and without loss, for each congestion controller.
//!
//! `cargo run --release -p starling-cluster --example link_cost [seconds per row]`
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "measures real time")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot start has nothing to say")]

#[path = "../src/link/tests/wire.rs"]
#[expect(dead_code, reason = "tests cut it, this does not")]
mod wire;

use std::{
    fs,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use starling_cluster::link::{
    Congestion, DevCa, Link, LinkConfig, LinkCounters, LinkEndpoint, LinkEvent, LinkTls,
    PacketClass, PacketSink, Target,
};
use starling_proto::{Id, NodeId, flow::FlowId};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};
use wire::{Path, Wire};

const PACKET: usize = 1_200;
const FLOW: FlowId = FlowId(2);

fn main() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let seconds = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(5);
    let length = Duration::from_secs(seconds);

    println!("loopback, {PACKET}-byte packets, steady: CPU ns per packet, latency us");
    println!(
        "load                 | caller | sender | receiver |   p50 |   p99 | delivered | per syscall"
    );
    for (name, load) in [
        ("10 kpps, bursts of 10", Load::Bursts { size: 10, every: Duration::from_millis(1) }),
        ("50 kpps, bursts of 50", Load::Bursts { size: 50, every: Duration::from_millis(1) }),
        ("5 kpps, singles", Load::Bursts { size: 1, every: Duration::from_micros(200) }),
        ("10 videos", Load::Videos(10)),
    ] {
        let r = Bench::new(Congestion::Steady, None).run(load, length);
        println!(
            "{name:21}| {:6} | {:6} | {:8} | {:5} | {:5} | {} of {} | {:.1}",
            r.caller,
            r.sender,
            r.receiver,
            r.percentile(50.0).as_micros(),
            r.percentile(99.0).as_micros(),
            r.latencies.len(),
            r.sent,
            r.counters.datagrams_out as f64 / r.counters.transmits as f64,
        );
    }

    println!("40 ms path, one way 20 ms: latency ms");
    println!("path | videos | controller | p50 | p99 | max | delivered | shed | split | path lost");
    let delay = Duration::from_millis(20);
    let lossy = [0.0, 0.01, 0.05].map(|loss| Path { delay, loss, ..Path::default() });
    // A third of a video, and one and three quarters.
    let narrow = [1_000_000, 4_000_000].map(|rate| Path { delay, rate, ..Path::default() });
    for path in lossy.into_iter().chain(narrow) {
        for videos in if path.rate > 0 { &[1][..] } else { &[1, 10] } {
            for congestion in [Congestion::Cubic, Congestion::Bbr, Congestion::Steady] {
                let r = Bench::new(congestion, Some(path)).run(Load::Videos(*videos), length);
                println!(
                    "{}| {videos:6} | {:10} | {} | {} | {} | {} of {} | {} | {} | {}",
                    name(&path),
                    format!("{congestion:?}"),
                    r.percentile(50.0).as_millis(),
                    r.percentile(99.0).as_millis(),
                    r.percentile(100.0).as_millis(),
                    r.latencies.len(),
                    r.sent,
                    r.counters.shed_video,
                    r.counters.split,
                    r.path_lost,
                );
            }
        }
    }
}

fn name(path: &Path) -> String {
    match path.rate {
        0 => format!("{:4} % ", path.loss * 100.0),
        rate => format!("{} Mb/s ", rate / 1_000_000),
    }
}

#[derive(Clone, Copy)]
enum Load {
    /// So many packets, so often.
    Bursts { size: u32, every: Duration },
    /// So many videos: 30 frames a second of 8 packets, a key frame of 60 every 3 s.
    Videos(u32),
}

struct Report {
    sent: usize,
    caller: u64,
    sender: u64,
    receiver: u64,
    latencies: Vec<Duration>,
    counters: LinkCounters,
    path_lost: u64,
}

impl Report {
    fn percentile(&self, percent: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * percent / 100.0).round() as usize;
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// Two endpoints, each on its own thread, perhaps with a path between them on a third.
struct Bench {
    sender: Runtime,
    receiver: Runtime,
    wire: Option<(Runtime, Wire)>,
    to_b: Arc<dyn Link>,
    arrived: Arc<Arrived>,
    _endpoints: [(LinkEndpoint, mpsc::Receiver<LinkEvent>); 2],
}

struct Arrived {
    start: Instant,
    latencies: Mutex<Vec<Duration>>,
}

impl PacketSink for Arrived {
    fn deliver(&self, packet: Bytes) {
        let sent = u64::from_be_bytes(*packet.first_chunk().unwrap());
        let latency = self.start.elapsed() - Duration::from_nanos(sent);
        self.latencies.lock().unwrap().push(latency);
    }
}

impl Bench {
    fn new(congestion: Congestion, path: Option<Path>) -> Self {
        let runtime = |name: &str| {
            Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name(name)
                .enable_all()
                .build()
                .unwrap()
        };
        let (sender, receiver) = (runtime("sender"), runtime("receiver"));
        let ca = DevCa::new().unwrap();
        let bind = |name: &str| {
            let node = NodeId::parse(name).unwrap();
            let tls = LinkTls::ephemeral(&ca, &node).unwrap();
            let listen = "127.0.0.1:0".parse().unwrap();
            LinkEndpoint::bind(LinkConfig { congestion, ..LinkConfig::new(node, 1, listen, tls) })
                .unwrap()
        };
        let mut a = sender.block_on(async { bind("a") });
        let mut b = receiver.block_on(async { bind("b") });
        let wire = path.map(|path| {
            let runtime = runtime("wire");
            let wire = runtime.block_on(Wire::to(b.0.local_addr(), path));
            (runtime, wire)
        });
        let target =
            |name: &str, addr| Target { node: NodeId::parse(name).unwrap(), epoch: 1, addr };
        let addr = wire.as_ref().map_or(b.0.local_addr(), |(_, wire)| wire.addr());
        b.0.set_targets(vec![target("a", a.0.local_addr())]);
        a.0.set_targets(vec![target("b", addr)]);
        let up = |endpoint: &mut (_, mpsc::Receiver<LinkEvent>)| match endpoint.1.blocking_recv() {
            Some(LinkEvent::Up(link)) => link,
            other => panic!("{other:?}"),
        };
        let (to_b, to_a) = (up(&mut a), up(&mut b));
        let arrived = Arc::new(Arrived { start: Instant::now(), latencies: Mutex::default() });
        to_a.open_flow(FLOW, Arc::clone(&arrived) as Arc<dyn PacketSink>);
        // Path discovery is another measurement.
        thread::sleep(Duration::from_millis(500));
        Self { sender, receiver, wire, to_b, arrived, _endpoints: [a, b] }
    }

    fn run(self, load: Load, length: Duration) -> Report {
        let before = ["caller", "sender", "receiver"].map(cpu);
        let (sent, caller) = {
            let (link, start) = (Arc::clone(&self.to_b), self.arrived.start);
            let caller = thread::Builder::new().name("caller".into());
            caller.spawn(move || offer(&*link, start, load, length)).unwrap().join().unwrap()
        };
        thread::sleep(Duration::from_millis(400));
        let cost = |name, before| (cpu(name) - before) / sent.max(1) as u64;
        let mut latencies = self.arrived.latencies.lock().unwrap().clone();
        latencies.sort();
        let report = Report {
            sent,
            caller: caller / sent.max(1) as u64,
            sender: cost("sender", before[1]),
            receiver: cost("receiver", before[2]),
            latencies,
            counters: self.to_b.counters(),
            path_lost: self.wire.as_ref().map_or(0, |(_, wire)| wire.lost()),
        };
        self.sender.shutdown_background();
        self.receiver.shutdown_background();
        if let Some((runtime, _)) = self.wire {
            runtime.shutdown_background();
        }
        report
    }
}

/// Sends the load; answers packets sent and the CPU nanoseconds of doing so.
fn offer(link: &dyn Link, start: Instant, load: Load, length: Duration) -> (usize, u64) {
    let mut packet = vec![0; PACKET];
    let (begin, before) = (Instant::now(), cpu("caller"));
    let (mut sent, mut turn) = (0, 0u32);
    let (size, every) = match load {
        Load::Bursts { size, every } => (size, every),
        Load::Videos(count) => (8, Duration::from_micros(33_333) / count),
    };
    while begin.elapsed() < length {
        let key_frame = match load {
            Load::Bursts { .. } => false,
            Load::Videos(count) => (turn / count) % 90 == turn % count * (90 / count),
        };
        for _ in 0..if key_frame { 60 } else { size } {
            let stamp = start.elapsed().as_nanos() as u64;
            packet[..8].copy_from_slice(&stamp.to_be_bytes());
            link.send_packet(FLOW, PacketClass::Video, 0, &packet);
            sent += 1;
        }
        turn += 1;
        thread::sleep((begin + every * turn).saturating_duration_since(Instant::now()));
    }
    (sent, cpu("caller") - before)
}

/// CPU nanoseconds of this process's threads of that name.
fn cpu(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| {
            fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        })
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()))
        .sum()
}
