//! Data channels of the room: a topic for each data producer of this node, and for each of another
//! node that somebody here consumes, which is pulled on a flow of the link.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::ActorRef;
use serde_json::{Value, json};
use starling_cluster::decide::roster::Fact;
use starling_media::data::LOG;
use starling_proto::{
    DataConsumerId, DataProducerId, NodeId, PeerId, flow::FlowId, link::LinkMessage,
    roster::DataProducerEntry, sctp::Delivery,
};
use tokio::task::AbortHandle;

use super::{RoomMsg, RoomState};
use crate::{
    data::{self, DataCommand, DataPort, SharedTopic},
    peer::{DataPeerMsg, PeerMsg},
};

/// What a room is told about data channels.
pub(crate) enum DataRoomMsg {
    /// A peer produces.
    Produce {
        peer: PeerId,
        incarnation: u64,
        port: DataPort,
        stream: u16,
        entry: Box<DataProducerEntry>,
    },
    /// It produces no more.
    Close { peer: PeerId, producer: DataProducerId },
    /// It pauses or goes on.
    Pause { peer: PeerId, producer: DataProducerId, paused: bool },
    /// A peer consumes.
    Consume { peer: ActorRef<PeerMsg>, consumer: DataConsumerId, producer: DataProducerId },
    /// Its client is ready.
    Start { consumer: DataConsumerId, port: DataPort, stream: u16, delivery: Delivery },
    /// It consumes no more.
    Unconsume(DataConsumerId),
    /// For a transport's session, behind what was said before.
    Forward { port: DataPort, command: DataCommand },
    /// A node wants a data producer of ours.
    Open { node: NodeId, flow: FlowId, producer: DataProducerId, granted: u32 },
    /// A flow of ours brought what it may not, or a node was too slow for one: it ends.
    Broken { node: NodeId, flow: FlowId },
}

/// See the module.
#[derive(Default)]
pub(super) struct RoomData {
    topics: BTreeMap<DataProducerId, Shared>,
    consumers: BTreeMap<DataConsumerId, DataProducerId>,
    served: BTreeMap<(NodeId, FlowId), AbortHandle>,
    /// When a node was last asked why something does not flow.
    asked: Option<Instant>,
}

/// Ends with the room.
impl Drop for RoomData {
    fn drop(&mut self) {
        self.served.values().for_each(AbortHandle::abort);
    }
}

#[derive(Default)]
struct Shared {
    topic: Arc<SharedTopic>,
    /// Absent: it is of this node.
    pull: Option<Pull>,
    by: BTreeSet<DataConsumerId>,
}

struct Pull {
    node: NodeId,
    /// Absent while the node is out of reach, or had no such data producer.
    flow: Option<FlowId>,
}

/// How often a node is asked why it refuses a data producer.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl RoomState {
    pub(super) fn handle_data(&mut self, message: DataRoomMsg) {
        match message {
            DataRoomMsg::Produce { peer, incarnation, port, stream, entry } => {
                self.produce_data(&peer, incarnation, &port, stream, *entry);
            }
            DataRoomMsg::Close { peer, producer } => {
                let local = self.replica.local_close_data(Instant::now(), &peer, &producer);
                self.carry_out(local);
            }
            DataRoomMsg::Pause { peer, producer, paused } => {
                let local = self.replica.local_pause_data(Instant::now(), &peer, &producer, paused);
                self.carry_out(local);
            }
            DataRoomMsg::Consume { peer, consumer, producer } => {
                self.consume_data(&peer, consumer, &producer);
            }
            DataRoomMsg::Start { consumer, port, stream, delivery } => {
                let producer = self.data.consumers.get(&consumer);
                let Some(shared) = producer.and_then(|id| self.data.topics.get(id)) else { return };
                let (id, topic) = (consumer, shared.topic.clone());
                port.send(DataCommand::Consume { id, stream, delivery, topic });
            }
            DataRoomMsg::Unconsume(consumer) => self.unconsume_data(&consumer),
            DataRoomMsg::Forward { port, command } => port.send(command),
            DataRoomMsg::Open { node, flow, producer, granted } => {
                self.serve_data(node, flow, &producer, granted);
            }
            DataRoomMsg::Broken { node, flow } => {
                if let Some(port) = self.links.get(&node) {
                    port.end_flow(flow);
                }
                self.data_flow_over(&node, flow);
            }
        }
    }

    fn produce_data(
        &mut self,
        peer: &PeerId,
        incarnation: u64,
        port: &DataPort,
        stream: u16,
        entry: DataProducerEntry,
    ) {
        let here = self.here.get(peer).is_some_and(|here| here.incarnation == incarnation);
        // A session that another node has taken over is about to hear of it.
        let own = &self.args.shared.config.id;
        if !here || self.replica.peer(peer).is_none_or(|view| view.node != own) {
            return;
        }
        let (id, paused) = (entry.id.clone(), entry.paused);
        let local = self.replica.local_produce_data(Instant::now(), peer, entry);
        // A topic that it goes on with is moved by the fact that says so.
        self.carry_out(local);
        let topic = self.data.topics.entry(id.clone()).or_default().topic.clone();
        topic.with(|topic| topic.pause(paused));
        port.send(DataCommand::Produce { id, stream, topic });
    }

    fn consume_data(
        &mut self,
        peer: &ActorRef<PeerMsg>,
        consumer: DataConsumerId,
        producer: &DataProducerId,
    ) {
        let Some((owner, _)) = self.replica.data_producer(producer) else {
            // It has just ended or moved, which the peer will have heard of when it gets this back.
            let _ = peer.cast(PeerMsg::Channel(DataPeerMsg::NotConsumed(consumer)));
            return;
        };
        let remote = Some(owner.node.clone()).filter(|it| *it != self.args.shared.config.id);
        let shared = self.data.topics.entry(producer.clone()).or_default();
        shared.by.insert(consumer.clone());
        self.data.consumers.insert(consumer, producer.clone());
        if let (Some(node), None) = (remote, &shared.pull) {
            shared.pull = Some(Pull { node, flow: None });
            self.open_data_pull(producer);
        }
    }

    fn unconsume_data(&mut self, consumer: &DataConsumerId) {
        let Some(producer) = self.data.consumers.remove(consumer) else { return };
        let Some(shared) = self.data.topics.get_mut(&producer) else { return };
        shared.by.remove(consumer);
        if shared.by.is_empty() && shared.pull.is_some() {
            self.end_topic(&producer);
        }
    }

    /// Asks the data producer's node for it, on a new flow.
    fn open_data_pull(&mut self, producer: &DataProducerId) {
        let Some(shared) = self.data.topics.get_mut(producer) else { return };
        let Some(pull) = &mut shared.pull else { return };
        let Some(port) = self.links.get(&pull.node) else { return };
        let flow = port.new_flow(&self.args.id);
        if let Some(old) = pull.flow.replace(flow) {
            port.end_flow(old);
        }
        let (room, node) = (self.myself.clone(), pull.node.clone());
        let broken = move || {
            let broken = DataRoomMsg::Broken { node: node.clone(), flow };
            let _ = room.cast(RoomMsg::Data(broken));
        };
        let granted = data::pull(&shared.topic, port.link.data(), flow, Box::new(broken));
        let (room, producer) = (self.args.id.clone(), producer.clone());
        let granted = granted.min(LOG) as u32;
        port.link.send(LinkMessage::DataOpen { flow, room, producer, granted });
    }

    fn end_topic(&mut self, producer: &DataProducerId) {
        let Some(shared) = self.data.topics.remove(producer) else { return };
        self.end_data_pull(shared.pull);
    }

    fn end_data_pull(&self, pull: Option<Pull>) {
        let Some(Pull { node, flow: Some(flow) }) = pull else { return };
        if let Some(port) = self.links.get(&node) {
            port.link.data().close(flow);
            port.end_flow(flow);
        }
    }

    fn serve_data(&mut self, node: NodeId, flow: FlowId, producer: &DataProducerId, granted: u32) {
        let Some(port) = self.links.get(&node) else { return };
        let own = self.replica.data_producer(producer);
        let own = own.filter(|(owner, _)| *owner.node == self.args.shared.config.id);
        let topic = self.data.topics.get(producer).map(|shared| shared.topic.clone());
        let (Some((_, entry)), Some(topic)) = (own, topic) else { return port.refuse_flow(flow) };
        let (reliable, lane) = (entry.delivery.is_reliable(), port.link.data().clone());
        lane.serve(flow, granted as usize);
        let (room, of) = (self.myself.clone(), node.clone());
        let task = tokio::spawn(async move {
            if data::serve(topic, reliable, lane, flow).await {
                let _ = room.cast(RoomMsg::Data(DataRoomMsg::Broken { node: of, flow }));
            }
        });
        self.data.served.insert((node, flow), task.abort_handle());
    }

    /// The other side ended a flow, or it has to end. False if it is none of data.
    pub(super) fn data_flow_over(&mut self, node: &NodeId, flow: FlowId) -> bool {
        if let Some(port) = self.links.get(node) {
            port.link.data().close(flow);
        }
        if let Some(task) = self.data.served.remove(&(node.clone(), flow)) {
            task.abort();
            return true;
        }
        let ours = |pull: &Pull| pull.node == *node && pull.flow == Some(flow);
        let pulled = (self.data.topics.iter_mut())
            .find(|(_, shared)| shared.pull.as_ref().is_some_and(ours));
        let Some((producer, shared)) = pulled else { return false };
        shared.pull = Some(Pull { node: node.clone(), flow: None });
        let producer = producer.clone();
        self.interrupted(&producer, "the nodes lost touch");
        true
    }

    /// The link to a node is down: nothing comes from it, nobody there is served.
    pub(super) fn lose_data(&mut self, node: &NodeId) {
        self.data.served.retain(|(of, _), task| {
            if of == node {
                task.abort();
            }
            of != node
        });
        let mut lost = Vec::new();
        for (producer, shared) in &mut self.data.topics {
            if let Some(pull) = shared.pull.as_mut().filter(|pull| pull.node == *node) {
                pull.flow = None;
                lost.push(producer.clone());
            }
        }
        lost.iter().for_each(|producer| self.interrupted(producer, "the nodes lost touch"));
    }

    /// A node told its peers anew: what is wanted of it and does not flow is asked for.
    pub(super) fn pull_data_again(&mut self, node: &NodeId) {
        let dry = self.data.topics.iter().filter(|(_, shared)| {
            shared.pull.as_ref().is_some_and(|it| it.node == *node && it.flow.is_none())
        });
        let dry: Vec<_> = dry.map(|(producer, _)| producer.clone()).collect();
        for producer in dry {
            if self.replica.data_producer(&producer).is_some_and(|(owner, _)| owner.node == node) {
                self.open_data_pull(&producer);
            }
        }
    }

    /// Slow consumers are evicted, and nodes asked why something does not flow.
    pub(super) fn tick_data(&mut self, now: Instant) {
        self.data.topics.values().for_each(|shared| shared.topic.with(|topic| topic.expire(now)));
        let dry = self.data.topics.values().filter_map(|shared| shared.pull.as_ref());
        let dry: BTreeSet<_> =
            dry.filter(|pull| pull.flow.is_none()).map(|pull| pull.node.clone()).collect();
        let recent = |at: Instant| now.saturating_duration_since(at) < ASK_AGAIN;
        if dry.is_empty() || self.data.asked.is_some_and(recent) {
            return;
        }
        self.data.asked = Some(now);
        for port in dry.iter().filter_map(|node| self.links.get(node)) {
            port.link.send(LinkMessage::SnapshotWanted(self.args.id.clone()));
        }
    }

    pub(super) fn apply_data(&mut self, fact: Fact) {
        match fact {
            Fact::DataProducerAdded { peer, producer, .. } => {
                let entry = Arc::new(producer);
                self.tell_channels(&peer, || {
                    let (peer, entry) = (peer.clone(), entry.clone());
                    DataPeerMsg::Available { peer, entry }
                });
            }
            Fact::DataProducerReplaced { peer, node, old, producer } => {
                self.move_topic(node, &old, &producer.id);
                let entry = Arc::new(producer);
                self.tell_channels(&peer, || {
                    let (peer, old, entry) = (peer.clone(), old.clone(), entry.clone());
                    DataPeerMsg::Replaced { peer, old, entry }
                });
            }
            Fact::DataProducerClosed { peer, producer } => {
                self.end_topic(&producer);
                self.tell_channels(&peer, || DataPeerMsg::Gone(producer.clone()));
            }
            Fact::DataProducerPaused { peer, producer, paused } => {
                if let Some(shared) = self.data.topics.get(&producer) {
                    shared.topic.with(|topic| topic.pause(paused));
                }
                self.tell_channels(&peer, || DataPeerMsg::Paused {
                    producer: producer.clone(),
                    paused,
                });
            }
            _ => {}
        }
    }

    /// Whoever consumed `old` goes on with `new`, which is on `node`.
    fn move_topic(&mut self, node: NodeId, old: &DataProducerId, new: &DataProducerId) {
        for of in self.data.consumers.values_mut().filter(|of| *of == old) {
            *of = new.clone();
        }
        let Some(mut shared) = self.data.topics.remove(old) else { return };
        self.end_data_pull(shared.pull.take());
        let local = node == self.args.shared.config.id;
        if !local && shared.by.is_empty() {
            return;
        }
        shared.topic.with(|topic| topic.pause(false));
        shared.pull = (!local).then_some(Pull { node, flow: None });
        self.data.topics.insert(new.clone(), shared);
        if !local {
            self.open_data_pull(new);
        }
    }

    /// Who gets what of data channels, in the fields of mediasoup's router dump.
    pub(super) fn data_maps(&self) -> (Value, Value) {
        let producers = self.replica.peers().flat_map(|view| &view.entry.data_producers);
        let forwarded = producers.map(|producer| {
            let by = self.data.topics.get(&producer.id).map(|shared| &shared.by);
            json!({ "key": producer.id, "values": by.cloned().unwrap_or_default() })
        });
        let consumed = (self.data.consumers.iter())
            .map(|(consumer, producer)| json!({ "key": consumer, "value": producer }));
        (forwarded.collect(), consumed.collect())
    }

    fn interrupted(&self, producer: &DataProducerId, reason: &str) {
        for here in self.here.values().filter(|here| here.joined) {
            let (producer, reason) = (producer.clone(), reason.to_owned());
            let told = DataPeerMsg::Interrupted { producer, reason };
            let _ = here.actor.cast(PeerMsg::Channel(told));
        }
    }

    fn tell_channels(&self, about: &PeerId, message: impl Fn() -> DataPeerMsg) {
        self.each_other(about, |to| {
            let _ = to.cast(PeerMsg::Channel(message()));
        });
    }
}
