//! Which nodes to have a link with, whom to dial and when. Pure: `now` and randomness are
//! arguments. Never dials.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::Rng;
use starling_proto::NodeId;

use super::Target;

/// First pause before dialling again: a restarting node is back in about a second.
pub const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause: a node that came back is found within this.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// One connection of this endpoint's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Why a node may not have a link now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not among the targets.
    Unwanted,
    /// It is an earlier life than the one wanted.
    Stale {
        /// The life that is.
        wanted: u64,
    },
    /// The node with the smaller id dials.
    WrongDirection,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// This node.
    ByUs,
    /// The other.
    ByThem,
}

/// All nodes this one wants a link with, or still has one with.
#[derive(Debug)]
pub struct Peers {
    me: NodeId,
    slots: BTreeMap<NodeId, Slot>,
}

#[derive(Debug)]
struct Slot {
    target: Option<Target>,
    state: State,
    /// Failures in a row.
    failures: u32,
}

#[derive(Debug)]
enum State {
    Idle { dial_at: Instant },
    Dialling { changed: bool },
    Up { id: LinkId, epoch: u64, since: Instant },
}

impl Peers {
    /// Nobody is wanted yet.
    pub fn new(me: NodeId) -> Self {
        Self { me, slots: BTreeMap::new() }
    }

    /// Takes the whole desired set; answers the links to close.
    pub fn set_targets(&mut self, now: Instant, targets: Vec<Target>) -> Vec<LinkId> {
        let me = self.me.clone();
        let wanted: BTreeMap<_, _> = targets
            .into_iter()
            .filter(|target| target.node != me)
            .map(|target| (target.node.clone(), target))
            .collect();
        let known: BTreeSet<NodeId> = self.slots.keys().chain(wanted.keys()).cloned().collect();
        let mut close = Vec::new();
        for node in known {
            let target = wanted.get(&node).cloned();
            let slot = self.slots.entry(node).or_insert(Slot {
                target: None,
                state: State::Idle { dial_at: now },
                failures: 0,
            });
            if slot.target != target {
                slot.retarget(now, target);
            }
            if let State::Up { id, epoch, .. } = slot.state
                && slot.target.as_ref().is_none_or(|target| epoch < target.epoch)
            {
                close.push(id);
            }
        }
        self.forget_unwanted();
        close
    }

    /// May this node, in this life, have a link?
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, node: &NodeId, epoch: u64, opened: Opened) -> Result<(), Refused> {
        self.still_wanted(node, epoch)?;
        if (opened == Opened::ByUs) != (self.me < *node) {
            return Err(Refused::WrongDirection);
        }
        Ok(())
    }

    /// As [`Self::admit`], for a connection that was admitted a moment ago.
    ///
    /// # Errors
    /// Why not.
    pub fn still_wanted(&self, node: &NodeId, epoch: u64) -> Result<(), Refused> {
        let target = self.slots.get(node).and_then(|slot| slot.target.as_ref());
        let Some(target) = target else { return Err(Refused::Unwanted) };
        if epoch < target.epoch {
            return Err(Refused::Stale { wanted: target.epoch });
        }
        Ok(())
    }

    /// A link came up; answers the one it replaces.
    pub fn on_up(&mut self, now: Instant, node: &NodeId, epoch: u64, id: LinkId) -> Option<LinkId> {
        let slot = self.slots.get_mut(node)?;
        let before = std::mem::replace(&mut slot.state, State::Up { id, epoch, since: now });
        match before {
            State::Up { id, .. } => Some(id),
            State::Idle { .. } | State::Dialling { .. } => None,
        }
    }

    /// A link ended. One that was replaced changes nothing.
    pub fn on_down(&mut self, now: Instant, node: &NodeId, id: LinkId, rng: &mut impl Rng) {
        let Some(slot) = self.slots.get_mut(node) else { return };
        let State::Up { id: current, since, .. } = slot.state else { return };
        if current != id {
            return;
        }
        // A link that comes up and ends at once must not be dialled in a tight loop.
        if now.saturating_duration_since(since) >= BACKOFF_MAX {
            slot.failures = 0;
        }
        slot.retry(now, rng);
        self.forget_unwanted();
    }

    /// A dial came to nothing.
    pub fn on_dial_failed(&mut self, now: Instant, node: &NodeId, rng: &mut impl Rng) {
        let Some(slot) = self.slots.get_mut(node) else { return };
        let State::Dialling { changed } = slot.state else { return };
        if changed {
            slot.failures = 0;
            slot.state = State::Idle { dial_at: now };
        } else {
            slot.retry(now, rng);
        }
        self.forget_unwanted();
    }

    /// The next node to dial now. Call until `None`.
    pub fn poll_dial(&mut self, now: Instant) -> Option<Target> {
        let me = &self.me;
        let due = |(node, slot): &(&NodeId, &mut Slot)| {
            me < *node && slot.dial_at().is_some_and(|at| at <= now)
        };
        let (_, slot) = self.slots.iter_mut().find(due)?;
        let target = slot.target.clone()?;
        slot.state = State::Dialling { changed: false };
        Some(target)
    }

    /// When `poll_dial` is to be called again (reason: a pause before dialling ends).
    pub fn next_deadline(&self) -> Option<Instant> {
        let dialled = self.slots.iter().filter(|(node, _)| self.me < **node);
        dialled.filter_map(|(_, slot)| slot.dial_at()).min()
    }

    /// Where the targets are: known addresses need not prove themselves.
    pub fn knows(&self, addr: std::net::SocketAddr) -> bool {
        self.slots.values().any(|slot| slot.target.as_ref().is_some_and(|t| t.addr == addr))
    }

    fn forget_unwanted(&mut self) {
        self.slots
            .retain(|_, slot| slot.target.is_some() || !matches!(slot.state, State::Idle { .. }));
    }
}

impl Slot {
    fn retarget(&mut self, now: Instant, target: Option<Target>) {
        self.target = target;
        match &mut self.state {
            State::Idle { dial_at } => {
                *dial_at = now;
                self.failures = 0;
            }
            State::Dialling { changed } => *changed = true,
            State::Up { .. } => {}
        }
    }

    fn retry(&mut self, now: Instant, rng: &mut impl Rng) {
        self.state = State::Idle { dial_at: now + pause(self.failures, rng) };
        self.failures = self.failures.saturating_add(1);
    }

    fn dial_at(&self) -> Option<Instant> {
        match self.state {
            State::Idle { dial_at } if self.target.is_some() => Some(dial_at),
            State::Idle { .. } | State::Dialling { .. } | State::Up { .. } => None,
        }
    }
}

/// Doubling from [`BACKOFF_MIN`] to [`BACKOFF_MAX`], half of it by chance, so that nodes that lost
/// the same node do not come back in step.
fn pause(failures: u32, rng: &mut impl Rng) -> Duration {
    let full = BACKOFF_MIN.saturating_mul(1 << failures.min(10)).min(BACKOFF_MAX);
    full.mul_f64(rng.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::SmallRng};
    use starling_proto::Id;

    use super::*;

    fn id(text: &str) -> NodeId {
        NodeId::parse(text).unwrap()
    }

    fn target(node: &str, epoch: u64) -> Target {
        Target { node: id(node), epoch, addr: "10.0.0.1:7000".parse().unwrap() }
    }

    fn rng() -> SmallRng {
        SmallRng::seed_from_u64(7)
    }

    /// Node "m" that wants "a" and "z", both in life 5.
    fn peers(now: Instant) -> Peers {
        let mut peers = Peers::new(id("m"));
        assert!(peers.set_targets(now, vec![target("a", 5), target("z", 5)]).is_empty());
        peers
    }

    #[test]
    fn the_smaller_id_dials_once() {
        let now = Instant::now();
        let mut peers = peers(now);
        assert_eq!(peers.next_deadline(), Some(now));
        assert_eq!(peers.poll_dial(now), Some(target("z", 5)));
        assert_eq!(peers.poll_dial(now), None);
        assert_eq!(peers.next_deadline(), None);
    }

    #[test]
    fn oneself_is_no_peer() {
        let now = Instant::now();
        let mut peers = Peers::new(id("m"));
        peers.set_targets(now, vec![target("m", 1)]);
        assert_eq!(peers.admit(&id("m"), 1, Opened::ByThem), Err(Refused::Unwanted));
        assert_eq!(peers.poll_dial(now), None);
    }

    #[test]
    fn pauses_double_to_two_seconds_with_chance_in_half_of_each() {
        let mut now = Instant::now();
        let (mut peers, mut rng) = (peers(now), rng());
        for full in [100, 200, 400, 800, 1_600, 2_000, 2_000].map(Duration::from_millis) {
            assert!(peers.poll_dial(now).is_some());
            peers.on_dial_failed(now, &id("z"), &mut rng);
            let pause = peers.next_deadline().unwrap() - now;
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
            assert_eq!(peers.poll_dial(now), None);
            now += pause;
        }
    }

    #[test]
    fn a_new_life_is_dialled_at_once() {
        let now = Instant::now();
        let (mut peers, mut rng) = (peers(now), rng());
        peers.poll_dial(now);
        peers.on_dial_failed(now, &id("z"), &mut rng);
        peers.set_targets(now, vec![target("z", 6)]);
        assert_eq!(peers.poll_dial(now), Some(target("z", 6)));
        peers.set_targets(now, vec![target("z", 7)]);
        assert_eq!(peers.poll_dial(now), None, "one dial at a time");
        peers.on_dial_failed(now, &id("z"), &mut rng);
        assert_eq!(peers.poll_dial(now), Some(target("z", 7)));
    }

    #[test]
    fn links_to_unwanted_and_past_lives_are_closed() {
        let now = Instant::now();
        let mut peers = peers(now);
        peers.on_up(now, &id("a"), 5, LinkId(1));
        peers.on_up(now, &id("z"), 6, LinkId(2));
        assert!(peers.set_targets(now, vec![target("a", 5), target("z", 6)]).is_empty());
        assert_eq!(peers.set_targets(now, vec![target("z", 7)]), [LinkId(1), LinkId(2)]);
    }

    #[test]
    fn a_link_that_ends_early_is_not_dialled_in_a_loop() {
        let now = Instant::now();
        let (mut peers, mut rng) = (peers(now), rng());
        for round in 0..6u32 {
            let at = peers.next_deadline().unwrap();
            peers.poll_dial(at);
            peers.on_up(at, &id("z"), 5, LinkId(round.into()));
            peers.on_down(at, &id("z"), LinkId(round.into()), &mut rng);
        }
        assert!(peers.next_deadline().unwrap() - now > Duration::from_secs(2));
        let at = peers.next_deadline().unwrap();
        peers.on_up(at, &id("z"), 5, LinkId(9));
        peers.on_down(at + BACKOFF_MAX, &id("z"), LinkId(9), &mut rng);
        assert!(peers.next_deadline().unwrap() - (at + BACKOFF_MAX) <= BACKOFF_MIN);
    }

    #[test]
    fn the_end_of_a_replaced_link_changes_nothing() {
        let now = Instant::now();
        let mut peers = peers(now);
        assert_eq!(peers.on_up(now, &id("a"), 5, LinkId(1)), None);
        assert_eq!(peers.on_up(now, &id("a"), 6, LinkId(2)), Some(LinkId(1)));
        peers.on_down(now, &id("a"), LinkId(1), &mut rng());
        assert_eq!(peers.on_up(now, &id("a"), 7, LinkId(3)), Some(LinkId(2)));
    }

    #[test]
    fn only_wanted_nodes_in_a_current_life_from_the_right_side_are_admitted() {
        let peers = peers(Instant::now());
        assert_eq!(peers.admit(&id("a"), 5, Opened::ByThem), Ok(()));
        assert_eq!(peers.admit(&id("a"), 6, Opened::ByThem), Ok(()));
        assert_eq!(peers.admit(&id("a"), 4, Opened::ByThem), Err(Refused::Stale { wanted: 5 }));
        assert_eq!(peers.admit(&id("a"), 5, Opened::ByUs), Err(Refused::WrongDirection));
        assert_eq!(peers.admit(&id("z"), 5, Opened::ByThem), Err(Refused::WrongDirection));
        assert_eq!(peers.admit(&id("b"), 5, Opened::ByThem), Err(Refused::Unwanted));
    }

    #[test]
    fn nodes_that_are_neither_wanted_nor_linked_are_forgotten() {
        let now = Instant::now();
        let (mut peers, mut rng) = (peers(now), rng());
        peers.poll_dial(now);
        peers.on_up(now, &id("a"), 5, LinkId(1));
        peers.set_targets(now, Vec::new());
        assert_eq!(peers.slots.len(), 2);
        peers.on_dial_failed(now, &id("z"), &mut rng);
        peers.on_down(now, &id("a"), LinkId(1), &mut rng);
        assert!(peers.slots.is_empty());
    }
}
