//! T-S05: four rooms of eight peers, each of whom tries everything there is with what belongs to
//! the other rooms.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::http::Method;

use super::{
    Context,
    findings::{Bound, Findings},
    wire::{address, host, once, upgrade},
};
use crate::{
    client::{Client, Failure, Wish},
    node::Node,
    shape::Shape,
};

const ROOMS: usize = 4;
const PEERS: usize = 8;
/// Between two of one peer's: below what a client may send.
const APART: Duration = Duration::from_millis(12);

struct Member {
    room: usize,
    client: Client,
    token: String,
    name: String,
    producer: String,
    data: String,
    consumers: Vec<String>,
}

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-S05").await?;
    let mut members = Vec::new();
    for n in 0..ROOMS * PEERS {
        members.push(enter(context, &node, n).await?);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for member in &mut members {
        let told = member.client.told();
        let ids = told.iter().filter(|it| it.method == "newConsumer");
        let id = |it: &Value| it["consumerId"].as_str().unwrap_or_default().to_owned();
        member.consumers = ids.map(|it| id(&it.data)).collect();
    }
    let own = own(&members).await;
    findings.check("own_things_percent", own, Bound::Exactly(100.0), members.len() as u64 * 3);
    let each = context.scale(60, 320);
    let tries = (members.len() * each) as u64;
    let all =
        futures::future::join_all(members.iter().map(|member| try_all(member, &members, each)));
    let successes: u64 = all.await.into_iter().sum();
    findings.check("successes", successes as f64, Bound::Exactly(0.0), tries);
    let doors = doors(&node, &members).await?;
    findings.check("successes_at_doors", doors.0 as f64, Bound::Exactly(0.0), doors.1);
    // What is told and not answered shows by what is still there.
    let standing = standing(&node).await?;
    let wanted = Bound::Exactly((ROOMS * PEERS) as f64);
    findings.check("producers_still_sending", standing, wanted, tries);
    Ok(())
}

fn room(n: usize) -> String {
    format!("room-{n}")
}

async fn enter(context: &Context, node: &Node, n: usize) -> Result<Member, Failure> {
    let (room_number, name) = (n / PEERS, format!("peer-{n}"));
    let room = room(room_number);
    let token = node.token(&room, &name)?;
    let wish = Wish { consume: true, keep: true };
    let client =
        Client::enter(&node.url, (&room, &name), Some(&token), &context.identity, wish).await?;
    let rtp = Shape::Audio.publish(client.capabilities(), 600_000 + n as u32);
    let rtp = rtp.ok_or("the room lacks Opus")?;
    let wish = json!({"transportId": client.sending, "kind": "audio", "rtpParameters": rtp,
        "appData": {"source": "mic"}});
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let producer = text(&client.request("produce", wish).await?["producerId"]);
    let wish = json!({"transportId": client.sending, "sctpStreamParameters": {"streamId": 1},
        "label": "chat", "protocol": "", "appData": {}});
    let data = text(&client.request("produceData", wish).await?["dataProducerId"]);
    let consumers = Vec::new();
    Ok(Member { room: room_number, client, token, name, producer, data, consumers })
}

/// Per cent of what is one's own that one may look at: else refusals would prove nothing.
async fn own(members: &[Member]) -> f64 {
    let (mut good, mut all) = (0, 0);
    for member in members {
        let asks = [
            ("getProducerStats", json!({"producerId": member.producer})),
            ("getTransportStats", json!({"transportId": member.client.sending})),
            ("getConsumerStats", json!({"consumerId": member.consumers.first()})),
        ];
        for (method, data) in asks {
            all += 1;
            good += u32::from(member.client.request(method, data).await.is_ok());
        }
    }
    100.0 * f64::from(good) / f64::from(all)
}

/// One peer's tries; how many were granted.
async fn try_all(member: &Member, members: &[Member], each: usize) -> u64 {
    let mut rng = SmallRng::seed_from_u64(member.room as u64 * 100 + member.name.len() as u64);
    let mut granted = 0;
    for _ in 0..each {
        let victim = loop {
            let victim = &members[rng.random_range(0..members.len())];
            if victim.room != member.room {
                break victim;
            }
        };
        let consumer = victim.consumers.first().map_or("none", String::as_str);
        let (theirs, mine) = (&victim.client, &member.client);
        let dtls = json!({"role": "client", "fingerprints": [
            {"algorithm": "sha-256", "value": "00"}]});
        let rtp = json!({"codecs": [], "encodings": [{"ssrc": 1}]});
        let requests = [
            ("consume", json!({"producerId": victim.producer})),
            ("consume", json!({"producerId": victim.producer, "transportId": mine.receiving})),
            ("consume", json!({"producerId": victim.producer, "transportId": theirs.receiving})),
            ("getTransportStats", json!({"transportId": theirs.sending})),
            ("getProducerStats", json!({"producerId": victim.producer})),
            ("getConsumerStats", json!({"consumerId": consumer})),
            ("getDataProducerStats", json!({"dataProducerId": victim.data})),
            ("restartIce", json!({"transportId": theirs.sending})),
            (
                "connectWebRtcTransport",
                json!({"transportId": theirs.sending, "dtlsParameters": dtls}),
            ),
            (
                "produce",
                json!({"transportId": theirs.sending, "kind": "audio",
                "rtpParameters": rtp, "appData": {}}),
            ),
            (
                "produceData",
                json!({"transportId": theirs.sending, "label": "x", "protocol": "",
                "sctpStreamParameters": {"streamId": 2}, "appData": {}}),
            ),
            // As requests, as the older generation of clients has them: answered, and empty.
        ];
        let notices = [
            ("closeProducer", json!({"producerId": victim.producer})),
            ("pauseProducer", json!({"producerId": victim.producer})),
            ("closeDataProducer", json!({"dataProducerId": victim.data})),
            ("pauseConsumer", json!({"consumerId": consumer})),
            ("setConsumerPreferredLayers", json!({"consumerId": consumer, "spatialLayer": 0})),
        ];
        let n = rng.random_range(0..requests.len() + notices.len());
        if let Some((method, data)) = requests.get(n) {
            if let Ok(answer) = mine.request(method, data.clone()).await {
                granted += 1;
                eprintln!("  {method} of {} granted to {}: {answer}", victim.name, member.name);
            }
        } else if let Some((method, data)) = notices.get(n - requests.len()) {
            let _ = mine.notify(method, data.clone()).await;
        }
        tokio::time::sleep(APART).await;
    }
    granted
}

/// What a token of one room opens of others over HTTP: granted, and tried.
async fn doors(node: &Node, members: &[Member]) -> Result<(u64, u64), Failure> {
    let (public, admin) = (address(&node.url)?, address(&node.admin)?);
    let (mut granted, mut tried) = (0, 0);
    for member in members {
        let (token, other) = (&member.token, room((member.room + 1) % ROOMS));
        let get = |path: &str| {
            format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
            )
        };
        let offer = |path: &str| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
                Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
            )
        };
        let asks = [
            (public, get(&format!("/v1/rooms/{other}/placement"))),
            (public, offer(&format!("/whep/{other}"))),
            (public, offer(&format!("/whip/{other}"))),
            (public, upgrade(&format!("/ws?roomId={other}&peerId={}&token={token}", member.name))),
            (
                public,
                upgrade(&format!("/ws?roomId={}&peerId=eve&token={token}", room(member.room))),
            ),
            (admin, get(&format!("/v1/rooms/{other}"))),
            (admin, get(&format!("/v1/rooms/{other}/peers"))),
            (admin, get("/v1/rooms")),
            (admin, get("/v1/nodes")),
        ];
        for (to, ask) in asks {
            tried += 1;
            let status = once(host(1), to, ask.as_bytes()).await?.status;
            if !(400..500).contains(&status) {
                granted += 1;
                eprintln!(
                    "  {} was answered with {status}",
                    ask.lines().next().unwrap_or_default()
                );
            }
        }
    }
    Ok((granted, tried))
}

/// Sounds that are there and not paused, in all rooms.
async fn standing(node: &Node) -> Result<f64, Failure> {
    let mut standing = 0.0;
    for n in 0..ROOMS {
        let path = format!("/v1/rooms/{}/peers", room(n));
        let answer = node.api(Method::GET, &path, Value::Null).await?;
        let list: Value = serde_json::from_slice(&answer.body)?;
        let peers = list.as_array().or_else(|| list["items"].as_array()).cloned();
        for peer in peers.unwrap_or_default() {
            let producers = peer["producers"].as_array().into_iter().flatten();
            standing += producers.filter(|it| it["paused"] != true).count() as f64;
        }
    }
    Ok(standing)
}
