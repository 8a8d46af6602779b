//! The limit that follows from loss (libwebrtc `goog_cc/send_side_bandwidth_estimation.cc`:
//! below 2 % it rises, above 10 % it falls). Loss that does not fall with what is sent is the
//! path's own, as on a radio link, and is left out, which is what libwebrtc's later
//! `loss_based_bwe_v2.cc` is about. Knows nothing of delay.

/// Loss below which more may be sent.
const LOW: f64 = 0.02;
/// Loss above which less must be.
const HIGH: f64 = 0.10;
/// Packets a share of loss is counted over: of fewer, chance alone loses a tenth often enough.
const PACKETS: u32 = 50;
/// So many lost are enough to count at once.
const ENOUGH_LOST: u32 = 12;
/// Between two decreases, besides the round trip, in microseconds.
const DECREASE_INTERVAL: i64 = 300_000;
/// Growth per second.
const GROWTH: f64 = 0.08;
/// A decrease has been tried once what is sent fell to this share of what it was.
const TRIED: f64 = 0.85;
/// Loss that stays above this share of what it was, though less is sent, is the path's own: a full
/// queue that loses a tenth at first loses nothing then.
const STAYED: f64 = 0.75;
/// No path that shows video loses more by itself.
const MAX_OWN: f64 = 0.3;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct LossLimit {
    arrived: u32,
    lost: u32,
    /// Share of loss of the last count.
    loss: f64,
    /// The path's own.
    own: f64,
    limit: Option<f64>,
    updated_at: Option<i64>,
    decreased_at: Option<i64>,
    /// Loss, and bits per second sent, at the last decrease.
    tried: Option<(f64, f64)>,
}

impl LossLimit {
    /// Packets feedback told about for the first time.
    pub fn on_packets(&mut self, arrived: u32, lost: u32) {
        self.arrived = self.arrived.saturating_add(arrived);
        self.lost = self.lost.saturating_add(lost);
    }

    /// Share of packets lost, as of the last count.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Bits per second; none if loss limits nothing.
    pub fn limit(&self) -> Option<u64> {
        self.limit.map(|limit| limit as u64)
    }

    /// A probe passed: what it showed, loss does not deny.
    pub fn raise(&mut self, bitrate: u64) {
        self.limit = self.limit.map(|limit| limit.max(bitrate as f64));
    }

    /// What was counted was lost for a reason that is known.
    pub fn forget(&mut self) {
        (self.arrived, self.lost, self.loss) = (0, 0, 0.0);
        (self.limit, self.tried) = (None, None);
    }

    /// Feedback came. `estimate` is from delay, `arrives` what got through, in bits per second;
    /// `rtt` is in microseconds.
    pub fn update(&mut self, now: i64, estimate: u64, arrives: Option<u64>, rtt: i64) {
        let (estimate, since) = (estimate as f64, self.seconds_since_update(now));
        if self.arrived + self.lost >= PACKETS || self.lost >= ENOUGH_LOST {
            self.loss = f64::from(self.lost) / f64::from(self.arrived + self.lost);
            (self.arrived, self.lost) = (0, 0);
            self.learn(arrives);
            self.count(now, estimate, arrives, rtt);
        }
        if self.loss - self.own < LOW {
            self.limit = self.limit.map(|limit| limit * (1.0 + GROWTH).powf(since));
        }
        self.limit = self.limit.filter(|limit| *limit < estimate);
    }

    fn count(&mut self, now: i64, estimate: f64, arrives: Option<u64>, rtt: i64) {
        let loss = self.loss - self.own;
        let pause = DECREASE_INTERVAL + rtt;
        if loss <= HIGH || self.decreased_at.is_some_and(|at| now - at < pause) {
            return;
        }
        let Some(arrives) = arrives else { return };
        let sent = arrives as f64 / (1.0 - self.loss).max(0.05);
        let from = self.limit.unwrap_or(estimate).min(sent);
        // Never below what got through: that much the path does carry.
        let lower = (from * (1.0 - 0.5 * loss)).max(arrives as f64).min(estimate);
        self.limit = Some(lower);
        self.decreased_at = Some(now);
        self.tried.get_or_insert((self.loss, sent));
    }

    /// What a decrease did to the loss.
    fn learn(&mut self, arrives: Option<u64>) {
        if self.loss < self.own {
            self.own = self.loss;
        }
        let Some((loss, sent)) = self.tried else { return };
        if self.loss < HIGH.max(loss * STAYED) || loss > MAX_OWN {
            self.tried = None;
            return;
        }
        let now = arrives.map(|arrives| arrives as f64 / (1.0 - self.loss).max(0.05));
        if now.is_some_and(|now| now <= TRIED * sent) {
            self.own = self.loss;
            self.limit = None;
            self.tried = None;
        }
    }

    fn seconds_since_update(&mut self, now: i64) -> f64 {
        let since = now - self.updated_at.replace(now).unwrap_or(now);
        (since as f64 / 1e6).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;
    const RTT: i64 = 50 * MS;

    /// A hundred packets with `lost` of them lost, of which `arrives` bits per second came.
    fn feed(limit: &mut LossLimit, at: &mut i64, lost: u32, arrives: u64) -> Option<u64> {
        *at += 400 * MS;
        limit.on_packets(100 - lost, lost);
        limit.update(*at, 2_000_000, Some(arrives), RTT);
        limit.limit()
    }

    #[test]
    fn little_loss_limits_nothing() {
        let (mut limit, mut at) = (LossLimit::default(), 0);
        for lost in [0, 1, 5, 9, 10] {
            assert_eq!(feed(&mut limit, &mut at, lost, 1_000_000), None);
        }
    }

    #[test]
    fn a_policer_brings_it_to_what_passes_and_it_recovers_slowly() {
        let (mut limit, mut at) = (LossLimit::default(), 0);
        assert_eq!(feed(&mut limit, &mut at, 70, 600_000), Some(1_300_000));
        let after = feed(&mut limit, &mut at, 50, 600_000).unwrap();
        assert!((600_000..=900_000).contains(&after), "{after}");
        for _ in 0..5 {
            feed(&mut limit, &mut at, 12, 600_000);
        }
        let low = limit.limit().unwrap();
        assert!((600_000..700_000).contains(&low), "{low}");
        for _ in 0..10 {
            feed(&mut limit, &mut at, 0, 600_000);
        }
        assert!(limit.limit().unwrap() > low * 5 / 4, "{limit:?}");
    }

    #[test]
    fn loss_that_stays_though_less_is_sent_is_the_paths_own() {
        let (mut limit, mut at) = (LossLimit::default(), 0);
        assert!(feed(&mut limit, &mut at, 15, 850_000).is_some());
        feed(&mut limit, &mut at, 15, 850_000);
        assert_eq!(feed(&mut limit, &mut at, 14, 500_000), None);
        for _ in 0..20 {
            assert_eq!(feed(&mut limit, &mut at, 15, 850_000), None);
        }
        // And no longer once it has gone.
        feed(&mut limit, &mut at, 0, 850_000);
        assert!(feed(&mut limit, &mut at, 15, 850_000).is_some());
    }

    #[test]
    fn too_few_packets_say_nothing() {
        let mut limit = LossLimit::default();
        limit.on_packets(30, 9);
        limit.update(0, 2_000_000, Some(100_000), RTT);
        assert_eq!(limit.limit(), None);
    }
}
