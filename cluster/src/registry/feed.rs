//! What the watchers of one node hear: the view, its changes, and when it is out of date. Never
//! talks to a registry.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{
    broadcast::{self, error::RecvError},
    mpsc,
};

use super::{Change, View, WatchEvent};

/// Changes kept for a watcher that is behind. A cluster of 100 nodes makes 20 a second with its
/// loads, so this is minutes of them, or a burst of 1,000 rooms; who misses more gets the view.
const RING: usize = 1_024;
/// Events handed over and not taken yet; the ring holds the rest.
const HANDED: usize = 16;

/// The view of one node and its watchers.
#[derive(Debug)]
pub(super) struct Feed {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// None until the registry was reached once.
    view: Option<View>,
    lost: bool,
    ring: broadcast::Sender<Told>,
}

/// What goes through the ring. A snapshot is taken from the state when it is handed over.
#[derive(Clone, Debug)]
enum Told {
    Change(Change),
    Snapshot,
    Lost,
}

impl Feed {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        let ring = broadcast::Sender::new(RING);
        Self { state: Mutex::new(State { view: None, lost: false, ring }) }
    }

    /// The view is this now.
    pub(super) fn snapshot(&self, view: View) {
        let mut state = self.state();
        state.view = Some(view);
        state.lost = false;
        state.tell(Told::Snapshot);
    }

    /// Part of the view is this now. Ignored before the first snapshot.
    pub(super) fn change(&self, change: Change) {
        let mut state = self.state();
        if state.view.as_mut().is_some_and(|view| view.apply(&change)) {
            state.tell(Told::Change(change));
        }
    }

    /// The registry is out of reach.
    pub(super) fn lose(&self) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.lost, true) {
            state.tell(Told::Lost);
        }
    }

    /// Whether the registry is out of reach.
    pub(super) fn is_lost(&self) -> bool {
        self.state().lost
    }

    /// It is back, and what was missed follows as changes.
    pub(super) fn find(&self) {
        let mut state = self.state();
        if state.view.is_some() && std::mem::replace(&mut state.lost, false) {
            state.tell(Told::Snapshot);
        }
    }

    /// A new watcher; it ends when the receiver or the feed is dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(super) fn watch(self: &std::sync::Arc<Self>) -> mpsc::Receiver<WatchEvent> {
        let (events, receiver) = mpsc::channel(HANDED);
        let (first, ring) = self.join();
        let feed = std::sync::Arc::downgrade(self);
        tokio::spawn(async move {
            let _ = forward(&feed, first, ring, &events).await;
        });
        receiver
    }

    /// What a watcher hears first, and what comes after.
    fn join(&self) -> (Vec<WatchEvent>, broadcast::Receiver<Told>) {
        let state = self.state();
        let view = state.view.clone().map(WatchEvent::Snapshot);
        let lost = state.lost.then_some(WatchEvent::Lost);
        (view.into_iter().chain(lost).collect(), state.ring.subscribe())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&self, told: Told) {
        // Fails only when nobody watches.
        let _ = self.ring.send(told);
    }
}

/// Ends with `None` when either side is gone.
async fn forward(
    feed: &std::sync::Weak<Feed>,
    mut first: Vec<WatchEvent>,
    mut ring: broadcast::Receiver<Told>,
    events: &mpsc::Sender<WatchEvent>,
) -> Option<()> {
    loop {
        for event in first.drain(..) {
            events.send(event).await.ok()?;
        }
        let told = tokio::select! {
            told = ring.recv() => told,
            () = events.closed() => return None,
        };
        match told {
            Ok(Told::Change(change)) => events.send(WatchEvent::Change(change)).await.ok()?,
            Ok(Told::Lost) => events.send(WatchEvent::Lost).await.ok()?,
            // The view is newer than this place in the ring: go on from there.
            Ok(Told::Snapshot) | Err(RecvError::Lagged(_)) => {
                (first, ring) = feed.upgrade()?.join();
            }
            Err(RecvError::Closed) => return None,
        }
    }
}
