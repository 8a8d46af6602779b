//! Transport-wide feedback as bytes, both ways (draft-holmer-rmcat-transport-wide-cc-extensions-01
//! §3.1). Never knows when packets arrived or what follows from it.

use super::{build, feedback, packet_type};

/// Packets one feedback we send tells about. With a delta of two bytes and a chunk of two per seven
/// packets each, that stays within a compound of 1,292 bytes.
pub const MAX_STATUSES: usize = 512;
/// Packets one feedback we read may tell about: half a second at 32,000 packets per second.
const MAX_READ_STATUSES: usize = 16_384;

const LOST: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;

const _: () = assert!(20 + MAX_STATUSES.div_ceil(7) * 2 + MAX_STATUSES * 2 <= super::MAX_COMPOUND);

/// A feedback that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwccFeedback {
    /// Who tells.
    pub sender: u32,
    /// One of the streams told about.
    pub media: u32,
    /// Number of the first packet told about.
    pub base_sequence: u16,
    /// When the first delta begins: units of 64 ms, 24 bits, any epoch.
    pub reference_time: u32,
    /// Number of this feedback; wraps.
    pub feedback_count: u8,
    /// By packet from `base_sequence` on: time since the one received before it, in 250 µs;
    /// `None` if it did not arrive.
    pub deltas: Vec<Option<i16>>,
}

impl TwccFeedback {
    /// Reads what follows the two SSRCs. `None` if it ends too early or tells about too much.
    pub fn parse(sender: u32, media: u32, fci: &[u8]) -> Option<Self> {
        let (header, mut chunks) = fci.split_first_chunk::<8>()?;
        let count = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if count == 0 || count > MAX_READ_STATUSES {
            return None;
        }
        let mut symbols = Vec::with_capacity(count);
        while symbols.len() < count {
            let (chunk, rest) = chunks.split_first_chunk::<2>()?;
            chunks = rest;
            read_chunk(u16::from_be_bytes(*chunk), count, &mut symbols);
        }
        let mut deltas = chunks;
        let deltas = symbols.iter().map(|symbol| read_delta(*symbol, &mut deltas));
        Some(Self {
            sender,
            media,
            base_sequence: u16::from_be_bytes([header[0], header[1]]),
            reference_time: u32::from_be_bytes([0, header[4], header[5], header[6]]),
            feedback_count: header[7],
            deltas: deltas.collect::<Option<_>>()?,
        })
    }
}

fn read_chunk(chunk: u16, count: usize, symbols: &mut Vec<u8>) {
    let room = count - symbols.len();
    if chunk & 0x8000 == 0 {
        let run = usize::from(chunk & 0x1fff).min(room);
        symbols.resize(symbols.len() + run, (chunk >> 13 & 3) as u8);
    } else if chunk & 0x4000 == 0 {
        let bits = (0..14).rev().map(|bit| (chunk >> bit & 1) as u8);
        symbols.extend(bits.take(room));
    } else {
        let pairs = (0..7).rev().map(|pair| (chunk >> (2 * pair) & 3) as u8);
        symbols.extend(pairs.take(room));
    }
}

/// Outer `None`: unreadable.
fn read_delta(symbol: u8, deltas: &mut &[u8]) -> Option<Option<i16>> {
    match symbol {
        LOST => Some(None),
        SMALL => {
            let (delta, rest) = deltas.split_first()?;
            *deltas = rest;
            Some(Some(i16::from(*delta)))
        }
        LARGE => {
            let (delta, rest) = deltas.split_first_chunk()?;
            *deltas = rest;
            Some(Some(i16::from_be_bytes(*delta)))
        }
        _ => None,
    }
}

/// What a feedback to be sent tells about each packet; reused.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    symbols: Vec<u8>,
    deltas: Vec<u8>,
}

impl Symbols {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.symbols.clear();
        self.deltas.clear();
    }

    /// The next packet did not arrive.
    pub fn lost(&mut self) {
        self.symbols.push(LOST);
    }

    /// The next packet arrived `delta` × 250 µs after the last one that did.
    pub fn received(&mut self, delta: i16) {
        match u8::try_from(delta) {
            Ok(small) => {
                self.symbols.push(SMALL);
                self.deltas.push(small);
            }
            Err(_) => {
                self.symbols.push(LARGE);
                self.deltas.extend_from_slice(&delta.to_be_bytes());
            }
        }
    }
}

/// The head of a feedback to be sent; fields as in [`TwccFeedback`].
#[derive(Clone, Copy, Debug)]
pub struct Feedback {
    /// Who tells.
    pub sender_ssrc: u32,
    /// One of the streams told about.
    pub media_ssrc: u32,
    /// Number of the first packet told about.
    pub base_sequence: u16,
    /// Units of 64 ms; 24 bits.
    pub reference_time: u32,
    /// Number of this feedback.
    pub feedback_count: u8,
}

impl Feedback {
    /// Appends the packet. `symbols` are at most [`MAX_STATUSES`].
    pub fn write(&self, symbols: &Symbols, out: &mut Vec<u8>) {
        debug_assert!(symbols.symbols.len() <= MAX_STATUSES, "the recorder splits feedback");
        let start = build::begin(out, feedback::TWCC, packet_type::RTPFB);
        out.extend_from_slice(&self.sender_ssrc.to_be_bytes());
        out.extend_from_slice(&self.media_ssrc.to_be_bytes());
        out.extend_from_slice(&self.base_sequence.to_be_bytes());
        out.extend_from_slice(&(symbols.symbols.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.reference_time.to_be_bytes()[1..]);
        out.push(self.feedback_count);
        let mut rest = symbols.symbols.as_slice();
        while !rest.is_empty() {
            let (chunk, told) = next_chunk(rest);
            out.extend_from_slice(&chunk.to_be_bytes());
            rest = &rest[told..];
        }
        out.extend_from_slice(&symbols.deltas);
        let padding = (start.wrapping_sub(out.len()) % 4) as u8;
        if padding > 0 {
            // RFC 3550 §6.4.1: the padding ends with its length.
            out.resize(out.len() + usize::from(padding) - 1, 0);
            out.push(padding);
            out[start] |= 0x20;
        }
        build::end(out, start);
    }
}

/// The chunk that tells about the most of `symbols`, and how many that are.
fn next_chunk(symbols: &[u8]) -> (u16, usize) {
    let first = symbols[0];
    let run = symbols.iter().take(0x1fff).take_while(|symbol| **symbol == first).count();
    let bits = symbols.iter().take(14).take_while(|symbol| **symbol != LARGE).count();
    let one_bit = bits == 14 || bits == symbols.len();
    if run >= if one_bit { 14 } else { 7 } || run == symbols.len() {
        (u16::from(first) << 13 | run as u16, run)
    } else if one_bit {
        let set = (0..bits).fold(0, |chunk, at| chunk | u16::from(symbols[at]) << (13 - at));
        (0x8000 | set, bits)
    } else {
        let pairs = symbols.len().min(7);
        let set = (0..pairs).fold(0, |chunk, at| chunk | u16::from(symbols[at]) << (12 - 2 * at));
        (0xc000 | set, pairs)
    }
}
