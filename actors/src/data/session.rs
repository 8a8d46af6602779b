//! The data channels of one transport: which stream is which producer's or consumer's, and what
//! goes from the association to topics and back. Driven by the transport's session (`dtls`); owns
//! no task and no timer. Never loses a reliable message: a topic that is full leaves it in the
//! association, whose window closes, and a consumer that has missed one is closed and told.

mod rate;
mod stats;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use starling_media::{
    data::Next,
    sctp::{Sctp, SctpEvent},
};
use starling_proto::{
    DataConsumerId, DataProducerId,
    message::DataMessage,
    sctp::{Delivery, MAX_MESSAGE, SctpState},
};

use super::{DataCommand, DataEvent, Doorbell, SharedTopic, Subscription, topic::PATIENCE};
use rate::Rate;
pub(crate) use stats::{Channel, StatsOf};
pub(super) use stats::{consumer_stats, just_ended, producer_stats};

/// Messages moved in one go; then others on the runtime have their turn.
const AT_ONCE: usize = 512;
/// Bytes of messages that full topics have sent back, before no other is read: two of the largest.
const PARKED: usize = 2 * MAX_MESSAGE;
/// What comes on a stream that nobody has announced waits for so long: the announcement goes
/// through the room.
const UNCLAIMED: Duration = Duration::from_secs(2);

/// What a stream is for.
#[derive(Debug)]
enum Use {
    Producer(Producing),
    Consumer(Consuming),
}

#[derive(Debug)]
struct Producing {
    id: DataProducerId,
    topic: Arc<SharedTopic>,
    /// The topic was full.
    parked: Option<Arc<DataMessage>>,
}

#[derive(Debug)]
struct Consuming {
    id: DataConsumerId,
    delivery: Delivery,
    subscription: Subscription,
    opened: bool,
    messages: u64,
    bytes: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct DataSession {
    sctp: Sctp,
    bell: Arc<Doorbell>,
    streams: BTreeMap<u16, Use>,
    /// Streams to read from.
    readable: BTreeSet<u16>,
    /// Streams to write to.
    ready: VecDeque<u16>,
    /// Streams that nobody has announced, and since when.
    unclaimed: BTreeMap<u16, Instant>,
    rate: Rate,
    events: VecDeque<DataEvent>,
}

impl DataSession {
    /// Waits for the client; `bell` is heard by who drives it.
    pub(crate) fn new(now: Instant, bell: Arc<Doorbell>) -> Self {
        Self {
            sctp: Sctp::new(),
            bell,
            streams: BTreeMap::new(),
            readable: BTreeSet::new(),
            ready: VecDeque::new(),
            unclaimed: BTreeMap::new(),
            rate: Rate::new(now),
            events: VecDeque::new(),
        }
    }

    /// Takes a command.
    pub(crate) fn handle_command(&mut self, command: DataCommand) {
        match command {
            DataCommand::Produce { id, stream, topic } => {
                topic.with(|topic| topic.set_source(self.bell.waker(stream)));
                self.claim(stream);
                let producing = Producing { id, topic, parked: None };
                self.streams.insert(stream, Use::Producer(producing));
                self.sctp.open(stream, &Delivery::RELIABLE);
                self.readable.insert(stream);
            }
            DataCommand::Consume { id, stream, delivery, topic } => {
                let reliable = delivery.is_reliable();
                let key =
                    topic.with(|topic| topic.subscribe(reliable, PATIENCE, Some(BTreeSet::new())));
                let subscription = Subscription { topic, key };
                self.claim(stream);
                let consuming =
                    Consuming { id, delivery, subscription, opened: false, messages: 0, bytes: 0 };
                self.streams.insert(stream, Use::Consumer(consuming));
                self.make_ready(stream);
            }
            DataCommand::CloseProducer(id) => {
                if let Some(stream) =
                    self.stream_of(|it| matches!(it, Use::Producer(p) if p.id == id))
                {
                    self.close(stream);
                }
            }
            DataCommand::CloseConsumer(id) => {
                if let Some(stream) = self.consumer(&id) {
                    self.close(stream);
                }
            }
            DataCommand::PauseConsumer { id, paused } => {
                self.on_reader(&id, |topic, key| topic.pause_reader(key, paused));
            }
            DataCommand::Subchannels { id, subchannels } => {
                self.on_reader(&id, |topic, key| topic.set_subchannels(key, subchannels));
            }
            DataCommand::LowThreshold { id, threshold } => {
                if let Some(stream) = self.consumer(&id) {
                    self.sctp.set_low_threshold(stream, threshold);
                }
            }
            DataCommand::Stats { of, reply } => drop(reply.send(self.stats(&of))),
        }
    }

    /// Takes what DTLS has decrypted.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        self.sctp.handle_datagram(now, datagram);
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.sctp.handle_timeout(now);
    }

    /// When [`Self::handle_timeout`] and [`Self::pump`] have something to do without being told.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let unclaimed = self.unclaimed.values().min().map(|since| *since + UNCLAIMED);
        let rate = self.rate.due().filter(|_| !self.readable.is_empty());
        [self.sctp.poll_timeout(), unclaimed, rate].into_iter().flatten().min()
    }

    /// Where the association is.
    pub(crate) fn sctp_state(&self) -> SctpState {
        self.sctp.state()
    }

    /// Datagrams for DTLS to encrypt.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<Bytes>> {
        self.sctp.poll_transmit(now)
    }

    /// What happened.
    pub(crate) fn poll_event(&mut self) -> Option<DataEvent> {
        self.events.pop_front()
    }

    /// Moves messages. To be called after every other call.
    pub(crate) fn pump(&mut self, now: Instant) {
        self.take_events();
        for stream in self.bell.answer() {
            match self.streams.get(&stream) {
                Some(Use::Producer(_)) => drop(self.readable.insert(stream)),
                Some(Use::Consumer(_)) => self.make_ready(stream),
                None => {}
            }
        }
        self.read(now);
        self.write();
        self.take_events();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.sctp.poll_event() {
            match event {
                SctpEvent::Connected => {
                    for (stream, of) in &self.streams {
                        if let Use::Producer(_) = of {
                            self.sctp.open(*stream, &Delivery::RELIABLE);
                        }
                    }
                }
                SctpEvent::Readable(stream) => drop(self.readable.insert(stream)),
                SctpEvent::Reset(stream) => {
                    self.end(stream, "the client closed the channel");
                    self.sctp.close(stream);
                }
                SctpEvent::BufferedAmountLow(stream) => {
                    if let Some(Use::Consumer(consuming)) = self.streams.get(&stream) {
                        let amount = self.sctp.buffered_amount(stream) as u64;
                        let id = consuming.id.clone();
                        self.events.push_back(DataEvent::BufferedAmountLow { id, amount });
                    }
                }
                SctpEvent::Lost(reason) => {
                    let reason = format!("the SCTP association ended: {reason}");
                    let streams: Vec<_> = self.streams.keys().copied().collect();
                    streams.into_iter().for_each(|stream| self.end(stream, &reason));
                }
            }
        }
    }

    /// From the association to topics.
    fn read(&mut self, now: Instant) {
        let mut left = AT_ONCE;
        let mut held = false;
        let mut parked = self.parked();
        for stream in std::mem::take(&mut self.readable) {
            match self.streams.get_mut(&stream) {
                Some(Use::Producer(producing)) => loop {
                    let next = producing.parked.take();
                    parked -= next.as_ref().map_or(0, |message| message.payload.len());
                    let full = left == 0 || parked >= PARKED;
                    if next.is_none() && (full || !self.rate.take(now)) {
                        held = true;
                        self.readable.insert(stream);
                        break;
                    }
                    let next = next.or_else(|| self.sctp.read(stream).map(Arc::new));
                    let Some(message) = next else { break };
                    left = left.saturating_sub(1);
                    if let Err(message) = producing.topic.with(|topic| topic.push(now, message)) {
                        parked += message.payload.len();
                        producing.parked = Some(message);
                        held = true;
                        break;
                    }
                },
                // Nobody listens to what a consumer says.
                Some(Use::Consumer(_)) => while self.sctp.read(stream).is_some() {},
                None => {
                    let since = *self.unclaimed.entry(stream).or_insert(now);
                    if now.saturating_duration_since(since) < UNCLAIMED {
                        held = true;
                        self.readable.insert(stream);
                    } else {
                        self.unclaimed.remove(&stream);
                        while self.sctp.read(stream).is_some() {}
                    }
                }
            }
        }
        if left == 0 {
            self.readable.iter().take(1).for_each(|stream| self.bell.ring(*stream));
        }
        let waits = |of: &Use| matches!(of, Use::Producer(Producing { parked: Some(_), .. }));
        self.sctp.set_drained(!held && !self.streams.values().any(waits));
    }

    /// Bytes that full topics have sent back.
    fn parked(&self) -> usize {
        let parked = self.streams.values().filter_map(|of| match of {
            Use::Producer(producing) => producing.parked.as_ref(),
            Use::Consumer(_) => None,
        });
        parked.map(|message| message.payload.len()).sum()
    }

    /// From topics to the association, in turns.
    fn write(&mut self) {
        let mut left = AT_ONCE;
        let mut waiting = VecDeque::new();
        while let Some(stream) = self.ready.pop_front() {
            let Some(Use::Consumer(consuming)) = self.streams.get_mut(&stream) else { continue };
            if !consuming.opened {
                consuming.opened = self.sctp.open(stream, &consuming.delivery);
            }
            if !consuming.opened || left == 0 || !self.sctp.has_room(stream) {
                waiting.push_back(stream);
                continue;
            }
            let (topic, key) = (&consuming.subscription.topic, consuming.subscription.key);
            match topic.with(|topic| topic.take(key, &self.bell.waker(stream))) {
                Next::Message(message) => {
                    left -= 1;
                    consuming.messages += 1;
                    consuming.bytes += message.payload.len() as u64;
                    if self.sctp.write(stream, &message) {
                        self.ready.push_back(stream);
                    } else {
                        self.end(stream, "the channel's stream failed");
                        self.sctp.close(stream);
                    }
                }
                Next::Nothing => {}
                Next::Evicted => {
                    let reason = "the client reads too slowly, and has missed messages";
                    self.end(stream, reason);
                    self.sctp.close(stream);
                }
            }
        }
        if left == 0 {
            waiting.iter().take(1).for_each(|stream| self.bell.ring(*stream));
        }
        self.ready = waiting;
    }

    fn make_ready(&mut self, stream: u16) {
        if !self.ready.contains(&stream) {
            self.ready.push_back(stream);
        }
    }

    fn claim(&mut self, stream: u16) {
        if self.unclaimed.remove(&stream).is_some() {
            self.readable.insert(stream);
        }
    }

    /// Its owner knows.
    fn close(&mut self, stream: u16) {
        self.streams.remove(&stream);
        self.ready.retain(|waiting| *waiting != stream);
        self.sctp.close(stream);
    }

    /// Its owner is told.
    fn end(&mut self, stream: u16, reason: &str) {
        let reason = reason.to_owned();
        match self.streams.remove(&stream) {
            Some(Use::Producer(Producing { id, .. })) => {
                self.events.push_back(DataEvent::ProducerClosed { id, reason });
            }
            Some(Use::Consumer(Consuming { id, .. })) => {
                self.events.push_back(DataEvent::ConsumerClosed { id, reason });
            }
            None => {}
        }
    }

    fn stream_of(&self, is: impl Fn(&Use) -> bool) -> Option<u16> {
        self.streams.iter().find(|(_, of)| is(of)).map(|(stream, _)| *stream)
    }

    fn consumer(&self, id: &DataConsumerId) -> Option<u16> {
        self.stream_of(|it| matches!(it, Use::Consumer(consuming) if consuming.id == *id))
    }

    fn on_reader(
        &self,
        id: &DataConsumerId,
        act: impl FnOnce(&mut starling_media::data::Topic, starling_media::data::ReaderKey),
    ) {
        let Some(stream) = self.consumer(id) else { return };
        if let Some(Use::Consumer(Consuming { subscription, .. })) = self.streams.get(&stream) {
            subscription.topic.with(|topic| act(topic, subscription.key));
        }
    }
}
