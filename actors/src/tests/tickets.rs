//! Tickets that are used again: clients whose answers were lost, and pages that were copied.

use starling_proto::Code;

use super::world::{Client, World, peer, room, until};
use crate::{Node, session::Grants};

async fn is_on(asked: &Node, node: &Node) {
    until("ann is there", async || {
        let peers = asked.peers(&room()).await.unwrap_or_default();
        peers.iter().any(|info| info.id == peer("ann") && info.node == *node.id())
    })
    .await;
}

async fn ends(client: &mut Client) {
    client.until("it is told to stay away", |client| client.closed.is_some()).await;
    assert_eq!(client.closed.as_ref().map(|closed| closed.0), Some(4000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_of_an_earlier_session_takes_the_place_of_the_newest() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let ticket = ann.ticket();
    let mut second = Client::join(&two, "ann", Some(ticket.clone())).await;
    ends(&mut ann).await;
    is_on(&two, &two).await;
    // What the second was answered is lost: its client comes with what it has.
    let mut third = Client::join(&three, "ann", Some(ticket)).await;
    ends(&mut second).await;
    third.ask("getRtcStatsUrl", serde_json::json!({})).await.expect("it goes on");
    is_on(&three, &three).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_sessions_with_one_ticket_the_one_that_was_opened_last_is_true() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let ann = Client::join(&one, "ann", None).await;
    let ticket = ann.ticket();
    // Its node is slow: the client gives it up, and it joins all the same.
    let mut slow = Client::open(&two, "ann", Some(ticket.clone())).await.unwrap();
    let mut quick = Client::join(&three, "ann", Some(ticket)).await;
    is_on(&two, &three).await;
    let join = serde_json::json!({"displayName": "ann", "device": {}});
    slow.send("join", join).await.unwrap();
    ends(&mut slow).await;
    quick.ask("getRtcStatsUrl", serde_json::json!({})).await.expect("it goes on");
    is_on(&three, &three).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_let_in_with_less_comes_back_with_no_more_whatever_its_token_grants() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let left = Grants { sources: vec!["mic".into()], ..Grants::member() };
    let mut ann = Client::join_narrowed(&one, "ann", left).await;
    ann.produce("audio", "mic").await;
    // Once, and once more with the ticket that it gets there.
    for node in [&two, &three] {
        ann = Client::join(node, "ann", Some(ann.ticket())).await;
        let refusal = ann.try_produce("video", "webcam").await.unwrap_err();
        assert_eq!(refusal.code, Code::Forbidden, "{refusal:?}");
        ann.produce("audio", "mic").await;
    }
    let ben = Client::join(&one, "ben", None).await;
    let mut ben = Client::join(&two, "ben", Some(ben.ticket())).await;
    ben.produce("video", "webcam").await;
}
