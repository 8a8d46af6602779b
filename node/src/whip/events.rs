//! What a player is told beside its media, as server-sent events (draft-ietf-wish-whep §4.10.1).
//! Owns who listens to what, and what was told last: events say how things stand, so whoever begins
//! to listen is told that, and nothing is kept for those who do not. Never does: find it out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use starling_proto::{Code, Refusal};
use tokio::sync::mpsc;

/// Event streams of one session. A player has one; a page that was loaded again a second.
const MAX_FEEDS: usize = 4;
/// Events that wait for a reader. They come every few seconds: one that is so far behind is gone,
/// and begins anew when it is not.
const WAITING: usize = 16;

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Something is played.
    Active,
    /// Nothing is.
    Inactive,
    /// Which layers there are.
    Layers,
    /// The session ends, and another should be made.
    Reconnect,
    /// How many play.
    ViewerCount,
}

/// All of them.
pub(super) const KINDS: [Kind; 5] =
    [Kind::Active, Kind::Inactive, Kind::Layers, Kind::Reconnect, Kind::ViewerCount];

impl Kind {
    /// As on the wire.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Layers => "layers",
            Self::Reconnect => "reconnect",
            Self::ViewerCount => "viewercount",
        }
    }

    fn of(name: &str) -> Option<Self> {
        KINDS.into_iter().find(|kind| kind.name() == name)
    }
}

/// One event.
pub(super) type Event = (Kind, Value);

/// How things stand.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// Something is played.
    pub(super) active: bool,
    /// By m-line.
    pub(super) layers: Value,
    /// Players in the room.
    pub(super) viewers: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    feeds: BTreeMap<String, Feed>,
    told: State,
}

#[derive(Debug)]
struct Feed {
    wanted: BTreeSet<Kind>,
    listener: Option<mpsc::Sender<Event>>,
}

/// What of the events a player wants, by their names; all of them if it names none. Names that we
/// do not know are of those that we never send.
pub(super) fn wanted(names: &[String]) -> BTreeSet<Kind> {
    if names.is_empty() {
        return KINDS.into();
    }
    names.iter().filter_map(|name| Kind::of(name)).collect()
}

impl Feeds {
    /// Makes an event stream, for somebody to listen to.
    ///
    /// # Errors
    /// `limit_reached`.
    pub(super) fn open(&mut self, id: String, wanted: BTreeSet<Kind>) -> Result<(), Refusal> {
        if self.feeds.len() >= MAX_FEEDS {
            let message = format!("the session has {MAX_FEEDS} event streams");
            return Err(Refusal::new(Code::LimitReached, message)
                .hint("DELETE one of them, at the URL that its POST was answered with"));
        }
        self.feeds.insert(id, Feed { wanted, listener: None });
        Ok(())
    }

    /// Ends one; whether there was one.
    pub(super) fn close(&mut self, id: &str) -> bool {
        self.feeds.remove(id).is_some()
    }

    /// Somebody listens, instead of whoever did.
    pub(super) fn listen(&mut self, id: &str) -> Option<mpsc::Receiver<Event>> {
        let feed = self.feeds.get_mut(id)?;
        let (listener, events) = mpsc::channel(WAITING);
        let State { active, layers, viewers } = self.told.clone();
        feed.listener = Some(listener);
        // There is no first `inactive` (§4.10.1.2).
        if active {
            feed.tell(&(Kind::Active, json!({})));
        }
        if !layers.is_null() {
            feed.tell(&(Kind::Layers, layers));
        }
        feed.tell(&(Kind::ViewerCount, json!({ "viewercount": viewers })));
        Some(events)
    }

    /// Whether anybody listens.
    pub(super) fn heard(&self) -> bool {
        let open = |listener: &mpsc::Sender<Event>| !listener.is_closed();
        self.feeds.values().any(|feed| feed.listener.as_ref().is_some_and(open))
    }

    /// Tells what has changed.
    pub(super) fn update(&mut self, now: State) {
        let before = std::mem::replace(&mut self.told, now);
        let State { active, layers, viewers } = self.told.clone();
        if active != before.active {
            let kind = if active { Kind::Active } else { Kind::Inactive };
            self.tell(&(kind, json!({})));
        }
        if layers != before.layers {
            self.tell(&(Kind::Layers, layers));
        }
        if viewers != before.viewers {
            self.tell(&(Kind::ViewerCount, json!({ "viewercount": viewers })));
        }
    }

    /// The session is over: a new one may be made at `url`.
    pub(super) fn reconnect(&mut self, url: Option<String>) {
        let data = url.map_or_else(|| json!({}), |url| json!({ "url": url }));
        self.tell(&(Kind::Reconnect, data));
    }

    fn tell(&mut self, event: &Event) {
        self.feeds.values_mut().for_each(|feed| feed.tell(event));
    }
}

impl Feed {
    fn tell(&mut self, event: &Event) {
        if !self.wanted.contains(&event.0) {
            return;
        }
        if self.listener.as_ref().is_some_and(|listener| listener.try_send(event.clone()).is_err())
        {
            self.listener = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(events: &mut mpsc::Receiver<Event>) -> Vec<&'static str> {
        std::iter::from_fn(|| events.try_recv().ok()).map(|(kind, _)| kind.name()).collect()
    }

    fn state(active: bool, viewers: usize) -> State {
        State { active, layers: json!({ "0": [] }), viewers }
    }

    #[test]
    fn who_begins_to_listen_is_told_how_things_stand_and_then_what_changes() {
        let mut feeds = Feeds::default();
        feeds.open("a".into(), wanted(&[])).unwrap();
        assert!(!feeds.heard());
        feeds.update(state(true, 1));
        let mut events = feeds.listen("a").unwrap();
        assert!(feeds.heard());
        assert_eq!(names(&mut events), ["active", "layers", "viewercount"]);
        feeds.update(state(true, 1));
        assert_eq!(names(&mut events), [""; 0]);
        feeds.update(state(false, 2));
        assert_eq!(names(&mut events), ["inactive", "viewercount"]);
        feeds.reconnect(None);
        assert_eq!(names(&mut events), ["reconnect"]);
        drop(events);
        assert!(!feeds.heard());
    }

    #[test]
    fn there_is_no_first_inactive_and_nothing_that_was_not_asked_for() {
        let mut feeds = Feeds::default();
        feeds.open("a".into(), wanted(&["inactive".into(), "scte35".into()])).unwrap();
        let mut events = feeds.listen("a").unwrap();
        feeds.update(state(true, 3));
        assert_eq!(names(&mut events), [""; 0]);
        feeds.update(state(false, 3));
        assert_eq!(names(&mut events), ["inactive"]);
    }

    #[test]
    fn streams_are_few_a_second_reader_ends_the_first_and_a_slow_one_is_let_go() {
        let mut feeds = Feeds::default();
        for id in ["a", "b", "c", "d"] {
            feeds.open(id.into(), wanted(&[])).unwrap();
        }
        assert_eq!(feeds.open("e".into(), wanted(&[])).unwrap_err().code, Code::LimitReached);
        assert!(feeds.close("b") && !feeds.close("b"));
        assert!(feeds.listen("b").is_none());
        let mut first = feeds.listen("a").unwrap();
        let mut second = feeds.listen("a").unwrap();
        assert_eq!((names(&mut first).len(), first.is_closed()), (1, true));
        for n in 0..40 {
            feeds.update(state(true, n));
        }
        assert_eq!((names(&mut second).len(), second.is_closed()), (WAITING, true));
    }
}
