//! How much a link takes, once it was seen to take no more. Not known, and none asks, while all
//! that is wanted passes. Pure: `now` and what was counted are arguments.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Between two samples: what a key frame does to a queue is over, and a cut comes before what waits
/// is too old to send.
pub(super) const EVERY: Duration = Duration::from_millis(100);
/// Samples kept, over which the rate is taken that gets through: half a second.
const MAX_SAMPLES: usize = 6;
/// A round trip this much longer than the path's shortest is a queue on the way: more than the
/// acknowledgements' own delay (10 ms) and jitter of a good path, less than what sound hides.
const QUEUED: Duration = Duration::from_millis(40);
/// A queue that stays so long is not a key frame's.
const CONFIRMED: Duration = Duration::from_millis(100);
/// Until a cut shows: a queue is shorter by a fifth of this at four fifths of the rate.
const DRAINED: Duration = Duration::from_millis(600);
/// A queue that is left alone is shorter by this after [`DRAINED`].
const SETTLED: Duration = Duration::from_millis(20);
/// What is promised of what got through: the rest empties the queue.
const SHARE: f64 = 0.8;
/// A step up, as large as the least step that ladders have (from all but one to all layers).
const STEP: f64 = 1.25;
/// Between two steps: a round trip and [`CONFIRMED`].
const PACE: Duration = Duration::from_millis(250);
/// From a cut to the first step up, at first; twice as long after each that was too much, and at
/// most so long: a camera's layer that comes and goes costs a key frame each time.
const PATIENCE: Duration = Duration::from_millis(800);
const MOST_PATIENCE: Duration = Duration::from_secs(16);
/// A cut so soon after a step up says that it was too much.
const TOO_MUCH: Duration = Duration::from_secs(3);
/// Nobody is told of less: sound of a few.
const FLOOR: u64 = 128_000;

/// What was counted until now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Bytes that were acknowledged since the link came up.
    pub(super) acked: u64,
    /// Smoothed round trip.
    pub(super) rtt: Duration,
    /// Packets wait here, for longer than a burst does.
    pub(super) waiting: bool,
    /// Bits per second that are wanted in all, whether they pass or not.
    pub(super) wanted: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Capacity {
    limit: Option<u64>,
    samples: VecDeque<(Instant, u64)>,
    shortest: Duration,
    full_since: Option<Instant>,
    /// When, and how long the round trip was then.
    cut: Option<(Instant, Duration)>,
    stepped_at: Option<Instant>,
    next_step: Option<Instant>,
    patience: Duration,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            limit: None,
            samples: VecDeque::new(),
            shortest: Duration::MAX,
            full_since: None,
            cut: None,
            stepped_at: None,
            next_step: None,
            patience: PATIENCE,
        }
    }
}

impl Capacity {
    /// Bits per second; none: whatever is wanted.
    pub(super) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// Takes a sample; true if the limit is another now.
    pub(super) fn take(&mut self, now: Instant, sample: &Sample) -> bool {
        let before = self.limit;
        self.samples.push_back((now, sample.acked));
        while self.samples.len() > MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.shortest = self.shortest.min(sample.rtt);
        // Within a limit what waits here waits for that.
        let held_up = sample.waiting && self.limit.is_none();
        if held_up || sample.rtt > self.shortest + QUEUED {
            self.on_full(now, sample);
        } else {
            self.full_since = None;
            self.on_spare(now, sample.wanted);
        }
        self.limit != before
    }

    fn on_full(&mut self, now: Instant, sample: &Sample) {
        let since = *self.full_since.get_or_insert(now);
        let after = |at: Instant| now.saturating_duration_since(at);
        if after(since) < CONFIRMED {
            return;
        }
        if let Some((cut, rtt)) = self.cut {
            if after(cut) < DRAINED {
                return;
            }
            // Less is sent, and it takes as long as before: the path has become longer.
            if since <= cut && sample.rtt + SETTLED >= rtt {
                self.shortest = sample.rtt;
                self.full_since = None;
                self.next_step = Some(now);
                return;
            }
            // It is emptying.
            if since <= cut && sample.rtt < rtt {
                self.cut = Some((now, sample.rtt));
                return;
            }
        }
        let Some(rate) = self.rate(since) else { return };
        if self.stepped_at.is_some_and(|at| after(at) < TOO_MUCH) {
            self.patience = (self.patience * 2).min(MOST_PATIENCE);
        }
        let limit = ((rate as f64 * SHARE) as u64).max(FLOOR);
        self.limit = Some(self.limit.map_or(limit, |old| old.min(limit)));
        self.cut = Some((now, sample.rtt));
        self.stepped_at = None;
        self.next_step = Some(now + self.patience);
    }

    fn on_spare(&mut self, now: Instant, wanted: u64) {
        let Some(limit) = self.limit else { return };
        if self.next_step.is_some_and(|next| now < next) {
            return;
        }
        let more = (limit as f64 * STEP) as u64;
        self.stepped_at = Some(now);
        self.next_step = Some(now + PACE);
        self.limit = Some(more);
        if more > wanted + wanted / 2 {
            self.limit = None;
            self.cut = None;
            self.patience = PATIENCE;
        }
    }

    /// Bits per second that got through since it is full.
    fn rate(&self, since: Instant) -> Option<u64> {
        let (first, last) =
            (self.samples.iter().find(|(at, _)| *at >= since)?, self.samples.back()?);
        let time = last.0.saturating_duration_since(first.0);
        if time < CONFIRMED / 2 {
            return None;
        }
        Some((8.0 * (last.1 - first.1) as f64 / time.as_secs_f64()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(40);

    /// A link that takes `takes` kb/s, and what is wanted of it; who heeds the limit sends less.
    struct Bench {
        capacity: Capacity,
        start: Instant,
        at: Duration,
        acked: f64,
        queue: f64,
        path: Duration,
    }

    impl Bench {
        fn new() -> Self {
            let capacity = Capacity::default();
            let (at, path) = (Duration::ZERO, BASE);
            Self { capacity, start: Instant::now(), at, acked: 0.0, queue: 0.0, path }
        }

        /// Runs for `ms`; how often the limit fell.
        fn run(&mut self, ms: u64, takes: f64, wanted: f64) -> usize {
            let mut cuts = 0;
            for _ in 0..ms / 100 {
                self.at += EVERY;
                let limit = self.capacity.limit();
                let sent = limit.map_or(wanted, |limit| wanted.min(limit as f64 / 1e3));
                self.queue = (self.queue + (sent - takes) / 10.0).clamp(0.0, takes / 2.0);
                let through = if self.queue > 0.0 { takes } else { sent };
                self.acked += through * 100.0 / 8.0;
                let queued = Duration::from_secs_f64(self.queue / takes);
                let sample = Sample {
                    acked: self.acked as u64,
                    rtt: self.path + queued,
                    waiting: false,
                    wanted: (wanted * 1e3) as u64,
                };
                self.capacity.take(self.start + self.at, &sample);
                let now = self.capacity.limit();
                cuts += usize::from(now.is_some() && limit.is_none_or(|old| now < Some(old)));
            }
            cuts
        }

        fn kbps(&self) -> Option<u64> {
            self.capacity.limit().map(|limit| limit / 1_000)
        }
    }

    #[test]
    fn a_link_that_takes_all_has_no_limit() {
        let mut bench = Bench::new();
        assert_eq!(bench.run(60_000, 100_000.0, 3_000.0), 0);
        assert_eq!(bench.kbps(), None);
    }

    #[test]
    fn a_narrow_link_is_known_within_half_a_second() {
        let mut bench = Bench::new();
        bench.run(2_000, 100_000.0, 3_000.0);
        bench.run(600, 1_000.0, 3_000.0);
        let kbps = bench.kbps().unwrap();
        assert!((700..=1_700).contains(&kbps), "{kbps}");
        bench.run(800, 1_000.0, 3_000.0);
        let kbps = bench.kbps().unwrap();
        assert!((700..=1_000).contains(&kbps), "{kbps}");
    }

    #[test]
    fn who_was_too_bold_waits_longer_each_time() {
        let mut bench = Bench::new();
        bench.run(2_000, 100_000.0, 3_000.0);
        let first = bench.run(10_000, 1_000.0, 3_000.0);
        let later = bench.run(30_000, 1_000.0, 3_000.0);
        assert!(first <= 6 && later <= 4, "{first} {later}");
    }

    #[test]
    fn what_was_cut_comes_back_soon_after_a_short_time() {
        let mut bench = Bench::new();
        bench.run(2_000, 100_000.0, 3_000.0);
        bench.run(1_000, 1_000.0, 3_000.0);
        bench.run(3_500, 100_000.0, 3_000.0);
        assert!(bench.kbps().is_none_or(|kbps| kbps >= 3_000), "{:?}", bench.kbps());
    }

    #[test]
    fn a_path_that_became_longer_is_not_a_full_one_for_long() {
        let mut bench = Bench::new();
        bench.run(2_000, 100_000.0, 3_000.0);
        bench.path = Duration::from_millis(200);
        bench.run(4_500, 100_000.0, 3_000.0);
        assert!(bench.kbps().is_none_or(|kbps| kbps >= 3_000), "{:?}", bench.kbps());
    }
}
