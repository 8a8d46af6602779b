//! A room on several cores of a node: two workers, and one peer of the room on each before it takes
//! the other.

use super::{
    rtp::{Camera, Viewer},
    world::{World, all_zero, linked, metric, peer, room, until},
};
use crate::Node;

fn two_cores() -> World {
    World { workers: 2, room_peers_per_core: 1, ..World::new() }
}

/// A figure of one worker.
async fn on_core(node: &Node, core: usize, name: &str) -> f64 {
    let metrics = node.metrics().await;
    let label = ("worker", core.to_string());
    let of_it = metrics.iter().filter(|m| m.name == name && m.labels.contains(&label));
    of_it.map(|metric| metric.value).sum()
}

async fn remove(node: &Node, ids: &[&str]) {
    for id in ids {
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_and_key_frame_requests_cross_from_core_to_core() {
    let node = two_cores().node("n1").await;
    let camera = Camera::start(&node, "cam", 1).await;
    let viewer = Viewer::start(&node, "eye", &camera.producer, false).await;
    let first = viewer.first().await;
    assert!(first.key, "a stream begins with a key frame");
    let seen = viewer.next(50).await;
    assert!(seen.iter().all(|packet| packet.ssrc == first.ssrc));
    until("the other core sends it", async || {
        on_core(&node, 1, "starling_rtp_forwarded_total").await > 10.0
            && on_core(&node, 1, "starling_piped_received_total").await > 10.0
    })
    .await;
    let asked = camera.key_frames_asked();
    // The first request was a moment ago, and so soon after it another one is not passed on.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    viewer.ask_for_key_frame(first.ssrc).await;
    until("the camera is asked for a key frame", async || camera.key_frames_asked() > asked).await;
    viewer.goes_on_to_key_frame().await;
    remove(&node, &["eye", "cam"]).await;
    camera.stop().await;
    all_zero(&[&node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_pipe_serves_all_consumers_of_a_core_and_ends_with_the_last() {
    let node = two_cores().node("n1").await;
    let camera = Camera::start(&node, "cam", 1).await;
    let mut viewers = Vec::new();
    // Cores 1, 0, 1, 0.
    for id in ["eye1", "eye2", "eye3", "eye4"] {
        viewers.push(Viewer::start(&node, id, &camera.producer, false).await);
    }
    for viewer in &viewers {
        viewer.first().await;
    }
    let consumers = async |core| on_core(&node, core, "starling_consumers").await;
    until("two and a pipe on core 0", async || consumers(0).await == 3.0).await;
    assert_eq!(consumers(1).await, 2.0);
    remove(&node, &["eye1"]).await;
    until("one is left on core 1", async || consumers(1).await == 1.0).await;
    viewers[2].next(20).await;
    assert_eq!(consumers(0).await, 3.0, "and the pipe stays");
    remove(&node, &["eye3"]).await;
    until("the pipe is gone", async || consumers(0).await == 2.0).await;
    viewers[3].next(20).await;
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_of_another_node_comes_once_and_is_spread_from_its_core() {
    let world = two_cores();
    let [one, two] = world.nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let mut viewers = Vec::new();
    for id in ["eye1", "eye2", "eye3", "eye4"] {
        viewers.push(Viewer::start(&two, id, &camera.producer, false).await);
    }
    for viewer in &viewers {
        viewer.first().await;
        viewer.next(20).await;
    }
    assert_eq!(metric(&one, "starling_consumers").await, 1.0, "n1 serves one pipe");
    // The root's own consumers go; the other core still gets it.
    remove(&two, &["eye1", "eye3"]).await;
    viewers[1].next(50).await;
    two.cut_links();
    viewers[1].goes_on_to_key_frame().await;
    viewers[3].next(20).await;
    remove(&two, &["eye2", "eye4"]).await;
    remove(&one, &["cam"]).await;
    camera.stop().await;
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_moves_goes_on_in_the_same_stream_on_every_core() {
    let world = two_cores();
    let dies = world.island("n1").await;
    let two = world.node("n2").await;
    linked(&[&dies.node, &two]).await;
    let camera = Camera::start(&dies.node, "cam", 1).await;
    let mut viewers = Vec::new();
    // Cores 0 (where it is pulled to), 1, 0.
    for id in ["eye1", "eye2", "eye3"] {
        viewers.push(Viewer::start(&two, id, &camera.producer, false).await);
        viewers.last().unwrap().first().await;
    }
    dies.kill();
    camera.stop().await;
    until("cam is lost", async || two.peers(&room()).await.unwrap().iter().any(|info| info.lost))
        .await;
    // On core 1: what was pulled there from core 0 is its own now, and core 0 pulls it.
    let camera = Camera::start(&two, "cam", 1).await;
    for viewer in &viewers {
        viewer.goes_on_to_key_frame().await;
        viewer.next(20).await;
    }
    remove(&two, &["eye1", "cam", "eye2", "eye3"]).await;
    camera.stop().await;
    all_zero(&[&two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_thread_that_dies_takes_only_its_own_peers_with_it() {
    let node = two_cores().node("n1").await;
    let camera = Camera::start(&node, "cam", 1).await;
    let gone = Viewer::start(&node, "gone", &camera.producer, false).await;
    let stays = Viewer::start(&node, "stays", &camera.producer, false).await;
    for viewer in [&gone, &stays] {
        viewer.first().await;
    }
    node.shared.workers()[1].run_inside(|| panic!("asked to"));
    until("its peer is gone", async || node.peers(&room()).await.unwrap().len() == 2).await;
    stays.next(50).await;
    until("the worker runs again", async || node.alive()).await;
    // A place on the new thread.
    let again = Viewer::start(&node, "again", &camera.producer, false).await;
    again.first().await;
    until("it is on core 1", async || on_core(&node, 1, "starling_consumers").await == 1.0).await;
    remove(&node, &["stays", "again", "cam"]).await;
    camera.stop().await;
    all_zero(&[&node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pulled_to_a_core_that_dies_is_pulled_to_another() {
    let world = two_cores();
    let [one, two] = world.nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let root = Viewer::start(&two, "root", &camera.producer, false).await;
    root.first().await;
    let other = Viewer::start(&two, "other", &camera.producer, false).await;
    other.first().await;
    two.shared.workers()[0].run_inside(|| panic!("asked to"));
    other.goes_on_to_key_frame().await;
    other.next(20).await;
    until("n1 serves one pipe", async || metric(&one, "starling_consumers").await == 1.0).await;
    remove(&two, &["other"]).await;
    remove(&one, &["cam"]).await;
    camera.stop().await;
    all_zero(&[&one, &two]).await;
}
