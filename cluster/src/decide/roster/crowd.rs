//! How many peers of a room each node has, by the facts: a node that has none may go at any moment.

use std::collections::BTreeMap;

use starling_proto::NodeId;

use super::Fact;

/// See the module. As many entries as nodes with peers.
#[derive(Clone, Debug, Default)]
pub struct Crowd(BTreeMap<NodeId, usize>);

impl Crowd {
    /// Facts, in order. True if with one of them a node has its first peer, or has none any more.
    pub fn take_all(&mut self, facts: &[Fact]) -> bool {
        let mut changed = false;
        for fact in facts {
            changed |= self.take(fact);
        }
        changed
    }

    fn take(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::PeerJoined { node, .. } => self.come(node),
            Fact::PeerMoved { from, to, .. } => {
                let (left, came) = (self.go(from), self.come(to));
                left != came || (left && from != to)
            }
            Fact::PeerLeft { node, .. } => self.go(node),
            _ => false,
        }
    }

    /// Whether a node has peers.
    pub fn has(&self, node: &NodeId) -> bool {
        self.0.contains_key(node)
    }

    fn come(&mut self, node: &NodeId) -> bool {
        let count = self.0.entry(node.clone()).or_default();
        *count += 1;
        *count == 1
    }

    fn go(&mut self, node: &NodeId) -> bool {
        let Some(count) = self.0.get_mut(node) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.0.remove(node);
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use starling_proto::json::Json;

    use super::*;

    fn node(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    fn joined(at: &str) -> Fact {
        let device = Json(serde_json::Value::Null);
        let peer = "p".parse().unwrap();
        Fact::PeerJoined { peer, node: node(at), display_name: String::new(), device }
    }

    fn moved(from: &str, to: &str) -> Fact {
        Fact::PeerMoved { peer: "p".parse().unwrap(), from: node(from), to: node(to) }
    }

    fn left(at: &str) -> Fact {
        Fact::PeerLeft { peer: "p".parse().unwrap(), node: node(at) }
    }

    #[test]
    fn only_the_first_to_come_and_the_last_to_go_change_who_has_peers() {
        let mut crowd = Crowd::default();
        let taken = [joined("a"), joined("a"), left("a"), moved("a", "a"), moved("a", "b")];
        assert_eq!(taken.map(|fact| crowd.take(&fact)), [true, false, false, false, true]);
        assert_eq!((crowd.has(&node("a")), crowd.has(&node("b"))), (false, true));
        assert_eq!([joined("c"), left("c")].map(|fact| crowd.take(&fact)), [true, true]);
        assert!(crowd.take(&left("b")));
        assert!(!crowd.has(&node("b")));
        assert!(!crowd.take(&left("b")), "nobody is there");
    }
}
