use proptest::prelude::*;
use webrtc_util::marshal::{Marshal, Unmarshal};

use super::*;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0x0102_0304,
    fraction_lost: 64,
    total_lost: -2,
    highest_sequence: 0x0001_ffff,
    jitter: 17,
    last_sr: 0xaabb_ccdd,
    delay_since_last_sr: 65_536,
};

const INFO: SenderInfo = SenderInfo {
    ssrc: 9,
    ntp: NtpTime(0x1122_3344_5566_7788),
    timestamp: 90_000,
    packets: 10,
    octets: 1000,
};

fn built(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    build(&mut out);
    out
}

fn read(bytes: &[u8]) -> Vec<RtcpItem> {
    let mut items = Vec::new();
    assert_eq!(parse(bytes, &mut items), 0, "{bytes:02x?}");
    items
}

#[test]
fn compound_reads_as_it_was_built() {
    let dlrr = DlrrBlock { ssrc: 3, last_rr: 4, delay: 5 };
    let bytes = built(|out| {
        build::sender_report(out, &INFO, &[BLOCK]);
        build::sdes_cname(out, 9, "star");
        build::xr_dlrr(out, 9, &[dlrr]);
        build::receiver_report(out, 1, &[BLOCK, BLOCK]);
        build::xr_receiver_reference_time(out, 1, NtpTime(77));
        build::pli(out, 1, 2);
        build::fir(out, 1, &[(2, 5), (3, 6)]);
        build::bye(out, &[9, 8]);
    });
    let expected = [
        RtcpItem::Sr { info: INFO, blocks: vec![BLOCK] },
        RtcpItem::SdesCname { ssrc: 9, cname: b"star".to_vec() },
        RtcpItem::XrDlrr { ssrc: 9, blocks: vec![dlrr] },
        RtcpItem::Rr { ssrc: 1, blocks: vec![BLOCK, BLOCK] },
        RtcpItem::XrRrt { ssrc: 1, ntp: NtpTime(77) },
        RtcpItem::Pli { sender: 1, media: 2 },
        RtcpItem::Fir { sender: 1, entries: vec![(2, 5), (3, 6)] },
        RtcpItem::Bye { ssrcs: vec![9, 8] },
    ];
    assert_eq!(read(&bytes), expected);
}

#[test]
fn bytes_are_the_rfcs() {
    let pli = built(|out| build::pli(out, 0x0a0b_0c0d, 0x0102_0304));
    assert_eq!(pli, [0x81, 206, 0, 2, 0x0a, 0x0b, 0x0c, 0x0d, 1, 2, 3, 4]);
    let cname = built(|out| build::sdes_cname(out, 1, "ab"));
    assert_eq!(cname, [0x81, 202, 0, 3, 0, 0, 0, 1, 1, 2, b'a', b'b', 0, 0, 0, 0]);
    let cname = built(|out| build::sdes_cname(out, 1, "abcde"));
    assert_eq!(cname.len(), 16);
    let rrt = built(|out| build::xr_receiver_reference_time(out, 1, NtpTime(2)));
    assert_eq!(rrt, [0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2]);
    let nack = built(|out| assert_eq!(build::nack(out, 1, 2, &[7, 8, 23, 24], 100), 4));
    assert_eq!(nack, [0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0x80, 1, 0, 24, 0, 0]);
    let remb = built(|out| build::remb(out, 1, 1_000_000, &[2]));
    assert_eq!(remb[8..], [0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0x0b, 0xd0, 0x90, 0, 0, 0, 2]);
}

#[test]
fn transport_feedback_is_the_drafts() {
    let mut symbols = twcc::Symbols::default();
    symbols.received(4);
    symbols.lost();
    symbols.received(-1);
    let head = twcc::Feedback {
        sender_ssrc: 1,
        media_ssrc: 2,
        base_sequence: 0x0506,
        reference_time: 0x0007_0809,
        feedback_count: 10,
    };
    let bytes = built(|out| head.write(&symbols, out));
    let expected = [
        0xaf, 205, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 5, 6, 0, 3, 7, 8, 9, 10, 0xd2, 0x00, 4, 0xff,
        0xff, 0, 0, 3,
    ];
    assert_eq!(bytes, expected);
    let feedback = TwccFeedback {
        sender: 1,
        media: 2,
        base_sequence: 0x0506,
        reference_time: 0x0007_0809,
        feedback_count: 10,
        deltas: vec![Some(4), None, Some(-1)],
    };
    assert_eq!(read(&bytes), [RtcpItem::Twcc(feedback)]);
}

#[test]
fn longest_feedback_stays_within_a_compound() {
    let mut symbols = twcc::Symbols::default();
    for at in 0..twcc::MAX_STATUSES {
        if at % 9 == 8 { symbols.lost() } else { symbols.received(-5) }
    }
    let head = twcc::Feedback {
        sender_ssrc: 1,
        media_ssrc: 2,
        base_sequence: 0,
        reference_time: 0,
        feedback_count: 0,
    };
    assert!(built(|out| head.write(&symbols, out)).len() <= MAX_COMPOUND);
}

#[test]
fn nack_stops_at_its_room() {
    let lost: Vec<u16> = (0..100).map(|n| n * 100).collect();
    let mut out = Vec::new();
    assert_eq!(build::nack(&mut out, 1, 2, &lost, 12 + 4 * 3 + 3), 3);
    assert_eq!(out.len(), 24);
    assert_eq!(build::nack(&mut out, 1, 2, &lost, 15), 0);
    assert_eq!(build::nack(&mut out, 1, 2, &[], 100), 0);
    assert_eq!(out.len(), 24);
}

#[test]
fn reports_hold_31_blocks() {
    let bytes = built(|out| build::receiver_report(out, 1, &[BLOCK; 40]));
    let [RtcpItem::Rr { blocks, .. }] = &read(&bytes)[..] else { panic!() };
    assert_eq!((blocks.len(), bytes.len()), (31, 8 + 31 * 24));
}

#[test]
fn total_lost_is_clamped_to_24_bits() {
    for (lost, told) in [(1 << 30, 0x7f_ffff), (-(1 << 30), -0x80_0000), (5, 5)] {
        let block = ReportBlock { total_lost: lost, ..BLOCK };
        let bytes = built(|out| build::receiver_report(out, 1, &[block]));
        let [RtcpItem::Rr { blocks, .. }] = &read(&bytes)[..] else { panic!() };
        assert_eq!(blocks[0].total_lost, told);
    }
}

#[test]
fn broken_packet_is_counted_and_the_next_is_read() {
    let mut bytes = vec![0x81, 201, 0, 1, 0, 0, 0, 1];
    build::pli(&mut bytes, 1, 2);
    let mut items = Vec::new();
    assert_eq!(parse(&bytes, &mut items), 1);
    assert_eq!(items, [RtcpItem::Pli { sender: 1, media: 2 }]);
    // A length past the datagram, and another version, end the reading.
    assert_eq!(parse(&[0x80, 201, 0, 9, 0, 0, 0, 1], &mut items), 1);
    assert_eq!(parse(&[0x40, 201, 0, 1, 0, 0, 0, 1], &mut items), 1);
    assert_eq!(parse(&[0x80, 201, 0], &mut items), 1);
    assert_eq!(items.len(), 1);
}

#[test]
fn padding_is_taken_off_and_must_fit() {
    let bytes = [0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
    assert_eq!(read(&bytes), [RtcpItem::Pli { sender: 1, media: 2 }]);
    for padding in [0, 13] {
        let mut bytes = bytes;
        bytes[15] = padding;
        assert_eq!(parse(&bytes, &mut Vec::new()), 1, "{padding}");
    }
}

#[test]
fn needless_packets_are_named() {
    let other = |packet_type, count| RtcpItem::Other { packet_type, count };
    assert_eq!(read(&[0x80, 204, 0, 1, 0, 0, 0, 1]), [other(204, 0)]);
    assert_eq!(read(&[0x83, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]), [other(205, 3)]);
    let afb = [0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, b'X', b'Y', b'Z', b'A'];
    assert_eq!(read(&afb), [other(206, 15)]);
}

#[test]
fn endless_bitrate_saturates() {
    let mut bytes = built(|out| build::remb(out, 1, 5, &[]));
    bytes[17] = 0xff;
    let items = read(&bytes);
    let [RtcpItem::Remb { bitrate, .. }] = items[..] else { panic!() };
    assert_eq!(bitrate, u64::MAX);
}

#[test]
fn small_packet_cannot_tell_of_endless_losses() {
    // 65,535 packets in nine runs of 8,191 "not received".
    let mut bytes = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    bytes.extend([0x1f, 0xff].repeat(10));
    bytes[3] = (bytes.len() / 4 - 1) as u8;
    assert_eq!(parse(&bytes, &mut Vec::new()), 1);
    // Nor do ever so many empty runs.
    bytes[20..].fill(0);
    bytes[14..16].copy_from_slice(&[0, 9]);
    assert_eq!(parse(&bytes, &mut Vec::new()), 1);
}

#[test]
fn items_and_nacks_of_a_datagram_are_bounded() {
    let mut bytes = Vec::new();
    for _ in 0..500 {
        build::pli(&mut bytes, 1, 2);
    }
    let mut items = Vec::new();
    assert_eq!(parse(&bytes, &mut items), 1);
    assert_eq!(items.len(), parse::MAX_ITEMS);
    let mut bytes = vec![0x81, 205, 1, 0x02, 0, 0, 0, 1, 0, 0, 0, 2];
    bytes.resize(4 * 0x103, 0xff);
    let [RtcpItem::Nack { lost, .. }] = &read(&bytes)[..] else { panic!() };
    assert_eq!(lost.len(), parse::MAX_NACKED);
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_counted(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        kind in 200u8..208,
        count in 0u8..32,
    ) {
        parse_all(&bytes);
        if bytes.len() >= 4 {
            // Likely enough to get past the header.
            bytes[0] = 0x80 | (bytes[0] & 0x20) | count;
            bytes[1] = kind;
            bytes[2] = 0;
            bytes[3] = (bytes.len() / 4 - 1) as u8;
            if count == 15 && bytes.len() > 16 {
                bytes[12] = b'R';
                bytes[14] = 0;
            }
            parse_all(&bytes);
        }
    }

    #[test]
    fn nack_asks_for_what_it_was_given(
        start: u16, gaps in prop::collection::vec(1u16..40, 1..200),
    ) {
        let mut lost = vec![start];
        for gap in gaps {
            lost.push(lost[lost.len() - 1].wrapping_add(gap));
        }
        let bytes = built(|out| {
            assert_eq!(build::nack(out, 1, 2, &lost, 4000), lost.len());
        });
        prop_assert_eq!(read(&bytes), vec![RtcpItem::Nack { sender: 1, media: 2, lost }]);
    }

    #[test]
    fn bitrate_loses_at_most_its_lowest_bits(
        bitrate: u64,
        ssrcs in prop::collection::vec(any::<u32>(), 0..5),
    ) {
        let bytes = built(|out| build::remb(out, 1, bitrate, &ssrcs));
        let items = read(&bytes);
        let [RtcpItem::Remb { bitrate: told, ssrcs: of, .. }] = &items[..] else { panic!() };
        prop_assert!(*told <= bitrate && bitrate - told <= bitrate >> 17);
        prop_assert_eq!(of, &ssrcs);
    }

    #[test]
    fn another_implementation_reads_our_feedback(
        deltas in prop::collection::vec(
            prop_oneof![
                2 => Just(None),
                6 => (0i16..256).prop_map(Some),
                1 => any::<i16>().prop_map(Some),
            ],
            1..300,
        ),
    ) {
        use ::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
        let mut symbols = twcc::Symbols::default();
        for delta in &deltas {
            match delta {
                None => symbols.lost(),
                Some(delta) => symbols.received(*delta),
            }
        }
        let head = twcc::Feedback {
            sender_ssrc: 1, media_ssrc: 2, base_sequence: 3, reference_time: 4, feedback_count: 5,
        };
        let bytes = built(|out| head.write(&symbols, out));
        let items = read(&bytes);
        let [RtcpItem::Twcc(ours)] = &items[..] else { panic!() };
        prop_assert_eq!(&ours.deltas, &deltas);
        let theirs = TransportLayerCc::unmarshal(&mut &bytes[..]).unwrap();
        prop_assert_eq!(usize::from(theirs.packet_status_count), deltas.len());
        let received = deltas.iter().flatten().map(|delta| i64::from(*delta) * 250);
        let received: Vec<i64> = received.collect();
        let read: Vec<i64> = theirs.recv_deltas.iter().map(|delta| delta.delta).collect();
        prop_assert_eq!(read, received);
    }
}

#[test]
fn another_implementation_agrees_on_sender_reports() {
    let bytes = built(|out| build::sender_report(out, &INFO, &[BLOCK]));
    let theirs = ::rtcp::sender_report::SenderReport::unmarshal(&mut &bytes[..]).unwrap();
    assert_eq!((theirs.ssrc, theirs.ntp_time), (9, INFO.ntp.0));
    assert_eq!(theirs.reports[0].last_sender_report, BLOCK.last_sr);
    assert_eq!(theirs.marshal().unwrap(), bytes);
}
