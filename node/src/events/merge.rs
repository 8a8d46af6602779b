//! All nodes' events as one stream, for one reader.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use starling_actors::{Follower, Told};
use starling_proto::{
    NodeId,
    rest::{Event, EventGap, NodeInfo},
    time::Timestamp,
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{BEAT, Wish, line::Line, marks::Marks, now, source::Source, wish::to_id};
use crate::http::App;

/// Lines that wait for a reader beside what its connection holds; then the nodes wait, and keep
/// their events.
const WAITING: usize = 256;
/// A reader hears at least so often where it is.
const QUIET: Duration = Duration::from_secs(5);

/// For the reader.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    /// An event, and the place in the stream behind it.
    Event(Arc<Event>, String),
    /// Something was missed.
    Gap(EventGap),
    /// Nothing but the place.
    Place(String),
}

/// See the module.
pub(crate) struct Merge {
    app: App,
    wish: Wish,
    own: Follower,
    marks: Marks,
    /// From when on a node is asked that comes later.
    since: Timestamp,
    /// By node, with the life of it that is asked.
    sources: BTreeMap<NodeId, (u64, Source)>,
    told: mpsc::Receiver<(NodeInfo, Line)>,
    tell: mpsc::Sender<(NodeInfo, Line)>,
    beat: Interval,
    said: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Merge {
    /// A stream that begins now, or where the wish says.
    pub(crate) async fn new(app: &App, wish: Wish, seat: OwnedSemaphorePermit) -> Self {
        // What happens while nodes are asked comes from all of them.
        let since = wish.since.map_or_else(now, |since| since.min(now()));
        let own = app.node.follow(Some(since));
        let mut marks = Marks::new(since);
        marks.begin(app.node.id().clone(), since);
        let (tell, told) = mpsc::channel(WAITING);
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (sources, said, app) = (BTreeMap::new(), Instant::now(), app.clone());
        let mut merge =
            Self { app, wish, own, marks, since, sources, told, tell, beat, said, _seat: seat };
        merge.look().await;
        merge
    }

    /// Nodes that have come are asked, and those that are gone are no longer.
    async fn look(&mut self) {
        let nodes = self.app.node.nodes().await;
        let others = nodes.into_iter().filter(|node| !node.here);
        let others: BTreeMap<_, _> = others.map(|node| (node.id.clone(), node)).collect();
        let gone: Vec<_> =
            self.sources.keys().filter(|node| !others.contains_key(*node)).cloned().collect();
        for node in gone {
            self.sources.remove(&node);
            self.marks.end(&node);
        }
        for (id, node) in others {
            let life = node.epoch;
            if self.sources.get(&id).is_some_and(|(asked, _)| *asked == life) {
                continue;
            }
            // A node that has started again may be reached elsewhere.
            let since = self.marks.of(&id).unwrap_or(self.since);
            self.marks.begin(id.clone(), since);
            let (app, tell) = (self.app.clone(), self.tell.clone());
            self.sources.insert(id, (life, Source::start(app, node, since, tell)));
        }
    }

    /// What the reader gets next.
    pub(crate) async fn next(&mut self) -> Out {
        loop {
            let out = tokio::select! {
                told = self.own.next() => self.on_own(told),
                Some((node, line)) = self.told.recv() => self.on_line(&node, line),
                _ = self.beat.tick() => self.on_beat().await,
            };
            if let Some(out) = out {
                self.said = Instant::now();
                return out;
            }
        }
    }

    async fn on_beat(&mut self) -> Option<Out> {
        self.look().await;
        // Before the look, so that what comes after it is not said to have been told.
        let now = now();
        if let Some(told) = self.own.try_next() {
            return self.on_own(told);
        }
        let own = self.app.node.id().clone();
        self.marks.set(&own, now);
        (self.said.elapsed() >= QUIET).then(|| Out::Place(to_id(self.marks.low())))
    }

    fn on_own(&mut self, told: Told) -> Option<Out> {
        match told {
            Told::Event(event) => self.on_event(event),
            Told::Gap(gap) => Some(Out::Gap(gap)),
        }
    }

    fn on_line(&mut self, node: &NodeInfo, line: Line) -> Option<Out> {
        match line {
            Line::Event(event) => self.on_event(event.into()),
            Line::Gap(gap) => Some(Out::Gap(gap)),
            Line::Mark(until) => {
                self.marks.set(&node.id, until);
                None
            }
        }
    }

    fn on_event(&mut self, event: Arc<Event>) -> Option<Out> {
        self.wish.wants(&event).then(|| Out::Event(event, to_id(self.marks.low())))
    }
}
