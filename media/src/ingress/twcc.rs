//! Arrival times of one transport's packets, and the transport-wide feedback its sender estimates
//! bandwidth from (draft-holmer-rmcat-transport-wide-cc-extensions-01; libwebrtc
//! `remote_estimator_proxy.cc`). Never estimates.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    rtcp::twcc::{Feedback, MAX_STATUSES, Symbols},
    rtp::Unwrapper,
};

/// Between two feedbacks (BW7).
const INTERVAL: Duration = Duration::from_millis(100);
/// The same at more than [`FAST_PACKETS`] per interval: half a round trip sooner matters at rates
/// where a queue fills in milliseconds.
const FAST_INTERVAL: Duration = Duration::from_millis(50);
/// 1,000 packets per second, about 10 Mbit/s.
const FAST_PACKETS: u32 = 100;
/// How long an arrival may be told again when one before it comes late (BW7).
const WINDOW: Duration = Duration::from_millis(500);
/// Numbers spanned by the window: 16,000 packets per second.
const MAX_SPAN: u64 = 8192;
/// Deltas are in ticks of this, and reference times in as many of them as 64 ms have.
const TICK_MICROS: i64 = 250;
const TICKS_PER_REFERENCE: i64 = 64_000 / TICK_MICROS;

/// One transport's arrivals.
#[derive(Clone, Debug)]
pub struct TwccRecorder {
    epoch: Instant,
    unwrapper: Unwrapper,
    /// Of `first`, `first + 1`, …
    arrivals: VecDeque<Option<Instant>>,
    first: u64,
    /// The first number the next feedback tells about.
    report_from: u64,
    since_feedback: u32,
    interval: Duration,
    deadline: Option<Instant>,
    last_feedback: Option<Instant>,
    feedback_count: u8,
    symbols: Symbols,
}

impl TwccRecorder {
    /// No packets yet. Times are told as distances from `epoch`, which must not be later than any.
    pub fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            unwrapper: Unwrapper::default(),
            arrivals: VecDeque::new(),
            first: 0,
            report_from: 0,
            since_feedback: 0,
            interval: INTERVAL,
            deadline: None,
            last_feedback: None,
            feedback_count: 0,
            symbols: Symbols::default(),
        }
    }

    /// The packet with this transport-wide number arrived at `now`. A duplicate keeps its first
    /// time.
    pub fn on_packet(&mut self, now: Instant, sequence: u16) {
        let is_first = self.unwrapper.newest().is_none();
        let sequence = self.unwrapper.unwrap(sequence);
        self.since_feedback += 1;
        if self.deadline.is_none() {
            // In step with the last feedback; after a silence there is nothing to keep step with.
            let in_step = self.last_feedback.map(|last| last + self.interval);
            self.deadline = in_step.filter(|at| *at > now).or(Some(now + self.interval));
        }
        let end = self.first + self.arrivals.len() as u64;
        if is_first || sequence >= end + MAX_SPAN {
            self.arrivals.clear();
            self.first = sequence;
            self.report_from = sequence;
            self.arrivals.push_back(Some(now));
            return;
        }
        if sequence < self.first {
            if end - sequence > MAX_SPAN {
                return;
            }
            for _ in sequence..self.first {
                self.arrivals.push_front(None);
            }
            self.first = sequence;
        }
        while sequence >= self.first + self.arrivals.len() as u64 {
            self.arrivals.push_back(None);
        }
        let arrival = &mut self.arrivals[(sequence - self.first) as usize];
        if arrival.is_none() {
            *arrival = Some(now);
            self.report_from = self.report_from.min(sequence);
        }
        self.forget_beyond_span();
    }

    /// When [`poll`](Self::poll) has something to tell.
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Appends feedback packets to `out` if they are due; how many.
    pub fn poll(
        &mut self,
        now: Instant,
        sender_ssrc: u32,
        media_ssrc: u32,
        out: &mut Vec<u8>,
    ) -> usize {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return 0;
        }
        self.deadline = None;
        self.last_feedback = Some(now);
        let limit = if self.interval == INTERVAL { FAST_PACKETS } else { FAST_PACKETS / 2 };
        self.interval = if self.since_feedback > limit { FAST_INTERVAL } else { INTERVAL };
        self.since_feedback = 0;
        let mut packets = 0;
        while self.write_one(sender_ssrc, media_ssrc, out) {
            packets += 1;
        }
        self.forget_older_than_window(now);
        packets
    }

    /// One feedback packet about numbers from `report_from` on; whether there were any.
    fn write_one(&mut self, sender_ssrc: u32, media_ssrc: u32, out: &mut Vec<u8>) -> bool {
        let begin = (self.report_from - self.first) as usize;
        let Some(begin_time) = self.arrivals.iter().skip(begin).find_map(|arrival| *arrival) else {
            return false;
        };
        let reference = self.ticks(begin_time) / TICKS_PER_REFERENCE;
        let mut last = reference * TICKS_PER_REFERENCE;
        self.symbols.clear();
        let mut told = begin;
        for (at, arrival) in self.arrivals.iter().enumerate().skip(begin).take(MAX_STATUSES) {
            match arrival {
                None => self.symbols.lost(),
                Some(arrival) => {
                    let ticks = self.ticks(*arrival);
                    let Ok(delta) = i16::try_from(ticks - last) else { break };
                    self.symbols.received(delta);
                    last = ticks;
                }
            }
            told = at + 1;
        }
        let feedback = Feedback {
            sender_ssrc,
            media_ssrc,
            base_sequence: (self.first + begin as u64) as u16,
            reference_time: (reference & 0xff_ffff) as u32,
            feedback_count: self.feedback_count,
        };
        feedback.write(&self.symbols, out);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.report_from = self.first + told as u64;
        true
    }

    fn ticks(&self, at: Instant) -> i64 {
        at.saturating_duration_since(self.epoch).as_micros() as i64 / TICK_MICROS
    }

    fn forget_beyond_span(&mut self) {
        while self.arrivals.len() as u64 > MAX_SPAN {
            self.forget_first();
        }
    }

    fn forget_older_than_window(&mut self, now: Instant) {
        while self.first < self.report_from
            && self.arrivals.front().is_some_and(|arrival| {
                arrival.is_none_or(|at| now.saturating_duration_since(at) > WINDOW)
            })
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        self.arrivals.pop_front();
        self.first += 1;
        self.report_from = self.report_from.max(self.first);
    }
}

#[cfg(test)]
mod tests;
