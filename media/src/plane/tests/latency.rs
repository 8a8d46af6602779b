//! What forwarding adds to a packet's way, as each consumer's statistics and the plane's counters
//! have it.

use std::time::Duration;

use serde_json::{Value, json};
use starling_proto::rtp::RtpType;

use super::bench::*;
use crate::{
    Command, ConsumerKey, Event, SocketId,
    command::StatsOf,
    consumer::{LatencyTotals, Span},
    rtcp::build,
};

fn packet(n: u16) -> Vec<u8> {
    rtp(96, 1111, n, 3_000 * u32::from(n), true, &[], &vp8_payload(n == 0, n, n as u8, 0, false))
}

fn told(bench: &mut Bench, consumer: u64) -> Value {
    let of = StatsOf::Consumer(ConsumerKey(consumer));
    bench.command(Command::CollectStats { token: 1, of });
    let stats = bench.take_events().into_iter().find_map(|event| match event {
        Event::Stats { stats, .. } => Some(stats),
        _ => None,
    });
    stats.unwrap()[0]["addedLatencyMs"].clone()
}

#[test]
fn added_latency_counts_from_receiving_a_packet_until_it_was_sent() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    bench.consume(2, 2, 1, video_consumer(3333, RtpType::Simple));
    assert_eq!(told(&mut bench, 1)["p50"], Value::Null);
    // Two packets wait for 2 ms, a third for none; sending takes 3 ms.
    bench.sending = Duration::from_millis(3);
    for n in 0..2 {
        let from = address(5001);
        bench.plane.handle_datagram(bench.now, SocketId(11), from, &mut packet(n));
    }
    bench.now += Duration::from_millis(2);
    bench.receive(11, address(5001), &packet(2));
    // 3 ms are in the part that ends at 3.072, 5 in the one that ends at 5.12.
    let expected = json!({"packets": 3, "p50": 5.12, "p95": 5.12, "p99": 5.12});
    assert_eq!(told(&mut bench, 1), expected);
    assert_eq!(told(&mut bench, 2), expected);
    let totals = bench.plane.counters().latency;
    let mut all = LatencyTotals::default();
    let span = |ms| Span::between(bench.now, bench.now + Duration::from_millis(ms));
    all.add(span(5), 4);
    all.add(span(3), 2);
    assert_eq!(totals, all);
}

#[test]
fn what_lay_in_the_buffer_before_it_was_asked_for_is_no_added_latency() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    for n in 0..4 {
        bench.receive(11, address(5001), &packet(n));
    }
    let first = bench.take_rtp(2222)[0].header().sequence;
    bench.advance(500);
    let mut nack = Vec::new();
    build::nack(&mut nack, 1, 2222, &[first], 1_200);
    bench.receive(12, address(5002), &nack);
    assert_eq!(bench.take_rtp(2223).len(), 1);
    // And who joins begins with what is kept.
    bench.consume(2, 2, 1, video_consumer(3333, RtpType::Simple));
    bench.advance(100);
    assert_eq!(bench.take_rtp(3333).len(), 4);
    assert_eq!(bench.plane.counters().latency.octaves.iter().sum::<u64>(), 4);
    assert_eq!(told(&mut bench, 2)["packets"], 0);
}
