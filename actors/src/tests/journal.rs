//! What nodes tell of the cluster's events: each once, by the node nearest to it.

use starling_proto::{
    rest::{ChangeProducer, Event, Happening},
    time::Timestamp,
};

use super::world::{Client, World, linked, peer, room, until};
use crate::{Follower, Node, Steered, Told};

/// All that a node has told.
fn all(node: &Node) -> Vec<Event> {
    let mut told = Vec::new();
    let mut from: Follower = node.follow(Some(Timestamp::default()));
    while let Some(next) = from.try_next() {
        match next {
            Told::Event(event) => told.push((*event).clone()),
            Told::Gap(gap) => panic!("a few events are kept: {gap:?}"),
        }
    }
    told
}

/// Kinds of what it has told of rooms and pipes, in order.
fn kinds(node: &Node) -> Vec<&'static str> {
    let of_rooms = all(node).into_iter().filter(|event| event.what.room().is_some());
    of_rooms.map(|event| event.what.name()).filter(|name| *name != "speaker.changed").collect()
}

async fn tells(node: &Node, wanted: &Happening) {
    let what = format!("{} tells {wanted:?}", node.id());
    until(&what, async || all(node).iter().any(|event| event.what == *wanted)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_peers_do_is_told_once_by_their_own_node() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ada = Client::join(&one, "ada", None).await;
    let camera = ada.produce("video", "webcam").await;
    let mut ben = Client::join(&two, "ben", None).await;
    ben.until("the camera comes", |client| client.consumers.len() == 1).await;
    let (from, to) = (one.id().clone(), two.id().clone());
    let producer: starling_proto::ProducerId = camera.parse().unwrap();
    let up = Happening::PipeUp { room: room(), producer: producer.clone(), from, to };
    tells(&two, &up).await;
    for paused in [true, false] {
        let change = ChangeProducer { paused: Some(paused) };
        let what = Steered::Producer(producer.clone(), change);
        one.steer(&room(), &peer("ada"), what).await.unwrap();
    }
    one.steer(&room(), &peer("ada"), Steered::CloseProducer(producer.clone())).await.unwrap();
    ben.until("it ends", |client| !client.notifications.is_empty()).await;
    one.remove_peer(&room(), &peer("ada")).await.unwrap();
    let left = Happening::PeerLeft { room: room(), peer: peer("ada"), node: one.id().clone() };
    tells(&one, &left).await;
    two.remove_peer(&room(), &peer("ben")).await.unwrap();
    tells(&two, &Happening::RoomEnded { room: room(), deleted: false }).await;
    let of_one = [
        "room.started",
        "peer.joined",
        "track.published",
        "track.paused",
        "track.resumed",
        "track.unpublished",
        "peer.left",
    ];
    assert_eq!(kinds(&one), of_one);
    assert_eq!(kinds(&two), ["peer.joined", "pipe.up", "pipe.down", "peer.left", "room.ended"]);
    let ids: std::collections::BTreeSet<_> =
        all(&one).into_iter().chain(all(&two)).map(|event| event.id).collect();
    assert_eq!(ids.len(), all(&one).len() + all(&two).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_node_that_dies_the_first_of_the_others_tells() {
    let world = World { resume_within: std::time::Duration::from_secs(2), ..World::new() };
    let dies = world.island("n0").await;
    let (one, two) = (world.node("n1").await, world.node("n2").await);
    linked(&[&dies.node, &one, &two]).await;
    let node = dies.node.id().clone();
    let _ada = Client::join(&dies.node, "ada", None).await;
    let _ben = Client::join(&one, "ben", None).await;
    let _cleo = Client::join(&two, "cleo", None).await;
    until("all know all", async || one.peers(&room()).await.unwrap().len() == 3).await;
    dies.kill();
    tells(&one, &Happening::NodeLost { node: node.clone() }).await;
    tells(&one, &Happening::PeerLeft { room: room(), peer: peer("ada"), node: node.clone() }).await;
    until("it has left for the other, too", async || two.peers(&room()).await.unwrap().len() == 2)
        .await;
    let about_it = |event: &Event| match &event.what {
        Happening::NodeLost { .. } | Happening::PeerLeft { .. } => true,
        Happening::NodeLeft { .. } => panic!("it said nothing"),
        _ => false,
    };
    assert_eq!(all(&two).iter().filter(|event| about_it(event)).count(), 0);
    assert_eq!(all(&one).iter().filter(|event| about_it(event)).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_how_it_stands_and_that_it_ends_the_others_tell() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let node = two.id().clone();
    tells(&two, &Happening::NodeJoined { node: node.clone() }).await;
    tells(&one, &Happening::LinkUp { from: one.id().clone(), to: node.clone() }).await;
    two.cordon().await.unwrap();
    two.undrain().await.unwrap();
    two.undrain().await.unwrap();
    let of_two = ["node.joined", "node.cordoned", "node.undrained"];
    let told: Vec<_> = all(&two).iter().map(|event| event.what.name()).collect();
    assert_eq!(told, of_two, "who stays is not let in again");
    two.stop().await;
    tells(&one, &Happening::NodeLeft { node: node.clone() }).await;
    tells(&one, &Happening::LinkDown { from: one.id().clone(), to: node }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_moves_is_told_of_by_the_node_that_has_it_then() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ada = Client::join(&one, "ada", None).await;
    let old = ada.produce("video", "webcam").await.parse().unwrap();
    let ticket = ada.ticket();
    let _ben = Client::join(&two, "ben", None).await;
    until("n2 knows her", async || two.peers(&room()).await.is_ok_and(|all| all.len() == 2)).await;
    let mut again = Client::join(&two, "ada", Some(ticket)).await;
    again.produce("video", "webcam").await;
    let (from, to) = (one.id().clone(), two.id().clone());
    tells(&two, &Happening::PeerMoved { room: room(), peer: peer("ada"), from, to }).await;
    let replaces = |event: &Event| match &event.what {
        Happening::TrackPublished { replaces, .. } => replaces.as_ref() == Some(&old),
        _ => false,
    };
    until("it goes on under another id", async || all(&two).iter().any(replaces)).await;
    ada.until("its old session is over", |client| client.closed.is_some()).await;
    assert_eq!(kinds(&one), ["room.started", "peer.joined", "track.published"]);
}
