//! Opus: is this packet silence? Never decodes.

/// Whether a payload carries no sound (RFC 6716 §3.2, mediasoup `Opus.cpp`): one or two frames of
/// length zero. Code 3 packets never count.
pub fn is_dtx(payload: &[u8]) -> bool {
    match payload {
        [toc] => matches!(toc & 0b11, 0 | 1),
        [toc, _] => toc & 0b11 == 2,
        _ => false,
    }
}
