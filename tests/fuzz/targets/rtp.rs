//! RTP packets: header, extensions, and the way from a sender's packet to a receiver's, where
//! CVE-2025-49140 of another implementation was.

use starling_media::rtp::{
    ExtensionPlan, Outgoing, PacketClass, RtpHeader, classify, is_rtcp, pad, rtx_decode,
    write_packet,
};

use super::{DATAGRAM, Kind, Target, behaviour, size};
use crate::packets;

pub(super) const KIND: Kind = Kind {
    name: "rtp",
    about: "RtpHeader::parse, extensions, write_packet, rtx_decode",
    cost: 1,
    max_len: DATAGRAM,
    words: &[&[0xbe, 0xde], &[0x10, 0x00], &[0x10, 0x0f], &[0xf0], &[0xb0], &[0x90, 0x60]],
    seeds,
    make: || Box::new(Rtp { plans: plans(), out: Vec::new() }),
};

struct Rtp {
    plans: Vec<ExtensionPlan>,
    out: Vec<u8>,
}

/// None, one-byte form, and what only two-byte form can carry.
fn plans() -> Vec<ExtensionPlan> {
    let mut narrow = ExtensionPlan::new();
    narrow.constant(1, b"mid");
    narrow.abs_send_time(4);
    narrow.twcc(5);
    narrow.copy(1, 6);
    narrow.copy(13, 8);
    let mut wide = ExtensionPlan::new();
    wide.constant(1, &[7; 20]);
    wide.copy(200, 15);
    wide.copy(1, 201);
    wide.twcc(5);
    vec![ExtensionPlan::new(), narrow, wide]
}

impl Target for Rtp {
    fn run(&mut self, input: &[u8]) -> u64 {
        let class = match classify(input.first().copied().unwrap_or_default()) {
            PacketClass::Stun => 0,
            PacketClass::Dtls => 1,
            PacketClass::RtpOrRtcp => 2,
            PacketClass::Other => 3,
        };
        let Some(header) = RtpHeader::parse(input) else {
            return behaviour((class, is_rtcp(input)));
        };
        assert!(header.header_len + header.padding_len <= input.len(), "lengths inside the packet");
        let payload = header.payload(input);
        let mut elements = 0;
        for (id, range) in header.extensions(input) {
            assert!(id != 0 && range.end <= header.header_len, "an element outside the header");
            elements += 1;
        }
        for plan in &self.plans {
            forwarded(input, &header, plan, &mut self.out);
        }
        let mut copy = input.to_vec();
        let decoded = rtx_decode(&header, &mut copy, 7, 96).map(|media| {
            let media_header = RtpHeader::parse(media).expect("a repetition is a packet");
            assert_eq!(media_header.ssrc, 7);
            assert_eq!(media_header.payload(media), &payload[2..]);
        });
        behaviour((class, elements, size(payload.len()), header.padding_len > 0, decoded.is_some()))
    }
}

/// What a receiver gets is a packet with the sender's payload.
fn forwarded(input: &[u8], header: &RtpHeader, plan: &ExtensionPlan, out: &mut Vec<u8>) {
    out.clear();
    out.push(0xee);
    let fields = Outgoing {
        payload_type: 101,
        marker: header.marker,
        sequence: 1,
        timestamp: 2,
        ssrc: 3,
        osn: None,
    };
    let written = write_packet(out, header, input, &fields, plan, None);
    pad(out, written.start, 3);
    let packet = &out[written.start..];
    let read = RtpHeader::parse(packet).expect("what we write is a packet");
    assert_eq!((read.payload_type, read.sequence, read.ssrc, read.padding_len), (101, 1, 3, 3));
    assert_eq!(read.payload(packet), header.payload(input));
    assert_eq!(out[0], 0xee);
}

fn seeds() -> Vec<Vec<u8>> {
    let mut two_byte = packets::rtp(96, 1, 2, false, &[], &[1; 8]);
    two_byte[0] |= 0x10;
    two_byte.splice(12..12, [0x10, 0x00, 0, 2, 1, 1, 0xaa, 200, 2, 1, 2, 0]);
    let mut padded = packets::rtp(97, 1, 3, true, &[(4, b"0")], &[0, 9, 1, 2, 3]);
    padded[0] |= 0x20;
    padded.extend_from_slice(&[0, 0, 0, 4]);
    let mut contributed = packets::rtp(111, 1, 4, true, &[], &[0xf8, 0xff, 0xfe]);
    contributed[0] |= 2;
    contributed.splice(12..12, [0, 0, 0, 8, 0, 0, 0, 9]);
    vec![
        packets::rtp(111, 1, 1, true, &[(1, &[0x85]), (4, b"0")], &[0xf8, 0xff, 0xfe]),
        packets::rtp(
            96,
            2,
            1,
            false,
            &[(4, b"1"), (10, b"r0"), (3, &[0, 1])],
            &packets::vp8(true, 1, 1, 0),
        ),
        two_byte,
        padded,
        contributed,
    ]
}
