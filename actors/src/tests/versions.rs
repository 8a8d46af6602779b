//! A room on nodes of two releases: those that speak the newest link protocol, and one before it.

use starling_proto::link::{VERSION_MAX, VERSION_MIN};

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, all_zero, linked, peer, room, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_room_spans_nodes_that_speak_different_link_protocols() {
    let mut world = World::new();
    let new = world.node("n1").await;
    world.link_protocol_max = VERSION_MIN;
    let old = world.node("n2").await;
    world.link_protocol_max = VERSION_MAX;
    let newer = world.node("n3").await;
    linked(&[&new, &old, &newer]).await;
    let spoken = async |from: &crate::Node, to: &crate::Node| {
        let infos = from.nodes().await;
        infos.iter().find(|info| info.id == *to.id()).and_then(|info| info.link_protocol)
    };
    assert_eq!(spoken(&new, &newer).await, Some(VERSION_MAX));
    assert_eq!(spoken(&new, &old).await, Some(VERSION_MIN));
    assert_eq!(spoken(&old, &newer).await, Some(VERSION_MIN));

    // Each direction between the releases: rosters, media, a rename, a leave.
    for (from, to) in [(&new, &old), (&old, &newer), (&newer, &new)] {
        let camera = Camera::start(from, "cam", 1).await;
        let viewer = Viewer::start(to, "eye", &camera.producer, false).await;
        viewer.first().await;
        viewer.next(100).await;
        let ann = Client::join(to, "ann", None).await;
        until("all three see each other", async || {
            from.peers(&room()).await.is_ok_and(|peers| peers.len() == 3)
        })
        .await;
        drop(ann);
        for (node, id) in [(from, "cam"), (to, "eye")] {
            node.remove_peer(&room(), &peer(id)).await.unwrap();
        }
        camera.stop().await;
    }
    all_zero(&[&new, &old, &newer]).await;
}
