//! The examples of the API's description are what a real node was asked and answered: here they are
//! recorded, and those that are kept must look like them.

use std::collections::BTreeMap;

use serde_json::Map;

use super::*;
use crate::http::openapi::operations::find;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/openapi/examples.json");

/// Asks a node and takes down what is said.
struct Recorder {
    app: App,
    /// By the names that paths have for them.
    ids: BTreeMap<&'static str, String>,
    taken: Map<String, Value>,
}

impl Recorder {
    /// An operation by method and path; its answer. What it was asked and answered is kept the
    /// first time.
    async fn say(&mut self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (_, _, name, _) = find(method, path).unwrap_or_else(|| panic!("{method} {path}"));
        let filled = self
            .ids
            .iter()
            .fold(path.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
        let answer = ask(&self.app, &method.to_uppercase(), &filled, body.clone()).await;
        assert!(answer.status.is_success(), "{method} {filled}: {answer:?}");
        let json = answer.headers.get("content-type").is_some_and(|it| it == "application/json");
        let answered = if json { answer.json() } else { Value::Null };
        let taken = self.taken.entry(*name).or_insert_with(|| {
            let mut taken = Map::new();
            if let Some(body) = body {
                taken.insert("request".to_owned(), body);
            }
            if json {
                taken.insert("answer".to_owned(), answered.clone());
            }
            Value::Object(taken)
        });
        assert!(taken.is_object());
        answered
    }

    async fn get(&mut self, path: &str) -> Value {
        self.say("get", path, None).await
    }

    async fn post(&mut self, path: &str, body: Value) -> Value {
        self.say("post", path, Some(body)).await
    }

    fn keep(&mut self, name: &'static str, answer: &Value, field: &str) {
        self.ids.insert(name, answer[field].as_str().unwrap().to_owned());
    }
}

fn opus() -> Value {
    json!({
        "mid": "0", "encodings": [{ "ssrc": 1111 }], "rtcp": { "cname": "ada" },
        "codecs": [{ "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000,
            "channels": 2, "parameters": { "useinbandfec": 1 } }]
    })
}

async fn nodes_and_rooms(it: &mut Recorder) {
    for path in ["/livez", "/readyz", "/metrics", "/v1/nodes", "/v1/nodes/{id}"] {
        it.get(path).await;
    }
    for path in ["workers", "links", "pipes", "drain"] {
        it.get(&format!("/v1/nodes/{{id}}/{path}")).await;
    }
    let policy = json!({ "mode": "spread", "regions": ["eu"], "maxPeers": 200 });
    it.post("/v1/rooms", json!({ "id": "stand-up", "policy": policy })).await;
    for path in ["/v1/rooms", "/v1/rooms/{room}", "/v1/links", "/v1/pipes"] {
        it.get(path).await;
    }
    for path in ["rtp-capabilities", "policy", "explain", "placement"] {
        it.get(&format!("/v1/rooms/{{room}}/{path}")).await;
    }
    let policy = json!({ "pinnedNodes": ["node-1"], "maxPeers": 50, "lastN": 9 });
    it.say("put", "/v1/rooms/{room}/policy", Some(policy)).await;
    it.say("patch", "/v1/rooms/{room}/policy", Some(json!({ "pinnedNodes": [] }))).await;
    let token = json!({ "room": "stand-up", "peer": "ada", "ttlSeconds": 600 });
    it.post("/v1/tokens", token).await;
    let revoked = json!({ "room": "stand-up", "peer": "ada", "reason": "her laptop was stolen" });
    let made = it.post("/v1/tokens/revocations", revoked).await;
    it.keep("revocation", &made, "id");
    it.get("/v1/tokens/revocations").await;
    it.say("delete", "/v1/tokens/revocations/{revocation}", None).await;
    webhooks(it).await;
}

async fn webhooks(it: &mut Recorder) {
    let hook = json!({
        "id": "billing", "url": "https://example.org/starling",
        "events": ["room.started", "room.ended"]
    });
    it.post("/v1/webhooks", hook).await;
    it.ids.insert("webhook", "billing".to_owned());
    it.get("/v1/webhooks").await;
    it.get("/v1/webhooks/{webhook}").await;
    it.say("post", "/v1/webhooks/{webhook}/redeliver", None).await;
    it.say("delete", "/v1/webhooks/{webhook}", None).await;
}

async fn media(it: &mut Recorder) {
    const PEER: &str = "/v1/rooms/{room}/peers/{peer}";
    let at = |rest: &str| format!("{PEER}{rest}");
    let peer = json!({ "id": "ada", "displayName": "Ada", "device": { "name": "Chrome" } });
    it.post("/v1/rooms/{room}/peers", peer).await;
    it.get("/v1/rooms/{room}/peers").await;
    let made = it.post(&at("/transports"), json!({ "type": "webrtc" })).await;
    it.keep("transport", &made, "transportId");
    let on = |rest: &str| format!("{PEER}/transports/{{transport}}{rest}");
    let print = json!({ "algorithm": "sha-256", "value": "AA:BB:CC:DD" });
    let dtls = json!({ "role": "client", "fingerprints": [print] });
    it.post(&on("/connect"), json!({ "dtlsParameters": dtls })).await;
    it.say("post", &on("/restart-ice"), None).await;
    let limits = json!({ "maxIncomingBitrate": 2_500_000, "maxOutgoingBitrate": 5_000_000 });
    it.say("put", &on("/bitrates"), Some(limits)).await;
    let body = json!({ "kind": "audio", "rtpParameters": opus(), "appData": { "source": "mic" } });
    let made = it.post(&on("/producers"), body).await;
    it.keep("producer", &made, "producerId");
    let codec = json!({ "kind": "audio", "mimeType": "audio/opus", "preferredPayloadType": 100,
        "clockRate": 48000, "channels": 2 });
    let theirs = json!({ "codecs": [codec], "headerExtensions": [] });
    let body =
        json!({ "producerId": made["producerId"], "rtpCapabilities": theirs, "paused": true });
    let made = it.post(&on("/consumers"), body).await;
    it.keep("consumer", &made, "consumerId");
    let stream = json!({ "streamId": 1, "ordered": true });
    let body = json!({ "label": "chat", "sctpStreamParameters": stream });
    let made = it.post(&on("/data-producers"), body).await;
    it.keep("dataProducer", &made, "dataProducerId");
    let body = json!({ "dataProducerId": made["dataProducerId"], "subchannels": [7] });
    let made = it.post(&on("/data-consumers"), body).await;
    it.keep("dataConsumer", &made, "dataConsumerId");
    it.get(PEER).await;
    it.get("/v1/nodes/{id}/routers/{room}").await;
    it.get("/v1/rooms/{room}/matrix").await;
    it.say("put", &at("/mute"), Some(json!({ "audio": true }))).await;
    it.get(&at("/mute")).await;
    for path in [
        "/transports/{transport}",
        "/producers/{producer}",
        "/consumers/{consumer}",
        "/data-producers/{dataProducer}",
        "/data-consumers/{dataConsumer}",
    ] {
        it.get(&at(path)).await;
        it.get(&at(&format!("{path}/stats"))).await;
    }
    it.say("post", &at("/consumers/{consumer}/resume"), None).await;
    it.say("post", &at("/consumers/{consumer}/keyframe"), None).await;
    let layers = json!({ "spatialLayer": 1, "temporalLayer": 2 });
    for (path, change) in [
        ("/producers/{producer}", json!({ "paused": true })),
        ("/consumers/{consumer}", json!({ "preferredLayers": layers, "priority": 200 })),
        ("/data-producers/{dataProducer}", json!({ "paused": true })),
        ("/data-consumers/{dataConsumer}", json!({ "subchannels": [7, 9] })),
    ] {
        it.say("patch", &at(path), Some(change)).await;
    }
    for path in [
        "/data-consumers/{dataConsumer}",
        "/data-producers/{dataProducer}",
        "/consumers/{consumer}",
        "/producers/{producer}",
        "/transports/{transport}",
        "",
    ] {
        it.say("delete", &at(path), None).await;
    }
}

async fn broadcasters(it: &mut Recorder) {
    const OF: &str = "/rooms/{room}/broadcasters/{broadcaster}";
    let at = |rest: &str| format!("{OF}{rest}");
    it.get("/rooms/{room}").await;
    it.post("/rooms/{room}/broadcasters", json!({ "id": "ffmpeg", "displayName": "A film" })).await;
    it.say("post", &at("/join"), None).await;
    let body = json!({ "type": "plain", "comedia": true, "rtcpMux": true });
    let made = it.post(&at("/transports"), body).await;
    it.keep("transport", &made, "id");
    let body = json!({ "kind": "audio", "rtpParameters": opus() });
    let made = it.post(&at("/transports/{transport}/producers"), body).await;
    it.get(&at("/peerProducersInfos")).await;
    let second = it.post(&at("/transports"), json!({ "type": "plain" })).await;
    it.keep("transport", &second, "id");
    let there = json!({ "ip": "127.0.0.1", "port": 5004 });
    it.post(&at("/transports/{transport}/connect"), there).await;
    let on = second["id"].clone();
    let body = json!({ "transportId": on, "producerId": made["id"], "paused": true });
    let consumer = it.post(&at("/consumers"), body).await;
    it.keep("consumer", &consumer, "consumerId");
    it.say("post", &at("/consumers/{consumer}/resume"), None).await;
    let mut rtp = opus();
    (rtp["mid"], rtp["encodings"][0]["ssrc"]) = (json!("1"), json!(2222));
    let body = json!({ "transportId": on, "kind": "audio", "rtpParameters": rtp });
    it.post(&at("/producers"), body).await;
    it.say("delete", OF, None).await;
}

async fn leaving(it: &mut Recorder) {
    it.say("post", "/v1/nodes/{id}/cordon", None).await;
    it.say("post", "/v1/nodes/{id}/undrain", None).await;
    it.post("/v1/nodes/{id}/drain", json!({ "deadlineMs": 60_000, "wait": false })).await;
    it.say("delete", "/v1/rooms/{room}", None).await;
}

/// What a node alone, or one without a browser, cannot be asked.
fn by_hand() -> Value {
    let event = "id: 1796011505789\ndata: {\"id\":\"node-1.1796011506789000.42\",\
        \"at\":\"2026-11-30T04:05:06.789Z\",\"by\":\"node-1\",\"type\":\"peer.joined\",\
        \"room\":\"stand-up\",\"peer\":\"ada\",\"node\":\"node-1\",\"displayName\":\"Ada\"}\n\n";
    let observed = "event: observed\ndata: {\"event\":\"newproducer\",\"timestamp\":1796011506789,\
        \"roomId\":\"stand-up\",\"peerId\":\"ada\",\
        \"producerId\":\"7f6c1f4e-2d52-4c39-8f6c-4a1d7f0e9b11\"}\n\n";
    let trace = "event: trace\ndata: {\"type\":\"pli\",\"timestamp\":1796011506789,\
        \"direction\":\"out\",\"info\":{\"ssrc\":1111}}\n\n";
    let whep = "event: viewercount\ndata: {\"viewercount\":2}\n\n";
    let offer = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n…";
    let fragment = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\n\
        a=mid:0\r\na=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host\r\n";
    let to = json!({ "request": { "to": "node-2" } });
    let moved = json!({ "peer": "ada", "from": "node-1", "to": "node-2" });
    let moving = json!({ "room": "stand-up", "to": "node-2",
        "nodes": [{ "node": "node-1", "clients": 12, "others": 1 }] });
    let with = |mut of: Value, answer: Value| {
        of["answer"] = answer;
        of
    };
    let dead = json!({
        "at": "2026-11-30T05:05:07.123Z", "reason": "too_old",
        "trouble": "cannot connect to example.org: Connection refused", "attempts": 18,
        "event": { "id": "node-1.1796011506789000.42", "at": "2026-11-30T04:05:06.789Z",
            "by": "node-1", "type": "room.started", "room": "stand-up" }
    });
    let file = json!({ "file": "ada-camera-0f9b11.webm", "peer": "ada", "source": "camera",
        "producer": "7f6c1f4e-2d52-4c39-8f6c-4a1d7f0e9b11", "mimeType": "video/VP8",
        "beganAt": 1_796_011_506_912_u64, "bytes": 1_204_224 });
    let mut recording = json!({ "id": "5c1b7d0e9a3f4d2c8e6b1a0f7d9c3e21", "node": "node-1",
        "room": "stand-up", "peers": ["ada"], "maxSeconds": 3600, "state": "recording",
        "startedAt": "2026-11-30T04:05:06.789Z", "bytes": 0, "files": [] });
    let begun = recording.clone();
    (recording["state"], recording["reason"]) = (json!("ended"), json!("it was stopped"));
    recording["endedAt"] = json!("2026-11-30T04:15:06.789Z");
    (recording["bytes"], recording["files"]) = (json!(1_204_224), json!([file]));
    let record = json!({ "request": { "room": "stand-up", "peers": ["ada"], "maxSeconds": 3600 } });
    let dev = json!([{ "id": "node-1", "alive": true, "url": "http://127.0.0.1:7000" }]);
    json!({
        "getMetrics": { "answer": "# HELP starling_peers Sessions on this node.\n\
            # TYPE starling_peers gauge\nstarling_peers 12\n" },
        "startRecording": with(record, begun), "getRecording": { "answer": recording },
        "listRecordings": { "answer": { "recordings": [recording], "missing": [] } },
        "listNodeRecordings": { "answer": [recording] }, "stopRecording": { "answer": recording },
        "reloadNode": { "answer": { "tokenKeys": 1, "adminTokens": 1 } },
        "setNodeLog": { "request": { "filter": "info,starling_media=debug" } },
        "streamEvents": { "answer": event },
        "streamNodeEvents": { "answer": observed },
        "traceTransport": { "answer": trace }, "traceProducer": { "answer": trace },
        "traceConsumer": { "answer": trace },
        "moveRoom": with(to.clone(), moving), "movePeer": with(to, moved),
        "createTransportBroadcasterConsumer": { "answer": {
            "id": "7f6c1f4e-2d52-4c39-8f6c-4a1d7f0e9b11", "kind": "audio", "type": "simple",
            "producerId": "0b7f3c52-1c1e-4a3b-9a55-6f7f6f4a2d10", "rtpParameters": opus() } },
        "publishWhip": { "request": offer, "answer": offer },
        "playWhep": { "request": offer, "answer": offer },
        "changeWhip": { "request": fragment, "answer": fragment },
        "changeWhep": { "request": fragment, "answer": fragment },
        "chooseWhepLayer": { "request": { "mediaId": "0", "maxSpatialLayerId": 1 } },
        "openWhepEvents": { "request": ["active", "inactive", "viewercount"] },
        "streamWhepEvents": { "answer": whep },
        "listDevNodes": { "answer": dev },
        "tryWebhook": { "answer": { "delivered": true, "status": 200, "tookMs": 42 } },
        "listDeadLetters": { "answer": { "letters": [dead], "missing": [] } },
    })
}

/// What of a value stays from run to run: its fields and their kinds.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let free = ["parameters", "mapProducerIdConsumerIds", "mapConsumerIdProducerId"];
            let fields = fields.iter().filter(|(name, _)| !free.contains(&name.as_str()));
            fields.map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(items) => items.first().map(shape).into_iter().collect(),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("flag"),
        Value::Null => json!("nothing"),
    }
}

#[tokio::test]
async fn the_examples_are_what_a_node_is_asked_and_answers() {
    let ids = [("id", "node-1"), ("room", "stand-up"), ("peer", "ada"), ("broadcaster", "ffmpeg")];
    let ids = ids.map(|(name, id)| (name, id.to_owned())).into();
    let mut it = Recorder { app: app().await, ids, taken: Map::new() };
    nodes_and_rooms(&mut it).await;
    media(&mut it).await;
    broadcasters(&mut it).await;
    leaving(&mut it).await;
    let Value::Object(by_hand) = by_hand() else { panic!("it is a map") };
    it.taken.extend(by_hand);
    it.taken.retain(|_, taken| taken.as_object().is_some_and(|taken| !taken.is_empty()));
    let taken = Value::Object(it.taken);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(KEPT, format!("{taken:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(KEPT).unwrap()).unwrap();
    for (name, taken) in taken.as_object().unwrap() {
        let (kept, taken) = (shape(&kept[name]), shape(taken));
        assert!(kept == taken, "{name}: {kept} is kept, {taken} is true: run `make openapi`");
    }
    assert_eq!(kept.as_object().unwrap().len(), taken.as_object().unwrap().len());
}
