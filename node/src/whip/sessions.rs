//! The WHIP and WHEP sessions of this node, by the last part of their URL. Never does: know what
//! one is about.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use starling_proto::{Code, PeerId, Refusal, RoomId};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    live::{Live, Order, Reply},
    protocol::Protocol,
};

/// Most sessions at once: each is a peer with a transport, and ten full rooms are more than a node
/// forwards.
const MAX_SESSIONS: usize = 10_000;
/// Orders that wait for a session. Clients send one PATCH per candidate at most, and wait for its
/// answer.
const ORDERS: usize = 16;
/// Longest wait for a session to carry out an order.
const PATIENCE: Duration = Duration::from_secs(6);

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<BTreeMap<String, Entry>>>);

#[derive(Clone, Debug)]
struct Entry {
    protocol: Protocol,
    room: RoomId,
    peer: PeerId,
    orders: mpsc::Sender<Order>,
}

/// Where a session is found.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) protocol: Protocol,
    pub(super) room: RoomId,
    pub(super) peer: PeerId,
    pub(super) id: String,
}

impl Place {
    /// The path of its URL.
    pub(super) fn path(&self) -> String {
        format!("/{}/{}/{}", self.protocol.name(), self.room, self.id)
    }
}

/// A session's URL, read.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(super) protocol: Protocol,
    pub(super) room: RoomId,
    pub(super) id: String,
}

impl Sessions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is room for another.
    pub(super) fn check_room(&self) -> Result<(), Refusal> {
        if self.len() < MAX_SESSIONS {
            return Ok(());
        }
        let message = format!("this node has {MAX_SESSIONS} WHIP and WHEP sessions");
        Err(Refusal::new(Code::NoCapacity, message).hint("use another node"))
    }

    /// Keeps a session until it ends.
    pub(super) fn start(&self, place: Place, live: Live) {
        let (orders, taken) = mpsc::channel(ORDERS);
        let Place { protocol, room, peer, id } = place;
        self.lock().insert(id.clone(), Entry { protocol, room, peer, orders });
        let sessions = self.clone();
        tokio::spawn(async move {
            let _forgotten = Forget { sessions, id };
            live.run(taken).await;
        });
    }

    /// Gives a session an order, and its answer.
    ///
    /// # Errors
    /// `session_not_found`, and what the session refuses.
    pub(super) async fn order<T>(
        &self,
        of: &Found,
        order: impl FnOnce(Reply<T>) -> Order,
    ) -> Result<T, Refusal> {
        let entry = self.find(of)?;
        let (reply, answer) = oneshot::channel();
        entry.orders.try_send(order(reply)).map_err(|_| not_found())?;
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(not_found()),
        }
    }

    /// Ends a session; returns when it is over.
    ///
    /// # Errors
    /// `session_not_found`.
    pub(super) async fn end(&self, of: &Found) -> Result<(), Refusal> {
        let entry = self.find(of)?;
        end(&entry).await;
        Ok(())
    }

    /// Ends what the same peer had here before, if anything.
    pub(super) async fn end_of(&self, room: &RoomId, peer: &PeerId) -> bool {
        let before = self.lock().values().find(|e| e.room == *room && e.peer == *peer).cloned();
        match before {
            Some(entry) => {
                end(&entry).await;
                true
            }
            None => false,
        }
    }

    fn find(&self, of: &Found) -> Result<Entry, Refusal> {
        let entry = self.lock().get(&of.id).cloned();
        let same = |entry: &Entry| entry.protocol == of.protocol && entry.room == of.room;
        entry.filter(same).ok_or_else(not_found)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn end(entry: &Entry) {
    let (reply, ended) = oneshot::channel();
    if entry.orders.send(Order::End(reply)).await.is_ok() {
        let _ = timeout(PATIENCE, ended).await;
    }
}

fn not_found() -> Refusal {
    Refusal::new(Code::SessionNotFound, "there is no such session on this node")
        .hint("it has ended, perhaps with its node: POST a new offer")
}

/// Removes the entry, also if the session's task panics.
struct Forget {
    sessions: Sessions,
    id: String,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
    }
}
