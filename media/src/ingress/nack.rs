//! Which packets of a stream are asked for again, and when (NK1, NK2; mediasoup
//! `NackGenerator.cpp`). Never builds RTCP.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::rtp::Unwrapper;

/// Older than this a missing packet is given up: it is long out of the sender's buffer.
const MAX_PACKET_AGE: u64 = 10_000;
/// More holes than this are no loss but an outage: a key frame costs less.
const MAX_MISSING: usize = 1000;
/// Requests per packet; ten round trips are more than any jitter buffer waits.
const MAX_RETRIES: u8 = 10;
/// Assumed until it is measured.
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// A hole this young may be mere reordering.
const REORDERING_GRACE: Duration = Duration::from_millis(10);
/// Key frames remembered for [`MAX_MISSING`]; older ones help nobody.
const MAX_KEY_FRAMES: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    ask_at: Instant,
    retries: u8,
}

/// One stream's missing packets.
#[derive(Clone, Debug, Default)]
pub struct NackGenerator {
    unwrapper: Unwrapper,
    /// In order of sequence number.
    missing: VecDeque<Missing>,
    key_frames: VecDeque<u64>,
    key_frame_wanted: bool,
    next: Option<Instant>,
}

/// What a packet was to the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackOutcome {
    /// The next one, or the one after a hole.
    New,
    /// It had been missing; `asked` tells whether it was requested.
    Filled {
        /// It was requested at least once.
        asked: bool,
    },
    /// Nobody waited for it: a duplicate, or given up.
    Unexpected,
}

impl NackGenerator {
    /// Nothing is missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet arrived, be it sent again or not. `key_frame` as in [`crate::codec::PacketFacts`].
    pub fn on_packet(&mut self, now: Instant, sequence: u16, key_frame: bool) -> NackOutcome {
        let newest = self.unwrapper.newest();
        let sequence = self.unwrapper.unwrap(sequence);
        if key_frame {
            self.remember_key_frame(sequence);
        }
        let Some(newest) = newest else { return NackOutcome::New };
        if sequence <= newest {
            return self.fill(sequence);
        }
        if sequence > newest + 1 {
            self.add_hole(now, newest + 1, sequence);
        }
        self.forget_before(sequence.saturating_sub(MAX_PACKET_AGE));
        NackOutcome::New
    }

    /// Sequence numbers to ask for now, appended in order. `rtt` to the sender, if known.
    pub fn poll(&mut self, now: Instant, rtt: Option<Duration>, ask: &mut Vec<u16>) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        let again = now + rtt.filter(|rtt| !rtt.is_zero()).unwrap_or(DEFAULT_RTT);
        let mut next: Option<Instant> = None;
        self.missing.retain_mut(|packet| {
            if packet.ask_at <= now {
                ask.push(packet.sequence as u16);
                packet.retries += 1;
                packet.ask_at = again;
            }
            let wanted = packet.retries < MAX_RETRIES;
            if wanted {
                next = Some(next.map_or(packet.ask_at, |next| next.min(packet.ask_at)));
            }
            wanted
        });
        self.next = next;
    }

    /// When [`poll`](Self::poll) has something to do; perhaps nothing any more.
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Whether too much was lost to be repaired; true once per time it happened.
    pub const fn take_key_frame_wanted(&mut self) -> bool {
        std::mem::replace(&mut self.key_frame_wanted, false)
    }

    /// Number of packets missing and still wanted.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// The stream began anew or was paused: nothing is missing.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn fill(&mut self, sequence: u64) -> NackOutcome {
        let Ok(at) = self.missing.binary_search_by_key(&sequence, |packet| packet.sequence) else {
            return NackOutcome::Unexpected;
        };
        let asked = self.missing.remove(at).is_some_and(|packet| packet.retries > 0);
        if self.missing.is_empty() {
            self.next = None;
        }
        NackOutcome::Filled { asked }
    }

    fn add_hole(&mut self, now: Instant, from: u64, to: u64) {
        self.forget_before(to.saturating_sub(MAX_PACKET_AGE));
        let hole = usize::try_from(to - from).unwrap_or(usize::MAX);
        while self.missing.len().saturating_add(hole) > MAX_MISSING {
            if !self.forget_before_oldest_key_frame() {
                self.missing.clear();
                self.next = None;
                self.key_frame_wanted = true;
                return;
            }
        }
        let ask_at = now + REORDERING_GRACE;
        self.missing.extend((from..to).map(|sequence| Missing { sequence, ask_at, retries: 0 }));
        self.next = Some(self.next.map_or(ask_at, |next| next.min(ask_at)));
    }

    /// Whether there was a key frame that made older packets needless.
    fn forget_before_oldest_key_frame(&mut self) -> bool {
        while let Some(key_frame) = self.key_frames.pop_front() {
            let before = self.missing.len();
            self.forget_before(key_frame);
            if self.missing.len() < before {
                return true;
            }
        }
        false
    }

    fn forget_before(&mut self, sequence: u64) {
        while self.missing.front().is_some_and(|packet| packet.sequence < sequence) {
            self.missing.pop_front();
        }
        if self.missing.is_empty() {
            self.next = None;
        }
    }

    fn remember_key_frame(&mut self, sequence: u64) {
        // At once all it will ever need, so that a stream that runs allocates nothing.
        self.key_frames.reserve_exact(MAX_KEY_FRAMES.saturating_sub(self.key_frames.len()));
        if self.key_frames.back().is_some_and(|newest| *newest >= sequence) {
            return;
        }
        if self.key_frames.len() == MAX_KEY_FRAMES {
            self.key_frames.pop_front();
        }
        self.key_frames.push_back(sequence);
    }
}

#[cfg(test)]
mod tests;
