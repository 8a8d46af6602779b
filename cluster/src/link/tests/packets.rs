//! Packets of all sizes, in all circumstances.

use std::time::Instant;

use super::{
    wire::{Path, Wire},
    *,
};

/// Two linked nodes with a path between them; the wire must be kept.
async fn across(path: Path, congestion: Congestion) -> (Wire, [Node; 2], [Arc<dyn Link>; 2]) {
    let ca = ca();
    let mut a = Node::from(LinkConfig { congestion, ..config(&ca, "a", 1) });
    let mut b = Node::from(LinkConfig { congestion, ..config(&ca, "b", 1) });
    let wire = Wire::to(b.endpoint.local_addr(), path).await;
    b.wants(&[&a]);
    a.endpoint.set_targets(vec![target("b", 1, wire.addr())]);
    let links = [a.up().await, b.up().await];
    (wire, [a, b], links)
}

/// A packet that can be told from others of its length.
fn numbered(n: u32, len: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..len).map(|i| (i as u32 ^ n) as u8).collect();
    packet[..4].copy_from_slice(&n.to_be_bytes());
    packet
}

#[tokio::test]
async fn packets_of_chrome_soon_fit_one_datagram() {
    let path = Path { delay: Duration::from_millis(20), ..Path::default() };
    let (_wire, _nodes, [to_b, _]) = across(path, Congestion::Steady).await;
    let up = Instant::now();
    while to_b.counters().max_datagram < 1_204 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(up.elapsed() < Duration::from_millis(300), "{:?}", to_b.counters());
    }
}

#[tokio::test]
async fn packets_above_the_path_are_split_and_joined() {
    let path = Path { largest: 1_232, ..Path::default() };
    let (_wire, _nodes, [to_b, to_a]) = across(path, Congestion::Steady).await;
    let mut flow = open(&to_a, 4);
    for n in 0..50 {
        assert!(to_b.send_packet(FlowId(4), PacketClass::Video, 0, &numbered(n, 1_400)));
    }
    for n in 0..50 {
        assert_eq!(packet(&mut flow).await, numbered(n, 1_400));
    }
    assert_eq!((to_b.counters().split, to_b.counters().packets_out), (50, 50));
    assert_eq!(to_a.counters().packets_in, 50);
    assert_eq!(to_a.counters().bytes_in, 50 * 1_400);
    assert!(to_b.send_packet(FlowId(4), PacketClass::Video, 0, &numbered(99, MAX_PACKET)));
    assert_eq!(packet(&mut flow).await, numbered(99, MAX_PACKET));
    assert!(!to_b.send_packet(FlowId(4), PacketClass::Video, 0, &numbered(99, MAX_PACKET + 1)));
    assert_eq!(to_b.counters().oversize, 1);
}

#[tokio::test]
async fn packets_of_flows_nobody_opened_are_counted_and_dropped() {
    let (_a, _b, to_b, to_a) = pair(&ca()).await;
    let mut flow = open(&to_a, 2);
    to_a.open_flow(FlowId(4), Arc::new(Sink(mpsc::unbounded_channel().0)));
    to_a.close_flow(FlowId(4));
    to_b.send_packet(FlowId(4), PacketClass::Audio, 0, b"closed");
    to_b.send_packet(FlowId(2), PacketClass::Video, 0, b"open");
    assert_eq!(packet(&mut flow).await, &b"open"[..]);
    assert_eq!(to_a.counters().unknown_flow, 1);
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order() {
    let (_a, _b, to_b, to_a) = pair(&ca()).await;
    let mut flow = open(&to_a, 2);
    for n in 0..500 {
        to_b.send_packet(FlowId(2), PacketClass::Video, 0, &numbered(n, 1_200));
    }
    for n in 0..500 {
        assert_eq!(packet(&mut flow).await, numbered(n, 1_200));
    }
    let counters = to_b.counters();
    assert_eq!((counters.shed_video, counters.packets_out), (0, 500));
}

/// Says how late each packet is that carries the microseconds since `start`.
struct Stamping {
    start: Instant,
    late: mpsc::UnboundedSender<Duration>,
}

impl PacketSink for Stamping {
    fn deliver(&self, packet: Bytes) {
        let sent = u32::from_be_bytes(*packet.first_chunk().unwrap());
        let late = self.start.elapsed().saturating_sub(Duration::from_micros(sent.into()));
        let _ = self.late.send(late);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_too_thin_sheds_video_and_carries_audio_and_messages() {
    // 16 KiB in flight at 40 ms: 3.3 Mbit/s, for 12 Mbit/s of video.
    let path = Path { delay: Duration::from_millis(20), ..Path::default() };
    let thin = Congestion::Capped(16 * 1024);
    let (_wire, [_a, mut b], [to_b, to_a]) = across(path, thin).await;
    let mut video = open(&to_a, 2);
    let start = Instant::now();
    let (stamped, mut audio) = mpsc::unbounded_channel();
    to_a.open_flow(FlowId(4), Arc::new(Stamping { start, late: stamped }));
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for turn in 0..50u32 {
        clock.tick().await;
        for n in 0..25 {
            to_b.send_packet(FlowId(2), PacketClass::Video, 0, &numbered(turn * 25 + n, 1_200));
        }
        let sent = start.elapsed().as_micros() as u32;
        to_b.send_packet(FlowId(4), PacketClass::Audio, 0, &numbered(sent, 120));
        to_b.send(room("x"));
    }
    for _ in 0..50 {
        let late = timeout(PATIENCE, audio.recv()).await.unwrap().unwrap();
        // The path, and what QUIC holds already (70 ms of this path); video waits 200 ms more.
        assert!(late < Duration::from_millis(230), "{late:?}");
    }
    for _ in 0..50 {
        b.message().await;
    }
    assert!(start.elapsed() < Duration::from_secs(2), "messages took {:?}", start.elapsed());
    let counters = to_b.counters();
    assert_eq!((counters.shed_audio, counters.shed_control), (0, 0));
    assert!(counters.shed_video > 500, "{counters:?}");
    let mut arrived = 0;
    while video.try_recv().is_ok() {
        arrived += 1;
    }
    assert!(arrived > 100, "{arrived}");
}
