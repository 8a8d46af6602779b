//! Nodes on loopback around one memory registry, and clients of them.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use starling_cluster::{
    link::{DevCa, LinkTls},
    registry::memory::MemoryRegistry,
};
use starling_proto::{
    PeerId, Refusal, RoomId,
    signal::{ClientNotification, ClientRequest, NewConsumer, ServerNotification, ServerRequest},
};
use tokio::time::timeout;

use crate::{
    Node, NodeConfig, RESUME_WITHIN,
    session::{FromClient, Grants, Session, SessionRequest, ToClient},
};

/// Longest wait for anything that is to happen; a loaded test machine takes tens of milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Nodes that know each other.
pub(super) struct World {
    registry: MemoryRegistry,
    ca: DevCa,
}

impl World {
    pub(super) fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Self { registry: MemoryRegistry::new(), ca: DevCa::new().expect("a new CA") }
    }

    pub(super) async fn node(&self, id: &str) -> Node {
        let id: starling_proto::NodeId = id.parse().expect("a good id");
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let config = NodeConfig {
            region: String::new(),
            rtc_listen: vec![loopback],
            rtc_port: 0,
            announced: Vec::new(),
            workers: 1,
            link_listen: (loopback, 0).into(),
            link_announced: None,
            link_tls: LinkTls::ephemeral(&self.ca, &id).expect("a certificate"),
            api_url: format!("http://{id}.test"),
            registry: Arc::new(self.registry.for_node(id.clone())),
            cluster_secret: b"a secret of this test's cluster".to_vec(),
            max_peers: 0,
            version: "test".into(),
            resume_within: RESUME_WITHIN,
            id,
        };
        Node::start(config).await.expect("loopback has ports")
    }

    /// Nodes with links between all of them.
    pub(super) async fn nodes<const N: usize>(&self, ids: [&str; N]) -> [Node; N] {
        let mut nodes = Vec::new();
        for id in ids {
            nodes.push(self.node(id).await);
        }
        for node in &nodes {
            until("all links are up", async || {
                node.nodes().await.iter().filter(|info| info.linked).count() == N - 1
            })
            .await;
        }
        nodes.try_into().ok().expect("as many as asked for")
    }
}

/// Waits for a predicate of state, not for an edge.
pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < end, "in vain waited until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(super) fn room() -> RoomId {
    "room".parse().expect("a good id")
}

pub(super) fn peer(id: &str) -> PeerId {
    id.parse().expect("a good id")
}

/// A client that speaks signalling and sends no media.
pub(super) struct Client {
    session: Session,
    next: u32,
    /// Told, not looked at yet.
    pub(super) notifications: Vec<ServerNotification>,
    pub(super) consumers: Vec<NewConsumer>,
    pub(super) closed: Option<(u16, String)>,
    pub(super) joined: Value,
    sending: Value,
}

impl Client {
    pub(super) async fn open(
        node: &Node,
        id: &str,
        ticket: Option<String>,
    ) -> Result<Self, Refusal> {
        let session = node
            .open_session(SessionRequest {
                room: room(),
                peer: peer(id),
                resume_ticket: ticket,
                remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
                grants: Grants { publish: true, subscribe: true },
            })
            .await?;
        Ok(Self {
            session,
            next: 0,
            notifications: Vec::new(),
            consumers: Vec::new(),
            closed: None,
            joined: Value::Null,
            sending: Value::Null,
        })
    }

    /// Opens a session, makes both transports and joins, as mediasoup-demo's client does.
    pub(super) async fn join(node: &Node, id: &str, ticket: Option<String>) -> Self {
        let mut client = Self::open(node, id, ticket).await.expect("the node lets it in");
        let caps = client.ask("getRouterRtpCapabilities", json!({})).await.expect("capabilities");
        let capabilities = caps["routerRtpCapabilities"].clone();
        let create = json!({"appData": {"direction": "producer"}});
        client.sending = client.ask("createWebRtcTransport", create).await.expect("a transport");
        let create = json!({"appData": {"direction": "consumer"}});
        client.ask("createWebRtcTransport", create).await.expect("a transport");
        let join = json!({"displayName": id, "device": {}, "rtpCapabilities": capabilities});
        client.joined = client.ask("join", join).await.expect("it joins");
        client
    }

    pub(super) fn ticket(&self) -> String {
        self.joined["resumeTicket"].as_str().expect("a join answer has a ticket").to_owned()
    }

    pub(super) async fn produce(&mut self, kind: &str, source: &str) -> String {
        let file = if kind == "audio" { "audio.mic" } else { "video.webcam-vp8-simulcast" };
        let path = format!(
            "{}/../media/fixtures/mediasoup-client/send.produce.{file}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(path).expect("the fixture is there");
        let mut data: Value = serde_json::from_str(&text).expect("the fixture is JSON");
        data["transportId"] = self.sending["transportId"].clone();
        data["appData"] = json!({ "source": source });
        let answer = self.ask("produce", data).await.expect("it produces");
        answer["producerId"].as_str().expect("an id").to_owned()
    }

    pub(super) async fn ask(&mut self, method: &str, data: Value) -> Result<Value, Refusal> {
        self.next += 1;
        let id = self.next;
        let request = ClientRequest::parse(method, data)?;
        let sent = self.session.inbox.send(FromClient::Request { id, request }).await;
        sent.expect("the session is open");
        loop {
            match timeout(PATIENCE, self.session.outbox.recv()).await.expect("an answer in time") {
                Some(ToClient::Response { id: of, result }) if of == id => return result,
                Some(other) => self.note(other),
                None => panic!("the session ended before the answer to {method}"),
            }
        }
    }

    pub(super) async fn notify(&self, notification: ClientNotification) {
        let sent = self.session.inbox.send(FromClient::Notification(notification)).await;
        sent.expect("the session is open");
    }

    fn note(&mut self, told: ToClient) {
        match told {
            ToClient::Request(ServerRequest::NewConsumer(new)) => {
                let consumer = new.consumer_id.clone();
                let answer = FromClient::ConsumerAnswered { consumer, accepted: true };
                self.session.inbox.try_send(answer).expect("the inbox has room");
                self.consumers.push(*new);
            }
            ToClient::Notification(notification) => self.notifications.push(notification),
            ToClient::Close { code, reason } => self.closed = Some((code, reason)),
            ToClient::Response { .. } => {}
        }
    }

    /// Takes in what the client is told until the predicate holds.
    pub(super) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = tokio::time::Instant::now() + PATIENCE;
        while !holds(self) {
            match tokio::time::timeout_at(end, self.session.outbox.recv()).await {
                Ok(Some(told)) => self.note(told),
                Ok(None) => {
                    self.closed.get_or_insert((0, "the session ended".into()));
                    assert!(holds(self), "the session ended before {what}");
                }
                Err(_) => panic!("in vain waited until {what}"),
            }
        }
    }
}
