//! Layers: which one flows, and that switching shows neither hole nor jump.

use starling_proto::rtp::{ConsumerLayers, RtpType};

use super::{
    bench::*,
    camera::{Camera, assert_decodable, picture},
};
use crate::{Command, ConsumerKey, Event, event::StreamScore};

fn bench() -> (Bench, Camera) {
    let mut bench = Bench::new(3);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8_simulcast());
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    let camera = Camera::new(bench.now);
    (bench, camera)
}

fn prefer(bench: &mut Bench, spatial_layer: u8, temporal_layer: Option<u8>) {
    let layers = ConsumerLayers { spatial_layer, temporal_layer };
    bench.command(Command::SetPreferredLayers { consumer: ConsumerKey(1), layers });
}

fn spatial_layers(events: &[Event]) -> Vec<Option<u8>> {
    let mut seen = Vec::new();
    for event in events {
        if let Event::ConsumerLayers { layers, .. } = event {
            let spatial = layers.map(|layers| layers.spatial_layer);
            if seen.last() != Some(&spatial) {
                seen.push(spatial);
            }
        }
    }
    seen
}

/// Packets per frame tell the layer: layer n has n + 1.
fn layers_of(packets: &[Packet]) -> Vec<usize> {
    let mut layers: Vec<usize> = Vec::new();
    let frames = packets.chunk_by(|a, b| a.header().timestamp == b.header().timestamp);
    for frame in frames {
        if layers.last() != Some(&(frame.len() - 1)) {
            layers.push(frame.len() - 1);
        }
    }
    layers
}

#[test]
fn without_a_wish_the_highest_layer_is_reached_without_a_hole() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 2_000);
    let got = bench.take_rtp(2222);
    assert_decodable(&got);
    assert_eq!(layers_of(&got), [0, 2]);
    assert_eq!(spatial_layers(&bench.take_events()), [Some(0), Some(2)]);
    // Aligned by reports: time passes in the output as it did in the camera, to a millisecond.
    let (first, last) = (got[0].header().timestamp, got[got.len() - 1].header().timestamp);
    let elapsed = 59 * 33 * 90;
    assert!(last.wrapping_sub(first).abs_diff(elapsed) <= 92, "{}", last.wrapping_sub(first));
}

#[test]
fn preferred_layers_are_followed_down_and_up() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 1_500);
    prefer(&mut bench, 0, None);
    camera.run(&mut bench, 1_500);
    prefer(&mut bench, 1, None);
    camera.run(&mut bench, 1_500);
    prefer(&mut bench, 2, None);
    camera.run(&mut bench, 1_500);
    let got = bench.take_rtp(2222);
    assert_decodable(&got);
    assert_eq!(layers_of(&got), [0, 2, 0, 1, 2]);
    // A switch up begins with a picture that was shown in the old layer a moment ago.
    let frames = got.chunk_by(|a, b| a.header().timestamp == b.header().timestamp).count();
    assert_eq!(frames, 4 * 45 + 3);
    let (first, last) = (got[0].header().timestamp, got[got.len() - 1].header().timestamp);
    let elapsed = last.wrapping_sub(first);
    // One millisecond for each step up since the last one down.
    assert!(
        elapsed.abs_diff(179 * 33 * 90) <= 2 * 90 + 2,
        "{elapsed} instead of {}",
        179 * 33 * 90
    );
}

#[test]
fn a_temporal_wish_halves_the_frames_without_a_hole() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 1_500);
    prefer(&mut bench, 2, Some(0));
    bench.take_rtp(2222);
    camera.run(&mut bench, 990);
    let got = bench.take_rtp(2222);
    assert_decodable(&got);
    assert!(got.iter().all(|packet| picture(packet).2 == 0));
    assert!((21..=24).contains(&got.len()), "{}", got.len());
    prefer(&mut bench, 2, Some(2));
    camera.run(&mut bench, 990);
    let more = bench.take_rtp(2222);
    assert_decodable(&[&got[got.len() - 1..], &more].concat());
    assert!(more.iter().any(|packet| picture(packet).2 == 2));
}

#[test]
fn a_silent_layer_is_replaced_by_the_next_lower_one_and_returned_to() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 2_000);
    bench.take_rtp(2222);
    bench.take_events();
    camera.on[2] = false;
    camera.run(&mut bench, 330);
    assert_eq!(bench.take_rtp(2222).len(), 0);
    camera.run(&mut bench, 132);
    let got = bench.take_rtp(2222);
    assert!(!got.is_empty(), "more than 0.4 s without a picture");
    assert_decodable(&got);
    assert_eq!(layers_of(&got), [1]);
    camera.on[2] = true;
    camera.run(&mut bench, 990);
    assert_eq!(layers_of(&bench.take_rtp(2222)), [1]);
    camera.run(&mut bench, 990);
    let more = bench.take_rtp(2222);
    assert_decodable(&more);
    assert_eq!(layers_of(&more), [1, 2]);
}

#[test]
fn a_pause_of_the_whole_camera_is_no_silence_of_the_layer_that_comes_back_last() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 2_000);
    bench.take_rtp(2222);
    bench.take_events();
    bench.advance(450);
    camera.on[2] = false;
    camera.run(&mut bench, 132);
    camera.on[2] = true;
    camera.run(&mut bench, 330);
    assert_eq!(layers_of(&bench.take_rtp(2222)), [2]);
    assert!(spatial_layers(&bench.take_events()).is_empty());
}

/// PD6, CO8.
#[test]
fn scores_and_layers_are_told_when_they_change() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 2_000);
    bench.take_events();
    camera.on[2] = false;
    camera.run(&mut bench, 3_000);
    let events = bench.take_events();
    let producer = events.iter().rev().find_map(|event| match event {
        Event::ProducerScore { scores, .. } => Some(scores.clone()),
        _ => None,
    });
    let score = |encoding, ssrc, score| StreamScore { encoding, ssrc, score };
    assert_eq!(producer, Some(vec![score(0, 100, 10), score(1, 200, 10), score(2, 300, 0)]));
    let consumer = events.iter().rev().find_map(|event| match event {
        Event::ConsumerScore { score, producer_score, producer_scores, .. } => {
            Some((*score, *producer_score, producer_scores.clone()))
        }
        _ => None,
    });
    assert_eq!(consumer, Some((10, 10, vec![10, 10, 0])));
    assert_eq!(spatial_layers(&events), [Some(1)]);
    assert!(bench.plane.counters().layer_changes >= 2, "up to the best, and down");
    camera.run(&mut bench, 1_000);
    let again = bench.take_events();
    let scores =
        |event: &Event| matches!(event, Event::ProducerScore { .. } | Event::ConsumerScore { .. });
    assert!(!again.iter().any(scores), "{again:?}");
}

#[test]
fn a_camera_that_falls_silent_as_a_whole_is_gone_after_a_while() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 2_000);
    bench.take_events();
    bench.advance(1_400);
    assert!(bench.take_events().is_empty());
    bench.advance(300);
    let scores = bench.take_events();
    assert!(scores.iter().any(|event| {
        matches!(event, Event::ProducerScore { scores, .. } if scores.iter().all(|of| of.score == 0))
    }));
}

#[test]
fn a_second_viewer_does_not_cost_a_key_frame_each() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 2_000);
    let before = bench.plane.counters().key_frames_replayed;
    bench.plain(3, address(5003));
    for consumer in 2..12u32 {
        let ssrc = 10_000 + 10 * consumer;
        bench.consume(3, consumer.into(), 1, video_consumer(ssrc, RtpType::Simulcast));
    }
    let asked = bench.take_rtcp(address(5001));
    let asked = asked.iter().filter(|item| matches!(item, crate::rtcp::RtcpItem::Pli { .. }));
    // They begin with what is in the buffer.
    assert_eq!(asked.count(), 0);
    assert_eq!(bench.plane.counters().key_frames_replayed, before + 10);
}

/// What mediasoup-client 3.24.1 in Chromium 156 sent, and what mediasoup 3.27.1 made of it.
#[test]
fn what_chromium_says_of_its_camera_is_understood() {
    let read = |name: &str| -> serde_json::Value {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/mediasoup-client");
        let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let produced = read("send.produce.video.webcam-vp8-simulcast")["rtpParameters"].take();
    let consumed = read("consumer.webcam-vp8-simulcast")["rtpParameters"].take();
    let mut params = video_consumer(1, RtpType::Simulcast);
    params.rtp = parameters(consumed);
    let ssrc = params.rtp.encodings[0].ssrc.unwrap();
    let mut bench = Bench::new(3);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, parameters(produced));
    bench.consume(2, 1, 1, params);
    Camera::new(bench.now).run(&mut bench, 2_000);
    let got = bench.take_rtp(ssrc);
    assert_decodable(&got);
    assert_eq!(layers_of(&got), [0, 2]);
    assert_eq!(got[0].header().payload_type, 101);
    assert_eq!(got[0].extension(1), Some(&b"1"[..]));
    assert_eq!(got[0].extension(5), Some(&[0, 0][..]));
}

#[test]
fn a_browser_that_begins_anew_under_its_rid_is_followed() {
    let (mut bench, mut camera) = bench();
    camera.run(&mut bench, 2_000);
    let before = bench.take_rtp(2222);
    for layer in &mut camera.layers {
        layer.ssrc += 5_000;
        layer.sequence = layer.sequence.wrapping_add(30_000);
        layer.timestamp_base = layer.timestamp_base.wrapping_mul(3);
        layer.sent = 0;
    }
    camera.key = [true; 3];
    camera.run(&mut bench, 2_000);
    let after = bench.take_rtp(2222);
    let last = before.len() - 1;
    let all = [&before[last..], &after].concat();
    assert_decodable(&all);
    assert_eq!(layers_of(&after).last(), Some(&2));
}
