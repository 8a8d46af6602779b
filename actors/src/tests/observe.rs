//! What observers of a node are told: mediasoup's observer events.

use serde_json::json;
use starling_proto::{
    observer::{Happened, Observed},
    rest::ChangeConsumer,
    signal::ClientNotification,
};
use tokio::{sync::broadcast, time::timeout};

use super::{
    channel_client::Line,
    rtp::{Camera, Microphone, Viewer},
    world::{Client, PATIENCE, World, peer, room},
};
use crate::Steered;

type Feed = broadcast::Receiver<std::sync::Arc<Observed>>;

/// The next event of this kind of which this holds; others are passed over.
async fn seen(feed: &mut Feed, event: Happened, holds: impl Fn(&Observed) -> bool) -> Observed {
    let look = async {
        loop {
            let told = feed.recv().await.expect("it is read fast enough");
            if told.event == event && holds(&told) {
                return (*told).clone();
            }
        }
    };
    timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("no {event:?} came"))
}

/// WK8, RT9, TR6, WT6.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_told_of_a_clients_life() {
    let node = World::new().node("n1").await;
    let mut feed = node.observe().unwrap();
    let mut ada = Client::join(&node, "ada", None).await;
    let ours = |told: &Observed| told.room_id == Some(room());
    seen(&mut feed, Happened::NewRouter, ours).await;
    let made = seen(&mut feed, Happened::NewTransport, |told| {
        serde_json::json!(told.transport_id) == ada.sending["transportId"]
    });
    let made = made.await;
    assert_eq!((&made.peer_id, &made.info), (&Some(peer("ada")), &json!({ "type": "webrtc" })));
    let sending = ada.sending.clone();
    let line = Line::connect(&mut ada, &sending).await;
    for (event, key, states) in [
        (Happened::IceStateChange, "iceState", &["connected", "completed"][..]),
        (Happened::DtlsStateChange, "dtlsState", &["connected"]),
    ] {
        let told = seen(&mut feed, event, |told| told.transport_id == made.transport_id).await;
        assert!(states.contains(&told.info[key].as_str().unwrap()), "{told:?}");
    }
    let producer = ada.produce("video", "webcam").await.parse().unwrap();
    let its = |told: &Observed| told.producer_id.as_ref() == Some(&producer);
    let told = seen(&mut feed, Happened::NewProducer, its).await;
    assert_eq!((&told.info["kind"], &told.info["type"]), (&json!("video"), &json!("simulcast")));
    ada.notify(ClientNotification::PauseProducer(producer.clone())).await;
    seen(&mut feed, Happened::Pause, its).await;
    ada.notify(ClientNotification::ResumeProducer(producer.clone())).await;
    seen(&mut feed, Happened::Resume, its).await;
    drop((line, ada));
    seen(&mut feed, Happened::Close, its).await;
    seen(&mut feed, Happened::Close, |told| told.transport_id == made.transport_id).await;
    seen(&mut feed, Happened::Close, |told| ours(told) && told.peer_id.is_none()).await;
}

/// WK6, WK8, PL2, OB2, CO8.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_told_of_programs_speakers_and_dead_workers() {
    let node = World::new().node("n1").await;
    let mut feed = node.observe().unwrap();
    let camera = Camera::start(&node, "cam", 1).await;
    let viewer = Viewer::start(&node, "eye", &camera.producer, false).await;
    let its = |told: &Observed| told.consumer_id.as_ref() == Some(&viewer.consumer);
    let told = seen(&mut feed, Happened::NewConsumer, its).await;
    assert_eq!(told.info["producerId"], json!(camera.producer));
    let pause = ChangeConsumer { paused: Some(true), ..ChangeConsumer::default() };
    let pause = Steered::Consumer(viewer.consumer.clone(), pause);
    node.steer(&room(), &peer("eye"), pause).await.unwrap();
    seen(&mut feed, Happened::Pause, its).await;
    let microphone = Microphone::start(&node, "mic", 7).await;
    microphone.speaks(true);
    let told = seen(&mut feed, Happened::DominantSpeaker, |_| true).await;
    assert_eq!(told.info, json!({ "peerId": "mic" }));
    microphone.stop().await;
    camera.stop().await;
    node.shared.workers()[0].run_inside(|| panic!("asked to"));
    let died = seen(&mut feed, Happened::Died, |_| true).await;
    assert_eq!((died.info["workerIndex"].as_u64(), died.room_id), (Some(0), None));
}

/// PL2.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_is_told_where_a_comedia_transport_is_sent_from() {
    use starling_proto::rest::{CreatePeer, CreatePlainTransport};
    let node = World::new().node("n1").await;
    let mut feed = node.observe().unwrap();
    let made = CreatePeer::new(peer("bot"), "");
    node.create_peer(&room(), made).await.unwrap();
    let options =
        CreatePlainTransport { comedia: true, rtcp_mux: false, ..CreatePlainTransport::default() };
    let made = node.create_plain_transport(&room(), &peer("bot"), options).await.unwrap();
    let its = |told: &Observed| told.transport_id.as_ref() == Some(&made.transport_id);
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let from = socket.local_addr().unwrap().port();
    let address = made.address;
    let rtp = [0x80, 100, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7];
    // An empty receiver report.
    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    // What comes before the worker knows the transport is dropped.
    let sends = tokio::spawn(async move {
        loop {
            socket.send_to(&rtp, (address.ip, address.port)).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            socket.send_to(&report, (address.ip, address.rtcp_port.unwrap())).await.unwrap();
        }
    });
    let told = seen(&mut feed, Happened::Tuple, its).await;
    assert_eq!(told.info, json!({ "remoteIp": "127.0.0.1", "remotePort": from }));
    let told = seen(&mut feed, Happened::RtcpTuple, its).await;
    assert_eq!(told.info["remotePort"], from);
    sends.abort();
}
