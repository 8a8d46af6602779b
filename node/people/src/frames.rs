//! What a person sees of a stream: frames that can be decoded, when, and how often they stand
//! still.

use std::collections::BTreeMap;

use crate::encoder::Mark;

const MS: u64 = 1_000_000;
/// A hole that nobody filled for so long is left, with all that needs it: libwebrtc's jitter buffer
/// waits 3 s at most, and asks for a key frame much earlier.
const GIVE_UP: u64 = 1_000 * MS;
/// Between two requests for a key frame.
const ASK_AGAIN: u64 = 500 * MS;
/// Packets that wait for a hole: five seconds of 4 Mb/s.
const MAX_WAITING: usize = 2_500;
/// Frames over which an interval is called long (libwebrtc, `video_quality_observer2.cc`).
const AVERAGED: usize = 30;

/// One stream's way to the screen. Times are nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    waiting: BTreeMap<u64, Mark>,
    /// The next packet of the frame that is being decoded; none: a key frame is needed.
    next: Option<u64>,
    /// Since when the next one is missing while later ones are there.
    blocked: Option<u64>,
    asked: Option<u64>,
    intervals: Vec<u64>,
    /// When the newest frame was on the screen.
    last: Option<u64>,
    /// Frames on the screen.
    pub shown: u64,
    /// Times that it stood still.
    pub freezes: u64,
    /// Nanoseconds of those.
    pub frozen: u64,
    /// Of the frame shown last.
    pub newest: Option<Mark>,
}

impl Frames {
    /// A packet, with its number unwrapped; `show` gets each frame that can be decoded now. It is
    /// on the screen `early` from now: what comes in time waits for its turn.
    pub fn take(
        &mut self,
        now: u64,
        early: u64,
        number: u64,
        mark: Mark,
        mut show: impl FnMut(Mark),
    ) {
        if self.next.is_some_and(|next| number < next) || self.waiting.len() >= MAX_WAITING {
            return;
        }
        self.waiting.insert(number, mark);
        self.begin();
        self.skip();
        while let Some(next) = self.next {
            let Some(mark) = self.waiting.remove(&next) else { break };
            self.next = Some(next + 1);
            self.blocked = None;
            if mark.index + 1 == mark.count {
                self.show(now + early, mark);
                show(mark);
            }
        }
        if self.next.is_some() && !self.waiting.is_empty() {
            self.blocked.get_or_insert(now);
        }
    }

    /// Whether to ask for a key frame now.
    pub fn poll(&mut self, now: u64) -> bool {
        if self.blocked.is_some_and(|since| now.saturating_sub(since) > GIVE_UP) {
            self.next = None;
            self.blocked = None;
            self.begin();
        }
        let due = self.asked.is_none_or(|asked| now.saturating_sub(asked) > ASK_AGAIN);
        let ask = self.next.is_none() && due;
        if ask {
            self.asked = Some(now);
        }
        ask
    }

    /// When the last frame was shown.
    pub const fn last(&self) -> Option<u64> {
        self.last
    }

    /// A whole key frame behind a hole needs nothing of what is before it.
    fn skip(&mut self) {
        let Some(next) = self.next else { return };
        if self.waiting.contains_key(&next) {
            return;
        }
        let first = |(_, mark): &(&u64, &Mark)| mark.key_frame && mark.index == 0;
        let Some((number, mark)) = self.waiting.iter().rev().find(first) else { return };
        let end = number + u64::from(mark.count);
        if (*number..end).all(|number| self.waiting.contains_key(&number)) {
            self.next = Some(*number);
            self.waiting = self.waiting.split_off(&self.next.unwrap_or_default());
        }
    }

    /// Goes on at the first key frame there is, if one is needed.
    fn begin(&mut self) {
        if self.next.is_some() {
            return;
        }
        let first = |(_, mark): &(&u64, &Mark)| mark.key_frame && mark.index == 0;
        if let Some((number, _)) = self.waiting.iter().find(first) {
            self.next = Some(*number);
            self.waiting = self.waiting.split_off(&self.next.unwrap_or_default());
        }
    }

    fn show(&mut self, now: u64, mark: Mark) {
        if let Some(last) = self.last {
            let interval = now.saturating_sub(last);
            let count = self.intervals.len().max(1) as u64;
            let average = self.intervals.iter().sum::<u64>() / count;
            let long = (3 * average).max(average + 150 * MS);
            if self.intervals.len() == AVERAGED && interval >= long {
                self.freezes += 1;
                self.frozen += interval;
            }
            if self.intervals.len() == AVERAGED {
                self.intervals.remove(0);
            }
            self.intervals.push(interval);
        }
        self.last = Some(now);
        self.shown += 1;
        self.newest = Some(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(index: u16, count: u16, key_frame: bool) -> Mark {
        Mark { spatial: 0, sent: 0, index, count, key_frame, temporal: 0 }
    }

    fn take(frames: &mut Frames, now: u64, number: u64, mark: Mark) -> usize {
        let mut shown = 0;
        frames.take(now * MS, 0, number, mark, |_| shown += 1);
        shown
    }

    /// One packet per frame, one frame each 40 ms, the first a key frame.
    fn steady(frames: &mut Frames, count: u64) {
        for n in 0..count {
            take(frames, 40 * n, n, mark(0, 1, n == 0));
        }
    }

    #[test]
    fn nothing_is_shown_before_a_key_frame() {
        let mut frames = Frames::default();
        assert_eq!(take(&mut frames, 0, 10, mark(0, 1, false)), 0);
        assert!(frames.poll(0));
        assert!(!frames.poll(499 * MS));
        assert!(frames.poll(501 * MS));
        assert_eq!(take(&mut frames, 600, 11, mark(0, 2, true)), 0);
        assert_eq!(take(&mut frames, 600, 12, mark(1, 2, true)), 1);
        assert!(!frames.poll(9_000 * MS));
    }

    #[test]
    fn a_hole_holds_back_what_follows_until_it_is_filled() {
        let mut frames = Frames::default();
        steady(&mut frames, 5);
        assert_eq!(take(&mut frames, 240, 6, mark(0, 1, false)), 0);
        assert_eq!(take(&mut frames, 260, 5, mark(0, 1, false)), 2);
    }

    #[test]
    fn a_hole_that_stays_costs_all_until_a_key_frame() {
        let mut frames = Frames::default();
        steady(&mut frames, 5);
        take(&mut frames, 240, 6, mark(0, 1, false));
        assert!(!frames.poll(1_240 * MS));
        assert!(frames.poll(1_241 * MS));
        assert_eq!(take(&mut frames, 1_300, 7, mark(0, 1, true)), 1);
    }

    #[test]
    fn a_whole_key_frame_ends_the_wait_for_a_hole() {
        let mut frames = Frames::default();
        steady(&mut frames, 5);
        take(&mut frames, 240, 6, mark(0, 1, false));
        assert_eq!(take(&mut frames, 280, 7, mark(0, 2, true)), 0);
        assert_eq!(take(&mut frames, 281, 8, mark(1, 2, true)), 1);
        assert_eq!(take(&mut frames, 300, 5, mark(0, 1, false)), 0);
    }

    #[test]
    fn a_long_interval_is_a_freeze_and_a_slow_rate_is_none() {
        let mut frames = Frames::default();
        steady(&mut frames, 40);
        take(&mut frames, 40 * 39 + 189, 40, mark(0, 1, false));
        assert_eq!(frames.freezes, 0);
        take(&mut frames, 40 * 39 + 189 + 200, 41, mark(0, 1, false));
        assert_eq!((frames.freezes, frames.frozen), (1, 200 * MS));
    }

    #[test]
    fn what_comes_in_time_hides_how_late_others_were() {
        let mut frames = Frames::default();
        for n in 0..40 {
            frames.take(40 * n * MS, 100 * MS, n, mark(0, 1, n == 0), |_| {});
        }
        // 220 ms after the one before it, and still 20 ms early.
        frames.take((40 * 39 + 220) * MS, 0, 40, mark(0, 1, false), |_| {});
        assert_eq!(frames.freezes, 0);
    }

    #[test]
    fn what_comes_again_is_not_shown_again() {
        let mut frames = Frames::default();
        steady(&mut frames, 5);
        assert_eq!(take(&mut frames, 240, 4, mark(0, 1, false)), 0);
        assert_eq!(frames.shown, 5);
    }
}
