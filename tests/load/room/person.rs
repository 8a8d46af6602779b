//! Somebody who meets: a camera, a microphone, and a receiver of all others, on one task.

use std::time::Duration;

use serde_json::json;
use starling_media::{
    rtcp::{self, RtcpItem},
    rtp::NtpTime,
};
use starling_people::{
    encoder::{Camera, Microphone},
    guest::{AUDIO, LOOK, PLAYOUT, RTT},
    receiver::Receiver,
    reports,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};

use super::meet::{Board, EVERYTHING, MeetConfig, open, wall_ms};
use crate::{
    client::{Arrived, Client, Failure},
    sys::monotonic,
};

const FIRST_SSRC: u32 = 70_000;
/// Looks between two visits to the board.
const VISIT: u32 = 5;
const HEADER: u64 = 12;

/// See the module.
pub(super) struct Person {
    client: Client,
    number: usize,
    peer: String,
    fps: u32,
    camera: Option<Camera>,
    microphone: Option<Microphone>,
    voice: (u64, u64),
    asked: Vec<(f64, usize)>,
    up: mpsc::Receiver<Arrived>,
    down: mpsc::Receiver<Arrived>,
    receiver: Receiver,
    /// Consumers of cameras.
    cameras: Vec<String>,
    wish: watch::Receiver<Vec<u8>>,
    board: Board,
}

impl Person {
    /// Publishes.
    pub(super) async fn new(
        client: Client,
        config: &MeetConfig,
        (camera, voice): (bool, bool),
        number: usize,
        peer: String,
        board: Board,
        wish: watch::Receiver<Vec<u8>>,
    ) -> Result<Self, Failure> {
        let ssrc = FIRST_SSRC + 10 * number as u32;
        let (up, down) = (client.up.listen(), client.down.listen());
        let mut person = Self {
            client,
            number,
            peer,
            fps: config.fps,
            camera: None,
            microphone: None,
            voice: (0, 0),
            asked: Vec::new(),
            up,
            down,
            receiver: Receiver::new(std::time::Instant::now(), RTT, PLAYOUT),
            cameras: Vec::new(),
            wish,
            board,
        };
        if camera {
            let payload_type = person.client.payload_type("video/VP8").ok_or("no VP8")?;
            let made = Camera::new(ssrc, payload_type, &config.kbps, config.fps, 1);
            let encodings = made.ssrcs().into_iter().zip(&config.kbps).map(|(ssrc, kbps)| {
                json!({"ssrc": ssrc, "scalabilityMode": "L1T1", "maxBitrate": kbps * 1_000})
            });
            let encodings: Vec<_> = encodings.collect();
            person.client.publish("video", "video/VP8", &json!(encodings)).await?;
            person.camera = Some(made);
        }
        if voice {
            let payload_type = person.client.payload_type("audio/opus").ok_or("no Opus")?;
            let made = Microphone::new(ssrc + 9, payload_type);
            person.client.publish("audio", "audio/opus", &json!([{"ssrc": made.ssrc}])).await?;
            person.microphone = Some(made);
        }
        Ok(person)
    }

    /// Meets until it is dropped.
    pub(super) async fn run(mut self, delays: bool) -> Result<(), Failure> {
        let begin = Instant::now();
        let frame = Duration::from_secs(1) / self.fps;
        // Cameras are not in step with each other.
        let place = frame.mul_f64((self.number as f64 * 0.37).fract());
        let mut pictures = every(begin + place, frame);
        let mut sounds = every(begin + place, AUDIO);
        let mut report = every(begin + place + frame, reports::EVERY);
        let mut looks = every(begin + place, LOOK);
        let (mut packets, mut due, mut looked) = (Vec::new(), Vec::new(), 0u32);
        loop {
            tokio::select! {
                Some(packet) = self.down.recv() => {
                    if packet.rtcp {
                        self.receiver.take_rtcp(packet.at, &packet.bytes);
                    } else {
                        self.receiver.take(packet.at, packet.clock, &packet.bytes);
                    }
                }
                Some(arrived) = self.up.recv() => self.hear(&arrived),
                _ = pictures.tick() => {
                    packets.clear();
                    if let Some(camera) = &mut self.camera {
                        camera.picture(monotonic(), &mut packets);
                    }
                    for packet in &packets {
                        self.client.up.send(packet).await?;
                    }
                }
                _ = sounds.tick() => {
                    if let Some(microphone) = &mut self.microphone {
                        let packet = microphone.packet(monotonic());
                        self.client.up.send(&packet).await?;
                        self.voice = (self.voice.0 + 1, self.voice.1 + packet.len() as u64);
                    }
                }
                _ = report.tick() => reports::send(&self.client.up, self.camera.as_ref()).await?,
                _ = looks.tick() => {
                    self.receiver.poll(std::time::Instant::now(), &mut due);
                    for bytes in due.drain(..) {
                        self.client.down.send_rtcp(&bytes).await?;
                    }
                    looked += 1;
                    if looked.is_multiple_of(VISIT) {
                        self.visit(delays).await?;
                    }
                }
            }
        }
    }

    /// Takes what signalling told, says what is wanted, and writes on the board.
    async fn visit(&mut self, delays: bool) -> Result<(), Failure> {
        let changed = self.wish.has_changed()?;
        let layer = {
            let wishes = self.wish.borrow_and_update();
            let place = self.number.checked_rem(wishes.len());
            place.map_or(EVERYTHING, |place| wishes[place])
        };
        let known = if changed { 0 } else { self.cameras.len() };
        for told in self.client.told().into_iter().filter(|it| it.method == "newConsumer") {
            self.receiver.add(&told.data);
            if let (Some(id), true) =
                (told.data["consumerId"].as_str(), told.data["kind"] == "video")
            {
                self.cameras.push(id.to_owned());
            }
        }
        if layer != EVERYTHING || changed {
            for consumer in &self.cameras[known..] {
                let data = json!({"consumerId": consumer, "spatialLayer": layer.min(7)});
                self.client.notify("setConsumerPreferredLayers", data).await?;
            }
        }
        let mut board = open(&self.board);
        let told = &mut board[self.number];
        told.peer.clone_from(&self.peer);
        told.voice = self.voice;
        told.asked.append(&mut self.asked);
        if let Some(camera) = &self.camera {
            let sent = camera.reports(NtpTime::from_unix(Duration::ZERO)).into_iter().map(|it| {
                let packets = u64::from(it.packets);
                (packets, u64::from(it.octets) + HEADER * packets)
            });
            told.camera = sent.collect();
        }
        told.take(&mut self.receiver, delays);
        Ok(())
    }

    fn hear(&mut self, arrived: &Arrived) {
        let Some(camera) = self.camera.as_mut().filter(|_| arrived.rtcp) else { return };
        let ssrcs = camera.ssrcs();
        let mut asked = Vec::new();
        for item in rtcp::parse_all(&arrived.bytes) {
            match item {
                RtcpItem::Pli { media, .. } => asked.push(media),
                RtcpItem::Fir { entries, .. } => {
                    asked.extend(entries.iter().map(|(media, _)| *media));
                }
                _ => {}
            }
        }
        for media in asked {
            camera.want_key_frame(media);
            if let Some(layer) = ssrcs.iter().position(|ssrc| *ssrc == media) {
                self.asked.push((wall_ms(), layer));
            }
        }
    }
}

fn every(first: Instant, time: Duration) -> Interval {
    let mut ticks = interval_at(first, time);
    // A late frame does not make the next one late.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}
