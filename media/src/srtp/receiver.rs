//! Unprotects what one transport receives. Owns rollover counter and replay window of each SSRC
//! that has sent an authentic packet. A packet that is not authentic changes a counter and nothing
//! else.

use starling_proto::transport::SrtpProfile;

use super::{
    KeyLengthError,
    cipher::{Cipher, INDEX_WORD, RTCP_CLEAR, RtcpPlace, RtpPlace, Traffic},
    rollover::{self, estimate},
    rtp_header_len,
    streams::{Streams, WhenFull},
    window::ReplayWindow,
    word,
};
use crate::command::SrtpKey;

/// SSRCs with state, for RTP and for RTCP each: 13 simulcast videos with RTX are 78. Only the
/// holder of the key can fill it, and then loses its own oldest; 256 windows are 40 KiB.
pub(super) const MAX_SSRCS: usize = 256;

/// What was dropped, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiverCounters {
    /// Too short, not RTP, or SRTCP that says it is not encrypted.
    pub malformed: u64,
    /// Seen before, or too old to know.
    pub replayed: u64,
    /// The tag is wrong.
    pub forged: u64,
}

/// One transport's receiving half.
pub struct Receiver {
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams<ReplayWindow>,
    rtcp_streams: Streams<ReplayWindow>,
    counters: ReceiverCounters,
}

enum Drop {
    Malformed,
    Replayed,
    Forged,
}

impl Receiver {
    /// With the session keys of `key`.
    ///
    /// # Errors
    /// If `key` does not have the profile's lengths.
    pub fn new(profile: SrtpProfile, key: &SrtpKey) -> Result<Self, KeyLengthError> {
        Ok(Self {
            rtp: Cipher::new(profile, key, Traffic::Rtp)?,
            rtcp: Cipher::new(profile, key, Traffic::Rtcp)?,
            rtp_streams: Streams::new(MAX_SSRCS, WhenFull::Evict),
            rtcp_streams: Streams::new(MAX_SSRCS, WhenFull::Evict),
            counters: ReceiverCounters::default(),
        })
    }

    /// What was dropped so far.
    pub fn counters(&self) -> ReceiverCounters {
        self.counters
    }

    /// Decrypts an SRTP packet in place and gives the length of the RTP packet. None if it was
    /// dropped; the payload is worthless then.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let opened = self.open_rtp(packet);
        self.count(opened)
    }

    /// Decrypts an SRTCP packet in place and gives the length of the RTCP packet. None if it was
    /// dropped.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let opened = self.open_rtcp(packet);
        self.count(opened)
    }

    fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Drop> {
        let header = rtp_header_len(packet).ok_or(Drop::Malformed)?;
        let len = packet.len().checked_sub(self.rtp.tag_len()).ok_or(Drop::Malformed)?;
        if len < header {
            return Err(Drop::Malformed);
        }
        let ssrc = word(packet, 8);
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let place = self.rtp_streams.find(ssrc);
        let index = place.map_or(u64::from(sequence), |place| {
            estimate(self.rtp_streams.at(place).highest(), sequence)
        });
        if index >= rollover::END || !is_new(&self.rtp_streams, place, index) {
            return Err(Drop::Replayed);
        }
        self.rtp.open_rtp(packet, header, RtpPlace { ssrc, index }).ok_or(Drop::Forged)?;
        accept(&mut self.rtp_streams, place, ssrc, index);
        Ok(len)
    }

    fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Drop> {
        let overhead = self.rtcp.tag_len() + INDEX_WORD;
        let len = packet.len().checked_sub(overhead).ok_or(Drop::Malformed)?;
        if len < RTCP_CLEAR || packet[0] >> 6 != 2 {
            return Err(Drop::Malformed);
        }
        let index = self.rtcp.rtcp_index(packet).ok_or(Drop::Malformed)?;
        let ssrc = word(packet, 4);
        let place = self.rtcp_streams.find(ssrc);
        if !is_new(&self.rtcp_streams, place, u64::from(index)) {
            return Err(Drop::Replayed);
        }
        self.rtcp.open_rtcp(packet, RtcpPlace { ssrc, index }).ok_or(Drop::Forged)?;
        accept(&mut self.rtcp_streams, place, ssrc, u64::from(index));
        Ok(len)
    }

    fn count(&mut self, opened: Result<usize, Drop>) -> Option<usize> {
        let counter = match opened {
            Ok(len) => return Some(len),
            Err(Drop::Malformed) => &mut self.counters.malformed,
            Err(Drop::Replayed) => &mut self.counters.replayed,
            Err(Drop::Forged) => &mut self.counters.forged,
        };
        *counter += 1;
        None
    }

    /// SSRCs with state: RTP, RTCP.
    #[cfg(test)]
    pub(super) fn streams(&self) -> (usize, usize) {
        (self.rtp_streams.len(), self.rtcp_streams.len())
    }
}

fn is_new(streams: &Streams<ReplayWindow>, place: Option<usize>, index: u64) -> bool {
    place.is_none_or(|place| streams.at(place).is_new(index))
}

fn accept(streams: &mut Streams<ReplayWindow>, place: Option<usize>, ssrc: u32, index: u64) {
    match place {
        Some(place) => streams.touch(place).accept(index),
        None => {
            streams.insert(ssrc, ReplayWindow::new(index));
        }
    }
}
