//! Pipes of the room: producers of other nodes that somebody here consumes are pulled, once each,
//! to one core of this node, their root; producers of this node are served to nodes that ask, from
//! the core of their peer. From its root a producer is piped to each other core with consumers of
//! it.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use starling_proto::{
    ConsumerId, NodeId, ProducerId, flow::FlowId, link::LinkMessage, roster::ProducerEntry,
};

use super::{Consume, RoomState};
use crate::{
    peer::PeerMsg,
    router::{RouterMsg, Source, Taker},
};

/// A producer of another node, consumed here.
pub(super) struct Pull {
    node: NodeId,
    /// Absent while the node is out of reach, or had no such producer.
    flow: Option<FlowId>,
    /// The core it arrives at.
    root: usize,
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
        let Consume { peer, core, transport, consumer, producer, params } = consume;
        let (node, entry) = (owner.node.clone(), entry.clone());
        let first = self.uses.add(consumer.clone(), producer.clone(), core);
        if node != self.args.shared.config.id && !self.pulls.contains_key(&producer) {
            self.pulls.insert(producer.clone(), Pull { node, flow: None, root: core, asked: None });
            self.open_pull(&entry);
        }
        if first {
            self.spread(core, &entry);
        }
        let consume = RouterMsg::Consume { transport, consumer, producer, params, peer };
        self.routers.tell(core, consume);
    }

    pub(super) fn unconsume(&mut self, consumer: &ConsumerId) {
        let Some(ended) = self.uses.remove(consumer) else { return };
        let producer = ended.producer;
        self.routers.tell(ended.core, RouterMsg::RemoveConsumer(consumer.clone()));
        let root = self.root_of(&producer);
        if ended.last_there && root != Some(ended.core) {
            self.routers.tell(ended.core, RouterMsg::RemoveProducer(producer.clone()));
        }
        if ended.last
            && self.end_pull(&producer)
            && let Some(root) = root
        {
            self.routers.tell(root, RouterMsg::RemoveProducer(producer));
        }
    }

    /// The core where a producer is without another core's help.
    fn root_of(&self, producer: &ProducerId) -> Option<usize> {
        let pulled = self.pulls.get(producer).map(|pull| pull.root);
        pulled.or_else(|| self.own.get(producer).copied())
    }

    /// A core wants a producer that is on this node already, if on another core.
    fn spread(&self, core: usize, entry: &ProducerEntry) {
        let root = self.root_of(&entry.id).filter(|root| *root != core);
        if let Some(from) = root.and_then(|root| self.routers.source(root)) {
            let entry = Box::new(entry.clone());
            self.routers.tell(core, RouterMsg::Pull { entry, from });
        }
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
        let (entry, link) = (Box::new(entry.clone()), port.link.clone());
        let from = Source::Flow(flow, link);
        self.routers.tell(pull.root, RouterMsg::Pull { entry, from });
    }

    /// The source of `old` is `producer` now, on `node`: whoever consumed the one goes on with the
    /// other.
    pub(super) fn move_pull(&mut self, node: &NodeId, old: &ProducerId, producer: &ProducerEntry) {
        let old_root = self.root_of(old);
        self.end_pull(old);
        self.own.remove(old);
        let new = producer.id.clone();
        self.uses.rename(old, &new);
        let cores = self.uses.cores(&new);
        for core in self.routers.cores() {
            let (old, new) = (old.clone(), new.clone());
            // Also while the node cannot be reached, so that consumers wait in the right place.
            self.routers.tell(
                core,
                match cores.contains(&core) {
                    true => RouterMsg::RenameProducer { old, new },
                    false => RouterMsg::RemoveProducer(old),
                },
            );
        }
        if *node != self.args.shared.config.id {
            let kept = old_root.filter(|root| cores.contains(root));
            let Some(root) = kept.or_else(|| cores.first().copied()) else { return };
            self.pulls.insert(new, Pull { node: node.clone(), flow: None, root, asked: None });
            self.open_pull(producer);
        }
        cores.into_iter().for_each(|core| self.spread(core, producer));
    }

    /// A core died, and with it what was pulled there: it goes to another core that wants it.
    pub(super) fn move_roots(&mut self, dead: usize) {
        self.uses.forget_core(dead);
        let pulled: Vec<_> = self.pulls.keys().cloned().collect();
        for producer in pulled {
            let cores = self.uses.cores(&producer);
            let entry = self.replica.producer(&producer).map(|(_, entry)| entry.clone());
            let (Some(&root), Some(entry)) = (cores.first(), entry) else {
                if self.end_pull(&producer) {
                    self.routers.tell_all(|| RouterMsg::RemoveProducer(producer.clone()));
                }
                continue;
            };
            let Some(pull) = self.pulls.get_mut(&producer).filter(|pull| pull.root == dead) else {
                continue;
            };
            pull.root = root;
            self.open_pull(&entry);
            cores.into_iter().for_each(|core| self.spread(core, &entry));
        }
    }

    /// False if it was not pulled.
    pub(super) fn end_pull(&mut self, producer: &ProducerId) -> bool {
        let Some(Pull { node, flow, .. }) = self.pulls.remove(producer) else { return false };
        if let (Some(flow), Some(port)) = (flow, self.links.get(&node)) {
            port.end_flow(flow);
        }
        true
    }

    /// The link to a node is down: nothing comes from it, nobody there is served.
    pub(super) fn lose_pulls(&mut self, node: &NodeId) {
        for (producer, pull) in self.pulls.iter_mut().filter(|(_, pull)| pull.node == *node) {
            pull.flow = None;
            self.routers.tell(pull.root, RouterMsg::Unpull(producer.clone()));
        }
        self.routers.tell_all(|| RouterMsg::UnserveNode(node.clone()));
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
        let Some(root) = self.own.get(producer) else { return port.refuse_flow(flow) };
        let (entry, link) = (Box::new(entry.clone()), port.link.clone());
        self.routers.tell(*root, RouterMsg::Serve { entry, flow, link, layers });
    }

    /// The other side ended a flow: one it pulled, or one we did.
    pub(super) fn flow_over(&mut self, node: NodeId, flow: FlowId) {
        let ours = |pull: &Pull| pull.node == node && pull.flow == Some(flow);
        let pulled = self.pulls.iter_mut().find(|(_, pull)| ours(pull));
        if let Some((producer, pull)) = pulled {
            pull.flow = None;
            self.routers.tell(pull.root, RouterMsg::Unpull(producer.clone()));
            self.ask_about_dry(Instant::now());
            return;
        }
        let taker = Taker::Node(node, flow);
        self.routers.tell_all(|| RouterMsg::Unserve(taker.clone()));
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
