//! What a panic in a handler ends: that one thing.

use ractor::ActorRef;
use starling_proto::signal::ServerNotification;

use super::world::{Client, World, peer, room, until};
use crate::{peer::PeerMsg, room::RoomMsg, router::RouterMsg, transport::TransportMsg};

/// What the test reaches into.
async fn room_of(node: &crate::Node) -> ActorRef<RoomMsg> {
    node.room_ref(&room()).await.expect("the room is here")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_panics_ends_alone() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut bob = Client::join(&node, "bob", None).await;
    let eve = Client::join(&node, "eve", None).await;
    let here = room_of(&node).await;
    let target = crate::node::ask(&here, |reply| RoomMsg::PeerRef { peer: peer("bob"), reply });
    target.await.unwrap().cast(PeerMsg::Panic).unwrap();
    bob.until("bob's session is over", |bob| bob.closed.is_some()).await;
    ann.until("ann is told", |ann| {
        ann.notifications.iter().any(|told| matches!(told, ServerNotification::PeerClosed { peer_id } if *peer_id == peer("bob")))
    })
    .await;
    ann.produce("audio", "mic").await;
    let peers = node.peers(&room()).await.unwrap();
    assert_eq!(peers.len(), 2);
    drop(eve);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transport_that_panics_ends_alone() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut bob = Client::join(&node, "bob", None).await;
    ann.produce("audio", "mic").await;
    bob.until("ann's mic", |bob| bob.consumers.len() == 1).await;
    let transport = bob.consumers[0].transport_id.clone();
    let router = crate::node::ask(&room_of(&node).await, RoomMsg::RouterRef).await.unwrap();
    router.cast(RouterMsg::ToTransport(transport.clone(), TransportMsg::Panic)).unwrap();
    until("bob's transport is gone", async || {
        let stats = serde_json::json!({ "transportId": transport });
        bob.ask("getTransportStats", stats).await.is_err()
    })
    .await;
    assert!(bob.closed.is_none() && ann.closed.is_none());
    assert_eq!(node.peers(&room()).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_panics_ends_alone() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let other: starling_proto::RoomId = "other".parse().unwrap();
    let bystander = starling_proto::rest::CreatePeer::new(peer("bot"), "bot");
    node.create_peer(&other, bystander).await.unwrap();
    room_of(&node).await.cast(RoomMsg::Panic).unwrap();
    ann.until("ann's session is over", |ann| ann.closed.is_some()).await;
    assert_eq!(node.peers(&other).await.unwrap().len(), 1, "the other room goes on");
    let mut again = Client::join(&node, "ann", None).await;
    again.produce("audio", "mic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_thread_that_panics_is_started_again_and_its_peers_reconnect() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    node.shared.workers()[0].run_inside(|| panic!("asked to"));
    ann.until("ann's session is over", |ann| ann.closed.is_some()).await;
    assert_eq!(ann.closed.as_ref().map(|closed| closed.0), Some(4001), "she may reconnect");
    until("a worker runs again", async || node.alive()).await;
    let mut again = Client::join(&node, "ann", None).await;
    again.produce("video", "webcam").await;
}
