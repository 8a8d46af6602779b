use std::time::Duration;

use super::*;
use crate::bandwidth::path::Path;

/// Sends at a rate over a path, in frames of 30 per second.
struct World {
    start: Instant,
    at: i64,
    path: Path,
    estimator: Estimator,
    desired: u64,
}

impl World {
    fn new(rate: u64) -> Self {
        let start = Instant::now();
        let estimator = Estimator::new(start, Bounds::default());
        Self { start, at: 0, path: Path::new(rate), estimator, desired: 0 }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.at as u64)
    }

    fn send(&mut self, bytes: usize) {
        let sequence = self.estimator.next_sequence();
        self.estimator.on_sent(self.at, bytes);
        self.path.send(self.at, bytes, Some(sequence));
    }

    /// For so many milliseconds; what is sent follows from the estimate.
    fn run(&mut self, ms: i64, rate: impl Fn(u64) -> u64) {
        let end = self.at + ms * 1_000;
        let mut frame_at = self.at;
        while self.at < end {
            if self.at >= frame_at {
                frame_at += 33_333;
                let mut bytes = (rate(self.estimator.bitrate()) / 240) as usize;
                while bytes > 0 {
                    let packet = bytes.min(1_200);
                    self.send(packet);
                    bytes -= packet;
                }
            }
            let mut due = self.estimator.padding_due(self.now());
            while due > 0 {
                self.send(1_000);
                due = due.saturating_sub(1_000);
            }
            if let Some((base_sequence, reference_time, feedback_count, deltas)) =
                self.path.feedback(self.at)
            {
                let (sender, media) = (1, 2);
                let feedback = TwccFeedback {
                    sender,
                    media,
                    base_sequence,
                    reference_time,
                    feedback_count,
                    deltas,
                };
                self.estimator.on_feedback(self.now(), &feedback);
            }
            if self.at % 100_000 == 0 {
                self.estimator.on_time(self.now(), self.desired, false);
            }
            self.at += 5_000;
        }
    }
}

#[test]
fn what_is_sent_at_the_estimate_fills_the_path_and_not_its_queue() {
    let mut world = World::new(1_000_000);
    world.run(60_000, |estimate| estimate);
    let estimate = world.estimator.bitrate();
    assert!((700_000..1_050_000).contains(&estimate), "{estimate}");
    let p95 = world.path.p95(20_000_000);
    assert!(p95 < 150_000, "{p95} µs");
}

#[test]
fn little_sent_without_probes_leaves_the_estimate_where_it_is() {
    let mut world = World::new(5_000_000);
    world.run(30_000, |_| 100_000);
    assert_eq!(world.estimator.bitrate(), INITIAL_BITRATE);
    assert!(world.estimator.trace().limited);
}

#[test]
fn probes_raise_the_estimate_to_what_is_desired_within_two_seconds() {
    let mut world = World::new(5_000_000);
    world.desired = 3_000_000;
    world.run(2_000, |_| 100_000);
    let estimate = world.estimator.bitrate();
    assert!(estimate >= 3_000_000, "{estimate}");
}

#[test]
fn a_probe_of_a_narrow_path_shows_how_narrow_it_is() {
    let mut world = World::new(900_000);
    world.desired = 3_000_000;
    world.run(4_000, |_| 100_000);
    let estimate = world.estimator.bitrate();
    assert!((700_000..950_000).contains(&estimate), "{estimate}");
}

#[test]
fn a_drop_is_acted_on_within_two_feedbacks_of_being_seen() {
    let mut world = World::new(3_000_000);
    world.desired = 2_400_000;
    world.run(5_000, |estimate| estimate.min(2_000_000));
    assert!(world.estimator.bitrate() >= 2_000_000);
    (world.path.rate, world.path.queue) = (600_000, 30_000);
    world.run(1_000, |estimate| estimate.min(2_000_000));
    let estimate = world.estimator.bitrate();
    assert!((300_000..800_000).contains(&estimate), "{estimate}");
}

#[test]
fn a_path_that_carries_a_quarter_is_told_by_the_first_feedback_with_a_frame_of_it() {
    let mut world = World::new(3_000_000);
    world.desired = 2_400_000;
    world.run(5_000, |_| 2_000_000);
    assert!(!world.estimator.drains() && world.estimator.narrow_at.is_none());
    let at = world.at;
    (world.path.rate, world.path.queue) = (600_000, 22_500);
    world.run(1_000, |estimate| estimate.min(2_000_000));
    let told = world.estimator.narrow_at.unwrap() - at;
    assert!(told <= 210_000, "{told} µs");
    // And it is known what it carries, once its queue has emptied.
    world.run(1_000, |estimate| estimate);
    let estimate = world.estimator.bitrate();
    assert!(!world.estimator.drains() && (480_000..620_000).contains(&estimate), "{estimate}");
}

#[test]
fn what_a_path_was_seen_to_carry_is_not_undercut_because_little_was_sent() {
    for offset in (0..100_000).step_by(5_000) {
        let mut world = World::new(3_000_000);
        world.desired = 2_400_000;
        world.run(5_000, |_| 2_000_000);
        (world.path.rate, world.path.queue) = (600_000, 22_500);
        for _ in 0..30 {
            if world.estimator.narrow_at.is_none() {
                world.run(100, |_| 2_000_000);
            } else if world.estimator.drains() {
                world.run(100, |_| 100_000);
            }
        }
        assert!(world.estimator.narrow_at.is_some() && !world.estimator.drains());
        world.run(offset / 1_000, |_| 100_000);
        // The key frame of the layer that fits.
        for _ in 0..12 {
            world.send(1_200);
        }
        world.run(500, |_| 100_000);
        let estimate = world.estimator.bitrate();
        assert!(estimate >= 400_000, "{offset} µs: {estimate}");
    }
}

#[test]
fn a_path_that_stalls_for_a_moment_is_not_taken_for_a_narrow_one() {
    for stall in [30_000, 60_000, 90_000, 120_000] {
        let mut world = World::new(5_000_000);
        world.desired = 2_400_000;
        for _ in 0..10 {
            world.run(1_000, |_| 2_000_000);
            let now = world.at;
            world.path.stall(now, stall);
        }
        assert_eq!(world.estimator.narrow_at, None, "{stall}");
        let estimate = world.estimator.bitrate();
        assert!(estimate >= 1_700_000, "{stall}: {estimate}");
    }
}

#[test]
fn loss_of_a_radio_link_does_not_starve_it() {
    let mut world = World::new(5_000_000);
    world.desired = 1_000_000;
    world.path.loss = 10;
    world.run(30_000, |estimate| estimate.min(800_000));
    let estimate = world.estimator.bitrate();
    assert!(estimate >= 800_000, "{estimate}, {:?}", world.estimator.trace());
}

#[test]
fn bounds_hold() {
    let mut world = World::new(5_000_000);
    let bounds = Bounds { initial: 300_000, min: 200_000, max: 1_000_000 };
    world.estimator.set_bounds(world.now(), bounds);
    assert_eq!(world.estimator.bitrate(), 300_000);
    world.desired = 3_000_000;
    world.run(5_000, |estimate| estimate);
    assert_eq!(world.estimator.bitrate(), 1_000_000);
    (world.path.rate, world.path.queue) = (100_000, 10_000);
    world.run(5_000, |_| 300_000);
    assert_eq!(world.estimator.bitrate(), 200_000);
}

#[test]
fn reference_times_wrap() {
    let mut estimator = Estimator::new(Instant::now(), Bounds::default());
    assert_eq!(estimator.unwrap(0xff_ffff), 0xff_ffff);
    assert_eq!(estimator.unwrap(1), 0x100_0001);
    assert_eq!(estimator.unwrap(0xff_fffe), 0xff_fffe);
    assert_eq!(estimator.unwrap(2), 0x100_0002);
}
