use proptest::prelude::*;

use super::*;

#[test]
fn newer_is_up_to_half_the_circle_ahead() {
    assert!(SeqNo(0).is_newer_than(SeqNo(65535)));
    assert!(SeqNo(32767).is_newer_than(SeqNo(0)));
    assert!(!SeqNo(32768).is_newer_than(SeqNo(0)));
    assert!(!SeqNo(5).is_newer_than(SeqNo(5)));
    assert_eq!(SeqNo(65535).plus(2).distance_from(SeqNo(65535)), 2);
    assert_eq!(SeqNo(1).minus(3), SeqNo(65534));
}

#[test]
fn unwrapping_crosses_zero_both_ways() {
    let mut unwrapper = Unwrapper::default();
    let first = unwrapper.unwrap(65535);
    assert_eq!(unwrapper.unwrap(1), first + 2);
    assert_eq!(unwrapper.unwrap(65534), first - 1);
    assert_eq!(unwrapper.newest(), Some(first + 2));
    assert_eq!(unwrapper.peek(65535), first);
}

#[test]
fn first_number_leaves_room_below() {
    let mut unwrapper = Unwrapper::default();
    let first = unwrapper.unwrap(0);
    assert_eq!(unwrapper.unwrap(65000), first - 536);
}

#[test]
fn output_begins_where_it_was_told() {
    let mut manager = SeqManager::new(1000);
    assert_eq!(manager.max_output(), 999);
    assert_eq!(manager.map(65535), Some(1000));
    assert_eq!(manager.map(0), Some(1001));
    assert_eq!(manager.max_output(), 1001);
    assert_eq!(manager.max_input(), Some(0));
}

#[test]
fn dropped_inputs_leave_no_hole() {
    let mut manager = SeqManager::new(0);
    assert_eq!(manager.map(10), Some(0));
    manager.drop(11);
    manager.drop(12);
    assert_eq!(manager.map(13), Some(1));
    assert_eq!(manager.map(12), None);
    assert_eq!(manager.map(13), Some(1));
    assert_eq!(manager.map(10), Some(0));
}

#[test]
fn lost_inputs_keep_their_place_until_they_come() {
    let mut manager = SeqManager::new(100);
    assert_eq!(manager.map(1), Some(100));
    assert_eq!(manager.map(4), Some(103));
    manager.drop(5);
    assert_eq!(manager.map(6), Some(104));
    assert_eq!(manager.map(3), Some(102));
    assert_eq!(manager.map(2), Some(101));
}

#[test]
fn drop_of_a_late_input_changes_nothing() {
    let mut manager = SeqManager::new(0);
    manager.map(1);
    manager.map(3);
    manager.drop(2);
    assert_eq!(manager.map(4), Some(3));
    assert_eq!(manager.map(2), Some(1));
}

#[test]
fn first_input_may_be_dropped() {
    let mut manager = SeqManager::new(50);
    manager.drop(7);
    assert_eq!(manager.map(8), Some(50));
    assert_eq!(manager.map(7), None);
}

#[test]
fn sync_goes_on_after_the_newest_output() {
    let mut manager = SeqManager::new(0);
    for input in 0..10 {
        manager.map(input);
    }
    manager.sync(39_999);
    assert_eq!(manager.map(40_000), Some(10));
    assert_eq!(manager.map(40_002), Some(12));
    assert_eq!(manager.map(39_999), None);
    assert_eq!(manager.map(39_000), None);
    assert_eq!(manager.map(40_001), Some(11));
    // A second before: one output stays unused (CO12).
    manager.sync(4_998);
    assert_eq!(manager.map(5_000), Some(14));
}

#[test]
fn inputs_older_than_the_window_are_unknown() {
    let mut manager = SeqManager::new(0);
    manager.map(0);
    manager.map(2000);
    assert_eq!(manager.map(977), Some(977));
    assert_eq!(manager.map(976), None);
}

#[test]
fn picture_ids_wrap_at_15_bits() {
    let mut manager = PictureIdManager::new(0x7fff);
    assert_eq!(manager.map(0x7ffe), Some(0x7fff));
    manager.drop(0x7fff);
    assert_eq!(manager.map(0), Some(0));
    assert_eq!(manager.map(1), Some(1));
    assert!(manager.is_ahead(2) && !manager.is_ahead(0x7fff));
}

/// What happens to an input.
#[derive(Clone, Copy, Debug)]
enum Step {
    Map,
    Drop,
    Lose,
    Switch(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Map),
        3 => Just(Step::Drop),
        1 => Just(Step::Lose),
        1 => any::<u16>().prop_map(Step::Switch),
    ];
    prop::collection::vec(step, 1..400)
}

fn invariant_outputs_are_continuous<const BITS: u32>(first: u16, input: u16, steps: &[Step]) {
    let mask = ((1u32 << BITS) - 1) as u16;
    let mut manager = Continuity::<BITS>::new(first & mask);
    let (mut input, mut expected) = (input & mask, first & mask);
    let mut given = Vec::new();
    for step in steps {
        match step {
            Step::Map => {
                assert_eq!(manager.map(input), Some(expected), "{step:?} of {input}");
                given.push((input, expected));
                expected = expected.wrapping_add(1) & mask;
            }
            Step::Drop => manager.drop(input),
            // A loss before the first packet is none that could be known of.
            Step::Lose if given.is_empty() => {}
            Step::Lose => expected = expected.wrapping_add(1) & mask,
            Step::Switch(to) => {
                // Losses at the end of the old source are not waited for.
                expected = manager.max_output().wrapping_add(1) & mask;
                manager.sync(to.wrapping_sub(1));
                input = to & mask;
                given.clear();
                continue;
            }
        }
        input = input.wrapping_add(1) & mask;
    }
    for (input, output) in given {
        assert_eq!(manager.map(input), Some(output), "again {input}");
    }
}

proptest! {
    #[test]
    fn outputs_are_continuous(first: u16, input: u16, steps in steps()) {
        // A loss right after a switch or a drop at the very beginning has no packet before it.
        let mut clean = Vec::new();
        for step in steps {
            let after_map = matches!(clean.last(), Some(Step::Map | Step::Lose));
            if !matches!(step, Step::Lose) || after_map {
                clean.push(step);
            }
        }
        invariant_outputs_are_continuous::<16>(first, input, &clean);
        invariant_outputs_are_continuous::<15>(first, input, &clean);
    }

    #[test]
    fn reordered_inputs_keep_their_order(
        start: u16,
        shuffle in prop::collection::vec(0usize..8, 200),
    ) {
        let mut manager = SeqManager::new(7);
        let first = manager.map(start).unwrap();
        let mut order: Vec<u16> = (1..=200).collect();
        for (at, by) in shuffle.iter().enumerate() {
            let other = (at + by).min(order.len() - 1);
            order.swap(at, other);
        }
        for ahead in order {
            let output = manager.map(start.wrapping_add(ahead));
            prop_assert_eq!(output, Some(first.wrapping_add(ahead)));
        }
    }

    #[test]
    fn unwrapping_is_faithful(start: u16, steps in prop::collection::vec(-3000i64..3000, 1..300)) {
        let mut unwrapper = Unwrapper::default();
        let base = unwrapper.unwrap(start);
        let mut newest = base;
        for step in steps {
            let wide = newest.saturating_add_signed(step);
            prop_assert_eq!(unwrapper.unwrap(wide as u16), wide);
            newest = newest.max(wide);
        }
    }
}
