//! End-to-end encryption: nobody here can read a payload, and nobody changes one.

use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng};
use serde_json::json;
use starling_proto::{
    RtpParameters,
    rtp::{ConsumerLayers, RtpType},
};

use super::bench::*;
use crate::{
    Command, ConsumerKey, ProducerKey, TransportKey,
    codec::{
        model::{Encoder, Frame, Mode},
        tests::Decoder,
    },
    command::{ConsumerParams, ProducerParams},
    negotiation::extension as uri,
    rtcp::{RtcpItem, SenderInfo, build},
    rtp::NtpTime,
};

/// Id of the dependency descriptor, on both sides.
const DESCRIPTOR: u8 = 12;
const SSRCS: [u32; 2] = [100, 200];

fn with_descriptor(mut rtp: RtpParameters) -> RtpParameters {
    let more = parameters(json!({"codecs": [], "encodings": [],
        "headerExtensions": [{"uri": uri::DEPENDENCY_DESCRIPTOR, "id": DESCRIPTOR}]}));
    rtp.header_extensions.extend(more.header_extensions);
    rtp
}

/// VP8 in two encodings of three temporal layers each, encrypted with its descriptors in front.
struct Camera {
    encoders: [Encoder; 2],
    sequence: [u16; 2],
    key: [bool; 2],
    rng: SmallRng,
    pictures: u32,
    /// What was sent: the frame and its payload.
    sent: Vec<(Frame, Vec<u8>)>,
}

impl Camera {
    fn new() -> Self {
        let mode = Mode { spatial: 1, temporal: 3, ksvc: false };
        Self {
            encoders: [Encoder::new(mode, 5, 65_530), Encoder::new(mode, 900, 77)],
            sequence: [65_530, 4_000],
            key: [false; 2],
            rng: SmallRng::seed_from_u64(7),
            pictures: 0,
            sent: Vec::new(),
        }
    }

    /// Its number stands at the end, so that a test can tell which packet it was.
    fn payload(&mut self) -> Vec<u8> {
        let mut payload = vec![0; self.rng.random_range(8..60)];
        self.rng.fill_bytes(&mut payload);
        payload.extend_from_slice(&(self.sent.len() as u32).to_be_bytes());
        payload
    }

    fn run(&mut self, bench: &mut Bench, pictures: u32) {
        for _ in 0..pictures {
            let timestamp = self.pictures * 2_970;
            if self.pictures.is_multiple_of(30) {
                let mut reports = Vec::new();
                for ssrc in SSRCS {
                    let elapsed = std::time::Duration::from_millis(33) * self.pictures;
                    let ntp = NtpTime::from_unix(std::time::Duration::from_secs(1_000) + elapsed);
                    let info = SenderInfo { ssrc, ntp, timestamp, packets: 1, octets: 1 };
                    build::sender_report(&mut reports, &info, &[]);
                }
                bench.receive(11, address(5001), &reports);
            }
            for (index, ssrc) in SSRCS.into_iter().enumerate() {
                let key = std::mem::take(&mut self.key[index]);
                let frame = self.encoders[index].picture(key).remove(0);
                let descriptor = self.encoders[index].descriptor(&frame);
                let payload = self.payload();
                let sequence = self.sequence[index];
                let mut packet = rtp(96, ssrc, sequence, timestamp, true, &[], &[]);
                extend_header(&mut packet, DESCRIPTOR, &descriptor);
                packet.extend_from_slice(&payload);
                self.sequence[index] = sequence.wrapping_add(1);
                self.sent.push((frame, payload));
                bench.receive(11, address(5001), &packet);
            }
            self.pictures += 1;
            for item in bench.take_rtcp(address(5001)) {
                if let RtcpItem::Pli { media, .. } = item {
                    self.key[SSRCS.iter().position(|ssrc| *ssrc == media).unwrap()] = true;
                }
            }
            bench.advance(33);
        }
    }

    /// The frames among these packets, each with the encoding it is of.
    fn frames(&self, packets: &[Packet]) -> Vec<(usize, Frame)> {
        let sent = packets.iter().map(|packet| {
            let tail = packet.payload().last_chunk::<4>().unwrap();
            let number = u32::from_be_bytes(*tail) as usize;
            let (frame, payload) = &self.sent[number];
            assert_eq!(packet.payload(), payload, "a payload was changed");
            (number % 2, frame.clone())
        });
        sent.collect()
    }
}

fn produce(bench: &mut Bench, rtp: RtpParameters, encrypted: bool) {
    bench.command(Command::Produce {
        transport: TransportKey(1),
        producer: ProducerKey(1),
        params: Box::new(ProducerParams {
            kind: starling_proto::MediaKind::Video,
            mapping: starling_proto::rtp::RtpMapping::default(),
            rtp,
            paused: false,
            encrypted,
            key_frame_delay: std::time::Duration::ZERO,
        }),
    });
}

fn viewer(rtp_type: RtpType, encrypted: bool) -> ConsumerParams {
    let mut params = video_consumer(2222, rtp_type);
    params.rtp = with_descriptor(params.rtp);
    ConsumerParams { encrypted, ..params }
}

fn wish(bench: &mut Bench, spatial_layer: u8, temporal_layer: u8) {
    let layers = ConsumerLayers { spatial_layer, temporal_layer: Some(temporal_layer) };
    bench.command(Command::SetPreferredLayers { consumer: ConsumerKey(1), layers });
}

/// Frame number of the descriptor that a receiver gets.
fn number(packet: &Packet) -> u16 {
    let descriptor = packet.extension(DESCRIPTOR).unwrap();
    u16::from_be_bytes([descriptor[1], descriptor[2]])
}

#[test]
fn layers_of_an_encrypted_camera_are_chosen_by_its_descriptors_and_its_payloads_stay_the_same() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.open(2);
    let mut sends = with_descriptor(vp8(0));
    let encodings = json!({"codecs": [], "encodings": [{"ssrc": 100}, {"ssrc": 200}]});
    sends.encodings = parameters(encodings).encodings;
    produce(&mut bench, sends, true);
    bench.consume(2, 1, 1, viewer(RtpType::Simulcast, true));
    let mut camera = Camera::new();
    let mut decoder = Decoder::default();
    let mut last: Option<(u16, u16)> = None;
    for (round, (spatial, temporal)) in
        [(1, 2), (0, 2), (1, 0), (0, 1), (1, 2), (0, 0), (1, 1)].into_iter().enumerate()
    {
        wish(&mut bench, spatial, temporal);
        camera.run(&mut bench, 60);
        let packets = bench.take_rtp(2222);
        for packet in &packets {
            let (sequence, number) = (packet.header().sequence, number(packet));
            if let Some((before, frame)) = last {
                assert_eq!(sequence, before.wrapping_add(1), "round {round}");
                assert!((1..=8).contains(&number.wrapping_sub(frame)), "{frame} to {number}");
            }
            last = Some((sequence, number));
        }
        let frames = camera.frames(&packets);
        for (_, frame) in &frames {
            assert!(decoder.take(frame), "round {round}: {frame:?}");
        }
        let settled = &frames[frames.len() - 10..];
        let wished = |(encoding, frame): &(usize, Frame)| {
            *encoding == usize::from(spatial) && frame.layers.temporal <= temporal
        };
        assert!(settled.iter().all(wished), "round {round}: {settled:?}");
        assert!(settled.iter().any(|(_, frame)| frame.layers.temporal == temporal), "{round}");
    }
}

/// Then the layers are right and the payloads are not.
#[test]
fn without_the_flag_what_looks_like_a_vp8_descriptor_is_rewritten() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    produce(&mut bench, with_descriptor(vp8(100)), false);
    bench.consume(2, 1, 1, viewer(RtpType::Simple, false));
    let payload = vp8_payload(true, 5, 9, 0, false);
    bench.receive(11, address(5001), &rtp(96, 100, 1, 0, true, &[], &payload));
    let got = bench.take_rtp(2222);
    assert_ne!(got[0].payload(), payload);
}

#[test]
fn an_encrypted_camera_without_descriptors_is_not_waited_for_and_is_asked_for_a_key_frame() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    produce(&mut bench, vp8(100), true);
    bench.consume(
        2,
        1,
        1,
        ConsumerParams { encrypted: true, ..video_consumer(2222, RtpType::Simple) },
    );
    let payload = [0xf3; 40];
    bench.receive(11, address(5001), &rtp(96, 100, 1, 0, true, &[], &payload));
    let got = bench.take_rtp(2222);
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].payload(), payload);
    let asked = bench.take_rtcp(address(5001));
    assert!(asked.iter().any(|item| matches!(item, RtcpItem::Pli { media: 100, .. })), "{asked:?}");
}
