//! Who of this node wants which layers of what, what is pulled for them from where, and who is
//! served: what `actors/src/room/pipes.rs` decides.

use std::collections::{BTreeMap, BTreeSet};

use starling_proto::{NodeId, PeerId, ProducerId, flow::FlowId};

use crate::sim::ctx::{MS, SECOND};

/// A layer that nobody wants any more is sent for so long still: whoever changes back within it
/// costs no key frame.
const HOLD: u64 = 1_500 * MS;
/// `actors::room::pipes::ASK_AGAIN`.
pub(super) const ASK_AGAIN: u64 = SECOND;

/// A producer of another node, wanted here.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) node: NodeId,
    pub(super) flow: Option<FlowId>,
    /// What was asked for.
    pub(super) layers: u32,
    /// When each layer was last wanted.
    pub(super) wanted: BTreeMap<u8, u64>,
    pub(super) asked: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    /// Who here consumes what.
    pub(super) uses: BTreeMap<ProducerId, BTreeSet<PeerId>>,
    pub(super) pulls: BTreeMap<ProducerId, Pull>,
    pub(super) served: BTreeMap<(NodeId, FlowId), (ProducerId, u32)>,
}

impl Pull {
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, flow: None, layers: 0, wanted: BTreeMap::new(), asked: None }
    }

    /// What is to be asked for if these layers are wanted now.
    pub(super) fn want(&mut self, now: u64, union: u32) -> u32 {
        for layer in (0..8).filter(|layer| union & (1 << layer) != 0) {
            self.wanted.insert(layer, now);
        }
        let held = self.wanted.iter().filter(|(_, at)| **at + HOLD > now);
        held.fold(0, |layers, (layer, _)| layers | (1 << layer))
    }
}

impl Pulls {
    /// The peer consumes nothing any more; what nobody else consumes either.
    pub(super) fn forget_peer(&mut self, peer: &PeerId) -> Vec<ProducerId> {
        let mut unused = Vec::new();
        self.uses.retain(|producer, by| {
            if by.remove(peer) && by.is_empty() {
                unused.push(producer.clone());
            }
            !by.is_empty()
        });
        unused
    }

    /// Consumers of `old` are of `new` from now on.
    pub(super) fn rename(&mut self, old: &ProducerId, new: &ProducerId) {
        if let Some(by) = self.uses.remove(old) {
            self.uses.entry(new.clone()).or_default().extend(by);
        }
    }

    pub(super) fn serve_layers(&mut self, node: &NodeId, flow: FlowId, layers: u32) {
        if let Some((_, sent)) = self.served.get_mut(&(node.clone(), flow)) {
            *sent = layers;
        }
    }

    /// What a node is sent on which flow, of a layer of a producer.
    pub(super) fn takers(
        &self,
        producer: &ProducerId,
        layer: u8,
        all: bool,
    ) -> Vec<(NodeId, FlowId)> {
        let takes = |(of, layers): &(ProducerId, u32)| {
            of == producer && (all || layers & (1 << layer) != 0)
        };
        self.served.iter().filter(|(_, it)| takes(it)).map(|(to, _)| to.clone()).collect()
    }

    /// The producer that a flow brings.
    pub(super) fn by_flow(
        &mut self,
        node: &NodeId,
        flow: FlowId,
    ) -> Option<(&ProducerId, &mut Pull)> {
        self.pulls.iter_mut().find(|(_, pull)| pull.node == *node && pull.flow == Some(flow))
    }

    /// The link to a node is down, or it has none of the room.
    pub(super) fn lose(&mut self, node: &NodeId) {
        let of_node = self.pulls.values_mut().filter(|pull| pull.node == *node);
        of_node.for_each(|pull| pull.flow = None);
        self.served.retain(|(to, _), _| to != node);
    }

    /// Flows with a node, either side's.
    pub(super) fn flows_with(&self, node: &NodeId) -> usize {
        let pulled = self.pulls.values().filter(|pull| pull.node == *node && pull.flow.is_some());
        pulled.count() + self.served.keys().filter(|(to, _)| to == node).count()
    }
}
