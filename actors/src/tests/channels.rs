//! Data channels: from a client's association through topics and links to others', on one node and
//! on two.

use std::time::Duration;

use serde_json::{Value, json};
use starling_proto::{
    Code, DataConsumerId,
    signal::{ClientNotification, NewDataConsumer, ServerNotification},
};

use super::{
    channel_client::Line,
    world::{Client, World, all_zero, linked},
};
use crate::Node;

/// Nothing comes within this: messages take milliseconds.
pub(super) const QUIET: Duration = Duration::from_millis(300);

pub(super) async fn produce(client: &mut Client, stream: u16, label: &str) -> String {
    let wish = json!({
        "transportId": client.sending["transportId"],
        "sctpStreamParameters": { "streamId": stream, "ordered": true },
        "label": label, "protocol": "", "appData": { "channel": label },
    });
    let answer = client.ask("produceData", wish).await.expect("it produces");
    answer["dataProducerId"].as_str().expect("an id").to_owned()
}

pub(super) async fn consumer(client: &mut Client, n: usize) -> NewDataConsumer {
    client.until("a data consumer", |client| client.data_consumers.len() > n).await;
    client.data_consumers[n].clone()
}

pub(super) async fn sending(client: &mut Client) -> Line {
    let transport = client.sending.clone();
    Line::connect(client, &transport).await
}

pub(super) async fn receiving(client: &mut Client) -> Line {
    let transport = client.receiving.clone();
    Line::connect(client, &transport).await
}

pub(super) async fn stats(client: &mut Client, method: &str, wish: Value) -> Value {
    client.ask(method, wish).await.expect("statistics")["stats"][0].clone()
}

/// One sends `count` messages, and each of two others gets them all, in order.
async fn all_arrive(from: &Node, to: [&Node; 2], count: u32) {
    let mut ann = Client::join(from, "ann", None).await;
    let mut bob = Client::join(to[0], "bob", None).await;
    let mut eve = Client::join(to[1], "eve", None).await;
    let producer = produce(&mut ann, 0, "chat").await;
    let ann_line = sending(&mut ann).await;
    let mut ears = Vec::new();
    for client in [&mut bob, &mut eve] {
        let new = consumer(client, 0).await;
        assert_eq!(
            (new.label.as_str(), new.data_producer_id.to_string()),
            ("chat", producer.clone())
        );
        assert_eq!(new.app_data, json!({ "channel": "chat", "peerId": "ann" }));
        ears.push((receiving(client).await, new.sctp_stream_parameters.stream_id));
    }
    // Until a message has come through, the others may not have begun.
    for (line, _) in &mut ears {
        loop {
            ann_line.say(0, b"ready?");
            if line.hears_within(Duration::from_millis(50)).await.is_some() {
                break;
            }
        }
    }
    for n in 0..count {
        let payload = [&n.to_be_bytes()[..], &vec![1; (n as usize * 37) % 3_000]].concat();
        ann_line.say(0, &payload);
    }
    for (line, stream) in &mut ears {
        let mut next = 0;
        while next < count {
            let (on, payload) = line.hear().await;
            assert_eq!(on, *stream);
            if payload != b"ready?" {
                assert_eq!(payload[..4], next.to_be_bytes(), "in order, none missing");
                next += 1;
            }
        }
    }
    let sent = stats(&mut ann, "getDataProducerStats", json!({ "dataProducerId": producer })).await;
    assert!(sent["messagesReceived"].as_u64() >= Some(u64::from(count)));
    let consumer_id = bob.data_consumers[0].data_consumer_id.clone();
    let got = json!({ "dataConsumerId": consumer_id });
    let got = stats(&mut bob, "getDataConsumerStats", got).await;
    assert!(got["messagesSent"].as_u64() >= Some(u64::from(count)));
    assert_eq!((&got["type"], &got["label"]), (&json!("data-consumer"), &json!("chat")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_everybody_else_on_the_node_in_order() {
    let node = World::new().node("n1").await;
    all_arrive(&node, [&node, &node], 500).await;
    all_zero(&[&node]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_everybody_on_other_nodes_in_order() {
    let [one, two, three] = World::new().nodes(["n1", "n2", "n3"]).await;
    all_arrive(&one, [&two, &three], 500).await;
    all_zero(&[&one, &two, &three]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_channel_ends_its_consumers_and_a_pause_drops_what_comes() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut bob = Client::join(&node, "bob", None).await;
    let producer = produce(&mut ann, 4, "game").await.parse().unwrap();
    let ann_line = sending(&mut ann).await;
    let id: DataConsumerId = consumer(&mut bob, 0).await.data_consumer_id;
    let mut bob_line = receiving(&mut bob).await;
    while bob_line.hears_within(Duration::from_millis(50)).await.is_none() {
        ann_line.say(4, b"ready?");
    }
    while bob_line.hears_within(QUIET).await.is_some() {}
    bob.notify(ClientNotification::PauseDataConsumer(id.clone())).await;
    bob.ask("getRtcStatsUrl", json!({})).await.unwrap();
    tokio::time::sleep(QUIET).await;
    ann_line.say(4, b"missed");
    assert_eq!(bob_line.hears_within(QUIET).await, None);
    bob.notify(ClientNotification::ResumeDataConsumer(id.clone())).await;
    bob.ask("getRtcStatsUrl", json!({})).await.unwrap();
    tokio::time::sleep(QUIET).await;
    ann_line.say(4, b"heard");
    assert_eq!(bob_line.hear().await.1, b"heard");
    ann.notify(ClientNotification::CloseDataProducer(producer)).await;
    let closed = ServerNotification::DataConsumerClosed { data_consumer_id: id, reason: None };
    bob.until("the consumer ends", |bob| bob.notifications.contains(&closed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_goes_on_when_its_peer_has_moved_and_its_consumers_are_told() {
    let world = World::new();
    let dies = world.island("n1").await;
    let (two, three) = (world.node("n2").await, world.node("n3").await);
    linked(&[&dies.node, &two, &three]).await;
    let mut ann = Client::join(&dies.node, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    produce(&mut ann, 0, "chat").await;
    let new = consumer(&mut bob, 0).await;
    let mut bob_line = receiving(&mut bob).await;
    let ticket = ann.ticket();
    dies.kill();
    let mut ann = Client::join(&three, "ann", Some(ticket)).await;
    produce(&mut ann, 9, "chat").await;
    let ann_line = sending(&mut ann).await;
    let told = |told: &ServerNotification| {
        matches!(told, ServerNotification::DataConsumerInterrupted { data_consumer_id, .. }
            if *data_consumer_id == new.data_consumer_id)
    };
    bob.until("it hears of the gap", |bob| bob.notifications.iter().any(told)).await;
    while bob_line.hears_within(Duration::from_millis(50)).await.is_none() {
        ann_line.say(9, b"again");
    }
    assert_eq!(bob.data_consumers.len(), 1, "the same consumer goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_use_and_a_contradiction_are_refused() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    produce(&mut ann, 0, "chat").await;
    let transport = ann.sending["transportId"].clone();
    let again = json!({ "transportId": transport, "sctpStreamParameters": { "streamId": 0 } });
    assert_eq!(ann.ask("produceData", again).await.unwrap_err().code, Code::BadRequest);
    let both = json!({ "transportId": transport, "sctpStreamParameters":
        { "streamId": 1, "maxPacketLifeTime": 1, "maxRetransmits": 1 } });
    assert_eq!(ann.ask("produceData", both).await.unwrap_err().code, Code::BadRequest);
}
