//! How much of a link may be in flight: a large window that ignores random loss and yields only
//! when the path says that it is full. Never paces by itself (quinn does, from the window).
//!
//! Why not quinn's own: `examples/link_cost`, November 2026, two cores, 5 s a row. Each video is 30
//! frames a second of 8 packets of 1,200 bytes and a key frame of 60 every 3 s; the path has 40 ms
//! round trip. Latency in ms one way, and the share of packets that passed.
//!
//! | loss | videos | CUBIC p50, p99 | passed | BBR p50, p99 | passed | Steady p50, p99 | passed |
//! |---|---|---|---|---|---|---|---|
//! | 0 % | 1 | 21, 120 | 100 % | 21, 30–82 | 100 % | 21, 25 | 100 % |
//! | 0 % | 10 | 21, 155 | 100 % | 21, 24–200 | 98–100 % | 21, 24 | 100 % |
//! | 1 % | 1 | 21, 250 | 99 % | 21, 33 | 99 % | 21, 25 | 99 % |
//! | 1 % | 10 | 263, 327 | 20 % | 21, 23–186 | 95–99 % | 21, 23 | 99 % |
//! | 5 % | 1 | 339, 520 | 61 % | 21, 30 | 94 % | 21, 25 | 94 % |
//! | 5 % | 10 | 347, 518 | 8 % | 21, 26–186 | 89–95 % | 21, 23–28 | 93–95 % |
//!
//! Ranges are four runs. BBR now and then sits on a low estimate for seconds; Steady does not
//! estimate.

use std::{any::Any, sync::Arc, time::Instant};

use quinn::congestion::{BbrConfig, Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

/// Where the window starts, and its most: 8 MiB is 1.6 Gbit/s at 40 ms round trip, more than the
/// 10,000 packets a second and core that a node forwards, and one bandwidth-delay product of a
/// 1 Gbit/s path around the globe's half (67 ms).
pub(super) const CEILING: u64 = 8 * 1024 * 1024;
/// The least: two 720p videos at 40 ms round trip, so that what survives the layer choice passes.
pub(super) const FLOOR: u64 = 32 * 1024;
/// Share of a round trip's bytes whose loss means a full path. Wireless and transit paths lose 1 to
/// 2 % at random, which says nothing about load; RFC 8083's circuit breaker opens at about 10 %.
const FULL_PATH_LOSS: f64 = 0.10;
/// A round lasts until it has this many bytes: of 256 packets, 5 % lost at random are more than
/// 10 % once in 10,000 rounds.
const MIN_ROUND: u64 = 256 * 1_200;
/// The window becomes this share of what got through, as in RFC 8312 (CUBIC's beta).
const BACK_OFF: f64 = 0.7;
/// And grows by this a round trip: from the floor to the ceiling in 25.
const GROWTH: f64 = 1.25;

/// Which congestion controller a link runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// Ours, chosen by measurement: see the table in this file's source.
    #[default]
    Steady,
    /// The same with a lower ceiling, in bytes in flight: for a path whose budget is known.
    Capped(u64),
    /// quinn's BBR.
    Bbr,
    /// quinn's CUBIC, its default.
    Cubic,
}

impl Congestion {
    pub(super) fn factory(self) -> Arc<dyn ControllerFactory + Send + Sync> {
        match self {
            Self::Steady => Arc::new(SteadyConfig { ceiling: CEILING }),
            Self::Capped(ceiling) => Arc::new(SteadyConfig { ceiling }),
            Self::Bbr => Arc::new(BbrConfig::default()),
            Self::Cubic => Arc::new(CubicConfig::default()),
        }
    }
}

#[derive(Debug)]
struct SteadyConfig {
    ceiling: u64,
}

impl ControllerFactory for SteadyConfig {
    fn build(self: Arc<Self>, now: Instant, _current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Steady::new(now, self.ceiling))
    }
}

/// The controller. Per round trip it compares what was lost with what got through.
#[derive(Clone, Debug)]
pub(super) struct Steady {
    window: u64,
    ceiling: u64,
    round_start: Instant,
    acked: u64,
    lost: u64,
    /// Bytes acknowledged since the connection began.
    total: u64,
}

/// Bytes that were acknowledged since a connection began; none of controllers that are not ours.
pub(super) fn acknowledged(controller: Box<dyn Controller>) -> Option<u64> {
    controller.into_any().downcast::<Steady>().ok().map(|steady| steady.total)
}

impl Steady {
    fn new(now: Instant, ceiling: u64) -> Self {
        Self { window: ceiling, ceiling, round_start: now, acked: 0, lost: 0, total: 0 }
    }

    fn end_round(&mut self, now: Instant) {
        let total = self.acked + self.lost;
        let full = self.lost as f64 > total as f64 * FULL_PATH_LOSS;
        self.window = if full {
            ((self.acked as f64 * BACK_OFF) as u64).min(self.window)
        } else {
            (self.window as f64 * GROWTH) as u64
        }
        .clamp(FLOOR.min(self.ceiling), self.ceiling);
        (self.round_start, self.acked, self.lost) = (now, 0, 0);
    }

    fn handle_ack(&mut self, now: Instant, sent: Instant, bytes: u64) {
        self.acked += bytes;
        self.total += bytes;
        // A packet sent in this round is acknowledged: at least one round trip has passed.
        if sent >= self.round_start && self.acked + self.lost >= MIN_ROUND {
            self.end_round(now);
        }
    }

    fn handle_loss(&mut self, now: Instant, persistent: bool, bytes: u64) {
        self.lost += bytes;
        if persistent {
            self.window = FLOOR.min(self.ceiling);
            (self.round_start, self.acked, self.lost) = (now, 0, 0);
        }
    }
}

impl Controller for Steady {
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, _: bool, _: &RttEstimator) {
        self.handle_ack(now, sent, bytes);
    }

    fn on_congestion_event(&mut self, now: Instant, _: Instant, persistent: bool, lost: u64) {
        self.handle_loss(now, persistent, lost);
    }

    fn on_mtu_update(&mut self, _: u16) {}

    fn window(&self) -> u64 {
        self.window
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.ceiling
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    /// One round trip: 1,000 packets, of which `lost` are lost.
    fn round(steady: &mut Steady, now: &mut Instant, lost: u64) {
        let sent = *now;
        *now += RTT;
        steady.handle_loss(*now, false, lost * 1_200);
        steady.handle_ack(*now, sent, (1_000 - lost) * 1_200);
    }

    #[test]
    fn random_loss_does_not_move_the_window() {
        let mut now = Instant::now();
        let mut steady = Steady::new(now, CEILING);
        for _ in 0..100 {
            round(&mut steady, &mut now, 20);
        }
        assert_eq!(steady.window(), CEILING);
    }

    #[test]
    fn a_full_path_shrinks_the_window_to_less_than_what_got_through() {
        let mut now = Instant::now();
        let mut steady = Steady::new(now, CEILING);
        round(&mut steady, &mut now, 300);
        assert_eq!(steady.window(), 588_000);
    }

    #[test]
    fn the_window_comes_back_within_25_round_trips() {
        let mut now = Instant::now();
        let mut steady = Steady::new(now, CEILING);
        steady.handle_loss(now, true, 1_200);
        assert_eq!(steady.window(), FLOOR);
        for _ in 0..25 {
            round(&mut steady, &mut now, 0);
        }
        assert_eq!(steady.window(), CEILING);
    }

    #[test]
    fn a_lossy_moment_of_a_thin_stream_says_nothing_about_the_path() {
        let mut now = Instant::now();
        let mut steady = Steady::new(now, CEILING);
        for turn in 0..1_000 {
            let sent = now;
            now += RTT;
            steady.handle_loss(now, false, if turn % 20 == 0 { 5 * 1_200 } else { 0 });
            steady.handle_ack(now, sent, 5 * 1_200);
        }
        assert_eq!(steady.window(), CEILING);
    }

    #[test]
    fn the_window_never_leaves_its_bounds() {
        let mut now = Instant::now();
        let mut steady = Steady::new(now, 16 * 1_024);
        steady.handle_loss(now, true, 1_200);
        for lost in [0, 500, 999, 0, 0] {
            round(&mut steady, &mut now, lost);
            assert_eq!(steady.window(), 16 * 1_024, "a cap below the floor is both bounds");
        }
    }
}
