//! T-S04: room tokens that nobody with the secret made, or made for something else.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_tungstenite::tungstenite::http::Method;

use super::{
    Context,
    findings::{Bound, Findings},
    wire::{Reply, address, dial, host, once, say, upgrade},
};
use crate::{client::Failure, node::Node};

const ROOM: &str = "vault";
const PEER: &str = "ada";
/// A clock may be wrong by so much (docs/signalling.md), and a second for the test's own.
const LEEWAY: u64 = 10 + 1;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-S04").await?;
    let to = address(&node.url)?;
    // What is forged differs from this one only in what is wrong with it.
    let good = signed(&node.secrets.token, &header("HS256"), &claims());
    let entered = knock(to, &good).await?.status;
    findings.check("an_honest_token_status", f64::from(entered), Bound::Exactly(101.0), 1);
    let forged = forgeries(&node);
    let (mut refused, mut tries) = (0_u32, 0_u32);
    for (name, token) in &forged {
        for (door, status) in [
            ("ws", knock(to, token).await?.status),
            ("whip", post(to, "whip", token).await?.status),
            ("whep", post(to, "whep", token).await?.status),
            ("placement", placement(to, token).await?.status),
        ] {
            if honest(name, door) {
                continue;
            }
            tries += 1;
            // A token that no line of HTTP can carry ends with the line.
            let good = matches!(status, 401 | 403) || (*name == "1_mb" && status != 101);
            refused += u32::from(good);
            if !good {
                findings.note(&format!("{name} at {door}: {status}"));
            }
        }
    }
    revoked(&node, to, findings).await?;
    let share = 100.0 * f64::from(refused) / f64::from(tries);
    findings.check("forged_refused_percent", share, Bound::Exactly(100.0), u64::from(tries));
    findings.tell("forgeries", forged.len() as f64, 1);
    let figures = node.figures().await?;
    let counted = ["unauthorized", "forbidden"]
        .map(|code| figures.labelled("starling_refusals_total", &format!("code=\"{code}\"")));
    let least = Bound::AtLeast(0.9 * f64::from(refused));
    findings.check("refusals_counted", counted.iter().sum(), least, u64::from(refused));
    let leaks = node.logged().matches(&good[good.len() - 20..]).count() as f64;
    findings.check("tokens_in_the_log", leaks, Bound::Exactly(0.0), u64::from(tries));
    Ok(())
}

/// One that was good, and has been used.
async fn revoked(node: &Node, to: SocketAddr, findings: &mut Findings) -> Result<(), Failure> {
    let stolen = signed(&node.secrets.token, &header("HS256"), &with(json!({"jti": "stolen"})));
    let path = format!("/ws?roomId={ROOM}&peerId={PEER}&token={stolen}");
    let mut inside = dial(host(0), to).await?;
    let entered = say(&mut inside, upgrade(&path).as_bytes()).await?.status;
    findings.check("a_stolen_token_status", f64::from(entered), Bound::Exactly(101.0), 1);
    let wish = json!({"tokenId": "stolen", "reason": "T-S04"});
    let told = node.api(Method::POST, "/v1/tokens/revocations", wish).await?;
    findings.check("revoked_status", f64::from(told.status.as_u16()), Bound::Exactly(201.0), 1);
    let began = Instant::now();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), inside.read_to_end(&mut rest)).await??;
    // Whoever does not join is sent away after ten.
    findings.check("sent_away_after_s", began.elapsed().as_secs_f64(), Bound::AtMost(5.0), 1);
    let mut refused = 0;
    for status in [
        knock(to, &stolen).await?.status,
        post(to, "whip", &stolen).await?.status,
        post(to, "whep", &stolen).await?.status,
        placement(to, &stolen).await?.status,
    ] {
        refused += u32::from(status == 401);
    }
    findings.check("revoked_refused", f64::from(refused), Bound::Exactly(4.0), 4);
    Ok(())
}

/// What is no forgery at that door: an operator may ask for a placement, and where no peer is
/// named the token's is meant.
fn honest(name: &str, door: &str) -> bool {
    (name == "the_admin_token" && door == "placement") || (name == "another_peer" && door != "ws")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn header(algorithm: &str) -> Value {
    json!({"alg": algorithm, "typ": "JWT"})
}

fn claims() -> Value {
    json!({"room": ROOM, "sub": PEER, "publish": true, "subscribe": true, "exp": now() + 600})
}

fn with(change: Value) -> Value {
    let mut claims = claims();
    if let (Some(claims), Value::Object(change)) = (claims.as_object_mut(), change) {
        for (name, value) in change {
            if value.is_null() {
                claims.remove(&name);
            } else {
                claims.insert(name, value);
            }
        }
    }
    claims
}

fn encoded(part: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part)
}

fn sealed(secret: &[u8], algorithm: hmac::Algorithm, message: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", encoded(tag.as_ref()))
}

fn signed_text(secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
    sealed(secret.as_bytes(), hmac::HMAC_SHA256, &message)
}

fn signed(secret: &str, header: &Value, claims: &Value) -> String {
    signed_text(secret, &header.to_string(), &claims.to_string())
}

fn forgeries(node: &Node) -> Vec<(&'static str, String)> {
    let secret = node.secrets.token.as_str();
    let hs = header("HS256");
    let good = signed(secret, &hs, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let of = |claims: Value| signed(secret, &hs, &claims);
    let message = |algorithm: &str| {
        format!("{}.{}", encoded(header(algorithm).to_string().as_bytes()), parts[1])
    };
    let kid = |kid: &str| {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": kid});
        // Signed with what a file of that name would have.
        signed("", &header, &claims())
    };
    let twice =
        format!(r#"{{"room":"other","sub":"{PEER}","exp":{0},"room":"{ROOM}"}}"#, now() + 600);
    vec![
        ("none", format!("{}.", message("none"))),
        ("none_in_capitals", format!("{}.", message("NONE"))),
        ("none_with_a_tag", format!("{}.{}", message("none"), parts[2])),
        ("rs256", sealed(secret.as_bytes(), hmac::HMAC_SHA256, &message("RS256"))),
        ("es256", sealed(secret.as_bytes(), hmac::HMAC_SHA256, &message("ES256"))),
        ("hs512", sealed(secret.as_bytes(), hmac::HMAC_SHA512, &message("HS512"))),
        ("hs384", sealed(secret.as_bytes(), hmac::HMAC_SHA384, &message("HS384"))),
        ("another_secret", signed("another-secret-of-thirty-two-bytes", &hs, &claims())),
        ("no_secret", signed("", &hs, &claims())),
        ("the_admin_token_as_secret", signed(&node.secrets.admin, &hs, &claims())),
        ("the_cluster_secret_as_secret", signed(&node.secrets.cluster, &hs, &claims())),
        ("the_admin_token", node.secrets.admin.clone()),
        ("kid_of_a_path", kid("../../../../dev/null")),
        ("kid_of_a_query", kid("' UNION SELECT '")),
        ("no_tag", format!("{}.{}", parts[0], parts[1])),
        ("an_empty_tag", format!("{}.{}.", parts[0], parts[1])),
        ("a_cut_tag", good[..good.len() - 4].to_owned()),
        ("a_bit_of_the_tag", flipped(&good)),
        ("bad_base64", format!("{}.!!!!.{}", parts[0], parts[2])),
        ("four_parts", format!("{good}.{}", parts[2])),
        ("empty", String::new()),
        ("1_mb", "x".repeat(1 << 20)),
        ("room_twice", signed_text(secret, &hs.to_string(), &twice)),
        ("no_exp", of(with(json!({"exp": null})))),
        ("exp_is_a_text", of(with(json!({"exp": "tomorrow"})))),
        ("exp_is_negative", of(with(json!({"exp": -1})))),
        ("exp_has_passed", of(with(json!({"exp": now() - LEEWAY})))),
        ("nbf_is_to_come", of(with(json!({"nbf": now() + 60})))),
        ("another_room", of(with(json!({"room": "elsewhere"})))),
        ("another_peer", of(with(json!({"sub": "eve"})))),
        ("no_room", of(with(json!({"room": null})))),
        ("no_peer", of(with(json!({"sub": null})))),
        ("all_rooms", of(with(json!({"room": "*"})))),
        ("a_room_of_a_list", of(with(json!({"room": [ROOM]})))),
    ]
}

fn flipped(token: &str) -> String {
    let (head, tag) = token.rsplit_once('.').unwrap_or_default();
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(tag).unwrap_or_default();
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
    format!("{head}.{}", encoded(&bytes))
}

async fn knock(to: SocketAddr, token: &str) -> Result<Reply, Failure> {
    let path = format!("/ws?roomId={ROOM}&peerId={PEER}&token={token}");
    Ok(once(host(0), to, upgrade(&path).as_bytes()).await.unwrap_or_default())
}

async fn post(to: SocketAddr, what: &str, token: &str) -> Result<Reply, Failure> {
    let offer = "v=0\r\n";
    let head = format!(
        "POST /{what}/{ROOM} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
        offer.len()
    );
    Ok(once(host(0), to, head.as_bytes()).await.unwrap_or_default())
}

async fn placement(to: SocketAddr, token: &str) -> Result<Reply, Failure> {
    let head = format!(
        "GET /v1/rooms/{ROOM}/placement HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    Ok(once(host(0), to, head.as_bytes()).await.unwrap_or_default())
}
