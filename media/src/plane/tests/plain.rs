//! Plain transports as ffmpeg and GStreamer use them: learnt addresses, a socket for RTCP, SDES
//! keys; H.264; senders that begin anew.

use serde_json::json;
use starling_proto::{RtpParameters, rtp::RtpType, transport::SrtpProfile};

use super::bench::*;
use crate::{
    Command, Event, SocketId, TransportKey,
    command::{ConsumerParams, SrtpKey, SrtpKeys},
    rtcp::{RtcpItem, build},
    srtp::Sender,
};

fn comedia(bench: &mut Bench, srtp: bool) {
    bench.command(Command::AddPlain {
        transport: TransportKey(1),
        rtp: SocketId(11),
        rtcp: Some(SocketId(19)),
        comedia: true,
        srtp,
    });
}

fn h264(ssrc: u32, payload_type: u8) -> RtpParameters {
    parameters(json!({
        "codecs": [{"mimeType": "video/H264", "payloadType": payload_type, "clockRate": 90000,
            "parameters": {"packetization-mode": 1},
            "rtcpFeedback": [{"type": "nack", "parameter": "pli"}]}],
        "encodings": [{"ssrc": ssrc}]
    }))
}

fn h264_consumer(ssrc: u32) -> ConsumerParams {
    ConsumerParams { rtp: h264(ssrc, 108), ..video_consumer(ssrc, RtpType::Simple) }
}

#[test]
fn addresses_are_learnt_once() {
    let mut bench = Bench::new(1);
    comedia(&mut bench, false);
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.consume(2, 1, 1, audio_consumer(2222));
    bench.receive(11, address(5001), &[0x80, 111]);
    assert!(bench.take_events().is_empty());
    bench.receive(11, address(5001), &rtp(111, 1111, 1, 1, true, &[], &[1]));
    let mut report = Vec::new();
    build::receiver_report(&mut report, 1, &[]);
    bench.receive(19, address(5009), &report);
    bench.receive(11, address(6666), &rtp(111, 1111, 2, 2, true, &[], &[1]));
    let (transport, rtp, rtcp) = (TransportKey(1), Some(address(5001)), Some(address(5009)));
    let told: Vec<_> = bench
        .take_events()
        .into_iter()
        .filter(|event| matches!(event, Event::PlainTuple { .. }))
        .collect();
    assert_eq!(
        told,
        [
            Event::PlainTuple { transport, rtp, rtcp: None },
            Event::PlainTuple { transport, rtp, rtcp }
        ]
    );
    assert_eq!(bench.take_rtp(2222).len(), 1);
    bench.advance(1_500);
    assert!(!bench.take_rtcp(address(5009)).is_empty());
    assert!(bench.take_rtcp(address(5001)).is_empty());
}

#[test]
fn with_keys_only_an_authentic_packet_teaches_an_address() {
    let mut bench = Bench::new(1);
    comedia(&mut bench, true);
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.consume(2, 1, 1, audio_consumer(2222));
    let packet = rtp(111, 1111, 1, 1, true, &[], &[1; 40]);
    bench.receive(11, address(6666), &packet);
    assert_eq!(bench.plane.counters().dropped_unkeyed, 1);
    let profile = SrtpProfile::AesCm128HmacSha1_80;
    let key = SrtpKey { key: vec![1; 16], salt: vec![2; 14] };
    let keys = SrtpKeys { profile, send: key.clone(), recv: key.clone() };
    bench.command(Command::SetSrtp { transport: TransportKey(1), keys: Box::new(keys) });
    bench.receive(11, address(6666), &packet);
    assert_eq!(bench.plane.counters().dropped_srtp, 1);
    let mut protected = packet.clone();
    protected.resize(packet.len() + 10, 0);
    Sender::new(profile, &key).unwrap().protect_rtp(&mut protected, packet.len()).unwrap();
    bench.receive(11, address(5001), &protected);
    assert_eq!(bench.take_rtp(2222).len(), 1);
}

#[test]
fn h264_starts_at_its_parameter_sets() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, h264(1111, 96));
    bench.consume(2, 1, 1, h264_consumer(2222));
    let packets: [&[u8]; 5] = [
        &[0x61, 1, 2, 3],
        &[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2],
        &[0x7c, 0x85, 1, 2, 3],
        &[0x7c, 0x45, 1, 2, 3],
        &[0x61, 4, 5, 6],
    ];
    for (n, payload) in packets.iter().enumerate() {
        bench.receive(11, address(5001), &rtp(96, 1111, n as u16, 0, n > 2, &[], payload));
    }
    let got = bench.take_rtp(2222);
    assert_eq!(got.iter().map(|packet| packet.payload()).collect::<Vec<_>>(), packets[1..]);
    assert!(got.iter().all(|packet| packet.header().payload_type == 108));
}

#[test]
fn packets_that_overtook_the_key_frames_first_one_follow_it() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, h264(1111, 96));
    bench.consume(2, 1, 1, h264_consumer(2222));
    let idr: &[u8] = &[0x7c, 0x85, 1];
    for (sequence, payload) in [(2, idr), (3, idr), (1, &[0x67, 1, 2][..]), (4, idr)] {
        bench.receive(11, address(5001), &rtp(96, 1111, sequence, 0, false, &[], payload));
    }
    let got: Vec<_> = bench.take_rtp(2222).iter().map(|packet| packet.header().sequence).collect();
    assert_eq!(got.len(), 4);
    assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
}

#[test]
fn a_sender_that_begins_anew_under_its_ssrc_is_followed_without_a_hole() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, opus(1111));
    bench.consume(2, 1, 1, audio_consumer(2222));
    for n in 0..3u16 {
        let timestamp = 960 * u32::from(n);
        bench.receive(11, address(5001), &rtp(111, 1111, 100 + n, timestamp, false, &[], &[1]));
        bench.advance(20);
    }
    for n in 0..3u16 {
        let timestamp = 4_000_000_000 + 960 * u32::from(n);
        bench.receive(11, address(5001), &rtp(111, 1111, 40_000 + n, timestamp, false, &[], &[2]));
        bench.advance(20);
    }
    let got: Vec<_> = bench.take_rtp(2222).iter().map(Packet::header).collect();
    // The first packet from elsewhere is not believed (RFC 3550 A.1).
    assert_eq!(got.len(), 5);
    for pair in got.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert!((960..=1_920).contains(&(pair[1].timestamp - pair[0].timestamp)));
    }
}

fn sctp(bench: &mut Bench, from: u16, chunk: u8) {
    bench.receive(11, address(from), &[0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, chunk, 0]);
}

fn sctp_told(bench: &mut Bench) -> usize {
    let told = bench.take_events();
    told.iter().filter(|event| matches!(event, Event::Sctp { .. })).count()
}

#[test]
fn sctp_passes_where_it_is_enabled_from_where_its_association_began() {
    let mut bench = Bench::new(1);
    comedia(&mut bench, false);
    sctp(&mut bench, 5001, 1);
    assert_eq!((sctp_told(&mut bench), bench.plane.counters().dropped_malformed), (0, 1));
    let transport = TransportKey(1);
    bench.command(Command::EnableSctp { transport });
    sctp(&mut bench, 5001, 0);
    assert_eq!((sctp_told(&mut bench), bench.plane.counters().dropped_unknown_source), (0, 1));
    sctp(&mut bench, 5001, 1);
    sctp(&mut bench, 5001, 0);
    assert_eq!(sctp_told(&mut bench), 2);
    sctp(&mut bench, 6666, 1);
    assert_eq!((sctp_told(&mut bench), bench.plane.counters().dropped_unknown_source), (0, 2));
    let datagram = vec![0x13, 0x88, 1, 2].into();
    bench.command(Command::SendDtls { transport, datagram });
    assert!(bench.packets.iter().any(|packet| packet.bytes == [0x13, 0x88, 1, 2]));
}

#[test]
fn sctp_teaches_no_address_to_a_transport_with_keys() {
    let mut bench = Bench::new(1);
    comedia(&mut bench, true);
    bench.command(Command::EnableSctp { transport: TransportKey(1) });
    sctp(&mut bench, 5001, 1);
    assert_eq!(sctp_told(&mut bench), 0);
}

#[test]
fn rtcp_of_a_receiver_with_a_port_of_its_own_is_heard() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.command(Command::AddPlain {
        transport: TransportKey(2),
        rtp: SocketId(21),
        rtcp: Some(SocketId(22)),
        comedia: false,
        srtp: false,
    });
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    assert!(bench.take_rtcp(address(5001)).is_empty());
    bench.command(Command::ConnectPlain {
        transport: TransportKey(2),
        rtp: address(5002),
        rtcp: Some(address(5003)),
    });
    assert_eq!(bench.take_rtcp(address(5001)).len(), 1);
    let key = vp8_payload(true, 1, 1, 0, false);
    bench.receive(11, address(5001), &rtp(96, 1111, 1, 1, true, &[], &key));
    bench.advance(400);
    bench.take_rtcp(address(5001));
    let mut pli = Vec::new();
    build::pli(&mut pli, 1, 2222);
    bench.receive(22, address(5003), &pli);
    let asked = bench.take_rtcp(address(5001));
    assert!(matches!(asked[..], [RtcpItem::Pli { .. }]));
    bench.receive(22, address(6666), &pli);
    assert_eq!(bench.plane.counters().dropped_unknown_source, 1);
}
