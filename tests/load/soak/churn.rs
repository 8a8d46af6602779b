//! Those who come and go: calls over two nodes, people who are cut off, who come back elsewhere,
//! broadcasters, rooms that operators make and end.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{interval, sleep},
};
use tokio_tungstenite::tungstenite::http::Method;

use super::{cluster::Cluster, whip::Session};
use crate::{
    client::{Client, Failure, Identity, Wish, produce},
    shape::{Shape, Source},
};

/// At the same time.
const WORKERS: u64 = 6;
/// How long somebody stays, in milliseconds.
const STAYS: std::ops::Range<u64> = 300..2_500;
/// Left behind at most, with `--leak`.
const MAX_LEFT: usize = 4_096;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Two people on two nodes meet, with sound, pictures and a data channel, and leave.
    Call,
    /// Somebody's machine loses its power.
    Cut,
    /// Somebody loses the connection and goes on at the other node, with a ticket.
    Reconnect,
    /// WHIP on one node, WHEP on the other.
    Broadcast,
    /// An operator makes a room, and ends it under somebody.
    Room,
}

pub(super) const KINDS: [Kind; 5] =
    [Kind::Call, Kind::Cut, Kind::Reconnect, Kind::Broadcast, Kind::Room];
/// How often of a hundred times.
const SHARES: [u32; 5] = [55, 5, 15, 15, 10];

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Call => "calls",
            Self::Cut => "cut_off",
            Self::Reconnect => "reconnects",
            Self::Broadcast => "broadcasts",
            Self::Room => "rooms_ended",
        }
    }

    fn any(rng: &mut SmallRng) -> Self {
        let mut at = rng.random_range(0..SHARES.iter().sum());
        for (kind, share) in KINDS.into_iter().zip(SHARES) {
            if at < share {
                return kind;
            }
            at -= share;
        }
        Self::Call
    }
}

/// See the module.
pub(super) struct Churn {
    cluster: Arc<Cluster>,
    identity: Identity,
    rooms: usize,
    leak: usize,
    /// Names are nobody's twice.
    next: AtomicU64,
    pub(super) done: [AtomicU64; KINDS.len()],
    pub(super) failed: AtomicU64,
    left: Mutex<Vec<Client>>,
}

/// Under way.
pub(super) struct Running {
    churn: Arc<Churn>,
    stop: Arc<AtomicBool>,
    workers: JoinSet<()>,
}

impl Running {
    /// Lets all of them leave; those who were left behind on purpose stay as long as this does.
    pub(super) async fn stop(mut self) -> Vec<Client> {
        self.stop.store(true, Relaxed);
        while self.workers.join_next().await.is_some() {}
        std::mem::take(&mut *self.churn.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Churn {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        rooms: usize,
        leak: usize,
    ) -> Result<Arc<Self>, Failure> {
        let identity = Identity::new()?;
        let (next, done) = (AtomicU64::new(0), Default::default());
        let (failed, left) = (AtomicU64::new(0), Mutex::default());
        Ok(Arc::new(Self { cluster, identity, rooms, leak, next, done, failed, left }))
    }

    /// Each kind, one after the other.
    pub(super) async fn each_once(&self) -> Result<(), Failure> {
        let mut rng = SmallRng::seed_from_u64(0);
        for kind in KINDS {
            let done = self.happen(kind, &mut rng).await;
            done.map_err(|why| format!("{}: {why}", kind.name()))?;
        }
        Ok(())
    }

    pub(super) fn start(self: &Arc<Self>) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let (churn, stop) = (Arc::clone(self), Arc::clone(&stop));
            workers.spawn(async move {
                let mut rng = SmallRng::seed_from_u64(1 + worker);
                while !stop.load(Relaxed) {
                    let kind = Kind::any(&mut rng);
                    if let Err(why) = churn.happen(kind, &mut rng).await {
                        churn.failed.fetch_add(1, Relaxed);
                        eprintln!("{}: {why}", kind.name());
                    }
                }
            });
        }
        Running { churn: Arc::clone(self), stop, workers }
    }

    async fn happen(&self, kind: Kind, rng: &mut SmallRng) -> Result<(), Failure> {
        let room = format!("soak-{}", rng.random_range(0..self.rooms));
        let stay = Duration::from_millis(rng.random_range(STAYS));
        let first = rng.random_range(0..self.cluster.nodes.len());
        match kind {
            Kind::Call => self.call(&room, first, stay, rng.random_range(0..100)).await?,
            Kind::Cut => self.cut(&room, first, stay).await?,
            Kind::Reconnect => self.reconnect(&room, first, stay).await?,
            Kind::Broadcast => self.broadcast(first, stay).await?,
            Kind::Room => self.room(first, stay).await?,
        }
        let place = KINDS.iter().position(|it| *it == kind).unwrap_or_default();
        self.done[place].fetch_add(1, Relaxed);
        Ok(())
    }

    fn name(&self, of: &str) -> String {
        format!("{of}-{}", self.next.fetch_add(1, Relaxed))
    }

    async fn enter(&self, node: usize, room: &str, peer: &str) -> Result<Client, Failure> {
        let node = &self.cluster.nodes[node % self.cluster.nodes.len()];
        let token = node.token(room, peer)?;
        let wish = Wish { consume: true, keep: true };
        Client::enter(&node.url, (room, peer), Some(&token), &self.identity, wish).await
    }

    async fn call(
        &self,
        room: &str,
        node: usize,
        stay: Duration,
        luck: usize,
    ) -> Result<(), Failure> {
        let (ada, ben) = (self.name("ada"), self.name("ben"));
        let (ada, ben) =
            tokio::try_join!(self.enter(node, room, &ada), self.enter(node + 1, room, &ben))?;
        for (client, ssrc) in [(&ada, 10), (&ben, 20)] {
            let channel = json!({
                "transportId": client.sending, "label": "chat", "protocol": "", "appData": {},
                "sctpStreamParameters": {"streamId": 1}
            });
            client.request("produceData", channel).await?;
            let sound = produce(client, Shape::Audio, ssrc).await?;
            let picture = produce(client, Shape::Video, ssrc + 2).await?;
            talk(client, sound, picture, stay / 2).await;
        }
        ada.leave().await;
        if luck < self.leak {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            if left.len() < MAX_LEFT {
                left.push(ben);
            }
            return Ok(());
        }
        ben.leave().await;
        Ok(())
    }

    async fn cut(&self, room: &str, node: usize, stay: Duration) -> Result<(), Failure> {
        let client = self.enter(node, room, &self.name("cut")).await?;
        produce(&client, Shape::Audio, 30).await?;
        sleep(stay).await;
        client.go_dead();
        Ok(())
    }

    async fn reconnect(&self, room: &str, node: usize, stay: Duration) -> Result<(), Failure> {
        let peer = self.name("back");
        let first = self.enter(node, room, &peer).await?;
        produce(&first, Shape::Audio, 40).await?;
        sleep(stay / 2).await;
        let ticket = first.ticket.clone();
        first.go_dead();
        drop(first);
        let node = &self.cluster.nodes[(node + 1) % self.cluster.nodes.len()];
        let token = format!("{}&resume={ticket}", node.token(room, &peer)?);
        let wish = Wish { consume: true, keep: true };
        let again =
            Client::enter(&node.url, (room, &peer), Some(&token), &self.identity, wish).await?;
        produce(&again, Shape::Audio, 40).await?;
        sleep(stay / 2).await;
        again.leave().await;
        Ok(())
    }

    async fn broadcast(&self, node: usize, stay: Duration) -> Result<(), Failure> {
        let (room, nodes) = (self.name("stage"), &self.cluster.nodes);
        let (here, there) = (&nodes[node], &nodes[(node + 1) % nodes.len()]);
        let publishes = Session::open(here, "whip", (&room, "actor"), &self.identity).await?;
        let plays = Session::open(there, "whep", (&room, "viewer"), &self.identity).await?;
        sleep(stay).await;
        plays.close().await?;
        publishes.close().await
    }

    async fn room(&self, node: usize, stay: Duration) -> Result<(), Failure> {
        let room = self.name("hall");
        let operator = &self.cluster.nodes[node];
        let made = operator.api(Method::POST, "/v1/rooms", json!({"id": room})).await?;
        if !made.status.is_success() {
            return Err(format!("the room was not made: {}", made.status).into());
        }
        let client = self.enter(node + 1, &room, "guest").await?;
        produce(&client, Shape::Audio, 50).await?;
        sleep(stay).await;
        let path = format!("/v1/rooms/{room}");
        let ended = operator.api(Method::DELETE, &path, Value::Null).await?;
        if !ended.status.is_success() {
            return Err(format!("the room was not ended: {}", ended.status).into());
        }
        Ok(())
    }
}

/// Sends sound and pictures for a while.
async fn talk(client: &Client, mut sound: Source, mut picture: Source, time: Duration) {
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    let mut frame = Vec::new();
    for n in 0_u64.. {
        ticks.tick().await;
        if began.elapsed() > time {
            return;
        }
        sound.frame(&mut frame);
        let _ = client.up.send(&frame).await;
        if n.is_multiple_of(4) {
            let len = picture.frame(&mut frame);
            for packet in frame.chunks(len) {
                let _ = client.up.send(packet).await;
            }
        }
    }
}
