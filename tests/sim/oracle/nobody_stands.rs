//! While nothing breaks and people are moved, who hears a source goes on hearing it.

use super::{Invariant, Oracle, Whereabouts};
use crate::sim::ctx::{MS, SECOND};

/// Longest time between two packets that come every 250 ms. A client sends from its new seat alone
/// (browsers do so from both): its way to the new node, word of that to the others, a pull, three
/// times 100 ms at most on slow paths; and the way of one packet.
const STAND: u64 = SECOND;
/// Who hears whom, and which source.
type Stream = (usize, usize, u8);

/// A packet of a stream came, and `last` before it.
pub(super) fn check(oracle: &mut Oracle, now: u64, stream: Stream, last: Option<u64>) {
    let Some(calm) = oracle.calm else { return };
    stands(oracle, now, stream, last.unwrap_or(calm).max(calm));
}

/// The calm is over: what came no more is found now.
pub(super) fn check_all(oracle: &mut Oracle, now: u64) {
    let Some(calm) = oracle.calm else { return };
    let within = |(_, it): &(usize, &super::Person)| it.at == Whereabouts::In;
    let people: Vec<_> = oracle.people.iter().enumerate().filter(within).collect();
    let mut late = Vec::new();
    for (speaker, speaking) in &people {
        let others = people.iter().filter(|(_, it)| it.room == speaking.room);
        for (client, _) in others.filter(|(_, it)| it.name != speaking.name) {
            late.extend(speaking.sends.keys().map(|source| (*client, *speaker, *source)));
        }
    }
    for stream in late {
        let last = oracle.last.get(&stream).copied().unwrap_or(calm);
        stands(oracle, now, stream, last.max(calm));
    }
}

fn stands(oracle: &mut Oracle, now: u64, (client, speaker, source): Stream, last: u64) {
    let stood = now - last;
    oracle.stood = oracle.stood.max(stood);
    let wrong = (stood > STAND).then(|| {
        let name = |of: usize| oracle.people[of].name.clone();
        let (by, of, ms) = (name(client), name(speaker), stood / MS);
        format!("{by} has not heard source {source} of {of} for {ms} ms")
    });
    oracle.judge(Invariant::NobodyStands, now, wrong);
}
