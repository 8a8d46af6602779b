//! Bandwidth of a transport's receiver on a plane: takes feedback, has what it allows shared, and
//! looks after both each tenth of a second. Estimates and shares nothing itself.

use std::time::{Duration, Instant};

use starling_proto::trace::TraceType;

use crate::{
    bandwidth::{
        Bounds, Estimator,
        estimator::{MAX_BITRATE, MIN_BITRATE},
        pacer::Pacer,
    },
    command::Bitrates,
    event::{BandwidthOutlook, Event},
    rtcp::TwccFeedback,
};

use super::{
    Plane,
    counters::Estimates,
    probation::Probator,
    trace::bandwidth_info,
    transport::{Item, Traffic},
};

/// How often a sender is told that it is limited no more: one may be lost (BW7).
const UNLIMITED: u8 = 4;

/// Between two estimates told, as long as they are alike (BW4).
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// What it takes to ask for a key frame and to receive it.
const CLIMB: Duration = Duration::from_millis(500);

/// Whether an estimate is to be told: at once below three quarters or above half more of the last
/// one told (mediasoup `TransportCongestionControlClient.cpp`), else once a second if it moved by a
/// twentieth.
fn is_news(now: Instant, told: Option<(Instant, u64)>, available: u64) -> bool {
    let Some((at, before)) = told else { return true };
    let (low, high) = (before / 4 * 3, before / 2 * 3);
    let moved = available.abs_diff(before) >= before / 20;
    available < low || available > high || (moved && now.duration_since(at) >= TELL_INTERVAL)
}

/// What is known of the way to a receiver that tells when packets arrive.
#[derive(Debug)]
pub(super) struct Bandwidth {
    pub estimator: Estimator,
    /// Retransmissions that wait for their turn.
    pub pacer: Pacer<Item>,
    /// What was sent for nothing but its bytes.
    pub probation: Traffic,
    pub probator: Probator,
    /// What there would be to send, as of the last sharing.
    pub desired: u64,
    /// When a video last climbed to another encoding, which begins with a key frame.
    climbed_at: Option<Instant>,
    /// The estimate its owner was told last, and when.
    told: Option<(Instant, u64)>,
    /// Which of the last packets is repeated next.
    pub back: u16,
}

impl Bandwidth {
    fn new(start: Instant, bounds: Bounds, sequence: u16) -> Self {
        Self {
            estimator: Estimator::new(start, bounds),
            pacer: Pacer::default(),
            probation: Traffic::new(),
            probator: Probator::new(sequence),
            desired: 0,
            climbed_at: None,
            told: None,
            back: 0,
        }
    }
}

impl Bandwidth {
    /// A video climbs. What comes on top of another climb's key frame may be tried nonetheless: ten
    /// videos climb for seconds.
    pub(super) fn on_climb(&mut self, now: Instant) {
        if self.climbed_at.is_none_or(|at| now.saturating_duration_since(at) >= 2 * CLIMB) {
            self.climbed_at = Some(now);
        }
    }

    /// Whether a key frame is awaited or on its way: with a probe beside it, it would come late.
    fn is_busy(&self, now: Instant) -> bool {
        self.climbed_at.is_some_and(|at| now.saturating_duration_since(at) < CLIMB)
    }
}

impl Plane {
    /// What receivers can take now, all together.
    pub(super) fn estimates(&self) -> Estimates {
        let mut all = Estimates::default();
        for place in &self.timers.estimated {
            let transport = &self.transports[*place as usize];
            let (bitrate, desired) = match &transport.bandwidth {
                Some(bandwidth) => (bandwidth.estimator.bitrate(), bandwidth.desired),
                None => (transport.remb.unwrap_or_default(), 0),
            };
            all.receivers += 1;
            all.bitrate += bitrate;
            all.limited += u64::from(desired > bitrate);
        }
        all
    }

    /// The receiver tells when packets arrive: what it can take is estimated from now on (BW1).
    pub(super) fn estimate(&mut self, place: usize) {
        let sequence = (self.transports[place].rtcp_ssrc & 0x7fff) as u16;
        let transport = &mut self.transports[place];
        if transport.is_pipe() || transport.bandwidth.is_some() {
            return;
        }
        let bandwidth = Bandwidth::new(self.start, transport.bounds, sequence);
        transport.bandwidth = Some(Box::new(bandwidth));
        self.timers.estimated.push(place as u32);
    }

    /// Transport-wide feedback came.
    pub(super) fn on_feedback(&mut self, now: Instant, place: usize, feedback: &TwccFeedback) {
        let Some(bandwidth) = &mut self.transports[place].bandwidth else { return };
        if bandwidth.estimator.on_feedback(now, feedback) {
            self.share(now, place);
        }
    }

    /// A receiver's own estimate came; it counts where there is no feedback (BW1).
    pub(super) fn on_receiver_estimate(&mut self, now: Instant, place: usize, bitrate: u64) {
        let transport = &mut self.transports[place];
        let first = transport.remb.replace(bitrate).is_none();
        if transport.bandwidth.is_none() && !transport.is_pipe() {
            if first {
                self.timers.estimated.push(place as u32);
            }
            self.share(now, place);
            self.trace_remb(now, place, bitrate);
        }
    }

    /// Its owner limits what is sent and received.
    pub(super) fn set_bitrates(&mut self, now: Instant, place: usize, bitrates: Bitrates) {
        let transport = &mut self.transports[place];
        let bounds = &mut transport.bounds;
        bounds.min = bitrates.min_outgoing.unwrap_or(bounds.min).max(MIN_BITRATE);
        bounds.max = match bitrates.max_outgoing {
            Some(0) => MAX_BITRATE,
            Some(max) => max,
            None => bounds.max,
        };
        // Set one after the other they may cross: the ceiling holds.
        bounds.max = bounds.max.max(MIN_BITRATE);
        bounds.min = bounds.min.min(bounds.max);
        bounds.initial = bitrates.initial_outgoing.unwrap_or(bounds.initial).max(MIN_BITRATE);
        if let Some(bandwidth) = &mut transport.bandwidth {
            bandwidth.estimator.set_bounds(now, transport.bounds);
        }
        if let Some(max) = bitrates.max_incoming
            && std::mem::replace(&mut transport.max_incoming, max) != max
        {
            transport.limits_due = UNLIMITED;
        }
        self.share(now, place);
    }

    /// A receiver's own estimate is told as it comes: it says itself how often.
    fn trace_remb(&mut self, now: Instant, place: usize, bitrate: u64) {
        let bounds = self.transports[place].bounds;
        let available = bitrate.clamp(bounds.min, bounds.max);
        self.trace_transport(now, place, TraceType::Bwe, || {
            let (min, max, start) = (bounds.min, bounds.max, bounds.initial);
            // What there would be to send is worked out for estimates of our own alone.
            let outlook = BandwidthOutlook { available, min, max, start, ..Default::default() };
            bandwidth_info(&outlook, true)
        });
    }

    fn tell_bandwidth(&mut self, now: Instant, place: usize) {
        let transport = &mut self.transports[place];
        let Some(bandwidth) = &mut transport.bandwidth else { return };
        let (available, bounds) = (bandwidth.estimator.bitrate(), transport.bounds);
        if !is_news(now, bandwidth.told, available) {
            return;
        }
        bandwidth.told = Some((now, available));
        let outlook = BandwidthOutlook {
            available,
            desired: bandwidth.desired,
            effective_desired: bandwidth.desired.min(bounds.max).max(bounds.min),
            min: bounds.min,
            max: bounds.max,
            start: bounds.initial,
        };
        let key = transport.key;
        self.tell(Event::Bandwidth { transport: key, outlook });
        self.trace_transport(now, place, TraceType::Bwe, || bandwidth_info(&outlook, false));
    }

    /// Each tenth of a second.
    pub(super) fn attend(&mut self, now: Instant, place: usize) {
        self.share(now, place);
        self.tell_bandwidth(now, place);
        let Some(bandwidth) = &mut self.transports[place].bandwidth else { return };
        let (desired, busy) = (bandwidth.desired, bandwidth.is_busy(now));
        if bandwidth.estimator.on_time(now, desired, busy) {
            self.start_pacing(now, place);
        }
    }
}
