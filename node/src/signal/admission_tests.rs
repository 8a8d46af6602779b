//! The admission hook, asked about clients of a real socket.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::tests::{Case, Socket, next, say};
use crate::{
    config::{Admission, Config, Hooks},
    hooks::receiver::Receiver,
    testing::config,
};

async fn case(url: String, open: bool) -> Case {
    let base = config();
    let admission = Some(Admission { url, timeout: Duration::from_millis(500), open });
    Case::with(Config { hooks: Hooks { admission, ..base.hooks.clone() }, ..base }).await
}

/// Close code and reason.
async fn turned_away(socket: &mut Socket) -> (u16, String) {
    let read = async {
        loop {
            if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                let frame = frame.unwrap();
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.unwrap()
}

async fn ask(socket: &mut Socket, method: &str, data: Value) -> Value {
    let frame = json!({"request": true, "id": 1, "method": method, "data": data});
    say(socket, frame.to_string()).await;
    loop {
        let frame = next(socket).await;
        if frame["response"] == true {
            return frame;
        }
    }
}

fn captured_produce() -> Value {
    let file = "../media/fixtures/mediasoup-client/send.produce.audio.mic.json";
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let mut data: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    data["transportId"] = json!("7f6c1f4e-2d52-4c39-8f6c-4a1d7f0e9b11");
    data
}

#[tokio::test]
async fn who_is_refused_is_shown_the_sentence_and_who_is_lowered_may_do_less() {
    let mut receiver = Receiver::start().await;
    let case = case(receiver.url(), false).await;
    receiver.answer(403, r#"{"reason":"your trial is over"}"#);
    receiver.answer(200, r#"{"grants":{"kinds":["video"]}}"#);
    let mut ada = case.open("r", "ada").await;
    assert_eq!(turned_away(&mut ada).await, (4000, "your trial is over [forbidden]".to_owned()));
    let told = receiver.next().await.event;
    assert_eq!((&told["room"], &told["peer"]), (&json!("r"), &json!("ada")));
    let mut ben = case.open("r", "ben").await;
    let join = json!({"displayName": "Ben", "device": {}});
    assert_eq!(ask(&mut ben, "join", join).await["ok"], true);
    let refusal = ask(&mut ben, "produce", captured_produce()).await;
    assert_eq!(refusal["errorCode"], 403, "{refusal}");
    assert!(refusal["errorReason"].as_str().unwrap().contains("audio"), "{refusal}");
}

#[tokio::test]
async fn while_the_hook_is_away_nobody_comes_in_or_everybody_as_it_is_set() {
    let nobody = "http://127.0.0.1:9/".to_owned();
    let closed = case(nobody.clone(), false).await;
    let (code, reason) = turned_away(&mut closed.open("r", "ada").await).await;
    assert_eq!(code, 1013, "{reason}");
    assert!(reason.ends_with("[admission_unavailable]"), "{reason}");
    let open = case(nobody, true).await;
    let mut ada = open.open("r", "ada").await;
    let join = json!({"displayName": "Ada", "device": {}});
    assert_eq!(ask(&mut ada, "join", join).await["ok"], true);
}
