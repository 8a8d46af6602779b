//! What a node's planes do for a room: which layers of what are wanted here, where streams come
//! from, and who is sent which layers of them. It is told; it chooses nothing but layers.

use std::collections::BTreeMap;

use starling_proto::{Id, NodeId, PeerId, ProducerId, flow::FlowId};

use super::seats::Here;
use crate::sim::{
    ctx::MS,
    event::{Packet, VIDEO},
};

/// A layer that nobody wants any more is sent for so long still: whoever changes back within it
/// costs no key frame.
const HOLD: u64 = 1_500 * MS;
/// Of a video, as bits.
const ALL_LAYERS: u32 = 0b111;

/// Another node, and the flow on which it is sent something.
type To = (NodeId, FlowId);

/// A stream of another node.
#[derive(Debug)]
struct Source {
    node: NodeId,
    flow: FlowId,
    /// What was asked for.
    layers: u32,
    /// When each layer was last wanted.
    wanted: BTreeMap<u8, u64>,
}

/// Who here consumes what; and what it is shown until that can be begun with, if that follows
/// something.
type Uses = BTreeMap<ProducerId, BTreeMap<PeerId, Option<ProducerId>>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Plane {
    uses: Uses,
    sources: BTreeMap<ProducerId, Source>,
    /// Who is sent which layers.
    served: BTreeMap<ProducerId, BTreeMap<To, u32>>,
    /// Of a planted bug: asks for all layers of what it passes on.
    pub(super) eager: bool,
}

impl Plane {
    /// False if it did so already.
    pub(super) fn consume(&mut self, producer: &ProducerId, by: &PeerId) -> bool {
        let all = self.uses.entry(producer.clone()).or_default();
        let known = all.contains_key(by);
        all.entry(by.clone()).or_default();
        !known
    }

    /// Somebody here consumes it.
    pub(super) fn is_used(&self, producer: &ProducerId) -> bool {
        self.uses.contains_key(producer)
    }

    /// Who is shown a producer; with a packet of it that these could begin with, they are.
    pub(super) fn shown(
        &mut self,
        producer: &ProducerId,
        begin: impl Fn(&PeerId) -> bool,
    ) -> Vec<PeerId> {
        let by = self.uses.get_mut(producer).into_iter().flatten();
        by.filter(|(peer, _)| begin(peer)).for_each(|(_, instead)| *instead = None);
        shown(&self.uses, producer).cloned().collect()
    }

    /// The peer consumes nothing any more; what nobody else consumes either.
    pub(super) fn forget_peer(&mut self, peer: &PeerId) -> Vec<ProducerId> {
        let mut unused = Vec::new();
        self.uses.retain(|producer, by| {
            if by.remove(peer).is_some() && by.is_empty() {
                unused.push(producer.clone());
            }
            !by.is_empty()
        });
        unused
    }

    /// Consumers of `old` are of `new` from now on, and shown what they are until they can begin
    /// with it (`media::plane::succeed`).
    pub(super) fn succeed(&mut self, old: &ProducerId, new: &ProducerId) {
        let Some(by) = self.uses.remove(old) else { return };
        let heirs = self.uses.entry(new.clone()).or_default();
        for (peer, instead) in by {
            let instead = Some(instead.unwrap_or_else(|| old.clone()));
            heirs.entry(peer).or_insert(instead.filter(|instead| instead != new));
        }
    }

    /// A stream comes on this flow from now on.
    pub(super) fn attach(&mut self, producer: ProducerId, node: NodeId, flow: FlowId) {
        let before = self.sources.remove(&producer);
        let wanted = before.map(|source| source.wanted).unwrap_or_default();
        self.sources.insert(producer, Source { node, flow, layers: 0, wanted });
    }

    pub(super) fn detach(&mut self, producer: &ProducerId) {
        self.sources.remove(producer);
    }

    /// Nothing of the producer comes or goes any more.
    pub(super) fn end(&mut self, producer: &ProducerId) {
        for instead in self.uses.values_mut().flat_map(BTreeMap::values_mut) {
            instead.take_if(|shown| shown == producer);
        }
        self.sources.remove(producer);
        self.served.remove(producer);
    }

    /// The producer is no more.
    pub(super) fn remove(&mut self, producer: &ProducerId) {
        self.uses.remove(producer);
        self.end(producer);
    }

    /// Flows of a node are dead.
    pub(super) fn lose(&mut self, node: &NodeId) {
        self.sources.retain(|_, source| source.node != *node);
        self.unserve_all(|(to, _)| to == node);
    }

    pub(super) fn serve(&mut self, to: To, producer: ProducerId, layers: u32) {
        self.served.entry(producer).or_default().insert(to, layers);
    }

    pub(super) fn serve_layers(&mut self, to: &To, layers: u32) {
        for of in self.served.values_mut() {
            of.entry(to.clone()).and_modify(|sent| *sent = layers);
        }
    }

    pub(super) fn unserve(&mut self, to: &To) {
        self.unserve_all(|it| it == to);
    }

    /// Nothing goes to these any more.
    fn unserve_all(&mut self, whom: impl Fn(&To) -> bool) {
        self.served.retain(|_, of| {
            of.retain(|to, _| !whom(to));
            !of.is_empty()
        });
    }

    /// Who is sent a layer of a producer; whatever they want, if `all` is.
    pub(super) fn takers(&self, packet: &Packet, all: bool) -> impl Iterator<Item = &To> {
        let bit = 1 << packet.layer;
        let of = self.served.get(&packet.producer).into_iter().flatten();
        of.filter(move |(_, layers)| all || *layers & bit != 0).map(|(to, _)| to)
    }

    /// Flows on which a node is sent something.
    pub(super) fn flows_to(&self, node: &NodeId) -> impl Iterator<Item = FlowId> {
        let to = self.served.values().flat_map(BTreeMap::keys);
        to.filter(move |(to, _)| to == node).map(|(_, flow)| *flow)
    }

    /// Layers that are to be asked for anew, and on which flows.
    pub(super) fn want(&mut self, now: u64, here: &BTreeMap<PeerId, Here>) -> Vec<(To, u32)> {
        let mut changed = Vec::new();
        for (producer, source) in &mut self.sources {
            let mut layers = source.want(now, wanted(&self.uses, &self.served, here, producer));
            if self.eager && self.served.contains_key(producer) {
                layers |= ALL_LAYERS;
            }
            if std::mem::replace(&mut source.layers, layers) != layers {
                changed.push(((source.node.clone(), source.flow), layers));
            }
        }
        changed
    }

    /// When the layer of a packet was last wanted, if it comes by the way that its stream is to
    /// come.
    pub(super) fn accept(
        &mut self,
        now: u64,
        from: (&NodeId, FlowId),
        packet: &Packet,
        here: &BTreeMap<PeerId, Here>,
    ) -> Option<u64> {
        let source = self.sources.get_mut(&packet.producer)?;
        if (&source.node, source.flow) != from {
            return None;
        }
        source.want(now, wanted(&self.uses, &self.served, here, &packet.producer));
        Some(*source.wanted.entry(packet.layer).or_insert(now))
    }
}

impl Source {
    /// What is to be asked for if these layers are wanted now.
    fn want(&mut self, now: u64, union: u32) -> u32 {
        for layer in (0..8).filter(|layer| union & (1 << layer) != 0) {
            self.wanted.insert(layer, now);
        }
        let held = self.wanted.iter().filter(|(_, at)| **at + HOLD > now);
        held.fold(0, |layers, (layer, _)| layers | (1 << layer))
    }
}

/// Who is shown a producer.
fn shown<'a>(uses: &'a Uses, producer: &'a ProducerId) -> impl Iterator<Item = &'a PeerId> {
    let all = uses.iter().flat_map(|(used, by)| by.iter().map(move |(peer, it)| (used, peer, it)));
    let of = move |(used, _, instead): &(&ProducerId, _, &Option<ProducerId>)| {
        instead.as_ref().unwrap_or(used) == producer
    };
    all.filter(of).map(|(_, peer, _)| peer)
}

/// The layers of a producer that are wanted here: by who consumes it or is shown it still, and by
/// nodes that get it from here.
fn wanted(
    uses: &Uses,
    served: &BTreeMap<ProducerId, BTreeMap<To, u32>>,
    here: &BTreeMap<PeerId, Here>,
    producer: &ProducerId,
) -> u32 {
    let video = producer.as_str().contains(VIDEO);
    let by = uses.get(producer).into_iter().flat_map(BTreeMap::keys).chain(shown(uses, producer));
    let own = by
        .filter_map(|peer| here.get(peer))
        .fold(0, |all, here| all | 1 << if video { here.layer } else { 0 });
    let below = served.get(producer).into_iter().flat_map(BTreeMap::values);
    below.fold(own, |all, layers| all | layers)
}
