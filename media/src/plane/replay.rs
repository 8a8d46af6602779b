//! Begins with a key frame in the buffer instead of asking for one: carries out what
//! `consumer::replay` decides, some packets each time, until the receiver has all there is.

use std::time::{Duration, Instant};

use crate::{
    consumer::{Replayed, Source, replay},
    producer::{MAX_ENCODINGS, key_frame::Stretch},
};

use super::{
    Plane,
    transport::{Item, MAX_QUEUE},
};

/// Between two steps.
const PACE: Duration = Duration::from_millis(5);
/// Of receivers that tell nothing of what they can take: a recorder, or a program beside us.
const UNTOLD: u64 = 20_000_000;

impl Plane {
    /// Lets a consumer that waits for a key frame of `encoding` begin with the one in the buffer.
    /// False if there is none it can begin with: then one is to be asked for.
    pub(super) fn begin_replay(&mut self, now: Instant, place: usize, encoding: usize) -> bool {
        let consumer = &self.consumers[place];
        let Some(index) = consumer.producer.filter(|_| !consumer.is_pipe()) else { return false };
        let producer = &self.producers[index];
        // What a pipe left out of one stream so far is not in the buffer.
        let waits = consumer.outputs[0].switch.awaited() == Some(encoding);
        if !waits || !producer.has_key_frames() || (producer.piped && producer.is_svc()) {
            return false;
        }
        let shown = consumer.outputs[0].switch.current().is_some();
        let rate = self.replay_rate(now, consumer.transport);
        let consumer = &mut self.consumers[place];
        let target = consumer.target();
        let stream = producer.streams.get(encoding).and_then(|stream| stream.as_deref());
        let begun = stream.filter(|stream| stream.active).is_some_and(|stream| {
            let stretch = stream.since_key_frame(now, target);
            let source = Source { encoding: encoding as u8, uid: stream.uid };
            let clock_rate = consumer.setup.clock_rate;
            let worth = |stretch: &Stretch| replay::is_worth_it(stretch, clock_rate, rate, shown);
            stretch.filter(worth).is_some_and(|stretch| {
                consumer.outputs[0].begin_replay(now, source, &stretch, &producer.streams)
            })
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
        // What was in the buffer already must not be handed to it once more.
        self.fan_out(now, index);
        let rate = self.replay_rate(now, self.consumers[place].transport);
        let producer = &self.producers[index];
        let consumer = &mut self.consumers[place];
        let target = consumer.target();
        let transport = &mut self.transports[consumer.transport];
        let output = &mut consumer.outputs[0];
        let source = output.source?;
        let encoding = usize::from(source.encoding);
        let done = loop {
            let Some(stream) = producer.stream(encoding, source.uid) else {
                output.switch.stop();
                break true;
            };
            match output.replay_next(now, stream, rate, target) {
                Replayed::Packet(_) if transport.queue.len() >= MAX_QUEUE => {
                    self.counters.dropped_queue_full += 1;
                }
                Replayed::Packet(found) => transport.queue.push(Item {
                    consumer: place as u32,
                    order: transport.queue.len() as u32,
                    producer: index as u32,
                    uid: source.uid,
                    encoding: source.encoding,
                    output: 0,
                    again: false,
                    rtx: false,
                    probe: false,
                    past: true,
                    place: found,
                }),
                Replayed::LeftOut => {}
                Replayed::Later => break false,
                Replayed::Done => break true,
            }
        };
        output.stats.end_batch(now);
        let home = consumer.transport;
        self.has_queue(home);
        self.tell_layers(place);
        self.tell_consumer_score(place);
        self.report_if_due(now, place);
        if !done {
            return Some(now + PACE);
        }
        self.aim(now, place);
        None
    }

    /// Asks for the key frames that a consumer needs, unless it can begin with those in the buffer.
    pub(super) fn provide_key_frames(&mut self, now: Instant, place: usize, needed: u32) {
        let Some(producer) = self.consumers[place].producer else { return };
        for encoding in 0..MAX_ENCODINGS {
            if needed & (1 << encoding) != 0 && !self.begin_replay(now, place, encoding) {
                self.request_key_frame(now, producer, encoding);
            }
        }
    }
}
