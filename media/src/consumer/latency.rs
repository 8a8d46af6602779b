//! How long packets were here: from the turn that received them until the kernel, a link or another
//! core had them. A histogram, for no consumer can keep a number for each packet. Reads no clock.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Times are told apart from 2^4 µs on: no packet is forwarded in less.
const SHORTEST: u32 = 4;
/// Doublings of that: up to two seconds, which is as long as packets stay in a buffer.
pub const OCTAVES: usize = 17;
/// Parts of an octave: a percentile is a quarter too high at most.
const PARTS: usize = 4;

/// How long something took, and where that stands: all packets of a batch share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    micros: u64,
    part: u8,
}

impl Span {
    /// Between two times.
    pub fn between(received: Instant, sent: Instant) -> Self {
        Self::of_micros(sent.saturating_duration_since(received).as_micros() as u64)
    }

    fn of_micros(micros: u64) -> Self {
        let exponent = micros.max(1).ilog2();
        let Some(octave) = exponent.checked_sub(SHORTEST) else { return Self { micros, part: 0 } };
        let inside = (micros >> (exponent - PARTS.ilog2())) as usize % PARTS;
        let part = (octave as usize * PARTS + inside).min(OCTAVES * PARTS - 1) as u8;
        Self { micros, part }
    }
}

/// What one consumer's packets took.
#[derive(Clone, Debug)]
pub struct Latency {
    counts: [u32; OCTAVES * PARTS],
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: [0; OCTAVES * PARTS] }
    }
}

impl Latency {
    /// So many packets took so long.
    pub fn add(&mut self, span: Span, packets: u32) {
        let count = &mut self.counts[usize::from(span.part)];
        *count = count.saturating_add(packets);
    }

    /// The time that `percent` of the packets took at most; `None` before the first one.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let all = self.packets();
        let rank = (all * percent).div_ceil(100).max(1);
        let mut below = 0;
        let at = self.counts.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        })?;
        let octave = 1u64 << (SHORTEST + (at / PARTS) as u32);
        Some(Duration::from_micros(octave + octave / PARTS as u64 * (at % PARTS + 1) as u64))
    }

    /// For statistics, in milliseconds.
    pub fn report(&self) -> Value {
        let ms = |percent| self.percentile(percent).map(|time| time.as_secs_f64() * 1000.0);
        json!({ "packets": self.packets(), "p50": ms(50), "p95": ms(95), "p99": ms(99) })
    }

    fn packets(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }
}

/// What all packets of a plane took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyTotals {
    /// Packets by octave; see [`Self::bound`].
    pub octaves: [u64; OCTAVES],
    /// All times together, in microseconds.
    pub micros: u64,
}

impl LatencyTotals {
    /// So many packets took so long.
    pub fn add(&mut self, span: Span, packets: u32) {
        self.octaves[usize::from(span.part) / PARTS] += u64::from(packets);
        self.micros += span.micros * u64::from(packets);
    }

    /// Packets of an octave and those before it took less than this; of the last one, more.
    pub fn bound(octave: usize) -> Option<Duration> {
        (octave + 1 < OCTAVES).then(|| Duration::from_micros(2 << (SHORTEST as usize + octave)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_at_least_what_was_added_and_a_quarter_more_at_most() {
        for micros in [16, 17, 31, 32, 40, 100, 999, 1_000, 65_535, 65_536, 1_900_000] {
            let mut latency = Latency::default();
            latency.add(Span::of_micros(micros), 1);
            let told = latency.percentile(50).unwrap().as_micros() as u64;
            assert!(told > micros && told <= micros + micros.div_ceil(4), "{micros}: {told}");
        }
    }

    #[test]
    fn percentiles_count_packets_and_extremes_have_a_place() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentile(50), None);
        latency.add(Span::of_micros(100), 98);
        latency.add(Span::of_micros(0), 1);
        latency.add(Span::of_micros(u64::MAX), 1);
        assert_eq!(latency.percentile(1), Some(Duration::from_micros(20)));
        assert_eq!(latency.percentile(2), Some(Duration::from_micros(112)));
        assert_eq!(latency.percentile(99), Some(Duration::from_micros(112)));
        assert_eq!(latency.percentile(100), Some(Duration::from_micros(2 << 20)));
        let report = latency.report();
        assert_eq!((&report["packets"], &report["p50"]), (&json!(100), &json!(0.112)));
        latency.add(Span::of_micros(100), u32::MAX);
        assert_eq!(latency.packets(), u64::from(u32::MAX) + 2);
    }

    #[test]
    fn totals_are_kept_by_octaves_whose_bounds_double() {
        let mut totals = LatencyTotals::default();
        totals.add(Span::of_micros(31), 1);
        totals.add(Span::of_micros(32), 2);
        totals.add(Span::of_micros(5_000_000), 3);
        assert_eq!((totals.octaves[0], totals.octaves[1], totals.octaves[16]), (1, 2, 3));
        assert_eq!(totals.micros, 31 + 2 * 32 + 3 * 5_000_000);
        assert_eq!(LatencyTotals::bound(0), Some(Duration::from_micros(32)));
        assert_eq!(LatencyTotals::bound(15), Some(Duration::from_micros(1 << 20)));
        assert_eq!(LatencyTotals::bound(16), None);
    }
}
