use super::*;

#[test]
fn steady_stream_shows_its_rate() {
    let start = Instant::now();
    let mut rate = RateCalculator::new(DEFAULT_WINDOW);
    for at in 0..2000u64 {
        rate.add(start + Duration::from_millis(at), 125);
    }
    // The bucket being filled counts as a whole one: up to 4 % are missing.
    let shown = rate.bits_per_second(start + Duration::from_millis(1999));
    assert!((960_000..=1_000_000).contains(&shown), "{shown}");
}

#[test]
fn silence_ends_the_rate_after_one_window() {
    let start = Instant::now();
    let mut rate = RateCalculator::new(DEFAULT_WINDOW);
    rate.add(start, 1000);
    assert_eq!(rate.bits_per_second(start + Duration::from_millis(999)), 8000);
    assert_eq!(rate.bits_per_second(start + Duration::from_millis(1000)), 0);
    rate.add(start + Duration::from_secs(3600), 500);
    assert_eq!(rate.bits_per_second(start + Duration::from_secs(3600)), 4000);
}

#[test]
fn longer_window_divides_by_its_length() {
    let start = Instant::now();
    let mut rate = RateCalculator::new(STREAM_WINDOW);
    rate.add(start, 1000);
    assert_eq!(rate.bits_per_second(start), 3200);
    let mut rate = RateCalculator::new(DTX_WINDOW);
    rate.add(start, 1500);
    assert_eq!(rate.bits_per_second(start), 2000);
}

#[test]
fn time_that_goes_back_counts_as_now() {
    let start = Instant::now() + Duration::from_secs(10);
    let mut rate = RateCalculator::new(DEFAULT_WINDOW);
    rate.add(start, 10);
    rate.add(start - Duration::from_secs(5), 10);
    assert_eq!(rate.bits_per_second(start), 160);
}
