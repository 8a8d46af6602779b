//! A publisher sends from elsewhere now: make before break. Its consumers get what they got until
//! the new producer can be begun with, each for itself, and then go over. Pipes never do: who is
//! served over them goes over on its own plane.

use std::time::{Duration, Instant};

use crate::{
    command::ProducerKey,
    consumer::{Consumer, choose},
    producer::Producer,
};

use super::{Plane, layers::candidates};

/// For the timestamps of as many pictures as are caught up with at most (`consumer::replay`).
const ROOM: Duration = Duration::from_millis(1);

impl Plane {
    /// Consumers of `old` go over to `new`, which may be yet to come, as soon as they can, or when
    /// `old` ends.
    pub(super) fn succeed_producer(
        &mut self,
        now: Instant,
        old: ProducerKey,
        new: ProducerKey,
    ) -> Option<()> {
        if old == new {
            return None;
        }
        let of_old = |consumer: &Consumer| {
            !consumer.is_pipe() && consumer.heir.unwrap_or(consumer.producer_key) == old
        };
        for place in self.consumers_that(of_old) {
            self.set_heir(now, place, new);
        }
        Some(())
    }

    /// Places of consumers.
    pub(super) fn consumers_that(&self, are: impl Fn(&Consumer) -> bool) -> Vec<usize> {
        let found = self.consumers.iter().filter(|(_, consumer)| are(consumer));
        found.map(|(place, _)| place).collect()
    }

    /// A consumer goes over to this producer next.
    pub(super) fn set_heir(&mut self, now: Instant, place: usize, heir: ProducerKey) {
        self.forget_heir(now, place);
        if self.consumers[place].producer_key != heir {
            self.consumers[place].heir = Some(heir);
            self.expect(now, place);
        }
    }

    /// A consumer stays with what it has.
    pub(super) fn forget_heir(&mut self, now: Instant, place: usize) {
        let heir = self.consumers[place].heir.take();
        let Some(next) = heir.and_then(|heir| self.producer_keys.get(&heir).copied()) else {
            return;
        };
        self.producers[next].expected.retain(|expected| *expected as usize != place);
        self.update_wanted(now, next);
    }

    /// A consumer's heir may be here: it goes over, or waits for what it can begin with. Who gets
    /// nothing has nothing to keep.
    pub(super) fn expect(&mut self, now: Instant, place: usize) {
        let consumer = &self.consumers[place];
        let Some(heir) = consumer.heir else { return };
        let flows = consumer.outputs.iter().any(|output| output.switch.current().is_some());
        if consumer.producer.is_none() || !consumer.active || !flows {
            return self.go_over(now, place);
        }
        let Some(next) = self.producer_keys.get(&heir).copied() else { return };
        self.producers[next].expected.push(place as u32);
        self.watch(next);
        self.update_wanted(now, next);
        self.welcome(now, next);
    }

    /// Lets those go over to a producer who can begin with what it has sent; for the others a key
    /// frame is asked for.
    pub(super) fn welcome(&mut self, now: Instant, index: usize) {
        for position in (0..self.producers[index].expected.len()).rev() {
            let Some(place) = self.producers[index].expected.get(position).copied() else {
                continue;
            };
            let place = place as usize;
            let producer = &self.producers[index];
            let Some(encoding) = aims_at(now, &self.consumers[place], producer) else { continue };
            let kept = self.replayable(now, place, index, encoding).is_some();
            if !kept && producer.has_key_frames() && !producer.paused {
                self.request_key_frame(now, index, encoding);
            } else if !kept || self.has_room(now, place) {
                self.go_over(now, place);
            }
        }
    }

    /// The past would fit between what a consumer was sent last and now.
    fn has_room(&self, now: Instant, place: usize) -> bool {
        let newest = self.consumers[place].outputs[0].timeline.newest();
        newest.is_none_or(|(_, at)| now.saturating_duration_since(at) >= ROOM)
    }

    /// A packet that can be begun with is about to be handed on: who waited for one of this
    /// encoding gets it already from the new producer.
    pub(super) fn begin_with(&mut self, now: Instant, index: usize, encoding: usize) {
        for position in (0..self.producers[index].expected.len()).rev() {
            let Some(place) = self.producers[index].expected.get(position).copied() else {
                continue;
            };
            let (place, producer) = (place as usize, &self.producers[index]);
            if aims_at(now, &self.consumers[place], producer) == Some(encoding) {
                self.go_over(now, place);
            }
        }
    }

    /// A consumer leaves what it has for its heir, be that here or not.
    pub(super) fn go_over(&mut self, now: Instant, place: usize) {
        let Some(heir) = self.consumers[place].heir else { return };
        self.forget_heir(now, place);
        if let Some(old) = self.consumers[place].producer {
            self.fan_out(now, old);
        }
        self.detach(now, place);
        self.consumers[place].producer_key = heir;
        if let Some(next) = self.producer_keys.get(&heir).copied() {
            self.attach(now, place, next);
        }
    }
}

/// The encoding that a consumer would begin with; none while nothing comes.
fn aims_at(now: Instant, consumer: &Consumer, producer: &Producer) -> Option<usize> {
    let sends = producer.streams.iter().flatten().any(|stream| stream.active);
    if !sends && !producer.paused {
        return None;
    }
    if producer.is_svc() || !producer.is_layered() {
        return Some(0);
    }
    let (all, count) = candidates(now, consumer, producer);
    choose::choose(consumer.ceiling(), &all[..count]).or(producer.paused.then_some(0))
}

/// What a consumer of a piped producer is to get of it, as a mask.
pub(super) fn of_use(now: Instant, consumer: &Consumer, producer: &Producer) -> u32 {
    if producer.is_svc() {
        // Higher layers need the lower ones, in K-SVC at key frames.
        let top = consumer.ceiling().top(producer.spatial_layers());
        return top.map_or(0, |top| (2 << top) - 1);
    }
    let (all, count) = candidates(now, consumer, producer);
    choose::wanted(consumer.ceiling(), &all[..count])
}
