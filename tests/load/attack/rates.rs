//! T-S06: more sessions, requests and reconnects than anybody needs, from one address and from one
//! peer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    task::JoinSet,
    time::{interval, timeout},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{
    Context,
    findings::{Bound, Findings},
    people::{People, bystanders},
    wire::{address, dial, hear, host, upgrade},
};
use crate::{
    client::{Failure, door},
    node::Node,
};

/// Settings' defaults: sessions a second of an address, and how many at once.
const PER_SECOND: f64 = 20.0;
const BURST: f64 = 200.0;
/// What is tried: joins and requests a second.
const JOINS: u64 = 100;
const REQUESTS: u64 = 1_000;
/// Share of a core that refusing may take.
const CPU: f64 = 0.5;
const TOGETHER: u64 = 16;
/// Reconnects a second. As fast as they go would be 26,000, with attacker, node and people on two
/// cores: then it is the machine that falls short.
const RECONNECTS: u64 = 5_000;
/// As `4000` of docs/signalling.md: do not come back.
const FOR_GOOD: u16 = 4_000;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = Arc::new(context.node_with("T-S06", &[]).await?);
    let people = People::gather(&node, "talk", &context.identity, 3, 0).await?;
    let quiet = people.quiet(&node, Duration::from_secs(3)).await;
    joins(context, &node, findings).await?;
    let (code, sent) = requests(&node).await?;
    findings.check("close_code_of_1000_a_second", code, Bound::Exactly(f64::from(FOR_GOOD)), sent);
    let count = context.scale(1_000, 10_000);
    let (attacked, (refused, seconds)) = people.window(&node, reconnects(&node, count)).await;
    let share = 100.0 * refused as f64 / count as f64;
    findings.tell("reconnects_refused_percent", share, count);
    findings.tell("reconnects_per_second", count as f64 / seconds, count);
    let cpu = attacked.cpu - quiet.cpu;
    findings.time("node_cpu_of_refusing", cpu, Bound::AtMost(CPU), count);
    findings.tell("node_cpu_microseconds_each", 1e6 * cpu * seconds / count as f64, count);
    bystanders(findings, &quiet, &attacked, 2.0);
    Ok(())
}

/// A hundred joins a second from one address.
async fn joins(context: &Context, node: &Node, findings: &mut Findings) -> Result<(), Failure> {
    let to = address(&node.url)?;
    let seconds = context.scale(4, 10);
    let mut ticks = interval(Duration::from_secs(1) / JOINS as u32);
    let (mut refused, mut told, mut open) = (0, 0, Vec::new());
    let tries = JOINS * seconds;
    for n in 0..tries {
        ticks.tick().await;
        let peer = format!("guest-{n}");
        let token = node.token("rates", &peer)?;
        let mut stream = dial(host(7), to).await?;
        let path = format!("/ws?roomId=rates&peerId={peer}&token={token}");
        stream.write_all(upgrade(&path).as_bytes()).await?;
        let reply = hear(&mut stream).await;
        if reply.status == 429 {
            refused += 1;
            told += u64::from(reply.has("retry-after"));
        } else {
            open.push(stream);
        }
    }
    let admitted = tries - refused;
    let most = Bound::AtMost(1.1 * (BURST + PER_SECOND * seconds as f64));
    findings.check("sessions_admitted_of_one_address", admitted as f64, most, tries);
    let wanted = Bound::Exactly(refused as f64);
    findings.check("refusals_that_say_when", told as f64, wanted, refused);
    let least = Bound::AtLeast(1.0);
    findings.check("sessions_refused", refused as f64, least, tries);
    Ok(())
}

/// A thousand requests a second of one peer: the code it is closed with, and how many it said.
async fn requests(node: &Node) -> Result<(f64, u64), Failure> {
    let token = node.token("rates", "eager")?;
    let mut request = door(&node.url, "rates", "eager", Some(&token)).into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("protoo"));
    let (socket, _) = connect_async(request).await?;
    let (mut out, mut from) = socket.split();
    let listener = tokio::spawn(async move {
        while let Some(Ok(message)) = from.next().await {
            if let Message::Close(Some(frame)) = message {
                return u16::from(frame.code);
            }
        }
        1_006
    });
    let mut ticks = interval(Duration::from_millis(10));
    let mut sent = 0;
    while !listener.is_finished() && sent < 5 * REQUESTS {
        ticks.tick().await;
        for _ in 0..REQUESTS / 100 {
            let ask = json!({"request": true, "id": sent, "method": "getRtcStatsUrl", "data": {}});
            if out.send(Message::text(ask.to_string())).await.is_err() {
                break;
            }
            sent += 1;
        }
    }
    let code = timeout(Duration::from_secs(5), listener).await??;
    Ok((f64::from(code), sent))
}

/// [`RECONNECTS`] a second from one address: how many were refused, and how long all took.
async fn reconnects(node: &Arc<Node>, count: u64) -> (u64, f64) {
    let began = Instant::now();
    let mut all = JoinSet::new();
    for worker in 0..TOGETHER {
        let node = Arc::clone(node);
        all.spawn(async move {
            let mut refused = 0;
            let (Ok(to), Ok(token)) = (address(&node.url), node.token("rates", "again")) else {
                return 0;
            };
            let path = format!("/ws?roomId=rates&peerId=again&token={token}");
            let mut ticks = interval(Duration::from_secs(TOGETHER) / RECONNECTS as u32);
            for _ in (worker..count).step_by(TOGETHER as usize) {
                ticks.tick().await;
                let Ok(mut stream) = dial(host(7), to).await else { continue };
                if stream.write_all(upgrade(&path).as_bytes()).await.is_ok() {
                    refused += u64::from(hear(&mut stream).await.status == 429);
                }
            }
            refused
        });
    }
    let mut refused = 0;
    while let Some(done) = all.join_next().await {
        refused += done.unwrap_or_default();
    }
    (refused, began.elapsed().as_secs_f64())
}
