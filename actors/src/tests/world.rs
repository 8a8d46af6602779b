//! Nodes on loopback around one memory registry, and clients of them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use starling_cluster::{
    decide::cores::PEERS_PER_CORE,
    link::{DevCa, LinkTls},
    registry::{
        Registry,
        etcd::{EtcdConfig, EtcdRegistry},
        memory::MemoryRegistry,
    },
};
use starling_proto::{
    NodeId, PeerId, Refusal, RoomId,
    link::VERSION_MAX,
    signal::{
        ClientNotification, ClientRequest, NewConsumer, NewDataConsumer, ServerNotification,
        ServerRequest,
    },
    span::SpanContext,
};
use tokio::time::timeout;

use crate::{
    Node, NodeConfig, RESUME_WITHIN, Traces,
    session::{FromClient, Grants, Session, SessionRequest, ToClient},
};

/// Longest wait for anything that is to happen; a loaded test machine takes tens of milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Nodes that know each other.
pub(super) struct World {
    pub(super) registry: MemoryRegistry,
    /// A real one instead.
    pub(super) etcd: Option<String>,
    pub(super) ca: DevCa,
    pub(super) resume_within: Duration,
    pub(super) max_peers: u32,
    pub(super) workers: usize,
    pub(super) room_peers_per_core: usize,
    /// Where a link's endpoint listens and is reached, if not where the system chooses.
    pub(super) link_listen: Option<SocketAddr>,
    pub(super) link_announced: Option<SocketAddr>,
    /// Of nodes that are started from now on.
    pub(super) link_protocol_max: u16,
    /// Likewise.
    pub(super) traces: Traces,
}

impl World {
    pub(super) fn new() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let ca = DevCa::new().expect("a new CA");
        Self {
            registry: MemoryRegistry::new(),
            etcd: None,
            ca,
            resume_within: RESUME_WITHIN,
            max_peers: 0,
            workers: 1,
            room_peers_per_core: PEERS_PER_CORE,
            link_listen: None,
            link_announced: None,
            link_protocol_max: VERSION_MAX,
            traces: Traces::default(),
        }
    }

    pub(super) async fn node(&self, id: &str) -> Node {
        Node::start(self.config(id)).await.expect("loopback has ports")
    }

    fn config(&self, id: &str) -> NodeConfig {
        let id: NodeId = id.parse().expect("a good id");
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        NodeConfig {
            region: region_of(&id),
            zone: String::new(),
            network: 0,
            rtc_listen: vec![loopback],
            rtc_port: 0,
            announced: Vec::new(),
            internal: Vec::new(),
            rtc_plain_ports: None,
            rtc_tcp: true,
            rtc_prefer: None,
            workers: self.workers,
            room_peers_per_core: self.room_peers_per_core,
            link_listen: self.link_listen.unwrap_or((loopback, 0).into()),
            link_announced: self.link_announced,
            link_protocol_max: self.link_protocol_max,
            link_tls: LinkTls::ephemeral(&self.ca, &id).expect("a certificate"),
            api_url: format!("http://{id}.test"),
            registry: self.registry_of(&id),
            cluster_secret: b"a secret of this test's cluster".to_vec(),
            max_peers: self.max_peers,
            version: "test".into(),
            resume_within: self.resume_within,
            traces: self.traces.clone(),
            id,
        }
    }

    fn registry_of(&self, node: &NodeId) -> Arc<dyn Registry> {
        let Some(url) = &self.etcd else { return Arc::new(self.registry.for_node(node.clone())) };
        let config = EtcdConfig::new(vec![url.clone()], node.clone());
        Arc::new(EtcdRegistry::connect(config).expect("a good configuration"))
    }

    /// A node that can be killed.
    pub(super) async fn island(&self, id: &str) -> Island {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let config = self.config(id);
        let started = runtime.spawn(async { Node::start(config).await });
        let node = started.await.expect("it starts").expect("loopback has ports");
        Island { node, runtime: Some(runtime), registry: self.registry.clone() }
    }

    /// Nodes with links between all of them.
    pub(super) async fn nodes<const N: usize>(&self, ids: [&str; N]) -> [Node; N] {
        let mut nodes = Vec::new();
        for id in ids {
            nodes.push(self.node(id).await);
        }
        linked(&nodes.iter().collect::<Vec<_>>()).await;
        nodes.try_into().ok().expect("as many as asked for")
    }
}

/// `eu-n1` is in region `eu`, `n1` in none.
fn region_of(id: &NodeId) -> String {
    id.to_string().split_once('-').map_or_else(String::new, |(region, _)| region.to_owned())
}

/// A node on a runtime of its own.
pub(super) struct Island {
    pub(super) node: Node,
    runtime: Option<tokio::runtime::Runtime>,
    registry: MemoryRegistry,
}

impl Island {
    /// Ends it as SIGKILL does: nobody is told.
    pub(super) fn kill(mut self) {
        self.registry.kill(self.node.id());
        self.end();
    }

    fn end(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Island {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until all links between the nodes are up.
pub(super) async fn linked(nodes: &[&Node]) {
    for node in nodes {
        until("all links are up", async || {
            node.nodes().await.iter().filter(|info| info.linked).count() == nodes.len() - 1
        })
        .await;
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

/// A figure, summed over workers.
pub(super) async fn metric(node: &Node, name: &str) -> f64 {
    node.metrics()
        .await
        .iter()
        .filter(|metric| metric.name == name)
        .map(|metric| metric.value)
        .sum()
}

/// Waits until nothing is left of any peer, room or stream.
pub(super) async fn all_zero(nodes: &[&Node]) {
    const GAUGES: [&str; 5] = [
        "starling_peers",
        "starling_rooms",
        "starling_consumers",
        "starling_producers",
        "starling_transports",
    ];
    for node in nodes {
        for name in GAUGES {
            let id = node.id();
            until(&format!("{name} of {id} is 0"), async || metric(node, name).await == 0.0).await;
        }
        for worker in node.shared.workers() {
            until("sockets are closed", async || worker.counters().plain_sockets == 0).await;
        }
        until("the registry has forgotten the room", async || node.rooms().await.is_empty()).await;
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
    pub(super) data_consumers: Vec<NewDataConsumer>,
    pub(super) closed: Option<(u16, String)>,
    pub(super) joined: Value,
    pub(super) sending: Value,
    pub(super) receiving: Value,
}

impl Client {
    pub(super) async fn open(
        node: &Node,
        id: &str,
        ticket: Option<String>,
    ) -> Result<Self, Refusal> {
        Self::open_as(node, id, ticket, Grants::member()).await
    }

    async fn open_as(
        node: &Node,
        id: &str,
        ticket: Option<String>,
        grants: Grants,
    ) -> Result<Self, Refusal> {
        Self::open_in(node, id, ticket, (grants, None)).await
    }

    /// As a part of a trace.
    pub(super) async fn open_traced(
        node: &Node,
        id: &str,
        ticket: Option<String>,
        trace: SpanContext,
    ) -> Result<Self, Refusal> {
        Self::open_in(node, id, ticket, (Grants::member(), Some(trace))).await
    }

    /// The same, and nobody is told of it.
    pub(super) async fn open_hidden(
        node: &Node,
        id: &str,
        trace: SpanContext,
    ) -> Result<Self, Refusal> {
        let grants = Grants { hidden: true, ..Grants::member() };
        Self::open_in(node, id, None, (grants, Some(trace))).await
    }

    async fn open_in(
        node: &Node,
        id: &str,
        ticket: Option<String>,
        (grants, trace): (Grants, Option<SpanContext>),
    ) -> Result<Self, Refusal> {
        let request = SessionRequest {
            room: room(),
            peer: peer(id),
            resume_ticket: ticket,
            remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
            grants,
            narrowed: false,
            trace,
        };
        Self::open_by(node, request).await
    }

    async fn open_by(node: &Node, request: SessionRequest) -> Result<Self, Refusal> {
        let session = node.open_session(request).await?;
        Ok(Self {
            session,
            next: 0,
            notifications: Vec::new(),
            consumers: Vec::new(),
            data_consumers: Vec::new(),
            closed: None,
            joined: Value::Null,
            sending: Value::Null,
            receiving: Value::Null,
        })
    }

    /// Opens a session, makes both transports and joins, as mediasoup-demo's client does.
    pub(super) async fn join(node: &Node, id: &str, ticket: Option<String>) -> Self {
        let mut client = Self::open(node, id, ticket).await.expect("the node lets it in");
        client.finish_join(id).await;
        client
    }

    /// The same with a token that grants this.
    pub(super) async fn join_as(node: &Node, id: &str, grants: Grants) -> Self {
        let mut client = Self::open_as(node, id, None, grants).await.expect("the node lets it in");
        client.finish_join(id).await;
        client
    }

    /// The same with less than its token grants.
    pub(super) async fn join_narrowed(node: &Node, id: &str, grants: Grants) -> Self {
        let request = SessionRequest {
            room: room(),
            peer: peer(id),
            resume_ticket: None,
            remote: IpAddr::V4(Ipv4Addr::LOCALHOST),
            grants,
            narrowed: true,
            trace: None,
        };
        let mut client = Self::open_by(node, request).await.expect("the node lets it in");
        client.finish_join(id).await;
        client
    }

    pub(super) async fn finish_join(&mut self, id: &str) {
        let client = self;
        let caps = client.ask("getRouterRtpCapabilities", json!({})).await.expect("capabilities");
        let capabilities = caps["routerRtpCapabilities"].clone();
        let create = json!({"appData": {"direction": "producer"}});
        client.sending = client.ask("createWebRtcTransport", create).await.expect("a transport");
        let create = json!({"appData": {"direction": "consumer"}});
        client.receiving = client.ask("createWebRtcTransport", create).await.expect("a transport");
        let join = json!({"displayName": id, "device": {}, "rtpCapabilities": capabilities});
        client.joined = client.ask("join", join).await.expect("it joins");
    }

    pub(super) fn ticket(&self) -> String {
        self.joined["resumeTicket"].as_str().expect("a join answer has a ticket").to_owned()
    }

    pub(super) async fn produce(&mut self, kind: &str, source: &str) -> String {
        let answer = self.try_produce(kind, source).await.expect("it produces");
        answer["producerId"].as_str().expect("an id").to_owned()
    }

    pub(super) async fn try_produce(&mut self, kind: &str, source: &str) -> Result<Value, Refusal> {
        let file = if kind == "audio" { "audio.mic" } else { "video.webcam-vp8-simulcast" };
        let path = format!(
            "{}/../media/fixtures/mediasoup-client/send.produce.{file}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let text = std::fs::read_to_string(path).expect("the fixture is there");
        let mut data: Value = serde_json::from_str(&text).expect("the fixture is JSON");
        data["transportId"] = self.sending["transportId"].clone();
        data["appData"] = json!({ "source": source });
        self.ask("produce", data).await
    }

    /// Asks without waiting for the answer.
    pub(super) async fn send(&mut self, method: &str, data: Value) -> Result<u32, Refusal> {
        self.next += 1;
        let id = self.next;
        let request = ClientRequest::parse(method, data)?;
        let sent = self.session.inbox.send(FromClient::Request { id, request }).await;
        sent.expect("the session is open");
        Ok(id)
    }

    pub(super) async fn ask(&mut self, method: &str, data: Value) -> Result<Value, Refusal> {
        let id = self.send(method, data).await?;
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
            ToClient::Request(ServerRequest::NewDataConsumer(new)) => {
                let consumer = new.data_consumer_id.clone();
                let answer = FromClient::DataConsumerAnswered { consumer, accepted: true };
                self.session.inbox.try_send(answer).expect("the inbox has room");
                self.data_consumers.push(*new);
            }
            ToClient::Notification(notification) => self.notifications.push(notification),
            ToClient::Close { code, reason } => self.closed = Some((code, reason)),
            ToClient::Response { .. } | ToClient::Transport { .. } => {}
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
