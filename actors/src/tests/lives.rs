//! Lives of a node: those that are over stay over, whatever comes back of them, and links that are
//! bad end none.

use std::time::Duration;

use starling_cluster::registry::memory::MemoryRegistry;

use super::{
    rtp::{Camera, Viewer},
    wire::{Path, Wire},
    world::{Client, World, all_zero, linked, metric, peer, room, until},
};

/// Of leases and of lost peers' places: short, so that tests see their end.
const SOON: Duration = Duration::from_secs(1);

fn world() -> World {
    let registry = MemoryRegistry::with_ttl(SOON);
    World { registry, resume_within: SOON, ..World::new() }
}

/// Nodes n1 and n2; the one dials the other over the wire.
async fn over_a_wire(world: &mut World) -> (crate::Node, crate::Node, Wire) {
    let one = world.node("n1").await;
    let listen = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let wire = Wire::to(listen, Path::default()).await;
    (world.link_listen, world.link_announced) = (Some(listen), Some(wire.addr()));
    let two = world.node("n2").await;
    (world.link_listen, world.link_announced) = (None, None);
    (one, two, wire)
}

async fn names(node: &crate::Node) -> Vec<String> {
    let peers = node.peers(&room()).await.unwrap_or_default();
    peers.iter().map(|info| info.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_given_up_begins_a_new_life_without_its_old_peers() {
    let mut world = world();
    let (one, two, wire) = over_a_wire(&mut world).await;
    linked(&[&one, &two]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let bob = Client::join(&two, "bob", None).await;
    until("they meet", async || names(&two).await == ["ann", "bob"]).await;
    let before = one.epoch();

    // As if it had been stopped for long: no lease, no link.
    world.registry.set_node_available(one.id(), false);
    until("it knows", async || metric(&one, "starling_registry_available").await == 0.0).await;
    tokio::time::sleep(SOON * 2).await;
    wire.cut(true);
    until("ann is forgotten", async || names(&two).await == ["bob"]).await;

    // And on again: it is told, and its sessions end before anybody hears of them.
    wire.cut(false);
    world.registry.set_node_available(one.id(), true);
    ann.until("her session ends", |ann| ann.closed.is_some()).await;
    assert_eq!(ann.closed.as_ref().map(|(code, _)| *code), Some(4001), "{:?}", ann.closed);
    until("the new life is linked", async || {
        let infos = two.nodes().await;
        infos.iter().any(|info| info.linked && info.epoch > before)
    })
    .await;
    assert!(one.epoch() > before);
    assert_eq!(names(&two).await, ["bob"]);
    assert_eq!(metric(&one, "starling_lives_renewed_total").await, 1.0);
    assert!(metric(&two, "starling_epochs_refused_total").await >= 1.0);

    let again = Client::join(&one, "ann", Some(ann.ticket())).await;
    until("she is back", async || names(&two).await == ["ann", "bob"]).await;
    drop((again, bob));
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_that_flap_end_no_life_while_the_links_are_up() {
    let world = world();
    let [one, two] = world.nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    let before = one.epoch();
    for _ in 0..3 {
        world.registry.set_node_available(one.id(), false);
        until("it knows", async || metric(&one, "starling_registry_available").await == 0.0).await;
        tokio::time::sleep(SOON * 2).await;
        viewer.next(20).await;
        world.registry.set_node_available(one.id(), true);
        viewer.next(20).await;
    }
    assert_eq!(one.epoch(), before);
    assert_eq!(metric(&one, "starling_lives_renewed_total").await, 0.0);
    for (node, id) in [(&one, "cam"), (&two, "eye")] {
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_with_one_id_only_the_newer_is_heard() {
    let world = world();
    let [first, other] = world.nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&first, "ann", None).await;
    let bob = Client::join(&other, "bob", None).await;
    until("they meet", async || names(&other).await == ["ann", "bob"]).await;
    let second = world.node("n1").await;
    until("the newer one is linked", async || {
        let infos = other.nodes().await;
        infos.iter().any(|info| info.linked && info.epoch == second.epoch())
    })
    .await;
    ann.until("her session ends", |ann| ann.closed.is_some()).await;
    until("ann is forgotten", async || names(&other).await == ["bob"]).await;
    let refused = Client::open(&first, "eve", None).await.err().expect("it lets nobody in");
    assert_eq!(refused.code, starling_proto::Code::Draining);
    assert!(!first.readiness().await.ready);
    let eve = Client::join(&second, "eve", None).await;
    until("the newer one's peers are heard", async || names(&other).await == ["bob", "eve"]).await;
    drop((bob, eve));
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_behind_a_bad_link_stay_for_as_long_as_another_node_reaches_theirs() {
    let mut world = world();
    // n2 and n3 reach each other without the wire.
    let (one, two, wire) = over_a_wire(&mut world).await;
    let three = world.node("n3").await;
    linked(&[&one, &two, &three]).await;
    let ann = Client::join(&one, "ann", None).await;
    let bob = Client::join(&two, "bob", None).await;
    let eve = Client::join(&three, "eve", None).await;
    let all = ["ann", "bob", "eve"];
    for node in [&one, &two, &three] {
        until("all three see each other", async || names(node).await == all).await;
    }
    wire.cut(true);
    until("the link is down", async || {
        two.nodes().await.iter().filter(|info| info.linked).count() == 1
    })
    .await;
    // Longer than the place of a lost peer is kept.
    tokio::time::sleep(SOON * 3).await;
    for node in [&one, &two, &three] {
        assert_eq!(names(node).await, all, "{}", node.id());
    }
    assert!(metric(&one, "starling_link_verdicts_total").await >= 1.0);
    // Who comes and goes behind the cut is heard of by way of the third node.
    let dan = Client::join(&two, "dan", None).await;
    for node in [&one, &three] {
        until("dan is seen", async || names(node).await == ["ann", "bob", "dan", "eve"]).await;
    }
    drop(bob);
    for node in [&one, &three] {
        until("bob is not", async || names(node).await == ["ann", "dan", "eve"]).await;
    }
    // Ann's other device comes back there: the session here is over.
    let mut ann = ann;
    let again = Client::join(&two, "ann", Some(ann.ticket())).await;
    ann.until("her session ends", |ann| ann.closed.is_some()).await;
    assert_eq!(two.nodes().await.iter().filter(|info| info.linked).count(), 1, "cut all the time");
    wire.cut(false);
    linked(&[&one, &two, &three]).await;
    for node in [&one, &two, &three] {
        until("all see the same", async || names(node).await == ["ann", "dan", "eve"]).await;
    }
    drop((again, ann, dan, eve));
    all_zero(&[&one, &two, &three]).await;
}
