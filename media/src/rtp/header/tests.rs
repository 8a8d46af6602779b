use proptest::prelude::*;
use webrtc_util::marshal::Unmarshal;

use super::*;

/// V=2, PT 96, marker, sequence 0x1234, timestamp 0x01020304, SSRC 0x0a0b0c0d.
const FIXED: [u8; 12] = [0x80, 0xe0, 0x12, 0x34, 1, 2, 3, 4, 0x0a, 0x0b, 0x0c, 0x0d];

fn with(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut packet = FIXED.to_vec();
    packet[0] = first;
    packet.extend_from_slice(rest);
    packet
}

fn ids(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let header = RtpHeader::parse(packet).unwrap();
    header.extensions(packet).map(|(id, range)| (id, packet[range].to_vec())).collect()
}

#[test]
fn fixed_fields_are_read() {
    let packet = with(0x80, &[9, 9]);
    let header = RtpHeader::parse(&packet).unwrap();
    assert!(header.marker);
    assert_eq!((header.payload_type, header.sequence), (96, 0x1234));
    assert_eq!((header.timestamp, header.ssrc), (0x0102_0304, 0x0a0b_0c0d));
    assert_eq!((header.header_len, header.padding_len), (12, 0));
    assert_eq!(header.payload(&packet), [9, 9]);
}

#[test]
fn csrcs_come_before_the_payload() {
    let packet = with(0x82, &[0, 0, 0, 1, 0, 0, 0, 2, 7]);
    let header = RtpHeader::parse(&packet).unwrap();
    assert_eq!(header.csrcs(&packet), [0, 0, 0, 1, 0, 0, 0, 2]);
    assert_eq!(header.payload(&packet), [7]);
}

#[test]
fn padding_is_no_payload() {
    let packet = with(0xa0, &[7, 0, 0, 3]);
    let header = RtpHeader::parse(&packet).unwrap();
    assert_eq!((header.padding_len, header.payload(&packet)), (3, &[7u8][..]));
}

#[test]
fn padding_may_be_all_there_is_but_not_more() {
    assert_eq!(RtpHeader::parse(&with(0xa0, &[0, 2])).unwrap().padding_len, 2);
    assert_eq!(RtpHeader::parse(&with(0xa0, &[0, 3])), None);
    assert_eq!(RtpHeader::parse(&with(0xa0, &[1, 0])), None);
    assert_eq!(RtpHeader::parse(&with(0xa0, &[])), None);
}

#[test]
fn other_versions_and_short_packets_are_none() {
    assert_eq!(RtpHeader::parse(&with(0x40, &[])), None);
    assert_eq!(RtpHeader::parse(&FIXED[..11]), None);
    assert_eq!(RtpHeader::parse(&with(0x81, &[0, 0, 0])), None);
    assert_eq!(RtpHeader::parse(&with(0x90, &[0xbe, 0xde, 0])), None);
    assert_eq!(RtpHeader::parse(&with(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0])), None);
}

#[test]
fn one_byte_elements_and_their_padding() {
    let packet = with(0x90, &[0xbe, 0xde, 0, 2, 0x10, b'a', 0, 0x32, 1, 2, 3, 0, 0xff]);
    assert_eq!(ids(&packet), [(1, b"a".to_vec()), (3, vec![1, 2, 3])]);
    let header = RtpHeader::parse(&packet).unwrap();
    assert_eq!(header.extension(&packet, 3), Some(&[1u8, 2, 3][..]));
    assert_eq!(header.extension(&packet, 2), None);
    assert_eq!(header.payload(&packet), [0xff]);
}

#[test]
fn id_15_ends_the_one_byte_form() {
    let packet = with(0x90, &[0xbe, 0xde, 0, 2, 0x10, 1, 0xf0, 2, 0x20, 3, 0, 0]);
    assert_eq!(ids(&packet), [(1, vec![1])]);
}

#[test]
fn id_0_with_a_length_ends_the_one_byte_form() {
    let packet = with(0x90, &[0xbe, 0xde, 0, 2, 0x10, 1, 0x01, 2, 0x20, 3, 0, 0]);
    assert_eq!(ids(&packet), [(1, vec![1])]);
}

#[test]
fn two_byte_elements_may_be_empty_and_have_large_ids() {
    for profile in [0x00, 0x0f] {
        let packet = with(0x90, &[0x10, profile, 0, 2, 15, 0, 0, 200, 2, 8, 9, 0]);
        assert_eq!(ids(&packet), [(15, vec![]), (200, vec![8, 9])]);
    }
}

#[test]
fn element_past_the_block_is_not_read_from_the_payload() {
    let packet = with(0x90, &[0xbe, 0xde, 0, 1, 0x13, 1, 2, 3, 4, 5, 6]);
    assert!(ids(&packet).is_empty());
    let packet = with(0x90, &[0x10, 0x00, 0, 1, 1, 3, 1, 2, 3, 4]);
    assert!(ids(&packet).is_empty());
}

#[test]
fn unknown_profiles_have_no_elements() {
    assert!(ids(&with(0x90, &[0x12, 0x34, 0, 1, 0x10, 1, 0, 0])).is_empty());
}

#[test]
fn datagrams_are_told_apart_by_their_first_bytes() {
    let of = |first| classify(first);
    assert_eq!([0, 3].map(of), [PacketClass::Stun; 2]);
    assert_eq!([20, 63].map(of), [PacketClass::Dtls; 2]);
    assert_eq!([128, 191].map(of), [PacketClass::RtpOrRtcp; 2]);
    assert_eq!([4, 19, 64, 127, 192, 255].map(of), [PacketClass::Other; 6]);
    assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x80, 192]) && is_rtcp(&[0x80, 223]));
    assert!(!is_rtcp(&[0x80, 191]) && !is_rtcp(&[0x80, 224]) && !is_rtcp(&[0x80]));
}

proptest! {
    #[test]
    fn whatever_comes_stays_inside_the_packet(
        mut packet in prop::collection::vec(any::<u8>(), 0..80),
        likely in any::<bool>(),
    ) {
        if likely && packet.len() > 16 {
            packet[0] = 0x90 | (packet[0] & 0x20);
            packet[12..14].copy_from_slice(&[0xbe, 0xde]);
            packet[14] = 0;
            packet[15] %= 16;
        }
        let Some(header) = RtpHeader::parse(&packet) else { return Ok(()) };
        prop_assert!(header.header_len + header.padding_len <= packet.len());
        let mut last = 12;
        for (id, range) in header.extensions(&packet) {
            prop_assert!(id != 0 && range.start > last && range.end <= header.header_len);
            last = range.end.max(range.start);
        }
    }

    #[test]
    fn agrees_with_another_implementation(
        sequence in any::<u16>(),
        timestamp in any::<u32>(),
        csrc in prop::collection::vec(any::<u32>(), 0..4),
        elements in prop::collection::btree_map(
            1u8..15,
            prop::collection::vec(any::<u8>(), 1..17),
            0..5,
        ),
        payload in prop::collection::vec(any::<u8>(), 1..30),
    ) {
        use webrtc_util::marshal::Marshal;
        let mut header = ::rtp::header::Header {
            version: 2, sequence_number: sequence, timestamp, csrc: csrc.clone(), ssrc: 7,
            ..Default::default()
        };
        for (id, value) in &elements {
            header.set_extension(*id, value.clone().into()).unwrap();
        }
        let packet = ::rtp::packet::Packet { header, payload: payload.clone().into() };
        let bytes = packet.marshal().unwrap();
        let ours = RtpHeader::parse(&bytes).unwrap();
        prop_assert_eq!((ours.sequence, ours.timestamp, ours.ssrc), (sequence, timestamp, 7));
        prop_assert_eq!(ours.csrcs(&bytes).len(), 4 * csrc.len());
        prop_assert_eq!(ours.payload(&bytes), payload.as_slice());
        for (id, value) in &elements {
            prop_assert_eq!(ours.extension(&bytes, *id), Some(value.as_slice()));
        }
        let theirs = ::rtp::packet::Packet::unmarshal(&mut &bytes[..]).unwrap();
        prop_assert_eq!(theirs.payload, payload);
    }
}
