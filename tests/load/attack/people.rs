//! Those who only want to talk: they join a room, send and hear, and tell what an attack cost them.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use starling_actors::worker::take_short_slices;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::findings::{Bound, Findings};
use crate::{
    bench::percentile,
    client::{Client, Failure, Identity, Wish, produce},
    measure::Measure,
    node::Node,
    shape::{Shape, Source},
};

/// Until everybody hears everybody.
const READY: Duration = Duration::from_secs(15);
/// Milliseconds in peace that count as so many at least: twice that is a twentieth of what lies
/// between two packets of sound, and what a thread waits for a core that an attacker is on.
const LEAST: f64 = 0.5;
/// What may be under way at the end of a window: two sounds, or a key frame.
const UNDER_WAY: [u64; 2] = [2, 70];
/// SSRCs of the first.
const FIRST_SSRC: u32 = 500_000;
/// Between two people's.
const APART: u32 = 10;

/// One of them.
pub(crate) struct Person {
    pub(crate) client: Client,
    /// Packets sent, of sound and of pictures.
    sent: [AtomicU64; 2],
}

/// A room full.
pub(crate) struct People {
    pub(crate) all: Vec<Arc<Person>>,
    cameras: usize,
    _talking: JoinSet<()>,
    _home: Home,
}

/// A thread of their own. Attackers share the machine with them and would be elsewhere: whoever
/// talks must not wait until those have done with a core.
struct Home(Option<Runtime>);

impl Home {
    fn new() -> io::Result<Self> {
        let mut threads = Builder::new_multi_thread();
        threads.worker_threads(1).thread_name("people").on_thread_start(take_short_slices);
        Ok(Self(Some(threads.enable_all().build()?)))
    }

    fn handle(&self) -> &Handle {
        self.0.as_ref().expect("until it is dropped").handle()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Whoever drops it is at home in another, and may not wait.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What they saw in a stretch of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) expected: u64,
    pub(crate) lost: u64,
    /// Streams of which nothing came at all.
    pub(crate) silent: usize,
    pub(crate) duplicates: u64,
    /// Milliseconds from sender to receiver.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The node's share of a core, and what its resident memory grew by.
    pub(crate) cpu: f64,
    pub(crate) grown: f64,
}

impl Window {
    /// Per cent.
    pub(crate) fn loss(&self) -> f64 {
        100.0 * self.lost as f64 / self.expected.max(1) as f64
    }
}

impl People {
    /// `count` people who all talk, the first `cameras` of them with a picture; each hears all
    /// others.
    pub(crate) async fn gather(
        node: &Node,
        room: &str,
        identity: &Identity,
        count: usize,
        cameras: usize,
    ) -> Result<Self, Failure> {
        let home = Home::new()?;
        let mut all = Vec::new();
        let mut talking = JoinSet::new();
        for n in 0..count {
            let peer = format!("person-{n}");
            let token = node.token(room, &peer)?;
            let (url, room, identity) = (node.url.clone(), room.to_owned(), identity.clone());
            let entered = home.handle().spawn(async move {
                let wish = Wish { consume: true, keep: true };
                Client::enter(&url, (&room, &peer), Some(&token), &identity, wish).await
            });
            let person = Arc::new(Person { client: entered.await??, sent: Default::default() });
            for (kind, shape) in [Shape::Audio, Shape::Video].into_iter().enumerate() {
                if kind == 1 && n >= cameras {
                    continue;
                }
                let source = produce(&person.client, shape, ssrc(n, shape)).await?;
                let talk = talk(Arc::clone(&person), source, shape);
                talking.spawn_on(talk, home.handle());
            }
            all.push(person);
        }
        let people = Self { all, cameras, _talking: talking, _home: home };
        people.ready().await?;
        Ok(people)
    }

    async fn ready(&self) -> Result<(), Failure> {
        let end = Instant::now() + READY;
        let streams = self.streams();
        loop {
            sleep(Duration::from_millis(200)).await;
            let heard: usize = self.all.iter().map(|it| it.client.down.measure().streams()).sum();
            if heard >= streams {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("people hear {heard} of {streams} streams").into());
            }
        }
    }

    /// Streams that come to people, all together.
    fn streams(&self) -> usize {
        (self.all.len() + self.cameras) * (self.all.len() - 1)
    }

    /// What they see while `during` goes on.
    pub(crate) async fn window<T>(
        &self,
        node: &Node,
        during: impl Future<Output = T>,
    ) -> (Window, T) {
        self.found();
        let sent = self.sent();
        let (cpu, memory, began) = (node.cpu(), node.memory(), Instant::now());
        let done = during.await;
        let elapsed = began.elapsed().as_nanos() as f64;
        let spent = node.cpu().saturating_sub(cpu) as f64 / elapsed;
        let grown = node.memory() - memory;
        let now = self.sent();
        let found = self.found();
        let others = self.all.len() as u64 - 1;
        let expected = others * (0..2).map(|kind| now[kind] - sent[kind]).sum::<u64>();
        let slack =
            others * (self.all.len() as u64 * UNDER_WAY[0] + self.cameras as u64 * UNDER_WAY[1]);
        let missing = expected.saturating_sub(found.received() + slack);
        let window = Window {
            expected,
            // Numbers that are missing between others, or streams that fell silent at the end.
            lost: found.lost().max(missing),
            silent: self.streams().saturating_sub(found.heard()),
            duplicates: found.duplicates,
            p50: percentile(&found.delays, 50.0) / 1e6,
            p99: percentile(&found.delays, 99.0) / 1e6,
            cpu: spent,
            grown,
        };
        (window, done)
    }

    /// What they see in peace.
    pub(crate) async fn quiet(&self, node: &Node, time: Duration) -> Window {
        self.window(node, sleep(time)).await.0
    }

    fn found(&self) -> Measure {
        let mut found = Measure::default();
        self.all.iter().for_each(|it| found.add(&it.client.down.measure_anew()));
        found
    }

    fn sent(&self) -> [u64; 2] {
        [0, 1].map(|kind| self.all.iter().map(|it| it.sent[kind].load(Relaxed)).sum())
    }
}

/// Of the n-th person's sound or picture.
pub(crate) const fn ssrc(n: usize, shape: Shape) -> u32 {
    let place = match shape {
        Shape::Audio => 0,
        Shape::Video => 5,
    };
    FIRST_SSRC + APART * n as u32 + place
}

async fn talk(person: Arc<Person>, mut source: Source, shape: Shape) {
    let mut ticks = interval(shape.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frame = Vec::new();
    loop {
        ticks.tick().await;
        let len = source.frame(&mut frame);
        for packet in frame.chunks(len) {
            if person.client.up.send(packet).await.is_ok() {
                person.sent[usize::from(shape == Shape::Video)].fetch_add(1, Relaxed);
            }
        }
    }
}

/// What each row wants of people: next to nothing lost, nobody silent, nothing late.
pub(crate) fn bystanders(findings: &mut Findings, quiet: &Window, attacked: &Window, slower: f64) {
    findings.tell("quiet_p50_ms", quiet.p50, quiet.expected);
    findings.tell("quiet_p99_ms", quiet.p99, quiet.expected);
    findings.tell("attacked_p50_ms", attacked.p50, attacked.expected);
    let most = Bound::AtMost(slower * quiet.p99.max(LEAST));
    findings.time("attacked_p99_ms", attacked.p99, most, attacked.expected);
    unharmed(findings, attacked);
    findings.tell("node_cpu_of_a_core", attacked.cpu, 1);
}

/// The same without how late.
pub(crate) fn unharmed(findings: &mut Findings, attacked: &Window) {
    findings.check("peoples_loss_percent", attacked.loss(), Bound::AtMost(0.1), attacked.expected);
    findings.check("silent_streams", attacked.silent as f64, Bound::Exactly(0.0), 1);
}
