//! `starling-load run`: publishers and subscribers in a room of a running node, as plain RTP, as
//! SRTP with keys from signalling, or as whole WebRTC clients; what came, what was lost and how
//! late.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    bench::percentile,
    client::{self, Client, Failure, Identity, Wish},
    measure::Measure,
    plain::{Admin, Publisher, Subscriber},
    shape::{Shape, Source},
    workers::Workers,
};

/// How packets travel between the node and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// RTP as it is.
    Plain,
    /// SRTP with keys told over REST.
    Srtp,
    /// ICE, DTLS and SRTP, with WebSocket signalling.
    WebRtc,
}

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct RunConfig {
    pub(crate) mode: Mode,
    pub(crate) url: String,
    /// For plain RTP and SRTP, and for what the workers say.
    pub(crate) token: String,
    pub(crate) room: String,
    pub(crate) shape: Shape,
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) time: Duration,
}

const FIRST_SSRC: u32 = 500_000;

/// Runs it and prints what came of it.
pub(crate) async fn run(config: &RunConfig) -> Result<(), Failure> {
    let began = Instant::now();
    let before = Workers::read(&config.url, &config.token).await;
    let (sent, measure) = match config.mode {
        Mode::WebRtc => webrtc(config).await?,
        Mode::Plain | Mode::Srtp => plain(config).await?,
    };
    let at = |percent| percentile(&measure.delays, percent) / 1e6;
    println!(
        "{sent} packets sent by {} publishers; {} received by {} subscribers in {} streams, \
         {} lost, {} reordered, {} duplicates\n\
         ms from sender to receiver: p50 {:.2}, p99 {:.2}, p99.9 {:.2}\n{:.1} s",
        config.publishers,
        measure.received(),
        config.subscribers,
        measure.streams(),
        measure.lost(),
        measure.reordered,
        measure.duplicates,
        at(50.0),
        at(99.0),
        at(99.9),
        began.elapsed().as_secs_f64(),
    );
    match (before, Workers::read(&config.url, &config.token).await) {
        (Ok(before), Ok(after)) => print!("{}", after.since(&before)),
        (Err(why), _) | (_, Err(why)) => println!("workers: {why}"),
    }
    if measure.received() == 0 && config.subscribers * config.publishers > 0 {
        return Err("nothing arrived".into());
    }
    Ok(())
}

async fn webrtc(config: &RunConfig) -> Result<(u64, Measure), Failure> {
    let identity = Identity::new()?;
    let mut subscribers = Vec::new();
    let join = |name: String, consume| {
        let wish = Wish { consume, keep: true };
        let (config, identity) = (config.clone(), identity.clone());
        async move { client::join(&config.url, &config.room, &name, &identity, wish).await }
    };
    for n in 0..config.subscribers {
        subscribers.push(join(format!("load-subscriber-{n}"), true).await?);
    }
    let mut sending = JoinSet::new();
    for n in 0..config.publishers {
        let client = join(format!("load-publisher-{n}"), false).await?;
        let source = client::produce(&client, config.shape, FIRST_SSRC + 10 * n as u32).await?;
        let (shape, time) = (config.shape, config.time);
        sending.spawn(async move {
            let way = Way::WebRtc(client);
            let done = publish(source, shape, time, &way).await;
            (done, way)
        });
    }
    let (mut sent, mut publishers) = (0, Vec::new());
    while let Some(done) = sending.join_next().await {
        let (done, client) = done?;
        sent += done?;
        // It leaves when everything has arrived.
        publishers.push(client);
    }
    sleep(Duration::from_millis(500)).await;
    let mut measure = Measure::default();
    subscribers.iter().for_each(|client| measure.add(&client.down.measure()));
    Ok((sent, measure))
}

async fn plain(config: &RunConfig) -> Result<(u64, Measure), Failure> {
    let srtp = config.mode == Mode::Srtp;
    let admin = Admin::new(config.url.clone(), &config.token, config.room.clone())?;
    let mut publishers = Vec::new();
    for n in 0..config.publishers {
        let ssrc = FIRST_SSRC + 10 * n as u32;
        let name = format!("load-publisher-{n}");
        publishers.push(Arc::new(Publisher::new(&admin, &name, config.shape, ssrc, srtp).await?));
    }
    let mut subscribers = Vec::new();
    for n in 0..config.subscribers {
        for publisher in &publishers {
            let name = format!("load-subscriber-{n}-{}", subscribers.len());
            subscribers.push(Subscriber::new(&admin, &name, publisher.producer(), srtp).await?);
        }
    }
    let mut sending = JoinSet::new();
    for (n, publisher) in publishers.iter().enumerate() {
        let source = Source::new(config.shape, FIRST_SSRC + 10 * n as u32, None);
        let (shape, time, publisher) = (config.shape, config.time, Arc::clone(publisher));
        sending.spawn(async move { publish(source, shape, time, &Way::Plain(publisher)).await });
    }
    let mut sent = 0;
    while let Some(done) = sending.join_next().await {
        sent += done??;
    }
    sleep(Duration::from_millis(500)).await;
    let mut measure = Measure::default();
    subscribers.iter().for_each(|it| measure.add(&it.measure()));
    Ok((sent, measure))
}

/// Where a publisher's packets go.
enum Way {
    WebRtc(Client),
    Plain(Arc<Publisher>),
}

impl Way {
    async fn send(&self, packet: &[u8]) -> Result<(), Failure> {
        match self {
            Self::WebRtc(client) => client.up.send(packet).await,
            Self::Plain(publisher) => publisher.send(packet).await,
        }
    }
}

/// Sends frames in real time; packets sent.
async fn publish(
    mut source: Source,
    shape: Shape,
    time: Duration,
    way: &Way,
) -> Result<u64, Failure> {
    let began = Instant::now();
    let mut ticks = interval(shape.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frame = Vec::new();
    while began.elapsed() < time {
        ticks.tick().await;
        let len = source.frame(&mut frame);
        for packet in frame.chunks(len) {
            way.send(packet).await?;
        }
    }
    Ok(source.packets())
}

/// Reads `--name value` pairs.
pub(crate) fn parse(words: &[String]) -> Result<RunConfig, String> {
    let mut config = RunConfig {
        mode: Mode::WebRtc,
        url: "http://127.0.0.1:4443".into(),
        token: String::new(),
        room: "load".into(),
        shape: Shape::Video,
        publishers: 1,
        subscribers: 3,
        time: Duration::from_secs(10),
    };
    for pair in words.chunks(2) {
        let [name, value] = pair else { return Err(format!("{}: a value is missing", pair[0])) };
        let number = || value.parse::<usize>().map_err(|_| format!("{name}: {value} is no number"));
        match (name.as_str(), value.as_str()) {
            ("--mode", "plain") => config.mode = Mode::Plain,
            ("--mode", "srtp") => config.mode = Mode::Srtp,
            ("--mode", "webrtc") => config.mode = Mode::WebRtc,
            ("--shape", "audio") => config.shape = Shape::Audio,
            ("--shape", "video") => config.shape = Shape::Video,
            ("--url", url) => config.url = url.trim_end_matches('/').to_owned(),
            ("--token", token) => config.token = token.to_owned(),
            ("--room", room) => config.room = room.to_owned(),
            ("--publishers", _) => config.publishers = number()?,
            ("--subscribers", _) => config.subscribers = number()?,
            ("--seconds", _) => config.time = Duration::from_secs(number()? as u64),
            _ => return Err(format!("{name} {value} is not known")),
        }
    }
    Ok(config)
}
