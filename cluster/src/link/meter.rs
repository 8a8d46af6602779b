//! What each pipe of a link would carry, as it comes to be sent, and which of it may pass: feeds
//! `capacity` and `decide::budget` with what was counted. Pure: `now` is an argument.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use starling_proto::flow::FlowId;

use super::{
    PacketClass,
    capacity::{Capacity, EVERY, Sample},
};
use crate::decide::budget::{self, Demand, LAYERS, Top};

/// Share of a sample in a rate: half a second, as long as a key frame is paid for.
const WEIGHT: f64 = 0.2;
/// What a packet costs beside its own bytes: QUIC's header and tag, and the flow's.
const OVERHEAD: usize = 40;
/// Most pipes measured: as many as a link may have flows; more pass unmeasured.
const MAX_FLOWS: usize = 20_000;

/// One pipe.
#[derive(Debug, Default)]
struct Flow {
    audio: bool,
    /// As the other side said last.
    wished: u32,
    top: Top,
    bytes: [u64; LAYERS],
    rates: [Option<f64>; LAYERS],
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Meter {
    flows: BTreeMap<FlowId, Flow>,
    capacity: Capacity,
    sampled: Option<Instant>,
    /// Wishes are others than when the capacity was shared out last.
    changed: bool,
}

impl Meter {
    /// The other side wants these layers of a pipe.
    pub(super) fn wish(&mut self, flow: FlowId, layers: u32) {
        let room = self.flows.len() < MAX_FLOWS;
        if !room && !self.flows.contains_key(&flow) {
            return;
        }
        let of = self
            .flows
            .entry(flow)
            .or_insert_with(|| Flow { top: Some(u8::MAX), ..Flow::default() });
        self.changed |= std::mem::replace(&mut of.wished, layers) != layers;
    }

    /// A pipe is over.
    pub(super) fn forget(&mut self, flow: FlowId) {
        self.changed |= self.flows.remove(&flow).is_some();
    }

    /// A packet is about to be sent.
    pub(super) fn count(&mut self, flow: FlowId, class: PacketClass, layer: u8, bytes: usize) {
        let Some(flow) = self.flows.get_mut(&flow) else { return };
        if class == PacketClass::Control {
            return;
        }
        flow.audio = class == PacketClass::Audio;
        flow.bytes[usize::from(layer).min(LAYERS - 1)] += (bytes + OVERHEAD) as u64;
    }

    /// How long until [`Self::step`] has something to do without a packet; none: never.
    pub(super) fn due(&self) -> Option<Duration> {
        self.capacity.limit().map(|_| EVERY)
    }

    /// Whether [`Self::step`] is due.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.sampled.is_none_or(|at| now.saturating_duration_since(at) >= EVERY)
    }

    /// Takes a sample: bytes acknowledged so far, the round trip, and whether packets wait here.
    /// The pipes whose best layer is another from now on.
    pub(super) fn step(
        &mut self,
        now: Instant,
        acked: u64,
        rtt: Duration,
        waiting: bool,
    ) -> Vec<(FlowId, Top)> {
        let time = self.sampled.replace(now).map(|at| now.saturating_duration_since(at));
        let Some(time) = time.filter(|time| !time.is_zero()) else { return Vec::new() };
        for flow in self.flows.values_mut() {
            flow.roll(time);
        }
        let wanted = self.flows.values().map(Flow::wanted).sum();
        let other = self.capacity.take(now, &Sample { acked, rtt, waiting, wanted });
        let changed = std::mem::take(&mut self.changed);
        if !(other || changed && self.capacity.limit().is_some()) {
            return Vec::new();
        }
        self.share()
    }

    fn share(&mut self) -> Vec<(FlowId, Top)> {
        let Some(capacity) = self.capacity.limit() else {
            let cut = self.flows.iter_mut().filter(|(_, flow)| flow.top != Some(u8::MAX));
            return cut.map(|(id, flow)| (*id, *flow.top.insert(u8::MAX))).map(freed).collect();
        };
        let demands: Vec<_> = self.flows.iter().map(|(id, flow)| flow.demand(*id)).collect();
        let mut told = Vec::new();
        for (id, top) in budget::share(capacity, &demands) {
            let Some(flow) = self.flows.get_mut(&id) else { continue };
            // Above the best that is wanted there is nothing to hold back.
            let best = flow.wished.checked_ilog2().map(|best| best as u8);
            let whole = best.is_none() || (top.is_some() && top >= best);
            let top = if whole { Some(u8::MAX) } else { top };
            if std::mem::replace(&mut flow.top, top) != top {
                told.push((id, top));
            }
        }
        told
    }

    /// Bits per second that the link takes, if that is less than what is wanted.
    pub(super) fn limit(&self) -> Option<u64> {
        self.capacity.limit()
    }
}

fn freed((id, top): (FlowId, u8)) -> (FlowId, Top) {
    (id, Some(top))
}

impl Flow {
    fn roll(&mut self, time: Duration) {
        let carried = budget::layers(self.wished, self.top);
        for (layer, bytes) in self.bytes.iter_mut().enumerate() {
            let bytes = std::mem::take(bytes);
            if bytes == 0 && carried & (1 << layer) == 0 {
                // Not sent: as it was when it last was.
                continue;
            }
            let rate = 8.0 * bytes as f64 / time.as_secs_f64();
            let old = self.rates[layer].unwrap_or(rate);
            self.rates[layer] = Some(old + WEIGHT * (rate - old));
        }
    }

    fn demand(&self, id: FlowId) -> Demand {
        let rates = self.rates.map(|rate| rate.map(|rate| rate as u64));
        let wished = self.wished;
        Demand { flow: id.0, audio: self.audio, first: false, viewers: 1, wished, rates }
    }

    fn wanted(&self) -> u64 {
        self.demand(FlowId(0)).wanted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    /// 100 ms of a voice and three cameras of 100, 300 and 900 kb/s, as much of them as may pass.
    fn send(meter: &mut Meter, tops: &BTreeMap<u64, Top>) -> u64 {
        meter.count(FlowId(0), PacketClass::Audio, 0, 500 - OVERHEAD);
        let mut bytes = 500;
        for flow in 1..4 {
            let carried = budget::layers(0b100, tops.get(&flow).copied().unwrap_or(Some(2)));
            for (layer, size) in [1_250, 3_750, 11_250].into_iter().enumerate() {
                if carried & (1 << layer) != 0 {
                    meter.count(FlowId(flow), PacketClass::Video, layer as u8, size - OVERHEAD);
                    bytes += size as u64;
                }
            }
        }
        bytes
    }

    #[test]
    fn a_link_that_becomes_narrow_carries_whole_layers_of_everybody() {
        let (mut meter, mut tops) = (Meter::default(), BTreeMap::new());
        meter.wish(FlowId(0), 1);
        (1..4).for_each(|flow| meter.wish(FlowId(flow), 0b100));
        let start = Instant::now();
        let (mut acked, mut queue) = (0, 0.0);
        for n in 0..60u32 {
            // 1 Mb/s after two seconds.
            let takes: f64 = if n < 20 { 1e9 } else { 12_500.0 };
            queue = (queue + send(&mut meter, &tops) as f64 - takes).max(0.0);
            acked += takes.min(15_000.0) as u64;
            let rtt = RTT + Duration::from_secs_f64(queue / takes / 10.0);
            tops.extend(
                meter.step(start + n * EVERY, acked, rtt, false).iter().map(|(f, t)| (f.0, *t)),
            );
            if n == 19 {
                assert!(tops.is_empty() && meter.due().is_none());
            }
        }
        assert!(meter.limit().is_some());
        let cameras: Vec<_> = (1..4).map(|flow| tops[&flow]).collect();
        assert!(cameras.iter().all(|top| matches!(top, Some(0 | 1))), "{cameras:?}");
        assert!(!tops.contains_key(&0), "sound is not held back");
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut meter = Meter::default();
        meter.wish(FlowId(3), 1);
        meter.forget(FlowId(3));
        meter.count(FlowId(3), PacketClass::Video, 0, 100);
        assert!(meter.flows.is_empty());
    }
}
