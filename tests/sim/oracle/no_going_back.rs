//! Nobody hears an older incarnation of a peer after a newer one.

use crate::sim::event::Packet;

pub(super) fn check(newest: u64, packet: &Packet) -> Option<String> {
    let (producer, heard) = (&packet.producer, packet.incarnation);
    (heard < newest).then(|| format!("{producer}: incarnation {heard} is heard after {newest}"))
}
