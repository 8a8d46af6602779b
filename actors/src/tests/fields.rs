//! mediasoup's field names, of 3.27 (`node/lib/*Types.d.ts`), against what an operator gets here.

use serde_json::Value;

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, peer, room},
};
use crate::{Inspected, Node};

const TRANSPORT_STATS: &str = "transportId timestamp bytesReceived recvBitrate bytesSent \
    sendBitrate rtpBytesReceived rtpRecvBitrate rtpBytesSent rtpSendBitrate rtxBytesReceived \
    rtxRecvBitrate rtxBytesSent rtxSendBitrate probationBytesSent probationSendBitrate type";
const STREAM_STATS: &str = "type timestamp ssrc kind mimeType packetsLost fractionLost jitter \
    packetsDiscarded packetsRetransmitted packetsRepaired nackCount nackPacketCount pliCount \
    firCount roundTripTime rtxPacketsDiscarded score packetCount byteCount bitrate";
const TRANSPORT_DUMP: &str = "id producerIds consumerIds mapSsrcConsumerId mapRtxSsrcConsumerId \
    recvRtpHeaderExtensions rtpListener traceEventTypes";
const STREAM_PARAMS: &str = "ssrc payloadType mimeType clockRate cname useNack usePli useFir";
const OF_RECEIVED: &str = "encodingIdx useInBandFec useDtx spatialLayers temporalLayers";
const CONSUMER_DUMP: &str = "id producerId kind type consumableRtpEncodings \
    supportedCodecPayloadTypes traceEventTypes paused producerPaused priority rtpStreams \
    targetSpatialLayer currentSpatialLayer currentTemporalLayer";

/// What mediasoup has and Starling leaves out, with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("iceParameters", "the password lets whoever reads a dump take the transport over"),
    ("srtpParameters", "the key lets whoever reads a dump listen"),
    ("dtlsRemoteCert", "its fingerprint was given in signalling, and is all that is checked"),
    ("rtpMapping", "numbers change once, towards each receiver: there is no mapping to show"),
    ("consumer rtpParameters", "told to whoever consumes; a kilobyte for each, kept for nobody"),
];

async fn look(node: &Node, of: Inspected, id: &str, dump: bool) -> Value {
    node.inspect(&room(), &peer(id), of, dump).await.expect("it is there")
}

fn assert_has(what: &str, value: &Value, names: &str) {
    let missing: Vec<_> =
        names.split_whitespace().filter(|name| value.get(*name).is_none()).collect();
    assert!(missing.is_empty(), "{what} lacks {missing:?}: {value:#}");
    for (name, reason) in LEFT_OUT {
        assert!(value.get(*name).is_none(), "{what} has {name}, though {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stats_and_dumps_have_mediasoups_fields() {
    let world = World::new();
    let node = world.node("n1").await;
    let camera = Camera::start(&node, "cam", 1).await;
    let viewer = Viewer::start(&node, "eye", &camera.producer, false).await;
    viewer.first().await;
    let transport = node.objects(&room(), &peer("cam")).await.unwrap().transports[0].id.clone();
    let plain = Inspected::Transport(transport);
    let stats = look(&node, plain.clone(), "cam", false).await;
    assert_has("plain stats", &stats[0], TRANSPORT_STATS);
    assert_has("plain stats", &stats[0], "rtcpMux comedia tuple rtpPacketLossReceived");
    let dump = look(&node, plain, "cam", true).await;
    assert_has("plain dump", &dump, TRANSPORT_DUMP);
    assert_has("plain dump", &dump, "type rtcpMux comedia tuple");
    assert_has(
        "tuple",
        &dump["tuple"],
        "localIp localAddress localPort remoteIp remotePort protocol",
    );

    let producer = Inspected::Producer(camera.producer.clone());
    let stats = look(&node, producer.clone(), "cam", false).await;
    assert_has("inbound stream", &stats[0], STREAM_STATS);
    assert_has("inbound stream", &stats[0], "bitrateByLayer");
    let dump = look(&node, producer, "cam", true).await;
    assert_has("producer", &dump, "id kind type rtpParameters rtpStreams traceEventTypes paused");
    assert_has("received stream", &dump["rtpStreams"][0], "params score");
    assert_has("its parameters", &dump["rtpStreams"][0]["params"], STREAM_PARAMS);
    assert_has("its parameters", &dump["rtpStreams"][0]["params"], OF_RECEIVED);

    let consumer = Inspected::Consumer(viewer.consumer.clone());
    let stats = look(&node, consumer.clone(), "eye", false).await;
    assert_has("outbound stream", &stats[0], STREAM_STATS);
    assert_eq!(
        (&stats[0]["type"], &stats[1]["type"]),
        (&"outbound-rtp".into(), &"inbound-rtp".into())
    );
    let dump = look(&node, consumer, "eye", true).await;
    assert_has("consumer", &dump, CONSUMER_DUMP);
    assert_has("sent stream", &dump["rtpStreams"][0]["params"], STREAM_PARAMS);
    camera.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webrtc_transport_has_mediasoups_fields_and_no_secret() {
    let world = World::new();
    let node = world.node("n1").await;
    let _ada = Client::join(&node, "ada", None).await;
    let transport = node.objects(&room(), &peer("ada")).await.unwrap().transports[0].id.clone();
    let of = Inspected::Transport(transport);
    let stats = look(&node, of.clone(), "ada", false).await;
    assert_has("stats", &stats[0], TRANSPORT_STATS);
    assert_has("stats", &stats[0], "iceRole iceState dtlsState");
    let dump = look(&node, of, "ada", true).await;
    assert_has("dump", &dump, TRANSPORT_DUMP);
    let own = "iceRole iceState iceCandidates dtlsParameters dtlsState sctpParameters \
        dataProducerIds dataConsumerIds";
    assert_has("dump", &dump, own);
}
