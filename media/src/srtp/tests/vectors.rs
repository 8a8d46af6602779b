//! The vectors of RFC 3711 appendix B and RFC 7714 §16 and §17.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, LessSafeKey, UnboundKey};

use super::{
    super::{
        cipher::{Cipher, RtcpPlace, RtpPlace},
        derive::{Label, derive},
        primitives::{AesCtr, HmacSha1},
        rtp_header_len,
    },
    hex,
};

const SALT_7714: &[u8; 12] = b"Quid pro quo";
const SSRC_RTP: u32 = 0x5501_a0b2;
const SSRC_RTCP: u32 = 0x4d61_7273;

fn gcm(key_len: u8) -> Cipher {
    let algorithm = if key_len == 16 { &AES_128_GCM } else { &AES_256_GCM };
    let key: Vec<u8> = (0..key_len).collect();
    Cipher::Gcm {
        key: LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap()),
        salt: *SALT_7714,
    }
}

fn rtp_plain() -> Vec<u8> {
    hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
         69736120 696e2070 61727465 73207472 6573")
}

fn rtcp_plain() -> Vec<u8> {
    hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
         deadbeef deadbeef deadbeef deadbeef deadbeef")
}

fn seal_rtp(cipher: &Cipher) -> Vec<u8> {
    let mut packet = rtp_plain();
    let (len, header) = (packet.len(), rtp_header_len(&packet).unwrap());
    packet.resize(len + 16, 0);
    cipher.seal_rtp(&mut packet, header, len, RtpPlace { ssrc: SSRC_RTP, index: 0xf17b });
    packet
}

fn seal_rtcp(cipher: &Cipher) -> Vec<u8> {
    let mut packet = rtcp_plain();
    let len = packet.len();
    packet.resize(len + 20, 0);
    cipher.seal_rtcp(&mut packet, len, RtcpPlace { ssrc: SSRC_RTCP, index: 0x5d4 });
    packet
}

/// RFC 3711 B.2.
#[test]
fn counter_mode_key_stream_is_the_rfcs() {
    let key = AesCtr::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C"));
    let iv = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
    let mut stream = [0; 48];
    key.apply(iv, &mut stream);
    assert_eq!(
        stream.to_vec(),
        hex("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
             41E95B3BB0A2E8DD477901E4FCA894C0")
    );
}

/// RFC 3711 B.3.
#[test]
fn derived_keys_are_the_rfcs() {
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
    let of = |label, len| {
        let mut out = vec![0xff; len];
        derive(&key, &salt, label, &mut out);
        out
    };
    assert_eq!(of(Label::RtpEncryption, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(of(Label::RtpSalt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(of(Label::RtpAuthentication, 20), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

/// RFC 2202 test cases 1 and 2.
#[test]
fn hmac_sha1_is_the_rfcs() {
    let first = HmacSha1::new(&[0x0b; 20]).tag(b"Hi ", b"There");
    assert_eq!(first.to_vec(), hex("b617318655057264e28bc0b6fb378c8ef146be00"));
    let second = HmacSha1::new(b"Jefe").tag(b"what do ya want ", b"for nothing?");
    assert_eq!(second.to_vec(), hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
}

/// RFC 7714 §16.1.1 and §16.1.2.
#[test]
fn gcm_128_rtp_is_the_rfcs() {
    let cipher = gcm(16);
    let mut sealed = seal_rtp(&cipher);
    assert_eq!(
        sealed,
        hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
             0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439
             0cce")
    );
    cipher.open_rtp(&mut sealed, 12, RtpPlace { ssrc: SSRC_RTP, index: 0xf17b }).unwrap();
    assert_eq!(sealed[..rtp_plain().len()], rtp_plain());
}

/// RFC 7714 §16.2.1.
#[test]
fn gcm_256_rtp_is_the_rfcs() {
    assert_eq!(
        seal_rtp(&gcm(32)),
        hex("8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
             9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7
             6c13")
    );
}

/// RFC 7714 §17.1 and §17.2.
#[test]
fn gcm_128_rtcp_is_the_rfcs() {
    let cipher = gcm(16);
    let mut sealed = seal_rtcp(&cipher);
    assert_eq!(
        sealed,
        hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
             c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
             45d9eade 800005d4")
    );
    assert_eq!(cipher.rtcp_index(&sealed), Some(0x5d4));
    cipher.open_rtcp(&mut sealed, RtcpPlace { ssrc: SSRC_RTCP, index: 0x5d4 }).unwrap();
    assert_eq!(sealed[..rtcp_plain().len()], rtcp_plain());
}
