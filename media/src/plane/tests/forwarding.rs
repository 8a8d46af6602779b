//! Plain transports: the shortest way through a plane.

use starling_proto::rtp::RtpType;

use super::bench::*;
use crate::{Command, ConsumerKey, Plane, ProducerKey, rtcp::RtcpItem};

#[test]
fn a_plane_can_be_moved_to_its_thread() {
    fn moved<T: Send>() {}
    moved::<Plane>();
}

#[test]
fn audio_is_forwarded_at_once_with_the_consumers_numbers() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.consume(2, 1, 1, audio_consumer(2222));
    for n in 0..3u16 {
        let packet =
            rtp(111, 1111, 500 + n, 960 * u32::from(n), n == 0, &[(1, &[0x85])], &[n as u8; 50]);
        bench.receive(11, address(5001), &packet);
    }
    let got = bench.take_rtp(2222);
    assert_eq!(got.len(), 3);
    let first = got[0].header();
    assert_eq!((first.payload_type, first.timestamp, first.marker), (100, 0, true));
    assert!((1_000..32_768).contains(&first.sequence));
    assert_eq!(got[0].extension(1), Some(&b"6"[..]));
    assert_eq!(got[0].extension(6), Some(&[0x85][..]));
    assert_eq!(got[2].header().sequence, first.sequence + 2);
    assert_eq!(got[2].header().timestamp, 1920);
    assert_eq!(got[2].payload(), [2; 50]);
    assert_eq!(got[0].to, address(5002));
}

#[test]
fn video_waits_for_a_key_frame_and_asks_for_it() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    let asked = bench.take_rtcp(address(5001));
    assert!(matches!(asked[..], [RtcpItem::Pli { media: 1111, .. }]), "{asked:?}");

    let delta = vp8_payload(false, 10, 1, 0, false);
    bench.receive(11, address(5001), &rtp(96, 1111, 1, 0, true, &[], &delta));
    assert_eq!(bench.take_rtp(2222).len(), 0);
    let key = vp8_payload(true, 11, 2, 0, false);
    bench.receive(11, address(5001), &rtp(96, 1111, 2, 3000, true, &[], &key));
    let delta = vp8_payload(false, 12, 3, 0, false);
    bench.receive(11, address(5001), &rtp(96, 1111, 3, 6000, true, &[], &delta));
    let got = bench.take_rtp(2222);
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].extension(1), Some(&b"7"[..]));
    assert_eq!(got[0].extension(4).map(<[u8]>::len), Some(3));
    assert_eq!(got[0].extension(5), Some(&[0, 0][..]));
    assert_eq!(got[1].extension(5), Some(&[0, 1][..]));
}

#[test]
fn a_paused_consumer_gets_nothing_and_goes_on_without_a_hole() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.consume(2, 1, 1, audio_consumer(2222));
    let send = |bench: &mut Bench, n: u16| {
        bench.receive(11, address(5001), &rtp(111, 1111, n, 960 * u32::from(n), false, &[], &[7]));
    };
    send(&mut bench, 1);
    bench.command(Command::PauseConsumer { consumer: ConsumerKey(1), paused: true });
    send(&mut bench, 2);
    bench.command(Command::PauseConsumer { consumer: ConsumerKey(1), paused: false });
    send(&mut bench, 3);
    bench.command(Command::PauseProducer { producer: ProducerKey(1), paused: true });
    send(&mut bench, 4);
    bench.command(Command::PauseProducer { producer: ProducerKey(1), paused: false });
    send(&mut bench, 5);
    let got: Vec<_> = bench.take_rtp(2222).iter().map(Packet::header).collect();
    assert_eq!(got.len(), 3);
    assert_eq!(got[1].sequence, got[0].sequence + 1);
    assert_eq!(got[2].sequence, got[0].sequence + 2);
    assert_eq!(got[1].timestamp - got[0].timestamp, 1920);
    assert_eq!(got[2].timestamp - got[0].timestamp, 3840);
}

#[test]
fn a_consumer_outlives_its_producer_and_takes_the_next_one() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.consume(2, 1, 1, audio_consumer(2222));
    bench.produce(1, 1, opus(1111));
    bench.receive(11, address(5001), &rtp(111, 1111, 1, 960, false, &[], &[7]));
    assert_eq!(bench.take_rtp(2222).len(), 1);
    bench.command(Command::RemoveProducer { producer: ProducerKey(1) });
    bench.receive(11, address(5001), &rtp(111, 1111, 2, 1920, false, &[], &[7]));
    assert_eq!(bench.take_rtp(2222).len(), 0);
    assert_eq!(bench.plane.counters().consumers, 1);
}

#[test]
fn what_comes_from_elsewhere_is_counted_and_dropped() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.consume(2, 1, 1, audio_consumer(2222));
    let packet = rtp(111, 1111, 1, 960, false, &[], &[7]);
    bench.receive(11, address(6666), &packet);
    bench.receive(0, address(5001), &packet);
    bench.receive(11, address(5001), &packet[..11]);
    bench.receive(11, address(5001), &[]);
    bench.receive(11, address(5001), &rtp(99, 1111, 1, 960, false, &[], &[7]));
    bench.receive(11, address(5001), &rtp(111, 4444, 1, 960, false, &[], &[7]));
    assert_eq!(bench.take_rtp(2222).len(), 0);
    let counters = bench.plane.counters();
    assert_eq!(counters.dropped_unknown_source, 2);
    assert_eq!(counters.dropped_malformed, 2);
    assert_eq!(counters.dropped_unknown_stream, 2);
}
