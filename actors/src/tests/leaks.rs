//! What ends takes everything with it, however it ends.

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, all_zero, metric, peer, room, until},
};
use crate::{node::ask, peer::PeerMsg, room::RoomMsg, router::RouterMsg};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_join_does_not_keep_its_room() {
    let node = World::new().node("n1").await;
    let ann = Client::join(&node, "ann", None).await;
    assert!(Client::open(&node, "ann", None).await.is_err(), "the id is taken");
    drop(ann);
    all_zero(&[&node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_room_does_not_end_the_next_one_of_its_name() {
    let node = World::new().node("n1").await;
    drop(Client::join(&node, "ann", None).await);
    until("ann has left", async || node.peers(&room()).await.is_ok_and(|all| all.is_empty())).await;
    node.room_ref(&room()).await.unwrap().cast(RoomMsg::Panic).unwrap();
    until("the room is gone", async || node.room_ref(&room()).await.is_err()).await;
    let mut bob = Client::join(&node, "bob", None).await;
    tokio::time::sleep(crate::limits::ROOM_LINGER + std::time::Duration::from_secs(1)).await;
    bob.ask("getRtcStatsUrl", serde_json::json!({})).await.unwrap();
    assert!(node.peers(&room()).await.is_ok_and(|all| all.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_panic_leave_nothing() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    for (node, id) in [(&two, "eye"), (&one, "cam")] {
        let here = node.room_ref(&room()).await.unwrap();
        let target = ask(&here, |reply| RoomMsg::PeerRef { peer: peer(id), reply }).await.unwrap();
        target.cast(PeerMsg::Panic).unwrap();
    }
    all_zero(&[&one, &two]).await;
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_panics_leaves_nothing_here_or_elsewhere() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    let here = two.room_ref(&room()).await.unwrap();
    let router = ask(&here, RoomMsg::RouterRef).await.unwrap();
    router.cast(RouterMsg::Panic).unwrap();
    until("n1 serves nothing", async || metric(&one, "starling_consumers").await == 0.0).await;
    one.remove_peer(&room(), &peer("cam")).await.unwrap();
    all_zero(&[&one, &two]).await;
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_panics_leaves_nothing_here_or_elsewhere() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    two.room_ref(&room()).await.unwrap().cast(RoomMsg::Panic).unwrap();
    until("n1 serves nothing", async || metric(&one, "starling_consumers").await == 0.0).await;
    one.room_ref(&room()).await.unwrap().cast(RoomMsg::Panic).unwrap();
    all_zero(&[&one, &two]).await;
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_peers_leave_nothing() {
    let world = World { resume_within: std::time::Duration::from_secs(2), ..World::new() };
    let (one, two) = (world.island("n1").await, world.node("n2").await);
    super::world::linked(&[&one.node, &two]).await;
    let camera = Camera::start(&one.node, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    one.kill();
    until("only eye is left", async || {
        two.peers(&room()).await.is_ok_and(|peers| peers.len() == 1)
    })
    .await;
    two.remove_peer(&room(), &peer("eye")).await.unwrap();
    all_zero(&[&two]).await;
    camera.stop().await;
}
