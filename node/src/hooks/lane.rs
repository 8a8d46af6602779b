//! Events on their way to one webhook, one after the other: those of a room are in one lane, so
//! they come in the order they happened in. Pure.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use axum::body::Bytes;
use starling_proto::rest::Event;

use super::verdict::{Outcome, Verdict, judge};

/// Events that wait in a lane: those of a room of 100 that everybody leaves at once. At about 600
/// bytes each, with the text of it, 32 webhooks of 8 lanes come to 40 MB at the very most.
const MOST: usize = 256;

/// An event, written out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Letter {
    /// What happened.
    pub(crate) event: Arc<Event>,
    /// As it is sent.
    pub(crate) body: Bytes,
    /// When it was put here.
    pub(crate) born: Instant,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settled {
    /// What follows.
    pub(crate) verdict: Verdict,
    /// What it was about.
    pub(crate) letter: Letter,
    /// Attempts so far.
    pub(crate) attempts: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    waiting: VecDeque<Letter>,
    /// The first is on its way.
    flying: bool,
    /// Attempts at the first.
    attempts: u32,
    /// The first is not sent before.
    due: Option<Instant>,
}

impl Lane {
    /// Events that wait, with the one on its way.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adds an event. The oldest that is not on its way gives up its place if there is none: what
    /// is newer says more about how things are. Answers the one that had to, and attempts at it.
    pub(crate) fn push(&mut self, letter: Letter) -> Option<(Letter, u32)> {
        let full = self.waiting.len() >= MOST;
        let gone = full.then(|| self.waiting.remove(usize::from(self.flying))).flatten();
        // Attempts are the first one's, which stays while it is on its way.
        let attempts = if full && !self.flying { std::mem::take(&mut self.attempts) } else { 0 };
        self.waiting.push_back(letter);
        gone.map(|gone| (gone, attempts))
    }

    /// The event that is to be sent now, if one is; its attempts so far, with this one.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Letter, u32)> {
        if self.flying || self.due.is_some_and(|due| due > now) {
            return None;
        }
        let letter = self.waiting.front()?.clone();
        (self.flying, self.due) = (true, None);
        self.attempts += 1;
        Some((letter, self.attempts))
    }

    /// What the attempt came to. Nothing, if none is under way.
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        outcome: &Outcome,
        random: f64,
    ) -> Option<Settled> {
        let letter = self.waiting.front().filter(|_| self.flying)?.clone();
        let (age, attempts) = (now.saturating_duration_since(letter.born), self.attempts);
        let verdict = judge(outcome, attempts, age, random);
        self.flying = false;
        match verdict {
            Verdict::Again(after) => self.due = Some(now + after),
            Verdict::Done | Verdict::Dead(_) => {
                self.waiting.pop_front();
                self.attempts = 0;
            }
        }
        Some(Settled { verdict, letter, attempts })
    }

    /// When there is something to send, if there is: in the past means now.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let waits = !self.flying && !self.waiting.is_empty();
        waits.then(|| self.due.unwrap_or(now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use starling_proto::{NodeId, rest::Happening, time::Timestamp};

    use super::{super::verdict::Dead, *};

    fn letter(born: Instant, text: &str) -> Letter {
        let node: NodeId = "a".parse().unwrap();
        let what = Happening::NodeLost { node: node.clone() };
        let event = Event { id: text.to_owned(), at: Timestamp::default(), by: node, what };
        Letter { event: Arc::new(event), body: Bytes::new(), born }
    }

    fn sent(lane: &mut Lane, now: Instant) -> Option<(String, u32)> {
        lane.take(now).map(|(letter, attempt)| (letter.event.id.clone(), attempt))
    }

    fn settle(lane: &mut Lane, now: Instant, outcome: &Outcome) -> Option<Verdict> {
        lane.settle(now, outcome, 0.0).map(|settled| settled.verdict)
    }

    const OK: Outcome = Outcome::Answered(200);
    const BUSY: Outcome = Outcome::Answered(503);

    #[test]
    fn one_is_sent_after_the_other() {
        let now = Instant::now();
        let mut lane = Lane::default();
        assert_eq!((lane.due(now), sent(&mut lane, now)), (None, None));
        assert_eq!((lane.push(letter(now, "a")), lane.push(letter(now, "b"))), (None, None));
        assert_eq!(lane.due(now), Some(now));
        assert_eq!(sent(&mut lane, now), Some(("a".into(), 1)));
        assert_eq!((lane.due(now), sent(&mut lane, now)), (None, None), "while a is on its way");
        assert_eq!(settle(&mut lane, now, &OK), Some(Verdict::Done));
        assert_eq!(settle(&mut lane, now, &OK), None, "said twice");
        assert_eq!(sent(&mut lane, now), Some(("b".into(), 1)));
    }

    #[test]
    fn those_behind_wait_for_one_that_is_tried_again() {
        let now = Instant::now();
        let mut lane = Lane::default();
        lane.push(letter(now, "a"));
        lane.push(letter(now, "b"));
        sent(&mut lane, now);
        let again = Verdict::Again(Duration::from_secs(1));
        assert_eq!(settle(&mut lane, now, &BUSY), Some(again));
        let due = now + Duration::from_secs(1);
        assert_eq!((sent(&mut lane, now), lane.due(now)), (None, Some(due)));
        assert_eq!(sent(&mut lane, due), Some(("a".into(), 2)));
        let settled = lane.settle(due, &Outcome::Answered(410), 0.0).unwrap();
        assert_eq!((settled.letter.event.id.as_str(), settled.attempts), ("a", 2));
        assert_eq!(settled.verdict, Verdict::Dead(Dead::Refused));
        assert_eq!(sent(&mut lane, due), Some(("b".into(), 1)), "a was not wanted");
    }

    #[test]
    fn of_too_many_the_oldest_goes_but_not_the_one_on_its_way() {
        let now = Instant::now();
        let mut lane = Lane::default();
        for n in 0..MOST {
            assert_eq!(lane.push(letter(now, &n.to_string())), None);
        }
        let pushed = |lane: &mut Lane, text: &str| {
            lane.push(letter(now, text)).map(|(gone, attempts)| (gone.event.id.clone(), attempts))
        };
        sent(&mut lane, now);
        assert_eq!(pushed(&mut lane, "new"), Some(("1".into(), 0)), "0 is on its way");
        assert_eq!(lane.len(), MOST);
        settle(&mut lane, now, &OK);
        assert_eq!(sent(&mut lane, now), Some(("2".into(), 1)));
        settle(&mut lane, now, &BUSY);
        assert_eq!(pushed(&mut lane, "newer"), None);
        assert_eq!(pushed(&mut lane, "newest"), Some(("2".into(), 1)), "which waits for another");
        let due = now + Duration::from_secs(1);
        assert_eq!((sent(&mut lane, now), lane.due(now)), (None, Some(due)), "3 comes no sooner");
        assert_eq!(sent(&mut lane, due), Some(("3".into(), 1)));
    }
}
