use super::*;

fn wall() -> (Instant, WallClock) {
    let start = Instant::now();
    (start, WallClock::new(start, Duration::from_secs(1_700_000_000)))
}

#[test]
fn ntp_counts_from_1900() {
    let ntp = NtpTime::from_unix(Duration::from_millis(500));
    assert_eq!(ntp, NtpTime(2_208_988_800 << 32 | 1 << 31));
    assert_eq!(ntp.micros(), 2_208_988_800_500_000);
    assert_eq!(ntp.middle(), (2_208_988_800u32 & 0xffff) << 16 | 0x8000);
    assert_eq!(NtpTime::from_micros(ntp.micros()), ntp);
    assert_eq!(NtpTime::from_micros(-1), NtpTime(0));
}

#[test]
fn wall_clock_goes_both_ways() {
    let (start, wall) = wall();
    let later = start + Duration::from_millis(1250);
    let back = wall.instant(wall.ntp(later)).unwrap();
    assert!(later.duration_since(back) < Duration::from_micros(2));
    let before = NtpTime::from_unix(Duration::from_secs(1_699_999_999));
    assert_eq!(wall.instant(before), None);
}

#[test]
fn abs_send_time_is_seconds_mod_64_in_18_bits() {
    let (start, wall) = wall();
    // 1,700,000,000 + 2,208,988,800 is 0 modulo 64.
    assert_eq!(wall.abs_send_time(start), [0, 0, 0]);
    assert_eq!(wall.abs_send_time(start + Duration::from_millis(1500)), [0x06, 0x00, 0x00]);
}

#[test]
fn round_trip_is_arrival_minus_delay_minus_report() {
    let sent = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
    let arrival = NtpTime::from_unix(Duration::from_millis(1_700_000_000_250));
    let delay = compact(Duration::from_millis(50));
    let rtt = round_trip(arrival, sent.middle(), delay).unwrap();
    assert!((199_900..200_100).contains(&rtt.as_micros()), "{rtt:?}");
    assert_eq!(round_trip(arrival, 0, 0), None);
}

#[test]
fn negative_round_trip_is_the_shortest_one() {
    let sent = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
    let rtt = round_trip(sent, sent.middle(), compact(Duration::from_millis(1))).unwrap();
    assert!(rtt < Duration::from_micros(16) && !rtt.is_zero());
}

#[test]
fn compact_saturates() {
    assert_eq!(compact(Duration::from_secs(1)), 65536);
    assert_eq!(compact(Duration::from_secs(100_000)), u32::MAX);
}

#[test]
fn capture_time_follows_the_last_report_across_a_wrap() {
    let mut clock = CaptureClock::new(90_000);
    assert_eq!(clock.capture_micros(0), None);
    clock.on_report(NtpTime::from_micros(10_000_000), u32::MAX - 44_999);
    assert_eq!(clock.capture_micros(45_000), Some(11_000_000));
    assert_eq!(clock.capture_micros(u32::MAX - 134_999), Some(9_000_000));
    assert_eq!(clock.timestamp_at(11_000_000), Some(45_000));
}

#[test]
fn capture_time_is_not_believed_far_from_its_report() {
    let mut clock = CaptureClock::new(90_000);
    clock.on_report(NtpTime::from_micros(100_000_000), 0);
    assert!(clock.capture_micros(900_000).is_some());
    assert_eq!(clock.capture_micros(900_090), None);
}

#[test]
fn report_without_a_clock_is_ignored() {
    let mut clock = CaptureClock::new(90_000);
    clock.on_report(NtpTime(0), 5);
    assert!(!clock.is_known());
    let mut clock = CaptureClock::new(0);
    clock.on_report(NtpTime(1 << 40), 5);
    assert_eq!((clock.capture_micros(0), clock.timestamp_at(0)), (None, None));
}

#[test]
fn layers_captured_together_get_one_timestamp() {
    let (mut low, mut high) = (CaptureClock::new(90_000), CaptureClock::new(90_000));
    low.on_report(NtpTime::from_micros(50_000_000), 1_000_000);
    // 200 ms later by the same clock, in a timeline of its own.
    high.on_report(NtpTime::from_micros(50_200_000), 7_018_000);
    let offset = high.offset_from(&low).unwrap();
    // What `high` stamps 7,018,000 is what `low` would stamp 1,018,000.
    assert_eq!(7_018_000u32.wrapping_sub(offset), 1_018_000);
}

#[test]
fn least_delayed_report_sets_the_offset() {
    let mut offset = ClockOffset::default();
    assert_eq!(offset.local(0), None);
    let at = NtpTime::from_micros;
    offset.on_report(at(1_000_040), at(500_000));
    offset.on_report(at(2_000_010), at(1_500_000));
    offset.on_report(at(3_000_090), at(2_500_000));
    assert_eq!(offset.local(2_000_000), Some(at(2_500_010)));
    // Seven reports later the least delayed one is forgotten.
    for second in 4..11 {
        offset.on_report(at(second * 1_000_000 + 50), at((second - 1) * 1_000_000 + 500_000));
    }
    assert_eq!(offset.local(2_000_000), Some(at(2_500_050)));
}
