//! Who speaks in a room that spans nodes: real packets with levels, on loopback.

use starling_proto::{PeerId, signal::ServerNotification};

use super::{
    rtp::Microphone,
    world::{Client, World, metric, peer, room, until},
};
use crate::Node;

async fn speaker(node: &Node) -> Option<PeerId> {
    node.room(&room()).await.expect("the room is here").active_speaker
}

async fn all_name(nodes: &[&Node], who: &str) {
    for node in nodes {
        let what = format!("{} names {who}", node.id());
        until(&what, async || speaker(node).await == Some(peer(who))).await;
    }
}

fn told(client: &Client, who: Option<&str>) -> bool {
    let peer_id = who.map(peer);
    client.notifications.contains(&ServerNotification::ActiveSpeaker { peer_id })
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_name_the_same_speaker_and_tell_their_peers() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let mut listener = Client::join(&three, "ear", None).await;
    let ada = Microphone::start(&one, "ada", 1).await;
    let ben = Microphone::start(&two, "ben", 2).await;
    // Nobody consumes: what a node says of its microphones needs no pipe.
    ada.speaks(true);
    all_name(&[&one, &two, &three], "ada").await;
    listener.until("ada has the floor", |client| told(client, Some("ada"))).await;
    ada.speaks(false);
    ben.speaks(true);
    all_name(&[&one, &two, &three], "ben").await;
    listener.until("ben has the floor", |client| told(client, Some("ben"))).await;
    listener
        .until("ben is heard", |client| {
            client.notifications.iter().any(|notification| match notification {
                ServerNotification::SpeakingPeers { peer_volumes } => {
                    peer_volumes.first().is_some_and(|loudest| loudest.peer_id == peer("ben"))
                }
                _ => false,
            })
        })
        .await;
    // Who leaves has the floor no more.
    two.remove_peer(&room(), &peer("ben")).await.unwrap();
    listener.until("nobody has the floor", |client| told(client, None)).await;
    until("n1 names nobody", async || speaker(&one).await.is_none()).await;
    assert!(metric(&one, "starling_active_speaker_changes_total").await >= 3.0);
    ada.stop().await;
    ben.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_late_is_told_who_has_the_floor_and_silence_says_nothing() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let ada = Microphone::start(&one, "ada", 1).await;
    ada.speaks(true);
    all_name(&[&one], "ada").await;
    ada.speaks(false);
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    // The second node has had no part in the room until now, and nobody speaks.
    let mut late = Client::join(&two, "late", None).await;
    late.until("ada has the floor", |client| told(client, Some("ada"))).await;
    let said = metric(&one, "starling_voices_told_total").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(metric(&one, "starling_voices_told_total").await, said, "a silent room is silent");
    ada.stop().await;
}
