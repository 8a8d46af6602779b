//! Data channels of a direct transport: topics on one side, the program on the other (mediasoup
//! `DirectTransport`, data producers and consumers of type `direct`). One task, gone when the
//! transport is. Never loses a reliable message: a program that does not read holds its producers
//! back, and is told when it has missed something.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

use starling_media::data::Next;
use starling_proto::{DataConsumerId, DataProducerId, message::DataMessage};
use tokio::sync::{Notify, mpsc};

use super::{
    DataCommand, DataEvent, DataInbox, Doorbell, SharedTopic, StatsOf, Subscription,
    session::{consumer_stats, producer_stats},
    topic::PATIENCE,
};

/// Messages that wait for the program beside those in their topics: it needs not be as quick as
/// each one.
const WAITING: usize = 16;

/// What a program gets of data channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectData {
    /// A message.
    Message {
        /// Of which data consumer.
        consumer: DataConsumerId,
        /// As it was said.
        message: Arc<DataMessage>,
    },
    /// Nothing comes of this data consumer any more.
    ConsumerClosed {
        /// Which.
        consumer: DataConsumerId,
        /// Sentence for people.
        reason: String,
    },
}

/// Sends messages of a direct transport's data producers.
#[derive(Clone, Debug, Default)]
pub struct DirectSender(Arc<Mutex<BTreeMap<DataProducerId, Own>>>);

#[derive(Clone, Debug)]
struct Own {
    topic: Arc<SharedTopic>,
    room: Arc<Room>,
}

/// Rings when a topic that was full is so no more.
#[derive(Debug, Default)]
struct Room(Notify);

impl Wake for Room {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

impl DirectSender {
    /// Sends a message, as soon as no reliable reader is too far behind. False if there is no such
    /// data producer on the transport, or no more.
    pub async fn send(&self, producer: &DataProducerId, message: DataMessage) -> bool {
        let mut message = Arc::new(message);
        loop {
            let Some(Own { topic, room }) = self.get(producer) else { return false };
            match topic.with(|topic| topic.push(std::time::Instant::now(), message)) {
                Ok(()) => return true,
                Err(back) => message = back,
            }
            room.0.notified().await;
        }
    }

    fn get(&self, producer: &DataProducerId) -> Option<Own> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(producer).cloned()
    }

    fn add(&self, id: DataProducerId, topic: Arc<SharedTopic>) {
        let room = Arc::new(Room::default());
        topic.with(|topic| topic.set_source(Waker::from(room.clone())));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(id, Own { topic, room });
    }

    fn remove(&self, id: &DataProducerId) {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        own.into_iter().for_each(|own| own.room.0.notify_one());
    }

    fn end(&self) {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        all.into_values().for_each(|own| own.room.0.notify_one());
    }
}

#[derive(Debug)]
struct Consuming {
    id: DataConsumerId,
    subscription: Subscription,
    messages: u64,
    bytes: u64,
}

struct Line {
    sender: DirectSender,
    bell: Arc<Doorbell>,
    /// By the number that the bell knows it by.
    consumers: BTreeMap<u16, Consuming>,
    next: u16,
    /// With something to be read, in turns.
    ready: VecDeque<u16>,
}

/// Starts the task: where the program sends, and what it gets. It ends with `inbox`, or when the
/// program lets go of the receiver.
pub(crate) fn spawn_direct(
    mut inbox: DataInbox,
    events: impl Fn(DataEvent) + Send + Sync + 'static,
) -> (DirectSender, mpsc::Receiver<DirectData>) {
    let (out, messages) = mpsc::channel(WAITING);
    let sender = DirectSender::default();
    let mut line = Line {
        sender: sender.clone(),
        bell: Arc::new(Doorbell::default()),
        consumers: BTreeMap::new(),
        next: 0,
        ready: VecDeque::new(),
    };
    tokio::spawn(async move {
        let mut told = VecDeque::new();
        loop {
            let bell = line.bell.clone();
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(command) => told.extend(line.handle(command)),
                    None => break,
                },
                () = bell.heard() => line.rung(),
                permit = out.reserve(), if !told.is_empty() || !line.ready.is_empty() => {
                    let Ok(permit) = permit else { break };
                    if let Some(data) = told.pop_front().or_else(|| line.next(&events)) {
                        permit.send(data);
                    }
                }
            }
        }
        line.sender.end();
    });
    (sender, messages)
}

impl Line {
    /// Gives what the program is to be told, if anything.
    fn handle(&mut self, command: DataCommand) -> Option<DirectData> {
        match command {
            DataCommand::Produce { id, topic, .. } => self.sender.add(id, topic),
            DataCommand::CloseProducer(id) => self.sender.remove(&id),
            DataCommand::Consume { id, delivery, topic, .. } => {
                let reliable = delivery.is_reliable();
                let key =
                    topic.with(|topic| topic.subscribe(reliable, PATIENCE, Some(BTreeSet::new())));
                let subscription = Subscription { topic, key };
                while self.consumers.contains_key(&self.next) {
                    self.next = self.next.wrapping_add(1);
                }
                let consuming = Consuming { id, subscription, messages: 0, bytes: 0 };
                self.consumers.insert(self.next, consuming);
                self.ready.push_back(self.next);
            }
            DataCommand::CloseConsumer(id) => {
                self.consumers.remove(&self.number(&id)?);
                let reason = "its data producer ended".to_owned();
                return Some(DirectData::ConsumerClosed { consumer: id, reason });
            }
            DataCommand::PauseConsumer { id, paused } => {
                let Consuming { subscription, .. } = &self.consumers[&self.number(&id)?];
                subscription.topic.with(|topic| topic.pause_reader(subscription.key, paused));
            }
            DataCommand::Subchannels { id, subchannels } => {
                let Consuming { subscription, .. } = &self.consumers[&self.number(&id)?];
                subscription.topic.with(|it| it.set_subchannels(subscription.key, subchannels));
            }
            // Nothing waits here that could be counted in bytes.
            DataCommand::LowThreshold { .. } => {}
            DataCommand::Stats { of, reply } => {
                let stats = match &of {
                    StatsOf::Producer(id, channel) => {
                        self.sender.get(id).map(|own| producer_stats(&own.topic, channel))
                    }
                    StatsOf::Consumer(id, channel) => self.number(id).map(|number| {
                        let Consuming { messages, bytes, .. } = &self.consumers[&number];
                        consumer_stats(channel, *messages, *bytes, 0)
                    }),
                };
                let _ = reply.send(stats.ok_or_else(super::session::just_ended));
            }
        }
        None
    }

    fn number(&self, id: &DataConsumerId) -> Option<u16> {
        self.consumers.iter().find(|(_, consuming)| consuming.id == *id).map(|(n, _)| *n)
    }

    fn rung(&mut self) {
        for number in self.bell.answer() {
            if self.consumers.contains_key(&number) && !self.ready.contains(&number) {
                self.ready.push_back(number);
            }
        }
    }

    /// The next message of one that has something.
    fn next(&mut self, events: &impl Fn(DataEvent)) -> Option<DirectData> {
        while let Some(number) = self.ready.pop_front() {
            let Some(consuming) = self.consumers.get_mut(&number) else { continue };
            let Subscription { topic, key } = &consuming.subscription;
            match topic.with(|topic| topic.take(*key, &self.bell.waker(number))) {
                Next::Message(message) => {
                    consuming.messages += 1;
                    consuming.bytes += message.payload.len() as u64;
                    self.ready.push_back(number);
                    return Some(DirectData::Message { consumer: consuming.id.clone(), message });
                }
                Next::Nothing => {}
                Next::Evicted => {
                    let Consuming { id, .. } = self.consumers.remove(&number)?;
                    let reason = "the program reads too slowly, and has missed messages".to_owned();
                    events(DataEvent::ConsumerClosed { id: id.clone(), reason: reason.clone() });
                    return Some(DirectData::ConsumerClosed { consumer: id, reason });
                }
            }
        }
        None
    }
}
