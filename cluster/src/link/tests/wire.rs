//! A path between two nodes, in user space: delay, loss, a largest datagram, a cut. Also used by
//! the `link_cost` example. Loopback only.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::{net::UdpSocket, sync::mpsc, task::JoinSet, time::sleep_until};

/// How long datagrams wait for a narrow place at most, as in a router.
const QUEUE: Duration = Duration::from_millis(200);

/// What the path does to datagrams, each way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// One way.
    pub(crate) delay: Duration,
    /// Share of datagrams lost.
    pub(crate) loss: f64,
    /// Larger datagrams are lost.
    pub(crate) largest: usize,
    /// Bits per second that pass; 0: all.
    pub(crate) rate: u64,
    /// Of the loss.
    pub(crate) seed: u64,
}

impl Default for Path {
    fn default() -> Self {
        Self { delay: Duration::ZERO, loss: 0.0, largest: usize::MAX, rate: 0, seed: 1 }
    }
}

/// A path to one address, open until dropped.
pub(crate) struct Wire {
    addr: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    cut_back: AtomicBool,
    largest: AtomicUsize,
    lost: AtomicU64,
}

impl Wire {
    /// Datagrams to `addr()` come out at `to`, and the answers go back.
    pub(crate) async fn to(to: SocketAddr, path: Path) -> Self {
        let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("loopback has ports"));
        let addr = front.local_addr().expect("it is bound");
        let state = Arc::new(State { largest: path.largest.into(), ..State::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(run(front, to, path, Arc::clone(&state)));
        Self { addr, state, _tasks: tasks }
    }

    /// Where to send.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Nothing passes any more, or all does again.
    pub(crate) fn cut(&self, cut: bool) {
        self.state.cut.store(cut, Relaxed);
    }

    /// Only answers are lost.
    #[allow(dead_code, reason = "not every test or example that has a wire cuts it so")]
    pub(crate) fn cut_back(&self, cut: bool) {
        self.state.cut_back.store(cut, Relaxed);
    }

    /// Datagrams lost so far, both ways.
    pub(crate) fn lost(&self) -> u64 {
        self.state.lost.load(Relaxed)
    }
}

/// One direction: what it drops, and the queue in which datagrams travel.
struct Direction {
    path: Path,
    rng: SmallRng,
    /// When the last datagram has passed the narrow place.
    free: Instant,
    /// It is the way of the answers.
    back: bool,
    state: Arc<State>,
    travel: mpsc::UnboundedSender<(Instant, Vec<u8>)>,
}

impl Direction {
    fn new(
        socket: Arc<UdpSocket>,
        to: SocketAddr,
        path: Path,
        back: bool,
        state: &Arc<State>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (travel, mut arrivals) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        tasks.spawn(async move {
            while let Some((due, datagram)) = arrivals.recv().await {
                if due > Instant::now() {
                    sleep_until(due.into()).await;
                }
                let _ = socket.send_to(&datagram, to).await;
            }
        });
        let rng = SmallRng::seed_from_u64(path.seed);
        Self { path, rng, free: Instant::now(), back, state: Arc::clone(state), travel }
    }

    fn pass(&mut self, datagram: &[u8]) {
        let now = Instant::now();
        self.free = self.free.max(now);
        let lost = self.state.cut.load(Relaxed)
            || self.free - now > QUEUE
            || (self.back && self.state.cut_back.load(Relaxed))
            || datagram.len() > self.state.largest.load(Relaxed)
            || self.rng.random_bool(self.path.loss);
        if lost {
            self.state.lost.fetch_add(1, Relaxed);
            return;
        }
        if let Some(nanos) = (datagram.len() as u64 * 8_000_000_000).checked_div(self.path.rate) {
            self.free += Duration::from_nanos(nanos);
        }
        let _ = self.travel.send((self.free + self.path.delay, datagram.to_vec()));
    }
}

async fn run(front: Arc<UdpSocket>, to: SocketAddr, path: Path, state: Arc<State>) {
    let mut tasks = JoinSet::new();
    let mut sources: HashMap<SocketAddr, Direction> = HashMap::new();
    let mut datagram = vec![0; 65_536];
    loop {
        let Ok((len, from)) = front.recv_from(&mut datagram).await else { continue };
        if let Entry::Vacant(source) = sources.entry(from) {
            let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("loopback has ports"));
            let there = Direction::new(Arc::clone(&back), to, path, false, &state, &mut tasks);
            let mut here = Direction::new(Arc::clone(&front), from, path, true, &state, &mut tasks);
            source.insert(there);
            tasks.spawn(async move {
                let mut datagram = vec![0; 65_536];
                loop {
                    if let Ok((len, _)) = back.recv_from(&mut datagram).await {
                        here.pass(&datagram[..len]);
                    }
                }
            });
        }
        if let Some(there) = sources.get_mut(&from) {
            there.pass(&datagram[..len]);
        }
    }
}
