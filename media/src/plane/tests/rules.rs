//! Rules of mediasoup that have no better place, by the number of their row.

use std::time::Duration;

use serde_json::json;
use starling_proto::rtp::RtpType;

use super::bench::*;
use crate::{
    Command, ConsumerKey, Event, ProducerKey, TransportKey,
    command::{ConsumerParams, ProducerParams, StatsOf},
    rtcp::{ReportBlock, RtcpItem, build},
};

/// One VP8 frame of one packet.
fn frame(bench: &mut Bench, n: u16, key: bool, marker: bool) {
    let payload = vp8_payload(key, n, n as u8, 0, false);
    let packet = rtp(96, 1111, n, 3_000 * u32::from(n), marker, &[], &payload);
    bench.receive(11, address(5001), &packet);
}

fn call() -> Bench {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    bench
}

/// PD5.
#[test]
fn a_paused_producer_is_not_forwarded_and_goes_on_from_a_key_frame_it_is_asked_for() {
    let mut bench = call();
    frame(&mut bench, 0, true, true);
    let producer = ProducerKey(1);
    bench.command(Command::PauseProducer { producer, paused: true });
    frame(&mut bench, 1, false, true);
    assert_eq!(bench.take_rtp(2222).len(), 1);
    bench.advance(1_500);
    bench.take_rtcp(address(5001));
    bench.command(Command::PauseProducer { producer, paused: false });
    let asked = bench.take_rtcp(address(5001));
    assert!(matches!(asked[..], [RtcpItem::Pli { media: 1111, .. }]), "{asked:?}");
    frame(&mut bench, 2, false, true);
    assert!(bench.take_rtp(2222).is_empty());
    frame(&mut bench, 3, true, true);
    assert_eq!(bench.take_rtp(2222).len(), 1);
}

/// PD5.
#[test]
fn a_paused_producers_sender_is_still_counted_and_reported_to() {
    let mut bench = call();
    frame(&mut bench, 0, true, true);
    bench.command(Command::PauseProducer { producer: ProducerKey(1), paused: true });
    for n in 1..40 {
        frame(&mut bench, n, false, true);
        bench.advance(50);
    }
    let told = bench.take_rtcp(address(5001));
    let blocks = told.iter().filter_map(|item| match item {
        RtcpItem::Rr { blocks, .. } => blocks.iter().find(|block| block.ssrc == 1111),
        _ => None,
    });
    let highest = blocks.map(|block| block.highest_sequence).max();
    assert!(highest.is_some_and(|highest| highest > 10), "{highest:?}");
    bench.take_events();
    bench.command(Command::CollectStats { token: 1, of: StatsOf::Producer(ProducerKey(1)) });
    let Some(Event::Stats { stats, .. }) = bench.take_events().pop() else { panic!("no stats") };
    assert_eq!(stats[0]["packetCount"], 40);
}

/// CO6, CO7. Later than the buffer reaches back, so that it has no key frame to go on with.
#[test]
fn a_video_that_goes_on_and_a_client_that_asks_get_a_key_frame() {
    let mut bench = call();
    let consumer = ConsumerKey(1);
    let mut n = 0;
    let mut asked = |bench: &mut Bench, command: Command, key: bool| {
        frame(bench, n, key, true);
        frame(bench, n + 1, false, true);
        bench.advance(3_000);
        bench.take_rtcp(address(5001));
        n += 2;
        bench.command(command);
        let items = bench.take_rtcp(address(5001));
        items.iter().filter(|item| matches!(item, RtcpItem::Pli { media: 1111, .. })).count()
    };
    assert_eq!(asked(&mut bench, Command::RequestKeyFrame { consumer }, true), 1);
    assert_eq!(asked(&mut bench, Command::PauseConsumer { consumer, paused: true }, true), 0);
    assert_eq!(asked(&mut bench, Command::PauseConsumer { consumer, paused: false }, true), 1);
}

/// KF1.
#[test]
fn a_request_goes_out_when_its_turn_comes_and_not_at_the_next_visit() {
    let mut bench = call();
    frame(&mut bench, 0, true, true);
    bench.advance(2_000);
    bench.take_rtcp(address(5001));
    let asked = |bench: &mut Bench| {
        bench.command(Command::RequestKeyFrame { consumer: ConsumerKey(1) });
        bench.take_rtcp(address(5001)).iter().any(|it| matches!(it, RtcpItem::Pli { .. }))
    };
    assert!(asked(&mut bench));
    let at = bench.now;
    bench.advance(40);
    frame(&mut bench, 1, true, true);
    bench.advance(1);
    assert!(!asked(&mut bench));
    while !bench.take_rtcp(address(5001)).iter().any(|it| matches!(it, RtcpItem::Pli { .. })) {
        bench.advance(1);
    }
    // Its turn, and five milliseconds of a timer.
    assert!((380..=385).contains(&(bench.now - at).as_millis()), "{:?}", bench.now - at);
}

/// KF2.
#[test]
fn a_producers_delay_makes_one_request_of_many() {
    let mut bench = call();
    let rtp = vp8(3_333);
    let mapping = starling_proto::rtp::RtpMapping::default();
    let key_frame_delay = Duration::from_secs(4);
    let kind = starling_proto::MediaKind::Video;
    let params =
        ProducerParams { kind, rtp, mapping, paused: false, encrypted: false, key_frame_delay };
    let params = Box::new(params);
    let (transport, producer) = (TransportKey(1), ProducerKey(3));
    bench.command(Command::Produce { transport, producer, params });
    bench.consume(2, 3, 3, video_consumer(4_444, RtpType::Simple));
    let mut asked = 0;
    for n in 0..90u16 {
        let payload = vp8_payload(true, n, n as u8, 0, false);
        let packet = rtp_packet(3_333, n, &payload);
        bench.receive(11, address(5001), &packet);
        bench.command(Command::RequestKeyFrame { consumer: ConsumerKey(3) });
        bench.advance(100);
        let items = bench.take_rtcp(address(5001));
        asked += items.iter().filter(|it| matches!(it, RtcpItem::Pli { .. })).count();
    }
    // Nine seconds: as its stream came (KF3), as it was asked for, and at the end of each delay.
    // KF1 alone would let all through.
    assert_eq!(asked, 4);
}

fn rtp_packet(ssrc: u32, n: u16, payload: &[u8]) -> Vec<u8> {
    rtp(96, ssrc, n, 9_000 * u32::from(n), true, &[], payload)
}

/// LY6.
#[test]
fn what_is_older_than_the_key_frame_it_began_with_is_not_sent() {
    let mut bench = call();
    frame(&mut bench, 8, false, true);
    frame(&mut bench, 10, true, true);
    let first = bench.take_rtp(2222);
    frame(&mut bench, 9, false, true);
    assert!(bench.take_rtp(2222).is_empty());
    frame(&mut bench, 11, false, true);
    let next = bench.take_rtp(2222);
    assert_eq!((first.len(), next.len()), (1, 1));
    assert_eq!(next[0].header().sequence, first[0].header().sequence.wrapping_add(1));
}

/// PD3.
#[test]
fn a_stream_without_a_name_is_what_comes_under_its_producers_mid() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    let mut nameless = vp8(1111);
    nameless.encodings = parameters(json!({ "codecs": [], "encodings": [{}] })).encodings;
    bench.produce(1, 1, nameless);
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    let key = vp8_payload(true, 1, 1, 0, false);
    bench.receive(11, address(5001), &rtp(96, 7_777, 1, 0, true, &[(4, b"9")], &key));
    assert!(bench.take_rtp(2222).is_empty(), "another's MID");
    bench.receive(11, address(5001), &rtp(96, 7_777, 1, 0, true, &[(4, b"1")], &key));
    bench.receive(11, address(5001), &rtp(96, 7_777, 2, 0, true, &[], &key));
    assert_eq!(bench.take_rtp(2222).len(), 2);
}

/// PD3.
#[test]
fn a_retransmission_finds_its_stream_by_its_repaired_rid() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8_simulcast());
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    for n in [1u16, 2, 4] {
        let payload = vp8_payload(n == 1, n, n as u8, 0, false);
        let names: [(u8, &[u8]); 2] = [(4, b"1"), (10, b"r0")];
        let packet = rtp(96, 100, n, 3_000 * u32::from(n), true, &names, &payload);
        bench.receive(11, address(5001), &packet);
    }
    bench.advance(50);
    let payload = [&[0, 3], &vp8_payload(false, 3, 3, 0, false)[..]].concat();
    let names: [(u8, &[u8]); 2] = [(4, b"1"), (11, b"r0")];
    bench.receive(11, address(5001), &rtp(97, 55_555, 9, 9_000, true, &names, &payload));
    assert_eq!(bench.plane.counters().rtp_repaired, 1);
    assert_eq!(bench.take_rtp(2222).len(), 4);
}

/// CO12.
#[test]
fn a_frame_that_was_cut_short_leaves_one_number_out_before_the_next_stretch() {
    let gap = |marker: bool| {
        let mut bench = call();
        frame(&mut bench, 0, true, marker);
        let before = bench.take_rtp(2222).pop().unwrap().header().sequence;
        let producer = ProducerKey(1);
        bench.command(Command::PauseProducer { producer, paused: true });
        bench.command(Command::PauseProducer { producer, paused: false });
        frame(&mut bench, 9, true, true);
        bench.take_rtp(2222).pop().unwrap().header().sequence.wrapping_sub(before)
    };
    assert_eq!((gap(true), gap(false)), (1, 2));
}

/// CO13.
#[test]
fn packets_without_payload_and_of_another_payload_type_are_dropped_without_a_hole() {
    let mut bench = call();
    frame(&mut bench, 0, true, true);
    bench.receive(11, address(5001), &rtp(96, 1111, 1, 0, false, &[], &[]));
    bench.receive(11, address(5001), &rtp(99, 1111, 2, 0, false, &[], &[1; 40]));
    frame(&mut bench, 2, false, true);
    let got = bench.take_rtp(2222);
    assert_eq!(got.len(), 2);
    assert_eq!(got[1].header().sequence, got[0].header().sequence.wrapping_add(1));
    assert_eq!(bench.plane.counters().dropped_unknown_stream, 1);
}

/// KF4.
#[test]
fn where_only_fir_was_negotiated_fir_is_sent_with_growing_numbers() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    let mut rtp = vp8(1111);
    rtp.codecs[0].rtcp_feedback.retain(|feedback| feedback.parameter != "pli");
    bench.produce(1, 1, rtp);
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    let mut numbers = Vec::new();
    for _ in 0..4 {
        bench.advance(1_100);
        let mut pli = Vec::new();
        build::pli(&mut pli, 5, 2222);
        bench.receive(12, address(5002), &pli);
        for item in bench.take_rtcp(address(5001)) {
            match item {
                RtcpItem::Fir { entries, .. } => numbers.extend(entries),
                RtcpItem::Pli { .. } => panic!("PLI was not negotiated"),
                _ => {}
            }
        }
    }
    assert!(numbers.len() >= 2, "{numbers:?}");
    assert!(numbers.windows(2).all(|pair| pair[1] == (1111, pair[0].1 + 1)), "{numbers:?}");
}

/// CO16.
#[test]
fn a_receivers_report_changes_its_consumers_score() {
    let mut bench = call();
    for n in 0..100 {
        frame(&mut bench, n, n == 0, true);
    }
    bench.take_events();
    let mut report = Vec::new();
    let block =
        ReportBlock { ssrc: 2222, fraction_lost: 128, total_lost: 50, ..ReportBlock::default() };
    build::receiver_report(&mut report, 5, &[block]);
    bench.receive(12, address(5002), &report);
    let score = bench.take_events().into_iter().find_map(|event| match event {
        Event::ConsumerScore { score, .. } => Some(score),
        _ => None,
    });
    assert!(score.is_some_and(|score| score <= 1), "{score:?}");
}

/// CO8: also when nothing has flowed for a while, and from the first packet on.
#[test]
fn a_consumer_is_told_its_producers_score_when_its_stream_begins_and_while_it_waits() {
    let mut bench = call();
    let told = |bench: &mut Bench| {
        let mut scores = bench.take_events().into_iter().filter_map(|event| match event {
            Event::ConsumerScore { producer_score, producer_scores, .. } => {
                Some((producer_score, producer_scores))
            }
            _ => None,
        });
        scores.next_back()
    };
    // No key frame yet: it waits.
    frame(&mut bench, 0, false, true);
    assert_eq!(told(&mut bench), Some((10, vec![10])));
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    let mut sends = vp8(0);
    let encodings = json!({"codecs": [], "encodings": [{"ssrc": 1111}, {"ssrc": 1112}]});
    sends.encodings = parameters(encodings).encodings;
    bench.produce(1, 1, sends);
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    frame(&mut bench, 0, false, true);
    assert_eq!(told(&mut bench), Some((0, vec![10, 0])));
    frame(&mut bench, 1, true, true);
    assert_eq!(told(&mut bench), Some((10, vec![10, 0])));
}

/// TR8.
#[test]
fn a_stream_is_taken_from_its_own_transport_only() {
    let mut bench = call();
    bench.plain(3, address(5003));
    frame(&mut bench, 0, true, true);
    bench.take_rtp(2222);
    let packet = rtp(96, 1111, 1, 3_000, true, &[], &vp8_payload(false, 1, 1, 0, false));
    bench.receive(13, address(5003), &packet);
    assert!(bench.take_rtp(2222).is_empty());
    assert_eq!(bench.plane.counters().dropped_unknown_stream, 1);
}

/// PD2: an audio producer has no key frames to ask for.
#[test]
fn nobody_asks_a_microphone_for_a_key_frame() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    let mut rtp = opus(1111);
    rtp.codecs[0].parameters.insert("usedtx".into(), json!(1));
    bench.produce(1, 1, rtp);
    bench.consume(2, 1, 1, audio_consumer(2222));
    let mut pli = Vec::new();
    build::pli(&mut pli, 5, 2222);
    bench.receive(12, address(5002), &pli);
    let asked = bench.take_rtcp(address(5001));
    let requests =
        asked.iter().filter(|item| matches!(item, RtcpItem::Pli { .. } | RtcpItem::Fir { .. }));
    assert_eq!(requests.count(), 0);
}

/// CO10.
#[test]
fn packets_of_silence_are_left_out_without_a_hole_for_those_who_wish_it() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.consume(2, 1, 1, ConsumerParams { ignore_dtx: true, ..audio_consumer(2222) });
    bench.consume(2, 2, 1, audio_consumer(3333));
    // One voiced frame with in-band FEC, then silence in its two forms, then a voice again.
    let payloads: [&[u8]; 5] =
        [&[0x78, 1, 2, 3], &[0x78], &[0x7a, 0], &[0x7b, 0], &[0x78, 4, 5, 6]];
    for (n, payload) in payloads.iter().enumerate() {
        let packet = rtp(111, 1111, n as u16, 960 * n as u32, n == 0, &[], payload);
        bench.receive(11, address(5001), &packet);
        bench.advance(20);
    }
    let got = bench.take_rtp(2222);
    let first = got[0].header();
    let seen: Vec<_> = got
        .iter()
        .map(|packet| {
            let header = packet.header();
            let after = header.sequence.wrapping_sub(first.sequence);
            (after, header.timestamp.wrapping_sub(first.timestamp), packet.payload().to_vec())
        })
        .collect();
    let expected: Vec<(u16, u32, Vec<u8>)> = vec![
        (0, 0, payloads[0].to_vec()),
        // Code 3 never counts as silence (mediasoup `Opus.cpp`).
        (1, 3 * 960, payloads[3].to_vec()),
        (2, 4 * 960, payloads[4].to_vec()),
    ];
    assert_eq!(seen, expected);
    assert_eq!(bench.take_rtp(3333).len(), 5);
}
