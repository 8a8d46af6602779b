//! Media end to end: what a camera on one node sends, and what a viewer on another one gets.

use starling_proto::rtp::ConsumerLayers;

use super::{
    rtp::{Camera, Viewer},
    world::{World, all_zero, linked, metric, room, until},
};
use crate::{Node, room::RoomMsg, router::RouterMsg};

async fn prefer(node: &Node, viewer: &Viewer, spatial_layer: u8) {
    let here = node.room_ref(&room()).await.expect("the room is here");
    let router = crate::node::ask(&here, RoomMsg::RouterRef).await.expect("it has a router");
    let layers = ConsumerLayers { spatial_layer, temporal_layer: None };
    let consumer = viewer.consumer.clone();
    router.cast(RouterMsg::PreferLayers { consumer, layers }).expect("it lives");
}

async fn piped_in(node: &Node) -> f64 {
    metric(node, "starling_piped_received_total").await
}

#[tokio::test(flavor = "multi_thread")]
async fn media_crosses_a_pipe_and_so_do_key_frame_requests() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    let first = viewer.first().await;
    assert!(first.key, "a stream begins with a key frame");
    let seen = viewer.next(50).await;
    assert!(seen.iter().all(|packet| packet.ssrc == first.ssrc));
    let asked = camera.key_frames_asked();
    // The first request was a moment ago, and so soon after it another one is not passed on.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    viewer.ask_for_key_frame(first.ssrc).await;
    until("the camera is asked for a key frame", async || camera.key_frames_asked() > asked).await;
    viewer.goes_on_to_key_frame().await;
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_layers_that_somebody_uses_cross_a_pipe() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 3).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    prefer(&two, &viewer, 0).await;
    // Counters are half a second old at most, and a layer lingers for a second.
    until("one layer of three crosses", async || {
        let (before, frames) = (piped_in(&two).await, camera.frames());
        viewer.next(100).await;
        let (packets, sent) = (piped_in(&two).await - before, (camera.frames() - frames) as f64);
        packets > 0.4 * sent && packets < 1.7 * sent
    })
    .await;
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_closes_with_its_last_consumer_and_opens_again() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    for id in ["eye1", "eye2"] {
        let viewer = Viewer::start(&two, id, &camera.producer, false).await;
        viewer.first().await;
        until("n1 serves a pipe", async || metric(&one, "starling_consumers").await == 1.0).await;
        two.remove_transport(&room(), &super::world::peer(id), &viewer.transport).await.unwrap();
        until("n1 serves none", async || metric(&one, "starling_consumers").await == 0.0).await;
        until("n2 pulls none", async || metric(&two, "starling_transports").await == 0.0).await;
    }
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_zero_after_everybody_has_left() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let camera = Camera::start(&one, "cam", 3).await;
    let mut viewers = Vec::new();
    for (node, id) in [(&one, "eye1"), (&two, "eye2"), (&three, "eye3"), (&three, "eye4")] {
        viewers.push(Viewer::start(node, id, &camera.producer, false).await);
    }
    for viewer in &viewers {
        viewer.first().await;
    }
    for (node, id) in
        [(&three, "eye3"), (&one, "cam"), (&two, "eye2"), (&three, "eye4"), (&one, "eye1")]
    {
        node.remove_peer(&room(), &super::world::peer(id)).await.unwrap();
    }
    camera.stop().await;
    all_zero(&[&one, &two, &three]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_on_after_a_link_flapped() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    for _ in 0..3 {
        two.cut_links();
        // The camera sends one when it is asked to, and that is when a pipe opens.
        viewer.goes_on_to_key_frame().await;
        viewer.next(20).await;
    }
    until("n1 serves one pipe", async || metric(&one, "starling_consumers").await == 1.0).await;
    for (node, id) in [(&one, "cam"), (&two, "eye")] {
        node.remove_peer(&room(), &super::world::peer(id)).await.unwrap();
    }
    camera.stop().await;
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_whose_node_dies_goes_on_from_another_in_the_same_stream() {
    let world = World::new();
    let dies = world.island("n1").await;
    let (two, three) = (world.node("n2").await, world.node("n3").await);
    linked(&[&dies.node, &two, &three]).await;
    let camera = Camera::start(&dies.node, "cam", 1).await;
    let far = Viewer::start(&two, "eye2", &camera.producer, false).await;
    let near = Viewer::start(&three, "eye3", &camera.producer, false).await;
    for viewer in [&far, &near] {
        viewer.first().await;
    }
    dies.kill();
    camera.stop().await;
    until("cam is lost", async || {
        let peers = three.peers(&room()).await.unwrap();
        peers.iter().any(|info| info.lost)
    })
    .await;
    // On a node that pulled it until now, so that a pipe becomes a local producer there.
    let camera = Camera::start(&three, "cam", 1).await;
    for viewer in [&far, &near] {
        viewer.goes_on_to_key_frame().await;
        viewer.next(20).await;
    }
    for (node, id) in [(&three, "cam"), (&two, "eye2"), (&three, "eye3")] {
        node.remove_peer(&room(), &super::world::peer(id)).await.unwrap();
    }
    camera.stop().await;
    all_zero(&[&two, &three]).await;
}
