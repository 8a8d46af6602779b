use super::*;

fn header(sequence: u16, timestamp: u32) -> RtpHeader {
    let mut packet = [0x80; 12];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    RtpHeader::parse(&packet).unwrap()
}

fn stats() -> (Instant, ReceiveStats) {
    (Instant::now(), ReceiveStats::new(7, 90_000))
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn accepted(sequence: u64, newest: bool) -> Verdict {
    Verdict::Accepted { sequence, newest }
}

#[test]
fn sequence_is_unwrapped() {
    let (now, mut stats) = stats();
    assert_eq!(stats.on_packet(now, &header(65_535, 0), 100), accepted(65_535, true));
    assert_eq!(stats.on_packet(now, &header(1, 0), 100), accepted(65_537, true));
    assert_eq!(stats.on_packet(now, &header(0, 0), 100), accepted(65_536, false));
    assert_eq!((stats.packets(), stats.bytes(), stats.packets_lost()), (3, 300, 0));
}

#[test]
fn report_tells_loss_of_its_interval_and_in_all() {
    let (now, mut stats) = stats();
    assert_eq!(stats.report_block(now), None);
    for sequence in [0, 1, 3] {
        stats.on_packet(now, &header(sequence, 0), 100);
    }
    let block = stats.report_block(now).unwrap();
    assert_eq!((block.ssrc, block.fraction_lost, block.total_lost), (7, 64, 1));
    assert_eq!(block.highest_sequence, 3);
    stats.on_packet(now, &header(4, 0), 100);
    let block = stats.report_block(now).unwrap();
    assert_eq!((block.fraction_lost, block.total_lost), (0, 1));
    let block = stats.report_block(now).unwrap();
    assert_eq!((block.fraction_lost, block.total_lost), (0, 1));
}

#[test]
fn duplicates_make_loss_negative_and_no_fraction() {
    let (now, mut stats) = stats();
    for sequence in [0, 0, 0] {
        stats.on_packet(now, &header(sequence, 0), 100);
    }
    let block = stats.report_block(now).unwrap();
    assert_eq!((block.fraction_lost, block.total_lost), (0, -2));
}

#[test]
fn packet_before_the_first_one_is_expected_too() {
    let (now, mut stats) = stats();
    stats.on_packet(now, &header(10, 0), 100);
    assert_eq!(stats.on_packet(now, &header(8, 0), 100), accepted(8, false));
    assert_eq!(stats.packets_lost(), 1);
}

#[test]
fn repair_does_not_hide_loss() {
    let (now, mut stats) = stats();
    for sequence in [0, 2] {
        stats.on_packet(now, &header(sequence, 0), 100);
    }
    assert_eq!(stats.on_retransmission(now, &header(1, 0), 100), accepted(1, false));
    stats.on_repaired();
    assert_eq!((stats.packets_lost(), stats.repaired(), stats.retransmitted()), (1, 1, 1));
    let interval = stats.take_interval();
    assert_eq!(interval, ScoreInterval::receiving(3, 2, 1, 1));
    assert_eq!(stats.take_interval(), ScoreInterval::receiving(0, 0, 0, 0));
}

#[test]
fn far_jump_is_believed_at_the_second_packet() {
    let (now, mut stats) = stats();
    stats.on_packet(now, &header(10, 0), 100);
    stats.on_packet(now, &header(12, 0), 100);
    assert_eq!(stats.on_packet(now, &header(20_000, 0), 100), Verdict::Rejected);
    assert_eq!(stats.packets(), 2);
    let verdict = stats.on_packet(now, &header(20_001, 0), 100);
    assert_eq!(verdict, Verdict::Restarted { sequence: 65_536 + 20_001 });
    // One was lost before the jump, and the jump itself is no loss.
    assert_eq!((stats.packets(), stats.packets_lost()), (3, 1));
    assert_eq!(stats.on_packet(now, &header(20_002, 0), 100), accepted(65_536 + 20_002, true));
    assert_eq!(stats.packets_lost(), 1);
}

#[test]
fn lone_stray_packet_changes_nothing() {
    let (now, mut stats) = stats();
    stats.on_packet(now, &header(10, 0), 100);
    assert_eq!(stats.on_packet(now, &header(20_000, 0), 100), Verdict::Rejected);
    stats.on_packet(now, &header(11, 0), 100);
    assert_eq!(stats.on_packet(now, &header(20_001, 0), 100), Verdict::Rejected);
}

#[test]
fn limits_of_dropout_and_misorder_are_rfc_3550s() {
    for (jump, sequence) in [(2999u16, Some(12_999)), (3000, None)] {
        let (now, mut stats) = stats();
        stats.on_packet(now, &header(10_000, 0), 1);
        let verdict = stats.on_packet(now, &header(10_000 + jump, 0), 1);
        assert_eq!(verdict, sequence.map_or(Verdict::Rejected, |at| accepted(at, true)));
    }
    for (back, sequence) in [(1499u16, Some(8501)), (1500, None)] {
        let (now, mut stats) = stats();
        stats.on_packet(now, &header(10_000, 0), 1);
        let verdict = stats.on_packet(now, &header(10_000 - back, 0), 1);
        assert_eq!(verdict, sequence.map_or(Verdict::Rejected, |at| accepted(at, false)));
    }
}

#[test]
fn jitter_follows_rfc_3550() {
    let (now, mut stats) = stats();
    stats.on_packet(now, &header(0, 0), 1);
    // Sent 20 ms apart, 30 ms apart on arrival: a difference of 900 ticks, a sixteenth counts.
    stats.on_packet(now + ms(30), &header(1, 1800), 1);
    assert_eq!(stats.jitter(), 56);
    for n in 2..200u32 {
        stats.on_packet(now + ms(30 + 20 * u64::from(n)), &header(n as u16, 1800 * n), 1);
    }
    assert_eq!(stats.jitter(), 0);
}

#[test]
fn packets_of_one_frame_and_late_ones_make_no_jitter() {
    let (now, mut stats) = stats();
    stats.on_packet(now, &header(1, 3000), 1);
    stats.on_packet(now + ms(15), &header(2, 3000), 1);
    stats.on_packet(now + ms(90), &header(0, 0), 1);
    assert_eq!(stats.jitter(), 0);
}

#[test]
fn timestamp_jump_is_no_jitter() {
    let (now, mut stats) = stats();
    stats.on_packet(now, &header(1, 0), 1);
    stats.on_packet(now + ms(20), &header(2, 3_000_000_000), 1);
    assert_eq!(stats.jitter(), 0);
}

#[test]
fn report_answers_the_last_sender_report() {
    let (now, mut stats) = stats();
    stats.on_packet(now, &header(1, 0), 1);
    stats.on_sender_report(now, NtpTime(0x1234_5678_9abc_def0));
    let block = stats.report_block(now + ms(500)).unwrap();
    assert_eq!((block.last_sr, block.delay_since_last_sr), (0x5678_9abc, 32_768));
}

#[test]
fn silence_makes_a_stream_inactive() {
    let (now, mut stats) = stats();
    assert!(!stats.is_inactive(now + ms(10_000), false));
    stats.on_packet(now, &header(1, 0), 1);
    assert_eq!(stats.last_packet(), Some(now));
    assert!(!stats.is_inactive(now + ms(1499), false));
    assert!(stats.is_inactive(now + ms(1500), false));
    assert!(!stats.is_inactive(now + ms(4999), true));
    assert!(stats.is_inactive(now + ms(5000), true));
}
