//! No packet comes to a node twice, nor further than a tree may be deep.

use starling_cluster::decide::tree::MAX_HOPS;

use crate::sim::event::Packet;

pub(super) fn check(node: usize, packet: &Packet) -> Option<String> {
    let Packet { producer, seq, via, .. } = packet;
    (via.contains(&node) || via.len() > MAX_HOPS)
        .then(|| format!("packet {seq} of {producer} comes to n{node} by {via:?}"))
}
