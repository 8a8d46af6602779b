//! Instructions of a forwarded packet: a plane among fake clients with literal times, counted by
//! callgrind, so that two versions of the packet path can be compared on any machine. Twice the
//! frames minus once the frames is what the frames cost: start and end are not counted. Packets are
//! plain, because encryption is the same for whoever encrypts. Run with
//! `cargo run --release -p starling-media --example instructions`, which needs valgrind.
#![expect(clippy::disallowed_methods, reason = "a plane begins at some time")]
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::{
    env, io,
    net::SocketAddr,
    process::{Command as Process, ExitCode},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use starling_media::{
    Command, ConsumerKey, Plane, PlaneConfig, ProducerKey, SocketId, TransportKey,
    command::{Bitrates, ConsumerParams, ProducerParams},
};
use starling_proto::{
    MediaKind, RtpParameters,
    rtp::{ConsumerLayers, RtpMapping, RtpType},
};

/// Frames of the shorter run: what is once a second is in it several times.
const FRAMES: u32 = 300;
/// Frames between key frames: receivers climb to their layers in the first half of a run.
const KEY_FRAMES: u32 = 60;
const RECEIVERS: [u64; 3] = [1, 10, 100];
const SHAPES: [Shape; 3] = [Shape::Vp8, Shape::Vp9, Shape::Opus];
/// What all of them may get, in bits per second.
const WIDE: u64 = 10_000_000_000;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let done = match words.as_slice() {
        [shape, receivers, frames] => child(shape, receivers, frames),
        _ => table(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

fn table() -> io::Result<()> {
    println!("instructions per forwarded packet (callgrind; plain RTP)");
    println!("{:<16}{:>10}{:>14}{:>12}", "stream", "receivers", "instructions", "packets");
    for shape in SHAPES {
        for receivers in RECEIVERS {
            let (once, few) = count(shape, receivers, FRAMES)?;
            let (twice, many) = count(shape, receivers, 2 * FRAMES)?;
            let packets = many - few;
            let each = (twice - once) as f64 / packets as f64;
            println!("{:<16}{receivers:>10}{each:>14.0}{packets:>12}", shape.name());
        }
    }
    Ok(())
}

/// Instructions and packets forwarded of a run under callgrind.
fn count(shape: Shape, receivers: u64, frames: u32) -> io::Result<(u64, u64)> {
    let out = Process::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args([shape.name().to_owned(), receivers.to_string(), frames.to_string()])
        .output()
        .map_err(|error| io::Error::other(format!("valgrind does not run: {error}")))?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let counted =
        said.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    let packets = String::from_utf8_lossy(&out.stdout).trim().parse().ok();
    counted.zip(packets).ok_or_else(|| io::Error::other(format!("no count in: {said}")))
}

fn child(shape: &str, receivers: &str, frames: &str) -> io::Result<()> {
    let shape = SHAPES.into_iter().find(|known| known.name() == shape);
    let (Some(shape), Ok(receivers), Ok(frames)) = (shape, receivers.parse(), frames.parse())
    else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    println!("{}", forward(shape, receivers, frames));
    Ok(())
}

/// Forwards so many frames to so many receivers; the packets that left.
fn forward(shape: Shape, receivers: u64, frames: u32) -> u64 {
    let start = Instant::now();
    let mut plane =
        Plane::new(PlaneConfig { seed: 1, start, wall: Duration::from_secs(1_700_000_000) });
    set_up(&mut plane, start, shape, receivers);
    let mut sender = Sender { shape, sequences: [0; 3], datagram: Vec::new() };
    let mut now = start;
    for frame in 0..frames {
        sender.frame(frame, |datagram| {
            plane.handle_datagram(now, SocketId(11), address(1), datagram);
        });
        now += shape.interval();
        for _ in 0..100 {
            plane.flush(now, &mut |_| now);
            if plane.next_timeout().is_none_or(|(at, _)| at > now) {
                break;
            }
            plane.handle_timeout(now);
        }
        while plane.poll_event().is_some() {}
    }
    plane.counters().rtp_forwarded
}

fn set_up(plane: &mut Plane, now: Instant, shape: Shape, receivers: u64) {
    let mut tell = |command| plane.handle_command(now, command);
    for key in 1..receivers + 2 {
        let transport = TransportKey(key);
        let rtp = SocketId(key as u32 + 10);
        let (rtcp, comedia, srtp) = (None, false, false);
        tell(Command::AddPlain { transport, rtp, rtcp, comedia, srtp });
        tell(Command::ConnectPlain { transport, rtp: address(key), rtcp: None });
        let wide = Some(WIDE);
        let bitrates =
            Bitrates { initial_outgoing: wide, min_outgoing: wide, ..Bitrates::default() };
        tell(Command::SetBitrates { transport, bitrates });
    }
    let producer = ProducerKey(1);
    let params = Box::new(ProducerParams {
        kind: shape.kind(),
        rtp: shape.sends(),
        mapping: RtpMapping { codecs: Vec::new(), encodings: Vec::new() },
        paused: false,
        encrypted: false,
        key_frame_delay: Duration::ZERO,
    });
    tell(Command::Produce { transport: TransportKey(1), producer, params });
    for n in 0..receivers {
        let layers = ConsumerLayers { spatial_layer: 1, temporal_layer: Some(1) };
        let params = Box::new(ConsumerParams {
            kind: shape.kind(),
            rtp: shape.gets(10_000 + 10 * n as u32),
            rtp_type: shape.rtp_type(),
            paused: false,
            // Every other one gets less than there is.
            preferred: (n % 2 == 1).then_some(layers),
            pipe_layers: 0,
            encrypted: false,
            ignore_dtx: false,
        });
        let (transport, consumer) = (TransportKey(n + 2), ConsumerKey(n));
        tell(Command::Consume { transport, consumer, producer, params });
    }
}

fn address(key: u64) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 5_000 + key as u16))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Three streams of three temporal layers, of 1, 2 and 8 packets.
    Vp8,
    /// One stream of three spatial and three temporal layers, of 1, 2 and 5 packets.
    Vp9,
    /// A microphone.
    Opus,
}

impl Shape {
    const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "vp8-simulcast",
            Self::Vp9 => "vp9-svc",
            Self::Opus => "opus",
        }
    }

    const fn kind(self) -> MediaKind {
        match self {
            Self::Vp8 | Self::Vp9 => MediaKind::Video,
            Self::Opus => MediaKind::Audio,
        }
    }

    const fn rtp_type(self) -> RtpType {
        match self {
            Self::Vp8 => RtpType::Simulcast,
            Self::Vp9 => RtpType::Svc,
            Self::Opus => RtpType::Simple,
        }
    }

    const fn interval(self) -> Duration {
        Duration::from_millis(if matches!(self, Self::Opus) { 20 } else { 33 })
    }

    fn codec(self) -> Value {
        match self {
            Self::Opus => json!({"mimeType": "audio/opus", "clockRate": 48000, "channels": 2,
                "payloadType": 100, "rtcpFeedback": [{"type": "transport-cc"}]}),
            Self::Vp8 | Self::Vp9 => {
                let name = if self == Self::Vp8 { "video/VP8" } else { "video/VP9" };
                json!({"mimeType": name, "clockRate": 90000, "payloadType": 101, "rtcpFeedback": [
                    {"type": "nack"}, {"type": "nack", "parameter": "pli"},
                    {"type": "transport-cc"}]})
            }
        }
    }

    fn sends(self) -> RtpParameters {
        let encodings = match self {
            Self::Vp8 => json!([{"ssrc": 1}, {"ssrc": 2}, {"ssrc": 3}]),
            Self::Vp9 => json!([{"ssrc": 1, "scalabilityMode": "L3T3"}]),
            Self::Opus => json!([{"ssrc": 1}]),
        };
        parameters(json!({"mid": "0", "codecs": [self.codec()], "encodings": encodings,
            "headerExtensions": [{"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 1},
                {"uri": "urn:3gpp:video-orientation", "id": 13}],
            "rtcp": {"cname": "sender"}}))
    }

    fn gets(self, ssrc: u32) -> RtpParameters {
        parameters(json!({"mid": "7", "codecs": [self.codec()], "encodings": [{"ssrc": ssrc}],
            "headerExtensions": [
                {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 1},
                {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 4},
                {"uri":
                    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
                    "id": 5},
                {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 6},
                {"uri": "urn:3gpp:video-orientation", "id": 8}],
            "rtcp": {"cname": "sender"}}))
    }
}

fn parameters(value: Value) -> RtpParameters {
    serde_json::from_value(value).expect("parameters as a client writes them")
}

/// Temporal layers of a cycle of four frames, and whether they depend on the lowest one only.
const PATTERN: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];

struct Sender {
    shape: Shape,
    sequences: [u16; 3],
    datagram: Vec<u8>,
}

impl Sender {
    fn frame(&mut self, frame: u32, mut each: impl FnMut(&mut [u8])) {
        let (temporal, sync) = PATTERN[frame as usize % 4];
        let [high, low] = (frame as u16 | 0x8000).to_be_bytes();
        let tl0 = (frame / 4) as u8;
        let key = frame.is_multiple_of(KEY_FRAMES);
        if self.shape == Shape::Opus {
            self.packet(0, frame * 960, false, &[0x10], 80);
            each(&mut self.datagram);
            return;
        }
        let simulcast = self.shape == Shape::Vp8;
        for (spatial, packets) in [(0, 1), (1, 2), (2, if simulcast { 8 } else { 5 })] {
            for n in 0..packets {
                let last = n + 1 == packets;
                let head = if simulcast {
                    let layer = temporal << 6 | u8::from(sync) << 5;
                    let first = 0x80 | u8::from(n == 0) << 4;
                    [first, 0xe0, high, low, tl0, layer, u8::from(!key)]
                } else {
                    let inter_layer = u8::from(spatial > 0);
                    let layer = temporal << 5 | u8::from(sync) << 4 | spatial << 1 | inter_layer;
                    let flags = 0xa0 | u8::from(!key) << 6 | u8::from(n == 0) << 3;
                    [flags | u8::from(last) << 2, high, low, layer, tl0, 0xaa, 0xbb]
                };
                let stream = if simulcast { usize::from(spatial) } else { 0 };
                let marker = last && (simulcast || spatial == 2);
                let len = if packets == 1 { 400 } else { 1_100 };
                self.packet(stream, frame * 2_970, marker, &head, len);
                each(&mut self.datagram);
            }
        }
    }

    /// Lays out a packet with one header extension.
    fn packet(&mut self, stream: usize, timestamp: u32, marker: bool, head: &[u8], len: usize) {
        let audio = self.shape == Shape::Opus;
        let (payload_type, extension) = if audio { (100, 0x10) } else { (101, 0xd0) };
        let sequence = &mut self.sequences[stream];
        self.datagram.clear();
        self.datagram.extend([0x90, payload_type | u8::from(marker) << 7]);
        self.datagram.extend(sequence.to_be_bytes());
        self.datagram.extend(timestamp.to_be_bytes());
        self.datagram.extend((stream as u32 + 1).to_be_bytes());
        self.datagram.extend([0xbe, 0xde, 0, 1, extension, 0x30, 0, 0]);
        self.datagram.extend_from_slice(head);
        self.datagram.resize(20 + len, 0xcc);
        *sequence = sequence.wrapping_add(1);
    }
}
