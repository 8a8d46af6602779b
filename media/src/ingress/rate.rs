//! Bits per second over a sliding window (ST4, ST9). Never estimates what could be sent.

use std::time::{Duration, Instant};

/// Parts a window is counted in. 25 of them make a figure at most 4 % late.
const BUCKETS: usize = 25;

/// Window of a stream's bitrate (ST4).
pub const STREAM_WINDOW: Duration = Duration::from_millis(2500);
/// The same for a sender that may fall silent (ST4).
pub const DTX_WINDOW: Duration = Duration::from_millis(6000);
/// Window of everything else (ST9).
pub const DEFAULT_WINDOW: Duration = Duration::from_millis(1000);

/// Counts bytes as they pass.
#[derive(Clone, Debug)]
pub struct RateCalculator {
    window: Duration,
    buckets: [u32; BUCKETS],
    sum: u64,
    /// Number of the newest bucket since `start`.
    newest: u64,
    start: Option<Instant>,
}

impl RateCalculator {
    /// Over `window`, which is at least 25 ms.
    pub fn new(window: Duration) -> Self {
        let window = window.max(Duration::from_millis(BUCKETS as u64));
        Self { window, buckets: [0; BUCKETS], sum: 0, newest: 0, start: None }
    }

    /// `bytes` passed.
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let bucket = &mut self.buckets[(self.newest % BUCKETS as u64) as usize];
        let before = *bucket;
        *bucket = bucket.saturating_add(bytes);
        self.sum += u64::from(*bucket - before);
    }

    /// Bits per second over the last window.
    pub fn bits_per_second(&mut self, now: Instant) -> u64 {
        self.advance(now);
        self.sum * 8 * 1000 / self.window.as_millis() as u64
    }

    fn advance(&mut self, now: Instant) {
        let start = *self.start.get_or_insert(now);
        let width = self.window.as_micros() as u64 / BUCKETS as u64;
        let bucket = now.saturating_duration_since(start).as_micros() as u64 / width;
        for number in self.newest + 1..=bucket.min(self.newest + BUCKETS as u64) {
            let old = std::mem::take(&mut self.buckets[(number % BUCKETS as u64) as usize]);
            self.sum -= u64::from(old);
        }
        self.newest = self.newest.max(bucket);
    }
}

#[cfg(test)]
mod tests;
