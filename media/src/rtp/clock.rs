//! Three clocks: our monotonic one, NTP wall time, and a sender's RTP timestamps. Never reads a
//! clock: the anchor is given.

use std::time::{Duration, Instant};

/// NTP time: seconds since 1900 in the upper, fractions in the lower 32 bits (RFC 3550 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(pub u64);

/// Seconds between 1900 and 1970.
const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;
const MICROS_PER_SECOND: u64 = 1_000_000;

impl NtpTime {
    /// From the time since 1970.
    pub fn from_unix(since_1970: Duration) -> Self {
        let seconds = since_1970.as_secs().wrapping_add(UNIX_EPOCH_IN_NTP) & 0xffff_ffff;
        let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// The middle 32 bits, as LSR and LRR carry them: units of 1/65536 s.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Microseconds since 1900.
    pub const fn micros(self) -> i64 {
        let fraction = ((self.0 & 0xffff_ffff) * MICROS_PER_SECOND + (1 << 31)) >> 32;
        ((self.0 >> 32) * MICROS_PER_SECOND + fraction) as i64
    }

    /// From microseconds since 1900; negative ones are zero.
    pub const fn from_micros(micros: i64) -> Self {
        let micros = if micros < 0 { 0 } else { micros as u64 };
        let fraction = ((micros % MICROS_PER_SECOND) << 32) / MICROS_PER_SECOND;
        Self((micros / MICROS_PER_SECOND) << 32 | fraction)
    }
}

/// A span in units of 1/65536 s, as DLSR and DLRR carry it; saturates.
pub fn compact(span: Duration) -> u32 {
    u32::try_from((span.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// Round-trip time from a report (RFC 3550 §6.4.1): arrival − LSR − DLSR, all in 1/65536 s. `None`
/// if nothing was reported; at least one unit otherwise, so that it can be told from "unknown".
pub fn round_trip(arrival: NtpTime, last_report: u32, delay: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let units = arrival.middle().wrapping_sub(delay).wrapping_sub(last_report);
    // A negative figure is clock noise on a short path, not an 18-hour round trip.
    let units = if units > u32::MAX / 2 { 1 } else { units.max(1) };
    Some(Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16))
}

/// Wall time at a monotonic instant, fixed once.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    start: Instant,
    since_1970: Duration,
}

impl WallClock {
    /// At `start` it was `since_1970`.
    pub const fn new(start: Instant, since_1970: Duration) -> Self {
        Self { start, since_1970 }
    }

    /// Wall time at `at`.
    pub fn ntp(&self, at: Instant) -> NtpTime {
        let before = self.start.saturating_duration_since(at);
        let after = at.saturating_duration_since(self.start);
        NtpTime::from_unix((self.since_1970 + after).saturating_sub(before))
    }

    /// When it is `ntp`. `None` before the start.
    pub fn instant(&self, ntp: NtpTime) -> Option<Instant> {
        let micros = ntp.micros() - self.ntp(self.start).micros();
        self.start.checked_add(Duration::from_micros(u64::try_from(micros).ok()?))
    }

    /// The lower 24 bits of the time in units of 2^-18 s, as the abs-send-time extension carries
    /// it.
    pub fn abs_send_time(&self, at: Instant) -> [u8; 3] {
        let units = (self.ntp(at).0 >> 14) as u32;
        let [_, a, b, c] = units.to_be_bytes();
        [a, b, c]
    }
}

/// One pair a sender told: this RTP timestamp was captured at this time of its own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapturePoint {
    /// RTP timestamp.
    pub timestamp: u32,
    /// Microseconds since 1900, by the sender's clock.
    pub micros: i64,
}

/// How a stream's RTP timestamps relate to its sender's wall clock, by the newest sender report or
/// abs-capture-time. Layers of one source share that clock, which is what aligns them (LY4, LY5).
#[derive(Clone, Copy, Debug)]
pub struct CaptureClock {
    clock_rate: u32,
    newest: Option<CapturePoint>,
}

/// Farther than this from the last report a mapping is not believed: crystals drift, and senders
/// restart (mediasoup `RemoteCaptureTimeEstimator`).
const MAX_EXTRAPOLATION: Duration = Duration::from_secs(10);

impl CaptureClock {
    /// Knows nothing yet. A `clock_rate` of 0 never knows anything.
    pub const fn new(clock_rate: u32) -> Self {
        Self { clock_rate, newest: None }
    }

    /// A sender report, or an abs-capture-time extension. Zero NTP means the sender has no clock.
    pub fn on_report(&mut self, ntp: NtpTime, timestamp: u32) {
        if ntp.0 != 0 && self.clock_rate != 0 {
            self.newest = Some(CapturePoint { timestamp, micros: ntp.micros() });
        }
    }

    /// The newest pair.
    pub const fn newest(&self) -> Option<CapturePoint> {
        self.newest
    }

    /// Whether a stream with this clock can be aligned with another (LY4).
    pub const fn is_known(&self) -> bool {
        self.newest.is_some()
    }

    /// When, by the sender's clock, `timestamp` was captured; microseconds since 1900.
    pub fn capture_micros(&self, timestamp: u32) -> Option<i64> {
        let point = self.newest?;
        let ticks = i64::from(timestamp.wrapping_sub(point.timestamp).cast_signed());
        let micros = ticks * 1_000_000 / i64::from(self.clock_rate);
        let limit = MAX_EXTRAPOLATION.as_micros() as i64;
        (micros.abs() <= limit).then(|| point.micros.wrapping_add(micros))
    }

    /// The RTP timestamp of what was captured at `micros` since 1900 by the sender's clock.
    pub fn timestamp_at(&self, micros: i64) -> Option<u32> {
        let point = self.newest?;
        let elapsed = i128::from(micros) - i128::from(point.micros);
        let ticks = elapsed * i128::from(self.clock_rate) / 1_000_000;
        Some(point.timestamp.wrapping_add(ticks as u32))
    }

    /// What to subtract from this stream's timestamps to get those of `reference` for the same
    /// instant (LY5, without its correction for going backwards).
    pub fn offset_from(&self, reference: &Self) -> Option<u32> {
        let point = reference.newest?;
        Some(self.timestamp_at(point.micros)?.wrapping_sub(point.timestamp))
    }
}

/// Where our clock stands when a sender's says something, by the least delayed of its last reports.
/// One per sender, not per stream: audio and video of one sender must get the same offset, or
/// lips and voice part.
#[derive(Clone, Debug, Default)]
pub struct ClockOffset {
    /// Ours minus theirs, in microseconds; newest last.
    samples: [i64; Self::WINDOW],
    count: usize,
}

impl ClockOffset {
    /// Reports looked back at (mediasoup `RemoteClockOffsetEstimator`): about ten seconds.
    const WINDOW: usize = 7;

    /// A report that said `remote` arrived at `arrival` by our wall clock.
    pub fn on_report(&mut self, arrival: NtpTime, remote: NtpTime) {
        if remote.0 == 0 {
            return;
        }
        self.samples[self.count % Self::WINDOW] = arrival.micros().wrapping_sub(remote.micros());
        // Kept in WINDOW..2*WINDOW once full, so that it never overflows.
        self.count += 1;
        if self.count == 2 * Self::WINDOW {
            self.count = Self::WINDOW;
        }
    }

    /// Our wall time when the sender's clock says `remote_micros`. `None` before the first report.
    pub fn local(&self, remote_micros: i64) -> Option<NtpTime> {
        let offset = self.samples[..self.count.min(Self::WINDOW)].iter().min()?;
        Some(NtpTime::from_micros(remote_micros.wrapping_add(*offset)))
    }
}

#[cfg(test)]
mod tests;
