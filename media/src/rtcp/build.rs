//! Appends RTCP packets to a buffer: several in a row are a compound, one alone is reduced-size
//! (RFC 5506). Never protects or sends. The caller keeps a datagram within
//! [`MAX_COMPOUND`](super::MAX_COMPOUND): each function says how long its packet is.

use super::{DlrrBlock, ReportBlock, SenderInfo, feedback, packet_type};
use crate::rtp::NtpTime;

/// Report blocks of one SR or RR: the count has five bits.
pub const MAX_BLOCKS: usize = 31;

/// Sender report with up to [`MAX_BLOCKS`] blocks, the rest is left out: 28 + 24 per block.
pub fn sender_report(out: &mut Vec<u8>, info: &SenderInfo, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(MAX_BLOCKS)];
    let start = begin(out, blocks.len() as u8, packet_type::SR);
    put(out, info.ssrc);
    out.extend_from_slice(&info.ntp.0.to_be_bytes());
    put(out, info.timestamp);
    put(out, info.packets);
    put(out, info.octets);
    put_blocks(out, blocks);
    end(out, start);
}

/// Receiver report with up to [`MAX_BLOCKS`] blocks, the rest is left out: 8 + 24 per block.
pub fn receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(MAX_BLOCKS)];
    let start = begin(out, blocks.len() as u8, packet_type::RR);
    put(out, ssrc);
    put_blocks(out, blocks);
    end(out, start);
}

/// Source description with a canonical name, of which 255 bytes are sent: 11 + its length, in
/// words.
pub fn sdes_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    let start = begin(out, 1, packet_type::SDES);
    put(out, ssrc);
    out.extend_from_slice(&[1, cname.len() as u8]);
    out.extend_from_slice(cname);
    // At least one zero byte ends the chunk.
    out.resize(start + (out.len() - start + 1).next_multiple_of(4), 0);
    end(out, start);
}

/// Receiver reference time (RFC 3611 §4.4): 20 bytes.
pub fn xr_receiver_reference_time(out: &mut Vec<u8>, ssrc: u32, ntp: NtpTime) {
    let start = begin(out, 0, packet_type::XR);
    put(out, ssrc);
    out.extend_from_slice(&[4, 0, 0, 2]);
    out.extend_from_slice(&ntp.0.to_be_bytes());
    end(out, start);
}

/// Answers to reference times (RFC 3611 §4.5): 12 + 12 per block. Nothing for none.
pub fn xr_dlrr(out: &mut Vec<u8>, ssrc: u32, blocks: &[DlrrBlock]) {
    if blocks.is_empty() {
        return;
    }
    let blocks = &blocks[..blocks.len().min(MAX_BLOCKS)];
    let start = begin(out, 0, packet_type::XR);
    put(out, ssrc);
    out.extend_from_slice(&[5, 0, 0, (3 * blocks.len()) as u8]);
    for block in blocks {
        put(out, block.ssrc);
        put(out, block.last_rr);
        put(out, block.delay);
    }
    end(out, start);
}

/// Asks for packets again (RFC 4585 §6.2.1), within `room` bytes: 12 + 4 per run of 17 numbers.
/// `lost` is ascending, wrapping. How many of it were asked for.
pub fn nack(out: &mut Vec<u8>, sender: u32, media: u32, lost: &[u16], room: usize) -> usize {
    let entries = room.saturating_sub(12) / 4;
    if entries == 0 || lost.is_empty() {
        return 0;
    }
    let start = begin(out, feedback::NACK, packet_type::RTPFB);
    put(out, sender);
    put(out, media);
    let mut at = 0;
    for _ in 0..entries {
        let Some(&first) = lost.get(at) else { break };
        at += 1;
        let mut mask = 0u16;
        while let Some(next) = lost.get(at) {
            match next.wrapping_sub(first) {
                // The same number twice needs no second bit.
                0 => {}
                ahead @ 1..=16 => mask |= 1 << (ahead - 1),
                _ => break,
            }
            at += 1;
        }
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
    end(out, start);
    at
}

/// Asks for a key frame (RFC 4585 §6.3.1): 12 bytes.
pub fn pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    let start = begin(out, feedback::PLI, packet_type::PSFB);
    put(out, sender);
    put(out, media);
    end(out, start);
}

/// Asks for key frames of streams (RFC 5104 §4.3.1), each with the number of its request: 12 + 8
/// per entry.
pub fn fir(out: &mut Vec<u8>, sender: u32, entries: &[(u32, u8)]) {
    let start = begin(out, feedback::FIR, packet_type::PSFB);
    put(out, sender);
    // The media source is in the entries (RFC 5104 §4.3.1.2).
    put(out, 0);
    for (ssrc, number) in entries {
        put(out, *ssrc);
        out.extend_from_slice(&[*number, 0, 0, 0]);
    }
    end(out, start);
}

/// Tells how much can be received (draft-alvestrand-rmcat-remb-03), rounded down to 18 significant
/// bits; of up to 255 streams: 20 + 4 per stream.
pub fn remb(out: &mut Vec<u8>, sender: u32, bitrate: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(255)];
    let start = begin(out, feedback::AFB, packet_type::PSFB);
    put(out, sender);
    put(out, 0);
    out.extend_from_slice(b"REMB");
    let exponent = (64 - bitrate.leading_zeros()).saturating_sub(18);
    let mantissa = (bitrate >> exponent) as u32;
    put(out, (ssrcs.len() as u32) << 24 | exponent << 18 | mantissa);
    for ssrc in ssrcs {
        put(out, *ssrc);
    }
    end(out, start);
}

/// Streams ended (RFC 3550 §6.6), up to [`MAX_BLOCKS`]: 4 + 4 per stream.
pub fn bye(out: &mut Vec<u8>, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(MAX_BLOCKS)];
    let start = begin(out, ssrcs.len() as u8, packet_type::BYE);
    for ssrc in ssrcs {
        put(out, *ssrc);
    }
    end(out, start);
}

/// Appends a header whose length [`end`] fills in; where it is.
pub(super) fn begin(out: &mut Vec<u8>, count: u8, packet_type: u8) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count, packet_type, 0, 0]);
    start
}

/// Ends the packet that began at `start`, a whole number of words later.
pub(super) fn end(out: &mut [u8], start: usize) {
    debug_assert_eq!((out.len() - start) % 4, 0, "RTCP packets are whole words");
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend_from_slice(&word.to_be_bytes());
}

fn put_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks {
        let lost = block.total_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        put(out, block.ssrc);
        put(out, u32::from(block.fraction_lost) << 24 | lost);
        put(out, block.highest_sequence);
        put(out, block.jitter);
        put(out, block.last_sr);
        put(out, block.delay_since_last_sr);
    }
}
