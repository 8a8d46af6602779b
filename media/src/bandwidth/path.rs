//! A way to a receiver, for tests: a shaper with a queue, a delay, and a receiver that sends
//! transport-wide feedback. Knows neither estimator nor plane.

use std::collections::VecDeque;

/// Between two feedbacks, in microseconds.
pub(crate) const FEEDBACK: i64 = 100_000;

/// Times are microseconds.
#[derive(Debug)]
pub(crate) struct Path {
    /// Bits per second.
    pub rate: u64,
    /// One way.
    pub delay: i64,
    /// Bytes that may wait.
    pub queue: u64,
    /// Of a hundred packets, those lost on the way.
    pub loss: u32,
    free_at: i64,
    random: u32,
    arrivals: VecDeque<(u16, i64)>,
    told: Option<u16>,
    feedback_at: i64,
    count: u8,
    /// How long each packet waited, and when it was sent.
    pub waits: Vec<(i64, i64)>,
    /// Packets dropped: when.
    pub drops: Vec<i64>,
}

impl Path {
    pub(crate) fn new(rate: u64) -> Self {
        Self {
            rate,
            delay: 25_000,
            queue: rate * 3 / 80,
            loss: 0,
            free_at: 0,
            random: 1,
            arrivals: VecDeque::new(),
            told: None,
            feedback_at: FEEDBACK,
            count: 0,
            waits: Vec::new(),
            drops: Vec::new(),
        }
    }

    /// Nothing leaves the shaper for so long.
    pub(crate) fn stall(&mut self, now: i64, micros: i64) {
        self.free_at = self.free_at.max(now) + micros;
    }

    /// A packet of `bytes` goes in; with a number it is told about. When it arrives.
    pub(crate) fn send(&mut self, now: i64, bytes: usize, sequence: Option<u16>) -> Option<i64> {
        // What the shaper counts: Ethernet, IPv4 and UDP headers too.
        let bits = (bytes as u64 + 42) * 8;
        let wait = (self.free_at - now).max(0);
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let unlucky = (self.random >> 16) % 100 < self.loss;
        if unlucky || wait as u64 * self.rate / 8_000_000 > self.queue {
            self.drops.push(now);
            return None;
        }
        self.waits.push((now, wait));
        self.free_at = now + wait + (bits * 1_000_000 / self.rate) as i64;
        let arrival = self.free_at + self.delay;
        if let Some(sequence) = sequence {
            self.arrivals.push_back((sequence, arrival));
        }
        Some(arrival)
    }

    /// Feedback that reaches the sender at `now`: first number, reference time, count, deltas.
    #[allow(clippy::type_complexity, reason = "a test's own")]
    pub(crate) fn feedback(&mut self, now: i64) -> Option<(u16, u32, u8, Vec<Option<i16>>)> {
        if now < self.feedback_at {
            return None;
        }
        self.feedback_at += FEEDBACK;
        let until = now - self.delay;
        let mut seen = Vec::new();
        while let Some(&(sequence, arrival)) = self.arrivals.front() {
            if arrival > until {
                break;
            }
            seen.push((sequence, arrival));
            self.arrivals.pop_front();
        }
        let (first, first_arrival) = *seen.first()?;
        let base = self.told.map_or(first, |told| told.wrapping_add(1));
        let reference = first_arrival.div_euclid(64_000);
        let mut tick = reference * 256;
        let mut deltas = Vec::new();
        for (sequence, arrival) in seen {
            while base.wrapping_add(deltas.len() as u16) != sequence {
                deltas.push(None);
            }
            let at = arrival / 250;
            deltas.push(Some((at - tick) as i16));
            tick = at;
            self.told = Some(sequence);
        }
        self.count = self.count.wrapping_add(1);
        Some((base, reference as u32, self.count, deltas))
    }

    /// The wait that 95 of 100 packets sent from `from` on did not exceed.
    pub(crate) fn p95(&self, from: i64) -> i64 {
        let sent = self.waits.iter().filter(|(at, _)| *at >= from);
        let mut waits: Vec<i64> = sent.map(|(_, wait)| *wait).collect();
        waits.sort_unstable();
        waits.get(waits.len() * 95 / 100).copied().unwrap_or(0)
    }
}
