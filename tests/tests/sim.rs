//! The simulated cluster: what is committed stays clean, and each invariant finds what it is for.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use starling_proto::link::VERSION_MAX;
use starling_tests::sim::{
    fault::Fault,
    oracle::Invariant,
    plan::{Action, ClientPlan, NodePlan, Plan, Timed},
    plant::Plant,
    report::Totals,
    run::run,
    scale,
};

/// Runs seeds on two threads.
fn runs(seeds: u64, plant: Option<Plant>) -> Totals {
    let next = AtomicU64::new(0);
    let work = || {
        let mut totals = Totals::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return totals;
            }
            totals.add(run(Plan::of(seed), plant, None));
        }
    };
    thread::scope(|scope| {
        let (a, b) = (scope.spawn(work), scope.spawn(work));
        let done = [a, b].map(|it| it.join().expect("a run does not panic"));
        done.into_iter().fold(Totals::default(), Totals::and)
    })
}

#[test]
fn three_hundred_clusters_under_faults_stay_sane_and_come_back() {
    let totals = runs(300, None);
    let lines = totals.lines(std::time::Duration::ZERO).join("\n");
    assert!(totals.is_clean(), "{lines}");
    for fault in Fault::ALL {
        let (runs, _) = totals.faults.get(&fault).copied().unwrap_or_default();
        assert!(runs >= 3, "{fault:?} took effect in {runs} runs:\n{lines}");
    }
    assert!(totals.packets > 1_000_000, "{lines}");
}

#[test]
fn each_planted_bug_is_found_by_the_invariant_it_is_for_and_by_no_other() {
    for plant in Plant::ALL {
        let totals = runs(60, Some(plant));
        let found = totals.red.iter().filter_map(|outcome| outcome.violation.as_ref());
        let found: BTreeSet<Invariant> = found.map(|violation| violation.invariant).collect();
        assert_eq!(found, BTreeSet::from([plant.found_by()]), "{plant:?}");
    }
}

#[test]
fn every_invariant_has_a_bug_that_it_finds() {
    let found: BTreeSet<_> = Plant::ALL.into_iter().map(Plant::found_by).collect();
    assert_eq!(found.len(), 11);
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    let trace = || {
        let mut lines = Vec::new();
        let mut keep = |line| lines.push(line);
        let outcome = run(Plan::of(5), None, Some(&mut keep));
        (outcome.events, outcome.packets, lines)
    };
    let (first, second) = (trace(), trace());
    assert!(first == second, "traces of {} and {} events differ", first.0, second.0);
}

#[test]
fn a_join_to_a_room_that_its_node_has_writes_nothing_and_loads_stay_even() {
    let report = scale::run(scale::Size { nodes: 60, rooms: 2_000, peers: 20_000 });
    let lines = report.lines().join("\n");
    assert_eq!(report.writes_of_others, 0, "{lines}");
    // The room's record, and that the node has it.
    assert_eq!((report.writes[2], report.writes[3]), (2_000, 0), "{lines}");
    // Who answers all of them knows all of them; the others do not hear of a tenth of a second's.
    for ((most, mean), bound) in [(report.fullest, 1.5), (report.crowded[0], 2.0)] {
        assert!(most as f64 <= bound * mean, "{lines}");
    }
    assert_eq!(report.watching.wronged, 0, "{lines}");
}

/// Ann is on node 0, and somebody takes her name on node 1, while only node 2 reaches both, and
/// node 1 has not heard of her; bob and eve are on nodes 0 and 2. `more` befalls them before.
fn two_anns(more: impl IntoIterator<Item = Timed>) -> Plan {
    let node = || NodePlan { region: 0, skew_us: 0, speaks: VERSION_MAX };
    let client = |name: &str, clone| ClientPlan {
        room: 0,
        name: name.to_owned(),
        sources: 1,
        reach_ms: 5,
        clone,
    };
    let join = |at, client, node| Timed { at, action: Action::Join { client, node } };
    let part = |at, a, b| Timed { at, action: Action::Part { a, b } };
    let before = [join(1_000, 2, 0), join(1_000, 3, 2), part(5_000, 0, 1)];
    let after = [
        part(7_500, 1, 2),
        join(8_000, 0, 0),
        join(9_000, 1, 1),
        Timed { at: 12_000, action: Action::Unite { a: 1, b: 2 } },
    ];
    Plan {
        seed: 1,
        nodes: vec![node(), node(), node()],
        fan_out: 1,
        clients: vec![
            client("ann", false),
            client("ann", true),
            client("bob", false),
            client("eve", false),
        ],
        actions: before.into_iter().chain(more).chain(after).collect(),
    }
}

#[test]
fn a_session_behind_a_cut_link_is_known_by_way_of_a_third_node() {
    let outcome = run(two_anns([]), None, None);
    assert!(outcome.is_clean(), "{outcome:?}");
}

#[test]
fn so_is_one_on_a_node_that_was_started_again_behind_it() {
    let again = [
        Timed { at: 5_500, action: Action::Crash { node: 1 } },
        Timed { at: 6_000, action: Action::Restart { node: 1 } },
    ];
    let outcome = run(two_anns(again), None, None);
    assert!(outcome.is_clean(), "{outcome:?}");
}
