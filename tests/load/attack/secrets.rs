//! T-S10: whatever is secret, looked for in all that a node says: its log at its most talkative,
//! its metrics, its answers, its command line.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::http::Method;

use super::{
    Context,
    findings::{Bound, Findings},
    wire::{address, host, once, upgrade},
};
use crate::{
    client::{Client, Failure, Wish, produce},
    figures::Figures,
    node::Node,
    shape::Shape,
};

/// Half of a secret is as bad as all of it.
const PART: usize = 16;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let talkative = "debug,starling_actors=trace,starling_node=trace,starling_cluster=trace";
    let settings = [
        ("LOG", talkative),
        ("SESSIONS_PER_SECOND", "0"),
        ("ICE_SERVERS", "turn:localhost"),
        ("ICE_SECRET", "shared-with-coturn-and-nobody-else-at-all"),
    ];
    let node = context.node_with("T-S10", &settings).await?;
    let mut known = vec![
        ("token_secret", node.secrets.token.clone()),
        ("admin_token", node.secrets.admin.clone()),
        ("cluster_secret", node.secrets.cluster.clone()),
        ("ice_secret", "shared-with-coturn-and-nobody-else-at-all".to_owned()),
    ];
    let answers = live(context, &node, &mut known).await?;
    sleep(Duration::from_millis(300)).await;
    let log = node.logged();
    let metrics = Figures::text(&node.admin, &node.secrets.admin).await?;
    let places = [
        ("log", log.as_str()),
        ("metrics", &metrics),
        ("answers", &answers),
        ("command_line", &node.command_line()),
    ];
    for (place, text) in places {
        let found = known.iter().filter(|(name, secret)| {
            let half = &secret[secret.len().saturating_sub(PART)..];
            let found = text.contains(half);
            if found {
                eprintln!("  {name} is in {place}");
            }
            found
        });
        let found = found.count() as f64;
        findings.check(&format!("in_{place}"), found, Bound::Exactly(0.0), text.len() as u64);
    }
    findings.check("secrets_looked_for", known.len() as f64, Bound::AtLeast(8.0), 1);
    // Else nothing would be found wherever it stood.
    let address = node.url.clone();
    let seen = [&log, &answers].iter().filter(|text| text.contains(&address)).count() as f64;
    findings.check("what_is_no_secret_is_seen", seen, Bound::AtLeast(1.0), 1);
    Ok(())
}

/// Joins, refusals, mistakes; what was answered to whoever must not know.
async fn live(
    context: &Context,
    node: &Node,
    known: &mut Vec<(&'static str, String)>,
) -> Result<String, Failure> {
    let token = node.token("private", "ada")?;
    let wish = Wish { consume: true, keep: true };
    let room = ("private", "ada");
    let client = Client::enter(&node.url, room, Some(&token), &context.identity, wish).await?;
    produce(&client, Shape::Audio, 5).await?;
    known.push(("room_token", token.clone()));
    known.push(("ice_password", client.up.password()));
    known.push(("ice_password_of_the_other", client.down.password()));
    let peers = "/v1/rooms/private/peers";
    node.api(Method::POST, peers, json!({"id": "plain"})).await?;
    let srtp = json!({"comedia": true, "enableSrtp": true, "rtcpMux": true});
    let path = format!("{peers}/plain/transports");
    let made = node.api(Method::POST, &path, srtp).await?;
    let made: Value = serde_json::from_slice(&made.body)?;
    let key = made["srtpParameters"]["keyBase64"].as_str().ok_or("no SRTP key")?;
    known.push(("srtp_key", key.to_owned()));

    let (public, admin) = (address(&node.url)?, address(&node.admin)?);
    let mut answers = String::new();
    let wrong = format!("{}x", node.secrets.admin);
    let mut asks = vec![
        (public, upgrade("/ws?roomId=private&peerId=ada&token=wrong")),
        (public, upgrade(&format!("/ws?roomId=other&peerId=ada&token={token}"))),
        (public, upgrade("/ws?roomId=private&peerId=ada&resume=wrong")),
    ];
    for bearer in ["", "wrong", &wrong, &token] {
        for path in ["/v1/nodes", "/v1/rooms", "/metrics", "/v1/tokens", "/nothing"] {
            asks.push((admin, format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\r\n"
            )));
        }
    }
    for (to, ask) in asks {
        answers.push_str(&once(host(3), to, ask.as_bytes()).await?.text);
    }
    // What an operator is shown has no need of them either.
    let whole = format!("/v1/rooms/private/peers/ada/transports/{}", client.sending);
    for path in ["/v1/nodes", "/v1/rooms/private", peers, &whole] {
        let answer = node.api(Method::GET, path, Value::Null).await?;
        answers.push_str(&String::from_utf8_lossy(&answer.body));
    }
    Ok(answers)
}
