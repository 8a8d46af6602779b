//! One peer of the merged view, and the facts that lead from what was shown to what is true now.
//! Never knows more than one claim at a time.

use std::{
    cmp::{Ordering, Reverse},
    time::Instant,
};

use starling_proto::{
    NodeId,
    roster::{DataProducerEntry, PeerEntry, ProducerEntry},
};

use super::{
    Fact, PeerView,
    produced::{Settling, Step, close_missing},
};

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
    streams: Settling<ProducerEntry>,
    data: Settling<DataProducerEntry>,
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
            entry: PeerEntry {
                producers: Vec::new(),
                data_producers: Vec::new(),
                ..claim.entry.clone()
            },
            lost: None,
            streams: Settling::default(),
            data: Settling::default(),
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
        let streams = close_missing(&mut self.entry.producers, &claim.entry.producers);
        let data = close_missing(&mut self.entry.data_producers, &claim.entry.data_producers);
        self.tell(streams, data, facts);
        self.produce(claim, facts);
    }

    pub(super) fn leave(mut self, facts: &mut Vec<Fact>) {
        let streams = std::mem::take(&mut self.streams);
        let streams = streams.close_all(std::mem::take(&mut self.entry.producers));
        let data = std::mem::take(&mut self.data);
        let data = data.close_all(std::mem::take(&mut self.entry.data_producers));
        self.tell(streams, data, facts);
        facts.push(Fact::PeerLeft { peer: self.entry.id, node: self.node });
    }

    /// Closes what was not produced again in time.
    pub(super) fn settle(&mut self, now: Instant, facts: &mut Vec<Fact>) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let (streams, data) = (self.streams.settle(now), self.data.settle(now));
        self.tell(streams, data, facts);
    }

    /// When [`settle`](Self::settle) has something to do. A lost peer cannot produce: its producers
    /// go with it, or wait on.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.lost.is_some() {
            return None;
        }
        self.streams.deadline().into_iter().chain(self.data.deadline()).min()
    }

    fn resume(&mut self, now: Instant, claim: Claim<'_>, facts: &mut Vec<Fact>) {
        facts.push(Fact::PeerMoved {
            peer: self.entry.id.clone(),
            from: self.node.clone(),
            to: claim.node.clone(),
        });
        self.node = claim.node.clone();
        self.lost = None;
        self.streams.resume(now, std::mem::take(&mut self.entry.producers));
        self.data.resume(now, std::mem::take(&mut self.entry.data_producers));
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

    fn produce(&mut self, claim: Claim<'_>, facts: &mut Vec<Fact>) {
        let shown = std::mem::replace(&mut self.entry, claim.entry.clone());
        let streams = self.streams.produce(&shown.producers, &claim.entry.producers);
        let data = self.data.produce(&shown.data_producers, &claim.entry.data_producers);
        self.tell(streams, data, facts);
    }

    fn tell(
        &self,
        streams: Vec<Step<ProducerEntry>>,
        data: Vec<Step<DataProducerEntry>>,
        facts: &mut Vec<Fact>,
    ) {
        let (peer, node) = (|| self.entry.id.clone(), || self.node.clone());
        facts.extend(streams.into_iter().map(|step| match step {
            Step::Added(producer) => Fact::ProducerAdded { peer: peer(), node: node(), producer },
            Step::Replaced { old, new: producer } => {
                Fact::ProducerReplaced { peer: peer(), node: node(), old, producer }
            }
            Step::Closed(producer) => Fact::ProducerClosed { peer: peer(), producer },
            Step::Paused(producer, paused) => {
                Fact::ProducerPaused { peer: peer(), producer, paused }
            }
        }));
        facts.extend(data.into_iter().map(|step| match step {
            Step::Added(producer) => {
                Fact::DataProducerAdded { peer: peer(), node: node(), producer }
            }
            Step::Replaced { old, new: producer } => {
                Fact::DataProducerReplaced { peer: peer(), node: node(), old, producer }
            }
            Step::Closed(producer) => Fact::DataProducerClosed { peer: peer(), producer },
            Step::Paused(producer, paused) => {
                Fact::DataProducerPaused { peer: peer(), producer, paused }
            }
        }));
    }
}
