//! Bytes that nobody honest sends.

use rand::{Rng, RngCore, rngs::SmallRng};
use starling_media::{
    ice::stun::{BindingRequest, IntegrityKey, write_request},
    rtcp::{RtcpItem, build, parse_all},
};

/// MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489 §14.5, §14.7).
const PROOF: usize = 32;
/// Longest junk: a path's width.
const LONGEST: usize = 1_400;

/// Random bytes; every other time with a first byte that some protocol begins with (RFC 7983).
pub(crate) fn junk(rng: &mut SmallRng, out: &mut Vec<u8>) {
    let start = out.len();
    let len = rng.random_range(1..LONGEST);
    out.resize(start + len, 0);
    rng.fill_bytes(&mut out[start..]);
    if rng.random() {
        out[start] = [0, 1, 20, 22, 23, 128, 144, 192, 200][rng.random_range(0..9)];
    }
}

/// One of `valid` with a few bytes changed, cut off or added.
pub(crate) fn mutated(rng: &mut SmallRng, valid: &[Vec<u8>], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&valid[rng.random_range(0..valid.len())]);
    for _ in 0..rng.random_range(1..5) {
        let at = rng.random_range(start..out.len());
        out[at] ^= 1 << rng.random_range(0..8);
    }
    match rng.random_range(0..4) {
        0 => out.truncate(rng.random_range(start + 1..=out.len())),
        1 => out.extend_from_slice(&[0x5a; 9]),
        _ => {}
    }
}

/// A binding request with whatever user and password.
pub(crate) fn binding(user: &str, password: &str, n: u64) -> Vec<u8> {
    let request = BindingRequest {
        username: user,
        priority: Some(1),
        use_candidate: true,
        nomination: None,
        ice_controlling: Some(1),
        ice_controlled: None,
    };
    let mut transaction = [0; 12];
    transaction[..8].copy_from_slice(&n.to_be_bytes());
    let mut bytes = Vec::new();
    write_request(&mut bytes, &transaction, &request, &IntegrityKey::new(password));
    bytes
}

/// The same without any proof.
pub(crate) fn unproven(user: &str, n: u64) -> Vec<u8> {
    let mut bytes = binding(user, "any", n);
    bytes.truncate(bytes.len() - PROOF);
    bytes[3] -= PROOF as u8;
    bytes
}

/// The same as an indication, which wants no answer.
pub(crate) fn indication(user: &str, n: u64) -> Vec<u8> {
    let mut bytes = unproven(user, n);
    bytes[1] = 0x11;
    bytes
}

/// A TURN Allocate of UDP (RFC 8656 §7.1): what a reflector would be asked for.
pub(crate) fn allocate(n: u64) -> Vec<u8> {
    let mut bytes = vec![0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0];
    bytes.extend_from_slice(&n.to_be_bytes());
    bytes.extend_from_slice(&[0, 0x19, 0, 4, 17, 0, 0, 0]);
    bytes
}

/// A ClientHello that wants no encryption (TLS_RSA_WITH_NULL_MD5), as in CVE-2023-49786.
pub(crate) fn null_hello(n: u64) -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend_from_slice(&[0x11; 24]);
    body.extend_from_slice(&n.to_be_bytes());
    // No session, no cookie, one suite, no compression.
    body.extend_from_slice(&[0, 0, 0, 2, 0, 1, 1, 0]);
    let len = (body.len() as u32).to_be_bytes();
    let mut record = vec![22, 0xfe, 0xfd, 0, 0];
    record.extend_from_slice(&n.to_be_bytes()[2..]);
    record.extend_from_slice(&(body.len() as u16 + 12).to_be_bytes());
    record.extend_from_slice(&[1, len[1], len[2], len[3], 0, 0, 0, 0, 0, len[1], len[2], len[3]]);
    record.extend_from_slice(&body);
    record
}

/// A packet with this header and nothing true behind it: the payload is random, and so is what
/// would be its tag.
pub(crate) fn rtp(payload_type: u8, ssrc: u32, sequence: u16, rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = vec![0x80, payload_type];
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&rng.random::<u32>().to_be_bytes());
    bytes.extend_from_slice(&ssrc.to_be_bytes());
    bytes.resize(bytes.len() + 120, 0);
    rng.fill_bytes(&mut bytes[12..]);
    bytes
}

/// What would end, starve or flood a stream if somebody believed it.
pub(crate) fn rtcp(ssrc: u32) -> Vec<Vec<u8>> {
    let make = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        build::receiver_report(&mut bytes, 7, &[]);
        write(&mut bytes);
        bytes
    };
    vec![
        make(&|out| build::bye(out, &[ssrc])),
        make(&|out| build::remb(out, 7, 10_000, &[ssrc])),
        make(&|out| build::pli(out, 7, ssrc)),
        make(&|out| build::fir(out, 7, &[(ssrc, 1)])),
        make(&|out| {
            build::nack(out, 7, ssrc, &(0..500).collect::<Vec<_>>(), LONGEST);
        }),
    ]
}

/// Requests for key frames in an RTCP packet.
pub(crate) fn key_frames_asked(packet: &[u8]) -> u64 {
    let asks = |item: &RtcpItem| matches!(item, RtcpItem::Pli { .. } | RtcpItem::Fir { .. });
    parse_all(packet).iter().filter(|item| asks(item)).count() as u64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use starling_media::ice::stun::StunMessage;

    use super::*;

    #[test]
    fn a_forged_request_is_well_formed_but_for_what_is_forged() {
        let user = "ours:theirs";
        let whole = binding(user, "secret", 1);
        let read = StunMessage::parse(&whole).unwrap();
        assert!(read.is_authentic(&IntegrityKey::new("secret")));
        assert!(!read.is_authentic(&IntegrityKey::new("guess")));
        let bare = unproven(user, 1);
        assert_eq!(StunMessage::parse(&bare).and_then(|it| it.local_ufrag()), Some("ours"));
        assert!(StunMessage::parse(&bare).unwrap().is_binding_request());
        assert!(!StunMessage::parse(&indication(user, 1)).unwrap().is_binding_request());
        assert!(StunMessage::parse(&allocate(1)).is_some_and(|it| !it.is_binding_request()));
    }

    #[test]
    fn a_null_hello_is_a_whole_hello() {
        let mut reader = starling_media::dtls::HelloReader::default();
        assert_eq!(reader.push(&null_hello(5)), Some(Vec::new()));
    }

    #[test]
    fn a_mutation_differs_from_what_it_was_made_of() {
        let mut rng = SmallRng::seed_from_u64(1);
        let valid = vec![binding("a:b", "c", 1)];
        let mut same = 0;
        for _ in 0..1_000 {
            let mut out = Vec::new();
            mutated(&mut rng, &valid, &mut out);
            assert!(!out.is_empty());
            same += usize::from(out == valid[0]);
        }
        assert!(same < 50, "{same} of 1,000: two flips of one bit");
    }

    #[test]
    fn forged_reports_say_what_they_are_to_say() {
        let asked: u64 = rtcp(9).iter().map(|packet| key_frames_asked(packet)).sum();
        assert_eq!(asked, 2);
    }
}
