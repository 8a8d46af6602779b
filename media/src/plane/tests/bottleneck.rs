//! What a plane makes of a bottleneck that becomes narrow and wide again, or is shared by ten:
//! bitrates and queues, over a minute.

use starling_proto::trace::TraceType;

use super::world::*;
use crate::{Command, ConsumerKey, TransportKey, trace::TraceOf};

/// Down and up again, `seconds` each; how much of `bitrates` arrived in each phase after settling,
/// and the wait that 95 of 100 packets did not exceed.
fn down_and_up(bitrates: [u64; 3], temporal: bool) -> [(f64, i64); 3] {
    let mut world = World::new(1, 2_500_000, Shape::browser(bitrates, temporal));
    let phases = [(2_500_000, 2, 12), (600_000, 1, 3), (2_500_000, 2, 12)];
    let figures = phases.map(|(rate, layer, settle)| {
        (world.path.rate, world.path.queue) = (rate, rate / 8 * 3 / 10);
        world.run(settle * 1_000);
        let from = world.ms;
        world.run(25_000);
        let share = world.bitrate(1_007, from, world.ms) as f64 / bitrates[layer] as f64;
        (share, world.path.p95(from * 1_000) / 1_000)
    });
    world.print(1_007);
    eprintln!(
        "{figures:.3?}; {} bytes again or of probation, {} repaired",
        world.probation, world.repaired
    );
    figures
}

fn assert_followed(figures: [(f64, i64); 3]) {
    for (share, wait) in figures {
        assert!(share >= 0.85, "{share} of the best layers");
        assert!(wait < 150, "{wait} ms");
    }
}

#[test]
fn one_video_with_temporal_layers_follows_its_path_down_and_up_again() {
    assert_followed(down_and_up(CHROME, true));
}

#[test]
fn one_video_without_temporal_layers_follows_its_path_down_and_up_again() {
    assert_followed(down_and_up([120_000, 420_000, 1_600_000], false));
}

/// WT12.
#[test]
fn a_traced_transport_tells_of_its_estimate_and_of_what_it_sends_to_find_it() {
    let mut world = World::new(1, 1_000_000, Shape::browser(CHROME, true));
    let of = TraceOf::Transport(TransportKey(900));
    let types = TraceType::OF_TRANSPORT.iter().copied().collect();
    world.bench.command(Command::Trace { of, types });
    world.run(8_000);
    let of_type = |kind| world.told.iter().filter(move |event| event.kind == kind);
    let estimates: Vec<_> = of_type(TraceType::Bwe).collect();
    assert!((2..=40).contains(&estimates.len()), "{}", estimates.len());
    let last = &estimates[estimates.len() - 1].info;
    assert_eq!(last["bweType"], "transport-cc");
    let available = last["availableBitrate"].as_u64().unwrap();
    assert!((300_000..1_500_000).contains(&available), "{last}");
    let padding: Vec<_> = of_type(TraceType::Probation).collect();
    assert!(padding.iter().all(|event| event.info["ssrc"] == 1_234), "{padding:?}");
    assert_eq!(padding.is_empty(), world.padded == 0);
}

#[test]
fn ten_videos_share_three_megabits_and_nobody_starves() {
    let mut world = World::new(10, 3_000_000, Shape::browser(CHROME, true));
    world.run(40_000);
    let rates: Vec<u64> =
        (1..=10).map(|n| world.bitrate(1_000 * n + 7, 20_000, 40_000) / 1_000).collect();
    world.print(1_007);
    let p95 = world.path.p95(20_000_000) / 1_000;
    eprintln!("{rates:?} kb/s, p95 {p95} ms, {} dropped", world.path.drops.len());
    assert!(rates.iter().all(|rate| *rate >= 60), "{rates:?}");
    assert!(rates.iter().sum::<u64>() >= 3_000 * 7 / 10, "{rates:?}");
    assert!(p95 < 150, "{p95} ms");
}

#[test]
fn ten_videos_are_shared_by_priority_and_no_word_is_lost() {
    let mut world = World::new(10, 3_000_000, Shape::browser([80_000, 200_000, 600_000], true));
    for n in 0..10u64 {
        let priority = if n == 0 {
            200
        } else if n < 5 {
            100
        } else {
            50
        };
        world.bench.command(Command::SetPriority { consumer: ConsumerKey(100 + n), priority });
    }
    world.run(32_000);
    let rates: Vec<u64> =
        (1..=10).map(|n| world.bitrate(1_000 * n + 7, 12_000, 32_000) / 1_000).collect();
    world.print(6_007);
    let p95 = world.path.p95(12_000_000) / 1_000;
    let audio = world.bitrate(50, 12_000, 32_000);
    eprintln!("{rates:?} kb/s, audio {audio}, p95 {p95} ms, {} dropped", world.path.drops.len());
    let mean = |range: std::ops::Range<usize>| {
        let count = range.len() as u64;
        rates[range].iter().sum::<u64>() / count
    };
    let [high, middle, low] = [mean(0..1), mean(1..5), mean(5..10)];
    assert!(high * 10 >= middle * 12 && middle * 10 >= low * 12, "{rates:?}");
    assert!(rates.iter().all(|rate| *rate >= 60), "{rates:?}");
    assert!(p95 < 150, "{p95} ms");
    assert!(world.unheard.is_empty() && world.path.drops.is_empty(), "{audio}");
}
