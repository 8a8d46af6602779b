use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The cases that `@starling/client` is held to as well: each step is
/// `[at, random, input, outputs, next]`, times in milliseconds.
const CASES: [(&str, &str); 5] = [
    ("join", include_str!("../../../fixtures/rejoin/join.json")),
    ("loss", include_str!("../../../fixtures/rejoin/loss.json")),
    ("move", include_str!("../../../fixtures/rejoin/move.json")),
    ("pulse", include_str!("../../../fixtures/rejoin/pulse.json")),
    ("refusal", include_str!("../../../fixtures/rejoin/refusal.json")),
];

type Step = (f64, f64, Input, Vec<Output>, Option<f64>);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The last pause may end after the patience does.
const PATIENCE_AND_PAUSE: Duration = Duration::from_secs(FIRST.as_secs() + 4);

#[test]
fn every_case_of_the_shared_fixtures_holds() {
    let base = Instant::now();
    for (file, text) in CASES {
        let cases: Vec<(String, Vec<Step>)> = serde_json::from_str(text).unwrap();
        for (name, steps) in cases {
            let mut session = ClientSession::new(base);
            for (n, (at, random, input, outputs, next)) in steps.into_iter().enumerate() {
                let step = format!("{file}: {name}: step {n} at {at}");
                let now = base + Duration::from_secs_f64(at / 1_000.0);
                assert_eq!(session.handle(now, input, random), outputs, "{step}");
                let due = session.next().map(|due| (due - base).as_micros() as f64 / 1_000.0);
                assert_eq!(due, next, "{step}: next");
            }
        }
    }
}

#[test]
fn a_step_of_a_fixture_says_what_it_says_in_json() {
    let closed = Closed { code: 1013, retry_after_ms: 500, ..Closed::default() };
    let input = Input::Closed { seat: 3, closed };
    let json: Value = serde_json::to_value(&input).unwrap();
    assert_eq!(json["closed"]["code"], 1013);
    assert_eq!(serde_json::from_value::<Input>(json).unwrap(), input);
}

/// What a random world does next, by number.
fn input(what: u8, seat: SeatId, code: u16) -> Input {
    let offer =
        || Offer { standby: vec!["b".to_owned(), "c".to_owned()], ticket: format!("of {seat}") };
    let closed = |code| Closed { code, ..Closed::default() };
    match what {
        0..3 => Input::Joined { seat, url: String::new(), offer: offer() },
        3 => Input::Opened { seat },
        4..6 => Input::Closed { seat, closed: closed(code) },
        6 => Input::MoveTo { seat, nodes: vec!["b".to_owned(), "c".to_owned()], within_ms: 50 },
        7 => Input::Settled { seat },
        8 => Input::Heard { seat },
        9 => Input::Offered { seat, offer: offer() },
        _ => Input::Tick,
    }
}

proptest! {
    /// Two seats at once only while it moves: one works and one is taken, or one works and the one
    /// before it is about to be left.
    #[test]
    fn two_seats_live_only_while_one_is_exchanged_for_the_other(
        steps in prop::collection::vec((0..16_u8, 0..3_u32, 0..8_usize, 0..1_500_u64), 1..120),
    ) {
        let codes = [1000, 1006, 1009, 1011, 1013, 4000, 4001, 1006];
        let mut now = Instant::now();
        let mut session = ClientSession::new(now);
        let mut live = BTreeSet::new();
        let mut asked = BTreeSet::new();
        let start = Input::Start { urls: vec!["a".to_owned()] };
        let mut todo = session.handle(now, start, 0.5);
        let mut moves = false;
        for (what, back, code, wait) in steps {
            for output in todo.drain(..) {
                match output {
                    Output::Connect { seat, .. } => {
                        prop_assert!(asked.insert(seat), "a seat has a name of its own");
                        prop_assert!(live.insert(seat));
                    }
                    Output::Drop { seat } => drop(live.remove(&seat)),
                    Output::Use { seat } | Output::Ask { seat } => {
                        prop_assert!(live.contains(&seat));
                    }
                    Output::End { .. } => prop_assert!(live.is_empty(), "{live:?}"),
                }
            }
            prop_assert!(live.len() <= if moves { 2 } else { 1 }, "{live:?}");
            prop_assert!(session.is_over() || session.next().is_some(), "it waits for something");
            now += ms(wait);
            let seat = asked.last().copied().unwrap_or_default().saturating_sub(back);
            let input = input(what, seat, codes[code]);
            moves |= matches!(input, Input::MoveTo { .. });
            if let Input::Closed { seat, .. } = &input {
                live.remove(seat);
            }
            todo = session.handle(now, input, (wait as f64) / 1_500.0);
        }
    }
}

/// As many as share a node's death: nobody tries in step with the others, and all give up.
#[test]
fn clients_that_are_all_turned_away_spread_out_and_give_up() {
    let late = PATIENCE_AND_PAUSE;
    let mut tries = Vec::new();
    for client in 0..500_u32 {
        let base = Instant::now();
        let mut session = ClientSession::new(base);
        let mut dice = f64::from(client) / 500.0;
        let urls = vec!["a".to_owned(), "b".to_owned()];
        let mut todo = session.handle(base, Input::Start { urls }, dice);
        let mut now = base;
        while !session.is_over() {
            dice = (dice * 7.3 + 0.31).fract();
            let input = match todo.pop() {
                Some(Output::Connect { seat, .. }) => {
                    tries.push((now - base).as_millis() as u64);
                    let closed = Closed { code: NOT_NOW, ..Closed::default() };
                    Input::Closed { seat, closed }
                }
                _ => {
                    now = session.next().unwrap();
                    Input::Tick
                }
            };
            todo = session.handle(now, input, dice);
        }
        assert_eq!(todo.last(), Some(&Output::End { why: End::Nowhere }));
        let took = now - base;
        assert!((FIRST..late).contains(&took), "{took:?}");
    }
    let later: Vec<_> = tries.iter().filter(|at| **at > 2_000).collect();
    let mut busiest = std::collections::BTreeMap::<u64, usize>::new();
    later.iter().for_each(|at| *busiest.entry(*at / 100).or_default() += 1);
    // 500 clients with two tries in each pause of 2 to 4 s: 33 in a tenth of a second on average.
    let most = busiest.values().max().copied().unwrap_or_default();
    assert!(most < 120, "{most} tries in a tenth of a second");
}
