//! From whom a producer is pulled: chosen anew whenever something has changed, and when a deadline
//! passes.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use starling_proto::{Id, NodeId, ProducerId};

use super::{
    ASK_AGAIN, AVOID, Action, DRY_AFTER, NewFlow, Pull, Pulls, SETTLE, Upstream, close, dry,
};
use crate::decide::{
    rendezvous::weight,
    tree::{Place, Tree, standby},
};

/// Nodes that are asked where only others reach the publisher's: one may be just as cut off,
/// another as slow (as many as `liveness` asks), and each asks others in turn.
const LAST_RESORTS: usize = 3;

impl Pull {
    /// A node is not asked for a while. The publisher's is the last resort, and asked soon again.
    pub(super) fn shun(&mut self, now: Instant, node: &NodeId, how_long: Duration) {
        let how_long = if *node == self.origin { ASK_AGAIN } else { how_long };
        self.avoid.insert(node.clone(), now + how_long);
    }
}

impl Upstream {
    /// It has had no path for too long. The publisher's node needs none.
    fn is_dry(&self, now: Instant, origin: &NodeId) -> bool {
        self.node != *origin && self.path.is_empty() && now >= self.dry_since + DRY_AFTER
    }
}

impl Pulls {
    pub(super) fn settle_all(
        &mut self,
        now: Instant,
        flows: &mut NewFlow<'_>,
        out: &mut Vec<Action>,
    ) {
        let all: Vec<_> = self.pulls.keys().cloned().collect();
        for producer in all {
            self.settle(now, &producer, flows, out);
        }
    }

    /// Ends a pull that nobody wants, begins one that is wanted, and moves one that comes from
    /// elsewhere than it should.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        producer: &ProducerId,
        flows: &mut NewFlow<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(pull) = self.pulls.get_mut(producer) else { return };
        if !pull.used && pull.takers.is_empty() {
            close(pull.up.take().into_iter().chain(pull.next.take()), out);
            out.push(Action::End(producer.clone()));
            self.pulls.remove(producer);
            return;
        }
        pull.avoid.retain(|_, until| *until > now);
        if let Some(reach) = self.nodes.get(&pull.origin) {
            pull.home.clone_from(&reach.place);
        }
        let dried = |up: &mut Upstream| up.is_dry(now, &pull.origin);
        if let Some(next) = pull.next.take_if(dried) {
            pull.shun(now, &next.node, AVOID);
            close(std::iter::once(next), out);
        }
        let dried = pull.up.as_ref().filter(|up| up.is_dry(now, &pull.origin)).cloned();
        if let Some(up) = dried {
            pull.shun(now, &up.node, AVOID);
            dry(producer, pull, out);
            close(std::iter::once(up), out);
        }
        self.ask_for_roster(now, producer, out);
        self.choose(now, producer, flows, out);
        self.send_away(now, producer, flows, out);
    }

    /// Nobody can be asked, and only others reach the publisher's node: those who get it through
    /// here may have another way at once, and then this node gets it through one of them.
    fn send_away(
        &mut self,
        now: Instant,
        producer: &ProducerId,
        flows: &mut NewFlow<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(pull) = self.pulls.get_mut(producer) else { return };
        let hopeless = pull.up.is_none() && self.away.contains(&pull.origin);
        if !hopeless || pull.takers.is_empty() {
            return;
        }
        for (node, flow) in std::mem::take(&mut pull.takers) {
            self.takers.remove(&(node.clone(), flow));
            out.push(Action::Close { node, flow });
        }
        self.settle(now, producer, flows, out);
    }

    /// The publisher's node refused: its next roster is about to say why, or ours is wrong. Asked
    /// at most once a second, because a node that is full refuses again at once.
    fn ask_for_roster(&mut self, now: Instant, producer: &ProducerId, out: &mut Vec<Action>) {
        let Some(pull) = self.pulls.get_mut(producer) else { return };
        let refused = pull.up.is_none() && pull.avoid.contains_key(&pull.origin);
        let lately = pull.asked.is_some_and(|at| now < at + ASK_AGAIN);
        if !refused || lately || !self.nodes.contains_key(&pull.origin) {
            return;
        }
        pull.asked = Some(now);
        let ask = Action::AskRoster(pull.origin.clone());
        if !out.contains(&ask) {
            out.push(ask);
        }
    }

    fn choose(
        &mut self,
        now: Instant,
        producer: &ProducerId,
        flows: &mut NewFlow<'_>,
        out: &mut Vec<Action>,
    ) {
        let Some(pull) = self.pulls.get(producer) else { return };
        let settled = self.changed.is_none_or(|at| now >= at + SETTLE);
        // What flows is left only for something that will stay.
        if pull.next.is_some() || (pull.up.is_some() && !settled) {
            return;
        }
        let current = pull.up.as_ref().map(|up| &up.node);
        let candidates = self.candidates(producer, pull);
        let best =
            candidates.into_iter().find(|node| current == Some(node) || self.may_ask(node, pull));
        let Some(node) = best.filter(|node| current != Some(node)) else { return };
        let Some(flow) = flows(&node) else { return };
        let relays = self.nodes.get(&node).is_some_and(|reach| reach.relays);
        let hops = relays.then(|| self.hops(pull));
        // Who relays nothing says nothing: it is the publisher's node itself.
        let path = if relays { Vec::new() } else { vec![node.clone()] };
        let up = Upstream { node: node.clone(), flow, dry_since: now, path };
        let Some(pull) = self.pulls.get_mut(producer) else { return };
        out.push(Action::Open { node: node.clone(), flow, producer: producer.clone(), hops });
        if pull.up.is_some() && relays {
            pull.next = Some(up);
            return;
        }
        let told = up.path.iter().cloned().chain([self.here.clone()]).collect();
        let flows_now = !up.path.is_empty();
        let old = pull.up.replace(up);
        out.push(Action::Attach { producer: producer.clone(), node, flow });
        close(old.into_iter(), out);
        if flows_now {
            super::tell(pull, told, out);
        }
    }

    /// Whom to pull from, best first.
    fn candidates(&self, producer: &ProducerId, pull: &Pull) -> Vec<NodeId> {
        let origin = &pull.origin;
        if !self.nodes.get(&self.here).is_some_and(|reach| reach.relays) {
            return vec![origin.clone()];
        }
        let relays = self.nodes.iter().filter(|(node, reach)| reach.relays || *node == origin);
        let mut places: BTreeMap<_, Place> =
            relays.map(|(node, reach)| (node.clone(), reach.place.clone())).collect();
        // Out of this node's reach, but perhaps not of others': the tree still begins there.
        places.entry(origin.clone()).or_insert_with(|| pull.home.clone());
        let tree = Tree::grow(producer, origin, &places, self.fan_out);
        let parent = tree.parent(&self.here).cloned();
        let instead = || standby(producer, origin, &places, &self.here, self.fan_out);
        // A standby is needed only where the parent cannot be had.
        let flows = pull.up.as_ref().is_some_and(|up| Some(&up.node) == parent.as_ref());
        let standby = if flows { None } else { instead() };
        let first = parent.into_iter().chain(standby).chain([origin.clone()]);
        first.chain(self.last_resorts(producer, pull)).collect()
    }

    /// Whom to ask where only others reach the publisher's node: nodes of the room, as there is no
    /// saying which of them do. Whoever has the stream keeps it; near ones come first.
    fn last_resorts(&self, producer: &ProducerId, pull: &Pull) -> Vec<NodeId> {
        if !self.away.contains(&pull.origin) {
            return Vec::new();
        }
        let home = self.nodes.get(&self.here).map(|reach| &reach.place.region);
        let current = pull.up.as_ref().map(|up| &up.node);
        let relays = self.nodes.iter().filter(|(node, reach)| reach.relays && **node != self.here);
        let mut relays: Vec<_> = relays.map(|(node, _)| node.clone()).collect();
        relays.sort_by_cached_key(|node| {
            let near = self.nodes.get(node).map(|reach| &reach.place.region) == home;
            Reverse((current == Some(node), near, weight(producer.as_str(), node)))
        });
        relays.truncate(LAST_RESORTS);
        relays
    }

    fn may_ask(&self, node: &NodeId, pull: &Pull) -> bool {
        let below = |taker: &(NodeId, _)| {
            self.takers.get(taker).is_some_and(|(_, hops)| hops.contains(node))
        };
        self.nodes.contains_key(node)
            && !pull.avoid.contains_key(node)
            && !pull.takers.iter().any(below)
    }

    /// For whom it is asked: the longest chain of those who get it through here, and this node.
    fn hops(&self, pull: &Pull) -> Vec<NodeId> {
        let chains = pull.takers.iter().filter_map(|taker| self.takers.get(taker));
        let longest = chains.map(|(_, hops)| hops).max_by_key(|hops| hops.len());
        longest.into_iter().flatten().chain([&self.here]).cloned().collect()
    }

    /// When [`Self::tick`] has something to do, at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let held = self.held.iter().map(|held| held.until);
        let pulls = self.pulls.values().flat_map(|pull| {
            let ups = pull.up.iter().chain(&pull.next);
            let dry = ups.filter(|up| up.path.is_empty() && up.node != pull.origin);
            dry.map(|up| up.dry_since + DRY_AFTER).chain(pull.avoid.values().copied())
        });
        let settled = self.changed.map(|at| at + SETTLE).filter(|_| !self.pulls.is_empty());
        let retired = self.retired.first().map(|retired| retired.until);
        held.chain(pulls).chain(settled).chain(retired).min()
    }
}
