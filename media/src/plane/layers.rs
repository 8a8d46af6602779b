//! Carries out what `consumer::choose` decides: aims consumers, asks for key frames, tells layers.

use std::time::Instant;

use crate::{
    consumer::{Candidate, Consumer, Grant, choose},
    event::{Event, StreamScore},
    producer::{MAX_ENCODINGS, Producer},
};

use super::{Plane, succeed::of_use};

/// The spatial layers that a consumer may choose from inside a stream; how many of them there are.
fn layers_inside(producer: &Producer) -> ([Candidate; MAX_ENCODINGS], usize) {
    let mut all = [Candidate::default(); MAX_ENCODINGS];
    for (spatial, candidate) in all.iter_mut().enumerate() {
        *candidate = Candidate { active: producer.sends_spatial(spatial), alignable: true };
    }
    (all, producer.spatial_layers())
}

/// What a consumer may choose from; how many of them there are.
pub(super) fn candidates(
    now: Instant,
    consumer: &Consumer,
    producer: &Producer,
) -> ([Candidate; MAX_ENCODINGS], usize) {
    let mut all = [Candidate::default(); MAX_ENCODINGS];
    let source = consumer.outputs.first().and_then(|output| output.source);
    let reference = source.and_then(|source| {
        let stream = producer.stream(usize::from(source.encoding), source.uid)?;
        Some((source, stream))
    });
    for (index, stream) in producer.streams.iter().enumerate() {
        let Some(stream) = stream else { continue };
        // LY4; senders without reports are aligned by arrival, after a while.
        let alignable = reference.is_none_or(|(source, reference)| {
            source.uid == stream.uid
                || (reference.clock.is_known() && stream.clock.is_known())
                || stream.has_no_reports(now)
                || (!reference.clock.is_known() && reference.has_no_reports(now))
        });
        let flows = source.is_some_and(|source| source.uid == stream.uid);
        let chosen = flows || stream.is_settled(now);
        all[index] = Candidate { active: stream.active && chosen, alignable };
    }
    if all.iter().all(|candidate| !candidate.active) {
        for (index, stream) in producer.streams.iter().enumerate() {
            all[index].active = stream.as_ref().is_some_and(|stream| stream.active);
        }
    }
    (all, producer.streams.len())
}

impl Plane {
    /// Chooses anew for one consumer, and asks for the key frame it needs.
    pub(super) fn aim(&mut self, now: Instant, place: usize) {
        let consumer = &mut self.consumers[place];
        let Some(index) = consumer.producer else { return };
        let producer = &self.producers[index];
        if !consumer.active || producer.paused {
            self.update_wanted(now, index);
            return;
        }
        let mut needed = 0u32;
        if consumer.is_pipe() {
            if producer.is_svc() {
                consumer.spatial = 31u32.saturating_sub(consumer.pipe_layers.leading_zeros()) as u8;
            }
            for (encoding, output) in consumer.outputs.iter_mut().enumerate() {
                let bits = if producer.is_svc() { u32::MAX } else { 1 << encoding };
                let wanted = consumer.pipe_layers & bits != 0;
                if !wanted {
                    output.switch.stop();
                } else if output.switch.aim(Some(encoding)) {
                    needed |= 1 << encoding;
                }
            }
        } else if consumer.granted == Grant::Nothing {
            consumer.stop();
            self.tell_layers(place);
        } else if producer.is_svc() {
            let (all, count) = layers_inside(producer);
            let target = choose::choose(consumer.ceiling(), &all[..count]);
            consumer.spatial = target.map_or(u8::MAX, |spatial| spatial as u8);
            let target = consumer.target();
            let output = &mut consumer.outputs[0];
            if output.switch.aim(Some(0)) || output.needs_key(target) {
                needed |= 1;
            }
        } else if producer.is_layered() {
            let (all, count) = candidates(now, consumer, producer);
            let target = choose::choose(consumer.ceiling(), &all[..count]);
            let output = &mut consumer.outputs[0];
            if output.switch.aim(target) {
                needed |= target.map_or(0, |target| 1 << target);
            }
        } else if consumer.outputs[0].switch.aim(Some(0)) {
            needed |= 1;
        }
        self.provide_key_frames(now, place, needed);
        self.update_wanted(now, index);
    }

    /// Chooses anew for all consumers of a producer: what it sends has changed.
    pub(super) fn aim_all(&mut self, now: Instant, producer: usize) {
        for index in 0..self.producers[producer].consumers.len() {
            let consumer = self.producers[producer].consumers[index] as usize;
            self.aim(now, consumer);
        }
    }

    /// Tells which encodings of a piped producer are of use here, if that has changed.
    pub(super) fn update_wanted(&mut self, now: Instant, index: usize) {
        let producer = &self.producers[index];
        if !producer.piped {
            return;
        }
        let (mut wished, mut used) = (0, 0);
        for &place in &producer.consumers {
            let consumer = &self.consumers[place as usize];
            if !consumer.active || producer.paused {
                continue;
            }
            if consumer.is_pipe() {
                used |= consumer.pipe_layers & ((1 << producer.spatial_layers()) - 1);
                continue;
            }
            if !producer.is_svc() {
                let current = consumer.outputs[0].switch.current();
                used |= current.map_or(0, |current| 1 << current);
            }
            wished |= of_use(now, consumer, producer);
        }
        let expected = producer.expected.iter().map(|place| &self.consumers[*place as usize]);
        for consumer in expected.filter(|consumer| consumer.active && !producer.paused) {
            wished |= of_use(now, consumer, producer);
        }
        let producer = &mut self.producers[index];
        let told = producer.wanted.update(now, wished, used);
        let key = producer.key;
        if let Some(at) = producer.wanted.next_deadline() {
            self.remind(index, at);
        }
        if let Some(layers) = told {
            self.tell(Event::LayersWanted { producer: key, layers });
        }
    }

    /// Tells that a consumer's first packet is on its way.
    pub(super) fn tell_start(&mut self, place: usize) {
        let consumer = &mut self.consumers[place];
        if consumer.has_untold_start() {
            consumer.started = true;
            let consumer = consumer.key;
            self.tell(Event::ConsumerStarted { consumer });
        }
    }

    /// Tells a consumer's layers if they are others than before.
    pub(super) fn tell_layers(&mut self, place: usize) {
        let consumer = &mut self.consumers[place];
        if consumer.has_untold_layers() {
            let (key, layers) = (consumer.key, consumer.current_layers());
            consumer.layers = layers;
            self.counters.layer_changes += 1;
            self.tell(Event::ConsumerLayers { consumer: key, layers });
        }
    }

    /// A consumer's receiver, or its owner, needs a key frame of what it gets or waits for (CO14).
    pub(super) fn request_for_consumer(&mut self, now: Instant, place: usize) {
        let consumer = &self.consumers[place];
        let Some(producer) = consumer.producer.filter(|_| consumer.active) else { return };
        self.counters.key_frame_requests_received += 1;
        let mut mask = 0u32;
        for output in &consumer.outputs {
            let switch = output.switch;
            for encoding in switch.current().into_iter().chain(switch.awaited()) {
                mask |= 1 << encoding;
            }
        }
        for encoding in 0..MAX_ENCODINGS {
            if mask & (1 << encoding) != 0 {
                self.request_key_frame(now, producer, encoding);
            }
        }
    }

    /// Asks for a key frame, unless that was done a moment ago (KF1).
    pub(super) fn request_key_frame(&mut self, now: Instant, producer: usize, encoding: usize) {
        let source = &mut self.producers[producer];
        if !source.has_key_frames() || source.paused {
            return;
        }
        let Some(ssrc) = source.key_frame_ssrc(encoding) else { return };
        let ask = source.key_frames.request(now, ssrc);
        if let Some(at) = source.key_frames.next_deadline() {
            self.remind(producer, at);
        }
        if ask {
            self.send_key_frame_request(now, producer, ssrc);
        }
    }

    /// Has a producer seen to at `at`, or sooner.
    fn remind(&mut self, producer: usize, at: Instant) {
        let source = &mut self.producers[producer];
        if !std::mem::replace(&mut source.reminded, true) {
            self.timers.reminders.push(producer as u32);
        }
        self.timers.arm(at);
    }

    /// Asks for the key frames of a producer whose turn it is, and lets go the layers whose time is
    /// over; when there is more to do.
    pub(super) fn see_to(&mut self, now: Instant, index: usize) -> Option<Instant> {
        let next = self.producers[index].next_deadline()?;
        if now < next {
            return Some(next);
        }
        let mut ssrcs = std::mem::take(&mut self.scratch.ssrcs);
        ssrcs.clear();
        let awaited = self.awaited(index);
        let producer = &mut self.producers[index];
        let streams = &producer.streams;
        let waits = |ssrc: u32| {
            let mut streams = streams.iter().enumerate();
            streams.any(|(encoding, stream)| {
                awaited >> encoding & 1 == 1
                    && stream.as_ref().is_some_and(|stream| stream.ssrc == ssrc && stream.active)
            })
        };
        producer.key_frames.poll(now, waits, &mut ssrcs);
        for ssrc in ssrcs.drain(..) {
            self.send_key_frame_request(now, index, ssrc);
        }
        self.scratch.ssrcs = ssrcs;
        self.update_wanted(now, index);
        self.producers[index].next_deadline()
    }

    /// Encodings of a producer whose key frame some consumer waits for.
    fn awaited(&self, index: usize) -> u32 {
        let consumers = self.producers[index].consumers.iter();
        let consumers = consumers.map(|place| &self.consumers[*place as usize]);
        consumers.filter(|it| it.active).fold(0, |mask, consumer| mask | consumer.awaited())
    }

    /// Has a producer looked after until nothing of it is pending.
    pub(super) fn watch(&mut self, producer: usize) {
        let source = &mut self.producers[producer];
        if !std::mem::replace(&mut source.watched, true) {
            self.timers.watched.push(producer as u32);
        }
    }

    /// Looks after a watched producer; whether to go on.
    pub(super) fn look_after(&mut self, now: Instant, index: usize) -> bool {
        let producer = &mut self.producers[index];
        if producer.is_layered() {
            let simulcast = producer.is_simulcast();
            let silent = if simulcast { producer.check_silence(now) } else { 0 };
            self.on_usability(now, index);
            self.tell_pipes_of_silence(now, index, silent);
        }
        self.update_wanted(now, index);
        self.welcome(now, index);
        let producer = &self.producers[index];
        let sends = producer.streams.iter().flatten().any(|stream| stream.active);
        (producer.is_layered() && sends) || !producer.expected.is_empty()
    }

    /// Consumers that have waited for a key frame since the last visit ask again: the request or
    /// the key frame may be lost.
    pub(super) fn ask_for_waiting(&mut self, now: Instant, transport: usize) {
        for index in 0..self.transports[transport].consumers.len() {
            let place = self.transports[transport].consumers[index] as usize;
            let consumer = &self.consumers[place];
            let Some(producer) = consumer.producer.filter(|_| consumer.active) else { continue };
            let mask = consumer.awaited();
            for encoding in 0..MAX_ENCODINGS {
                let sends = self.producers[producer]
                    .streams
                    .get(encoding)
                    .is_some_and(|stream| stream.as_ref().is_some_and(|stream| stream.active));
                if mask & (1 << encoding) != 0 && sends {
                    self.request_key_frame(now, producer, encoding);
                }
            }
        }
    }

    /// Chooses anew if what a producer's streams can be used for has changed.
    pub(super) fn on_usability(&mut self, now: Instant, index: usize) {
        let producer = &mut self.producers[index];
        let usability = producer.usability(now);
        if std::mem::replace(&mut producer.usability, usability) != usability {
            self.aim_all(now, index);
            self.tell_scores(index);
        }
    }

    /// Tells a producer's scores if they are others than before.
    pub(super) fn tell_scores(&mut self, index: usize) {
        let producer = &mut self.producers[index];
        if producer.current_scores().eq(producer.scores.iter().copied()) {
            return;
        }
        producer.scores = producer.current_scores().collect();
        let streams = producer.streams.iter().enumerate();
        let scores = streams.filter_map(|(encoding, stream)| {
            let stream = stream.as_ref()?;
            Some(StreamScore { encoding, ssrc: stream.ssrc, score: stream.score.score() })
        });
        let event = Event::ProducerScore { producer: producer.key, scores: scores.collect() };
        self.tell(event);
        for position in 0..self.producers[index].consumers.len() {
            let consumer = self.producers[index].consumers[position] as usize;
            self.tell_consumer_score(consumer);
        }
    }

    /// Tells a consumer's scores if they are others than before.
    pub(super) fn tell_consumer_score(&mut self, place: usize) {
        let consumer = &mut self.consumers[place];
        let Some(producer) = consumer.producer.filter(|_| !consumer.is_pipe()) else { return };
        let scores = &self.producers[producer].scores;
        let output = &consumer.outputs[0];
        // A lone stream is the one that will flow, also while nothing does (mediasoup
        // `SimpleConsumer::GetScore`).
        let lone = (scores.len() == 1).then_some(0);
        let current = output.switch.current().or(lone).and_then(|encoding| scores.get(encoding));
        let (own, current) = (output.stats.score.score(), current.copied().unwrap_or(0));
        let same = consumer.scores.as_ref().is_some_and(|(told, told_current, told_all)| {
            *told == own && *told_current == current && told_all == scores
        });
        if same {
            return;
        }
        consumer.scores = Some((own, current, scores.clone()));
        let event = Event::ConsumerScore {
            consumer: consumer.key,
            score: own,
            producer_score: current,
            producer_scores: scores.clone(),
        };
        self.tell(event);
    }
}
