//! SCTP packets as bytes (RFC 9260 §3): chunks of one, one chunk in a packet of its own, a
//! selective acknowledgement that fits, an ABORT. Never does: state.

use crc::{CRC_32_ISCSI, Crc, Table};

/// Ports, verification tag, checksum (RFC 9260 §3.1).
pub(super) const HEADER: usize = 12;
pub(super) const DATA: u8 = 0;
pub(super) const I_DATA: u8 = 64;
pub(super) const INIT: u8 = 1;
pub(super) const SACK: u8 = 3;
pub(super) const ABORT: u8 = 6;
pub(super) const RE_CONFIG: u8 = 130;
/// Type, flags, length; cumulative TSN, window, numbers of blocks and of repetitions.
const SACK_HEADER: usize = 16;
/// Why an association is aborted (RFC 9260 §3.3.10.12): the user of ours says so, in words.
const USER_INITIATED_ABORT: u16 = 12;
/// Of those words: an ABORT fits every path.
const MAX_REASON: usize = 256;

const CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Four bytes of a chunk as a number.
pub(super) fn number(chunk: &[u8], at: usize) -> Option<u32> {
    chunk.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Type and bytes of each chunk of a packet. Ends before one that does not fit.
pub(super) fn chunks(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = packet.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let [kind, _, high, low, ..] = *rest else { return None };
        let (chunk, after) = cut(rest, usize::from(u16::from_be_bytes([high, low])))?;
        rest = after;
        Some((kind, chunk))
    })
}

/// Type and bytes of each parameter of a RE-CONFIG (RFC 6525 §4).
pub(super) fn parameters(chunk: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = chunk.get(4..).unwrap_or_default();
    std::iter::from_fn(move || {
        let [high, low, len_high, len_low, ..] = *rest else { return None };
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let (parameter, after) = cut(rest, len)?;
        rest = after;
        Some((u16::from_be_bytes([high, low]), parameter))
    })
}

/// The first `len` bytes, and what follows their padding.
fn cut(rest: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let whole = rest.get(..len).filter(|_| len >= 4)?;
    Some((whole, &rest[len.next_multiple_of(4).min(rest.len())..]))
}

/// Whether the checksum is right (RFC 9260 §6.8).
pub(super) fn is_sound(packet: &[u8]) -> bool {
    packet.get(8..HEADER).is_some_and(|sum| *sum == checksum(packet))
}

/// The tag that who begins an association with this packet has chosen.
pub(super) fn initiate_tag(packet: &[u8]) -> Option<u32> {
    let (_, chunk) = chunks(packet).next().filter(|(kind, _)| *kind == INIT)?;
    number(chunk, 4)
}

/// Writes the checksum.
pub fn seal(packet: &mut [u8]) {
    if packet.len() >= HEADER {
        let sum = checksum(packet);
        packet[8..HEADER].copy_from_slice(&sum);
    }
}

fn checksum(packet: &[u8]) -> [u8; 4] {
    let mut digest = CRC32C.digest();
    digest.update(&packet[..8]);
    digest.update(&[0; 4]);
    digest.update(&packet[HEADER..]);
    digest.finalize().to_le_bytes()
}

/// A chunk of a packet in one of its own.
pub(super) fn alone(packet: &[u8], chunk: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + chunk.len().next_multiple_of(4));
    out.extend_from_slice(&packet[..HEADER]);
    out.extend_from_slice(chunk);
    out.resize(HEADER + chunk.len().next_multiple_of(4), 0);
    seal(&mut out);
    out
}

/// A packet of ours that is too long, in several that are not: the association does not count the
/// padding of the messages that it puts together, nor the gaps that it acknowledges.
pub(super) fn fitting(packet: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut out = packet[..HEADER].to_vec();
    for (kind, chunk) in chunks(packet) {
        let cut = (kind == SACK && HEADER + chunk.len() > mtu).then(|| shorter(chunk, mtu));
        let chunk = cut.as_deref().unwrap_or(chunk);
        if out.len() > HEADER && out.len() + chunk.len().next_multiple_of(4) > mtu {
            all.push(std::mem::replace(&mut out, packet[..HEADER].to_vec()));
        }
        out.extend_from_slice(chunk);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    all.push(out);
    all.iter_mut().for_each(|packet| seal(packet));
    all
}

/// An acknowledgement of thousands of gaps with as many as fit (RFC 9260 §3.3.4); the rest is told
/// when these are closed.
fn shorter(sack: &[u8], mtu: usize) -> Vec<u8> {
    let blocks = mtu.saturating_sub(HEADER + SACK_HEADER) / 4;
    let len = SACK_HEADER + 4 * blocks;
    let mut out = sack[..len.min(sack.len())].to_vec();
    out[2..4].copy_from_slice(&(len as u16).to_be_bytes());
    out[12..14].copy_from_slice(&(blocks as u16).to_be_bytes());
    out[14..16].fill(0);
    out
}

/// An ABORT for who sent `init`, its first packet.
pub(super) fn abort(init: &[u8], reason: &str) -> Option<Vec<u8>> {
    let (_, chunk) = chunks(init).next().filter(|(kind, _)| *kind == INIT)?;
    let reason = &reason.as_bytes()[..reason.len().min(MAX_REASON)];
    let cause = (4 + reason.len()) as u16;
    // Ports the other way round, and the tag that the other side chose.
    let mut out = [init.get(2..4)?, init.get(..2)?, chunk.get(4..8)?, &[0; 4]].concat();
    out.extend([ABORT, 0]);
    out.extend((4 + cause).to_be_bytes());
    out.extend(USER_INITIATED_ABORT.to_be_bytes());
    out.extend(cause.to_be_bytes());
    out.extend_from_slice(reason);
    out.resize(out.len().next_multiple_of(4), 0);
    seal(&mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SACKED: [u8; 16] = [SACK, 0, 0, 16, 0, 0, 0, 4, 0, 16, 0, 0, 0, 0, 0, 0];

    fn packet(chunks: &[&[u8]]) -> Vec<u8> {
        let mut out = vec![0x13, 0x88, 0x13, 0x89, 1, 2, 3, 4, 0, 0, 0, 0];
        chunks.iter().for_each(|chunk| out.extend_from_slice(chunk));
        seal(&mut out);
        out
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // RFC 3720 §B.4: 32 bytes of zeros.
        let mut digest = CRC32C.digest();
        digest.update(&[0; 32]);
        assert_eq!(digest.finalize().to_le_bytes(), [0xaa, 0x36, 0x91, 0x8a]);
        let mut whole = packet(&[&SACKED]);
        assert!(is_sound(&whole));
        whole[20] ^= 1;
        assert!(!is_sound(&whole) && !is_sound(&whole[..11]));
    }

    #[test]
    fn a_chunk_alone_keeps_its_header_and_is_padded() {
        let data = [DATA, 3, 0, 17, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 51, 9];
        let whole = packet(&[&SACKED, &data, &[0; 3]]);
        let one = alone(&whole, chunks(&whole).nth(1).unwrap().1);
        assert_eq!((one.len(), &one[..8]), (HEADER + 20, &whole[..8]));
        assert!(is_sound(&one));
        assert_eq!(chunks(&one).collect::<Vec<_>>(), [(DATA, &data[..])]);
    }

    #[test]
    fn an_acknowledgement_of_thousands_of_gaps_is_cut_to_a_path() {
        let blocks = 3_000u16;
        let len = 16 + 4 * blocks;
        let mut sack = SACKED.to_vec();
        sack[2..4].copy_from_slice(&len.to_be_bytes());
        sack[12..14].copy_from_slice(&blocks.to_be_bytes());
        sack.extend((0..blocks).flat_map(|n| [n.to_be_bytes(), n.to_be_bytes()].concat()));
        let all = fitting(&packet(&[&sack, &[11, 0, 0, 4]]), 1_188);
        let [cut, other] = &all[..] else { panic!("{} packets", all.len()) };
        assert_eq!((other.len(), is_sound(other)), (16, true));
        assert_eq!((cut.len(), is_sound(cut)), (1_188, true));
        let (_, chunk) = chunks(cut).next().unwrap();
        assert_eq!((chunk.len(), &chunk[12..14]), (1_176, &290u16.to_be_bytes()[..]));
        assert_eq!(chunk[4..12], SACKED[4..12], "what matters most stays");
    }

    #[test]
    fn messages_whose_padding_does_not_fit_go_in_the_next_packet() {
        let data = [DATA, 3, 0, 17, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 51, 9, 0, 0, 0];
        let whole = packet(&vec![&data[..]; 69]);
        let all = fitting(&whole, 1_188);
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [12 + 58 * 20, 12 + 11 * 20]);
        assert!(all.iter().all(|packet| is_sound(packet) && packet[..8] == whole[..8]));
    }

    #[test]
    fn an_abort_goes_back_with_the_tag_of_who_began() {
        let init = [INIT, 0, 0, 20, 7, 7, 7, 7, 0, 16, 0, 0, 4, 0, 4, 0, 0, 0, 0, 5];
        let out = abort(&packet(&[&init]), "why").unwrap();
        assert_eq!(out[..8], [0x13, 0x89, 0x13, 0x88, 7, 7, 7, 7]);
        assert_eq!(out[12..], [ABORT, 0, 0, 11, 0, 12, 0, 7, b'w', b'h', b'y', 0]);
        assert!(is_sound(&out));
        assert_eq!(abort(&packet(&[&SACKED]), "why"), None);
    }
}
