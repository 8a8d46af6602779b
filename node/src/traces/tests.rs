//! Spans to a real collector: of two nodes that people join, and where it does not answer.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;
use serde_json::json;
use starling_actors::Metric;
use starling_cluster::{
    link::{DevCa, LinkTls},
    registry::memory::MemoryRegistry,
};
use starling_people::{
    Client, Identity,
    client::Wish,
    guest::{Board, Guest, Sends},
};
use starling_proto::span::{Parent, names};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::Exported;
use crate::{
    auth::Tokens,
    config::{Config, Traces},
    http::Side,
    run::{self, Running, Surroundings},
    testing::{config, registered, request, send},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// What the collector asks to see.
const KEY: &str = "key-of-the-collector";
const BROUGHT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What the collector got at once: from whom, and what.
#[derive(Debug)]
struct Batch {
    node: String,
    spans: Vec<Span>,
}

/// Answers as long as it is told, with nothing but refusals first.
async fn collector(refusals: Vec<u16>) -> (Traces, mpsc::UnboundedReceiver<Batch>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (tell, told) = mpsc::unbounded_channel();
    let refusals = Arc::new(std::sync::Mutex::new(refusals.into_iter()));
    let take = async move |State(tell): State<mpsc::UnboundedSender<Batch>>,
                           headers: HeaderMap,
                           body: Bytes| {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        if headers["x-key"] != KEY {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        if let Some(status) = refusals.lock().unwrap().next() {
            return StatusCode::from_u16(status).unwrap().into_response();
        }
        let mut request = ExportTraceServiceRequest::decode(body).unwrap();
        let mut of_node = request.resource_spans.remove(0);
        let node = said(&of_node.resource.unwrap().attributes, "service.instance.id");
        let _ = tell.send(Batch { node, spans: of_node.scope_spans.remove(0).spans });
        StatusCode::OK.into_response()
    };
    let router = Router::new().route("/v1/traces", post(take)).with_state(tell);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let headers = vec![("x-key".parse().unwrap(), KEY.parse().unwrap())];
    (Traces { url, headers, share: 1.0 }, told)
}

fn said(of: &[KeyValue], key: &str) -> String {
    let found = of.iter().find(|one| one.key == key).and_then(|one| one.value.clone());
    match found.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => panic!("{key}: {other:?} in {of:?}"),
    }
}

fn exported(to: Traces) -> Exported {
    Exported::start(Some(&to), &"n1".parse().unwrap())
}

fn record(exported: &Exported, number: usize) {
    let (room, peer) = ("r".parse().unwrap(), "p".parse().unwrap());
    for _ in 0..number {
        let span = exported.traces().begin(names::JOIN, ([1; 16], None), &room, &peer);
        exported.traces().end(span);
    }
}

fn counted(exported: &Exported, outcome: &str) -> f64 {
    let all = exported.metrics();
    let of = |metric: &&Metric| metric.labels.iter().any(|(_, value)| value == outcome);
    all.iter().find(of).unwrap().value
}

async fn until(exported: &Exported, outcome: &str, number: f64) {
    let reached = async {
        while counted(exported, outcome) < number {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let counts = timeout(PATIENCE, reached).await;
    assert!(counts.is_ok(), "{outcome}: {}", counted(exported, outcome));
}

#[tokio::test]
async fn spans_of_a_burst_come_to_the_collector_in_batches() {
    let (to, mut told) = collector(Vec::new()).await;
    let exported = exported(to);
    record(&exported, 300);
    let mut came = Vec::new();
    while came.iter().sum::<usize>() < 300 {
        let batch = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
        assert_eq!(batch.node, "n1");
        came.push(batch.spans.len());
    }
    assert_eq!(came, [256, 44]);
    until(&exported, "exported", 300.0).await;
    assert_eq!(counted(&exported, "failed"), 0.0);
}

#[tokio::test]
async fn what_a_busy_collector_did_not_take_comes_again_and_what_it_refused_does_not() {
    let (to, mut told) = collector(vec![503, 400]).await;
    let exported = exported(to);
    record(&exported, 3);
    until(&exported, "failed", 3.0).await;
    record(&exported, 2);
    let batch = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    assert_eq!(batch.spans.len(), 2);
    until(&exported, "exported", 2.0).await;
}

#[tokio::test]
async fn a_node_that_ends_sends_what_waits_and_waits_for_no_collector_that_is_gone() {
    let (to, mut told) = collector(Vec::new()).await;
    let flushed = exported(to.clone());
    record(&flushed, 5);
    flushed.flush().await;
    assert_eq!(told.try_recv().map(|batch| batch.spans.len()), Ok(5), "it was there at once");
    let nobody = exported(Traces { url: "http://127.0.0.1:9/v1/traces".into(), ..to });
    record(&nobody, 5);
    timeout(Duration::from_secs(3), nobody.flush()).await.unwrap();
    Exported::default().flush().await;
}

/// Two nodes of a cluster that trace.
struct Pair {
    nodes: [Running; 2],
    config: Config,
}

impl Pair {
    async fn start(traces: Traces) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (registry, ca) = (MemoryRegistry::new(), DevCa::new().unwrap());
        let config = Config { traces: Some(traces), ..config() };
        let start = async |id: &str| {
            let config = Config { id: id.parse().unwrap(), ..config.clone() };
            let around = Surroundings {
                registry: Arc::new(registry.for_node(config.id.clone())),
                link_tls: LinkTls::ephemeral(&ca, &config.id).unwrap(),
                dev: None,
                settings: None,
            };
            let running = run::start(&config, around).await.unwrap();
            registered(&running.node).await;
            running
        };
        let nodes = [start("n1").await, start("n2").await];
        let linked = async || nodes[0].node.nodes().await.iter().any(|node| node.linked);
        for _ in 0..500 {
            if linked().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Self { nodes, config }
    }

    async fn enter(&self, node: usize, peer: &str, traceparent: &str) -> Client {
        let wish = serde_json::from_value(json!({"room": "r", "peer": peer})).unwrap();
        let token = Tokens::of(self.config.token_keys.clone()).issue(&wish).unwrap().token;
        let url = format!("http://{}", self.nodes[node].listening[0]);
        let token = format!("{token}&traceparent={traceparent}");
        let (wish, identity) = (Wish { consume: true, keep: false }, Identity::new().unwrap());
        Client::enter(&url, ("r", peer), Some(&token), &identity, wish).await.unwrap()
    }
}

/// Stays until the end of the test.
async fn stays(client: Client, audio: bool, number: usize) -> oneshot::Sender<()> {
    let sends = Sends { kbps: Vec::new(), fps: 1, audio };
    let guest = Guest::new(client, &sends, number, Board::default()).await.unwrap();
    let (leave, left) = oneshot::channel();
    tokio::spawn(guest.run(left));
    leave
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_is_one_trace_over_both_nodes_from_the_request_to_the_first_packet() {
    let (to, mut told) = collector(Vec::new()).await;
    let pair = Pair::start(to).await;
    // Who watches has come without being traced: it brings a trace that nobody records.
    let silent = BROUGHT.replace("b7-01", "b7-00");
    let _eve = stays(pair.enter(1, "eve", &silent).await, false, 1).await;
    let _ann = stays(pair.enter(0, "ann", BROUGHT).await, true, 2).await;
    let wanted = [
        ("n1", "join"),
        ("n1", "open session"),
        ("n1", "enter room"),
        ("n2", "show peer"),
        ("n2", "pull stream"),
        ("n1", "serve stream"),
        ("n2", "forward stream"),
    ];
    let mut spans: Vec<(String, Span)> = Vec::new();
    let there = |spans: &[(String, Span)], (node, name): &(&str, &str)| {
        spans.iter().any(|(of, span)| of == node && span.name == *name)
    };
    while !wanted.iter().all(|one| there(&spans, one)) {
        let batch = timeout(PATIENCE, told.recv()).await;
        let Batch { node, spans: more } = batch
            .unwrap_or_else(|_| {
                let names: Vec<_> = spans.iter().map(|(of, span)| (of, &span.name)).collect();
                panic!("of {wanted:?} there came {names:?}")
            })
            .unwrap();
        spans.extend(more.into_iter().map(|span| (node.clone(), span)));
    }
    let brought = Parent::parse(BROUGHT).unwrap().context;
    let of = |node: &str, name: &str| {
        let mut found = spans.iter().filter(|(of, span)| of == node && span.name == name);
        let (_, span) = found.next().unwrap();
        assert!(found.next().is_none(), "one {name}");
        assert_eq!(span.trace_id, brought.trace, "{name}");
        assert_eq!(said(&span.attributes, "starling.peer"), "ann", "{name}");
        assert_eq!(said(&span.attributes, "starling.node"), node, "{name}");
        assert!(span.status.is_none() && span.end_time_unix_nano >= span.start_time_unix_nano);
        span.clone()
    };
    let (join, enter, show) = (of("n1", "join"), of("n1", "enter room"), of("n2", "show peer"));
    assert_eq!(join.parent_span_id, brought.span, "the client's own");
    let under = |span: Span, parent: &Span| assert_eq!(span.parent_span_id, parent.span_id);
    under(of("n1", "open session"), &join);
    under(enter.clone(), &join);
    under(show.clone(), &enter);
    under(of("n2", "pull stream"), &show);
    under(of("n1", "serve stream"), &enter);
    let forward = of("n2", "forward stream");
    assert_eq!(said(&forward.attributes, "starling.receiver"), "eve");
    assert_eq!(said(&forward.attributes, "starling.from"), "n1");
    under(forward, &show);
    assert_eq!(spans.len(), wanted.len(), "and no other: {spans:?}");
    for running in pair.nodes {
        running.node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_in_the_trace_with_its_code() {
    let (to, mut told) = collector(Vec::new()).await;
    let pair = Pair::start(to).await;
    let _first = pair.enter(0, "ann", BROUGHT).await;
    let node = &pair.nodes[0];
    let wish = serde_json::from_value(json!({"room": "r", "peer": "ann"})).unwrap();
    let token = Tokens::of(pair.config.token_keys.clone()).issue(&wish).unwrap().token;
    let url = format!("ws://{}/?roomId=r&peerId=ann&token={token}", node.listening[0]);
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url)
            .unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "protoo".parse().unwrap());
    request
        .headers_mut()
        .insert("traceparent", BROUGHT.replace("0e4736", "0e4737").parse().unwrap());
    let _second = tokio_tungstenite::connect_async(request).await.unwrap();
    let refused = async {
        loop {
            let batch = told.recv().await.unwrap();
            let failed = |span: &Span| span.name == "join" && span.status.is_some();
            if let Some(span) = batch.spans.into_iter().find(failed) {
                return span;
            }
        }
    };
    let refused = timeout(PATIENCE, refused).await.unwrap();
    assert_eq!(refused.trace_id.last(), Some(&0x37), "the header's trace");
    assert_eq!(said(&refused.attributes, "starling.code"), "peer_exists");
    assert_eq!(refused.status.unwrap().message, "a peer 'ann' is in the room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_programs_peer_joins_as_a_part_of_its_requests_trace() {
    let (to, mut told) = collector(Vec::new()).await;
    let pair = Pair::start(to).await;
    let app = &pair.nodes[0].app;
    let mut request =
        request("POST", "/v1/rooms/r/peers", Some(json!({"id": "bot", "displayName": "Bot"})));
    request.headers_mut().insert("traceparent", BROUGHT.parse().unwrap());
    assert_eq!(send(app, Side::Whole, request).await.status, StatusCode::CREATED);
    let batch = timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    let of = |name: &str| batch.spans.iter().find(|span| span.name == name).unwrap();
    let (join, enter) = (of("join"), of("enter room"));
    let brought = Parent::parse(BROUGHT).unwrap().context;
    assert_eq!(join.trace_id, brought.trace);
    assert_eq!(join.parent_span_id, brought.span);
    assert_eq!(said(&join.attributes, "starling.protocol"), "rest");
    assert_eq!(enter.parent_span_id, join.span_id);
}
