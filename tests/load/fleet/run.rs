//! The whole fleet: starts members, hears commands, tells what all heard.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    config::{FleetConfig, Issuer},
    ear::{Ear, Heard},
    member::{Member, Pace, Places},
    seat::Who,
    tell,
};
use crate::{
    client::{Failure, Identity},
    sys::monotonic,
};

/// Until all are in and hear each other.
const READY: Duration = Duration::from_secs(60);
/// Between two looks whether they do.
const LOOK: Duration = Duration::from_millis(100);
/// A stream that flows has had something within so many nanoseconds.
const FLOWS: u64 = 1_000_000_000;
/// How long a guest stays after it has knocked.
const GUEST: Duration = Duration::from_secs(3);
/// How long those who leave may take.
const LEAVE: Duration = Duration::from_secs(2);

/// A member as the fleet knows it.
struct Known {
    who: Who,
    /// Dropped to make it leave.
    quit: mpsc::Sender<()>,
}

struct Fleet {
    config: FleetConfig,
    identity: Identity,
    issuer: Issuer,
    /// So many guests have come.
    guests: usize,
    members: Vec<Known>,
    places: Places,
    /// As they were at the mark.
    marked: HashMap<String, String>,
    expected: usize,
}

/// Runs a fleet until it is told to quit.
pub(crate) async fn fleet(config: FleetConfig) -> Result<(), Failure> {
    let began = Instant::now();
    let mut running = JoinSet::new();
    let mut fleet = Fleet::start(&config, &mut running)?;
    fleet.wait_ready(&mut running).await?;
    tell::row(&json!({"ready": fleet.members.len(), "ms": tell::ms(began.elapsed())}));
    fleet.mark();
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.trim() {
            "mark" => fleet.mark(),
            "report" => fleet.report(),
            "guest" => fleet.guest(),
            "quit" => break,
            "" => {}
            other => eprintln!("fleet: '{other}' is not known; say mark, report, guest or quit"),
        }
    }
    fleet.members.clear();
    let all = async { while running.join_next().await.is_some() {} };
    let _ = timeout(LEAVE, all).await;
    // What they say at last is on its way.
    sleep(LOOK).await;
    Ok(())
}

impl Fleet {
    fn start(config: &FleetConfig, running: &mut JoinSet<()>) -> Result<Self, Failure> {
        let (identity, issuer) = (Identity::new()?, Issuer::from_env());
        let places = Places::default();
        let name = |n: usize| format!("{}-{n}", config.prefix);
        let count = config.rooms * config.members;
        let numbers = (0..count).map(|n| (name(n), n as u32)).collect();
        let numbers: Arc<HashMap<String, u32>> = Arc::new(numbers);
        let at_once = Arc::new(Semaphore::new(config.at_once));
        let mut members = Vec::new();
        for n in 0..count {
            // Neighbours are in different rooms, so that every node has some of each.
            let (room_number, place) = (n % config.rooms, n / config.rooms);
            let (peer, room) = (name(n), config.room_of(room_number));
            let who = Who {
                token: issuer.token(&room, &peer)?,
                peer,
                room,
                member: n as u32,
                room_number: room_number as u32,
                publishes: place < config.publishers,
                has_camera: config.fps > 0,
                has_microphone: config.sounds > 0,
                members: Arc::clone(&numbers),
                ear: Arc::new(Mutex::new(Ear::default())),
                identity: identity.clone(),
            };
            let pace = Pace { fps: config.fps, sounds: config.sounds };
            let member = Member::new(who.clone(), pace, Arc::clone(&places));
            let (quit, quits) = mpsc::channel(1);
            let urls = urls(config, place);
            let (at_once, seen) = (Arc::clone(&at_once), Arc::clone(&places));
            let peer = who.peer.clone();
            let turn = Duration::from_secs(1) / config.per_second * n as u32;
            running.spawn(async move {
                sleep(turn).await;
                let permit = at_once.acquire_owned().await;
                // Held until it is in: the door is narrow, not the room.
                tokio::spawn(async move {
                    while !lock(&seen).contains_key(&peer) {
                        sleep(LOOK / 10).await;
                    }
                    drop(permit);
                });
                member.run(urls, quits).await;
            });
            members.push(Known { who, quit });
        }
        let media = usize::from(config.fps > 0) + usize::from(config.sounds > 0);
        let expected = media * config.publishers.min(config.members);
        let (marked, config) = (HashMap::new(), config.clone());
        Ok(Self { config, identity, issuer, guests: 0, members, places, marked, expected })
    }

    /// Somebody who looks in.
    fn guest(&mut self) {
        let n = self.guests;
        self.guests += 1;
        let (peer, room) = (format!("{}-guest-{n}", self.config.prefix), self.config.room_of(0));
        let Ok(token) = self.issuer.token(&room, &peer) else { return };
        let who = Who {
            token,
            peer,
            room,
            member: u32::MAX,
            room_number: 0,
            publishes: false,
            has_camera: false,
            has_microphone: false,
            members: Arc::default(),
            ear: Arc::new(Mutex::new(Ear::default())),
            identity: self.identity.clone(),
        };
        let member = Member::new(who, Pace { fps: 0, sounds: 0 }, Places::default());
        let (quit, quits) = mpsc::channel(1);
        tokio::spawn(member.run(urls(&self.config, n), quits));
        tokio::spawn(async move {
            sleep(GUEST).await;
            drop(quit);
        });
    }

    /// All are in, and each hears all publishers of its room.
    async fn wait_ready(&self, running: &mut JoinSet<()>) -> Result<(), Failure> {
        let end = Instant::now() + READY + Duration::from_millis(20) * self.members.len() as u32;
        loop {
            let whole = self.members.iter().filter(|known| self.is_whole(known)).count();
            if whole == self.members.len() {
                return Ok(());
            }
            if running.try_join_next().is_some() {
                return Err("a member could not get in".into());
            }
            if Instant::now() > end {
                let all = self.members.len();
                return Err(format!("only {whole} of {all} members hear their room").into());
            }
            sleep(LOOK).await;
        }
    }

    fn is_whole(&self, known: &Known) -> bool {
        let own = if known.who.publishes {
            usize::from(known.who.has_camera) + usize::from(known.who.has_microphone)
        } else {
            0
        };
        let heard = lock(&known.who.ear).alive(monotonic(), FLOWS);
        lock(&self.places).contains_key(&known.who.peer) && heard >= self.expected - own
    }

    fn mark(&mut self) {
        self.marked.clone_from(&lock(&self.places));
        for known in &self.members {
            lock(&known.who.ear).mark(monotonic());
        }
        tell::row(&json!({"marked": tell::wall_ms()}));
    }

    fn report(&self) {
        let places = lock(&self.places).clone();
        let mut streams = 0;
        for known in &self.members {
            let ear = lock(&known.who.ear);
            for (key, heard) in ear.report(monotonic()) {
                streams += 1;
                tell::row(&self.stream(&known.who, (&key.of, &key.source), heard, &places));
            }
        }
        let inside = self.members.iter().filter(|it| places.contains_key(&it.who.peer)).count();
        let told = json!({
            "streams": streams, "members": self.members.len(), "in": inside, "at": tell::wall_ms()
        });
        tell::row(&json!({"report": told}));
    }

    fn stream(
        &self,
        by: &Who,
        (of, source): (&String, &String),
        heard: Heard,
        places: &HashMap<String, String>,
    ) -> Value {
        json!({"stream": {
            "by": by.peer, "by_node": self.marked.get(&by.peer), "by_now": places.get(&by.peer),
            "of": of, "of_node": self.marked.get(of), "of_now": places.get(of),
            "room": by.room, "source": source, "gap_ms": (heard.gap_ms * 10.0).round() / 10.0,
            "received": heard.received, "lost": heard.lost, "packets_lost": heard.packets_lost,
            "duplicates": heard.duplicates,
            "older": heard.older, "strange": heard.strange
        }})
    }
}

/// The `n`-th node, and those after it.
fn urls(config: &FleetConfig, n: usize) -> Vec<String> {
    let all = config.nodes.len();
    let url = |k: usize| format!("{}/ws", config.nodes[(n + k) % all].replacen("http", "ws", 1));
    (0..all).map(url).collect()
}

impl Drop for Known {
    fn drop(&mut self) {
        let _ = self.quit.try_send(());
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
