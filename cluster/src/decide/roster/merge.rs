//! One peer of the merged view, and the facts that lead from what was shown to what is true now.
//! Never knows more than one claim at a time.

use std::{
    cmp::{Ordering, Reverse},
    time::Instant,
};

use starling_proto::{
    NodeId,
    roster::{PeerEntry, ProducerEntry},
};

use super::{Fact, PeerView, SETTLE};

/// A node says that it has this peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) node: &'a NodeId,
    pub(super) entry: &'a PeerEntry,
    /// When it ends, if its node is out of reach.
    pub(super) lost: Option<Instant>,
}

impl Claim<'_> {
    /// The greatest is true. Equal incarnations happen only by accident; all nodes then agree on
    /// the reachable one, and on the smaller id.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let key = |c: &Self| (c.entry.incarnation, c.lost.is_none(), Reverse(c.node.clone()));
        key(self).cmp(&key(other))
    }
}

/// A peer as the room shows it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    node: NodeId,
    entry: PeerEntry,
    lost: Option<Instant>,
    /// Producers of an earlier session that may be produced again, and until when.
    settling: Vec<(Instant, ProducerEntry)>,
}

impl Member {
    pub(super) fn view(&self) -> PeerView<'_> {
        PeerView { entry: &self.entry, node: &self.node, lost: self.lost.is_some() }
    }

    pub(super) fn join(claim: Claim<'_>, facts: &mut Vec<Fact>) -> Self {
        facts.push(Fact::PeerJoined {
            peer: claim.entry.id.clone(),
            node: claim.node.clone(),
            display_name: claim.entry.display_name.clone(),
            device: claim.entry.device.clone(),
        });
        let mut member = Self {
            node: claim.node.clone(),
            entry: PeerEntry { producers: Vec::new(), ..claim.entry.clone() },
            lost: None,
            settling: Vec::new(),
        };
        member.reach(claim, facts);
        member.produce(claim, facts);
        member
    }

    pub(super) fn update(&mut self, now: Instant, claim: Claim<'_>, facts: &mut Vec<Fact>) {
        let resumed = self.node != *claim.node || self.entry.incarnation != claim.entry.incarnation;
        if resumed {
            self.resume(now, claim, facts);
        }
        self.reach(claim, facts);
        if self.entry.display_name != claim.entry.display_name {
            facts.push(Fact::Renamed {
                peer: self.entry.id.clone(),
                display_name: claim.entry.display_name.clone(),
            });
        }
        self.close_missing(claim, facts);
        self.produce(claim, facts);
    }

    pub(super) fn leave(self, facts: &mut Vec<Fact>) {
        let peer = self.entry.id;
        let settling = self.settling.into_iter().map(|(_, producer)| producer);
        for producer in self.entry.producers.into_iter().chain(settling) {
            facts.push(Fact::ProducerClosed { peer: peer.clone(), producer: producer.id });
        }
        facts.push(Fact::PeerLeft { peer, node: self.node });
    }

    /// Closes what was not produced again in time.
    pub(super) fn settle(&mut self, now: Instant, facts: &mut Vec<Fact>) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let peer = &self.entry.id;
        self.settling.retain(|(until, producer)| {
            if *until <= now {
                let producer = producer.id.clone();
                facts.push(Fact::ProducerClosed { peer: peer.clone(), producer });
            }
            *until > now
        });
    }

    /// When [`settle`](Self::settle) has something to do. A lost peer cannot produce: its producers
    /// go with it, or wait on.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.lost.is_some() {
            return None;
        }
        self.settling.iter().map(|(until, _)| *until).min()
    }

    fn resume(&mut self, now: Instant, claim: Claim<'_>, facts: &mut Vec<Fact>) {
        facts.push(Fact::PeerMoved {
            peer: self.entry.id.clone(),
            from: self.node.clone(),
            to: claim.node.clone(),
        });
        self.node = claim.node.clone();
        self.lost = None;
        let earlier = std::mem::take(&mut self.entry.producers);
        self.settling.extend(earlier.into_iter().map(|producer| (now, producer)));
        for (until, _) in &mut self.settling {
            *until = now + SETTLE;
        }
    }

    fn reach(&mut self, claim: Claim<'_>, facts: &mut Vec<Fact>) {
        let (peer, node) = (self.entry.id.clone(), self.node.clone());
        match (self.lost.is_some(), claim.lost.is_some()) {
            (false, true) => facts.push(Fact::PeerLost { peer, node }),
            (true, false) => facts.push(Fact::PeerFound { peer, node }),
            (false, false) | (true, true) => {}
        }
        self.lost = claim.lost;
    }

    fn close_missing(&mut self, claim: Claim<'_>, facts: &mut Vec<Fact>) {
        let peer = &self.entry.id;
        self.entry.producers.retain(|old| {
            let stays = claim.entry.producers.iter().any(|new| new.id == old.id);
            if !stays {
                let producer = old.id.clone();
                facts.push(Fact::ProducerClosed { peer: peer.clone(), producer });
            }
            stays
        });
    }

    fn produce(&mut self, claim: Claim<'_>, facts: &mut Vec<Fact>) {
        let shown = std::mem::replace(&mut self.entry, claim.entry.clone()).producers;
        for new in &claim.entry.producers {
            match shown.iter().find(|old| old.id == new.id) {
                Some(old) => self.change(old, new, facts),
                None => self.add(new, facts),
            }
        }
    }

    fn change(&self, old: &ProducerEntry, new: &ProducerEntry, facts: &mut Vec<Fact>) {
        if old == new {
            return;
        }
        let peer = self.entry.id.clone();
        if *old == (ProducerEntry { paused: old.paused, ..new.clone() }) {
            let (producer, paused) = (new.id.clone(), new.paused);
            facts.push(Fact::ProducerPaused { peer, producer, paused });
        } else {
            let (node, old, producer) = (self.node.clone(), old.id.clone(), new.clone());
            facts.push(Fact::ProducerReplaced { peer, node, old, producer });
        }
    }

    fn add(&mut self, new: &ProducerEntry, facts: &mut Vec<Fact>) {
        let (peer, node, producer) = (self.entry.id.clone(), self.node.clone(), new.clone());
        let same = |(_, old): &(Instant, ProducerEntry)| same_source(old, new);
        let same_id = |(_, old): &(Instant, ProducerEntry)| old.id == new.id;
        let exact = |s: &(Instant, ProducerEntry)| same(s) && same_id(s);
        let heir = self.settling.iter().position(exact);
        let heir = heir.or_else(|| self.settling.iter().position(same));
        let heir = heir.map(|index| self.settling.remove(index).1.id);
        if let Some(index) = self.settling.iter().position(same_id) {
            let producer = self.settling.remove(index).1.id;
            facts.push(Fact::ProducerClosed { peer: peer.clone(), producer });
        }
        if let Some(old) = heir {
            facts.push(Fact::ProducerReplaced { peer, node, old, producer });
            return;
        }
        facts.push(Fact::ProducerAdded { peer, node, producer });
    }
}

/// Whether consumers of one can go on with the other without negotiating again.
fn same_source(old: &ProducerEntry, new: &ProducerEntry) -> bool {
    let codec = |p: &ProducerEntry| {
        p.consumable.0.codecs.first().map(|codec| codec.mime_type.to_ascii_lowercase())
    };
    old.source == new.source && old.kind == new.kind && codec(old) == codec(new)
}
