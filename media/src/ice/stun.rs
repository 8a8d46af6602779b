//! STUN messages (RFC 8489) as far as ICE needs them: reading any, writing Binding requests and
//! their answers. Never allocates while reading, never decides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    hmac::{Context, HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key},
};

use super::crc32::crc32;

const HEADER: usize = 20;
const COOKIE: u32 = 0x2112_a442;
const FINGERPRINT_MASK: u32 = 0x5354_554e;
const INTEGRITY_LEN: usize = 20;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
/// draft-thatcher-ice-renomination, as mediasoup 3.20.10 and libwebrtc number it.
const NOMINATION: u16 = 0x0030;
/// The number libwebrtc used before.
const NOMINATION_OLD: u16 = 0xc001;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

/// Longest USERNAME (RFC 8489 §14.3).
const MAX_USERNAME: usize = 508;

/// 96 bits that pair an answer with its request.
pub type TransactionId = [u8; 12];

/// RFC 8489 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// Good answer.
    Success,
    /// Bad answer.
    Error,
}

/// A password ready for MESSAGE-INTEGRITY (short-term credentials).
pub struct IntegrityKey(Key);

impl IntegrityKey {
    /// Of an ICE password.
    pub fn new(password: &str) -> Self {
        Self(Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()))
    }
}

impl std::fmt::Debug for IntegrityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IntegrityKey")
    }
}

/// A well-formed message. Its FINGERPRINT, if it has one, is right; nothing else is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StunMessage<'a> {
    bytes: &'a [u8],
    integrity_at: Option<usize>,
    /// What it is.
    pub class: Class,
    /// 1 is Binding.
    pub method: u16,
    /// Its own.
    pub transaction: TransactionId,
    /// USERNAME.
    pub username: Option<&'a str>,
    /// PRIORITY.
    pub priority: Option<u32>,
    /// USE-CANDIDATE.
    pub use_candidate: bool,
    /// Renomination's counter.
    pub nomination: Option<u32>,
    /// ICE-CONTROLLED's tie breaker.
    pub ice_controlled: Option<u64>,
    /// ICE-CONTROLLING's tie breaker.
    pub ice_controlling: Option<u64>,
    /// XOR-MAPPED-ADDRESS.
    pub mapped_address: Option<SocketAddr>,
    /// ERROR-CODE.
    pub error_code: Option<u16>,
    /// Has a FINGERPRINT.
    pub fingerprint: bool,
}

impl<'a> StunMessage<'a> {
    /// Reads one datagram. None if it is not exactly one STUN message, if a known attribute has a
    /// wrong length, or if FINGERPRINT is wrong. Attributes behind MESSAGE-INTEGRITY do not count
    /// (RFC 8489 §14.5), unknown ones are skipped as mediasoup does.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let cookie = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if kind >> 14 != 0 || cookie != COOKIE || len % 4 != 0 || bytes.len() != HEADER + len {
            return None;
        }
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&header[8..]);
        let mut message = Self {
            bytes,
            integrity_at: None,
            class: match (kind >> 7 & 2) | (kind >> 4 & 1) {
                0 => Class::Request,
                1 => Class::Indication,
                2 => Class::Success,
                _ => Class::Error,
            },
            method: (kind >> 2 & 0x0f80) | (kind >> 1 & 0x0070) | (kind & 0x000f),
            transaction,
            username: None,
            priority: None,
            use_candidate: false,
            nomination: None,
            ice_controlled: None,
            ice_controlling: None,
            mapped_address: None,
            error_code: None,
            fingerprint: false,
        };
        message.read_attributes()?;
        Some(message)
    }

    /// A Binding request: the only thing a lite agent reacts to.
    pub fn is_binding_request(&self) -> bool {
        self.class == Class::Request && self.method == 1
    }

    /// The receiver's ufrag: what stands before the colon of USERNAME (RFC 8445 §7.2.2).
    pub fn local_ufrag(&self) -> Option<&'a str> {
        Some(self.username?.split_once(':')?.0)
    }

    /// Whether MESSAGE-INTEGRITY is there and was made with `key`.
    pub fn is_authentic(&self, key: &IntegrityKey) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let value = &self.bytes[at + 4..at + 4 + INTEGRITY_LEN];
        let expected = integrity(&self.bytes[..at], key);
        verify_slices_are_equal(&expected, value).is_ok()
    }

    fn read_attributes(&mut self) -> Option<()> {
        let mut at = HEADER;
        while at < self.bytes.len() {
            let head: &[u8; 4] = self.bytes[at..].first_chunk()?;
            let kind = u16::from_be_bytes([head[0], head[1]]);
            let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = self.bytes.get(at + 4..at + 4 + len)?;
            let next = at + 4 + len.next_multiple_of(4);
            match kind {
                FINGERPRINT => {
                    let right = crc32(&self.bytes[..at]) ^ FINGERPRINT_MASK;
                    let last = next == self.bytes.len();
                    self.fingerprint = last && number(value)? == right;
                    return self.fingerprint.then_some(());
                }
                MESSAGE_INTEGRITY if self.integrity_at.is_none() => {
                    if len != INTEGRITY_LEN {
                        return None;
                    }
                    self.integrity_at = Some(at);
                }
                _ if self.integrity_at.is_none() => self.read_attribute(kind, value)?,
                _ => {}
            }
            at = next;
        }
        (at == self.bytes.len()).then_some(())
    }

    /// The first of a kind counts (RFC 8489 §14).
    fn read_attribute(&mut self, kind: u16, value: &'a [u8]) -> Option<()> {
        match kind {
            USERNAME if value.len() > MAX_USERNAME => return None,
            USERNAME => {
                let name = std::str::from_utf8(value).ok()?;
                self.username.get_or_insert(name);
            }
            PRIORITY => {
                self.priority.get_or_insert(number(value)?);
            }
            USE_CANDIDATE if value.is_empty() => self.use_candidate = true,
            USE_CANDIDATE => return None,
            NOMINATION | NOMINATION_OLD => {
                self.nomination.get_or_insert(number(value)?);
            }
            ICE_CONTROLLED => {
                self.ice_controlled.get_or_insert(u64::from_be_bytes(value.try_into().ok()?));
            }
            ICE_CONTROLLING => {
                self.ice_controlling.get_or_insert(u64::from_be_bytes(value.try_into().ok()?));
            }
            XOR_MAPPED_ADDRESS => {
                self.mapped_address.get_or_insert(mapped_address(value, &self.transaction)?);
            }
            ERROR_CODE => {
                let [_, _, class, number, ..] = *value else { return None };
                self.error_code.get_or_insert(u16::from(class & 7) * 100 + u16::from(number));
            }
            _ => {}
        }
        Some(())
    }
}

/// A Binding request of an ICE client, for tests and load clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingRequest<'a> {
    /// `remote:local`, seen from the sender.
    pub username: &'a str,
    /// PRIORITY.
    pub priority: Option<u32>,
    /// USE-CANDIDATE.
    pub use_candidate: bool,
    /// NOMINATION.
    pub nomination: Option<u32>,
    /// ICE-CONTROLLING's tie breaker.
    pub ice_controlling: Option<u64>,
    /// ICE-CONTROLLED's tie breaker.
    pub ice_controlled: Option<u64>,
}

/// Writes a Binding request over `out`.
pub fn write_request(
    out: &mut Vec<u8>,
    transaction: &TransactionId,
    request: &BindingRequest<'_>,
    key: &IntegrityKey,
) {
    start(out, 0x0001, transaction);
    attribute(out, USERNAME, request.username.as_bytes());
    if let Some(priority) = request.priority {
        attribute(out, PRIORITY, &priority.to_be_bytes());
    }
    if request.use_candidate {
        attribute(out, USE_CANDIDATE, &[]);
    }
    if let Some(nomination) = request.nomination {
        attribute(out, NOMINATION, &nomination.to_be_bytes());
    }
    if let Some(tie_breaker) = request.ice_controlling {
        attribute(out, ICE_CONTROLLING, &tie_breaker.to_be_bytes());
    }
    if let Some(tie_breaker) = request.ice_controlled {
        attribute(out, ICE_CONTROLLED, &tie_breaker.to_be_bytes());
    }
    finish(out, key);
}

/// Writes a Binding success over `out`: XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT.
pub fn write_success(
    out: &mut Vec<u8>,
    transaction: &TransactionId,
    mapped: SocketAddr,
    key: &IntegrityKey,
) {
    start(out, 0x0101, transaction);
    let mask = address_mask(transaction);
    let mut value = [0; 20];
    value[2..4].copy_from_slice(&(mapped.port() ^ (COOKIE >> 16) as u16).to_be_bytes());
    value[4..].copy_from_slice(&mask);
    let mut xor = |family, octets: &[u8]| {
        value[1] = family;
        for (byte, octet) in value[4..].iter_mut().zip(octets) {
            *byte ^= octet;
        }
        4 + octets.len()
    };
    let len = match mapped.ip().to_canonical() {
        IpAddr::V4(ip) => xor(1, &ip.octets()),
        IpAddr::V6(ip) => xor(2, &ip.octets()),
    };
    attribute(out, XOR_MAPPED_ADDRESS, &value[..len]);
    finish(out, key);
}

/// Writes a Binding error over `out`, without a reason phrase: it would only make the answer
/// longer.
pub fn write_error(out: &mut Vec<u8>, transaction: &TransactionId, code: u16, key: &IntegrityKey) {
    start(out, 0x0111, transaction);
    attribute(out, ERROR_CODE, &[0, 0, (code / 100) as u8, (code % 100) as u8]);
    finish(out, key);
}

fn start(out: &mut Vec<u8>, kind: u16, transaction: &TransactionId) {
    out.clear();
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&COOKIE.to_be_bytes());
    out.extend_from_slice(transaction);
}

fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    let len = (out.len() - HEADER) as u16;
    out[2..4].copy_from_slice(&len.to_be_bytes());
}

fn finish(out: &mut Vec<u8>, key: &IntegrityKey) {
    let tag = integrity(out, key);
    attribute(out, MESSAGE_INTEGRITY, &tag);
    attribute(out, FINGERPRINT, &[0; 4]);
    let at = out.len() - 8;
    let sum = crc32(&out[..at]) ^ FINGERPRINT_MASK;
    out[at + 4..].copy_from_slice(&sum.to_be_bytes());
}

/// HMAC over what stands before MESSAGE-INTEGRITY, with a header length that ends behind it.
fn integrity(before: &[u8], key: &IntegrityKey) -> [u8; INTEGRITY_LEN] {
    let len = (before.len() + 4 + INTEGRITY_LEN - HEADER) as u16;
    let mut hmac = Context::with_key(&key.0);
    hmac.update(&before[..2]);
    hmac.update(&len.to_be_bytes());
    hmac.update(&before[4..]);
    let mut tag = [0; INTEGRITY_LEN];
    tag.copy_from_slice(hmac.sign().as_ref());
    tag
}

fn mapped_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    let (&[_, family, high, low], address) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([high, low]) ^ (COOKIE >> 16) as u16;
    let mask = address_mask(transaction);
    let ip = match family {
        1 => {
            let octets: [u8; 4] = address.try_into().ok()?;
            Ipv4Addr::from(std::array::from_fn(|at| octets[at] ^ mask[at])).into()
        }
        2 => {
            let octets: [u8; 16] = address.try_into().ok()?;
            Ipv6Addr::from(std::array::from_fn(|at| octets[at] ^ mask[at])).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// RFC 8489 §14.2: the cookie, then the transaction id.
fn address_mask(transaction: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(transaction);
    mask
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

#[cfg(test)]
mod tests;
