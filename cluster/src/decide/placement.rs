//! Where a join goes: here, to another node, or nowhere. Never waits for anybody: it answers from
//! this node's view, and from what it has placed itself since other nodes last told their load
//! (`Reservations`).

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeSet,
    time::Instant,
};

use starling_proto::{
    Code, Id, NodeId, Refusal, RoomId,
    registry::{NodeLoad, NodeRecord, NodeState, RoomPolicy},
};

use super::{policy::Scope, reservations::Reservations};

/// How much busier than the idlest allowed node a node of the room may be and still be preferred:
/// about 20 peers. Less, and small rooms spread over all nodes, each pair of which then pipes every
/// stream; more, and one large room fills a node before the next takes part.
const AFFINITY: f32 = 0.2;
/// Busier than this, a node's region or room is no reason to choose it: a worker above 80 % adds
/// milliseconds to every packet.
const HEADROOM: f32 = 0.8;
/// What a peer adds to a node's stress where the node's own average says nothing yet (fewer than
/// [`AVERAGE_FROM`] peers): Jicofo's `average-participant-stress`.
const PEER_STRESS: f32 = 0.01;
/// Peers from which on a node's average stress per peer is used: below, an idle node's noise
/// decides.
const AVERAGE_FROM: u32 = 10;

/// A node that might take the peer.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// As the registry has it.
    pub record: &'a NodeRecord,
    /// The newest load known: from its link (every 500 ms), or else from the record.
    pub load: NodeLoad,
    /// The newest state known, as above.
    pub state: NodeState,
    /// When `load` came; what was placed there later is not in it.
    pub reported: Instant,
    /// A link with it is up, or it is this node. Without, it may be dead or not reachable: left
    /// out.
    pub linked: bool,
}

/// All that a placement goes by.
#[derive(Clone, Copy, Debug)]
pub struct PlacementInput<'a> {
    /// Now.
    pub now: Instant,
    /// This node.
    pub here: &'a NodeId,
    /// Where the peer wants to be.
    pub room: &'a RoomId,
    /// The room's, or the default.
    pub policy: &'a RoomPolicy,
    /// All nodes, this one included.
    pub candidates: &'a [Candidate<'a>],
    /// Nodes that have peers of the room.
    pub room_nodes: &'a BTreeSet<NodeId>,
    /// Peers of the room, the one that joins not counted.
    pub room_peers: u32,
    /// Where the client is, in the operator's words; empty if unknown.
    pub region: &'a str,
    /// A node to prefer over all others that the policy allows: `here` for a peer that resumes, or
    /// the one an operator or a token names.
    pub wanted: Option<&'a NodeId>,
    /// What was placed lately. The caller adds to it what comes out of this.
    pub reservations: &'a Reservations,
}

/// Where the peer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays. Reserve it.
    Here,
    /// It goes to this node. Reserve it.
    Node(NodeId),
    /// It cannot join.
    Refused(Refusal),
}

/// A candidate with what was placed there lately added to its load.
struct Estimate<'a> {
    node: &'a NodeId,
    peers: u32,
    busy: f32,
    /// In the client's region and not too busy.
    near: bool,
}

/// Decides by policy, then the wanted node, then the client's region, then nodes of the room, then
/// load; equals go to the lower ordinal, then the smaller id, so that all nodes choose alike.
pub fn place(input: &PlacementInput<'_>) -> Decision {
    let policy = input.policy;
    if policy.max_peers > 0 && input.room_peers >= policy.max_peers {
        let text = format!("the room is full: {} peers", policy.max_peers);
        let refusal = Refusal::new(Code::LimitReached, text);
        return Decision::Refused(refusal.hint("raise the room's policy.maxPeers, or wait"));
    }
    let linked = || input.candidates.iter().filter(|candidate| candidate.linked);
    let scope = Scope::of(policy, linked().map(|c| (c.record, c.state)));
    let allowed: Vec<_> = linked()
        .filter(|c| c.state == NodeState::Up && scope.allows(c.record))
        .filter_map(|c| estimate(input, c))
        .collect();
    match choose(input, &allowed) {
        Some(node) if node == input.here => Decision::Here,
        Some(node) => Decision::Node(node.clone()),
        None => Decision::Refused(nobody(&scope)),
    }
}

fn choose<'a>(input: &PlacementInput<'_>, allowed: &[Estimate<'a>]) -> Option<&'a NodeId> {
    if let Some(wanted) = input.wanted
        && let Some(wanted) = allowed.iter().find(|e| e.node == wanted)
    {
        return Some(wanted.node);
    }
    let any_near = allowed.iter().any(|e| e.near);
    let reach = || allowed.iter().filter(|e| !any_near || e.near);
    let idlest = reach().map(|e| e.busy).min_by(f32::total_cmp)?;
    let soon: BTreeSet<_> = input.reservations.nodes_of(input.now, input.room).collect();
    let joined = |e: &&Estimate<'_>| {
        e.busy < HEADROOM.min(idlest + AFFINITY)
            && (input.room_nodes.contains(e.node) || soon.contains(e.node))
    };
    let best = reach().filter(joined).min_by(idler).or_else(|| reach().min_by(idler));
    best.map(|e| e.node)
}

fn idler(a: &&Estimate<'_>, b: &&Estimate<'_>) -> Ordering {
    let by_name = || ordinal(a.node).cmp(&ordinal(b.node)).then_with(|| a.node.cmp(b.node));
    a.busy.total_cmp(&b.busy).then(a.peers.cmp(&b.peers)).then_with(by_name)
}

/// None if the node is full.
fn estimate<'a>(input: &PlacementInput<'_>, candidate: &Candidate<'a>) -> Option<Estimate<'a>> {
    let (record, load) = (candidate.record, candidate.load);
    let placed = input.reservations.count(input.now, &record.id, candidate.reported);
    let peers = load.peers.saturating_add(placed);
    if load.max_peers > 0 && peers >= load.max_peers {
        return None;
    }
    let stress = if load.stress.is_finite() { load.stress.max(0.0) } else { 1.0 };
    let each = if load.peers >= AVERAGE_FROM {
        (stress / load.peers as f32).clamp(PEER_STRESS / 10.0, PEER_STRESS * 5.0)
    } else {
        PEER_STRESS
    };
    let fill = if load.max_peers > 0 { peers as f32 / load.max_peers as f32 } else { 0.0 };
    let busy = stress + placed as f32 * each + fill;
    Some(Estimate {
        node: &record.id,
        peers,
        busy,
        near: !input.region.is_empty() && record.region == input.region && busy < HEADROOM,
    })
}

/// The number at the end of a name (a StatefulSet's pod ordinal); names without one come last.
fn ordinal(id: &NodeId) -> (Reverse<bool>, u64) {
    let text = id.as_str();
    let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number = text[text.len() - digits..].parse().ok();
    (Reverse(number.is_some()), number.unwrap_or(0))
}

fn nobody(scope: &Scope<'_>) -> Refusal {
    match scope {
        Scope::Pinned(_) => Refusal::new(Code::NoCapacity, "the room's pinned nodes are full")
            .hint("pin the room to more nodes, or raise the nodes' --max-peers"),
        Scope::Regions(_) => Refusal::new(Code::NoCapacity, "the room's regions are full")
            .hint("allow more regions in the room's policy, or add nodes to these"),
        Scope::Anywhere => Refusal::new(Code::NoCapacity, "no node can take a peer")
            .hint("all nodes are full, draining or out of reach: add nodes, or undrain some"),
    }
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
