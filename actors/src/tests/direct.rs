//! A program in the process itself: it takes what a camera sends, and sends what a viewer gets.

use std::time::Duration;

use serde_json::json;
use starling_proto::{
    MediaKind,
    rest::{CreateConsumer, CreatePeer, CreateProducer},
};
use tokio::time::timeout;

use super::{
    rtp::{Camera, Viewer},
    world::{PATIENCE, World, all_zero, metric, peer, room, until},
};
use crate::{
    Node,
    direct::{Direct, Tapped},
};

pub(super) async fn tap(node: &Node, id: &str) -> Direct {
    let made = CreatePeer::new(peer(id), id);
    node.create_peer(&room(), made).await.unwrap();
    node.create_direct_transport(&room(), &peer(id)).await.unwrap()
}

/// The next RTP packet.
async fn next(direct: &mut Direct) -> Vec<u8> {
    loop {
        let tapped = timeout(PATIENCE, direct.recv()).await.expect("in time").expect("it is open");
        let Tapped::Packet(packet) = tapped else { panic!("it consumes no messages: {tapped:?}") };
        if !(192..=223).contains(&packet[1]) {
            return packet.to_vec();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_packets_of_a_producer_on_another_node() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let mut direct = tap(&two, "recorder").await;
    until("the producer is known here", async || {
        let peers = two.peers(&room()).await.unwrap_or_default();
        peers.iter().flat_map(|peer| &peer.producers).any(|p| p.id == camera.producer)
    })
    .await;
    let options = CreateConsumer {
        producer_id: camera.producer.clone(),
        rtp_capabilities: None,
        paused: false,
        preferred_layers: None,
        enable_rtx: None,
        ignore_dtx: false,
        mid: None,
    };
    let made = two.plain_consume(&room(), &peer("recorder"), direct.id(), options).await.unwrap();
    let ssrc = made.rtp_parameters.encodings[0].ssrc.unwrap().to_be_bytes();
    let first = next(&mut direct).await;
    assert_eq!((&first[8..12], first[16] & 1), (&ssrc[..], 0), "a key frame of its consumer");
    for _ in 0..50 {
        next(&mut direct).await;
    }
    drop(direct);
    until("n1 serves nothing", async || metric(&one, "starling_consumers").await == 0.0).await;
    one.remove_peer(&room(), &peer("cam")).await.unwrap();
    two.remove_peer(&room(), &peer("recorder")).await.unwrap();
    camera.stop().await;
    all_zero(&[&one, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_sends_is_a_producer_like_others() {
    let node = World::new().node("n1").await;
    let mut direct = tap(&node, "player").await;
    let producer = CreateProducer {
        kind: MediaKind::Audio,
        rtp_parameters: serde_json::from_value(json!({
            "codecs": [{
                "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2,
                "parameters": {}, "rtcpFeedback": []
            }],
            "headerExtensions": [], "encodings": [{ "ssrc": 9 }], "rtcp": {}
        }))
        .unwrap(),
        paused: false,
        key_frame_request_delay: 0,
        app_data: json!({ "source": "music" }),
    };
    let made = node.plain_produce(&room(), &peer("player"), direct.id(), producer).await.unwrap();
    let viewer = Viewer::start(&node, "ear", &made.producer_id, false).await;
    let sends = async {
        for sequence in 0u16.. {
            let mut packet = vec![0x80, 100];
            packet.extend_from_slice(&sequence.to_be_bytes());
            packet.extend_from_slice(&(u32::from(sequence) * 960).to_be_bytes());
            packet.extend_from_slice(&9u32.to_be_bytes());
            packet.extend_from_slice(&[0xaa; 40]);
            assert!(direct.send(&packet));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let hears = async {
        viewer.first().await;
        viewer.next(20).await
    };
    let seen = tokio::select! {
        () = sends => unreachable!("it sends for ever"),
        seen = hears => seen,
    };
    let first = seen[0].sequence;
    assert!(seen.iter().zip(0..).all(|(seen, n)| seen.sequence == first.wrapping_add(n)));
    // The peer goes, and with it the transport.
    node.remove_peer(&room(), &peer("player")).await.unwrap();
    let ended = async { while direct.recv().await.is_some() {} };
    timeout(PATIENCE, ended).await.expect("the program is told");
}
