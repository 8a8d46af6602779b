//! What operators see of a plane: dumps and trace events.

use serde_json::{Value, json};
use starling_proto::{
    rtp::RtpType,
    signal::VideoOrientation,
    trace::{TraceDirection, TraceEvent, TraceType},
};

use super::bench::*;
use crate::{
    Command, ConsumerKey, Event, ProducerKey, TransportKey,
    command::{Bitrates, StatsOf},
    rtcp::{SenderInfo, build},
    rtp::NtpTime,
    trace::{TraceOf, TraceTypes},
};

/// A camera on transport 1 and a viewer on transport 2, one key frame through.
fn call() -> Bench {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    bench
}

fn send(bench: &mut Bench, n: u16) {
    let payload = vp8_payload(n == 0, n, n as u8, 0, false);
    let packet = rtp(96, 1111, n, 3_000 * u32::from(n), true, &[], &payload);
    bench.receive(11, address(5001), &packet);
}

fn dump(bench: &mut Bench, of: StatsOf) -> Value {
    bench.take_events();
    bench.command(Command::Dump { token: 7, of });
    match bench.take_events().pop() {
        Some(Event::Stats { token: 7, stats }) => stats,
        other => panic!("no dump: {other:?}"),
    }
}

fn trace(bench: &mut Bench, of: TraceOf, types: &[TraceType]) {
    let types: TraceTypes = types.iter().copied().collect();
    bench.command(Command::Trace { of, types });
    bench.take_events();
}

fn traced(bench: &mut Bench) -> Vec<TraceEvent> {
    let events = bench.take_events().into_iter().filter_map(|event| match event {
        Event::Trace { event, .. } => Some(*event),
        _ => None,
    });
    events.collect()
}

#[test]
fn dumps_have_mediasoups_names() {
    let mut bench = call();
    send(&mut bench, 0);
    let transport = dump(&mut bench, StatsOf::Transport(TransportKey(1)));
    assert_eq!(transport["producerIds"], json!([{ "$producer": 1 }]));
    let by_ssrc = transport["rtpListener"]["ssrcTable"].as_array().unwrap();
    assert_eq!(by_ssrc[0], json!({ "key": 1111, "value": { "$producer": 1 } }));
    assert_eq!(transport["rtpListener"]["midTable"][0]["key"], "1");
    assert_eq!(transport["recvRtpHeaderExtensions"]["transportWideCc01"], 3);
    let receiving = dump(&mut bench, StatsOf::Transport(TransportKey(2)));
    assert_eq!(
        receiving["mapSsrcConsumerId"],
        json!([{ "key": 2222, "value": { "$consumer": 1 } }])
    );
    assert_eq!(receiving["mapRtxSsrcConsumerId"][0]["key"], 2223);
    let producer = dump(&mut bench, StatsOf::Producer(ProducerKey(1)));
    assert_eq!(producer["rtpStreams"][0]["params"]["ssrc"], 1111);
    assert_eq!(producer["rtpStreams"][0]["params"]["useNack"], true);
    assert_eq!(producer["paused"], false);
    let consumer = dump(&mut bench, StatsOf::Consumer(ConsumerKey(1)));
    assert_eq!(consumer["producerId"], json!({ "$producer": 1 }));
    assert_eq!(consumer["rtpStreams"][0]["params"]["rtxSsrc"], 2223);
    assert_eq!(
        (&consumer["type"], &consumer["currentSpatialLayer"]),
        (&json!("simple"), &json!(0))
    );
    assert_eq!(dump(&mut bench, StatsOf::Producer(ProducerKey(9))), Value::Null);
}

#[test]
fn a_traced_producer_tells_of_packets_reports_and_requests() {
    let mut bench = call();
    // The consumer has had a key frame asked for as it came.
    bench.advance(400);
    let of = TraceOf::Producer(ProducerKey(1));
    trace(&mut bench, of, &TraceType::ALL);
    send(&mut bench, 0);
    send(&mut bench, 2);
    let mut report = Vec::new();
    let ntp = NtpTime(0x1_8000_0000);
    let info = SenderInfo { ssrc: 1111, ntp, timestamp: 9, packets: 2, octets: 80 };
    build::sender_report(&mut report, &info, &[]);
    bench.receive(11, address(5001), &report);
    bench.advance(50);
    bench.receive(12, address(5002), &pli(2222));
    let kinds: Vec<_> =
        traced(&mut bench).iter().map(|event| (event.kind.name(), event.direction)).collect();
    let (to_us, from_us) = (TraceDirection::In, TraceDirection::Out);
    assert_eq!(
        kinds,
        [
            ("rtp", to_us),
            ("keyframe", to_us),
            ("rtp", to_us),
            ("sr", to_us),
            ("nack", from_us),
            ("pli", from_us)
        ]
    );
    trace(&mut bench, of, &[]);
    send(&mut bench, 3);
    assert!(traced(&mut bench).is_empty());
}

#[test]
fn a_traced_consumer_tells_of_what_it_gets_and_asks_for() {
    let mut bench = call();
    trace(&mut bench, TraceOf::Consumer(ConsumerKey(1)), &TraceType::ALL);
    send(&mut bench, 0);
    send(&mut bench, 1);
    let sent = traced(&mut bench);
    let kinds: Vec<_> = sent.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["rtp", "keyframe", "rtp"]);
    let last = bench.take_rtp(2222).pop().unwrap().header();
    assert_eq!(sent[2].info["rtpPacket"]["sequenceNumber"], last.sequence);
    let mut nack = Vec::new();
    build::nack(&mut nack, 5, 2222, &[last.sequence], 1000);
    bench.receive(12, address(5002), &nack);
    bench.receive(12, address(5002), &pli(2222));
    let asked = traced(&mut bench);
    let kinds: Vec<_> = asked.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["nack", "rtp", "pli"]);
    assert_eq!((&asked[1].info["isRtx"], asked[2].direction), (&json!(true), TraceDirection::In));
    bench.command(Command::RemoveConsumer { consumer: ConsumerKey(1) });
    assert_eq!(bench.plane.traced_consumers, 0);
}

/// WT12.
#[test]
fn a_traced_transport_tells_of_what_its_receiver_says_it_can_take() {
    let mut bench = call();
    trace(&mut bench, TraceOf::Transport(TransportKey(1)), TraceType::OF_TRANSPORT);
    let transport = dump(&mut bench, StatsOf::Transport(TransportKey(1)));
    assert_eq!(transport["traceEventTypes"], json!(["probation", "bwe"]));
    let mut packet = Vec::new();
    build::remb(&mut packet, 5, 700_000, &[2222]);
    bench.receive(11, address(5001), &packet);
    let told = traced(&mut bench);
    assert_eq!(told.len(), 1);
    let info = &told[0].info;
    assert_eq!((&info["bweType"], told[0].kind), (&json!("remb"), TraceType::Bwe));
    let names = "desiredBitrate effectiveDesiredBitrate minBitrate maxBitrate startBitrate \
        maxPaddingBitrate availableBitrate";
    assert!(names.split_whitespace().all(|name| info[name].is_u64()), "{info}");
    let available = info["availableBitrate"].as_u64().unwrap();
    assert!((690_000..=700_000).contains(&available), "{info}");
}

/// WT11.
#[test]
fn a_ceiling_below_the_floor_that_was_set_before_holds() {
    let mut bench = call();
    for (min_outgoing, max_outgoing) in [(Some(2_000_000), None), (None, Some(1_000))] {
        let bitrates = Bitrates { min_outgoing, max_outgoing, ..Bitrates::default() };
        bench.command(Command::SetBitrates { transport: TransportKey(1), bitrates });
    }
    trace(&mut bench, TraceOf::Transport(TransportKey(1)), TraceType::OF_TRANSPORT);
    let mut packet = Vec::new();
    build::remb(&mut packet, 5, 700_000, &[2222]);
    bench.receive(11, address(5001), &packet);
    assert_eq!(traced(&mut bench)[0].info["availableBitrate"], 30_000);
}

/// PD7.
#[test]
fn a_camera_that_is_turned_is_told_of_once() {
    let mut bench = call();
    bench.take_events();
    let mut turns = Vec::new();
    for (n, byte) in [0b0000_u8, 0b0001, 0b0001, 0b1111].into_iter().enumerate() {
        let n = n as u16;
        let payload = vp8_payload(n == 0, n, n as u8, 0, false);
        let extensions: [(u8, &[u8]); 1] = [(13, &[byte])];
        let packet = rtp(96, 1111, n, 3_000 * u32::from(n), true, &extensions, &payload);
        bench.receive(11, address(5001), &packet);
        turns.extend(bench.take_events().into_iter().filter_map(|event| match event {
            Event::VideoOrientation { orientation, .. } => Some(orientation),
            _ => None,
        }));
    }
    let held = |camera, flip, rotation| VideoOrientation { camera, flip, rotation };
    let expected = [held(false, false, 0), held(false, false, 90), held(true, true, 270)];
    assert_eq!(turns, expected);
    let producer = dump(&mut bench, StatsOf::Producer(ProducerKey(1)));
    assert_eq!(producer["videoOrientation"]["rotation"], 270);
}

#[test]
fn trace_events_never_push_facts_out() {
    let mut bench = call();
    trace(&mut bench, TraceOf::Producer(ProducerKey(1)), &[TraceType::Rtp]);
    for n in 0..5_000u16 {
        let payload = vp8_payload(n == 0, n, n as u8, 0, false);
        let mut packet = rtp(96, 1111, n, 3_000 * u32::from(n), true, &[], &payload);
        let from = address(5001);
        bench.plane.handle_datagram(bench.now, crate::SocketId(11), from, &mut packet);
    }
    let counters = bench.plane.counters();
    assert!(counters.dropped_traces > 800, "{counters:?}");
    assert_eq!(counters.dropped_events, 0);
}

fn pli(media: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    build::pli(&mut packet, 5, media);
    packet
}
