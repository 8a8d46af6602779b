//! Where joins go, as clients and operators ask for it, and why. Decided by
//! `cluster::decide::placement`; this carries it over.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use starling_cluster::decide::{
    placement::{Decision, Score, Term, Whereabouts},
    standby::STANDBYS,
    view::{Explained, Join},
};
use starling_proto::{
    NodeId, Refusal, RoomId,
    registry::{NodeRecord, RoomPolicy},
    rest::{ClientAt, NodeScore, Placement, PlacementExplained, ScoreTerm},
};

use super::{
    actor::NodeTree,
    shared::{hint_of, signalling_url},
};

impl NodeTree {
    pub(super) fn place(&mut self, room: RoomId, client: &ClientAt) -> Result<Placement, Refusal> {
        let policy = self.policy_of(&room);
        self.refresh_own();
        let (now, own) = (Instant::now(), self.shared.config.id.clone());
        let decision = self.view.place(now, &self.join(&room, &policy, client));
        self.reserve(now, &room, &decision);
        let node = match decision {
            Decision::Here => own.clone(),
            Decision::Node(node) => node,
            Decision::Refused(refusal) => return Err(refusal),
        };
        let not = BTreeSet::from([node.clone()]);
        let standby = self.view.standby(&room, &policy, &not, STANDBYS);
        let url = self.view.node(&node).map(|record| hint_of(&record).url);
        let url = url.unwrap_or_else(|| signalling_url(&self.shared.config.api_url));
        Ok(Placement { room, here: node == own, node, url, standby })
    }

    pub(super) fn explain(&mut self, room: RoomId, client: ClientAt) -> PlacementExplained {
        let policy = self.policy_of(&room);
        self.refresh_own();
        let now = Instant::now();
        let join = self.join(&room, &policy, &client);
        let (decision, all) = (self.view.place(now, &join), self.view.explain(now, &join));
        let (node, refusal) = match decision {
            Decision::Here => (Some(self.shared.config.id.clone()), None),
            Decision::Node(node) => (Some(node), None),
            Decision::Refused(refusal) => (None, Some(refusal.message)),
        };
        let records = self.view.nodes();
        let scores = all.into_iter().filter_map(|of| told(&records, of));
        let mut nodes: Vec<_> = scores.collect();
        // Stable: of equals, lower ordinals come first.
        nodes.sort_by_key(|of| (Some(&of.node) != node.as_ref(), std::cmp::Reverse(of.score)));
        PlacementExplained { room, policy, client, node, refusal, nodes }
    }

    pub(super) fn policy_of(&self, room: &RoomId) -> RoomPolicy {
        let record = self.rooms.get(room).map(|here| here.record.clone());
        record.or_else(|| self.view.record(room)).unwrap_or_default().policy
    }

    pub(super) fn join<'a>(
        &self,
        room: &'a RoomId,
        policy: &'a RoomPolicy,
        client: &'a ClientAt,
    ) -> Join<'a> {
        let region = client.region.as_deref().unwrap_or_default();
        let zone = client.zone.as_deref().unwrap_or_default();
        let here_has_room = self.rooms.contains_key(room);
        Join { room, policy, here_has_room, client: Whereabouts { region, zone }, wanted: None }
    }
}

fn told(records: &BTreeMap<NodeId, NodeRecord>, of: Explained) -> Option<NodeScore> {
    let record = records.get(&of.node)?;
    let (score, left_out) = match of.score {
        Ok(score) => (Some(score), None),
        Err(why) => (None, Some(why.as_str().to_owned())),
    };
    Some(NodeScore {
        region: record.region.clone(),
        zone: record.zone.clone(),
        peers: record.load.peers,
        placed: of.placed,
        stress: record.load.stress,
        cost: record.cost,
        terms: score.as_ref().map(terms).unwrap_or_default(),
        score: score.map(|score| score.total()),
        left_out,
        node: of.node,
    })
}

fn terms(score: &Score) -> Vec<ScoreTerm> {
    let all = Term::ALL.into_iter().map(|term| (term, score.of(term)));
    let given = all.filter(|(_, points)| *points != 0);
    given.map(|(term, points)| ScoreTerm { name: term.as_str().to_owned(), points }).collect()
}
