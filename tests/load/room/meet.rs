//! `starling-load meet`: people of one room who all see and hear each other, each at a node of a
//! list in turn, and rows of JSON that say what each sent of each layer, when it was asked for a
//! key frame, and what all of them together got of each other one. Standard input changes what they
//! want: `prefer 2,0,1` gives the first of them layer 2 of everybody, the second layer 0, and so
//! on.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use starling_people::receiver::{LAYERS, Receiver};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::watch,
    task::JoinSet,
    time::{Instant, interval},
};

use super::{person::Person, words::Words};
use crate::client::{self, Failure, Identity, Wish};

/// Layers of a person who was told none: all there are.
pub(super) const EVERYTHING: u8 = u8::MAX;
/// Delays kept between two rows: ten seconds of thirty voices.
const MAX_DELAYS: usize = 20_000;

/// Who meets.
#[derive(Clone, Debug)]
pub(crate) struct MeetConfig {
    urls: Vec<String>,
    room: String,
    prefix: String,
    people: usize,
    /// So many of them have a camera.
    cameras: usize,
    /// And so many a microphone.
    voices: usize,
    /// Of each camera, from the smallest.
    pub(super) kbps: Vec<u32>,
    pub(super) fps: u32,
    prefer: Vec<u8>,
    delays: bool,
    every: Duration,
    time: Duration,
}

impl MeetConfig {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut words = Words::new(words)?;
        let ladder = words.text("--ladder", "100,300,900");
        let kbps = ladder.split(',').map(str::parse).collect::<Result<_, _>>();
        let urls = words.text("--url", "http://127.0.0.1:4443");
        let config = Self {
            urls: urls.split(',').map(|url| url.trim_end_matches('/').to_owned()).collect(),
            room: words.text("--room", "load"),
            prefix: words.text("--prefix", "person"),
            people: words.number("--people", 3)?,
            cameras: words.number("--cameras", usize::MAX)?,
            voices: words.number("--voices", usize::MAX)?,
            kbps: kbps.map_err(|_| format!("--ladder: {ladder} are no numbers"))?,
            fps: words.number("--fps", 25)?.clamp(1, 60) as u32,
            prefer: layers(&words.text("--prefer", "")).ok_or("--prefer: no layers")?,
            delays: words.number("--delays", 0)? > 0,
            every: Duration::from_millis(words.number("--every-ms", 200)?.max(20) as u64),
            time: Duration::from_secs(words.number("--seconds", 600)? as u64),
        };
        words.end().map(|()| config)
    }
}

fn layers(text: &str) -> Option<Vec<u8>> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| if word == "all" { Some(EVERYTHING) } else { word.parse().ok() }).collect()
}

/// What a person tells the rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) peer: String,
    /// Packets and their bytes, of each layer; a voice has one.
    pub(super) camera: Vec<(u64, u64)>,
    pub(super) voice: (u64, u64),
    /// Layers a key frame was asked of, and when, since the last row.
    pub(super) asked: Vec<(f64, usize)>,
    pub(super) got: Vec<Got>,
    pub(super) audio_ms: Vec<f64>,
    pub(super) video_ms: Vec<f64>,
}

/// What one person got of one stream, or several of one publisher.
#[derive(Clone, Debug, Default)]
pub(super) struct Got {
    of: String,
    video: bool,
    streams: u64,
    packets: u64,
    lost: i64,
    missing: i64,
    nacked: u64,
    plis: u64,
    frames: u64,
    freezes: u64,
    frozen: u64,
    by_layer: [u64; LAYERS],
}

impl Told {
    /// Copies what a receiver has counted.
    pub(super) fn take(&mut self, receiver: &mut Receiver, delays: bool) {
        self.got.clear();
        for stream in &mut receiver.streams {
            self.got.push(Got {
                of: stream.peer.clone(),
                video: stream.video,
                streams: 1,
                packets: stream.packets,
                lost: stream.lost(),
                missing: stream.missing(),
                nacked: stream.asked,
                plis: stream.key_frames_asked,
                frames: stream.frames.shown,
                freezes: stream.frames.freezes,
                frozen: stream.frames.frozen,
                by_layer: stream.by_layer,
            });
            let kept = if stream.video { &mut self.video_ms } else { &mut self.audio_ms };
            let new = stream.delays.drain(..).map(|ns| ns as f64 / 1e6);
            if delays && kept.len() < MAX_DELAYS {
                kept.extend(new);
            }
        }
    }
}

impl Got {
    fn add(&mut self, other: &Self) {
        self.streams += other.streams;
        self.packets += other.packets;
        self.lost += other.lost;
        self.missing += other.missing;
        self.nacked += other.nacked;
        self.plis += other.plis;
        self.frames += other.frames;
        self.freezes += other.freezes;
        self.frozen += other.frozen;
        for (sum, more) in self.by_layer.iter_mut().zip(other.by_layer) {
            *sum += more;
        }
    }
}

/// Everybody's, each written by its own task.
pub(super) type Board = Arc<Mutex<Vec<Told>>>;

/// Whoever panicked left whole values.
pub(super) fn open(board: &Board) -> MutexGuard<'_, Vec<Told>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Joins all at once, meets, and tells until the time or the input is over.
pub(crate) async fn meet(config: MeetConfig) -> Result<(), Failure> {
    let identity = Identity::new()?;
    let board: Board = Arc::new(Mutex::new(vec![Told::default(); config.people]));
    let (say, hear) = watch::channel(config.prefer.clone());
    let began = Instant::now();
    let mut joining = JoinSet::new();
    for n in 0..config.people {
        let (config, identity, board) = (config.clone(), identity.clone(), Arc::clone(&board));
        let hear = hear.clone();
        joining.spawn(async move {
            let url = &config.urls[n % config.urls.len()];
            let peer = format!("{}-{n}", config.prefix);
            let wish = Wish { consume: true, keep: true };
            let joined = client::join(url, &config.room, &peer, &identity, wish).await?;
            let (camera, voice) = (n < config.cameras, n < config.voices);
            Person::new(joined, &config, (camera, voice), n, peer, board, hear).await
        });
    }
    let mut meeting = JoinSet::new();
    while let Some(joined) = joining.join_next().await {
        meeting.spawn(joined??.run(config.delays));
    }
    let joined_ms = began.elapsed().as_secs_f64() * 1e3;
    println!("{}", json!({"ready": config.people, "joined_ms": joined_ms}));
    let mut rows = interval(config.every);
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while began.elapsed() < config.time {
        tokio::select! {
            _ = rows.tick() => println!("{}", row(&board)),
            order = orders.next_line() => {
                let Some(order) = order? else { break };
                let wanted = order.strip_prefix("prefer ").and_then(layers);
                say.send(wanted.ok_or_else(|| format!("{order}: not known"))?)?;
            }
            Some(ended) = meeting.join_next() => ended??,
        }
    }
    Ok(())
}

/// Milliseconds of the clock that JavaScript's `Date.now()` reads.
pub(super) fn wall_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

fn row(board: &Board) -> Value {
    let mut board = open(board);
    let (mut audio, mut video) = (Vec::new(), Vec::new());
    let mut got: BTreeMap<(String, bool), Got> = BTreeMap::new();
    let mut sent = Vec::new();
    for person in board.iter_mut() {
        for one in &person.got {
            let sum = got.entry((one.of.clone(), one.video)).or_default();
            sum.add(one);
        }
        audio.append(&mut person.audio_ms);
        video.append(&mut person.video_ms);
        if person.camera.is_empty() && person.voice.0 == 0 {
            continue;
        }
        let asked = std::mem::take(&mut person.asked);
        sent.push(json!({
            "peer": person.peer, "camera": person.camera, "voice": person.voice, "asked": asked
        }));
    }
    let got = got.into_iter().map(|((of, video), it)| {
        json!({
            "of": of, "kind": if video { "video" } else { "audio" }, "streams": it.streams,
            "packets": it.packets, "lost": it.lost, "missing": it.missing, "nacked": it.nacked,
            "plis": it.plis, "frames": it.frames, "freezes": it.freezes,
            "frozen_ms": it.frozen as f64 / 1e6, "by_layer": it.by_layer
        })
    });
    let got: Vec<Value> = got.collect();
    let near = |all: Vec<f64>| -> Vec<f64> {
        all.into_iter().map(|ms| (ms * 100.0).round() / 100.0).collect()
    };
    json!({
        "wall_ms": wall_ms(), "sent": sent, "got": got, "audio_ms": near(audio),
        "video_ms": near(video)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_or_refused() {
        assert_eq!(layers("2, 0,all"), Some(vec![2, 0, EVERYTHING]));
        assert_eq!(layers(""), Some(vec![]));
        assert_eq!(layers("1,high"), None);
    }

    #[test]
    fn what_several_got_of_one_is_summed() {
        let one = Got { of: "a".into(), streams: 1, by_layer: [3, 0, 0], ..Got::default() };
        let mut sum = Got::default();
        sum.add(&one);
        sum.add(&Got { by_layer: [1, 5, 0], missing: 2, ..one });
        assert_eq!((sum.streams, sum.by_layer, sum.missing), (2, [4, 5, 0], 2));
    }
}
