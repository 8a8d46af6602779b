//! Changes applied to a view. Never asks anybody.

use std::collections::{BTreeMap, btree_map::Entry};

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
