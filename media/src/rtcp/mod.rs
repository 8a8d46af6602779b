//! RTCP as values: what came, and bytes to send. By hand, so that reading allocates only what it
//! keeps and nothing in a packet can ask for more than its own length. Never decides anything.

pub mod build;
pub mod parse;
pub mod twcc;

pub use parse::{parse, parse_all};
pub use twcc::TwccFeedback;

use crate::rtp::NtpTime;

/// Longest compound packet we send (RC2): 1,500 − 40 (IPv6) − 20 − 148 (SRTCP and tunnels).
pub const MAX_COMPOUND: usize = 1292;

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2).
mod packet_type {
    pub(super) const SR: u8 = 200;
    pub(super) const RR: u8 = 201;
    pub(super) const SDES: u8 = 202;
    pub(super) const BYE: u8 = 203;
    pub(super) const RTPFB: u8 = 205;
    pub(super) const PSFB: u8 = 206;
    pub(super) const XR: u8 = 207;
}

/// Feedback message types.
mod feedback {
    pub(super) const NACK: u8 = 1;
    pub(super) const TWCC: u8 = 15;
    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    pub(super) const AFB: u8 = 15;
}

/// Reception of one stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Whose.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost in all, 24 bits; negative when there were duplicates.
    pub total_lost: i32,
    /// Highest sequence number received, and how often it wrapped in the upper half.
    pub highest_sequence: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// Middle of the last sender report's NTP time; 0 if there was none.
    pub last_sr: u32,
    /// Since then, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// What a sender says of itself (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Who.
    pub ssrc: u32,
    /// When `timestamp` was, by its clock.
    pub ntp: NtpTime,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// Answer to a receiver reference time (RFC 3611 §4.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DlrrBlock {
    /// Whose time it was.
    pub ssrc: u32,
    /// Middle of that time.
    pub last_rr: u32,
    /// Since then, in 1/65536 s.
    pub delay: u32,
}

/// One thing an RTCP packet said.
#[derive(Clone, Debug, PartialEq)]
pub enum RtcpItem {
    /// Sender report.
    Sr {
        /// Of itself.
        info: SenderInfo,
        /// Of what it receives.
        blocks: Vec<ReportBlock>,
    },
    /// Receiver report.
    Rr {
        /// Who.
        ssrc: u32,
        /// Of what it receives.
        blocks: Vec<ReportBlock>,
    },
    /// Packets to send again (RFC 4585 §6.2.1).
    Nack {
        /// Who asks.
        sender: u32,
        /// Of which stream.
        media: u32,
        /// In the order asked for; at most [`parse::MAX_NACKED`].
        lost: Vec<u16>,
    },
    /// Picture loss: a key frame is needed (RFC 4585 §6.3.1).
    Pli {
        /// Who asks.
        sender: u32,
        /// Of which stream.
        media: u32,
    },
    /// Full intra request (RFC 5104 §4.3.1): streams and request numbers.
    Fir {
        /// Who asks.
        sender: u32,
        /// Stream and request number; a number seen before is a repetition.
        entries: Vec<(u32, u8)>,
    },
    /// Transport-wide feedback.
    Twcc(TwccFeedback),
    /// Receiver's estimate (draft-alvestrand-rmcat-remb-03).
    Remb {
        /// Who.
        sender: u32,
        /// In bits per second.
        bitrate: u64,
        /// Of the sum of these streams.
        ssrcs: Vec<u32>,
    },
    /// Receiver reference time (RFC 3611 §4.4).
    XrRrt {
        /// Who.
        ssrc: u32,
        /// Its time.
        ntp: NtpTime,
    },
    /// Answers to reference times (RFC 3611 §4.5).
    XrDlrr {
        /// Who answers.
        ssrc: u32,
        /// To whom.
        blocks: Vec<DlrrBlock>,
    },
    /// A stream's canonical name (RFC 3550 §6.5.1).
    SdesCname {
        /// Whose.
        ssrc: u32,
        /// UTF-8, as it came.
        cname: Vec<u8>,
    },
    /// Streams ended (RFC 3550 §6.6).
    Bye {
        /// Which.
        ssrcs: Vec<u32>,
    },
    /// A well-formed packet nobody here needs.
    Other {
        /// Its packet type.
        packet_type: u8,
        /// Its count or feedback message type.
        count: u8,
    },
}

#[cfg(test)]
mod tests;
