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

use super::{policy::Scope, rendezvous::weight};

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
    let kept = || nodes.values().filter(|record| !exclude.contains(&record.id));
    let scope = Scope::of(policy, kept().map(|record| (record, record.state)));
    let mut ranked: Vec<_> = kept()
        .filter(|record| record.state == NodeState::Up && scope.allows(record))
        .map(|record| (Reverse(weight(room.as_str(), &record.id)), &record.id))
        .collect();
    ranked.sort_unstable();
    ranked.into_iter().take(n).map(|(_, id)| id.clone()).collect()
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
