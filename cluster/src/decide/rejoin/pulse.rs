//! Whether the node of a seat is still there. A node that is stopped or cut off closes nothing: it
//! has to be asked.

use std::time::{Duration, Instant};

/// A node that was not heard for so long is asked for something small.
pub(super) const BEAT: Duration = Duration::from_millis(400);
/// If nothing is heard for so long then, and twice what answers took lately, and no media comes
/// either, it is gone: TCP's first repair (RFC 6298: 200 ms and more) and half of its second.
pub(super) const SILENCE: Duration = Duration::from_millis(800);
/// If its media comes, signalling may be silent for as long as TCP needs on a bad path.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Media that came within so long comes.
pub(super) const FLOWS: Duration = Duration::from_millis(500);
/// A verdict that comes so late means that the client itself stood still, and heard nobody.
pub(super) const STALL: Duration = Duration::from_millis(400);
/// Longest round trip that is believed: a longer one was a stall.
pub(super) const ROUND_TRIP_MAX: Duration = Duration::from_secs(1);

/// What to do about the silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Ask.
    Ask,
    /// Nobody is there.
    Gone,
}

#[derive(Clone, Debug)]
pub(super) struct Pulse {
    heard: Instant,
    asked: Option<Instant>,
    media: Option<Instant>,
    /// The longest of late, each time an eighth less.
    round_trip: Duration,
    /// A late verdict was put off once: in a page in the background all are late.
    excused: bool,
}

impl Pulse {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: now, asked: None, media: None, round_trip: Duration::ZERO, excused: false }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        if let Some(asked) = self.asked.take() {
            let took = now.saturating_duration_since(asked).min(ROUND_TRIP_MAX);
            self.round_trip = took.max(self.round_trip - self.round_trip / 8);
        }
        self.heard = now;
        self.excused = false;
    }

    pub(super) fn media(&mut self, now: Instant) {
        self.media = Some(now);
    }

    /// When [`Self::tick`] has something to say.
    pub(super) fn next(&self) -> Instant {
        let Some(asked) = self.asked else { return self.heard + BEAT };
        let verdict = asked + SILENCE + 2 * self.round_trip;
        let flows = self.media.map_or(verdict, |media| (media + FLOWS).min(asked + PATIENCE));
        verdict.max(flows)
    }

    pub(super) fn tick(&mut self, now: Instant) -> Option<Beat> {
        let due = self.next();
        if now < due {
            return None;
        }
        let late = now.saturating_duration_since(due) > STALL && !self.excused;
        if self.asked.is_some() && !late {
            return Some(Beat::Gone);
        }
        self.excused = self.asked.is_some();
        self.asked = Some(now);
        Some(Beat::Ask)
    }
}
