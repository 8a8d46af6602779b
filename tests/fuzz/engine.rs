//! Runs one target many times: mutated inputs, kept where they showed something new, until the
//! count is reached or something panicked. Never knows what a target tests.

use std::{
    cell::RefCell,
    collections::HashSet,
    panic::{self, AssertUnwindSafe},
    sync::Once,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{
    mutate::Mutator,
    targets::{Kind, Target},
};

/// Inputs kept because they showed something new: mutations of all of them still meet each other.
const MAX_POOL: usize = 4_096;

/// What one target did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Inputs run.
    pub runs: u64,
    /// Behaviours seen, as far as the target tells them apart.
    pub behaviours: usize,
    /// Of all threads together.
    pub took: Duration,
    /// Longest run of one input.
    pub slowest: Duration,
    /// That input.
    pub slowest_input: Vec<u8>,
    /// The first panic.
    pub failure: Option<Failure>,
}

/// An input that made a target panic.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// What it said, and where.
    pub message: String,
    /// The input.
    pub input: Vec<u8>,
}

/// Runs `kind` `runs` times over `threads` threads, from the same seed always in the same way.
pub(crate) fn run(kind: &Kind, corpus: &[Vec<u8>], runs: u64, threads: u64, seed: u64) -> Outcome {
    catch_messages();
    let share = runs.div_ceil(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let runs = share.min(runs.saturating_sub(share * thread));
                scope.spawn(move || work(kind, corpus, runs, seed ^ (thread << 32)))
            })
            .collect();
        let mut all = Outcome::default();
        for worker in workers {
            let one = worker.join().expect("panics of targets are caught");
            all.runs += one.runs;
            all.behaviours = all.behaviours.max(one.behaviours);
            all.took = all.took.max(one.took);
            if one.slowest > all.slowest {
                (all.slowest, all.slowest_input) = (one.slowest, one.slowest_input);
            }
            all.failure = all.failure.or(one.failure);
        }
        all
    })
}

fn work(kind: &Kind, corpus: &[Vec<u8>], runs: u64, seed: u64) -> Outcome {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mutator = Mutator { words: kind.words, max_len: kind.max_len };
    let mut target = (kind.make)();
    let mut pool: Vec<Vec<u8>> = corpus.to_vec();
    let mut seen = HashSet::new();
    let mut input = Vec::new();
    let mut outcome = Outcome::default();
    let started = Instant::now();
    while outcome.runs < runs {
        match corpus.get(usize::try_from(outcome.runs).unwrap_or(usize::MAX)) {
            Some(known) => input.clone_from(known),
            None => {
                let pick = |rng: &mut SmallRng| match pool.len() {
                    0 => &[][..],
                    len => &pool[rng.random_range(0..len)],
                };
                let (base, other) = (pick(&mut rng), pick(&mut rng));
                mutator.mutate(&mut rng, base, other, &mut input);
            }
        }
        outcome.runs += 1;
        match attempt(&mut *target, &input) {
            Ok((behaviour, took)) => {
                if seen.insert(behaviour) && pool.len() < MAX_POOL {
                    pool.push(input.clone());
                }
                if took > outcome.slowest {
                    // Once more, because a machine's other work makes any input slow now and then.
                    let again = attempt(&mut *target, &input).map_or(took, |(_, again)| again);
                    if took.min(again) > outcome.slowest {
                        (outcome.slowest, outcome.slowest_input) = (took.min(again), input.clone());
                    }
                }
            }
            Err(message) => {
                outcome.failure = Some(Failure { message, input: input.clone() });
                break;
            }
        }
    }
    outcome.took = started.elapsed();
    outcome.behaviours = seen.len();
    outcome
}

/// Behaviour and time, or what the panic said.
fn attempt(target: &mut dyn Target, input: &[u8]) -> Result<(u64, Duration), String> {
    let began = Instant::now();
    let ran = panic::catch_unwind(AssertUnwindSafe(|| target.run(input)));
    ran.map(|behaviour| (behaviour, began.elapsed())).map_err(|_| message())
}

thread_local! {
    static MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

fn message() -> String {
    MESSAGE.with(|message| message.borrow().clone())
}

/// Keeps what a panic says instead of printing it: the report prints it once, with the input.
fn catch_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| {
            MESSAGE.with(|message| *message.borrow_mut() = info.to_string());
        }));
    });
}
