//! How topics wake a session: one bell for all its streams, and a note of which of them rang. Never
//! wakes a session twice for the same.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    task::{Wake, Waker},
};

use tokio::sync::Notify;

/// See the module. As many notes as streams.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rung: Mutex<BTreeSet<u16>>,
    notify: Notify,
}

struct Pull {
    bell: Arc<Doorbell>,
    stream: u16,
}

impl Wake for Pull {
    fn wake(self: Arc<Self>) {
        self.bell.ring(self.stream);
    }
}

impl Doorbell {
    /// Rings for a stream.
    pub(crate) fn waker(self: &Arc<Self>, stream: u16) -> Waker {
        Arc::new(Pull { bell: self.clone(), stream }).into()
    }

    /// Something is to be done for a stream.
    pub(crate) fn ring(&self, stream: u16) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).insert(stream);
        self.notify.notify_one();
    }

    /// Those for which it rang.
    pub(crate) fn answer(&self) -> BTreeSet<u16> {
        std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When it rings, or has.
    pub(crate) async fn heard(&self) {
        self.notify.notified().await;
    }
}
