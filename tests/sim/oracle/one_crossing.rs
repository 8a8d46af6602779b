//! Once a room has come to rest, each stream enters each region once, and never the one that it is
//! from. Where two of its nodes have no link, the only way may lead through another region, and
//! nobody is blamed for it.

use std::collections::BTreeMap;

use starling_proto::{ProducerId, RoomId, link::VERSION_MAX};

use crate::sim::{ctx::SECOND, event::Packet, plan::Plan};

/// How long a room's nodes, their links and a stream have to be the same: a tree is moved to after
/// two seconds (`pulls::SETTLE`), and who refused or stayed dry is asked again after five
/// (`pulls::AVOID`); half of that again for a second node that waits for the first.
const REST: u64 = 10 * SECOND;

/// See the module.
#[derive(Debug)]
pub(super) struct Crossings {
    /// Of each node: where it is, and whether it relays. Who does not pulls for itself alone.
    places: Vec<(u8, bool)>,
    /// When any two nodes' link, or a node as such, was last another one.
    stirred: u64,
    /// When a room was last opened or closed somewhere.
    rooms: BTreeMap<RoomId, u64>,
    /// When each stream first crossed anything.
    begun: BTreeMap<ProducerId, u64>,
    /// Of each packet's layer, the newest: by which node it entered a region.
    entered: BTreeMap<(ProducerId, u8, u8), (u64, usize)>,
}

impl Crossings {
    pub(super) fn new(plan: &Plan) -> Self {
        let places = plan.nodes.iter().map(|node| (node.region, node.speaks == VERSION_MAX));
        Self {
            places: places.collect(),
            stirred: 0,
            rooms: BTreeMap::new(),
            begun: BTreeMap::new(),
            entered: BTreeMap::new(),
        }
    }

    pub(super) fn stir(&mut self, now: u64) {
        self.stirred = now;
    }

    pub(super) fn stir_room(&mut self, now: u64, room: &RoomId) {
        self.rooms.insert(room.clone(), now);
    }

    fn at_rest(&mut self, now: u64, packet: &Packet) -> bool {
        let begun = *self.begun.entry(packet.producer.clone()).or_insert(now);
        let room = self.rooms.get(&packet.room).copied().unwrap_or(now);
        begun.max(room).max(self.stirred) + REST <= now
    }

    /// A packet has come to a node.
    pub(super) fn check(&mut self, now: u64, node: usize, packet: &Packet) -> Option<String> {
        let (region, relays) = self.places[node];
        let last = *packet.via.last()?;
        if !self.at_rest(now, packet) || self.places[last].0 == region || !relays {
            return None;
        }
        let Packet { producer, layer, seq, via, .. } = packet;
        if via.first().is_some_and(|origin| self.places[*origin].0 == region) {
            return Some(format!("{producer} comes back to region {region} by {via:?}"));
        }
        let entered = self.entered.insert((producer.clone(), *layer, region), (*seq, node));
        let (_, by) = entered.filter(|(before, by)| before == seq && *by != node)?;
        Some(format!("{producer} enters region {region} by n{by} and by n{node}"))
    }
}
