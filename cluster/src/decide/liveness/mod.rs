//! Who is alive: what a silent link means. A link that gives no answer is suspected, other nodes
//! are asked whether they still get answers from that node, and within a second there is a verdict:
//! about the link, if anybody reaches the node, or about the node. After it the question stays
//! open for as long as the node has no link. As in SWIM (Das, Gupta, Motivala 2002), with two
//! differences: whoever has a link watches it, so that nothing has to spread; and a verdict about a
//! link is one, too. Pure: never sends, never reads a clock, never ends a link itself.
//!
//! ```text
//! answers ──→ linked ──silent 400 ms──→ suspected ──silent 850 ms──→ verdict ──→ absent
//!               ↑ ↖───────answer──────────┘                                        │ asks on:
//!               └──────────────────────────── new link ────────────────────────────┘ link ⇄ node
//! ```

#[cfg(test)]
mod tests;
mod watched;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use starling_proto::NodeId;
use watched::{Absent, Linked, Watched};

/// How often [`Liveness::poll`] wants to be called while there is any node to watch: a twentieth
/// of a second is the error of all times here.
pub const POLL: Duration = Duration::from_millis(50);
/// A link without an answer for this long is probed. Traffic of any kind brings answers, so only
/// idle links cost probes: five a second each.
pub const PROBE_AFTER: Duration = Duration::from_millis(200);
/// A suspected link is probed this often: with a fifth of all packets lost each way, none of the
/// nine probes until the verdict comes through once in five idle hours.
pub const PROBE_SUSPECT: Duration = Duration::from_millis(50);
/// Most probes a node sends in a second, whatever happens: those of 800 idle links. With more, or
/// when all are silent at once, each waits longer for its turn. Two datagrams each, out and back,
/// are 3 % of a core.
pub const PROBES_PER_SECOND: u32 = 4_000;
/// Two probes and a round trip between continents (300 ms at most) have gone by.
pub const SUSPECT_AFTER: Duration = Duration::from_millis(400);
/// The same for a node that is not probed, because its release does not know probes: it answers at
/// least each load report, every 500 ms.
pub const SUSPECT_UNPROBED: Duration = Duration::from_millis(700);
/// Silence until the verdict. A poll and a sample of counters late, it is below a second.
pub const VERDICT_AFTER: Duration = Duration::from_millis(850);
/// An answer that another node got counts if it is so much newer than our last one. One that it
/// got just before the node died may be newer by a probe's interval, a round trip and a poll.
pub const NEWER: Duration = Duration::from_millis(500);
/// Nodes asked at a time: one may be just as cut off, another as slow.
pub const ASKED: usize = 3;
/// How often they are asked until the verdict, and for a second after it: others each time.
pub const ASK_EVERY: Duration = Duration::from_millis(150);
/// How often about a node without a link that somebody reaches.
pub const ASK_VOUCHED: Duration = Duration::from_secs(1);
/// How often about one that nobody reaches: the registry is about to forget it, or is away.
pub const ASK_LOST: Duration = Duration::from_secs(5);
/// Most nodes asked about at one poll: with all links gone at once, the rest waits its turn.
pub const ASKS_PER_POLL: usize = 64;
/// A verdict about a link stands for so long at first: that a node was reached before the verdict
/// must be said again of the time after it.
pub const CONFIRM: Duration = Duration::from_millis(600);
/// And for so long after each answer that somebody got: three times asking.
pub const VOUCHED_FOR: Duration = Duration::from_secs(3);
/// Who polls that late did not look (a stopped process, a starved one): silence was our own.
pub const STALL: Duration = Duration::from_millis(400);
/// Nodes watched: four times the largest cluster we plan for.
const MAX_NODES: usize = 4_096;

/// What a silent or ended link means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The way to the node is broken, the node is not: somebody reaches it.
    Link,
    /// Nobody that we can ask reaches the node: it is dead, or cut off, or we are.
    Node,
}

/// How a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing came any more.
    Silent,
    /// The other side said that it leaves, or its process is gone.
    Left,
    /// The other side ended it for another reason, so it lives.
    Theirs,
    /// This side ended it although the other one lives.
    Ours,
}

/// A link's counters, absolute since it came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Datagrams received.
    pub received: u64,
    /// Acknowledgements received: each is the answer to something that was sent.
    pub answers: u64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this node something that it must acknowledge.
    Probe(NodeId),
    /// Ask a node when another one last answered it.
    Ask {
        /// Whom.
        of: NodeId,
        /// About whom.
        about: NodeId,
        /// In which life.
        epoch: u64,
    },
    /// End the link to this node: it is silent. [`Liveness::link_down`] then says the verdict.
    End {
        /// Whose.
        node: NodeId,
        /// Which link.
        link: u64,
    },
    /// What is believed of a node without a link has changed.
    Changed {
        /// Which.
        node: NodeId,
        /// In which life.
        epoch: u64,
        /// To what.
        verdict: Verdict,
    },
}

/// What was seen, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LivenessCounters {
    /// Probes sent.
    pub probes: u64,
    /// Links that were suspected.
    pub suspicions: u64,
    /// Questions to other nodes.
    pub asked: u64,
    /// Verdicts about links.
    pub links: u64,
    /// Verdicts about nodes.
    pub nodes: u64,
    /// Times this node found that it had not looked.
    pub stalls: u64,
}

/// All nodes this one has, or wants, a link with.
#[derive(Debug, Default)]
pub struct Liveness {
    nodes: BTreeMap<NodeId, Watched>,
    polled: Option<Instant>,
    stall_ended: Option<Instant>,
    /// Probes that may be sent now, in thousandths.
    allowance: u64,
    /// The last node that was probed: the next poll begins behind it, so that no bound starves the
    /// last ones.
    turn: Option<NodeId>,
    counters: LivenessCounters,
}

impl Liveness {
    /// A link came up; `probes` says whether the other side's release knows probes and questions.
    pub fn link_up(&mut self, now: Instant, node: &NodeId, link: u64, epoch: u64, probes: bool) {
        if self.nodes.len() < MAX_NODES || self.nodes.contains_key(node) {
            let linked = Linked::new(now, link, epoch, probes);
            self.nodes.insert(node.clone(), Watched::Linked(linked));
        }
    }

    /// What a link has counted by now.
    pub fn sample(&mut self, now: Instant, node: &NodeId, link: u64, sample: Sample) {
        if let Some(linked) = self.linked(node).filter(|linked| linked.link == link) {
            linked.take(now, sample);
        }
    }

    /// A link ended: what that means. Of a link that another one replaced, the node's newer life
    /// decides.
    pub fn link_down(
        &mut self,
        now: Instant,
        node: &NodeId,
        link: u64,
        epoch: u64,
        end: End,
    ) -> Verdict {
        let reached = match self.nodes.get(node) {
            Some(Watched::Linked(linked)) if linked.link == link => linked.reached(now, end),
            Some(watched) if watched.epoch() == epoch => return Verdict::Link,
            Some(_) | None => return Verdict::Node,
        };
        // Nobody could be asked yet.
        let open = end == End::Silent && self.stalled_lately(now);
        let verdict = if reached || open { Verdict::Link } else { Verdict::Node };
        self.count(verdict);
        let absent = Absent::new(now, epoch, verdict);
        self.nodes.insert(node.clone(), Watched::Absent(absent));
        verdict
    }

    /// The nodes to have links with, each with its life. Others without a link are forgotten; about
    /// those that have never had one others are asked, if none comes up.
    pub fn set_targets(&mut self, now: Instant, targets: &BTreeMap<NodeId, u64>) {
        let wanted = |node: &NodeId| targets.contains_key(node);
        self.nodes.retain(|node, watched| watched.as_linked().is_some() || wanted(node));
        for (node, epoch) in targets {
            if !self.nodes.contains_key(node) && self.nodes.len() < MAX_NODES {
                let unmet = Absent::unmet(now, *epoch);
                self.nodes.insert(node.clone(), Watched::Absent(unmet));
            }
        }
    }

    /// Another node asks about one: in which life we reach it, and how long ago it last answered.
    /// None if we do not. Whoever has not had an answer lately asks for one.
    pub fn asked(
        &mut self,
        now: Instant,
        about: &NodeId,
    ) -> (Option<(u64, Duration)>, Option<Action>) {
        let Some(linked) = self.linked(about) else { return (None, None) };
        let ago = now.saturating_duration_since(linked.answered);
        let (epoch, probe) = (linked.epoch, linked.wants_probe(now, PROBE_SUSPECT));
        let probe = if probe { self.probe(now, about) } else { None };
        (Some((epoch, ago)), probe)
    }

    /// Another node's answer about one that we asked for.
    pub fn told(
        &mut self,
        now: Instant,
        about: &NodeId,
        epoch: u64,
        ago: Duration,
    ) -> Option<Action> {
        let watched = self.nodes.get_mut(about)?;
        if let Watched::Absent(absent) = watched {
            // It has been started again, and somebody reaches it in that life.
            absent.epoch = absent.epoch.max(epoch);
        }
        if watched.epoch() != epoch {
            return None;
        }
        let at = now.checked_sub(ago)?;
        match watched {
            Watched::Linked(linked) => {
                linked.vouch(at);
                None
            }
            Watched::Absent(absent) => {
                let found = absent.vouch(now, at)?;
                self.count(found);
                Some(Action::Changed { node: about.clone(), epoch, verdict: found })
            }
        }
    }

    /// What is due. Call every [`POLL`], right after the samples of all links.
    pub fn poll(&mut self, now: Instant) -> Vec<Action> {
        if self.stalled(now) {
            self.stall_ended = Some(now);
            self.counters.stalls += 1;
            self.nodes.values_mut().for_each(|watched| watched.excuse(now));
        }
        self.allow(now);
        let witnesses: Vec<_> = self.witnesses(now).cloned().collect();
        let mut actions = Vec::new();
        let (mut asks, mut served) = (0, None);
        for node in self.in_turn() {
            let (epoch, ask) = match self.nodes.get_mut(&node) {
                Some(Watched::Linked(linked)) => {
                    let (epoch, link, due) = (linked.epoch, linked.link, linked.due(now));
                    self.counters.suspicions += u64::from(due.suspected);
                    if due.end {
                        actions.push(Action::End { node: node.clone(), link });
                    }
                    if due.probe
                        && let Some(probe) = self.probe(now, &node)
                    {
                        actions.push(probe);
                        served = Some(node.clone());
                    }
                    (epoch, due.ask)
                }
                Some(Watched::Absent(absent)) => {
                    let (epoch, lapsed, ask) = (absent.epoch, absent.lapse(now), absent.ask(now));
                    if lapsed {
                        self.count(Verdict::Node);
                        let (node, verdict) = (node.clone(), Verdict::Node);
                        actions.push(Action::Changed { node, epoch, verdict });
                    }
                    (epoch, ask)
                }
                None => continue,
            };
            if ask && asks < ASKS_PER_POLL {
                asks += 1;
                actions.extend(self.ask(&node, epoch, &witnesses));
            }
        }
        self.polled = Some(now);
        self.turn = served.or(self.turn.take());
        actions
    }

    /// Whether there is anything to poll for.
    pub fn is_idle(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What was seen so far.
    pub fn counters(&self) -> LivenessCounters {
        self.counters
    }

    /// What is believed of a node without a link; none of one that has a link or is unknown.
    pub fn verdict(&self, node: &NodeId) -> Option<Verdict> {
        match self.nodes.get(node)? {
            Watched::Absent(absent) => Some(absent.verdict),
            Watched::Linked(_) => None,
        }
    }

    fn linked(&mut self, node: &NodeId) -> Option<&mut Linked> {
        match self.nodes.get_mut(node)? {
            Watched::Linked(linked) => Some(linked),
            Watched::Absent(_) => None,
        }
    }

    fn stalled(&self, now: Instant) -> bool {
        self.polled.is_some_and(|at| now.saturating_duration_since(at) >= STALL)
    }

    fn stalled_lately(&self, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < CONFIRM;
        self.stalled(now) || self.stall_ended.is_some_and(lately)
    }

    /// Nodes whose word counts: they answer us, and know the question.
    fn witnesses(&self, now: Instant) -> impl Iterator<Item = &NodeId> {
        let linked = self
            .nodes
            .iter()
            .filter_map(|(node, watched)| watched.as_linked().map(|linked| (node, linked)));
        linked.filter(move |(_, linked)| linked.is_witness(now)).map(|(node, _)| node)
    }

    fn ask(&mut self, about: &NodeId, epoch: u64, witnesses: &[NodeId]) -> Vec<Action> {
        let others: Vec<_> = witnesses.iter().filter(|of| *of != about).collect();
        if others.is_empty() {
            return Vec::new();
        }
        let first = self.counters.asked as usize % others.len();
        let chosen = others.iter().cycle().skip(first).take(ASKED.min(others.len()));
        let asks = chosen.map(|of| Action::Ask { of: (*of).clone(), about: about.clone(), epoch });
        let asks: Vec<_> = asks.collect();
        self.counters.asked += asks.len() as u64;
        asks
    }

    /// A probe, if the bound allows one; else the node's turn comes at the next poll.
    fn probe(&mut self, now: Instant, node: &NodeId) -> Option<Action> {
        self.allowance = self.allowance.checked_sub(1_000)?;
        self.counters.probes += 1;
        if let Some(linked) = self.linked(node) {
            linked.probe(now);
        }
        Some(Action::Probe(node.clone()))
    }

    fn allow(&mut self, now: Instant) {
        let most = u64::from(PROBES_PER_SECOND) * POLL.as_millis() as u64;
        let since = self.polled.map_or(POLL, |at| now.saturating_duration_since(at));
        let more = u64::from(PROBES_PER_SECOND) * since.as_millis() as u64;
        self.allowance = (self.allowance + more).min(2 * most);
    }

    fn in_turn(&self) -> Vec<NodeId> {
        let all: Vec<_> = self.nodes.keys().cloned().collect();
        let next = self.turn.as_ref().map_or(0, |turn| all.partition_point(|node| node <= turn));
        all[next..].iter().chain(&all[..next]).cloned().collect()
    }

    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Link => self.counters.links += 1,
            Verdict::Node => self.counters.nodes += 1,
        }
    }
}
