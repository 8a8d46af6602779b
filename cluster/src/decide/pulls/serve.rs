//! What other nodes ask of this one, and what they answer.

use std::time::Instant;

use starling_proto::{NodeId, ProducerId, flow::FlowId};

use super::{AVOID, Action, HOLD, MAX_HELD, NewFlow, Pull, Pulls, close, dry, tell};
use crate::decide::tree::MAX_HOPS;

/// What a node asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// On.
    pub flow: FlowId,
    /// What.
    pub producer: ProducerId,
    /// Bit n: encoding n.
    pub layers: u32,
    /// For whom, itself last; `None`: it asks for what is this node's own.
    pub hops: Option<Vec<NodeId>>,
}

/// A request for a producer that is not known yet.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) node: NodeId,
    pub(super) producer: ProducerId,
    pub(super) flow: FlowId,
    layers: u32,
    hops: Vec<NodeId>,
    pub(super) until: Instant,
}

impl Pulls {
    /// A node asks for a producer, which is on `origin` as far as is known.
    pub fn asked(
        &mut self,
        now: Instant,
        node: &NodeId,
        request: Request,
        origin: Option<&NodeId>,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        let Request { flow, producer, layers, hops } = request;
        let node = node.clone();
        match (origin, hops) {
            (Some(origin), hops) if *origin == self.here => {
                out.push(Action::Serve { node: node.clone(), flow, producer, layers });
                if hops.is_some() {
                    out.push(Action::Tell { node, flow, path: vec![self.here.clone()] });
                }
            }
            (Some(origin), Some(hops)) if self.may_relay(&node, &producer, origin, &hops) => {
                let new = || Pull::new(origin.clone());
                let pull = self.pulls.entry(producer.clone()).or_insert_with(new);
                pull.takers.insert((node.clone(), flow));
                self.takers.insert((node.clone(), flow), (producer.clone(), hops));
                // First the stream's place here, then who gets it from there.
                self.settle(now, &producer, flows, &mut out);
                if !self.takers.contains_key(&(node.clone(), flow)) {
                    // With nobody to ask itself, it has sent the other one away already.
                    return out;
                }
                let path = self.pulls.get(&producer).map_or(&[][..], Pull::path).to_vec();
                out.push(Action::Serve { node: node.clone(), flow, producer, layers });
                if !path.is_empty() {
                    let path = path.into_iter().chain([self.here.clone()]).collect();
                    out.push(Action::Tell { node, flow, path });
                }
            }
            (None, Some(hops)) if is_sane(&node, &hops) && self.held.len() < MAX_HELD => {
                let until = now + HOLD;
                self.held.push(Held { node, producer, flow, layers, hops, until });
            }
            _ => out.push(Action::Refuse { node, flow }),
        }
        out
    }

    /// Whether it would be no loop, no longer way than may be, and no nonsense.
    fn may_relay(
        &self,
        node: &NodeId,
        producer: &ProducerId,
        origin: &NodeId,
        hops: &[NodeId],
    ) -> bool {
        let comes_from_there = self.pulls.get(producer).is_some_and(|pull| {
            let mut ups = pull.up.iter().chain(&pull.next);
            ups.any(|up| hops.iter().any(|hop| up.node == *hop || up.path.contains(hop)))
        });
        is_sane(node, hops) && node != origin && !hops.contains(&self.here) && !comes_from_there
    }

    /// A producer is known now, on `origin`: who asked for it before is answered.
    pub fn appeared(
        &mut self,
        now: Instant,
        producer: &ProducerId,
        origin: &NodeId,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let of_it = |held: &mut Held| held.producer == *producer;
        let waiting: Vec<_> = self.held.extract_if(.., of_it).collect();
        let answer = |held: Held| {
            let Held { node, producer, flow, layers, hops, .. } = held;
            let request = Request { flow, producer, layers, hops: Some(hops) };
            self.asked(now, &node, request, Some(origin), flows)
        };
        waiting.into_iter().flat_map(answer).collect()
    }

    /// A node wants other layers on a flow. False if the flow is served already, and whoever serves
    /// it is to be told.
    pub fn layers(&mut self, node: &NodeId, flow: FlowId, layers: u32) -> bool {
        let held = self.held.iter_mut().find(|held| held.node == *node && held.flow == flow);
        held.map(|held| held.layers = layers).is_some()
    }

    pub(super) fn refuse_held(&mut self, now: Instant, out: &mut Vec<Action>) {
        let late = self.held.extract_if(.., |held| held.until <= now);
        out.extend(late.map(|Held { node, flow, .. }| Action::Refuse { node, flow }));
    }

    /// A node says by which way a stream that it serves comes to it.
    pub fn served(
        &mut self,
        now: Instant,
        node: &NodeId,
        flow: FlowId,
        path: Vec<NodeId>,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        let Some(producer) = self.pulled_on(node, flow) else { return out };
        if path.contains(&self.here) || path.len() > MAX_HOPS {
            out.push(Action::Close { node: node.clone(), flow });
            out.extend(self.given_up(now, &producer, node, flow, flows));
            return out;
        }
        let Some(pull) = self.pulls.get_mut(&producer) else { return out };
        if let Some(next) = pull.next.take_if(|next| next.node == *node && next.flow == flow) {
            if path.is_empty() {
                pull.next = Some(next);
                return out;
            }
            // The new one has it: only now is the old one let go.
            let old = pull.up.replace(next);
            out.push(Action::Attach { producer: producer.clone(), node: node.clone(), flow });
            close(old.into_iter(), &mut out);
        }
        let Some(up) = &mut pull.up else { return out };
        if up.path == path {
            return out;
        }
        if path.is_empty() {
            up.dry_since = now;
        }
        up.path.clone_from(&path);
        let told = if path.is_empty() { path } else { [path, vec![self.here.clone()]].concat() };
        tell(pull, told, &mut out);
        out
    }

    /// A node ended a flow: one that it served, or one that it was served on.
    pub fn over(
        &mut self,
        now: Instant,
        node: &NodeId,
        flow: FlowId,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        if let Some(producer) = self.pulled_on(node, flow) {
            return self.given_up(now, &producer, node, flow, flows);
        }
        self.held.retain(|held| held.node != *node || held.flow != flow);
        self.forget_retired(node, Some(flow));
        let taker = (node.clone(), flow);
        let mut out = vec![Action::Unserve { node: node.clone(), flow }];
        if let Some((producer, _)) = self.takers.remove(&taker)
            && let Some(pull) = self.pulls.get_mut(&producer)
        {
            pull.takers.remove(&taker);
            self.settle(now, &producer, flows, &mut out);
        }
        out
    }

    fn pulled_on(&self, node: &NodeId, flow: FlowId) -> Option<ProducerId> {
        let on = |pull: &Pull| {
            pull.up.iter().chain(&pull.next).any(|up| up.node == *node && up.flow == flow)
        };
        self.pulls.iter().find_map(|(producer, pull)| on(pull).then(|| producer.clone()))
    }

    /// Nothing is to be had on a flow that was pulled on.
    fn given_up(
        &mut self,
        now: Instant,
        producer: &ProducerId,
        node: &NodeId,
        flow: FlowId,
        flows: &mut NewFlow<'_>,
    ) -> Vec<Action> {
        let mut out = Vec::new();
        let Some(pull) = self.pulls.get_mut(producer) else { return out };
        pull.shun(now, node, AVOID);
        if pull.next.take_if(|next| next.node == *node && next.flow == flow).is_none() {
            dry(producer, pull, &mut out);
        }
        self.settle(now, producer, flows, &mut out);
        out
    }
}

/// Who asks is the last it asks for, and nobody would be too far from the publisher's node.
fn is_sane(node: &NodeId, hops: &[NodeId]) -> bool {
    hops.last() == Some(node) && hops.len() < MAX_HOPS
}
