//! Until when everything was told: where a stream can be taken up again without a loss. Pure.

use std::collections::BTreeMap;

use starling_proto::{NodeId, time::Timestamp};

/// What each node has said, by its own clock. Everything before the lowest was told, whatever the
/// clocks of the others say: each is asked by its own.
#[derive(Debug)]
pub(super) struct Marks {
    nodes: BTreeMap<NodeId, Timestamp>,
    /// What was said to the reader never falls.
    said: Timestamp,
}

impl Marks {
    /// Of a stream that begins at `since`.
    pub(super) fn new(since: Timestamp) -> Self {
        Self { nodes: BTreeMap::new(), said: since }
    }

    /// A node is asked from `since` on.
    pub(super) fn begin(&mut self, node: NodeId, since: Timestamp) {
        self.nodes.insert(node, since);
    }

    /// Until when a node has told everything.
    pub(super) fn of(&self, node: &NodeId) -> Option<Timestamp> {
        self.nodes.get(node).copied()
    }

    /// A node has told everything before `until`.
    pub(super) fn set(&mut self, node: &NodeId, until: Timestamp) {
        if let Some(mark) = self.nodes.get_mut(node) {
            *mark = until.max(*mark);
        }
    }

    /// Nothing more comes from a node.
    pub(super) fn end(&mut self, node: &NodeId) {
        self.nodes.remove(node);
    }

    /// Where to begin again.
    pub(super) fn low(&mut self) -> Timestamp {
        let low = self.nodes.values().min().copied().unwrap_or(self.said);
        self.said = low.max(self.said);
        self.said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(unix_ms: u64) -> Timestamp {
        Timestamp { unix_ms }
    }

    #[test]
    fn a_stream_begins_again_where_the_slowest_node_was() {
        let [a, b]: [NodeId; 2] = ["a", "b"].map(|id| id.parse().unwrap());
        let mut marks = Marks::new(at(10));
        assert_eq!(marks.low(), at(10));
        marks.begin(a.clone(), at(10));
        marks.begin(b.clone(), at(10));
        marks.set(&a, at(50));
        assert_eq!(marks.low(), at(10));
        marks.set(&b, at(30));
        marks.set(&b, at(20));
        assert_eq!(marks.low(), at(30), "a mark that comes late does not take it back");
        marks.end(&b);
        assert_eq!(marks.low(), at(50));
        marks.set(&b, at(70));
        marks.begin(b.clone(), at(40));
        assert_eq!(marks.low(), at(50), "a node that comes takes nothing back that was said");
    }
}
