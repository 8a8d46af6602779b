//! What links that fall silent are taken for, by real endpoints.

use std::time::Instant;

use tokio::runtime::Builder;

use super::{
    wire::{Path, Wire},
    *,
};
use crate::decide::liveness::Verdict;

/// From the last sign of life to the verdict: a second, and a busy machine.
const JUDGED: Duration = Duration::from_millis(1_300);

impl Node {
    /// The next end of a link, or change of mind, and what it means.
    async fn verdict(&mut self) -> (NodeId, Verdict) {
        loop {
            match self.event().await {
                LinkEvent::Down { node, verdict, .. } => return (node, verdict),
                LinkEvent::Verdict { node, verdict, .. } => return (node, verdict),
                _ => {}
            }
        }
    }
}

impl Node {
    fn no_verdict(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            let judged = matches!(event, LinkEvent::Down { .. } | LinkEvent::Verdict { .. });
            assert!(!judged, "{}: {event:?}", self.name);
        }
    }
}

/// a, b and c, all linked; a reaches b over a wire.
async fn three(ca: &DevCa) -> ([Node; 3], Wire) {
    let mut nodes = ["a", "b", "c"].map(|name| Node::new(ca, name, 1));
    let wire = Wire::to(nodes[1].endpoint.local_addr(), Path::default()).await;
    let targets: Vec<Target> = nodes.iter().map(Node::target).collect();
    for node in &nodes[1..] {
        node.endpoint.set_targets(targets.clone());
    }
    let over_wire = target("b", 1, wire.addr());
    nodes[0].endpoint.set_targets(vec![over_wire, nodes[2].target()]);
    for node in &mut nodes {
        node.up().await;
        node.up().await;
    }
    // Each has been watched for a while.
    tokio::time::sleep(Duration::from_millis(300)).await;
    (nodes, wire)
}

#[tokio::test]
async fn a_cut_between_two_nodes_that_a_third_reaches_is_the_links_fault() {
    let ([mut a, mut b, mut c], wire) = three(&ca()).await;
    let cut = Instant::now();
    wire.cut(true);
    let (at_a, at_b) = tokio::join!(a.verdict(), b.verdict());
    assert!(cut.elapsed() < JUDGED, "{:?}", cut.elapsed());
    assert_eq!((at_a, at_b), ((id("b"), Verdict::Link), (id("a"), Verdict::Link)));
    tokio::time::sleep(Duration::from_secs(2)).await;
    for node in [&mut a, &mut b, &mut c] {
        node.no_verdict();
    }
    wire.cut(false);
    assert_eq!((a.up().await.node(), b.up().await.node()), (&id("b"), &id("a")));
    assert!(a.endpoint.liveness().asked > 0 && a.endpoint.liveness().probes > 0);
}

#[tokio::test]
async fn a_cut_of_one_way_is_noticed_by_both_as_fast() {
    let ([mut a, mut b, _c], wire) = three(&ca()).await;
    let cut = Instant::now();
    wire.cut_back(true);
    let (at_a, at_b) = tokio::join!(a.verdict(), b.verdict());
    assert!(cut.elapsed() < JUDGED, "{:?}", cut.elapsed());
    assert_eq!((at_a, at_b), ((id("b"), Verdict::Link), (id("a"), Verdict::Link)));
    wire.cut_back(false);
    a.up().await;
    b.up().await;
}

#[tokio::test]
async fn a_node_that_nobody_reaches_is_dead_within_a_second_for_everybody() {
    let ca = ca();
    let (mut a, mut c) = (Node::new(&ca, "a", 1), Node::new(&ca, "c", 1));
    let other = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut b = {
        let _inside = other.enter();
        Node::new(&ca, "b", 1)
    };
    let targets = vec![a.target(), b.target(), c.target()];
    for node in [&a, &b, &c] {
        node.endpoint.set_targets(targets.clone());
    }
    for node in [&mut a, &mut b, &mut c] {
        node.up().await;
        node.up().await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let killed = Instant::now();
    other.shutdown_background();
    let (at_a, at_c) = tokio::join!(a.verdict(), c.verdict());
    assert!(killed.elapsed() < JUDGED, "{:?}", killed.elapsed());
    assert_eq!((at_a, at_c), ((id("b"), Verdict::Node), (id("b"), Verdict::Node)));
}

#[tokio::test]
async fn who_was_vouched_for_and_dies_is_dead_when_nobody_vouches_any_more() {
    let ([mut a, b, mut c], wire) = three(&ca()).await;
    wire.cut(true);
    assert_eq!(a.verdict().await, (id("b"), Verdict::Link));
    b.endpoint.shutdown().await;
    assert_eq!(c.verdict().await, (id("b"), Verdict::Node), "it said goodbye there");
    let left = Instant::now();
    assert_eq!(a.verdict().await, (id("b"), Verdict::Node));
    assert!(left.elapsed() < Duration::from_millis(4_500), "{:?}", left.elapsed());
}

#[tokio::test]
async fn a_node_whose_life_is_over_is_told_so_and_welcome_in_the_next() {
    let ca = ca();
    let (mut a, mut b) = (Node::new(&ca, "a", 1), Node::new(&ca, "b", 1));
    b.wants(&[&a]);
    a.endpoint.set_targets(vec![Target { epoch: 2, ..b.target() }]);
    let over = async {
        loop {
            if let LinkEvent::Over { by, epoch, reason } = b.event().await {
                return (by, epoch, reason);
            }
        }
    };
    let (by, epoch, reason) = timeout(PATIENCE, over).await.expect("it is told");
    assert_eq!((by, epoch), (id("a"), 1));
    assert_eq!(reason, "the other side says: epoch 1 is over, 2 is known");
    assert!(a.endpoint.stale_refused() > 0);
    b.endpoint.set_epoch(3);
    assert_eq!(a.up().await.epoch(), 3);
}
