//! One data producer's messages on one node: a bounded log that every reader goes through at its
//! own pace. Never waits: who waits leaves a `Waker`.
//!
//! ```text
//!        push ─▶ │ m7 │ m6 │ m5 │ m4 │ ─▶ gone when all have read it
//!                       ▲         ▲
//!                    reader b   reader a
//! ```
//! A full log sheds what only partially reliable readers lack. What a reliable reader lacks is
//! kept, and [`Topic::push`] refuses: the producer is held back. A reader that makes nobody wait,
//! waits for nobody; one that makes the producer wait without reading anything for as long as its
//! patience is evicted, and knows it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

use slab::Slab;
use starling_proto::message::DataMessage;

use super::hears;

/// Bytes in a log: two of the largest messages, less four thousand of the smallest.
pub const LOG: usize = 512 * 1024;
/// What a message costs beside its payload, so that empty ones are not free.
const OVERHEAD: usize = 128;
/// A producer that was refused is woken, and another node is granted more, when so much is free:
/// not for every message.
const STEP: usize = LOG / 8;

/// What a message takes of a log, in bytes.
pub fn cost(message: &DataMessage) -> usize {
    message.payload.len() + OVERHEAD
}

/// A reader of a [`Topic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReaderKey(usize);

/// What there is for a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This.
    Message(Arc<DataMessage>),
    /// Nothing yet; the waker is woken when there is.
    Nothing,
    /// Nothing any more: it let the producer wait for too long, and has missed messages.
    Evicted,
}

/// What a topic counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicCounters {
    /// Messages of the producer.
    pub messages: u64,
    /// Their payloads' bytes.
    pub bytes: u64,
    /// Messages that came while it was paused.
    pub paused: u64,
    /// Messages that partially reliable readers did not get because they were too slow.
    pub shed: u64,
    /// Readers evicted.
    pub evicted: u64,
}

#[derive(Debug)]
struct Entry {
    message: Arc<DataMessage>,
    /// Readers that have not read it.
    left: usize,
}

#[derive(Debug)]
struct Reader {
    /// Number of the next message it reads.
    at: u64,
    reliable: bool,
    paused: bool,
    evicted: bool,
    patience: Duration,
    /// Since when the producer waits for it.
    stuck: Option<Instant>,
    /// Absent: it gets everything.
    subchannels: Option<BTreeSet<u16>>,
    waker: Option<Waker>,
}

/// Where messages come from.
#[derive(Debug)]
enum Source {
    /// A client, which is held back when it is refused.
    Client(Waker),
    /// Another node, which is told how much has become free and sends no more than that.
    Node(Waker),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Topic {
    log: VecDeque<Entry>,
    /// Number of the first message in the log.
    base: u64,
    bytes: usize,
    readers: Slab<Reader>,
    paused: bool,
    source: Option<Source>,
    /// It waits for room.
    refused: bool,
    freed: usize,
    woken: Vec<Waker>,
    counters: TopicCounters,
}

impl Topic {
    /// Adds a message, or gives it back because a reliable reader is too far behind: try again when
    /// [`Self::set_source`]'s waker is woken.
    pub fn push(
        &mut self,
        now: Instant,
        message: Arc<DataMessage>,
    ) -> Result<(), Arc<DataMessage>> {
        let left = self.readers.iter().filter(|(_, reader)| reader.reads()).count();
        if !self.paused && left > 0 && !self.make_room(now, cost(&message)) {
            self.refused = true;
            return Err(message);
        }
        self.counters.messages += 1;
        self.counters.bytes += message.payload.len() as u64;
        if self.paused {
            self.counters.paused += 1;
        }
        if self.paused || left == 0 {
            self.free(cost(&message));
            return Ok(());
        }
        self.bytes += cost(&message);
        self.log.push_back(Entry { message, left });
        let wakers = self.readers.iter_mut().filter_map(|(_, reader)| reader.waker.take());
        self.woken.extend(wakers);
        Ok(())
    }

    /// Sheds what may be shed; true if there is room now.
    fn make_room(&mut self, now: Instant, cost: usize) -> bool {
        while self.bytes + cost > LOG && !self.log.is_empty() {
            let base = self.base;
            let mut needed = false;
            let last = |reader: &Reader| reader.reads() && reader.at == base;
            for (_, reader) in self.readers.iter_mut().filter(|(_, reader)| last(reader)) {
                if reader.reliable {
                    reader.stuck.get_or_insert(now);
                    needed = true;
                }
            }
            if needed {
                return false;
            }
            for (_, reader) in self.readers.iter_mut().filter(|(_, reader)| last(reader)) {
                reader.at += 1;
                self.counters.shed += 1;
                self.log[0].left -= 1;
            }
            self.trim();
        }
        true
    }

    /// A reader from now on: of what is pushed after this. `subchannels` absent: of everything.
    pub fn subscribe(
        &mut self,
        reliable: bool,
        patience: Duration,
        subchannels: Option<BTreeSet<u16>>,
    ) -> ReaderKey {
        ReaderKey(self.readers.insert(Reader {
            at: self.end(),
            reliable,
            paused: false,
            evicted: false,
            patience,
            stuck: None,
            subchannels,
            waker: None,
        }))
    }

    /// It reads no more.
    pub fn unsubscribe(&mut self, key: ReaderKey) {
        self.release(key);
        self.readers.try_remove(key.0);
    }

    /// The next message for a reader. With nothing to read `waker` waits.
    pub fn take(&mut self, key: ReaderKey, waker: &Waker) -> Next {
        let end = self.end();
        loop {
            let Some(reader) = self.readers.get_mut(key.0) else { return Next::Evicted };
            if reader.evicted {
                return Next::Evicted;
            }
            if reader.paused || reader.at == end {
                match &mut reader.waker {
                    Some(waiting) => waiting.clone_from(waker),
                    none => *none = Some(waker.clone()),
                }
                return Next::Nothing;
            }
            let index = (reader.at - self.base) as usize;
            reader.at += 1;
            reader.stuck = None;
            let message = self.log[index].message.clone();
            self.log[index].left -= 1;
            let wanted = (reader.subchannels.as_ref())
                .is_none_or(|subchannels| hears(subchannels, &message.audience));
            self.trim();
            if wanted {
                return Next::Message(message);
            }
        }
    }

    /// A paused reader misses what comes (mediasoup `DataConsumer.pause`).
    pub fn pause_reader(&mut self, key: ReaderKey, paused: bool) {
        let end = self.end();
        if paused {
            self.release(key);
        } else if let Some(reader) = self.readers.get_mut(key.0).filter(|reader| reader.paused) {
            reader.at = end;
        }
        if let Some(reader) = self.readers.get_mut(key.0) {
            reader.paused = paused;
        }
    }

    /// Another set for a reader that has one.
    pub fn set_subchannels(&mut self, key: ReaderKey, subchannels: BTreeSet<u16>) {
        if let Some(reader) = self.readers.get_mut(key.0) {
            reader.subchannels = Some(subchannels);
        }
    }

    /// A paused producer's messages are dropped (mediasoup `DataProducer.pause`).
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// A client sends: it is woken when it was refused and there is room.
    pub fn set_source(&mut self, waker: Waker) {
        self.source = Some(Source::Client(waker));
    }

    /// Another node sends: it is woken when there is something to be granted to it. Gives the bytes
    /// that it may send at first.
    pub fn set_remote_source(&mut self, waker: Waker) -> usize {
        self.source = Some(Source::Node(waker));
        self.freed = 0;
        LOG - self.bytes
    }

    /// Bytes that have become free since this was last asked: what another node may send more.
    pub fn take_freed(&mut self) -> usize {
        std::mem::take(&mut self.freed)
    }

    /// Evicts readers whose patience has ended.
    pub fn expire(&mut self, now: Instant) {
        let over = |reader: &Reader| {
            reader.stuck.is_some_and(|since| now.saturating_duration_since(since) > reader.patience)
        };
        let late = self.readers.iter().filter(|(_, reader)| reader.reads() && over(reader));
        let late: Vec<_> = late.map(|(key, _)| ReaderKey(key)).collect();
        for key in late {
            self.release(key);
            self.counters.evicted += 1;
            if let Some(reader) = self.readers.get_mut(key.0) {
                reader.evicted = true;
                self.woken.extend(reader.waker.take());
            }
        }
    }

    /// Who is to be woken now. To be called after every other call, and the wakers used when the
    /// topic is not locked.
    pub fn take_woken(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.woken)
    }

    /// What it has counted.
    pub fn counters(&self) -> TopicCounters {
        self.counters
    }

    fn end(&self) -> u64 {
        self.base + self.log.len() as u64
    }

    /// It lacks nothing any more.
    fn release(&mut self, key: ReaderKey) {
        let end = self.end();
        let Some(reader) = self.readers.get_mut(key.0).filter(|reader| reader.reads()) else {
            return;
        };
        let from = std::mem::replace(&mut reader.at, end);
        reader.stuck = None;
        for entry in self.log.range_mut((from - self.base) as usize..) {
            entry.left -= 1;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while let Some(entry) = self.log.front().filter(|entry| entry.left == 0) {
            let cost = cost(&entry.message);
            self.log.pop_front();
            self.base += 1;
            self.bytes -= cost;
            self.free(cost);
        }
    }

    fn free(&mut self, bytes: usize) {
        self.freed += bytes;
        let waker = match &self.source {
            Some(Source::Node(waker)) if self.freed >= STEP => waker,
            Some(Source::Client(waker))
                if self.refused && (LOG - self.bytes >= STEP || self.log.is_empty()) =>
            {
                self.refused = false;
                waker
            }
            Some(_) | None => return,
        };
        self.woken.push(waker.clone());
    }
}

impl Reader {
    const fn reads(&self) -> bool {
        !self.paused && !self.evicted
    }
}

#[cfg(test)]
mod tests;
