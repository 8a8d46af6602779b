//! What operators see: ids, statistics, dumps and trace events of what peers have.

use serde_json::{Value, json};
use starling_proto::{
    Code,
    trace::{TraceType, Traced},
};

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, peer, room, until},
};
use crate::{Inspected, Node};

async fn dump(node: &Node, of: Inspected, id: &str) -> Value {
    node.inspect(&room(), &peer(id), of, true).await.expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_of_a_peer_is_listed_dumped_and_counted() {
    let world = World::new();
    let node = world.node("n1").await;
    let camera = Camera::start(&node, "cam", 2).await;
    let viewer = Viewer::start(&node, "eye", &camera.producer, false).await;
    viewer.first().await;
    let sends = node.objects(&room(), &peer("cam")).await.unwrap();
    let gets = node.objects(&room(), &peer("eye")).await.unwrap();
    assert_eq!(sends.producers[0].id, camera.producer);
    assert_eq!(
        (&gets.consumers[0].id, &gets.consumers[0].producer_id),
        (&viewer.consumer, &camera.producer)
    );
    let transport = Inspected::Transport(sends.transports[0].id.clone());
    let dumped = dump(&node, transport.clone(), "cam").await;
    assert_eq!(dumped["producerIds"], json!([camera.producer]));
    assert_eq!(dumped["rtpListener"]["ssrcTable"][0]["value"], json!(camera.producer));
    let producer = Inspected::Producer(camera.producer.clone());
    until("both layers have come", async || {
        let dumped = dump(&node, producer.clone(), "cam").await;
        dumped["rtpStreams"].as_array().unwrap().len() == 2
    })
    .await;
    let dumped = dump(&node, producer, "cam").await;
    assert_eq!((&dumped["id"], &dumped["type"]), (&json!(camera.producer), &json!("simulcast")));
    let dumped = dump(&node, Inspected::Consumer(viewer.consumer.clone()), "eye").await;
    assert_eq!(dumped["producerId"], json!(camera.producer));
    let stats = node.inspect(&room(), &peer("cam"), transport, false).await.unwrap();
    assert!(stats[0]["rtpBytesReceived"].as_u64().unwrap() > 0, "{stats}");
    // Another peer's object is not found here.
    let stranger = Inspected::Consumer(viewer.consumer.clone());
    let refused = node.inspect(&room(), &peer("cam"), stranger, false).await.unwrap_err();
    assert_eq!(refused.code, Code::ConsumerNotFound);
    let router = node.router_dump(&room()).await.unwrap();
    let forwarded = json!([{ "key": camera.producer, "values": [viewer.consumer] }]);
    assert_eq!(router["mapProducerIdConsumerIds"], forwarded);
    assert_eq!(router["routers"][0]["transportIds"].as_array().unwrap().len(), 2);
    let workers = node.workers().await.unwrap();
    assert_eq!((workers.router_ids, workers.workers[0].peers), (vec![room()], 2));
    assert!(workers.resource_usage.ru_maxrss > 0);
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browsers_transport_has_its_sockets_address_and_direction() {
    let world = World::new();
    let node = world.node("n1").await;
    let _ada = Client::join(&node, "ada", None).await;
    let objects = node.objects(&room(), &peer("ada")).await.unwrap();
    assert_eq!(objects.transports.len(), 2);
    let mut directions = Vec::new();
    for transport in objects.transports {
        let dumped = dump(&node, Inspected::Transport(transport.id), "ada").await;
        assert_eq!((&dumped["iceState"], &dumped["dtlsState"]), (&json!("new"), &json!("new")));
        directions.push(dumped["appData"]["direction"].as_str().unwrap().to_owned());
    }
    directions.sort();
    assert_eq!(directions, ["consumer", "producer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_begins_when_somebody_looks_and_ends_with_what_is_traced() {
    let world = World::new();
    let node = world.node("n1").await;
    let camera = Camera::start(&node, "cam", 1).await;
    let producer = Inspected::Producer(camera.producer.clone());
    let types = vec![TraceType::Rtp];
    let traced = node.trace(&room(), &peer("cam"), producer.clone(), types.clone()).await;
    let mut first = traced.unwrap();
    let Some(Traced::Event(event)) = first.recv().await else { panic!("a packet is told") };
    assert_eq!((event.kind, &event.info["rtpPacket"]["ssrc"]), (TraceType::Rtp, &json!(1_000)));
    let names = async || dump(&node, producer.clone(), "cam").await["traceEventTypes"].clone();
    assert_eq!(names().await, json!(["rtp"]));
    drop(first);
    until("nothing is traced", async || names().await == json!([])).await;
    let traced = node.trace(&room(), &peer("cam"), producer.clone(), types).await;
    let mut second = traced.unwrap();
    node.remove_peer(&room(), &peer("cam")).await.unwrap();
    until("the trace ends", async || second.recv().await.is_none()).await;
    camera.stop().await;
}

/// TR1, TR2.
#[tokio::test(flavor = "multi_thread")]
async fn consumers_of_a_transport_have_growing_mids_and_those_of_a_peer_one_cname() {
    let world = World::new();
    let node = world.node("n1").await;
    let mut eye = Client::join(&node, "eye", None).await;
    let mut ada = Client::join(&node, "ada", None).await;
    let mut ben = Client::join(&node, "ben", None).await;
    ada.produce("audio", "audio").await;
    ada.produce("video", "video").await;
    ben.produce("video", "video").await;
    eye.until("three consumers", |eye| eye.consumers.len() == 3).await;
    let of = |peer_id: &str| {
        let own = eye.consumers.iter().filter(|consumer| consumer.peer_id == peer(peer_id));
        own.map(|consumer| consumer.rtp_parameters.rtcp.cname.clone()).collect::<Vec<_>>()
    };
    // Chrome names none with simulcast: Ada's is her microphone's, Ben's his id.
    let (ada, ben) = (of("ada"), of("ben"));
    assert!(ada[0].is_some() && ada[0] == ada[1], "{ada:?}");
    assert_eq!(ben, [Some("ben".to_owned())]);
    let mut mids: Vec<_> =
        eye.consumers.iter().filter_map(|consumer| consumer.rtp_parameters.mid.clone()).collect();
    mids.sort();
    assert_eq!(mids, ["0", "1", "2"]);
}
