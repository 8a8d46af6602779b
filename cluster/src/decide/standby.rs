//! Which nodes a room's clients go to when theirs dies. Every node names the same ones without
//! asking; who is asked matters no more than when.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use starling_proto::{
    Id, NodeId, RoomId,
    registry::{NodeRecord, NodeState, RoomPolicy},
};

use super::policy::Scope;

/// Standby nodes named in a join answer: one may die together with the client's own, or be full.
pub const STANDBYS: usize = 2;

/// The `n` nodes of `nodes` that come first for `room` by rendezvous hashing (highest random weight,
/// Thaler and Ravishankar 1998), best first: up, allowed by `policy`, not in `exclude`. A node that
/// comes or goes moves only the rooms that have it among their first `n`.
pub fn standby(
    room: &RoomId,
    policy: &RoomPolicy,
    nodes: &BTreeMap<NodeId, NodeRecord>,
    exclude: &BTreeSet<NodeId>,
    n: usize,
) -> Vec<NodeId> {
    let kept = || nodes.values().filter(|record| !exclude.contains(&record.id));
    let scope = Scope::of(policy, kept().map(|record| (record, record.state)));
    let mut ranked: Vec<_> = kept()
        .filter(|record| record.state == NodeState::Up && scope.allows(record))
        .map(|record| (Reverse(weight(room, &record.id)), &record.id))
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(n).map(|(_, id)| id.clone()).collect()
}

/// A node's weight for a room. Part of what releases must agree on: never change it.
///
/// FNV-1a (64 bit) over `room`, one byte 0x00 (in no id), `node`; then the finalizer of SplitMix64
/// (Steele, Lea, Flood 2014), because FNV-1a alone leaves the high bits of short names alike.
fn weight(room: &RoomId, node: &NodeId) -> u64 {
    let bytes = room.as_str().bytes().chain([0]).chain(node.as_str().bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
