//! Links between real endpoints on loopback.

mod admission;
mod data;
mod failure;
mod packets;
mod verdicts;
mod wire;

use std::{
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use bytes::Bytes;
use starling_proto::{Id, NodeId, RoomId, flow::FlowId, link::LinkMessage};
use tokio::{sync::mpsc, time::timeout};

use super::*;

/// No step of a test takes longer, or it has failed.
const PATIENCE: Duration = Duration::from_secs(10);

fn id(text: &str) -> NodeId {
    NodeId::parse(text).unwrap()
}

fn room(text: &str) -> LinkMessage {
    LinkMessage::RoomOpened(RoomId::parse(text).unwrap())
}

fn target(node: &str, epoch: u64, addr: SocketAddr) -> Target {
    Target { node: id(node), epoch, addr }
}

fn ca() -> DevCa {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Another test of this binary may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
    DevCa::new().unwrap()
}

fn config(ca: &DevCa, node: &str, epoch: u64) -> LinkConfig {
    let tls = LinkTls::ephemeral(ca, &id(node)).unwrap();
    LinkConfig::new(id(node), epoch, "127.0.0.1:0".parse().unwrap(), tls)
}

/// An endpoint and what it says.
struct Node {
    endpoint: LinkEndpoint,
    events: mpsc::Receiver<LinkEvent>,
    name: String,
    epoch: u64,
}

impl Node {
    fn new(ca: &DevCa, node: &str, epoch: u64) -> Self {
        Self::from(config(ca, node, epoch))
    }

    fn from(config: LinkConfig) -> Self {
        let (name, epoch) = (config.node.to_string(), config.epoch);
        let (endpoint, events) = LinkEndpoint::bind(config).unwrap();
        Self { endpoint, events, name, epoch }
    }

    fn target(&self) -> Target {
        target(&self.name, self.epoch, self.endpoint.local_addr())
    }

    fn wants(&self, others: &[&Self]) {
        self.endpoint.set_targets(others.iter().map(|other| other.target()).collect());
    }

    async fn event(&mut self) -> LinkEvent {
        let event = timeout(PATIENCE, self.events.recv()).await;
        event.expect("an event comes").expect("the endpoint lives")
    }

    async fn up(&mut self) -> Arc<dyn Link> {
        match self.event().await {
            LinkEvent::Up(link) => link,
            other => panic!("{}: not up but {other:?}", self.name),
        }
    }

    async fn down(&mut self) -> (NodeId, u64, String) {
        match self.event().await {
            LinkEvent::Down { node, epoch, reason, .. } => (node, epoch, reason),
            other => panic!("{}: not down but {other:?}", self.name),
        }
    }

    async fn message(&mut self) -> LinkMessage {
        match self.event().await {
            LinkEvent::Message { message, .. } => *message,
            other => panic!("{}: no message but {other:?}", self.name),
        }
    }

    /// Waits until the endpoint says why it has no link with `node`.
    async fn trouble(&self, node: &str) -> String {
        let seen = async {
            loop {
                if let Some(trouble) = self.endpoint.troubles().remove(&id(node)) {
                    return trouble;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, seen).await.expect("there is trouble")
    }

    fn no_event(&mut self) {
        let event = self.events.try_recv();
        assert!(event.is_err(), "{}: {event:?}", self.name);
    }
}

/// Two nodes that want each other, "a" and "b", and are up.
async fn pair(ca: &DevCa) -> (Node, Node, Arc<dyn Link>, Arc<dyn Link>) {
    let (mut a, mut b) = (Node::new(ca, "a", 1), Node::new(ca, "b", 1));
    b.wants(&[&a]);
    a.wants(&[&b]);
    let (to_b, to_a) = (a.up().await, b.up().await);
    (a, b, to_b, to_a)
}

/// Passes packets on to the test.
struct Sink(mpsc::UnboundedSender<Bytes>);

impl PacketSink for Sink {
    fn deliver(&self, packet: Bytes) {
        let _ = self.0.send(packet);
    }
}

fn open(link: &Arc<dyn Link>, flow: u64) -> mpsc::UnboundedReceiver<Bytes> {
    let (sender, receiver) = mpsc::unbounded_channel();
    link.open_flow(FlowId(flow), Arc::new(Sink(sender)));
    receiver
}

async fn packet(flow: &mut mpsc::UnboundedReceiver<Bytes>) -> Bytes {
    timeout(PATIENCE, flow.recv()).await.expect("a packet comes").expect("the flow is open")
}

#[tokio::test]
async fn two_nodes_exchange_messages_and_packets() {
    let (mut a, mut b, to_b, to_a) = pair(&ca()).await;
    assert_eq!((to_b.node(), to_b.epoch(), to_b.flow_parity()), (&id("b"), 1, 0));
    assert_eq!((to_a.node(), to_a.epoch(), to_a.flow_parity()), (&id("a"), 1, 1));
    assert!(to_b.send(room("x")) && to_a.send(room("y")) && to_a.send(room("z")));
    assert_eq!(b.message().await, room("x"));
    assert_eq!((a.message().await, a.message().await), (room("y"), room("z")));

    let (mut at_b, mut at_a) = (open(&to_a, 4), open(&to_b, 7));
    assert!(to_b.send_packet(FlowId(4), PacketClass::Video, 0, b"from a"));
    assert!(to_a.send_packet(FlowId(7), PacketClass::Audio, 0, b"from b"));
    assert_eq!(packet(&mut at_b).await, &b"from a"[..]);
    assert_eq!(packet(&mut at_a).await, &b"from b"[..]);
    assert!(to_b.rtt() < Duration::from_millis(100));
}

#[tokio::test]
async fn three_nodes_are_a_full_mesh() {
    let ca = ca();
    let mut nodes = ["n1", "n2", "n3"].map(|name| Node::new(&ca, name, 5));
    let targets: Vec<Target> = nodes.iter().map(Node::target).collect();
    for node in &nodes {
        node.endpoint.set_targets(targets.clone());
    }
    for node in &mut nodes {
        let mut others = [node.up().await.node().to_string(), node.up().await.node().to_string()];
        others.sort();
        assert!(!others.contains(&node.name) && others[0] != others[1], "{others:?}");
    }
}
