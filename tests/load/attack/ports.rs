//! T-S08: ports that somebody else has, and too few of them. A node says which, and does not start
//! half.

use std::{
    net::{TcpListener, UdpSocket},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::http::Method;

use super::{
    Context,
    findings::{Bound, Findings},
};
use crate::{
    client::Failure,
    node::{Node, Wish, free_port},
};

/// Until it has given up.
const SOON: Duration = Duration::from_secs(10);
/// A pair of ports for each plain transport that does not put RTCP beside RTP.
const PLAIN: u16 = 4;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    for (name, udp, setting) in [
        ("media_udp", true, "RTC_PORT"),
        ("media_tcp", false, "RTC_PORT"),
        ("links", true, "LINK_LISTEN"),
        ("pages", false, "LISTEN"),
        ("admin", false, "ADMIN_LISTEN"),
    ] {
        let port = free_port()?;
        let at = ("127.0.0.1", port);
        let holders = (udp.then(|| UdpSocket::bind(at)), (!udp).then(|| TcpListener::bind(at)));
        let value =
            if setting == "RTC_PORT" { port.to_string() } else { format!("127.0.0.1:{port}") };
        let began = Instant::now();
        let settings = vec![(setting, value)];
        let wish = Wish { id: format!("t-s08-{name}"), settings, files: None };
        let mut node = Node::launch(&context.secrets, &wish)?;
        let ended = loop {
            match node.ended() {
                Some(how) => break Some(how),
                None if began.elapsed() > SOON => break None,
                None => sleep(Duration::from_millis(20)).await,
            }
        };
        drop(holders);
        let failed = ended.is_some_and(|how| !how.success());
        let said = node.logged().contains(&port.to_string());
        findings.note(&node.tail());
        let key = format!("{name}_taken_refused_and_named");
        findings.check(&key, f64::from(u8::from(failed && said)), Bound::Exactly(1.0), 1);
    }
    plain(context, findings).await
}

/// Transports for which no port is left are refused, and those before them work on.
async fn plain(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let first = free_port()? & !1;
    let range = format!("{first}-{}", first + PLAIN - 1);
    let node = context.node_with("T-S08-plain", &[("RTC_PLAIN_PORTS", &range)]).await?;
    node.api(Method::POST, "/v1/rooms/ports/peers", json!({"id": "many"})).await?;
    let path = "/v1/rooms/ports/peers/many/transports";
    let wish = json!({"rtcpMux": false, "comedia": true});
    let (mut made, mut refusal) = (0, None);
    for _ in 0..=PLAIN {
        let answer = node.api(Method::POST, path, wish.clone()).await?;
        if answer.status.is_success() {
            made += 1;
        } else {
            let body: Value = serde_json::from_slice(&answer.body)?;
            findings.note(&format!("{}: {body}", answer.status));
            refusal = Some((answer.status.as_u16(), body));
            break;
        }
    }
    let most = f64::from(PLAIN / 2);
    findings.check("plain_transports_made", f64::from(made), Bound::Exactly(most), 1);
    let named = refusal.is_some_and(|(status, body)| {
        let has = |key: &str| body[key].as_str().is_some_and(|text| !text.is_empty());
        matches!(status, 429 | 503) && has("code") && has("title") && has("hint")
    });
    findings.check(
        "the_next_is_refused_with_a_hint",
        f64::from(u8::from(named)),
        Bound::Exactly(1.0),
        1,
    );
    Ok(())
}
