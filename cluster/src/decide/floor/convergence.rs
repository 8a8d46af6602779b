//! Nodes that hear different microphones over links of different delay agree on who speaks.

use proptest::prelude::*;

use super::*;

/// Four nodes, one microphone each.
const NODES: usize = 4;
/// What a plane tells each 300 ms.
const TICK: u64 = 300;

fn id(index: usize) -> ProducerId {
    format!("p{index}").parse().unwrap()
}

fn speech(loud: u8) -> Speech {
    Speech { immediate: loud + 2, medium: loud.min(5), long: loud.min(10) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn after_a_second_of_quiet_links_all_nodes_name_the_same_speaker(
        loud in prop::collection::vec(prop::array::uniform4(0u8..=10), 1..20),
        delays in prop::array::uniform16(1u64..900),
    ) {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut floors = vec![Floor::default(); NODES];
        // Deliveries in flight: when, to whom, from whom, what. A link keeps its order.
        let mut flying: Vec<(u64, usize, usize, Voices)> = Vec::new();
        let end = loud.len() as u64 * TICK;
        for ms in (0..end + 1_000).step_by(10) {
            flying.sort_by_key(|(due, ..)| *due);
            while flying.first().is_some_and(|(due, ..)| *due <= ms) {
                let (_, to, from, said) = flying.remove(0);
                let node = format!("n{from}").parse().unwrap();
                let _ = floors[to].told(at(ms), &node, said);
            }
            if ms % TICK != 0 || ms >= end {
                continue;
            }
            let levels = loud[(ms / TICK) as usize];
            for from in 0..NODES {
                let voice =
                    Voice { producer: id(from), volume: -20, speech: speech(levels[from]) };
                let Some(said) = floors[from].hear(at(ms), vec![voice], &[]).tell else {
                    continue;
                };
                for to in (0..NODES).filter(|to| *to != from) {
                    flying.push((ms + delays[from * NODES + to], to, from, said.clone()));
                }
            }
        }
        let speakers: Vec<_> = floors.iter().map(Floor::speaker).collect();
        prop_assert!(speakers.windows(2).all(|pair| pair[0] == pair[1]), "{speakers:?}");
    }
}
