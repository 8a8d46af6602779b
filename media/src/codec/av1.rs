//! AV1: does decoding begin here? Never looks further than the aggregation header; layers are the
//! dependency descriptor's matter.

/// The first packet of a coded video sequence (AV1 RTP specification §4.4, the N bit).
pub fn is_key_frame(payload: &[u8]) -> bool {
    const CONTINUES: u8 = 0x80;
    const NEW_SEQUENCE: u8 = 0x08;
    payload.len() > 1 && payload[0] & (CONTINUES | NEW_SEQUENCE) == NEW_SEQUENCE
}
