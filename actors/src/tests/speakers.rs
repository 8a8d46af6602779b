//! Who speaks in a room that spans nodes: real packets with levels, on loopback.

use starling_proto::{
    PeerId,
    registry::{AudioLevels, RoomPolicy},
    rest::CreateRoom,
    signal::ServerNotification,
};

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

/// OB1.
#[tokio::test(flavor = "multi_thread")]
async fn a_room_says_whom_its_peers_are_told_of() {
    let node = World::new().node("n1").await;
    let audio_levels = AudioLevels { max_entries: 1, threshold: -60, interval: 500 };
    let policy = RoomPolicy { audio_levels, ..RoomPolicy::default() };
    node.create_room(CreateRoom { id: room(), policy: policy.clone() }).await.unwrap();
    let mut listener = Client::join(&node, "ear", None).await;
    let ada = Microphone::start(&node, "ada", 1).await;
    let ben = Microphone::start(&node, "ben", 2).await;
    // At -90 dBov, which is below this room's threshold.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    listener.ask("getRtcStatsUrl", serde_json::json!({})).await.unwrap();
    assert_eq!(volumes(&listener), Vec::<usize>::new());
    ada.speaks(true);
    ben.speaks(true);
    listener.until("somebody is heard", |client| !volumes(client).is_empty()).await;
    let began = std::time::Instant::now();
    let first = volumes(&listener).len();
    listener.until("and again", |client| volumes(client).len() >= first + 4).await;
    let took = began.elapsed().as_millis();
    assert!((1_000..3_500).contains(&took), "four in {took} ms: twice a second");
    assert!(volumes(&listener).iter().all(|count| *count == 1), "one of two");
    // A policy may change while the room is there.
    let audio_levels = AudioLevels { max_entries: 2, ..audio_levels };
    let policy = RoomPolicy { audio_levels, ..policy };
    node.set_room_policy(&room(), policy).await.unwrap();
    listener.until("both are named", |client| volumes(client).last() == Some(&2)).await;
    ada.stop().await;
    ben.stop().await;
}

/// How many were named each time.
fn volumes(client: &Client) -> Vec<usize> {
    let told = client.notifications.iter().filter_map(|told| match told {
        ServerNotification::SpeakingPeers { peer_volumes } => Some(peer_volumes.len()),
        _ => None,
    });
    told.collect()
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
