//! What the path carried each time it was overused, and how sure that is (libwebrtc
//! `goog_cc/link_capacity_estimator.cc`). Knows nothing of now.

/// Of a new sample.
const ALPHA: f64 = 0.05;
/// Of the variance, normalised by the estimate; in kb/s.
const DEVIATION: std::ops::RangeInclusive<f64> = 0.4..=2.5;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LinkCapacity {
    kbps: Option<f64>,
    deviation: Option<f64>,
}

impl LinkCapacity {
    /// So much arrived, in bits per second, while the path was overused.
    pub fn on_overuse(&mut self, arrived: u64) {
        let sample = arrived as f64 / 1000.0;
        let kbps = self.kbps.map_or(sample, |kbps| (1.0 - ALPHA) * kbps + ALPHA * sample);
        self.kbps = Some(kbps);
        let norm = kbps.max(1.0);
        let error = kbps - sample;
        let deviation = self.deviation.unwrap_or(*DEVIATION.start());
        let deviation = (1.0 - ALPHA) * deviation + ALPHA * error * error / norm;
        self.deviation = Some(deviation.clamp(*DEVIATION.start(), *DEVIATION.end()));
    }

    /// Forgets it: the path is another.
    pub fn reset(&mut self) {
        self.kbps = None;
    }

    /// Whether anything is known.
    pub fn is_known(&self) -> bool {
        self.kbps.is_some()
    }

    /// Whether so much is near what the path carried; true if that is not known.
    pub fn is_near(&self, bitrate: u64) -> bool {
        let Some(kbps) = self.kbps else { return true };
        let spread = 3.0 * (kbps * self.deviation.unwrap_or(*DEVIATION.start())).sqrt();
        (bitrate as f64 / 1000.0 - kbps).abs() <= spread
    }

    /// Whether so much is more than the path could carry, by what is known.
    pub fn is_above(&self, bitrate: u64) -> bool {
        self.kbps.is_some_and(|kbps| bitrate as f64 / 1000.0 > kbps) && !self.is_near(bitrate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_near_what_it_saw_and_far_from_the_rest() {
        let mut capacity = LinkCapacity::default();
        assert!(capacity.is_near(5_000_000) && !capacity.is_known());
        for _ in 0..10 {
            capacity.on_overuse(600_000);
        }
        assert!(capacity.is_known());
        assert!(capacity.is_near(570_000) && capacity.is_near(630_000));
        assert!(!capacity.is_near(1_200_000) && capacity.is_above(1_200_000));
        assert!(!capacity.is_near(200_000) && !capacity.is_above(200_000));
        capacity.reset();
        assert!(capacity.is_near(1_200_000));
    }
}
