//! Whom to ask for the rosters of nodes that this one has no link with, although others reach them.
//! Their peers come and go unheard until the link is back, and one whose client has come back there
//! would go on here. Never judges who is reached (`liveness`), never keeps a roster (`roster`).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use starling_proto::NodeId;

/// How often a room's other nodes are asked: what a cut link hides is known a second late, and a
/// question names all such nodes of the room at once.
pub const ASK_EVERY: Duration = Duration::from_secs(1);
/// Nodes asked at a time about one that nobody has answered for yet: one may be just as cut off,
/// another as slow (as many as `liveness` asks).
pub const ASKED: usize = 3;
/// Nodes asked about. Who has lost more links than that is cut off itself.
pub const MAX_AWAY: usize = 64;

/// Nodes without a link that somebody reaches.
#[derive(Clone, Debug, Default)]
pub(super) struct Away {
    nodes: BTreeMap<NodeId, Asked>,
    /// When a question was last asked.
    at: Option<Instant>,
    /// Who is asked first.
    turn: usize,
}

/// Who speaks for a node.
#[derive(Clone, Debug, Default)]
struct Asked {
    by: Option<NodeId>,
    /// Whether it has answered since it was last asked.
    answered: bool,
}

impl Away {
    /// The link to a node is down, and somebody reaches it. It is asked about at once.
    pub(super) fn insert(&mut self, node: &NodeId) {
        if self.nodes.len() < MAX_AWAY && !self.nodes.contains_key(node) {
            self.nodes.insert(node.clone(), Asked::default());
            self.at = None;
        }
    }

    /// It has a link, or nobody reaches it.
    pub(super) fn remove(&mut self, node: &NodeId) {
        self.nodes.remove(node);
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.keys()
    }

    /// Who is to be asked about whom now: whoever has answered is asked again, alone.
    pub(super) fn due(
        &mut self,
        now: Instant,
        members: &BTreeSet<NodeId>,
    ) -> BTreeMap<NodeId, Vec<NodeId>> {
        let mut due = BTreeMap::<_, Vec<_>>::new();
        let early = self.at.is_some_and(|at| now.saturating_duration_since(at) < ASK_EVERY);
        if self.nodes.is_empty() || members.is_empty() || early {
            return due;
        }
        self.at = Some(now);
        let first = self.turn % members.len();
        self.turn = first + ASKED;
        let others: Vec<_> =
            members.iter().cycle().skip(first).take(ASKED.min(members.len())).collect();
        for (node, asked) in &mut self.nodes {
            let answered = std::mem::take(&mut asked.answered);
            asked.by = asked.by.take().filter(|by| answered && members.contains(by));
            let of = asked.by.as_ref().map_or_else(|| others.clone(), |by| vec![by]);
            of.into_iter().for_each(|of| due.entry(of.clone()).or_default().push(node.clone()));
        }
        due
    }

    /// Somebody answers for a node; false if it was not to be asked about.
    pub(super) fn answered(&mut self, by: &NodeId, node: &NodeId) -> bool {
        let Some(asked) = self.nodes.get_mut(node) else { return false };
        asked.by.get_or_insert_with(|| by.clone());
        asked.answered |= asked.by.as_ref() == Some(by);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> NodeId {
        name.parse().unwrap()
    }

    fn members(names: &[&str]) -> BTreeSet<NodeId> {
        names.iter().map(|name| id(name)).collect()
    }

    fn whom(due: &BTreeMap<NodeId, Vec<NodeId>>) -> Vec<&str> {
        use starling_proto::Id;
        due.keys().map(NodeId::as_str).collect()
    }

    #[test]
    fn three_are_asked_others_each_time_until_one_answers_and_then_that_one() {
        let (mut away, now) = (Away::default(), Instant::now());
        let members = members(&["a", "b", "c", "d", "e"]);
        away.insert(&id("x"));
        assert_eq!(whom(&away.due(now, &members)), ["a", "b", "c"]);
        assert!(away.due(now + ASK_EVERY / 2, &members).is_empty(), "too early");
        assert_eq!(whom(&away.due(now + ASK_EVERY, &members)), ["a", "d", "e"]);
        assert!(away.answered(&id("d"), &id("x")));
        assert!(away.answered(&id("e"), &id("x")), "the first is asked again");
        assert_eq!(whom(&away.due(now + 2 * ASK_EVERY, &members)), ["d"]);
        assert_eq!(
            whom(&away.due(now + 3 * ASK_EVERY, &members)),
            ["a", "b", "e"],
            "it was silent"
        );
    }

    #[test]
    fn a_node_that_is_away_from_now_on_is_asked_about_at_once_with_the_others() {
        let (mut away, now) = (Away::default(), Instant::now());
        let members = members(&["a"]);
        assert!(away.due(now, &members).is_empty(), "nobody is away");
        away.insert(&id("x"));
        assert_eq!(away.due(now, &members)[&id("a")], [id("x")]);
        away.insert(&id("y"));
        assert_eq!(away.due(now, &members)[&id("a")], [id("x"), id("y")]);
        away.remove(&id("x"));
        assert!(!away.answered(&id("a"), &id("x")), "it has a link");
        assert_eq!(away.due(now + ASK_EVERY, &members)[&id("a")], [id("y")]);
        assert!(away.due(now + 2 * ASK_EVERY, &BTreeSet::new()).is_empty(), "nobody to ask");
    }

    #[test]
    fn more_than_so_many_are_not_asked_about() {
        let mut away = Away::default();
        (0..MAX_AWAY + 5).for_each(|at| away.insert(&id(&format!("n{at}"))));
        let due = away.due(Instant::now(), &members(&["a"]));
        assert_eq!(due[&id("a")].len(), MAX_AWAY);
    }
}
