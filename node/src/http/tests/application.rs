//! An application that has its own signalling, and what happens in the cluster, over HTTP.

use serde_json::{Value, json};

use super::{app, ask};

#[tokio::test]
async fn an_application_signals_over_rest_alone() {
    let app = app().await;
    let ask = async |method: &str, path: &str, status: u16, body: Option<Value>| {
        let answer = ask(&app, method, &format!("/v1/rooms/r{path}"), body).await;
        assert_eq!(answer.status, status, "{method} {path} {answer:?}");
        answer
    };
    let capabilities = ask("GET", "/rtp-capabilities", 200, None).await.json();
    assert_eq!(capabilities["codecs"][0]["mimeType"], "audio/opus");
    let peer = json!({"id": "ann", "displayName": "Ann", "device": {"name": "Chrome"}});
    assert_eq!(ask("POST", "/peers", 201, Some(peer)).await.json()["device"]["name"], "Chrome");
    let webrtc = json!({"type": "webrtc"});
    let made = ask("POST", "/peers/ann/transports", 201, Some(webrtc)).await.json();
    assert!(made["iceCandidates"][0]["port"].is_u64(), "{made}");
    assert_eq!(made["iceServers"], Value::Null, "none is configured");
    let on = format!("/peers/ann/transports/{}", made["transportId"].as_str().unwrap());
    let prints = json!([{"algorithm": "sha-256", "value": "AA:BB"}]);
    let connect = format!("{on}/connect");
    ask("POST", &connect, 400, Some(json!({"dtlsParameters": {"fingerprints": []}}))).await;
    let dtls = json!({"dtlsParameters": {"role": "client", "fingerprints": prints}});
    let connected = ask("POST", &connect, 200, Some(dtls.clone())).await.json();
    assert_eq!(connected["dtlsLocalRole"], "server");
    assert_eq!(ask("POST", &connect, 409, Some(dtls)).await.code(), "wrong_state");
    let fresh = ask("POST", &format!("{on}/restart-ice"), 200, None).await.json();
    let ufrag = |of: &Value| of["iceParameters"]["usernameFragment"].clone();
    assert_ne!(ufrag(&fresh), ufrag(&made));
    let limits = json!({"maxIncomingBitrate": 900_000});
    ask("PUT", &format!("{on}/bitrates"), 204, Some(limits)).await;
    let rtp = json!({"mid": "0", "encodings": [{"ssrc": 1111}], "codecs": [{
        "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2}]});
    let body = json!({"kind": "audio", "rtpParameters": rtp});
    let producer = ask("POST", &format!("{on}/producers"), 201, Some(body)).await.json();
    let producer = &producer["producerId"];
    let body = json!({"producerId": producer, "rtpCapabilities": capabilities, "paused": true});
    let consumer = ask("POST", &format!("{on}/consumers"), 201, Some(body)).await.json();
    assert_eq!((&consumer["producerId"], &consumer["type"]), (producer, &json!("simple")));
    assert_eq!((&consumer["peerId"], consumer.get("sdp")), (&json!("ann"), None));
    let consumer = format!("/peers/ann/consumers/{}", consumer["consumerId"].as_str().unwrap());
    ask("POST", &format!("{consumer}/resume"), 204, None).await;
    let stats = ask("GET", &format!("{consumer}/stats"), 200, None).await.json();
    assert!(stats.is_array(), "{stats}");
    let body = json!({"label": "chat", "sctpStreamParameters": {"streamId": 1}});
    let chat = ask("POST", &format!("{on}/data-producers"), 201, Some(body)).await.json();
    let chat = chat["dataProducerId"].as_str().unwrap();
    let path = format!("/peers/ann/data-producers/{chat}");
    ask("PATCH", &path, 204, Some(json!({"paused": true}))).await;
    assert_eq!(ask("GET", &path, 200, None).await.json()["paused"], true);
    let body = json!({"dataProducerId": chat});
    let heard = ask("POST", &format!("{on}/data-consumers"), 201, Some(body)).await.json();
    let heard = format!("/peers/ann/data-consumers/{}", heard["dataConsumerId"].as_str().unwrap());
    ask("PATCH", &heard, 204, Some(json!({"subchannels": [7]}))).await;
    assert_eq!(ask("GET", &heard, 200, None).await.json()["subchannels"], json!([7]));
    let objects = ask("GET", "/peers/ann", 200, None).await.json();
    assert_eq!(objects["transports"][0]["type"], "webrtc");
    ask("DELETE", &on, 204, None).await;
    let objects = ask("GET", "/peers/ann", 200, None).await.json();
    assert_eq!((&objects["consumers"], &objects["dataProducers"]), (&json!([]), &json!([])));
}
