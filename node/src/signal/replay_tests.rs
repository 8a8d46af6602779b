//! A whole call of two clients in each generation of mediasoup-demo's protocol, over real sockets
//! and against a real node: every request, answer and notification by its names, with what
//! mediasoup-client 3.24 was captured saying. No media flows, so that scores, layers and bandwidth
//! are not heard of, and data channels are not counted.

use serde_json::{Value, json};

use super::tests::{Case, Socket, next, say};

/// A client of one generation.
struct Client {
    socket: Socket,
    old: bool,
    next: u32,
    /// Asked and told, in order: method and data.
    heard: Vec<(String, Value)>,
}

fn captured(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../media/fixtures/mediasoup-client");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Names of an object's fields, in order.
fn names(data: &Value) -> Vec<&str> {
    let mut names: Vec<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn assert_names(data: &Value, expected: &str) {
    let mut expected: Vec<_> = expected.split_whitespace().collect();
    expected.sort_unstable();
    assert_eq!(names(data), expected, "{data:#}");
}

impl Client {
    async fn open(case: &Case, old: bool, peer: &str) -> Self {
        Self { socket: case.open("r", peer).await, old, next: 1, heard: Vec::new() }
    }

    /// One of two words.
    fn word<T>(&self, new: T, old: T) -> T {
        if self.old { old } else { new }
    }

    /// Takes the next frame; requests are accepted at once, as the demo's clients do.
    async fn take(&mut self) -> Option<Value> {
        let frame = next(&mut self.socket).await;
        if frame.get("response").is_some() {
            return Some(frame);
        }
        if frame.get("request").is_some() {
            let answer = json!({ "response": true, "id": frame["id"], "ok": true, "data": {} });
            say(&mut self.socket, answer.to_string()).await;
        }
        let method = frame["method"].as_str().unwrap().to_owned();
        self.heard.push((method, frame["data"].clone()));
        None
    }

    /// The data of an answer, or the number of a refusal.
    async fn ask(&mut self, method: &str, data: Value) -> Result<Value, u64> {
        self.next += 1;
        let request = json!({ "request": true, "id": self.next, "method": method, "data": data });
        say(&mut self.socket, request.to_string()).await;
        loop {
            let Some(answer) = self.take().await else { continue };
            assert_eq!(answer["id"], self.next, "{answer}");
            return match answer["errorCode"].as_u64() {
                None => Ok(answer["data"].clone()),
                Some(code) => {
                    let reason = answer["errorReason"].as_str().unwrap();
                    assert!(reason.ends_with(']'), "{reason}");
                    Err(code)
                }
            };
        }
    }

    /// What is a notification of today's clients and a request of the old ones.
    async fn tell(&mut self, method: &str, data: Value) {
        if self.old {
            assert_eq!(self.ask(method, data).await, Ok(json!({})), "{method}");
        } else {
            let frame = json!({ "notification": true, "method": method, "data": data });
            say(&mut self.socket, frame.to_string()).await;
        }
    }

    /// The first thing of this name that it is told from now on, or was and nobody looked.
    async fn hears(&mut self, method: &str) -> Value {
        loop {
            let found = self.heard.iter().position(|(heard, _)| heard == method);
            if let Some(found) = found {
                return self.heard.remove(found).1;
            }
            self.take().await;
        }
    }

    async fn create_transport(&mut self, sends: bool) -> Value {
        let new = json!({
            "forceTcp": false,
            "appData": { "direction": if sends { "producer" } else { "consumer" } },
        });
        let old = json!({
            "forceTcp": false, "producing": sends, "consuming": !sends,
            "sctpCapabilities": { "numStreams": { "OS": 1024, "MIS": 1024 } },
        });
        let asked = self.word(new, old);
        let made = self.ask("createWebRtcTransport", asked).await.unwrap();
        let id = self.word("transportId", "id");
        let fields = "iceParameters iceCandidates dtlsParameters sctpParameters";
        assert_names(&made, &format!("{id} {fields}"));
        assert_names(&made["iceParameters"], "usernameFragment password iceLite");
        let udp = &made["iceCandidates"][0];
        assert_names(udp, "foundation priority address ip protocol port type");
        assert_names(&made["iceCandidates"][1], &format!("{} tcpType", names(udp).join(" ")));
        assert_eq!(made["dtlsParameters"]["role"], "auto");
        let sctp = &made["sctpParameters"];
        assert!(["OS", "MIS", "port", "maxMessageSize"].iter().all(|key| sctp[key].is_u64()));
        made[id].clone()
    }

    /// Until it has joined: its sending and its receiving transport.
    async fn join(&mut self, name: &str) -> (Value, Value) {
        if !self.old {
            assert_eq!(self.ask("getRtcStatsUrl", json!({})).await, Ok(json!({})));
        }
        let answer = self.ask("getRouterRtpCapabilities", json!({})).await.unwrap();
        let capabilities = self.word(answer["routerRtpCapabilities"].clone(), answer);
        let (sends, gets) = (self.create_transport(true).await, self.create_transport(false).await);
        let mut early = captured("send.produce.audio.mic");
        early["transportId"] = sends.clone();
        assert_eq!(self.ask("produce", early).await, Err(409), "it has not joined");
        let mut join = json!({
            "displayName": name,
            "device": { "flag": "chrome", "name": "Chrome", "version": "156" },
            "rtpCapabilities": {
                "codecs": capabilities["codecs"],
                "headerExtensions": capabilities["headerExtensions"],
            },
        });
        if self.old {
            join["sctpCapabilities"] = json!({ "numStreams": { "OS": 1024, "MIS": 1024 } });
        }
        let joined = self.ask("join", join.clone()).await.unwrap();
        for peer in joined["peers"].as_array().unwrap() {
            let id = self.word("peerId", "id");
            assert_names(peer, &format!("{id} displayName device nodeId"));
        }
        assert_eq!(self.ask("join", join).await, Err(409), "it has joined already");
        for (transport, file) in [(&sends, "send.connect"), (&gets, "recv.connect")] {
            let mut connect = captured(file);
            connect["transportId"] = transport.clone();
            let connected = self.ask("connectWebRtcTransport", connect.clone()).await;
            assert_eq!(connected, Ok(json!({})));
            assert_eq!(self.ask("connectWebRtcTransport", connect).await, Err(409));
        }
        (sends, gets)
    }

    /// All that mediasoup-client was captured producing.
    async fn produce(&mut self, transport: &Value) -> Vec<Value> {
        let mut ids = Vec::new();
        let id = self.word("producerId", "id");
        for (name, source) in [
            ("audio.mic", "audio"),
            ("video.webcam-vp8-simulcast", "video"),
            ("video.webcam-vp9-ksvc", "vp9"),
            ("video.webcam-av1-svc", "av1"),
            ("video.webcam-h264-simulcast", "h264"),
        ] {
            let mut produce = captured(&format!("send.produce.{name}"));
            produce["transportId"] = transport.clone();
            produce["appData"]["source"] = json!(source);
            let made = self.ask("produce", produce.clone()).await.unwrap();
            assert_names(&made, id);
            ids.push(made[id].clone());
            assert_eq!(self.ask("produce", produce).await, Err(400), "the MID is in use");
        }
        ids
    }

    async fn stats(&mut self, method: &str, of: Value) {
        let answer = self.ask(method, of).await.unwrap();
        let stats = self.word(answer.get("stats").cloned().unwrap_or_default(), answer);
        assert!(stats.is_array(), "{method}: {stats}");
    }
}

/// What a second client of the same generation is asked and told of all that.
async fn is_offered_everything(bob: &mut Client, transport: &Value, producers: &[Value]) -> Value {
    let mut consumers = Vec::new();
    for _ in producers {
        let offered = bob.hears("newConsumer").await;
        assert_names(
            &offered,
            bob.word(
                "peerId transportId consumerId producerId kind rtpParameters type producerPaused \
                 consumerScore appData",
                "peerId transportId id producerId kind rtpParameters type producerPaused \
                 consumerScore appData",
            ),
        );
        assert_eq!((&offered["peerId"], &offered["transportId"]), (&json!("ada"), transport));
        assert_eq!(offered["appData"]["peerId"], "ada");
        assert_eq!(offered["producerPaused"], false);
        assert!(producers.contains(&offered["producerId"]));
        let encoding = &offered["rtpParameters"]["encodings"][0];
        assert_eq!(encoding["rtx"].is_object(), offered["kind"] == "video", "{encoding}");
        consumers.push(offered[bob.word("consumerId", "id")].clone());
    }
    let consumer = consumers.pop().unwrap();
    let offered = bob.hears("newDataConsumer").await;
    assert_names(
        &offered,
        bob.word(
            "peerId transportId dataConsumerId dataProducerId sctpStreamParameters label protocol \
             dataProducerPaused appData",
            "peerId transportId id dataProducerId sctpStreamParameters label protocol \
             dataProducerPaused appData",
        ),
    );
    let parameters = &offered["sctpStreamParameters"];
    assert_eq!((&parameters["ordered"], &parameters["maxRetransmits"]), (&json!(false), &json!(1)));
    for (method, more) in [
        ("pauseConsumer", json!({})),
        ("resumeConsumer", json!({})),
        ("requestConsumerKeyFrame", json!({})),
        ("setConsumerPreferredLayers", json!({ "spatialLayer": 1, "temporalLayer": 1 })),
        ("setConsumerPriority", json!({ "priority": 7 })),
    ] {
        let mut data = more;
        data["consumerId"] = consumer.clone();
        bob.tell(method, data).await;
    }
    bob.stats("getConsumerStats", json!({ "consumerId": consumer })).await;
    consumer
}

async fn call(old: bool) {
    let case = Case::new().await;
    let mut ada = Client::open(&case, old, "ada").await;
    let (sends, _) = ada.join("Ada").await;
    let producers = ada.produce(&sends).await;
    let mut data = captured("send.producedata");
    data["transportId"] = sends.clone();
    let made = ada.ask("produceData", data).await.unwrap();
    let id = ada.word("dataProducerId", "id");
    assert_names(&made, id);
    ada.stats("getTransportStats", json!({ "transportId": sends })).await;
    ada.stats("getProducerStats", json!({ "producerId": producers[0] })).await;
    let restarted = ada.ask("restartIce", json!({ "transportId": sends })).await.unwrap();
    let ice = ada.word(restarted.get("iceParameters").cloned().unwrap_or_default(), restarted);
    assert_names(&ice, "usernameFragment password iceLite");

    let mut bob = Client::open(&case, old, "bob").await;
    let (_, gets) = bob.join("Bob").await;
    let told = ada.hears("newPeer").await;
    let told = ada.word(told.get("peer").cloned().unwrap_or_default(), told);
    assert_names(&told, &format!("{} displayName device nodeId", ada.word("peerId", "id")));
    is_offered_everything(&mut bob, &gets, &producers).await;

    for (method, heard) in [
        ("pauseProducer", "consumerPaused"),
        ("resumeProducer", "consumerResumed"),
        ("closeProducer", "consumerClosed"),
    ] {
        ada.tell(method, json!({ "producerId": producers[1] })).await;
        assert_names(&bob.hears(heard).await, "consumerId");
    }
    ada.tell("changeDisplayName", json!({ "displayName": "Countess" })).await;
    let renamed = bob.hears("peerDisplayNameChanged").await;
    let expected = json!({ "peerId": "ada", "displayName": "Countess", "oldDisplayName": "Ada" });
    assert_eq!(renamed, expected);

    for (method, data, code) in [
        ("fly", json!({}), 404),
        // The demo's own tool: it shapes the machine that it runs on.
        ("applyNetworkThrottle", json!({ "secret": "s" }), 404),
        ("restartIce", json!({ "transportId": "none" }), 404),
        ("restartIce", json!({}), 400),
        ("getProducerStats", json!({ "producerId": "none" }), 400),
        ("getDataProducerStats", json!({ "dataProducerId": "none" }), 400),
        ("getDataConsumerStats", json!({ "dataConsumerId": "none" }), 400),
        ("createWebRtcTransport", json!({ "forceTcp": 7 }), 400),
    ] {
        assert_eq!(ada.ask(method, data).await, Err(code), "{method}");
    }
    drop(ada);
    assert!(bob.hears("dataConsumerClosed").await["dataConsumerId"].is_string());
    assert_eq!(bob.hears("peerClosed").await, json!({ "peerId": "ada" }));
    let known = [
        "newPeer",
        "peerClosed",
        "peerDisplayNameChanged",
        "newConsumer",
        "newDataConsumer",
        "consumerClosed",
        "consumerPaused",
        "consumerResumed",
        "consumerScore",
        "consumerLayersChanged",
        "producerScore",
        "dataConsumerClosed",
        "downlinkBwe",
        "activeSpeaker",
    ];
    let strange: Vec<_> =
        bob.heard.iter().filter(|(it, _)| !known.contains(&it.as_str())).collect();
    assert!(!old || strange.is_empty(), "the old app does not know {strange:?}");
}

#[tokio::test]
async fn a_call_of_the_newest_generation_goes_by_its_names() {
    call(false).await;
}

#[tokio::test]
async fn a_call_of_the_old_generation_goes_by_its_names() {
    call(true).await;
}
