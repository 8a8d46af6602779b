//! `starling-load publish`: cameras with simulcast and microphones in a room, at given bitrates.

use std::time::Duration;

use serde_json::json;
use starling_media::rtcp::{self, RtcpItem};
use starling_people::{
    encoder::{Camera, Microphone},
    guest::AUDIO,
    reports,
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::words::Words;
use crate::{
    client::{self, Arrived, Client, Failure, Identity, Wish},
    sys::monotonic,
};

const FIRST_SSRC: u32 = 40_000;

/// What is published.
#[derive(Clone, Debug)]
pub(crate) struct PublishConfig {
    url: String,
    room: String,
    count: usize,
    /// Of each camera, from the smallest; empty: no camera.
    kbps: Vec<u32>,
    fps: u32,
    temporal: u8,
    /// So many of them have a microphone.
    audio: usize,
    time: Duration,
}

impl PublishConfig {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut words = Words::new(words)?;
        let ladder = words.text("--ladder", "100,300,900");
        let kbps = ladder.split(',').filter(|part| !part.is_empty());
        let kbps = kbps.map(str::parse).collect::<Result<_, _>>();
        let config = Self {
            url: words.text("--url", "http://127.0.0.1:4443"),
            room: words.text("--room", "load"),
            count: words.number("--publishers", 1)?,
            kbps: kbps.map_err(|_| format!("--ladder: {ladder} are no numbers"))?,
            fps: words.number("--fps", 25)?.clamp(1, 60) as u32,
            temporal: words.number("--temporal", 1)?.clamp(1, 3) as u8,
            audio: words.number("--audio", usize::MAX)?,
            time: Duration::from_secs(words.number("--seconds", 10)? as u64),
        };
        words.end().map(|()| config)
    }
}

/// Joins, publishes, and sends until the time is over.
pub(crate) async fn publish(config: PublishConfig) -> Result<(), Failure> {
    let identity = Identity::new()?;
    let mut sending = JoinSet::new();
    for n in 0..config.count {
        let peer = format!("publisher-{n}");
        let wish = Wish { consume: false, keep: true };
        let joined = client::join(&config.url, &config.room, &peer, &identity, wish).await?;
        let publisher = Publisher::new(joined, &config, n).await?;
        sending.spawn(publisher.run(config.clone(), n));
    }
    println!("{}", json!({"ready": config.count}));
    while let Some(done) = sending.join_next().await {
        done??;
    }
    Ok(())
}

struct Publisher {
    client: Client,
    camera: Option<Camera>,
    microphone: Option<Microphone>,
    arrived: mpsc::Receiver<Arrived>,
}

impl Publisher {
    async fn new(client: Client, config: &PublishConfig, n: usize) -> Result<Self, Failure> {
        let ssrc = FIRST_SSRC + 10 * n as u32;
        let arrived = client.up.listen();
        let mut camera = None;
        if !config.kbps.is_empty() {
            let payload_type = client.payload_type("video/VP8").ok_or("the room lacks VP8")?;
            let made = Camera::new(ssrc, payload_type, &config.kbps, config.fps, config.temporal);
            let mode = format!("L1T{}", config.temporal);
            let encodings: Vec<_> = made
                .ssrcs()
                .into_iter()
                .zip(&config.kbps)
                .map(|(ssrc, kbps)| {
                    json!({
                        "ssrc": ssrc, "scalabilityMode": mode, "maxBitrate": kbps * 1_000
                    })
                })
                .collect();
            client.publish("video", "video/VP8", &json!(encodings)).await?;
            camera = Some(made);
        }
        let mut microphone = None;
        if n < config.audio {
            let payload_type = client.payload_type("audio/opus").ok_or("the room lacks Opus")?;
            let made = Microphone::new(ssrc + 9, payload_type);
            client.publish("audio", "audio/opus", &json!([{"ssrc": made.ssrc}])).await?;
            microphone = Some(made);
        }
        Ok(Self { client, camera, microphone, arrived })
    }

    async fn run(mut self, config: PublishConfig, n: usize) -> Result<(), Failure> {
        let begin = Instant::now();
        let frame = Duration::from_secs(1) / config.fps;
        // Cameras are not in step with each other.
        let place = n as u32 * frame / config.count.max(1) as u32;
        let mut pictures = every(begin + place, frame);
        let mut sounds = every(begin + place, AUDIO);
        let mut report = every(begin + place + frame, reports::EVERY);
        let end = begin + config.time;
        let mut packets = Vec::new();
        while Instant::now() < end {
            tokio::select! {
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
                        self.client.up.send(&microphone.packet(monotonic())).await?;
                    }
                }
                _ = report.tick() => reports::send(&self.client.up, self.camera.as_ref()).await?,
                Some(arrived) = self.arrived.recv() => self.hear(&arrived),
            }
        }
        Ok(())
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

fn every(first: Instant, time: Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(first, time);
    // A late frame does not make the next one late.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    ticks
}
