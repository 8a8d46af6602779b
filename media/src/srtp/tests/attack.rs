//! What an attacker, a bad network or a wrong caller may try.

use starling_proto::transport::SrtpProfile;

use super::{
    super::{KeyLengthError, Receiver, ReceiverCounters, Sender, receiver::MAX_SSRCS},
    PROFILES, key, pair, protect_rtcp, protect_rtp, rtcp, rtp, unprotect_rtcp, unprotect_rtp,
};
use crate::command::SrtpKey;

#[test]
fn packets_sent_three_times_arrive_once() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut arrived = 0;
        for number in 0..5_000_u32 {
            let packet = rtp(7, (63_000 + number) as u16);
            let sent = protect_rtp(&mut sender, &packet);
            for _ in 0..3 {
                arrived += u32::from(unprotect_rtp(&mut receiver, &sent).is_some());
            }
        }
        assert_eq!(arrived, 5_000, "{profile:?}");
        assert_eq!(receiver.counters().replayed, 10_000);
        assert_eq!(receiver.counters().forged, 0);
    }
}

#[test]
fn window_reaches_back_1_023_packets() {
    let cases =
        [(0, true), (-1, true), (-127, true), (-128, true), (-1_023, true), (-1_024, false)];
    for (offset, wanted) in cases {
        let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
        let late = protect_rtp(&mut sender, &rtp(7, (5_000 + offset) as u16));
        let first = protect_rtp(&mut sender, &rtp(7, 3_000));
        let highest = protect_rtp(&mut sender, &rtp(7, 5_000));
        assert!(unprotect_rtp(&mut receiver, &first).is_some());
        if offset != 0 {
            assert!(unprotect_rtp(&mut receiver, &highest).is_some());
        }
        assert_eq!(unprotect_rtp(&mut receiver, &late).is_some(), wanted, "{offset}");
        assert!(unprotect_rtp(&mut receiver, &late).is_none(), "{offset} again");
    }
}

#[test]
fn window_moves_over_a_rollover() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    let sent: Vec<_> = (65_000..66_000_u32)
        .map(|number| protect_rtp(&mut sender, &rtp(7, number as u16)))
        .collect();
    assert!(unprotect_rtp(&mut receiver, &sent[0]).is_some());
    assert!(unprotect_rtp(&mut receiver, &sent[999]).is_some());
    for packet in &sent[1..999] {
        assert!(unprotect_rtp(&mut receiver, packet).is_some());
    }
    assert!(sent.iter().all(|packet| unprotect_rtp(&mut receiver, packet).is_none()));
}

#[test]
fn forgeries_change_nothing_but_a_counter() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let good = protect_rtp(&mut sender, &rtp(7, 100));
        assert!(unprotect_rtp(&mut receiver, &good).is_some());
        for number in 0..10_000_u32 {
            let mut forged = protect_rtp(&mut sender, &rtp(7, 101));
            // Half with the right SSRC and a sequence number far ahead, half with new SSRCs.
            if number % 2 == 0 {
                forged[2..4].copy_from_slice(&30_000_u16.to_be_bytes());
            } else {
                forged[8..12].copy_from_slice(&number.to_be_bytes());
            }
            if number == 7 {
                continue;
            }
            assert!(receiver.unprotect_rtp(&mut forged).is_none());
        }
        assert_eq!(receiver.counters().forged, 9_999);
        assert_eq!(receiver.streams(), (1, 0));
        let next = protect_rtp(&mut sender, &rtp(7, 101));
        assert!(unprotect_rtp(&mut receiver, &next).is_some(), "the window did not move");
    }
}

#[test]
fn rtcp_in_the_clear_is_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let packet = rtcp(5);
        let mut sealed = protect_rtcp(&mut sender, &packet);
        let index = match profile {
            SrtpProfile::AesCm128HmacSha1_80 | SrtpProfile::AesCm128HmacSha1_32 => {
                sealed.len() - 14
            }
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => sealed.len() - 4,
        };
        sealed[index] &= 0x7f;
        assert_eq!(unprotect_rtcp(&mut receiver, &sealed), None);
        let counted = ReceiverCounters { malformed: 1, ..ReceiverCounters::default() };
        assert_eq!(receiver.counters(), counted);
        let mut plain = packet.clone();
        plain.extend([0; 20]);
        assert_eq!(unprotect_rtcp(&mut receiver, &plain), None);
        assert_eq!(receiver.streams(), (0, 0));
    }
}

#[test]
fn rtcp_is_replayed_once_and_late_rtcp_arrives() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let sent: Vec<_> = (0..40).map(|_| protect_rtcp(&mut sender, &rtcp(5))).collect();
        assert_eq!(unprotect_rtcp(&mut receiver, &sent[39]), Some(rtcp(5)));
        assert_eq!(unprotect_rtcp(&mut receiver, &sent[3]), Some(rtcp(5)));
        assert_eq!(unprotect_rtcp(&mut receiver, &sent[3]), None);
        let mut forged = sent[5].clone();
        forged[9] ^= 1;
        assert_eq!(unprotect_rtcp(&mut receiver, &forged), None);
        let counted = ReceiverCounters { malformed: 0, replayed: 1, forged: 1 };
        assert_eq!(receiver.counters(), counted);
    }
}

#[test]
fn the_other_profiles_and_directions_key_opens_nothing() {
    let (mut sender, _) = pair(SrtpProfile::AeadAes128Gcm);
    let sent = protect_rtp(&mut sender, &rtp(7, 1));
    let other = SrtpKey { key: vec![9; 16], salt: vec![9; 12] };
    let mut stranger = Receiver::new(SrtpProfile::AeadAes128Gcm, &other).unwrap();
    assert_eq!(unprotect_rtp(&mut stranger, &sent), None);
    let (_, mut counter_mode) = pair(SrtpProfile::AesCm128HmacSha1_80);
    assert_eq!(unprotect_rtp(&mut counter_mode, &sent), None);
}

#[test]
fn one_byte_extension_id_15_does_not_stop_decryption() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut packet = rtp(7, 1);
        packet[0] |= 0x10;
        packet.splice(12..12, [0xbe, 0xde, 0, 1, 0xf3, 1, 2, 3]);
        let sent = protect_rtp(&mut sender, &packet);
        assert_eq!(sent[..20], packet[..20], "header and extension stay in the clear");
        assert_eq!(unprotect_rtp(&mut receiver, &sent), Some(packet));
    }
}

#[test]
fn more_ssrcs_than_the_bound_evict_the_one_unused_for_longest() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..MAX_SSRCS as u32 {
        let sent = protect_rtp(&mut sender, &rtp(ssrc, 1));
        assert!(unprotect_rtp(&mut receiver, &sent).is_some());
    }
    let old = protect_rtp(&mut sender, &rtp(0, 2));
    assert!(unprotect_rtp(&mut receiver, &old).is_some());
    let one_more = protect_rtp(&mut sender, &rtp(1_000_000, 1));
    assert!(unprotect_rtp(&mut receiver, &one_more).is_some());
    assert_eq!(receiver.streams().0, MAX_SSRCS);
    assert!(unprotect_rtp(&mut receiver, &old).is_none(), "SSRC 0 was used last but one: kept");
    assert!(unprotect_rtp(&mut receiver, &one_more).is_none());
    let next = protect_rtp(&mut sender, &rtp(77, 2));
    assert!(unprotect_rtp(&mut receiver, &next).is_some());
}

#[test]
fn a_repeated_sequence_number_is_the_same_packet_again() {
    for profile in PROFILES {
        let (mut sender, _) = pair(profile);
        let first = protect_rtp(&mut sender, &rtp(7, 65_535));
        protect_rtp(&mut sender, &rtp(7, 0));
        assert_eq!(protect_rtp(&mut sender, &rtp(7, 65_535)), first);
        let gcm = matches!(profile, SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm);
        assert_eq!(sender.may_repeat_with_changed_header(), !gcm);
    }
}

#[test]
fn a_repetition_from_before_the_rollover_does_not_turn_the_counter_back() {
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    let repeated = protect_rtp(&mut sender, &rtp(7, 60_000));
    let after_rollover = protect_rtp(&mut sender, &rtp(7, 20_000));
    assert_eq!(protect_rtp(&mut sender, &rtp(7, 60_000)), repeated);
    let next = protect_rtp(&mut sender, &rtp(7, 28_000));
    for packet in [repeated, after_rollover, next] {
        assert!(unprotect_rtp(&mut receiver, &packet).is_some());
    }
}

#[test]
fn without_room_or_rtp_header_the_buffer_stays_as_it_was() {
    let (mut sender, _) = pair(SrtpProfile::AeadAes128Gcm);
    let mut exact = rtp(7, 1);
    let len = exact.len();
    assert_eq!(sender.protect_rtp(&mut exact, len), None);
    assert_eq!(sender.protect_rtp(&mut exact, len + 1), None);
    assert_eq!(sender.protect_rtcp(&mut exact, len), None);
    assert_eq!(exact, rtp(7, 1));
    let mut no_rtp = vec![0; 64];
    assert_eq!(sender.protect_rtp(&mut no_rtp, 40), None);
    let mut extension_beyond_the_end = rtp(7, 1);
    extension_beyond_the_end[0] |= 0x10;
    extension_beyond_the_end.resize(64, 0xff);
    assert_eq!(sender.protect_rtp(&mut extension_beyond_the_end, 16), None);
}

#[test]
fn wrong_key_lengths_are_refused() {
    for profile in PROFILES {
        let mut short = key(profile);
        short.key.pop();
        assert_eq!(Sender::new(profile, &short).err(), Some(KeyLengthError));
        let mut long = key(profile);
        long.salt.push(0);
        assert_eq!(Receiver::new(profile, &long).err(), Some(KeyLengthError));
    }
}
