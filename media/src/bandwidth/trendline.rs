//! Whether a queue builds up on the path: the slope of smoothed one-way delay against a threshold
//! that adapts to how noisy the path is (libwebrtc `goog_cc/trendline_estimator.cc`). Knows nothing
//! of bitrates.

use super::arrival::Delta;

/// Groups the line is fitted to.
const WINDOW: usize = 20;
/// Of a new delay in the smoothed one.
const SMOOTHING: f64 = 0.9;
/// The slope is small; this makes it comparable to a threshold in milliseconds.
const GAIN: f64 = 4.0;
/// Groups after which the slope counts in full.
const FULL_WEIGHT: u32 = 60;
/// How long the slope must be over the threshold, in milliseconds of sending.
const OVERUSE_MS: f64 = 10.0;
/// How fast the threshold follows a slope above and below it, per millisecond.
const UP: f64 = 0.0087;
const DOWN: f64 = 0.039;
/// A slope so far over the threshold is a drop of capacity, and no noise to adapt to.
const MAX_ADAPT: f64 = 15.0;
const MAX_ADAPT_MS: f64 = 100.0;
const FIRST_THRESHOLD: f64 = 12.5;
const THRESHOLDS: std::ops::RangeInclusive<f64> = 6.0..=600.0;

/// What the path is used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// Queues are as they were.
    #[default]
    Normal,
    /// They fill.
    Over,
    /// They empty.
    Under,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Trendline {
    /// Arrival and smoothed delay, in milliseconds.
    points: [(f64, f64); WINDOW],
    deltas: u32,
    first_arrival: Option<i64>,
    delay: f64,
    smoothed: f64,
    trend: f64,
    threshold: f64,
    adapted_at: Option<f64>,
    over_for: Option<f64>,
    over_count: u32,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); WINDOW],
            deltas: 0,
            first_arrival: None,
            delay: 0.0,
            smoothed: 0.0,
            trend: 0.0,
            threshold: FIRST_THRESHOLD,
            adapted_at: None,
            over_for: None,
            over_count: 0,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    /// As of the newest delta.
    pub const fn usage(&self) -> Usage {
        self.usage
    }

    /// A group arrived.
    pub fn on_delta(&mut self, delta: Delta) {
        let first = *self.first_arrival.get_or_insert(delta.at);
        let at = ms(delta.at - first);
        self.delay += ms(delta.arrival - delta.sent);
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.delay;
        self.points[self.deltas as usize % WINDOW] = (at, self.smoothed);
        self.deltas = self.deltas.saturating_add(1);
        let mut trend = self.trend;
        if self.deltas as usize >= WINDOW {
            trend = slope(&self.points).unwrap_or(trend);
        }
        self.detect(trend, ms(delta.sent), at);
    }

    fn detect(&mut self, trend: f64, sent: f64, at: f64) {
        if self.deltas < 2 {
            return;
        }
        let weighed = f64::from(self.deltas.min(FULL_WEIGHT)) * trend * GAIN;
        if weighed > self.threshold {
            // Half of the first stretch, as its beginning is not known.
            let over_for = self.over_for.map_or(sent / 2.0, |before| before + sent);
            self.over_for = Some(over_for);
            self.over_count += 1;
            if over_for > OVERUSE_MS && self.over_count > 1 && trend >= self.trend {
                self.over_for = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.over_count = 0;
            self.usage = if weighed < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.trend = trend;
        self.adapt(weighed.abs(), at);
    }

    fn adapt(&mut self, weighed: f64, at: f64) {
        let since = (at - self.adapted_at.replace(at).unwrap_or(at)).clamp(0.0, MAX_ADAPT_MS);
        if weighed > self.threshold + MAX_ADAPT {
            return;
        }
        let speed = if weighed < self.threshold { DOWN } else { UP };
        self.threshold += speed * (weighed - self.threshold) * since;
        self.threshold = self.threshold.clamp(*THRESHOLDS.start(), *THRESHOLDS.end());
    }
}

fn ms(micros: i64) -> f64 {
    micros as f64 / 1000.0
}

/// Of the line with the least squares; none if all points are at one time.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let x_mean = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let y_mean = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let (mut over, mut under) = (0.0, 0.0);
    for (x, y) in points {
        over += (x - x_mean) * (y - y_mean);
        under += (x - x_mean) * (x - x_mean);
    }
    (under > 0.0).then(|| over / under)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups each 20 ms that arrive `arrival` apart; how many until the usage is another.
    fn feed(trend: &mut Trendline, at: &mut i64, arrival: i64, groups: usize) -> Option<usize> {
        let before = trend.usage();
        (1..=groups).find(|_| {
            *at += arrival;
            trend.on_delta(Delta { sent: 20_000, arrival, at: *at });
            trend.usage() != before
        })
    }

    #[test]
    fn a_steady_path_is_used_normally() {
        let (mut trend, mut at) = (Trendline::default(), 0);
        assert_eq!(feed(&mut trend, &mut at, 20_000, 1_000), None);
    }

    #[test]
    fn a_queue_that_fills_is_told_within_a_few_groups_and_one_that_empties_too() {
        let (mut trend, mut at) = (Trendline::default(), 0);
        feed(&mut trend, &mut at, 20_000, 100);
        let took = feed(&mut trend, &mut at, 30_000, 20).unwrap();
        assert_eq!(trend.usage(), Usage::Over);
        assert!(took <= 8, "{took} groups");
        feed(&mut trend, &mut at, 20_000, 60);
        assert_eq!(trend.usage(), Usage::Normal);
        feed(&mut trend, &mut at, 12_000, 20);
        assert_eq!(trend.usage(), Usage::Under);
    }

    #[test]
    fn jitter_is_not_taken_for_a_queue() {
        let (mut trend, mut at) = (Trendline::default(), 0);
        for n in 0..600i64 {
            let jitter = (n * 7_919 % 13 - 6) * 1_000;
            let arrival = 20_000 + jitter - ((n - 1) * 7_919 % 13 - 6) * 1_000;
            at += arrival;
            trend.on_delta(Delta { sent: 20_000, arrival, at });
            assert_ne!(trend.usage(), Usage::Over, "group {n}");
        }
    }
}
