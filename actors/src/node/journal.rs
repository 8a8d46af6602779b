//! What this node tells of the cluster's events: numbered, kept for a while for whoever comes back,
//! and read by everybody at an own pace. Nobody waits for a reader, and a reader that is too slow
//! is told what it missed.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use starling_proto::{
    NodeId,
    rest::{Event, EventGap, Happening},
    time::Timestamp,
};
use tokio::sync::watch;

use crate::fresh;

/// Events kept: those of 200 people who come, publish two tracks and leave again, four times over,
/// or of a few hours of a quiet node. At about 300 bytes each they are 1.2 MB.
const KEPT: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    pages: Mutex<Pages>,
    /// The number of the next event.
    next: watch::Sender<u64>,
}

/// What is kept.
#[derive(Debug)]
struct Pages {
    by: NodeId,
    /// Which process of that name: no other one has begun at the same microsecond.
    epoch: u64,
    events: VecDeque<Arc<Event>>,
    /// The number of the first of them.
    first: u64,
    /// When the last one that is no longer kept was told.
    forgotten: Option<Timestamp>,
    /// When the last one was told: a clock that is set back must not put one before it.
    last: Timestamp,
}

/// What a reader of the events gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// An event.
    Event(Arc<Event>),
    /// Some that happened are no longer kept.
    Gap(EventGap),
}

/// A reader.
#[derive(Debug)]
pub struct Follower {
    journal: Arc<Journal>,
    next: watch::Receiver<u64>,
    /// The number of the event that it gets next.
    at: u64,
    /// It has been told of everything before.
    since: Timestamp,
}

impl Pages {
    fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    fn add(&mut self, now: Timestamp, what: Happening) {
        let at = now.max(self.last);
        self.last = at;
        let id = format!("{}.{}.{}", self.by, self.epoch, self.next());
        self.events.push_back(Arc::new(Event { id, at, by: self.by.clone(), what }));
        if self.events.len() > KEPT
            && let Some(oldest) = self.events.pop_front()
        {
            self.first += 1;
            self.forgotten = Some(oldest.at);
        }
    }

    /// The number of the first event at or after `since`.
    fn find(&self, since: Timestamp) -> u64 {
        // Times never fall, so that it can be looked for by halves.
        let before = self.events.partition_point(|event| event.at < since);
        let missing = self.forgotten.is_some_and(|forgotten| forgotten >= since);
        if missing { self.first.saturating_sub(1) } else { self.first + before as u64 }
    }

    /// The event of that number, or what is missing there and which number follows; nothing, if it
    /// has not happened yet.
    fn read(&self, at: u64, since: Timestamp) -> Option<(Told, u64)> {
        if at < self.first {
            let until = self.forgotten.unwrap_or(since);
            let gap = EventGap { node: self.by.clone(), since, until };
            return Some((Told::Gap(gap), self.first));
        }
        let event = self.events.get(usize::try_from(at - self.first).ok()?)?;
        Some((Told::Event(event.clone()), at + 1))
    }
}

impl Journal {
    pub(super) fn new(by: NodeId, epoch: u64) -> Arc<Self> {
        let last = Timestamp::default();
        let events = VecDeque::new();
        let pages = Pages { by, epoch, events, first: 0, forgotten: None, last };
        Arc::new(Self { pages: Mutex::new(pages), next: watch::Sender::new(0) })
    }

    /// Tells an event.
    pub(crate) fn tell(&self, what: Happening) {
        let mut pages = self.pages();
        pages.add(Timestamp { unix_ms: fresh::wall_us() / 1_000 }, what);
        let next = pages.next();
        drop(pages);
        // Two that tell at once may wake readers in the other order.
        self.next.send_if_modified(|told| {
            let newer = next > *told;
            *told = next.max(*told);
            newer
        });
    }

    /// Reads from now on, or from a moment on.
    pub(super) fn follow(self: &Arc<Self>, since: Option<Timestamp>) -> Follower {
        let next = self.next.subscribe();
        let pages = self.pages();
        let at = since.map_or_else(|| pages.next(), |since| pages.find(since));
        let since = since.unwrap_or(pages.last);
        drop(pages);
        Follower { journal: self.clone(), next, at, since }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// What comes next. Nothing is lost if it is not waited for to the end. Never ends by itself: a
    /// reader ends with the node.
    pub async fn next(&mut self) -> Told {
        loop {
            // Before the look, so that what comes after it wakes.
            self.next.borrow_and_update();
            if let Some(told) = self.try_next() {
                return told;
            }
            if self.next.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The same, if it has happened already.
    pub fn try_next(&mut self) -> Option<Told> {
        let (told, at) = self.journal.pages().read(self.at, self.since)?;
        self.at = at;
        self.since = match &told {
            Told::Event(event) => event.at,
            Told::Gap(gap) => gap.until,
        };
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(room: usize) -> Happening {
        Happening::RoomEnded { room: format!("r{room}").parse().unwrap(), deleted: false }
    }

    fn pages() -> Pages {
        Arc::into_inner(Journal::new("a".parse().unwrap(), 7)).unwrap().pages.into_inner().unwrap()
    }

    fn at(unix_ms: u64) -> Timestamp {
        Timestamp { unix_ms }
    }

    #[test]
    fn events_are_numbered_and_their_times_never_fall() {
        let mut pages = pages();
        pages.add(at(20), ended(0));
        pages.add(at(10), ended(1));
        let told: Vec<_> = pages.events.iter().map(|event| (event.id.as_str(), event.at)).collect();
        assert_eq!(told, [("a.7.0", at(20)), ("a.7.1", at(20))]);
    }

    #[test]
    fn a_moment_is_found_and_what_is_no_longer_kept_is_a_gap() {
        let mut pages = pages();
        for ms in 0..KEPT as u64 {
            pages.add(at(ms), ended(0));
        }
        assert_eq!((pages.find(at(0)), pages.find(at(5)), pages.find(at(9_999))), (0, 5, 4_096));
        pages.add(at(KEPT as u64), ended(0));
        pages.add(at(KEPT as u64), ended(0));
        // The first two, of 0 and 1 ms, are gone.
        let from = pages.find(at(1));
        let (told, next) = pages.read(from, at(1)).unwrap();
        let gap = EventGap { node: "a".parse().unwrap(), since: at(1), until: at(1) };
        assert_eq!((told, next), (Told::Gap(gap), 2));
        assert_eq!(pages.find(at(2)), 2, "nothing of 2 ms and later is missing");
        assert_eq!(pages.read(pages.next(), at(2)), None);
    }

    #[tokio::test]
    async fn readers_get_all_from_when_they_came_or_wish() {
        let journal = Journal::new("a".parse().unwrap(), 7);
        journal.tell(ended(0));
        let (mut now, mut all) = (journal.follow(None), journal.follow(Some(at(0))));
        assert_eq!(now.try_next(), None);
        journal.tell(ended(1));
        let room = |told: Told| match told {
            Told::Event(event) => event.what.room().unwrap().to_string(),
            Told::Gap(gap) => panic!("{gap:?}"),
        };
        assert_eq!(room(now.next().await), "r1");
        assert_eq!(room(all.next().await), "r0");
        assert_eq!(room(all.next().await), "r1");
        let waiting = tokio::spawn(async move { room(now.next().await) });
        tokio::task::yield_now().await;
        journal.tell(ended(2));
        assert_eq!(waiting.await.unwrap(), "r2");
    }

    #[test]
    fn a_reader_that_is_too_slow_is_told_what_it_missed_and_goes_on() {
        let journal = Journal::new("a".parse().unwrap(), 7);
        let mut slow = journal.follow(None);
        (0..KEPT + 3).for_each(|n| journal.tell(ended(n)));
        assert!(matches!(slow.try_next(), Some(Told::Gap(_))));
        let Some(Told::Event(event)) = slow.try_next() else { panic!("the first that is kept") };
        assert_eq!(event.id, "a.7.3");
    }
}
