//! What arrived of one stream: sequence validation, loss, jitter and report blocks (RFC 3550 A.1,
//! A.3, A.8; ST2, ST3, ST8). Never keeps packets and never asks for any.

use std::time::{Duration, Instant};

use crate::{
    rtcp::ReportBlock,
    rtp::{NtpTime, RtpHeader, clock},
};

use super::score::ScoreInterval;

/// A jump forward of less is loss (mediasoup `RtpStream.cpp`).
const MAX_DROPOUT: u16 = 3000;
/// A step back of less is reordering.
const MAX_MISORDER: u16 = 1500;
/// Silence after which a stream counts as gone (ST8).
const INACTIVE_AFTER: Duration = Duration::from_millis(1500);
/// The same for a sender that may fall silent (ST8).
const INACTIVE_AFTER_DTX: Duration = Duration::from_millis(5000);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Belongs to the stream. `sequence` is unwrapped; `newest` tells whether it is ahead of all
    /// before it.
    Accepted {
        /// Unwrapped.
        sequence: u64,
        /// Ahead of all before it.
        newest: bool,
    },
    /// The second in a row from somewhere else: the sender began anew there, and so do the counts.
    /// Whatever was kept of the stream is void.
    Restarted {
        /// Unwrapped; greater than all before it.
        sequence: u64,
    },
    /// From nowhere near: drop it.
    Rejected,
}

/// One stream's counts.
#[derive(Clone, Debug)]
pub struct ReceiveStats {
    ssrc: u32,
    clock_rate: u32,
    started: bool,
    /// Unwrapped sequence numbers of this run of the stream.
    base: u64,
    newest: u64,
    /// What the next packet must be for a jump to be believed.
    bad_next: Option<u16>,
    received: u64,
    repaired: u64,
    retransmitted: u64,
    bytes: u64,
    jitter: Jitter,
    last_packet: Option<Instant>,
    last_report: Option<(NtpTime, Instant)>,
    /// Lost in earlier runs of the stream.
    lost_before: i64,
    /// What the last report said to be missing since the one before it.
    lost_reported: u64,
    reported: Counts,
    scored: Counts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    expected: u64,
    received: u64,
    repaired: u64,
    retransmitted: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    epoch: Option<Instant>,
    last_timestamp: u32,
    last_transit: u32,
    /// Times 16.
    scaled: u32,
}

impl ReceiveStats {
    /// Of the stream `ssrc` with timestamps in `clock_rate` Hz.
    pub fn new(ssrc: u32, clock_rate: u32) -> Self {
        Self {
            ssrc,
            clock_rate,
            started: false,
            base: 0,
            newest: 0,
            bad_next: None,
            received: 0,
            repaired: 0,
            retransmitted: 0,
            bytes: 0,
            jitter: Jitter::default(),
            last_packet: None,
            last_report: None,
            lost_before: 0,
            lost_reported: 0,
            reported: Counts::default(),
            scored: Counts::default(),
        }
    }

    /// A packet sent for the first time, `len` bytes long.
    pub fn on_packet(&mut self, now: Instant, header: &RtpHeader, len: usize) -> Verdict {
        let verdict = self.place(header.sequence);
        if verdict == Verdict::Rejected {
            return verdict;
        }
        self.received += 1;
        self.bytes += len as u64;
        self.last_packet = Some(now);
        if !matches!(verdict, Verdict::Accepted { newest: false, .. }) {
            self.jitter.update(now, header.timestamp, self.clock_rate);
        }
        verdict
    }

    /// A packet that came as a retransmission. It fills a hole, but the hole stays counted: what
    /// the network lost is what the sender must know.
    pub fn on_retransmission(&mut self, now: Instant, header: &RtpHeader, len: usize) -> Verdict {
        let verdict = self.place(header.sequence);
        if verdict != Verdict::Rejected {
            self.retransmitted += 1;
            self.bytes += len as u64;
            self.last_packet = Some(now);
        }
        verdict
    }

    /// Newest sequence number.
    pub const fn newest_sequence(&self) -> u16 {
        self.newest as u16
    }

    /// The retransmission just counted had been missing.
    pub const fn on_repaired(&mut self) {
        self.repaired += 1;
    }

    /// A sender report of this stream.
    pub const fn on_sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.last_report = Some((ntp, now));
    }

    /// Report about the time since the last call (RFC 3550 A.3). `None` before the first packet.
    pub fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        if !self.started {
            return None;
        }
        let counts = self.counts();
        let expected = counts.expected.saturating_sub(self.reported.expected);
        let received = counts.received.saturating_sub(self.reported.received);
        self.reported = counts;
        let lost = expected.saturating_sub(received);
        self.lost_reported = lost;
        let fraction = (lost * 256).checked_div(expected).unwrap_or(0).min(255);
        let (last_sr, delay) = match self.last_report {
            Some((ntp, at)) => (ntp.middle(), clock::compact(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction as u8,
            total_lost: self.packets_lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.newest as u32,
            jitter: self.jitter(),
            last_sr,
            delay_since_last_sr: delay,
        })
    }

    /// Packets missing in the time of the last [`Self::report_block`].
    pub const fn lost_reported(&self) -> u64 {
        self.lost_reported
    }

    /// Counts since the last call, for the score.
    pub fn take_interval(&mut self) -> ScoreInterval {
        let counts = self.counts();
        let last = std::mem::replace(&mut self.scored, counts);
        ScoreInterval::receiving(
            counts.expected.saturating_sub(last.expected),
            counts.received.saturating_sub(last.received),
            counts.repaired.saturating_sub(last.repaired),
            counts.retransmitted.saturating_sub(last.retransmitted),
        )
    }

    /// Whether there was no packet for so long that the stream counts as gone. Not before its
    /// first.
    pub fn is_inactive(&self, now: Instant, dtx: bool) -> bool {
        let limit = if dtx { INACTIVE_AFTER_DTX } else { INACTIVE_AFTER };
        self.last_packet.is_some_and(|last| now.saturating_duration_since(last) >= limit)
    }

    /// When the newest packet came.
    pub const fn last_packet(&self) -> Option<Instant> {
        self.last_packet
    }

    /// Expected and not received, before repair; negative when there were duplicates.
    pub fn packets_lost(&self) -> i64 {
        let run = self.expected_in_run() as i64 - self.received as i64;
        if self.started { self.lost_before + run } else { 0 }
    }

    /// Packets received for the first time.
    pub const fn packets(&self) -> u64 {
        self.received
    }

    /// Bytes received, retransmissions too.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Retransmissions received.
    pub const fn retransmitted(&self) -> u64 {
        self.retransmitted
    }

    /// Losses repaired.
    pub const fn repaired(&self) -> u64 {
        self.repaired
    }

    /// Interarrival jitter in timestamp units.
    pub const fn jitter(&self) -> u32 {
        self.jitter.scaled >> 4
    }

    fn counts(&self) -> Counts {
        Counts {
            expected: u64::try_from(self.packets_lost() + self.received as i64).unwrap_or(0),
            received: self.received,
            repaired: self.repaired,
            retransmitted: self.retransmitted,
        }
    }

    /// Includes what `lost_before` accounts for, so that a restart is no loss.
    const fn expected_in_run(&self) -> u64 {
        self.newest - self.base + 1
    }

    fn place(&mut self, sequence: u16) -> Verdict {
        if !self.started {
            self.started = true;
            self.newest = u64::from(sequence);
            self.base = self.newest;
            return Verdict::Accepted { sequence: self.newest, newest: true };
        }
        let ahead = sequence.wrapping_sub(self.newest as u16);
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.bad_next = None;
            self.newest += u64::from(ahead);
            return Verdict::Accepted { sequence: self.newest, newest: true };
        }
        let behind = ahead.wrapping_neg();
        if behind < MAX_MISORDER {
            let Some(wide) = self.newest.checked_sub(u64::from(behind)) else {
                return Verdict::Rejected;
            };
            self.base = self.base.min(wide);
            return Verdict::Accepted { sequence: wide, newest: false };
        }
        if self.bad_next != Some(sequence) {
            self.bad_next = Some(sequence.wrapping_add(1));
            return Verdict::Rejected;
        }
        self.restart(sequence)
    }

    fn restart(&mut self, sequence: u16) -> Verdict {
        // The packets of the old run stay received, and nothing between the runs was lost.
        self.lost_before = self.packets_lost() + self.received as i64;
        let next_cycle = (self.newest | 0xffff) + 1;
        self.newest = next_cycle + u64::from(sequence);
        self.base = self.newest;
        self.bad_next = None;
        self.jitter = Jitter { scaled: self.jitter.scaled, ..Jitter::default() };
        Verdict::Restarted { sequence: self.newest }
    }
}

impl Jitter {
    /// RFC 3550 A.8. Packets of one frame share their timestamp and are sent in a burst, so only
    /// the first of them counts (libwebrtc `StreamStatisticianImpl`).
    fn update(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        let Some(epoch) = self.epoch else {
            self.epoch = Some(now);
            self.last_timestamp = timestamp;
            self.last_transit = 0u32.wrapping_sub(timestamp);
            return;
        };
        if timestamp == self.last_timestamp {
            return;
        }
        let elapsed = now.saturating_duration_since(epoch).as_micros() as u64;
        let arrival = (elapsed * u64::from(clock_rate) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        let change = transit.wrapping_sub(self.last_transit).cast_signed().unsigned_abs();
        self.last_timestamp = timestamp;
        self.last_transit = transit;
        // A pause or a jump of the timestamps is no jitter (libwebrtc: five seconds).
        if change < clock_rate.saturating_mul(5) {
            self.scaled = self.scaled.saturating_add(change).saturating_sub((self.scaled + 8) >> 4);
        }
    }
}

#[cfg(test)]
mod tests;
