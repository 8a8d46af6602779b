//! Protects what one transport sends. Owns the rollover counter of each SSRC and the SRTCP index.
//! Never repeats an index for RTCP, and never forgets a rollover counter: either would repeat a
//! nonce.

use starling_proto::transport::SrtpProfile;

use super::{
    KeyLengthError,
    cipher::{Cipher, INDEX_WORD, RTCP_CLEAR, RtcpPlace, RtpPlace, Traffic},
    rollover::{self, estimate},
    rtp_header_len,
    streams::{Streams, WhenFull},
    word,
};
use crate::command::SrtpKey;

/// SSRCs one key may serve: a day of a new consumer with RTX every 3 s, for 2 MiB at worst.
const MAX_SSRCS: usize = 65_536;

/// SRTCP indices have 31 bits (RFC 3711 §3.4).
const RTCP_END: u32 = 1 << 31;

/// One transport's sending half.
pub struct Sender {
    rtp: Cipher,
    rtcp: Cipher,
    /// Highest packet index sent.
    streams: Streams<u64>,
    next_rtcp: u32,
}

impl Sender {
    /// With the session keys of `key`.
    ///
    /// # Errors
    /// If `key` does not have the profile's lengths.
    pub fn new(profile: SrtpProfile, key: &SrtpKey) -> Result<Self, KeyLengthError> {
        Ok(Self {
            rtp: Cipher::new(profile, key, Traffic::Rtp)?,
            rtcp: Cipher::new(profile, key, Traffic::Rtcp)?,
            streams: Streams::new(MAX_SSRCS, WhenFull::Refuse),
            next_rtcp: 0,
        })
    }

    /// Bytes [`Self::protect_rtp`] adds.
    pub fn rtp_overhead(&self) -> usize {
        self.rtp.tag_len()
    }

    /// Bytes [`Self::protect_rtcp`] adds.
    pub fn rtcp_overhead(&self) -> usize {
        self.rtcp.tag_len() + INDEX_WORD
    }

    /// Whether the same sequence number may be protected twice with *different* bytes, as when a
    /// header extension changes between transmissions. Not with GCM: it would give away its
    /// authentication key (RFC 7714 §8.4), so a repetition must be the same packet to the bit. With
    /// counter mode the payload alone must stay the same.
    pub fn may_repeat_with_changed_header(&self) -> bool {
        matches!(self.rtp, Cipher::Cm { .. })
    }

    /// Protects the RTP packet in `buffer[..len]` in place and appends the tag; `buffer` must have
    /// [`Self::rtp_overhead`] bytes more than `len`. Gives the new length; none, with `buffer` as
    /// it was, if that is no RTP packet, there is no room, or the key is exhausted.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let header = rtp_header_len(buffer.get(..len)?)?;
        let end = len + self.rtp.tag_len();
        if buffer.len() < end {
            return None;
        }
        let ssrc = word(buffer, 8);
        let sequence = u16::from_be_bytes([buffer[2], buffer[3]]);
        let index = self.index_of(ssrc, sequence)?;
        self.rtp.seal_rtp(buffer, header, len, RtpPlace { ssrc, index });
        Some(end)
    }

    /// Protects the (compound) RTCP packet in `buffer[..len]` in place and appends tag and index;
    /// `buffer` must have [`Self::rtcp_overhead`] bytes more than `len`. Gives the new length;
    /// none, with `buffer` as it was, if that is no RTCP packet, there is no room, or the key is
    /// exhausted.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let end = len + self.rtcp_overhead();
        if len < RTCP_CLEAR || buffer.len() < end || self.next_rtcp == RTCP_END {
            return None;
        }
        let place = RtcpPlace { ssrc: word(buffer, 4), index: self.next_rtcp };
        self.next_rtcp += 1;
        self.rtcp.seal_rtcp(buffer, len, place);
        Some(end)
    }

    fn index_of(&mut self, ssrc: u32, sequence: u16) -> Option<u64> {
        let Some(place) = self.streams.find(ssrc) else {
            let index = u64::from(sequence);
            return self.streams.insert(ssrc, index).then_some(index);
        };
        let highest = self.streams.touch(place);
        let index = estimate(*highest, sequence);
        if index >= rollover::END {
            return None;
        }
        *highest = index.max(*highest);
        Some(index)
    }
}
