//! A WebSocket of RTP and messages against a real node.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use starling_proto::{
    direct::{decode, encode},
    message::{Audience, DataMessage, MessageKind},
    sctp::MAX_MESSAGE,
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    http::{App, Side, router},
    testing::{ADMIN, app, request, send},
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn serve(app: &App) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let service = router(app, Side::Whole).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    at
}

async fn ask(app: &App, path: &str, body: Value) -> Value {
    send(app, Side::Whole, request("POST", path, Some(body))).await.json()
}

/// A peer's direct transport, and its path.
async fn tap(app: &App, at: SocketAddr, id: &str) -> (Socket, String) {
    ask(app, "/v1/rooms/r/peers", json!({ "id": id })).await;
    let url = format!("ws://{at}/v1/rooms/r/peers/{id}/direct");
    let mut opening = url.into_client_request().unwrap();
    let token = format!("Bearer {ADMIN}").parse().unwrap();
    opening.headers_mut().insert("authorization", token);
    let (mut socket, _) = connect_async(opening).await.unwrap();
    let hello = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let hello: Value = serde_json::from_str(&hello).unwrap();
    let transport = hello["transportId"].as_str().unwrap().to_owned();
    (socket, format!("/v1/rooms/r/peers/{id}/transports/{transport}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_over_websockets_both_ways() {
    let app = app().await;
    let at = serve(&app).await;
    let (mut bot, to) = tap(&app, at, "bot").await;
    let (mut ear, from) = tap(&app, at, "ear").await;
    let wish = json!({ "label": "chat", "appData": { "channel": "chat" } });
    let made = ask(&app, &format!("{to}/data-producers"), wish).await;
    let producer = made["dataProducerId"].as_str().unwrap();
    let wish = json!({ "dataProducerId": producer, "subchannels": [7] });
    let made = ask(&app, &format!("{from}/data-consumers"), wish).await;
    let consumer = made["dataConsumerId"].as_str().unwrap();
    assert_eq!((&made["label"], &made["sctpStreamParameters"]), (&json!("chat"), &Value::Null));
    let text = DataMessage::new(MessageKind::String, "Grüße".as_bytes());
    let audience = |subchannel| Audience { subchannels: vec![subchannel], ..Audience::default() };
    let long = DataMessage::new(MessageKind::Binary, &[7; MAX_MESSAGE]);
    let said = [
        text.clone(),
        DataMessage { audience: audience(8), ..text.clone() },
        DataMessage { audience: audience(7), ..long },
    ];
    let say = async {
        for message in &said {
            let frame = encode(producer, message).unwrap();
            bot.send(Message::Binary(frame.into())).await.unwrap();
        }
    };
    let mut heard = Vec::new();
    let hear = async {
        while heard.len() < 2 {
            let Message::Binary(frame) = ear.next().await.unwrap().unwrap() else { continue };
            let (of, message) = decode(&frame).unwrap();
            assert_eq!(of, consumer);
            heard.push(message);
        }
    };
    let both = async { tokio::join!(say, hear) };
    tokio::time::timeout(std::time::Duration::from_secs(10), both).await.expect("all is heard");
    assert_eq!(heard, [said[0].clone(), said[2].clone()], "but what is for another subchannel");
    let get =
        async |path: String| send(&app, Side::Whole, request("GET", &path, None)).await.json();
    let dump = get(format!("/v1/rooms/r/peers/ear/data-consumers/{consumer}")).await;
    assert_eq!((&dump["type"], &dump["subchannels"]), (&json!("direct"), &json!([7])));
    let stats = get(format!("/v1/rooms/r/peers/bot/data-producers/{producer}/stats")).await;
    assert_eq!(
        (&stats[0]["type"], &stats[0]["messagesReceived"]),
        (&json!("data-producer"), &json!(3))
    );
    let objects = get("/v1/rooms/r/peers/ear".into()).await;
    assert_eq!(objects["dataConsumers"][0]["id"], json!(consumer));
    let path = format!("/v1/rooms/r/peers/bot/data-producers/{producer}");
    assert_eq!(send(&app, Side::Whole, request("DELETE", &path, None)).await.status, 204);
    let ended = async {
        loop {
            if let Message::Text(told) = ear.next().await.unwrap().unwrap() {
                return serde_json::from_str::<Value>(&told).unwrap();
            }
        }
    };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), ended).await.unwrap();
    assert_eq!(ended["dataConsumerClosed"], json!(consumer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_receives_over_one_websocket_what_it_sends_over_another() {
    let app = app().await;
    let ask = async |path: &str, body: Value| ask(&app, path, body).await;
    let at = serve(&app).await;
    let (mut player, to) = tap(&app, at, "player").await;
    let (mut recorder, from) = tap(&app, at, "recorder").await;
    let rtp = json!({
        "codecs": [{
            "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2,
            "parameters": {}, "rtcpFeedback": []
        }],
        "headerExtensions": [], "encodings": [{ "ssrc": 9 }], "rtcp": {}
    });
    let made =
        ask(&format!("{to}/producers"), json!({"kind": "audio", "rtpParameters": rtp})).await;
    let wish = json!({ "producerId": made["producerId"], "paused": false });
    let consumer = ask(&format!("{from}/consumers"), wish).await;
    let ssrc = consumer["rtpParameters"]["encodings"][0]["ssrc"].as_u64().unwrap() as u32;
    let sends = async {
        for sequence in 0u16.. {
            let mut packet = vec![0x80, 100];
            packet.extend_from_slice(&sequence.to_be_bytes());
            packet.extend_from_slice(&(u32::from(sequence) * 960).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0, 9, 1, 2, 3]);
            player.send(Message::Binary(packet.into())).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let hears = async {
        let mut seen = 0;
        while seen < 10 {
            let Message::Binary(packet) = recorder.next().await.unwrap().unwrap() else { continue };
            if (192..=223).contains(&packet[1]) {
                continue;
            }
            assert_eq!((&packet[8..12], &packet[12..]), (&ssrc.to_be_bytes()[..], &[1, 2, 3][..]));
            seen += 1;
        }
    };
    tokio::select! {
        () = sends => {}
        () = hears => {}
        () = tokio::time::sleep(std::time::Duration::from_secs(10)) => panic!("nothing is heard"),
    }
}
