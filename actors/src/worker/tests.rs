//! Real workers on loopback.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;
use starling_cluster::link::PacketSink;
use starling_media::{
    Command, ConsumerKey, Event, PipeKey, ProducerKey, Run, SocketId, TransportKey,
    command::{ConsumerParams, ProducerParams, StatsOf},
};
use starling_proto::{MediaKind, rtp::RtpType};
use tokio::sync::mpsc::Receiver as EventReceiver;

use super::{
    counters::SocketCounters,
    socket::{Receiver, Sender, Socket},
    *,
};

const SOON: Duration = Duration::from_secs(5);
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn worker_on(listen: Vec<IpAddr>) -> (WorkerHandle, EventReceiver<WorkerEvent>) {
    let (sink, events) = EventSink::channel();
    (Worker::spawn(WorkerConfig::new(0, listen, 0), sink).unwrap(), events)
}

fn worker() -> (WorkerHandle, EventReceiver<WorkerEvent>) {
    worker_on(vec![LOOPBACK])
}

/// Waits for the worker to be where the caller wants it.
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !reached() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn next(events: &mut EventReceiver<WorkerEvent>) -> WorkerEvent {
    let mut event = None;
    until("an event comes", || {
        event = events.try_recv().ok();
        event.is_some()
    });
    event.unwrap()
}

fn peer(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

fn opus(ssrc: u32) -> starling_proto::RtpParameters {
    serde_json::from_value(json!({
        "codecs": [{
            "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2,
            "parameters": {}, "rtcpFeedback": []
        }],
        "headerExtensions": [],
        "encodings": [{ "ssrc": ssrc }],
        "rtcp": { "cname": "x", "reducedSize": true }
    }))
    .unwrap()
}

fn plain(transport: u64, sockets: PlainSockets, comedia: bool) -> Command {
    Command::AddPlain {
        transport: TransportKey(transport),
        rtp: sockets.rtp.0,
        rtcp: None,
        comedia,
        srtp: false,
    }
}

fn produce(transport: u64, ssrc: u32) -> Command {
    let mapping = json!({
        "codecs": [{ "payloadType": 100, "mappedPayloadType": 100 }],
        "encodings": [{ "ssrc": ssrc, "mappedSsrc": 2222 }]
    });
    Command::Produce {
        transport: TransportKey(transport),
        producer: ProducerKey(1),
        params: Box::new(ProducerParams {
            kind: MediaKind::Audio,
            rtp: opus(ssrc),
            mapping: serde_json::from_value(mapping).unwrap(),
            paused: false,
            encrypted: false,
            key_frame_delay: Duration::ZERO,
        }),
    }
}

fn consume(transport: u64, ssrc: u32, rtp_type: RtpType) -> Command {
    Command::Consume {
        transport: TransportKey(transport),
        consumer: ConsumerKey(1),
        producer: ProducerKey(1),
        params: Box::new(ConsumerParams {
            kind: MediaKind::Audio,
            rtp: opus(ssrc),
            rtp_type,
            paused: false,
            preferred: None,
            pipe_layers: 1,
            encrypted: false,
            ignore_dtx: false,
        }),
    }
}

/// A producer on one plain transport and a consumer on another; returns the producer's socket.
fn forward(worker: &WorkerHandle, to: SocketAddr) -> SocketAddr {
    let (into, out) = (worker.bind_plain(false).unwrap(), worker.bind_plain(false).unwrap());
    for command in [
        plain(1, into, true),
        plain(2, out, false),
        Command::ConnectPlain { transport: TransportKey(2), rtp: to, rtcp: None },
        produce(1, 1111),
        consume(2, 3333, RtpType::Simple),
    ] {
        assert!(worker.command(command));
    }
    into.rtp.1
}

fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 100];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 960).to_be_bytes());
    packet.extend(1111u32.to_be_bytes());
    packet.extend([0xf8, 0xff, 0xfe, 7]);
    packet
}

/// Receives until a packet of the consumer's stream comes.
fn forwarded(peer: &UdpSocket) -> Vec<u8> {
    let mut buf = [0; 2048];
    loop {
        let (len, _) = peer.recv_from(&mut buf).expect("the packet is forwarded");
        if buf[8..12] == 3333u32.to_be_bytes() && !matches!(buf[1], 192..=223) {
            return buf[..len].to_vec();
        }
    }
}

#[test]
fn plain_rtp_goes_through() {
    let (worker, _events) = worker();
    let (sender, receiver) = (peer(LOOPBACK), peer(LOOPBACK));
    let into = forward(&worker, receiver.local_addr().unwrap());
    for sequence in 1..=5 {
        sender.send_to(&rtp(sequence), into).unwrap();
        let packet = forwarded(&receiver);
        assert_eq!(packet[12..], [0xf8, 0xff, 0xfe, 7]);
    }
    until("counters are published", || worker.counters().plane.rtp_forwarded >= 5);
    let counters = worker.counters();
    assert_eq!(counters.plain_sockets, 2);
    assert_eq!(counters.commands, 5);
    assert!(counters.sockets.datagrams_received >= 5);
    assert!(counters.cpu > Duration::ZERO);
}

#[test]
fn plain_rtp_goes_through_over_ipv6() {
    let ip: IpAddr = "::1".parse().unwrap();
    let (worker, _events) = worker_on(vec![ip]);
    assert_eq!(worker.local_addrs()[0].0, SocketId(1));
    let (sender, receiver) = (peer(ip), peer(ip));
    let into = forward(&worker, receiver.local_addr().unwrap());
    sender.send_to(&rtp(1), into).unwrap();
    forwarded(&receiver);
}

#[test]
fn a_burst_longer_than_a_batch_is_taken_without_another_datagram_to_report_it() {
    const BURST: u16 = 5 * socket::RECEIVE_SLOTS as u16;
    let (worker, _events) = worker();
    let receiver = peer(LOOPBACK);
    let to = forward(&worker, receiver.local_addr().unwrap());
    let sender = peer(LOOPBACK);
    let (go, wait) = mpsc::channel::<()>();
    worker.run_inside(move || {
        let _ = wait.recv_timeout(SOON);
    });
    for sequence in 0..BURST {
        sender.send_to(&rtp(sequence), to).unwrap();
    }
    go.send(()).unwrap();
    for _ in 0..BURST {
        forwarded(&receiver);
    }
}

#[test]
fn a_pipe_carries_packets_to_another_worker() {
    let ((near, _near_events), (far, _far_events)) = (worker(), worker());
    let (sender, receiver) = (peer(LOOPBACK), peer(LOOPBACK));
    let (into, out) = (near.bind_plain(false).unwrap(), far.bind_plain(false).unwrap());
    let pipe = || Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(4) };
    let to = receiver.local_addr().unwrap();
    far.set_pipe_out(PipeKey(4), PipeOut::Worker(near.pipe_sink(PipeKey(4))));
    for command in [
        pipe(),
        produce(9, 2222),
        plain(2, out, false),
        Command::ConnectPlain { transport: TransportKey(2), rtp: to, rtcp: None },
        consume(2, 3333, RtpType::Simple),
    ] {
        assert!(far.command(command));
    }
    near.set_pipe_out(PipeKey(4), PipeOut::Worker(far.pipe_sink(PipeKey(4))));
    for command in [plain(1, into, true), produce(1, 1111), pipe(), consume(9, 2222, RtpType::Pipe)]
    {
        assert!(near.command(command));
    }
    sender.send_to(&rtp(1), into.rtp.1).unwrap();
    assert_eq!(forwarded(&receiver)[12..], [0xf8, 0xff, 0xfe, 7]);
    near.clear_pipe_out(PipeKey(4));
    sender.send_to(&rtp(2), into.rtp.1).unwrap();
    until("what has no way out is counted", || near.counters().piped_lost > 0);
}

#[test]
fn a_worker_listens_on_both_families_but_once_on_each() {
    let (worker, _events) = worker_on(vec![LOOPBACK, "::1".parse().unwrap()]);
    let ids: Vec<_> = worker.local_addrs().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [SocketId(0), SocketId(1)]);
    for listen in [vec![], vec![LOOPBACK, "127.0.0.2".parse().unwrap()]] {
        let (sink, _events) = EventSink::channel();
        let refused = Worker::spawn(WorkerConfig::new(0, listen, 0), sink);
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn commands_beyond_the_queue_are_refused() {
    let (worker, _events) = worker();
    let (release, held) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    worker.run_inside(move || {
        entered.send(()).unwrap();
        let _ = held.recv();
    });
    inside.recv().unwrap();
    let command = || Command::RemoveTransport { transport: TransportKey(9) };
    let taken = (0..MAX_COMMANDS + 10).filter(|_| worker.command(command())).count();
    assert_eq!(taken, MAX_COMMANDS);
    assert_eq!(worker.counters().commands_refused, 10);
    drop(release);
    until("all are carried out", || worker.counters().commands == MAX_COMMANDS as u64);
    assert!(worker.command(command()));
}

#[test]
fn a_panic_ends_the_worker_and_is_reported() {
    let (other, _other_events) = worker();
    let (worker, mut events) = worker();
    let addr = worker.local_addrs()[0].1;
    assert!(worker.run_inside(|| panic!("failpoint")));
    let died = loop {
        if let WorkerEvent::Died(reason) = next(&mut events) {
            break reason;
        }
    };
    assert!(died.contains("failpoint"), "{died}");
    assert!(worker.is_dead());
    assert!(!worker.command(Command::RemoveTransport { transport: TransportKey(1) }));
    assert_eq!(worker.bind_plain(false).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    until("the channel ends", || events.is_closed() && events.try_recv().is_err());
    drop(UdpSocket::bind(addr).expect("its port is free when its death is known"));
    assert!(other.run_inside(|| {}), "the others notice nothing");
    assert!(!other.is_dead());
}

#[test]
fn the_last_handle_stops_the_thread() {
    let (worker, mut events) = worker();
    let clone = worker.clone();
    drop(worker);
    assert!(!clone.is_dead());
    drop(clone);
    until("the channel closes", || {
        matches!(events.try_recv(), Err(tokio::sync::mpsc::error::TryRecvError::Disconnected))
    });
}

#[test]
fn a_command_wakes_a_sleeping_worker() {
    let (worker, _events) = worker();
    let mut worst = Duration::ZERO;
    let mut all = vec![];
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(2));
        let (sender, receiver) = mpsc::channel();
        let asked = Instant::now();
        worker.run_inside(move || sender.send(asked.elapsed()).unwrap());
        let latency = receiver.recv_timeout(SOON).unwrap();
        worst = worst.max(latency);
        all.push(latency);
    }
    all.sort();
    eprintln!("wake p50 {:?}, max {worst:?}", all[25]);
    assert!(all[25] < Duration::from_millis(100), "it slept on: {:?}", all[25]);
}

#[test]
fn facts_come_out_in_batches() {
    let (worker, mut events) = worker();
    for token in 0..3 {
        worker.command(Command::CollectStats { token, of: StatsOf::Producer(ProducerKey(5)) });
    }
    let mut tokens = vec![];
    while tokens.len() < 3 {
        let WorkerEvent::Facts(batch) = next(&mut events) else { panic!("it died") };
        tokens.extend(batch.into_iter().map(|event| match event {
            Event::Stats { token, .. } => token,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(tokens, [0, 1, 2]);
}

#[test]
fn released_sockets_are_closed() {
    let (worker, _events) = worker();
    let sockets = worker.bind_plain(true).unwrap();
    assert!(sockets.rtp.0.0 >= 2);
    let rtcp = sockets.rtcp.unwrap();
    assert_eq!(rtcp.1.port(), sockets.rtp.1.port() + 1);
    until("both are there", || worker.counters().plain_sockets == 2);
    worker.release_plain(sockets.rtp.0);
    worker.release_plain(rtcp.0);
    until("both are closed", || UdpSocket::bind(rtcp.1).is_ok());
    until("none is counted", || worker.counters().plain_sockets == 0);
}

#[test]
fn plain_sockets_are_bounded() {
    let (worker, _events) = worker();
    let mut bound = 0;
    let error = loop {
        match worker.bind_plain(true) {
            Ok(_) => bound += 2,
            Err(error) => break error,
        }
    };
    if error.kind() == io::ErrorKind::QuotaExceeded {
        assert_eq!(bound, MAX_PLAIN_SOCKETS);
    } else {
        assert!(bound > 0, "{error}: the machine's limit is lower");
    }
}

#[test]
fn a_full_way_in_drops_and_counts() {
    let (worker, _events) = worker();
    let sink: Arc<dyn PacketSink> = worker.pipe_sink(PipeKey(1));
    let (release, held) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    worker.run_inside(move || {
        entered.send(()).unwrap();
        let _ = held.recv();
    });
    inside.recv().unwrap();
    for _ in 0..8_192 + 7 {
        sink.deliver(Bytes::from_static(&[0x80, 100, 0, 0]));
    }
    assert_eq!(worker.counters().pipe_dropped, 7);
    drop(release);
    let sink = worker.pipe_sink(PipeKey(1));
    until("the worker takes them", || sink.push(&[0x80, 100, 0, 0]));
}

fn sockets(ip: &str) -> (Socket, Socket, SocketAddr) {
    let bind = || Socket::bind(SocketAddr::new(ip.parse().unwrap(), 0), 4 << 20).unwrap();
    let (one, two) = (bind(), bind());
    let to = two.local_addr().unwrap();
    (one, two, to)
}

fn receive_all(socket: &Socket, count: usize) -> (Vec<(SocketAddr, Vec<u8>)>, SocketCounters) {
    let mut receiver = Receiver::new();
    let mut counters = SocketCounters::default();
    let mut got = vec![];
    until("all arrive", || {
        receiver.receive(socket, &mut counters);
        receiver.drain(|from, datagram| got.push((from, datagram.unwrap().to_vec())));
        counters.datagrams_received = got.len() as u64;
        got.len() >= count
    });
    (got, counters)
}

#[test]
fn a_run_is_one_message_each_way() {
    for ip in ["127.0.0.1", "::1"] {
        let (mut one, two, to) = sockets(ip);
        let bytes: Vec<u8> =
            (0..10u8).flat_map(|n| vec![n; if n == 9 { 400 } else { 1_100 }]).collect();
        let run = Run { socket: SocketId(0), to, bytes: 0..bytes.len(), segment: 1_100 };
        let mut counters = SocketCounters::default();
        Sender::new().send(&mut one, &bytes, &[run], &mut counters);
        assert_eq!((counters.send_calls, counters.messages_sent), (1, 1));
        assert_eq!(counters.datagrams_sent, 10);
        let (got, received) = receive_all(&two, 10);
        let from = one.local_addr().unwrap();
        for (n, (source, datagram)) in got.iter().enumerate() {
            assert_eq!(*source, from);
            assert_eq!(*datagram, vec![n as u8; if n == 9 { 400 } else { 1_100 }]);
        }
        assert_eq!((received.messages_received, received.datagrams_received), (1, 10));
    }
}

#[test]
fn many_runs_are_few_calls_and_a_socket_without_gso_sends_them_too() {
    let (mut one, two, to) = sockets("127.0.0.1");
    let bytes = vec![7; 100 * 300];
    let run =
        |n: usize| Run { socket: SocketId(0), to, bytes: n * 300..(n + 1) * 300, segment: 100 };
    let runs: Vec<Run> = (0..100).map(run).collect();
    let mut counters = SocketCounters::default();
    let mut sender = Sender::new();
    sender.send(&mut one, &bytes, &runs, &mut counters);
    assert_eq!((counters.send_calls, counters.datagrams_sent), (2, 300));
    one.refuse_gso();
    sender.send(&mut one, &bytes, &runs, &mut counters);
    assert_eq!((counters.send_calls, counters.datagrams_sent), (2 + 5, 600));
    assert_eq!(receive_all(&two, 600).0.len(), 600);
}

#[test]
fn what_the_kernel_refuses_does_not_stop_the_rest() {
    let (mut one, two, to) = sockets("127.0.0.1");
    let bytes = vec![7; 3_000];
    let run = |to, segment| Run { socket: SocketId(0), to, bytes: 0..3_000, segment };
    let runs = [
        run(to, 1_000),
        run("[::1]:9".parse().unwrap(), 1_000),
        run("127.0.0.1:0".parse().unwrap(), 1_500),
        run(to, 3_000),
    ];
    let mut counters = SocketCounters::default();
    Sender::new().send(&mut one, &bytes, &runs, &mut counters);
    assert_eq!(counters.datagrams_sent, 4);
    assert_eq!(counters.send_errors, 3 + 2);
    assert_eq!(receive_all(&two, 4).0.len(), 4);
}
