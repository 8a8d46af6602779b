//! Both protocols against a real node, without media.

mod admission;
mod players;

use std::time::Duration;

use axum::{body::Body, http::Request};
use serde_json::json;
use starling_actors::session::{FromClient, Grants, SessionRequest, ToClient};
use starling_proto::signal::ClientRequest;

use crate::{
    config::{Ice, IceAccess, Secret},
    http::{App, Side},
    sdp::{MAX_BYTES, MAX_SECTIONS, Offer, Way},
    testing::{Answer, app, app_with, config, request, send},
};

const CHROMIUM: &str = include_str!("../sdp/offers/chromium.sdp");
const FFMPEG: &str = include_str!("../sdp/offers/ffmpeg.sdp");
const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

async fn token(app: &App, peer: &str, publish: bool, subscribe: bool) -> String {
    let wish = json!({"room": "r", "peer": peer, "publish": publish, "subscribe": subscribe});
    let made = send(app, Side::Whole, request("POST", "/v1/tokens", Some(wish))).await.json();
    made["token"].as_str().unwrap().to_owned()
}

async fn ask(
    app: &App,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, Side::Whole, request.body(body.into()).unwrap()).await
}

async fn post(app: &App, path: &str, token: &str, offer: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", SDP)];
    ask(app, "POST", path, &headers, offer.to_owned()).await
}

/// The path of the session that an answer made.
fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    let url = answer.headers["location"].to_str().unwrap();
    url[url.find("/whip/").or(url.find("/whep/")).unwrap()..].to_owned()
}

async fn peers(app: &App) -> Vec<String> {
    let peers = app.node.peers(&"r".parse().unwrap()).await.unwrap_or_default();
    peers.into_iter().map(|peer| peer.id.to_string()).collect()
}

async fn until_gone(app: &App, peer: &str) {
    for _ in 0..300 {
        if !peers(app).await.iter().any(|id| id == peer) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{peer} is still in the room");
}

/// As a client would send a WHEP offer for the same codecs.
fn receiving() -> String {
    CHROMIUM
        .replace("a=sendonly", "a=recvonly")
        .replace("\na=rid:", "\na=x-rid:")
        .replace("a=simulcast:send q;h;f", "a=x-none:0")
}

#[tokio::test]
async fn a_publisher_is_a_peer_until_it_deletes_its_session() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    let made = post(&app, "/whip/r?name=Ann", &ann, CHROMIUM).await;
    let path = location(&made);
    assert_eq!(made.headers["content-type"], SDP);
    assert!(made.headers["etag"].to_str().unwrap().starts_with('"'));
    assert_eq!(made.headers["accept-patch"], FRAGMENT);
    for line in ["a=recvonly", "a=ice-lite", "a=simulcast:recv q;h;f", "a=rtpmap:111 opus/48000/2"]
    {
        assert!(made.text.lines().any(|l| l == line), "{line}\n{}", made.text);
    }
    let room = app.node.peers(&"r".parse().unwrap()).await.unwrap();
    assert_eq!((room.len(), room[0].display_name.as_str()), (1, "Ann"));
    let mut sources: Vec<_> = room[0].producers.iter().map(|p| p.source.clone()).collect();
    sources.sort();
    assert_eq!(sources, ["audio", "video"]);
    assert_eq!(ask(&app, "DELETE", &path.replace("/whip/", "/whep/"), &[], "").await.status, 404);
    assert_eq!(ask(&app, "DELETE", &path, &[], "").await.status, 200);
    until_gone(&app, "ann").await;
    let again = ask(&app, "DELETE", &path, &[], "").await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (404, "session_not_found"));
    assert!(app.whip.is_empty());
}

#[tokio::test]
async fn who_may_not_or_cannot_publish_is_told_why() {
    let app = app().await;
    let (ann, bob) = (token(&app, "ann", true, false).await, token(&app, "bob", false, true).await);
    for (path, token, offer, code) in [
        ("/whip/r", "", CHROMIUM, "unauthorized"),
        ("/whip/r", "x", CHROMIUM, "unauthorized"),
        ("/whip/r", &bob, CHROMIUM, "forbidden"),
        ("/whip/other", &ann, CHROMIUM, "forbidden"),
        ("/whip/r?peerId=eve", &ann, CHROMIUM, "forbidden"),
        ("/whep/r", &ann, CHROMIUM, "forbidden"),
        ("/whip/a%20b", &ann, CHROMIUM, "bad_request"),
        ("/whip/r", &ann, "v=0", "bad_request"),
        ("/whip/r", &ann, &receiving(), "not_acceptable"),
        ("/whip/r", &ann, &FFMPEG.replace("H264", "VC1").replace("opus", "x"), "not_acceptable"),
        ("/whip/r", &ann, &"x".repeat(MAX_BYTES + 1), "too_large"),
        ("/whip/r", &ann, &padded(MAX_BYTES + 1), "too_large"),
        ("/whip/r", &ann, &crowded(MAX_SECTIONS + 1), "too_large"),
        ("/whep/r", &bob, CHROMIUM, "not_acceptable"),
    ] {
        let answer = post(&app, path, token, offer).await;
        assert_eq!(answer.code(), code, "{path} {answer:?}");
    }
    let bearer = format!("Bearer {ann}");
    let untyped = ask(&app, "POST", "/whip/r", &[("authorization", &bearer)], CHROMIUM).await;
    assert_eq!((untyped.status.as_u16(), untyped.code().as_str()), (415, "wrong_content_type"));
    let got = ask(&app, "GET", "/whip/r", &[("authorization", &bearer)], "").await;
    assert_eq!((got.status.as_u16(), got.code().as_str()), (405, "method_not_allowed"));
    assert!(app.whip.is_empty());
    assert!(peers(&app).await.is_empty());
}

/// A good offer of exactly so many bytes.
fn padded(bytes: usize) -> String {
    let offer = CHROMIUM.replace('\n', "\r\n");
    let line = format!("a=x:{}\r\n", "x".repeat(bytes - offer.len() - "a=x:\r\n".len()));
    offer + &line
}

/// A good offer of so many m-lines.
fn crowded(sections: usize) -> String {
    let more = sections - CHROMIUM.matches("\nm=").count();
    CHROMIUM.to_owned() + &"m=application 0 UDP/DTLS/SCTP webrtc-datachannel\n".repeat(more)
}

#[tokio::test]
async fn the_largest_offer_with_the_most_m_lines_is_answered() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    location(&post(&app, "/whip/r", &ann, &padded(MAX_BYTES)).await);
    let made = post(&app, "/whip/r", &ann, &crowded(MAX_SECTIONS)).await;
    location(&made);
    assert_eq!(made.text.matches("\nm=").count(), MAX_SECTIONS);
}

#[tokio::test]
async fn other_methods_are_refused_and_a_session_ends_once_however_often_it_is_asked() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    let path = location(&post(&app, "/whip/r", &ann, CHROMIUM).await);
    for (method, path) in [
        ("GET", "/whip/r"),
        ("HEAD", "/whip/r"),
        ("PUT", "/whip/r"),
        ("DELETE", "/whep/r"),
        ("GET", &path),
        ("POST", &path),
        ("PUT", &path),
        ("POST", &format!("{path}/layer")),
    ] {
        let status = ask(&app, method, path, &[("content-type", SDP)], "").await.status.as_u16();
        let expected = if path.ends_with("/layer") { 404 } else { 405 };
        assert_eq!(status, expected, "{method} {path}");
    }
    // RFC 9725 §4.3: no ETag is needed, and a wrong one says nothing.
    let headers = [("if-match", "\"wrong\"")];
    let end = || ask(&app, "DELETE", &path, &headers, "");
    let (first, second) = tokio::join!(end(), end());
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert!(matches!(statuses, [200, 200 | 404]), "{statuses:?}");
    assert_eq!(end().await.code(), "session_not_found");
    assert!(peers(&app).await.is_empty());
}

#[tokio::test]
async fn a_token_may_stand_in_the_url() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    let headers = [("content-type", SDP)];
    let made = ask(&app, "POST", &format!("/whip/r?token={ann}"), &headers, CHROMIUM).await;
    location(&made);
    assert_eq!(peers(&app).await, ["ann"]);
    let other = ask(&app, "POST", &format!("/whip/x?token={ann}"), &headers, CHROMIUM).await;
    assert_eq!(other.code(), "forbidden");
}

#[tokio::test]
async fn ice_servers_are_told_with_the_answer_and_to_who_asks_with_a_token() {
    let mut config = config();
    config.ice = Ice {
        servers: vec!["stun:s.example".into(), "turn:t.example:3478?transport=udp".into()],
        access: IceAccess::Shared {
            secret: Secret::new("north-north-north-north-north-north"),
            ttl: Duration::from_secs(3600),
        },
    };
    let app = app_with(config).await;
    let ann = token(&app, "ann", true, false).await;
    let links = |answer: &Answer| -> Vec<String> {
        let all = answer.headers.get_all("link").iter();
        all.map(|link| link.to_str().unwrap().to_owned()).collect()
    };
    let check = |links: &[String]| {
        assert_eq!(links.len(), 2, "{links:?}");
        assert_eq!(links[0], "<stun:s.example>; rel=\"ice-server\"");
        let turn = "<turn:t.example:3478?transport=udp>; rel=\"ice-server\"; username=\"";
        assert!(links[1].starts_with(turn), "{}", links[1]);
        assert!(links[1].contains(":ann\"; credential=\""), "{}", links[1]);
        assert!(links[1].ends_with("\"; credential-type=\"password\""), "{}", links[1]);
    };
    check(&links(&post(&app, "/whip/r", &ann, CHROMIUM).await));
    let bearer = format!("Bearer {ann}");
    let options = async |path: &str, headers: &[(&str, &str)]| {
        links(&ask(&app, "OPTIONS", path, headers, "").await)
    };
    check(&options("/whip/r", &[("authorization", &bearer)]).await);
    assert_eq!(options("/whip/r", &[]).await, [""; 0]);
    assert_eq!(options("/whip/other", &[("authorization", &bearer)]).await, [""; 0]);
    assert_eq!(options("/v1/rooms", &[("authorization", &bearer)]).await, [""; 0]);
}

#[tokio::test]
async fn pages_of_listed_origins_may_ask_and_everybody_is_told_what_to_post() {
    let app = app().await;
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,content-type,if-match"),
    ];
    let answer = ask(&app, "OPTIONS", "/whip/r/s", &headers, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://app.example");
    let methods = answer.headers["access-control-allow-methods"].to_str().unwrap();
    assert!(methods.contains("PATCH") && methods.contains("DELETE"), "{methods}");
    assert_eq!(answer.headers["accept-post"], SDP);
    let other = ask(&app, "OPTIONS", "/v1/rooms", &headers, "").await;
    assert!(!other.headers.contains_key("accept-post"));
}

#[tokio::test]
async fn a_page_that_was_sent_on_has_no_origin_and_shows_a_token_in_its_url() {
    let app = app().await;
    let headers = [("origin", "null"), ("access-control-request-method", "POST")];
    for (path, allowed) in [
        ("/whip/r?token=x", true),
        ("/whep/r?name=A&token=x", true),
        ("/whip/r", false),
        ("/whip/r?name=token=x", false),
        ("/v1/rooms?token=x", false),
    ] {
        let answer = ask(&app, "OPTIONS", path, &headers, "").await;
        let header = answer.headers.get("access-control-allow-origin");
        assert_eq!(header.is_some_and(|origin| origin == "null"), allowed, "{path}");
    }
}

#[tokio::test]
async fn ice_is_restarted_by_a_patch_and_candidates_need_the_newest_etag() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    let made = post(&app, "/whip/r", &ann, FFMPEG).await;
    let (path, etag) = (location(&made), made.headers["etag"].to_str().unwrap().to_owned());
    let patch = async |if_match: Option<&str>, kind: &str, ufrag: &str| {
        let mut headers = vec![("content-type", kind)];
        headers.extend(if_match.map(|tag| ("if-match", tag)));
        let body = format!(
            "a=ice-ufrag:{ufrag}\r\na=ice-pwd:a396978365a7df0e0a98e6716de7144f\r\n\
             m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n"
        );
        ask(&app, "PATCH", &path, &headers, body).await
    };
    assert_eq!(patch(Some(&etag), FRAGMENT, "e05856b2").await.status, 204);
    assert_eq!(patch(None, FRAGMENT, "e05856b2").await.status, 428);
    assert_eq!(patch(Some("\"x\""), FRAGMENT, "e05856b2").await.status, 412);
    assert_eq!(patch(Some(&etag), SDP, "e05856b2").await.status, 415);
    let restarted = patch(Some("*"), FRAGMENT, "fresh").await;
    assert_eq!(
        (restarted.status.as_u16(), restarted.headers["content-type"].as_bytes()),
        (200, FRAGMENT.as_bytes())
    );
    let fresh = restarted.headers["etag"].to_str().unwrap().to_owned();
    assert_ne!(fresh, etag);
    let ufrag = format!("a=ice-ufrag:{}", fresh.trim_matches('"'));
    assert!(restarted.text.lines().any(|line| line == ufrag), "{}", restarted.text);
    assert_eq!(patch(Some(&etag), FRAGMENT, "fresh").await.status, 412);
    assert_eq!(patch(Some(&fresh), FRAGMENT, "fresh").await.status, 204);
}

#[tokio::test]
async fn a_publisher_that_comes_again_takes_its_own_place() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    let first = location(&post(&app, "/whip/r", &ann, CHROMIUM).await);
    let second = location(&post(&app, "/whip/r", &ann, CHROMIUM).await);
    assert_ne!(first, second);
    assert_eq!(peers(&app).await, ["ann"]);
    assert_eq!(ask(&app, "DELETE", &first, &[], "").await.status, 404);
    // Somebody on a WebSocket is not sent away by it.
    let grants = Grants::member();
    let remote = [127, 0, 0, 1].into();
    let (room, peer) = ("r".parse().unwrap(), "bob".parse().unwrap());
    let request = SessionRequest {
        room,
        peer,
        resume_ticket: None,
        remote,
        grants,
        narrowed: false,
        trace: None,
    };
    let _there = app.node.open_session(request).await.unwrap();
    let bob = token(&app, "bob", true, false).await;
    assert_eq!(post(&app, "/whip/r", &bob, CHROMIUM).await.code(), "peer_exists");
}

#[tokio::test]
async fn a_player_gets_what_is_published_in_its_own_numbers() {
    let app = app().await;
    let (ann, bob) = (token(&app, "ann", true, false).await, token(&app, "bob", false, true).await);
    post(&app, "/whip/r", &ann, CHROMIUM).await;
    let made = post(&app, "/whep/r", &bob, &receiving()).await;
    let path = location(&made);
    for line in [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "a=sendonly",
        "a=msid:ann video-0",
        "a=fmtp:97 apt=96",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    ] {
        assert!(made.text.lines().any(|l| l == line), "{line}\n{}", made.text);
    }
    assert!(!made.text.contains("rtp-stream-id"), "{}", made.text);
    assert_eq!(made.text.matches("a=ssrc-group:FID").count(), 1, "{}", made.text);
    assert_eq!(ask(&app, "DELETE", &path, &[], "").await.status, 200);
    until_gone(&app, "bob").await;
}

#[tokio::test]
async fn a_player_of_an_empty_room_is_promised_what_may_come_and_gets_it() {
    let app = app().await;
    let (ann, bob) = (token(&app, "ann", true, false).await, token(&app, "bob", false, true).await);
    let made = post(&app, "/whep/r?peer=ann", &bob, &receiving()).await;
    location(&made);
    let answer = Offer::parse(made.text.as_bytes()).unwrap();
    assert!(answer.sections.iter().all(|s| s.way == Way::Sends && s.rtp.encodings.is_empty()));
    assert!(made.text.contains("m=video 9 UDP/TLS/RTP/SAVPF 96 109 97 114"), "{}", made.text);
    // Whoever else comes is not who was asked for.
    let eve = token(&app, "eve", true, false).await;
    let other = location(&post(&app, "/whip/r", &eve, CHROMIUM).await);
    post(&app, "/whip/r", &ann, CHROMIUM).await;
    ask(&app, "DELETE", &other, &[], "").await;
    for _ in 0..300 {
        if consumers(&app).await == 2.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} consumers, not ann's two", consumers(&app).await);
}

#[tokio::test]
async fn a_player_waits_a_moment_for_what_is_just_being_published() {
    let app = app().await;
    let (ann, bob) = (token(&app, "ann", true, false).await, token(&app, "bob", false, true).await);
    let receiving = receiving();
    let late = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        post(&app, "/whip/r", &ann, CHROMIUM).await
    };
    let (played, published) = tokio::join!(post(&app, "/whep/r", &bob, &receiving), late);
    location(&published);
    location(&played);
    let answer = Offer::parse(played.text.as_bytes()).unwrap();
    assert!(answer.sections.iter().all(|s| !s.rtp.encodings.is_empty()), "{}", played.text);
}

async fn consumers(app: &App) -> f64 {
    let metrics = app.node.metrics().await;
    metrics.iter().filter(|metric| metric.name == "starling_consumers").map(|m| m.value).sum()
}

#[tokio::test]
async fn a_drained_node_ends_its_sessions_and_takes_none() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    location(&post(&app, "/whip/r", &ann, CHROMIUM).await);
    app.node.drain(Duration::from_millis(500)).await.unwrap();
    until_gone(&app, "ann").await;
    assert!(app.whip.is_empty());
    assert_eq!(post(&app, "/whip/r", &ann, CHROMIUM).await.code(), "no_capacity");
}

#[tokio::test]
async fn a_kind_that_the_token_does_not_grant_is_not_published_and_nobody_stays() {
    let app = app().await;
    for (grants, status) in [
        (json!({"kinds": ["audio"]}), 403),
        (json!({"sources": ["microphone"]}), 403),
        (json!({"hidden": true}), 403),
        (json!({"join": false}), 403),
        (json!({"kinds": ["audio", "video"], "sources": ["microphone", "camera"]}), 201),
    ] {
        let mut wish = json!({"room": "r", "peer": "ann"});
        wish.as_object_mut().unwrap().extend(grants.as_object().unwrap().clone());
        let made = send(&app, Side::Whole, request("POST", "/v1/tokens", Some(wish))).await;
        let token = made.json()["token"].as_str().unwrap().to_owned();
        let answer = post(&app, "/whip/r", &token, CHROMIUM).await;
        assert_eq!(answer.status, status, "{grants}: {answer:?}");
        if status == 403 {
            assert_eq!(answer.code(), "forbidden");
            until_gone(&app, "ann").await;
        }
    }
}

#[tokio::test]
async fn only_who_chooses_is_told_of_producers_and_may_consume() {
    let app = app().await;
    let ann = token(&app, "ann", true, false).await;
    post(&app, "/whip/r", &ann, CHROMIUM).await;
    let grants = Grants::member();
    let remote = [127, 0, 0, 1].into();
    let (room, peer) = ("r".parse().unwrap(), "bob".parse().unwrap());
    let request = SessionRequest {
        room,
        peer,
        resume_ticket: None,
        remote,
        grants,
        narrowed: false,
        trace: None,
    };
    let mut bob = app.node.open_session(request).await.unwrap();
    let mut ask = async |method: &str, data: serde_json::Value| {
        let request = ClientRequest::parse(method, data).unwrap();
        bob.inbox.send(FromClient::Request { id: 1, request }).await.unwrap();
        loop {
            if let ToClient::Response { result, .. } = bob.outbox.recv().await.unwrap() {
                return result;
            }
        }
    };
    ask("createWebRtcTransport", json!({"appData": {"direction": "consumer"}})).await.unwrap();
    let early = ask("consume", json!({"producerId": "p"})).await.unwrap_err();
    assert_eq!(early.code.as_str(), "wrong_state");
    let joined = ask("join", json!({"autoConsume": false})).await.unwrap();
    let producers = joined["producers"].as_array().unwrap().clone();
    assert_eq!(producers.len(), 2);
    let id = producers[0]["producerId"].as_str().unwrap();
    let bare = ask("consume", json!({"producerId": id})).await.unwrap_err();
    assert_eq!(bare.code.as_str(), "bad_request");
    let wish = json!({"producerId": "nope", "rtpCapabilities": {"codecs": []}});
    let unknown = ask("consume", wish).await.unwrap_err();
    assert_eq!(unknown.code.as_str(), "producer_not_found");
    let wish = json!({"producerId": id, "rtpCapabilities": {"codecs": []}});
    let unfit = ask("consume", wish).await.unwrap_err();
    assert_eq!(unfit.code.as_str(), "unsupported_media");
    // What there is to choose from is shown to who consumes it.
    let of = json!({"producerId": id});
    assert!(ask("getProducerStats", of.clone()).await.is_err());
    let wish = json!({"producerId": id, "rtpCapabilities": app.node.rtp_capabilities()});
    ask("consume", wish).await.unwrap();
    assert!(ask("getProducerStats", of).await.unwrap()["stats"].is_array());
}

#[tokio::test]
async fn a_session_ends_with_its_token_and_does_not_begin_without() {
    let app = app().await;
    let ann = token(&app, "ann", true, true).await;
    let session = location(&post(&app, "/whip/r", &ann, CHROMIUM).await);
    let bob = token(&app, "bob", true, true).await;
    let other = location(&post(&app, "/whip/r", &bob, CHROMIUM).await);
    let wish = serde_json::from_value(json!({"token": ann})).unwrap();
    app.node.revoke(app.tokens.revocation(wish, "ops").unwrap()).await.unwrap();
    until_gone(&app, "ann").await;
    assert_eq!(peers(&app).await, ["bob"]);
    for (path, offer) in [("/whip/r", CHROMIUM.to_owned()), ("/whep/r", receiving())] {
        assert_eq!(post(&app, path, &ann, &offer).await.code(), "unauthorized", "{path}");
    }
    let bearer = format!("Bearer {bob}");
    let end = async |path: &str| {
        ask(&app, "DELETE", path, &[("authorization", bearer.as_str())], "").await.status.as_u16()
    };
    assert_eq!((end(&session).await, end(&other).await), (404, 200));
}
