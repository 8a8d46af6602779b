//! What becomes of a peer's producers of one sort when another claim about the peer is true: the
//! same for streams and for data. Never knows whose they are.

use std::time::Instant;

use starling_proto::{
    DataProducerId, ProducerId,
    roster::{DataProducerEntry, ProducerEntry},
};

use super::SETTLE;

/// A sort of producer.
pub(super) trait Produced: Clone + PartialEq {
    type Id: Clone + PartialEq;
    fn id(&self) -> &Self::Id;
    fn paused(&mut self) -> &mut bool;
    /// Whether consumers of one can go on with the other without negotiating again.
    fn same_source(&self, other: &Self) -> bool;
}

impl Produced for ProducerEntry {
    type Id = ProducerId;

    fn id(&self) -> &ProducerId {
        &self.id
    }

    fn paused(&mut self) -> &mut bool {
        &mut self.paused
    }

    fn same_source(&self, other: &Self) -> bool {
        let codec = |p: &Self| {
            p.consumable.0.codecs.first().map(|codec| codec.mime_type.to_ascii_lowercase())
        };
        self.source == other.source
            && self.kind == other.kind
            && codec(self) == codec(other)
            && self.is_encrypted() == other.is_encrypted()
    }
}

impl Produced for DataProducerEntry {
    type Id = DataProducerId;

    fn id(&self) -> &DataProducerId {
        &self.id
    }

    fn paused(&mut self) -> &mut bool {
        &mut self.paused
    }

    /// A channel's delivery and protocol are agreed on when it is made.
    fn same_source(&self, other: &Self) -> bool {
        (&self.label, &self.protocol, &self.delivery)
            == (&other.label, &other.protocol, &other.delivery)
    }
}

/// One step from what was shown to what is true.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step<P: Produced> {
    Added(P),
    Replaced { old: P::Id, new: P },
    Closed(P::Id),
    Paused(P::Id, bool),
}

/// Ends what is missing in `claimed`.
pub(super) fn close_missing<P: Produced>(shown: &mut Vec<P>, claimed: &[P]) -> Vec<Step<P>> {
    let mut steps = Vec::new();
    shown.retain(|old| {
        let stays = claimed.iter().any(|new| new.id() == old.id());
        if !stays {
            steps.push(Step::Closed(old.id().clone()));
        }
        stays
    });
    steps
}

/// Producers of an earlier session that may be produced again, and until when.
#[derive(Clone, Debug)]
pub(super) struct Settling<P>(Vec<(Instant, P)>);

impl<P> Default for Settling<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P: Produced> Settling<P> {
    /// A newer session: all waits to be produced again.
    pub(super) fn resume(&mut self, now: Instant, earlier: Vec<P>) {
        self.0.extend(earlier.into_iter().map(|producer| (now, producer)));
        for (until, _) in &mut self.0 {
            *until = now + SETTLE;
        }
    }

    /// What is new or different in `claimed`.
    pub(super) fn produce(&mut self, shown: &[P], claimed: &[P]) -> Vec<Step<P>> {
        let mut steps = Vec::new();
        for new in claimed {
            match shown.iter().find(|old| old.id() == new.id()) {
                Some(old) => steps.extend(change(old, new)),
                None => self.add(new, &mut steps),
            }
        }
        steps
    }

    fn add(&mut self, new: &P, steps: &mut Vec<Step<P>>) {
        let same = |(_, old): &(Instant, P)| old.same_source(new);
        let same_id = |(_, old): &(Instant, P)| old.id() == new.id();
        let exact = |s: &(Instant, P)| same(s) && same_id(s);
        let heir = self.0.iter().position(exact);
        let heir = heir.or_else(|| self.0.iter().position(same));
        let heir = heir.map(|index| self.0.remove(index).1);
        if let Some(index) = self.0.iter().position(same_id) {
            steps.push(Step::Closed(self.0.remove(index).1.id().clone()));
        }
        steps.push(match heir {
            Some(old) => Step::Replaced { old: old.id().clone(), new: new.clone() },
            None => Step::Added(new.clone()),
        });
    }

    /// Closes what was not produced again in time.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<Step<P>> {
        let mut steps = Vec::new();
        self.0.retain(|(until, producer)| {
            if *until <= now {
                steps.push(Step::Closed(producer.id().clone()));
            }
            *until > now
        });
        steps
    }

    /// When [`settle`](Self::settle) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|(until, _)| *until).min()
    }

    /// The peer left.
    pub(super) fn close_all(self, shown: Vec<P>) -> Vec<Step<P>> {
        let settling = self.0.into_iter().map(|(_, producer)| producer);
        shown.into_iter().chain(settling).map(|it| Step::Closed(it.id().clone())).collect()
    }
}

fn change<P: Produced>(old: &P, new: &P) -> Option<Step<P>> {
    if old == new {
        return None;
    }
    let (mut old, paused) = (old.clone(), *new.clone().paused());
    *old.paused() = paused;
    Some(if old == *new {
        Step::Paused(new.id().clone(), paused)
    } else {
        Step::Replaced { old: new.id().clone(), new: new.clone() }
    })
}
