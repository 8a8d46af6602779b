use proptest::prelude::*;

use super::*;

/// CSRC 1; elements 1 = "ab", 6 = [0x55]; payload [7, 8, 9]; two bytes of padding.
const PACKET: [u8; 33] = [
    0xb1, 0xe0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 1, 0xbe, 0xde, 0, 2, 0x11, b'a', b'b', 0x60,
    0x55, 0, 0, 0, 7, 8, 9, 0, 2,
];

const FIELDS: Outgoing = Outgoing {
    payload_type: 101,
    marker: true,
    sequence: 0x1122,
    timestamp: 0x3344_5566,
    ssrc: 0x7788_99aa,
    osn: None,
};

fn write(packet: &[u8], fields: &Outgoing, plan: &ExtensionPlan) -> (Vec<u8>, Written) {
    let header = RtpHeader::parse(packet).unwrap();
    let mut out = vec![0xee; 5];
    let written = write_packet(&mut out, &header, packet, fields, plan, None);
    assert_eq!(written.start, 5);
    (out, written)
}

#[test]
fn packet_gets_the_receivers_fields_and_extensions() {
    let mut plan = ExtensionPlan::new();
    plan.constant(1, b"mid");
    plan.abs_send_time(4);
    plan.twcc(5);
    plan.copy(6, 10);
    let (out, written) = write(&PACKET, &FIELDS, &plan);
    let packet = &out[5..];
    let expected = [
        0x91, 0xe5, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0, 0, 0, 1, 0xbe,
        0xde, 0, 4, 0x12, b'm', b'i', b'd', 0x42, 0, 0, 0, 0x51, 0, 0, 0xa0, 0x55, 0, 0, 0, 7, 8,
        9,
    ];
    assert_eq!(packet, expected);
    let header = RtpHeader::parse(packet).unwrap();
    assert_eq!(written.payload, 5 + header.header_len);
    assert_eq!(written.body, written.payload);
    assert_eq!(written.abs_send_time, Some(5 + 25));
    assert_eq!(written.twcc, Some(5 + 29));
}

#[test]
fn no_extensions_need_no_block() {
    let (out, written) = write(&PACKET, &FIELDS, &ExtensionPlan::new());
    let header = RtpHeader::parse(&out[5..]).unwrap();
    assert_eq!((out[5], header.header_len), (0x81, 16));
    assert_eq!(header.payload(&out[5..]), [7, 8, 9]);
    assert_eq!((written.abs_send_time, written.twcc), (None, None));
}

#[test]
fn large_ids_or_values_make_it_two_byte() {
    let mut plan = ExtensionPlan::new();
    plan.twcc(5);
    plan.copy(1, 20);
    let (out, written) = write(&PACKET, &FIELDS, &plan);
    assert_eq!(out[5 + 16..5 + 18], [0x10, 0x00]);
    let header = RtpHeader::parse(&out[5..]).unwrap();
    assert_eq!(header.extension(&out[5..], 20), Some(&b"ab"[..]));
    assert_eq!(written.twcc, Some(5 + 22));

    let mut plan = ExtensionPlan::new();
    plan.constant(1, &[1; 17]);
    plan.abs_send_time(4);
    let (out, written) = write(&PACKET, &FIELDS, &plan);
    let header = RtpHeader::parse(&out[5..]).unwrap();
    assert_eq!(header.extension(&out[5..], 1), Some(&[1u8; 17][..]));
    let at = written.abs_send_time.unwrap();
    assert_eq!(out[at - 2..at], [4, 3]);
}

#[test]
fn retransmission_carries_the_original_sequence_and_decodes_to_it() {
    let fields = Outgoing { osn: Some(0xabcd), ..FIELDS };
    let (out, written) = write(&PACKET, &fields, &ExtensionPlan::new());
    assert_eq!(written.payload, written.body + 2);
    let mut packet = out[5..].to_vec();
    let header = RtpHeader::parse(&packet).unwrap();
    let media = rtx_decode(&header, &mut packet, 42, 96).unwrap();
    let header = RtpHeader::parse(media).unwrap();
    assert_eq!((header.ssrc, header.payload_type, header.sequence), (42, 96, 0xabcd));
    assert_eq!((header.timestamp, header.marker), (FIELDS.timestamp, true));
    assert_eq!(header.payload(media), [7, 8, 9]);
    assert_eq!(header.csrcs(media), [0, 0, 0, 1]);
}

#[test]
fn decoded_retransmission_has_no_padding() {
    let mut packet = vec![0xa0, 97, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 5, 7, 0, 2];
    let header = RtpHeader::parse(&packet).unwrap();
    let media = rtx_decode(&header, &mut packet, 42, 96).unwrap();
    let header = RtpHeader::parse(media).unwrap();
    assert_eq!((header.sequence, header.padding_len, header.payload(media)), (5, 0, &[7u8][..]));
}

#[test]
fn padding_probe_is_no_retransmission() {
    let mut packet = vec![0xa0, 97, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 3];
    let header = RtpHeader::parse(&packet).unwrap();
    assert!(rtx_decode(&header, &mut packet, 42, 96).is_none());
}

#[test]
fn padding_ends_with_its_length_and_is_added_once() {
    let (mut out, written) = write(&PACKET, &FIELDS, &ExtensionPlan::new());
    let len = out.len();
    pad(&mut out, written.start, 0);
    assert_eq!(out.len(), len);
    pad(&mut out, written.start, 3);
    assert_eq!(out[len..], [0, 0, 3]);
    let header = RtpHeader::parse(&out[5..]).unwrap();
    assert_eq!((header.padding_len, header.payload(&out[5..])), (3, &[7u8, 8, 9][..]));
    pad(&mut out, written.start, 3);
    assert_eq!(out.len(), len + 3);
    let mut one = out[..len].to_vec();
    one[5] &= !0x20;
    pad(&mut one, 5, 1);
    assert_eq!(one[len..], [1]);
}

#[test]
fn rules_beyond_the_bound_are_ignored() {
    let mut plan = ExtensionPlan::new();
    for id in 1..=40 {
        plan.copy(100 + id, id);
    }
    assert_eq!(plan.wide.len(), MAX_ELEMENTS);
    plan.twcc(5);
    let (_, written) = write(&PACKET, &FIELDS, &plan);
    assert_eq!(written.twcc, None);
}

proptest! {
    #[test]
    fn every_planned_extension_arrives(
        incoming in prop::collection::btree_map(
            1u8..15,
            prop::collection::vec(any::<u8>(), 1..17),
            0..6,
        ),
        shift in 0u8..30,
        mid in prop::collection::vec(any::<u8>(), 0..20),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        wide in any::<bool>(),
    ) {
        // Written by a plan of constants, then rewritten by a plan of copies.
        let mut plan = ExtensionPlan::new();
        for (id, value) in &incoming {
            plan.constant(*id + if wide { 20 } else { 0 }, value);
        }
        let mut bare = vec![0x80, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bare.extend_from_slice(&payload);
        let header = RtpHeader::parse(&bare).unwrap();
        let mut first = Vec::new();
        write_packet(&mut first, &header, &bare, &FIELDS, &plan, None);

        let mut plan = ExtensionPlan::new();
        plan.constant(60, &mid);
        plan.twcc(61);
        for id in incoming.keys() {
            plan.copy(*id + if wide { 20 } else { 0 }, *id + shift);
        }
        let header = RtpHeader::parse(&first).unwrap();
        let mut second = Vec::new();
        let written = write_packet(&mut second, &header, &first, &FIELDS, &plan, None);
        let twcc = written.twcc.unwrap();
        second[twcc..twcc + 2].copy_from_slice(&[0xaa, 0xbb]);
        let header = RtpHeader::parse(&second).unwrap();
        prop_assert_eq!(header.header_len, written.payload);
        prop_assert_eq!(header.payload(&second), payload.as_slice());
        prop_assert_eq!(header.extension(&second, 60), Some(mid.as_slice()));
        prop_assert_eq!(header.extension(&second, 61), Some(&[0xaau8, 0xbb][..]));
        for (id, value) in &incoming {
            prop_assert_eq!(header.extension(&second, id + shift), Some(value.as_slice()));
        }
    }
}

#[test]
fn a_rewritten_element_has_the_value_given_in_either_form() {
    let mut plan = ExtensionPlan::new();
    plan.rewrite(6, 7);
    plan.copy(1, 8);
    let header = RtpHeader::parse(&PACKET).unwrap();
    for value in [&[9, 9, 9, 9][..], &[7; 40]] {
        let mut out = Vec::new();
        write_packet(&mut out, &header, &PACKET, &FIELDS, &plan, Some(value));
        let written = RtpHeader::parse(&out).unwrap();
        assert_eq!(written.extension(&out, 7), Some(value));
        assert_eq!(written.extension(&out, 8), Some(&b"ab"[..]));
        assert_eq!(written.payload(&out), [7, 8, 9]);
    }
}
