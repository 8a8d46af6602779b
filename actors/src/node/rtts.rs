//! The round trips of a link over the last minute. Pure; never measures.

use std::{collections::VecDeque, time::Duration};

/// Samples kept: a minute of one each half second.
const KEPT: usize = 120;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Rtts(VecDeque<Duration>);

impl Rtts {
    pub(super) fn add(&mut self, rtt: Duration) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(rtt);
    }

    /// Median, and what 99 of 100 are not above.
    pub(super) fn percentiles(&self) -> (Duration, Duration) {
        let mut sorted: Vec<_> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100);
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        (at(50), at(99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_last_minute() {
        let mut rtts = Rtts::default();
        assert_eq!(rtts.percentiles(), (Duration::ZERO, Duration::ZERO));
        (1..=100).for_each(|ms| rtts.add(Duration::from_millis(ms)));
        let ms = |p50, p99| (Duration::from_millis(p50), Duration::from_millis(p99));
        assert_eq!(rtts.percentiles(), ms(50, 99));
        (0..120).for_each(|_| rtts.add(Duration::from_millis(7)));
        assert_eq!(rtts.percentiles(), ms(7, 7));
    }
}
