//! T-M11: a publisher that sends twenty times what it said it would, and a receiver that asks for
//! key frames and for everything again, thousands of times a second. Both are who they say.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use starling_media::{rtcp::build, rtp::RtpHeader};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    Context,
    findings::{Bound, Findings},
    forge,
    people::{People, bystanders},
};
use crate::{
    client::{Client, Failure, Wish},
    node::Node,
    shape::{HEADER, Shape, Source},
};

/// What the publisher says it sends, in bits a second, and how many times that it sends.
const SAID: u64 = 300_000;
const TIMES: u64 = 20;
/// Key frames asked for, and lists of lost packets, a second.
const ASKS: u64 = 2_000;
/// Numbers in a list: the newest, and as many as a node reads of one packet.
const LISTED: u16 = 1_000;
/// Key frames that a stream's publisher may be asked for in a second.
const KEY_FRAMES: f64 = 2.0;
/// Of a stream's packets may be sent again.
const AGAIN: f64 = 25.0;
const TICK: Duration = Duration::from_millis(5);

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M11").await?;
    let people = People::gather(&node, "talk", &context.identity, 6, 1).await?;
    let time = Duration::from_secs(context.scale(4, 20));
    let quiet = people.quiet(&node, time).await;
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    people.all[0].client.up.look(Box::new(move |rtcp, packet| {
        if rtcp {
            count.fetch_add(forge::key_frames_asked(packet), Relaxed);
        }
    }));
    let greedy = Greedy::start(context, &node).await?;
    let nagging = Nagging::start(context, &node).await?;
    sleep(Duration::from_secs(1)).await;
    asked.store(0, Relaxed);
    let came = nagging.came();
    let began = Instant::now();
    let (attacked, ()) = people.window(&node, sleep(time)).await;
    let seconds = began.elapsed().as_secs_f64();
    let (came, asked) = (nagging.came().since(came), asked.load(Relaxed) as f64 / seconds);
    let sent = greedy.sent();
    bystanders(findings, &quiet, &attacked, 2.0);
    let bits = 8.0 * sent as f64 / greedy.began.elapsed().as_secs_f64();
    findings.tell("greedy_publisher_times_what_it_said", bits / SAID as f64, 1);
    let asks = (ASKS as f64 * seconds) as u64;
    findings.check("key_frames_asked_per_second", asked, Bound::AtMost(KEY_FRAMES), asks);
    let again = 100.0 * came.again as f64 / came.first.max(1) as f64;
    findings.check("packets_of_the_stream", came.first as f64, Bound::AtLeast(100.0), asks);
    findings.check("sent_again_percent", again, Bound::AtMost(AGAIN), asks);
    Ok(())
}

/// Sends too much, to two receivers that are its friends.
struct Greedy {
    _friends: Vec<Client>,
    sent: Arc<AtomicU64>,
    began: Instant,
    task: JoinHandle<()>,
}

impl Greedy {
    async fn start(context: &Context, node: &Node) -> Result<Self, Failure> {
        let mut friends = Vec::new();
        for peer in ["friend-0", "friend-1", "greedy"] {
            friends.push(join(context, node, "greed", peer).await?);
        }
        // Whole, or its session would end where only its transport is moved to.
        let client = Arc::new(friends.pop().ok_or("nobody is greedy")?);
        let kind = client.payload_type("video/VP8").ok_or("the room lacks VP8")?;
        let layers = json!([{"ssrc": 880_000, "maxBitrate": SAID}]);
        client.publish("video", "video/VP8", &layers).await?;
        let mut source = Source::new(Shape::Video, 880_000, None).with_payload_type(kind);
        let sent = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&sent);
        let task = tokio::spawn(async move {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let (began, mut frame) = (Instant::now(), Vec::new());
            loop {
                ticks.tick().await;
                let due = began.elapsed().as_secs_f64() * (SAID * TIMES) as f64 / 8.0;
                while (counts.load(Relaxed) as f64) < due {
                    let len = source.frame(&mut frame);
                    for packet in frame.chunks(len) {
                        let _ = client.up.send(packet).await;
                        counts.fetch_add((len + HEADER) as u64, Relaxed);
                    }
                }
            }
        });
        Ok(Self { _friends: friends, sent, began: Instant::now(), task })
    }

    fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }
}

impl Drop for Greedy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Packets of a stream that came to it, first and again.
#[derive(Clone, Copy, Debug, Default)]
struct Came {
    first: u64,
    again: u64,
}

impl Came {
    const fn since(self, before: Self) -> Self {
        Self { first: self.first - before.first, again: self.again - before.again }
    }
}

/// What it knows of the camera that it watches.
#[derive(Default)]
struct Watched {
    /// Highest number that came.
    newest: Option<u16>,
    came: Came,
}

/// Asks without end.
struct Nagging {
    watched: Arc<Mutex<Watched>>,
    task: JoinHandle<()>,
}

impl Nagging {
    async fn start(context: &Context, node: &Node) -> Result<Self, Failure> {
        let client = Arc::new(join(context, node, "talk", "nagging").await?);
        sleep(Duration::from_millis(500)).await;
        let told = client.told();
        let video = told.iter().find(|it| it.data["kind"] == "video").ok_or("no camera came")?;
        let stream = &video.data["rtpParameters"]["encodings"][0];
        let number = |value: &Value| value.as_u64().unwrap_or_default() as u32;
        let (ssrc, rtx) = (number(&stream["ssrc"]), number(&stream["rtx"]["ssrc"]));
        let watched = Arc::new(Mutex::new(Watched::default()));
        let sees = Arc::clone(&watched);
        client.down.look(Box::new(move |rtcp, packet| {
            let Some(header) = RtpHeader::parse(packet).filter(|_| !rtcp) else { return };
            let mut sees = sees.lock().unwrap_or_else(PoisonError::into_inner);
            if header.ssrc == rtx {
                sees.came.again += 1;
            } else if header.ssrc == ssrc {
                // Without RTX it comes under its own number again.
                let ahead = sees.newest.is_none_or(|newest| {
                    (1..0x8000).contains(&header.sequence.wrapping_sub(newest))
                });
                sees.came.first += u64::from(ahead);
                sees.came.again += u64::from(!ahead);
                if ahead {
                    sees.newest = Some(header.sequence);
                }
            }
        }));
        let knows = Arc::clone(&watched);
        let task = tokio::spawn(async move {
            let mut ticks = interval(TICK);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                ticks.tick().await;
                let newest = {
                    let knows = knows.lock().unwrap_or_else(PoisonError::into_inner);
                    knows.newest
                };
                let Some(newest) = newest else { continue };
                for _ in 0..ASKS * TICK.as_millis() as u64 / 1_000 {
                    let packet = demand(ssrc, newest);
                    let _ = client.down.send_rtcp(&packet).await;
                }
            }
        });
        Ok(Self { watched, task })
    }

    fn came(&self) -> Came {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).came
    }
}

impl Drop for Nagging {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A picture loss, and a list of all that came lately as lost.
fn demand(ssrc: u32, newest: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    build::receiver_report(&mut bytes, 7, &[]);
    build::pli(&mut bytes, 7, ssrc);
    let lost: Vec<_> = (0..LISTED).map(|n| newest.wrapping_sub(LISTED - n)).collect();
    build::nack(&mut bytes, 7, ssrc, &lost, 1_300);
    bytes
}

async fn join(context: &Context, node: &Node, room: &str, peer: &str) -> Result<Client, Failure> {
    let token = node.token(room, peer)?;
    let wish = Wish { consume: true, keep: true };
    Client::enter(&node.url, (room, peer), Some(&token), &context.identity, wish).await
}
