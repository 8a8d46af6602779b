//! Reads an RTP packet's fixed header and header extensions, without copying. Never writes and
//! never looks into the payload.

use std::ops::Range;

/// What a datagram on a shared port is, by its first byte (RFC 7983 §7, RFC 9443).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketClass {
    /// 0..=3.
    Stun,
    /// 20..=63.
    Dtls,
    /// 128..=191; [`is_rtcp`] tells which.
    RtpOrRtcp,
    /// ZRTP, TURN channel, QUIC, anything else.
    Other,
}

/// Class of a datagram that begins with `first_byte`.
pub const fn classify(first_byte: u8) -> PacketClass {
    match first_byte {
        0..=3 => PacketClass::Stun,
        20..=63 => PacketClass::Dtls,
        128..=191 => PacketClass::RtpOrRtcp,
        _ => PacketClass::Other,
    }
}

/// Whether a datagram of class [`PacketClass::RtpOrRtcp`] is RTCP: second byte 192..=223
/// (RFC 5761 §4).
pub const fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 2 && matches!(datagram[1], 192..=223)
}

/// Length of a header without CSRCs and extensions.
pub const FIXED_HEADER_LEN: usize = 12;

/// How header extensions are laid out (RFC 8285 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionForm {
    /// None, or a profile nobody here knows.
    Opaque,
    OneByte,
    TwoByte,
}

/// A parsed header. Offsets are into the packet it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Last packet of a frame, for video.
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// In units of the codec's clock rate.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Where the payload begins.
    pub header_len: usize,
    /// Bytes of padding at the end, its length byte too.
    pub padding_len: usize,
    csrc_len: u8,
    form: ExtensionForm,
}

impl RtpHeader {
    /// Reads the header of a whole packet. `None` unless version 2 and all lengths are inside the
    /// packet. Broken extension elements do not make a packet invalid: they and those after them
    /// are invisible.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED_HEADER_LEN] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let csrc_len = (fixed[0] & 0x0f) * 4;
        let mut header_len = FIXED_HEADER_LEN + usize::from(csrc_len);
        let mut form = ExtensionForm::Opaque;
        if fixed[0] & 0x10 != 0 {
            let prefix: &[u8; 4] = packet.get(header_len..)?.first_chunk()?;
            form = match u16::from_be_bytes([prefix[0], prefix[1]]) {
                0xbede => ExtensionForm::OneByte,
                0x1000..=0x100f => ExtensionForm::TwoByte,
                _ => ExtensionForm::Opaque,
            };
            header_len += 4 + 4 * usize::from(u16::from_be_bytes([prefix[2], prefix[3]]));
        }
        if header_len > packet.len() {
            return None;
        }
        let mut padding_len = 0;
        if fixed[0] & 0x20 != 0 {
            padding_len = usize::from(*packet.last()?);
            if padding_len == 0 || padding_len > packet.len() - header_len {
                return None;
            }
        }
        Some(Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            header_len,
            padding_len,
            csrc_len,
            form,
        })
    }

    /// The payload of the packet this was parsed from, without padding.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let end = packet.len().saturating_sub(self.padding_len);
        packet.get(self.header_len..end).unwrap_or_default()
    }

    /// The contributing sources, as they are on the wire.
    pub fn csrcs<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        let end = FIXED_HEADER_LEN + usize::from(self.csrc_len);
        packet.get(FIXED_HEADER_LEN..end).unwrap_or_default()
    }

    /// Value of the first extension element with this id (1..=14, or 1..=255 in two-byte form).
    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        let (_, range) = self.extensions(packet).find(|(found, _)| *found == id)?;
        packet.get(range)
    }

    /// Ids of all extension elements in order, and where their values are in the packet.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        let begin = FIXED_HEADER_LEN + usize::from(self.csrc_len) + 4;
        let block = match self.form {
            ExtensionForm::Opaque => &[],
            ExtensionForm::OneByte | ExtensionForm::TwoByte => {
                packet.get(..self.header_len).unwrap_or_default()
            }
        };
        Extensions { block, at: begin, two_byte: self.form == ExtensionForm::TwoByte }
    }
}

/// See [`RtpHeader::extensions`].
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    /// The packet up to its payload.
    block: &'a [u8],
    at: usize,
    two_byte: bool,
}

impl Extensions<'_> {
    fn stop(&mut self) -> Option<(u8, Range<usize>)> {
        self.block = &[];
        None
    }
}

impl Iterator for Extensions<'_> {
    type Item = (u8, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(&first) = self.block.get(self.at) {
            if first == 0 {
                self.at += 1;
                continue;
            }
            let (id, len, value) = if self.two_byte {
                let Some(&len) = self.block.get(self.at + 1) else { return self.stop() };
                (first, usize::from(len), self.at + 2)
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, self.at + 1)
            };
            // RFC 8285 §4.2: 15 ends the one-byte form, and so does 0 with a length.
            let ends = id == 0 || (!self.two_byte && id == 15);
            if ends || value + len > self.block.len() {
                return self.stop();
            }
            self.at = value + len;
            return Some((id, value..value + len));
        }
        None
    }
}

#[cfg(test)]
mod tests;
