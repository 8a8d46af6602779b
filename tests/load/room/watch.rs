//! `starling-load watch`: one receiver of all that a room has, as a browser would receive it, and
//! what comes of each stream, as lines of JSON.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use starling_people::receiver::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use super::words::Words;
use crate::{
    bench::percentile,
    client::{self, Client, Failure, Identity, Wish},
    sys::monotonic,
};

/// Between two looks at what is due: a NACK is not worth more precision.
const TICK: Duration = Duration::from_millis(5);

/// What is watched.
#[derive(Clone, Debug)]
pub(crate) struct WatchConfig {
    url: String,
    room: String,
    peer: String,
    /// `publisher=priority`.
    priorities: Vec<(String, u64)>,
    /// What a receiver takes for it that does not know it (libwebrtc, `nack_requester.cc`).
    rtt: Duration,
    playout: Duration,
    every: Duration,
    time: Duration,
}

impl WatchConfig {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut words = Words::new(words)?;
        let text = words.text("--priorities", "");
        let mut priorities = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let pair = part.split_once('=');
            let pair = pair.and_then(|(peer, priority)| Some((peer, priority.parse().ok()?)));
            let (peer, priority) = pair.ok_or_else(|| format!("--priorities: {part}"))?;
            priorities.push((peer.to_owned(), priority));
        }
        let config = Self {
            url: words.text("--url", "http://127.0.0.1:4443"),
            room: words.text("--room", "load"),
            peer: words.text("--peer", "watcher"),
            priorities,
            rtt: Duration::from_millis(words.number("--rtt-ms", 100)?.max(1) as u64),
            playout: Duration::from_millis(words.number("--playout-ms", 100)? as u64),
            every: Duration::from_millis(words.number("--every-ms", 200)?.max(20) as u64),
            time: Duration::from_secs(words.number("--seconds", 10)? as u64),
        };
        words.end().map(|()| config)
    }
}

/// Joins, watches, and tells until the time is over.
pub(crate) async fn watch(config: WatchConfig) -> Result<(), Failure> {
    let identity = Identity::new()?;
    let wish = Wish { consume: true, keep: true };
    let client = client::join(&config.url, &config.room, &config.peer, &identity, wish).await?;
    let mut arrived = client.down.listen();
    let began = Instant::now();
    let mut receiver = Receiver::new(began, config.rtt, config.playout.as_nanos() as u64);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tell_at = began + config.every;
    let mut due = Vec::new();
    println!("{}", json!({"ready": true}));
    while began.elapsed() < config.time {
        tokio::select! {
            biased;
            Some(packet) = arrived.recv() => {
                if packet.rtcp {
                    receiver.take_rtcp(packet.at, &packet.bytes);
                } else {
                    receiver.take(packet.at, packet.clock, &packet.bytes);
                }
            }
            _ = ticks.tick() => {
                for told in client.told().into_iter().filter(|it| it.method == "newConsumer") {
                    receiver.add(&told.data);
                    prefer(&client, &config, &told.data).await?;
                }
                receiver.poll(Instant::now(), &mut due);
                for bytes in due.drain(..) {
                    client.down.send_rtcp(&bytes).await?;
                }
                if Instant::now() >= tell_at {
                    tell_at += config.every;
                    println!("{}", row(&mut receiver, began));
                }
            }
        }
    }
    Ok(())
}

async fn prefer(client: &Client, config: &WatchConfig, data: &Value) -> Result<(), Failure> {
    let wanted = config.priorities.iter().find(|(peer, _)| data["peerId"] == peer.as_str());
    if let (Some((_, priority)), true) = (wanted, data["kind"] == "video") {
        let data = json!({"consumerId": data["consumerId"], "priority": priority});
        client.notify("setConsumerPriority", data).await?;
    }
    Ok(())
}

/// Counts since the start; delays since the last row.
fn row(receiver: &mut Receiver, began: Instant) -> Value {
    let at = began.elapsed().as_nanos() as u64;
    let streams = receiver.streams.iter_mut().map(|stream| {
        let delays: Vec<f64> = stream.delays.drain(..).map(|ns| ns as f64 / 1e6).collect();
        let newest = stream.frames.newest;
        json!({
            "peer": stream.peer,
            "consumer": stream.consumer,
            "kind": if stream.video { "video" } else { "audio" },
            "packets": stream.packets,
            "bytes": stream.bytes,
            "rtx_packets": stream.rtx_packets,
            "rtx_bytes": stream.rtx_bytes,
            "lost": stream.lost(),
            "missing": stream.missing(),
            "nacked": stream.asked,
            "plis": stream.key_frames_asked,
            "frames": stream.frames.shown,
            "spatial": newest.map(|mark| mark.spatial),
            "temporal": newest.map(|mark| mark.temporal),
            "freezes": stream.frames.freezes,
            "frozen_ms": stream.frames.frozen as f64 / 1e6,
            "silent_ms": stream.frames.last().map(|last| (at.saturating_sub(last)) as f64 / 1e6),
            "delay_ms_p50": percentile(&delays, 50.0),
            "delay_ms_max": percentile(&delays, 100.0),
        })
    });
    let streams: Vec<Value> = streams.collect();
    json!({
        "clock_ms": monotonic() as f64 / 1e6,
        "at_ms": at as f64 / 1e6,
        "bytes": receiver.bytes,
        "probe_bytes": receiver.probe_bytes,
        "streams": streams,
    })
}
