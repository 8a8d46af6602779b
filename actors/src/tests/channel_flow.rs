//! What becomes of messages between two nodes when a receiver is slow, when they may be given up,
//! and when the link between the nodes breaks.

use std::time::{Duration, Instant};

use serde_json::json;
use starling_proto::signal::{ClientNotification, NewDataConsumer, ServerNotification};

use super::{
    channel_client::Line,
    channels::{QUIET, consumer, produce, receiving, sending, stats},
    world::{Client, World, all_zero},
};
use crate::Node;

/// Until a message has come through, the listener may not have begun.
async fn greet(from: &Line, stream: u16, to: &mut Line) {
    loop {
        from.say(stream, b"ready?");
        if to.hears_within(Duration::from_millis(50)).await.is_some() {
            break;
        }
    }
    while to.hears_within(QUIET).await.is_some() {}
}

fn numbered(n: u32, len: usize) -> Vec<u8> {
    let mut payload = n.to_be_bytes().to_vec();
    payload.resize(len, 7);
    payload
}

fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().expect("a numbered message"))
}

/// A data producer of `ann` on one node, and `bob`, who consumes it on another.
async fn pair(
    one: &Node,
    two: &Node,
    delivery: serde_json::Value,
) -> (Client, Client, NewDataConsumer) {
    let mut ann = Client::join(one, "ann", None).await;
    let mut bob = Client::join(two, "bob", None).await;
    let mut parameters = json!({ "streamId": 0 });
    parameters.as_object_mut().unwrap().extend(delivery.as_object().unwrap().clone());
    let wish = json!({
        "transportId": ann.sending["transportId"], "sctpStreamParameters": parameters,
        "label": "game", "protocol": "", "appData": {},
    });
    ann.ask("produceData", wish).await.expect("it produces");
    let new = consumer(&mut bob, 0).await;
    (ann, bob, new)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_on_another_node_holds_its_sender_back_and_loses_nothing() {
    const COUNT: u32 = 4_000;
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let (mut ann, mut bob, new) = pair(&one, &two, json!({})).await;
    let mut cat = Client::join(&one, "cat", None).await;
    let producer =
        ann.ask("getTransportStats", json!({ "transportId": ann.sending["transportId"] }));
    assert_eq!(producer.await.unwrap()["stats"][0]["sctpState"], "new");
    produce(&mut cat, 0, "other").await;
    let mut eve = Client::join(&two, "eve", None).await;
    eve.until("both channels", |eve| eve.data_consumers.len() == 2).await;
    let other = eve.data_consumers.iter().find(|new| new.label == "other").unwrap();
    let other = other.sctp_stream_parameters.stream_id;
    // Eve hears what cat says only: what ann says is not for her.
    for new in eve.data_consumers.clone() {
        if new.label == "game" {
            eve.notify(ClientNotification::CloseDataConsumer(new.data_consumer_id)).await;
        }
    }
    let (ann_line, cat_line) = (sending(&mut ann).await, sending(&mut cat).await);
    let (mut bob_line, mut eve_line) = (receiving(&mut bob).await, receiving(&mut eve).await);
    greet(&cat_line, 0, &mut eve_line).await;
    greet(&ann_line, 0, &mut bob_line).await;
    bob_line.listen(false);
    for n in 0..COUNT {
        ann_line.say(0, &numbered(n, 1_000));
    }
    let started = Instant::now();
    for n in 0..20 {
        cat_line.say(0, &numbered(n, 100));
        let (on, payload) = eve_line.hear().await;
        assert_eq!((on, number(&payload)), (other, n), "others are not held back");
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let id = new.data_producer_id;
    let held = stats(&mut ann, "getDataProducerStats", json!({ "dataProducerId": id })).await;
    let held = held["messagesReceived"].as_u64().unwrap();
    assert!(held < u64::from(COUNT) - 500, "{held} of {COUNT} were taken for who reads nothing");
    bob_line.listen(true);
    let mut next = 0;
    while next < COUNT {
        let (on, payload) = bob_line.hear().await;
        if on == new.sctp_stream_parameters.stream_id && payload != b"ready?" {
            assert_eq!(number(&payload), next, "in order, none missing");
            next += 1;
        }
    }
    drop((ann, bob, cat, eve));
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_given_up_is_shed_for_who_is_slow_and_holds_nobody_back() {
    const COUNT: u32 = 3_000;
    for delivery in [
        json!({ "ordered": false, "maxRetransmits": 0 }),
        json!({ "ordered": false, "maxPacketLifeTime": 100 }),
    ] {
        let [one, two] = World::new().nodes(["n1", "n2"]).await;
        let (mut ann, mut bob, new) = pair(&one, &two, delivery.clone()).await;
        let got = serde_json::to_value(new.sctp_stream_parameters).unwrap();
        for (key, value) in delivery.as_object().unwrap() {
            assert_eq!(got[key], *value, "bob's stream is as ann's");
        }
        let (ann_line, mut bob_line) = (sending(&mut ann).await, receiving(&mut bob).await);
        greet(&ann_line, 0, &mut bob_line).await;
        bob_line.listen(false);
        for n in 0..COUNT {
            ann_line.say(0, &numbered(n, 1_000));
        }
        let id = json!({ "dataProducerId": new.data_producer_id });
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let taken = stats(&mut ann, "getDataProducerStats", id.clone()).await;
            if taken["messagesReceived"].as_u64().unwrap() >= u64::from(COUNT) {
                break;
            }
            assert!(Instant::now() < end, "ann is held back: {taken}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bob_line.listen(true);
        ann_line.say(0, &numbered(COUNT, 1_000));
        let mut seen = std::collections::BTreeSet::new();
        while !seen.contains(&COUNT) {
            let (_, payload) = bob_line.hear().await;
            if payload != b"ready?" {
                assert!(seen.insert(number(&payload)), "none twice");
            }
        }
        assert!(seen.len() < COUNT as usize, "{} of {COUNT} were kept", seen.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unordered_reliable_messages_cross_all() {
    const COUNT: u32 = 500;
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let (mut ann, mut bob, new) = pair(&one, &two, json!({ "ordered": false })).await;
    assert_eq!(new.sctp_stream_parameters.ordered, Some(false));
    let (ann_line, mut bob_line) = (sending(&mut ann).await, receiving(&mut bob).await);
    greet(&ann_line, 0, &mut bob_line).await;
    for n in 0..COUNT {
        ann_line.say(0, &numbered(n, 4 + (n as usize * 37) % 3_000));
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < COUNT as usize {
        let (_, payload) = bob_line.hear().await;
        assert!(payload == b"ready?" || seen.insert(number(&payload)), "none twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_when_what_waits_for_it_has_fallen_to_its_threshold() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let (mut ann, mut bob, new) = pair(&one, &two, json!({})).await;
    let id = new.data_consumer_id;
    let (ann_line, mut bob_line) = (sending(&mut ann).await, receiving(&mut bob).await);
    greet(&ann_line, 0, &mut bob_line).await;
    let threshold =
        ClientNotification::SetDataConsumerBufferedAmountLowThreshold(id.clone(), 10_000);
    bob.notify(threshold).await;
    bob_line.listen(false);
    for n in 0..100 {
        ann_line.say(0, &numbered(n, 1_000));
    }
    let waits = json!({ "dataConsumerId": id });
    let end = Instant::now() + Duration::from_secs(5);
    while stats(&mut bob, "getDataConsumerStats", waits.clone()).await["bufferedAmount"]
        .as_u64()
        .unwrap()
        < 50_000
    {
        assert!(Instant::now() < end, "nothing waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let low = |told: &ServerNotification| {
        matches!(told, ServerNotification::DataConsumerBufferedAmountLow { data_consumer_id, buffered_amount }
            if *data_consumer_id == id && *buffered_amount <= 10_000)
    };
    assert!(!bob.notifications.iter().any(low), "not yet");
    bob_line.listen(true);
    bob.until("it hears of it", |bob| bob.notifications.iter().any(low)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_when_a_link_breaks_may_be_lost_and_its_consumer_is_told() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let (mut ann, mut bob, new) = pair(&one, &two, json!({})).await;
    let (ann_line, mut bob_line) = (sending(&mut ann).await, receiving(&mut bob).await);
    greet(&ann_line, 0, &mut bob_line).await;
    let told = |told: &ServerNotification| {
        matches!(told, ServerNotification::DataConsumerInterrupted { data_consumer_id, .. }
            if *data_consumer_id == new.data_consumer_id)
    };
    let (mut said, mut heard) = (0, Vec::new());
    let end = Instant::now() + Duration::from_secs(20);
    let gaps = |heard: &[u32]| heard.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    let mut cut = Instant::now();
    // Until something has come that was said after the nodes had found each other again.
    while gaps(&heard) == 0 {
        assert!(Instant::now() < end, "nothing is lost: {} of {said}", heard.len());
        for _ in 0..20 {
            ann_line.say(0, &numbered(said, 500));
            said += 1;
        }
        while let Some((_, payload)) = bob_line.hears_within(Duration::from_millis(5)).await {
            heard.push(number(&payload));
        }
        if heard.len() > 100 && cut.elapsed() > Duration::from_secs(1) {
            // They are dialled again at once, so that nothing may have been under way.
            one.cut_links();
            two.cut_links();
            cut = Instant::now();
        }
    }
    bob.until("it hears of the gap", |bob| bob.notifications.iter().any(told)).await;
    for _ in 0..100 {
        ann_line.say(0, &numbered(said, 500));
        said += 1;
    }
    while heard.last().is_none_or(|last| *last < said - 1) {
        heard.push(number(&bob_line.hear().await.1));
    }
    assert!(heard.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
    assert_eq!(gaps(&heard), 1, "what is said when the link is whole arrives");
}
