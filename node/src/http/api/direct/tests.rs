//! A WebSocket of RTP against a real node.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    http::{Side, router},
    testing::{ADMIN, app, request, send},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_receives_over_one_websocket_what_it_sends_over_another() {
    let app = app().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let service = router(&app, Side::Whole).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    let ask = async |path: &str, body: Value| {
        send(&app, Side::Whole, request("POST", path, Some(body))).await.json()
    };
    let mut sockets = Vec::new();
    for id in ["player", "recorder"] {
        ask("/v1/rooms/r/peers", json!({ "id": id })).await;
        let url = format!("ws://{at}/v1/rooms/r/peers/{id}/direct");
        let mut opening = url.into_client_request().unwrap();
        let token = format!("Bearer {ADMIN}").parse().unwrap();
        opening.headers_mut().insert("authorization", token);
        let (mut socket, _) = connect_async(opening).await.unwrap();
        let hello = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let hello: Value = serde_json::from_str(&hello).unwrap();
        let transport = hello["transportId"].as_str().unwrap().to_owned();
        sockets.push((socket, format!("/v1/rooms/r/peers/{id}/transports/{transport}")));
    }
    let (mut recorder, from) = sockets.pop().unwrap();
    let (mut player, to) = sockets.pop().unwrap();
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
