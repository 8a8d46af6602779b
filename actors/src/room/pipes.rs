//! Pipes of the room: producers of other nodes that somebody here consumes are pulled, once each;
//! producers of this node are served to nodes that ask.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use starling_proto::{
    ConsumerId, NodeId, ProducerId, flow::FlowId, link::LinkMessage, roster::ProducerEntry,
};

use super::{Consume, RoomState};
use crate::{peer::PeerMsg, router::RouterMsg};

/// A producer of another node, consumed here.
pub(super) struct Pull {
    node: NodeId,
    /// Absent while the node is out of reach, or had no such producer.
    flow: Option<FlowId>,
    by: BTreeSet<ConsumerId>,
    /// When the node was last asked why it does not flow.
    asked: Option<Instant>,
}

/// How often a node is asked why it refuses a producer: a roster may be a megabyte.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl RoomState {
    pub(super) fn consume(&mut self, consume: Consume) {
        let Some((owner, entry)) = self.replica.producer(&consume.producer) else {
            // It has just ended or moved, which the peer will have heard of when it gets this back.
            let _ = consume.peer.clone().cast(PeerMsg::NotConsumed(Box::new(consume)));
            return;
        };
        let Consume { peer, transport, consumer, producer, params } = consume;
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
        self.pulls.insert(entry.id.clone(), Pull { node, flow: None, by, asked: None });
        self.open_pull(entry);
    }

    /// Asks the producer's node for it, on a new flow. No layers at first: the plane says which its
    /// consumers can use as soon as one of them may forward.
    fn open_pull(&mut self, entry: &ProducerEntry) {
        let Some(pull) = self.pulls.get_mut(&entry.id) else { return };
        let Some(port) = self.links.get(&pull.node) else { return };
        let flow = port.new_flow(&self.args.id);
        if let Some(old) = pull.flow.replace(flow) {
            port.end_flow(old);
        }
        let (room, producer) = (self.args.id.clone(), entry.id.clone());
        port.link.send(LinkMessage::PipeOpen { flow, room, producer, layers: 0 });
        let link = port.link.clone();
        let entry = Box::new(entry.clone());
        let _ = self.router.cast(RouterMsg::Pull { entry, flow, link });
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
        if local {
            return;
        }
        if by.is_empty() {
            let _ = self.router.cast(RouterMsg::RemoveProducer(old.clone()));
            return;
        }
        // Also while the node cannot be reached, so that the consumers wait in the right place.
        let (old, new) = (old.clone(), producer.id.clone());
        let _ = self.router.cast(RouterMsg::RenameProducer { old, new });
        let pull = Pull { node: node.clone(), flow: None, by, asked: None };
        self.pulls.insert(producer.id.clone(), pull);
        self.open_pull(producer);
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
                self.open_pull(&entry);
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
            port.refuse_flow(flow);
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
            self.ask_about_dry(Instant::now());
            return;
        }
        let _ = self.router.cast(RouterMsg::Unserve { node, flow });
    }

    /// A node refused what its roster has: its next roster is about to say why, or ours is wrong.
    /// Asked at most once a second, because a node that is full refuses again at once.
    pub(super) fn ask_about_dry(&mut self, now: Instant) {
        let mut asked = BTreeSet::new();
        for pull in self.pulls.values_mut().filter(|pull| pull.flow.is_none()) {
            let Some(port) = self.links.get(&pull.node) else { continue };
            if pull.asked.is_some_and(|at| now.saturating_duration_since(at) < ASK_AGAIN) {
                continue;
            }
            pull.asked = Some(now);
            if asked.insert(pull.node.clone()) {
                port.link.send(LinkMessage::SnapshotWanted(self.args.id.clone()));
            }
        }
    }
}
