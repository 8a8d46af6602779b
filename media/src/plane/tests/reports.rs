//! What reports say of loss and of the way, both ways (RC1 to RC8).

use std::time::Duration;

use serde_json::json;
use starling_proto::rtp::RtpType;

use super::bench::*;
use crate::{
    Command, Event, ProducerKey,
    command::StatsOf,
    rtcp::{DlrrBlock, ReportBlock, RtcpItem, build},
};

/// A microphone with or without in-band FEC on transport 1, a listener on transport 2.
fn call(fec: bool) -> Bench {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    let mut rtp = opus(1111);
    if fec {
        rtp.codecs[0].parameters.insert("useinbandfec".into(), json!(1));
    }
    bench.produce(1, 1, rtp);
    bench.consume(2, 1, 1, audio_consumer(2222));
    bench
}

/// Speaks for `ms` while the listener reports this loss, and what the sender is told of its own.
fn told(bench: &mut Bench, fraction_lost: u8, ms: u64) -> u8 {
    let mut fraction = 0;
    for n in 0..(ms / 20) as u16 {
        let packet = rtp(111, 1111, n, 960 * u32::from(n), false, &[], &[7; 50]);
        bench.receive(11, address(5001), &packet);
        if n == 10 {
            let mut report = Vec::new();
            let block = ReportBlock { ssrc: 2222, fraction_lost, ..ReportBlock::default() };
            build::receiver_report(&mut report, 5, &[block]);
            bench.receive(12, address(5002), &report);
        }
        bench.advance(20);
        for item in bench.take_rtcp(address(5001)) {
            if let RtcpItem::Rr { blocks, .. } = item {
                fraction = blocks.first().map_or(fraction, |block| block.fraction_lost);
            }
        }
    }
    fraction
}

#[test]
fn a_sender_with_in_band_fec_is_told_of_the_worst_receivers_loss() {
    assert_eq!(told(&mut call(true), 51, 2_000), 51);
}

#[test]
fn a_sender_without_it_is_told_of_its_own_loss_only() {
    assert_eq!(told(&mut call(false), 51, 2_000), 0);
}

#[test]
fn a_listener_that_was_stopped_does_not_count() {
    let mut bench = call(true);
    assert_eq!(told(&mut bench, 51, 2_000), 51);
    let consumer = crate::ConsumerKey(1);
    bench.command(Command::PauseConsumer { consumer, paused: true });
    assert_eq!(told(&mut bench, 51, 2_000), 0);
}

#[test]
fn the_way_to_a_publisher_is_measured_by_its_answer_to_our_reference_time() {
    let mut bench = call(false);
    let mut asked = None;
    for n in 0..100u16 {
        let packet = rtp(111, 1111, n, 960 * u32::from(n), false, &[], &[7; 50]);
        bench.receive(11, address(5001), &packet);
        bench.advance(20);
        for item in bench.take_rtcp(address(5001)) {
            if let RtcpItem::XrRrt { ssrc, ntp } = item {
                asked = Some((ssrc, ntp, bench.now));
            }
        }
    }
    let (ssrc, ntp, at) = asked.expect("it is asked each second");
    // It answers after 100 ms, and both ways take 40.
    bench.now = at + Duration::from_millis(140);
    let block = DlrrBlock { ssrc, last_rr: ntp.middle(), delay: 65_536 / 10 };
    let mut answer = Vec::new();
    build::receiver_report(&mut answer, 1111, &[]);
    build::xr_dlrr(&mut answer, 1111, &[block]);
    bench.receive(11, address(5001), &answer);
    bench.take_events();
    bench.command(Command::CollectStats { token: 1, of: StatsOf::Producer(ProducerKey(1)) });
    let Some(Event::Stats { stats, .. }) = bench.take_events().pop() else { panic!("no stats") };
    let rtt = stats[0]["roundTripTime"].as_f64().unwrap();
    assert!((20.0..=60.0).contains(&rtt), "{rtt}");
}

#[test]
fn duplicates_and_packets_from_nowhere_near_are_counted_and_not_forwarded() {
    let mut bench = call(false);
    for sequence in [10, 11, 11, 10, 30_000, 12] {
        let packet = rtp(111, 1111, sequence, 960, false, &[], &[7; 50]);
        bench.receive(11, address(5001), &packet);
    }
    assert_eq!(bench.take_rtp(2222).len(), 3);
    bench.take_events();
    bench.command(Command::CollectStats { token: 1, of: StatsOf::Producer(ProducerKey(1)) });
    let Some(Event::Stats { stats, .. }) = bench.take_events().pop() else { panic!("no stats") };
    assert_eq!((&stats[0]["packetsDiscarded"], &stats[0]["packetCount"]), (&json!(3), &json!(3)));
    assert_eq!(bench.plane.counters().dropped_stale, 3);
}

#[test]
fn a_stream_that_fell_silent_sends_no_reports() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    let reports = |bench: &mut Bench, ms: u64, sends: bool| {
        let mut count = 0;
        for n in 0..ms / 50 {
            if sends {
                let n = n as u16;
                let payload = vp8_payload(n == 0, n, n as u8, 0, false);
                let packet = rtp(96, 1111, n, 4_500 * u32::from(n), true, &[], &payload);
                bench.receive(11, address(5001), &packet);
            }
            bench.advance(50);
            let items = bench.take_rtcp(address(5002));
            count += items.iter().filter(|item| matches!(item, RtcpItem::Sr { .. })).count();
        }
        count
    };
    assert!(reports(&mut bench, 8_000, true) >= 4);
    reports(&mut bench, 2_500, false);
    assert_eq!(reports(&mut bench, 5_000, false), 0);
}

#[test]
fn packets_are_counted_by_kind_and_losses_when_they_are_reported() {
    let mut bench = call(false);
    let mut received = 0;
    // Every tenth packet is lost.
    for n in (0..200u16).filter(|n| n % 10 != 5) {
        let packet = rtp(111, 1111, n, 960 * u32::from(n), false, &[], &[7; 50]);
        received += packet.len() as u64;
        bench.receive(11, address(5001), &packet);
        bench.advance(20);
    }
    bench.take_rtp(2222);
    let counters = bench.plane.counters();
    let (audio, video) = (counters.received.audio, counters.received.video);
    assert_eq!((audio.packets, audio.bytes, video.packets), (180, received, 0));
    assert_eq!((counters.forwarded.audio.packets, counters.rtp_forwarded), (180, 180));
    assert!(counters.forwarded.audio.bytes > 180 * 50, "{counters:?}");
    // What came after the last report is not in it.
    assert!((14..=20).contains(&counters.rtp_lost), "{}", counters.rtp_lost);
}
