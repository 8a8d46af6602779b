//! What this node wants written under its lease, and how far that has come. Callers leave wishes,
//! the session takes them. Never talks to etcd.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use starling_proto::{
    NodeId, RoomId,
    registry::{NodeRecord, PresenceRecord},
};
use tokio::sync::{Notify, watch};

use super::client::CALL;
use crate::registry::{Change, RegistryError, View};

/// Between the callers and the session.
#[derive(Debug)]
pub(super) struct Desk {
    wish: Mutex<Wish>,
    wake: Notify,
    status: watch::Sender<Status>,
}

#[derive(Debug, Default)]
struct Wish {
    /// Goes up with each wish.
    version: u64,
    record: Option<NodeRecord>,
    record_due: bool,
    presence: BTreeMap<RoomId, PresenceRecord>,
    /// Rooms whose key may not be as `presence` says.
    rooms_due: BTreeSet<RoomId>,
}

#[derive(Clone, Debug, Default)]
struct Status {
    /// Wishes up to this version are fulfilled.
    written: u64,
    failures: u64,
    failure: Option<RegistryError>,
}

/// What is to be written.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) version: u64,
    pub(super) record: Option<NodeRecord>,
    pub(super) rooms: Vec<(RoomId, Option<PresenceRecord>)>,
}

/// A wish that was left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    version: u64,
    failures: u64,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            wish: Mutex::default(),
            wake: Notify::new(),
            status: watch::Sender::new(Status::default()),
        }
    }

    /// Wants the record written; none if it is.
    pub(super) fn register(&self, record: NodeRecord) -> Option<Ticket> {
        let mut wish = self.wish();
        if wish.record.as_ref() == Some(&record) && !wish.record_due {
            return None;
        }
        wish.record = Some(record);
        wish.record_due = true;
        Some(self.left(wish))
    }

    /// Wants presence written or gone; none if it is so.
    ///
    /// # Errors
    /// `NotRegistered`, but it is remembered.
    pub(super) fn set_presence(
        &self,
        room: &RoomId,
        presence: Option<PresenceRecord>,
    ) -> Result<Option<Ticket>, RegistryError> {
        let mut wish = self.wish();
        let known = match presence.clone() {
            Some(presence) => wish.presence.insert(room.clone(), presence),
            None => wish.presence.remove(room),
        };
        let written = known == presence && !wish.rooms_due.contains(room);
        wish.rooms_due.insert(room.clone());
        if wish.record.is_none() {
            return Err(RegistryError::NotRegistered);
        }
        if written {
            wish.rooms_due.remove(room);
            return Ok(None);
        }
        Ok(Some(self.left(wish)))
    }

    /// Wants nothing any more.
    pub(super) fn leave(&self) -> Ticket {
        let mut wish = self.wish();
        let version = wish.version;
        *wish = Wish { version, ..Wish::default() };
        self.left(wish)
    }

    fn left(&self, mut wish: MutexGuard<'_, Wish>) -> Ticket {
        wish.version += 1;
        let ticket = Ticket { version: wish.version, failures: self.status.borrow().failures };
        drop(wish);
        self.wake.notify_one();
        ticket
    }

    /// Waits until a wish is fulfilled, or the session has failed meanwhile, or time is up.
    pub(super) async fn fulfilled(&self, ticket: Ticket) -> Result<(), RegistryError> {
        let mut status = self.status.subscribe();
        let settled = status.wait_for(|status| {
            status.written >= ticket.version || status.failures != ticket.failures
        });
        match tokio::time::timeout(CALL, settled).await {
            Ok(Ok(status)) if status.written >= ticket.version => Ok(()),
            Ok(Ok(status)) => Err(status.failure.clone().unwrap_or_else(silent)),
            Ok(Err(_)) | Err(_) => Err(silent()),
        }
    }

    /// Waits until there is a new wish.
    pub(super) async fn wished(&self) {
        self.wake.notified().await;
    }

    /// Whether this node wants to be registered.
    pub(super) fn wants(&self) -> bool {
        self.wish().record.is_some()
    }

    /// Nothing is written any more: the lease is new.
    pub(super) fn forget_written(&self) {
        let mut wish = self.wish();
        wish.record_due = wish.record.is_some();
        let rooms: Vec<_> = wish.presence.keys().cloned().collect();
        wish.rooms_due.extend(rooms);
    }

    /// etcd was listed: what it has under this node's name and is not as wanted is due again.
    pub(super) fn compare(&self, node: &NodeId, view: &View) {
        let mut wish = self.wish();
        if wish.record.is_none() {
            return;
        }
        let wrong = view.contradictions(node, &wish.presence);
        if wrong.is_empty() {
            return;
        }
        wish.rooms_due.extend(wrong);
        drop(wish);
        self.wake.notify_one();
    }

    /// etcd changed: what that says about this node, and is not as wanted, is due again.
    pub(super) fn heard(&self, node: &NodeId, change: &Change) {
        let mut wish = self.wish();
        let Some(record) = &wish.record else { return };
        let taken_back = change.takes_back(record);
        let wrong = change.contradicts(node, &wish.presence).cloned();
        if !taken_back && wrong.is_none() {
            return;
        }
        wish.record_due |= taken_back;
        wish.rooms_due.extend(wrong);
        drop(wish);
        self.wake.notify_one();
    }

    /// Takes what is due. It is the session's to write or to [`give_back`](Self::give_back).
    pub(super) fn take(&self) -> Due {
        let mut wish = self.wish();
        let record_due = std::mem::take(&mut wish.record_due);
        let rooms = std::mem::take(&mut wish.rooms_due).into_iter();
        Due {
            version: wish.version,
            record: wish.record.clone().filter(|_| record_due),
            rooms: rooms.map(|room| (room.clone(), wish.presence.get(&room).cloned())).collect(),
        }
    }

    /// What could not be written is due again, as it is wanted by then.
    pub(super) fn give_back(&self, due: Due) {
        let mut wish = self.wish();
        wish.record_due |= due.record.is_some() && wish.record.is_some();
        wish.rooms_due.extend(due.rooms.into_iter().map(|(room, _)| room));
    }

    /// All wishes up to `version` are fulfilled.
    pub(super) fn wrote(&self, version: u64) {
        self.status.send_modify(|status| status.written = version);
    }

    /// Nothing is wanted and nothing is written.
    pub(super) fn rest(&self) {
        let version = self.wish().version;
        self.wrote(version);
    }

    /// Whoever waits need not wait longer.
    pub(super) fn fail(&self, error: RegistryError) {
        self.status.send_modify(|status| {
            status.failures += 1;
            status.failure = Some(error);
        });
    }

    fn wish(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn silent() -> RegistryError {
    RegistryError::Unavailable(format!("etcd did not answer within {CALL:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::contract::{PRESENCE, node, record, room};

    #[test]
    fn what_a_restored_etcd_has_wrong_is_due_again() {
        let desk = Desk::new();
        let (ended, opened) = (room("ended"), room("opened"));
        let mut view = View::default();
        view.presence.insert((ended.clone(), node("a")), PRESENCE);
        desk.compare(&node("a"), &view);
        assert!(desk.take().rooms.is_empty(), "an earlier life's, which ends with its lease");
        assert!(desk.register(record("a", 1)).is_some());
        assert!(desk.set_presence(&opened, Some(PRESENCE)).is_ok());
        drop(desk.take());
        desk.compare(&node("a"), &view);
        assert_eq!(desk.take().rooms, [(ended, None), (opened, Some(PRESENCE))]);
        desk.compare(&node("b"), &View::default());
        assert_eq!(desk.take().rooms.len(), 1, "missing for any node");
    }

    #[test]
    fn what_a_write_that_was_given_up_changes_late_is_due_again() {
        let (desk, ended) = (Desk::new(), room("ended"));
        let late = Change::Presence(ended.clone(), node("a"), Some(PRESENCE));
        let gone = Change::Node(node("a"), None);
        desk.heard(&node("a"), &late);
        assert!(desk.take().rooms.is_empty(), "an earlier life's, which ends with its lease");
        assert!(desk.register(record("a", 1)).is_some());
        assert!(desk.set_presence(&ended, Some(PRESENCE)).is_ok());
        assert!(desk.set_presence(&ended, None).is_ok());
        drop(desk.take());
        desk.heard(&node("a"), &late);
        assert_eq!(desk.take().rooms, [(ended.clone(), None)]);
        desk.heard(&node("a"), &Change::Presence(ended, node("a"), None));
        let due = desk.take();
        assert!(due.rooms.is_empty() && due.record.is_none(), "as wanted");
        desk.heard(&node("a"), &gone);
        assert!(desk.take().record.is_some());
        let _ = desk.leave();
        desk.heard(&node("a"), &gone);
        assert!(desk.take().record.is_none(), "it has left");
    }
}
