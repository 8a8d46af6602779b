//! Who can reach a publisher hears it, in the layer that they watch, soon after all is mended; and
//! nobody is out who did not leave.

use super::{Oracle, Whereabouts};
use crate::sim::ctx::SECOND;

/// Heard within this is heard: packets come every 250 ms, and another layer takes a round trip.
const WITHIN: u64 = 2 * SECOND;

pub(super) fn check(oracle: &Oracle, now: u64) -> Option<String> {
    let out = oracle.people.iter().enumerate().find(|(_, person)| match person.at {
        Whereabouts::Coming => true,
        // Of two with one name, one has to go.
        Whereabouts::Ended => !person.contested,
        Whereabouts::Outside | Whereabouts::In | Whereabouts::Left => false,
    });
    if let Some((client, person)) = out {
        return Some(format!("client {client}, {}, is {:?}", person.name, person.at));
    }
    let within = || oracle.people.iter().enumerate().filter(|(_, it)| it.at == Whereabouts::In);
    for (speaker, speaking) in within() {
        for (source, (producer, since)) in &speaking.sends {
            let of_room = within().filter(|(_, it)| it.room == speaking.room);
            for (client, listening) in of_room.filter(|(_, it)| it.name != speaking.name) {
                let last = oracle.last.get(&(client, speaker, *source)).copied().unwrap_or(0);
                let recent = *since.max(&listening.layer.1) + WITHIN > now;
                if !recent && last + WITHIN < now {
                    let name = &listening.name;
                    let last = last / 1_000;
                    return Some(format!("{name} last heard {producer} at {last} ms"));
                }
            }
        }
    }
    None
}
