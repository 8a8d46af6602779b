//! What a video could be forwarded at: the steps that the allocator shares among, from what is
//! measured of a producer's layers, and assumed of those that are not. Grants nothing.

use std::time::Instant;

use crate::{
    bandwidth::Ladder,
    consumer::{Consumer, Grant, choose},
    producer::{LayerRates, Producer},
};

use super::layers::candidates;

/// Assumed of a lowest layer that is not measured yet: libwebrtc's for 180 lines is 150 kb/s.
const FIRST_LAYER: u64 = 150_000;
/// Assumed of the next one up, as a multiple of the one below (libwebrtc
/// `video/config/simulcast.cc`: 150, 500, 2,500 kb/s).
const NEXT_LAYER: u64 = 3;

/// What a video could be forwarded at, up to its wish.
pub(super) fn ladder(now: Instant, consumer: &Consumer, producer: &Producer) -> Ladder {
    let mut ladder = Ladder::default();
    let wish = Grant::Everything.cap(consumer.wish());
    let (mut all, count) = candidates(now, consumer, producer);
    if producer.piped {
        // What nobody here wants yet does not come, and comes once it is wanted.
        for candidate in &mut all[..count] {
            (candidate.active, candidate.alignable) = (true, true);
        }
    }
    let Some(top) = choose::choose(wish, &all[..count]) else { return ladder };
    if !producer.is_simulcast() {
        if let Some(stream) = producer.streams[0].as_deref() {
            let inside = Inside {
                layers: &stream.layers,
                ksvc: producer.setup.layering.ksvc,
                piped: producer.piped.then(|| producer.spatial_layers() as u8),
            };
            inside.climb(wish, &mut ladder);
        }
        return ladder;
    }
    // What is not measured yet is climbed to once it is, which takes half a second; but something
    // has to be begun with, and what does not come cannot be measured.
    let mut next = FIRST_LAYER;
    for (spatial, candidate) in all[..=top].iter().enumerate() {
        let stream = producer.streams[spatial].as_deref();
        let known = |temporal| {
            let known = stream.and_then(|stream| stream.layers.bitrate(0, temporal));
            known.filter(|known| *known > 0)
        };
        let guessed = producer.piped || ladder.steps().is_empty();
        let guess = next.min(least_above(producer, spatial));
        if candidate.active && candidate.alignable {
            let temporal = stream.map_or(1, |stream| stream.layers.temporal_layers());
            let count = temporal.min(wish.temporal().saturating_add(1));
            for temporal in 0..count {
                let Some(bitrate) = known(temporal).or(guessed.then_some(guess)) else { break };
                ladder.push(spatial as u8, temporal, bitrate);
            }
        }
        if !ladder.steps().is_empty() {
            next = NEXT_LAYER * known(u8::MAX).unwrap_or(guess);
        }
    }
    ladder
}

/// What the smallest layer above takes, of those that are measured: a lower one takes no more. Over
/// a pipe only the layer that is shown comes, and all that were assumed below it would not fit.
fn least_above(producer: &Producer, spatial: usize) -> u64 {
    let above = producer.streams[spatial + 1..].iter().flatten();
    let known = above.filter_map(|stream| stream.layers.bitrate(0, u8::MAX));
    known.filter(|known| *known > 0).min().unwrap_or(u64::MAX)
}

/// Layers inside one stream (SVC, or temporal ones alone).
struct Inside<'a> {
    layers: &'a LayerRates,
    /// One spatial layer at a time is forwarded; otherwise those below it too.
    ksvc: bool,
    /// Over a pipe, which does not bring what nobody here wants yet: how many there are.
    piped: Option<u8>,
}

impl Inside<'_> {
    fn climb(&self, wish: Grant, ladder: &mut Ladder) {
        let top = match wish {
            Grant::UpTo(wish) => wish.spatial_layer,
            Grant::Everything | Grant::Nothing => u8::MAX,
        };
        let count = self.layers.temporal_layers().min(wish.temporal().saturating_add(1));
        let spatial = self.layers.spatial_layers().max(self.piped.unwrap_or(0)).max(1);
        let mut guess = FIRST_LAYER;
        for spatial in 0..spatial.min(top.saturating_add(1)) {
            for temporal in 0..count {
                ladder.push(spatial, temporal, self.bitrate(spatial, temporal).unwrap_or(guess));
            }
            guess = NEXT_LAYER * self.bitrate(spatial, u8::MAX).unwrap_or(guess);
        }
    }

    /// Of all that is forwarded with these layers (LY9).
    fn bitrate(&self, spatial: u8, temporal: u8) -> Option<u64> {
        let lowest = if self.ksvc { spatial } else { 0 };
        let known = |spatial| {
            let known = self.layers.bitrate(spatial, temporal);
            known.filter(|known| *known > 0 || self.piped.is_none())
        };
        (lowest..=spatial).map(known).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use starling_proto::rtp::ConsumerLayers;

    use super::*;

    /// A second of 20 pictures in two spatial layers, 1,000 and 3,000 bytes, and three temporal
    /// ones.
    fn measured() -> LayerRates {
        let start = Instant::now();
        let mut layers = LayerRates::default();
        layers.roll(start);
        for n in 0..20 {
            let temporal = [0, 2, 1, 2][n % 4];
            layers.on_packet(0, temporal, 1_000);
            layers.on_packet(1, temporal, 3_000);
        }
        layers.roll(start + Duration::from_secs(1));
        layers
    }

    fn steps(ksvc: bool, wish: Grant) -> Vec<(u8, u8, u32)> {
        let layers = measured();
        let mut ladder = Ladder::default();
        Inside { layers: &layers, ksvc, piped: None }.climb(wish, &mut ladder);
        ladder.steps().iter().map(|step| (step.spatial, step.temporal, step.bitrate)).collect()
    }

    #[test]
    fn a_layer_of_k_svc_costs_what_it_takes_alone() {
        let low = [(0, 0, 40_000), (0, 1, 80_000), (0, 2, 160_000)];
        let all = steps(true, Grant::Everything);
        assert_eq!(all, [&low[..], &[(1, 0, 160_000), (1, 1, 240_000), (1, 2, 480_000)]].concat());
        let all = steps(false, Grant::Everything);
        assert_eq!(all, [&low[..], &[(1, 0, 160_000), (1, 1, 320_000), (1, 2, 640_000)]].concat());
    }

    #[test]
    fn a_wish_for_few_pictures_is_fulfilled_in_each_layer() {
        let wish = ConsumerLayers { spatial_layer: 1, temporal_layer: Some(0) };
        assert_eq!(steps(true, Grant::UpTo(wish)), [(0, 0, 40_000), (1, 0, 120_000)]);
        let wish = ConsumerLayers { spatial_layer: 0, temporal_layer: Some(1) };
        assert_eq!(steps(true, Grant::UpTo(wish)), [(0, 0, 40_000), (0, 1, 80_000)]);
    }
}
