//! A node of its own process under clients of ours: what a join costs it, what an idle peer keeps,
//! and what 500 idle transports take of a core.

use std::{
    fs, io,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Builder, sync::Semaphore, task::JoinSet, time::sleep};

use super::report::{Report, percentile};
use crate::{
    client::{self, Client, Failure, Identity, Wish},
    node::{resident, starling},
    sys::process_cpu,
};

/// Peers of a room: everybody is told of everybody.
const ROOM: usize = 10;
/// Joins at the same time.
const CONCURRENT: usize = 16;
/// Two transports each.
const IDLE: usize = 250;
/// Joined before anything is measured, so that pools and buffers have their size.
const WARM: usize = 50;
/// How long idleness is watched.
const WATCH: Duration = Duration::from_secs(10);

/// `starling dev` with one worker; ended when dropped.
struct Node {
    child: Child,
    url: String,
}

impl Node {
    fn start() -> io::Result<Self> {
        let binary = starling()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = PathBuf::from("target/reports");
        fs::create_dir_all(&log)?;
        let log = fs::File::create(log.join("bench-node.log"))?;
        let child = Command::new(binary)
            .args(["dev", "--nodes", "1", "--workers", "1", "--log", "error"])
            .args(["--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let node = Self { child, url: format!("http://127.0.0.1:{port}") };
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the node does not listen"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        // It registers in its own time.
        thread::sleep(Duration::from_secs(1));
        Ok(node)
    }

    fn cpu(&self) -> u64 {
        process_cpu(self.child.id())
    }

    /// Resident bytes.
    fn memory(&self) -> f64 {
        resident(self.child.id())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Joins `places`; clients and how long each took, in milliseconds.
async fn join(
    node: &Node,
    identity: &Arc<Identity>,
    places: std::ops::Range<usize>,
) -> Result<(Vec<Client>, Vec<f64>), Failure> {
    let gate = Arc::new(Semaphore::new(CONCURRENT));
    let mut joining = JoinSet::new();
    for n in places {
        let (gate, identity, url) = (Arc::clone(&gate), Arc::clone(identity), node.url.clone());
        joining.spawn(async move {
            let _turn = gate.acquire_owned().await?;
            let began = Instant::now();
            let (room, peer) = (format!("room{}", n / ROOM), format!("peer{n}"));
            let wish = Wish { consume: true, keep: true };
            let client = client::join(&url, &room, &peer, &identity, wish).await?;
            Ok::<_, Failure>((client, began.elapsed().as_secs_f64() * 1e3))
        });
    }
    let (mut clients, mut times) = (Vec::new(), Vec::new());
    while let Some(joined) = joining.join_next().await {
        let (client, time) = joined??;
        clients.push(client);
        times.push(time);
    }
    Ok((clients, times))
}

async fn measure(report: &mut Report, node: &Node, idle: usize) -> Result<(), Failure> {
    let identity = Arc::new(Identity::new()?);
    let (warm, _) = join(node, &identity, 0..WARM).await?;
    sleep(Duration::from_secs(1)).await;
    let (memory, cpu, began) = (node.memory(), node.cpu(), Instant::now());
    let (clients, times) = join(node, &identity, WARM..WARM + idle).await?;
    let (spent, elapsed) = ((node.cpu() - cpu) as f64 / 1e9, began.elapsed().as_secs_f64());
    let per_core = idle as f64 / spent;
    report.line(&format!(
        "{idle} joins (WebSocket, 2 transports, ICE and DTLS on both): {per_core:.0} per second of \
         the node's CPU ({:.2} ms each), {:.0} per second on the clock with {CONCURRENT} at a time \
         on this machine, each p50 {:.0} ms, p99 {:.0} ms",
        spent * 1e3 / idle as f64,
        idle as f64 / elapsed,
        percentile(&times, 50.0),
        percentile(&times, 99.0)
    ));
    report.put(&format!("joins_per_core_second_n{idle}"), per_core);
    report.put(&format!("joins_per_second_wall_n{idle}"), idle as f64 / elapsed);
    report.put(&format!("join_p50_ms_n{idle}"), percentile(&times, 50.0));
    report.put(&format!("join_p99_ms_n{idle}"), percentile(&times, 99.0));
    sleep(Duration::from_secs(2)).await;
    let each = (node.memory() - memory) / idle as f64;
    report.line(&format!(
        "an idle peer (2 transports) keeps {:.1} KiB of the node's resident memory",
        each / 1024.0
    ));
    report.put(&format!("memory_idle_peer_rss_bytes_mean_n{idle}"), each);
    drop(warm);
    sleep(Duration::from_secs(2)).await;
    let transports = 2 * clients.len();
    let share = |cpu: u64| (node.cpu() - cpu) as f64 / 1e7 / WATCH.as_secs_f64();
    let cpu = node.cpu();
    sleep(WATCH).await;
    let checked = share(cpu);
    clients.iter().for_each(|client| {
        client.up.be_silent();
        client.down.be_silent();
    });
    let cpu = node.cpu();
    sleep(WATCH).await;
    let silent = share(cpu);
    report.line(&format!(
        "{transports} idle transports take {silent:.2} % of a core in silence, {checked:.2} % with \
         a consent check each 2.5 s (whole process)"
    ));
    report.put(&format!("idle_transports_cpu_percent_silent_n{transports}"), silent);
    report.put(&format!("idle_transports_cpu_percent_checked_n{transports}"), checked);
    Ok(())
}

pub(crate) fn run(report: &mut Report, quick: bool) -> io::Result<()> {
    report
        .title("joins and idle peers: starling dev, one node and one worker, a process of its own");
    let node = match Node::start() {
        Ok(node) => node,
        Err(error) => {
            report.line(&format!("not measured: {error}"));
            return Ok(());
        }
    };
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let idle = if quick { IDLE / 5 } else { IDLE };
    let done = runtime.block_on(measure(report, &node, idle));
    done.map_err(|error| io::Error::other(error.to_string()))
}
