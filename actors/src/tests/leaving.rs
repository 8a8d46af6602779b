//! Clients that leave a node for another: a drain, a move, and what a cordon does not do.

use std::time::Duration;

use serde_json::json;
use starling_proto::{
    Code,
    registry::NodeState,
    rest::{CreatePeer, DrainStage, MovePeer},
    signal::ServerNotification,
};

use super::world::{Client, World, peer, room, until};

/// Waits until it is told to go; the id of the node that comes first.
async fn told_to_go(client: &mut Client) -> String {
    let told = |client: &Client| {
        client.notifications.iter().find_map(|told| match told {
            ServerNotification::MoveTo { nodes, .. } => nodes.first().map(|it| it.node_id.clone()),
            _ => None,
        })
    };
    client.until("it is told to go", |client| told(client).is_some()).await;
    told(client).expect("it was").to_string()
}

fn to(node: &str) -> MovePeer {
    MovePeer { to: Some(node.parse().unwrap()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_keeps_the_old_session_until_it_ends_it() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    one.start_drain(Duration::from_secs(60), false).await.unwrap();
    assert_eq!(told_to_go(&mut ann).await, "n2");
    let _again = Client::join(&two, "ann", Some(ann.ticket())).await;
    until("n1 knows that ann is on n2", async || {
        one.peers(&room()).await.is_ok_and(|peers| peers[0].node.to_string() == "n2")
    })
    .await;
    // What was on its way still comes here.
    ann.ask("getRtcStatsUrl", json!({})).await.unwrap();
    assert_eq!(one.drain_info().stage, DrainStage::Draining);
    drop(ann);
    until("n1 is empty", async || one.drain_info().stage == DrainStage::Drained).await;
    let info = one.drain_info();
    assert_eq!((info.total, info.moved, info.left), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_session_that_is_not_ended_is_closed_after_a_while() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    one.start_drain(Duration::from_secs(60), false).await.unwrap();
    told_to_go(&mut ann).await;
    let _again = Client::join(&two, "ann", Some(ann.ticket())).await;
    ann.until("the old session is closed", |ann| ann.closed.is_some()).await;
    assert_eq!(ann.closed.as_ref().map(|closed| closed.0), Some(4000));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_go_is_cut_at_the_deadline() {
    let [one, _two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    one.drain(Duration::from_millis(300)).await.unwrap();
    ann.until("she is cut", |ann| ann.closed.is_some()).await;
    assert_eq!(ann.closed.as_ref().map(|closed| closed.0), Some(4001));
    let info = one.drain_info();
    assert_eq!((info.stage, info.total, info.moved), (DrainStage::Cut, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cordon_moves_nobody_and_takes_nobody() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    one.cordon().await.unwrap();
    let refused = Client::open(&one, "bob", None).await.err().map(|refusal| refusal.code);
    assert_eq!(refused, Some(Code::Draining));
    until("n2 knows", async || {
        let nodes = two.nodes().await;
        let one = nodes.iter().find(|info| info.id.to_string() == "n1");
        one.is_some_and(|info| info.cordoned && info.state == NodeState::Draining)
    })
    .await;
    assert!(!one.readiness().await.ready);
    ann.ask("getRtcStatsUrl", json!({})).await.unwrap();
    let moved = |told: &ServerNotification| matches!(told, ServerNotification::MoveTo { .. });
    assert!(!ann.notifications.iter().any(moved));
    one.undrain().await.unwrap();
    assert!(one.readiness().await.ready);
    Client::join(&one, "bob", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undrained_node_asks_nobody_any_more() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let _ann = Client::join(&one, "ann", None).await;
    two.cordon().await.unwrap();
    until("n1 has nowhere to send people", async || {
        let nodes = one.nodes().await;
        nodes.iter().filter(|info| info.state == NodeState::Up).count() == 1
    })
    .await;
    one.start_drain(Duration::from_secs(1), false).await.unwrap();
    one.undrain().await.unwrap();
    two.undrain().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(one.drain_info().stage, DrainStage::Up);
    assert_eq!(one.peers(&room()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_answered_when_the_peer_is_there() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let moving = {
        let one = one.clone();
        tokio::spawn(async move { one.move_peer(&room(), &peer("ann"), to("n2")).await })
    };
    assert_eq!(told_to_go(&mut ann).await, "n2");
    let _again = Client::join(&two, "ann", Some(ann.ticket())).await;
    let moved = moving.await.unwrap().unwrap();
    assert_eq!((moved.from.to_string(), moved.to.to_string()), ("n1".into(), "n2".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_cannot_be_is_refused_with_the_reason() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let _ann = Client::join(&one, "ann", None).await;
    let recorder = CreatePeer::new(peer("recorder"), "");
    one.create_peer(&room(), recorder).await.unwrap();
    let refused = async |who: &str, wish: MovePeer| {
        one.move_peer(&room(), &peer(who), wish).await.err().map(|refusal| refusal.code)
    };
    assert_eq!(refused("ann", to("n1")).await, Some(Code::NodeNotFound), "she is there");
    assert_eq!(refused("ann", to("n9")).await, Some(Code::NodeNotFound));
    assert_eq!(refused("bob", to("n2")).await, Some(Code::PeerNotFound));
    assert_eq!(refused("recorder", to("n2")).await, Some(Code::WrongState));
    // She does not go: she is on the same node, and may be asked again.
    assert_eq!(refused("ann", to("n2")).await, Some(Code::Timeout));
    two.cordon().await.unwrap();
    until("n1 knows", async || refused("ann", MovePeer::default()).await == Some(Code::NoCapacity))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_asked_and_has_not_gone_is_told_to_stay_when_the_node_does() {
    let [one, _two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    one.start_drain(Duration::from_secs(60), false).await.unwrap();
    told_to_go(&mut ann).await;
    one.undrain().await.unwrap();
    let stay = |told: &ServerNotification| match told {
        ServerNotification::MoveTo { nodes, .. } => nodes.is_empty(),
        _ => false,
    };
    ann.until("she is told to stay", |ann| ann.notifications.iter().any(stay)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stays_gets_a_publisher_that_has_left_from_where_it_is() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    ann.produce("audio", "microphone").await;
    ann.produce("video", "webcam").await;
    let mut bob = Client::join(&one, "bob", None).await;
    bob.until("two streams", |bob| bob.consumers.len() == 2).await;
    let moving = {
        let one = one.clone();
        tokio::spawn(async move { one.move_peer(&room(), &peer("ann"), to("n2")).await })
    };
    told_to_go(&mut ann).await;
    let mut again = Client::join(&two, "ann", Some(ann.ticket())).await;
    moving.await.unwrap().unwrap();
    let mut sent =
        vec![again.produce("audio", "microphone").await, again.produce("video", "webcam").await];
    sent.sort();
    until("n1 has both from n2", async || {
        let pipes = one.pipes().await;
        let used = pipes.iter().filter(|pipe| pipe.used && pipe.path == [two.id().clone()]);
        let mut pulled: Vec<_> = used.map(|pipe| pipe.producer.to_string()).collect();
        pulled.sort();
        pulled == sent
    })
    .await;
    drop(ann);
    bob.ask("getRtcStatsUrl", json!({})).await.unwrap();
    assert_eq!(bob.consumers.len(), 2, "he keeps what he has");
}
