//! When a sender is asked for a key frame (KF1 to KF3; mediasoup `KeyFrameRequestManager.cpp`).
//! Never builds RTCP: PLI or FIR is the producer's choice.

use std::time::{Duration, Instant};

/// Of any [`MOST`] requests to one sender and the next. A key frame is many pictures' worth of
/// bits, to each of its receivers. A second, and what a path may hold one request longer than
/// another: the sender is to hear no more of them in a second.
const SPAN: Duration = Duration::from_millis(1050);
/// Requests that a sender gets in a [`SPAN`], whoever needs a key frame from wherever.
const MOST: usize = 2;
/// From a request to the next one for the same stream, which a key frame may have answered since:
/// those who come just after it are answered together, and leave the other request of this
/// [`SPAN`] to others. For a sender that answers for all its streams any is the same. libwebrtc's
/// senders ignore others for 300 ms, whatever stream they name (`kMinKeyframeSendInterval`,
/// `video/encoder_rtcp_feedback.cc`), and a busy machine may take longer for one than for another.
const APART: Duration = Duration::from_millis(380);
/// How long a request may go unanswered while somebody still waits: the round trip of half the
/// globe and the next picture of a slow camera. mediasoup waits a second, but a picture stands
/// still meanwhile, and links between nodes lose requests.
const WAIT: Duration = Duration::from_millis(600);
/// Streams of one producer; simulcast has three, and senders that forge SSRCs get no more.
const MAX_STREAMS: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Pending {
    ssrc: u32,
    until: Instant,
    /// Somebody asked again meanwhile, or it is yet to be sent.
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
    /// In the order in which they are to be sent.
    pending: Vec<Pending>,
    delayed: Vec<Delayed>,
    /// The last requests and their streams, newest first.
    asked: [Option<(Instant, u32)>; MOST],
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

    /// A key frame arrived; `first`: its stream began with it.
    pub fn on_key_frame(&mut self, now: Instant, ssrc: u32, first: bool) {
        let asked = self.pending.iter().any(|entry| entry.ssrc == ssrc);
        let lately = self.asked[0].is_some_and(|(at, _)| now < at + APART);
        self.together |= !asked && !first && lately;
        self.pending.retain(|entry| entry.ssrc != ssrc);
    }

    /// Appends the streams whose sender is to be asked now, those first that wait longest.
    /// `awaited`: somebody still waits for a key frame of this stream, which sends.
    pub fn poll(&mut self, now: Instant, awaited: impl Fn(u32) -> bool, ask: &mut Vec<u32>) {
        let first = ask.len();
        let mut at = 0;
        while let Some(&Pending { ssrc, until, again }) = self.pending.get(at) {
            if now < until {
                at += 1;
            } else if !again && !awaited(ssrc) {
                self.pending.remove(at);
            } else if let Some(until) = self.turn(now, ssrc) {
                self.pending[at] = Pending { ssrc, until, again: true };
                at += 1;
            } else {
                self.pending.remove(at);
                self.sent(now, ssrc);
                ask.push(ssrc);
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
        if let Some(until) = self.turn(now, ssrc) {
            self.pending.push(Pending { ssrc, until, again: true });
            return false;
        }
        self.sent(now, ssrc);
        true
    }

    /// When a stream's turn is, if it is not now.
    fn turn(&self, now: Instant, ssrc: u32) -> Option<Instant> {
        let [last, before] = self.asked;
        let same = last.filter(|(_, of)| *of == ssrc || self.together).map(|(at, _)| at + APART);
        let spent = before.map(|(at, _)| at + SPAN);
        same.max(spent).filter(|at| self.direct && now < *at)
    }

    fn sent(&mut self, now: Instant, ssrc: u32) {
        self.asked.rotate_right(1);
        self.asked[0] = Some((now, ssrc));
        self.pending.push(Pending { ssrc, until: now + WAIT, again: false });
    }
}

#[cfg(test)]
mod tests;
