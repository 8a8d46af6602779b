//! One microphone's levels of the last second, and what they come to. A packet costs a store and a
//! sum; what is read three times a second is worked out then. Decides nothing about others.

use std::time::{Duration, Instant};

use starling_proto::voice::{SILENCE, Speech};

use super::Background;

/// What one level stands for: Opus' frame.
const FRAME: Duration = Duration::from_millis(20);
/// Frames looked back at: a second (`LevelsBuffLen` of mediasoup's ActiveSpeakerObserver: 1 × 10 ×
/// 5).
const FRAMES: usize = 50;
/// Frames of a medium span, and how many of those make the long one.
const MEDIUM: usize = 5;
const LONG: usize = FRAMES / MEDIUM;
/// Levels of one step: 13 steps over 127 (`SubunitLengthN1`).
const STEP: u8 = 10;
/// A frame is loud above this step (`MediumThreshold`): some 45 dB under full scale.
const LOUD_STEP: u8 = 7;
/// Loudest step there is.
const TOP_STEP: u8 = 12;
/// Most loud frames of a tenth of a second that is not yet all loud (`LongThreshold`).
const NOT_ALL: u8 = 4;
/// Without a packet for so long a microphone is silent: senders with DTX say so every 400 ms, and
/// packets of 120 ms are none of those.
const SILENT: Duration = Duration::from_millis(200);
/// Levels in an interval below which no volume is told: mediasoup's AudioLevelObserver wants 10 a
/// second.
const MIN_LEVELS: u32 = 3;

/// What a meter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Mean level since the last reading in dBov.
    pub volume: i8,
    /// How much it speaks.
    pub speech: Speech,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Meter {
    /// Newest at `newest`, older ones before it, round; counted up from silence.
    levels: [u8; FRAMES],
    newest: usize,
    at: Option<Instant>,
    background: Background,
    sum: u32,
    count: u32,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            levels: [0; FRAMES],
            newest: 0,
            at: None,
            background: Background::default(),
            sum: 0,
            count: 0,
        }
    }
}

impl Meter {
    /// A packet with the level extension: `level` dB below full scale, 0 to 127 (RFC 6464).
    pub fn on_level(&mut self, now: Instant, level: u8) {
        let level = level & 0x7f;
        self.sum += u32::from(level);
        self.count += 1;
        self.fall_silent(now);
        self.at = Some(now);
        let level = 127 - level;
        self.background.on_level(level);
        self.push(level);
    }

    /// What the levels since the last reading come to. `None`: silent for a second, and told so.
    pub fn read(&mut self, now: Instant) -> Option<Reading> {
        self.fall_silent(now);
        let heard = self.count >= MIN_LEVELS;
        let mean = (f64::from(self.sum) / f64::from(self.count.max(1))).round() as i8;
        let volume = if heard { -mean } else { SILENCE };
        let idle = self.count == 0 && self.levels.iter().all(|level| *level == 0);
        (self.sum, self.count) = (0, 0);
        (!idle).then(|| Reading { volume, speech: self.speech() })
    }

    fn push(&mut self, level: u8) {
        self.newest = (self.newest + 1) % FRAMES;
        self.levels[self.newest] = level;
    }

    /// Fills a gap in which nothing came with silence.
    fn fall_silent(&mut self, now: Instant) {
        let Some(at) = self.at else { return };
        let gap = now.saturating_duration_since(at);
        if gap < SILENT {
            return;
        }
        let frames = (gap.as_millis() / FRAME.as_millis()).min(FRAMES as u128) as usize;
        (0..frames).for_each(|_| self.push(0));
        self.at = Some(now);
    }

    /// Volfin's and Cohen's counts over the last frame, tenth of a second and second.
    fn speech(&self) -> Speech {
        let least = self.background.level().saturating_add(STEP);
        let step = |back: usize| {
            let level = self.levels[(self.newest + FRAMES - back) % FRAMES];
            if level < least { 0 } else { (level / STEP).min(TOP_STEP) }
        };
        let loud = |tenth: usize| {
            let frames = tenth * MEDIUM..(tenth + 1) * MEDIUM;
            frames.filter(|back| step(*back) > LOUD_STEP).count() as u8
        };
        let long = (0..LONG).filter(|tenth| loud(*tenth) > NOT_ALL).count() as u8;
        Speech { immediate: step(0), medium: loud(0), long }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        meter: Meter,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self { meter: Meter::default(), now: Instant::now() }
        }

        fn hear(&mut self, level: u8, ms: u64) {
            for _ in 0..ms / 20 {
                self.meter.on_level(self.now, level);
                self.now += FRAME;
            }
        }

        fn read(&mut self) -> Reading {
            self.meter.read(self.now).unwrap()
        }
    }

    #[test]
    fn a_second_of_speech_over_a_quiet_room_is_speech_over_every_span() {
        let mut bench = Bench::new();
        bench.hear(90, 1000);
        let quiet = bench.read();
        assert_eq!(quiet, Reading { volume: -90, speech: Speech::default() });
        bench.hear(20, 300);
        let begins = Reading { volume: -20, speech: Speech { immediate: 10, medium: 5, long: 3 } };
        assert_eq!(bench.read(), begins);
        bench.hear(20, 700);
        assert_eq!(bench.read().speech, Speech { immediate: 10, medium: 5, long: 10 });
        // A pause of a tenth of a second: the newest spans notice it, the long one goes on.
        bench.hear(90, 100);
        assert_eq!(bench.read().speech, Speech { immediate: 0, medium: 0, long: 9 });
    }

    #[test]
    fn what_is_always_there_is_no_speech() {
        let mut bench = Bench::new();
        bench.hear(40, 1000);
        assert_eq!(bench.read(), Reading { volume: -40, speech: Speech::default() });
        bench.hear(30, 100);
        assert_eq!(bench.read().speech.medium, 5);
    }

    #[test]
    fn a_sender_that_falls_silent_with_dtx_is_silent_after_a_second() {
        let mut bench = Bench::new();
        bench.hear(90, 20);
        bench.hear(10, 1000);
        bench.read();
        bench.now += Duration::from_millis(500);
        let speech = bench.read().speech;
        assert_eq!((speech.immediate, speech.medium), (0, 0));
        assert!((4..=6).contains(&speech.long), "{speech:?}");
        bench.now += Duration::from_millis(600);
        assert_eq!(bench.meter.read(bench.now), None);
        assert_eq!(bench.meter.read(bench.now), None);
    }

    #[test]
    fn the_volume_is_the_mean_and_needs_three_levels() {
        let mut bench = Bench::new();
        for level in [10, 20, 31] {
            bench.hear(level, 20);
        }
        assert_eq!(bench.read().volume, -20);
        bench.hear(10, 40);
        assert_eq!(bench.read().volume, SILENCE);
    }

    #[test]
    fn the_voice_bit_is_no_part_of_the_level() {
        let mut bench = Bench::new();
        bench.hear(0x80 | 30, 60);
        assert_eq!(bench.read().volume, -30);
    }
}
