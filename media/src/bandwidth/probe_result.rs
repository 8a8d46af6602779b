//! What a probe shows: the rate at which its packets were sent, and at which they arrived
//! (libwebrtc `goog_cc/probe_bitrate_estimator.cc`). Decides nothing.

/// Share of a probe that must arrive for it to show anything.
const ARRIVED: f64 = 0.8;
/// Longest time a probe may take to be sent, and to arrive, in microseconds.
const MAX_SPAN: i64 = 1_000_000;
/// Packets that arrive so much faster than they were sent were held up somewhere.
const MAX_RATIO: f64 = 2.0;
/// Below this share of the rate sent, the rate of arrival is the path's.
const SATURATED: f64 = 0.9;
/// And somewhat less of it is used, so that a queue that was built empties.
const UTILISATION: f64 = 0.95;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProbeResult {
    told: u32,
    packets: u32,
    bytes: u64,
    /// Time and size of the first and the last packet, by our clock.
    sent: Option<(i64, (i64, u64))>,
    /// The same by the receiver's.
    arrived: Option<((i64, u64), i64)>,
}

impl ProbeResult {
    /// A packet of the probe arrived.
    pub fn on_arrival(&mut self, sent: i64, arrival: i64, bytes: u64) {
        self.told += 1;
        self.packets += 1;
        self.bytes += bytes;
        self.sent = Some(match self.sent {
            None => (sent, (sent, bytes)),
            Some((first, last)) if sent >= last.0 => (first.min(sent), (sent, bytes)),
            Some((first, last)) => (first.min(sent), last),
        });
        self.arrived = Some(match self.arrived {
            None => ((arrival, bytes), arrival),
            Some((first, last)) if arrival < first.0 => ((arrival, bytes), last),
            Some((first, last)) => (first, last.max(arrival)),
        });
    }

    /// One was lost.
    pub fn on_loss(&mut self) {
        self.told += 1;
    }

    /// Packets feedback has told about.
    pub const fn told(&self) -> u32 {
        self.told
    }

    /// Bits per second the path carries, if a probe of `packets` shows that.
    pub fn bitrate(&self, packets: u32) -> Option<u64> {
        if f64::from(self.packets) < ARRIVED * f64::from(packets) {
            return None;
        }
        let (first_sent, (last_sent, last_size)) = self.sent?;
        let ((first_arrival, first_size), last_arrival) = self.arrived?;
        let sent = rate(self.bytes - last_size, last_sent - first_sent)?;
        let arrived = rate(self.bytes - first_size, last_arrival - first_arrival)?;
        if arrived > MAX_RATIO * sent {
            return None;
        }
        let bitrate =
            if arrived < SATURATED * sent { UTILISATION * arrived } else { sent.min(arrived) };
        Some(bitrate as u64)
    }
}

fn rate(bytes: u64, micros: i64) -> Option<f64> {
    (1..=MAX_SPAN).contains(&micros).then(|| bytes as f64 * 8e6 / micros as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(sent_gap: i64, arrival_gap: i64, lost: u32) -> Option<u64> {
        let mut result = ProbeResult::default();
        for n in 0..i64::from(20 - lost) {
            result.on_arrival(n * sent_gap, 500_000 + n * arrival_gap, 1_000);
        }
        (0..lost).for_each(|_| result.on_loss());
        assert_eq!(result.told(), 20);
        result.bitrate(20)
    }

    #[test]
    fn what_passes_unhindered_shows_the_rate_sent() {
        assert_eq!(probe(4_000, 4_000, 0), Some(2_000_000));
        assert_eq!(probe(4_000, 4_200, 0), Some(1_904_761));
    }

    #[test]
    fn what_is_held_up_shows_a_little_less_than_the_path_carries() {
        assert_eq!(probe(4_000, 10_000, 0), Some(760_000));
    }

    #[test]
    fn what_is_lost_or_comes_in_one_heap_shows_nothing() {
        assert_eq!(probe(4_000, 4_000, 5), None);
        assert_eq!(probe(4_000, 1_900, 0), None);
        assert_eq!(probe(0, 4_000, 0), None);
        assert_eq!(ProbeResult::default().bitrate(0), None);
    }
}
