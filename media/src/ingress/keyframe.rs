//! When a sender is asked for a key frame (KF1 to KF3; mediasoup `KeyFrameRequestManager.cpp`).
//! Never builds RTCP: PLI or FIR is the producer's choice.

use std::time::{Duration, Instant};

/// How long a request may go unanswered.
const WAIT: Duration = Duration::from_millis(1000);
/// How long after a request that it heeded a sender may ignore others, whatever stream they name:
/// libwebrtc's 300 ms (`kMinKeyframeSendInterval`, `video/encoder_rtcp_feedback.cc`), and what a
/// busy machine may take longer for one request than for another.
const IGNORED: Duration = Duration::from_millis(380);
/// Of any [`MOST`] requests to one sender and the next. A key frame is many pictures' worth of
/// bits, to each of its receivers.
const SPAN: Duration = Duration::from_secs(1);
/// Requests that a sender gets in a [`SPAN`], whoever needs a key frame from wherever.
const MOST: usize = 2;
/// Streams of one producer; simulcast has three, and senders that forge SSRCs get no more.
const MAX_STREAMS: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Pending {
    ssrc: u32,
    until: Instant,
    /// Somebody asked again meanwhile, it was ignored, or it is yet to be sent.
    again: bool,
}

#[derive(Clone, Copy, Debug)]
struct Delayed {
    ssrc: u32,
    until: Instant,
    asked: bool,
}

/// Requests of one producer, by SSRC.
#[derive(Clone, Debug)]
pub struct KeyFrameRequests {
    delay: Duration,
    /// They go to the sender itself, not over a pipe.
    direct: bool,
    pending: Vec<Pending>,
    delayed: Vec<Delayed>,
    /// The last requests, newest first.
    asked: [Option<Instant>; MOST],
    /// The last request that a sender heeds.
    heeded: Option<Instant>,
    /// The sender has answered a request with key frames of other streams too.
    together: bool,
}

impl KeyFrameRequests {
    /// Requests of a stream within `delay` of one become one at its end (KF2); zero for none.
    /// Over a pipe none waits for others: the sender's own plane sees to that.
    pub const fn new(delay: Duration, piped: bool) -> Self {
        Self {
            delay,
            direct: !piped,
            pending: Vec::new(),
            delayed: Vec::new(),
            asked: [None; MOST],
            heeded: None,
            together: false,
        }
    }

    /// Somebody needs a key frame: whether to ask the sender now.
    #[must_use]
    pub fn request(&mut self, now: Instant, ssrc: u32) -> bool {
        if !self.delay.is_zero() {
            if let Some(delayed) = self.delayed.iter_mut().find(|entry| entry.ssrc == ssrc) {
                delayed.asked = true;
                return false;
            }
            if self.delayed.len() < MAX_STREAMS {
                self.delayed.push(Delayed { ssrc, until: now + self.delay, asked: false });
            }
        }
        self.ask_unless_pending(now, ssrc)
    }

    /// A new stream needs one whatever is pending (KF3): whether to ask the sender now.
    #[must_use]
    pub fn force(&mut self, now: Instant, ssrc: u32) -> bool {
        self.pending.retain(|entry| entry.ssrc != ssrc);
        self.ask_unless_pending(now, ssrc)
    }

    /// A key frame arrived; `first`: its stream began with it.
    pub fn on_key_frame(&mut self, now: Instant, ssrc: u32, first: bool) {
        let asked = self.pending.iter().any(|entry| entry.ssrc == ssrc);
        let lately = self.heeded.is_some_and(|at| now < at + IGNORED);
        self.together |= !asked && !first && lately;
        self.pending.retain(|entry| entry.ssrc != ssrc);
    }

    /// Appends the streams whose sender is to be asked now.
    pub fn poll(&mut self, now: Instant, ask: &mut Vec<u32>) {
        let first = ask.len();
        for at in (0..self.pending.len()).rev() {
            let entry = self.pending[at];
            if now < entry.until {
                continue;
            }
            self.pending.swap_remove(at);
            if entry.again && self.ask_unless_pending(now, entry.ssrc) {
                ask.push(entry.ssrc);
            }
        }
        for at in (0..self.delayed.len()).rev() {
            let entry = self.delayed[at];
            if now < entry.until {
                continue;
            }
            self.delayed.swap_remove(at);
            // And with it the next delay begins.
            if entry.asked && self.request(now, entry.ssrc) {
                ask.push(entry.ssrc);
            }
        }
        debug_assert!(ask.len() - first <= 2 * MAX_STREAMS);
    }

    /// When [`poll`](Self::poll) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let pending = self.pending.iter().map(|entry| entry.until);
        let delayed = self.delayed.iter().map(|entry| entry.until);
        pending.chain(delayed).min()
    }

    fn ask_unless_pending(&mut self, now: Instant, ssrc: u32) -> bool {
        if let Some(entry) = self.pending.iter_mut().find(|entry| entry.ssrc == ssrc) {
            entry.again = true;
            return false;
        }
        if self.pending.len() == MAX_STREAMS {
            return false;
        }
        let ignored = self.heeded.map(|at| at + IGNORED).filter(|end| now < *end);
        // It is about to answer this one too.
        let answered = ignored.filter(|_| self.together);
        let spent = self.asked[MOST - 1].map(|at| at + SPAN).filter(|end| now < *end);
        if let Some(until) = answered.max(spent).filter(|_| self.direct) {
            self.pending.push(Pending { ssrc, until, again: true });
            return false;
        }
        if ignored.is_none() {
            self.heeded = Some(now);
        }
        self.asked.rotate_right(1);
        self.asked[0] = Some(now);
        let until = ignored.unwrap_or(now + WAIT);
        self.pending.push(Pending { ssrc, until, again: ignored.is_some() });
        true
    }
}

#[cfg(test)]
mod tests;
