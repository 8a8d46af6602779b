//! Changes applied to a view, and what in it, or in one of them, contradicts a node. Never asks
//! anybody.

use std::collections::{BTreeMap, btree_map::Entry};

use starling_proto::{
    NodeId, RoomId,
    registry::{NodeRecord, PresenceRecord},
};

use super::{Change, View};

impl View {
    /// Applies a change; false if the view was so already.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::Revocation(id, value) => set(&mut self.revocations, id, value.as_ref()),
            Change::Node(id, value) => set(&mut self.nodes, id, value.as_ref()),
            Change::Room(id, value) => set(&mut self.rooms, id, value.as_ref()),
            Change::Presence(room, node, value) => {
                set(&mut self.presence, &(room.clone(), node.clone()), value.as_ref())
            }
            Change::Webhook(id, value) => set(&mut self.webhooks, id, value.as_ref()),
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

impl Change {
    /// The room of which this says something else about `node` than the node itself, which has
    /// `presence`. A write that was given up may be applied after a later one: nobody else would
    /// ever say otherwise, for as long as the lease lasts. Writing it again answers at most one
    /// change with another, which agrees.
    pub fn contradicts(
        &self,
        node: &NodeId,
        presence: &BTreeMap<RoomId, PresenceRecord>,
    ) -> Option<&RoomId> {
        let Self::Presence(room, of, value) = self else { return None };
        (of == node && presence.get(room) != value.as_ref()).then_some(room)
    }

    /// Whether this takes back what a node wants its record to be. Its load is told anew every few
    /// seconds, and as numbers that JSON may round.
    pub fn takes_back(&self, record: &NodeRecord) -> bool {
        let Self::Node(node, value) = self else { return false };
        let same = |value: &NodeRecord| {
            let (load, cost) = (value.load, value.cost);
            *value == NodeRecord { load, cost, ..record.clone() }
        };
        *node == record.id && !value.as_ref().is_some_and(same)
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

    #[test]
    fn a_change_of_ones_own_key_that_one_does_not_want_is_a_contradiction() {
        let room = |name: &str| name.parse::<RoomId>().unwrap();
        let (here, other): (NodeId, NodeId) = ("here".parse().unwrap(), "other".parse().unwrap());
        let at = |epoch| PresenceRecord { epoch, incarnation: 1 };
        let presence = BTreeMap::from([(room("open"), at(2))]);
        let says = |name, node: &NodeId, value| {
            let change = Change::Presence(room(name), node.clone(), value);
            change.contradicts(&here, &presence).cloned()
        };
        assert_eq!(says("open", &here, Some(at(2))), None);
        assert_eq!(says("open", &here, Some(at(1))), Some(room("open")), "an older one");
        assert_eq!(says("open", &here, None), Some(room("open")));
        assert_eq!(says("ended", &here, Some(at(2))), Some(room("ended")));
        assert_eq!(says("ended", &here, None), None);
        assert_eq!(says("open", &other, None), None, "their business");
        assert_eq!(Change::Room(room("open"), None).contradicts(&here, &presence), None);
    }

    #[test]
    fn a_record_that_says_more_than_another_load_is_taken_back() {
        use crate::registry::contract::record;
        let own = record("here", 2);
        let says = |value: Option<NodeRecord>| Change::Node(own.id.clone(), value).takes_back(&own);
        assert!(!says(Some(own.clone())));
        let mut busy = own.clone();
        busy.load.peers += 1;
        assert!(!says(Some(busy)));
        assert!(says(Some(NodeRecord { cordoned: true, ..own.clone() })));
        assert!(says(Some(record("here", 1))));
        assert!(says(None));
        assert!(!Change::Node("other".parse().unwrap(), None).takes_back(&own));
    }
}
