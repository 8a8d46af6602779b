use super::*;

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
