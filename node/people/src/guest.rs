//! A guest of a room: a camera and a microphone, or eyes and ears, or both, on one task; and what
//! came of it, counted where others can see it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;
use starling_media::rtcp::{self, RtcpItem};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use crate::{
    client::{Arrived, Client, Failure},
    clock::monotonic,
    encoder::{Camera, Microphone},
    histogram::Histogram,
    receiver::Receiver,
    reports,
};

/// SSRCs of one guest; a camera has at most three encodings, and the last is its microphone's.
const SSRCS: u32 = 10;
const FIRST_SSRC: u32 = 80_000;
/// Between two packets of Opus.
pub const AUDIO: Duration = Duration::from_millis(20);
/// Between two looks at what is due: a NACK is not worth more precision with so many people.
pub const LOOK: Duration = Duration::from_millis(10);
/// Looks between two counts.
const COUNT: u32 = 10;
/// A receiver's first guess of its round trip (libwebrtc, `nack_requester.cc`).
pub const RTT: Duration = Duration::from_millis(100);
/// How long after they were sent frames are shown, in nanoseconds: a jitter buffer's usual delay.
pub const PLAYOUT: u64 = 100_000_000;

/// What a guest sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sends {
    /// Kilobits per second of each encoding of the camera, the smallest first; none: no camera.
    pub kbps: Vec<u32>,
    /// Its pictures per second.
    pub fps: u32,
    /// A microphone.
    pub audio: bool,
}

/// What came of a guest, since it came or since the mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Streams that packets came of.
    pub streams: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets received, without those that came again.
    pub received: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Packets that did not come at first.
    pub lost_at_first: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Frames on the screen.
    pub frames: u64,
    /// Times that a picture stood still.
    pub freezes: u64,
    /// Nanoseconds of those.
    pub frozen: u64,
    /// From sender to receiver of each packet of sound, and to the last packet of each picture.
    pub delays: Histogram,
}

impl Seen {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.streams += other.streams;
        self.sent += other.sent;
        self.received += other.received;
        self.bytes += other.bytes;
        self.lost_at_first += other.lost_at_first;
        self.lost += other.lost;
        self.frames += other.frames;
        self.freezes += other.freezes;
        self.frozen += other.frozen;
        self.delays.add(&other.delays);
    }
}

/// Where it can be seen.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    seen: Seen,
    /// The next count begins anew.
    marked: bool,
}

impl Board {
    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }

    /// Begins anew.
    pub fn mark(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Kept { marked: true, ..Kept::default() };
    }
}

/// Counts of a stream at the mark, by consumer.
type Marks = HashMap<String, Counts>;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u64,
    bytes: u64,
    at_first: i64,
    missing: i64,
    frames: u64,
    freezes: u64,
    frozen: u64,
}

/// See the module.
pub struct Guest {
    client: Client,
    fps: u32,
    /// Place among the others, so that their cameras are not in step.
    number: usize,
    camera: Option<Camera>,
    microphone: Option<Microphone>,
    up: mpsc::Receiver<Arrived>,
    down: mpsc::Receiver<Arrived>,
    receiver: Receiver,
    sent: u64,
    sent_at_mark: u64,
    marks: Marks,
    board: Board,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Guest {
    /// Publishes what it sends.
    ///
    /// # Errors
    /// What the node said.
    pub async fn new(
        client: Client,
        sends: &Sends,
        number: usize,
        board: Board,
    ) -> Result<Self, Failure> {
        let ssrc = FIRST_SSRC + SSRCS * u32::try_from(number).unwrap_or_default();
        let (up, down) = (client.up.listen(), client.down.listen());
        let mut guest = Self {
            client,
            fps: sends.fps.max(1),
            number,
            camera: None,
            microphone: None,
            up,
            down,
            receiver: Receiver::new(std::time::Instant::now(), RTT, PLAYOUT),
            sent: 0,
            sent_at_mark: 0,
            marks: Marks::new(),
            board,
        };
        if !sends.kbps.is_empty() {
            let payload_type =
                guest.client.payload_type("video/VP8").ok_or("the room lacks VP8")?;
            let made = Camera::new(ssrc, payload_type, &sends.kbps, guest.fps, 1);
            let encodings = made.ssrcs().into_iter().zip(&sends.kbps).map(|(ssrc, kbps)| {
                json!({"ssrc": ssrc, "scalabilityMode": "L1T1", "maxBitrate": kbps * 1_000})
            });
            let encodings: Vec<_> = encodings.collect();
            guest.client.publish("video", "video/VP8", &json!(encodings)).await?;
            guest.camera = Some(made);
        }
        if sends.audio {
            let payload_type =
                guest.client.payload_type("audio/opus").ok_or("the room lacks Opus")?;
            let made = Microphone::new(ssrc + SSRCS - 1, payload_type);
            guest.client.publish("audio", "audio/opus", &json!([{"ssrc": made.ssrc}])).await?;
            guest.microphone = Some(made);
        }
        Ok(guest)
    }

    /// Stays until `leave`.
    ///
    /// # Errors
    /// A socket or session that is gone.
    pub async fn run(mut self, mut leave: oneshot::Receiver<()>) -> Result<(), Failure> {
        let begin = Instant::now();
        let frame = Duration::from_secs(1) / self.fps;
        let place = frame.mul_f64((self.number as f64 * 0.37).fract());
        let mut pictures = every(begin + place, frame);
        let mut sounds = every(begin + place, AUDIO);
        let mut report = every(begin + place + frame, reports::EVERY);
        let mut looks = every(begin + place, LOOK);
        let (sends_video, sends_audio) = (self.camera.is_some(), self.microphone.is_some());
        let mut looked = 0u32;
        loop {
            tokio::select! {
                Some(packet) = self.down.recv() => self.take(&packet),
                Some(arrived) = self.up.recv() => self.hear(&arrived),
                _ = pictures.tick(), if sends_video => self.picture().await?,
                _ = sounds.tick(), if sends_audio => self.sound().await?,
                _ = report.tick(), if sends_video => {
                    reports::send(&self.client.up, self.camera.as_ref()).await?;
                }
                _ = looks.tick() => {
                    self.look().await?;
                    looked = looked.wrapping_add(1);
                    if looked.is_multiple_of(COUNT) {
                        self.count();
                    }
                }
                _ = &mut leave => {
                    self.count();
                    self.client.leave().await;
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, packet: &Arrived) {
        if packet.rtcp {
            self.receiver.take_rtcp(packet.at, &packet.bytes);
        } else {
            self.receiver.take(packet.at, packet.clock, &packet.bytes);
        }
    }

    async fn picture(&mut self) -> Result<(), Failure> {
        let Some(camera) = &mut self.camera else { return Ok(()) };
        let mut packets = Vec::new();
        camera.picture(monotonic(), &mut packets);
        for packet in &packets {
            self.client.up.send(packet).await?;
        }
        self.sent += packets.len() as u64;
        Ok(())
    }

    async fn sound(&mut self) -> Result<(), Failure> {
        let Some(microphone) = &mut self.microphone else { return Ok(()) };
        self.client.up.send(&microphone.packet(monotonic())).await?;
        self.sent += 1;
        Ok(())
    }

    /// Takes what signalling told, and sends what a receiver owes.
    async fn look(&mut self) -> Result<(), Failure> {
        for told in self.client.told().into_iter().filter(|it| it.method == "newConsumer") {
            self.receiver.add(&told.data);
        }
        let mut due = Vec::new();
        self.receiver.poll(std::time::Instant::now(), &mut due);
        for bytes in due {
            self.client.down.send_rtcp(&bytes).await?;
        }
        Ok(())
    }

    /// Writes on the board.
    fn count(&mut self) {
        let mut kept = self.board.0.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut kept.marked) {
            self.sent_at_mark = self.sent;
            self.marks = self
                .receiver
                .streams
                .iter_mut()
                .map(|stream| {
                    stream.delays.clear();
                    (stream.consumer.clone(), Counts::of(stream))
                })
                .collect();
        }
        let delays = std::mem::take(&mut kept.seen.delays);
        kept.seen = Seen { delays, sent: self.sent - self.sent_at_mark, ..Seen::default() };
        for stream in &mut self.receiver.streams {
            let (now, then) = (Counts::of(stream), self.marks.get(&stream.consumer));
            now.since(&then.copied().unwrap_or_default(), &mut kept.seen);
            stream.delays.drain(..).for_each(|ns| kept.seen.delays.take(ns));
        }
    }

    fn hear(&mut self, arrived: &Arrived) {
        let Some(camera) = self.camera.as_mut().filter(|_| arrived.rtcp) else { return };
        for item in rtcp::parse_all(&arrived.bytes) {
            match item {
                RtcpItem::Pli { media, .. } => camera.want_key_frame(media),
                RtcpItem::Fir { entries, .. } => {
                    entries.iter().for_each(|(media, _)| camera.want_key_frame(*media));
                }
                _ => {}
            }
        }
    }
}

impl Counts {
    fn of(stream: &crate::receiver::Stream) -> Self {
        Self {
            packets: stream.packets,
            bytes: stream.bytes,
            at_first: stream.lost(),
            missing: stream.missing(),
            frames: stream.frames.shown,
            freezes: stream.frames.freezes,
            frozen: stream.frames.frozen,
        }
    }

    /// Adds what is new since `then`. What was lost before and came after counts for nothing.
    fn since(&self, then: &Self, seen: &mut Seen) {
        let packets = self.packets - then.packets;
        seen.streams += u64::from(packets > 0);
        seen.received += packets;
        seen.bytes += self.bytes - then.bytes;
        seen.lost_at_first += u64::try_from(self.at_first - then.at_first).unwrap_or(0);
        seen.lost += u64::try_from(self.missing - then.missing).unwrap_or(0);
        seen.frames += self.frames - then.frames;
        seen.freezes += self.freezes - then.freezes;
        seen.frozen += self.frozen - then.frozen;
    }
}

fn every(first: Instant, time: Duration) -> Interval {
    let mut ticks = interval_at(first, time);
    // A late frame does not make the next one late.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_since_the_mark_counts() {
        let then =
            Counts { packets: 100, bytes: 9_000, at_first: 3, missing: 2, ..Counts::default() };
        let now = Counts { packets: 150, bytes: 14_000, at_first: 4, missing: 1, ..then };
        let mut seen = Seen::default();
        now.since(&then, &mut seen);
        assert_eq!((seen.streams, seen.received, seen.bytes), (1, 50, 5_000));
        assert_eq!((seen.lost_at_first, seen.lost), (1, 0), "one came after the mark");
        let mut none = Seen::default();
        then.since(&then, &mut none);
        assert_eq!(none, Seen::default());
    }

    #[test]
    fn a_mark_forgets_what_was_seen() {
        let board = Board::default();
        board.0.lock().unwrap().seen.received = 7;
        board.mark();
        assert_eq!(board.seen(), Seen::default());
        assert!(board.0.lock().unwrap().marked);
    }
}
