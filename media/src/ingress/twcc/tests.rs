use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rtcp::{MAX_COMPOUND, RtcpItem, TwccFeedback, parse_all};

struct Bench {
    start: Instant,
    recorder: TwccRecorder,
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        Self { start, recorder: TwccRecorder::new(start) }
    }

    fn packet(&mut self, micros: u64, sequence: u16) {
        self.recorder.on_packet(self.start + Duration::from_micros(micros), sequence);
    }

    fn feedback(&mut self, micros: u64) -> Vec<TwccFeedback> {
        let mut out = Vec::new();
        let now = self.start + Duration::from_micros(micros);
        let count = self.recorder.poll(now, 1, 2, &mut out);
        assert!(out.len() <= count * MAX_COMPOUND);
        let feedback: Vec<_> = parse_all(&out)
            .into_iter()
            .map(|item| match item {
                RtcpItem::Twcc(feedback) => feedback,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(feedback.len(), count);
        feedback
    }
}

/// Arrivals told, in ticks since the epoch, by sequence number.
fn told(feedback: &TwccFeedback) -> Vec<(u16, Option<i64>)> {
    let mut time = i64::from(feedback.reference_time) * TICKS_PER_REFERENCE;
    let mut sequence = feedback.base_sequence;
    let mut told = Vec::new();
    for delta in &feedback.deltas {
        let arrival = delta.map(|delta| {
            time += i64::from(delta);
            time
        });
        told.push((sequence, arrival));
        sequence = sequence.wrapping_add(1);
    }
    told
}

#[test]
fn feedback_comes_an_interval_after_the_first_packet() {
    let mut bench = Bench::new();
    assert_eq!(bench.recorder.next_deadline(), None);
    bench.packet(10_000, 5);
    bench.packet(12_000, 6);
    assert_eq!(bench.recorder.next_deadline(), Some(bench.start + Duration::from_millis(110)));
    assert!(bench.feedback(109_999).is_empty());
    let feedback = bench.feedback(110_000);
    assert_eq!(feedback.len(), 1);
    assert_eq!((feedback[0].sender, feedback[0].media), (1, 2));
    assert_eq!(told(&feedback[0]), [(5, Some(40)), (6, Some(48))]);
    assert_eq!(bench.recorder.next_deadline(), None);
    assert!(bench.feedback(500_000).is_empty());
}

#[test]
fn feedback_keeps_step_with_the_one_before() {
    let mut bench = Bench::new();
    bench.packet(0, 1);
    bench.feedback(100_000);
    bench.packet(130_000, 2);
    assert_eq!(bench.recorder.next_deadline(), Some(bench.start + Duration::from_millis(200)));
}

#[test]
fn losses_between_feedbacks_are_told() {
    let mut bench = Bench::new();
    bench.packet(0, 65_534);
    assert_eq!(bench.feedback(100_000).len(), 1);
    bench.packet(150_000, 1);
    let feedback = bench.feedback(250_000);
    assert_eq!(feedback[0].feedback_count, 1);
    assert_eq!(told(&feedback[0]), [(65_535, None), (0, None), (1, Some(600))]);
}

#[test]
fn losses_across_a_silence_are_told() {
    let mut bench = Bench::new();
    bench.packet(0, 10);
    bench.feedback(700_000);
    assert!(bench.recorder.arrivals.is_empty());
    bench.packet(800_000, 12);
    assert_eq!(told(&bench.feedback(900_000)[0]), [(11, None), (12, Some(3200))]);
}

#[test]
fn late_packet_is_told_with_those_after_it() {
    let mut bench = Bench::new();
    bench.packet(0, 10);
    bench.packet(1_000, 12);
    bench.feedback(100_000);
    bench.packet(120_000, 11);
    let feedback = bench.feedback(220_000);
    assert_eq!(told(&feedback[0]), [(11, Some(480)), (12, Some(4))]);
}

#[test]
fn duplicate_keeps_its_first_time() {
    let mut bench = Bench::new();
    bench.packet(0, 10);
    bench.packet(50_000, 10);
    assert_eq!(told(&bench.feedback(100_000)[0]), [(10, Some(0))]);
}

#[test]
fn long_silence_begins_another_feedback() {
    let mut bench = Bench::new();
    bench.packet(0, 10);
    bench.packet(99_000, 11);
    // Beyond 32,767 ticks of 250 µs.
    bench.packet(8_400_000, 12);
    let feedback = bench.feedback(8_500_000);
    assert_eq!(feedback.len(), 2);
    assert_eq!(told(&feedback[0]), [(10, Some(0)), (11, Some(396))]);
    assert_eq!(told(&feedback[1]), [(12, Some(33_600))]);
}

#[test]
fn busy_transport_is_told_twice_as_often() {
    let mut bench = Bench::new();
    for n in 0..=FAST_PACKETS {
        bench.packet(u64::from(n) * 500, n as u16);
    }
    bench.feedback(100_000);
    bench.packet(200_000, 200);
    assert_eq!(bench.recorder.next_deadline(), Some(bench.start + Duration::from_millis(250)));
    bench.feedback(250_000);
    bench.packet(300_000, 201);
    assert_eq!(bench.recorder.next_deadline(), Some(bench.start + Duration::from_millis(350)));
}

#[test]
fn far_jump_begins_anew() {
    let mut bench = Bench::new();
    bench.packet(0, 0);
    bench.packet(1_000, 20_000);
    let feedback = bench.feedback(100_000);
    assert_eq!(feedback.len(), 1);
    assert_eq!(told(&feedback[0]), [(20_000, Some(4))]);
}

#[test]
fn packet_too_old_for_the_window_is_not_told() {
    let mut bench = Bench::new();
    bench.packet(0, 20_000);
    bench.packet(0, 20_000 - 8192);
    assert_eq!(told(&bench.feedback(100_000)[0]), [(20_000, Some(0))]);
}

#[test]
fn memory_is_bounded_by_span_and_time() {
    let mut bench = Bench::new();
    for n in 0..40u64 {
        bench.packet(n, (n * 8000) as u16);
        assert!(bench.recorder.arrivals.len() as u64 <= MAX_SPAN);
    }
    bench.feedback(200_000);
    bench.packet(900_000, 0);
    bench.feedback(1_000_000);
    bench.packet(2_000_000, 1);
    bench.feedback(2_100_000);
    assert!(bench.recorder.arrivals.len() <= 1);
}

proptest! {
    #[test]
    fn every_arrival_is_told_once_and_rightly(
        start: u16,
        gaps in prop::collection::vec((1u16..20, 0u64..30_000), 1..600),
    ) {
        let mut bench = Bench::new();
        let (mut sequence, mut micros) = (start, 0);
        let mut sent = BTreeMap::new();
        let mut heard: BTreeMap<u16, i64> = BTreeMap::new();
        let mut next = None;
        for (ahead, wait) in gaps {
            sequence = sequence.wrapping_add(ahead);
            micros += wait;
            bench.packet(micros, sequence);
            sent.insert(sequence, (micros / 250) as i64);
            for feedback in bench.feedback(micros) {
                prop_assert!(next.is_none_or(|next| next == feedback.base_sequence));
                next = Some(feedback.base_sequence.wrapping_add(feedback.deltas.len() as u16));
                for (sequence, arrival) in told(&feedback) {
                    if let Some(arrival) = arrival {
                        prop_assert_eq!(heard.insert(sequence, arrival), None);
                    }
                }
            }
        }
        for feedback in bench.feedback(micros + 200_000) {
            heard.extend(told(&feedback).into_iter().filter_map(|(at, time)| Some((at, time?))));
        }
        prop_assert_eq!(heard, sent);
    }

    #[test]
    fn order_of_arrival_does_not_matter(start: u16, swaps in prop::collection::vec(0usize..6, 60)) {
        let mut bench = Bench::new();
        let mut order: Vec<u16> = (0..60).map(|ahead| start.wrapping_add(ahead)).collect();
        for (at, by) in swaps.iter().enumerate().skip(1) {
            let other = (at + by).min(order.len() - 1);
            order.swap(at, other);
        }
        for (at, sequence) in (0u64..).zip(&order) {
            bench.packet(at * 1000, *sequence);
        }
        let heard: BTreeMap<_, _> = bench.feedback(200_000).iter().flat_map(told).collect();
        for (at, sequence) in (0i64..).zip(&order) {
            prop_assert_eq!(heard.get(sequence), Some(&Some(at * 4)));
        }
    }
}
