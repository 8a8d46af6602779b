//! Who pulls what from whom: one room's producers of other nodes that are consumed here, or that
//! other nodes get through this one. Pure: what happens goes in, [`Action`]s come out, and whoever
//! holds the links and planes carries them out in order.
//!
//! A node pulls from its parent in the producer's tree (`tree`); if that one refuses, is lost or
//! stays dry, from its standby parent, and then from the publisher's node; where that one is out of
//! reach, from whoever of the room has a way. A node that is asked for what it does not have yet
//! pulls it itself, and sends those below it elsewhere when it has nobody to ask.
//!
//! Nodes may see different rooms for a moment. Against loops then: who asks says for whom
//! (`hops`, itself last), and a node that finds itself there refuses; who serves says by which way
//! the stream comes to it (`path`, the publisher's node first), and a node that finds itself there
//! goes elsewhere. A way without an end at the publisher's node is no path, so a ring of nodes that
//! wait for each other stays dry for a second and dissolves.
//!
//! Never knows cores, layers or packets: which layers are wanted goes from plane to plane.

mod retire;
mod serve;
mod settle;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use starling_proto::{NodeId, ProducerId, flow::FlowId};

use super::tree::{FAN_OUT, Place};
pub use retire::HANDOVER;
use retire::Retired;
use serve::Held;
pub use serve::Request;

/// A parent that has had no path for so long is given up for the next one: three links of 100 ms
/// there and back, with as much for the nodes on the way, and what is left for a link's own silence
/// to be found out first.
pub const DRY_AFTER: Duration = Duration::from_secs(1);
/// A tree is moved to only after the room's nodes have been the same for so long: nodes learn
/// within milliseconds of each other of one that comes, and its rosters and first pulls take their
/// time.
pub const SETTLE: Duration = Duration::from_secs(2);
/// Who refused, stayed dry or closed is not asked again for so long, unless it is the publisher's
/// node.
pub const AVOID: Duration = Duration::from_secs(5);
/// How often the publisher's node is asked, and why it refuses: a roster may be a megabyte.
pub const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A node may be asked for a producer before it has heard of it itself, as word of it comes over
/// another link: it waits for so long, half of what the asking one is patient.
pub const HOLD: Duration = Duration::from_millis(500);
/// Requests that wait so in one room: twenty streams of each of fifty nodes.
pub const MAX_HELD: usize = 1_000;

/// A node of the room that is in reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Where it is.
    pub place: Place,
    /// It passes on what it pulls: its link protocol is 4 or newer. Others give away what is their
    /// own, and pull from the publisher's node.
    pub relays: bool,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask a node for a producer on a new flow: by `PipeOpenVia`, or by `PipeOpen` if it relays
    /// nothing.
    Open {
        /// Whom.
        node: NodeId,
        /// Of the link to it.
        flow: FlowId,
        /// For what.
        producer: ProducerId,
        /// For whom, itself last; `None`: it relays nothing.
        hops: Option<Vec<NodeId>>,
    },
    /// Packets of a producer come on this flow from now on, instead of where they came from.
    Attach {
        /// Of what.
        producer: ProducerId,
        /// From whom.
        node: NodeId,
        /// On.
        flow: FlowId,
    },
    /// They come from nowhere; consumers wait.
    Detach(ProducerId),
    /// Nobody wants it here or through here any more, or its publisher has moved a while ago.
    End(ProducerId),
    /// A flow is over here: the other side is told.
    Close {
        /// Whose.
        node: NodeId,
        /// Which.
        flow: FlowId,
    },
    /// It is not to be had here.
    Refuse {
        /// Who asked.
        node: NodeId,
        /// On.
        flow: FlowId,
    },
    /// Send a producer on a flow.
    Serve {
        /// To whom.
        node: NodeId,
        /// On.
        flow: FlowId,
        /// What.
        producer: ProducerId,
        /// As asked for so far.
        layers: u32,
    },
    /// Send no more on it.
    Unserve {
        /// To whom.
        node: NodeId,
        /// On.
        flow: FlowId,
    },
    /// Tell by which way the stream comes here, the publisher's node first and this one last; empty
    /// while it does not.
    Tell {
        /// Whom.
        node: NodeId,
        /// About.
        flow: FlowId,
        /// The way.
        path: Vec<NodeId>,
    },
    /// A node refused what its roster has: ask for the roster.
    AskRoster(NodeId),
}

/// Gives the next flow of the link to a node; nothing if there is no link.
pub type NewFlow<'a> = dyn FnMut(&NodeId) -> Option<FlowId> + 'a;

/// Where packets come from, or may come from soon.
#[derive(Clone, Debug)]
struct Upstream {
    node: NodeId,
    flow: FlowId,
    /// When it was asked, or lost its path.
    dry_since: Instant,
    /// From the publisher's node to this one's; empty while nothing is known to come.
    path: Vec<NodeId>,
}

/// A producer of another node.
#[derive(Clone, Debug)]
struct Pull {
    origin: NodeId,
    /// Where that one is, as far as was known while it was in reach.
    home: Place,
    /// Somebody here consumes it.
    used: bool,
    /// Flows on which other nodes get it from here.
    takers: BTreeSet<(NodeId, FlowId)>,
    /// Attached.
    up: Option<Upstream>,
    /// Takes over from `up` as soon as it has a path.
    next: Option<Upstream>,
    /// Nodes not to ask before.
    avoid: BTreeMap<NodeId, Instant>,
    /// When the publisher's node was last asked for its roster.
    asked: Option<Instant>,
}

impl Pull {
    fn new(origin: NodeId) -> Self {
        Self {
            origin,
            home: Place::default(),
            used: false,
            takers: BTreeSet::new(),
            up: None,
            next: None,
            avoid: BTreeMap::new(),
            asked: None,
        }
    }

    fn path(&self) -> &[NodeId] {
        self.up.as_ref().map_or(&[], |up| &up.path)
    }
}

/// How a producer of another node comes here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PulledFrom {
    /// What.
    pub producer: ProducerId,
    /// Whose link it comes over; absent while it does not.
    pub from: Option<(NodeId, FlowId)>,
    /// The way here, the publisher's node first, this one not named; empty while unknown.
    pub path: Vec<NodeId>,
    /// Nodes that get it from here.
    pub takers: Vec<NodeId>,
    /// Somebody here consumes it.
    pub used: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Pulls {
    here: NodeId,
    fan_out: usize,
    nodes: BTreeMap<NodeId, Reach>,
    /// Nodes out of reach that others reach.
    away: BTreeSet<NodeId>,
    /// When the former last changed.
    changed: Option<Instant>,
    pulls: BTreeMap<ProducerId, Pull>,
    /// What each flow of another node gets through here, and for whom.
    takers: BTreeMap<(NodeId, FlowId), (ProducerId, Vec<NodeId>)>,
    held: Vec<Held>,
    /// Oldest first.
    retired: Vec<Retired>,
}

impl Pulls {
    /// Nothing is pulled.
    pub fn new(here: NodeId) -> Self {
        Self {
            here,
            fan_out: FAN_OUT,
            nodes: BTreeMap::new(),
            away: BTreeSet::new(),
            changed: None,
            pulls: BTreeMap::new(),
            takers: BTreeMap::new(),
            held: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// The same with another fan-out than [`FAN_OUT`], for tests with few nodes.
    pub fn with_fan_out(here: NodeId, fan_out: usize) -> Self {
        Self { fan_out, ..Self::new(here) }
    }

    /// Whether it is pulled, for somebody here or for another node.
    pub fn has(&self, producer: &ProducerId) -> bool {
        self.pulls.contains_key(producer)
    }

    /// Whether other nodes get something through this one.
    pub fn relays(&self) -> bool {
        !self.takers.is_empty()
    }

    /// All that is pulled.
    pub fn all(&self) -> impl Iterator<Item = PulledFrom> + '_ {
        self.pulls.iter().map(|(producer, pull)| PulledFrom {
            producer: producer.clone(),
            from: pull.up.as_ref().map(|up| (up.node.clone(), up.flow)),
            path: pull.path().to_vec(),
            takers: pull.takers.iter().map(|(node, _)| node.clone()).collect(),
            used: pull.used,
        })
    }

    /// Flows with a node that are in use here: what is pulled from it or is about to be,
    /// what it gets through here, what it waits for, and what is kept for a while after a move. Not
    /// what it gets of this node's own.
    pub fn flows_with<'a>(&'a self, node: &'a NodeId) -> impl Iterator<Item = FlowId> + 'a {
        let ups = self.pulls.values().flat_map(|pull| pull.up.iter().chain(&pull.next));
        let ups = ups.filter(move |up| up.node == *node).map(|up| up.flow);
        let takers = self.takers.keys().filter(move |(taker, _)| taker == node);
        let held = self.held.iter().filter(move |held| held.node == *node);
        let now = ups.chain(takers.map(|(_, flow)| *flow)).chain(held.map(|held| held.flow));
        now.chain(self.retired_with(node))
    }

    /// The room's nodes in reach, this one included, are these, and these are out of reach and
    /// reached by others (`exchange`). Flows from and to those that are gone are dead: whoever
    /// calls this has forgotten them already.
    pub fn set_nodes(
        &mut self,
        now: Instant,
        nodes: BTreeMap<NodeId, Reach>,
        away: BTreeSet<NodeId>,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        if nodes == self.nodes && away == self.away {
            return out;
        }
        let before = std::mem::replace(&mut self.nodes, nodes);
        if before != self.nodes {
            self.changed = Some(now);
        }
        self.away = away;
        let lost: Vec<_> = before.keys().filter(|n| !self.nodes.contains_key(n)).cloned().collect();
        for node in &lost {
            self.forget_flows(node, &mut out);
        }
        self.settle_all(now, flows, &mut out);
        out
    }

    /// The link to a node is another one, or the room there is: flows from before are dead.
    pub fn lose(&mut self, now: Instant, node: &NodeId, flows: &mut NewFlow<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        if self.nodes.remove(node).is_some() {
            self.changed = Some(now);
        }
        self.forget_flows(node, &mut out);
        self.settle_all(now, flows, &mut out);
        out
    }

    fn forget_flows(&mut self, node: &NodeId, out: &mut Vec<Action>) {
        self.held.retain(|held| held.node != *node);
        self.forget_retired(node, None);
        self.takers.retain(|(taker, _), _| taker != node);
        for (producer, pull) in &mut self.pulls {
            pull.takers.retain(|(taker, _)| taker != node);
            pull.avoid.remove(node);
            pull.next = pull.next.take().filter(|next| next.node != *node);
            if pull.up.as_ref().is_some_and(|up| up.node == *node) {
                dry(producer, pull, out);
            }
        }
    }

    /// The first here consumes a producer of `origin`.
    pub fn used(
        &mut self,
        now: Instant,
        producer: &ProducerId,
        origin: &NodeId,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        if *origin == self.here {
            return out;
        }
        let pull = self.pulls.entry(producer.clone()).or_insert_with(|| Pull::new(origin.clone()));
        pull.used = true;
        self.settle(now, producer, flows, &mut out);
        out
    }

    /// The last here consumes it no more.
    pub fn unused(&mut self, now: Instant, producer: &ProducerId) -> Vec<Action> {
        let mut out = Vec::new();
        if let Some(pull) = self.pulls.get_mut(producer) {
            pull.used = false;
            self.settle(now, producer, &mut |_| None, &mut out);
        }
        out
    }

    /// A producer of the room ended, as far as is known here. Those who get it through here hear of
    /// that themselves; who does not, because only this node has lost sight of its publisher, is
    /// told that it does not come by here any more, and goes elsewhere.
    pub fn ended(&mut self, producer: &ProducerId) -> Vec<Action> {
        let mut out = Vec::new();
        self.held.retain(|held| held.producer != *producer);
        if let Some(pull) = self.pulls.remove(producer) {
            self.takers.retain(|_, (of, _)| of != producer);
            if !pull.path().is_empty() {
                tell(&pull, Vec::new(), &mut out);
            }
            let takers = pull.takers.iter().cloned();
            out.extend(takers.map(|(node, flow)| Action::Unserve { node, flow }));
            close(pull.up.into_iter().chain(pull.next), &mut out);
            out.push(Action::End(producer.clone()));
        }
        out
    }

    /// The source of `old` is `new` now, on `origin`; `used`: somebody here consumed the one, and
    /// consumes the other (also of what was this node's own until now, of which nothing is known
    /// here). Make before break: flows of `old` are kept for [`HANDOVER`], and then it is over.
    pub fn replaced(
        &mut self,
        now: Instant,
        (old, new): (&ProducerId, &ProducerId),
        origin: &NodeId,
        used: bool,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        self.recall(new, &mut out);
        if old == new {
            out.extend(self.ended(old));
            // It goes on under its name.
            out.retain(|action| !matches!(action, Action::End(_)));
        } else {
            self.retire(now, old, &mut out);
        }
        if used {
            out.extend(self.used(now, new, origin, flows));
        }
        out.extend(self.appeared(now, new, origin, flows));
        out
    }

    /// What a producer was attached to here is gone: it is pulled anew, and those who get it
    /// through here have to ask again.
    pub fn restart(
        &mut self,
        now: Instant,
        producer: &ProducerId,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        let Some(pull) = self.pulls.get_mut(producer) else { return out };
        for (node, flow) in std::mem::take(&mut pull.takers) {
            self.takers.remove(&(node.clone(), flow));
            out.push(Action::Close { node, flow });
        }
        close(pull.up.take().into_iter().chain(pull.next.take()), &mut out);
        self.settle(now, producer, flows, &mut out);
        out
    }

    /// A node told its roster: what it refused, it may have now.
    pub fn told(&mut self, now: Instant, node: &NodeId, flows: &mut NewFlow<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        for pull in self.pulls.values_mut().filter(|pull| pull.origin == *node) {
            pull.avoid.remove(node);
        }
        self.settle_all(now, flows, &mut out);
        out
    }

    /// Something may be due.
    pub fn tick(&mut self, now: Instant, flows: &mut NewFlow<'_>) -> Vec<Action> {
        let mut out = Vec::new();
        self.refuse_held(now, &mut out);
        self.end_due(now, &mut out);
        self.changed = self.changed.filter(|at| now < *at + SETTLE);
        self.settle_all(now, flows, &mut out);
        out
    }
}

/// Nothing comes any more; who gets it through here is told.
fn dry(producer: &ProducerId, pull: &mut Pull, out: &mut Vec<Action>) {
    if pull.up.take().is_some_and(|up| !up.path.is_empty()) {
        tell(pull, Vec::new(), out);
    }
    out.push(Action::Detach(producer.clone()));
}

/// Tells all who get it through here by which way it comes.
fn tell(pull: &Pull, path: Vec<NodeId>, out: &mut Vec<Action>) {
    let takers = pull.takers.iter().cloned();
    out.extend(takers.map(|(node, flow)| Action::Tell { node, flow, path: path.clone() }));
}

fn close(ups: impl Iterator<Item = Upstream>, out: &mut Vec<Action>) {
    out.extend(ups.map(|up| Action::Close { node: up.node, flow: up.flow }));
}
