//! The people of a load test: how they come, and what is taken down while they are there.

use std::{sync::Arc, time::Duration};

use starling_client::Client as Rest;
use starling_people::{
    client::{Client, Failure as ClientFailure, Identity, Wish},
    guest::{Board, Guest, Seen, Sends},
    histogram::Histogram,
};
use starling_proto::{
    PeerId,
    rest::{ClientAt, CreateToken},
};
use tokio::{
    sync::{Semaphore, oneshot},
    task::JoinSet,
    time::{Instant, interval, sleep, timeout},
};

use super::{LoadTest, bar::Bar};
use crate::cli::output::{Failure, note};

/// Handshakes at a time.
const AT_ONCE: usize = 16;
/// Between everybody's coming and the beginning of what is measured: key frames, and estimates.
pub(in crate::cli) const SETTLE: Duration = Duration::from_secs(2);
/// Between two looks at the boards.
const LOOK: Duration = Duration::from_millis(200);
/// How long people may take to leave.
const LEAVE: Duration = Duration::from_secs(2);
/// Tokens outlive the test.
const SPARE: Duration = Duration::from_secs(3_600);

/// What a test saw.
#[derive(Debug, Default)]
pub(in crate::cli) struct Watched {
    /// Of all.
    pub(in crate::cli) seen: Seen,
    /// Who came.
    pub(super) joined: usize,
    /// How long that took each.
    pub(super) joins: Histogram,
    /// Streams that should flow.
    pub(super) expected: u64,
    /// Why somebody did not come or did not stay, the first few.
    pub(super) failures: Vec<String>,
    /// For how long was measured.
    pub(super) measured: Duration,
}

/// Everybody, in the room.
pub(in crate::cli) struct Party {
    boards: Vec<Board>,
    leave: Vec<oneshot::Sender<()>>,
    staying: JoinSet<Result<(), ClientFailure>>,
    watched: Watched,
    bar: Bar,
}

/// What each of them needs to come.
struct Invitation {
    args: LoadTest,
    rest: Rest,
    identity: Identity,
}

impl Party {
    /// Brings everybody in.
    ///
    /// # Errors
    /// What the node said to the first one, if to all.
    pub(in crate::cli) async fn gather(args: &LoadTest) -> Result<Self, Failure> {
        let rest = args.remote.client()?;
        // A wrong token or server is one error and not a thousand.
        rest.nodes().await?;
        let identity = Identity::new().map_err(|error| Failure::Failed(error.to_string()))?;
        let invitation = Arc::new(Invitation { args: args.clone(), rest, identity });
        let people = args.publishers + args.subscribers;
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let mut coming = JoinSet::new();
        let mut ticks = interval(Duration::from_secs(1) / args.rate);
        let mut party = Self {
            boards: Vec::new(),
            leave: Vec::new(),
            staying: JoinSet::new(),
            watched: Watched::default(),
            bar: Bar::new(),
        };
        party.bar.say(&format!("{people} people come into room {}", args.room));
        let mut begun = 0;
        while begun < people || !coming.is_empty() {
            tokio::select! {
                _ = ticks.tick(), if begun < people => {
                    let (invitation, gate) = (Arc::clone(&invitation), Arc::clone(&gate));
                    let number = begun;
                    coming.spawn(async move {
                        let _turn = gate.acquire_owned().await?;
                        come(&invitation, number).await
                    });
                    begun += 1;
                }
                Some(came) = coming.join_next() => {
                    party.welcome(came.unwrap_or_else(|error| Err(error.into())));
                    let joined = party.watched.joined;
                    let words = format!("{joined} of {people} joined");
                    party.bar.at(joined as f64, people as f64, &words);
                }
            }
        }
        if party.watched.joined == 0 {
            party.bar.end();
            let why = party.watched.failures.first().cloned().unwrap_or_default();
            return Err(Failure::Failed(format!("nobody could join: {why}")));
        }
        let (publishers, watchers) = (args.publishers as u64, args.subscribers as u64);
        let each = u64::from(!args.ladder.0.is_empty()) + u64::from(!args.no_audio);
        let others = if args.all_watch { publishers.saturating_sub(1) } else { 0 };
        party.watched.expected = each * publishers * (watchers + others);
        Ok(party)
    }

    fn welcome(&mut self, came: Result<Came, ClientFailure>) {
        match came {
            Ok(Came { guest, board, took }) => {
                let (leave, left) = oneshot::channel();
                self.staying.spawn(guest.run(left));
                self.boards.push(board);
                self.leave.push(leave);
                self.watched.joins.take(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
                self.watched.joined += 1;
            }
            Err(why) => self.failed(&why.to_string()),
        }
    }

    fn failed(&mut self, why: &str) {
        // The first few say what it is; the rest is the same.
        if self.watched.failures.len() < 5 {
            note(&format!("failed: {why}"));
            self.watched.failures.push(why.to_owned());
        }
    }

    /// Lets them be for a while, and sends them home.
    pub(in crate::cli) async fn measure(mut self, time: Duration) -> Watched {
        self.bar.at(0.0, 1.0, "settling");
        sleep(SETTLE).await;
        self.boards.iter().for_each(Board::mark);
        self.bar.say(&format!("measuring for {} s", time.as_secs_f64()));
        let begun = Instant::now();
        let mut looks = interval(LOOK);
        while begun.elapsed() < time {
            tokio::select! {
                _ = looks.tick() => self.show(begun.elapsed(), time),
                Some(left) = self.staying.join_next() => {
                    let why = match left {
                        Ok(Ok(())) => continue,
                        Ok(Err(why)) => why.to_string(),
                        Err(why) => why.to_string(),
                    };
                    self.failed(&format!("somebody left: {why}"));
                }
            }
        }
        self.watched.measured = begun.elapsed();
        self.watched.seen = self.seen();
        self.bar.end();
        // Dropped, each tells its guest to leave.
        self.leave.clear();
        let home = async { while self.staying.join_next().await.is_some() {} };
        let _ = timeout(LEAVE, home).await;
        self.watched
    }

    fn show(&mut self, now: Duration, time: Duration) {
        let seen = self.seen();
        let words = format!(
            "{:.0} of {:.0} s, {} lost of {}, p99 {:.1} ms",
            now.as_secs_f64(),
            time.as_secs_f64(),
            seen.lost,
            seen.received + seen.lost,
            seen.delays.percentile_ms(99.0)
        );
        self.bar.at(now.as_secs_f64(), time.as_secs_f64(), &words);
    }

    fn seen(&self) -> Seen {
        let mut all = Seen::default();
        self.boards.iter().for_each(|board| all.add(&board.seen()));
        all
    }
}

/// Somebody who has come.
struct Came {
    guest: Guest,
    board: Board,
    took: Duration,
}

async fn come(invitation: &Invitation, number: usize) -> Result<Came, ClientFailure> {
    let Invitation { args, rest, identity } = invitation;
    let publishes = number < args.publishers;
    let role = if publishes { "publisher" } else { "subscriber" };
    let peer: PeerId = format!("load-{role}-{number}-{}", std::process::id()).parse()?;
    let ttl_seconds = (args.duration + SPARE).as_secs();
    let wish = CreateToken { ttl_seconds, ..CreateToken::member(args.room.clone(), peer.clone()) };
    let token = rest.create_token(&wish).await?.token;
    let begun = Instant::now();
    let url = if args.here {
        rest.server().to_owned()
    } else {
        let url = rest.place(&args.room, &ClientAt::default()).await?.url;
        url.replacen("ws", "http", 1).trim_end_matches("/ws").to_owned()
    };
    let (room, name) = (args.room.to_string(), peer.to_string());
    let wish = Wish { consume: !publishes || args.all_watch, keep: true };
    let client = Client::enter(&url, (&room, &name), Some(&token), identity, wish).await?;
    let took = begun.elapsed();
    let sends = if publishes {
        Sends { kbps: args.ladder.0.clone(), fps: args.fps, audio: !args.no_audio }
    } else {
        Sends { kbps: Vec::new(), fps: args.fps, audio: false }
    };
    let board = Board::default();
    let guest = Guest::new(client, &sends, number, board.clone()).await?;
    Ok(Came { guest, board, took })
}
