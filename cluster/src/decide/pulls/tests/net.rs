//! The wire: what one node's pulls want done becomes what another node's hear.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use starling_proto::{NodeId, ProducerId, flow::FlowId};

use super::super::*;
use crate::decide::tree::Tree;

pub(super) fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

pub(super) fn producer(name: &str) -> ProducerId {
    name.parse().unwrap()
}

#[derive(Clone, Debug)]
enum Message {
    Open(FlowId, ProducerId, Option<Vec<NodeId>>),
    Path(FlowId, Vec<NodeId>),
    Closed(FlowId),
}

/// Nodes named by region and number, one producer; links between all.
#[derive(Debug)]
pub(super) struct Net {
    now: Instant,
    fan_out: usize,
    pulls: BTreeMap<NodeId, Pulls>,
    producer: ProducerId,
    /// Nodes that consume it, wherever it is.
    users: BTreeSet<NodeId>,
    /// Where each node believes the producer to be.
    origins: BTreeMap<NodeId, NodeId>,
    wire: VecDeque<(NodeId, NodeId, Message)>,
    next_flow: u64,
    cut: BTreeSet<(NodeId, NodeId)>,
    old: BTreeSet<NodeId>,
    mute: BTreeSet<NodeId>,
    attached: BTreeMap<(NodeId, ProducerId), (NodeId, FlowId)>,
    served: BTreeMap<(NodeId, FlowId), (NodeId, u32)>,
    detached: usize,
}

impl Net {
    pub(super) fn new(names: &[impl AsRef<str>], fan_out: usize) -> Self {
        let names = names.iter().map(|name| node(name.as_ref()));
        let pulls = |name: NodeId| (name.clone(), Pulls::with_fan_out(name, fan_out));
        let mut net = Self {
            now: Instant::now(),
            fan_out,
            pulls: names.map(pulls).collect(),
            producer: producer("p"),
            users: BTreeSet::new(),
            origins: BTreeMap::new(),
            wire: VecDeque::new(),
            next_flow: 0,
            cut: BTreeSet::new(),
            old: BTreeSet::new(),
            mute: BTreeSet::new(),
            attached: BTreeMap::new(),
            served: BTreeMap::new(),
            detached: 0,
        };
        net.meet();
        net.now += SETTLE;
        net
    }

    pub(super) fn of(mut self, name: &str) -> Self {
        self.producer = producer(name);
        self
    }

    fn linked(&self, a: &NodeId, b: &NodeId) -> bool {
        let (a, b) = if a < b { (a, b) } else { (b, a) };
        self.pulls.contains_key(a)
            && self.pulls.contains_key(b)
            && !self.cut.contains(&(a.clone(), b.clone()))
    }

    fn reach(&self, from: &NodeId) -> BTreeMap<NodeId, Reach> {
        let there = self.pulls.keys().filter(|to| *to == from || self.linked(from, to));
        let reach = |name: &NodeId| {
            let region = name.to_string()[..1].to_owned();
            let place = Place { region, leaving: false };
            let relays = !self.old.contains(name) && !self.old.contains(from);
            (name.clone(), Reach { place, relays })
        };
        there.map(reach).collect()
    }

    /// All learn whom they reach, and whom only others do.
    fn meet(&mut self) {
        for name in self.pulls.keys().cloned().collect::<Vec<_>>() {
            let nodes = self.reach(&name);
            let away = self.pulls.keys().filter(|other| !nodes.contains_key(*other));
            let away = away.cloned().collect();
            self.on(&name, |pulls, now, flows| pulls.set_nodes(now, nodes, away, flows));
        }
        self.run();
    }

    fn on(
        &mut self,
        name: &NodeId,
        tell: impl FnOnce(&mut Pulls, Instant, &mut NewFlow<'_>) -> Vec<Action>,
    ) {
        let (now, next) = (self.now, &mut self.next_flow);
        let Some(pulls) = self.pulls.get_mut(name) else { return };
        let actions = tell(pulls, now, &mut |_| {
            *next += 1;
            Some(FlowId(*next))
        });
        actions.into_iter().for_each(|action| self.carry_out(name, action));
    }

    fn carry_out(&mut self, here: &NodeId, action: Action) {
        let mut send = |to: NodeId, message| self.wire.push_back((here.clone(), to, message));
        match action {
            Action::Open { node, flow, producer, hops } => {
                send(node, Message::Open(flow, producer, hops));
            }
            Action::Tell { node, flow, path } => send(node, Message::Path(flow, path)),
            Action::Refuse { node, flow } => send(node, Message::Closed(flow)),
            Action::Close { node, flow } => {
                self.served.remove(&(node.clone(), flow));
                send(node, Message::Closed(flow));
            }
            Action::Attach { producer, node, flow } => {
                self.attached.insert((here.clone(), producer), (node, flow));
            }
            Action::Detach(producer) => {
                self.detached += 1;
                self.attached.remove(&(here.clone(), producer));
            }
            Action::End(producer) => {
                self.attached.remove(&(here.clone(), producer));
            }
            Action::Serve { node, flow, layers, .. } => {
                self.served.insert((node, flow), (here.clone(), layers));
            }
            Action::Unserve { node, flow } => {
                self.served.remove(&(node, flow));
            }
            Action::AskRoster(_) => {}
        }
    }

    /// Delivers until nothing is on its way.
    pub(super) fn run(&mut self) {
        for _ in 0..100_000 {
            let Some((from, to, message)) = self.wire.pop_front() else { return };
            if !self.linked(&from, &to) || self.mute.contains(&to) {
                continue;
            }
            let origin = self.origins.get(&to).cloned();
            self.on(&to, |pulls, now, flows| match message {
                Message::Open(flow, producer, hops) => {
                    let request = Request { flow, producer, layers: 0, hops };
                    pulls.asked(now, &from, request, origin.as_ref(), flows)
                }
                Message::Path(flow, path) => pulls.served(now, &from, flow, path, flows),
                Message::Closed(flow) => pulls.over(now, &from, flow, flows),
            });
        }
        panic!("they never come to rest");
    }

    /// Time goes by, in steps of 10 ms.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now = (self.now + Duration::from_millis(10)).min(end);
            for name in self.pulls.keys().cloned().collect::<Vec<_>>() {
                let due = self.pulls[&name].next_deadline().is_some_and(|at| at <= self.now);
                if due {
                    self.on(&name, |pulls, now, flows| pulls.tick(now, flows));
                }
            }
            self.run();
        }
    }

    pub(super) fn publish(&mut self, at: &str) {
        let all: Vec<_> = self.pulls.keys().map(ToString::to_string).collect();
        self.publish_to(at, &all.iter().map(String::as_str).collect::<Vec<_>>());
    }

    /// Only some have heard of it.
    pub(super) fn publish_to(&mut self, at: &str, to: &[&str]) {
        self.origins = to.iter().map(|name| (node(name), node(at))).collect();
    }

    /// One that had not hears of it now.
    pub(super) fn tell(&mut self, name: &str) {
        let origin = self.origins.values().next().unwrap().clone();
        self.origins.insert(node(name), origin.clone());
        let producer = self.producer.clone();
        self.on(&node(name), |pulls, now, flows| pulls.appeared(now, &producer, &origin, flows));
        self.run();
    }

    /// One takes it for ended, and does not know it any more.
    pub(super) fn lose_sight(&mut self, name: &str) {
        self.origins.remove(&node(name));
        let producer = self.producer.clone();
        self.on(&node(name), |pulls, _, _| pulls.ended(&producer));
        self.run();
    }

    pub(super) fn consume(&mut self, at: &str) {
        let (at, producer) = (node(at), self.producer.clone());
        let origin = self.origins[&at].clone();
        self.users.insert(at.clone());
        self.on(&at, |pulls, now, flows| pulls.used(now, &producer, &origin, flows));
        self.run();
    }

    pub(super) fn unconsume(&mut self, at: &str) {
        let producer = self.producer.clone();
        self.users.remove(&node(at));
        self.on(&node(at), |pulls, now, _| pulls.unused(now, &producer));
        self.run();
    }

    /// `at` wants layers of what it has asked `of` for.
    pub(super) fn wants(&mut self, at: &str, of: &str, layers: u32) {
        let flow = self.attached[&(node(at), self.producer.clone())].1;
        let held = self.pulls.get_mut(&node(of)).unwrap().layers(&node(at), flow, layers);
        assert!(held);
    }

    pub(super) fn layers(&self, of: &str) -> Vec<u32> {
        let served = self.served.values().filter(|(by, _)| *by == node(of));
        served.map(|(_, layers)| *layers).collect()
    }

    pub(super) fn move_to(&mut self, at: &str, name: &str) {
        let (at, old) = (node(at), std::mem::replace(&mut self.producer, producer(name)));
        let new = self.producer.clone();
        for origin in self.origins.values_mut() {
            *origin = at.clone();
        }
        for name in self.pulls.keys().cloned().collect::<Vec<_>>() {
            let used = self.users.contains(&name);
            self.on(&name, |pulls, now, flows| pulls.replaced(now, (&old, &new), &at, used, flows));
        }
        self.run();
    }

    fn lose(&mut self, here: &NodeId, gone: &NodeId) {
        self.served.retain(|(to, _), (by, _)| (to, &*by) != (gone, here));
        self.on(here, |pulls, now, flows| pulls.lose(now, gone, flows));
    }

    pub(super) fn kill(&mut self, name: &str) {
        let gone = node(name);
        self.pulls.remove(&gone);
        self.users.remove(&gone);
        self.mute.remove(&gone);
        self.attached.retain(|(at, _), _| *at != gone);
        self.served.retain(|(to, _), (by, _)| *to != gone && *by != gone);
        for name in self.pulls.keys().cloned().collect::<Vec<_>>() {
            self.lose(&name, &gone);
        }
        self.meet();
    }

    pub(super) fn add(&mut self, name: &str) {
        self.pulls.insert(node(name), Pulls::with_fan_out(node(name), self.fan_out));
        if let Some(origin) = self.origins.values().next().cloned() {
            self.origins.insert(node(name), origin);
        }
        self.meet();
    }

    pub(super) fn cut(&mut self, a: &str, b: &str) {
        let (a, b) = (node(a).min(node(b)), node(a).max(node(b)));
        self.cut.insert((a.clone(), b.clone()));
        self.wire.retain(|(from, to, _)| (from, to) != (&a, &b) && (from, to) != (&b, &a));
        self.lose(&a, &b);
        self.lose(&b, &a);
        self.meet();
    }

    pub(super) fn mend(&mut self, a: &str, b: &str) {
        self.cut.remove(&(node(a).min(node(b)), node(a).max(node(b))));
        self.meet();
    }

    pub(super) fn mute(&mut self, name: &str) {
        self.mute.insert(node(name));
    }

    pub(super) fn unmute(&mut self, name: &str) {
        self.mute.remove(&node(name));
    }

    pub(super) fn speaks_three(&mut self, name: &str) {
        self.old.insert(node(name));
        self.meet();
        self.now += SETTLE;
    }

    /// A node says that a stream comes to it by another way than it does.
    pub(super) fn say_path(&mut self, from: &str, to: &str, path: &[&str]) {
        let flow = self.attached[&(node(to), self.producer.clone())].1;
        let path = path.iter().map(|name| node(name)).collect();
        self.wire.push_back((node(from), node(to), Message::Path(flow, path)));
        self.run();
    }

    /// The node of a region that the tree has enter it.
    pub(super) fn head(&self, region: &str) -> String {
        let any = self.pulls.keys().next().unwrap();
        let origin = self.origins.values().next().cloned().unwrap_or_else(|| node("a0"));
        let mut places: BTreeMap<_, _> = BTreeMap::new();
        for name in self.pulls.keys().chain([any]) {
            let region = name.to_string()[..1].to_owned();
            places.insert(name.clone(), Place { region, leaving: false });
        }
        let tree = Tree::grow(&self.producer, &origin, &places, self.fan_out);
        let mut heads = self.pulls.keys().filter(|name| {
            name.to_string().starts_with(region) && tree.parent(name) == Some(&origin)
        });
        heads.next().map_or_else(|| "nobody".to_owned(), ToString::to_string)
    }

    pub(super) fn path(&self, name: &str) -> Vec<String> {
        let Some(pulls) = self.pulls.get(&node(name)) else { return Vec::new() };
        let path = pulls.all().find(|pull| pull.producer == self.producer);
        path.map_or_else(Vec::new, |pull| pull.path.iter().map(ToString::to_string).collect())
    }

    /// Whether packets of the producer get there, flow by flow.
    pub(super) fn hears(&self, name: &str) -> bool {
        let mut at = node(name);
        for _ in 0..self.pulls.len() + 1 {
            if self.origins.get(&at) == Some(&at) {
                return true;
            }
            let attached = self.attached.get(&(at.clone(), self.producer.clone()));
            let Some((from, flow)) = attached else { return false };
            let served = self.served.get(&(at.clone(), *flow)).is_some_and(|(by, _)| by == from);
            if !served || !self.linked(&at, from) {
                return false;
            }
            at = from.clone();
        }
        panic!("a loop");
    }

    pub(super) fn served_by(&self, name: &str) -> usize {
        self.served.values().filter(|(by, _)| *by == node(name)).count()
    }

    /// How often somebody was left without a source.
    pub(super) fn gaps(&self) -> usize {
        self.detached
    }

    pub(super) fn is_idle(&self) -> bool {
        let nothing = |pulls: &Pulls| {
            pulls.all().next().is_none() && pulls.takers.is_empty() && pulls.retired.is_empty()
        };
        self.pulls.values().all(nothing) && self.attached.is_empty() && self.served.is_empty()
    }

    /// Names of all nodes.
    pub(super) fn names(&self) -> Vec<String> {
        self.pulls.keys().map(ToString::to_string).collect()
    }
}
