//! An application that does its own signalling: peers and WebRTC transports made by it, and real
//! clients on them.

use serde_json::{Value, json};
use starling_proto::{
    Code, DataConsumerId, MediaKind, PeerId, TransportId,
    rest::{
        ChangeDataConsumer, ChangeDataProducer, CreateConsumer, CreateDataConsumer,
        CreateDataProducer, CreatePeer, CreateProducer, CreateWebRtcTransport,
    },
    sctp::SctpStreamParameters,
    transport::{DtlsRole, WebRtcTransportInfo},
};

use super::{
    channel_client::Line,
    world::{Client, World, all_zero, peer, room, until},
};
use crate::{Inspected, Node, Steered, dtls::Certificate};

async fn made(node: &Node, id: &str) -> (PeerId, WebRtcTransportInfo) {
    node.create_peer(&room(), CreatePeer::new(peer(id), id)).await.unwrap();
    let options = CreateWebRtcTransport::default();
    let transport = node.create_webrtc_transport(&room(), &peer(id), options).await.unwrap();
    (peer(id), transport)
}

/// A client behind a program's transport.
async fn client(node: &Node, of: &PeerId, transport: &WebRtcTransportInfo) -> Line {
    let certificate = Certificate::generate();
    let dtls = json!({ "role": "client", "fingerprints": certificate.fingerprints() });
    let dtls = serde_json::from_value(dtls).unwrap();
    let id = &transport.transport_id;
    let connected = node.connect_webrtc_transport(&room(), of, id, dtls).await.unwrap();
    assert_eq!(connected.dtls_local_role, DtlsRole::Server);
    Line::shake(certificate, json!(transport), std::time::Duration::from_millis(100)).await
}

fn microphone() -> CreateProducer {
    let text = include_str!("../../../media/fixtures/mediasoup-client/send.produce.audio.mic.json");
    let sent: Value = serde_json::from_str(text).unwrap();
    CreateProducer {
        kind: MediaKind::Audio,
        rtp_parameters: serde_json::from_value(sent["rtpParameters"].clone()).unwrap(),
        paused: false,
        key_frame_request_delay: 0,
        app_data: json!({ "source": "mic" }),
    }
}

fn consume(node: &Node, id: &str) -> CreateConsumer {
    CreateConsumer {
        producer_id: id.parse().unwrap(),
        rtp_capabilities: Some(node.rtp_capabilities().clone()),
        paused: true,
        ignore_dtx: false,
        preferred_layers: None,
        enable_rtx: None,
        mid: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_pass_between_clients_of_an_application_on_two_nodes() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let (ada, sends) = made(&one, "ada").await;
    let (ben, receives) = made(&two, "ben").await;
    let says = client(&one, &ada, &sends).await;
    let mut hears = client(&two, &ben, &receives).await;
    let stream = SctpStreamParameters { stream_id: 3, ..SctpStreamParameters::default() };
    let chat = CreateDataProducer {
        sctp_stream_parameters: Some(stream),
        label: "chat".into(),
        ..CreateDataProducer::default()
    };
    let chat = one.produce_data(&room(), &ada, &sends.transport_id, chat).await.unwrap();
    let id = chat.data_producer_id;
    until("the other node knows it", async || {
        let peers = two.peers(&room()).await.unwrap();
        peers.iter().any(|peer| peer.data_producers.iter().any(|its| its.id == id))
    })
    .await;
    let wish = json!({ "dataProducerId": id });
    let wish: CreateDataConsumer = serde_json::from_value(wish).unwrap();
    let got = two.consume_data(&room(), &ben, &receives.transport_id, wish).await.unwrap();
    let on = got.sctp_stream_parameters.unwrap().stream_id;
    until("it begins", async || {
        says.say(3, b"are you there?");
        hears.hears_within(std::time::Duration::from_millis(50)).await.is_some()
    })
    .await;
    // What was said before is heard before.
    says.say(3, b"hello");
    while hears.hear().await != (on, b"hello".to_vec()) {}
    let paused = ChangeDataProducer { paused: Some(true) };
    one.change_data_producer(&room(), &ada, id.clone(), paused).await.unwrap();
    says.say(3, b"unheard");
    assert_eq!(hears.hears_within(std::time::Duration::from_millis(300)).await, None);
    let change = ChangeDataConsumer {
        subchannels: Some(vec![1, 2]),
        buffered_amount_low_threshold: Some(9),
        paused: Some(true),
    };
    let consumer: DataConsumerId = got.data_consumer_id;
    two.change_data_consumer(&room(), &ben, consumer.clone(), change).await.unwrap();
    let dump = two.inspect_data_consumer(&room(), &ben, consumer, true).await.unwrap();
    assert_eq!((&dump["subchannels"], &dump["paused"]), (&json!([1, 2]), &json!(true)));
    assert_eq!(dump["bufferedAmountLowThreshold"], 9);
    one.remove_peer(&room(), &ada).await.unwrap();
    two.remove_peer(&room(), &ben).await.unwrap();
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_produces_and_consumes_what_its_clients_negotiated() {
    let node = World::new().node("n1").await;
    let (ada, transport) = made(&node, "ada").await;
    let (ben, receiving) = made(&node, "ben").await;
    let id = transport.transport_id;
    let sent = node.plain_produce(&room(), &ada, &id, microphone()).await.unwrap().producer_id;
    let wish = consume(&node, sent.to_string().as_str());
    let on = &receiving.transport_id;
    let first = node.plain_consume(&room(), &ben, on, wish.clone()).await.unwrap();
    assert_eq!((&first.producer_id, &first.peer_id), (&sent, &ada));
    assert_eq!((first.rtp_parameters.mid.as_deref(), first.sdp), (Some("0"), None));
    assert_eq!(first.app_data["source"], "mic");
    let named = CreateConsumer { mid: Some("mine".into()), ..wish.clone() };
    let second = node.plain_consume(&room(), &ben, on, named).await.unwrap();
    assert_eq!(second.rtp_parameters.mid.as_deref(), Some("mine"));
    let refused = async |wish: CreateConsumer| {
        node.plain_consume(&room(), &ben, on, wish).await.unwrap_err().code
    };
    let none = CreateConsumer { rtp_capabilities: None, ..wish.clone() };
    assert_eq!(refused(none).await, Code::BadRequest);
    let long = CreateConsumer { mid: Some("x".repeat(9)), ..wish.clone() };
    assert_eq!(refused(long).await, Code::BadRequest);
    let mut deaf = wish.clone();
    deaf.rtp_capabilities.as_mut().unwrap().codecs.clear();
    assert_eq!(refused(deaf).await, Code::UnsupportedMedia);
    node.resume_consumer(&room(), &ben, &first.consumer_id).await.unwrap();
    let of = Inspected::Consumer(first.consumer_id.clone());
    let dump = node.inspect(&room(), &ben, of, true).await.unwrap();
    assert_eq!((&dump["paused"], &dump["transportId"]), (&json!(false), &json!(on)));
    // With the producer its consumers end.
    node.steer(&room(), &ada, Steered::CloseProducer(sent)).await.unwrap();
    until("they have ended", async || {
        node.objects(&room(), &ben).await.unwrap().consumers.is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applications_transports_are_not_those_of_signalling() {
    let node = World::new().node("n1").await;
    let (ada, transport) = made(&node, "ada").await;
    let fresh = node.restart_ice(&room(), &ada, &transport.transport_id).await.unwrap();
    assert_ne!(fresh.ice_parameters.password, transport.ice_parameters.password);
    let strange: TransportId = "another".parse().unwrap();
    let restarted = node.restart_ice(&room(), &ada, &strange).await;
    assert_eq!(restarted.unwrap_err().code, Code::TransportNotFound);
    let eve = Client::join(&node, "eve", None).await;
    let options = CreateWebRtcTransport::default();
    let refused = node.create_webrtc_transport(&room(), &peer("eve"), options).await;
    assert_eq!(refused.unwrap_err().code, Code::WrongState);
    let of_client = eve.sending["transportId"].as_str().unwrap().parse().unwrap();
    let produced = node.plain_produce(&room(), &peer("eve"), &of_client, microphone()).await;
    assert_eq!(produced.unwrap_err().code, Code::TransportNotFound);
    let long = CreatePeer::new(peer("long"), "x".repeat(257));
    assert_eq!(node.create_peer(&room(), long).await.unwrap_err().code, Code::TooLarge);
}
