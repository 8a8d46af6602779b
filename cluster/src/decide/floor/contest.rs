//! Who of two speaks: Volfin and Cohen, "Dominant speaker identification for multipoint
//! videoconferencing" (IEEE 2013), with the constants of Jitsi's `DominantSpeakerIdentification`
//! and mediasoup's `ActiveSpeakerObserver.cpp`.

use starling_proto::voice::Speech;

/// Steps of a level, frames of a tenth of a second, tenths of a second.
const N1: u32 = 13;
const N2: u32 = 5;
const N3: u32 = 10;
/// How much more a challenger must speak than the speaker, over each span, as a logarithm.
const C1: f64 = 3.0;
const C2: f64 = 2.0;
const C3: f64 = 0.0;
/// Rate of the exponential law that counts of noise follow, for each span.
const LAMBDA: [f64; 3] = [0.78, 24.0, 47.0];
/// Score of who does not speak.
const LEAST: f64 = 1e-10;

/// How likely speech is, over each span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scores([f64; 3]);

impl Scores {
    pub(super) fn new(speech: Speech) -> Self {
        Self([
            score(u32::from(speech.immediate), N1, LAMBDA[0]),
            score(u32::from(speech.medium), N2, LAMBDA[1]),
            score(u32::from(speech.long), N3, LAMBDA[2]),
        ])
    }

    /// By how much this challenger wins against `other`; nothing if it does not.
    pub(super) fn wins(self, other: Self) -> Option<f64> {
        let more = |span: usize| (self.0[span] / other.0[span]).ln();
        let margin = more(1);
        (more(0) > C1 && margin > C2 && more(2) > C3).then_some(margin)
    }
}

/// Logarithm of how much likelier `count` of `n` is for speech (a fair coin each) than for noise.
fn score(count: u32, n: u32, lambda: f64) -> f64 {
    let count = count.min(n);
    let binomial: f64 = (0..count).map(|k| (f64::from(n - k) / f64::from(count - k)).ln()).sum();
    let coin = -f64::from(n) * std::f64::consts::LN_2;
    let noise = lambda.ln() - lambda * f64::from(count);
    (binomial + coin - noise).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(immediate: u8, medium: u8, long: u8) -> Scores {
        Scores::new(Speech { immediate, medium, long })
    }

    #[test]
    fn scores_are_those_of_the_paper() {
        // ln C(13, 8) - 13 ln 2 - ln 0.78 + 0.78 · 8, and so on.
        let Scores([immediate, medium, long]) = scores(8, 5, 10);
        assert!((immediate - 4.637).abs() < 1e-3, "{immediate}");
        assert!((medium - 113.356).abs() < 1e-3, "{medium}");
        assert!((long - 459.218).abs() < 1e-3, "{long}");
        let Scores(silent) = scores(0, 0, 0);
        assert_eq!(silent, [LEAST; 3]);
    }

    #[test]
    fn who_speaks_wins_against_who_is_silent_and_not_against_who_speaks_too() {
        assert!(scores(9, 5, 4).wins(scores(0, 0, 0)).is_some());
        assert!(scores(9, 5, 10).wins(scores(8, 5, 10)).is_none());
        assert!(scores(0, 0, 0).wins(scores(0, 0, 0)).is_none());
    }

    #[test]
    fn a_cough_takes_the_floor_from_nobody() {
        assert!(scores(11, 3, 0).wins(scores(0, 0, 3)).is_none());
    }
}
