//! The 48-bit packet index of a 16-bit sequence number (RFC 3711 §3.3.1 and appendix A).

/// First index that a rollover counter of 32 bits cannot express.
pub(super) const END: u64 = 1 << 48;

const HALF: i32 = 1 << 15;

/// Index of `sequence` nearest to `highest`. Before the first rollover nothing is older than index 0:
/// there a far sequence number is a jump ahead, as libsrtp and libwebrtc take it.
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
