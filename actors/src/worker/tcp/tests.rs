//! Streams to a real worker on loopback.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use serde_json::json;
use starling_media::{
    Command, ConsumerKey, Event, ProducerKey, SocketId, TransportKey,
    command::{ConsumerParams, IceCredentials, ProducerParams, SrtpKey, SrtpKeys},
    event::IceState,
    ice::{
        StunMessage,
        framing::{Deframer, frame},
        stun::{BindingRequest, IntegrityKey, write_request},
    },
    srtp,
};
use starling_proto::{MediaKind, rtp::RtpType, transport::SrtpProfile};
use tokio::sync::mpsc::Receiver;

use super::{super::*, *};

const SOON: Duration = Duration::from_secs(5);
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
const TRANSPORT: TransportKey = TransportKey(1);

fn worker() -> (WorkerHandle, Receiver<WorkerEvent>) {
    let (sink, events) = EventSink::channel();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    (Worker::spawn(WorkerConfig::new(0, vec![loopback], 0), sink).unwrap(), events)
}

fn ours() -> IceCredentials {
    IceCredentials { ufrag: "starling".into(), password: "p".repeat(32) }
}

fn check(id: u8) -> Vec<u8> {
    let request = BindingRequest {
        username: "starling:client",
        priority: Some(1),
        use_candidate: true,
        nomination: None,
        ice_controlling: Some(1),
        ice_controlled: None,
    };
    let mut bytes = Vec::new();
    write_request(&mut bytes, &[id; 12], &request, &IntegrityKey::new(&ours().password));
    bytes
}

fn add_webrtc(worker: &WorkerHandle) {
    let consent = Duration::from_secs(20);
    worker.command(Command::AddWebRtc { transport: TRANSPORT, ice: ours(), consent });
}

/// A client's end of a stream.
struct Client {
    io: TcpStream,
    deframer: Deframer,
    seen: Vec<Vec<u8>>,
}

impl Client {
    fn connect(worker: &WorkerHandle) -> Self {
        let io = TcpStream::connect(worker.local_addrs()[0].1).unwrap();
        io.set_read_timeout(Some(SOON)).unwrap();
        Self { io, deframer: Deframer::default(), seen: Vec::new() }
    }

    fn send(&mut self, datagram: &[u8]) {
        let mut bytes = Vec::new();
        frame(&mut bytes, datagram);
        self.io.write_all(&bytes).unwrap();
    }

    /// The next datagram; none if the stream has ended.
    fn next(&mut self) -> Option<Vec<u8>> {
        while self.seen.is_empty() {
            let mut bytes = [0; 4_096];
            let len = self.io.read(&mut bytes).ok().filter(|len| *len > 0)?;
            let Self { deframer, seen, .. } = self;
            let mut take = |datagram: &mut [u8]| seen.push(datagram.to_vec());
            deframer.feed(&mut bytes[..len], &mut take).unwrap();
        }
        Some(self.seen.remove(0))
    }

    /// A stream whose pair is nominated.
    fn nominated(worker: &WorkerHandle, events: &mut Receiver<WorkerEvent>) -> Self {
        add_webrtc(worker);
        let mut client = Self::connect(worker);
        client.send(&check(1));
        let answer = client.next().expect("an answer");
        assert!(StunMessage::parse(&answer).is_some());
        let at = client.io.local_addr().unwrap();
        assert_eq!(ice(events), (IceState::Completed, Some(at)));
        client
    }
}

fn ice(events: &mut Receiver<WorkerEvent>) -> (IceState, Option<SocketAddr>) {
    let deadline = Instant::now() + SOON;
    loop {
        assert!(Instant::now() < deadline, "ICE changes");
        let Ok(WorkerEvent::Facts(facts)) = events.try_recv() else {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        };
        for fact in facts {
            if let Event::IceState { state, remote, .. } = fact {
                return (state, remote);
            }
        }
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < deadline, "in vain waited until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn opus(ssrc: u32) -> starling_proto::RtpParameters {
    serde_json::from_value(json!({
        "codecs": [{
            "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2,
            "parameters": {}, "rtcpFeedback": []
        }],
        "headerExtensions": [], "encodings": [{ "ssrc": ssrc }],
        "rtcp": { "cname": "x", "reducedSize": true }
    }))
    .unwrap()
}

fn rtp(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 100];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 960).to_be_bytes());
    packet.extend_from_slice(&1_111u32.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// What a publisher sends over UDP goes to the client over its stream. Where to send it.
fn forward(worker: &WorkerHandle) -> (UdpSocket, srtp::Receiver) {
    let key = SrtpKey { key: vec![1; 16], salt: vec![2; 12] };
    let keys = SrtpKeys { profile: PROFILE, send: key.clone(), recv: key.clone() };
    worker.command(Command::SetSrtp { transport: TRANSPORT, keys: Box::new(keys) });
    let sockets = worker.bind_plain(false).unwrap();
    let transport = TransportKey(2);
    let rtp = sockets.rtp.0;
    worker.command(Command::AddPlain { transport, rtp, rtcp: None, comedia: true, srtp: false });
    let mapping = json!({
        "codecs": [{ "payloadType": 100, "mappedPayloadType": 100 }],
        "encodings": [{ "ssrc": 1_111, "mappedSsrc": 2_222 }]
    });
    let mapping = serde_json::from_value(mapping).unwrap();
    let params = ProducerParams {
        kind: MediaKind::Audio,
        rtp: opus(1_111),
        mapping,
        paused: false,
        encrypted: false,
        key_frame_delay: Duration::ZERO,
    };
    let producer = ProducerKey(1);
    worker.command(Command::Produce { transport, producer, params: Box::new(params) });
    let params = ConsumerParams {
        kind: MediaKind::Audio,
        rtp: opus(3_333),
        rtp_type: RtpType::Simple,
        paused: false,
        preferred: None,
        pipe_layers: 0,
        encrypted: false,
        ignore_dtx: false,
    };
    let (transport, consumer, params) = (TRANSPORT, ConsumerKey(1), Box::new(params));
    worker.command(Command::Consume { transport, consumer, producer, params });
    let publisher = UdpSocket::bind("127.0.0.1:0").unwrap();
    publisher.connect(sockets.rtp.1).unwrap();
    (publisher, srtp::Receiver::new(PROFILE, &key).unwrap())
}

#[test]
fn a_check_over_tcp_selects_the_stream_and_its_end_disconnects() {
    let (worker, mut events) = worker();
    let client = Client::nominated(&worker, &mut events);
    until("it is counted", || worker.counters().tcp.connections == 1);
    drop(client);
    assert_eq!(ice(&mut events), (IceState::Disconnected, None));
    until("it is gone", || worker.counters().tcp.connections == 0);
}

#[test]
fn media_goes_out_over_the_stream_as_over_udp() {
    let (worker, mut events) = worker();
    let mut client = Client::nominated(&worker, &mut events);
    let (publisher, mut srtp) = forward(&worker);
    for sequence in 0..20 {
        publisher.send(&rtp(sequence, b"sound")).unwrap();
    }
    let mut seen = 0;
    while seen < 20 {
        let mut packet = client.next().expect("the stream goes on");
        if (192..=223).contains(&packet[1]) {
            continue;
        }
        let len = srtp.unprotect_rtp(&mut packet).expect("it is ours");
        assert_eq!(&packet[len - 5..len], b"sound");
        seen += 1;
    }
}

#[test]
fn who_does_not_read_loses_whole_packets_and_nobody_waits() {
    let (worker, mut events) = worker();
    let mut client = Client::nominated(&worker, &mut events);
    let (publisher, mut srtp) = forward(&worker);
    let mut sequence = 0u16;
    until("packets are dropped", || {
        for _ in 0..50 {
            publisher.send(&rtp(sequence, &[7; 1_200])).unwrap();
            sequence = sequence.wrapping_add(1);
        }
        worker.counters().tcp.frames_dropped > 100
    });
    assert_eq!(worker.counters().tcp.connections, 1);
    // What is left is whole, and the stream goes on after it.
    let mut last = 0;
    let deadline = Instant::now() + SOON;
    while last != 0xbeef {
        assert!(Instant::now() < deadline, "new packets come through");
        publisher.send(&rtp(sequence, &[0xbe, 0xef])).unwrap();
        sequence = sequence.wrapping_add(1);
        let mut packet = client.next().expect("the stream goes on");
        if (192..=223).contains(&packet[1]) {
            continue;
        }
        let len = srtp.unprotect_rtp(&mut packet).expect("no frame is cut");
        last = u16::from_be_bytes([packet[len - 2], packet[len - 1]]);
    }
}

#[test]
fn a_stream_that_proves_nothing_ends_before_it_costs() {
    let (worker, _events) = worker();
    add_webrtc(&worker);
    let mut flood = Client::connect(&worker);
    let mut bytes = Vec::new();
    for _ in 0..30 {
        frame(&mut bytes, &[0x55; 1_000]);
    }
    let _ = flood.io.write_all(&bytes);
    assert_eq!(flood.next(), None);
    let mut nonsense = Client::connect(&worker);
    nonsense.io.write_all(&[0xff; 10]).unwrap();
    assert_eq!(nonsense.next(), None, "a frame of 65,535 bytes");
    until("both are gone", || worker.counters().tcp.connections == 0);
}

#[test]
fn one_address_has_so_many_unproven_streams_and_proven_ones_do_not_count() {
    let (worker, mut events) = worker();
    let mut proven = Client::nominated(&worker, &mut events);
    let clients: Vec<_> =
        (0..MAX_UNPROVEN_PER_ADDRESS + 5).map(|_| Client::connect(&worker)).collect();
    until("the surplus is refused", || worker.counters().tcp.refused == 5);
    let most = MAX_UNPROVEN_PER_ADDRESS as u64 + 1;
    assert_eq!(worker.counters().tcp.connections, most);
    proven.send(&check(2));
    assert!(proven.next().is_some());
    drop(clients);
    until("they are gone", || worker.counters().tcp.connections == 1);
}

#[test]
fn a_stream_may_be_unproven_for_ten_seconds_at_first_and_after_its_consent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (io, remote) = listener.accept().unwrap();
    let start = Instant::now();
    let at = |s| start + Duration::from_secs(s);
    let mut connection = Connection::new(io, remote, start).unwrap();
    assert_eq!(connection.look_after(at(9), false), Duration::from_secs(9));
    assert_eq!(connection.look_after(at(10), true), Duration::ZERO);
    assert!(connection.is_proven());
    assert_eq!(connection.look_after(at(40), false), Duration::ZERO);
    assert_eq!(connection.look_after(at(51), false), Duration::from_secs(11));
}

#[test]
fn a_worker_without_tcp_takes_no_streams() {
    let (sink, _events) = EventSink::channel();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let config = WorkerConfig { tcp: false, ..WorkerConfig::new(0, vec![loopback], 0) };
    let worker = Worker::spawn(config, sink).unwrap();
    assert!(!worker.listens_tcp());
    assert!(TcpStream::connect(worker.local_addrs()[0].1).is_err());
    assert!(!Tcp::owns(SocketId(2)));
}
