//! A publisher that comes back: its consumers go on.

use starling_proto::rtp::RtpType;

use super::{
    bench::*,
    camera::{Camera, assert_decodable},
};
use crate::{Command, ProducerKey, TransportKey, rtcp::RtcpItem};

fn replace(bench: &mut Bench, old: u64, new: u64) {
    bench.command(Command::ReplaceProducer { old: ProducerKey(old), new: ProducerKey(new) });
}

#[test]
fn video_goes_on_from_the_next_key_frame_by_elapsed_time() {
    let mut bench = Bench::new(7);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8_simulcast());
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    let mut camera = Camera::new(bench.now);
    camera.run(&mut bench, 1_980);
    let before = bench.take_rtp(2222);
    // Its transport is gone before the new one is there.
    bench.command(Command::RemoveTransport { transport: TransportKey(1) });
    assert_eq!(bench.plane.counters().consumers, 1);
    bench.advance(495);

    bench.plain(1, address(5001));
    bench.produce(1, 9, vp8_simulcast());
    replace(&mut bench, 1, 9);
    let mut camera = Camera::new(bench.now);
    for layer in &mut camera.layers {
        layer.ssrc += 50_000;
        layer.timestamp_base = layer.timestamp_base.wrapping_add(987_654_321);
        layer.sequence = layer.sequence.wrapping_add(12_345);
    }
    camera.run(&mut bench, 1_980);
    let after = bench.take_rtp(2222);
    let last = before.len() - 1;
    assert_decodable(&before);
    assert_decodable(&after);
    assert_decodable(&[&before[last..], &after[..1]].concat());
    let gap = after[0].header().timestamp.wrapping_sub(before[last].header().timestamp);
    assert!(gap.abs_diff((33 + 495) * 90) < 90, "{gap}");
}

#[test]
fn audio_goes_on_at_once() {
    let mut bench = Bench::new(7);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.produce(1, 2, opus(3333));
    bench.consume(2, 1, 1, audio_consumer(2222));
    bench.receive(11, address(5001), &rtp(111, 1111, 10, 5_000, false, &[], &[1]));
    bench.advance(200);
    replace(&mut bench, 1, 2);
    bench.receive(11, address(5001), &rtp(111, 1111, 11, 5_960, false, &[], &[1]));
    bench.receive(11, address(5001), &rtp(111, 3333, 60_000, 70, false, &[], &[2]));
    let got = bench.take_rtp(2222);
    assert_eq!(got.len(), 2);
    assert_eq!(got[1].header().sequence, got[0].header().sequence + 1);
    assert_eq!(got[1].header().timestamp - got[0].header().timestamp, 9_600);
}

#[test]
fn a_replacement_may_be_named_before_it_is_there() {
    let mut bench = Bench::new(7);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    replace(&mut bench, 1, 2);
    bench.take_rtcp(address(5001));
    bench.produce(1, 2, vp8(3333));
    let asked = bench.take_rtcp(address(5001));
    assert!(matches!(asked[..], [RtcpItem::Pli { media: 3333, .. }]), "{asked:?}");
    let key = vp8_payload(true, 1, 1, 0, false);
    bench.receive(11, address(5001), &rtp(96, 3333, 1, 1, true, &[], &key));
    assert_eq!(bench.take_rtp(2222).len(), 1);
}

#[test]
fn another_codec_does_not_replace() {
    let mut bench = Bench::new(7);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.produce(1, 2, vp8(3333));
    bench.consume(2, 1, 1, audio_consumer(2222));
    let (old, new) = (ProducerKey(1), ProducerKey(2));
    bench.plane.handle_command(bench.now, Command::ReplaceProducer { old, new });
    let key = vp8_payload(true, 1, 1, 0, false);
    bench.receive(11, address(5001), &rtp(96, 3333, 1, 1, true, &[], &key));
    assert!(bench.take_rtp(2222).is_empty());
}
