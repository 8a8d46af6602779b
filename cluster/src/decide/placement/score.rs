//! The points of a node for one join: a sum of terms that have names, so that a person can be told
//! why. One point is a hundredth of what a node can do, about one peer: whole numbers, because a
//! smaller difference between measured loads is noise. Never leaves a node out.

use std::collections::BTreeSet;

use starling_proto::{
    NodeId,
    registry::{NodeRecord, PolicyMode},
};

use super::{Candidate, PlacementInput, Whereabouts, ordinal};

/// What a node in the client's region is worth: more than all that follows. A packet that crosses
/// an ocean twice is late for everybody.
const REGION: i32 = 1_000;
/// What a node in the client's zone is worth: ten peers' difference in load. Zones of a region are
/// a millisecond apart, and traffic between them is paid for.
const ZONE: i32 = 10;
/// How much busier a node of the room may be than the idlest and still be preferred: about 20
/// peers. Less, and small rooms spread over all nodes, each pair of which then pipes every stream;
/// more, and one large room fills a node before the next takes part.
const AFFINITY: i32 = 20;
/// What a node in the zone of a node of the room is worth: streams between them stay in the zone.
const NEIGHBOUR: i32 = 5;
/// What being a node of the room costs under `spread`: any node less than half of its capacity
/// busier is taken first.
const SPREAD: i32 = -50;
/// What it is worth under `pack`: more than any load below [`HEADROOM`].
const PACK: i32 = 500;
/// The node that was asked for: more than all else together.
const WANTED: i32 = 10_000;
/// What it is worth where it has next to nothing left (see [`SATURATED`]): a node half as busy is
/// better for the one who comes and for all who are there.
const WANTED_BUSY: i32 = 50;
/// An empty node stays empty while another is as good, lowest ordinal first: a cluster that
/// shrinks takes the highest away (a StatefulSet always does), and finds it empty the more often.
const EMPTY: i32 = -1;

/// Busier than this, a node's region, zone or room is no reason to choose it: a worker above 80 %
/// adds milliseconds to every packet.
const HEADROOM: f32 = 0.8;
/// Busier than this, a node does not even keep who came to it by itself.
const SATURATED: f32 = 0.95;
/// What a peer adds to a node's stress where the node's own average says nothing yet (fewer than
/// [`AVERAGE_FROM`] peers): Jicofo's `average-participant-stress`.
const PEER_STRESS: f32 = 0.01;
/// Peers from which on a node's average stress per peer is used: below, an idle node's noise
/// decides.
const AVERAGE_FROM: u32 = 10;

/// Why a node gets points or loses some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// It was asked for: the client is here already, or an operator names it.
    Wanted,
    /// The client's region.
    Region,
    /// The client's zone.
    Zone,
    /// It has peers of the room.
    Room,
    /// Its zone has a node of the room.
    Neighbour,
    /// How busy it is, in hundredths.
    Load,
    /// The same of peers on their way to it.
    Placed,
    /// How many of the peers it accepts it has, in hundredths.
    Fill,
    /// It is empty, and not the first that is.
    Empty,
}

impl Term {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Wanted,
        Self::Region,
        Self::Zone,
        Self::Room,
        Self::Neighbour,
        Self::Load,
        Self::Placed,
        Self::Fill,
        Self::Empty,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Region => "region",
            Self::Zone => "zone",
            Self::Room => "room",
            Self::Neighbour => "neighbour",
            Self::Load => "load",
            Self::Placed => "placed",
            Self::Fill => "fill",
            Self::Empty => "empty",
        }
    }
}

/// A node's points, by term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score([i32; Term::ALL.len()]);

impl Score {
    /// All of them.
    pub fn total(&self) -> i32 {
        self.0.iter().sum()
    }

    /// Those that stay while loads change.
    pub(super) fn preference(&self) -> i32 {
        use Term::{Neighbour, Region, Room, Wanted, Zone};
        [Wanted, Region, Zone, Room, Neighbour].map(|term| self.of(term)).iter().sum()
    }

    /// Those of one term.
    pub const fn of(&self, term: Term) -> i32 {
        self.0[term as usize]
    }
}

/// A node with what was placed there lately added to its load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate<'a> {
    pub(super) node: &'a NodeId,
    record: &'a NodeRecord,
    pub(super) peers: u32,
    pub(super) full: bool,
    stress: f32,
    /// Stress of those on their way.
    placed: f32,
    fill: f32,
}

impl<'a> Estimate<'a> {
    pub(super) fn of(candidate: &Candidate<'a>) -> Self {
        let Candidate { record, load, placed, .. } = *candidate;
        let peers = load.peers.saturating_add(placed);
        let stress = if load.stress.is_finite() { load.stress.clamp(0.0, 10.0) } else { 1.0 };
        let each = if load.peers >= AVERAGE_FROM {
            (stress / load.peers as f32).clamp(PEER_STRESS / 10.0, PEER_STRESS * 5.0)
        } else {
            PEER_STRESS
        };
        let limited = load.max_peers > 0;
        Self {
            node: &record.id,
            record,
            peers,
            full: limited && peers >= load.max_peers,
            stress,
            placed: placed as f32 * each,
            fill: if limited { peers as f32 / load.max_peers as f32 } else { 0.0 },
        }
    }

    fn busy(&self) -> f32 {
        self.stress + self.placed + self.fill
    }
}

/// What all nodes of one join are measured by.
#[derive(Clone, Debug)]
pub(super) struct Surroundings<'a> {
    client: Whereabouts<'a>,
    wanted: Option<&'a NodeId>,
    mode: PolicyMode,
    room: BTreeSet<&'a NodeId>,
    /// Regions and zones with a node of the room.
    zones: BTreeSet<(&'a str, &'a str)>,
    /// The empty node that is to be used first.
    opened_next: Option<&'a NodeId>,
}

impl<'a> Surroundings<'a> {
    pub(super) fn of(input: &PlacementInput<'a>, allowed: &[Estimate<'a>]) -> Self {
        let soon = input.reservations.nodes_of(input.now, input.room);
        let room: BTreeSet<_> = input.room_nodes.iter().chain(soon).collect();
        let records = input.candidates.iter().map(|candidate| candidate.record);
        let zones = records
            .filter(|record| !record.zone.is_empty() && room.contains(&record.id))
            .map(|record| (record.region.as_str(), record.zone.as_str()));
        let empty = allowed.iter().filter(|estimate| estimate.peers == 0);
        Self {
            client: input.client,
            wanted: input.wanted,
            mode: input.policy.mode,
            zones: zones.collect(),
            room,
            opened_next: empty.map(|estimate| estimate.node).min_by_key(|node| ordinal(node)),
        }
    }

    pub(super) fn score(&self, estimate: &Estimate<'a>) -> Score {
        let (busy, record) = (estimate.busy(), estimate.record);
        let headroom = busy < HEADROOM;
        let mut score = Score::default();
        let mut give = |term: Term, points: i32, when: bool| {
            if when {
                score.0[term as usize] = points;
            }
        };
        let wanted = if busy < SATURATED { WANTED } else { WANTED_BUSY };
        give(Term::Wanted, wanted, self.wanted == Some(estimate.node));
        let Whereabouts { region, zone } = self.client;
        let near = !region.is_empty() && record.region == region && headroom;
        give(Term::Region, REGION, near);
        give(Term::Zone, ZONE, near && !zone.is_empty() && record.zone == zone);
        let in_room = self.room.contains(estimate.node);
        let neighbour = self.zones.contains(&(record.region.as_str(), record.zone.as_str()));
        match self.mode {
            PolicyMode::Spread => {
                give(Term::Room, SPREAD, in_room);
                give(Term::Neighbour, -NEIGHBOUR, neighbour && !in_room);
            }
            PolicyMode::Pack => give(Term::Room, PACK, in_room && headroom),
            PolicyMode::Balance | PolicyMode::Region => {
                give(Term::Room, AFFINITY, in_room && headroom);
                give(Term::Neighbour, NEIGHBOUR, neighbour && !in_room && headroom);
            }
        }
        give(Term::Load, -hundredths(estimate.stress), true);
        give(Term::Placed, -hundredths(estimate.placed), true);
        give(Term::Fill, -hundredths(estimate.fill), true);
        let idle = estimate.peers == 0 && self.opened_next != Some(estimate.node);
        give(Term::Empty, EMPTY, idle);
        score
    }
}

/// Bounded, whatever another node says of itself.
fn hundredths(share: f32) -> i32 {
    ((share * 100.0).clamp(0.0, 1_000.0) + 0.5) as i32
}
