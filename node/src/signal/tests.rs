//! Tests of the WebSocket endpoint over a real socket, against a real node.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, Response},
    },
};

use super::adaptor::FRAMES_BURST;
use crate::{
    auth::Tokens,
    config::Config,
    run::{self, Running},
    testing::{TOKEN_SECRET, around, config, registered},
};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(super) struct Case {
    running: Running,
    config: Config,
}

impl Case {
    pub(super) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(super) async fn with(config: Config) -> Self {
        let running = run::start(&config, around(&config)).await.unwrap();
        registered(&running.node).await;
        Self { running, config }
    }

    fn token(&self, room: &str, peer: &str) -> String {
        let wish = serde_json::from_value(json!({"room": room, "peer": peer})).unwrap();
        Tokens::of(self.config.token_keys.clone()).issue(&wish).unwrap().token
    }

    /// Connects, or says with which status that was refused.
    async fn try_open(&self, path: &str, protocol: Option<&'static str>) -> Result<Socket, u16> {
        let url = format!("ws://{}{path}", self.running.listening[0]);
        let mut request = url.into_client_request().unwrap();
        if let Some(protocol) = protocol {
            let value = HeaderValue::from_static(protocol);
            request.headers_mut().insert("sec-websocket-protocol", value);
        }
        match connect_async(request).await {
            Ok((socket, answer)) => {
                assert_eq!(header(&answer, "sec-websocket-protocol"), Some("protoo"));
                Ok(socket)
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    pub(super) async fn open(&self, room: &str, peer: &str) -> Socket {
        let path = format!("/?roomId={room}&peerId={peer}&token={}", self.token(room, peer));
        self.try_open(&path, Some("protoo")).await.unwrap()
    }
}

fn header<'a, T>(answer: &'a Response<T>, name: &str) -> Option<&'a str> {
    answer.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The next protoo frame.
pub(super) async fn next(socket: &mut Socket) -> Value {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(5), socket.next()).await;
        match message.unwrap().unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

/// The close code at the end.
async fn end(socket: &mut Socket) -> Option<u16> {
    let read = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.unwrap()
}

pub(super) async fn say(socket: &mut Socket, text: impl Into<String>) {
    socket.send(Message::text(text.into())).await.unwrap();
}

#[tokio::test]
async fn a_client_with_a_token_is_answered() {
    let case = Case::new().await;
    let mut socket = case.open("r", "alice").await;
    say(&mut socket, r#"{"request":true,"id":7,"method":"getRouterRtpCapabilities","data":{}}"#)
        .await;
    let answer = next(&mut socket).await;
    assert_eq!((&answer["id"], &answer["ok"]), (&json!(7), &json!(true)), "{answer}");
    assert!(answer["data"]["routerRtpCapabilities"]["codecs"].is_array(), "{answer}");
    say(&mut socket, r#"{"request":true,"id":8,"method":"fly","data":{}}"#).await;
    let refusal = next(&mut socket).await;
    assert_eq!(refusal["errorCode"], 404);
    assert!(refusal["errorReason"].as_str().unwrap().ends_with("[method_not_found]"));
}

#[tokio::test]
async fn who_may_not_come_in_is_told_by_status() {
    let case = Case::new().await;
    let token = case.token("r", "alice");
    for (path, protocol, status) in [
        (format!("/?roomId=r&peerId=alice&token={token}"), None, 403),
        (format!("/?roomId=r&peerId=alice&token={token}"), Some("chat"), 403),
        (format!("/?roomId=other&peerId=alice&token={token}"), Some("protoo"), 403),
        (format!("/?roomId=r&peerId=bob&token={token}"), Some("protoo"), 403),
        (format!("/ws?peerId=alice&token={token}"), Some("protoo"), 400),
        (format!("/?roomId=a%2Fb&peerId=alice&token={token}"), Some("protoo"), 400),
        ("/?roomId=r&peerId=alice".to_owned(), Some("protoo"), 401),
        ("/?roomId=r&peerId=alice&token=x.y.z".to_owned(), Some("protoo"), 401),
    ] {
        let refused = case.try_open(&path, protocol).await.map(|_| ());
        assert_eq!(refused, Err(status), "{path} {protocol:?}");
    }
}

#[tokio::test]
async fn sessions_of_an_address_are_rated() {
    let mut config = config();
    config.http.sessions_per_second = 1;
    let case = Case::with(config).await;
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(case.try_open("/?roomId=r", None).await.map(|_| ()) == Err(429));
    }
    assert!((9..=10).contains(&refused), "{refused}");
}

#[tokio::test]
async fn a_node_that_takes_in_as_many_as_it_can_says_when_to_come_again() {
    let mut config = config();
    config.http.joins_per_second = Some(2);
    let case = Case::with(config).await;
    let mut alice = case.open("r", "alice").await;
    say(&mut alice, r#"{"request":true,"id":1,"method":"ping"}"#).await;
    assert_eq!(next(&mut alice).await["id"], 1);
    let mut bob = case.open("r", "bob").await;
    let told = next(&mut bob).await;
    assert_eq!((&told["method"], &told["data"]["nodes"]), (&json!("moveTo"), &json!([])));
    let wait = told["data"]["retryAfterMs"].as_u64().unwrap();
    assert!((1..=500).contains(&wait), "{told}");
    assert_eq!(end(&mut bob).await, Some(1013));
    tokio::time::sleep(Duration::from_millis(wait)).await;
    let mut bob = case.open("r", "bob").await;
    say(&mut bob, r#"{"request":true,"id":1,"method":"ping"}"#).await;
    assert_eq!(next(&mut bob).await["id"], 1);
}

#[tokio::test]
async fn who_comes_back_is_not_counted_by_address() {
    let mut config = config();
    config.http.sessions_per_second = 1;
    let case = Case::with(config).await;
    let back = format!("/?roomId=r&peerId=alice&token={}&resume=x", case.token("r", "alice"));
    for _ in 0..20 {
        let socket = case.try_open(&back, Some("protoo")).await;
        assert!(socket.is_ok(), "refused by its ticket at most");
    }
    let forged = "/?roomId=r&peerId=alice&token=x.y.z&resume=x";
    let mut refused = Vec::new();
    for _ in 0..20 {
        refused.extend(case.try_open(forged, Some("protoo")).await.err());
    }
    assert_eq!(refused.iter().filter(|status| **status == 429).count(), 10, "{refused:?}");
}

#[tokio::test]
async fn an_oversize_frame_ends_the_session() {
    let case = Case::new().await;
    let mut socket = case.open("r", "alice").await;
    let _ = socket.send(Message::text("x".repeat(70_000))).await;
    assert_eq!(end(&mut socket).await, Some(1009));
}

#[tokio::test]
async fn nonsense_is_ignored_and_a_flood_is_not() {
    let case = Case::new().await;
    let mut socket = case.open("r", "alice").await;
    for text in ["", "{", "[1]", r#"{"request":true,"id":"x"}"#, r#"{"response":true,"id":99}"#] {
        say(&mut socket, text).await;
    }
    socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    say(&mut socket, r#"{"request":true,"id":1,"method":"getRouterRtpCapabilities"}"#).await;
    assert_eq!(next(&mut socket).await["id"], 1);
    for _ in 0..=FRAMES_BURST + 100 {
        if socket.send(Message::text("{}")).await.is_err() {
            break;
        }
    }
    assert_eq!(end(&mut socket).await, Some(4000));
}

#[tokio::test]
async fn a_draining_node_says_so_and_closes() {
    let case = Case::new().await;
    case.running.node.drain(Duration::ZERO).await.unwrap();
    let mut socket = case.open("r", "alice").await;
    // It is the only node, so there is nowhere to go: try again later.
    assert_eq!(end(&mut socket).await, Some(1013));
}

#[tokio::test]
async fn a_forged_ticket_does_not_revive_an_expired_token() {
    let case = Case::new().await;
    let claims = json!({"room": "r", "sub": "alice", "exp": 1_000, "publish": true});
    let key = jsonwebtoken::EncodingKey::from_secret(TOKEN_SECRET.as_bytes());
    let expired = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let path = format!("/?roomId=r&peerId=alice&token={expired}");
    assert_eq!(case.try_open(&path, Some("protoo")).await.map(|_| ()), Err(401));
    let mut socket =
        case.try_open(&format!("{path}&resume=e30.AAAA"), Some("protoo")).await.unwrap();
    assert_eq!(end(&mut socket).await, Some(4000));
}

#[tokio::test]
async fn a_token_that_is_for_rest_alone_opens_no_session() {
    let case = Case::new().await;
    let wish = json!({"room": "r", "peer": "alice", "join": false, "admin": true});
    let tokens = Tokens::of(case.config.token_keys.clone());
    let token = tokens.issue(&serde_json::from_value(wish).unwrap()).unwrap().token;
    let path = format!("/?roomId=r&peerId=alice&token={token}");
    assert_eq!(case.try_open(&path, Some("protoo")).await.map(drop), Err(403));
}

#[tokio::test]
async fn pages_of_origins_that_are_not_listed_open_no_signalling() {
    let mut config = config();
    config.http.ws_origins = vec!["https://app.example".into()];
    let case = Case::with(config).await;
    let at = case.running.listening[0];
    let own = format!("http://{at}");
    let open = async |origin: Option<&str>| {
        let token = case.token("r", "alice");
        let url = format!("ws://{at}/ws?roomId=r&peerId=alice&token={token}");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static("protoo"));
        if let Some(origin) = origin {
            headers.insert("origin", origin.parse().unwrap());
        }
        match connect_async(request).await {
            Ok(_) => 101,
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Err(other) => panic!("{other}"),
        }
    };
    for (origin, status) in [
        (None, 101),
        (Some("https://app.example"), 101),
        (Some(own.as_str()), 101),
        (Some("https://evil.example"), 403),
        (Some("https://app.example.evil.example"), 403),
        (Some("null"), 403),
    ] {
        assert_eq!(open(origin).await, status, "{origin:?}");
    }
}

#[test]
fn the_documentation_names_every_code_and_method() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/signalling.md");
    let page = std::fs::read_to_string(path).unwrap();
    for code in starling_proto::Code::ALL {
        let row = format!("| `{code}` | {} | ", code.status());
        assert!(page.contains(&row), "missing: {row}");
    }
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/src/signal/client.rs");
    let source = std::fs::read_to_string(proto).unwrap();
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    let methods: Vec<_> = arms.map(|(method, _)| method).collect();
    assert!(methods.len() >= 19, "{methods:?}");
    for method in methods {
        assert!(page.contains(&format!("`{method}`")), "missing: {method}");
    }
}

#[tokio::test]
async fn who_came_with_a_token_that_is_revoked_is_sent_away_and_does_not_come_back() {
    let case = Case::new().await;
    let token = case.token("r", "alice");
    let path = format!("/?roomId=r&peerId=alice&token={token}");
    let mut alice = case.try_open(&path, Some("protoo")).await.unwrap();
    let mut bob = case.open("r", "bob").await;
    let ask = r#"{"request":true,"id":1,"method":"getRouterRtpCapabilities","data":{}}"#;
    for socket in [&mut alice, &mut bob] {
        say(socket, ask).await;
        assert_eq!(next(socket).await["ok"], true);
    }
    let wish = serde_json::from_value(json!({"token": token})).unwrap();
    let revocation = case.running.app.tokens.revocation(wish, "ops").unwrap();
    case.running.node.revoke(revocation).await.unwrap();
    assert_eq!(end(&mut alice).await, Some(4000), "protoo-client does not try again");
    say(&mut bob, ask).await;
    assert_eq!(next(&mut bob).await["ok"], true, "nobody else notices");
    for resume in ["", "&resume=any"] {
        let again = case.try_open(&format!("{path}{resume}"), Some("protoo")).await;
        assert_eq!(again.err(), Some(401), "{resume}");
    }
    case.open("r", "alice").await;
}
