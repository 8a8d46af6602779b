//! Begins with a key frame in the buffer instead of asking for one: carries out what
//! `consumer::replay` decides, some packets each time, until the receiver has all there is.

use std::time::{Duration, Instant};

use crate::{
    consumer::{Consumer, Output, Replayed, Source, replay},
    producer::{MAX_ENCODINGS, Producer, StreamUid, key_frame::Stretch},
};

use super::{
    Plane,
    transport::{Item, MAX_QUEUE},
};

/// Between two steps.
const PACE: Duration = Duration::from_millis(5);
/// Of receivers that tell nothing of what they can take: a recorder, or a program beside us.
const UNTOLD: u64 = 20_000_000;

/// What a pipe leaves out of one stream is not in the buffer behind it. A pipe gets a stream from
/// the past once, with the numbers it has.
fn can_be_replayed(
    now: Instant,
    consumer: &Consumer,
    output: &Output,
    producer: &Producer,
) -> bool {
    let whole = !producer.is_svc() || !(producer.piped || consumer.is_pipe());
    let begins = (output.is_fresh() || !consumer.is_pipe()) && !output.is_within_picture(now);
    producer.has_key_frames() && whole && begins
}

impl Plane {
    /// Lets a consumer that waits for a key frame of `encoding` begin with the one in the buffer.
    /// False if there is none it can begin with: then one is to be asked for.
    pub(super) fn begin_replay(&mut self, now: Instant, place: usize, encoding: usize) -> bool {
        let consumer = &self.consumers[place];
        let Some(index) = consumer.producer else { return false };
        let producer = &self.producers[index];
        let position = consumer.output_of(encoding as u8);
        let Some(output) = consumer.outputs.get(position) else { return false };
        let waits = output.switch.awaited() == Some(encoding);
        if !waits || !can_be_replayed(now, consumer, output, producer) {
            return false;
        }
        let begun = self.replayable(now, place, index, encoding).is_some_and(|(uid, stretch)| {
            let source = Source { encoding: encoding as u8, uid };
            let output = &mut self.consumers[place].outputs[position];
            output.begin_replay(now, source, &stretch, &producer.streams)
        });
        if !begun {
            self.counters.key_frames_not_kept += 1;
            return false;
        }
        self.counters.key_frames_replayed += 1;
        if !self.timers.replaying.contains(&(place as u32)) {
            self.timers.replaying.push(place as u32);
        }
        self.timers.arm(now);
        true
    }

    /// The stream of `encoding` and what of it is in the buffer, if a consumer could begin with
    /// that: of its own producer, or of one that it is to go over to.
    pub(super) fn replayable(
        &self,
        now: Instant,
        place: usize,
        producer: usize,
        encoding: usize,
    ) -> Option<(StreamUid, Stretch)> {
        let (consumer, producer) = (&self.consumers[place], &self.producers[producer]);
        let stream = producer.streams.get(encoding)?.as_deref().filter(|stream| stream.active)?;
        let stretch = stream.since_key_frame(now, consumer.target())?;
        let output = consumer.outputs.get(consumer.output_of(encoding as u8))?;
        let shown = output.switch.current().is_some();
        let rate = self.replay_rate(now, consumer.transport);
        let worth = replay::is_worth_it(&stretch, consumer.setup.clock_rate, rate, shown);
        let whole = can_be_replayed(now, consumer, output, producer);
        (worth && whole).then_some((stream.uid, stretch))
    }

    /// What a receiver can take, in bits per second.
    fn replay_rate(&self, now: Instant, transport: usize) -> u64 {
        let transport = &self.transports[transport];
        match (&transport.bandwidth, transport.remb) {
            (Some(known), None) if known.estimator.is_deaf(now) => UNTOLD,
            (Some(known), _) => known.estimator.bitrate(),
            (None, told) => told.unwrap_or(UNTOLD),
        }
    }

    /// Sends more of what a consumer has to catch up with; when to go on.
    pub(super) fn catch_up(&mut self, now: Instant, place: usize) -> Option<Instant> {
        let index = self.consumers.get(place)?.producer?;
        let outputs = 0..self.consumers[place].outputs.len();
        let replaying = |plane: &Self, position: usize| {
            plane.consumers[place].outputs[position].switch.is_replaying()
        };
        let mut all_done = true;
        for position in outputs.clone() {
            if outputs.len() == 1 || replaying(self, position) {
                all_done &= self.catch_up_with(now, place, (index, position));
            }
        }
        let consumer = &mut self.consumers[place];
        consumer.outputs.iter_mut().for_each(|output| output.stats.end_batch(now));
        let home = consumer.transport;
        self.has_queue(home);
        self.tell_start(place);
        self.tell_layers(place);
        self.tell_consumer_score(place);
        self.report_if_due(now, place);
        if !all_done {
            return Some(now + PACE);
        }
        self.aim(now, place);
        None
    }

    /// Sends more of one output; whether it has all there is.
    fn catch_up_with(
        &mut self,
        now: Instant,
        place: usize,
        (index, position): (usize, usize),
    ) -> bool {
        // What was in the buffer already must not be handed to it once more.
        self.fan_out(now, index);
        let rate = self.replay_rate(now, self.consumers[place].transport);
        let producer = &self.producers[index];
        let consumer = &mut self.consumers[place];
        let target = consumer.target();
        let transport = &mut self.transports[consumer.transport];
        let output = &mut consumer.outputs[position];
        let Some(source) = output.source else { return true };
        let encoding = usize::from(source.encoding);
        loop {
            let Some(stream) = producer.stream(encoding, source.uid) else {
                output.switch.stop();
                return true;
            };
            match output.replay_next(now, stream, rate, target) {
                Replayed::Packet(..) if transport.queue.len() >= MAX_QUEUE => {
                    self.counters.dropped_queue_full += 1;
                }
                Replayed::Packet(found, kept) => transport.queue.push(Item {
                    consumer: place as u32,
                    order: transport.queue.len() as u32,
                    producer: index as u32,
                    uid: source.uid,
                    encoding: source.encoding,
                    output: position as u8,
                    again: false,
                    rtx: false,
                    probe: false,
                    past: true,
                    kept,
                    place: found,
                }),
                Replayed::LeftOut => {}
                Replayed::Later => return false,
                Replayed::Done => return true,
            }
        }
    }

    /// Asks for the key frames that a consumer needs, unless it can begin with those in the buffer.
    pub(super) fn provide_key_frames(&mut self, now: Instant, place: usize, needed: u32) {
        let Some(producer) = self.consumers[place].producer else { return };
        for encoding in 0..MAX_ENCODINGS {
            let needs = needed & (1 << encoding) != 0;
            if needs
                && !self.begin_replay(now, place, encoding)
                && !self.is_begun_with(producer, encoding)
            {
                self.request_key_frame(now, producer, encoding);
            }
        }
    }

    /// A stream comes over a pipe, and has not begun: the plane at its other end begins with a key
    /// frame that it has, or asks for one.
    fn is_begun_with(&self, producer: usize, encoding: usize) -> bool {
        let producer = &self.producers[producer];
        producer.piped && producer.streams.get(encoding).is_some_and(Option::is_none)
    }

    /// A stream begins, in the middle: pipes that wait for it get what was kept of it, or a key
    /// frame is asked for.
    pub(super) fn begin_pipes(&mut self, now: Instant, index: usize, encoding: usize) {
        for position in 0..self.producers[index].consumers.len() {
            let place = self.producers[index].consumers[position] as usize;
            let consumer = &self.consumers[place];
            if !consumer.is_pipe() || !consumer.active {
                continue;
            }
            let output = consumer.outputs.get(consumer.output_of(encoding as u8));
            if output.is_some_and(|output| output.switch.awaited() == Some(encoding)) {
                self.provide_key_frames(now, place, 1 << encoding);
            }
        }
    }
}
