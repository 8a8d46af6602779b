//! What operators do to producers and consumers, and what peers are told of what others do.

use std::time::Duration;

use serde_json::json;
use starling_proto::{
    Code, ConsumerId, ProducerId, TransportId,
    rest::{
        ChangeConsumer, ChangeProducer, ConnectPlainTransport, CreatePeer, CreatePlainTransport,
    },
    rtp::ConsumerLayers,
    signal::{ClientNotification, ServerNotification},
    transport::SrtpProfile,
};

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, peer, room, until},
};
use crate::{Inspected, Node, Steered};

fn told(client: &Client, what: impl Fn(&ServerNotification) -> bool) -> usize {
    client.notifications.iter().filter(|told| what(told)).count()
}

fn paused(told: &ServerNotification) -> bool {
    matches!(told, ServerNotification::ConsumerPaused { .. })
}

fn resumed(told: &ServerNotification) -> bool {
    matches!(told, ServerNotification::ConsumerResumed { .. })
}

fn closed(told: &ServerNotification) -> bool {
    matches!(told, ServerNotification::ConsumerClosed { .. })
}

/// PR5, PD5, CO8.
#[tokio::test(flavor = "multi_thread")]
async fn every_node_is_told_of_a_pause_and_who_comes_later_finds_it() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let mut bob = Client::join(&two, "bob", None).await;
    let producer: ProducerId = ann.produce("video", "webcam").await.parse().unwrap();
    bob.until("ann's webcam", |bob| bob.consumers.len() == 1).await;
    assert!(!bob.consumers[0].producer_paused);
    ann.notify(ClientNotification::PauseProducer(producer.clone())).await;
    bob.until("its pause", |bob| told(bob, paused) == 1).await;
    let mut eve = Client::join(&two, "eve", None).await;
    eve.until("ann's webcam", |eve| eve.consumers.len() == 1).await;
    assert!(eve.consumers[0].producer_paused);
    ann.notify(ClientNotification::ResumeProducer(producer.clone())).await;
    for client in [&mut bob, &mut eve] {
        client.until("its end", |client| told(client, resumed) == 1).await;
        assert_eq!(told(client, closed), 0);
    }
    // An operator's word counts as the client's.
    let pause = ChangeProducer { paused: Some(true) };
    one.steer(&room(), &peer("ann"), Steered::Producer(producer.clone(), pause)).await.unwrap();
    bob.until("the operator's pause", |bob| told(bob, paused) == 2).await;
    one.steer(&room(), &peer("ann"), Steered::CloseProducer(producer.clone())).await.unwrap();
    for client in [&mut bob, &mut eve] {
        client.until("the end", |client| told(client, closed) == 1).await;
    }
    let again = one.steer(&room(), &peer("ann"), Steered::CloseProducer(producer)).await;
    assert_eq!(again.unwrap_err().code, Code::ProducerNotFound);
}

async fn held(node: &Node, of: &ConsumerId) -> serde_json::Value {
    let of = Inspected::Consumer(of.clone());
    node.inspect(&room(), &peer("eye"), of, true).await.unwrap()
}

/// CO4 to CO7, for programs.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_changes_a_consumer_asks_for_a_key_frame_and_ends_it() {
    let node = World::new().node("n1").await;
    let camera = Camera::start(&node, "cam", 2).await;
    let viewer = Viewer::start(&node, "eye", &camera.producer, false).await;
    viewer.first().await;
    let consumer = viewer.consumer.clone();
    let steer = async |what| node.steer(&room(), &peer("eye"), what).await;
    let layers = ConsumerLayers { spatial_layer: 0, temporal_layer: None };
    let change =
        ChangeConsumer { paused: Some(true), preferred_layers: Some(layers), priority: Some(7) };
    steer(Steered::Consumer(consumer.clone(), change)).await.unwrap();
    let now = held(&node, &consumer).await;
    assert_eq!((&now["paused"], &now["priority"]), (&true.into(), &7.into()), "{now}");
    assert_eq!(now["preferredSpatialLayer"], 0);
    let nobody = ChangeConsumer { priority: Some(0), ..ChangeConsumer::default() };
    let refused = steer(Steered::Consumer(consumer.clone(), nobody)).await.unwrap_err();
    assert_eq!(refused.code, Code::BadRequest);
    let on = ChangeConsumer { paused: Some(false), ..ChangeConsumer::default() };
    steer(Steered::Consumer(consumer.clone(), on)).await.unwrap();
    viewer.goes_on_to_key_frame().await;
    let asked = camera.key_frames_asked();
    // The last request was a moment ago, and so soon after it another one is not passed on.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    steer(Steered::KeyFrame(consumer.clone())).await.unwrap();
    until("the camera is asked", async || camera.key_frames_asked() > asked).await;
    steer(Steered::CloseConsumer(consumer.clone())).await.unwrap();
    let again = steer(Steered::KeyFrame(consumer)).await.unwrap_err();
    assert_eq!(again.code, Code::ConsumerNotFound);
    camera.stop().await;
}

/// CO1.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_begins_as_it_was_asked_for() {
    let node = World::new().node("n1").await;
    let camera = Camera::start(&node, "cam", 2).await;
    let viewer = Viewer::start(&node, "eye", &camera.producer, false).await;
    let mut made = Vec::new();
    for more in [
        json!({}),
        json!({ "paused": true, "enableRtx": true, "preferredLayers": { "spatialLayer": 0 } }),
    ] {
        let mut wish = more;
        wish["producerId"] = json!(camera.producer);
        let wish = serde_json::from_value(wish).unwrap();
        let consumer = node.plain_consume(&room(), &peer("eye"), &viewer.transport, wish).await;
        made.push(held(&node, &consumer.unwrap().consumer_id).await);
    }
    let facts = |dump: &serde_json::Value| {
        let params = &dump["rtpStreams"][0]["params"];
        json!([dump["paused"], params["useNack"], dump["preferredSpatialLayer"]])
    };
    assert_eq!(facts(&made[0]), json!([false, false, null]));
    assert_eq!(facts(&made[1]), json!([true, true, 0]));
    camera.stop().await;
}

/// TR3.
#[tokio::test(flavor = "multi_thread")]
async fn a_mid_and_an_ssrc_name_one_producer_of_a_transport() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut produce = async |mid: &str, ssrc: u32| {
        let data = json!({
            "transportId": ann.sending["transportId"], "kind": "audio", "appData": {},
            "rtpParameters": {
                "mid": mid, "encodings": [{ "ssrc": ssrc }],
                "codecs": [{
                    "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2
                }]
            },
        });
        ann.ask("produce", data).await.map(|_| ()).map_err(|refusal| refusal.code)
    };
    assert_eq!(produce("0", 1_000).await, Ok(()));
    assert_eq!(produce("0", 2_000).await, Err(Code::BadRequest));
    assert_eq!(produce("1", 1_000).await, Err(Code::BadRequest));
    assert_eq!(produce("1", 2_000).await, Ok(()));
}

/// KF2, PD1.
#[tokio::test(flavor = "multi_thread")]
async fn a_delay_of_more_than_a_minute_is_refused() {
    let node = World::new().node("n1").await;
    let mut ann = Client::join(&node, "ann", None).await;
    let mut produce = async |delay: u32| {
        let data = json!({
            "transportId": ann.sending["transportId"], "kind": "video", "paused": true,
            "keyFrameRequestDelay": delay, "appData": { "source": "screen" },
            "rtpParameters": {
                "mid": "5", "encodings": [{ "ssrc": 7 }],
                "codecs": [{ "mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000 }]
            },
        });
        ann.ask("produce", data).await.map_err(|refusal| refusal.code)
    };
    assert_eq!(produce(60_001).await, Err(Code::BadRequest));
    assert!(produce(60_000).await.is_ok());
    assert!(node.peers(&room()).await.unwrap()[0].producers[0].paused);
}

/// PL1, PL3, SR3.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_transport_is_connected_once_with_all_it_needs() {
    let node = World::new().node("n1").await;
    let made = CreatePeer::new(peer("bot"), "");
    node.create_peer(&room(), made).await.unwrap();
    let create = async |options: CreatePlainTransport| {
        node.create_plain_transport(&room(), &peer("bot"), options).await
    };
    let base = CreatePlainTransport::default;
    assert_eq!((base().rtcp_mux, base().comedia, base().enable_srtp), (true, false, false));
    let connect = async |id: &TransportId, body: serde_json::Value| {
        let options: ConnectPlainTransport = serde_json::from_value(body).unwrap();
        let done = node.connect_plain_transport(&room(), &peer("bot"), id, options).await;
        done.map_err(|refusal| refusal.code)
    };
    let apart = create(CreatePlainTransport { rtcp_mux: false, ..base() }).await.unwrap();
    assert_eq!(apart.address.rtcp_port, Some(apart.address.port + 1));
    let id = apart.transport_id;
    let there = json!({ "ip": "127.0.0.1", "port": 9 });
    assert_eq!(connect(&id, json!({})).await.unwrap_err(), Code::BadRequest);
    assert_eq!(connect(&id, there).await.unwrap_err(), Code::BadRequest, "no RTCP port");
    let there = json!({ "ip": "127.0.0.1", "port": 9, "rtcpPort": 19 });
    assert!(connect(&id, there.clone()).await.is_ok());
    assert_eq!(connect(&id, there).await.unwrap_err(), Code::WrongState);
    // Its ports may be chosen; RTCP's need not be the next one.
    let [rtp, rtcp] = [free_port(), free_port()];
    let options =
        CreatePlainTransport { rtcp_mux: false, port: Some(rtp), rtcp_port: Some(rtcp), ..base() };
    let chosen = create(options.clone()).await.unwrap();
    assert_eq!((chosen.address.port, chosen.address.rtcp_port), (rtp, Some(rtcp)));
    assert_eq!(create(options.clone()).await.unwrap_err().code, Code::NoCapacity, "it is taken");
    let options = CreatePlainTransport { port: None, ..options };
    assert_eq!(create(options).await.unwrap_err().code, Code::BadRequest);
    // The suite follows theirs, and our key with it.
    let secret = create(CreatePlainTransport { enable_srtp: true, comedia: true, ..base() }).await;
    let secret = secret.unwrap();
    let ours = secret.srtp_parameters.unwrap();
    assert_eq!(ours.crypto_suite, SrtpProfile::AesCm128HmacSha1_80);
    let id = secret.transport_id;
    let key = |bytes: &str| {
        json!({
            "srtpParameters": { "cryptoSuite": "AEAD_AES_256_GCM", "keyBase64": bytes }
        })
    };
    assert_eq!(connect(&id, key("AAAA")).await.unwrap_err(), Code::BadRequest);
    // 44 bytes.
    let connected = connect(&id, key(&format!("{}=", "A".repeat(59)))).await.unwrap();
    let ours = connected.srtp_parameters.unwrap();
    assert_eq!(ours.crypto_suite, SrtpProfile::AeadAes256Gcm);
    assert_eq!(ours.key_base64.len(), 60);
}

fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
