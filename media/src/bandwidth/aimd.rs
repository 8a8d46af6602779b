//! The bitrate that follows from what the path is used for: a little more while queues stay empty,
//! a good deal less when they fill (libwebrtc
//! `remote_bitrate_estimator/aimd_rate_control.cc`). Knows nothing of loss and probes.

use std::time::Duration;

use super::{capacity::LinkCapacity, trendline::Usage};

/// Of what arrives, when a queue fills: somewhat less, so that it empties.
const BACKOFF: f64 = 0.85;
/// Increase per second as long as nothing is known of the path.
const GROWTH: f64 = 0.08;
/// Least increase per second near what the path carried, in bits per second.
const MIN_GROWTH: f64 = 4_000.0;
const FRAMES_PER_SECOND: f64 = 30.0;
const PACKET_BITS: f64 = 1_200.0 * 8.0;
/// How long it takes to notice overuse.
const DETECTION: Duration = Duration::from_millis(100);
/// Longest time one update counts for: after a silence nothing is known of the path.
const MAX_STEP: f64 = 1.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// What an update knows.
#[derive(Clone, Copy, Debug)]
pub struct Signals {
    /// From the delay.
    pub usage: Usage,
    /// What arrives, in bits per second.
    pub arrives: Option<u64>,
    /// The same by the shortest window, which counts while a queue fills.
    pub of_queue: Option<u64>,
    /// Little is sent: nothing shows that more would pass.
    pub limited: bool,
    /// Round trip, with the time feedback takes.
    pub rtt: Duration,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Aimd {
    bitrate: f64,
    state: State,
    capacity: LinkCapacity,
    /// Microseconds of the estimator.
    changed_at: Option<i64>,
}

impl Aimd {
    /// Starts at `bitrate`.
    pub fn new(bitrate: u64) -> Self {
        Self {
            bitrate: bitrate as f64,
            state: State::Hold,
            capacity: LinkCapacity::default(),
            changed_at: None,
        }
    }

    /// In bits per second.
    pub fn bitrate(&self) -> u64 {
        self.bitrate as u64
    }

    /// A probe, or the owner, says so.
    pub fn set(&mut self, now: i64, bitrate: u64) {
        self.bitrate = bitrate as f64;
        self.changed_at = Some(now);
        if self.capacity.is_above(bitrate) {
            self.capacity.reset();
        }
    }

    /// The path became narrow all at once: it carries `rate`.
    pub fn narrow(&mut self, now: i64, rate: u64) {
        self.bitrate = self.bitrate.min(BACKOFF * rate as f64);
        self.capacity.reset();
        self.capacity.on_overuse(rate);
        self.state = State::Hold;
        self.changed_at = Some(now);
    }

    /// Feedback came.
    pub fn update(&mut self, now: i64, signals: Signals) {
        match signals.usage {
            Usage::Over => self.back_off(now, signals),
            // Queues empty: more would fill them again before they are.
            Usage::Under => self.state = State::Hold,
            Usage::Normal if self.state == State::Hold => {
                self.state = State::Increase;
                self.changed_at = Some(now);
            }
            Usage::Normal => self.grow(now, signals),
        }
    }

    fn back_off(&mut self, now: i64, signals: Signals) {
        let Some(arrives) = signals.of_queue.or(signals.arrives) else { return };
        let pause = signals.rtt.clamp(Duration::from_millis(10), Duration::from_millis(200));
        let paused = self.changed_at.is_none_or(|at| now - at >= pause.as_micros() as i64);
        if self.state == State::Hold && !paused && arrives as f64 >= 0.5 * self.bitrate {
            return;
        }
        let lower = BACKOFF * arrives as f64;
        if lower < self.bitrate {
            self.bitrate = lower;
        }
        if !self.capacity.is_near(arrives) {
            self.capacity.reset();
        }
        self.capacity.on_overuse(arrives);
        self.state = State::Hold;
        self.changed_at = Some(now);
    }

    fn grow(&mut self, now: i64, signals: Signals) {
        let since = (now - self.changed_at.replace(now).unwrap_or(now)) as f64 / 1e6;
        let since = since.clamp(0.0, MAX_STEP);
        let Some(arrives) = signals.arrives else { return };
        if self.capacity.is_above(arrives) {
            self.capacity.reset();
        }
        let ceiling = 1.5 * arrives as f64 + 10_000.0;
        if signals.limited || self.bitrate >= ceiling {
            return;
        }
        let more = if self.capacity.is_known() {
            self.near_growth(signals.rtt) * since
        } else {
            (self.bitrate * ((1.0 + GROWTH).powf(since) - 1.0)).max(1_000.0)
        };
        self.bitrate = (self.bitrate + more).min(ceiling);
    }

    /// About a packet per two response times.
    fn near_growth(&self, rtt: Duration) -> f64 {
        let frame = self.bitrate / FRAMES_PER_SECOND;
        let packet = frame / (frame / PACKET_BITS).ceil().max(1.0);
        (packet / (2.0 * (rtt + DETECTION).as_secs_f64())).max(MIN_GROWTH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;

    fn signals(usage: Usage, arrives: u64) -> Signals {
        let rtt = Duration::from_millis(50);
        Signals { usage, arrives: Some(arrives), of_queue: Some(arrives), limited: false, rtt }
    }

    #[test]
    fn overuse_goes_below_what_arrives_once_per_round_trip() {
        let mut aimd = Aimd::new(2_000_000);
        aimd.update(0, signals(Usage::Normal, 2_000_000));
        aimd.update(100 * MS, signals(Usage::Over, 1_600_000));
        assert_eq!(aimd.bitrate(), 1_360_000);
        aimd.update(120 * MS, signals(Usage::Over, 1_000_000));
        assert_eq!(aimd.bitrate(), 1_360_000);
        aimd.update(160 * MS, signals(Usage::Over, 1_000_000));
        assert_eq!(aimd.bitrate(), 850_000);
        // Half of it or less does not wait.
        aimd.update(161 * MS, signals(Usage::Over, 400_000));
        assert_eq!(aimd.bitrate(), 340_000);
    }

    #[test]
    fn a_path_that_became_narrow_is_gone_below_at_once_and_grown_near_by_packets() {
        let mut aimd = Aimd::new(2_000_000);
        aimd.narrow(0, 600_000);
        assert_eq!(aimd.bitrate(), 510_000);
        for n in 1..=11 {
            aimd.update(n * 100 * MS, signals(Usage::Normal, 510_000));
        }
        assert!((525_000..550_000).contains(&aimd.bitrate()), "{}", aimd.bitrate());
        aimd.narrow(1_200 * MS, 5_000_000);
        assert!(aimd.bitrate() < 550_000);
    }

    #[test]
    fn it_grows_by_eight_percent_a_second_at_first_and_by_a_packet_later() {
        let mut aimd = Aimd::new(1_000_000);
        aimd.update(0, signals(Usage::Normal, 1_000_000));
        for n in 1..=10 {
            aimd.update(n * 100 * MS, signals(Usage::Normal, 1_000_000));
        }
        assert!((1_079_000..1_081_000).contains(&aimd.bitrate()), "{}", aimd.bitrate());
        aimd.update(1_100 * MS, signals(Usage::Over, 1_000_000));
        assert_eq!(aimd.bitrate(), 850_000);
        for n in 12..=22 {
            aimd.update(n * 100 * MS, signals(Usage::Normal, 850_000));
        }
        assert!((875_000..890_000).contains(&aimd.bitrate()), "{}", aimd.bitrate());
    }

    #[test]
    fn what_little_is_sent_neither_raises_nor_lowers_it() {
        let mut aimd = Aimd::new(1_000_000);
        for n in 0..100 {
            let little = Signals { limited: true, ..signals(Usage::Normal, 100_000) };
            aimd.update(n * 100 * MS, little);
        }
        assert_eq!(aimd.bitrate(), 1_000_000);
        // Nor does it grow beyond half more than what arrives.
        for n in 100..1_000 {
            aimd.update(n * 100 * MS, signals(Usage::Normal, 800_000));
        }
        assert_eq!(aimd.bitrate(), 1_210_000);
    }

    #[test]
    fn what_a_queue_that_empties_lets_through_is_not_grown_by() {
        let mut aimd = Aimd::new(500_000);
        for n in 0..100 {
            aimd.update(n * 100 * MS, signals(Usage::Under, 500_000));
        }
        assert_eq!(aimd.bitrate(), 500_000);
    }
}
