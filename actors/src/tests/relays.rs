//! Rooms over regions: a stream enters a region once, and the node that it enters by passes it on.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use starling_cluster::decide::tree::{FAN_OUT, Place, Tree};
use starling_proto::{NodeId, ProducerId, link::VERSION_MAX};

use super::{
    rtp::{Camera, Viewer},
    world::{World, all_zero, linked, metric, peer, room, until},
};
use crate::Node;

/// Nodes as the tree of a producer of `eu-1` has them.
fn tree(producer: &ProducerId, nodes: &[&str]) -> Tree {
    let place = |id: &&str| {
        let region = id.split_once('-').unwrap().0.to_owned();
        (id.parse().unwrap(), Place { region, leaving: false })
    };
    let places: BTreeMap<NodeId, _> = nodes.iter().map(place).collect();
    Tree::grow(producer, &"eu-1".parse().unwrap(), &places, FAN_OUT)
}

/// The node of the other region that pulls across.
fn head<'a>(producer: &ProducerId, nodes: &[&'a str]) -> &'a str {
    let tree = tree(producer, nodes);
    let across = |id: &&&str| {
        !id.starts_with("eu") && tree.parent(&id.parse().unwrap()) == Some(&"eu-1".parse().unwrap())
    };
    nodes.iter().find(across).unwrap()
}

/// How many flows a node serves: a publisher's node without consumers of its own has no others.
async fn serves(node: &Node, count: f64) {
    let what = format!("{} has {count} consumers", node.id());
    until(&what, async || metric(node, "starling_consumers").await == count).await;
}

/// The one pipe to a node comes by this way, and goes on to so many others.
async fn comes_by(node: &Node, way: &[&str], others: usize) {
    let way: Vec<_> = way.iter().map(ToString::to_string).collect();
    until("the pipe is told of", async || {
        let pipes = node.pipes().await;
        let [pipe] = &pipes[..] else { return false };
        pipe.path.iter().map(ToString::to_string).eq(way.iter().cloned())
            && pipe.hops == way.len()
            && pipe.passed_on_to.len() == others
            && pipe.layers == [0]
            && pipe.packets > 20
    })
    .await;
}

const OVER: [&str; 3] = ["us-1", "us-2", "us-3"];
const ALL: [&str; 4] = ["eu-1", "us-1", "us-2", "us-3"];

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_enters_a_region_once_and_ends_with_its_last_viewer() {
    let world = World::new();
    let nodes = world.nodes(ALL).await;
    let camera = Camera::start(&nodes[0], "cam", 1).await;
    let mut viewers = Vec::new();
    for (node, id) in nodes[1..].iter().zip(OVER) {
        viewers.push(Viewer::start(node, id, &camera.producer, false).await);
    }
    for viewer in &viewers {
        viewer.first().await;
        viewer.next(20).await;
    }
    serves(&nodes[0], 1.0).await;
    let head = head(&camera.producer, &ALL);
    for (node, id) in nodes[1..].iter().zip(OVER) {
        serves(node, if id == head { 3.0 } else { 1.0 }).await;
    }
    for (node, id) in nodes[1..].iter().zip(OVER) {
        let way: &[&str] = if id == head { &["eu-1"] } else { &["eu-1", head] };
        comes_by(node, way, if id == head { 2 } else { 0 }).await;
        let links = node.links().await;
        assert_eq!(links.len(), 3);
        assert!(links.iter().any(|link| link.packets_received > 20 && link.rtt_ms > 0.0));
    }
    // A relay without viewers goes on for the others.
    let (at, _) = OVER.iter().enumerate().find(|(_, id)| **id == head).unwrap();
    let still = Viewer::start(&nodes[at + 1], "idle", &camera.producer, true).await;
    nodes[at + 1].remove_peer(&room(), &peer(head)).await.unwrap();
    for (viewer, _) in viewers.iter().zip(OVER).filter(|(_, id)| *id != head) {
        viewer.next(50).await;
        let asked = camera.key_frames_asked();
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        viewer.ask_for_key_frame(viewer.last().ssrc).await;
        until("the camera is asked over two links", async || camera.key_frames_asked() > asked)
            .await;
    }
    drop(still);
    for (node, id) in nodes[1..].iter().zip(OVER) {
        let id = if id == head { "idle" } else { id };
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
    serves(&nodes[0], 0.0).await;
    nodes[0].remove_peer(&room(), &peer("cam")).await.unwrap();
    camera.stop().await;
    all_zero(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_dies_costs_those_below_it_a_bounded_gap() {
    let world = World::new();
    let near = world.node("eu-1").await;
    let mut far = Vec::new();
    for id in OVER {
        far.push(world.island(id).await);
    }
    let all: Vec<_> = [&near].into_iter().chain(far.iter().map(|island| &island.node)).collect();
    linked(&all).await;
    let camera = Camera::start(&near, "cam", 1).await;
    let mut viewers = Vec::new();
    for island in &far {
        let id = island.node.id().to_string();
        viewers.push((id.clone(), Viewer::start(&island.node, &id, &camera.producer, false).await));
    }
    for (_, viewer) in &viewers {
        viewer.first().await;
        viewer.next(20).await;
    }
    let head = head(&camera.producer, &ALL);
    let at = far.iter().position(|island| island.node.id().to_string() == head).unwrap();
    viewers.retain(|(id, _)| id != head);
    // Who came before all nodes knew of the room pulled from the publisher's node at first.
    for island in far.iter().filter(|island| island.node.id().to_string() != head) {
        comes_by(&island.node, &["eu-1", head], 0).await;
    }
    for (_, viewer) in &viewers {
        viewer.forget_what_came().await;
    }
    let killed = Instant::now();
    far.remove(at).kill();
    let go_on = viewers.iter().map(async |(id, viewer)| {
        viewer.goes_on_to_key_frame().await;
        println!("{id} after {:?}", killed.elapsed());
    });
    futures::future::join_all(go_on).await;
    // A second until the link is known to be dead, and what a key frame takes on a busy machine.
    assert!(killed.elapsed() < Duration::from_secs(4), "{:?}", killed.elapsed());
    for (_, viewer) in &viewers {
        viewer.next(50).await;
    }
    serves(&near, 1.0).await;
    for island in &far {
        let id = peer(&island.node.id().to_string());
        island.node.remove_peer(&room(), &id).await.unwrap();
    }
    near.remove_peer(&room(), &peer("cam")).await.unwrap();
    camera.stop().await;
    all_zero(&[&near, &far[0].node, &far[1].node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_its_last_peer_leaves_goes_on_until_those_behind_it_have_another_way() {
    let nodes = World::new().nodes(ALL).await;
    let camera = Camera::start(&nodes[0], "cam", 1).await;
    let head = head(&camera.producer, &ALL);
    let (mut relay, mut viewers) = (None, Vec::new());
    for (node, id) in nodes[1..].iter().zip(OVER) {
        let viewer = Viewer::start(node, id, &camera.producer, false).await;
        viewer.first().await;
        match id == head {
            true => relay = Some(node),
            false => viewers.push((node, id, viewer)),
        }
    }
    for (node, ..) in &viewers {
        comes_by(node, &["eu-1", head], 0).await;
    }
    for (.., viewer) in &viewers {
        viewer.forget_what_came().await;
    }
    let before = camera.frames();
    relay.unwrap().remove_peer(&room(), &peer(head)).await.unwrap();
    // A room lingers for 3 s, and a tree is moved to after 2.
    let watched = viewers.iter().map(|(.., viewer)| viewer.watch(Duration::from_secs(6)));
    let watched = futures::future::join_all(watched).await;
    let frames = camera.frames() - before;
    println!("{frames} pictures, packets and longest interval: {watched:?}");
    until("the relay's room is closed", async || {
        metric(relay.unwrap(), "starling_rooms").await == 0.0
    })
    .await;
    for (packets, longest) in watched {
        // In two of ten runs 0.2 to 0.8 s are missing to one of them (docs/failure-model.md), in
        // the others nothing; without the relay it would be all from the third second on.
        assert!(packets + 100 >= frames, "{packets} of {frames}");
        assert!(longest < Duration::from_secs(1), "{longest:?}");
    }
    for (node, id, _) in viewers {
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
    nodes[0].remove_peer(&room(), &peer("cam")).await.unwrap();
    camera.stop().await;
    all_zero(&nodes.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_becomes_a_regions_head_takes_over_without_a_lasting_gap() {
    let world = World::new();
    let nodes = world.nodes(["eu-1", "us-1", "us-2"]).await;
    let camera = Camera::start(&nodes[0], "cam", 1).await;
    let mut viewers = Vec::new();
    for (node, id) in nodes[1..].iter().zip(["us-1", "us-2"]) {
        viewers.push(Viewer::start(node, id, &camera.producer, false).await);
    }
    for viewer in &viewers {
        viewer.first().await;
        viewer.next(20).await;
    }
    let names: Vec<_> = (3..200).map(|n| format!("us-{n}")).collect();
    let becomes_head =
        |name: &&String| head(&camera.producer, &["eu-1", "us-1", "us-2", name]) == name.as_str();
    let third = world.node(names.iter().find(becomes_head).unwrap()).await;
    linked(&[&nodes[0], &nodes[1], &nodes[2], &third]).await;
    let idle = Viewer::start(&third, "idle", &camera.producer, true).await;
    // Watched until the two others have moved, and for a second more.
    let mut longest = Duration::ZERO;
    let (begun, mut last, mut moved) = (Instant::now(), Instant::now(), None);
    while moved.is_none_or(|at: Instant| at.elapsed() < Duration::from_secs(1)) {
        assert!(begun.elapsed() < Duration::from_secs(10), "they never moved");
        viewers[0].first().await;
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if moved.is_none() && metric(&third, "starling_consumers").await == 3.0 {
            moved = Some(Instant::now());
        }
    }
    println!("moved after {:?}, longest gap {longest:?}", moved.unwrap() - begun);
    assert!(
        moved.unwrap() - begun >= Duration::from_millis(1_500),
        "what flows is not moved at once"
    );
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    serves(&nodes[0], 1.0).await;
    for viewer in &viewers {
        viewer.next(20).await;
    }
    drop(idle);
    for (node, id) in [(&nodes[1], "us-1"), (&nodes[2], "us-2"), (&third, "idle")] {
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
    nodes[0].remove_peer(&room(), &peer("cam")).await.unwrap();
    camera.stop().await;
    all_zero(&[&nodes[0], &nodes[1], &nodes[2], &third]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_moves_goes_on_in_the_same_stream_behind_a_relay() {
    let world = World::new();
    let dies = world.island("eu-1").await;
    let others = [world.node("eu-2").await, world.node("us-1").await, world.node("us-2").await];
    linked(&[&dies.node, &others[0], &others[1], &others[2]]).await;
    let camera = Camera::start(&dies.node, "cam", 1).await;
    // The room is to be there before the publisher comes.
    let first = Viewer::start(&others[0], "eye", &camera.producer, false).await;
    let mut viewers = vec![first];
    for (node, id) in others[1..].iter().zip(["us-1", "us-2"]) {
        viewers.push(Viewer::start(node, id, &camera.producer, false).await);
    }
    for viewer in &viewers {
        viewer.first().await;
        viewer.next(20).await;
    }
    dies.kill();
    camera.stop().await;
    until("cam is lost", async || {
        others[0].peers(&room()).await.unwrap().iter().any(|info| info.lost)
    })
    .await;
    let camera = Camera::start(&others[0], "cam", 1).await;
    for viewer in &viewers {
        viewer.goes_on_to_key_frame().await;
        viewer.next(20).await;
    }
    serves(&others[0], 2.0).await;
    for (node, id) in others.iter().zip(["eye", "us-1", "us-2"]) {
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
    others[0].remove_peer(&room(), &peer("cam")).await.unwrap();
    camera.stop().await;
    all_zero(&[&others[0], &others[1], &others[2]]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_who_come_at_once_cost_the_camera_few_key_frames() {
    let world = World::new();
    let nodes = world.nodes(ALL).await;
    let camera = Camera::start(&nodes[0], "cam", 3).await;
    let before = Viewer::start(&nodes[0], "before", &camera.producer, false).await;
    before.first().await;
    before.next(100).await;
    let (asked, begun) = (camera.key_frames_asked(), Instant::now());
    let come = (0..20).map(|n| {
        let (node, producer) = (&nodes[1 + n % 3], &camera.producer);
        async move {
            let viewer = Viewer::start(node, &format!("eye{n}"), producer, false).await;
            viewer.first().await;
            viewer
        }
    });
    let viewers = futures::future::join_all(come).await;
    tokio::time::sleep(Duration::from_secs(2).saturating_sub(begun.elapsed())).await;
    let seconds = begun.elapsed().as_secs_f64();
    let requests = camera.key_frames_asked() - asked;
    println!("{requests} requests in {seconds:.2} s");
    assert!(requests as f64 <= 2.0 * seconds.ceil(), "{requests} in {seconds:.2} s");
    drop(viewers);
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_of_an_older_release_pull_from_the_publishers_node() {
    let mut world = World::new();
    let near = world.node("eu-1").await;
    world.link_protocol_max = 3;
    let old = world.node("us-1").await;
    world.link_protocol_max = VERSION_MAX;
    let (two, three) = (world.node("us-2").await, world.node("us-3").await);
    linked(&[&near, &old, &two, &three]).await;
    let camera = Camera::start(&near, "cam", 1).await;
    let mut viewers = Vec::new();
    for (node, id) in [(&old, "us-1"), (&two, "us-2"), (&three, "us-3")] {
        viewers.push(Viewer::start(node, id, &camera.producer, false).await);
    }
    for viewer in &viewers {
        viewer.first().await;
        viewer.next(20).await;
    }
    serves(&near, 2.0).await;
    serves(&old, 1.0).await;
    camera.stop().await;
}
