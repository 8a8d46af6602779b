use std::collections::BTreeSet;

use starling_proto::Id;

use super::*;

/// A node that watches others, a clock, and what the others answer.
struct Bed {
    now: Instant,
    watch: Liveness,
    counts: BTreeMap<NodeId, Sample>,
    /// Whose answers come, and whose packets.
    answering: BTreeSet<NodeId>,
    speaking: BTreeSet<NodeId>,
}

fn id(name: &str) -> NodeId {
    name.parse().unwrap()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

impl Bed {
    /// Links with all of these, link number 1, epoch 7.
    fn with(names: &[&str]) -> Self {
        let (now, mut watch) = (Instant::now(), Liveness::default());
        let all: BTreeSet<_> = names.iter().map(|name| id(name)).collect();
        all.iter().for_each(|node| watch.link_up(now, node, 1, 7, true));
        let targets = all.iter().map(|node| (node.clone(), 7)).collect();
        watch.set_targets(now, &targets);
        let (answering, speaking) = (all.clone(), all);
        Self { now, watch, counts: BTreeMap::new(), answering, speaking }
    }

    fn silence(&mut self, name: &str) {
        self.answering.remove(&id(name));
        self.speaking.remove(&id(name));
    }

    /// Polls until so long from now; those that answer do so to everything.
    fn run(&mut self, time: Duration) -> Vec<(u64, Action)> {
        let start = self.now;
        let mut seen = Vec::new();
        while self.now < start + time {
            self.now += POLL;
            for node in &self.speaking {
                let count = self.counts.entry(node.clone()).or_default();
                count.received += 1;
                count.answers += u64::from(self.answering.contains(node));
                self.watch.sample(self.now, node, 1, *count);
            }
            let at = (self.now - start).as_millis() as u64;
            seen.extend(self.watch.poll(self.now).into_iter().map(|action| (at, action)));
        }
        seen
    }

    fn down(&mut self, name: &str, end: End) -> Verdict {
        self.watch.link_down(self.now, &id(name), 1, 7, end)
    }

    /// `of` says when it last heard of `about`.
    fn told(&mut self, about: &str, ago: Duration) -> Option<Action> {
        self.watch.told(self.now, &id(about), 7, ago)
    }
}

fn asked(seen: &[(u64, Action)], whom: &str) -> usize {
    seen.iter()
        .filter(|(_, a)| matches!(a, Action::Ask { about, .. } if *about == id(whom)))
        .count()
}

fn probes(seen: &[(u64, Action)], whom: &str) -> Vec<u64> {
    let of = |(at, action): &(u64, Action)| (*action == Action::Probe(id(whom))).then_some(*at);
    seen.iter().filter_map(of).collect()
}

fn ended(seen: &[(u64, Action)]) -> Vec<u64> {
    let of = |(at, action): &(u64, Action)| matches!(action, Action::End { .. }).then_some(*at);
    seen.iter().filter_map(of).collect()
}

#[test]
fn a_link_with_traffic_costs_nothing() {
    let mut bed = Bed::with(&["a", "b"]);
    assert_eq!(bed.run(ms(10_000)), []);
    assert_eq!(bed.watch.counters(), LivenessCounters::default());
}

#[test]
fn an_idle_link_is_probed_and_one_answer_ends_all_doubt() {
    let mut bed = Bed::with(&["a"]);
    bed.silence("a");
    let seen = bed.run(ms(550));
    assert_eq!(probes(&seen, "a"), [200, 400, 450, 500, 550]);
    assert_eq!(bed.watch.counters().suspicions, 1);
    bed.answering.insert(id("a"));
    bed.speaking.insert(id("a"));
    assert_eq!(bed.run(ms(2_000)), []);
}

#[test]
fn a_node_that_nobody_reaches_is_given_up_within_a_second() {
    let mut bed = Bed::with(&["a", "b", "c", "d", "e"]);
    bed.silence("a");
    let seen = bed.run(ms(850));
    assert_eq!(ended(&seen), [850]);
    assert_eq!(asked(&seen, "a"), 4 * ASKED, "at 400, 550, 700 and 850 ms");
    // The others had their last answer just before it died, up to a probe later than we did.
    assert_eq!(bed.told("a", ms(450)), None);
    assert_eq!(bed.down("a", End::Silent), Verdict::Node);
    assert_eq!(bed.watch.verdict(&id("a")), Some(Verdict::Node));
}

#[test]
fn a_node_that_another_one_reaches_is_alive_and_the_link_is_not() {
    let mut bed = Bed::with(&["a", "b"]);
    bed.silence("a");
    bed.run(ms(750));
    assert_eq!(bed.told("a", ms(100)), None);
    bed.run(ms(100));
    assert_eq!(bed.down("a", End::Silent), Verdict::Link);
}

#[test]
fn whom_we_hear_and_who_does_not_answer_is_alive() {
    let mut bed = Bed::with(&["a"]);
    bed.answering.remove(&id("a"));
    let seen = bed.run(ms(850));
    assert_eq!((ended(&seen), bed.down("a", End::Silent)), (vec![850], Verdict::Link));
}

#[test]
fn with_nobody_to_ask_silence_is_death() {
    let mut bed = Bed::with(&["a", "b"]);
    bed.silence("a");
    bed.silence("b");
    let seen = bed.run(ms(850));
    assert_eq!(asked(&seen, "a"), 0, "b is as silent");
    assert_eq!(bed.down("a", End::Silent), Verdict::Node);
    assert_eq!(bed.down("b", End::Silent), Verdict::Node);
}

#[test]
fn an_older_release_is_neither_probed_nor_asked_and_has_more_time_before_suspicion() {
    let mut bed = Bed::with(&["a", "b"]);
    bed.watch.link_up(bed.now, &id("old"), 1, 7, false);
    let seen = bed.run(ms(850));
    assert_eq!((probes(&seen, "old").len(), ended(&seen)), (0, vec![850]));
    assert_eq!(asked(&seen, "old"), 4, "of a and b, at 700 and 850 ms");
    assert!(seen.iter().all(|(_, a)| !matches!(a, Action::Ask { of, .. } if *of == id("old"))));
}

#[test]
fn a_verdict_about_a_link_must_be_confirmed_and_is_changed_by_what_others_say() {
    let mut bed = Bed::with(&["a", "b"]);
    assert_eq!(bed.down("a", End::Theirs), Verdict::Link, "it said so itself");
    bed.silence("a");
    let changed = |verdict| Action::Changed { node: id("a"), epoch: 7, verdict };
    let seen = bed.run(CONFIRM);
    assert!(seen.contains(&(600, changed(Verdict::Node))), "{seen:?}");
    assert_eq!(bed.told("a", ms(700)), None, "an answer from before the link ended");
    assert_eq!(bed.told("a", ms(100)), Some(changed(Verdict::Link)));
    let seen = bed.run(VOUCHED_FOR);
    assert_eq!(asked(&seen, "a"), 5, "often in the first second, then once in each");
    assert!(seen.contains(&(2_900, changed(Verdict::Node))), "{seen:?}");
    let seen = bed.run(ms(20_000));
    assert_eq!(asked(&seen, "a"), 4, "every five seconds");
    assert_eq!(bed.watch.told(bed.now, &id("a"), 6, ms(1)), None, "an earlier life of it");
}

#[test]
fn one_that_left_is_gone_at_once() {
    let mut bed = Bed::with(&["a", "b"]);
    assert_eq!(bed.down("a", End::Left), Verdict::Node);
}

#[test]
fn who_did_not_look_does_not_judge() {
    let mut bed = Bed::with(&["a", "b"]);
    bed.run(ms(500));
    bed.now += Duration::from_secs(30);
    assert_eq!(bed.watch.poll(bed.now), [], "stopped for 30 s: nobody is silent yet");
    bed.silence("a");
    assert_eq!(ended(&bed.run(ms(800))).len(), 0);
    assert_eq!(ended(&bed.run(ms(50))), [50], "and has all the time to answer");
    assert_eq!(bed.watch.counters().stalls, 1);

    let mut bed = Bed::with(&["a", "b"]);
    bed.run(ms(500));
    bed.now += Duration::from_secs(30);
    assert_eq!(bed.down("a", End::Silent), Verdict::Link, "QUIC was faster to say so");
    bed.silence("a");
    let gone = Action::Changed { node: id("a"), epoch: 7, verdict: Verdict::Node };
    assert!(bed.run(ms(1_000)).contains(&(650, gone)), "600 ms after we look again");
}

#[test]
fn another_node_is_told_how_long_ago_and_the_next_answer_is_fetched() {
    let mut bed = Bed::with(&["a", "b"]);
    bed.run(ms(100));
    bed.silence("a");
    bed.run(ms(150));
    let probe = Some(Action::Probe(id("a")));
    assert_eq!(bed.watch.asked(bed.now, &id("a")), (Some((7, ms(150))), probe));
    assert_eq!(bed.watch.asked(bed.now, &id("a")), (Some((7, ms(150))), None), "one is under way");
    assert_eq!(bed.watch.asked(bed.now, &id("x")), (None, None));
    bed.down("a", End::Silent);
    assert_eq!(bed.watch.asked(bed.now, &id("a")), (None, None), "hearsay is not passed on");
}

#[test]
fn the_end_of_a_link_that_was_replaced_says_nothing() {
    let mut bed = Bed::with(&["a"]);
    bed.watch.link_up(bed.now, &id("a"), 2, 7, true);
    assert_eq!(bed.down("a", End::Ours), Verdict::Link);
    assert_eq!(bed.watch.verdict(&id("a")), None, "it has a link");
    bed.watch.link_up(bed.now, &id("a"), 3, 8, true);
    assert_eq!(bed.down("a", End::Ours), Verdict::Node, "that life is over");
}

#[test]
fn nodes_that_are_not_wanted_any_more_are_forgotten() {
    let mut bed = Bed::with(&["a", "b"]);
    bed.down("a", End::Left);
    bed.watch.set_targets(bed.now, &BTreeMap::new());
    assert_eq!(bed.watch.verdict(&id("a")), None);
    bed.down("b", End::Ours);
    bed.watch.set_targets(bed.now, &BTreeMap::new());
    assert!(bed.watch.is_idle());
}

#[test]
fn a_node_that_was_started_again_behind_a_cut_link_is_found_in_its_new_life() {
    let mut bed = Bed::with(&["a", "b"]);
    bed.silence("a");
    bed.run(ms(850));
    assert_eq!(bed.down("a", End::Silent), Verdict::Node);
    bed.run(ms(2_000));
    let told = |bed: &mut Bed, epoch| bed.watch.told(bed.now, &id("a"), epoch, ms(100));
    assert_eq!(told(&mut bed, 6), None, "an older life");
    let (node, verdict) = (id("a"), Verdict::Link);
    assert_eq!(told(&mut bed, 9), Some(Action::Changed { node, epoch: 9, verdict }));
    assert_eq!(told(&mut bed, 7), None, "that life is over");
    let seen = bed.run(ms(2_000));
    let of_it = |(_, action): &(u64, Action)| matches!(action, Action::Ask { epoch: 9, .. });
    assert!(seen.iter().any(of_it), "{seen:?}");
}

#[test]
fn about_a_node_that_never_had_a_link_others_are_asked_after_a_while() {
    let mut bed = Bed::with(&["a"]);
    let targets = BTreeMap::from([(id("a"), 7), (id("new"), 3)]);
    bed.watch.set_targets(bed.now, &targets);
    assert_eq!(asked(&bed.run(ms(5_900)), "new"), 0, "its link may come up");
    assert_eq!(asked(&bed.run(ms(5_000)), "new"), 1);
    let found = bed.watch.told(bed.now, &id("new"), 3, ms(100));
    let (node, verdict) = (id("new"), Verdict::Link);
    assert_eq!(found, Some(Action::Changed { node, epoch: 3, verdict }));
}

#[test]
fn a_thousand_silent_links_stay_within_the_bounds_and_none_is_starved() {
    let names: Vec<_> = (0..1_000).map(|n| format!("n{n}")).collect();
    let mut bed = Bed::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    (bed.answering, bed.speaking) = (BTreeSet::new(), BTreeSet::new());
    let seen = bed.run(ms(800));
    let sent = seen.iter().filter(|(_, action)| matches!(action, Action::Probe(_)));
    let mut by_node: BTreeMap<_, u32> = BTreeMap::new();
    sent.for_each(|(_, action)| *by_node.entry(format!("{action:?}")).or_default() += 1);
    let total: u32 = by_node.values().sum();
    assert!((2_000..=PROBES_PER_SECOND).contains(&total), "{total}");
    assert_eq!(by_node.len(), 1_000, "each has its turn");
}

/// All links of a large cluster fall idle at once, twice a second: after its nodes told their load.
#[test]
fn a_thousand_idle_links_that_wait_for_their_probes_are_not_suspected() {
    let names: Vec<_> = (0..999).map(|at| format!("n{at}")).collect();
    let mut bed = Bed::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
    bed.speaking.clear();
    let mut answers = vec![0; names.len()];
    for poll in 0..60_u64 {
        bed.now += POLL;
        for (name, answers) in names.iter().zip(&mut answers) {
            *answers += u64::from(poll.is_multiple_of(10));
            let sample = Sample { received: *answers, answers: *answers };
            bed.watch.sample(bed.now, &id(name), 1, sample);
        }
        for action in bed.watch.poll(bed.now) {
            let Action::Probe(node) = action else { panic!("at poll {poll}: {action:?}") };
            answers[node.as_str()[1..].parse::<usize>().unwrap()] += 1;
        }
    }
    let seen = bed.watch.counters();
    assert_eq!((seen.suspicions, seen.asked), (0, 0));
    assert!(seen.probes <= 3 * u64::from(PROBES_PER_SECOND) + 400, "{seen:?}");
}
