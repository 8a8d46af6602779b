//! Rendezvous hashing (highest random weight, Thaler and Ravishankar 1998): which of some nodes
//! come first for a key. Every node finds the same order without asking, and a node that comes or
//! goes moves only the keys that had it in front.

use starling_proto::{Id, NodeId};

/// A node's weight for a key; see [`Key::weight`].
pub(super) fn weight(key: &str, node: &NodeId) -> u64 {
    Key::new(key).weight(node)
}

/// What many nodes are weighed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(u64);

impl Key {
    /// Hashes what all weights of a key have in common.
    pub(super) fn new(key: &str) -> Self {
        Self(fnv(fnv(0xcbf2_9ce4_8422_2325, key), "\0"))
    }

    /// A node's weight. Part of what releases must agree on: never change it.
    ///
    /// FNV-1a (64 bit) over the key, one byte 0x00 (in no id), `node`; then the finalizer of
    /// SplitMix64 (Steele, Lea, Flood 2014), because FNV-1a alone leaves the high bits of short
    /// names alike.
    pub(super) fn weight(self, node: &NodeId) -> u64 {
        let hash = fnv(self.0, node.as_str());
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }
}

fn fnv(hash: u64, text: &str) -> u64 {
    text.bytes()
        .fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_the_same_in_all_releases() {
        let node = NodeId::parse("node-1").unwrap();
        assert_eq!(weight("room", &node), 0xbd78_3e29_9c5e_3987);
    }
}
