//! A link that loses three quarters of its rate from one millisecond to the next, and gets it back:
//! what a person sees and hears, wherever between two feedbacks and two pictures it happens.

use super::world::*;

/// The load generator's layers on a link of 2.5 Mb/s (`tests/e2e/suites/bandwidth`).
const LADDER: [u64; 3] = [120_000, 420_000, 1_600_000];
const WIDE: u64 = 2_500_000;
const NARROW: u64 = 600_000;
/// The video's consumer.
const VIDEO: u32 = 1_007;

fn set(world: &mut World, rate: u64) {
    (world.path.rate, world.path.queue) = (rate, rate / 8 * 3 / 10);
}

/// What there was in a phase: of `best` bits per second how much after `settle`, the wait that 95
/// of 100 packets did not exceed then, freezes, and words lost.
#[derive(Debug)]
struct Seen {
    share: f64,
    p95: i64,
    freezes: Vec<(i64, i64)>,
    unheard: usize,
}

fn phase(world: &mut World, rate: u64, best: u64, seconds: i64, settle: i64) -> Seen {
    set(world, rate);
    let began = world.ms;
    world.run(settle * 1_000);
    let settled = world.ms;
    world.run((seconds - settle) * 1_000);
    let freezes = world.screens.get(&VIDEO).map(|screen| screen.freezes.clone());
    let from = |at: i64| at >= began;
    Seen {
        share: world.bitrate(VIDEO, settled, world.ms) as f64 / best as f64,
        p95: world.path.p95(settled * 1_000) / 1_000,
        freezes: freezes.into_iter().flatten().filter(|(at, _)| from(*at)).collect(),
        unheard: world.unheard.iter().filter(|at| from(**at)).count(),
    }
}

fn down_and_up(shape: Shape, offset: i64) -> (World, [Seen; 3]) {
    let mut world = World::new(1, WIDE, shape);
    world.path.delay = 10_000;
    set(&mut world, WIDE);
    world.run(offset);
    let [_, middle, top] = shape.bitrates;
    let seen = [(WIDE, top, 8, 6), (NARROW, middle, 20, 3), (WIDE, top, 20, 12)]
        .map(|(rate, best, seconds, settle)| phase(&mut world, rate, best, seconds, settle));
    (world, seen)
}

/// Nothing stands still and no word is lost in any phase; what fits is used, and the queue is
/// short.
fn assert_smooth(shape: Shape, offsets: impl Iterator<Item = i64>) {
    for offset in offsets {
        let (world, seen) = down_and_up(shape, offset);
        for (phase, seen) in seen.iter().enumerate() {
            let smooth = seen.freezes.is_empty() && seen.unheard == 0;
            if !smooth || seen.share < 0.85 || seen.p95 >= 150 {
                world.print(VIDEO);
                panic!("{offset} ms later, phase {phase}: {seen:?}");
            }
        }
    }
}

/// Feedback comes each 100 ms and pictures each 40: 200 ms are all there is.
#[test]
fn whenever_a_link_narrows_no_picture_of_the_load_generator_stands_still() {
    assert_smooth(Shape::load(LADDER, false), (0..200).step_by(20));
}

#[test]
fn whenever_a_link_narrows_no_picture_of_a_browser_far_away_stands_still() {
    assert_smooth(Shape::browser([90_000, 356_000, 1_430_000], false), (0..200).step_by(25));
}
