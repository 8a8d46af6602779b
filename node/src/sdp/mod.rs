//! SDP (RFC 8866) as WHIP and WHEP clients speak it: offers read into mediasoup's parameters,
//! answers written from them, and the fragments of trickle ICE. Pure. Never does: negotiate (that
//! is `media`'s, by parameters), or keep what it has read.
//!
//! ```text
//! offer ─ Offer::parse ─▶ Section: RtpParameters, RtpCapabilities ─▶ negotiation
//! answer ◀─ Answer::to_text ─ AnswerSection ◀───────────────────────────┘
//! ```
//! The lines are split by `sdp-types`; what an attribute means is read here, by hand, because we
//! need a dozen of them and each has its bound.

mod answer;
mod codecs;
mod fragment;
mod offer;
mod streams;

pub use answer::{Answer, AnswerSection, Sent};
pub use fragment::{Credentials, Fragment};
pub use offer::{Offer, Section, Way};

/// Longest description in bytes. Chromium's offer of three m-lines with all codecs has 8 KiB; one
/// of all 32 m-lines would have 60.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most m-lines of an offer: a publisher has two, a wall of viewers' tiles 25.
pub const MAX_SECTIONS: usize = 32;
/// Most attributes of one m-line. Chromium's video has about 120.
const MAX_ATTRIBUTES: usize = 1024;
/// Most codecs of one m-line: payload types are 96 dynamic and some static ones.
const MAX_CODECS: usize = 128;
/// Most header extensions of one m-line: the one-byte form has 14 ids, the two-byte form is used
/// for a handful more.
const MAX_EXTENSIONS: usize = 32;
/// Most encodings of one m-line: browsers send up to three, and `media` takes no more than 8.
const MAX_ENCODINGS: usize = 8;
/// Most parameters of one `a=fmtp`. AV1 has three, H.264 five.
const MAX_PARAMETERS: usize = 32;
/// Most fingerprints; one per hash function that is known.
const MAX_FINGERPRINTS: usize = 8;

#[cfg(test)]
mod tests;
