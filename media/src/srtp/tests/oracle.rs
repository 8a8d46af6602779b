//! The same bytes as `webrtc-srtp`, in both directions.

use proptest::{collection::vec, prelude::*, sample::select};
use starling_proto::transport::SrtpProfile;
use webrtc_srtp::{context::Context, protection_profile::ProtectionProfile};

use super::{
    PROFILES, key, pair, protect_rtcp, protect_rtp, rtcp, rtp, unprotect_rtcp, unprotect_rtp,
};

fn oracle(profile: SrtpProfile) -> Context {
    let key = key(profile);
    let profile = match profile {
        SrtpProfile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpProfile::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        SrtpProfile::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        SrtpProfile::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
    };
    Context::new(&key.key, &key.salt, profile, None, None).unwrap()
}

#[test]
fn three_rollovers_are_the_same_bytes_both_ways() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let (mut to, mut from) = (oracle(profile), oracle(profile));
        let mut sequence = 65_000_u16;
        for _ in 0..110 {
            let packet = rtp(7, sequence);
            let ours = protect_rtp(&mut sender, &packet);
            let theirs = to.encrypt_rtp(&packet).unwrap();
            assert_eq!(ours, theirs, "{profile:?} {sequence}");
            assert_eq!(unprotect_rtp(&mut receiver, &theirs).unwrap(), packet);
            assert_eq!(from.decrypt_rtp(&ours).unwrap(), packet);
            sequence = sequence.wrapping_add(1_913);
        }
    }
}

#[test]
fn reordering_over_a_rollover_is_the_same_bytes() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut to = oracle(profile);
        for sequence in [65_533, 65_535, 0, 65_534, 2, 1, 65_532] {
            let packet = rtp(7, sequence);
            let ours = protect_rtp(&mut sender, &packet);
            assert_eq!(ours, to.encrypt_rtp(&packet).unwrap(), "{profile:?} {sequence}");
            assert_eq!(unprotect_rtp(&mut receiver, &ours).unwrap(), packet);
        }
    }
}

/// `webrtc-srtp` starts its SRTCP index at 1, where the RFC and we start at 0.
#[test]
fn rtcp_is_the_same_bytes_both_ways() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let (mut to, mut from) = (oracle(profile), oracle(profile));
        protect_rtcp(&mut sender, &rtcp(5));
        for _ in 0..300 {
            let packet = [rtcp(5), vec![0x81, 206, 0, 2, 0, 0, 0, 5, 0, 0, 0, 9]].concat();
            let ours = protect_rtcp(&mut sender, &packet);
            let theirs = to.encrypt_rtcp(&packet).unwrap();
            assert_eq!(ours, theirs, "{profile:?}");
            assert_eq!(unprotect_rtcp(&mut receiver, &theirs).unwrap(), packet);
            assert_eq!(from.decrypt_rtcp(&ours).unwrap(), packet);
        }
    }
}

/// An RTP packet with any number of CSRCs, with or without a one-byte extension, as the oracle's
/// parser accepts them.
fn any_rtp() -> impl Strategy<Value = Vec<u8>> {
    let header = (0..16_u8, any::<[u8; 11]>(), prop::option::of(vec(1..15_u8, 0..6)));
    (header, vec(any::<u8>(), 1..1_300)).prop_map(|((csrcs, fixed, extensions), payload)| {
        let mut packet = vec![0x80 | csrcs];
        packet.extend(fixed);
        packet.resize(12 + 4 * usize::from(csrcs), 0xc5);
        if let Some(ids) = extensions {
            packet[0] |= 0x10;
            let mut body: Vec<u8> = ids.iter().flat_map(|id| [id << 4, 0xee]).collect();
            body.resize(body.len().next_multiple_of(4), 0);
            packet.extend([0xbe, 0xde, 0, (body.len() / 4) as u8]);
            packet.extend(body);
        }
        packet.extend(payload);
        packet
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_packet_is_the_same_bytes(profile in select(&PROFILES[..]), packet in any_rtp()) {
        let (mut sender, mut receiver) = pair(profile);
        let ours = protect_rtp(&mut sender, &packet);
        let theirs = oracle(profile).encrypt_rtp(&packet).unwrap();
        prop_assert_eq!(&ours[..], &theirs[..]);
        prop_assert_eq!(unprotect_rtp(&mut receiver, &ours).unwrap(), packet);
    }

    #[test]
    fn any_one_changed_bit_is_a_forgery(
        profile in select(&PROFILES[..]),
        packet in any_rtp(),
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let (mut sender, mut receiver) = pair(profile);
        let mut forged = protect_rtp(&mut sender, &packet);
        let at = at.index(forged.len());
        forged[at] ^= 1 << bit;
        prop_assert_eq!(unprotect_rtp(&mut receiver, &forged), None);
        prop_assert_eq!(receiver.streams(), (0, 0));
    }

    #[test]
    fn no_bytes_panic(mut bytes in vec(any::<u8>(), 0..200), profile in select(&PROFILES[..])) {
        let (mut sender, mut receiver) = pair(profile);
        prop_assert_eq!(receiver.unprotect_rtp(&mut bytes.clone()), None);
        prop_assert_eq!(receiver.unprotect_rtcp(&mut bytes.clone()), None);
        for len in [0, bytes.len() / 2, bytes.len(), bytes.len() + 1] {
            sender.protect_rtp(&mut bytes, len);
            sender.protect_rtcp(&mut bytes, len);
        }
    }
}
