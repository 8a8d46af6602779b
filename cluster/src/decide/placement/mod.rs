//! Where a join goes: here, to another node, or nowhere. Never waits for anybody: it answers from
//! this node's view, and from what was placed since other nodes last told their load
//! (`Reservations`). Each node that may take the peer gets points (`score`); the most win.

mod score;

#[cfg(test)]
mod herding;
#[cfg(test)]
mod tests;

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeSet,
    time::Instant,
};

use starling_proto::{
    Code, Id, NodeId, Refusal, RoomId,
    registry::{NodeLoad, NodeRecord, NodeState, PolicyMode, RoomPolicy},
};

pub use score::{Score, Term};

use self::score::{Estimate, Surroundings};
use super::{policy::Scope, rendezvous::Key, reservations::Reservations};

/// A node that might take the peer.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// As the registry has it.
    pub record: &'a NodeRecord,
    /// The newest load known: from its link (every 500 ms), or else from the record.
    pub load: NodeLoad,
    /// The newest state known, as above.
    pub state: NodeState,
    /// Peers placed there that `load` does not tell of yet ([`Reservations::count`]).
    pub placed: u32,
    /// A link with it is up, or it is this node. Without, it may be dead or not reachable: left
    /// out.
    pub linked: bool,
}

/// Where a client is, in the operator's words; empty if unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts<'a> {
    /// Its region.
    pub region: &'a str,
    /// Its zone of that region.
    pub zone: &'a str,
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
    /// Where the client is.
    pub client: Whereabouts<'a>,
    /// A node to prefer over all others that the policy allows: `here` for a client that came here
    /// by itself or resumes, or the one an operator names.
    pub wanted: Option<&'a NodeId>,
    /// What was placed lately, and how fast the others place. The caller adds to it what comes out
    /// of this.
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

/// Why a node is not chosen from at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// No link with it: it may be dead.
    NoLink,
    /// It takes no new peers.
    Draining,
    /// The room is pinned to others.
    NotPinned,
    /// The room's policy allows other regions.
    OtherRegion,
    /// The room's policy keeps clients in their own region.
    NotTheClientsRegion,
    /// It has as many peers as it accepts, those on their way to it counted.
    Full,
}

impl LeftOut {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoLink => "no link",
            Self::Draining => "takes no new peers",
            Self::NotPinned => "not pinned",
            Self::OtherRegion => "not in the policy's regions",
            Self::NotTheClientsRegion => "not in the client's region",
            Self::Full => "full",
        }
    }
}

/// What a placement makes of a node.
#[derive(Clone, Debug)]
pub struct Considered<'a> {
    /// Which.
    pub node: &'a NodeId,
    /// Peers placed there that its load does not tell of yet.
    pub placed: u32,
    /// Its points, or why it gets none.
    pub score: Result<Score, LeftOut>,
}

/// Decides: the node with the most points; of equals the one with fewer peers; of equals the first
/// from here on, in the order of ordinals and names. Nodes that answer at the same moment with the
/// same old loads so name different ones (`herding`), and a client that is here already may stay.
///
/// In a burst that many nodes answer, all of them would name the same best one until they hear of
/// each other: the later that is, the more nodes next to the best one share what comes (`among`).
pub fn place(input: &PlacementInput<'_>) -> Decision {
    if let Some(refusal) = full_room(input) {
        return Decision::Refused(refusal);
    }
    let judge = Judge::new(input);
    let allowed: Vec<_> = input.candidates.iter().filter_map(|it| judge.admit(it).ok()).collect();
    let around = Surroundings::of(input, &allowed);
    let ranked = allowed.iter().map(|estimate| Ranked::of(estimate, &around.score(estimate)));
    let best = ranked.clone().min_by(|a, b| a.order(b, input.here));
    let unheard = input.reservations.unheard(input.now, input.candidates.len().saturating_sub(1));
    let node = match best {
        Some(best) if unheard > 0 => {
            let alike = ranked.filter(|it| it.preference >= best.preference).collect();
            among(alike, 1 + unheard, input)
        }
        best => best.map(|best| best.node),
    };
    match node {
        Some(node) if node == input.here => Decision::Here,
        Some(node) => Decision::Node(node.clone()),
        None => Decision::Refused(nobody(&judge)),
    }
}

/// One of these, of which the first `wide` in order are as good, but not more than the better half:
/// so loads still even out. All nodes that answer name the same one for a room, which so stays
/// together, unless its policy is to spread.
fn among<'a>(
    mut alike: Vec<Ranked<'a>>,
    wide: usize,
    input: &PlacementInput<'a>,
) -> Option<&'a NodeId> {
    let wide = wide.min(alike.len().div_ceil(2));
    if wide == 0 {
        return None;
    }
    alike.select_nth_unstable_by(wide - 1, |a, b| a.order(b, input.here));
    let name = match input.policy.mode {
        PolicyMode::Spread => format!("{}/{}", input.room, input.here),
        _ => input.room.to_string(),
    };
    let key = Key::new(&name);
    alike[..wide].iter().map(|it| it.node).max_by_key(|node| key.weight(node))
}

/// A node that may be chosen, with what it is chosen by.
#[derive(Clone, Copy, Debug)]
struct Ranked<'a> {
    node: &'a NodeId,
    points: i32,
    /// Those points that do not change with loads.
    preference: i32,
    peers: u32,
}

impl<'a> Ranked<'a> {
    fn of(estimate: &Estimate<'a>, score: &Score) -> Self {
        let Estimate { node, peers, .. } = *estimate;
        Self { node, points: score.total(), preference: score.preference(), peers }
    }

    /// The better one comes first. Names are read only where all else is equal: of a thousand
    /// nodes, those of a few.
    fn order(&self, other: &Self, here: &NodeId) -> Ordering {
        let rank = |of: &Self| (Reverse(of.points), of.peers);
        let turn = |of: &Self| {
            let order = ordinal(of.node);
            (order < ordinal(here), order)
        };
        rank(self).cmp(&rank(other)).then_with(|| turn(self).cmp(&turn(other)))
    }
}

/// What [`place`] makes of every node, in the order of ordinals and names.
pub fn explain<'a>(input: &PlacementInput<'a>) -> Vec<Considered<'a>> {
    let judge = Judge::new(input);
    let admitted: Vec<_> = input.candidates.iter().map(|it| judge.admit(it)).collect();
    let allowed: Vec<_> = admitted.iter().filter_map(|it| it.as_ref().ok()).copied().collect();
    let around = Surroundings::of(input, &allowed);
    let considered = input.candidates.iter().zip(admitted).map(|(candidate, admitted)| {
        let score = admitted.map(|estimate| around.score(&estimate));
        Considered { node: &candidate.record.id, placed: candidate.placed, score }
    });
    let mut all: Vec<_> = considered.collect();
    all.sort_by_key(|considered| ordinal(considered.node));
    all
}

/// Who may be chosen.
struct Judge<'a, 'b> {
    input: &'b PlacementInput<'a>,
    scope: Scope<'a>,
    /// A client in a region of its own with a node in it, which the policy keeps it to.
    kept_near: bool,
}

impl<'a, 'b> Judge<'a, 'b> {
    fn new(input: &'b PlacementInput<'a>) -> Self {
        let linked = input.candidates.iter().filter(|candidate| candidate.linked);
        let scope = Scope::of(input.policy, linked.clone().map(|c| (c.record, c.state)));
        let mut near = linked.filter(|c| c.state == NodeState::Up && scope.allows(c.record));
        let kept_near = input.policy.mode == PolicyMode::Region
            && !input.client.region.is_empty()
            && near.any(|c| c.record.region == input.client.region);
        Self { input, scope, kept_near }
    }

    fn admit(&self, candidate: &Candidate<'a>) -> Result<Estimate<'a>, LeftOut> {
        let record = candidate.record;
        if !candidate.linked {
            return Err(LeftOut::NoLink);
        }
        if candidate.state != NodeState::Up {
            return Err(LeftOut::Draining);
        }
        if !self.scope.allows(record) {
            let pinned = matches!(self.scope, Scope::Pinned(_));
            return Err(if pinned { LeftOut::NotPinned } else { LeftOut::OtherRegion });
        }
        if self.kept_near && record.region != self.input.client.region {
            return Err(LeftOut::NotTheClientsRegion);
        }
        let estimate = Estimate::of(candidate);
        if estimate.full { Err(LeftOut::Full) } else { Ok(estimate) }
    }
}

/// The number at the end of a name (a StatefulSet's pod ordinal), then the name; names without one
/// come last.
fn ordinal(id: &NodeId) -> (Reverse<bool>, u64, &str) {
    let text = id.as_str();
    let digits = text.len() - text.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number = text[text.len() - digits..].parse().ok();
    (Reverse(number.is_some()), number.unwrap_or(0), text)
}

fn full_room(input: &PlacementInput<'_>) -> Option<Refusal> {
    let most = input.policy.max_peers;
    (most > 0 && input.room_peers >= most).then(|| {
        Refusal::new(Code::LimitReached, format!("the room is full: {most} peers"))
            .hint("raise the room's policy.maxPeers, or wait")
    })
}

fn nobody(judge: &Judge<'_, '_>) -> Refusal {
    if judge.kept_near {
        let text = format!("the nodes of region '{}' are full", judge.input.client.region);
        return Refusal::new(Code::NoCapacity, text)
            .hint("add nodes there, or give the room a policy other than 'region'");
    }
    match &judge.scope {
        Scope::Pinned(_) => Refusal::new(Code::NoCapacity, "the room's pinned nodes are full")
            .hint("pin the room to more nodes, or raise the nodes' --max-peers"),
        Scope::Regions(_) => Refusal::new(Code::NoCapacity, "the room's regions are full")
            .hint("allow more regions in the room's policy, or add nodes to these"),
        Scope::Anywhere => Refusal::new(Code::NoCapacity, "no node can take a peer")
            .hint("all nodes are full, draining or out of reach: add nodes, or undrain some"),
    }
}
