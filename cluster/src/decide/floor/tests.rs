use super::*;

fn id(text: &str) -> ProducerId {
    text.parse().unwrap()
}

fn node(text: &str) -> NodeId {
    text.parse().unwrap()
}

fn voice(producer: &str, volume: i8, speech: Speech) -> Voice {
    Voice { producer: id(producer), volume, speech }
}

const LOUD: Speech = Speech { immediate: 10, medium: 5, long: 8 };
const QUIET: Speech = Speech { immediate: 0, medium: 0, long: 0 };

fn at(start: Instant, ms: u64) -> Instant {
    start + Duration::from_millis(ms)
}

#[test]
fn nobody_has_the_floor_until_somebody_speaks() {
    let mut floor = Floor::default();
    let start = Instant::now();
    let quiet = floor.hear(start, vec![voice("a", -90, QUIET)], &[]);
    assert_eq!((quiet, floor.speaker()), (Outcome::default(), None));
    let outcome = floor.hear(at(start, 300), vec![voice("a", -20, LOUD)], &[]);
    assert!(outcome.changed);
    let turn = Some(Turn { count: 1, producer: id("a") });
    assert_eq!(outcome.tell, Some(Voices { voices: vec![voice("a", -20, LOUD)], turn }));
    assert_eq!(floor.speaker(), Some(&id("a")));
}

#[test]
fn who_has_it_keeps_it_while_both_speak_and_when_both_are_silent() {
    let mut floor = Floor::default();
    let start = Instant::now();
    let _ = floor.hear(start, vec![voice("a", -20, LOUD)], &[]);
    let both = vec![voice("a", -20, LOUD), voice("b", -10, LOUD)];
    assert!(!floor.hear(at(start, 300), both, &[]).changed);
    assert!(!floor.hear(at(start, 600), vec![], &[id("a"), id("b")]).changed);
    assert_eq!(floor.speaker(), Some(&id("a")));
    assert!(floor.hear(at(start, 900), vec![voice("b", -10, LOUD)], &[]).changed);
    assert_eq!(floor.recent(), [id("b"), id("a")]);
}

#[test]
fn two_who_begin_at_once_are_told_apart_by_margin_and_then_by_id() {
    let mut floor = Floor::default();
    let more = Speech { medium: 4, ..LOUD };
    let voices = vec![voice("a", -20, more), voice("c", -20, LOUD), voice("b", -20, LOUD)];
    let _ = floor.hear(Instant::now(), voices, &[]);
    assert_eq!(floor.speaker(), Some(&id("b")));
}

#[test]
fn only_the_challengers_node_takes_the_floor() {
    let (mut here, mut there) = (Floor::default(), Floor::default());
    let start = Instant::now();
    let tell = here.hear(start, vec![voice("a", -20, LOUD)], &[]).tell.unwrap();
    assert!(there.told(start, &node("n1"), tell.clone()).changed);
    assert!(!there.told(start, &node("n1"), tell).changed);
    // The microphone of n1 falls silent, and one of n2 speaks: n2 takes it, n1 hears of that.
    let silent = here.hear(at(start, 300), vec![], &[id("a")]).tell.unwrap();
    assert_eq!(silent.voices, []);
    assert!(!there.told(at(start, 300), &node("n1"), silent).changed);
    let tell = there.hear(at(start, 600), vec![voice("b", -30, LOUD)], &[]).tell.unwrap();
    assert_eq!(tell.turn, Some(Turn { count: 2, producer: id("b") }));
    assert!(here.told(at(start, 600), &node("n2"), tell).changed);
    assert_eq!(here.speaker(), there.speaker());
    assert_eq!(here.volumes(at(start, 600), 9, -50), [(id("b"), -30)]);
}

#[test]
fn of_two_turns_of_the_same_count_the_greater_producer_is_true_on_both_nodes() {
    let (mut here, mut there) = (Floor::default(), Floor::default());
    let start = Instant::now();
    let a = here.hear(start, vec![voice("a", -20, LOUD)], &[]).tell.unwrap();
    let b = there.hear(start, vec![voice("b", -20, LOUD)], &[]).tell.unwrap();
    assert!(here.told(start, &node("n2"), b).changed);
    assert!(!there.told(start, &node("n1"), a).changed);
    assert_eq!((here.speaker(), there.speaker()), (Some(&id("b")), Some(&id("b"))));
}

#[test]
fn a_room_says_at_most_four_things_a_second_and_nothing_while_it_is_silent() {
    let mut floor = Floor::default();
    let start = Instant::now();
    let mut said = 0;
    for ms in (0..3_000).step_by(50) {
        let outcome = floor.hear(at(start, ms), vec![voice("a", -20, LOUD)], &[]);
        said += usize::from(outcome.tell.is_some());
    }
    assert_eq!(said, 12);
    assert!(floor.hear(at(start, 3_000), vec![], &[id("a")]).tell.is_some());
    for ms in (3_300..9_000).step_by(300) {
        assert_eq!(floor.hear(at(start, ms), vec![voice("a", -80, QUIET)], &[]).tell, None);
    }
}

#[test]
fn a_producer_that_ends_leaves_the_floor_to_nobody_and_a_renamed_one_keeps_it() {
    let mut floor = Floor::default();
    let start = Instant::now();
    let _ = floor.hear(start, vec![voice("a", -20, LOUD)], &[]);
    floor.rename(&id("a"), &id("a2"));
    assert_eq!((floor.speaker(), floor.recent()), (Some(&id("a2")), &[id("a2")][..]));
    assert!(!floor.forget(&id("b")).changed);
    assert!(floor.forget(&id("a2")).changed);
    assert_eq!((floor.speaker(), floor.recent().len(), floor.greeting()), (None, 0, None));
    // What was true before is not true again.
    let old = Voices { voices: vec![], turn: Some(Turn { count: 1, producer: id("a") }) };
    assert!(!floor.told(start, &node("n2"), old).changed);
}

#[test]
fn volumes_are_the_loudest_above_the_threshold_and_not_older_than_a_second() {
    let mut floor = Floor::default();
    let start = Instant::now();
    let voices = vec![voice("a", -40, QUIET), voice("b", -20, QUIET), voice("c", -81, QUIET)];
    let _ = floor.hear(start, voices, &[]);
    assert_eq!(floor.volumes(start, 9, -80), [(id("b"), -20), (id("a"), -40)]);
    assert_eq!(floor.volumes(start, 1, -80), [(id("b"), -20)]);
    assert_eq!(floor.volumes(at(start, 1_200), 9, -80), []);
}

#[test]
fn a_node_that_lies_about_the_count_cannot_hold_the_floor_for_ever() {
    let mut floor = Floor::default();
    let turn = Some(Turn { count: u64::MAX, producer: id("z") });
    let said = Voices { voices: vec![], turn };
    assert!(!floor.told(Instant::now(), &node("n2"), said).changed);
    assert!(floor.hear(Instant::now(), vec![voice("a", -20, LOUD)], &[]).changed);
}
