use proptest::prelude::*;

use super::*;

const K: u64 = 1_000;

fn sound(flow: u64) -> Demand {
    let rates = [Some(50 * K), None, None];
    Demand { flow, audio: true, wished: 1, rates, ..Demand::default() }
}

fn camera(flow: u64, wished: u32) -> Demand {
    let rates = [Some(100 * K), Some(300 * K), Some(900 * K)];
    Demand { flow, wished, rates, ..Demand::default() }
}

fn tops(capacity: u64, demands: &[Demand]) -> Vec<Top> {
    share(capacity * K, demands).into_iter().map(|(_, top)| top).collect()
}

#[test]
fn what_fits_passes_whole() {
    let demands = [sound(1), camera(2, 0b100), camera(3, 0b101)];
    assert_eq!(tops(1_950, &demands), [Some(0), Some(2), Some(2)]);
}

#[test]
fn everybody_is_seen_before_anybody_is_seen_better() {
    let demands = [camera(1, 0b100), camera(2, 0b100), camera(3, 0b100)];
    assert_eq!(tops(300, &demands), [Some(0); 3]);
    assert_eq!(tops(499, &demands), [Some(0); 3]);
    assert_eq!(tops(500, &demands), [Some(1), Some(0), Some(0)]);
    assert_eq!(tops(900, &demands), [Some(1); 3]);
    assert_eq!(tops(1_500, &demands), [Some(2), Some(1), Some(1)]);
}

#[test]
fn sound_is_never_what_gives_way() {
    let demands = [sound(1), sound(2), camera(3, 0b100)];
    assert_eq!(tops(150, &demands), [Some(0), Some(0), None]);
    assert_eq!(tops(20, &demands), [Some(0), Some(0), None]);
    assert_eq!(tops(200, &demands), [Some(0), Some(0), Some(0)]);
}

#[test]
fn a_screen_is_seen_well_before_others_are_seen_better() {
    let screen = Demand { first: true, ..camera(9, 0b100) };
    assert_eq!(tops(1_000, &[camera(1, 0b100), screen.clone()]), [Some(0), Some(2)]);
    assert_eq!(tops(100, &[camera(1, 0b100), screen]), [None, Some(0)]);
}

#[test]
fn more_viewers_for_the_same_bits_are_served_first() {
    let popular = Demand { viewers: 5, ..camera(9, 0b100) };
    assert_eq!(tops(500, &[camera(1, 0b100), popular]), [Some(0), Some(1)]);
}

#[test]
fn who_wants_only_better_layers_gets_the_best_that_passes() {
    assert_eq!(layers(0b100, Some(2)), 0b100);
    assert_eq!(layers(0b100, Some(1)), 0b010);
    assert_eq!(layers(0b101, Some(1)), 0b001);
    assert_eq!(layers(0b100, None), 0);
    assert_eq!(layers(0, Some(2)), 0);
    assert_eq!(layers(0b111, Some(u8::MAX)), 0b111);
}

#[test]
fn a_layer_never_seen_is_guessed_from_its_neighbours() {
    let rates = [None, None, Some(900 * K)];
    let one = Demand { rates, ..camera(1, 0b100) };
    assert_eq!([0, 1, 2].map(|n| one.rate(n)), [100 * K, 300 * K, 900 * K]);
    let rates = [Some(100 * K), None, None];
    assert_eq!(Demand { rates, ..one }.rate(2), 900 * K);
}

fn demand() -> impl Strategy<Value = Demand> {
    let rate = || proptest::option::of(1u64..3_000_000);
    (any::<bool>(), any::<bool>(), 0u32..9, 0u32..8, [rate(), rate(), rate()]).prop_map(
        |(audio, first, viewers, wished, rates)| Demand {
            flow: 0,
            audio,
            first,
            viewers,
            wished,
            rates,
        },
    )
}

proptest! {
    #[test]
    fn pictures_take_no_more_than_sound_leaves(
        capacity in 0u64..20_000_000,
        mut demands in proptest::collection::vec(demand(), 0..20),
    ) {
        for (flow, demand) in demands.iter_mut().enumerate() {
            demand.flow = flow as u64;
        }
        let tops = share(capacity, &demands);
        let of = |audio: bool| -> u64 {
            let all = demands.iter().zip(&tops).filter(|(it, _)| it.audio == audio);
            all.map(|(it, (_, top))| if audio { it.rate(0) } else { it.cost(*top) }).sum()
        };
        prop_assert!(of(false) <= capacity.saturating_sub(of(true)));
    }
}
