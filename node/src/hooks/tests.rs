//! Webhooks of a real node, told to a real server.

use serde_json::{Value, json};

use super::receiver::{Receiver, Told};
use crate::{
    config::{Config, Hooks},
    http::{App, Side},
    testing::{Answer, app, app_with, config, request, send},
};

async fn ask(app: &App, method: &str, path: &str, body: Option<Value>) -> Answer {
    send(app, Side::Whole, request(method, path, body)).await
}

async fn started() -> App {
    let app = app().await;
    app.hooks.start(app.node.clone());
    app
}

async fn make(app: &App, hook: Value) -> Value {
    let made = ask(app, "POST", "/v1/webhooks", Some(hook)).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

#[tokio::test]
async fn what_happens_is_told_signed_in_order_and_to_those_who_asked_for_it() {
    let app = started().await;
    let (mut all, mut some) = (Receiver::start().await, Receiver::start().await);
    let made = make(&app, json!({"url": all.url()})).await;
    assert!(made["id"].as_str().unwrap().starts_with("webhook-"), "{made}");
    make(&app, json!({"id": "some", "url": some.url(), "events": ["peer.left"], "room": "r"}))
        .await;
    for room in ["r", "s"] {
        let path = format!("/v1/rooms/{room}/peers");
        let made = ask(&app, "POST", &path, Some(json!({"id": "p", "displayName": "P"}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_eq!(ask(&app, "DELETE", &format!("{path}/p"), None).await.status, 204);
    }
    let mut of_r = Vec::new();
    while of_r.len() < 3 {
        let Told { path, signed, event } = all.next().await;
        assert!(signed && path == "/hook", "{event}");
        assert_eq!(event["by"], "node-1");
        if event["room"] == "r" {
            of_r.push(event["type"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(of_r, ["room.started", "peer.joined", "peer.left"]);
    let told = some.next().await;
    assert_eq!((&told.event["type"], &told.event["room"]), (&json!("peer.left"), &json!("r")));
    assert!(some.is_quiet().await);
    let shown = ask(&app, "GET", "/v1/webhooks/some", None).await.json();
    let here = json!({"node": "node-1", "waiting": 0, "delivered": 1, "deadLetters": 0});
    assert_eq!((&shown["nodes"], &shown["missing"]), (&json!([here]), &json!([])), "{shown}");
}

#[tokio::test]
async fn a_receiver_that_fails_is_told_again_and_one_that_refuses_when_it_is_asked_for() {
    let app = started().await;
    let mut receiver = Receiver::start().await;
    for status in [503, 200, 302, 200] {
        receiver.answer(status, "");
    }
    make(&app, json!({"id": "h", "url": receiver.url(), "events": ["room.started"]})).await;
    let join = async |room: &str| {
        let path = format!("/v1/rooms/{room}/peers");
        let body = json!({"id": "p", "displayName": ""});
        assert_eq!(ask(&app, "POST", &path, Some(body)).await.status, 201);
    };
    join("a").await;
    let (first, again) = (receiver.next().await, receiver.next().await);
    assert_eq!(first.event, again.event, "the same event under the same id");
    join("b").await;
    assert_eq!(receiver.next().await.event["room"], "b");
    join("c").await;
    let next = receiver.next().await;
    assert_eq!((next.path.as_str(), &next.event["room"]), ("/hook", &json!("c")), "no redirect");
    assert!(receiver.is_quiet().await);
    let shown = ask(&app, "GET", "/v1/webhooks/h", None).await.json()["nodes"][0].clone();
    assert_eq!((&shown["delivered"], &shown["deadLetters"]), (&json!(2), &json!(1)), "{shown}");
    let figures = ask(&app, "GET", "/metrics", None).await.text;
    for line in [
        "starling_webhook_events_delivered_total 2\n",
        "starling_webhook_attempts_failed_total 1\n",
        "starling_webhook_dead_letters_total{reason=\"refused\"} 1\n",
        "starling_webhook_events_waiting 0\n",
    ] {
        assert!(figures.contains(line), "{line}");
    }
    let dead = ask(&app, "GET", "/v1/webhooks/h/dead-letters", None).await.json();
    let [letter] = dead["letters"].as_array().unwrap().as_slice() else { panic!("{dead}") };
    assert_eq!((&letter["event"]["room"], &letter["reason"]), (&json!("b"), &json!("refused")));
    assert_eq!(letter["trouble"], "answered 302: redirects are not followed");
    let sent = ask(&app, "POST", "/v1/webhooks/h/redeliver", None).await.json();
    assert_eq!(sent, json!({"count": 1, "missing": []}));
    assert_eq!(receiver.next().await.event, letter["event"]);
    let dead = ask(&app, "GET", "/v1/webhooks/h/dead-letters", None).await.json();
    assert_eq!(dead["letters"], json!([]));
}

#[tokio::test]
async fn what_only_nodes_can_reach_is_told_nothing_unless_it_is_allowed() {
    let hooks = Hooks { private: false, ..config().hooks };
    let app = app_with(Config { hooks, ..config() }).await;
    let receiver = Receiver::start().await;
    let port = receiver.url().rsplit(':').next().unwrap().to_owned();
    let at = |host: &str| json!({"id": "h", "url": format!("https://{host}:{port}")});
    let refused = ask(&app, "POST", "/v1/webhooks", Some(at("127.0.0.1"))).await;
    assert_eq!(refused.code(), "bad_request");
    assert!(refused.json()["hint"].as_str().unwrap().contains("webhook_private"), "{refused:?}");
    // A name is looked up when it is told.
    make(&app, at("localhost")).await;
    let tried = ask(&app, "POST", "/v1/webhooks/h/try", None).await.json();
    assert_eq!(tried["delivered"], false);
    let trouble = tried["trouble"].as_str().unwrap();
    assert!(trouble.ends_with("is at no address that may be asked"), "{trouble}");
}

#[tokio::test]
async fn without_a_secret_there_are_no_webhooks_until_one_is_given() {
    let hooks = Hooks { secret: None, ..config().hooks };
    let app = app_with(Config { hooks, ..config() }).await;
    app.hooks.start(app.node.clone());
    let mut receiver = Receiver::start().await;
    let hook = json!({"url": receiver.url(), "events": ["room.*"]});
    let refused = ask(&app, "POST", "/v1/webhooks", Some(hook.clone())).await;
    assert_eq!(refused.code(), "wrong_state");
    app.hooks.replace(&config().hooks);
    make(&app, hook).await;
    let body = json!({"id": "p", "displayName": ""});
    assert_eq!(ask(&app, "POST", "/v1/rooms/r/peers", Some(body)).await.status, 201);
    assert!(receiver.next().await.signed);
}

#[tokio::test]
async fn a_webhook_is_tried_out_and_the_operator_learns_what_came_of_it() {
    let app = started().await;
    let mut receiver = Receiver::start().await;
    make(&app, json!({"id": "h", "url": receiver.url()})).await;
    let tried = ask(&app, "POST", "/v1/webhooks/h/try", None).await.json();
    assert_eq!((&tried["delivered"], &tried["status"]), (&json!(true), &json!(200)), "{tried}");
    let told = receiver.next().await;
    assert_eq!(
        (&told.event["type"], &told.event["webhook"]),
        (&json!("webhook.tried"), &json!("h"))
    );
    receiver.answer(401, "");
    let tried = ask(&app, "POST", "/v1/webhooks/h/try", None).await.json();
    assert_eq!((&tried["delivered"], &tried["trouble"]), (&json!(false), &json!("answered 401")));
    make(&app, json!({"id": "nobody", "url": "http://127.0.0.1:9/"})).await;
    let tried = ask(&app, "POST", "/v1/webhooks/nobody/try", None).await.json();
    assert!(tried["trouble"].as_str().unwrap().contains("cannot connect"), "{tried}");
    let unknown = ask(&app, "POST", "/v1/webhooks/unknown/try", None).await;
    assert_eq!(unknown.code(), "webhook_not_found");
}

#[tokio::test]
async fn webhooks_are_listed_deleted_and_bounded() {
    let app = started().await;
    for (wish, code) in [
        (json!({"url": "ftp://example.org"}), "bad_request"),
        (json!({"url": "https://example.org", "events": ["room.exploded"]}), "bad_request"),
        (json!({"url": "https://example.org", "events": ["rooms.*"]}), "bad_request"),
        (json!({"url": "https://example.org", "events": ["webhook.tried"]}), "bad_request"),
        (json!({"url": "https://example.org", "event": []}), "bad_request"),
    ] {
        assert_eq!(ask(&app, "POST", "/v1/webhooks", Some(wish)).await.code(), code);
    }
    for n in 0..32 {
        make(&app, json!({"id": format!("h{n:02}"), "url": "https://example.org"})).await;
    }
    let wish = |id: &str| Some(json!({"id": id, "url": "https://example.org"}));
    assert_eq!(ask(&app, "POST", "/v1/webhooks", wish("more")).await.code(), "limit_reached");
    assert_eq!(ask(&app, "POST", "/v1/webhooks", wish("h00")).await.code(), "webhook_exists");
    assert_eq!(ask(&app, "DELETE", "/v1/webhooks/h00", None).await.status, 204);
    assert_eq!(ask(&app, "DELETE", "/v1/webhooks/h00", None).await.code(), "webhook_not_found");
    assert_eq!(ask(&app, "GET", "/v1/webhooks/h00", None).await.code(), "webhook_not_found");
    let left = ask(&app, "GET", "/v1/webhooks", None).await.json();
    assert_eq!(left.as_array().unwrap().len(), 31);
}
