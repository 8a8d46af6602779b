//! The datagram between two nodes: flow id (QUIC varint), then one RTP or RTCP packet, as in RTP
//! over QUIC (draft-ietf-avtcore-rtp-over-quic §4). A packet too large for the path travels in two
//! parts. Never looks inside the packet.

use serde::{Deserialize, Serialize};

/// Identifies a pipe on a link. Bit 0 says which side opened it (0: the node with the smaller id),
/// so that both may count up independently, as QUIC stream ids do (RFC 9000 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(pub u64);

/// A datagram that only wants to be acknowledged: the one kind of part there is none of (link
/// protocol 4).
pub const PROBE: [u8; 1] = [3];

/// Largest flow id: two bits of the varint's 62 say how a packet was split.
pub const MAX_FLOW: u64 = (1 << 60) - 1;

/// Which part of a packet a datagram carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// The first bytes; the rest follows under the same tag.
    First(u16),
    /// The remaining bytes.
    Last(u16),
}

/// Longest header in bytes: 8 of varint and 2 of tag.
pub const MAX_HEADER: usize = 10;

/// Writes the header of a datagram and returns its length.
///
/// # Panics
/// If `flow` is above [`MAX_FLOW`]: flow ids are counted by us from zero.
pub fn encode_header(flow: FlowId, part: Part, out: &mut [u8; MAX_HEADER]) -> usize {
    assert!(flow.0 <= MAX_FLOW, "flow ids are counted from zero");
    let (kind, tag) = match part {
        Part::Whole => (0, None),
        Part::First(tag) => (1, Some(tag)),
        Part::Last(tag) => (2, Some(tag)),
    };
    let mut len = put_varint((flow.0 << 2) | kind, out);
    if let Some(tag) = tag {
        out[len..len + 2].copy_from_slice(&tag.to_be_bytes());
        len += 2;
    }
    len
}

/// Flow, part and payload of a datagram, or `None` if it is not one of ours.
pub fn decode(datagram: &[u8]) -> Option<(FlowId, Part, &[u8])> {
    let (value, rest) = take_varint(datagram)?;
    let flow = FlowId(value >> 2);
    if value & 3 == 0 {
        return Some((flow, Part::Whole, rest));
    }
    let (tag, rest) = rest.split_first_chunk::<2>()?;
    let tag = u16::from_be_bytes(*tag);
    match value & 3 {
        1 => Some((flow, Part::First(tag), rest)),
        2 => Some((flow, Part::Last(tag), rest)),
        _ => None,
    }
}

/// RFC 9000 §16.
fn put_varint(value: u64, out: &mut [u8; MAX_HEADER]) -> usize {
    let (len, prefix) = match value {
        0..=0x3f => (1, 0u64),
        0x40..=0x3fff => (2, 1),
        0x4000..=0x3fff_ffff => (4, 2),
        _ => (8, 3),
    };
    let bytes = (value | prefix << (len * 8 - 2)).to_be_bytes();
    out[..len].copy_from_slice(&bytes[8 - len..]);
    len
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = 1usize << (bytes.first()? >> 6);
    if bytes.len() < len {
        return None;
    }
    let (head, rest) = bytes.split_at(len);
    let value = head.iter().fold(0u64, |v, b| v << 8 | u64::from(*b));
    Some((value & (u64::MAX >> (64 - len * 8 + 2)), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_probe_is_no_packet() {
        assert_eq!(decode(&PROBE), None);
    }

    #[test]
    fn a_small_flow_costs_one_byte() {
        let mut out = [0; MAX_HEADER];
        assert_eq!(encode_header(FlowId(5), Part::Whole, &mut out), 1);
        assert_eq!(decode(&[5 << 2, 0x80, 1]), Some((FlowId(5), Part::Whole, &[0x80, 1][..])));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(flow in 0..=MAX_FLOW, tag: u16, kind in 0..3u8) {
            let part = [Part::Whole, Part::First(tag), Part::Last(tag)][usize::from(kind)];
            let mut out = [0; MAX_HEADER];
            let len = encode_header(FlowId(flow), part, &mut out);
            let mut datagram = out[..len].to_vec();
            datagram.extend([1, 2, 3]);
            prop_assert_eq!(decode(&datagram), Some((FlowId(flow), part, &[1, 2, 3][..])));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
