//! The SRTP profiles a ClientHello offers (RFC 5764 §4.1.1), read before the DTLS endpoint sees it:
//! the endpoint obeys the client's order, so it is configured with the one profile we want.
//! Never keeps more than one message.

use starling_proto::transport::SrtpProfile;

use super::record::{HANDSHAKE, records};

/// Longest ClientHello reassembled: five times Chromium's 1,413 bytes with a post-quantum key
/// share.
const MAX_HELLO: usize = 8 * 1024;

const HANDSHAKE_HEADER: usize = 12;
const CLIENT_HELLO: u8 = 1;
const USE_SRTP: u16 = 14;

/// Reassembles a ClientHello from the fragments of one or more datagrams.
#[derive(Debug, Default)]
pub struct HelloReader {
    message: Option<Reassembly>,
}

#[derive(Debug)]
struct Reassembly {
    /// message_seq: 1 after a HelloVerifyRequest.
    sequence: u16,
    body: Vec<u8>,
    known: Vec<bool>,
    missing: usize,
}

struct Fragment<'a> {
    total: usize,
    sequence: u16,
    at: usize,
    body: &'a [u8],
}

impl HelloReader {
    /// Takes a datagram of the client. Once a ClientHello is whole, gives the profiles of its
    /// `use_srtp`, in the client's order and by their registered numbers; none are an empty list.
    /// Anything else in the datagram is skipped.
    pub fn push(&mut self, datagram: &[u8]) -> Option<Vec<u16>> {
        let clear = records(datagram).filter(|it| it.content_type == HANDSHAKE && it.epoch == 0);
        for record in clear {
            let mut rest = record.body;
            while let Some((fragment, behind)) = Fragment::read(rest) {
                rest = behind;
                let Some(fragment) = fragment else { continue };
                let Some(hello) = self.add(&fragment) else { continue };
                if let Some(profiles) = srtp_profiles(&hello) {
                    return Some(profiles);
                }
            }
        }
        None
    }

    /// The message, if it is whole now.
    fn add(&mut self, fragment: &Fragment<'_>) -> Option<Vec<u8>> {
        let same = |message: &Reassembly| {
            message.sequence == fragment.sequence && message.body.len() == fragment.total
        };
        if !self.message.as_ref().is_some_and(same) {
            self.message = Some(Reassembly {
                sequence: fragment.sequence,
                body: vec![0; fragment.total],
                known: vec![false; fragment.total],
                missing: fragment.total,
            });
        }
        let message = self.message.as_mut()?;
        for (place, byte) in (fragment.at..).zip(fragment.body) {
            if !std::mem::replace(&mut message.known[place], true) {
                message.missing -= 1;
                message.body[place] = *byte;
            }
        }
        if message.missing > 0 {
            return None;
        }
        Some(self.message.take()?.body)
    }
}

impl<'a> Fragment<'a> {
    /// The first fragment and what follows it. Inner none: it is of another message, or of one that
    /// is too long.
    fn read(bytes: &'a [u8]) -> Option<(Option<Self>, &'a [u8])> {
        let (header, behind) = bytes.split_first_chunk::<HANDSHAKE_HEADER>()?;
        let number = |at: usize| {
            usize::from(header[at]) << 16
                | usize::from(header[at + 1]) << 8
                | usize::from(header[at + 2])
        };
        let (total, at, len) = (number(1), number(6), number(9));
        let body = behind.get(..len)?;
        let wanted = header[0] == CLIENT_HELLO && total <= MAX_HELLO && at + len <= total;
        let sequence = u16::from_be_bytes([header[4], header[5]]);
        let fragment = wanted.then_some(Self { total, sequence, at, body });
        Some((fragment, &behind[len..]))
    }
}

/// The profile we take of those offered: GCM first, as it costs a quarter of counter mode with
/// HMAC-SHA1, and the shorter key of the two; the short tag only if nothing else is offered. None:
/// no DTLS-SRTP with this client.
pub fn preferred_profile(offered: &[u16]) -> Option<SrtpProfile> {
    const OURS: [(u16, SrtpProfile); 4] = [
        (0x0007, SrtpProfile::AeadAes128Gcm),
        (0x0008, SrtpProfile::AeadAes256Gcm),
        (0x0001, SrtpProfile::AesCm128HmacSha1_80),
        (0x0002, SrtpProfile::AesCm128HmacSha1_32),
    ];
    OURS.iter().find(|(number, _)| offered.contains(number)).map(|&(_, profile)| profile)
}

/// RFC 6347 §4.3.2, RFC 5764 §4.1.1.
fn srtp_profiles(hello: &[u8]) -> Option<Vec<u16>> {
    let mut rest = hello.get(2 + 32..)?;
    take_u8(&mut rest)?; // session_id
    take_u8(&mut rest)?; // cookie
    take_u16(&mut rest)?; // cipher_suites
    take_u8(&mut rest)?; // compression_methods
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let mut extensions = take_u16(&mut rest)?;
    while let Some((kind, behind)) = extensions.split_first_chunk() {
        extensions = behind;
        let mut body = take_u16(&mut extensions)?;
        if u16::from_be_bytes(*kind) == USE_SRTP {
            let profiles = take_u16(&mut body)?;
            return Some(
                profiles.chunks_exact(2).map(|it| u16::from_be_bytes([it[0], it[1]])).collect(),
            );
        }
    }
    Some(Vec::new())
}

/// Takes a vector with a one-byte length.
fn take_u8<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&len, behind) = rest.split_first()?;
    let (body, behind) = behind.split_at_checked(usize::from(len))?;
    *rest = behind;
    Some(body)
}

/// Takes a vector with a two-byte length.
fn take_u16<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&len, behind) = rest.split_first_chunk()?;
    let (body, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(len)))?;
    *rest = behind;
    Some(body)
}

#[cfg(test)]
mod tests;
