//! ICE, keys and SRTP on the shared sockets.

use std::{net::SocketAddr, time::Duration};

use starling_proto::{rtp::RtpType, transport::SrtpProfile};

use super::bench::*;
use crate::{
    Command, Event, TransportKey,
    command::{IceCredentials, SrtpKey, SrtpKeys},
    event::IceState,
    ice::stun::{self, BindingRequest, IntegrityKey, StunMessage},
    rtcp::RtcpItem,
    srtp::{Receiver, Sender},
};

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

fn key(byte: u8) -> SrtpKey {
    SrtpKey { key: vec![byte; 16], salt: vec![byte ^ 0xff; 12] }
}

/// A browser's end of a transport.
struct Client {
    key: u64,
    at: SocketAddr,
    sender: Sender,
    receiver: Receiver,
}

impl Client {
    fn add(bench: &mut Bench, number: u64) -> Self {
        let at = address(7_000 + number as u16);
        let ice = IceCredentials {
            ufrag: format!("ufrag{number}"),
            password: "a password of 24 letters".into(),
        };
        let transport = TransportKey(number);
        let consent = Duration::from_secs(30);
        bench.command(Command::AddWebRtc { transport, ice, consent });
        let seed = number as u8;
        Self {
            key: number,
            at,
            sender: Sender::new(PROFILE, &key(seed)).unwrap(),
            receiver: Receiver::new(PROFILE, &key(seed + 100)).unwrap(),
        }
    }

    fn check(&self, bench: &mut Bench, transaction: u8) {
        let mut request = Vec::new();
        let username = format!("ufrag{}:theirs", self.key);
        let fields = BindingRequest {
            username: &username,
            priority: Some(1),
            use_candidate: true,
            ice_controlling: Some(1),
            ..BindingRequest::default()
        };
        let integrity = IntegrityKey::new("a password of 24 letters");
        stun::write_request(&mut request, &[transaction; 12], &fields, &integrity);
        bench.receive(0, self.at, &request);
    }

    fn set_keys(&self, bench: &mut Bench) {
        let keys = SrtpKeys {
            profile: PROFILE,
            send: key(self.key as u8 + 100),
            recv: key(self.key as u8),
        };
        let transport = TransportKey(self.key);
        bench.command(Command::SetSrtp { transport, keys: Box::new(keys) });
    }

    fn send(&mut self, bench: &mut Bench, packet: &[u8]) {
        let mut protected = packet.to_vec();
        protected.resize(packet.len() + 16, 0);
        let len = self.sender.protect_rtp(&mut protected, packet.len()).unwrap();
        bench.receive(0, self.at, &protected[..len]);
    }

    fn take_rtp(&mut self, bench: &mut Bench, ssrc: u32) -> Vec<Packet> {
        let mut packets = bench.take_rtp(ssrc);
        for packet in &mut packets {
            assert_eq!(packet.to, self.at);
            let len = self.receiver.unprotect_rtp(&mut packet.bytes).unwrap();
            packet.bytes.truncate(len);
        }
        packets
    }

    fn take_rtcp(&mut self, bench: &mut Bench) -> Vec<RtcpItem> {
        let receiver = &mut self.receiver;
        for packet in bench.packets.iter_mut().filter(|packet| packet.to == self.at) {
            if crate::rtp::is_rtcp(&packet.bytes) {
                let len = receiver.unprotect_rtcp(&mut packet.bytes).unwrap();
                packet.bytes.truncate(len);
            }
        }
        bench.take_rtcp(self.at)
    }
}

#[test]
fn a_check_is_answered_and_admits_its_tuple() {
    let mut bench = Bench::new(1);
    let client = Client::add(&mut bench, 1);
    bench.receive(0, client.at, &[22, 0xfe, 0xfd, 0, 0]);
    assert_eq!(bench.plane.counters().dropped_unknown_source, 1);
    client.check(&mut bench, 1);
    let answer = StunMessage::parse(&bench.packets[0].bytes).unwrap();
    assert_eq!(answer.mapped_address, Some(client.at));
    bench.receive(0, client.at, &[22, 0xfe, 0xfd, 0, 0]);
    let events = bench.take_events();
    let transport = TransportKey(1);
    assert_eq!(
        events,
        [
            Event::IceState { transport, state: IceState::Completed, remote: Some(client.at) },
            Event::Dtls { transport, datagram: vec![22, 0xfe, 0xfd, 0, 0] },
        ]
    );
}

#[test]
fn a_wrong_password_is_not_answered() {
    let mut bench = Bench::new(1);
    let client = Client::add(&mut bench, 1);
    let mut request = Vec::new();
    let fields = BindingRequest { username: "ufrag1:x", ..BindingRequest::default() };
    stun::write_request(&mut request, &[1; 12], &fields, &IntegrityKey::new("guess"));
    bench.receive(0, client.at, &request);
    assert!(bench.packets.is_empty() && bench.take_events().is_empty());
    assert_eq!(bench.plane.counters().dropped_stun, 1);
}

#[test]
fn video_goes_from_browser_to_browser() {
    let mut bench = Bench::new(1);
    let mut publisher = Client::add(&mut bench, 1);
    let mut viewer = Client::add(&mut bench, 2);
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    publisher.check(&mut bench, 1);
    viewer.check(&mut bench, 2);
    publisher.set_keys(&mut bench);
    assert!(publisher.take_rtcp(&mut bench).is_empty());
    // The key frame is asked for when the viewer can take it.
    viewer.set_keys(&mut bench);
    let asked = publisher.take_rtcp(&mut bench);
    assert!(matches!(asked[..], [RtcpItem::Pli { media: 1111, .. }]), "{asked:?}");
    for n in 0..20u16 {
        let payload = vp8_payload(n == 0, n, n as u8, 0, false);
        let packet = rtp(96, 1111, n, 3_000 * u32::from(n), true, &[(13, &[1])], &payload);
        publisher.send(&mut bench, &packet);
    }
    let got = viewer.take_rtp(&mut bench, 2222);
    assert_eq!(got.len(), 20);
    for (n, pair) in got.windows(2).enumerate() {
        assert_eq!(pair[1].header().sequence, pair[0].header().sequence + 1, "{n}");
        assert_eq!(pair[1].extension(8), Some(&[1][..]));
    }
    bench.receive(0, viewer.at, &rtp(96, 1111, 1, 1, true, &[], &[1; 60]));
    assert_eq!(bench.plane.counters().dropped_srtp, 1);
}

#[test]
fn without_checks_a_transport_is_disconnected_and_takes_nothing() {
    let mut bench = Bench::new(1);
    let mut publisher = Client::add(&mut bench, 1);
    publisher.check(&mut bench, 1);
    publisher.set_keys(&mut bench);
    bench.produce(1, 1, vp8(1111));
    bench.take_events();
    bench.advance(32_000);
    let transport = TransportKey(1);
    assert_eq!(
        bench.take_events(),
        [Event::IceState { transport, state: IceState::Disconnected, remote: None }]
    );
    publisher.send(&mut bench, &rtp(96, 1111, 1, 1, true, &[], &[1; 60]));
    assert_eq!(bench.plane.counters().dropped_unknown_source, 1);
    publisher.check(&mut bench, 9);
    assert_eq!(bench.take_events().len(), 1);
}
