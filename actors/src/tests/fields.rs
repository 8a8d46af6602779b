//! mediasoup's field names, of 3.27 (`node/lib/*Types.d.ts`), against what an operator gets here.

use serde_json::Value;
use starling_proto::rest::CreatePeer;

use super::{
    rtp::{Camera, Microphone, Viewer},
    world::{Client, World, peer, room, until},
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
const ROUTER_DUMP: &str = "id transportIds rtpObserverIds mapProducerIdConsumerIds \
    mapConsumerIdProducerId mapProducerIdObserverIds mapDataProducerIdDataConsumerIds \
    mapDataConsumerIdDataProducerId";
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
    let own = "id kind type rtpParameters rtpMapping rtpStreams traceEventTypes paused";
    assert_has("producer", &dump, own);
    let mapping = &dump["rtpMapping"];
    assert_eq!(mapping["codecs"][0]["payloadType"], 101);
    assert_has("encoding", &mapping["encodings"][0], "ssrc mappedSsrc");
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
    assert_has("stats", &stats[0], "iceRole iceState dtlsState sctpState");
    let dump = look(&node, of, "ada", true).await;
    assert_has("dump", &dump, TRANSPORT_DUMP);
    let own = "iceRole iceState iceCandidates dtlsParameters dtlsState sctpParameters sctpState \
        dataProducerIds dataConsumerIds";
    assert_has("dump", &dump, own);
}

/// TR4, RT8, PI1: what carries a producer to another node has no client to ask for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_router_and_its_pipes_have_mediasoups_fields() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let microphone = Microphone::start(&one, "mic", 7).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    let [there, here] = [one.router_dump(&room()).await, two.router_dump(&room()).await];
    let [there, here] = [there.unwrap(), here.unwrap()];
    assert_has("router", &there, ROUTER_DUMP);
    assert_eq!(there["transportIds"].as_array().unwrap().len(), 2);
    assert_eq!(here["mapConsumerIdProducerId"][0]["value"], serde_json::json!(camera.producer));
    let observed = there["mapProducerIdObserverIds"].as_array().unwrap();
    assert_eq!(observed.len(), 1, "the microphone alone");
    assert_eq!(observed[0]["values"], there["rtpObserverIds"]);
    for (router, way, counted) in
        [(&there, "served", "rtpBytesSent"), (&here, "pulled", "rtpBytesReceived")]
    {
        let pipe = &router["routers"][0][way][0];
        assert_has(way, &pipe["stats"], TRANSPORT_STATS);
        assert_has(way, &pipe["transport"], TRANSPORT_DUMP);
        assert_eq!(pipe["stats"]["type"], "pipe-transport");
        assert!(pipe["stats"][counted].as_u64().unwrap() > 0, "{pipe:#}");
    }
    camera.stop().await;
    microphone.stop().await;
}

/// WK5, LS8.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_tells_its_sockets_and_its_process_its_routers() {
    let node = World::new().node("n1").await;
    let _ada = Client::join(&node, "ada", None).await;
    let workers = async || serde_json::to_value(node.workers().await.unwrap()).unwrap();
    // The worker opens the second of them by itself, after it was told to.
    until("both transports are there", async || workers().await["workers"][0]["transports"] == 2)
        .await;
    let workers = workers().await;
    assert_has("process", &workers, "pid resourceUsage routerIds workers");
    assert_eq!(workers["resourceUsage"].as_object().unwrap().len(), 16);
    let own = &workers["workers"][0];
    assert_has("worker", own, "udpSockets tcpServers transports producers consumers");
    let port = own["udpSockets"][0].as_str().unwrap();
    assert!(port.starts_with("127.0.0.1:") && own["tcpServers"][0] == port, "{own}");
    assert_eq!(own["peers"], 1);
}

/// TR4, TR5, DI1.
#[tokio::test(flavor = "multi_thread")]
async fn a_direct_transport_has_mediasoups_fields() {
    let node = World::new().node("n1").await;
    let made = CreatePeer::new(peer("bot"), "");
    node.create_peer(&room(), made).await.unwrap();
    let direct = node.create_direct_transport(&room(), &peer("bot")).await.unwrap();
    let of = Inspected::Transport(direct.id().clone());
    let stats = look(&node, of.clone(), "bot", false).await;
    assert_has("stats", &stats[0], TRANSPORT_STATS);
    assert_eq!(stats[0]["type"], "direct-transport");
    let dump = look(&node, of, "bot", true).await;
    assert_has("dump", &dump, TRANSPORT_DUMP);
    assert_eq!((&dump["type"], &dump["direct"]), (&"direct".into(), &true.into()));
}
