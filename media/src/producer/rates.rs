//! How many bits per second each layer of a stream takes: what the allocator counts with. A packet
//! costs one addition; time is divided only when somebody looks.

use std::time::{Duration, Instant};

use serde_json::Value;

/// Width of a window.
const WINDOW: Duration = Duration::from_millis(200);
/// Windows that are averaged: two seconds, so that a key frame is spread.
const WINDOWS: usize = 10;
/// Windows after which a layer's figure is worth something: half a second.
const FIRST: u32 = 3;
/// Temporal layers counted apart: libwebrtc sends at most 3, dependency descriptors name 8.
pub const TEMPORAL_LAYERS: usize = 4;
/// Spatial layers of one stream: VP9 and AV1 in libwebrtc have 3.
pub const SPATIAL_LAYERS: usize = 4;

/// Bytes of one layer: the window that is being filled, and those before it.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    current: u32,
    windows: [u32; WINDOWS],
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LayerRates {
    /// By spatial layer, then temporal; as many as were seen.
    layers: Vec<[Layer; TEMPORAL_LAYERS]>,
    began: Option<Instant>,
    /// Windows complete since.
    complete: u32,
    /// Highest temporal layer seen.
    temporal: u8,
}

impl LayerRates {
    /// A packet of these layers came.
    pub fn on_packet(&mut self, spatial: u8, temporal: u8, bytes: usize) {
        let spatial = usize::from(spatial).min(SPATIAL_LAYERS - 1);
        let temporal = usize::from(temporal).min(TEMPORAL_LAYERS - 1);
        while self.layers.len() <= spatial {
            self.layers.push([Layer::default(); TEMPORAL_LAYERS]);
        }
        self.temporal = self.temporal.max(temporal as u8);
        let current = &mut self.layers[spatial][temporal].current;
        *current = current.saturating_add(bytes as u32);
    }

    /// Closes the windows that are over. To be called more often than they are.
    pub fn roll(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began).as_micros() / WINDOW.as_micros();
        let passed = passed as u32 - self.complete;
        for _ in 0..passed.min(WINDOWS as u32 + 1) {
            for layer in self.layers.iter_mut().flatten() {
                layer.windows.rotate_right(1);
                layer.windows[0] = std::mem::take(&mut layer.current);
            }
        }
        self.complete += passed;
    }

    /// Begins anew: the stream was away.
    pub fn reset(&mut self) {
        *self = Self { layers: std::mem::take(&mut self.layers), ..Self::default() };
        self.layers.clear();
    }

    /// Spatial layers seen in this stream.
    pub fn spatial_layers(&self) -> u8 {
        self.layers.len() as u8
    }

    /// Temporal layers seen.
    pub const fn temporal_layers(&self) -> u8 {
        self.temporal + 1
    }

    /// mediasoup's `bitrateByLayer`: `{"s.t": bits per second}`.
    pub fn report(&mut self, now: Instant) -> Value {
        self.roll(now);
        let spatial = 0..self.spatial_layers();
        let all = spatial.flat_map(|s| (0..self.temporal_layers()).map(move |t| (s, t)));
        let told = all.filter_map(|(s, t)| Some((format!("{s}.{t}"), self.bitrate(s, t)?.into())));
        Value::Object(told.collect())
    }

    /// Bits per second of one spatial layer up to a temporal one; none before that is known.
    pub fn bitrate(&self, spatial: u8, temporal: u8) -> Option<u64> {
        if self.complete < FIRST {
            return None;
        }
        let windows = (self.complete as usize).min(WINDOWS);
        let layers = self.layers.get(usize::from(spatial))?;
        let temporal = usize::from(temporal).min(TEMPORAL_LAYERS - 1);
        let bytes: u64 = layers[..=temporal]
            .iter()
            .flat_map(|layer| &layer.windows[..windows])
            .map(|bytes| u64::from(*bytes))
            .sum();
        Some(bytes * 8 * 1_000 / (windows as u64 * WINDOW.as_millis() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_measured_apart_and_told_together() {
        let start = Instant::now();
        let mut rates = LayerRates::default();
        for n in 0..100u32 {
            let temporal = [0, 2, 1, 2][n as usize % 4];
            rates.on_packet(0, temporal, 1_000);
            rates.roll(start + Duration::from_millis(20) * n);
            if n < 30 {
                assert_eq!(rates.bitrate(0, 2), None);
            }
        }
        rates.roll(start + Duration::from_secs(2));
        assert_eq!(rates.temporal_layers(), 3);
        assert_eq!(rates.bitrate(0, 0), Some(100_000));
        assert_eq!(rates.bitrate(0, 1), Some(200_000));
        assert_eq!(rates.bitrate(0, 2), Some(400_000));
        assert_eq!(rates.bitrate(0, 9), Some(400_000));
        assert_eq!(rates.bitrate(1, 0), None);
    }

    #[test]
    fn a_stream_that_stops_is_worth_nothing_after_two_seconds() {
        let start = Instant::now();
        let mut rates = LayerRates::default();
        rates.roll(start);
        rates.on_packet(1, 0, 50_000);
        rates.roll(start + Duration::from_secs(1));
        assert_eq!(rates.spatial_layers(), 2);
        assert_eq!(rates.bitrate(1, 0), Some(400_000));
        rates.roll(start + Duration::from_secs(3_600));
        assert_eq!(rates.bitrate(1, 0), Some(0));
        rates.reset();
        assert_eq!(rates.bitrate(1, 0), None);
    }
}
