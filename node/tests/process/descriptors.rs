//! More connections than the process has file descriptors (T-S07).

use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::harness::Program;

const ADMIN: &str = "7Jq2Vb9Xc4Nm6Kd8Fg1Hs3Pz5Tw0Ry-root";
const DESCRIPTORS: u32 = 256;
const CLIENTS: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn when_descriptors_run_out_those_who_are_in_stay_and_others_come_in_soon_after() {
    let secrets = [("TOKEN_SECRET", "Tq7Lm2Xv9Kd4Fg8Hs1Pw6Ry3Nc5Jb0Zz"), ("ADMIN_TOKEN", ADMIN)];
    let program = Program::start_poor(DESCRIPTORS, &secrets);
    let wish = json!({"room": "r", "peer": "ada"});
    let made = program.ask(program.admin, "POST", "/v1/tokens", Some(ADMIN), Some(&wish)).json();
    let token = made["token"].as_str().unwrap();
    let url = format!("ws://{}/ws?roomId=r&peerId=ada&token={token}", program.listen);
    let mut request = url.into_client_request().unwrap();
    let protocol = HeaderValue::from_static("protoo");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await.unwrap();
    let mut ask = async |id: u32, method: &str| {
        let frame = json!({"request": true, "id": id, "method": method, "data": {}});
        socket.send(Message::text(frame.to_string())).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            let frame = message.to_text().ok().and_then(|text| serde_json::from_str(text).ok());
            if frame.is_some_and(|frame: Value| frame["id"] == id) {
                return true;
            }
        }
        false
    };
    assert!(ask(1, "join").await);
    // The kernel takes them in; the program cannot.
    let crowd: Vec<_> = (0..CLIENTS).map(|_| TcpStream::connect(program.listen).unwrap()).collect();
    let begun = Instant::now();
    let mut id = 2;
    while begun.elapsed() < Duration::from_secs(3) {
        assert!(ask(id, "ping").await, "who is in stays in");
        id += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(crowd);
    let freed = Instant::now();
    let ready = || program.ask(program.listen, "GET", "/readyz", None, None).status == 200;
    program.until("others come in", ready);
    assert!(freed.elapsed() < Duration::from_secs(5), "{:?}", freed.elapsed());
    assert!(ask(id, "ping").await);
    let metrics = program.ask(program.admin, "GET", "/metrics", None, None).body;
    let refused = metrics.lines().find_map(|line| {
        line.strip_prefix("starling_http_connections_refused_total ")?.parse::<f64>().ok()
    });
    assert!(refused.is_some_and(|refused| refused > 0.0), "{refused:?}");
}
