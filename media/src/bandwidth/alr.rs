//! Whether so little is sent that the path shows nothing of what it could carry (libwebrtc
//! `goog_cc/alr_detector.cc`). Knows nothing of arrivals.

/// Share of the estimate that counts as using it.
const USAGE: f64 = 0.65;
/// What is left of the budget of [`WINDOW`] when the region begins and ends.
const BEGIN: f64 = 0.8;
const END: f64 = 0.5;
/// Of the budget, in seconds.
const WINDOW: f64 = 0.5;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Alr {
    /// Bytes that could have been sent and were not.
    left: f64,
    sent: u64,
    updated_at: Option<i64>,
    limited: bool,
}

impl Alr {
    /// `bytes` went out.
    pub fn on_sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Whether little is sent, as of the last update.
    pub const fn is_limited(&self) -> bool {
        self.limited
    }

    /// Time went by at an estimate of `bitrate`.
    pub fn update(&mut self, now: i64, bitrate: u64) {
        let since = now - self.updated_at.replace(now).unwrap_or(now);
        let rate = USAGE * bitrate as f64 / 8.0;
        let most = rate * WINDOW;
        let sent = std::mem::take(&mut self.sent) as f64;
        self.left = (self.left + rate * since as f64 / 1e6 - sent).clamp(-most, most);
        let level = self.left / most.max(1.0);
        if level > BEGIN {
            self.limited = true;
        } else if level < END {
            self.limited = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(alr: &mut Alr, from: i64, bytes: usize) -> bool {
        for n in 0..40 {
            alr.on_sent(bytes);
            alr.update(from + n * 50_000, 1_000_000);
        }
        alr.is_limited()
    }

    #[test]
    fn it_begins_well_below_the_estimate_and_ends_near_it() {
        let mut alr = Alr::default();
        // 50 ms of 1 Mb/s are 6,250 bytes.
        assert!(!run(&mut alr, 0, 6_000));
        assert!(run(&mut alr, 2_000_000, 1_500));
        assert!(run(&mut alr, 4_000_000, 3_000));
        assert!(!run(&mut alr, 6_000_000, 5_500));
    }
}
