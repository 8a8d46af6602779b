//! Several nodes' pulls on a wire that delivers in order per link.

mod net;
mod properties;

use std::time::{Duration, Instant};

use net::{Net, node, producer};
use starling_proto::flow::FlowId;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn all(net: &Net, at: &[&str]) -> bool {
    at.iter().all(|name| net.hears(name))
}

#[test]
fn a_neighbour_pulls_from_the_publishers_node_and_lets_go_after_the_last() {
    let mut net = Net::new(&["a0", "a1"], 10);
    net.publish("a0");
    net.consume("a1");
    assert!(net.hears("a1"));
    assert_eq!(net.path("a1"), ["a0"]);
    net.unconsume("a1");
    assert!(net.is_idle());
}

#[test]
fn a_node_without_consumers_pulls_for_those_below_it_and_lets_go_with_them() {
    let mut net = Net::new(&["a0", "b0", "b1", "b2"], 10);
    net.publish("a0");
    let head = net.head("b");
    let users: Vec<_> = ["b0", "b1", "b2"].into_iter().filter(|name| *name != head).collect();
    users.iter().for_each(|name| net.consume(name));
    assert!(all(&net, &users));
    assert_eq!(net.path(users[0]), ["a0", &head]);
    assert_eq!(net.served_by("a0"), 1, "one crossing");
    assert_eq!(net.served_by(&head), 2);
    users.iter().for_each(|name| net.unconsume(name));
    assert!(net.is_idle());
}

#[test]
fn three_hops_are_three_links_and_each_node_serves_few() {
    let names: Vec<_> = (0..7).map(|i| format!("b{i}")).chain(["a0".to_owned()]).collect();
    let mut net = Net::new(&names, 2);
    net.publish("a0");
    names[..7].iter().for_each(|name| net.consume(name));
    assert!(names[..7].iter().all(|name| net.hears(name)));
    let furthest = names.iter().map(|name| net.path(name).len()).max();
    assert_eq!(furthest, Some(3));
    assert!(names.iter().all(|name| net.served_by(name) <= 2));
}

#[test]
fn a_parent_that_dies_is_replaced_by_the_standby_at_once() {
    let mut net = Net::new(&["a0", "b0", "b1", "b2"], 10);
    net.publish("a0");
    ["b0", "b1", "b2"].iter().for_each(|name| net.consume(name));
    let head = net.head("b");
    net.kill(&head);
    let rest: Vec<_> = ["b0", "b1", "b2"].into_iter().filter(|name| *name != head).collect();
    assert!(all(&net, &rest), "without a tick");
    assert_eq!(net.served_by("a0"), 1);
    net.pass(MS(3_000));
    assert_eq!(net.served_by("a0"), 1, "and it stays so");
}

#[test]
fn a_node_that_comes_takes_over_only_when_it_has_the_stream() {
    for i in 0..20 {
        let mut net = Net::new(&["a0", "b0", "b1"], 10).of(&format!("p{i}"));
        net.publish("a0");
        ["b0", "b1"].iter().for_each(|name| net.consume(name));
        net.add("b2");
        let before = net.gaps();
        net.pass(MS(1_900));
        assert_ne!(net.head("b"), "nobody");
        assert_eq!(net.served_by("a0"), 1, "nothing moves at once");
        net.pass(MS(2_000));
        assert_eq!(net.path(&net.head("b")), ["a0"], "producer p{i}");
        assert_eq!(net.served_by("a0"), 1);
        assert!(all(&net, &["b0", "b1"]));
        assert_eq!(net.gaps(), before, "nobody was detached for it");
    }
}

#[test]
fn a_parent_that_stays_dry_is_given_up_for_the_standby_and_asked_again_later() {
    let mut net = Net::new(&["a0", "b0", "b1", "b2"], 10);
    net.publish("a0");
    let head = net.head("b");
    net.mute(&head);
    let user = ["b0", "b1", "b2"].into_iter().find(|name| *name != head).unwrap();
    net.consume(user);
    assert!(!net.hears(user));
    net.pass(MS(990));
    assert!(!net.hears(user));
    // The standby may wait for the same parent, for another second.
    net.pass(MS(1_020));
    assert!(net.hears(user));
    assert_ne!(net.path(user)[net.path(user).len() - 1], head);
    net.unmute(&head);
    net.pass(MS(8_000));
    assert_eq!(net.path(user), ["a0", &head]);
}

#[test]
fn a_link_that_is_cut_is_gone_round_by_another_node() {
    let mut net = Net::new(&["a0", "a1", "a2"], 10);
    net.publish("a0");
    ["a1", "a2"].iter().for_each(|name| net.consume(name));
    net.cut("a0", "a2");
    assert_eq!(net.path("a2"), ["a0", "a1"]);
    net.mend("a0", "a2");
    net.pass(MS(3_000));
    assert_eq!(net.path("a2"), ["a0"]);
}

#[test]
fn a_head_that_loses_the_publishers_node_goes_round_by_those_below_it_at_once() {
    let mut net = Net::new(&["a0", "b0", "b1"], 10);
    net.publish("a0");
    ["b0", "b1"].iter().for_each(|name| net.consume(name));
    let head = net.head("b");
    let other = if head == "b0" { "b1" } else { "b0" };
    assert_eq!(net.path(other), ["a0", &head]);
    net.cut("a0", &head);
    assert!(all(&net, &["b0", "b1"]), "without a tick");
    assert_eq!(net.path(&head), ["a0", other]);
    net.pass(MS(8_000));
    assert_eq!(net.path(&head), ["a0", other], "and it stays so");
    net.mend("a0", &head);
    net.pass(MS(8_000));
    assert_eq!(net.path(other), ["a0", &head]);
}

#[test]
fn who_does_not_reach_the_publishers_node_asks_one_after_the_other() {
    let mut net = Net::new(&["a0", "b0", "b1", "c0", "c1"], 10);
    net.publish("a0");
    let (head, user) = match net.head("b").as_str() {
        "b0" => ("b0", "b1"),
        _ => ("b1", "b0"),
    };
    net.consume(user);
    net.cut("a0", head);
    net.cut("a0", user);
    net.cut(head, user);
    net.pass(MS(8_000));
    assert!(net.hears(user), "by region c, of which nobody wants it");
    net.unconsume(user);
    assert!(net.is_idle());
}

#[test]
fn who_is_asked_before_it_has_heard_of_a_producer_waits_for_word_of_it() {
    let mut net = Net::new(&["a0", "b0", "b1"], 10);
    let head = net.head("b");
    let user = if head == "b0" { "b1" } else { "b0" };
    net.publish_to("a0", &["a0", user]);
    net.consume(user);
    assert!(!net.hears(user));
    net.wants(user, &head, 0b101);
    net.tell(&head);
    assert!(net.hears(user));
    assert_eq!(net.layers(&head), [0b101], "as it was told meanwhile");
    let mut net = Net::new(&["a0", "b0", "b1"], 10);
    net.publish_to("a0", &["a0", user]);
    net.consume(user);
    net.pass(MS(499));
    assert!(!net.hears(user));
    net.pass(MS(2));
    assert_eq!(net.path(user), ["a0"], "refused, it goes to its standby: there is no third node");
}

#[test]
fn who_loses_sight_of_a_publisher_sends_those_below_it_elsewhere() {
    let mut net = Net::new(&["a0", "b0", "b1", "b2"], 10);
    net.publish("a0");
    ["b0", "b1", "b2"].iter().for_each(|name| net.consume(name));
    let head = net.head("b");
    net.lose_sight(&head);
    let rest: Vec<_> = ["b0", "b1", "b2"].into_iter().filter(|name| *name != head).collect();
    assert!(!all(&net, &rest));
    net.pass(MS(1_010));
    assert!(all(&net, &rest), "after as long as anything may stay dry");
    net.pass(MS(8_000));
    assert!(all(&net, &rest), "also when the tree has them ask there again");
    assert_eq!(net.served_by(&head), 0);
}

#[test]
fn nodes_that_relay_nothing_are_left_out_and_pull_for_themselves() {
    let mut net = Net::new(&["a0", "b0", "b1", "b2"], 10);
    net.speaks_three("b1");
    net.publish("a0");
    ["b0", "b1", "b2"].iter().for_each(|name| net.consume(name));
    assert!(all(&net, &["b0", "b1", "b2"]));
    assert_eq!((net.path("b1"), net.served_by("b1")), (vec!["a0".to_owned()], 0));
    assert_eq!(net.served_by("a0"), 2);
    let mut net = Net::new(&["a0", "b0", "b1", "b2"], 10);
    net.speaks_three("a0");
    net.publish("a0");
    ["b0", "b1", "b2"].iter().for_each(|name| net.consume(name));
    assert!(all(&net, &["b0", "b1", "b2"]));
    assert_eq!(net.served_by("a0"), 1, "and what comes from one is relayed by others");
}

#[test]
fn a_publisher_that_moves_is_followed_by_all() {
    let mut net = Net::new(&["a0", "a1", "b0", "b1"], 10);
    net.publish("a0");
    ["a1", "b0", "b1"].iter().for_each(|name| net.consume(name));
    net.move_to("a1", "new");
    assert!(all(&net, &["b0", "b1"]));
    assert_eq!(net.served_by("a1"), 1);
    assert!(net.served_by("a0") > 0, "until what it sent last is of no use any more");
    net.pass(HANDOVER);
    assert_eq!((net.served_by("a1"), net.served_by("a0")), (1, 0));
    for name in ["b0", "b1"] {
        net.unconsume(name);
    }
    net.pass(MS(100));
    assert!(net.is_idle());
}

#[test]
fn who_stays_on_a_node_follows_a_publisher_that_leaves_it() {
    let mut net = Net::new(&["a0", "a1", "b0"], 10);
    net.publish("a0");
    ["a0", "b0"].iter().for_each(|name| net.consume(name));
    net.move_to("a1", "new");
    assert!(all(&net, &["a0", "b0"]));
    assert_eq!(net.path("a0"), ["a1"]);
    net.move_to("a0", "newer");
    net.pass(HANDOVER);
    assert_eq!((net.served_by("a0"), net.served_by("a1")), (1, 0), "to b0 alone");
    for name in ["a0", "b0"] {
        net.unconsume(name);
    }
    assert!(net.is_idle());
}

/// A node `b0` that consumes `p` of `a0` by the first flow, and a moment later.
fn user() -> (Pulls, Instant, impl FnMut(&NodeId) -> Option<FlowId>) {
    let mut pulls = Pulls::new(node("b0"));
    let now = Instant::now();
    let reach = || Reach { place: Place::default(), relays: false };
    let nodes = ["a0", "a1", "b0"].map(|name| (node(name), reach()));
    let _ = pulls.set_nodes(now, nodes.into(), BTreeSet::new(), &mut |_| None);
    let mut last = 0;
    let mut flows = move |_: &NodeId| {
        last += 1;
        Some(FlowId(last))
    };
    let _ = pulls.used(now, &producer("p"), &node("a0"), &mut flows);
    let later = now + SETTLE;
    let _ = pulls.tick(later, &mut flows);
    (pulls, later, flows)
}

/// Flows that were closed, and producers that ended.
fn ends(actions: &[Action]) -> (Vec<u64>, Vec<ProducerId>) {
    let flows = actions.iter().filter_map(|action| match action {
        Action::Close { flow, .. } => Some(flow.0),
        _ => None,
    });
    let producers = actions.iter().filter_map(|action| match action {
        Action::End(producer) => Some(producer.clone()),
        _ => None,
    });
    (flows.collect(), producers.collect())
}

#[test]
fn what_a_publisher_that_moved_sent_before_is_kept_for_two_seconds_and_then_let_go() {
    let (mut pulls, now, mut flows) = user();
    let (p, q) = (producer("p"), producer("q"));
    let moved = pulls.replaced(now, (&p, &q), &node("a1"), true, &mut flows);
    let attach = Action::Attach { producer: q.clone(), node: node("a1"), flow: FlowId(2) };
    assert!(moved.contains(&attach), "{moved:?}");
    assert_eq!(ends(&moved), (vec![], vec![]));
    let in_use = |pulls: &Pulls| pulls.flows_with(&node("a0")).count();
    assert_eq!(in_use(&pulls), 1);
    assert_eq!(pulls.next_deadline(), Some(now + HANDOVER));
    assert_eq!(pulls.tick(now + HANDOVER - MS(1), &mut flows), []);
    assert_eq!(ends(&pulls.tick(now + HANDOVER, &mut flows)), (vec![1], vec![p]));
    assert_eq!(in_use(&pulls), 0);
    assert_eq!(pulls.next_deadline(), None);
}

#[test]
fn flows_that_are_dead_already_are_not_closed_when_their_time_is_up() {
    let (p, q) = (producer("p"), producer("q"));
    let (mut pulls, now, mut flows) = user();
    let _ = pulls.replaced(now, (&p, &q), &node("a1"), true, &mut flows);
    let _ = pulls.lose(now + MS(1), &node("a0"), &mut flows);
    assert_eq!(ends(&pulls.tick(now + HANDOVER, &mut flows)), (vec![], vec![p.clone()]));
    let (mut pulls, now, mut flows) = user();
    let _ = pulls.replaced(now, (&p, &q), &node("a1"), true, &mut flows);
    let _ = pulls.over(now + MS(1), &node("a0"), FlowId(1), &mut flows);
    assert_eq!(ends(&pulls.tick(now + HANDOVER, &mut flows)), (vec![], vec![p]));
}

#[test]
fn a_session_that_is_the_true_one_again_does_not_end_when_its_time_is_up() {
    let (p, q) = (producer("p"), producer("q"));
    let (mut pulls, now, mut flows) = user();
    let _ = pulls.replaced(now, (&p, &q), &node("a1"), true, &mut flows);
    let back = pulls.replaced(now + MS(9), (&q, &p), &node("a0"), true, &mut flows);
    assert_eq!(ends(&back), (vec![1], vec![]), "it is pulled anew");
    let later = pulls.tick(now + HANDOVER + MS(9), &mut flows);
    assert_eq!(ends(&later), (vec![2], vec![q]));
    assert!(pulls.has(&p));
}

#[test]
fn nodes_that_found_themselves_on_the_way_refuse() {
    let flow = FlowId(1);
    let mut pulls = Pulls::new(node("b0"));
    let now = Instant::now();
    let ask = |pulls: &mut Pulls, from: &str, hops: &[&str]| {
        let hops = Some(hops.iter().map(|name| node(name)).collect());
        let request = Request { flow, producer: producer("p"), layers: 0, hops };
        pulls.asked(now, &node(from), request, Some(&node("a0")), &mut |_| Some(FlowId(2)))
    };
    let refused = vec![Action::Refuse { node: node("b1"), flow }];
    assert_eq!(ask(&mut pulls, "b1", &["b0", "b1"]), refused, "itself");
    assert_eq!(ask(&mut pulls, "b1", &["b2"]), refused, "not for whom it says");
    assert_eq!(ask(&mut pulls, "b1", &["b3", "b2", "b1"]), refused, "too long a way");
    let of_itself = ask(&mut pulls, "a0", &["a0"]);
    assert_eq!(of_itself, [Action::Refuse { node: node("a0"), flow }], "its own");
    assert!(!pulls.has(&producer("p")));
}

#[test]
fn who_is_sent_away_at_once_is_not_served() {
    let mut net = Net::new(&["a0", "b0", "c0"], 10);
    net.publish("a0");
    for name in ["b0", "c0"] {
        net.cut("a0", name);
    }
    // It asks the other one, which has nobody to ask but itself.
    net.consume("b0");
    net.pass(Duration::from_secs(20));
    assert_eq!(net.served_by("c0"), 0);
    net.unconsume("b0");
    assert!(net.is_idle());
}

#[test]
fn a_path_with_this_node_in_it_is_left() {
    let mut net = Net::new(&["a0", "b0", "b1", "b2"], 10);
    net.publish("a0");
    let head = net.head("b");
    let user = ["b0", "b1", "b2"].into_iter().find(|name| *name != head).unwrap();
    net.consume(user);
    net.say_path(&head, user, &["a0", user, &head]);
    assert!(net.hears(user));
    assert_ne!(net.path(user)[net.path(user).len() - 1], head);
}

#[test]
fn what_the_publishers_node_refuses_is_asked_for_once_a_second_and_when_it_tells_its_roster() {
    let mut pulls = Pulls::new(node("a1"));
    let now = Instant::now();
    let reach = || Reach { place: Place::default(), relays: true };
    let nodes = [("a0", reach()), ("a1", reach())].map(|(name, reach)| (node(name), reach));
    let _ = pulls.set_nodes(now, nodes.into(), BTreeSet::new(), &mut |_| None);
    let mut flow = 0;
    let mut flows = |_: &NodeId| {
        flow += 2;
        Some(FlowId(flow))
    };
    let opens = |actions: &[Action]| {
        actions.iter().filter(|action| matches!(action, Action::Open { .. })).count()
    };
    let first = pulls.used(now, &producer("p"), &node("a0"), &mut flows);
    assert_eq!(opens(&first), 1);
    let refused = pulls.over(now, &node("a0"), FlowId(2), &mut flows);
    assert_eq!(refused, [Action::Detach(producer("p")), Action::AskRoster(node("a0"))]);
    assert_eq!(pulls.tick(now + MS(999), &mut flows), []);
    assert_eq!(opens(&pulls.tick(now + MS(1_000), &mut flows)), 1);
    let again = pulls.over(now + MS(1_001), &node("a0"), FlowId(4), &mut flows);
    assert!(again.contains(&Action::AskRoster(node("a0"))), "{again:?}");
    assert_eq!(opens(&pulls.told(now + MS(1_100), &node("a0"), &mut flows)), 1);
}
