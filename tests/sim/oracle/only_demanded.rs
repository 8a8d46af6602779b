//! Nothing crosses a link that nobody on its other side wants, or wanted a moment ago.

use crate::sim::{ctx::SECOND, event::Packet};

/// What is not wanted any more stops within two seconds, and the word of it may stick in the link
/// for one before it is given up; then comes what was under way.
pub(super) const GRACE: u64 = 4 * SECOND;

pub(super) fn check(now: u64, wanted: u64, packet: &Packet) -> Option<String> {
    (wanted + GRACE < now).then(|| {
        let (producer, layer) = (&packet.producer, packet.layer);
        format!("layer {layer} of {producer} was last wanted at {} ms", wanted / 1_000)
    })
}
