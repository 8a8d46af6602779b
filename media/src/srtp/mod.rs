//! SRTP and SRTCP (RFC 3711, RFC 7714) in place: one [`Sender`] and one [`Receiver`] per transport.
//! Owns keys, rollover counters and replay windows. Never parses beyond the RTP header's length,
//! never allocates for a packet, and changes nothing but a counter for a packet that is not
//! authentic.

mod cipher;
mod derive;
mod primitives;
mod receiver;
mod rollover;
mod sender;
mod streams;
mod window;

#[cfg(test)]
mod tests;

pub use receiver::{Receiver, ReceiverCounters};
pub use sender::Sender;

/// Most bytes protection adds to a packet: AEAD tag and SRTCP index (RFC 7714 §9).
pub const MAX_OVERHEAD: usize = 16 + 4;

/// Master key or salt do not have the profile's lengths ([`SrtpProfile::lengths`]).
///
/// [`SrtpProfile::lengths`]: starling_proto::transport::SrtpProfile::lengths
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("srtp master key or salt has the wrong length for its profile")]
pub struct KeyLengthError;

/// Length of an RTP header with its CSRCs and extension; none if the packet is no RTP or ends
/// before.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let fixed = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 == 0 {
        return (packet.len() >= fixed).then_some(fixed);
    }
    let words = packet.get(fixed + 2..fixed + 4)?;
    let whole = fixed + 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    (packet.len() >= whole).then_some(whole)
}

/// Big-endian 32-bit number at `at`; callers have checked the length.
fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
}
