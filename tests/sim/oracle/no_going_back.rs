//! Nobody hears an older incarnation of a peer's source after a newer one. Sources go over from one
//! session to the next each for itself, as soon as they can.

use crate::sim::event::Packet;

pub(super) fn check(newest: u64, packet: &Packet) -> Option<String> {
    let (producer, heard) = (&packet.producer, packet.incarnation);
    (heard < newest).then(|| format!("{producer}: incarnation {heard} is heard after {newest}"))
}
