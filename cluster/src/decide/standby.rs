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

use super::{policy::Scope, rendezvous::Key};

/// Standby nodes named in a join answer: one may die together with the client's own, or be full.
pub const STANDBYS: usize = 2;

/// The `n` nodes of `nodes` that come first for `room` by rendezvous hashing (highest random
/// weight, Thaler and Ravishankar 1998), best first: up, allowed by `policy`, not in `exclude`. A
/// node that comes or goes moves only the rooms that have it among their first `n`.
pub fn standby(
    room: &RoomId,
    policy: &RoomPolicy,
    nodes: &BTreeMap<NodeId, NodeRecord>,
    exclude: &BTreeSet<NodeId>,
    n: usize,
) -> Vec<NodeId> {
    first_of(room, policy, nodes.values().map(|record| (record, record.state)), exclude, n)
}

/// The same of nodes wherever they are kept, with their newest states.
pub(super) fn first_of<'a>(
    room: &RoomId,
    policy: &'a RoomPolicy,
    nodes: impl Iterator<Item = (&'a NodeRecord, NodeState)> + Clone,
    exclude: &BTreeSet<NodeId>,
    n: usize,
) -> Vec<NodeId> {
    let kept = nodes.filter(|(record, _)| !exclude.contains(&record.id));
    let scope = Scope::of(policy, kept.clone());
    let (key, mut first) = (Key::new(room.as_str()), Vec::with_capacity(n + 1));
    for (record, state) in kept {
        if state != NodeState::Up || !scope.allows(record) {
            continue;
        }
        // Of a thousand nodes all but a few come behind the first `n` so far.
        let rank = (Reverse(key.weight(&record.id)), &record.id);
        let at = first.partition_point(|before| *before < rank);
        if at < n {
            first.insert(at, rank);
            first.truncate(n);
        }
    }
    first.into_iter().map(|(_, id)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use starling_proto::registry::NodeLoad;

    use super::*;

    fn nodes(names: &[&str]) -> BTreeMap<NodeId, NodeRecord> {
        let record = |name: &&str| NodeRecord {
            id: NodeId::parse(name).unwrap(),
            epoch: 1,
            region: name[..1].to_owned(),
            zone: String::new(),
            link_addr: "127.0.0.1:7000".parse().unwrap(),
            api_url: "http://127.0.0.1:7001".to_owned(),
            version: "0.1.0".to_owned(),
            protocol: (1, 1),
            state: NodeState::Up,
            cordoned: false,
            load: NodeLoad::default(),
            cost: None,
        };
        names.iter().map(|name| (NodeId::parse(name).unwrap(), record(name))).collect()
    }

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    fn named(
        room_name: &str,
        policy: &RoomPolicy,
        nodes: &BTreeMap<NodeId, NodeRecord>,
        exclude: &[&str],
    ) -> Vec<String> {
        let exclude = exclude.iter().map(|name| NodeId::parse(name).unwrap()).collect();
        let standby = standby(&room(room_name), policy, nodes, &exclude, 2);
        standby.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_node_that_dies_changes_only_the_rooms_that_named_it() {
        let (all, policy) = (nodes(&["a1", "a2", "b1", "b2", "c1"]), RoomPolicy::default());
        let mut kept = 0;
        for i in 0..200 {
            let name = format!("room-{i}");
            let before = named(&name, &policy, &all, &[]);
            let after = named(&name, &policy, &all, &["b1"]);
            let rest: Vec<_> = before.iter().filter(|node| *node != "b1").collect();
            assert!(rest.iter().zip(&after).all(|(old, new)| *old == new), "{before:?} {after:?}");
            kept += usize::from(before == after);
        }
        assert!((80..160).contains(&kept), "two of five nodes are named: {kept} of 200");
    }

    #[test]
    fn the_first_nodes_are_those_of_all_in_order() {
        let (all, policy) = (nodes(&["a1", "a2", "b1", "b2", "c1"]), RoomPolicy::default());
        for name in (0..50).map(|i| format!("room-{i}")) {
            let weigh = |id: &&NodeId| Reverse(Key::new(&name).weight(id));
            let mut ranked: Vec<_> = all.keys().collect();
            ranked.sort_by_key(weigh);
            for n in 0..7 {
                let first = standby(&room(&name), &policy, &all, &BTreeSet::new(), n);
                assert!(first.iter().eq(ranked.iter().copied().take(n)), "{n} of {ranked:?}");
            }
        }
    }

    #[test]
    fn rooms_are_spread_over_all_nodes() {
        let (all, policy) = (nodes(&["node-0", "node-1", "node-2"]), RoomPolicy::default());
        let mut first: BTreeMap<String, u32> = BTreeMap::new();
        for i in 0..3_000 {
            let standby = named(&format!("{i}"), &policy, &all, &[]);
            *first.entry(standby[0].clone()).or_default() += 1;
        }
        assert!(first.values().all(|n| (900..1_100).contains(n)), "{first:?}");
    }

    #[test]
    fn draining_and_disallowed_nodes_are_not_named() {
        let mut all = nodes(&["a1", "a2", "b1", "b2"]);
        let mut policy = RoomPolicy { regions: vec!["b".to_owned()], ..RoomPolicy::default() };
        let mut standby = named("room", &policy, &all, &[]);
        standby.sort_unstable();
        assert_eq!(standby, ["b1", "b2"]);
        all.get_mut(&NodeId::parse("b1").unwrap()).unwrap().state = NodeState::Draining;
        assert_eq!(named("room", &policy, &all, &[]), ["b2"]);
        assert_eq!(named("room", &policy, &all, &["b2"]).len(), 2, "none left there: anywhere");
        policy.pinned_nodes = vec![NodeId::parse("a1").unwrap()];
        assert_eq!(named("room", &policy, &all, &[]), ["a1"]);
    }
}
