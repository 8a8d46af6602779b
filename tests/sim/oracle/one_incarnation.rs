//! At most one live incarnation of a peer is heard by anyone: nodes that reach each other, or a
//! third one with the room that reaches both, hear the same one.

use super::{Heard, Oracle};
use crate::sim::{
    ctx::{MS, SECOND},
    event::Packet,
};

/// How long two nodes have had a link, and how long a third one has heard the newer incarnation,
/// before there is no excuse: a link may stick for a second before it is given up, and word may
/// need a repetition or two.
const EXCUSE: u64 = 3 * SECOND;
/// The same where the word comes by a third node: about a node that nobody reached others are asked
/// every 5 s (`liveness::ASK_LOST`), then for its roster every second, and the first who are asked
/// may know nothing.
const BY_THIRD: u64 = 8 * SECOND;
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
    let other = on_nodes.iter().find(|(other, heard)| {
        **other != node
            && heard.incarnation > packet.incarnation
            && heard.last + HEARD >= now
            && oracle.well_for(now, **other, EXCUSE)
            && knows(oracle, now, node, heard, packet)
    });
    let (other, Heard { incarnation, home, .. }) = other?;
    let heard = packet.incarnation;
    Some(format!(
        "n{node} hears {heard} of {speaker} while n{other} hears {incarnation}, of n{home}"
    ))
}

/// Whether a node has no excuse for not knowing a session that is heard elsewhere.
fn knows(oracle: &Oracle, now: u64, node: usize, heard: &Heard, packet: &Packet) -> bool {
    let home = heard.home;
    let well = |of: usize, long| oracle.well_for(now, of, long);
    let linked = |a: usize, b: usize, long| a == b || oracle.linked_for(now, a, b, long);
    let direct = heard.since + EXCUSE <= now
        && linked(node, home, EXCUSE)
        && well(node, EXCUSE)
        && well(home, EXCUSE);
    let by = |third: usize| {
        well(third, BY_THIRD) && linked(node, third, BY_THIRD) && linked(third, home, BY_THIRD)
    };
    direct
        || heard.since + BY_THIRD <= now
            && well(node, BY_THIRD)
            && well(home, BY_THIRD)
            && oracle.with_room_for(now, &packet.room, BY_THIRD).any(by)
}
