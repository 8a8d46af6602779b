//! H.264: does decoding begin here? Never looks further than NAL unit headers (RFC 6184 §5).

const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_B: u8 = 29;

/// Whether a payload carries a sequence parameter set, alone, aggregated, or as the first fragment:
/// senders put one before every IDR picture (mediasoup `H264.cpp`).
pub fn is_key_frame(payload: &[u8]) -> bool {
    let [first, rest @ ..] = payload else { return false };
    match first & 0x1f {
        // A lone header byte is no parameter set.
        SPS => !rest.is_empty(),
        STAP_A => aggregate_has_sps(rest),
        FU_A | FU_B => rest.first().is_some_and(|fu| fu & 0x80 != 0 && fu & 0x1f == SPS),
        _ => false,
    }
}

fn aggregate_has_sps(mut units: &[u8]) -> bool {
    while let [high, low, rest @ ..] = units {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (Some(unit), Some(next)) = (rest.get(..len), rest.get(len..)) else { return false };
        if unit.first().is_some_and(|nal| nal & 0x1f == SPS) {
            return true;
        }
        units = next;
    }
    false
}
