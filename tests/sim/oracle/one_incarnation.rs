//! At most one live incarnation of a peer is heard by anyone: where nodes have been in touch, all
//! their people hear the same one. Rosters are not passed on by third nodes: a session behind a
//! link that is cut is not known, and nobody is blamed for it.

use super::Oracle;
use crate::sim::{
    ctx::{MS, SECOND},
    event::Packet,
};

/// How long two nodes have been in touch, and how long one of them has heard the newer incarnation,
/// before the other has no excuse: a link may stick for a second before it is given up, and word
/// may need a repetition or two.
const EXCUSE: u64 = 3 * SECOND;
/// Somebody heard within this is being heard: packets come every 250 ms.
const HEARD: u64 = 600 * MS;

pub(super) fn check(
    oracle: &Oracle,
    now: u64,
    node: usize,
    speaker: &str,
    packet: &Packet,
) -> Option<String> {
    let on_nodes = oracle.heard.get(&(packet.room.clone(), speaker.to_owned()))?;
    let other = on_nodes.iter().find(|(other, (incarnation, since, last))| {
        **other != node
            && *incarnation > packet.incarnation
            && since + EXCUSE <= now
            && last + HEARD >= now
            && oracle.linked_for(now, node, **other, EXCUSE)
            && oracle
                .linked_with(**other)
                .all(|third| third == node || oracle.linked_for(now, node, third, EXCUSE))
            && oracle.well_for(now, node, EXCUSE)
            && oracle.well_for(now, **other, EXCUSE)
    });
    let (other, (incarnation, ..)) = other?;
    let heard = packet.incarnation;
    Some(format!("n{node} hears {heard} of {speaker} while n{other} hears {incarnation}"))
}
