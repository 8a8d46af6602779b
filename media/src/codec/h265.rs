//! H.265: does decoding begin here? Never looks further than NAL unit headers (RFC 7798 §1.1.4,
//! §4.4).

const FIRST_IRAP: u8 = 16;
const LAST_IRAP: u8 = 21;
const VPS: u8 = 32;
const SPS: u8 = 33;
const AP: u8 = 48;
const FU: u8 = 49;

/// Whether a payload carries a parameter set or a picture that decoding can begin at (BLA, IDR,
/// CRA), alone, aggregated, or as the first fragment. Senders put the parameter sets first.
pub fn is_key_frame(payload: &[u8]) -> bool {
    let [first, _, rest @ ..] = payload else { return false };
    match unit_type(*first) {
        AP => aggregate_begins(rest),
        FU => rest.first().is_some_and(|fu| fu & 0x80 != 0 && begins(fu & 0x3f)),
        // Two header bytes alone are no unit.
        unit => !rest.is_empty() && begins(unit),
    }
}

const fn unit_type(first: u8) -> u8 {
    first >> 1 & 0x3f
}

const fn begins(unit: u8) -> bool {
    matches!(unit, FIRST_IRAP..=LAST_IRAP | VPS | SPS)
}

fn aggregate_begins(mut units: &[u8]) -> bool {
    while let [high, low, rest @ ..] = units {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (Some(unit), Some(next)) = (rest.get(..len), rest.get(len..)) else { return false };
        if unit.first().is_some_and(|first| begins(unit_type(*first))) {
            return true;
        }
        units = next;
    }
    false
}
