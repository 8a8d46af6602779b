//! Nobody hears a room they are not in, nor themselves.

use super::{Person, Whereabouts};
use crate::sim::event::Packet;

pub(super) fn check(listener: &Person, packet: &Packet) -> Option<String> {
    let out = matches!(listener.at, Whereabouts::Left | Whereabouts::Ended);
    let name = &listener.name;
    if listener.room != packet.room || out {
        let (room, at) = (&listener.room, listener.at);
        return Some(format!(
            "{name} of {room} ({at:?}) hears {} of {}",
            packet.producer, packet.room
        ));
    }
    None
}
