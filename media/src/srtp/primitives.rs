//! AES in counter mode and HMAC-SHA1 over caller-owned memory. The only unsafe code of the crate:
//! `aws-lc-rs` has no counter mode in place and its HMAC costs a tenth more and a heap context.
//! Never interprets a packet.
#![expect(
    unsafe_code,
    reason = "aws-lc's AES_ctr128 and SHA1 have no safe wrapper without a heap context"
)]

use aws_lc_sys::{
    AES_KEY, AES_ctr128_encrypt, AES_set_encrypt_key, OPENSSL_cleanse, SHA_CTX, SHA1_Final,
    SHA1_Init, SHA1_Update,
};

/// An expanded AES key for counter mode.
pub(super) struct AesCtr(AES_KEY);

impl AesCtr {
    /// Expands a key of 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        assert!(matches!(key.len(), 16 | 32), "callers pass keys of a profile's length");
        let mut schedule = AES_KEY { rd_key: [0; 60], rounds: 0 };
        let bits = if key.len() == 16 { 128 } else { 256 };
        // SAFETY: `key` is readable for bits / 8 bytes, `schedule` is ours and plain data.
        let failed = unsafe { AES_set_encrypt_key(key.as_ptr(), bits, &raw mut schedule) };
        assert_eq!(failed, 0, "AES accepts 128 and 256 bits");
        Self(schedule)
    }

    /// Encrypts or decrypts `data` with the key stream that starts at counter block `iv`.
    pub(super) fn apply(&self, mut iv: [u8; 16], data: &mut [u8]) {
        let (mut spare, mut used) = ([0; 16], 0);
        let bytes = data.as_mut_ptr();
        // SAFETY: input and output are the same `data.len()` bytes, which aws-lc allows in place;
        // `iv` and `spare` are one block each; the schedule was filled by `new`.
        unsafe {
            AES_ctr128_encrypt(
                bytes,
                bytes,
                data.len(),
                &raw const self.0,
                iv.as_mut_ptr(),
                spare.as_mut_ptr(),
                &raw mut used,
            );
        }
    }
}

impl Drop for AesCtr {
    fn drop(&mut self) {
        // SAFETY: `rd_key` is ours, plain data, and not used again.
        unsafe { OPENSSL_cleanse(self.0.rd_key.as_mut_ptr().cast(), size_of_val(&self.0.rd_key)) }
    }
}

/// HMAC-SHA1 (RFC 2104) with both padded key blocks hashed once.
pub(super) struct HmacSha1 {
    inner: SHA_CTX,
    outer: SHA_CTX,
}

impl HmacSha1 {
    /// Of a key of at most one block.
    pub(super) fn new(key: &[u8]) -> Self {
        assert!(key.len() <= 64, "SRTP authentication keys are 20 bytes");
        let padded = |with: u8| {
            let mut block = [with; 64];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            let mut hash = sha1_start();
            sha1_update(&mut hash, &block);
            hash
        };
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// Of `first` followed by `second`.
    pub(super) fn tag(&self, first: &[u8], second: &[u8]) -> [u8; 20] {
        let mut inner = self.inner;
        sha1_update(&mut inner, first);
        sha1_update(&mut inner, second);
        let mut outer = self.outer;
        sha1_update(&mut outer, &sha1_finish(inner));
        sha1_finish(outer)
    }
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        for hash in [&mut self.inner, &mut self.outer] {
            // SAFETY: `h` is ours, plain data, and not used again.
            unsafe { OPENSSL_cleanse(hash.h.as_mut_ptr().cast(), size_of_val(&hash.h)) }
        }
    }
}

fn sha1_start() -> SHA_CTX {
    let mut hash = SHA_CTX { h: [0; 5], Nl: 0, Nh: 0, data: [0; 64], num: 0 };
    // SAFETY: `hash` is ours and plain data.
    let done = unsafe { SHA1_Init(&raw mut hash) };
    assert_eq!(done, 1, "SHA1_Init cannot fail");
    hash
}

fn sha1_update(hash: &mut SHA_CTX, data: &[u8]) {
    // SAFETY: `hash` was started by `sha1_start`, `data` is readable for its length.
    let done = unsafe { SHA1_Update(hash, data.as_ptr().cast(), data.len()) };
    assert_eq!(done, 1, "SHA1_Update cannot fail");
}

fn sha1_finish(mut hash: SHA_CTX) -> [u8; 20] {
    let mut digest = [0; 20];
    // SAFETY: `hash` was started by `sha1_start`, `digest` has SHA-1's 20 bytes.
    let done = unsafe { SHA1_Final(digest.as_mut_ptr(), &raw mut hash) };
    assert_eq!(done, 1, "SHA1_Final cannot fail");
    digest
}
