//! Session keys from a master key (RFC 3711 §4.3, RFC 6188, RFC 7714 §11), key derivation rate 0.
//! Never keeps the master key.

use super::primitives::AesCtr;

/// What a session key is for (RFC 3711 §4.3.2).
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the session key of `label`. A 12-byte salt counts as a 14-byte one that ends in
/// zeros.
pub(super) fn derive(key: &[u8], salt: &[u8], label: Label, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label as u8;
    out.fill(0);
    AesCtr::new(key).apply(iv, out);
}
