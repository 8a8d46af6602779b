//! H.265 from libx265, as captured (`fixtures/h265`): key frames are found, layers switched at
//! them, lost packets sent again, and all of it over a pipe.

use std::time::Duration;

use serde_json::json;
use starling_proto::{
    RtpParameters,
    rtp::{ConsumerLayers, RtpType},
};

use super::bench::*;
use crate::{
    Command, ConsumerKey, Event, PipeKey, TransportKey,
    codec::{Codec, describe},
    command::ConsumerParams,
    rtcp::{SenderInfo, build},
    rtp::{NtpTime, RtpHeader},
};

/// Pictures from one key frame to the next.
const PERIOD: usize = 10;
const LOW: &[u8] = include_bytes!("../../../fixtures/h265/160x90.rtp");
const HIGH: &[u8] = include_bytes!("../../../fixtures/h265/320x180.rtp");

/// The payloads of a picture.
type Picture = Vec<Vec<u8>>;

fn pictures(mut capture: &[u8]) -> Vec<Picture> {
    let mut all: Vec<Picture> = Vec::new();
    let mut last = None;
    while let [high, low, rest @ ..] = capture {
        let (packet, next) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        let header = RtpHeader::parse(packet).unwrap();
        if last.replace(header.timestamp) != Some(header.timestamp) {
            all.push(Vec::new());
        }
        all.last_mut().unwrap().push(header.payload(packet).to_vec());
        capture = next;
    }
    all
}

/// A camera with two layers, which repeats what was captured.
struct Camera {
    layers: [Vec<Picture>; 2],
    sequences: [u16; 2],
    shown: usize,
}

impl Camera {
    fn new() -> Self {
        Self { layers: [pictures(LOW), pictures(HIGH)], sequences: [65_500, 3], shown: 0 }
    }

    /// One picture of each layer, at 15 per second, after a report on each.
    fn show(&mut self, bench: &mut Bench) {
        for layer in 0..2 {
            let ssrc = 100 + layer as u32;
            let base = [4_294_960_000u32, 77_000][layer];
            let timestamp = base.wrapping_add(self.shown as u32 * 6_000);
            let elapsed = Duration::from_micros(66_667 * self.shown as u64);
            let ntp = NtpTime::from_unix(Duration::from_secs(1_000_000) + elapsed);
            let mut report = Vec::new();
            let info = SenderInfo { ssrc, ntp, timestamp, packets: 1, octets: 1 };
            build::sender_report(&mut report, &info, &[]);
            bench.receive(11, address(5001), &report);
            let picture = &self.layers[layer][self.shown % self.layers[layer].len()];
            for (n, payload) in picture.iter().enumerate() {
                let last = n + 1 == picture.len();
                let sequence = &mut self.sequences[layer];
                let packet = rtp(96, ssrc, *sequence, timestamp, last, &[], payload);
                *sequence = sequence.wrapping_add(1);
                bench.receive(11, address(5001), &packet);
            }
        }
        self.shown += 1;
    }

    /// Which picture of which layer packets with one timestamp are, to the byte.
    fn recognise(&self, packets: &[Packet]) -> (usize, usize) {
        let same = |picture: &Picture| {
            picture.len() == packets.len()
                && picture.iter().zip(packets).all(|(sent, got)| sent == got.payload())
        };
        let found = self
            .layers
            .iter()
            .enumerate()
            .find_map(|(layer, pictures)| Some((layer, pictures.iter().position(same)?)));
        found.unwrap_or_else(|| panic!("{} packets that are no picture", packets.len()))
    }

    /// What a decoder needs: whole pictures, each after the one it refers to, a change of layers
    /// at a key frame, numbers and time that go on. The layers that were seen, in order.
    fn decode(&self, packets: &[Packet]) -> Vec<usize> {
        for pair in packets.windows(2) {
            let (a, b) = (pair[0].header(), pair[1].header());
            assert_eq!(b.sequence, a.sequence.wrapping_add(1), "after {a:?}");
            assert!(b.timestamp.wrapping_sub(a.timestamp) < 90_000, "after {a:?}");
        }
        let mut seen = Vec::new();
        let mut last = None;
        let by_time = |a: &Packet, b: &Packet| a.header().timestamp == b.header().timestamp;
        for picture in packets.chunk_by(by_time) {
            let (layer, number) = self.recognise(picture);
            let follows = last == Some((layer, (number + 29) % 30));
            assert!(follows || number % PERIOD == 0, "{layer}:{number} after {last:?}");
            last = Some((layer, number));
            if seen.last() != Some(&layer) {
                seen.push(layer);
            }
        }
        seen
    }
}

fn as_h265(mut rtp: RtpParameters) -> RtpParameters {
    rtp.codecs[0].mime_type = "video/H265".into();
    rtp
}

fn camera_parameters() -> RtpParameters {
    let mut rtp = as_h265(vp8_simulcast());
    let encodings = json!({"codecs": [], "encodings": [{"ssrc": 100}, {"ssrc": 101}]});
    rtp.encodings = parameters(encodings).encodings;
    rtp
}

fn viewer_parameters() -> ConsumerParams {
    let mut params = video_consumer(2222, RtpType::Simulcast);
    params.rtp = as_h265(params.rtp);
    params
}

fn prefer(bench: &mut Bench, spatial_layer: u8) {
    let layers = ConsumerLayers { spatial_layer, temporal_layer: None };
    bench.command(Command::SetPreferredLayers { consumer: ConsumerKey(7), layers });
}

#[test]
fn key_frames_of_a_real_encoder_are_found_at_their_first_packet() {
    for capture in [LOW, HIGH] {
        let pictures = pictures(capture);
        assert_eq!(pictures.len(), 30);
        for (number, picture) in pictures.iter().enumerate() {
            let keys = picture.iter().map(|payload| describe(Codec::H265, payload, None).key_frame);
            let keys: Vec<bool> = keys.collect();
            assert_eq!(keys[0], number % PERIOD == 0, "picture {number}");
            assert_eq!(keys.contains(&true), number % PERIOD == 0, "picture {number}");
        }
    }
}

#[test]
fn layers_are_switched_at_key_frames_and_lost_packets_sent_again() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.open(2);
    bench.produce(1, 1, camera_parameters());
    bench.consume(2, 7, 1, viewer_parameters());
    let mut camera = Camera::new();
    for wish in [0, 1, 0, 1, 0] {
        prefer(&mut bench, wish);
        for _ in 0..33 {
            camera.show(&mut bench);
            bench.advance(67);
        }
    }
    let got = bench.take_rtp(2222);
    assert_eq!(camera.decode(&got), [0, 1, 0, 1, 0]);
    let lost = &got[got.len() - 7];
    let mut nack = Vec::new();
    build::nack(&mut nack, 1, 2222, &[lost.header().sequence], 1_000);
    bench.receive(12, address(5002), &nack);
    bench.advance(10);
    let again = bench.take_rtp(2223);
    assert_eq!(again.len(), 1);
    assert_eq!(&again[0].payload()[2..], lost.payload());
}

#[test]
fn layers_are_switched_across_a_pipe() {
    let mut near = Bench::new(1);
    let mut far = Bench::at(2, near.now);
    near.plain(1, address(5001));
    near.produce(1, 1, camera_parameters());
    near.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(90) });
    far.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(91) });
    let mut piped = viewer_parameters();
    piped.rtp_type = RtpType::Pipe;
    piped.rtp.header_extensions.clear();
    let encodings = json!({"codecs": [], "encodings": [
        {"ssrc": 700, "rtx": {"ssrc": 800}}, {"ssrc": 701, "rtx": {"ssrc": 801}}]});
    piped.rtp.encodings = parameters(encodings).encodings;
    far.produce(9, 1, piped.rtp.clone());
    near.consume(9, 1, 1, piped);
    far.plain(2, address(5002));
    far.open(2);
    far.consume(2, 7, 1, viewer_parameters());
    let mut camera = Camera::new();
    for wish in [0, 1, 0] {
        prefer(&mut far, wish);
        for _ in 0..60 {
            camera.show(&mut near);
            carry(&mut near, &mut far);
            near.advance(67);
            far.advance(67);
            carry(&mut near, &mut far);
        }
    }
    assert_eq!(camera.decode(&far.take_rtp(2222)), [0, 1, 0]);
}

/// Packets one way, requests and wishes the other.
fn carry(near: &mut Bench, far: &mut Bench) {
    for event in far.take_events() {
        if let Event::LayersWanted { layers, .. } = event {
            near.command(Command::SetPipeLayers { consumer: ConsumerKey(1), layers });
        }
    }
    for (_, packet) in std::mem::take(&mut near.piped) {
        far.plane.handle_pipe(far.now, PipeKey(91), &packet);
    }
    far.settle();
    for (_, packet) in std::mem::take(&mut far.piped) {
        near.plane.handle_pipe(near.now, PipeKey(90), &packet);
    }
    near.settle();
}
