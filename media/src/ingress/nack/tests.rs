use proptest::prelude::*;

use super::*;

struct Bench {
    start: Instant,
    nack: NackGenerator,
}

impl Bench {
    fn new() -> Self {
        Self { start: Instant::now(), nack: NackGenerator::new() }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn packet(&mut self, millis: u64, sequence: u16) -> NackOutcome {
        let now = self.at(millis);
        self.nack.on_packet(now, sequence, false)
    }

    fn key_frame(&mut self, sequence: u16) {
        let now = self.at(0);
        self.nack.on_packet(now, sequence, true);
    }

    fn asked(&mut self, millis: u64) -> Vec<u16> {
        let (now, mut ask) = (self.at(millis), Vec::new());
        self.nack.poll(now, Some(Duration::from_millis(50)), &mut ask);
        ask
    }
}

#[test]
fn ordered_packets_ask_for_nothing() {
    let mut bench = Bench::new();
    for sequence in [65_534, 65_535, 0, 1] {
        assert_eq!(bench.packet(0, sequence), NackOutcome::New);
    }
    assert_eq!(bench.nack.next_deadline(), None);
    assert!(bench.asked(1000).is_empty());
}

#[test]
fn hole_is_asked_for_after_the_grace() {
    let mut bench = Bench::new();
    bench.packet(0, 65_534);
    bench.packet(5, 1);
    assert_eq!(bench.nack.next_deadline(), Some(bench.at(15)));
    assert!(bench.asked(14).is_empty());
    assert_eq!(bench.asked(15), [65_535, 0]);
    assert!(bench.asked(16).is_empty());
}

#[test]
fn reordered_packet_is_never_asked_for() {
    let mut bench = Bench::new();
    bench.packet(0, 1);
    bench.packet(0, 3);
    assert_eq!(bench.packet(5, 2), NackOutcome::Filled { asked: false });
    assert_eq!(bench.nack.next_deadline(), None);
    assert!(bench.asked(100).is_empty());
}

#[test]
fn unanswered_request_is_repeated_each_round_trip_ten_times() {
    let mut bench = Bench::new();
    bench.packet(0, 1);
    bench.packet(0, 3);
    let asked: Vec<u64> = (0..2000).filter(|at| bench.asked(*at) == [2]).collect();
    assert_eq!(asked, (0..10).map(|n| 10 + 50 * n).collect::<Vec<_>>());
    assert_eq!(bench.nack.missing(), 0);
    assert_eq!(bench.nack.next_deadline(), None);
}

#[test]
fn unknown_round_trip_is_taken_for_100_ms() {
    let mut bench = Bench::new();
    bench.packet(0, 1);
    bench.packet(0, 3);
    let mut ask = Vec::new();
    bench.nack.poll(bench.at(10), None, &mut ask);
    assert_eq!(bench.nack.next_deadline(), Some(bench.at(110)));
}

#[test]
fn answer_ends_the_asking() {
    let mut bench = Bench::new();
    bench.packet(0, 1);
    bench.packet(0, 4);
    assert_eq!(bench.asked(10), [2, 3]);
    assert_eq!(bench.packet(40, 2), NackOutcome::Filled { asked: true });
    assert_eq!(bench.packet(40, 2), NackOutcome::Unexpected);
    assert_eq!(bench.asked(60), [3]);
}

#[test]
fn old_holes_are_given_up() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    bench.packet(0, 2);
    for sequence in 3..=10_001 {
        bench.packet(1, sequence);
    }
    assert_eq!(bench.nack.missing(), 1);
    bench.packet(1, 10_002);
    assert_eq!(bench.nack.missing(), 0);
}

#[test]
fn too_many_holes_want_a_key_frame_instead() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    bench.packet(0, 1001);
    assert_eq!(bench.nack.missing(), 1000);
    assert!(!bench.nack.take_key_frame_wanted());
    bench.packet(0, 1003);
    assert_eq!(bench.nack.missing(), 0);
    assert!(bench.nack.take_key_frame_wanted());
    assert!(!bench.nack.take_key_frame_wanted());
}

#[test]
fn holes_before_a_key_frame_go_first() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    bench.packet(0, 601);
    bench.key_frame(602);
    bench.packet(0, 1003);
    assert_eq!(bench.nack.missing(), 1000);
    bench.packet(0, 1005);
    assert_eq!(bench.nack.missing(), 401);
    assert!(!bench.nack.take_key_frame_wanted());
    assert_eq!(bench.asked(10).first(), Some(&603));
}

#[test]
fn reset_forgets_everything() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    bench.packet(0, 9);
    bench.nack.reset();
    assert!(bench.asked(100).is_empty());
    assert_eq!(bench.packet(100, 30_000), NackOutcome::New);
    assert_eq!(bench.nack.missing(), 0);
}

proptest! {
    #[test]
    fn exactly_the_lost_packets_are_asked_for(
        start: u16, lost in prop::collection::vec(prop::bool::weighted(0.2), 2..400),
    ) {
        let mut bench = Bench::new();
        bench.packet(0, start);
        let mut expected = Vec::new();
        for (ahead, lost) in (1u16..).zip(&lost) {
            let sequence = start.wrapping_add(ahead);
            if *lost { expected.push(sequence) } else { bench.packet(0, sequence); }
        }
        // Losses at the end show only with the packet after them.
        bench.packet(0, start.wrapping_add(lost.len() as u16 + 1));
        prop_assert_eq!(bench.asked(10), expected);
    }

    #[test]
    fn bounds_hold_whatever_comes(
        steps in prop::collection::vec((any::<u16>(), any::<bool>(), 0u64..200), 1..200),
    ) {
        let mut bench = Bench::new();
        let mut millis = 0;
        for (sequence, key_frame, wait) in steps {
            millis += wait;
            let now = bench.at(millis);
            bench.nack.on_packet(now, sequence, key_frame);
            prop_assert!(bench.nack.missing() <= MAX_MISSING);
            prop_assert!(bench.nack.key_frames.len() <= MAX_KEY_FRAMES);
            if wait % 3 == 0 {
                prop_assert!(bench.asked(millis).len() <= MAX_MISSING);
            }
            prop_assert!(bench.nack.missing() == 0 || bench.nack.next_deadline().is_some());
        }
    }
}
