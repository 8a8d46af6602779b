//! Watches all links of an endpoint: takes their counters, sends probes and questions, answers
//! others' questions, and says what a silent link means. Decides nothing itself
//! (`decide::liveness`).
#![expect(clippy::disallowed_methods, reason = "drives the pure `liveness` with the clock")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use starling_proto::{NodeId, link::LinkMessage};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Link, LinkEvent, handshake::Ended, lock, peers::LinkId, session::QuicLink};
use crate::decide::liveness::{Action, Liveness, LivenessCounters, POLL, Verdict};

/// The link protocol that brought probes and the questions of [`LinkMessage::ReachWanted`].
const PROBES_SINCE: u16 = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Watch {
    liveness: Mutex<Liveness>,
    /// The newest link of each node.
    links: Mutex<BTreeMap<NodeId, (LinkId, Arc<QuicLink>)>>,
    /// Weak, because the owner's channel ends with the last link.
    events: mpsc::WeakSender<LinkEvent>,
}

impl Watch {
    pub(super) fn new(events: mpsc::WeakSender<LinkEvent>) -> Self {
        Self { liveness: Mutex::default(), links: Mutex::default(), events }
    }

    /// Runs until its task is aborted.
    pub(super) async fn run(self: Arc<Self>) {
        let mut ticks = interval(POLL);
        // A late tick is not made up for: `liveness` sees by it that nobody looked.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for action in self.poll() {
                self.carry_out(action).await;
            }
        }
    }

    fn poll(&self) -> Vec<Action> {
        let links = lock(&self.links).clone();
        let (now, mut liveness) = (Instant::now(), lock(&self.liveness));
        if liveness.is_idle() {
            return Vec::new();
        }
        for (node, (id, link)) in &links {
            liveness.sample(now, node, id.0, link.sample());
        }
        liveness.poll(now)
    }

    async fn carry_out(&self, action: Action) {
        let link = |node: &NodeId| lock(&self.links).get(node).cloned();
        match action {
            Action::Probe(node) => {
                if let Some((_, link)) = link(&node) {
                    link.probe();
                }
            }
            Action::Ask { of, about, epoch } => {
                if let Some((_, link)) = link(&of) {
                    link.send(LinkMessage::ReachWanted { node: about, epoch });
                }
            }
            Action::End { node, link: id } => {
                if let Some((_, link)) = link(&node).filter(|(of, _)| of.0 == id) {
                    link.end(Ended::Silent);
                }
            }
            Action::Changed { node, epoch, verdict } => {
                tracing::info!(%node, epoch, ?verdict, "a node without a link");
                if let Some(events) = self.events.upgrade() {
                    let _ = events.send(LinkEvent::Verdict { node, epoch, verdict }).await;
                }
            }
        }
    }

    /// A link is up.
    pub(super) fn up(&self, id: LinkId, link: &Arc<QuicLink>) {
        let (node, probes) = (link.node(), link.version() >= PROBES_SINCE);
        lock(&self.links).insert(node.clone(), (id, link.clone()));
        lock(&self.liveness).link_up(Instant::now(), node, id.0, link.epoch(), probes);
    }

    /// It has ended: what that means for its node.
    pub(super) fn down(&self, id: LinkId, link: &QuicLink, why: &Ended) -> Verdict {
        let mut links = lock(&self.links);
        if links.get(link.node()).is_some_and(|(of, _)| *of == id) {
            links.remove(link.node());
        }
        drop(links);
        let (now, node) = (Instant::now(), link.node());
        lock(&self.liveness).link_down(now, node, id.0, link.epoch(), why.end())
    }

    /// Takes what nodes say about each other; other messages are given back.
    pub(super) async fn take(&self, from: &QuicLink, message: LinkMessage) -> Option<LinkMessage> {
        let now = Instant::now();
        match message {
            LinkMessage::ReachWanted { node, epoch: _ } => {
                let (reach, probe) = lock(&self.liveness).asked(now, &node);
                if let Some((epoch, ago)) = reach {
                    let ago_ms = u32::try_from(ago.as_millis()).unwrap_or(u32::MAX);
                    from.send(LinkMessage::Reach { node, epoch, ago_ms });
                }
                if let Some(probe) = probe {
                    self.carry_out(probe).await;
                }
                None
            }
            LinkMessage::Reach { node, epoch, ago_ms } => {
                let ago = Duration::from_millis(ago_ms.into());
                let changed = lock(&self.liveness).told(now, &node, epoch, ago);
                if let Some(changed) = changed {
                    self.carry_out(changed).await;
                }
                None
            }
            other => Some(other),
        }
    }

    /// The nodes to have links with.
    pub(super) fn set_targets(&self, targets: &BTreeMap<NodeId, u64>) {
        lock(&self.liveness).set_targets(Instant::now(), targets);
    }

    /// Ends all links.
    pub(super) fn end_all(&self, why: &Ended) {
        let links = lock(&self.links).clone();
        links.values().for_each(|(_, link)| link.end(why.clone()));
    }

    pub(super) fn counters(&self) -> LivenessCounters {
        lock(&self.liveness).counters()
    }
}
