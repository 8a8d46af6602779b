//! Loss: asked for on one side, answered on the other, and told in reports.

use starling_proto::rtp::RtpType;

use super::{
    bench::*,
    camera::{Camera, assert_decodable},
};
use crate::{
    Command, ProducerKey, TransportKey,
    command::Bitrates,
    rtcp::{ReportBlock, RtcpItem, build},
};

fn bench() -> Bench {
    let mut bench = Bench::new(5);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8(1111));
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simple));
    bench
}

fn send(bench: &mut Bench, n: u16) {
    let payload = vp8_payload(n == 1, n, n as u8, 0, false);
    bench.receive(11, address(5001), &rtp(96, 1111, n, 3_000 * u32::from(n), true, &[], &payload));
}

fn nacked(items: &[RtcpItem], ssrc: u32) -> Vec<u16> {
    let mut all = Vec::new();
    for item in items {
        if let RtcpItem::Nack { media, lost, .. } = item {
            assert_eq!(*media, ssrc);
            all.extend(lost);
        }
    }
    all
}

#[test]
fn a_lost_packet_is_asked_for_and_its_retransmission_forwarded_in_its_place() {
    let mut bench = bench();
    for n in [1, 2, 4, 5] {
        send(&mut bench, n);
    }
    bench.take_rtcp(address(5001));
    bench.advance(20);
    assert_eq!(nacked(&bench.take_rtcp(address(5001)), 1111), [3]);
    let before = bench.take_rtp(2222);
    assert_eq!(before.len(), 4);
    // As RTX: the original sequence number before the payload.
    let mut payload = vec![0, 3];
    payload.extend_from_slice(&vp8_payload(false, 3, 3, 0, false));
    bench.receive(11, address(5001), &rtp(97, 1112, 77, 9_000, true, &[], &payload));
    let mut all = [before, bench.take_rtp(2222)].concat();
    all.sort_by_key(|packet| packet.header().sequence);
    assert_eq!(all.len(), 5);
    assert_decodable(&all);
    assert_eq!(all[2].header().timestamp - all[0].header().timestamp, 6_000);
    assert_eq!(bench.plane.counters().rtp_repaired, 1);
    bench.advance(500);
    assert!(nacked(&bench.take_rtcp(address(5001)), 1111).is_empty());
}

#[test]
fn a_receivers_nack_is_answered_by_rtx_once_per_round_trip() {
    let mut bench = bench();
    for n in 1..=10 {
        send(&mut bench, n);
    }
    let got = bench.take_rtp(2222);
    let lost = got[4].header().sequence;
    let mut nack = Vec::new();
    build::nack(&mut nack, 1, 2222, &[lost, lost.wrapping_add(3)], 1_200);
    bench.receive(12, address(5002), &nack);
    bench.receive(12, address(5002), &nack);
    let again = bench.take_rtp(2223);
    assert_eq!(again.len(), 2);
    assert_eq!(again[0].header().payload_type, 102);
    assert_eq!(again[0].header().timestamp, got[4].header().timestamp);
    assert_eq!(again[0].payload()[..2], lost.to_be_bytes());
    assert_eq!(again[0].payload()[2..], *got[4].payload());
    assert_eq!(again[1].payload()[2..], *got[7].payload());
    assert_eq!(again[1].header().sequence, again[0].header().sequence + 1);
    bench.advance(101);
    bench.receive(12, address(5002), &nack);
    assert_eq!(bench.take_rtp(2223).len(), 2);
    assert_eq!(bench.plane.counters().rtp_retransmitted, 4);
}

#[test]
fn a_nack_after_a_layer_switch_gets_the_old_layers_packet() {
    let mut bench = Bench::new(5);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    bench.produce(1, 1, vp8_simulcast());
    bench.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
    let mut camera = Camera::new(bench.now);
    camera.run(&mut bench, 330);
    let got = bench.take_rtp(2222);
    for packet in [&got[1], &got[got.len() - 1]] {
        let mut nack = Vec::new();
        build::nack(&mut nack, 1, 2222, &[packet.header().sequence], 1_200);
        bench.receive(12, address(5002), &nack);
        let again = bench.take_rtp(2223);
        assert_eq!(again[0].payload()[2..], *packet.payload());
        assert_eq!(again[0].header().timestamp, packet.header().timestamp);
    }
}

#[test]
fn a_picture_loss_that_is_told_again_and_again_becomes_a_request_each_600_ms() {
    let mut bench = bench();
    send(&mut bench, 1);
    // So long after the one for who came that a sender heeds them all.
    bench.advance(400);
    bench.take_rtcp(address(5001));
    let mut pli = Vec::new();
    build::pli(&mut pli, 1, 2222);
    for _ in 0..29 {
        bench.receive(12, address(5002), &pli);
        bench.advance(100);
    }
    let asked = bench.take_rtcp(address(5001));
    let asked = asked.iter().filter(|item| matches!(item, RtcpItem::Pli { media: 1111, .. }));
    assert_eq!(asked.count(), 5);
}

#[test]
fn reports_go_both_ways_each_second() {
    let mut bench = bench();
    let mut camera = Camera::new(bench.now);
    camera.on = [true, false, false];
    camera.layers[0].ssrc = 1111;
    camera.run(&mut bench, 990);
    bench.take_rtcp(address(5002));
    for packet in camera.frame(bench.now) {
        bench.receive(11, address(5001), &packet);
    }
    bench.advance(1_500);
    let to_publisher = bench.take_rtcp(address(5001));
    let blocks: Vec<_> = to_publisher
        .iter()
        .filter_map(|item| match item {
            RtcpItem::Rr { blocks, .. } => Some(blocks.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    assert!(!blocks.is_empty());
    assert!(blocks.iter().all(|block| block.ssrc == 1111 && block.total_lost == 0));
    assert!(to_publisher.iter().any(|item| matches!(item, RtcpItem::XrRrt { .. })));

    let got = bench.take_rtp(2222);
    let last = got[got.len() - 1].header().timestamp;
    let to_viewer = bench.take_rtcp(address(5002));
    let info = to_viewer
        .iter()
        .find_map(|item| match item {
            RtcpItem::Sr { info, .. } => Some(*info),
            _ => None,
        })
        .unwrap();
    assert_eq!((info.ssrc, info.packets as usize), (2222, got.len()));
    assert!(info.timestamp.wrapping_sub(last) < 2 * 90_000);
    assert!(to_viewer.contains(&RtcpItem::SdesCname { ssrc: 2222, cname: b"publisher".to_vec() }));
    // The round trip follows from the receiver's answer.
    let block = ReportBlock { ssrc: 2222, last_sr: info.ntp.middle(), ..ReportBlock::default() };
    let mut rr = Vec::new();
    build::receiver_report(&mut rr, 9, &[block]);
    bench.receive(12, address(5002), &rr);
}

#[test]
fn arrivals_are_told_each_tenth_of_a_second_while_there_are_any() {
    let mut bench = Bench::new(5);
    bench.plain(1, address(5001));
    bench.produce(1, 1, vp8_simulcast());
    let mut camera = Camera::new(bench.now);
    let mut feedbacks = 0;
    let mut told = 0;
    for _ in 0..30 {
        for packet in camera.frame(bench.now) {
            bench.receive(11, address(5001), &packet);
        }
        bench.advance(33);
        for item in bench.take_rtcp(address(5001)) {
            if let RtcpItem::Twcc(feedback) = item {
                feedbacks += 1;
                told += feedback.deltas.iter().flatten().count();
            }
        }
    }
    assert!((7..=20).contains(&feedbacks), "{feedbacks}");
    assert!(told >= 160, "{told}");
    bench.advance(200);
    bench.take_rtcp(address(5001));
    bench.advance(2_000);
    let late = bench.take_rtcp(address(5001));
    assert!(!late.iter().any(|item| matches!(item, RtcpItem::Twcc(_))));
}

#[test]
fn only_a_publisher_without_transport_feedback_gets_remb() {
    let remb = |twcc: bool| {
        let mut bench = Bench::new(5);
        bench.plain(1, address(5001));
        let mut rtp_parameters = vp8(1111);
        if !twcc {
            rtp_parameters.header_extensions.retain(|extension| extension.id != 3);
            rtp_parameters.codecs[0].rtcp_feedback.retain(|known| known.kind != "transport-cc");
        }
        bench.produce(1, 1, rtp_parameters);
        send(&mut bench, 1);
        bench.advance(1_300);
        bench.take_rtcp(address(5001)).into_iter().find_map(|item| match item {
            RtcpItem::Remb { bitrate, ssrcs, .. } => Some((bitrate, ssrcs)),
            _ => None,
        })
    };
    assert_eq!(remb(true), None);
    let (bitrate, ssrcs) = remb(false).unwrap();
    // REMB has 18 bits of precision.
    assert!(bitrate.abs_diff(1_500_000) < 10, "{bitrate}");
    assert_eq!(ssrcs, [1111, 1112]);
}

#[test]
fn a_video_without_layers_flows_however_little_its_receiver_can_take() {
    let mut bench = bench();
    let mut remb = Vec::new();
    build::remb(&mut remb, 1, 30_000, &[2222]);
    bench.receive(12, address(5002), &remb);
    for n in 1..=400 {
        let mut payload = vp8_payload(n == 1, n, n as u8, 0, false);
        payload.resize(1_000, 0);
        let packet = rtp(96, 1111, n, 3_000 * u32::from(n), true, &[], &payload);
        bench.receive(11, address(5001), &packet);
        bench.advance(5);
    }
    assert_eq!(bench.take_rtp(2222).len(), 400);
}

#[test]
fn a_publisher_with_a_limit_is_told_so_and_told_when_it_ends() {
    let mut bench = Bench::new(5);
    bench.plain(1, address(5001));
    bench.produce(1, 1, vp8(1111));
    send(&mut bench, 1);
    let mut told = |max_incoming: u64, n: u16| {
        let bitrates = Bitrates { max_incoming: Some(max_incoming), ..Bitrates::default() };
        bench.command(Command::SetBitrates { transport: TransportKey(1), bitrates });
        send(&mut bench, n);
        bench.advance(1_300);
        bench.take_rtcp(address(5001)).into_iter().find_map(|item| match item {
            RtcpItem::Remb { bitrate, .. } => Some(bitrate),
            _ => None,
        })
    };
    assert_eq!(told(300_000, 2), Some(300_000));
    assert!(told(0, 3).unwrap() > 1_000_000, "no limit any more");
}

#[test]
fn a_receiver_reference_time_is_answered() {
    let mut bench = bench();
    let mut xr = Vec::new();
    build::xr_receiver_reference_time(&mut xr, 77, crate::rtp::NtpTime(0x1111_2222_3333_4444));
    bench.receive(12, address(5002), &xr);
    bench.advance(1_300);
    let answers = bench.take_rtcp(address(5002));
    let block = answers.iter().find_map(|item| match item {
        RtcpItem::XrDlrr { blocks, .. } => Some(blocks[0]),
        _ => None,
    });
    let block = block.unwrap();
    assert_eq!((block.ssrc, block.last_rr), (77, 0x2222_3333));
    assert!(block.delay > 0);
}

#[test]
fn after_a_replaced_producer_old_packets_are_not_sent_for_new_ones() {
    let mut bench = bench();
    for n in 1..=5 {
        send(&mut bench, n);
    }
    let got = bench.take_rtp(2222);
    bench.produce(1, 2, vp8(3333));
    bench.command(Command::ReplaceProducer { old: ProducerKey(1), new: ProducerKey(2) });
    let mut nack = Vec::new();
    build::nack(&mut nack, 1, 2222, &[got[2].header().sequence], 1_200);
    bench.receive(12, address(5002), &nack);
    assert!(bench.take_rtp(2223).is_empty());
}

/// CO15, NK6.
#[test]
fn without_rtx_a_packet_is_sent_again_as_it_was() {
    let mut bench = Bench::new(5);
    bench.plain(1, address(5001));
    bench.plain(2, address(5002));
    let nack = || {
        parameters(serde_json::json!({
            "codecs": [{"mimeType": "audio/opus", "payloadType": 1, "clockRate": 48000,
                "rtcpFeedback": [{"type": "nack"}]}]
        }))
        .codecs
        .remove(0)
        .rtcp_feedback
    };
    let (mut sends, mut gets) = (opus(1111), audio_consumer(2222));
    sends.codecs[0].rtcp_feedback.extend(nack());
    gets.rtp.codecs[0].rtcp_feedback.extend(nack());
    bench.produce(1, 1, sends);
    bench.consume(2, 1, 1, gets);
    for n in [1u16, 2, 4] {
        let packet = rtp(111, 1111, n, 960 * u32::from(n), false, &[], &[n as u8; 40]);
        bench.receive(11, address(5001), &packet);
    }
    bench.advance(20);
    assert_eq!(nacked(&bench.take_rtcp(address(5001)), 1111), [3], "of a microphone too");
    let got = bench.take_rtp(2222);
    let lost = got[1].header().sequence;
    let mut asked = Vec::new();
    build::nack(&mut asked, 1, 2222, &[lost], 1_200);
    bench.receive(12, address(5002), &asked);
    let again = bench.take_rtp(2222);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].bytes, got[1].bytes);
}
