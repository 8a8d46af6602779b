//! Which linked nodes have peers of which rooms, both ways: a join asks for a room's nodes, and a
//! node that goes takes its rooms with it. Never asks the registry.

use std::collections::{BTreeMap, BTreeSet};

use starling_proto::{NodeId, RoomId};

/// See the module. As large as what linked nodes tell: a room's id twice for each node that has it.
#[derive(Debug, Default)]
pub(super) struct ToldRooms {
    rooms: BTreeMap<NodeId, BTreeSet<RoomId>>,
    nodes: BTreeMap<RoomId, BTreeSet<NodeId>>,
}

impl ToldRooms {
    /// A node has peers of a room, or none any more.
    pub(super) fn set(&mut self, node: NodeId, room: RoomId, has: bool) {
        if has {
            self.nodes.entry(room.clone()).or_default().insert(node.clone());
            self.rooms.entry(node).or_default().insert(room);
        } else {
            if let Some(rooms) = self.rooms.get_mut(&node) {
                rooms.remove(&room);
            }
            self.forget(&node, &room);
        }
    }

    /// Nothing is known of a node any more.
    pub(super) fn remove(&mut self, node: &NodeId) {
        for room in self.rooms.remove(node).unwrap_or_default() {
            self.forget(node, &room);
        }
    }

    /// Nodes that have peers of a room.
    pub(super) fn nodes(&self, room: &RoomId) -> impl Iterator<Item = &NodeId> {
        self.nodes.get(room).into_iter().flatten()
    }

    fn forget(&mut self, node: &NodeId, room: &RoomId) {
        let Some(nodes) = self.nodes.get_mut(room) else { return };
        nodes.remove(node);
        if nodes.is_empty() {
            self.nodes.remove(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The slow way is to look at the rooms of each node.
        #[test]
        fn a_rooms_nodes_are_those_that_have_told_it(
            steps in prop::collection::vec((0..5_u8, 0..4_u8, 0..8_u8), 0..200),
        ) {
            let node = |at: u8| format!("n{at}").parse::<NodeId>().unwrap();
            let room = |at: u8| format!("r{at}").parse::<RoomId>().unwrap();
            let mut told = ToldRooms::default();
            let mut slow: BTreeMap<NodeId, BTreeSet<RoomId>> = BTreeMap::new();
            for (of, at, what) in steps {
                match what {
                    0 => {
                        told.remove(&node(of));
                        slow.remove(&node(of));
                    }
                    1..=3 => {
                        told.set(node(of), room(at), false);
                        slow.entry(node(of)).or_default().remove(&room(at));
                    }
                    _ => {
                        told.set(node(of), room(at), true);
                        slow.entry(node(of)).or_default().insert(room(at));
                    }
                }
                for at in 0..4 {
                    let have = slow.iter().filter(|(_, rooms)| rooms.contains(&room(at)));
                    let have: Vec<_> = have.map(|(node, _)| node).collect();
                    prop_assert_eq!(told.nodes(&room(at)).collect::<Vec<_>>(), have);
                }
            }
            for of in 0..5 {
                told.remove(&node(of));
            }
            prop_assert!(told.nodes.is_empty() && told.rooms.is_empty(), "{:?}", told);
        }
    }
}
