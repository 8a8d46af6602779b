//! A topic as sessions, flows and the room share it. Locked for the length of one message; who is
//! to be woken is woken when it is free again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use starling_media::data::{ReaderKey, Topic};

/// How long a consumer of this node may keep a producer waiting without taking a single message: a
/// client that changes from Wi-Fi to mobile is back within that, and everybody else in the room
/// waits with the producer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// The same for another node, which loses patience with its own consumers first.
pub(crate) const NODE_PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SharedTopic(Mutex<Topic>);

impl SharedTopic {
    /// Does something with the topic.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Topic) -> R) -> R {
        let (result, woken) = {
            let mut topic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (act(&mut topic), topic.take_woken())
        };
        woken.into_iter().for_each(std::task::Waker::wake);
        result
    }
}

/// A reader's place in a topic, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) topic: Arc<SharedTopic>,
    pub(crate) key: ReaderKey,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.topic.with(|topic| topic.unsubscribe(self.key));
    }
}
