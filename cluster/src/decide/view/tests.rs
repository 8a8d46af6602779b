use starling_proto::{Id, link::PlacedJoins};

use super::*;
use crate::{
    decide::{placement::Decision, standby::standby},
    registry::View,
};

fn record(id: &str) -> NodeRecord {
    NodeRecord {
        id: id.parse().unwrap(),
        epoch: 1,
        region: String::new(),
        zone: String::new(),
        link_addr: ([127, 0, 0, 1], 7443).into(),
        api_url: "http://n".into(),
        version: String::new(),
        protocol: (1, 1),
        state: NodeState::Up,
        cordoned: false,
        load: NodeLoad::default(),
        cost: None,
    }
}

fn view_with_a_linked_node() -> (ClusterView, NodeId) {
    let mut view = ClusterView::new(record("here"));
    let other: NodeId = "other".parse().unwrap();
    let event = WatchEvent::Change(Change::Node(other.clone(), Some(record("other"))));
    view.on_registry(Instant::now(), event);
    view.link_up(other.clone());
    (view, other)
}

#[test]
fn a_node_that_the_registry_loses_is_kept_while_its_link_is_up() {
    let (mut view, other) = view_with_a_linked_node();
    view.on_registry(Instant::now(), WatchEvent::Change(Change::Node(other.clone(), None)));
    assert_eq!(view.targets().len(), 1);
    assert!(view.reachable().contains_key(&other));
    view.link_down(&other);
    assert_eq!(view.targets().len(), 0);
}

#[test]
fn a_wiped_registry_changes_no_link() {
    let (mut view, other) = view_with_a_linked_node();
    view.on_registry(Instant::now(), WatchEvent::Snapshot(View::default()));
    assert_eq!(view.targets().len(), 1);
    let back = WatchEvent::Change(Change::Node(other, Some(record("other"))));
    view.on_registry(Instant::now(), back);
    assert_eq!(view.targets().len(), 1);
}

#[test]
fn a_life_that_ended_in_the_registry_and_out_of_reach_is_over() {
    let (mut view, other) = view_with_a_linked_node();
    let gone = || WatchEvent::Change(Change::Node(other.clone(), None));
    let back = |epoch| {
        let record = NodeRecord { epoch, ..record("other") };
        WatchEvent::Change(Change::Node(other.clone(), Some(record)))
    };
    let wanted = |view: &ClusterView| view.targets()[0].epoch;
    // The registry alone is no judge, nor is a link; whichever comes first.
    view.on_registry(Instant::now(), gone());
    view.on_registry(Instant::now(), back(1));
    view.link_down(&other);
    assert_eq!(wanted(&view), 1);
    view.on_registry(Instant::now(), gone());
    view.on_registry(Instant::now(), back(1));
    assert_eq!(wanted(&view), 2, "epoch 1 is refused");
    view.on_registry(Instant::now(), back(9));
    assert_eq!(wanted(&view), 9);
    let nodes = [(other.clone(), NodeRecord { epoch: 9, ..record("other") })];
    let same = View { nodes: BTreeMap::from(nodes), ..View::default() };
    view.on_registry(Instant::now(), WatchEvent::Snapshot(same));
    assert_eq!(wanted(&view), 9, "a registry that is back has lost nobody");
    view.link_up(other.clone());
    view.on_registry(Instant::now(), gone());
    view.link_down(&other);
    view.on_registry(Instant::now(), back(9));
    assert_eq!(wanted(&view), 10);
}

#[test]
fn a_node_that_another_one_reaches_lives_on_with_its_rooms_and_gets_no_clients() {
    let (mut view, other) = view_with_a_linked_node();
    let room: RoomId = "r".parse().unwrap();
    view.on_room(other.clone(), room.clone(), true);
    view.link_cut(&other);
    view.on_registry(Instant::now(), WatchEvent::Change(Change::Node(other.clone(), None)));
    assert_eq!(view.targets().len(), 1);
    assert_eq!(view.others_of(&room), BTreeSet::from([other.clone()]));
    assert!(!view.reachable().contains_key(&other));
    view.link_down(&other);
    assert!(view.targets().is_empty() && view.others_of(&room).is_empty());
}

#[test]
fn a_room_that_ended_behind_a_cut_link_is_not_there_when_the_link_is_back() {
    let (mut view, other) = view_with_a_linked_node();
    let [ended, open] = ["ended", "open"].map(|room| room.parse::<RoomId>().unwrap());
    view.on_room(other.clone(), ended.clone(), true);
    view.link_cut(&other);
    view.link_up(other.clone());
    view.on_room(other.clone(), open.clone(), true);
    assert!(view.others_of(&ended).is_empty(), "nobody would ever delete its record");
    assert_eq!(view.others_of(&open), BTreeSet::from([other]));
}

#[test]
fn a_newer_life_of_this_node_is_noticed() {
    let (mut view, _) = view_with_a_linked_node();
    let mut of = |epoch| {
        let record = NodeRecord { epoch, ..record("here") };
        let event = Change::Node("here".parse().unwrap(), Some(record));
        view.on_registry(Instant::now(), WatchEvent::Change(event));
        view.is_succeeded()
    };
    assert!(!of(1) && of(2));
    view.renew(3);
    assert!(!view.is_succeeded());
}

#[test]
fn standby_nodes_are_the_first_of_those_it_reaches_as_they_told_last() {
    let mut view = ClusterView::new(record("n-0"));
    let now = Instant::now();
    for at in 1..6 {
        let node: NodeId = format!("n-{at}").parse().unwrap();
        let known = Change::Node(node.clone(), Some(record(node.as_str())));
        view.on_registry(now, WatchEvent::Change(known));
        if at != 2 {
            view.link_up(node.clone());
        }
        let state = if at == 3 { NodeState::Draining } else { NodeState::Up };
        view.on_load(now, node, NodeLoad::default(), state);
    }
    let (policy, not) = (RoomPolicy::default(), BTreeSet::from(["n-4".parse().unwrap()]));
    let mut named = BTreeSet::new();
    for room in (0..40).map(|at| format!("r{at}").parse::<RoomId>().unwrap()) {
        let first = view.standby(&room, &policy, &not, 2);
        assert_eq!(first, standby(&room, &policy, &view.reachable(), &not, 2));
        named.extend(first);
    }
    let named: Vec<_> = named.iter().map(Id::as_str).collect();
    assert_eq!(named, ["n-0", "n-1", "n-5"], "2 has no link, 3 drains, 4 is excluded");
    assert_eq!(view.node(&"n-3".parse().unwrap()).unwrap().state, NodeState::Draining);
    assert_eq!(view.node(&"n-2".parse().unwrap()), None);
}

/// The fast way counts when something changes, the slow one whenever it is asked.
#[test]
fn joins_on_their_way_are_counted_as_if_each_were_looked_at_each_time() {
    let mut view = ClusterView::new(record("here"));
    let start = Instant::now();
    let nodes: Vec<NodeId> = (0..3).map(|at| format!("n-{at}").parse().unwrap()).collect();
    for node in &nodes {
        let known = Change::Node(node.clone(), Some(record(node.as_str())));
        view.on_registry(start, WatchEvent::Change(known));
        view.link_up(node.clone());
    }
    let room: RoomId = "r".parse().unwrap();
    let (mut random, mut counted) = (7_u64, 0);
    for step in 0..3_000_u64 {
        // Knuth's MMIX generator.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let node = nodes[(random >> 33) as usize % 3].clone();
        // Now and then nobody tells anything for longer than joins are held.
        let now = start + Duration::from_millis(step * 97 + step / 500 * 16_000);
        match (random >> 40) % 6 {
            0 => view.on_load(now, node, NodeLoad::default(), NodeState::Up),
            1 => view.on_placed(now, &[PlacedJoins { room: room.clone(), node, joins: 2 }]),
            2 if random >> 50 == 0 => view.link_cut(&node),
            3 => view.link_up(node),
            _ => view.reserve(now, &room, &Decision::Node(node)),
        }
        let later = now + Duration::from_millis(random >> 50);
        for candidate in view.candidates(later) {
            let id = &candidate.record.id;
            let told = view.others.get(id).and_then(|other| other.told);
            let reported = told.map_or(later, |told| told.at);
            let slow = view.reservations.count(later, id, reported);
            assert_eq!(candidate.placed, slow, "{id} at step {step}");
            counted += slow;
        }
    }
    assert!(counted > 10_000, "{counted}");
}
