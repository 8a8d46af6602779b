//! Messages of programs: in the process itself, and over SCTP on plain UDP.

use std::time::Duration;

use serde_json::json;
use starling_proto::{
    Code, DataConsumerId, DataProducerId,
    message::{Audience, DataMessage, MessageKind},
    rest::{CreateDataConsumer, CreateDataProducer, CreatePeer, CreatePlainTransport},
    sctp::SctpStreamParameters,
    signal::ClientNotification,
};
use tokio::time::timeout;

use super::{
    channel_client::Line,
    channels::{consumer, produce, receiving, sending, stats},
    direct::tap,
    world::{Client, PATIENCE, World, all_zero, peer, room, until},
};
use crate::{
    Node,
    direct::{Direct, DirectData, Tapped},
};

async fn heard(direct: &mut Direct) -> DirectData {
    loop {
        let tapped = timeout(PATIENCE, direct.recv()).await.expect("in time").expect("it is open");
        if let Tapped::Data(data) = tapped {
            return data;
        }
    }
}

async fn produces(node: &Node, id: &str, direct: &Direct, label: &str) -> DataProducerId {
    let wish = CreateDataProducer { label: label.to_owned(), ..CreateDataProducer::default() };
    let made = node.produce_data(&room(), &peer(id), direct.id(), wish).await.unwrap();
    made.data_producer_id
}

fn of(data_producer_id: DataProducerId) -> CreateDataConsumer {
    serde_json::from_value(json!({ "dataProducerId": data_producer_id })).unwrap()
}

async fn consumes(
    node: &Node,
    id: &str,
    direct: &Direct,
    of: CreateDataConsumer,
) -> DataConsumerId {
    until("the data producer is known here", async || {
        let peers = node.peers(&room()).await.unwrap_or_default();
        let mut all = peers.iter().flat_map(|peer| &peer.data_producers);
        all.any(|producer| producer.id == of.data_producer_id)
    })
    .await;
    let made = node.consume_data(&room(), &peer(id), direct.id(), of).await.unwrap();
    assert_eq!(made.sctp_stream_parameters, None);
    made.data_consumer_id
}

fn text(text: &str) -> DataMessage {
    DataMessage::new(MessageKind::String, text.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_talks_with_clients_on_other_nodes() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut bot = tap(&one, "bot").await;
    let says = produces(&one, "bot", &bot, "bot").await;
    let mut ann = Client::join(&two, "ann", None).await;
    assert_eq!(consumer(&mut ann, 0).await.data_producer_id, says);
    let asks: DataProducerId = produce(&mut ann, 3, "chat").await.parse().unwrap();
    let (ann_line, mut ann_ear) = (sending(&mut ann).await, receiving(&mut ann).await);
    let hears = consumes(&one, "bot", &bot, of(asks.clone())).await;
    let echo = async {
        let sender = bot.sender();
        for n in 0..200u32 {
            loop {
                let DirectData::Message { consumer, message } = heard(&mut bot).await else {
                    panic!("it goes on");
                };
                assert_eq!((&consumer, message.kind), (&hears, MessageKind::Binary));
                assert!(sender.send(&says, (*message).clone()).await);
                if message.payload[..] == n.to_be_bytes() {
                    break;
                }
            }
        }
    };
    let talks = async {
        for n in 0..200u32 {
            loop {
                ann_line.say(3, &n.to_be_bytes());
                let answer = ann_ear.hears_within(Duration::from_millis(500)).await;
                if answer.is_some_and(|(_, payload)| payload == n.to_be_bytes()) {
                    break;
                }
                assert!(n < 2, "only before it has begun is anything lost");
            }
        }
    };
    tokio::join!(echo, talks);
    let dump = one.inspect_data_consumer(&room(), &peer("bot"), hears.clone(), true).await.unwrap();
    assert_eq!((&dump["type"], &dump["label"]), (&json!("direct"), &json!("chat")));
    let counted = one.inspect_data_consumer(&room(), &peer("bot"), hears, false).await.unwrap();
    assert!(counted[0]["messagesSent"].as_u64() >= Some(200));
    let counted =
        one.inspect_data_producer(&room(), &peer("bot"), says.clone(), false).await.unwrap();
    assert!(counted[0]["messagesReceived"].as_u64() >= Some(200));
    let dump = one.router_dump(&room()).await.unwrap();
    let all = dump["mapDataConsumerIdDataProducerId"].as_array().unwrap();
    assert!(all.iter().any(|pair| pair["value"] == json!(asks)), "{dump}");
    ann.notify(ClientNotification::CloseDataProducer(asks)).await;
    while !matches!(heard(&mut bot).await, DirectData::ConsumerClosed { .. }) {}
    one.close_data_producer(&room(), &peer("bot"), says.clone()).await.unwrap();
    until("nothing is sent any more", async || !bot.sender().send(&says, text("x")).await).await;
    one.remove_peer(&room(), &peer("bot")).await.unwrap();
    drop((ann, bot));
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_a_subchannel_reaches_those_in_it_on_every_node() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let bot = tap(&one, "bot").await;
    let says = produces(&one, "bot", &bot, "bot").await;
    let mut ears = Vec::new();
    for (node, id, subchannels) in
        [(&one, "a", vec![7]), (&two, "b", vec![7, 9]), (&two, "c", vec![])]
    {
        let ear = tap(node, id).await;
        let wish = CreateDataConsumer { subchannels, ..of(says.clone()) };
        consumes(node, id, &ear, wish).await;
        ears.push((id, ear));
    }
    let mut ann = Client::join(&two, "ann", None).await;
    let new = consumer(&mut ann, 0).await;
    let mut ann_line = receiving(&mut ann).await;
    let id = new.data_consumer_id;
    ann.notify(ClientNotification::SetDataConsumerSubchannels(id, vec![9])).await;
    let sender = bot.sender();
    let to = |audience: Audience, payload: &str| DataMessage { audience, ..text(payload) };
    // Until the flow between the nodes is up, ann's subchannels known.
    while ann_line.hears_within(Duration::from_millis(50)).await.is_none() {
        let nine = Audience { subchannels: vec![9], ..Audience::default() };
        assert!(sender.send(&says, to(nine, "nine")).await);
    }
    let seven = Audience { subchannels: vec![7], ..Audience::default() };
    let not_nine = Audience { ignored: Some(9), ..Audience::default() };
    for (audience, payload) in
        [(seven, "seven"), (not_nine, "not nine"), (Audience::default(), "all")]
    {
        assert!(sender.send(&says, to(audience, payload)).await);
    }
    for (id, ear) in &mut ears {
        let expected: &[&str] = match *id {
            "a" => &["seven", "not nine", "all"],
            "b" => &["seven", "all"],
            _ => &["not nine", "all"],
        };
        let mut got = Vec::new();
        while got.last().is_none_or(|last| last != "all") {
            let DirectData::Message { message, .. } = heard(ear).await else {
                panic!("it goes on")
            };
            let payload = String::from_utf8(message.payload.to_vec()).unwrap();
            if payload != "nine" {
                got.push(payload);
            }
        }
        assert_eq!(got, expected, "{id}");
    }
    loop {
        let (_, payload) = ann_line.hear().await;
        if payload != b"nine" {
            assert_eq!(payload, b"all");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_read_holds_its_producer_back() {
    let node = World::new().node("n1").await;
    let (bot, mut ear) = (tap(&node, "bot").await, tap(&node, "ear").await);
    let says = produces(&node, "bot", &bot, "bot").await;
    consumes(&node, "ear", &ear, of(says.clone())).await;
    let sender = bot.sender();
    // It gets what is said from now on, as soon as the transport knows.
    loop {
        assert!(sender.send(&says, text("ready?")).await);
        if timeout(Duration::from_millis(50), ear.recv()).await.is_ok() {
            break;
        }
    }
    let big = DataMessage::new(MessageKind::Binary, &[7; 100_000]);
    let mut sent = 0;
    while timeout(Duration::from_millis(300), sender.send(&says, big.clone())).await.is_ok() {
        sent += 1;
        assert!(sent < 40, "they wait in the topic and for the program");
    }
    assert!(sent >= 5, "{sent}");
    let mut got = 0;
    while got < sent {
        let DirectData::Message { message, .. } = heard(&mut ear).await else {
            panic!("it goes on")
        };
        got += usize::from(*message == big);
    }
    assert!(timeout(PATIENCE, sender.send(&says, big)).await.expect("there is room again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sctp_over_plain_udp_carries_messages_both_ways() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&two, "ann", None).await;
    let asks: DataProducerId = produce(&mut ann, 0, "chat").await.parse().unwrap();
    let (ann_line, mut ann_ear) = (sending(&mut ann).await, receiving(&mut ann).await);
    let bot = CreatePeer::new(peer("bot"), "bot");
    one.create_peer(&room(), bot).await.unwrap();
    let bare = CreatePlainTransport { comedia: true, ..CreatePlainTransport::default() };
    let none = one.create_plain_transport(&room(), &peer("bot"), bare.clone()).await.unwrap();
    assert_eq!(none.sctp_parameters, None);
    let producer = CreateDataProducer {
        sctp_stream_parameters: Some(SctpStreamParameters { stream_id: 9, ..Default::default() }),
        label: "bot".into(),
        ..CreateDataProducer::default()
    };
    let (in_room, bot) = (room(), peer("bot"));
    let refused = one.produce_data(&in_room, &bot, &none.transport_id, producer.clone()).await;
    assert_eq!(refused.unwrap_err().code, Code::BadRequest);
    let options = CreatePlainTransport { enable_sctp: true, ..bare };
    let plain = one.create_plain_transport(&room(), &peer("bot"), options).await.unwrap();
    assert!(plain.sctp_parameters.is_some_and(|it| !it.is_data_channel && it.port == 5_000));
    let id = &plain.transport_id;
    let says = one.produce_data(&room(), &peer("bot"), id, producer.clone()).await.unwrap();
    let again = one.produce_data(&room(), &peer("bot"), id, producer).await.unwrap_err();
    assert_eq!(again.code, Code::BadRequest, "the stream is in use");
    until("the data producer is known here", async || {
        let peers = one.peers(&room()).await.unwrap_or_default();
        peers.iter().flat_map(|peer| &peer.data_producers).any(|producer| producer.id == asks)
    })
    .await;
    let hears = one.consume_data(&room(), &peer("bot"), id, of(asks.clone())).await.unwrap();
    let stream = hears.sctp_stream_parameters.expect("it has one").stream_id;
    assert_ne!(stream, 9);
    let mut line = Line::plain(plain.address.ip, plain.address.port).await;
    consumer(&mut ann, 0).await;
    let (mut to, mut from) = (0, 0);
    while to < 100 || from < 100 {
        line.say(9, b"from the program");
        ann_line.say(0, b"from ann");
        while let Some((on, payload)) = line.hears_within(Duration::from_millis(5)).await {
            assert_eq!((on, &payload[..]), (stream, &b"from ann"[..]));
            from += 1;
        }
        while let Some((_, payload)) = ann_ear.hears_within(Duration::from_millis(5)).await {
            assert_eq!(payload, b"from the program");
            to += 1;
        }
    }
    let of_transport = crate::Inspected::Transport(id.clone());
    let dump = one.inspect(&room(), &peer("bot"), of_transport.clone(), true).await.unwrap();
    assert_eq!(dump["sctpState"], "connected");
    assert_eq!(dump["dataProducerIds"], json!([says.data_producer_id]));
    let counted = one.inspect(&room(), &peer("bot"), of_transport, false).await.unwrap();
    assert_eq!(counted[0]["sctpState"], "connected");
    let sent = json!({ "dataProducerId": asks });
    assert!(
        stats(&mut ann, "getDataProducerStats", sent).await["messagesReceived"].as_u64() > Some(0)
    );
    one.remove_transport(&room(), &peer("bot"), id).await.unwrap();
    one.remove_peer(&room(), &peer("bot")).await.unwrap();
    drop(ann);
    all_zero(&[&one, &two]).await;
}
