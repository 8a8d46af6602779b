//! Shares what a receiver's bandwidth allows among its videos: says what each could take, and
//! carries out what `bandwidth::allocate` decides.

use std::time::Instant;

use starling_proto::{
    MediaKind,
    rtp::{ConsumerLayers, RtpType},
};

use crate::{
    bandwidth::{Demand, Granted, allocate, estimator::MAX_BITRATE, told},
    consumer::Grant,
};

use super::{Plane, ladder::ladder};

/// Retransmissions count up to this part of the estimate: they come in heaps after a drop, and are
/// over when what is granted for it begins to flow.
const MOST_REPAIR: u64 = 8;
/// What is wanted is this much more than the sum of layers, so that the uppermost of them fits.
const HEADROOM: (u64, u64) = (11, 10);

/// Reused by [`Plane::share`].
#[derive(Debug, Default)]
pub(super) struct Sharing {
    places: Vec<u32>,
    demands: Vec<Demand>,
    granted: Vec<Granted>,
}

impl Plane {
    /// Shares anew among a transport's videos. Nothing happens where nothing is known of what its
    /// receiver can take: it gets everything.
    pub(super) fn share(&mut self, now: Instant, place: usize) {
        let Some((estimate, other)) = self.budget(now, place) else { return };
        let mut sharing = std::mem::take(&mut self.scratch.sharing);
        let desired = self.demands(now, place, estimate, &mut sharing);
        if let Some(bandwidth) = &mut self.transports[place].bandwidth {
            bandwidth.desired = other + desired * HEADROOM.0 / HEADROOM.1;
        }
        let drains = self.transports[place].bandwidth.as_ref();
        let drains = drains.is_some_and(|known| known.estimator.drains());
        let budget = estimate.saturating_sub(other);
        allocate(budget, &sharing.demands, &mut sharing.granted);
        for (at, consumer) in sharing.places.iter().enumerate() {
            let ladder = &sharing.demands[at].ladder;
            let grant = match sharing.granted[at].step {
                Some(step) => Grant::UpTo(ConsumerLayers::from(ladder.steps()[step])),
                // Nothing comes yet: what will is begun with at the bottom.
                None if ladder.steps().is_empty() => {
                    Grant::UpTo(ConsumerLayers { spatial_layer: 0, temporal_layer: None })
                }
                // One without layers flows whatever it costs, as mediasoup's simple consumers do: a
                // screen that stutters tells more than none, and who records may tell nothing.
                None if self.consumers[*consumer as usize].setup.rtp_type == RtpType::Simple => {
                    Grant::UpTo(ConsumerLayers::from(ladder.steps()[0]))
                }
                None => Grant::Nothing,
            };
            let top = ladder.top().map(|top| top.spatial);
            self.grant(now, *consumer as usize, estimate, (grant, top));
            if drains {
                self.leave(*consumer as usize, estimate);
            }
        }
        self.scratch.sharing = sharing;
    }

    /// The estimate, and what of it is not for videos: audio, which always flows, and
    /// retransmissions.
    fn budget(&mut self, now: Instant, place: usize) -> Option<(u64, u64)> {
        let transport = &self.transports[place];
        let estimate = match (&transport.bandwidth, transport.remb) {
            (Some(bandwidth), None) if bandwidth.estimator.is_deaf(now) => MAX_BITRATE,
            (Some(bandwidth), _) => bandwidth.estimator.bitrate(),
            (None, Some(bitrate)) if !transport.is_pipe() => {
                let bounds = transport.bounds;
                let lost = self.losses(place).1.unwrap_or(0.0);
                told::heeding(bitrate, lost).clamp(bounds.min, bounds.max)
            }
            (None, _) => return None,
        };
        let transport = &mut self.transports[place];
        let repair = transport.sent.rtx.rate.bits_per_second(now);
        let mut other = repair.min(estimate / MOST_REPAIR);
        for consumer in &transport.consumers {
            let consumer = &mut self.consumers[*consumer as usize];
            if consumer.setup.kind == MediaKind::Audio && consumer.active {
                let rates = consumer.outputs.iter_mut();
                other += rates.map(|output| output.stats.rate.bits_per_second(now)).sum::<u64>();
            }
        }
        Some((estimate, other))
    }

    /// What each video of a transport could take; the sum of it.
    fn demands(&mut self, now: Instant, place: usize, estimate: u64, sharing: &mut Sharing) -> u64 {
        let micros = self.micros(now);
        sharing.places.clear();
        sharing.demands.clear();
        let mut sum = 0;
        for &place in &self.transports[place].consumers {
            let consumer = &self.consumers[place as usize];
            let Some(index) = consumer.producer.filter(|_| consumer.active) else { continue };
            if consumer.setup.kind != MediaKind::Video || self.producers[index].paused {
                continue;
            }
            for stream in self.producers[index].streams.iter_mut().flatten() {
                stream.layers.roll(now);
            }
            let mut ladder = ladder(now, consumer, &self.producers[index]);
            // What is kept from it for now is desired nonetheless: probes may show it sooner.
            sum += ladder.top().map_or(0, |top| u64::from(top.bitrate));
            if let Some(ceiling) = consumer.memory.ceiling(micros, estimate) {
                ladder.cap(ceiling);
            }
            sharing.places.push(place);
            sharing.demands.push(Demand {
                ladder,
                priority: consumer.priority,
                held: held(consumer.granted),
            });
        }
        sum
    }

    /// Has a layer that is to be left for a lower one end with its picture, if even the least of it
    /// is too much for a path whose queue is full: what comes on top is lost, and with it the key
    /// frame that all wait for.
    fn leave(&mut self, place: usize, estimate: u64) {
        let consumer = &mut self.consumers[place];
        let (Some(granted), Some(producer)) = (held(consumer.granted), consumer.producer) else {
            return;
        };
        let output = &mut consumer.outputs[0];
        let Some(flows) = output.switch.current() else { return };
        if consumer.setup.rtp_type != RtpType::Simulcast || flows <= usize::from(granted.0) {
            return;
        }
        let stream = self.producers[producer].streams[flows].as_deref();
        let least = stream.and_then(|stream| stream.layers.bitrate(0, 0));
        output.leaving =
            least.is_none_or(|least| least > estimate) && output.switch.awaited().is_some();
    }

    /// `top` could be had if there were bandwidth.
    fn grant(
        &mut self,
        now: Instant,
        place: usize,
        estimate: u64,
        (grant, top): (Grant, Option<u8>),
    ) {
        let micros = self.micros(now);
        let consumer = &mut self.consumers[place];
        if consumer.granted == grant {
            return;
        }
        let spatial = |grant: Grant| held(grant).map(|(spatial, _)| spatial);
        let (before, after) = (spatial(consumer.granted), spatial(grant));
        // A layer that is not sent any more was not lost for want of bandwidth.
        if after > before || top >= before {
            consumer.memory.on_grant(micros, estimate, before, after);
        }
        consumer.granted = grant;
        // A lowest layer's own key frame is small.
        let climbs = before.is_some() && after > before;
        let transport = consumer.transport;
        if let Some(bandwidth) = self.transports[transport].bandwidth.as_mut().filter(|_| climbs) {
            bandwidth.on_climb(now);
        }
        self.aim(now, place);
    }

    /// Microseconds since this plane began.
    pub(super) fn micros(&self, now: Instant) -> i64 {
        now.saturating_duration_since(self.start).as_micros() as i64
    }
}

/// The layers that are held with a grant. Nothing is held before the first sharing.
fn held(grant: Grant) -> Option<(u8, u8)> {
    match grant {
        Grant::UpTo(layers) => Some((layers.spatial_layer, layers.temporal_layer.unwrap_or(0))),
        Grant::Everything | Grant::Nothing => None,
    }
}
