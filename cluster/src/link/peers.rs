//! Which nodes to have a link with, whom to dial and when. Pure: `now` and randomness are arguments.
//! Never dials.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use rand::Rng;
use starling_proto::NodeId;

use super::Target;

/// First pause before dialling again: a restarting node is back in about a second.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// Longest pause: a node that came back is found within this.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// One connection of this endpoint's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkId(pub(super) u64);

/// Why a node may not have a link now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not among the targets.
    Unwanted,
    /// It is an earlier life than the one wanted.
    Stale { wanted: u64 },
    /// The node with the smaller id dials.
    WrongDirection,
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    ByUs,
    ByThem,
}

/// All nodes this one wants a link with, or still has one with.
#[derive(Debug)]
pub(super) struct Peers {
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
    pub(super) fn new(me: NodeId) -> Self {
        Self { me, slots: BTreeMap::new() }
    }

    /// Takes the whole desired set; answers the links to close.
    pub(super) fn set_targets(&mut self, now: Instant, targets: Vec<Target>) -> Vec<LinkId> {
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
    pub(super) fn admit(&self, node: &NodeId, epoch: u64, opened: Opened) -> Result<(), Refused> {
        self.still_wanted(node, epoch)?;
        if (opened == Opened::ByUs) != (self.me < *node) {
            return Err(Refused::WrongDirection);
        }
        Ok(())
    }

    /// As [`Self::admit`], for a connection that was admitted a moment ago.
    pub(super) fn still_wanted(&self, node: &NodeId, epoch: u64) -> Result<(), Refused> {
        let target = self.slots.get(node).and_then(|slot| slot.target.as_ref());
        let Some(target) = target else { return Err(Refused::Unwanted) };
        if epoch < target.epoch {
            return Err(Refused::Stale { wanted: target.epoch });
        }
        Ok(())
    }

    /// A link came up; answers the one it replaces.
    pub(super) fn on_up(
        &mut self,
        now: Instant,
        node: &NodeId,
        epoch: u64,
        id: LinkId,
    ) -> Option<LinkId> {
        let slot = self.slots.get_mut(node)?;
        let before = std::mem::replace(&mut slot.state, State::Up { id, epoch, since: now });
        match before {
            State::Up { id, .. } => Some(id),
            State::Idle { .. } | State::Dialling { .. } => None,
        }
    }

    /// A link ended. One that was replaced changes nothing.
    pub(super) fn on_down(&mut self, now: Instant, node: &NodeId, id: LinkId, rng: &mut impl Rng) {
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
    pub(super) fn on_dial_failed(&mut self, now: Instant, node: &NodeId, rng: &mut impl Rng) {
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
    pub(super) fn poll_dial(&mut self, now: Instant) -> Option<Target> {
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
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let dialled = self.slots.iter().filter(|(node, _)| self.me < **node);
        dialled.filter_map(|(_, slot)| slot.dial_at()).min()
    }

    /// Where the targets are: known addresses need not prove themselves.
    pub(super) fn knows(&self, addr: std::net::SocketAddr) -> bool {
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
