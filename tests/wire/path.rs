//! One direction of a wire as a machine without clock or I/O: packets go in with the time, and come
//! out when they are due. First a queue before a bottleneck, then the air: loss, delay, jitter,
//! reordering, duplication.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{histogram::Histogram, losses::Losses, settings::Settings};

/// Packets a path holds: 64 MiB of full ones, more than a second of 300 Mb/s.
const MAX_HELD: usize = 45_000;
const SECOND: u128 = 1_000_000_000;

/// What happened to packets, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) arrived: u64,
    pub(crate) arrived_bytes: u64,
    /// Left the bottleneck.
    pub(crate) passed: u64,
    pub(crate) passed_bytes: u64,
    pub(crate) delivered: u64,
    pub(crate) delivered_bytes: u64,
    /// Longer than the path's MTU.
    pub(crate) too_long: u64,
    /// The queue was full.
    pub(crate) tail_dropped: u64,
    /// Behind the bottleneck.
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) duplicated: u64,
}

/// Before the bottleneck.
struct Waiting<T> {
    packet: T,
    len: usize,
    arrived: u64,
}

/// Behind it.
struct Flying<T> {
    due: u64,
    /// Of two that are due at the same time the one that was launched first goes first.
    order: u64,
    len: usize,
    packet: T,
}

impl<T> Ord for Flying<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives its greatest first.
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl<T> PartialOrd for Flying<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Flying<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Flying<T> {}

/// One direction. Times are nanoseconds of any clock that does not go back.
pub(crate) struct Path<T> {
    settings: Settings,
    rng: SmallRng,
    losses: Losses,
    /// The first one is being sent.
    queue: VecDeque<Waiting<T>>,
    queued_bytes: usize,
    /// When the first one has been sent.
    sent_at: u64,
    flying: BinaryHeap<Flying<T>>,
    launched: u64,
    /// When the newest packet that was not held back is due: the next one is not due earlier.
    in_order: u64,
    pub(crate) counters: Counters,
    /// Nanoseconds packets waited for their turn at the bottleneck.
    pub(crate) waits: Histogram,
}

impl<T: Clone> Path<T> {
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            rng: SmallRng::seed_from_u64(seed),
            losses: Losses::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            sent_at: 0,
            flying: BinaryHeap::new(),
            launched: 0,
            in_order: 0,
            counters: Counters::default(),
            waits: Histogram::default(),
        }
    }

    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A packet of `len` bytes enters.
    pub(crate) fn arrive(&mut self, now: u64, packet: T, len: usize) {
        self.advance(now);
        self.counters.arrived += 1;
        self.counters.arrived_bytes += len as u64;
        if self.settings.mtu.is_some_and(|mtu| len > mtu) {
            self.counters.too_long += 1;
            return;
        }
        if self.full(now, len) {
            self.counters.tail_dropped += 1;
            return;
        }
        self.queue.push_back(Waiting { packet, len, arrived: now });
        self.queued_bytes += len;
        if self.queue.len() == 1 {
            self.sent_at = now + self.time_of(len);
            self.advance(now);
        }
    }

    /// A packet that is due, and since when. To be called until there is none.
    pub(crate) fn depart(&mut self, now: u64) -> Option<(u64, T)> {
        self.advance(now);
        self.flying.peek().filter(|first| first.due <= now)?;
        let first = self.flying.pop()?;
        self.counters.delivered += 1;
        self.counters.delivered_bytes += first.len as u64;
        Some((first.due, first.packet))
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<u64> {
        let sent = (!self.queue.is_empty()).then_some(self.sent_at);
        let due = self.flying.peek().map(|first| first.due);
        [sent, due].into_iter().flatten().min()
    }

    /// Takes other settings; what is being sent goes on at the new rate.
    pub(crate) fn change(&mut self, now: u64, settings: Settings) {
        self.advance(now);
        if !self.queue.is_empty() {
            let left = self.sent_at.saturating_sub(now);
            let bits = self.settings.rate.map_or(0, |rate| u128::from(left) * u128::from(rate));
            self.sent_at = now + settings.rate.map_or(0, |rate| (bits / u128::from(rate)) as u64);
        }
        self.settings = settings;
        self.advance(now);
    }

    /// How long a packet that enters now would wait for its turn.
    pub(crate) fn backlog(&self, now: u64) -> u64 {
        let Some(first) = self.queue.front() else { return 0 };
        self.sent_at.saturating_sub(now) + self.time_of(self.queued_bytes - first.len)
    }

    /// Begins percentiles anew.
    pub(crate) fn mark(&mut self) {
        self.waits = Histogram::default();
    }

    fn full(&self, now: u64, len: usize) -> bool {
        let long = self.settings.queue_time.is_some_and(|most| self.backlog(now) > most);
        let large = self.settings.queue_bytes.is_some_and(|most| self.queued_bytes + len > most);
        long || large || self.queue.len() + self.flying.len() >= MAX_HELD
    }

    /// How long the bottleneck takes.
    fn time_of(&self, len: usize) -> u64 {
        let bits = len as u128 * 8 * SECOND;
        self.settings.rate.map_or(0, |rate| (bits / u128::from(rate)) as u64)
    }

    /// Lets the bottleneck work until `now`. Works with the times at which things were due, not
    /// with those at which somebody came to ask: a late caller costs no capacity.
    fn advance(&mut self, now: u64) {
        while self.sent_at <= now {
            let Some(Waiting { packet, len, arrived }) = self.queue.pop_front() else { return };
            self.queued_bytes -= len;
            let at = self.sent_at;
            self.waits.add((at - self.time_of(len).min(at)).saturating_sub(arrived));
            self.counters.passed += 1;
            self.counters.passed_bytes += len as u64;
            self.launch(at, packet, len);
            if let Some(next) = self.queue.front() {
                self.sent_at = at + self.time_of(next.len);
            }
        }
    }

    fn launch(&mut self, at: u64, packet: T, len: usize) {
        let (loss, burst) = (self.settings.loss, self.settings.loss_burst);
        if self.losses.next(loss, burst, &mut self.rng) {
            self.counters.lost += 1;
            return;
        }
        let twice = self.chance(self.settings.duplicate);
        let jitter = self.settings.jitter;
        let swing = if jitter == 0 { 0 } else { self.rng.random_range(0..=2 * jitter) };
        let due = (at + self.settings.delay + swing).saturating_sub(jitter).max(at);
        let due = due.max(self.in_order);
        if self.chance(self.settings.reorder) {
            self.counters.reordered += 1;
            self.fly(due + self.settings.reorder_time, packet.clone(), len);
        } else {
            self.in_order = due;
            self.fly(due, packet.clone(), len);
        }
        if twice {
            self.counters.duplicated += 1;
            self.fly(due, packet, len);
        }
    }

    fn fly(&mut self, due: u64, packet: T, len: usize) {
        self.launched += 1;
        self.flying.push(Flying { due, order: self.launched, len, packet });
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random::<f64>() < share
    }
}

#[cfg(test)]
#[path = "path/tests.rs"]
mod tests;
