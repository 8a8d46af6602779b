//! DTLS record headers (RFC 6347 §4.1). Never looks into encrypted records.

const HEADER: usize = 13;

/// change_cipher_spec.
const CHANGE_CIPHER_SPEC: u8 = 20;
/// alert.
const ALERT: u8 = 21;
/// handshake.
pub(super) const HANDSHAKE: u8 = 22;

/// One record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// 20 change_cipher_spec, 21 alert, 22 handshake, 23 application_data.
    pub content_type: u8,
    /// 0 until change_cipher_spec: in the clear, so anybody may have written it.
    pub epoch: u16,
    /// What follows the header.
    pub body: &'a [u8],
}

/// The records of a datagram, up to the first that is cut short or no DTLS 1.2 record.
pub fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let (header, behind) = rest.split_first_chunk::<HEADER>()?;
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let body = behind.get(..len)?;
        if !(CHANGE_CIPHER_SPEC..=63).contains(&header[0]) || header[1] != 0xfe {
            return None;
        }
        rest = &behind[len..];
        let epoch = u16::from_be_bytes([header[3], header[4]]);
        Some(Record { content_type: header[0], epoch, body })
    })
}

/// Begins with a handshake record in the clear.
pub fn is_epoch0_handshake(datagram: &[u8]) -> bool {
    first(datagram, HANDSHAKE) && datagram[3..5] == [0, 0]
}

/// Begins with an alert.
pub fn is_alert(datagram: &[u8]) -> bool {
    first(datagram, ALERT)
}

/// Begins with change_cipher_spec: a flight that ends a handshake.
pub fn starts_ccs(datagram: &[u8]) -> bool {
    first(datagram, CHANGE_CIPHER_SPEC)
}

/// Holds a record in the clear, or something that is no record: nothing to give to an established
/// session.
pub fn has_epoch0_record(datagram: &[u8]) -> bool {
    let mut read = 0;
    for record in records(datagram) {
        if record.epoch == 0 {
            return true;
        }
        read += HEADER + record.body.len();
    }
    read != datagram.len()
}

fn first(datagram: &[u8], content_type: u8) -> bool {
    datagram.len() >= HEADER && datagram[0] == content_type
}

#[cfg(test)]
mod tests;
