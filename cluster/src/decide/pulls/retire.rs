//! Flows of a publisher's last session: kept for a while after it has moved, so that everybody
//! gets its media until the new session's can be begun with.

use std::time::{Duration, Instant};

use starling_proto::{NodeId, ProducerId, flow::FlowId};

use super::{Action, Pulls};

/// How long after its publisher has moved a flow is kept: a key frame of the new session may have
/// to wait for a second (`media::ingress::keyframe`: two a second), and as long for the way there
/// and its loss. Clients send on both seats for 2.5 s at most (`rejoin::OVERLAP`).
pub const HANDOVER: Duration = Duration::from_secs(2);
/// Producers kept so in one room, beyond which the oldest go: a drain moves a node's peers in
/// seconds, and a room has a few hundred of them there that publish.
const MAX_RETIRED: usize = 1_000;

/// A producer that another one has succeeded.
#[derive(Clone, Debug)]
pub(super) struct Retired {
    producer: ProducerId,
    pub(super) until: Instant,
    ups: Vec<(NodeId, FlowId)>,
    takers: Vec<(NodeId, FlowId)>,
}

impl Retired {
    fn forget(&mut self, gone: impl Fn(&(NodeId, FlowId)) -> bool) {
        self.ups.retain(|flow| !gone(flow));
        self.takers.retain(|flow| !gone(flow));
    }

    fn end_flows(&mut self, out: &mut Vec<Action>) {
        let takers = self.takers.drain(..);
        out.extend(takers.map(|(node, flow)| Action::Unserve { node, flow }));
        let ups = self.ups.drain(..);
        out.extend(ups.map(|(node, flow)| Action::Close { node, flow }));
    }
}

impl Pulls {
    /// The source of a producer, of this node or of another, is another one now.
    pub(super) fn retire(&mut self, now: Instant, producer: &ProducerId, out: &mut Vec<Action>) {
        self.held.retain(|held| held.producer != *producer);
        let pull = self.pulls.remove(producer);
        self.takers.retain(|_, (of, _)| of != producer);
        let flow = |up: super::Upstream| (up.node, up.flow);
        let (ups, takers) = pull.map_or_else(Default::default, |pull| {
            let ups = pull.up.into_iter().chain(pull.next).map(flow).collect();
            (ups, pull.takers.into_iter().collect())
        });
        if self.retired.len() == MAX_RETIRED {
            self.end_retired(0, out);
        }
        let (producer, until) = (producer.clone(), now + HANDOVER);
        self.retired.push(Retired { producer, until, ups, takers });
    }

    /// It is back: what it was before has nothing to do with it.
    pub(super) fn recall(&mut self, producer: &ProducerId, out: &mut Vec<Action>) {
        let back = |retired: &mut Retired| retired.producer == *producer;
        self.retired.extract_if(.., back).for_each(|mut retired| retired.end_flows(out));
    }

    pub(super) fn end_due(&mut self, now: Instant, out: &mut Vec<Action>) {
        while self.retired.first().is_some_and(|retired| retired.until <= now) {
            self.end_retired(0, out);
        }
    }

    fn end_retired(&mut self, place: usize, out: &mut Vec<Action>) {
        let mut retired = self.retired.remove(place);
        retired.end_flows(out);
        out.push(Action::End(retired.producer));
    }

    /// Flows with a node that are kept so.
    pub(super) fn retired_with<'a>(
        &'a self,
        node: &'a NodeId,
    ) -> impl Iterator<Item = FlowId> + 'a {
        let flows =
            self.retired.iter().flat_map(|retired| retired.ups.iter().chain(&retired.takers));
        flows.filter(move |(of, _)| of == node).map(|(_, flow)| *flow)
    }

    /// Flows of a node are dead, or this one of it.
    pub(super) fn forget_retired(&mut self, node: &NodeId, flow: Option<FlowId>) {
        for retired in &mut self.retired {
            retired.forget(|(of, it)| of == node && flow.is_none_or(|flow| flow == *it));
        }
    }
}
