//! Tests of `adaptor`: text in, effects out, literal times.

use starling_proto::{
    MediaKind, RtpParameters,
    rtp::RtpType,
    signal::{NewConsumer, ServerNotification},
};

use super::*;
use crate::{
    config::{Ice, IceAccess, Secret},
    ice::IceServers,
};

struct Case {
    start: Instant,
    adaptor: Adaptor,
}

impl Case {
    fn new() -> Self {
        let start = Instant::now();
        Self { start, adaptor: Adaptor::new(start) }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn text(&mut self, ms: u64, text: &str) -> Vec<Effect> {
        self.adaptor.handle_text(self.at(ms), text);
        self.effects()
    }

    fn peer(&mut self, ms: u64, said: ToClient) -> Vec<Effect> {
        self.adaptor.handle_peer(self.at(ms), said);
        self.effects()
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.adaptor.poll_effect()).collect()
    }
}

#[test]
fn a_heartbeat_is_answered_without_the_peer() {
    let mut case = Case::new();
    let answer = case.text(0, r#"{"request":true,"id":5,"method":"ping"}"#);
    assert_eq!(json_of(&answer), json!({"response": true, "id": 5, "ok": true, "data": {}}));
}

fn json_of(effects: &[Effect]) -> Value {
    match effects {
        [Effect::Send(text)] => serde_json::from_str(text).unwrap(),
        other => panic!("one frame expected: {other:?}"),
    }
}

fn new_consumer(id: &str) -> ToClient {
    ToClient::Request(ServerRequest::NewConsumer(Box::new(NewConsumer {
        peer_id: "alice".parse().unwrap(),
        transport_id: "t".parse().unwrap(),
        consumer_id: id.parse().unwrap(),
        producer_id: "p".parse().unwrap(),
        kind: MediaKind::Audio,
        rtp_parameters: RtpParameters::default(),
        rtp_type: RtpType::Simple,
        producer_paused: false,
        consumer_score: json!({}),
        app_data: json!({}),
    })))
}

fn answered(consumer: &str, accepted: bool) -> Effect {
    let consumer = consumer.parse().unwrap();
    Effect::Forward(FromClient::ConsumerAnswered { consumer, accepted })
}

#[test]
fn a_request_goes_to_the_peer_and_its_answer_back_under_the_same_id() {
    let mut case = Case::new();
    let effects =
        case.text(0, r#"{"request":true,"id":77,"method":"getRouterRtpCapabilities","data":{}}"#);
    let request = ClientRequest::RouterRtpCapabilities;
    assert_eq!(effects, [Effect::Forward(FromClient::Request { id: 77, request })]);
    let effects = case.peer(1, ToClient::Response { id: 77, result: Ok(json!({"a": 1})) });
    let expected = json!({"response": true, "id": 77, "ok": true, "data": {"a": 1}});
    assert_eq!(json_of(&effects), expected);
}

#[test]
fn an_answer_without_data_has_an_empty_object() {
    let mut case = Case::new();
    let effects = case.peer(0, ToClient::Response { id: 1, result: Ok(Value::Null) });
    assert_eq!(json_of(&effects)["data"], json!({}));
}

#[test]
fn a_refusal_has_number_sentence_hint_and_code() {
    let mut case = Case::new();
    let refusal = Refusal::new(Code::WrongState, "connected already").hint("connect once");
    let effects = case.peer(0, ToClient::Response { id: 5, result: Err(refusal) });
    let frame = json_of(&effects);
    assert_eq!(frame["errorCode"], 409);
    assert_eq!(frame["errorReason"], "connected already — connect once [wrong_state]");
}

#[test]
fn the_client_answers_a_new_consumer_once() {
    let mut case = Case::new();
    let frame = json_of(&case.peer(0, new_consumer("c1")));
    assert_eq!(frame["method"], "newConsumer");
    assert_eq!(frame["data"]["consumerId"], "c1");
    let ok = format!(r#"{{"response":true,"id":{},"ok":true,"data":{{}}}}"#, frame["id"]);
    assert_eq!(case.text(5, &ok), [answered("c1", true)]);
    assert_eq!(case.text(6, &ok), []);
    assert_eq!(case.adaptor.poll_timeout(), None);
}

#[test]
fn a_failure_and_silence_both_refuse_the_consumer() {
    let mut case = Case::new();
    let first = json_of(&case.peer(0, new_consumer("c1")));
    let second = json_of(&case.peer(1_000, new_consumer("c2")));
    assert_ne!(first["id"], second["id"]);
    let failure = format!(
        r#"{{"response":true,"id":{},"ok":false,"errorCode":500,"errorReason":"x"}}"#,
        first["id"]
    );
    assert_eq!(case.text(2_000, &failure), [answered("c1", false)]);
    assert_eq!(case.adaptor.poll_timeout(), Some(case.at(21_000)));
    case.adaptor.handle_timeout(case.at(20_999));
    assert_eq!(case.effects(), []);
    case.adaptor.handle_timeout(case.at(21_000));
    assert_eq!(case.effects(), [answered("c2", false)]);
    assert_eq!(case.adaptor.counts().unanswered, 1);
}

#[test]
fn generation_a_gets_an_empty_answer_to_what_is_a_notification_now() {
    let mut case = Case::new();
    let text = r#"{"request":true,"id":3,"method":"resumeConsumer","data":{"consumerId":"c1"}}"#;
    let effects = case.text(0, text);
    let consumer = "c1".parse().unwrap();
    let notification = ClientNotification::ResumeConsumer(consumer);
    assert_eq!(effects[0], Effect::Forward(FromClient::Notification(notification)));
    assert_eq!(json_of(&effects[1..])["ok"], true);
    let text = r#"{"request":true,"id":4,"method":"resumeConsumer","data":{}}"#;
    assert_eq!(json_of(&case.text(0, text))["errorCode"], 400);
}

#[test]
fn what_cannot_be_read_is_counted_and_an_unknown_method_is_refused() {
    let mut case = Case::new();
    for text in ["", "{", "[]", r#"{"request":true}"#, r#"{"request":true,"id":-1,"method":"x"}"#] {
        assert_eq!(case.text(0, text), [], "{text}");
    }
    assert_eq!(case.adaptor.counts().malformed, 5);
    let frame = json_of(&case.text(0, r#"{"request":true,"id":9,"method":"fly","data":{}}"#));
    assert_eq!((&frame["id"], &frame["errorCode"]), (&json!(9), &json!(404)));
    assert_eq!(case.text(0, r#"{"notification":true,"method":"fly"}"#), []);
}

#[test]
fn a_flood_ends_the_session() {
    let mut case = Case::new();
    let text = r#"{"request":true,"id":1,"method":"getRouterRtpCapabilities"}"#;
    for _ in 0..FRAMES_BURST {
        assert!(matches!(case.text(0, text)[..], [Effect::Forward(_)]));
    }
    let effects = case.text(0, text);
    assert!(matches!(effects[..], [Effect::Close { code: 4000, .. }]), "{effects:?}");
    assert_eq!(case.text(60_000, text), []);
}

#[test]
fn waiting_requests_are_bounded() {
    let mut case = Case::new();
    for n in 0..MAX_PENDING {
        assert!(matches!(case.peer(0, new_consumer(&format!("c{n}")))[..], [Effect::Send(_)]));
    }
    assert_eq!(case.peer(0, new_consumer("one-more")), [answered("one-more", false)]);
}

#[test]
fn nothing_follows_a_close_and_its_reason_fits_a_frame() {
    let mut case = Case::new();
    let reason = "ä".repeat(100);
    let effects = case.peer(0, ToClient::Close { code: 4001, reason });
    assert_eq!(effects, [Effect::Close { code: 4001, reason: "ä".repeat(61) }]);
    let closed = ServerNotification::PeerClosed { peer_id: "p".parse().unwrap() };
    assert_eq!(case.peer(1, ToClient::Notification(closed)), []);
}

#[test]
fn a_client_of_the_old_generation_is_answered_in_its_own_words() {
    let mut case = Case::new();
    let request = r#"{"request":true,"id":5,"method":"createWebRtcTransport","data":{"forceTcp":false,"producing":true,"consuming":false,"sctpCapabilities":{"numStreams":{"OS":1024,"MIS":1024}}}}"#;
    let asked = ClientRequest::CreateWebRtcTransport { producing: true, force_tcp: false };
    let forwarded = Effect::Forward(FromClient::Request { id: 5, request: asked });
    assert_eq!(case.text(0, request), [forwarded]);
    let data = json!({"transportId": "t", "iceCandidates": []});
    let answer = json_of(&case.peer(1, ToClient::Response { id: 5, result: Ok(data) }));
    assert_eq!(answer["data"], json!({"id": "t", "iceCandidates": []}));
    let asked = json_of(&case.peer(2, new_consumer("c")));
    assert_eq!((&asked["method"], &asked["data"]["id"]), (&json!("newConsumer"), &json!("c")));
    let accepted = format!(r#"{{"response":true,"id":{},"ok":true,"data":{{}}}}"#, asked["id"]);
    assert_eq!(case.text(3, &accepted), [answered("c", true)]);
    let moved = ServerNotification::PeerMoved {
        peer_id: "alice".parse().unwrap(),
        node_id: "n2".parse().unwrap(),
    };
    assert_eq!(case.peer(4, ToClient::Notification(moved)), []);
}

#[test]
fn transports_come_with_ice_servers_and_nothing_else_does() {
    let secret = Secret::new("north");
    let access = IceAccess::Shared { secret, ttl: Duration::from_secs(60) };
    let servers = IceServers::new(&Ice { servers: vec!["turn:t.example".into()], access });
    let mut case = Case::new();
    let came = (case.start, Duration::from_secs(1000));
    let ice = ForClient { servers, peer: "ann".parse().unwrap(), came };
    case.adaptor = Adaptor::new(case.start).with_ice(ice);
    let mut answer = |id: u32, method: &str, data: Value| {
        let request = json!({"request": true, "id": id, "method": method, "data":
            {"transportId": "t", "appData": {"direction": "producer"}}});
        case.text(u64::from(id) * 1000, &request.to_string());
        let said = case.peer(u64::from(id) * 1000, ToClient::Response { id, result: Ok(data) });
        json_of(&said)["data"].clone()
    };
    let made = answer(1, "createWebRtcTransport", json!({"transportId": "t"}));
    assert_eq!(made["iceServers"][0]["urls"], "turn:t.example");
    assert_eq!(made["iceServers"][0]["username"], "1061:ann");
    assert!(made["iceServers"][0]["credential"].as_str().is_some_and(|text| !text.is_empty()));
    let restarted = answer(2, "restartIce", json!({"iceParameters": {}}));
    assert_eq!(restarted["iceServers"][0]["username"], "1062:ann");
    let stats = answer(3, "getTransportStats", json!({"stats": []}));
    assert_eq!(stats, json!({"stats": []}));
}
