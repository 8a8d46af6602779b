//! Tests of the routes against a real node.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

mod application;
mod described;
mod events;
mod examples;
mod manners;
mod revocations;

use super::*;
use crate::testing::{ADMIN, Answer, app, request, send};

async fn ask(app: &App, method: &str, path: &str, body: Option<Value>) -> Answer {
    send(app, Side::Whole, request(method, path, body)).await
}

fn described() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(openapi::json()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        all.extend(item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone())));
    }
    all
}

#[tokio::test]
async fn every_admin_route_refuses_who_is_not_an_operator() {
    let app = app().await;
    let wish = json!({"room": "r", "peer": "p"});
    let made = ask(&app, "POST", "/v1/tokens", Some(wish)).await.json();
    let room_token = format!("Bearer {}", made["token"].as_str().unwrap());
    let near = format!("Bearer {}x", &ADMIN[..ADMIN.len() - 1]);
    let placement = "/v1/rooms/{room}/placement";
    let guarded = |path: &str| path.starts_with("/v1/") && path != placement || path == "/metrics";
    let mut tried = 0;
    for (path, method) in described().into_iter().filter(|(path, _)| guarded(path)) {
        let verb = method.to_uppercase().parse().unwrap();
        let moderates = crate::auth::is_moderation(&verb, &path);
        let path = path.replace(['{', '}'], "");
        for token in ["", "Bearer", "Basic YTpi", &near, &room_token] {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let request = request.header("authorization", token).body(Body::empty()).unwrap();
            let answer = send(&app, Side::Whole, request).await;
            // That of another room is known, and opens nothing here.
            let known = moderates && token == room_token;
            let (status, code) = if known { (403, "forbidden") } else { (401, "unauthorized") };
            assert_eq!(answer.status, status, "{method} {path} {token}");
            assert_eq!(answer.code(), code);
            tried += 1;
        }
    }
    assert!(tried >= 100, "{tried}");
}

#[tokio::test]
async fn refusals_of_http_itself_are_problems_too() {
    let app = app().await;
    let long = "x".repeat(MAX_BODY + 1);
    for (method, path, body, code) in [
        ("GET", "/nowhere", None, "method_not_found"),
        ("GET", "/v1/nowhere", None, "method_not_found"),
        ("PATCH", "/v1/rooms", None, "method_not_allowed"),
        ("DELETE", "/", None, "method_not_allowed"),
        ("POST", "/v1/rooms", Some(json!({})), "bad_request"),
        ("POST", "/v1/rooms", Some(json!({"id": "a/b"})), "bad_request"),
        ("POST", "/v1/rooms", Some(json!([long])), "too_large"),
        ("GET", "/v1/rooms/a%20b", None, "bad_request"),
        ("GET", "/v1/rooms/nope", None, "room_not_found"),
        ("GET", "/v1/rooms/nope/peers", None, "room_not_found"),
        ("GET", "/v1/nodes/nope", None, "node_not_found"),
        ("POST", "/v1/nodes/nope/drain", None, "node_not_found"),
        (
            "POST",
            "/v1/tokens",
            Some(json!({"room": "r", "peer": "p", "ttlSeconds": 0})),
            "bad_request",
        ),
        ("GET", "/dev/nodes", None, "method_not_found"),
        ("GET", "/ws?roomId=r&peerId=p", None, "bad_request"),
    ] {
        let answer = ask(&app, method, path, body).await;
        assert_eq!(answer.code(), code, "{method} {path}");
    }
    let mut unmarked = request("POST", "/v1/rooms", Some(json!({"id": "r"})));
    unmarked.headers_mut().remove("content-type");
    assert_eq!(send(&app, Side::Whole, unmarked).await.code(), "bad_request");
}

#[tokio::test]
async fn a_room_is_made_changed_and_deleted() {
    let app = app().await;
    let made = ask(&app, "POST", "/v1/rooms", Some(json!({"id": "r"}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    let again = ask(&app, "POST", "/v1/rooms", Some(json!({"id": "r"}))).await;
    assert_eq!(again.code(), "room_exists");
    let levels = json!({"maxEntries": 3, "threshold": -50, "interval": 2000});
    let policy = json!({"pinnedNodes": ["node-1"], "regions": ["eu"], "maxPeers": 3, "lastN": 0,
        "mode": "pack", "audioLevels": levels});
    let changed = ask(&app, "PUT", "/v1/rooms/r/policy", Some(policy.clone())).await;
    assert_eq!(changed.json()["policy"], policy);
    let unpin = json!({"pinnedNodes": [], "mode": "spread"});
    let policy =
        ask(&app, "PATCH", "/v1/rooms/r/policy", Some(unpin)).await.json()["policy"].clone();
    assert_eq!((&policy["pinnedNodes"], &policy["mode"]), (&json!([]), &json!("spread")));
    assert_eq!(policy["maxPeers"], 3, "what a change does not name stays");
    let misspelt = json!({"maxPeer": 3});
    let refused = ask(&app, "PATCH", "/v1/rooms/r/policy", Some(misspelt)).await;
    assert_eq!(refused.code(), "bad_request");
    assert_eq!(ask(&app, "DELETE", "/v1/rooms/r", None).await.status, 204);
}

#[tokio::test]
async fn a_placement_is_explained_to_operators_and_counts_nobody() {
    let app = app().await;
    for _ in 0..2 {
        let told = ask(&app, "GET", "/v1/rooms/r/explain?region=eu", None).await.json();
        assert_eq!((&told["node"], &told["client"]["region"]), (&json!("node-1"), &json!("eu")));
        let node = &told["nodes"][0];
        assert_eq!((&node["placed"], &node["peers"]), (&json!(0), &json!(0)), "{told}");
        let points = |term: &Value| term["points"].as_i64().unwrap();
        let sum: i64 = node["terms"].as_array().unwrap().iter().map(points).sum();
        assert_eq!(node["score"], sum);
    }
    let mut asked = request("GET", "/v1/rooms/r/explain", None);
    asked.headers_mut().remove("authorization");
    assert_eq!(send(&app, Side::Whole, asked).await.code(), "unauthorized");
}

#[tokio::test]
async fn a_room_token_shows_its_own_placement_only() {
    let app = app().await;
    let wish = json!({"room": "r", "peer": "p"});
    let made = ask(&app, "POST", "/v1/tokens", Some(wish)).await;
    assert_eq!(made.status, 201);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let place = async |room: &str, token: &str| {
        let mut asked = request("GET", &format!("/v1/rooms/{room}/placement"), None);
        let value = format!("Bearer {token}").parse().unwrap();
        asked.headers_mut().insert("authorization", value);
        send(&app, Side::Whole, asked).await
    };
    assert_eq!(place("r", &token).await.json()["node"], "node-1");
    assert_eq!(place("r", ADMIN).await.json()["here"], true);
    assert_eq!(place("other", &token).await.code(), "forbidden");
    assert_eq!(place("r", "garbage").await.code(), "unauthorized");
}

#[tokio::test]
async fn beside_an_admin_listener_the_public_one_serves_no_admin_api() {
    let app = app().await;
    let public = async |request| send(&app, Side::Public, request).await;
    for path in ["/v1/rooms", "/v1/nodes", "/v1/rooms/r/peers", "/docs", "/metrics"] {
        assert_eq!(public(request("GET", path, None)).await.code(), "method_not_found", "{path}");
    }
    assert_eq!(public(request("GET", "/v1/rooms/r/placement", None)).await.status, 200);
    let pass = app.passes.issue(&"node-2".parse().unwrap(), "GET", "/v1/rooms");
    let mut handed_on = request("GET", "/v1/rooms", None);
    handed_on.headers_mut().insert(guard::FORWARDED, pass.parse().unwrap());
    assert_eq!(public(handed_on).await.status, 200);
    let mut forged = request("GET", "/v1/nodes", None);
    forged.headers_mut().insert(guard::FORWARDED, pass.parse().unwrap());
    assert_eq!(public(forged).await.code(), "unauthorized");
    let open = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    assert_eq!(send(&app, Side::Admin, open).await.status, 200);
    assert_eq!(send(&app, Side::Admin, request("GET", "/", None)).await.code(), "method_not_found");
}

#[tokio::test]
async fn probes_need_no_token_and_metrics_are_text() {
    let app = app().await;
    for path in ["/livez", "/readyz", "/openapi.json", "/docs", "/docs/docs.js", "/"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(send(&app, Side::Whole, request).await.status, 200, "{path}");
    }
    let metrics = ask(&app, "GET", "/metrics", None).await;
    assert_eq!(metrics.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(metrics.text.contains("starling_http_answers_total{status=\"2xx\"} 6\n"));
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let app = app().await;
    for path in ["/", "/docs"] {
        let page = ask(&app, "GET", path, None).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self'"), "{path}");
    }
    for file in [include_str!("docs/index.html"), include_str!("docs/docs.js")] {
        assert!(!file.contains("//cdn") && !file.contains("https://"), "an external address");
    }
}

#[tokio::test]
async fn only_listed_origins_may_call_from_a_browser() {
    let app = app().await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let mut asked = request("GET", "/v1/rooms", None);
        asked.headers_mut().insert("origin", origin.parse().unwrap());
        let answer = send(&app, Side::Whole, asked).await;
        let header = answer.headers.get("access-control-allow-origin");
        assert_eq!(header.is_some(), allowed, "{origin}");
    }
}

#[tokio::test]
async fn a_drain_is_seen_and_taken_back() {
    let app = app().await;
    let drained = ask(&app, "POST", "/v1/nodes/node-1/drain", Some(json!({"wait": true}))).await;
    assert_eq!(drained.status, 200, "{drained:?}");
    let ready = Request::builder().uri("/readyz").body(Body::empty()).unwrap();
    assert_eq!(send(&app, Side::Whole, ready).await.status, 503);
    assert_eq!(ask(&app, "POST", "/v1/nodes/node-1/undrain", None).await.status, 200);
    let ready = Request::builder().uri("/readyz").body(Body::empty()).unwrap();
    assert_eq!(send(&app, Side::Whole, ready).await.status, 200);
}

/// What mediasoup-demo's `broadcasters/ffmpeg.sh` asks for.
#[tokio::test]
async fn a_broadcaster_of_mediasoup_demo_produces_and_another_consumes() {
    let app = app().await;
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        let answer = ask(&app, method, &format!("/rooms/r{path}"), body).await;
        assert_eq!(answer.status, 200, "{method} {path} {answer:?}");
        answer
    };
    let capabilities = ask("GET", "", None).await.json();
    assert!(capabilities["codecs"].as_array().is_some_and(|codecs| !codecs.is_empty()));
    let device = json!({"name": "FFmpeg"});
    let ann = json!({"id": "ann", "displayName": "Ann", "device": device});
    assert_eq!(ask("POST", "/broadcasters", Some(ann)).await.json(), json!({"peers": []}));
    let plain = json!({"type": "plain", "comedia": true, "rtcpMux": false});
    let made = ask("POST", "/broadcasters/ann/transports", Some(plain)).await.json();
    assert!(made["port"].is_u64() && made["rtcpPort"].is_u64() && made["ip"].is_string());
    let transport = format!("/broadcasters/ann/transports/{}", made["id"].as_str().unwrap());
    let rtp = json!({"codecs": [{"mimeType": "audio/opus", "payloadType": 101, "clockRate": 48000,
        "channels": 2, "parameters": {"sprop-stereo": 1}}], "encodings": [{"ssrc": 1111}]});
    let producer = json!({"kind": "audio", "rtpParameters": rtp});
    let path = format!("{transport}/producers");
    let producer = ask("POST", &path, Some(producer)).await.json()["id"].clone();
    let bob = json!({"id": "bob", "displayName": "Bob", "device": {"name": "GStreamer"}});
    let peers = ask("POST", "/broadcasters", Some(bob)).await.json();
    assert_eq!(peers["peers"][0]["producers"], json!([{"id": producer, "kind": "audio"}]));
    let plain = json!({"type": "plain", "comedia": false});
    let made = ask("POST", "/broadcasters/bob/transports", Some(plain)).await.json();
    let transport = format!("/broadcasters/bob/transports/{}", made["id"].as_str().unwrap());
    let to = json!({"ip": "127.0.0.1", "port": 30000});
    ask("POST", &format!("{transport}/connect"), Some(to)).await;
    let path = format!("{transport}/consume?producerId={}", producer.as_str().unwrap());
    let consumer = ask("POST", &path, None).await.json();
    assert_eq!((&consumer["producerId"], &consumer["kind"]), (&producer, &json!("audio")));
    ask("DELETE", "/broadcasters/ann", None).await;
    let bare = Request::builder().uri("/rooms/r").body(Body::empty()).unwrap();
    assert_eq!(send(&app, Side::Whole, bare).await.code(), "unauthorized");
}

/// What mediasoup-demo's newest server answers its scripts.
#[tokio::test]
async fn a_broadcaster_of_the_newest_demo_produces_and_another_consumes() {
    let app = app().await;
    let ask = async |method: &str, path: &str, status: u16, body: Option<Value>| {
        let answer = ask(&app, method, &format!("/rooms/r{path}"), body).await;
        assert_eq!(answer.status, status, "{method} {path} {answer:?}");
        answer
    };
    let capabilities = ask("GET", "", 200, None).await.json();
    assert!(capabilities["routerRtpCapabilities"]["codecs"].is_array());
    for id in ["ann", "bob"] {
        let join = format!("/broadcasters/{id}/join");
        ask("POST", &join, 404, None).await;
        let peer = json!({"peerId": id, "displayName": id, "device": {"name": "FFmpeg"}});
        let made = ask("POST", "/broadcasters", 201, Some(peer)).await;
        assert_eq!(made.headers["location"], format!("/rooms/r/broadcasters/{id}"));
        ask("POST", &join, 200, None).await;
    }
    let transport = async |id: &str, body: Value| {
        let path = format!("/broadcasters/{id}/transports");
        let made = ask("POST", &path, 201, Some(body)).await.json();
        assert!(made["port"].is_u64() && made["ip"].is_string() && made.get("id").is_none());
        made
    };
    let made =
        transport("ann", json!({"comedia": true, "rtcpMux": false, "direction": "producer"}));
    let made = made.await;
    assert!(made["rtcpPort"].is_u64());
    let rtp = json!({"codecs": [{"mimeType": "audio/opus", "payloadType": 101, "clockRate": 48000,
        "channels": 2, "parameters": {"sprop-stereo": 1}}], "encodings": [{"ssrc": 1111}]});
    let body = json!({"transportId": made["transportId"], "kind": "audio", "rtpParameters": rtp,
        "appData": {"source": "audio"}});
    let producer = ask("POST", "/broadcasters/ann/producers", 201, Some(body)).await.json();
    let producer = &producer["producerId"];
    let infos = ask("GET", "/broadcasters/bob/peerProducersInfos", 200, None).await.json();
    let info = &infos["peerProducersInfos"][0];
    assert_eq!((&info["peerId"], &info["producers"][0]["producerId"]), (&json!("ann"), producer));
    let codec = &info["producers"][0]["consumableCodecs"][0];
    assert_eq!((&codec["mimeType"], &codec["payloadType"]), (&json!("audio/opus"), &json!(100)));
    let made = transport("bob", json!({"comedia": false, "direction": "consumer"})).await;
    let to = json!({"ip": "127.0.0.1", "port": 30000});
    let id = made["transportId"].as_str().unwrap();
    ask("POST", &format!("/broadcasters/bob/transports/{id}/connect"), 200, Some(to)).await;
    let body = json!({"transportId": id, "producerId": producer, "paused": true,
        "rtpCapabilities": capabilities["routerRtpCapabilities"]});
    let consumer = ask("POST", "/broadcasters/bob/consumers", 201, Some(body)).await.json();
    let id = consumer["consumerId"].as_str().unwrap();
    ask("POST", &format!("/broadcasters/bob/consumers/{id}/resume"), 200, None).await;
    ask("POST", "/broadcasters/bob/consumers/none/resume", 404, None).await;
    ask("DELETE", "/broadcasters/ann", 200, None).await;
}

/// What operators change, over HTTP.
#[tokio::test]
async fn producers_and_consumers_are_changed_and_ended() {
    let app = app().await;
    let at = |path: &str| format!("/v1/rooms/r/peers{path}");
    let ask = async |method: &str, path: &str, status: u16, body: Option<Value>| {
        let answer = ask(&app, method, &at(path), body).await;
        assert_eq!(answer.status, status, "{method} {path} {answer:?}");
        answer
    };
    ask("POST", "", 201, Some(json!({"id": "ann"}))).await;
    let made = ask("POST", "/ann/transports", 201, Some(json!({"comedia": true}))).await.json();
    let on = format!("/ann/transports/{}", made["transportId"].as_str().unwrap());
    let rtp = json!({"codecs": [{"mimeType": "audio/opus", "payloadType": 101, "clockRate": 48000,
        "channels": 2}], "encodings": [{"ssrc": 1111}]});
    let body = json!({"kind": "audio", "rtpParameters": rtp, "paused": true});
    let made = ask("POST", &format!("{on}/producers"), 201, Some(body)).await.json();
    let producer = format!("/ann/producers/{}", made["producerId"].as_str().unwrap());
    assert_eq!(ask("GET", &producer, 200, None).await.json()["paused"], true);
    ask("PATCH", &producer, 204, Some(json!({"paused": false}))).await;
    assert_eq!(ask("GET", &producer, 200, None).await.json()["paused"], false);
    ask("PATCH", &producer, 400, Some(json!({"volume": 7}))).await;
    let body = json!({"producerId": made["producerId"]});
    let made = ask("POST", &format!("{on}/consumers"), 201, Some(body)).await.json();
    let consumer = format!("/ann/consumers/{}", made["consumerId"].as_str().unwrap());
    ask("PATCH", &consumer, 204, Some(json!({"paused": true, "priority": 9}))).await;
    let held = ask("GET", &consumer, 200, None).await.json();
    assert_eq!((&held["paused"], &held["priority"]), (&json!(true), &json!(9)));
    ask("PATCH", &consumer, 400, Some(json!({"priority": 0}))).await;
    ask("POST", &format!("{consumer}/keyframe"), 204, None).await;
    ask("DELETE", &consumer, 204, None).await;
    ask("DELETE", &producer, 204, None).await;
    ask("GET", &producer, 404, None).await;
}
