//! Which core of a node a peer's transports go to. A small room stays on one core, where nothing is
//! copied between threads; a large one takes more of them by itself, and so does one whose core is
//! busy. Nobody is ever moved. Never does: measure.

/// Peers of a room on one core before the room takes another. 32 who all send and receive are
/// 1,000 consumers; a webinar of 32 is far from filling a core, and loses one copy per packet.
pub const PEERS_PER_CORE: usize = 32;
/// Share of its time that a core is awake above which a room looks for another one: what is left
/// is for key frames.
const BUSY: f32 = 0.7;
/// Cores this near to each other are equally busy: the figure is up to a second old, and a burst
/// of joins must not all follow it.
const STEP: f32 = 0.25;

/// A core, as a room sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoreView {
    /// Its name.
    pub core: usize,
    /// Share of the last second it was awake, 0 to 1.
    pub busy: f32,
    /// Peers of the room there.
    pub of_room: usize,
    /// Peers of all rooms there.
    pub peers: usize,
}

impl CoreView {
    fn step(&self) -> u32 {
        (self.busy / STEP) as u32
    }
}

/// Where the room's next peer goes; `None` without cores. A room fills its cores up to `per_core`
/// peers each before it takes another, and shares out evenly what comes when it has them all.
pub fn core_for(cores: &[CoreView], per_core: usize) -> Option<usize> {
    let room_left = |core: &&CoreView| core.busy < BUSY && core.of_room < per_core.max(1);
    let ours = cores.iter().filter(|core| core.of_room > 0);
    // The fullest of those with room left, so that a room that shrinks leaves cores again.
    let open = ours.clone().filter(room_left).max_by_key(|core| (core.of_room, other(core.core)));
    if let Some(core) = open {
        return Some(core.core);
    }
    let fresh = cores.iter().filter(|core| core.of_room == 0);
    let fresh = fresh.min_by_key(|core| (core.step(), core.peers, core.core));
    let ours = ours.min_by_key(|core| (core.step(), core.of_room, core.core));
    match (ours, fresh) {
        // A core that is busier than ours would only be made busier.
        (Some(ours), Some(fresh)) if fresh.step() > ours.step() => Some(ours.core),
        (_, Some(fresh)) => Some(fresh.core),
        (ours, None) => ours.map(|core| core.core),
    }
}

/// For `max_by_key`, which takes the last of equals.
const fn other(core: usize) -> usize {
    usize::MAX - core
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(core: usize, busy: f32, of_room: usize, peers: usize) -> CoreView {
        CoreView { core, busy, of_room, peers }
    }

    #[test]
    fn a_new_room_goes_to_the_least_busy_core_and_then_to_the_one_with_fewest_peers() {
        assert_eq!(core_for(&[], 32), None);
        assert_eq!(core_for(&[core(0, 0.6, 0, 1), core(1, 0.1, 0, 9)], 32), Some(1));
        assert_eq!(core_for(&[core(0, 0.2, 0, 9), core(1, 0.1, 0, 1)], 32), Some(1));
        assert_eq!(core_for(&[core(0, 0.0, 0, 0), core(1, 0.0, 0, 0)], 32), Some(0));
    }

    #[test]
    fn a_small_room_stays_on_its_core() {
        assert_eq!(core_for(&[core(0, 0.5, 31, 31), core(1, 0.0, 0, 0)], 32), Some(0));
    }

    #[test]
    fn a_full_core_and_a_busy_one_make_the_room_take_another() {
        assert_eq!(core_for(&[core(0, 0.1, 32, 32), core(1, 0.0, 0, 0)], 32), Some(1));
        assert_eq!(core_for(&[core(0, 0.8, 3, 3), core(1, 0.0, 0, 0)], 32), Some(1));
    }

    #[test]
    fn a_core_that_is_busier_with_others_is_left_to_them() {
        assert_eq!(core_for(&[core(0, 0.3, 40, 40), core(1, 0.9, 0, 300)], 32), Some(0));
    }

    #[test]
    fn a_room_on_all_cores_is_shared_out_evenly() {
        let mut here = [1, 0];
        for _ in 1..300 {
            let cores = [core(0, 0.2, here[0], here[0]), core(1, 0.1, here[1], here[1])];
            here[core_for(&cores, 32).unwrap()] += 1;
        }
        assert_eq!(here, [150, 150]);
    }

    #[test]
    fn a_room_that_shrank_fills_its_fullest_core_first() {
        assert_eq!(core_for(&[core(0, 0.1, 3, 3), core(1, 0.1, 20, 20)], 32), Some(1));
    }
}
