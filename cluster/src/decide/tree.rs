//! Relay trees: which node of a room a node pulls a producer from. A pure function of where the
//! producer is and which nodes the room is on, so that all nodes find the same tree without asking.
//!
//! In this order of importance: a tree has no loops; nobody is further than [`MAX_HOPS`] from the
//! publisher's node; a stream enters each region once, by the region's *head*; no node serves more
//! than [`FAN_OUT`] others. A room with more nodes than such a tree has places (1,110 beside the
//! publisher's if they are all in its region, 111 in another region) gets the smallest larger
//! fan-out that seats everybody: a node that sends one copy more is nearer to what people want than
//! a longer way, a second crossing, or no picture.
//!
//! Who relays differs from producer to producer, by rendezvous hash, so that the work is shared
//! out; a node that comes or goes moves few others. Nodes that are about to leave come last. That a
//! node has the stream already ("warm") does not count: only itself knows, the tree would depend on
//! who came first, and nodes would no longer agree on it. What is warm is kept warm instead: a node
//! leaves an old parent only when its new one has the stream (`pulls`).

use std::{cmp::Reverse, collections::BTreeMap};

use starling_proto::{Id, NodeId, ProducerId};

use super::rendezvous::weight;

/// Nodes that one node serves a producer to. Ten copies of 3 Mb/s video are 30 Mb/s of a node's
/// uplink for one publisher, a thirtieth of a gigabit; and most rooms are on fewer nodes, so that
/// within a region nobody pays for a second hop.
pub const FAN_OUT: usize = 10;
/// Links between the publisher's node and any other. Each adds its own delay and the time of a
/// repair on it; three reach a thousand nodes.
pub const MAX_HOPS: usize = 3;

/// A node of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where it is; all that name none are in one.
    pub region: String,
    /// It is draining, or has no peers of the room: others should not depend on it.
    pub leaving: bool,
}

/// Who pulls from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    fan_out: usize,
    seats: BTreeMap<NodeId, Seat>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seat {
    parent: NodeId,
    hops: usize,
}

impl Tree {
    /// The tree of `producer`, which is on `origin`, over `nodes`; those out of reach left out.
    /// `fan_out` is [`FAN_OUT`] but in tests.
    pub fn grow(
        producer: &ProducerId,
        origin: &NodeId,
        nodes: &BTreeMap<NodeId, Place>,
        fan_out: usize,
    ) -> Self {
        let home = nodes.get(origin).map_or("", |place| place.region.as_str());
        let mut regions: BTreeMap<&str, Vec<(&NodeId, bool)>> = BTreeMap::from([(home, vec![])]);
        for (node, place) in nodes.iter().filter(|(node, _)| *node != origin) {
            regions.entry(&place.region).or_default().push((node, place.leaving));
        }
        let mut fan_out = least_fan_out(home, &regions, fan_out.max(1));
        loop {
            let mut growing = Growing::new(producer, fan_out, home, &regions);
            growing.grow(origin);
            if growing.is_whole() {
                return Self { fan_out, seats: growing.seats };
            }
            fan_out += 1;
        }
    }

    /// Whom `node` pulls from; nobody if it is the publisher's, or not of the room.
    pub fn parent(&self, node: &NodeId) -> Option<&NodeId> {
        self.seats.get(node).map(|seat| &seat.parent)
    }

    /// Links between `node` and the publisher's: 0 for that one itself.
    pub fn hops(&self, node: &NodeId) -> usize {
        self.seats.get(node).map_or(0, |seat| seat.hops)
    }

    /// Who pulls from `node`.
    pub fn children<'a>(&'a self, node: &'a NodeId) -> impl Iterator<Item = &'a NodeId> {
        let of = self.seats.iter().filter(move |(_, seat)| seat.parent == *node);
        of.map(|(child, _)| child)
    }

    /// Nodes that each one serves at most.
    pub fn fan_out(&self) -> usize {
        self.fan_out
    }
}

/// Whom `here` pulls from while its parent cannot serve it: who would be its parent if that one
/// were gone, so that it need not move again when all know that it is. Where the parent is the
/// publisher's node itself, another node that has the stream from there: only the link between the
/// two may be gone.
pub fn standby(
    producer: &ProducerId,
    origin: &NodeId,
    nodes: &BTreeMap<NodeId, Place>,
    here: &NodeId,
    fan_out: usize,
) -> Option<NodeId> {
    let tree = Tree::grow(producer, origin, nodes, fan_out);
    let parent = tree.parent(here)?;
    let mut rest = nodes.clone();
    if parent != origin {
        rest.remove(parent);
        return Tree::grow(producer, origin, &rest, fan_out).parent(here).cloned();
    }
    let region = nodes.get(here).map(|place| &place.region);
    let near = |node: &NodeId| nodes.get(node).map(|place| &place.region) == region;
    let others = tree.children(origin).filter(|node| *node != here);
    others.max_by_key(|node| (near(node), weight(producer.as_str(), node))).cloned()
}

/// Nodes that a subtree of so many levels holds.
fn places(fan_out: usize, levels: usize) -> usize {
    (0..levels as u32).fold(0usize, |sum, level| sum.saturating_add(fan_out.saturating_pow(level)))
}

/// A fan-out that is not certainly too small: below it is no tree.
fn least_fan_out(home: &str, regions: &BTreeMap<&str, Vec<(&NodeId, bool)>>, from: usize) -> usize {
    let all: usize = regions.values().map(Vec::len).sum();
    let elsewhere = regions.iter().filter(|(region, _)| **region != home);
    let largest = elsewhere.map(|(_, nodes)| nodes.len()).max().unwrap_or(0);
    let enough = |fan_out: &usize| {
        places(*fan_out, MAX_HOPS + 1) > all && places(*fan_out, MAX_HOPS) >= largest
    };
    (from..).find(enough).unwrap_or(from)
}

/// A node that others may be seated under.
struct Parent<'a> {
    node: &'a NodeId,
    region: &'a str,
    free: usize,
}

/// A tree that is seated level by level.
struct Growing<'a> {
    producer: &'a str,
    fan_out: usize,
    home: &'a str,
    /// First nodes of regions that the stream has not entered, largest region first.
    heads: Vec<(&'a str, &'a NodeId)>,
    /// The others, best first, by region.
    rest: BTreeMap<&'a str, Vec<&'a NodeId>>,
    seats: BTreeMap<NodeId, Seat>,
}

impl<'a> Growing<'a> {
    fn new(
        producer: &'a ProducerId,
        fan_out: usize,
        home: &'a str,
        regions: &BTreeMap<&'a str, Vec<(&'a NodeId, bool)>>,
    ) -> Self {
        let producer = producer.as_str();
        let mut rest = BTreeMap::new();
        let mut heads = Vec::new();
        for (region, nodes) in regions {
            let mut ranked = nodes.clone();
            let rank = |(node, leaving): &(&NodeId, bool)| {
                (*leaving, Reverse(weight(producer, node)), (*node).clone())
            };
            ranked.sort_by_cached_key(rank);
            let mut ranked: Vec<_> = ranked.into_iter().map(|(node, _)| node).collect();
            if *region != home {
                heads.push((ranked.len(), *region, ranked.remove(0)));
            }
            rest.insert(*region, ranked);
        }
        heads.sort_by_key(|(size, region, _)| (Reverse(*size), *region));
        let heads = heads.into_iter().map(|(_, region, head)| (region, head)).collect();
        Self { producer, fan_out, home, heads, rest, seats: BTreeMap::new() }
    }

    fn is_whole(&self) -> bool {
        self.heads.is_empty() && self.rest.values().all(Vec::is_empty)
    }

    fn grow(&mut self, origin: &'a NodeId) {
        let root = Parent { node: origin, region: self.home, free: self.fan_out };
        let mut parents = vec![root];
        for hops in 1..=MAX_HOPS {
            let mut level = Vec::new();
            // Who would find no place further down.
            let below = places(self.fan_out, MAX_HOPS + 1 - hops);
            for (region, nodes) in std::mem::take(&mut self.rest) {
                let due = nodes.len().div_ceil(below);
                let left = self.seat(&mut parents, region, nodes, due, hops, &mut level);
                self.rest.insert(region, left);
            }
            // A stream is to cross early: all of a region wait for its head.
            let heads = std::mem::take(&mut self.heads);
            for (region, head) in heads {
                match self.choose(&parents, head, None) {
                    Some(at) => self.take(&mut parents, at, head, region, hops, &mut level),
                    None => self.heads.push((region, head)),
                }
            }
            for (region, nodes) in std::mem::take(&mut self.rest) {
                let all = nodes.len();
                let left = self.seat(&mut parents, region, nodes, all, hops, &mut level);
                self.rest.insert(region, left);
            }
            parents = level;
        }
    }

    /// Seats up to `most` of a region's nodes under parents of the region; those left over.
    fn seat(
        &mut self,
        parents: &mut [Parent<'a>],
        region: &'a str,
        nodes: Vec<&'a NodeId>,
        most: usize,
        hops: usize,
        level: &mut Vec<Parent<'a>>,
    ) -> Vec<&'a NodeId> {
        let mut seated = 0;
        for node in nodes.iter().take(most) {
            let Some(at) = self.choose(parents, node, Some(region)) else { break };
            self.take(parents, at, node, region, hops, level);
            seated += 1;
        }
        nodes[seated..].to_vec()
    }

    /// The parent with room left that comes first for `node`.
    fn choose(&self, parents: &[Parent<'a>], node: &NodeId, region: Option<&str>) -> Option<usize> {
        let free = parents.iter().enumerate().filter(|(_, parent)| {
            parent.free > 0 && region.is_none_or(|region| parent.region == region)
        });
        let pair = |parent: &NodeId| weight(&format!("{}/{node}", self.producer), parent);
        free.max_by_key(|(_, parent)| pair(parent.node)).map(|(at, _)| at)
    }

    fn take(
        &mut self,
        parents: &mut [Parent<'a>],
        at: usize,
        node: &'a NodeId,
        region: &'a str,
        hops: usize,
        level: &mut Vec<Parent<'a>>,
    ) {
        let parent = &mut parents[at];
        parent.free -= 1;
        self.seats.insert(node.clone(), Seat { parent: parent.node.clone(), hops });
        level.push(Parent { node, region, free: self.fan_out });
    }
}

#[cfg(test)]
mod tests;
