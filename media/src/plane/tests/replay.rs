//! Key frames in the buffer: who joins or switches begins with them, and nobody is asked.

use starling_proto::rtp::{ConsumerLayers, RtpType};

use super::{
    bench::*,
    camera::{Camera, assert_decodable, picture},
};
use crate::{
    Command, ConsumerKey, ProducerKey, TransportKey,
    command::Bitrates,
    rtcp::{RtcpItem, build},
};

/// A camera with one layer, a viewer who has it, and what the camera was asked for.
struct Scene {
    bench: Bench,
    frames: u16,
}

impl Scene {
    fn new() -> Self {
        let mut bench = Bench::new(1);
        bench.plain(1, address(5001));
        bench.produce(1, 1, vp8(1111));
        let mut scene = Self { bench, frames: 0 };
        scene.join(2, None);
        scene.bench.take_rtcp(address(5001));
        scene.frame(true);
        scene
    }

    /// A viewer with number `n`, who gets SSRC 1,000 times that.
    fn join(&mut self, n: u64, layers: Option<ConsumerLayers>) {
        self.bench.plain(n, address(6000 + n as u16));
        self.bench.open(n);
        let mut params = video_consumer(n as u32 * 1_000, RtpType::Simple);
        params.preferred = layers;
        self.bench.consume(n, n, 1, params);
    }

    /// A frame of 1,000 bytes in one packet, and 33 ms; every other one is of temporal layer 1.
    fn frame(&mut self, key: bool) {
        let n = self.frames;
        self.frames += 1;
        let temporal = (n % 2) as u8;
        let mut payload = vp8_payload(key, n, (n / 2) as u8, temporal, temporal == 1);
        payload.resize(1_000, 7);
        let packet = rtp(96, 1111, n, 2_970 * u32::from(n), true, &[], &payload);
        self.bench.receive(11, address(5001), &packet);
        self.bench.advance(33);
    }

    fn asked(&mut self) -> usize {
        let items = self.bench.take_rtcp(address(5001));
        items.iter().filter(|item| matches!(item, RtcpItem::Pli { .. })).count()
    }
}

#[test]
fn who_joins_decodes_at_once_and_the_publisher_is_not_asked() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        scene.frame(false);
    }
    scene.join(3, None);
    // 5 ms: the node's own pace. A request would be answered a round trip and a picture later.
    scene.bench.advance(5);
    let caught_up = scene.bench.take_rtp(3_000);
    assert_eq!((caught_up.len(), scene.asked()), (11, 0));
    assert_eq!(caught_up[0].payload()[6] & 1, 0, "not a key frame");
    scene.frame(false);
    scene.frame(false);
    let live = scene.bench.take_rtp(3_000);
    let got = [caught_up, live].concat();
    assert_decodable(&got);
    let times: Vec<u32> = got.iter().map(|packet| packet.header().timestamp).collect();
    assert!(times[..11].windows(2).all(|pair| pair[1] - pair[0] == 90), "{times:?}");
    assert_eq!((times[10], times[11]), (2_970 * 10, 2_970 * 11));
    let counters = scene.bench.plane.counters();
    // The first viewer came before there was anything.
    assert_eq!((counters.key_frames_replayed, counters.key_frames_not_kept), (1, 1));
}

#[test]
fn a_wish_for_fewer_layers_holds_from_the_first_packet_on() {
    let mut scene = Scene::new();
    for _ in 0..9 {
        scene.frame(false);
    }
    scene.join(3, Some(ConsumerLayers { spatial_layer: 0, temporal_layer: Some(0) }));
    scene.bench.advance(5);
    let got = scene.bench.take_rtp(3_000);
    assert_eq!(got.len(), 5);
    assert!(got.iter().all(|packet| picture(packet).2 == 0));
    assert_decodable(&got);
}

#[test]
fn an_old_key_frame_and_a_hole_are_asked_for() {
    let mut scene = Scene::new();
    for _ in 0..61 {
        scene.frame(false);
    }
    scene.join(3, None);
    assert_eq!(scene.asked(), 1);
    scene.frame(true);
    scene.frames += 1;
    scene.frame(false);
    scene.join(4, None);
    scene.bench.advance(5);
    assert!(scene.bench.take_rtp(4_000).is_empty());
    assert_eq!(scene.bench.plane.counters().key_frames_replayed, 0);
}

#[test]
fn a_narrow_path_is_not_flooded_with_the_past() {
    let mut scene = Scene::new();
    for _ in 0..16 {
        scene.frame(false);
    }
    // 17 packets of 1 kB in 250 ms need 550 kb/s.
    for (viewer, rate) in [(3, 500_000), (4, 640_000)] {
        scene.bench.plain(viewer, address(6000 + viewer as u16));
        let rate = Some(rate);
        let bitrates =
            Bitrates { initial_outgoing: rate, max_outgoing: rate, ..Bitrates::default() };
        scene.bench.command(Command::SetBitrates { transport: TransportKey(viewer), bitrates });
        let params = video_consumer(viewer as u32 * 1_000, RtpType::Simple);
        scene.bench.consume(viewer, viewer, 1, params);
    }
    scene.bench.advance(1);
    assert!(scene.bench.take_rtp(3_000).is_empty());
    let at_once = scene.bench.take_rtp(4_000).len();
    scene.bench.advance(100);
    let paced = scene.bench.take_rtp(4_000).len();
    scene.bench.advance(200);
    let rest = scene.bench.take_rtp(4_000).len();
    // 80 bytes a millisecond after the first four packets or five.
    assert!((4..=5).contains(&at_once), "{at_once}");
    assert!((7..=9).contains(&paced), "{paced}");
    assert_eq!(at_once + paced + rest, 17);
}

#[test]
fn what_came_while_a_producer_was_paused_is_never_shown() {
    let mut scene = Scene::new();
    let producer = ProducerKey(1);
    scene.bench.command(Command::PauseProducer { producer, paused: true });
    scene.frame(true);
    scene.frame(false);
    scene.asked();
    scene.bench.take_rtp(2_000);
    scene.bench.command(Command::PauseProducer { producer, paused: false });
    scene.join(3, None);
    scene.frame(false);
    assert!(scene.bench.take_rtp(2_000).is_empty() && scene.bench.take_rtp(3_000).is_empty());
    scene.frame(true);
    assert_eq!(scene.bench.take_rtp(3_000).len(), 1);
}

#[test]
fn what_is_lost_while_catching_up_is_sent_again_as_it_was() {
    let mut scene = Scene::new();
    for _ in 0..10 {
        scene.frame(false);
    }
    scene.join(3, None);
    scene.bench.advance(5);
    let got = scene.bench.take_rtp(3_000);
    let lost = got[3].header();
    let mut nack = Vec::new();
    build::nack(&mut nack, 1, 3_000, &[lost.sequence], 1_000);
    scene.bench.receive(13, address(6003), &nack);
    scene.bench.advance(10);
    let again = scene.bench.take_rtp(3_001);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].header().timestamp, lost.timestamp);
    assert_eq!(again[0].payload()[..2], lost.sequence.to_be_bytes());
}

#[test]
fn a_switch_to_another_layer_takes_its_key_frame_from_the_buffer() {
    let mut bench = Bench::new(3);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.open(2);
    bench.produce(1, 1, vp8_simulcast());
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    let mut camera = Camera::new(bench.now);
    camera.run(&mut bench, 4_950);
    // As a browser answers a request: all layers begin anew.
    camera.key = [true; 3];
    camera.run(&mut bench, 165);
    bench.take_rtp(2222);
    let before = bench.plane.counters();
    camera.run(&mut bench, 66);
    let high = bench.take_rtp(2222);
    let layers = ConsumerLayers { spatial_layer: 0, temporal_layer: None };
    bench.command(Command::SetPreferredLayers { consumer: ConsumerKey(1), layers });
    bench.advance(5);
    camera.run(&mut bench, 330);
    let low = bench.take_rtp(2222);
    let after = bench.plane.counters();
    assert_eq!(after.key_frames_replayed, before.key_frames_replayed + 1);
    assert_eq!(after.key_frame_requests_sent, before.key_frame_requests_sent);
    // Frames of the lowest layer are one packet each.
    assert!(low.iter().all(|packet| packet.header().marker));
    assert!(low.len() >= 15, "{}", low.len());
    assert_decodable(&[high, low].concat());
}
