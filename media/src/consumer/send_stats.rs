//! What one output stream sent, and what its receiver says about it (RC3, RC5, RC6, ST1, ST6).
//! Sends nothing.

use std::time::{Duration, Instant};

use super::Latency;
use crate::{
    ingress::{RateCalculator, ScoreInterval, ScoreWindow, rate},
    rtcp::{ReportBlock, SenderInfo},
    rtp::NtpTime,
};

/// Assumed until it is measured (NK4).
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// A stream silent for longer sends no reports (mediasoup `RtpStreamSend.cpp`).
const SILENT: Duration = Duration::from_secs(2);
/// Sender reports remembered, to recognise one in a receiver's report: three seconds of them, and
/// no path we forward on is longer.
const REPORTS: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct SendStats {
    /// Media packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their payload bytes, for sender reports.
    pub octets: u64,
    /// Sent again.
    pub retransmitted: u64,
    /// NACK packets received.
    pub nacks: u64,
    /// Sequence numbers in them.
    pub nacked: u64,
    /// Picture losses told.
    pub plis: u64,
    /// Full intra requests.
    pub firs: u64,
    /// Bytes not yet in `rate`.
    unrated: usize,
    /// Sent again at the receiver's wish since its last report.
    repaired_since: u64,
    packets_reported: u64,
    lost_reported: i64,
    /// As the receiver says.
    pub lost: i64,
    /// As the receiver says, in 1/256.
    pub fraction_lost: u8,
    /// As the receiver says.
    pub jitter: u32,
    rtt: Option<Duration>,
    /// How well it arrives.
    pub score: ScoreWindow,
    /// How much.
    pub rate: RateCalculator,
    /// How long it took here.
    pub latency: Latency,
    /// When the newest packet was sent.
    pub last_sent: Option<Instant>,
    reports: [Option<(u32, Instant)>; REPORTS],
    next_report: usize,
}

impl Default for SendStats {
    fn default() -> Self {
        Self {
            packets: 0,
            bytes: 0,
            octets: 0,
            retransmitted: 0,
            nacks: 0,
            nacked: 0,
            plis: 0,
            firs: 0,
            unrated: 0,
            repaired_since: 0,
            packets_reported: 0,
            lost_reported: 0,
            lost: 0,
            fraction_lost: 0,
            jitter: 0,
            rtt: None,
            score: ScoreWindow::default(),
            rate: RateCalculator::new(rate::STREAM_WINDOW),
            latency: Latency::default(),
            last_sent: None,
            reports: [None; REPORTS],
            next_report: 0,
        }
    }
}

impl SendStats {
    /// A media packet goes out.
    pub fn on_sent(&mut self, now: Instant, len: usize, payload_len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
        self.octets += payload_len as u64;
        self.unrated += len;
        self.last_sent = Some(now);
    }

    /// A batch is over: its bytes count for the rate. Once per batch, because dividing time into
    /// buckets costs as much as the rest of a packet's accounting.
    pub fn end_batch(&mut self, now: Instant) {
        let bytes = std::mem::take(&mut self.unrated);
        if bytes > 0 {
            self.rate.add(now, bytes);
        }
    }

    /// One goes out again.
    pub fn on_resent(&mut self, now: Instant, len: usize) {
        self.retransmitted += 1;
        self.repaired_since += 1;
        self.rate.add(now, len);
    }

    /// Whether a report is worth sending.
    pub fn is_live(&self, now: Instant) -> bool {
        self.last_sent.is_some_and(|at| now.saturating_duration_since(at) < SILENT)
    }

    /// A sender report goes out.
    pub fn report(&mut self, now: Instant, ssrc: u32, at: (NtpTime, u32)) -> SenderInfo {
        self.reports[self.next_report] = Some((at.0.middle(), now));
        self.next_report = (self.next_report + 1) % REPORTS;
        SenderInfo {
            ssrc,
            ntp: at.0,
            timestamp: at.1,
            packets: self.packets as u32,
            octets: self.octets as u32,
        }
    }

    /// The receiver's report; true if the score is another now.
    pub fn on_report(&mut self, now: Instant, block: &ReportBlock) -> bool {
        self.lost = i64::from(block.total_lost);
        self.fraction_lost = block.fraction_lost;
        self.jitter = block.jitter;
        let known = self.reports.iter().flatten().find(|(middle, _)| *middle == block.last_sr);
        if let (Some((_, sent)), true) = (known, block.last_sr != 0) {
            let held =
                Duration::from_nanos((u64::from(block.delay_since_last_sr) * 1_000_000_000) >> 16);
            let elapsed = now.saturating_duration_since(*sent);
            self.rtt = Some(elapsed.saturating_sub(held).max(Duration::from_micros(15)));
        }
        let sent = self.packets.saturating_sub(self.packets_reported);
        let lost = u64::try_from(self.lost - self.lost_reported).unwrap_or(0);
        let repaired = std::mem::take(&mut self.repaired_since);
        self.packets_reported = self.packets;
        self.lost_reported = self.lost;
        let interval = ScoreInterval::sending(sent, lost, repaired.min(lost), repaired);
        self.score.push(interval.score()).is_some()
    }

    /// To the receiver and back.
    pub fn rtt(&self) -> Duration {
        self.rtt.unwrap_or(DEFAULT_RTT)
    }

    /// The same in milliseconds, 0 before it is measured.
    pub fn rtt_ms(&self) -> f64 {
        self.rtt.map_or(0.0, |rtt| rtt.as_secs_f64() * 1000.0)
    }
}

/// What sender reports carry when the source has no clock: ours, and time since the newest packet.
pub fn by_arrival(
    wall: NtpTime,
    newest: (u32, Instant),
    now: Instant,
    clock_rate: u32,
) -> (NtpTime, u32) {
    let elapsed = now.saturating_duration_since(newest.1).as_micros();
    let ticks = (elapsed * u128::from(clock_rate) / 1_000_000) as u32;
    (wall, newest.0.wrapping_add(ticks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receivers_report_gives_the_round_trip_and_the_score() {
        let start = Instant::now();
        let mut stats = SendStats::default();
        for _ in 0..100 {
            stats.on_sent(start, 1000, 980);
        }
        let ntp = NtpTime(0x1234_5678_9abc_def0);
        let info = stats.report(start, 7, (ntp, 90));
        assert_eq!((info.packets, info.octets, info.timestamp), (100, 98_000, 90));
        let block = ReportBlock {
            ssrc: 7,
            total_lost: 50,
            last_sr: 0x5678_9abc,
            delay_since_last_sr: 65_536 / 2,
            ..ReportBlock::default()
        };
        assert!(stats.on_report(start + Duration::from_millis(530), &block));
        assert_eq!(stats.rtt(), Duration::from_millis(30));
        assert!(stats.score.score() <= 1);
    }

    #[test]
    fn a_report_about_an_unknown_sender_report_says_nothing_of_the_round_trip() {
        let start = Instant::now();
        let mut stats = SendStats::default();
        let block = ReportBlock { last_sr: 5, ..ReportBlock::default() };
        stats.on_report(start, &block);
        assert_eq!(stats.rtt(), DEFAULT_RTT);
    }
}
