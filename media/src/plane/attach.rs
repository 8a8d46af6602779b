//! Producers and consumers come, change and go, and find each other.

use std::time::Instant;

use rand::{Rng, RngCore};

use crate::{
    bandwidth::Memory,
    command::{ConsumerKey, ConsumerParams, ProducerKey, ProducerParams, TransportKey},
    consumer::{Consumer, ConsumerSetup, FirstNumbers, Grant, Output},
    producer::{Part, Producer, ProducerSetup},
    rtp::ExtensionPlan,
    trace::TraceTypes,
};

use super::{
    Plane,
    transport::{MAX_ROUTES, OutRoute, Route},
};

impl Plane {
    pub(super) fn consumer_place(&self, consumer: ConsumerKey) -> Option<usize> {
        self.consumer_keys.get(&consumer).copied()
    }

    pub(super) fn produce(
        &mut self,
        now: Instant,
        transport: TransportKey,
        key: ProducerKey,
        params: &ProducerParams,
    ) -> Option<()> {
        let place = self.place(transport)?;
        if self.producer_keys.contains_key(&key) {
            return None;
        }
        let setup = ProducerSetup::new(params)?;
        let home = &mut self.transports[place];
        let producer = self.producers.vacant_entry();
        let index = producer.key();
        for (encoding, declared) in setup.encodings.iter().enumerate() {
            for (ssrc, part) in [(declared.ssrc, Part::Media), (declared.rtx_ssrc, Part::Rtx)] {
                let Some(ssrc) = ssrc.filter(|_| home.routes.len() < MAX_ROUTES) else { continue };
                let route = Route { producer: index as u32, encoding: encoding as u8, part };
                home.routes.entry(ssrc).or_insert(route);
            }
        }
        home.ids.merge(setup.ids);
        home.producers.push(index as u32);
        let piped = home.is_pipe();
        let begins = (params.paused, params.key_frame_delay);
        producer.insert(Producer::new(key, (place, transport), setup, begins, piped));
        self.producer_keys.insert(key, index);
        self.adopt_waiting(now, index);
        Some(())
    }

    /// Consumers that were told of this producer before it was there.
    fn adopt_waiting(&mut self, now: Instant, producer: usize) {
        let key = self.producers[producer].key;
        for place in self.consumers_that(|consumer| consumer.heir == Some(key)) {
            self.expect(now, place);
        }
        let mut waiting = std::mem::take(&mut self.scratch.places);
        waiting.clear();
        let orphans = self
            .consumers
            .iter()
            .filter(|(_, consumer)| consumer.producer.is_none() && consumer.producer_key == key);
        waiting.extend(orphans.map(|(place, _)| place as u32));
        for consumer in waiting.drain(..) {
            self.attach(now, consumer as usize, producer);
        }
        self.scratch.places = waiting;
    }

    pub(super) fn pause_producer(
        &mut self,
        now: Instant,
        key: ProducerKey,
        paused: bool,
    ) -> Option<()> {
        let place = *self.producer_keys.get(&key)?;
        if self.producers[place].paused == paused {
            return Some(());
        }
        if paused {
            // What came before the pause still goes out.
            self.fan_out(now, place);
            self.producers[place].paused = true;
            for index in 0..self.producers[place].consumers.len() {
                let consumer = self.producers[place].consumers[index] as usize;
                self.consumers[consumer].stop();
                self.tell_layers(consumer);
            }
        } else {
            self.producers[place].paused = false;
            // What its owner did not want to be seen stays unseen.
            for stream in self.producers[place].streams.iter_mut().flatten() {
                stream.forget_key_frame();
            }
            self.aim_all(now, place);
        }
        self.update_wanted(now, place);
        self.welcome(now, place);
        Some(())
    }

    pub(super) fn remove_producer(&mut self, now: Instant, key: ProducerKey) -> Option<()> {
        let place = *self.producer_keys.get(&key)?;
        self.detach_producer(now, place);
        Some(())
    }

    /// Ends a producer; its consumers stay.
    pub(super) fn detach_producer(&mut self, now: Instant, place: usize) {
        self.fan_out(now, place);
        let producer = self.producers.remove(place);
        self.producer_keys.remove(&producer.key);
        self.timers.forget_producer(place as u32);
        self.fan_out_due.retain(|due| *due as usize != place);
        let transport = &mut self.transports[producer.transport];
        transport.producers.retain(|index| *index as usize != place);
        transport.routes.retain(|_, route| route.producer as usize != place);
        for consumer in producer.consumers {
            let consumer = consumer as usize;
            self.consumers[consumer].producer = None;
            self.consumers[consumer].stop();
            self.tell_layers(consumer);
            self.go_over(now, consumer);
        }
    }

    pub(super) fn replace_producer(
        &mut self,
        now: Instant,
        old: ProducerKey,
        new: ProducerKey,
    ) -> Option<()> {
        if old == new {
            return None;
        }
        let next = self.producer_keys.get(&new).copied();
        if let Some(place) = self.producer_keys.get(&old).copied() {
            self.fan_out(now, place);
        }
        for heir in self.consumers_that(|consumer| consumer.heir == Some(old)) {
            self.set_heir(now, heir, new);
        }
        for consumer in self.consumers_that(|consumer| consumer.producer_key == old) {
            self.detach(now, consumer);
            self.consumers[consumer].producer_key = new;
            if let Some(next) = next {
                self.attach(now, consumer, next);
            }
        }
        Some(())
    }

    pub(super) fn consume(
        &mut self,
        now: Instant,
        transport: TransportKey,
        key: ConsumerKey,
        producer_key: ProducerKey,
        params: &ConsumerParams,
    ) -> Option<()> {
        let place = self.place(transport)?;
        if self.consumer_keys.contains_key(&key) {
            return None;
        }
        let setup = ConsumerSetup::new(params)?;
        let outputs = setup.outputs.iter().map(|output| {
            let first = first_numbers(&mut self.rng, &setup);
            Output::new(*output, &setup, first)
        });
        let consumer = Consumer {
            key,
            transport: place,
            producer_key,
            producer: None,
            heir: None,
            plan: ExtensionPlan::new(),
            paused: params.paused,
            active: !params.paused && self.transports[place].ready,
            wish: params.preferred,
            granted: Grant::default(),
            memory: Memory::default(),
            priority: 1,
            pipe_layers: params.pipe_layers,
            outputs: outputs.collect(),
            spatial: u8::MAX,
            started: false,
            layers: None,
            scores: None,
            trace: TraceTypes::default(),
            setup,
        };
        let index = self.consumers.insert(consumer);
        self.consumer_keys.insert(key, index);
        let home = &mut self.transports[place];
        home.consumers.push(index as u32);
        for (output, setup) in self.consumers[index].setup.outputs.iter().enumerate() {
            let route = OutRoute { consumer: index as u32, output: output as u8 };
            for ssrc in std::iter::once(setup.ssrc).chain(setup.rtx_ssrc) {
                home.out_routes.insert(ssrc, route);
            }
        }
        if self.consumers[index].setup.is_told_about() {
            self.estimate(place);
        }
        if let Some(producer) = self.producer_keys.get(&producer_key).copied() {
            self.attach(now, index, producer);
        }
        Some(())
    }

    pub(super) fn attach(&mut self, now: Instant, place: usize, producer: usize) {
        let source = &mut self.producers[producer];
        let consumer = &mut self.consumers[place];
        if !consumer.setup.matches(&source.setup) {
            self.counters.commands_ignored += 1;
            return;
        }
        consumer.producer = Some(producer);
        consumer.plan = consumer.setup.plan(&source.setup);
        source.consumers.push(place as u32);
        let transport = consumer.transport;
        self.watch(producer);
        self.share(now, transport);
        self.aim(now, place);
    }

    pub(super) fn detach(&mut self, now: Instant, place: usize) {
        let consumer = &mut self.consumers[place];
        consumer.stop();
        if let Some(producer) = consumer.producer.take() {
            let source = &mut self.producers[producer];
            source.consumers.retain(|index| *index as usize != place);
            self.update_wanted(now, producer);
        }
    }

    pub(super) fn pause_consumer(
        &mut self,
        now: Instant,
        key: ConsumerKey,
        paused: bool,
    ) -> Option<()> {
        let place = self.consumer_place(key)?;
        self.consumers[place].paused = paused;
        self.refresh_consumer(now, place);
        Some(())
    }

    /// What a consumer may do follows from its own pause and its transport.
    pub(super) fn refresh_consumer(&mut self, now: Instant, place: usize) {
        let consumer = &self.consumers[place];
        let active = !consumer.paused && self.transports[consumer.transport].ready;
        if active == consumer.active {
            return;
        }
        if let (false, Some(producer)) = (active, consumer.producer) {
            self.fan_out(now, producer);
        }
        let consumer = &mut self.consumers[place];
        consumer.active = active;
        if !active {
            consumer.stop();
            self.tell_layers(place);
            self.go_over(now, place);
        }
        self.share(now, self.consumers[place].transport);
        self.aim(now, place);
    }

    /// Whether a transport can send may be different now.
    pub(super) fn refresh_transport(&mut self, now: Instant, place: usize) {
        let transport = &mut self.transports[place];
        let ready = transport.can_send();
        if std::mem::replace(&mut transport.ready, ready) == ready {
            return;
        }
        for index in 0..self.transports[place].consumers.len() {
            let consumer = self.transports[place].consumers[index] as usize;
            self.refresh_consumer(now, consumer);
        }
    }

    pub(super) fn remove_consumer(&mut self, now: Instant, place: usize) {
        self.forget_heir(now, place);
        self.detach(now, place);
        let consumer = self.consumers.remove(place);
        self.timers.forget_consumer(place as u32);
        self.traced_consumers -= usize::from(!consumer.trace.is_empty());
        self.consumer_keys.remove(&consumer.key);
        let transport = &mut self.transports[consumer.transport];
        transport.consumers.retain(|index| *index as usize != place);
        transport.out_routes.retain(|_, route| route.consumer as usize != place);
        transport.queue.retain(|item| item.consumer as usize != place);
        if let Some(bandwidth) = &mut transport.bandwidth {
            bandwidth.pacer.forget(|item| item.consumer as usize == place);
        }
    }
}

/// Outputs to clients start from random numbers well below a wrap (CO3); pipes keep the source's.
fn first_numbers(rng: &mut rand::rngs::SmallRng, setup: &ConsumerSetup) -> FirstNumbers {
    let piped = setup.rtp_type == starling_proto::rtp::RtpType::Pipe;
    let sequence = rng.random_range(1_000..32_768);
    let picture = (rng.random_range(0..0x8000), rng.next_u32() as u8);
    FirstNumbers {
        sequence: (!piped).then_some(sequence),
        picture: (!piped).then_some(picture),
        rtx_sequence: rng.random_range(1_000..32_768),
    }
}
