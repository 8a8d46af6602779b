//! Links that end, and come back.

use std::time::Instant;

use tokio::runtime::Builder;

use super::{
    wire::{Path, Wire},
    *,
};

/// From the last sign of life to `Down`: the idle timeout, counted from a keep-alive, and a busy
/// machine.
const NOTICED: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn a_killed_node_is_noticed_and_its_next_life_is_linked() {
    let ca = ca();
    let mut a = Node::new(&ca, "a", 1);
    // Its own runtime, so that it can die without a word.
    let other = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut b = {
        let _inside = other.enter();
        Node::new(&ca, "b", 7)
    };
    b.wants(&[&a]);
    a.wants(&[&b]);
    assert_eq!(a.up().await.epoch(), 7);
    b.up().await;

    let killed = Instant::now();
    other.shutdown_background();
    let (node, epoch, reason) = a.down().await;
    assert_eq!((node, epoch, &*reason), (id("b"), 7, "silent for too long"));
    assert!(killed.elapsed() < NOTICED, "{:?}", killed.elapsed());

    let addr = b.endpoint.local_addr();
    drop(b);
    let mut b = Node::from(LinkConfig { listen: addr, ..config(&ca, "b", 8) });
    b.wants(&[&a]);
    a.wants(&[&b]);
    assert_eq!((a.up().await.epoch(), b.up().await.epoch()), (8, 1));
}

#[tokio::test]
async fn a_new_life_replaces_a_link_that_has_not_noticed_yet() {
    let ca = ca();
    let (_a, mut b, _, _) = pair(&ca).await;
    let mut next = Node::new(&ca, "a", 2);
    next.wants(&[&b]);
    next.up().await;
    let (node, epoch, reason) = b.down().await;
    assert_eq!((node, epoch, &*reason), (id("a"), 1, "a newer connection replaces this one"));
    assert_eq!(b.up().await.epoch(), 2);
}

#[tokio::test]
async fn a_cut_path_is_noticed_by_both_and_healed() {
    let ca = ca();
    let (mut a, mut b) = (Node::new(&ca, "a", 1), Node::new(&ca, "b", 1));
    let wire = Wire::to(b.endpoint.local_addr(), Path::default()).await;
    b.wants(&[&a]);
    a.endpoint.set_targets(vec![target("b", 1, wire.addr())]);
    a.up().await;
    b.up().await;
    let cut = Instant::now();
    wire.cut(true);
    a.down().await;
    b.down().await;
    assert!(cut.elapsed() < NOTICED, "{:?}", cut.elapsed());
    assert!(wire.lost() > 0);
    wire.cut(false);
    a.up().await;
    b.up().await;
}

#[tokio::test]
async fn a_path_for_small_datagrams_only_is_found_out() {
    let ca = ca();
    let (mut a, mut b) = (Node::new(&ca, "a", 1), Node::new(&ca, "b", 1));
    let path = Path { largest: 1_232, ..Path::default() };
    let wire = Wire::to(b.endpoint.local_addr(), path).await;
    b.wants(&[&a]);
    a.endpoint.set_targets(vec![target("b", 1, wire.addr())]);
    a.up().await;
    b.up().await;
}

#[tokio::test]
async fn an_unwanted_node_loses_its_link_and_is_not_dialled() {
    let (mut a, mut b, to_b, _) = pair(&ca()).await;
    a.endpoint.set_targets(Vec::new());
    assert_eq!(a.down().await.2, "the node is not wanted here");
    assert_eq!(b.down().await.2, "the other side says: the node is not wanted here");
    assert!(!to_b.send(room("x")));
    assert!(!to_b.send_packet(FlowId(0), PacketClass::Audio, 0, b"x"));
    a.wants(&[&b]);
    a.up().await;
    b.up().await;
}

#[tokio::test]
async fn both_may_shut_down_at_once() {
    let (mut a, mut b, _, _) = pair(&ca()).await;
    let started = Instant::now();
    tokio::join!(a.endpoint.shutdown(), b.endpoint.shutdown());
    assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
    a.down().await;
    b.down().await;
    assert!(a.events.recv().await.is_none() && b.events.recv().await.is_none());
}

#[tokio::test]
async fn a_dropped_endpoint_says_goodbye() {
    let (a, mut b, _, _) = pair(&ca()).await;
    let dropped = Instant::now();
    drop(a);
    assert_eq!(b.down().await.2, "the other side says: the node shuts down");
    assert!(dropped.elapsed() < Duration::from_millis(500), "{:?}", dropped.elapsed());
}

#[tokio::test]
async fn a_link_whose_messages_pile_up_is_closed() {
    let ca = ca();
    let (mut a, mut b) = (Node::new(&ca, "a", 1), Node::new(&ca, "b", 1));
    let wire = Wire::to(b.endpoint.local_addr(), Path::default()).await;
    b.wants(&[&a]);
    a.endpoint.set_targets(vec![target("b", 1, wire.addr())]);
    let link = a.up().await;
    b.up().await;
    wire.cut(true);
    let many = LinkMessage::Rooms(vec![RoomId::parse(&"r".repeat(64)).unwrap(); 100]);
    while link.send(many.clone()) {}
    assert_eq!(a.down().await.2, "control messages pile up");
}
