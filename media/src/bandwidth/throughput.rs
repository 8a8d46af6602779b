//! How much arrives, by the receiver's clock: bytes that feedback told of, over the last moments
//! (libwebrtc `goog_cc/robust_throughput_estimator.cc`, with buckets for its window). Knows nothing
//! of what could arrive.

/// Width of a bucket, in microseconds.
const WIDTH: i64 = 50_000;
/// Buckets kept: a second.
const BUCKETS: usize = 20;
/// Buckets of the long window: half a second, as `kInitialRateWindow` of libwebrtc's
/// `bitrate_estimator.cc`; some fifteen frames.
const LONG: i64 = 10;
/// Buckets of the short one.
const SHORT: i64 = 4;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Throughput {
    buckets: [u32; BUCKETS],
    newest: Option<i64>,
    first: i64,
}

impl Throughput {
    /// `bytes` arrived at `arrival`, by the receiver's clock.
    pub fn on_arrival(&mut self, arrival: i64, bytes: usize) {
        let bucket = arrival.div_euclid(WIDTH);
        let newest = match self.newest {
            Some(newest) if (bucket - newest).abs() <= BUCKETS as i64 => newest,
            Some(_) | None => {
                *self = Self { newest: Some(bucket), first: bucket, ..Self::default() };
                bucket
            }
        };
        for skipped in newest + 1..=bucket {
            self.buckets[place(skipped)] = 0;
        }
        let newest = newest.max(bucket);
        self.newest = Some(newest);
        if newest - bucket < BUCKETS as i64 {
            let bytes = bytes.min(1 << 20) as u32;
            let into = &mut self.buckets[place(bucket)];
            *into = into.saturating_add(bytes);
        }
    }

    /// Bits per second over the last half second; nothing before there was a fifth of one.
    pub fn bitrate(&self) -> Option<u64> {
        self.over(LONG)
    }

    /// Bits per second of the best tenth of the last fifth of a second: what the path carries,
    /// while a queue fills. Before that it was not full, so that the mean says too little.
    pub fn of_queue(&self) -> Option<u64> {
        self.over(SHORT)?;
        let end = self.newest?;
        let bytes = |bucket: i64| u64::from(self.buckets[place(bucket)]);
        let pairs = (end - SHORT..end - 1).map(|bucket| bytes(bucket) + bytes(bucket + 1));
        pairs.max().map(|bytes| bytes * 8 * 1_000_000 / (2 * WIDTH as u64))
    }

    /// Over whole buckets: the newest one is still being filled.
    fn over(&self, window: i64) -> Option<u64> {
        let end = self.newest?;
        let start = (end - window).max(self.first);
        let buckets = u64::try_from(end - start).ok().filter(|buckets| *buckets >= SHORT as u64)?;
        let sum: u64 = (start..end).map(|bucket| u64::from(self.buckets[place(bucket)])).sum();
        Some(sum * 8 * 1_000_000 / (buckets * WIDTH as u64))
    }
}

fn place(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_measured_after_a_fifth_of_a_second() {
        let mut throughput = Throughput::default();
        // 1,250 bytes each 10 ms: 1 Mb/s.
        for n in 0..20 {
            throughput.on_arrival(7_000_000 + n * 10_000, 1_250);
            assert_eq!(throughput.bitrate(), None, "{n}");
        }
        for n in 20..60 {
            throughput.on_arrival(7_000_000 + n * 10_000, 1_250);
        }
        assert_eq!(throughput.bitrate(), Some(1_000_000));
        assert_eq!(throughput.of_queue(), Some(1_000_000));
    }

    #[test]
    fn a_drop_is_seen_by_the_short_window_first() {
        let mut throughput = Throughput::default();
        for n in 0..100 {
            throughput.on_arrival(n * 10_000, 2_500);
        }
        for n in 0..7 {
            throughput.on_arrival(1_000_000 + n * 40_000, 2_500);
        }
        assert!(throughput.of_queue() <= Some(600_000), "{:?}", throughput.of_queue());
        assert!(throughput.bitrate() > Some(1_000_000), "{:?}", throughput.bitrate());
    }

    #[test]
    fn silence_counts_as_nothing_and_a_late_packet_in_its_place() {
        let mut throughput = Throughput::default();
        for n in 0..50 {
            throughput.on_arrival(n * 10_000, 1_250);
        }
        throughput.on_arrival(900_000, 1_250);
        throughput.on_arrival(890_000, 1_250);
        assert!(throughput.bitrate() < Some(250_000), "{:?}", throughput.bitrate());
        throughput.on_arrival(100_000_000, 1_250);
        assert_eq!(throughput.bitrate(), None);
    }
}
