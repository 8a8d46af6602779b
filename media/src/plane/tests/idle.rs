//! What nothing costs: no work for transports that do nothing, no memory that grows, bounded turns.

use std::time::Duration;

use starling_proto::rtp::RtpType;

use super::{bench::*, camera::Camera};
use crate::{
    Command, ConsumerKey, Event, ProducerKey, TransportKey,
    command::{Bitrates, IceCredentials, StatsOf},
    consumer::Consumer,
};

#[test]
fn five_hundred_idle_transports_wake_the_plane_ten_times_a_second() {
    let mut bench = Bench::new(1);
    for number in 0..500u64 {
        let ice = IceCredentials { ufrag: format!("u{number}"), password: "p".repeat(24) };
        let transport = TransportKey(number);
        let consent = Duration::from_secs(30);
        bench.command(Command::AddWebRtc { transport, ice, consent });
    }
    let end = bench.now + Duration::from_secs(10);
    let mut wakes = 0;
    while let Some((at, _)) = bench.plane.next_timeout().filter(|(at, _)| *at <= end) {
        bench.now = at;
        bench.plane.handle_timeout(at);
        wakes += 1;
    }
    bench.settle();
    assert_eq!(wakes, 100);
    assert!(bench.packets.is_empty() && bench.events.is_empty());
}

#[test]
fn an_empty_plane_sleeps() {
    let mut bench = Bench::new(1);
    assert_eq!(bench.plane.next_timeout(), None);
    bench.plain(1, address(5001));
    assert!(bench.plane.next_timeout().is_some());
    bench.command(Command::RemoveTransport { transport: TransportKey(1) });
    assert_eq!(bench.plane.next_timeout(), None);
}

#[test]
fn everything_that_came_can_go() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8_simulcast());
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    let mut camera = Camera::new(bench.now);
    camera.run(&mut bench, 990);
    bench.command(Command::RemoveConsumer { consumer: ConsumerKey(1) });
    bench.command(Command::RemoveProducer { producer: ProducerKey(1) });
    for transport in [1, 2] {
        bench.command(Command::RemoveTransport { transport: TransportKey(transport) });
    }
    let counters = bench.plane.counters();
    assert_eq!((counters.transports, counters.producers, counters.consumers), (0, 0, 0));
    bench.advance(5_000);
    let of = StatsOf::Producer(ProducerKey(1));
    bench.plane.handle_command(bench.now, Command::RemoveConsumer { consumer: ConsumerKey(1) });
    assert_eq!(bench.plane.counters().commands_ignored, 1);
    bench.take_events();
    bench.command(Command::CollectStats { token: 7, of });
    let stats = serde_json::Value::Null;
    assert_eq!(bench.take_events(), [Event::Stats { token: 7, stats }]);
}

#[test]
fn statistics_have_mediasoups_names() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8_simulcast());
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    let mut camera = Camera::new(bench.now);
    camera.run(&mut bench, 990);
    bench.take_events();
    for (token, of) in [
        (1, StatsOf::Producer(ProducerKey(1))),
        (2, StatsOf::Consumer(ConsumerKey(1))),
        (3, StatsOf::Transport(TransportKey(2))),
    ] {
        bench.command(Command::CollectStats { token, of });
    }
    let stats: Vec<_> = bench
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Stats { stats, .. } => Some(stats),
            _ => None,
        })
        .collect();
    assert_eq!(stats[0].as_array().unwrap().len(), 3);
    assert_eq!(stats[0][2]["rid"], "r2");
    assert_eq!(stats[0][2]["type"], "inbound-rtp");
    assert_eq!(stats[0][2]["packetCount"], 90);
    assert!(stats[0][2]["bitrateByLayer"]["0.2"].as_u64().unwrap() > 10_000, "{}", stats[0][2]);
    assert_eq!(stats[1][0]["type"], "outbound-rtp");
    assert_eq!(stats[1][0]["ssrc"], 2222);
    assert_eq!(stats[1][1]["type"], "inbound-rtp");
    assert_eq!(stats[2][0]["type"], "plain-rtp-transport");
    assert!(stats[2][0]["rtpBytesSent"].as_u64().unwrap() > 1_000);
}

/// TR4: a limit is in the statistics from when it is set until it is taken away.
#[test]
fn limits_of_bitrates_are_in_the_statistics_while_they_are_set() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    let names = ["maxIncomingBitrate", "maxOutgoingBitrate", "minOutgoingBitrate"];
    let mut limits = |max_incoming, max_outgoing, min_outgoing| {
        let bitrates = Bitrates {
            initial_outgoing: None,
            min_outgoing: Some(min_outgoing),
            max_outgoing: Some(max_outgoing),
            max_incoming: Some(max_incoming),
        };
        let transport = TransportKey(1);
        bench.command(Command::SetBitrates { transport, bitrates });
        bench.take_events();
        bench.command(Command::CollectStats { token: 1, of: StatsOf::Transport(transport) });
        let Some(Event::Stats { stats, .. }) = bench.take_events().pop() else { panic!("none") };
        names.map(|name| stats[0][name].as_u64())
    };
    assert_eq!(limits(3, 900_000, 40_000), [Some(3), Some(900_000), Some(40_000)]);
    assert_eq!(limits(0, 0, 0), [None; 3]);
}

#[test]
fn a_consumer_without_packets_is_small() {
    assert!(size_of::<Consumer>() < 1_024, "{}", size_of::<Consumer>());
    assert!(size_of::<crate::consumer::Output>() < 2_048);
}
