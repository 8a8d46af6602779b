//! The estimate of one transport: composes the machines of this folder. Feedback and what is sent
//! go in, bits per second and probes come out. Allocates nothing to anybody.

use std::time::{Duration, Instant};

use super::{
    aimd::{Aimd, Signals},
    alr::Alr,
    arrival::ArrivalGroups,
    drain::{Drain, Signs, Turn},
    history::{History, News},
    loss::LossLimit,
    probe::{Outcome, Outlook, Probes},
    queue::PathQueue,
    throughput::Throughput,
    trendline::{Trendline, Usage},
};
use crate::rtcp::TwccFeedback;

/// Least an estimate can be, in bits per second (WT11): an Opus stream and what it takes to probe.
pub const MIN_BITRATE: u64 = 30_000;
/// mediasoup's `initialAvailableOutgoingBitrate`.
pub const INITIAL_BITRATE: u64 = 600_000;
/// More than any receiver of video takes.
pub const MAX_BITRATE: u64 = 1_000_000_000;
/// Units of a feedback's reference time, and how many there are.
const REFERENCE: i64 = 64_000;
const REFERENCES: i64 = 1 << 24;
/// Units of its deltas.
const TICK: i64 = 250;
/// Of a new round trip in the smoothed one.
const RTT_WEIGHT: f64 = 0.125;
/// Assumed until measured (libwebrtc `aimd_rate_control.cc`).
const FIRST_RTT: i64 = 200_000;
/// Feedback older than this says nothing about now: no probe goes where nobody tells what came.
const FRESH: i64 = 2_000_000;
/// How long the queue that a probe filled may take to empty before it is held against the path.
const AFTERMATH: i64 = 400_000;
/// A receiver that negotiated feedback and sends none for so long never will.
const DEAF: i64 = 5_000_000;
/// An estimate that fell below this share of itself leaves much to be tried (libwebrtc
/// `probe_controller.cc`, `kBitrateDropThreshold`).
const DEEP: f64 = 0.66;
/// A probe that showed less than what arrives anyway was held up by chance (libwebrtc
/// `goog_cc_network_control.cc`, `limit_probes_lower_than_throughput_estimate`).
const CREDIBLE: f64 = 0.85;

/// Of what the path carried while its queue emptied (libwebrtc
/// `goog_cc/probe_bitrate_estimator.cc`, `kTargetUtilizationFraction`).
const EMPTIED: f64 = 0.95;
/// Waits that are shorter are a frame's own, or the path's unevenness: a trend in them is no
/// overuse.
const OVERUSE: i64 = 25_000;

/// What its owner allows, in bits per second (WT11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Assumed until anything is known.
    pub initial: u64,
    /// Never less.
    pub min: u64,
    /// Never more.
    pub max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { initial: INITIAL_BITRATE, min: MIN_BITRATE, max: MAX_BITRATE }
    }
}

/// What an estimate was made of, for events and statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace {
    /// The estimate.
    pub bitrate: u64,
    /// From delay.
    pub delay_based: u64,
    /// From loss, if that limits.
    pub loss_based: Option<u64>,
    /// What arrives.
    pub arrives: Option<u64>,
    /// Share of packets lost.
    pub loss: f64,
    /// Queues on the path.
    pub usage: Usage,
    /// How long the newest packet waited in them, in microseconds.
    pub wait: i64,
    /// What they let through.
    pub carries: Option<u64>,
    /// They empty before more is sent.
    pub drains: bool,
    /// Little is sent.
    pub limited: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Estimator {
    epoch: Instant,
    bounds: Bounds,
    history: History,
    groups: ArrivalGroups,
    trendline: Trendline,
    throughput: Throughput,
    queue: PathQueue,
    drain: Drain,
    /// When the path became narrow: what was lost of what was sent before says nothing of now.
    narrow_at: Option<i64>,
    aimd: Aimd,
    loss: LossLimit,
    alr: Alr,
    probes: Probes,
    rtt: i64,
    /// Reference time of the newest feedback, unwrapped.
    reference: Option<i64>,
    feedback_at: Option<i64>,
    /// Until then a queue may be what a probe left.
    calm_at: i64,
    /// When the first packet was sent.
    sent_at: Option<i64>,
}

impl Estimator {
    /// Nothing is known of the path.
    pub fn new(epoch: Instant, bounds: Bounds) -> Self {
        Self {
            epoch,
            bounds,
            history: History::new(),
            groups: ArrivalGroups::default(),
            trendline: Trendline::default(),
            throughput: Throughput::default(),
            queue: PathQueue::default(),
            drain: Drain::default(),
            narrow_at: None,
            aimd: Aimd::new(bounds.initial),
            loss: LossLimit::default(),
            alr: Alr::default(),
            probes: Probes::default(),
            rtt: FIRST_RTT,
            reference: None,
            feedback_at: None,
            sent_at: None,
            calm_at: 0,
        }
    }

    /// In bits per second, within the bounds.
    pub fn bitrate(&self) -> u64 {
        let limits = [self.loss.limit(), self.drain.limit()];
        let all = limits.into_iter().flatten().fold(self.aimd.bitrate(), u64::min);
        all.min(self.bounds.max).max(self.bounds.min.max(MIN_BITRATE))
    }

    /// More was sent than the path carries by far: its queue has to empty.
    pub fn drains(&self) -> bool {
        self.drain.limit().is_some()
    }

    /// Other bounds. `initial` counts as long as nothing is known.
    pub fn set_bounds(&mut self, now: Instant, bounds: Bounds) {
        self.bounds = bounds;
        if self.feedback_at.is_none() {
            self.aimd.set(self.micros(now), bounds.initial);
        }
    }

    /// Microseconds since the epoch: what [`Self::on_sent`] takes, once per batch.
    pub fn micros(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.epoch).as_micros() as i64
    }

    /// The transport-wide number of the next packet.
    pub const fn next_sequence(&self) -> u16 {
        self.history.next_sequence()
    }

    /// A packet with [`Self::next_sequence`] went out.
    pub fn on_sent(&mut self, micros: i64, bytes: usize) {
        let probe = self.probes.id();
        self.sent_at.get_or_insert(micros);
        self.history.on_sent(micros, bytes, probe);
        self.alr.on_sent(bytes);
        if probe != 0 {
            self.probes.on_sent(micros, bytes);
        }
    }

    /// Bytes without such a number went out.
    pub fn on_untold(&mut self, bytes: usize) {
        self.history.on_untold(bytes);
        self.alr.on_sent(bytes);
        self.probes.on_untold(bytes);
    }

    /// Feedback came. Returns whether the estimate is another now.
    pub fn on_feedback(&mut self, now: Instant, feedback: &TwccFeedback) -> bool {
        let before = self.bitrate();
        let now = self.micros(now);
        let mut arrival = self.unwrap(feedback.reference_time) * REFERENCE;
        let (mut arrived, mut lost, mut drowned, mut newest) = (0, 0, 0, None);
        for (at, delta) in feedback.deltas.iter().enumerate() {
            let sequence = feedback.base_sequence.wrapping_add(at as u16);
            if let Some(delta) = delta {
                arrival += i64::from(*delta) * TICK;
            }
            match self.history.tell(sequence, delta.is_some()) {
                Some(News::Arrived(packet)) => {
                    let sent = packet.sent(now);
                    self.throughput.on_arrival(arrival, packet.bytes() as usize);
                    self.queue.on_arrival(sent, arrival, packet.bytes());
                    if let Some(delta) = self.groups.on_packet(sent, arrival) {
                        self.trendline.on_delta(delta);
                    }
                    if packet.probe != 0 {
                        self.probes.on_told(packet.probe, sent, Some(arrival), packet.bytes());
                    }
                    arrived += 1;
                    newest = Some(sent);
                }
                Some(News::Lost(packet)) => {
                    let old = self.narrow_at.is_some_and(|at| packet.sent(now) <= at);
                    (lost, drowned) = (lost + u32::from(!old), drowned + u32::from(old));
                    if packet.probe != 0 {
                        self.probes.on_told(packet.probe, packet.sent(now), None, 0);
                    }
                }
                None => {}
            }
        }
        if arrived + lost + drowned == 0 {
            return false;
        }
        if let Some(sent) = newest {
            self.rtt += (RTT_WEIGHT * (now - sent - self.rtt) as f64) as i64;
        }
        self.feedback_at = Some(now);
        self.loss.on_packets(arrived, lost);
        self.watch(now, newest);
        self.update(now);
        self.bitrate() != before
    }

    /// Whether the path became narrow all at once, or has recovered from that.
    fn watch(&mut self, now: i64, newest: Option<i64>) {
        let Some(sent) = newest else { return };
        let wait = self.queue.wait();
        let signs = Signs {
            newest: self.queue.newest_rate(),
            rate: self.queue.rate(),
            arrives: self.throughput.bitrate(),
            estimate: self.bitrate(),
            in_flight: self.history.in_flight(),
            rtt: now - sent - wait,
            wait,
        };
        match self.drain.on_feedback(now, signs) {
            Turn::Same => {}
            Turn::Begins(rate) => {
                self.aimd.narrow(now, rate);
                self.loss.forget();
                self.queue.forget_rate();
                self.narrow_at = Some(now);
                self.probes.on_narrow(now);
            }
            Turn::Ends(rate) => self.aimd.set(now, (EMPTIED * rate as f64) as u64),
        }
    }

    fn update(&mut self, now: i64) {
        let before = self.bitrate();
        self.alr.update(now, before);
        let arrives = self.throughput.bitrate();
        let usage = match self.trendline.usage() {
            Usage::Over if self.queue.wait() < OVERUSE => Usage::Under,
            usage => usage,
        };
        let outcome = self.probes.outcome(now);
        // A queue that a probe fills is what it is for: it shows what the path carries.
        let probed = usage == Usage::Over && (self.probes.cut(now) || now < self.calm_at);
        if outcome.is_some() {
            self.calm_at = now + AFTERMATH;
        }
        self.aimd.update(
            now,
            Signals {
                usage: if probed || outcome.is_some() { Usage::Under } else { usage },
                arrives,
                of_queue: self.leaves(now),
                limited: self.alr.is_limited(),
                rtt: Duration::from_micros(self.rtt.unsigned_abs()),
            },
        );
        self.learn(now, outcome);
        self.loss.update(now, self.aimd.bitrate(), arrives, self.rtt);
        let fell = usage == Usage::Over && !probed && outcome.is_none();
        let deep = (self.bitrate() as f64) < DEEP * before as f64;
        if fell || deep {
            self.probes.on_drop(now, deep);
        }
    }

    /// What leaves the path's queue, in bits per second: as measured, or as it was while that
    /// emptied, or what arrives.
    fn leaves(&self, now: i64) -> Option<u64> {
        let known = self.queue.rate().or(self.drain.carried(now));
        known.or(self.throughput.of_queue())
    }

    /// What a probe showed is the estimate, be it more or less; less than what arrives anyway, or
    /// than what leaves a queue, it was by chance.
    fn learn(&mut self, now: i64, outcome: Option<Outcome>) {
        let Some(Outcome { shown: Some(shown), .. }) = outcome else { return };
        let arrives = CREDIBLE * self.throughput.bitrate().unwrap_or(0) as f64;
        let carries = EMPTIED * self.queue.rate().unwrap_or(0) as f64;
        let credible = self.aimd.bitrate().min(arrives.max(carries) as u64);
        self.aimd.set(now, shown.max(credible));
        self.loss.raise(shown);
    }

    /// Time went by, about a tenth of a second. `desired`: what there would be to send, in bits per
    /// second; nothing is tried with a burst of media on its way (`busy`). True if padding is due
    /// from now on.
    pub fn on_time(&mut self, now: Instant, desired: u64, busy: bool) -> bool {
        let now = self.micros(now);
        if self.feedback_at.is_none_or(|at| now - at > FRESH) {
            return false;
        }
        self.alr.update(now, self.bitrate());
        // Feedback that does not come ends a probe too.
        let outcome = self.probes.outcome(now);
        self.learn(now, outcome);
        let outlook = Outlook {
            estimate: self.bitrate(),
            desired,
            most: self.bounds.max,
            calm: self.trendline.usage() == Usage::Normal && !busy && !self.drains(),
        };
        self.probes.begin(now, outlook)
    }

    /// Much was sent for long and nothing was ever told about: the receiver does not tell at all.
    pub fn is_deaf(&self, now: Instant) -> bool {
        let waited = self.sent_at.map_or(0, |at| self.micros(now) - at);
        self.feedback_at.is_none() && waited >= DEAF
    }

    /// Padding due now, in bytes.
    pub fn padding_due(&mut self, now: Instant) -> usize {
        self.probes.due(self.micros(now))
    }

    /// Whether padding is due now and then.
    pub fn is_probing(&self) -> bool {
        self.probes.is_sending()
    }

    /// What the estimate was made of.
    pub fn trace(&self) -> Trace {
        Trace {
            bitrate: self.bitrate(),
            delay_based: self.aimd.bitrate(),
            loss_based: self.loss.limit(),
            arrives: self.throughput.bitrate(),
            loss: self.loss.loss(),
            usage: self.trendline.usage(),
            wait: self.queue.wait(),
            carries: self.queue.rate(),
            drains: self.drains(),
            limited: self.alr.is_limited(),
        }
    }

    /// Reference times have 24 bits: twelve days.
    fn unwrap(&mut self, reference: u32) -> i64 {
        let wide = i64::from(reference);
        let wide = self.reference.map_or(wide, |newest| {
            let ahead = (wide - newest).rem_euclid(REFERENCES);
            newest + if ahead < REFERENCES / 2 { ahead } else { ahead - REFERENCES }
        });
        self.reference = Some(self.reference.map_or(wide, |newest| newest.max(wide)));
        wide
    }
}

#[cfg(test)]
mod tests;
