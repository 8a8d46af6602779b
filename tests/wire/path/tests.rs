use super::*;

const MS: u64 = 1_000_000;

fn path(words: &str) -> Path<u32> {
    let mut settings = Settings::default();
    settings.change(&words.split_whitespace().collect::<Vec<_>>()).unwrap();
    Path::new(settings, 1)
}

fn change(path: &mut Path<u32>, now: u64, words: &str) {
    let mut settings = path.settings().clone();
    settings.change(&words.split_whitespace().collect::<Vec<_>>()).unwrap();
    path.change(now, settings);
}

/// All that is due until `now`, as (due, packet).
fn depart(path: &mut Path<u32>, now: u64) -> Vec<(u64, u32)> {
    std::iter::from_fn(|| path.depart(now)).collect()
}

#[test]
fn a_bare_wire_gives_at_once() {
    let mut path = path("");
    path.arrive(5, 1, 1_000);
    path.arrive(5, 2, 1_000);
    assert_eq!(path.next(), Some(5));
    assert_eq!(depart(&mut path, 5), [(5, 1), (5, 2)]);
    assert_eq!(path.next(), None);
}

#[test]
fn delay_is_kept_to_the_nanosecond_however_late_somebody_asks() {
    let mut path = path("delay_ms=25");
    path.arrive(7, 1, 1_000);
    assert_eq!(path.next(), Some(25 * MS + 7));
    assert_eq!(depart(&mut path, 25 * MS + 6), []);
    assert_eq!(depart(&mut path, 90 * MS), [(25 * MS + 7, 1)]);
}

#[test]
fn a_bottleneck_spreads_a_burst() {
    // 1,250 bytes are 10,000 bits: 10 ms at 1 Mb/s.
    let mut path = path("rate_kbps=1000 delay_ms=5");
    (1..=3).for_each(|n| path.arrive(0, n, 1_250));
    assert_eq!(path.backlog(0), 30 * MS);
    assert_eq!(depart(&mut path, 100 * MS), [(15 * MS, 1), (25 * MS, 2), (35 * MS, 3)]);
    assert_eq!(path.waits.max(), 20 * MS);
    // Idleness is not saved up.
    path.arrive(200 * MS, 4, 1_250);
    assert_eq!(depart(&mut path, 300 * MS), [(215 * MS, 4)]);
}

#[test]
fn a_late_caller_costs_no_capacity() {
    let mut path = path("rate_kbps=1000");
    for n in 0..100 {
        path.arrive(u64::from(n) * 10 * MS, n, 1_250);
        // Comes 3 ms late each time.
        depart(&mut path, (u64::from(n) * 10 + 3) * MS);
    }
    depart(&mut path, 2_000 * MS);
    assert_eq!(path.counters.delivered, 100);
    assert_eq!(path.waits.max(), 0);
}

#[test]
fn a_queue_bounded_in_time_drops_at_its_tail() {
    let mut path = path("rate_kbps=1000 queue_ms=20");
    (1..=5).for_each(|n| path.arrive(0, n, 1_250));
    // The third one waits 20 ms, the fourth would wait 30.
    assert_eq!(path.counters.tail_dropped, 2);
    let passed = depart(&mut path, 100 * MS).iter().map(|it| it.1).collect::<Vec<_>>();
    assert_eq!(passed, [1, 2, 3]);
}

#[test]
fn a_queue_bounded_in_bytes_drops_at_its_tail() {
    let mut path = path("rate_kbps=1000 queue_bytes=2500");
    (1..=3).for_each(|n| path.arrive(0, n, 1_250));
    assert_eq!(path.counters.tail_dropped, 1);
    path.arrive(10 * MS, 4, 1_250);
    assert_eq!(path.counters.tail_dropped, 1);
}

#[test]
fn what_waits_goes_on_at_a_changed_rate() {
    let mut path = path("rate_kbps=1000");
    path.arrive(0, 1, 1_250);
    path.arrive(0, 2, 1_250);
    // Half of the first is sent; the other half takes 10 ms at half the rate, the second 20.
    change(&mut path, 5 * MS, "rate_kbps=500");
    assert_eq!(depart(&mut path, 100 * MS), [(15 * MS, 1), (35 * MS, 2)]);
    path.arrive(100 * MS, 3, 1_250);
    path.arrive(100 * MS, 4, 1_250);
    change(&mut path, 101 * MS, "rate_kbps=0");
    assert_eq!(depart(&mut path, 101 * MS), [(101 * MS, 3), (101 * MS, 4)]);
}

#[test]
fn what_is_longer_than_the_mtu_vanishes() {
    let mut path = path("mtu=1400");
    path.arrive(0, 1, 1_400);
    path.arrive(0, 2, 1_401);
    assert_eq!(depart(&mut path, 0), [(0, 1)]);
    assert_eq!(path.counters.too_long, 1);
}

#[test]
fn jitter_keeps_order_and_bounds() {
    let mut path = path("delay_ms=20 jitter_ms=10");
    let mut out = Vec::new();
    for n in 0..1_000 {
        path.arrive(u64::from(n) * MS, n, 100);
        out.extend(depart(&mut path, u64::from(n) * MS));
    }
    out.extend(depart(&mut path, 2_000 * MS));
    assert!(out.iter().map(|it| it.1).eq(0..1_000));
    let delays: Vec<u64> = out.iter().map(|(due, n)| due - u64::from(*n) * MS).collect();
    assert!(delays.iter().all(|delay| (10 * MS..=30 * MS).contains(delay)));
    assert!(delays.iter().max() > delays.iter().min());
}

#[test]
fn held_back_packets_are_overtaken() {
    let mut path = path("delay_ms=10 reorder_pct=10 reorder_ms=5");
    let mut out = Vec::new();
    for n in 0..1_000 {
        path.arrive(u64::from(n) * MS, n, 100);
    }
    out.extend(depart(&mut path, 2_000 * MS));
    let late = out.iter().filter(|(due, n)| due - u64::from(*n) * MS == 15 * MS).count();
    let rest = out.iter().filter(|(due, n)| due - u64::from(*n) * MS == 10 * MS).count();
    assert_eq!((late + rest, late as u64), (1_000, path.counters.reordered));
    assert!((60..140).contains(&late), "{late}");
    assert!(out.windows(2).any(|pair| pair[0].1 > pair[1].1));
}

#[test]
fn duplicates_come_twice_at_the_same_time() {
    let mut path = path("duplicate_pct=100 delay_ms=1");
    path.arrive(0, 1, 100);
    assert_eq!(depart(&mut path, MS), [(MS, 1), (MS, 1)]);
}

#[test]
fn lost_packets_have_used_the_bottleneck() {
    let mut path = path("loss_pct=100 rate_kbps=1000");
    path.arrive(0, 1, 1_250);
    assert_eq!(depart(&mut path, 10 * MS), []);
    let Counters { passed, lost, delivered, .. } = path.counters;
    assert_eq!((passed, lost, delivered), (1, 1, 0));
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    let run = |seed| {
        let settings = Settings { loss: 0.2, ..Settings::default() };
        let mut path = Path::new(settings, seed);
        (0..100).for_each(|n| path.arrive(0, n, 100));
        depart(&mut path, 0)
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_path_holds_so_much_and_no_more() {
    let mut path = path("delay_ms=60000");
    (0..MAX_HELD as u32 + 5).for_each(|n| path.arrive(0, n, 100));
    assert_eq!(path.counters.tail_dropped, 5);
}
