//! Once its buffers have their size, forwarding takes no memory; what a consumer and a peer take.

use std::time::Duration;

use starling_proto::{rtp::RtpType, transport::SrtpProfile};

use super::bench::*;
use crate::{
    Command, SocketId, TransportKey,
    command::{SrtpKey, SrtpKeys},
    counting::{allocations, live},
};

/// Frames of eight packets to 20 viewers and of one to 20 listeners; allocations and packets sent
/// in the last of three seconds.
fn forward(srtp: bool) -> (u64, u64) {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.produce(1, 1, vp8(1111));
    bench.produce(1, 2, opus(3333));
    for viewer in 0..20u64 {
        let transport = 100 + viewer;
        bench.plain(transport, address(6000 + viewer as u16));
        bench.open(transport);
        if srtp {
            let key = SrtpKey { key: vec![viewer as u8; 16], salt: vec![7; 12] };
            let keys =
                SrtpKeys { profile: SrtpProfile::AeadAes128Gcm, send: key.clone(), recv: key };
            let transport = TransportKey(transport);
            bench.command(Command::SetSrtp { transport, keys: Box::new(keys) });
        }
        let ssrc = 10_000 + 10 * viewer as u32;
        bench.consume(transport, 2 * viewer, 1, video_consumer(ssrc, RtpType::Simple));
        bench.consume(transport, 2 * viewer + 1, 2, audio_consumer(ssrc + 5));
    }
    let mut sequence = 0u16;
    let (mut taken, mut sent, mut runs) = (0, 0, 0);
    for frame in 0..2_200u32 {
        let payload = vp8_payload(frame == 0, frame as u16, frame as u8, 0, false);
        let mut batch: Vec<Vec<u8>> = Vec::new();
        for n in 0..8 {
            let mut payload = payload.clone();
            payload[0] = if n == 0 { 0x90 } else { 0x80 };
            payload.resize(1_100 - n % 3, 5);
            batch.push(rtp(96, 1111, sequence, frame * 3_000, n == 7, &[], &payload));
            sequence = sequence.wrapping_add(1);
        }
        batch.push(rtp(111, 3333, frame as u16, frame * 960, false, &[], &[9; 80]));
        // The ring keeps two seconds: it has its buffers after that.
        let steady = frame > 2_000;
        let now = bench.now;
        let plane = &mut bench.plane;
        let counted = allocations(|| {
            for packet in &mut batch {
                plane.handle_datagram(now, SocketId(11), address(5001), packet);
            }
            plane.flush(now, &mut |flight| {
                for run in flight.runs.iter().filter(|_| steady) {
                    sent += run.bytes.len().div_ceil(run.segment);
                    runs += 1;
                }
                now
            });
        });
        if steady {
            taken += counted;
        }
        // Reports and scores are not packets forwarded, and may allocate.
        bench.now += Duration::from_millis(2);
        if bench.plane.next_timeout().is_some_and(|(at, _)| at <= bench.now) {
            bench.plane.handle_timeout(bench.now);
            bench.settle();
            bench.packets.clear();
        }
    }
    // A frame is one run although its packets differ by a byte or two; the audio packet, shorter
    // than they are, ends it.
    assert_eq!(runs, 199 * 20);
    (taken, sent as u64)
}

#[test]
fn a_forwarded_packet_takes_no_memory() {
    for srtp in [false, true] {
        let (taken, sent) = forward(srtp);
        assert_eq!(sent, 199 * 20 * 9);
        assert_eq!(taken, 0, "for {sent} packets, srtp {srtp}");
    }
}

/// Bytes per item that `add` adds in a hundred calls.
fn bytes_each(bench: &mut Bench, mut add: impl FnMut(&mut Bench, u64)) -> i64 {
    let before = live();
    for number in 0..100 {
        add(bench, number);
    }
    (live() - before) / 100
}

#[test]
fn a_consumer_takes_less_than_24_kib_and_an_idle_peer_less_than_128() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.open(2);
    bench.produce(1, 1, vp8(1111));
    let consumer = bytes_each(&mut bench, |bench, number| {
        let ssrc = 10_000 + 10 * number as u32;
        bench.consume(2, number, 1, video_consumer(ssrc, RtpType::Simple));
        // As it is once it forwards.
        let sequence = number as u16;
        let payload = vp8_payload(true, sequence, sequence as u8, 0, false);
        let mut packet = rtp(96, 1111, sequence, 3_000 * number as u32, true, &[], &payload);
        bench.plane.handle_datagram(bench.now, SocketId(11), address(5001), &mut packet);
        bench.plane.flush(bench.now, &mut |_| bench.now);
        bench.events.clear();
        bench.packets.clear();
    });
    assert!((8 * 1024..24 * 1024).contains(&consumer), "{consumer} bytes");
    // A sending and a receiving transport with keys, a camera and a microphone that send nothing,
    // and two consumers of a paused producer.
    let peer = bytes_each(&mut bench, |bench, number| {
        for transport in [1_000 + 2 * number, 1_001 + 2 * number] {
            bench.plain(transport, address(6_000));
            let key = SrtpKey { key: vec![1; 16], salt: vec![7; 12] };
            let profile = SrtpProfile::AeadAes128Gcm;
            let keys = SrtpKeys { profile, send: key.clone(), recv: key };
            let transport = TransportKey(transport);
            bench.command(Command::SetSrtp { transport, keys: Box::new(keys) });
        }
        let (sends, receives) = (1_000 + 2 * number, 1_001 + 2 * number);
        bench.produce(sends, 100 + 2 * number, vp8_simulcast());
        bench.produce(sends, 101 + 2 * number, opus(3333));
        for consumer in [10_000 + 2 * number, 10_001 + 2 * number] {
            let params = video_consumer(consumer as u32 * 2, RtpType::Simple);
            bench.consume(receives, consumer, 999, params);
        }
        bench.packets.clear();
    });
    assert!(peer < 128 * 1024, "{peer} bytes");
    eprintln!("bytes per consumer {consumer}, per idle peer {peer}");
}
