//! Microphones that are heard, and those that are not.

use super::bench::*;
use crate::{Command, Event, PipeKey, ProducerKey, TransportKey, observer::Reading};

/// Sends 20 ms packets of this level for `ms`.
fn speak(bench: &mut Bench, sequence: &mut u16, level: u8, ms: u64) {
    for _ in 0..ms / 20 {
        let packet = rtp(
            111,
            1111,
            *sequence,
            960 * u32::from(*sequence),
            false,
            &[(1, &[0x80 | level])],
            &[7; 50],
        );
        bench.receive(11, address(5001), &packet);
        *sequence += 1;
        bench.advance(20);
    }
}

fn readings(bench: &mut Bench) -> Vec<Option<Reading>> {
    let told = bench.take_events().into_iter().filter_map(|event| match event {
        Event::Voice { producer, reading } => {
            assert_eq!(producer, ProducerKey(1));
            Some(reading)
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn a_microphone_is_told_of_each_300_ms_while_it_is_heard_and_once_when_it_falls_silent() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.produce(1, 1, opus(1111));
    let mut sequence = 1;
    speak(&mut bench, &mut sequence, 90, 300);
    speak(&mut bench, &mut sequence, 20, 600);
    let told = readings(&mut bench);
    let volumes: Vec<_> = told.iter().flatten().map(|reading| reading.volume).collect();
    assert_eq!((told.len(), &volumes[..2]), (3, &[-90, -20][..]), "{told:?}");
    assert_eq!(told[2].unwrap().speech.long, 6);
    bench.advance(3_000);
    let silent = readings(&mut bench);
    assert_eq!(silent.iter().filter(|reading| reading.is_none()).count(), 1, "{silent:?}");
    assert_eq!(silent.last(), Some(&None));
    // Nobody is heard: no timer is left for it.
    bench.advance(60_000);
    assert!(readings(&mut bench).is_empty());
}

#[test]
fn a_paused_producer_is_not_heard() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.produce(1, 1, opus(1111));
    bench.command(Command::PauseProducer { producer: ProducerKey(1), paused: true });
    speak(&mut bench, &mut 1, 20, 600);
    assert!(readings(&mut bench).is_empty());
}

#[test]
fn what_comes_over_a_pipe_is_measured_at_its_source() {
    let mut bench = Bench::new(1);
    bench.command(Command::AddPipe { transport: TransportKey(1), pipe: PipeKey(1) });
    bench.produce(1, 1, opus(1111));
    for n in 0..50u16 {
        let packet = rtp(111, 1111, n, 960 * u32::from(n), false, &[(1, &[20])], &[7; 50]);
        bench.plane.handle_pipe(bench.now, PipeKey(1), &packet);
        bench.settle();
        bench.advance(20);
    }
    assert!(readings(&mut bench).is_empty());
}

#[test]
fn a_producer_that_ends_while_it_is_heard_is_told_of_no_more() {
    let mut bench = Bench::new(1);
    bench.plain(1, address(5001));
    bench.produce(1, 1, opus(1111));
    speak(&mut bench, &mut 1, 20, 100);
    bench.command(Command::RemoveProducer { producer: ProducerKey(1) });
    bench.advance(2_000);
    assert!(readings(&mut bench).is_empty());
}
