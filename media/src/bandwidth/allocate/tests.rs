use super::*;
use crate::bandwidth::Memory;

const CAMERA: &[(u8, u8, u64)] = &[
    (0, 0, 60_000),
    (0, 1, 90_000),
    (0, 2, 150_000),
    (1, 0, 200_000),
    (1, 1, 300_000),
    (1, 2, 500_000),
    (2, 0, 800_000),
    (2, 1, 1_200_000),
    (2, 2, 2_000_000),
];

fn camera(priority: u8, held: Option<(u8, u8)>) -> Demand {
    let mut ladder = Ladder::default();
    for (spatial, temporal, bitrate) in CAMERA {
        ladder.push(*spatial, *temporal, *bitrate);
    }
    Demand { ladder, priority, held }
}

fn share(budget: u64, demands: &[Demand]) -> Vec<Option<(u8, u8)>> {
    let mut grants = Vec::new();
    let used = allocate(budget, demands, &mut grants);
    let step =
        |(demand, grant): (&Demand, &Granted)| grant.step.map(|grant| demand.ladder.steps()[grant]);
    let steps: Vec<_> = demands.iter().zip(&grants).map(step).collect();
    let sum: u64 = steps.iter().flatten().map(|step| u64::from(step.bitrate)).sum();
    assert_eq!(sum, used);
    steps.into_iter().map(|step| step.map(|step| (step.spatial, step.temporal))).collect()
}

#[test]
fn one_video_climbs_as_far_as_there_is_room() {
    for (budget, got) in [
        (0, None),
        (60_000, None),
        (64_000, Some((0, 0))),
        (300_000, Some((1, 0))),
        (600_000, Some((1, 2))),
        (2_000_000, Some((2, 1))),
        (2_200_000, Some((2, 2))),
        (u64::MAX / 2, Some((2, 2))),
    ] {
        assert_eq!(share(budget, &[camera(1, None)]), [got], "{budget}");
    }
}

#[test]
fn a_step_that_is_held_is_kept_where_a_new_one_would_not_fit() {
    assert_eq!(share(480_000, &[camera(1, Some((1, 2)))]), [Some((1, 2))]);
    assert_eq!(share(480_000, &[camera(1, Some((1, 1)))]), [Some((1, 1))]);
    assert_eq!(share(470_000, &[camera(1, Some((1, 2)))]), [Some((1, 1))]);
    assert_eq!(share(51_000, &[camera(1, Some((1, 2)))]), [Some((0, 0))]);
    assert_eq!(share(49_000, &[camera(1, Some((1, 2)))]), [None]);
}

#[test]
fn ten_videos_share_three_megabits_and_nobody_starves() {
    let shares = share(3_000_000, &[camera(1, None); 10]);
    assert!(shares.iter().all(|share| *share >= Some((1, 0))), "{shares:?}");
    assert!(shares.iter().all(|share| *share <= Some((1, 1))), "{shares:?}");
    // And what they got they keep.
    let held: Vec<_> = shares.iter().map(|share| camera(1, *share)).collect();
    for budget in [2_950_000, 3_000_000, 3_050_000] {
        assert_eq!(share(budget, &held), shares, "{budget}");
    }
}

#[test]
fn priority_climbs_faster_but_starves_nobody() {
    let demands = [camera(1, None), camera(8, None), camera(1, None)];
    assert_eq!(share(1_300_000, &demands), [Some((1, 0)), Some((2, 0)), Some((1, 0))]);
    assert_eq!(share(200_000, &demands), [Some((0, 0)), Some((0, 0)), Some((0, 0))]);
    // Where not even that fits, the more important one has it.
    assert_eq!(share(100_000, &demands), [None, Some((0, 1)), None]);
}

#[test]
fn one_that_comes_later_gets_its_share_of_what_others_hold() {
    let demands = [camera(1, None), camera(1, Some((2, 0)))];
    assert_eq!(share(1_000_000, &demands), [Some((1, 1)), Some((1, 2))]);
}

#[test]
fn a_ladder_is_capped_but_never_to_nothing() {
    let mut ladder = camera(1, None).ladder;
    ladder.cap(1);
    assert_eq!(ladder.top().map(|top| (top.spatial, top.temporal)), Some((1, 2)));
    let mut high = Ladder::default();
    high.push(1, 0, 100);
    high.push(2, 0, 200);
    high.cap(0);
    assert_eq!(high.steps().len(), 1);
    let mut all = Ladder::default();
    (0..100).for_each(|n| all.push(n, 0, 5));
    assert_eq!(all.steps().len(), STEPS);
}

/// As `BANDWIDTH=ten` of the browser suites has them: 80, 200 and 600 kb/s with headers, three
/// temporal layers.
const TEN: &[(u8, u8, u64)] = &[
    (0, 0, 36_000),
    (0, 1, 54_000),
    (0, 2, 90_000),
    (1, 1, 132_000),
    (1, 2, 220_000),
    (2, 1, 390_000),
    (2, 2, 650_000),
];
const PRIORITIES: [u8; 10] = [200, 100, 100, 100, 100, 50, 50, 50, 50, 50];

fn ten(held: &[Option<(u8, u8)>]) -> Vec<Demand> {
    let mut ladder = Ladder::default();
    TEN.iter().for_each(|(spatial, temporal, bitrate)| ladder.push(*spatial, *temporal, *bitrate));
    let one = |(at, priority): (usize, &u8)| {
        let held = held.get(at).copied().flatten();
        Demand { ladder, priority: *priority, held }
    };
    PRIORITIES.iter().enumerate().map(one).collect()
}

#[test]
fn a_higher_priority_gets_visibly_more_and_nobody_less_than_its_lowest_layer() {
    let shares = |budget| {
        let all = share(budget, &ten(&[]));
        (all[0], all[1..5].to_vec(), all[5..].to_vec())
    };
    let (middle, low) = ([(2, 1); 4].map(Some), [(1, 1), (1, 1), (1, 1), (1, 1), (0, 2)].map(Some));
    assert_eq!(shares(3_000_000), (Some((2, 2)), middle.to_vec(), low.to_vec()));
    // With less the lowest priority gives first, and nobody all.
    let (middle, low) = ([(1, 2); 4].map(Some), [(0, 2), (0, 2), (0, 1), (0, 1), (0, 1)].map(Some));
    assert_eq!(shares(2_000_000), (Some((2, 2)), middle.to_vec(), low.to_vec()));
    let (middle, low) = ([(0, 0); 4].map(Some), [(0, 0); 5].map(Some));
    assert_eq!(shares(400_000), (Some((0, 1)), middle.to_vec(), low.to_vec()));
}

#[test]
fn one_that_is_capped_gives_its_rest_to_the_others() {
    let mut demands = ten(&[]);
    for demand in &mut demands[..3] {
        demand.ladder.cap(0);
    }
    let all = share(3_000_000, &demands);
    assert_eq!(all[..3], [Some((0, 2)); 3]);
    assert_eq!(all[3..5], [Some((2, 2)); 2]);
    assert!(all[5..].iter().all(|one| *one >= Some((1, 2))), "{all:?}");
}

/// Two minutes of an estimate that goes up and down by a tenth each five seconds: how often each
/// changes its spatial layer, which costs a key frame.
fn key_frames(mean: f64) -> Vec<u32> {
    let mut held = vec![None; 10];
    let mut memories = [Memory::default(); 10];
    let mut changes = vec![0; 10];
    for tenth in 0..1_200i64 {
        let now = tenth * 100_000;
        let wave = (tenth as f64 / 50.0 * std::f64::consts::TAU).sin();
        let estimate = (mean * (1.0 + 0.1 * wave)) as u64;
        let mut demands = ten(&held);
        for (demand, memory) in demands.iter_mut().zip(&memories) {
            if let Some(ceiling) = memory.ceiling(now, estimate) {
                demand.ladder.cap(ceiling);
            }
        }
        let next = share(estimate, &demands);
        for at in 0..10 {
            let spatial = |step: Option<(u8, u8)>| step.map(|(spatial, _)| spatial);
            let (before, after) = (spatial(held[at]), spatial(next[at]));
            if before != after {
                memories[at].on_grant(now, estimate, before, after);
                changes[at] += u32::from(tenth > 0);
            }
        }
        held = next;
    }
    changes
}

#[test]
fn an_estimate_that_wobbles_by_a_tenth_moves_few_layers() {
    for mean in [1_500_000.0, 2_000_000.0, 2_500_000.0, 3_000_000.0] {
        let changes = key_frames(mean);
        assert_eq!(changes[0], 0, "{mean}: {changes:?}");
        // Lost, and climbed to and lost again after 10, 20 and 40 s; of 48 if nothing were kept
        // from them.
        assert!(changes.iter().all(|changes| *changes <= 8), "{mean}: {changes:?}");
    }
}
