//! People in one room.

use starling_proto::{
    Code,
    signal::{ClientNotification, ServerNotification},
};

use super::world::{Client, World, peer, room, until};

#[tokio::test(flavor = "multi_thread")]
async fn two_peers_of_a_node_are_told_of_each_other_and_consume() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let producer = ann.produce("video", "webcam").await;
    let mut bob = Client::join(&node, "bob", None).await;
    assert_eq!(bob.joined["peers"][0]["peerId"], "ann");
    assert_eq!(bob.joined["peers"][0]["nodeId"], "n1");
    bob.until("ann's webcam", |bob| bob.consumers.len() == 1).await;
    assert_eq!(bob.consumers[0].producer_id.to_string(), producer);
    assert_eq!(bob.consumers[0].app_data["source"], "webcam");
    ann.until("bob is told of", |ann| {
        matches!(&ann.notifications[..], [ServerNotification::NewPeer { peer }] if peer.peer_id.to_string() == "bob")
    })
    .await;
    drop(bob);
    ann.until("bob left", |ann| {
        matches!(ann.notifications.last(), Some(ServerNotification::PeerClosed { .. }))
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_spans_nodes() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let mut eve = Client::join(&three, "eve", None).await;
    ann.produce("audio", "mic").await;
    let webcam = ann.produce("video", "webcam").await;
    for client in [&mut bob, &mut eve] {
        client.until("ann's producers", |client| client.consumers.len() == 2).await;
        assert!(client.consumers.iter().any(|c| c.producer_id.to_string() == webcam));
    }
    until("every node knows everybody", async || {
        let mut all = true;
        for node in [&one, &two, &three] {
            all &= node.peers(&room()).await.is_ok_and(|peers| peers.len() == 3);
        }
        all
    })
    .await;
    ann.notify(ClientNotification::CloseProducer(webcam.parse().unwrap())).await;
    bob.until("the consumer is closed", |bob| {
        matches!(bob.notifications.last(), Some(ServerNotification::ConsumerClosed { .. }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_resumes_elsewhere_keeps_its_consumers() {
    let world = World::new();
    let [one, two, three] = world.nodes(["n1", "n2", "n3"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let mut eve = Client::join(&three, "eve", None).await;
    ann.produce("video", "webcam").await;
    bob.until("ann's webcam", |bob| bob.consumers.len() == 1).await;
    eve.until("ann's webcam", |eve| eve.consumers.len() == 1).await;
    let ticket = ann.ticket();
    let mut again = Client::join(&three, "ann", Some(ticket)).await;
    again.produce("video", "webcam").await;
    for client in [&mut bob, &mut eve] {
        client.until("ann moved", |client| {
            client.notifications.iter().any(|told| matches!(told, ServerNotification::PeerMoved { peer_id, .. } if *peer_id == peer("ann")))
        }).await;
    }
    ann.until("the old session is over", |ann| ann.closed.is_some()).await;
    // Longer than a producer waits to be produced again: nothing must be closed or made anew.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    for client in [&mut bob, &mut eve] {
        client.ask("getRtcStatsUrl", serde_json::json!({})).await.unwrap();
        assert_eq!(client.consumers.len(), 1, "the same consumer goes on");
        let closed = |told: &ServerNotification| {
            matches!(
                told,
                ServerNotification::ConsumerClosed { .. } | ServerNotification::PeerClosed { .. }
            )
        };
        assert!(!client.notifications.iter().any(closed), "{:?}", client.notifications);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_in_use_is_refused_without_a_ticket() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let _ann = Client::join(&one, "ann", None).await;
    let _bob = Client::join(&two, "bob", None).await;
    until("n2 knows ann", async || two.peers(&room()).await.is_ok_and(|peers| peers.len() == 2))
        .await;
    let refused = Client::open(&two, "ann", None).await.err().map(|refusal| refusal.code);
    assert_eq!(refused, Some(Code::PeerExists));
    let refused = Client::open(&two, "ann", Some("forged.ticket".into())).await.err();
    assert_eq!(refused.map(|refusal| refusal.code), Some(Code::Unauthorized));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_node_names_another() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    one.drain(std::time::Duration::ZERO).await.unwrap();
    ann.until("ann is told where to go", |ann| {
        ann.notifications.iter().any(|told| {
            matches!(told, ServerNotification::MoveTo { nodes, .. } if nodes.len() == 1 && nodes[0].node_id.to_string() == "n2")
        })
    })
    .await;
    let refused = Client::open(&one, "bob", None).await.err().expect("no new peers");
    assert_eq!(refused.code, Code::Draining);
    assert!(refused.hint.contains("n2.test"), "{}", refused.hint);
    until("placement knows", async || {
        two.place(&room(), Default::default())
            .await
            .is_ok_and(|place| place.node.to_string() == "n2")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_as_many_peers_as_it_may_and_no_more() {
    let node = World { max_peers: 4, ..World::new() }.node("n1").await;
    let mut in_it = Vec::new();
    for id in ["ann", "bob", "eve", "joe"] {
        in_it.push(Client::join(&node, id, None).await);
    }
    let refused = Client::open(&node, "zoe", None).await.err().map(|refusal| refusal.code);
    assert_eq!(refused, Some(Code::NoCapacity));
    in_it.pop();
    until("joe has left", async || node.peers(&room()).await.unwrap().len() == 3).await;
    Client::join(&node, "zoe", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_room_is_forgotten() {
    let node = World::new().node("n1").await;
    let ann = Client::join(&node, "ann", None).await;
    assert!(node.room(&room()).await.is_ok());
    drop(ann);
    until("the room is gone", async || node.rooms().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_learn_new_standby_nodes() {
    let world = World::new();
    let [one, two] = world.nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    assert_eq!(ann.joined["standby"][0]["nodeId"], "n2");
    assert_eq!(ann.joined["standby"][0]["url"], "ws://n2.test/ws");
    two.stop().await;
    let three = world.node("n3").await;
    ann.until("n3 is her standby", |ann| {
        ann.notifications.iter().any(|told| {
            matches!(told, ServerNotification::StandbyChanged(offer) if offer.standby.len() == 1 && offer.standby[0].node_id.to_string() == "n3")
        })
    })
    .await;
    three.stop().await;
}
