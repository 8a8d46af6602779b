//! One member: carries out what `rejoin` decides, sends on every seat it has, and tells what
//! happened to it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rand::Rng;
use serde_json::{Value, json};
use starling_cluster::decide::rejoin::{ClientSession, Closed, End, Input, Offer, Output, SeatId};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Interval, MissedTickBehavior, interval, sleep_until},
};

use super::{
    ear::StreamKey,
    seat::{Joined, News, Seat, Taking, Tell, Who},
    tell,
};
use crate::client::Failure;

/// News that wait for a member: a join in a room of hundreds, at once.
const NEWS: usize = 1_024;
/// Between two sender reports.
const REPORTS: Duration = Duration::from_secs(1);
/// How often a member that has moved looks whether all has come along.
const LOOK: Duration = Duration::from_millis(100);
/// A seat is that old before the one before it is left: others have to find what it sends.
const SETTLED: Duration = Duration::from_millis(500);
/// A member without media has nothing to tick for.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Where everybody is: written by members, read at marks.
pub(super) type Places = Arc<Mutex<HashMap<String, String>>>;

/// How often a member sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) fps: u32,
    pub(super) sounds: u32,
}

/// See the module.
pub(super) struct Member {
    who: Who,
    session: ClientSession,
    seats: Vec<Seat>,
    taking: HashMap<SeatId, (String, JoinHandle<()>)>,
    /// URLs of the nodes that a seat was sent to instead, and how long not to come back to it.
    elsewhere: HashMap<SeatId, (Vec<String>, u32)>,
    tell: Tell,
    news: mpsc::Receiver<(SeatId, News)>,
    done: mpsc::Receiver<(SeatId, Result<Joined, Failure>)>,
    finish: mpsc::Sender<(SeatId, Result<Joined, Failure>)>,
    places: Places,
    pace: Pace,
    pictures: u64,
    sounds: u64,
    began: Instant,
    /// The last node it was on, and since when it has been on none.
    last: String,
    lost: Option<Instant>,
    /// Asked to move, and when.
    moving: Option<Instant>,
    /// The seat it moved from, what flowed there, and when.
    leaving: Option<(BTreeSet<StreamKey>, Instant)>,
    tries: u32,
}

impl Member {
    pub(super) fn new(who: Who, pace: Pace, places: Places) -> Self {
        let (tell, news) = mpsc::channel(NEWS);
        let (finish, done) = mpsc::channel(4);
        let now = Instant::now();
        Self {
            who,
            session: ClientSession::new(now),
            seats: Vec::new(),
            taking: HashMap::new(),
            elsewhere: HashMap::new(),
            tell,
            news,
            done,
            finish,
            places,
            pace,
            pictures: 0,
            sounds: 0,
            began: now,
            last: String::new(),
            lost: None,
            moving: None,
            leaving: None,
            tries: 0,
        }
    }

    /// Goes in through `urls` and stays until `quit` ends or no node wants it.
    pub(super) async fn run(mut self, urls: Vec<String>, mut quit: mpsc::Receiver<()>) {
        self.began = Instant::now();
        self.input(Input::Start { urls });
        let per_second = |n: u32| Duration::from_secs(1) / n.max(1);
        let mut pictures =
            ticks(self.pace.fps > 0 && self.who.publishes, per_second(self.pace.fps));
        let sound_ms = 1_000 / self.pace.sounds.max(1);
        let mut sounds =
            ticks(self.pace.sounds > 0 && self.who.publishes, per_second(self.pace.sounds));
        let mut reports = ticks(self.who.publishes, REPORTS);
        let mut looks = ticks(true, LOOK);
        while !self.session.is_over() {
            let next = self.session.next().unwrap_or_else(|| Instant::now() + NEVER);
            tokio::select! {
                // Why a session ended comes before what failed because of it.
                biased;
                Some((seat, news)) = self.news.recv() => self.on_news(seat, news),
                Some((seat, done)) = self.done.recv() => self.on_done(seat, done),
                _ = pictures.tick() => {
                    self.pictures += 1;
                    for seat in &self.seats {
                        seat.picture(self.pictures, self.pace.fps).await;
                    }
                }
                _ = sounds.tick() => {
                    self.sounds += 1;
                    for seat in &self.seats {
                        seat.sound(self.sounds, sound_ms).await;
                    }
                }
                _ = reports.tick() => {
                    for seat in &self.seats {
                        seat.report().await;
                    }
                }
                _ = looks.tick(), if self.leaving.is_some() => self.look(),
                () = sleep_until(next.into()) => self.input(Input::Tick),
                _ = quit.recv() => self.input(Input::Leave),
            }
        }
        lock(&self.places).remove(&self.who.peer);
    }

    fn input(&mut self, input: Input) {
        let random = rand::rng().random::<f64>();
        for output in self.session.handle(Instant::now(), input, random) {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect { seat, url, ticket } => {
                self.tries += 1;
                // It has a seat: this is a move, which takes nothing from it before it works.
                let moves = !self.seats.is_empty();
                let how = Taking { id: seat, url: url.clone(), ticket, moves };
                let take = Seat::take(self.who.clone(), how, self.tell.clone());
                let finish = self.finish.clone();
                let task = tokio::spawn(async move {
                    let _ = finish.send((seat, take.await)).await;
                });
                self.taking.insert(seat, (url, task));
            }
            Output::Use { seat } => self.use_seat(seat),
            Output::Ask { seat } => self.ask(seat),
            Output::Drop { seat } => self.drop_seat(seat),
            Output::End { why } => {
                if why != End::Left {
                    self.event("gone", json!({"why": format!("{why:?}").to_lowercase()}));
                }
            }
        }
    }

    fn on_news(&mut self, seat: SeatId, news: News) {
        match news {
            News::Opened => self.input(Input::Opened { seat }),
            News::Answered => self.input(Input::Heard { seat }),
            News::Told { method, data } => {
                self.input(Input::Heard { seat });
                match method.as_str() {
                    "standbyChanged" => self.input(Input::Offered { seat, offer: offer(&data) }),
                    "moveTo" => self.on_move(seat, &data),
                    _ => {}
                }
            }
            News::Closed { code, reason } => self.on_closed(seat, code, &reason),
        }
    }

    fn on_move(&mut self, seat: SeatId, data: &Value) {
        let number = |name: &str| data[name].as_u64().unwrap_or_default() as u32;
        let nodes = urls(&data["nodes"]);
        self.elsewhere.insert(seat, (nodes.clone(), number("retryAfterMs")));
        if self.session.seated() == Some(seat) {
            self.moving = Some(Instant::now());
            self.input(Input::MoveTo { seat, nodes, within_ms: number("withinMs") });
        }
    }

    fn on_closed(&mut self, seat: SeatId, code: u16, reason: &str) {
        let (nodes, retry_after_ms) = self.elsewhere.remove(&seat).unwrap_or_default();
        if self.session.seated() == Some(seat) {
            self.note_loss(&format!("closed {code} {reason}"));
        } else if let Some((url, _)) = self.taking.get(&seat) {
            let why = format!("closed {code} {reason}");
            self.event("refused", json!({"url": url, "why": why}));
        }
        self.forget(seat);
        let refusal = reason.rsplit_once('[').map(|(_, code)| code.trim_end_matches(']'));
        let refusal = refusal.unwrap_or_default().to_owned();
        let closed = Closed { code, refusal, nodes, retry_after_ms };
        self.input(Input::Closed { seat, closed });
    }

    fn on_done(&mut self, seat: SeatId, done: Result<Joined, Failure>) {
        // Dropped meanwhile, if it is not there.
        let Some((tried, _)) = self.taking.remove(&seat) else { return };
        match done {
            Ok(Joined { seat: taken, answer }) => {
                let (url, offer) = (taken.url.clone(), offer(&answer));
                self.seats.push(taken);
                self.input(Input::Joined { seat, url, offer });
            }
            Err(why) => {
                self.event("refused", json!({"url": tried, "why": why.to_string()}));
                let closed = Closed { code: 1006, ..Closed::default() };
                self.input(Input::Closed { seat, closed });
            }
        }
    }

    fn use_seat(&mut self, id: SeatId) {
        let Some(seat) = self.seats.iter().find(|seat| seat.id == id) else { return };
        let (node, from) = (seat.node.clone(), std::mem::take(&mut self.last));
        lock(&self.places).insert(self.who.peer.clone(), node.clone());
        let tries = std::mem::take(&mut self.tries);
        let (lost, moving) = (self.lost.take(), self.moving.take());
        self.last.clone_from(&node);
        if from.is_empty() {
            let ms = tell::ms(self.began.elapsed());
            self.event("joined", json!({"node": node, "ms": ms, "tries": tries}));
        } else if let Some(lost) = lost {
            let ms = tell::ms(lost.elapsed());
            let more = json!({"node": node, "from": from, "ms": ms, "tries": tries});
            self.event("back", more);
        } else {
            let ms = moving.map_or(0.0, |since| tell::ms(since.elapsed()));
            self.event("moved", json!({"node": node, "from": from, "ms": ms}));
            let old = self.seats.iter().find(|seat| seat.id != id);
            self.leaving = old.map(|old| (old.flowing(), Instant::now()));
        }
    }

    /// Has all that came on the old seat come on the new one?
    fn look(&mut self) {
        let Some((wanted, since)) = &self.leaving else { return };
        let Some(id) = self.session.seated().filter(|_| since.elapsed() >= SETTLED) else { return };
        let Some(seat) = self.seats.iter().find(|seat| seat.id == id) else { return };
        let flowing = seat.flowing();
        if wanted.iter().all(|key| flowing.contains(key)) {
            self.leaving = None;
            self.input(Input::Settled { seat: id });
        }
    }

    fn ask(&mut self, id: SeatId) {
        let Some(seat) = self.seats.iter().find(|seat| seat.id == id) else { return };
        seat.ask(self.tell.clone());
        if !seat.flowing().is_empty() {
            self.input(Input::Media { seat: id });
        }
    }

    /// The machine has done with a seat; if it counted, its node is silent.
    fn drop_seat(&mut self, id: SeatId) {
        if self.seats.last().is_some_and(|seat| seat.id == id) && self.session.seated().is_none() {
            self.note_loss("silent");
        }
        self.forget(id);
    }

    fn note_loss(&mut self, why: &str) {
        if self.lost.is_none() && !self.session.is_over() {
            self.lost = Some(Instant::now());
            self.event("lost", json!({"node": self.last, "why": why}));
        }
    }

    fn forget(&mut self, id: SeatId) {
        self.elsewhere.remove(&id);
        if let Some((_, task)) = self.taking.remove(&id) {
            task.abort();
        }
        if let Some(at) = self.seats.iter().position(|seat| seat.id == id) {
            self.seats.remove(at).leave();
        }
        if self.seats.len() < 2 {
            self.leaving = None;
        }
    }

    fn event(&self, what: &str, more: Value) {
        tell::event(what, &self.who.peer, &self.who.room, more);
    }
}

fn offer(data: &Value) -> Offer {
    let ticket = data["resumeTicket"].as_str().unwrap_or_default().to_owned();
    Offer { standby: urls(&data["standby"]), ticket }
}

fn urls(nodes: &Value) -> Vec<String> {
    let urls = nodes.as_array().into_iter().flatten().filter_map(|node| node["url"].as_str());
    urls.map(str::to_owned).collect()
}

fn ticks(at_all: bool, every: Duration) -> Interval {
    let mut ticks = interval(if at_all { every } else { NEVER });
    // What was late is not made up for: numbers are sounds, not time.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
