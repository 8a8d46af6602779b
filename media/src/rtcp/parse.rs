//! Reads compound and reduced-size RTCP (RFC 3550 §6.1, RFC 5506). Never fails: what cannot be read
//! is counted.

use super::{DlrrBlock, ReportBlock, RtcpItem, SenderInfo, TwccFeedback, feedback, packet_type};
use crate::rtp::NtpTime;

/// Items of one datagram; honest compounds have fewer than ten packets.
pub const MAX_ITEMS: usize = 128;
/// Sequence numbers of one NACK packet; as many as a receiver of ours would miss before it asks for
/// a key frame.
pub const MAX_NACKED: usize = 1000;

/// Appends what `datagram` says to `items`; how many of its packets could not be read.
pub fn parse(datagram: &[u8], items: &mut Vec<RtcpItem>) -> u32 {
    let limit = items.len() + MAX_ITEMS;
    let mut rest = datagram;
    let mut bad = 0;
    while !rest.is_empty() {
        let Some((packet, next)) = split(rest) else { return bad + 1 };
        rest = next;
        if parse_packet(&packet, items).is_none() {
            bad += 1;
        }
        if items.len() >= limit {
            items.truncate(limit);
            return bad + u32::from(!rest.is_empty());
        }
    }
    bad
}

/// What `datagram` says, in a vector of its own.
pub fn parse_all(datagram: &[u8]) -> Vec<RtcpItem> {
    let mut items = Vec::new();
    parse(datagram, &mut items);
    items
}

/// One packet of a compound.
struct Packet<'a> {
    count: u8,
    kind: u8,
    /// After the four header bytes, without padding.
    body: &'a [u8],
}

fn split(datagram: &[u8]) -> Option<(Packet<'_>, &[u8])> {
    let header: &[u8; 4] = datagram.first_chunk()?;
    if header[0] >> 6 != 2 {
        return None;
    }
    let len = 4 + 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
    let (packet, rest) = datagram.split_at_checked(len)?;
    let mut body = &packet[4..];
    if header[0] & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        if padding == 0 {
            return None;
        }
        body = body.get(..body.len().checked_sub(padding)?)?;
    }
    Some((Packet { count: header[0] & 0x1f, kind: header[1], body }, rest))
}

fn parse_packet(packet: &Packet<'_>, items: &mut Vec<RtcpItem>) -> Option<()> {
    let body = packet.body;
    match packet.kind {
        packet_type::SR => {
            let (info, rest) = body.split_first_chunk::<24>()?;
            let info = SenderInfo {
                ssrc: word(info, 0)?,
                ntp: NtpTime(u64::from(word(info, 4)?) << 32 | u64::from(word(info, 8)?)),
                timestamp: word(info, 12)?,
                packets: word(info, 16)?,
                octets: word(info, 20)?,
            };
            items.push(RtcpItem::Sr { info, blocks: report_blocks(rest, packet.count)? });
        }
        packet_type::RR => {
            let ssrc = word(body, 0)?;
            items.push(RtcpItem::Rr { ssrc, blocks: report_blocks(&body[4..], packet.count)? });
        }
        packet_type::SDES => parse_sdes(body, packet.count, items)?,
        packet_type::BYE => {
            let ssrcs = words(body.get(..4 * usize::from(packet.count))?);
            items.push(RtcpItem::Bye { ssrcs });
        }
        packet_type::RTPFB => items.push(parse_transport_feedback(packet)?),
        packet_type::PSFB => items.push(parse_payload_feedback(packet)?),
        packet_type::XR => parse_extended(body, items)?,
        kind => items.push(RtcpItem::Other { packet_type: kind, count: packet.count }),
    }
    Some(())
}

fn report_blocks(body: &[u8], count: u8) -> Option<Vec<ReportBlock>> {
    let body = body.get(..24 * usize::from(count))?;
    body.chunks_exact(24).map(report_block).collect()
}

fn report_block(block: &[u8]) -> Option<ReportBlock> {
    let losses = word(block, 4)?;
    Some(ReportBlock {
        ssrc: word(block, 0)?,
        fraction_lost: (losses >> 24) as u8,
        // Shifted up and down again to extend the sign of 24 bits.
        total_lost: (losses << 8).cast_signed() >> 8,
        highest_sequence: word(block, 8)?,
        jitter: word(block, 12)?,
        last_sr: word(block, 16)?,
        delay_since_last_sr: word(block, 20)?,
    })
}

fn parse_sdes(mut body: &[u8], count: u8, items: &mut Vec<RtcpItem>) -> Option<()> {
    const END: u8 = 0;
    const CNAME: u8 = 1;
    for _ in 0..count {
        let ssrc = word(body, 0)?;
        let chunk = body;
        let mut at = 4;
        while *chunk.get(at)? != END {
            let len = usize::from(*chunk.get(at + 1)?);
            let value = chunk.get(at + 2..at + 2 + len)?;
            if chunk[at] == CNAME {
                items.push(RtcpItem::SdesCname { ssrc, cname: value.to_vec() });
            }
            at += 2 + len;
        }
        // One to four zero bytes end a chunk at a word.
        body = chunk.get((at + 1).next_multiple_of(4)..)?;
    }
    Some(())
}

fn parse_transport_feedback(packet: &Packet<'_>) -> Option<RtcpItem> {
    let (sender, media) = (word(packet.body, 0)?, word(packet.body, 4)?);
    let fci = &packet.body[8..];
    match packet.count {
        feedback::NACK => {
            let mut lost = Vec::new();
            for entry in fci.chunks_exact(4) {
                let first = u16::from_be_bytes([entry[0], entry[1]]);
                let mask = u16::from_be_bytes([entry[2], entry[3]]);
                lost.push(first);
                let set = (0..16).filter(|bit| mask & (1 << bit) != 0);
                lost.extend(set.map(|bit| first.wrapping_add(bit + 1)));
                if lost.len() >= MAX_NACKED {
                    lost.truncate(MAX_NACKED);
                    break;
                }
            }
            (!lost.is_empty()).then_some(RtcpItem::Nack { sender, media, lost })
        }
        feedback::TWCC => TwccFeedback::parse(sender, media, fci).map(RtcpItem::Twcc),
        count => Some(RtcpItem::Other { packet_type: packet.kind, count }),
    }
}

fn parse_payload_feedback(packet: &Packet<'_>) -> Option<RtcpItem> {
    let (sender, media) = (word(packet.body, 0)?, word(packet.body, 4)?);
    let fci = &packet.body[8..];
    match packet.count {
        feedback::PLI => Some(RtcpItem::Pli { sender, media }),
        feedback::FIR => {
            let entries: Option<Vec<_>> =
                fci.chunks_exact(8).map(|entry| Some((word(entry, 0)?, entry[4]))).collect();
            let entries = entries.filter(|entries| !entries.is_empty())?;
            Some(RtcpItem::Fir { sender, entries })
        }
        feedback::AFB if fci.starts_with(b"REMB") => parse_remb(sender, fci),
        count => Some(RtcpItem::Other { packet_type: packet.kind, count }),
    }
}

fn parse_remb(sender: u32, fci: &[u8]) -> Option<RtcpItem> {
    let packed = word(fci, 4)?;
    let count = (packed >> 24) as usize;
    let exponent = (packed >> 18) & 0x3f;
    let mantissa = u64::from(packed & 0x3_ffff);
    let ssrcs = words(fci.get(8..8 + 4 * count)?);
    // An exponent that overflows means "as much as you like".
    let bitrate = if mantissa.leading_zeros() < exponent { u64::MAX } else { mantissa << exponent };
    Some(RtcpItem::Remb { sender, bitrate, ssrcs })
}

fn parse_extended(body: &[u8], items: &mut Vec<RtcpItem>) -> Option<()> {
    const RECEIVER_REFERENCE_TIME: u8 = 4;
    const DLRR: u8 = 5;
    let ssrc = word(body, 0)?;
    let mut rest = &body[4..];
    while let Some(header) = rest.first_chunk::<4>() {
        let len = 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
        let block = rest.get(4..4 + len)?;
        rest = &rest[4 + len..];
        match header[0] {
            RECEIVER_REFERENCE_TIME => {
                let ntp = u64::from(word(block, 0)?) << 32 | u64::from(word(block, 4)?);
                items.push(RtcpItem::XrRrt { ssrc, ntp: NtpTime(ntp) });
            }
            DLRR => {
                let blocks: Option<Vec<_>> = block.chunks_exact(12).map(dlrr_block).collect();
                items.push(RtcpItem::XrDlrr { ssrc, blocks: blocks? });
            }
            _ => {}
        }
    }
    Some(())
}

fn dlrr_block(block: &[u8]) -> Option<DlrrBlock> {
    Some(DlrrBlock { ssrc: word(block, 0)?, last_rr: word(block, 4)?, delay: word(block, 8)? })
}

/// The big-endian word at `at`.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]])).collect()
}
