//! All webhooks of this node with what waits for each: who is told an event, what is sent next, and
//! what became of it. Pure; `carrier` brings the letters.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use starling_proto::{
    NodeId, RoomId, WebhookId,
    registry::WebhookRecord,
    rest::{DeadLetter, WebhookAt},
    time::Timestamp,
};

use super::{
    dead::{Counts, Pile},
    lane::{Lane, Letter, Settled},
    verdict::{Dead, Outcome, Verdict},
};

/// Lanes of a webhook, each with one event on its way: at 50 ms for each that is 160 events a
/// second, and at most 256 connections for all webhooks that there may be.
const LANES: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Office {
    boxes: BTreeMap<WebhookId, Mailbox>,
    counts: Counts,
}

#[derive(Debug)]
struct Mailbox {
    record: WebhookRecord,
    lanes: [Lane; LANES],
    delivered: u64,
    dead: u64,
    pile: Pile,
    trouble: Option<String>,
}

/// An event on its way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parcel {
    /// For which webhook.
    pub(crate) hook: WebhookId,
    /// Tells a webhook from an earlier one of that id.
    created_at: u64,
    lane: usize,
    /// Where to.
    pub(crate) url: String,
    /// What.
    pub(crate) letter: Letter,
    /// Which attempt this is.
    pub(crate) attempt: u32,
}

impl Mailbox {
    fn new(record: WebhookRecord) -> Self {
        let (lanes, pile) = Default::default();
        Self { record, lanes, delivered: 0, dead: 0, pile, trouble: None }
    }

    fn wants(&self, letter: &Letter) -> bool {
        let WebhookRecord { events, room, .. } = &self.record;
        let what = &letter.event.what;
        let of_room = room.is_none() || what.room() == room.as_ref();
        of_room && (events.is_empty() || events.iter().any(|wish| what.is_of(wish)))
    }

    fn waiting(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    /// Puts a letter into its lane; says whether one had to give up its place.
    fn put(&mut self, wall: Timestamp, letter: Letter) -> bool {
        let lane = lane_of(letter.event.what.room());
        let Some((gone, attempts)) = self.lanes[lane].push(letter) else { return false };
        self.bury(wall, gone, attempts, Dead::Crowded);
        true
    }

    fn bury(&mut self, wall: Timestamp, letter: Letter, attempts: u32, why: Dead) {
        self.dead += 1;
        self.pile.add(wall, letter, attempts, why, self.trouble.clone());
    }
}

impl Office {
    /// There are these now. What waits for one that is gone is forgotten.
    pub(crate) fn set(&mut self, hooks: &BTreeMap<WebhookId, WebhookRecord>) {
        self.boxes.retain(|id, known| hooks.get(id) == Some(&known.record));
        for (id, record) in hooks {
            self.boxes.entry(id.clone()).or_insert_with(|| Mailbox::new(record.clone()));
        }
    }

    /// Nobody is told anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }

    /// An event for all who want it.
    pub(crate) fn accept(&mut self, wall: Timestamp, letter: &Letter) {
        for mailbox in self.boxes.values_mut().filter(|mailbox| mailbox.wants(letter)) {
            if mailbox.put(wall, letter.clone()) {
                self.counts.died(Dead::Crowded);
            }
        }
    }

    /// Some events were not seen; how many nobody knows.
    pub(crate) fn miss(&mut self) {
        for mailbox in self.boxes.values_mut() {
            mailbox.dead += 1;
            self.counts.died(Dead::Missed);
        }
    }

    /// What is to be sent now, if anything is. To be asked until there is nothing.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Parcel> {
        self.boxes.iter_mut().find_map(|(id, mailbox)| {
            let (lane, (letter, attempt)) = mailbox
                .lanes
                .iter_mut()
                .enumerate()
                .find_map(|(at, lane)| Some((at, lane.take(now)?)))?;
            let WebhookRecord { created_at, url, .. } = &mailbox.record;
            let (hook, url) = (id.clone(), url.clone());
            Some(Parcel { hook, created_at: *created_at, lane, url, letter, attempt })
        })
    }

    /// What an attempt came to. Of a webhook that is gone nobody wants to know.
    pub(crate) fn settle(
        &mut self,
        (now, wall): (Instant, Timestamp),
        parcel: &Parcel,
        outcome: &Outcome,
        random: f64,
    ) -> Option<Verdict> {
        let known = self.boxes.get_mut(&parcel.hook);
        let mailbox = known.filter(|known| known.record.created_at == parcel.created_at)?;
        let settled = mailbox.lanes[parcel.lane].settle(now, outcome, random)?;
        let Settled { verdict, letter, attempts } = settled;
        mailbox.trouble = outcome.trouble();
        match verdict {
            Verdict::Done => {
                mailbox.delivered += 1;
                self.counts.delivered += 1;
            }
            Verdict::Again(_) => self.counts.again += 1,
            Verdict::Dead(why) => {
                mailbox.bury(wall, letter, attempts, why);
                self.counts.died(why);
            }
        }
        Some(verdict)
    }

    /// Sends what was given up, and is still kept, once more, behind what waits; answers how much
    /// that is.
    pub(crate) fn redeliver(&mut self, (now, wall): (Instant, Timestamp), id: &WebhookId) -> usize {
        let Some(mailbox) = self.boxes.get_mut(id) else { return 0 };
        let letters = mailbox.pile.take();
        let count = letters.len();
        for letter in letters {
            if mailbox.put(wall, Letter { born: now, ..letter }) {
                self.counts.died(Dead::Crowded);
            }
        }
        count
    }

    /// How long until something is to be sent, if nothing else happens.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let lanes = self.boxes.values().flat_map(|mailbox| &mailbox.lanes);
        let due = lanes.filter_map(|lane| lane.due(now)).min()?;
        Some(due.saturating_duration_since(now))
    }

    /// Events that wait, over all webhooks.
    pub(crate) fn waiting(&self) -> usize {
        self.boxes.values().map(Mailbox::waiting).sum()
    }

    /// How it fares with one, on this node.
    pub(crate) fn status(&self, node: NodeId, id: &WebhookId) -> WebhookAt {
        let mut at = WebhookAt { node, waiting: 0, delivered: 0, dead_letters: 0, trouble: None };
        if let Some(mailbox) = self.boxes.get(id) {
            at.waiting = mailbox.waiting() as u64;
            (at.delivered, at.dead_letters) = (mailbox.delivered, mailbox.dead);
            at.trouble.clone_from(&mailbox.trouble);
        }
        at
    }

    /// What was given up last for one, the oldest first.
    pub(crate) fn dead_letters(&self, id: &WebhookId) -> Vec<DeadLetter> {
        self.boxes.get(id).map(|mailbox| mailbox.pile.list()).unwrap_or_default()
    }

    /// What it all came to.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }
}

/// Events of a room are in one lane; those of no room, which are of nodes, in the first.
fn lane_of(room: Option<&RoomId>) -> usize {
    let name = room.map(ToString::to_string).unwrap_or_default();
    let mixed = name.bytes().fold(0u32, |mixed, byte| mixed.wrapping_mul(31) + u32::from(byte));
    mixed as usize % LANES
}

#[cfg(test)]
#[path = "office_tests.rs"]
mod tests;
