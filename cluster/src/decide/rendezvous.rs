//! Rendezvous hashing (highest random weight, Thaler and Ravishankar 1998): which of some nodes
//! come first for a key. Every node finds the same order without asking, and a node that comes or
//! goes moves only the keys that had it in front.

use starling_proto::{Id, NodeId};

/// A node's weight for a key. Part of what releases must agree on: never change it.
///
/// FNV-1a (64 bit) over `key`, one byte 0x00 (in no id), `node`; then the finalizer of SplitMix64
/// (Steele, Lea, Flood 2014), because FNV-1a alone leaves the high bits of short names alike.
pub(super) fn weight(key: &str, node: &NodeId) -> u64 {
    let bytes = key.bytes().chain([0]).chain(node.as_str().bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
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
