//! Changes applied to a view, and what in it contradicts a node. Never asks anybody.

use std::collections::{BTreeMap, btree_map::Entry};

use starling_proto::{NodeId, RoomId, registry::PresenceRecord};

use super::{Change, View};

impl View {
    /// Applies a change; false if the view was so already.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::Node(id, value) => set(&mut self.nodes, id, value.as_ref()),
            Change::Room(id, value) => set(&mut self.rooms, id, value.as_ref()),
            Change::Presence(room, node, value) => {
                set(&mut self.presence, &(room.clone(), node.clone()), value.as_ref())
            }
        }
    }

    /// Rooms of which the view says something else about `node` than the node itself, which has
    /// `presence`. A registry that is restored from a snapshot brings back rooms that have ended
    /// and forgets newer ones, while the lease they are under goes on.
    pub fn contradictions(
        &self,
        node: &NodeId,
        presence: &BTreeMap<RoomId, PresenceRecord>,
    ) -> Vec<RoomId> {
        let stale = self
            .presence
            .iter()
            .filter(|((room, of), value)| of == node && presence.get(room) != Some(value));
        let missing = presence
            .keys()
            .filter(|room| !self.presence.contains_key(&((*room).clone(), node.clone())));
        stale.map(|((room, _), _)| room).chain(missing).cloned().collect()
    }
}

fn set<K: Ord + Clone, V: PartialEq + Clone>(
    map: &mut BTreeMap<K, V>,
    key: &K,
    value: Option<&V>,
) -> bool {
    let Some(value) = value else {
        return map.remove(key).is_some();
    };
    match map.entry(key.clone()) {
        Entry::Occupied(known) if known.get() == value => false,
        Entry::Occupied(mut known) => {
            known.insert(value.clone());
            true
        }
        Entry::Vacant(place) => {
            place.insert(value.clone());
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stale_changed_or_missing_contradicts_and_what_others_say_does_not() {
        let room = |name: &str| name.parse::<RoomId>().unwrap();
        let (here, other): (NodeId, NodeId) = ("here".parse().unwrap(), "other".parse().unwrap());
        let at = |epoch| PresenceRecord { epoch, incarnation: 1 };
        let mut view = View::default();
        for (name, node, epoch) in
            [("ended", &here, 1), ("same", &here, 1), ("changed", &here, 1), ("theirs", &other, 1)]
        {
            view.presence.insert((room(name), node.clone()), at(epoch));
        }
        let presence =
            [("same", 1), ("changed", 2), ("new", 1)].map(|(name, epoch)| (room(name), at(epoch)));
        let wrong = view.contradictions(&here, &BTreeMap::from(presence));
        assert_eq!(wrong, [room("changed"), room("ended"), room("new")]);
    }
}
