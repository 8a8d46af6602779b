//! Last-N: whose video a peer gets when it is not to get everybody's. Pins always, then who spoke
//! last, then the others in the order of their ids, so that the places are never empty. Pure.

use std::collections::BTreeSet;

use starling_proto::PeerId;

/// What a peer, or its room, wishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastN {
    /// So many peers beside the pinned ones; 0: everybody.
    pub count: u32,
    /// These in any case.
    pub pins: BTreeSet<PeerId>,
}

/// The peers whose video `me` gets; `None`: everybody's. `recent`: who spoke, newest first;
/// `room`: everybody in it whose camera is on, in ascending order.
pub fn shown(
    wish: &LastN,
    me: &PeerId,
    recent: &[PeerId],
    room: &[&PeerId],
) -> Option<BTreeSet<PeerId>> {
    if wish.count == 0 {
        return None;
    }
    let is_here = |peer: &&PeerId| room.binary_search(peer).is_ok();
    let mut shown: BTreeSet<PeerId> = wish.pins.iter().filter(is_here).cloned().collect();
    let most = shown.len() + wish.count as usize;
    let spoke = recent.iter().filter(is_here);
    for peer in spoke.chain(room.iter().copied()).filter(|peer| *peer != me) {
        if shown.len() >= most {
            break;
        }
        shown.insert(peer.clone());
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>(names: [&str; N]) -> Vec<PeerId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn who(count: u32, pins: &[&str], recent: &[&str]) -> Option<Vec<String>> {
        let room = ids(["a", "b", "c", "d", "me"]);
        let parse = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let pins: Vec<PeerId> = parse(pins);
        let recent: Vec<PeerId> = parse(recent);
        let wish = LastN { count, pins: pins.into_iter().collect() };
        let all: Vec<_> = room.iter().collect();
        let shown = shown(&wish, &room[4], &recent, &all)?;
        Some(shown.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn without_a_count_everybody_is_shown() {
        assert_eq!(who(0, &["a"], &["b"]), None);
    }

    #[test]
    fn the_last_speakers_are_shown_and_the_first_of_the_others_fill_up() {
        assert_eq!(who(2, &[], &["d", "c", "b"]).unwrap(), ["c", "d"]);
        assert_eq!(who(2, &[], &["d"]).unwrap(), ["a", "d"]);
        assert_eq!(who(9, &[], &[]).unwrap(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn pins_come_on_top_and_oneself_and_who_is_not_to_be_seen_take_no_place() {
        assert_eq!(who(1, &["a", "gone"], &["me", "gone", "d"]).unwrap(), ["a", "d"]);
        assert_eq!(who(1, &["d"], &["d"]).unwrap(), ["a", "d"]);
    }
}
