//! Which packets are lost: each on its own, or in bursts.

use rand::Rng;

/// Gilbert's model: a good state that loses nothing and a bad one that loses everything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    bad: bool,
}

impl Losses {
    /// Whether the next packet is lost, with `share` lost in the long run and `burst` in a row on
    /// average.
    pub(crate) fn next(&mut self, share: f64, burst: f64, rng: &mut impl Rng) -> bool {
        if share <= 0.0 || share >= 1.0 || burst <= 1.0 {
            self.bad = false;
            return share > 0.0 && rng.random::<f64>() < share;
        }
        // Stays bad for `burst` packets on average, and good for so many that the shares fit.
        let leave = 1.0 / burst;
        let enter = (leave * share / (1.0 - share)).min(1.0);
        let change = rng.random::<f64>() < if self.bad { leave } else { enter };
        self.bad ^= change;
        self.bad
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};

    use super::*;

    /// Share lost of 10^5 packets, and the mean length of bursts.
    fn lose(share: f64, burst: f64) -> (f64, f64) {
        let (mut rng, mut losses) = (SmallRng::seed_from_u64(7), Losses::default());
        let lost: Vec<bool> = (0..100_000).map(|_| losses.next(share, burst, &mut rng)).collect();
        let count = lost.iter().filter(|lost| **lost).count() as f64;
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count().max(1) as f64;
        (count / 1e5, count / bursts)
    }

    #[test]
    fn nothing_and_all_are_exact() {
        assert_eq!(lose(0.0, 0.0).0, 0.0);
        assert_eq!(lose(1.0, 5.0).0, 1.0);
    }

    #[test]
    fn losses_on_their_own_have_their_share() {
        let (share, burst) = lose(0.05, 1.0);
        assert!((share - 0.05).abs() < 0.003, "{share}");
        assert!((burst - 1.0 / 0.95).abs() < 0.03, "{burst}");
    }

    #[test]
    fn bursts_keep_the_share_and_have_their_length() {
        let (share, burst) = lose(0.05, 4.0);
        assert!((share - 0.05).abs() < 0.005, "{share}");
        assert!((burst - 4.0).abs() < 0.3, "{burst}");
    }
}
