//! SRTP and SRTCP: whatever comes is refused unless it is authentic, and what we protect is read
//! back.

use starling_media::{
    command::SrtpKey,
    srtp::{MAX_OVERHEAD, Receiver, Sender},
};
use starling_proto::transport::SrtpProfile;

use super::{DATAGRAM, Kind, Target, behaviour, size};
use crate::packets;

pub(super) const SRTP: Kind = Kind {
    name: "srtp",
    about: "Receiver::unprotect_rtp of forged and authentic packets",
    cost: 4,
    max_len: DATAGRAM,
    words: &[&[0x90, 0x60], &[0xbe, 0xde, 0xff, 0xff]],
    seeds: || {
        vec![
            packets::rtp(96, 1, 1, false, &[(3, &[0, 1])], &[7; 40]),
            packets::rtp(111, 2, 65_535, true, &[], &[7; 20]),
        ]
    },
    make: || Box::new(Srtp::new(false)),
};

pub(super) const SRTCP: Kind = Kind {
    name: "srtcp",
    about: "Receiver::unprotect_rtcp of forged and authentic packets",
    cost: 4,
    max_len: DATAGRAM,
    words: &[&[0x80, 200], &[0x81, 201], &[0x80, 0, 0, 1], &[0x7f, 0xff, 0xff, 0xff]],
    seeds: || {
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
        report.extend_from_slice(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        vec![
            report,
            vec![
                0x80, 200, 0, 6, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5,
                5, 5,
            ],
        ]
    },
    make: || Box::new(Srtp::new(true)),
};

/// A pair loses its memory of SSRCs after so many inputs: a sender refuses new ones at 65,536.
const LIFE: u64 = 20_000;

struct Pair {
    profile: SrtpProfile,
    sender: Sender,
    receiver: Receiver,
}

impl Pair {
    fn new(profile: SrtpProfile, key: usize, salt: usize) -> Self {
        let key = SrtpKey { key: vec![3; key], salt: vec![4; salt] };
        let right = "the key has the profile's lengths";
        Self {
            profile,
            sender: Sender::new(profile, &key).expect(right),
            receiver: Receiver::new(profile, &key).expect(right),
        }
    }

    fn all() -> Vec<Self> {
        vec![
            Self::new(SrtpProfile::AeadAes128Gcm, 16, 12),
            Self::new(SrtpProfile::AeadAes256Gcm, 32, 12),
            Self::new(SrtpProfile::AesCm128HmacSha1_80, 16, 14),
            Self::new(SrtpProfile::AesCm128HmacSha1_32, 16, 14),
        ]
    }
}

struct Srtp {
    rtcp: bool,
    pairs: Vec<Pair>,
    runs: u64,
}

impl Srtp {
    fn new(rtcp: bool) -> Self {
        Self { rtcp, pairs: Pair::all(), runs: 0 }
    }
}

impl Target for Srtp {
    fn run(&mut self, input: &[u8]) -> u64 {
        self.runs += 1;
        if self.runs.is_multiple_of(LIFE) {
            self.pairs = Pair::all();
        }
        let rtcp = self.rtcp;
        let results = self.pairs.iter_mut().map(|pair| {
            let mut forged = input.to_vec();
            let open = |receiver: &mut Receiver, packet: &mut [u8]| {
                if rtcp { receiver.unprotect_rtcp(packet) } else { receiver.unprotect_rtp(packet) }
            };
            assert_eq!(open(&mut pair.receiver, &mut forged), None, "no input knows the key");
            let mut packet = input.to_vec();
            packet.resize(input.len() + MAX_OVERHEAD, 0);
            let sealed = if rtcp {
                pair.sender.protect_rtcp(&mut packet, input.len())
            } else {
                pair.sender.protect_rtp(&mut packet, input.len())
            };
            let Some(len) = sealed else { return 0 };
            packet.truncate(len);
            let flip = usize::from(input[0]) * 7 % len;
            let mut changed = packet.clone();
            changed[flip] ^= 1;
            assert_eq!(
                open(&mut pair.receiver, &mut changed),
                None,
                "{:?} byte {flip}",
                pair.profile
            );
            match open(&mut pair.receiver, &mut packet) {
                Some(read) => {
                    assert_eq!(packet[..read], *input, "{:?}", pair.profile);
                    assert_eq!(open(&mut pair.receiver, &mut packet), None, "a packet counts once");
                    1
                }
                // An index that was seen, or is too old.
                None => 2,
            }
        });
        behaviour((
            results.collect::<Vec<_>>(),
            size(input.len()),
            input.first().map(|byte| byte >> 4),
        ))
    }
}
