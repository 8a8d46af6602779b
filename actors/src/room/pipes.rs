//! Pipes of the room: producers of other nodes that somebody here consumes are pulled, once each;
//! producers of this node are served to nodes that ask.

use std::collections::BTreeSet;

use ractor::ActorRef;
use starling_media::command::ConsumerParams;
use starling_proto::{
    ConsumerId, NodeId, ProducerId, TransportId, flow::FlowId, link::LinkMessage,
    roster::ProducerEntry,
};

use super::RoomState;
use crate::{peer::PeerMsg, router::RouterMsg};

/// A producer of another node, consumed here.
pub(super) struct Pull {
    node: NodeId,
    /// Absent while the node is out of reach, or had no such producer.
    flow: Option<FlowId>,
    by: BTreeSet<ConsumerId>,
}

impl RoomState {
    pub(super) fn consume(
        &mut self,
        peer: ActorRef<PeerMsg>,
        transport: TransportId,
        consumer: ConsumerId,
        producer: ProducerId,
        params: Box<ConsumerParams>,
    ) {
        let Some((owner, entry)) = self.replica.producer(&producer) else {
            // It has just ended; the peer will hear of it.
            return;
        };
        let (node, entry) = (owner.node.clone(), entry.clone());
        self.consumers.insert(consumer.clone(), producer.clone());
        if node != self.args.shared.config.id {
            self.pull_for(&consumer, node, &entry);
        }
        let _ =
            self.router.cast(RouterMsg::Consume { transport, consumer, producer, params, peer });
    }

    pub(super) fn unconsume(&mut self, consumer: &ConsumerId) {
        let _ = self.router.cast(RouterMsg::RemoveConsumer(consumer.clone()));
        let Some(producer) = self.consumers.remove(consumer) else { return };
        let Some(pull) = self.pulls.get_mut(&producer) else { return };
        pull.by.remove(consumer);
        if pull.by.is_empty() {
            self.end_pull(&producer);
            let _ = self.router.cast(RouterMsg::RemoveProducer(producer));
        }
    }

    fn pull_for(&mut self, consumer: &ConsumerId, node: NodeId, entry: &ProducerEntry) {
        if let Some(pull) = self.pulls.get_mut(&entry.id) {
            pull.by.insert(consumer.clone());
            return;
        }
        let by = BTreeSet::from([consumer.clone()]);
        self.pulls.insert(entry.id.clone(), Pull { node, flow: None, by });
        self.open_pull(entry, None);
    }

    /// Asks the producer's node for it, on a new flow. No layers at first: the plane says which its
    /// consumers can use as soon as one of them may forward.
    fn open_pull(&mut self, entry: &ProducerEntry, replaces: Option<ProducerId>) {
        let Some(pull) = self.pulls.get_mut(&entry.id) else { return };
        let Some(port) = self.links.get(&pull.node) else { return };
        let flow = port.new_flow(&self.args.id);
        if let Some(old) = pull.flow.replace(flow) {
            port.end_flow(old);
        }
        let (room, producer) = (self.args.id.clone(), entry.id.clone());
        port.link.send(LinkMessage::PipeOpen { flow, room, producer, layers: 0 });
        let link = port.link.clone();
        let _ = self.router.cast(RouterMsg::Pull {
            entry: Box::new(entry.clone()),
            flow,
            link,
            replaces,
        });
    }

    /// The source of `old` is `producer` now, on `node`: whoever consumed the one goes on with the
    /// other.
    pub(super) fn move_pull(&mut self, node: &NodeId, old: &ProducerId, producer: &ProducerEntry) {
        for of in self.consumers.values_mut().filter(|of| *of == old) {
            *of = producer.id.clone();
        }
        let local = *node == self.args.shared.config.id;
        let before = self.pulls.remove(old);
        if let Some(Pull { node, flow: Some(flow), .. }) = &before
            && let Some(port) = self.links.get(node)
        {
            port.end_flow(*flow);
        }
        let of_it = self.consumers.iter().filter(|(_, of)| **of == producer.id);
        let by: BTreeSet<_> = of_it.map(|(consumer, _)| consumer.clone()).collect();
        if local || by.is_empty() {
            return;
        }
        self.pulls.insert(producer.id.clone(), Pull { node: node.clone(), flow: None, by });
        self.open_pull(producer, Some(old.clone()));
    }

    pub(super) fn end_pull(&mut self, producer: &ProducerId) {
        let Some(Pull { node, flow: Some(flow), .. }) = self.pulls.remove(producer) else { return };
        if let Some(port) = self.links.get(&node) {
            port.end_flow(flow);
        }
    }

    /// The link to a node is down: nothing comes from it, nobody there is served.
    pub(super) fn lose_pulls(&mut self, node: &NodeId) {
        for (producer, pull) in self.pulls.iter_mut().filter(|(_, pull)| pull.node == *node) {
            pull.flow = None;
            let _ = self.router.cast(RouterMsg::Unpull(producer.clone()));
        }
        let _ = self.router.cast(RouterMsg::UnserveNode(node.clone()));
    }

    /// A node told its peers anew: what is wanted of it and does not flow is asked for.
    pub(super) fn pull_again(&mut self, node: &NodeId) {
        let dry = self.pulls.iter().filter(|(_, pull)| pull.node == *node && pull.flow.is_none());
        let dry: Vec<_> = dry.map(|(producer, _)| producer.clone()).collect();
        for producer in dry {
            let found = self.replica.producer(&producer);
            let Some((owner, entry)) = found else { continue };
            if owner.node == node {
                let entry = entry.clone();
                self.open_pull(&entry, None);
            }
        }
    }

    pub(super) fn pipe_open(
        &mut self,
        node: &NodeId,
        flow: FlowId,
        producer: &ProducerId,
        layers: u32,
    ) {
        let Some(port) = self.links.get(node) else { return };
        let own = self.replica.producer(producer);
        let own = own.filter(|(owner, _)| *owner.node == self.args.shared.config.id);
        let Some((_, entry)) = own else {
            port.link.send(LinkMessage::PipeRefused { flow });
            return;
        };
        let (entry, link) = (Box::new(entry.clone()), port.link.clone());
        let _ = self.router.cast(RouterMsg::Serve { entry, flow, link, layers });
    }

    /// The other side ended a flow: one it pulled, or one we did.
    pub(super) fn flow_over(&mut self, node: NodeId, flow: FlowId) {
        let ours = |pull: &Pull| pull.node == node && pull.flow == Some(flow);
        let pulled = self.pulls.iter_mut().find(|(_, pull)| ours(pull));
        if let Some((producer, pull)) = pulled {
            pull.flow = None;
            let _ = self.router.cast(RouterMsg::Unpull(producer.clone()));
            // Its roster is about to say why; if it does not, ours is wrong.
            if let Some(port) = self.links.get(&node) {
                port.link.send(LinkMessage::SnapshotWanted(self.args.id.clone()));
            }
            return;
        }
        let _ = self.router.cast(RouterMsg::Unserve { node, flow });
    }
}
