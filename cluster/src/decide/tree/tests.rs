use proptest::{collection::btree_map, prelude::*};

use super::*;

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn producer(name: &str) -> ProducerId {
    name.parse().unwrap()
}

/// Nodes named by region and number: `a0`, `a1`, `b0`.
fn room(regions: &[(&str, usize)]) -> BTreeMap<NodeId, Place> {
    let names = regions.iter().flat_map(|(region, n)| (0..*n).map(move |i| (*region, i)));
    let place = |region: &str| Place { region: region.to_owned(), leaving: false };
    names.map(|(region, i)| (node(&format!("{region}{i}")), place(region))).collect()
}

fn grow(name: &str, nodes: &BTreeMap<NodeId, Place>) -> Tree {
    Tree::grow(&producer(name), &node("a0"), nodes, FAN_OUT)
}

/// Every way up from `from`, itself first.
fn way(tree: &Tree, from: &NodeId) -> Vec<NodeId> {
    let mut way = vec![from.clone()];
    while let Some(parent) = tree.parent(&way[way.len() - 1]) {
        way.push(parent.clone());
        assert!(way.len() <= MAX_HOPS + 1, "{way:?}");
    }
    way
}

/// What every tree must be.
fn check(tree: &Tree, origin: &NodeId, nodes: &BTreeMap<NodeId, Place>, fan_out: usize) {
    let mut entered: BTreeMap<&str, usize> = BTreeMap::new();
    let mut served: BTreeMap<&NodeId, usize> = BTreeMap::new();
    for (node, place) in nodes.iter().filter(|(node, _)| *node != origin) {
        let way = way(tree, node);
        assert_eq!(way.last(), Some(origin), "a way that ends elsewhere, or a loop: {way:?}");
        assert_eq!(way.len() - 1, tree.hops(node));
        let parent = tree.parent(node).unwrap();
        *served.entry(parent).or_default() += 1;
        if nodes[parent].region != place.region {
            *entered.entry(&place.region).or_default() += 1;
        }
    }
    let home = nodes[origin].region.as_str();
    assert_eq!(entered.get(home), None, "it left its region and came back");
    for region in nodes.values().map(|place| place.region.as_str()).filter(|r| *r != home) {
        assert_eq!(entered.get(region), Some(&1), "{region}");
    }
    assert!(served.values().all(|n| *n <= fan_out), "{served:?}");
}

#[test]
fn a_room_of_one_region_is_a_star() {
    let nodes = room(&[("a", 11)]);
    let tree = grow("p", &nodes);
    assert_eq!(tree.children(&node("a0")).count(), 10);
    assert_eq!(tree.hops(&node("a7")), 1);
    assert_eq!((tree.parent(&node("a0")), tree.hops(&node("a0"))), (None, 0));
    assert_eq!(tree.parent(&node("nobody")), None);
}

#[test]
fn another_region_is_entered_by_its_head_alone() {
    let nodes = room(&[("a", 2), ("b", 3), ("c", 3)]);
    let tree = grow("p", &nodes);
    check(&tree, &node("a0"), &nodes, FAN_OUT);
    let far = |hops| nodes.keys().filter(|node| tree.hops(node) == hops).count();
    assert_eq!((far(1), far(2), far(3)), (3, 4, 0), "a neighbour and two heads; the others");
}

#[test]
fn heads_are_shared_out_over_a_regions_nodes() {
    let nodes = room(&[("a", 1), ("b", 4)]);
    let mut heads: BTreeMap<NodeId, u32> = BTreeMap::new();
    for i in 0..400 {
        let tree = grow(&format!("p{i}"), &nodes);
        *heads.entry(tree.children(&node("a0")).next().unwrap().clone()).or_default() += 1;
    }
    assert!(heads.values().all(|n| (70..130).contains(n)) && heads.len() == 4, "{heads:?}");
}

#[test]
fn the_tree_is_the_same_in_all_releases() {
    let nodes = room(&[("a", 2), ("b", 2), ("c", 2)]);
    let of = |name| {
        let tree = grow(name, &nodes);
        nodes.keys().filter_map(|node| Some(tree.parent(node)?.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(of("p"), PARENTS_OF_P);
}

const PARENTS_OF_P: [&str; 5] = ["a0", "b1", "a0", "c1", "a0"];

#[test]
fn who_is_about_to_leave_serves_nobody_if_another_can() {
    let mut nodes = room(&[("a", 1), ("b", 3)]);
    for i in 0..50 {
        let name = format!("p{i}");
        let head = grow(&name, &nodes).children(&node("a0")).next().unwrap().clone();
        nodes.get_mut(&head).unwrap().leaving = true;
        let tree = grow(&name, &nodes);
        assert_ne!(tree.children(&node("a0")).next(), Some(&head));
        assert_eq!(tree.children(&head).count(), 0);
        nodes.get_mut(&head).unwrap().leaving = false;
    }
    let alone = BTreeMap::from([
        (node("a0"), nodes[&node("a0")].clone()),
        (node("b0"), Place { region: "b".to_owned(), leaving: true }),
        (node("b1"), Place { region: "b".to_owned(), leaving: true }),
    ]);
    check(&grow("p", &alone), &node("a0"), &alone, FAN_OUT);
}

#[test]
fn a_thousand_nodes_are_three_hops_away_and_more_widen_the_fan_out_alone() {
    let nodes = room(&[("a", 1_111)]);
    let tree = grow("p", &nodes);
    assert_eq!(tree.fan_out(), 10);
    check(&tree, &node("a0"), &nodes, 10);
    let nodes = room(&[("a", 1_112)]);
    let tree = grow("p", &nodes);
    assert_eq!(tree.fan_out(), 11);
    check(&tree, &node("a0"), &nodes, 11);
    let nodes = room(&[("a", 1), ("b", 111)]);
    assert_eq!(grow("p", &nodes).fan_out(), 10);
    let nodes = room(&[("a", 1), ("b", 112)]);
    let tree = grow("p", &nodes);
    assert_eq!(tree.fan_out(), 11);
    check(&tree, &node("a0"), &nodes, 11);
}

#[test]
fn more_regions_than_the_publishers_node_serves_are_reached_over_others() {
    let names: Vec<_> = (0..40).map(|i| format!("r{i}-")).collect();
    let mut regions: Vec<_> = names.iter().map(|name| (name.as_str(), 2)).collect();
    regions.push(("a", 5));
    let nodes = room(&regions);
    let tree = grow("p", &nodes);
    assert_eq!(tree.fan_out(), 10);
    check(&tree, &node("a0"), &nodes, 10);
}

#[test]
fn the_standby_parent_is_the_parent_of_tomorrow() {
    let nodes = room(&[("a", 2), ("b", 4)]);
    for i in 0..50 {
        let name = format!("p{i}");
        let tree = grow(&name, &nodes);
        for here in nodes.keys().filter(|here| **here != node("a0")) {
            let standby = standby(&producer(&name), &node("a0"), &nodes, here, FAN_OUT).unwrap();
            let parent = tree.parent(here).unwrap();
            assert_ne!((&standby, &standby), (parent, here));
            if *parent != node("a0") {
                let mut rest = nodes.clone();
                rest.remove(parent);
                assert_eq!(grow(&name, &rest).parent(here), Some(&standby));
            } else {
                assert_eq!(tree.parent(&standby), Some(&node("a0")), "which has it at first hand");
            }
        }
    }
    let two = room(&[("a", 2)]);
    assert_eq!(standby(&producer("p"), &node("a0"), &two, &node("a1"), FAN_OUT), None);
}

/// Nodes whose parent is another one, though neither the old nor the new one is the node that came.
fn moved(before: &Tree, after: &Tree, came: &NodeId, nodes: &BTreeMap<NodeId, Place>) -> usize {
    let others = nodes.keys().filter(|node| *node != came);
    let moved = others.filter(|node| {
        let (old, new) = (before.parent(node), after.parent(node));
        old != new && new != Some(came)
    });
    moved.count()
}

#[test]
fn a_node_that_comes_moves_few_others() {
    for (regions, came, most) in [
        (&[("a", 9), ("b", 5)][..], "b5", 0.2),
        (&[("a", 30), ("b", 30)][..], "a30", 2.5),
        (&[("a", 300)][..], "a300", 30.0),
    ] {
        let (mut all, came) = (0, node(came));
        for i in 0..100 {
            let (name, mut nodes) = (format!("p{i}"), room(regions));
            let before = grow(&name, &nodes);
            let region = came.as_str()[..1].to_owned();
            nodes.insert(came.clone(), Place { region, leaving: false });
            all += moved(&before, &grow(&name, &nodes), &came, &nodes);
        }
        let mean = f64::from(all as u32) / 100.0;
        assert!(mean <= most, "{regions:?}: {mean}");
    }
}

fn any_room() -> impl Strategy<Value = BTreeMap<NodeId, Place>> {
    let place = (0..6u8, any::<bool>())
        .prop_map(|(region, leaving)| Place { region: format!("r{region}"), leaving });
    btree_map((0..500u16).prop_map(|i| node(&format!("n{i}"))), place, 1..120)
}

proptest! {
    #[test]
    fn no_loop_three_hops_one_crossing_and_few_children(
        nodes in any_room(),
        origin: prop::sample::Index,
        name in "[a-z0-9]{1,12}",
        fan_out in 2..12usize,
    ) {
        let origin = origin.get(&nodes.keys().cloned().collect::<Vec<_>>()).clone();
        let tree = Tree::grow(&producer(&name), &origin, &nodes, fan_out);
        check(&tree, &origin, &nodes, tree.fan_out());
        prop_assert_eq!(tree.seats.len(), nodes.len() - 1);
        if nodes.len() <= fan_out {
            prop_assert_eq!(tree.fan_out(), fan_out);
        }
    }

    #[test]
    fn the_fan_out_is_widened_only_where_it_must(
        sizes in prop::collection::vec(1..40usize, 1..5),
        name in "[a-z0-9]{1,12}",
    ) {
        let names = ["a", "b", "c", "d"];
        let regions: Vec<_> = names.into_iter().zip(sizes).collect();
        let nodes = room(&regions);
        prop_assert_eq!(grow(&name, &nodes).fan_out(), FAN_OUT);
    }
}
