//! T-S03: signalling that makes no sense: wrong types, missing and repeated ids, unknown methods,
//! everything in the wrong order. From many peers, each of whom may only hurt itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures::{SinkExt, StreamExt};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Map, Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{
    Context,
    findings::{Bound, Findings},
    people::{People, bystanders},
};
use crate::{
    client::{Failure, door},
    node::Node,
};

/// Messages of one session: as many as a client may send at once, so that it is their sense that
/// is judged and not their number.
const EACH: usize = 480;
/// Sessions at a time.
const TOGETHER: u64 = 16;
/// Until the node has answered what it wants to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What everything named by a session is freed within.
const FREED: Duration = Duration::from_secs(10);

const METHODS: [&str; 34] = [
    "getRtcStatsUrl",
    "getRouterRtpCapabilities",
    "join",
    "createWebRtcTransport",
    "connectWebRtcTransport",
    "restartIce",
    "produce",
    "consume",
    "produceData",
    "getTransportStats",
    "getProducerStats",
    "getConsumerStats",
    "getDataProducerStats",
    "getDataConsumerStats",
    "closeProducer",
    "pauseProducer",
    "resumeProducer",
    "pauseConsumer",
    "resumeConsumer",
    "requestConsumerKeyFrame",
    "setConsumerPreferredLayers",
    "setConsumerPriority",
    "changeDisplayName",
    "setLastN",
    "closeDataProducer",
    "pauseDataProducer",
    "resumeDataProducer",
    "closeDataConsumer",
    "pauseDataConsumer",
    "resumeDataConsumer",
    "setDataConsumerSubchannels",
    "setDataConsumerBufferedAmountLowThreshold",
    "ping",
    "noSuchMethod",
];

/// What `data` may have, in whatever combination.
const FIELDS: [&str; 26] = [
    "transportId",
    "producerId",
    "consumerId",
    "dataProducerId",
    "dataConsumerId",
    "kind",
    "rtpParameters",
    "rtpCapabilities",
    "dtlsParameters",
    "appData",
    "displayName",
    "device",
    "autoConsume",
    "forceTcp",
    "producing",
    "spatialLayer",
    "temporalLayer",
    "priority",
    "lastN",
    "pins",
    "sctpStreamParameters",
    "label",
    "protocol",
    "subchannels",
    "threshold",
    "mid",
];

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = Arc::new(context.node("T-S03").await?);
    let people = People::gather(&node, "talk", &context.identity, 3, 0).await?;
    let quiet = people.quiet(&node, Duration::from_secs(2)).await;
    let before = node.figures().await?;
    let (peers, transports) = ("starling_peers", "starling_transports");
    let sessions = context.scale(50_000, 1_000_000) / EACH as u64;
    let (said, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (attacked, ()) = people
        .window(&node, async {
            let mut all = JoinSet::new();
            for worker in 0..TOGETHER {
                let (node, said, answered) =
                    (Arc::clone(&node), Arc::clone(&said), Arc::clone(&answered));
                all.spawn(async move {
                    for n in (worker..sessions).step_by(TOGETHER as usize) {
                        let Ok((sent, heard)) = session(&node, n).await else { continue };
                        said.fetch_add(sent, Relaxed);
                        answered.fetch_add(heard, Relaxed);
                    }
                });
            }
            while all.join_next().await.is_some() {}
        })
        .await;
    let said = said.load(Relaxed);
    let end = Instant::now() + FREED;
    let left = loop {
        let now = node.figures().await?;
        let left =
            now.sum(peers) + now.sum(transports) - before.sum(peers) - before.sum(transports);
        if left == 0.0 || Instant::now() > end {
            break left;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let wanted = Bound::AtLeast(0.95 * (sessions * EACH as u64) as f64);
    findings.check("messages", said as f64, wanted, said);
    let frames = "starling_signal_frames_received_total";
    let read = node.figures().await?.sum(frames) - before.sum(frames);
    findings.check("read_by_the_node", read, Bound::AtLeast(0.5 * said as f64), said);
    findings.check("answers", answered.load(Relaxed) as f64, Bound::AtLeast(1.0), said);
    findings.check("peers_and_transports_left", left, Bound::Exactly(0.0), sessions);
    let panics = node.logged().matches("panicked").count() as f64;
    findings.check("panics", panics, Bound::Exactly(0.0), said);
    bystanders(findings, &quiet, &attacked, 4.0);
    Ok(())
}

/// One peer's nonsense: messages it said, and frames it heard.
async fn session(node: &Node, n: u64) -> Result<(u64, u64), Failure> {
    let (room, peer) = (format!("nonsense-{}", n % 7), format!("nobody-{n}"));
    let token = node.token(&room, &peer)?;
    let mut request = door(&node.url, &room, &peer, Some(&token)).into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("protoo"));
    let (socket, _) = timeout(PATIENCE, connect_async(request)).await??;
    let (mut out, mut from) = socket.split();
    let mut rng = SmallRng::seed_from_u64(n);
    let listener = tokio::spawn(async move {
        let mut heard = 0;
        while let Some(Ok(message)) = from.next().await {
            heard += 1;
            let Message::Text(text) = message else { continue };
            if text.contains("\"id\":9999999") {
                break;
            }
        }
        heard
    });
    let mut sent = 0;
    for _ in 0..EACH {
        let text = nonsense(&mut rng);
        if timeout(PATIENCE, out.send(Message::text(text))).await?.is_err() {
            break;
        }
        sent += 1;
    }
    let last = json!({"request": true, "id": 9_999_999, "method": "ping", "data": {}});
    let _ = out.send(Message::text(last.to_string())).await;
    let heard = timeout(PATIENCE, listener).await.map_or(0, Result::unwrap_or_default);
    let _ = out.send(Message::Close(None)).await;
    Ok((sent, heard))
}

/// A frame that has the form of one, more or less.
fn nonsense(rng: &mut SmallRng) -> String {
    if rng.random_ratio(1, 20) {
        let broken = ["", "{", "[]", "null", "{\"request\":true}", "\u{0}", "{\"a\":1e999}"];
        return broken[rng.random_range(0..broken.len())].to_owned();
    }
    let mut frame = Map::new();
    let kind = ["request", "response", "notification", "neither"][rng.random_range(0..4)];
    frame
        .insert(kind.to_owned(), if rng.random_ratio(9, 10) { json!(true) } else { value(rng, 0) });
    if rng.random_ratio(9, 10) {
        let id = match rng.random_range(0..5) {
            0 => json!(1),
            1 => json!(-1),
            2 => json!(u64::MAX),
            3 => value(rng, 0),
            _ => json!(rng.random_range(0..10_000_000)),
        };
        frame.insert("id".to_owned(), id);
    }
    if rng.random_ratio(19, 20) {
        let method = METHODS[rng.random_range(0..METHODS.len())];
        frame.insert("method".to_owned(), json!(method));
    }
    if kind == "response" && rng.random() {
        frame.insert("ok".to_owned(), json!(rng.random::<bool>()));
    }
    frame.insert("data".to_owned(), data(rng));
    Value::Object(frame).to_string()
}

fn data(rng: &mut SmallRng) -> Value {
    if rng.random_ratio(1, 10) {
        return value(rng, 0);
    }
    // What gets further than the door now and then.
    if rng.random_ratio(1, 4) {
        let good = [
            json!({"appData": {"direction": "producer"}, "forceTcp": false}),
            json!({"displayName": "N", "device": {}, "rtpCapabilities": {"codecs": [], "headerExtensions": []}}),
            json!({"displayName": "N", "device": {}}),
            json!({"transportId": "t", "kind": "audio", "rtpParameters": {"codecs": [{
                "mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000, "channels": 2}],
                "encodings": [{"ssrc": 1}]}, "appData": {}}),
        ];
        return good[rng.random_range(0..good.len())].clone();
    }
    let fields = (0..rng.random_range(0..6)).map(|_| {
        let name = FIELDS[rng.random_range(0..FIELDS.len())];
        (name.to_owned(), value(rng, 0))
    });
    Value::Object(fields.collect::<Vec<_>>().into_iter().collect())
}

/// Any value, not too deep.
fn value(rng: &mut SmallRng, depth: u32) -> Value {
    match rng.random_range(0..if depth > 3 { 7 } else { 9 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(rng.random::<i64>()),
        3 => json!(rng.random::<f64>() * 1e300),
        4 => json!(""),
        5 => json!("x".repeat(rng.random_range(1..300))),
        6 => json!(["../..", "\u{202e}", "a b", "%00", "-1"][rng.random_range(0..5)]),
        7 => (0..rng.random_range(0..4)).map(|_| value(rng, depth + 1)).collect(),
        _ => {
            let pair = |rng: &mut SmallRng| {
                (FIELDS[rng.random_range(0..FIELDS.len())].to_owned(), value(rng, depth + 1))
            };
            Value::Object((0..rng.random_range(0..4)).map(|_| pair(rng)).collect())
        }
    }
}
