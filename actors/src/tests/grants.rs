//! What a token does not grant, asked for over signalling.

use serde_json::{Value, json};
use starling_proto::{
    Code, Grants, Id, MediaKind, Refusal,
    signal::{ClientNotification, ServerNotification},
};

use super::world::{Client, World, all_zero, peer, room, until};

async fn send_data(client: &mut Client) -> Result<Value, Refusal> {
    let wish = json!({
        "transportId": client.sending["transportId"],
        "sctpStreamParameters": { "streamId": 0, "ordered": true },
        "label": "chat", "protocol": "", "appData": {},
    });
    client.ask("produceData", wish).await
}

fn forbidden(asked: Result<Value, Refusal>) -> String {
    let refusal = asked.expect_err("it is not granted");
    assert_eq!(refusal.code, Code::Forbidden, "{refusal:?}");
    assert!(!refusal.hint.is_empty(), "{refusal:?}");
    refusal.message
}

fn heard_of(client: &Client, id: &str) -> bool {
    client.notifications.iter().any(|told| match told {
        ServerNotification::NewPeer { peer } => peer.peer_id.as_str() == id,
        ServerNotification::PeerClosed { peer_id } => peer_id.as_str() == id,
        _ => false,
    })
}

fn ids(answer: &Value) -> Vec<&str> {
    let peers = answer["peers"].as_array().expect("a list").iter();
    peers.map(|peer| peer["peerId"].as_str().expect("an id")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_token_grants_is_sent() {
    let node = World::new().node("n1").await;
    let none = Grants { publish: false, data: false, ..Grants::member() };
    let mut mute = Client::join_as(&node, "mute", none).await;
    assert!(forbidden(mute.try_produce("audio", "mic").await).contains("publishing"));
    assert!(forbidden(send_data(&mut mute).await).contains("data"));
    let sound = Grants { kinds: vec![MediaKind::Audio], data: false, ..Grants::member() };
    let mut voice = Client::join_as(&node, "voice", sound).await;
    assert!(forbidden(voice.try_produce("video", "webcam").await).contains("video"));
    assert!(forbidden(send_data(&mut voice).await).contains("data"));
    voice.produce("audio", "mic").await;
    let screen = Grants { sources: vec!["screen_share".into()], ..Grants::member() };
    let mut shows = Client::join_as(&node, "shows", screen).await;
    assert!(forbidden(shows.try_produce("video", "webcam").await).contains("this source"));
    assert!(forbidden(shows.try_produce("audio", "screen_share").await).contains("audio"));
    shows.produce("video", "screensharing").await;
    send_data(&mut shows).await.expect("data is granted");
    mute.until("what the others send", |mute| {
        mute.consumers.len() == 2 && mute.data_consumers.len() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_subscribe_is_sent_nothing_and_can_ask_for_nothing() {
    let node = World::new().node("n1").await;
    let deaf = Grants { subscribe: false, ..Grants::member() };
    let mut deaf = Client::join_as(&node, "deaf", deaf).await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut bob = Client::join(&node, "bob", None).await;
    let producer = ann.produce("audio", "mic").await;
    send_data(&mut ann).await.expect("it may");
    bob.until("both", |bob| bob.consumers.len() == 1 && bob.data_consumers.len() == 1).await;
    let asked = deaf.ask("consume", json!({ "producerId": producer })).await;
    assert_eq!(asked.unwrap_err().code, Code::WrongState);
    assert_eq!((deaf.consumers.len(), deaf.data_consumers.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_peer_hears_the_room_and_the_room_never_hears_of_it() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let hidden = || Grants { hidden: true, ..Grants::member() };
    let mut eye = Client::join_as(&one, "eye", hidden()).await;
    assert_eq!(ids(&eye.joined), ["ann", "bob"]);
    ann.produce("audio", "mic").await;
    bob.produce("video", "webcam").await;
    eye.until("what both send", |eye| eye.consumers.len() == 2).await;
    assert!(forbidden(eye.try_produce("audio", "mic").await).contains("hidden"));
    assert!(forbidden(send_data(&mut eye).await).contains("hidden"));
    let cat = Client::join(&two, "cat", None).await;
    assert_eq!(ids(&cat.joined), ["ann", "bob"]);
    let listed = |peers: Vec<starling_proto::rest::PeerInfo>| {
        peers.into_iter().filter(|info| info.hidden).map(|info| info.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(one.peers(&room()).await.unwrap()), [peer("eye")]);
    assert_eq!(listed(two.peers(&room()).await.unwrap()), []);
    // Somebody else of that name is told that there is one.
    let taken = Client::open(&one, "eye", None).await.err().expect("the id is taken");
    assert_eq!(taken.code, Code::PeerExists);
    drop(eye);
    until("it has left", async || {
        one.peers(&room()).await.unwrap().iter().all(|info| !info.hidden)
    })
    .await;
    // What was said before the leave has been heard by then.
    let fresh = Client::join(&one, "dan", None).await;
    for client in [&mut ann, &mut bob] {
        client.until("the one who came last", |client| heard_of(client, "dan")).await;
        assert!(!heard_of(client, "eye"));
    }
    drop((ann, bob, cat, fresh));
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_of_the_room_mutes_and_kicks_on_every_node_and_nobody_else_does() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let admin = Grants { admin: true, ..Grants::member() };
    let mut host = Client::join_as(&one, "host", admin).await;
    let mut near = Client::join(&one, "near", None).await;
    let mut far = Client::join(&two, "far", None).await;
    let mic = far.produce("audio", "mic").await;
    far.produce("video", "webcam").await;
    near.produce("audio", "mic").await;
    host.until("what they send", |host| host.consumers.len() == 3).await;
    for (method, data) in [
        ("kickPeer", json!({ "peerId": "host" })),
        ("mutePeer", json!({ "peerId": "far" })),
        ("mutePeer", json!({ "peerId": "far", "producerId": mic })),
    ] {
        assert!(forbidden(near.ask(method, data).await).contains("admin"));
    }
    let paused = |client: &Client| {
        let told = client.notifications.iter().filter_map(|told| match told {
            ServerNotification::ProducerPaused { producer_id } => Some(producer_id.to_string()),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    host.ask("mutePeer", json!({ "peerId": "far" })).await.expect("it may");
    far.until("it is muted", |far| !paused(far).is_empty()).await;
    assert_eq!(paused(&far).join(" "), mic);
    host.until("its sound pauses", |host| {
        host.notifications
            .iter()
            .any(|told| matches!(told, ServerNotification::ConsumerPaused { .. }))
    })
    .await;
    far.notify(ClientNotification::ResumeProducer(mic.parse().unwrap())).await;
    host.ask("mutePeer", json!({ "peerId": "near" })).await.expect("it may");
    near.until("it is muted", |near| paused(near).len() == 1).await;
    let nobody = host.ask("kickPeer", json!({ "peerId": "nobody" })).await.unwrap_err();
    assert_eq!(nobody.code, Code::PeerNotFound);
    for (id, client) in [("near", &mut near), ("far", &mut far)] {
        host.ask("kickPeer", json!({ "peerId": id })).await.expect("it may");
        client.until("it is sent away", |client| client.closed.is_some()).await;
        assert_eq!(client.closed.as_ref().map(|(code, _)| *code), Some(4000));
    }
    host.until("both are gone", |host| heard_of(host, "near") && heard_of(host, "far")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_told_of_a_recorder_and_nobody_can_pretend_to_be_one() {
    let node = World::new().node("n1").await;
    let recorder = Grants { recorder: true, publish: false, ..Grants::member() };
    let tape = Client::join_as(&node, "tape", recorder).await;
    let ann = Client::join(&node, "ann", None).await;
    assert_eq!(ann.joined["peers"][0]["device"]["recorder"], true);
    let mut liar = Client::open(&node, "liar", None).await.expect("the node lets it in");
    let join = json!({ "displayName": "", "device": { "name": "x", "recorder": true } });
    let answer = liar.ask("join", join).await.expect("it joins");
    assert_eq!(ids(&answer), ["ann", "tape"]);
    let late = Client::join(&node, "late", None).await;
    let peers = late.joined["peers"].as_array().expect("a list");
    let said = peers.iter().find(|peer| peer["peerId"] == "liar").expect("it is there");
    assert_eq!(said["device"], json!({ "name": "x" }));
    drop((tape, ann));
}
