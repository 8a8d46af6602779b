//! The 48-bit packet index of a 16-bit sequence number (RFC 3711 §3.3.1 and appendix A).

/// First index that a rollover counter of 32 bits cannot express.
pub(super) const END: u64 = 1 << 48;

const HALF: i32 = 1 << 15;

/// Index of `sequence` nearest to `highest`. Before the first rollover nothing is older than index
/// 0: there a far sequence number is a jump ahead, as libsrtp and libwebrtc take it.
pub(super) fn estimate(highest: u64, sequence: u16) -> u64 {
    let rollovers = highest >> 16;
    let (last, next) = (i32::from(highest as u16), i32::from(sequence));
    let rollovers = if last < HALF && next - last > HALF {
        rollovers.saturating_sub(1)
    } else if last >= HALF && last - HALF > next {
        rollovers + 1
    } else {
        rollovers
    };
    rollovers << 16 | u64::from(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROC1: u64 = 1 << 16;

    #[test]
    fn nearest_index_wins() {
        let cases = [
            (0, 1, 1),
            (65_535, 0, ROC1),
            (ROC1, 65_535, 65_535),
            (ROC1 + 10, 65_000, 65_000),
            (ROC1 + 40_000, 39_999, ROC1 + 39_999),
            (ROC1 + 40_000, 7_231, 2 * ROC1 + 7_231),
            (ROC1 + 40_000, 7_232, ROC1 + 7_232),
            (ROC1 + 7_000, 39_768, ROC1 + 39_768),
            (ROC1 + 7_000, 39_769, 39_769),
        ];
        for (highest, sequence, index) in cases {
            assert_eq!(estimate(highest, sequence), index, "{highest} {sequence}");
        }
    }

    #[test]
    fn before_the_first_rollover_far_means_ahead() {
        assert_eq!(estimate(5, 65_000), 65_000);
    }

    #[test]
    fn the_last_index_does_not_wrap_to_the_first() {
        assert!(estimate(END - 1, 0) >= END);
    }
}
