//! What operators do to people: silence them, and send them away.

use starling_proto::{
    Code, ProducerId,
    mute::Muted,
    signal::{ClientNotification, ServerNotification},
};

use super::world::{Client, World, linked, peer, room, until};
use crate::Node;

const BOTH: Muted = Muted { audio: true, video: true };
const VIDEO: Muted = Muted { audio: false, video: true };
const NOTHING: Muted = Muted { audio: false, video: false };

/// Sources that are paused, as a node sees it.
async fn paused(node: &Node, of: &str) -> Vec<String> {
    let peers = node.peers(&room()).await.unwrap();
    let its = peers.into_iter().find(|info| info.id == peer(of)).unwrap();
    its.producers.into_iter().filter(|it| it.paused).map(|it| it.source).collect()
}

fn was_told(client: &Client, muted: Muted) -> bool {
    client.notifications.contains(&ServerNotification::Muted(muted))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_muted_cannot_resume_and_goes_on_as_it_wished_when_it_is_not() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ada = Client::join(&one, "ada", None).await;
    let mut ben = Client::join(&two, "ben", None).await;
    let camera: ProducerId = ada.produce("video", "webcam").await.parse().unwrap();
    ada.produce("audio", "mic").await;
    ben.until("both come", |client| client.consumers.len() == 2).await;
    // On a transport of its own, as the fixture has one MID.
    let create = serde_json::json!({ "appData": { "direction": "producer" } });
    ada.sending = ada.ask("createWebRtcTransport", create).await.unwrap();
    // Asked on the node that does not have the peer, as a console may be.
    assert_eq!(two.mute_peer(&room(), &peer("ada"), VIDEO).await, Ok(VIDEO));
    ada.until("its client is told", |client| was_told(client, VIDEO)).await;
    until("all see it", async || paused(&two, "ada").await == ["webcam"]).await;
    assert_eq!(one.muted(&room(), &peer("ada")).await, Ok(VIDEO));
    ada.notify(ClientNotification::ResumeProducer(camera.clone())).await;
    // Another one of the same kind, too; it is told after what was said before.
    ada.produce("video", "screen").await;
    until("nothing helps", async || paused(&two, "ada").await == ["webcam", "screen"]).await;
    ada.notify(ClientNotification::PauseProducer(camera)).await;
    one.mute_peer(&room(), &peer("ada"), NOTHING).await.unwrap();
    ada.until("its client is told", |client| was_told(client, NOTHING)).await;
    until("it goes on but for what its client paused", async || {
        paused(&two, "ada").await == ["webcam"]
    })
    .await;
    let infos = two.peers(&room()).await.unwrap();
    assert!(infos.iter().all(|info| info.muted == NOTHING));
    let nobody = one.mute_peer(&room(), &peer("nobody"), BOTH).await;
    assert_eq!(nobody.unwrap_err().code, Code::PeerNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mute_outlives_the_node_and_a_node_that_comes_later_knows_it() {
    let world = World::new();
    let (dies, two) = (world.island("n1").await, world.node("n2").await);
    linked(&[&dies.node, &two]).await;
    let ada = Client::join(&dies.node, "ada", None).await;
    dies.node.mute_peer(&room(), &peer("ada"), BOTH).await.unwrap();
    // Only now is the room on the other node.
    let _ben = Client::join(&two, "ben", None).await;
    until("it is told", async || two.muted(&room(), &peer("ada")).await == Ok(BOTH)).await;
    let ticket = ada.ticket();
    dies.kill();
    let mut again = Client::join(&two, "ada", Some(ticket)).await;
    again.until("its client is told", |client| was_told(client, BOTH)).await;
    again.produce("audio", "mic").await;
    until("it is silent", async || paused(&two, "ada").await == ["mic"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_and_comes_again_is_somebody_else() {
    let node = World::new().node("n1").await;
    let _ben = Client::join(&node, "ben", None).await;
    let _ada = Client::join(&node, "ada", None).await;
    node.mute_peer(&room(), &peer("ada"), BOTH).await.unwrap();
    node.remove_peer(&room(), &peer("ada")).await.unwrap();
    until("it has left", async || node.peers(&room()).await.unwrap().len() == 1).await;
    let mut other = Client::join(&node, "ada", None).await;
    other.produce("audio", "mic").await;
    assert_eq!(paused(&node, "ada").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_away_is_told_why() {
    let node = World::new().node("n1").await;
    let mut ada = Client::join(&node, "ada", None).await;
    let long = node.kick_peer(&room(), &peer("ada"), "x".repeat(124)).await;
    assert_eq!(long.unwrap_err().code, Code::BadRequest);
    node.kick_peer(&room(), &peer("ada"), "the meeting is over".to_owned()).await.unwrap();
    ada.until("it is closed", |client| client.closed.is_some()).await;
    assert_eq!(ada.closed, Some((4000, "the meeting is over".to_owned())));
}
