//! Output timestamps that go on through switches: one offset per stretch of one source stream
//! (mediasoup LY5). Never knows layers or sequence numbers.

use std::time::{Duration, Instant};

/// How far the first packet of a stretch lies after the newest one sent, when its own time would
/// not: layers of one picture come one after the other, so a switch up begins with a picture
/// already shown. mediasoup's step is a frame (`OffsetMs`, 33 ms), but then frequent switches add
/// up.
const STEP: Duration = Duration::from_millis(1);
/// A larger correction than this is not made at the first try: another key frame is asked for
/// (mediasoup `MaxExtraOffsetMs`).
const MAX_CORRECTION: Duration = Duration::from_millis(75);
/// Sender reports that put a packet further than this from where its arrival does are wrong. Frames
/// of two layers of one camera arrive within a round trip of each other.
const MAX_DISAGREEMENT: Duration = Duration::from_secs(2);

/// The key frame would go back in time by more than a listener's jitter buffer hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooFarBack;

/// One output stream's timestamps.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    clock_rate: u32,
    offset: u32,
    /// How much later than aligned the current stretch is.
    late: u32,
    newest: Option<(u32, Instant)>,
    refused: bool,
}

impl Timeline {
    /// Nothing sent yet.
    pub fn new(clock_rate: u32) -> Self {
        Self { clock_rate: clock_rate.max(1), offset: 0, late: 0, newest: None, refused: false }
    }

    /// Newest output timestamp and when it was sent.
    pub fn newest(&self) -> Option<(u32, Instant)> {
        self.newest
    }

    /// Output timestamp of an input one.
    pub fn map(&self, input: u32) -> u32 {
        input.wrapping_sub(self.offset)
    }

    /// What `input` would have become without the corrections that switches made necessary: what
    /// another stream is aligned with.
    pub fn map_aligned(&self, input: u32) -> u32 {
        self.map(input).wrapping_sub(self.late)
    }

    /// A packet with this output timestamp is sent.
    pub fn sent(&mut self, now: Instant, output: u32) {
        if self.newest.is_none_or(|(newest, _)| is_after(output, newest)) {
            self.newest = Some((output, now));
        }
    }

    /// A new stretch starts with `input`. `aligned`: the output timestamp that sender reports give
    /// it; without, time since the newest output counts.
    ///
    /// # Errors
    ///
    /// [`TooFarBack`] once per stretch: another key frame is worth waiting for. The next call
    /// succeeds.
    pub fn start(
        &mut self,
        now: Instant,
        input: u32,
        aligned: Option<u32>,
    ) -> Result<(), TooFarBack> {
        let Some((newest, at)) = self.newest else {
            self.offset = aligned.map_or(0, |output| input.wrapping_sub(output));
            return Ok(());
        };
        let by_arrival = newest.wrapping_add(self.ticks(now.saturating_duration_since(at)));
        let mut output = aligned
            .filter(|aligned| {
                let apart = aligned.wrapping_sub(by_arrival).cast_signed().unsigned_abs();
                apart <= self.ticks(MAX_DISAGREEMENT)
            })
            .unwrap_or(by_arrival.wrapping_add(u32::from(by_arrival == newest)));
        let truth = output;
        if !is_after(output, newest) {
            let correction = newest.wrapping_sub(output).wrapping_add(self.ticks(STEP));
            if correction <= self.ticks(MAX_CORRECTION) {
                output = output.wrapping_add(correction);
            } else if self.refused {
                output = newest.wrapping_add(1);
            } else {
                self.refused = true;
                return Err(TooFarBack);
            }
        }
        self.refused = false;
        self.late = output.wrapping_sub(truth);
        self.offset = input.wrapping_sub(output);
        Ok(())
    }

    fn ticks(&self, duration: Duration) -> u32 {
        (duration.as_micros() * u128::from(self.clock_rate) / 1_000_000) as u32
    }
}

fn is_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn the_first_stretch_keeps_the_senders_timestamps() {
        let start = Instant::now();
        let mut timeline = Timeline::new(90_000);
        assert_eq!(timeline.start(start, 1_000, None), Ok(()));
        assert_eq!(timeline.map(1_000), 1_000);
    }

    #[test]
    fn without_sender_reports_elapsed_time_counts() {
        let start = Instant::now();
        let mut timeline = Timeline::new(90_000);
        timeline.start(start, 1_000, None).unwrap();
        timeline.sent(start, 1_000);
        assert_eq!(timeline.start(ms(start, 500), 4_000_000_000, None), Ok(()));
        assert_eq!(timeline.map(4_000_000_000), 1_000 + 45_000);
    }

    #[test]
    fn sender_reports_decide_unless_they_are_absurd() {
        let start = Instant::now();
        let mut timeline = Timeline::new(90_000);
        timeline.start(start, 1_000, None).unwrap();
        timeline.sent(start, 1_000);
        let mut twin = timeline;
        assert_eq!(timeline.start(ms(start, 100), 7, Some(9_500)), Ok(()));
        assert_eq!(timeline.map(7), 9_500);
        assert_eq!(twin.start(ms(start, 100), 7, Some(9_000_000)), Ok(()));
        assert_eq!(twin.map(7), 10_000);
    }

    #[test]
    fn a_small_step_back_becomes_one_forward_and_is_made_good_at_the_next_switch() {
        let start = Instant::now();
        let mut timeline = Timeline::new(90_000);
        timeline.start(start, 10_000, None).unwrap();
        timeline.sent(start, 10_000);
        assert_eq!(timeline.start(ms(start, 1), 500, Some(9_000)), Ok(()));
        assert_eq!(timeline.map(500), 10_000 + 90);
        assert_eq!(timeline.map_aligned(500), 9_000);
        timeline.sent(start, 10_090);
        assert_eq!(timeline.start(ms(start, 66), 7, Some(15_000)), Ok(()));
        assert_eq!((timeline.map(7), timeline.map_aligned(7)), (15_000, 15_000));
    }

    #[test]
    fn a_large_step_back_waits_for_one_more_key_frame_only() {
        let start = Instant::now();
        let mut timeline = Timeline::new(90_000);
        timeline.start(start, 100_000, None).unwrap();
        timeline.sent(start, 100_000);
        assert_eq!(timeline.start(ms(start, 1), 500, Some(90_000)), Err(TooFarBack));
        assert_eq!(timeline.start(ms(start, 1), 600, Some(90_100)), Ok(()));
        assert_eq!(timeline.map(600), 100_001);
    }

    #[test]
    fn an_older_packet_does_not_move_the_newest_timestamp_back() {
        let start = Instant::now();
        let mut timeline = Timeline::new(90_000);
        timeline.sent(start, u32::MAX);
        timeline.sent(ms(start, 1), 5);
        timeline.sent(ms(start, 2), u32::MAX - 5);
        assert_eq!(timeline.newest(), Some((5, ms(start, 1))));
    }
}
