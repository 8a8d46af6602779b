//! One session key's sealing and opening, for RTP and for RTCP. Never keeps state between packets.

use aws_lc_rs::{
    aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    constant_time::verify_slices_are_equal,
};
use starling_proto::transport::SrtpProfile;

use super::{
    KeyLengthError,
    derive::{Label, derive},
    primitives::{AesCtr, HmacSha1},
};
use crate::command::SrtpKey;

const AEAD_TAG: usize = 16;
/// Of RTCP with either suite, and of RTP with the longer one (RFC 3711 §5.2, RFC 5764 §4.1.2).
const HMAC_TAG: usize = 10;
/// Of RTP with AES_CM_128_HMAC_SHA1_32.
const SHORT_TAG: usize = 4;

/// E flag of an SRTCP index word: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Bytes of an RTCP packet that stay in the clear: first header and SSRC.
pub(super) const RTCP_CLEAR: usize = 8;

/// Bytes of the SRTCP index word.
pub(super) const INDEX_WORD: usize = 4;

/// Whose key it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Traffic {
    Rtp,
    Rtcp,
}

/// A session key, its salt and its algorithm.
#[expect(
    clippy::large_enum_variant,
    reason = "both are long-lived and a box would cost a cache miss"
)]
pub(super) enum Cipher {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    Cm { key: AesCtr, mac: HmacSha1, salt: [u8; 14], tag: usize },
}

impl Cipher {
    /// Session key of `master` for `traffic`.
    pub(super) fn new(
        profile: SrtpProfile,
        master: &SrtpKey,
        traffic: Traffic,
    ) -> Result<Self, KeyLengthError> {
        if (master.key.len(), master.salt.len()) != profile.lengths() {
            return Err(KeyLengthError);
        }
        let [encryption, authentication, salting] = match traffic {
            Traffic::Rtp => [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt],
            Traffic::Rtcp => [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt],
        };
        let fill = |label, out: &mut [u8]| derive(&master.key, &master.salt, label, out);
        let mut key = [0; 32];
        let key = &mut key[..master.key.len()];
        fill(encryption, key);
        let algorithm = match profile {
            SrtpProfile::AeadAes128Gcm => &AES_128_GCM,
            SrtpProfile::AeadAes256Gcm => &AES_256_GCM,
            SrtpProfile::AesCm128HmacSha1_80 | SrtpProfile::AesCm128HmacSha1_32 => {
                let (mut auth, mut salt) = ([0; 20], [0; 14]);
                fill(authentication, &mut auth);
                fill(salting, &mut salt);
                let short = profile == SrtpProfile::AesCm128HmacSha1_32 && traffic == Traffic::Rtp;
                let tag = if short { SHORT_TAG } else { HMAC_TAG };
                let (key, mac) = (AesCtr::new(key), HmacSha1::new(&auth));
                return Ok(Self::Cm { key, mac, salt, tag });
            }
        };
        let mut salt = [0; 12];
        fill(salting, &mut salt);
        let key = UnboundKey::new(algorithm, key).map_err(|_| KeyLengthError)?;
        Ok(Self::Gcm { key: LessSafeKey::new(key), salt })
    }

    /// Bytes of the tag.
    pub(super) fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => AEAD_TAG,
            Self::Cm { tag, .. } => *tag,
        }
    }

    /// Encrypts `packet[header..len]` and writes the tag behind it, where there must be room.
    pub(super) fn seal_rtp(&self, packet: &mut [u8], header: usize, len: usize, at: RtpPlace) {
        let (clear, rest) = packet.split_at_mut(header);
        let (payload, room) = rest.split_at_mut(len - header);
        match self {
            Self::Gcm { key, salt } => {
                let tag = key
                    .seal_in_place_separate_tag(at.nonce(salt), Aad::from(clear), payload)
                    .expect("a packet is shorter than AES-GCM's limit");
                room[..AEAD_TAG].copy_from_slice(tag.as_ref());
            }
            Self::Cm { key, mac, salt, tag } => {
                key.apply(at.counter(salt), payload);
                let made = mac.tag(&packet[..len], &at.rollovers().to_be_bytes());
                packet[len..len + tag].copy_from_slice(&made[..*tag]);
            }
        }
    }

    /// Decrypts `packet[header..]` but for the tag, which stays at the end. None if it is not
    /// authentic: the payload is worthless then. Callers have checked that header and tag fit.
    pub(super) fn open_rtp(&self, packet: &mut [u8], header: usize, at: RtpPlace) -> Option<()> {
        match self {
            Self::Gcm { key, salt } => {
                let (clear, rest) = packet.split_at_mut(header);
                key.open_in_place(at.nonce(salt), Aad::from(clear), rest).ok()?;
            }
            Self::Cm { key, mac, salt, tag } => {
                let end = packet.len() - tag;
                let (body, theirs) = packet.split_at_mut(end);
                let expected = mac.tag(body, &at.rollovers().to_be_bytes());
                verify_slices_are_equal(&expected[..*tag], theirs).ok()?;
                key.apply(at.counter(salt), &mut body[header..]);
            }
        }
        Some(())
    }

    /// Encrypts `packet[8..len]`, and writes tag and index word behind it, where there must be
    /// room.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], len: usize, at: RtcpPlace) {
        let word = (ENCRYPTED | at.index).to_be_bytes();
        match self {
            Self::Gcm { key, salt } => {
                let aad = rtcp_aad(packet, word);
                let (payload, room) = packet[RTCP_CLEAR..].split_at_mut(len - RTCP_CLEAR);
                let tag = key
                    .seal_in_place_separate_tag(at.nonce(salt), Aad::from(aad), payload)
                    .expect("a packet is shorter than AES-GCM's limit");
                room[..AEAD_TAG].copy_from_slice(tag.as_ref());
                room[AEAD_TAG..AEAD_TAG + INDEX_WORD].copy_from_slice(&word);
            }
            Self::Cm { key, mac, salt, .. } => {
                key.apply(at.counter(salt), &mut packet[RTCP_CLEAR..len]);
                packet[len..len + INDEX_WORD].copy_from_slice(&word);
                let (body, room) = packet.split_at_mut(len + INDEX_WORD);
                room[..HMAC_TAG].copy_from_slice(&mac.tag(body, &[])[..HMAC_TAG]);
            }
        }
    }

    /// The index word of an SRTCP packet, if it says that the packet is encrypted. A packet in the
    /// clear is refused: RFC 3711 allows it, WebRTC never sends it. Callers have checked the
    /// length.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let from_end = match self {
            Self::Gcm { .. } => INDEX_WORD,
            Self::Cm { .. } => INDEX_WORD + HMAC_TAG,
        };
        let word = super::word(packet, packet.len() - from_end);
        (word & ENCRYPTED != 0).then_some(word & !ENCRYPTED)
    }

    /// Decrypts `packet[8..]` but for tag and index word. None if it is not authentic.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], at: RtcpPlace) -> Option<()> {
        match self {
            Self::Gcm { key, salt } => {
                let end = packet.len() - INDEX_WORD;
                let aad = rtcp_aad(packet, (ENCRYPTED | at.index).to_be_bytes());
                let sealed = &mut packet[RTCP_CLEAR..end];
                key.open_in_place(at.nonce(salt), Aad::from(aad), sealed).ok()?;
            }
            Self::Cm { key, mac, salt, .. } => {
                let end = packet.len() - HMAC_TAG;
                let (body, tag) = packet.split_at_mut(end);
                verify_slices_are_equal(&mac.tag(body, &[])[..HMAC_TAG], tag).ok()?;
                key.apply(at.counter(salt), &mut body[RTCP_CLEAR..end - INDEX_WORD]);
            }
        }
        Some(())
    }
}

/// Which packet of which RTP stream.
#[derive(Clone, Copy)]
pub(super) struct RtpPlace {
    pub(super) ssrc: u32,
    /// 48 bits: rollovers, then sequence number.
    pub(super) index: u64,
}

impl RtpPlace {
    fn rollovers(self) -> u32 {
        (self.index >> 16) as u32
    }

    /// RFC 7714 §8.1.
    fn nonce(self, salt: &[u8; 12]) -> Nonce {
        let mut nonce = *salt;
        xor(&mut nonce[2..6], &self.ssrc.to_be_bytes());
        xor(&mut nonce[6..], &self.index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 3711 §4.1.1.
    fn counter(self, salt: &[u8; 14]) -> [u8; 16] {
        counter(salt, self.ssrc, self.index)
    }
}

/// Which packet of which RTCP sender.
#[derive(Clone, Copy)]
pub(super) struct RtcpPlace {
    pub(super) ssrc: u32,
    /// 31 bits.
    pub(super) index: u32,
}

impl RtcpPlace {
    /// RFC 7714 §9.1.
    fn nonce(self, salt: &[u8; 12]) -> Nonce {
        let mut nonce = *salt;
        xor(&mut nonce[2..6], &self.ssrc.to_be_bytes());
        xor(&mut nonce[8..], &self.index.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn counter(self, salt: &[u8; 14]) -> [u8; 16] {
        counter(salt, self.ssrc, u64::from(self.index))
    }
}

/// RFC 7714 §9.2: the clear header, then the index word.
fn rtcp_aad(packet: &[u8], word: [u8; INDEX_WORD]) -> [u8; RTCP_CLEAR + INDEX_WORD] {
    let mut aad = [0; RTCP_CLEAR + INDEX_WORD];
    aad[..RTCP_CLEAR].copy_from_slice(&packet[..RTCP_CLEAR]);
    aad[RTCP_CLEAR..].copy_from_slice(&word);
    aad
}

fn counter(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    xor(&mut iv[4..8], &ssrc.to_be_bytes());
    xor(&mut iv[8..14], &index.to_be_bytes()[2..]);
    iv
}

fn xor(into: &mut [u8], with: &[u8]) {
    for (byte, with) in into.iter_mut().zip(with) {
        *byte ^= with;
    }
}
