//! Redundant audio (RFC 2198): what is said now, behind copies of what was said before. Where the
//! newest stands, and under which payload types its receiver knows the blocks. Never decodes, and
//! repairs nothing: that is the receiver's.

/// A block header of four bytes follows, not the last one of one byte (RFC 2198 §3).
const MORE: u8 = 0x80;

/// The first byte of the primary block: the last one, which is what a packet without redundancy
/// would have. `None` if the payload is broken, or has blocks of several codecs.
pub fn primary(payload: &[u8]) -> Option<usize> {
    let payload_type = payload.first()? & !MORE;
    let mut copies = 0;
    let mut at = 0;
    while payload.get(at)? & MORE != 0 {
        let [first, _, length @ ..] = *payload[at..].first_chunk::<4>()?;
        if first & !MORE != payload_type {
            return None;
        }
        // Fourteen bits of timestamp, then ten of length.
        copies += usize::from(u16::from_be_bytes(length) & 0x03ff);
        at += 4;
    }
    let start = at + 1 + copies;
    (payload[at] & !MORE == payload_type && start <= payload.len()).then_some(start)
}

/// Gives all blocks another payload type. For payloads of which [`primary`] was found.
pub fn renumber(payload: &mut [u8], payload_type: u8) {
    let mut at = 0;
    while let Some(first) = payload.get_mut(at) {
        let more = *first & MORE;
        *first = more | payload_type & !MORE;
        if more == 0 {
            return;
        }
        at += 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two copies of three and two bytes, then the primary of four, under payload type 111.
    const PAYLOAD: [u8; 18] =
        [0xef, 0x1e, 0x00, 0x03, 0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 1, 1, 2, 2, 3, 3, 3, 3];

    #[test]
    fn the_primary_block_is_behind_all_headers_and_copies() {
        assert_eq!(primary(&PAYLOAD), Some(14));
        assert_eq!(primary(&[0x6f, 9, 9]), Some(1));
        // Silence may be nothing at all.
        assert_eq!(primary(&[0x6f]), Some(1));
    }

    #[test]
    fn broken_payloads_and_blocks_of_another_codec_have_none() {
        assert_eq!(primary(&[]), None);
        for len in 0..14 {
            assert_eq!(primary(&PAYLOAD[..len]), None, "{len}");
        }
        assert_eq!(primary(&[0xef; 64]), None);
        for at in [4, 8] {
            let mut other = PAYLOAD;
            other[at] ^= 1;
            assert_eq!(primary(&other), None, "{at}");
        }
    }

    #[test]
    fn renumbering_changes_the_payload_types_and_nothing_else() {
        let mut payload = PAYLOAD;
        renumber(&mut payload, 100);
        let mut expected = PAYLOAD;
        (expected[0], expected[4], expected[8]) = (0xe4, 0xe4, 0x64);
        assert_eq!(payload, expected);
        renumber(&mut [], 100);
    }
}
