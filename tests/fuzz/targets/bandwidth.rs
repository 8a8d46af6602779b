//! What a receiver says of its bandwidth, and what follows from it: feedback of any kind at any
//! time, between packets and probes.

use std::time::{Duration, Instant};

use starling_media::{
    bandwidth::{Bounds, Demand, Estimator, Ladder, allocate, estimator::MIN_BITRATE},
    rtcp::{
        TwccFeedback,
        twcc::{Feedback, Symbols},
    },
};

use super::{DATAGRAM, Kind, Target, behaviour, size};

pub(super) const KIND: Kind = Kind {
    name: "bandwidth",
    about: "Estimator and allocate under any feedback",
    cost: 20,
    max_len: DATAGRAM,
    words: &[&[SEND, 200], &[WAIT, 100], &[TELL, 20], &[BOUND, 3, 9], &[SHARE, 7]],
    seeds,
    make: || Box::new(Bandwidth { start: Instant::now() }),
};

/// Steps: one byte says what, one how much.
const SEND: u8 = 0;
const WAIT: u8 = 1;
const TELL: u8 = 2;
const BOUND: u8 = 3;
const SHARE: u8 = 4;
const MAX: u64 = 50_000_000;

struct Bandwidth {
    start: Instant,
}

/// Two seconds of a call: sent, waited, told.
fn seeds() -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    for round in 0..20u8 {
        for _ in 0..10 {
            whole.extend([SEND, 240, WAIT, 10]);
        }
        let mut symbols = Symbols::default();
        (0..10).for_each(|_| symbols.received(40));
        let mut packet = Vec::new();
        let feedback = Feedback {
            sender_ssrc: 1,
            media_ssrc: 2,
            base_sequence: u16::from(round) * 10,
            reference_time: u32::from(round) * 100 / 64,
            feedback_count: round,
        };
        feedback.write(&symbols, &mut packet);
        let fci = &packet[12..];
        whole.extend([TELL, fci.len() as u8]);
        whole.extend(fci);
        whole.extend([SHARE, round]);
    }
    whole.truncate(DATAGRAM);
    vec![whole, vec![BOUND, 1, SEND, 9, WAIT, 255, SHARE, 0]]
}

impl Target for Bandwidth {
    fn run(&mut self, mut input: &[u8]) -> u64 {
        let mut now = self.start;
        let mut estimator = Estimator::new(now, Bounds::default());
        let (mut bounds, mut told) = (Bounds::default(), 0u32);
        while let [step, amount, rest @ ..] = input {
            input = rest;
            let amount = usize::from(*amount);
            match *step {
                SEND => estimator.on_sent(estimator.micros(now), 5 * amount),
                WAIT => {
                    now += Duration::from_millis(amount as u64 * amount as u64 / 8);
                    estimator.on_time(now, 10_000 * amount as u64, amount % 2 == 0);
                    let due = estimator.padding_due(now);
                    assert!(due < 10_000_000, "{due} bytes at once");
                }
                TELL => {
                    let (fci, rest) = input.split_at(amount.min(input.len()));
                    input = rest;
                    if let Some(feedback) = TwccFeedback::parse(1, 2, fci) {
                        told += u32::from(estimator.on_feedback(now, &feedback));
                    }
                }
                BOUND => {
                    let min = MIN_BITRATE * amount as u64;
                    bounds = Bounds { initial: min, min, max: MAX };
                    estimator.set_bounds(now, bounds);
                }
                SHARE => share(estimator.bitrate(), amount),
                _ => estimator.on_untold(amount),
            }
            let bitrate = estimator.bitrate();
            assert!(bitrate >= bounds.min.max(MIN_BITRATE), "{bitrate} below {bounds:?}");
            assert!(bitrate <= bounds.max.max(MIN_BITRATE), "{bitrate} above {bounds:?}");
        }
        let trace = estimator.trace();
        behaviour((told.min(8), size(trace.bitrate as usize), trace.usage as u8, trace.limited))
    }
}

/// Videos of all kinds on a budget.
fn share(budget: u64, seed: usize) {
    let demands: Vec<Demand> = (0..seed % 12)
        .map(|n| {
            let mut ladder = Ladder::default();
            for step in 0..(seed + n) % 10 {
                let bitrate = 30_000 * (seed * step % 97) as u64;
                ladder.push((step / 3) as u8, (step % 3) as u8, bitrate);
            }
            let held = (n % 2 == 0).then_some(((seed % 3) as u8, 1));
            Demand { ladder, priority: (seed * n % 256).max(1) as u8, held }
        })
        .collect();
    let mut grants = Vec::new();
    let used = allocate(budget, &demands, &mut grants);
    assert!(used as f64 <= 1.2 * budget as f64, "{used} of {budget}");
    assert_eq!(grants.len(), demands.len());
}
