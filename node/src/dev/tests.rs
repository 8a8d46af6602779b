//! Tests of the development cluster: real nodes, real links, a real kill.

mod webhooks;

use std::{
    net::{Ipv4Addr, TcpListener},
    time::{Duration, Instant},
};

use axum::http::{HeaderValue, Method, header::AUTHORIZATION};
use clap::Parser;
use serde_json::{Value, json};
use starling_proto::Code;
use tokio::runtime::Runtime;

use super::*;
use crate::{
    client::{Answer, Ask, Streamed, ask, stream},
    config::Secret,
    hooks::receiver::{self, Receiver},
    http::dev::DevNodes,
};

const ADMIN: &str = "admin-admin-admin-admin-admin-admin";

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: DevArgs,
}

struct Case {
    main: Runtime,
    cluster: std::sync::Arc<DevCluster>,
    urls: Vec<String>,
}

impl Case {
    fn new(nodes: u16) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let main = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let text = |word: &str| Secret::new(word.repeat(6));
        let admin = Secret::new(ADMIN);
        let (cluster, token) = (text("cluster"), text("tokens"));
        let webhook = Some(Secret::new(receiver::SECRET));
        let secrets = Secrets { cluster, token, admin, webhook };
        for port in free_ports(nodes) {
            let (nodes, port) = (nodes.to_string(), port.to_string());
            let line = ["dev", "--nodes", &nodes, "--port", &port, "--workers", "1"];
            let args = Line::parse_from(line).args;
            let configs = args.configs(&secrets);
            let urls = configs.iter().map(|config| config.http.api_url.clone()).collect();
            if let Ok(cluster) = DevCluster::start(&args, configs, main.handle().clone()) {
                return Self { main, cluster, urls };
            }
        }
        panic!("no free ports");
    }

    fn ask(&self, node: usize, method: Method, path: &str, body: Option<Value>) -> Option<Answer> {
        let token = HeaderValue::from_str(&format!("Bearer {ADMIN}")).unwrap();
        let asked = Ask {
            method,
            url: format!("{}{path}", self.urls[node]),
            headers: vec![(AUTHORIZATION, token)],
            body: body.map(|body| body.to_string()).unwrap_or_default().into(),
            within: Duration::from_secs(5),
        };
        self.main.block_on(ask(asked)).ok()
    }

    /// The events that a node tells, from behind the last place on.
    fn events(&self, node: usize, last: Option<&str>) -> Events {
        let token = HeaderValue::from_str(&format!("Bearer {ADMIN}")).unwrap();
        let last = last.map(|last| ("last-event-id".parse().unwrap(), last.parse().unwrap()));
        let asked = Ask {
            method: Method::GET,
            url: format!("{}/v1/events", self.urls[node]),
            headers: [(AUTHORIZATION, token)].into_iter().chain(last).collect(),
            body: Default::default(),
            within: Duration::from_secs(5),
        };
        let stream = self.main.block_on(stream(asked)).unwrap();
        assert_eq!(stream.status, 200);
        Events { main: self.main.handle().clone(), stream, text: String::new() }
    }

    fn json(&self, node: usize, path: &str) -> Value {
        let answer = self.ask(node, Method::GET, path, None);
        answer.map_or(Value::Null, |answer| serde_json::from_slice(&answer.body).unwrap())
    }

    /// Asks until the answer fits; the cluster agrees within a moment, not at once.
    fn until(&self, what: &str, fits: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(15);
        while !fits(self) {
            assert!(Instant::now() < end, "not within 15 s: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn linked(&self, node: usize) -> usize {
        let nodes = self.json(node, "/v1/nodes");
        let nodes = nodes.as_array().cloned().unwrap_or_default();
        nodes.iter().filter(|node| node["linked"] == true).count()
    }
}

/// A stream of events as its reader has it.
struct Events {
    main: tokio::runtime::Handle,
    stream: Streamed,
    text: String,
}

impl Events {
    /// Its next block, as `field: value` lines.
    fn block(&mut self) -> Vec<(String, String)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |line: &str| line.split_once(": ").map(|(a, b)| (a.into(), b.into()));
                let fields = block.lines().filter_map(field).collect();
                self.text = rest.to_owned();
                return fields;
            }
            let chunk =
                async { tokio::time::timeout(Duration::from_secs(15), self.stream.chunk()).await };
            let bytes = self.main.block_on(chunk).expect("something in time").expect("it goes on");
            self.text += std::str::from_utf8(&bytes).unwrap();
        }
    }

    /// Reads until an event of this kind about this peer, and gives the place behind it.
    fn until(&mut self, kind: &str, peer: &str) -> (Value, String) {
        loop {
            let block = self.block();
            let field = |name: &str| block.iter().find(|(it, _)| it == name).map(|(_, it)| it);
            assert_eq!(field("event"), None, "no gap");
            let Some(data) = field("data") else { continue };
            let event: Value = serde_json::from_str(data).unwrap();
            if event["type"] == kind && event["peer"] == peer {
                return (event, field("id").unwrap().clone());
            }
        }
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        self.cluster.stop();
    }
}

/// Some ports with `count - 1` free ones after them.
fn free_ports(count: u16) -> Vec<u16> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let candidates = (0..50).filter_map(|_| {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?.local_addr().ok()?.port();
        (first..first.checked_add(count)?).all(free).then_some(first)
    });
    candidates.take(5).collect()
}

#[test]
fn a_peer_is_found_and_removed_through_any_node() {
    let case = Case::new(2);
    case.until("links", |case| case.linked(0) == 1 && case.linked(1) == 1);
    let peer = json!({"id": "recorder", "displayName": "Recorder"});
    let made = case.ask(0, Method::POST, "/v1/rooms/r/peers", Some(peer)).unwrap();
    assert_eq!(made.status, 201, "{:?}", made.body);
    let path = "/v1/rooms/r/peers";
    case.until("peer seen from the other node", |case| case.json(1, path)[0]["node"] == "node-1");
    let transport = case.ask(1, Method::POST, "/v1/rooms/r/peers/recorder/transports", None);
    let transport = transport.unwrap();
    assert_eq!(transport.status, 201, "{:?}", transport.body);
    let removed = case.ask(1, Method::DELETE, "/v1/rooms/r/peers/recorder", None).unwrap();
    assert_eq!(removed.status, 204, "{:?}", removed.body);
    case.until("peer gone", |case| case.json(0, path)[0].is_null());
}

#[test]
fn one_node_tells_the_events_of_all_and_another_takes_the_stream_up() {
    let case = Case::new(2);
    case.until("links", |case| case.linked(0) == 1 && case.linked(1) == 1);
    let join = |node: usize, id: &str| {
        let made = case.ask(node, Method::POST, "/v1/rooms/r/peers", Some(json!({ "id": id })));
        assert_eq!(made.unwrap().status, 201);
    };
    let mut events = case.events(0, None);
    join(1, "there");
    join(0, "here");
    let (there, _) = events.until("peer.joined", "there");
    assert_eq!((&there["by"], &there["node"]), (&json!("node-2"), &json!("node-2")));
    let mut events = case.events(0, None);
    join(1, "seen");
    let (seen, place) = events.until("peer.joined", "seen");
    drop(events);
    join(0, "missed-here");
    join(1, "missed-there");
    let mut again = case.events(1, Some(&place));
    let wanted = ["missed-here", "missed-there"];
    let mut got = std::collections::BTreeSet::new();
    while got.len() < wanted.len() {
        let block = again.block();
        let Some((_, data)) = block.iter().find(|(name, _)| name == "data") else { continue };
        let event: Value = serde_json::from_str(data).unwrap();
        if event["type"] == "peer.joined" {
            let known = event["peer"] == "seen" && event["id"] == seen["id"];
            let peer = event["peer"].as_str().unwrap().to_owned();
            assert!(known || wanted.contains(&peer.as_str()) || peer == "here", "{event}");
            got.extend(wanted.contains(&peer.as_str()).then_some(peer));
        }
    }
}

#[test]
fn a_node_is_drained_through_another() {
    let case = Case::new(2);
    case.until("links", |case| case.linked(0) == 1 && case.linked(1) == 1);
    let drain = case.ask(0, Method::POST, "/v1/nodes/node-2/drain", Some(json!({"wait": true})));
    assert_eq!(drain.unwrap().status, 200);
    assert_eq!(case.ask(1, Method::GET, "/readyz", None).unwrap().status, 503);
    let back = case.ask(0, Method::POST, "/v1/nodes/node-2/undrain", None);
    assert_eq!(back.unwrap().status, 200);
    assert_eq!(case.ask(1, Method::GET, "/readyz", None).unwrap().status, 200);
}

#[test]
fn a_killed_node_is_silent_is_missed_and_comes_back() {
    let case = Case::new(2);
    case.until("links", |case| case.linked(0) == 1);
    let killed = case.ask(1, Method::POST, "/dev/nodes/node-2/kill", None);
    assert_eq!(killed.unwrap().status, 202);
    case.until("silence", |case| case.ask(1, Method::GET, "/livez", None).is_none());
    let again = case.cluster.kill(&"node-2".parse().unwrap()).unwrap_err();
    assert_eq!(again.code, Code::WrongState);
    case.until("link lost", |case| case.linked(0) == 0);
    case.until("lease ended", |case| {
        case.json(0, "/v1/nodes").as_array().is_some_and(|nodes| nodes.len() == 1)
    });
    let started = case.ask(0, Method::POST, "/dev/nodes/node-2/start", None);
    assert_eq!(started.unwrap().status, 202);
    case.until("link again", |case| case.linked(0) == 1 && case.linked(1) == 1);
}
