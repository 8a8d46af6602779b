//! Many times in little memory: percentiles that are at most 2 % too high. Pure.

/// The shortest time that is told from zero.
const FIRST_NS: f64 = 10_000.0;
/// From one bucket to the next.
const STEP: f64 = 1.02;
/// Up to 37 s, longer than anybody waits for a packet.
const BUCKETS: usize = 764;

/// Times in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn take(&mut self, ns: u64) {
        let place = ((ns as f64 / FIRST_NS).max(1.0).ln() / STEP.ln()).ceil() as usize;
        self.counts[place.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.max = self.max.max(ns);
    }

    /// How many were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts.iter_mut().zip(&other.counts) {
            *sum += more;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// The time in milliseconds that so many percent are not above; 0 of nothing.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let wanted = ((self.count as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let bound = FIRST_NS * STEP.powi(i32::try_from(place).unwrap_or(i32::MAX));
                return bound.min(self.max as f64) / 1e6;
            }
        }
        self.max_ms()
    }

    /// The longest, in milliseconds.
    pub fn max_ms(&self) -> f64 {
        self.max as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_at_most_two_percent_too_high() {
        let mut all = Histogram::default();
        (1..=1_000).for_each(|n| all.take(n * 100_000));
        for (percent, truth) in [(50.0, 50.0), (95.0, 95.0), (99.0, 99.0), (100.0, 100.0)] {
            let found = all.percentile_ms(percent);
            assert!((truth..truth * 1.021).contains(&found), "{percent}: {found}");
        }
        assert_eq!((all.count(), all.max_ms()), (1_000, 100.0));
    }

    #[test]
    fn nothing_and_extremes_have_percentiles_too() {
        assert_eq!(Histogram::default().percentile_ms(99.0), 0.0);
        let mut all = Histogram::default();
        all.take(0);
        all.take(u64::MAX);
        assert_eq!(all.percentile_ms(50.0), 0.01);
        assert!(all.percentile_ms(100.0) > 30_000.0);
    }

    #[test]
    fn two_together_are_as_one() {
        let (mut a, mut b, mut both) = <(Histogram, Histogram, Histogram)>::default();
        for n in 0..500 {
            if n % 3 == 0 {
                a.take(n * 7_000)
            } else {
                b.take(n * 7_000)
            }
            both.take(n * 7_000);
        }
        a.add(&b);
        assert_eq!(a, both);
    }
}
