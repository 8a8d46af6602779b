//! What overtakes what: messages of different actors have no order, and whatever order they come
//! in, the outcome is the same.

use starling_proto::{rest::CreateConsumer, signal::ServerNotification};
use tokio::sync::oneshot;

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, peer, room, until},
};
use crate::{Node, node::ask, peer::PeerMsg, room::RoomMsg};

async fn peer_of(node: &Node, id: &str) -> ractor::ActorRef<PeerMsg> {
    let here = node.room_ref(&room()).await.expect("the room is here");
    ask(&here, |reply| RoomMsg::PeerRef { peer: peer(id), reply }).await.expect("it is here")
}

fn closings(client: &Client) -> usize {
    let closing = |told: &&ServerNotification| {
        matches!(
            told,
            ServerNotification::ConsumerClosed { .. } | ServerNotification::PeerClosed { .. }
        )
    };
    client.notifications.iter().filter(closing).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_resumed_before_the_room_heard_of_it_is_not_paused_for_ever() {
    let node = World::new().node("n1").await;
    let camera = Camera::start(&node, "cam", 1).await;
    let viewer = Viewer::start(&node, "eye", &camera.producer, false).await;
    viewer.first().await;
    let here = node.room_ref(&room()).await.unwrap();
    let eye = peer_of(&node, "eye").await;
    let (release, held) = oneshot::channel();
    let options = CreateConsumer {
        producer_id: camera.producer.clone(),
        rtp_capabilities: None,
        paused: true,
        preferred_layers: None,
        enable_rtx: None,
        ignore_dtx: false,
        mid: None,
    };
    let second = ask(&here, |reply| {
        let transport = viewer.transport.clone();
        // Sent before the room is held, carried out by the peer while it is.
        let consume =
            RoomMsg::PlainConsume { peer: peer("eye"), transport, consumer: options, reply };
        here.cast(consume).unwrap();
        RoomMsg::Hold(held)
    });
    let made = second.await.unwrap();
    let ssrc = made.rtp_parameters.encodings[0].ssrc.unwrap();
    let consumer = made.consumer_id;
    ask(&eye, |reply| PeerMsg::ResumeConsumer { consumer, reply }).await.unwrap();
    release.send(()).unwrap();
    until("the second stream flows", async || viewer.first().await.ssrc == ssrc).await;
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_while_a_publisher_moves_consumes_it_all_the_same() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    ann.produce("video", "webcam").await;
    let _eve = Client::join(&two, "eve", None).await;
    until("n2 knows ann", async || two.peers(&room()).await.is_ok_and(|peers| peers.len() == 2))
        .await;
    let mut again = Client::join(&two, "ann", Some(ann.ticket())).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let producer = again.produce("video", "webcam").await;
    bob.until("ann's webcam", |bob| bob.consumers.len() == 1).await;
    assert_eq!(bob.consumers[0].producer_id.to_string(), producer);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_of_a_producer_that_has_just_moved_is_made_of_its_successor() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let _eve = Client::join(&three, "eve", None).await;
    until("n2 and n3 know ann", async || {
        two.peers(&room()).await.is_ok_and(|peers| peers.len() == 3)
            && three.peers(&room()).await.is_ok_and(|peers| peers.len() == 3)
    })
    .await;
    let (release, held) = oneshot::channel();
    peer_of(&two, "bob").await.cast(PeerMsg::Hold(held)).unwrap();
    ann.produce("video", "webcam").await;
    let mut again = Client::join(&three, "ann", Some(ann.ticket())).await;
    let successor = again.produce("video", "webcam").await;
    until("n2 knows the successor", async || {
        let peers = two.peers(&room()).await.unwrap();
        peers.iter().flat_map(|p| &p.producers).any(|p| p.id.to_string() == successor)
    })
    .await;
    release.send(()).unwrap();
    consumes_for_real(&mut bob).await;
}

/// One consumer, which the router has, too.
async fn consumes_for_real(bob: &mut Client) {
    bob.until("ann's webcam", |bob| bob.consumers.len() == 1).await;
    let consumer = bob.consumers[0].consumer_id.clone();
    until("the consumer is there", async || {
        let stats = serde_json::json!({ "consumerId": consumer });
        let stats = bob.ask("getConsumerStats", stats).await.unwrap();
        stats["stats"].as_array().is_some_and(|stats| !stats.is_empty())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_of_a_producer_that_is_about_to_move_waits_for_its_successor() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let _eve = Client::join(&three, "eve", None).await;
    until("n3 knows ann", async || three.peers(&room()).await.is_ok_and(|peers| peers.len() == 3))
        .await;
    let (release, held) = oneshot::channel();
    peer_of(&two, "bob").await.cast(PeerMsg::Hold(held)).unwrap();
    let producer = ann.produce("video", "webcam").await;
    until("n2 knows the producer", async || {
        let peers = two.peers(&room()).await.unwrap();
        peers.iter().flat_map(|p| &p.producers).any(|p| p.id.to_string() == producer)
    })
    .await;
    let mut again = Client::join(&three, "ann", Some(ann.ticket())).await;
    until("n2 knows that ann moved", async || {
        let peers = two.peers(&room()).await.unwrap();
        peers.iter().any(|info| info.id == peer("ann") && info.node == *three.id())
    })
    .await;
    release.send(()).unwrap();
    bob.until("ann's webcam", |bob| bob.consumers.len() == 1).await;
    // Bob's consumer has reached the room when an answer that came the same way has.
    two.peers(&room()).await.unwrap();
    again.produce("video", "webcam").await;
    consumes_for_real(&mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_resumes_on_its_own_node_keeps_its_consumers() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let mut eve = Client::join(&one, "eve", None).await;
    ann.produce("video", "webcam").await;
    for client in [&mut bob, &mut eve] {
        client.until("ann's webcam", |client| client.consumers.len() == 1).await;
    }
    let mut again = Client::join(&one, "ann", Some(ann.ticket())).await;
    again.produce("video", "webcam").await;
    ann.until("the old session is over", |ann| ann.closed.is_some()).await;
    for client in [&mut bob, &mut eve] {
        client
            .until("ann moved", |client| {
                let moved = |told: &ServerNotification| {
                    matches!(told, ServerNotification::PeerMoved { .. })
                };
                client.notifications.iter().any(moved)
            })
            .await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    for client in [&mut bob, &mut eve] {
        client.ask("getRtcStatsUrl", serde_json::json!({})).await.unwrap();
        assert_eq!((client.consumers.len(), closings(client)), (1, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_session_that_never_joins_leaves_nobody_behind() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut bob = Client::join(&node, "bob", None).await;
    let again = Client::open(&node, "ann", Some(ann.ticket())).await.unwrap();
    ann.ask("getRtcStatsUrl", serde_json::json!({})).await.expect("her session goes on");
    drop(ann);
    drop(again);
    bob.until("ann left", |bob| closings(bob) == 1).await;
    assert_eq!(node.peers(&room()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_session_that_never_joins_ends_no_other() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut bob = Client::join(&node, "bob", None).await;
    // A connection that took too long, and was given up: what it asked for comes all the same.
    let late = Client::open(&node, "ann", Some(ann.ticket())).await.unwrap();
    bob.produce("audio", "mic").await;
    drop(late);
    ann.until("bob's microphone", |ann| ann.consumers.len() == 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    ann.ask("getRtcStatsUrl", serde_json::json!({})).await.expect("her session goes on");
    assert_eq!((ann.closed.is_none(), closings(&bob)), (true, 0));
    ann.produce("audio", "mic").await;
    bob.until("ann's microphone", |bob| bob.consumers.len() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_room_is_gone_at_once_and_its_name_is_free() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    one.delete_room(&room()).await.unwrap();
    let eve = Client::join(&one, "eve", None).await;
    assert_eq!(eve.joined["peers"].as_array().map(Vec::len), Some(0), "a new room");
    for client in [&mut ann, &mut bob] {
        client.until("the session is over", |client| client.closed.is_some()).await;
        assert_eq!(client.closed.as_ref().map(|closed| closed.0), Some(4000));
    }
    until("only who came later is there", async || {
        one.peers(&room()).await.is_ok_and(|peers| peers.len() == 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_draining_node_late_is_told_where_to_go() {
    let [one, _two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::open(&one, "ann", None).await.unwrap();
    one.drain(std::time::Duration::ZERO).await.unwrap();
    ann.finish_join("ann").await;
    ann.until("ann is told where to go", |ann| {
        ann.notifications.iter().any(|told| matches!(told, ServerNotification::MoveTo { .. }))
    })
    .await;
}
