//! Programs that speak plain RTP with a node: a camera and a viewer, real packets on loopback.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use starling_proto::{
    ConsumerId, MediaKind, ProducerId, TransportId,
    rest::{
        ConnectPlainTransport, CreateConsumer, CreatePeer, CreatePlainTransport, CreateProducer,
    },
    transport::PlainAddress,
};
use tokio::{net::UdpSocket, task::JoinHandle, time::timeout};

use super::world::{PATIENCE, peer, room, until};
use crate::Node;

/// One frame of each layer in so many milliseconds.
const FRAME: Duration = Duration::from_millis(10);
/// Longest wait for one packet of a stream that flows: 100 frames.
const FLOWS: Duration = Duration::from_secs(1);

async fn loopback() -> (UdpSocket, PlainAddress) {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let socket = UdpSocket::bind((ip, 0)).await.expect("loopback has ports");
    let port = socket.local_addr().expect("it is bound").port();
    (socket, PlainAddress { ip, port, rtcp_port: None })
}

/// A peer without signalling, with a plain transport towards `address`.
async fn program(node: &Node, id: &str, address: PlainAddress) -> (TransportId, SocketAddr) {
    let made = CreatePeer::new(peer(id), id);
    node.create_peer(&room(), made).await.expect("the node takes it");
    let options = CreatePlainTransport::default();
    let info = node.create_plain_transport(&room(), &peer(id), options).await.expect("a port");
    let connect = ConnectPlainTransport { address: Some(address), srtp_parameters: None };
    let transport = info.transport_id;
    let connected = node.connect_plain_transport(&room(), &peer(id), &transport, connect).await;
    let there = connected.expect("it connects").address;
    (transport, SocketAddr::new(there.ip, there.port))
}

/// What a camera was asked and has done.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    frames: AtomicU64,
    key_frames_asked: AtomicU64,
}

/// Sends video in one or more layers, and a key frame when it is asked for one.
pub(super) struct Camera {
    pub(super) producer: ProducerId,
    tally: Arc<Tally>,
    task: JoinHandle<()>,
}

impl Camera {
    /// A program's peer `id` that sends `layers` layers.
    pub(super) async fn start(node: &Node, id: &str, layers: u32) -> Self {
        let (socket, address) = loopback().await;
        let (transport, to) = program(node, id, address).await;
        let ssrcs: Vec<u32> = (0..layers).map(|layer| 1_000 + layer).collect();
        let producer = CreateProducer {
            kind: MediaKind::Video,
            rtp_parameters: serde_json::from_value(vp8(&ssrcs)).expect("good parameters"),
            paused: false,
            key_frame_request_delay: 0,
            app_data: json!({ "source": "camera" }),
        };
        let made = node.plain_produce(&room(), &peer(id), &transport, producer).await;
        let tally = Arc::new(Tally::default());
        let task = tokio::spawn(film(socket, to, ssrcs, tally.clone()));
        Self { producer: made.expect("it produces").producer_id, tally, task }
    }

    pub(super) fn frames(&self) -> u64 {
        self.tally.frames.load(Ordering::Relaxed)
    }

    pub(super) fn key_frames_asked(&self) -> u64 {
        self.tally.key_frames_asked.load(Ordering::Relaxed)
    }

    /// Sends no more.
    pub(super) async fn stop(self) {
        self.tally.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the camera did not fail");
    }
}

fn vp8(ssrcs: &[u32]) -> Value {
    let encodings: Vec<_> = ssrcs.iter().map(|ssrc| json!({ "ssrc": ssrc })).collect();
    json!({
        "codecs": [{
            "mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000, "parameters": {},
            "rtcpFeedback": [{"type": "nack"}, {"type": "nack", "parameter": "pli"}]
        }],
        "headerExtensions": [],
        "encodings": encodings,
        "rtcp": { "reducedSize": true }
    })
}

async fn film(socket: UdpSocket, to: SocketAddr, ssrcs: Vec<u32>, tally: Arc<Tally>) {
    let mut ticks = tokio::time::interval(FRAME);
    let (mut frame, mut key) = (0u32, true);
    let mut asked = [0; 1500];
    while !tally.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        while let Ok((len, _)) = socket.try_recv_from(&mut asked) {
            let request = asks_for_key_frame(&asked[..len]);
            tally.key_frames_asked.fetch_add(u64::from(request), Ordering::Relaxed);
            key |= request;
        }
        for ssrc in &ssrcs {
            let _ = socket.send_to(&packet(*ssrc, frame, key), to).await;
            if frame % 20 == 1 {
                let _ = socket.send_to(&report(*ssrc, frame), to).await;
            }
        }
        tally.frames.fetch_add(1, Ordering::Relaxed);
        (frame, key) = (frame + 1, false);
    }
}

/// A one-packet VP8 frame.
fn packet(ssrc: u32, frame: u32, key: bool) -> Vec<u8> {
    let mut packet = vec![0x80, 0x80 | 101];
    packet.extend_from_slice(&(frame as u16).to_be_bytes());
    packet.extend_from_slice(&timestamp(frame).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    let [high, low] = (frame as u16 | 0x8000).to_be_bytes();
    packet.extend_from_slice(&[0x90, 0x80, high, low, u8::from(!key)]);
    packet.extend_from_slice(&[0xaa; 40]);
    packet
}

fn timestamp(frame: u32) -> u32 {
    frame.wrapping_mul(FRAME.as_millis() as u32 * 90)
}

/// A sender report: frame 0 was at second 1,000 of the camera's clock.
fn report(ssrc: u32, frame: u32) -> Vec<u8> {
    let ms = u64::from(frame) * FRAME.as_millis() as u64;
    let ntp = ((1_000 + ms / 1_000) << 32) | (((ms % 1_000) << 32) / 1_000);
    let mut report = vec![0x80, 200, 0, 6];
    report.extend_from_slice(&ssrc.to_be_bytes());
    report.extend_from_slice(&ntp.to_be_bytes());
    report.extend_from_slice(&timestamp(frame).to_be_bytes());
    report.extend_from_slice(&[0; 8]);
    report
}

/// A PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1) anywhere in a compound packet.
fn asks_for_key_frame(mut compound: &[u8]) -> bool {
    while let [first, kind, high, low, ..] = compound {
        if *kind == 206 && matches!(first & 0x1f, 1 | 4) {
            return true;
        }
        let len = 4 * (usize::from(u16::from_be_bytes([*high, *low])) + 1);
        compound = compound.get(len..).unwrap_or_default();
    }
    false
}

/// A packet as a viewer got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) key: bool,
}

/// A program's peer that consumes one producer.
pub(super) struct Viewer {
    pub(super) consumer: ConsumerId,
    pub(super) transport: TransportId,
    socket: UdpSocket,
    node: SocketAddr,
    last: std::sync::Mutex<Option<Seen>>,
}

impl Viewer {
    pub(super) async fn start(node: &Node, id: &str, producer: &ProducerId, paused: bool) -> Self {
        let (socket, address) = loopback().await;
        let (transport, there) = program(node, id, address).await;
        let consumer = Self::consume(node, id, &transport, producer, paused).await;
        Self { consumer, transport, socket, node: there, last: std::sync::Mutex::new(None) }
    }

    async fn consume(
        node: &Node,
        id: &str,
        transport: &TransportId,
        producer: &ProducerId,
        paused: bool,
    ) -> ConsumerId {
        until("the producer is known here", async || {
            let peers = node.peers(&room()).await.unwrap_or_default();
            peers.iter().flat_map(|peer| &peer.producers).any(|p| p.id == *producer)
        })
        .await;
        let producer_id = producer.clone();
        let options = CreateConsumer {
            producer_id,
            rtp_capabilities: None,
            paused,
            preferred_layers: None,
            enable_rtx: None,
            ignore_dtx: false,
            mid: None,
        };
        let made = node.plain_consume(&room(), &peer(id), transport, options).await;
        made.expect("it consumes").consumer_id
    }

    /// The next packet of the stream, within `wait`.
    async fn within(&self, wait: Duration) -> Option<Seen> {
        let mut packet = [0; 1500];
        let end = tokio::time::Instant::now() + wait;
        loop {
            let received = tokio::time::timeout_at(end, self.socket.recv(&mut packet)).await;
            let len = received.ok()?.expect("loopback works");
            if (192..=223).contains(&packet[1]) {
                continue;
            }
            let word = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().expect("4"));
            let payload = &packet[12..len];
            let seen = Seen {
                ssrc: word(8),
                sequence: u16::from_be_bytes([packet[2], packet[3]]),
                timestamp: word(4),
                key: payload[4] & 1 == 0,
            };
            *self.last.lock().expect("nobody panicked") = Some(seen);
            return Some(seen);
        }
    }

    /// Takes what has come so far.
    pub(super) async fn forget_what_came(&self) {
        while self.within(Duration::ZERO).await.is_some() {}
    }

    /// The last packet it got.
    pub(super) fn last(&self) -> Seen {
        self.last.lock().expect("nobody panicked").expect("the stream has begun")
    }

    /// Takes what comes until a key frame, and sees that numbers go on without a gap, in one
    /// stream.
    pub(super) async fn goes_on_to_key_frame(&self) {
        let go_on = async {
            loop {
                let (before, seen) = (self.last(), self.first().await);
                assert_eq!(seen.ssrc, before.ssrc);
                // A busy machine loses or repairs a packet; a stream begun anew is somewhere else.
                let step = seen.sequence.wrapping_sub(before.sequence) as i16;
                assert!(step != 0 && step.abs() < 100, "numbers go on: {before:?} {seen:?}");
                let ms = (seen.timestamp.wrapping_sub(before.timestamp) as i32) / 90;
                assert!(ms.abs() < 30_000, "time goes on: {before:?} {seen:?}");
                if seen.key {
                    return;
                }
            }
        };
        timeout(PATIENCE, go_on).await.expect("a key frame in time");
    }

    /// The next packet, however long the stream takes to begin.
    pub(super) async fn first(&self) -> Seen {
        self.within(PATIENCE).await.expect("the stream begins")
    }

    /// The next `count` packets of a stream that flows.
    pub(super) async fn next(&self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        for _ in 0..count {
            seen.push(self.within(FLOWS).await.expect("the stream goes on"));
        }
        seen
    }

    /// How many packets come within `time`, and the longest time between two.
    pub(super) async fn watch(&self, time: Duration) -> (u64, Duration) {
        let begun = tokio::time::Instant::now();
        let (mut packets, mut last, mut longest) = (0, begun, Duration::ZERO);
        while self.within(time.saturating_sub(begun.elapsed())).await.is_some() {
            packets += 1;
            longest = longest.max(last.elapsed());
            last = tokio::time::Instant::now();
        }
        (packets, longest.max(last.elapsed()))
    }

    /// Asks for a key frame (RFC 4585 §6.3.1).
    pub(super) async fn ask_for_key_frame(&self, ssrc: u32) {
        let mut pli = vec![0x81, 206, 0, 2, 0, 0, 0, 7];
        pli.extend_from_slice(&ssrc.to_be_bytes());
        self.socket.send_to(&pli, self.node).await.expect("loopback works");
    }
}

/// A program's peer that sends sound, loud or not, with its level (RFC 6464) as extension 6.
pub(super) struct Microphone {
    transport: TransportId,
    loud: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Microphone {
    /// A peer `id` with SSRC `ssrc`, in a room that is not quite silent.
    pub(super) async fn start(node: &Node, id: &str, ssrc: u32) -> Self {
        let (socket, address) = loopback().await;
        let (transport, to) = program(node, id, address).await;
        let parameters = json!({
            "codecs": [{
                "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2
            }],
            "headerExtensions": [{"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 6}],
            "encodings": [{ "ssrc": ssrc }]
        });
        let producer = CreateProducer {
            kind: MediaKind::Audio,
            rtp_parameters: serde_json::from_value(parameters).expect("good parameters"),
            paused: false,
            key_frame_request_delay: 0,
            app_data: json!({ "source": "audio" }),
        };
        let made = node.plain_produce(&room(), &peer(id), &transport, producer).await;
        made.expect("it produces");
        let (loud, stop) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let task = tokio::spawn(sound(socket, to, ssrc, loud.clone(), stop.clone()));
        Self { transport, loud, stop, task }
    }

    /// Its peer has a camera too, which is off; its producer's id.
    pub(super) async fn add_camera(&self, node: &Node, id: &str, ssrc: u32) -> ProducerId {
        let producer = CreateProducer {
            kind: MediaKind::Video,
            rtp_parameters: serde_json::from_value(vp8(&[ssrc])).expect("good parameters"),
            paused: false,
            key_frame_request_delay: 0,
            app_data: json!({ "source": "video" }),
        };
        let made = node.plain_produce(&room(), &peer(id), &self.transport, producer).await;
        made.expect("it produces").producer_id
    }

    /// Somebody speaks into it, or does not.
    pub(super) fn speaks(&self, loud: bool) {
        self.loud.store(loud, Ordering::Relaxed);
    }

    /// Sends no more.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("the microphone did not fail");
    }
}

async fn sound(
    socket: UdpSocket,
    to: SocketAddr,
    ssrc: u32,
    loud: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut frame = 0u32;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        // Nobody speaks before the room was heard: what is always there is no speech.
        let level = if frame > 20 && loud.load(Ordering::Relaxed) { 20 } else { 90 };
        let mut packet = vec![0x90, 100];
        packet.extend_from_slice(&(frame as u16).to_be_bytes());
        packet.extend_from_slice(&(frame * 960).to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&[0xbe, 0xde, 0, 1, 6 << 4, level, 0, 0]);
        packet.extend_from_slice(&[0x55; 60]);
        let _ = socket.send_to(&packet, to).await;
        frame += 1;
    }
}
