//! What must be agreed or must survive: nodes, rooms, presence, webhooks. Never a peer, producer or
//! packet.

#[cfg(test)]
mod contract;
pub mod etcd;
mod feed;
pub mod memory;
#[cfg(test)]
#[path = "../../../tests/src/etcd.rs"]
#[expect(unreachable_pub, reason = "shared with the crate of whole-cluster tests")]
mod server;
mod view;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use starling_proto::{
    NodeId, RevocationId, RoomId, WebhookId,
    registry::{NodeRecord, PresenceRecord, RevocationRecord, RoomRecord, WebhookRecord},
};
use tokio::sync::mpsc;

/// Version of a room's or webhook's record, for compare-and-swap; 0 means "does not exist".
pub type Revision = i64;

/// Why the registry did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// It does not answer; trying again may help.
    #[error("registry does not answer: {0}")]
    Unavailable(String),
    /// Somebody else changed the record first.
    #[error("record was changed by another node")]
    Conflict,
    /// A later life of this node's id is registered: another process has taken its place.
    #[error("a newer process is registered under this node's id")]
    Succeeded,
    /// Another process is registered under this node's id, elsewhere. It has gone when its lease
    /// ends; if it stays, two nodes were given the same id.
    #[error("a process at {0} is registered under this node's id")]
    Taken(String),
    /// This node is not registered (any more): its lease has ended.
    #[error("this node's lease has ended")]
    NotRegistered,
}

/// All there is, as one view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Room tokens that are good no longer.
    pub revocations: BTreeMap<RevocationId, RevocationRecord>,
    /// Live nodes.
    pub nodes: BTreeMap<NodeId, NodeRecord>,
    /// Rooms.
    pub rooms: BTreeMap<RoomId, (Revision, RoomRecord)>,
    /// Which nodes have peers of which room.
    pub presence: BTreeMap<(RoomId, NodeId), PresenceRecord>,
    /// Who is told what happens.
    pub webhooks: BTreeMap<WebhookId, (Revision, WebhookRecord)>,
}

/// One change of the view. A value of `None` means it is gone.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Tokens were revoked, or are not any more.
    Revocation(RevocationId, Option<RevocationRecord>),
    /// A node registered, changed or left.
    Node(NodeId, Option<NodeRecord>),
    /// A room was made, changed or deleted.
    Room(RoomId, Option<(Revision, RoomRecord)>),
    /// A node has its first peer of a room, or none any more.
    Presence(RoomId, NodeId, Option<PresenceRecord>),
    /// A webhook was made, changed or deleted.
    Webhook(WebhookId, Option<(Revision, WebhookRecord)>),
}

/// What a watch brings.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// The whole view: first, and again after loss or compaction.
    Snapshot(View),
    /// A change of it.
    Change(Change),
    /// The registry is out of reach: keep serving the last view; a `Snapshot` follows when it is
    /// back.
    Lost,
}

/// The registry, as one node uses it. Cheap to share; each call is bounded in time.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// Writes this node's record under a lease, which is kept alive, and taken again (with record
    /// and presence) when it was lost, until `leave`. Repeating it changes the record.
    async fn register(&self, record: NodeRecord) -> Result<(), RegistryError>;
    /// Ends this node's lease and all that is under it.
    async fn leave(&self);
    /// Says that this node has peers of a room (`Some`) or none (`None`). Remembered and written
    /// when the registry is back, even if it answers `Unavailable` now.
    async fn set_presence(
        &self,
        room: &RoomId,
        presence: Option<PresenceRecord>,
    ) -> Result<(), RegistryError>;
    /// Writes a revocation, which goes by itself after `within`.
    async fn put_revocation(
        &self,
        id: &RevocationId,
        record: &RevocationRecord,
        within: Duration,
    ) -> Result<(), RegistryError>;
    /// Takes one back; whether there was one.
    async fn delete_revocation(&self, id: &RevocationId) -> Result<bool, RegistryError>;
    /// Reads a room's record.
    async fn room(&self, room: &RoomId) -> Result<Option<(Revision, RoomRecord)>, RegistryError>;
    /// Writes a room's record if it is still at `expected` (0: does not exist); answers its
    /// revision.
    async fn put_room(
        &self,
        room: &RoomId,
        record: &RoomRecord,
        expected: Revision,
    ) -> Result<Revision, RegistryError>;
    /// Deletes a room's record if it is still at `expected`.
    async fn delete_room(&self, room: &RoomId, expected: Revision) -> Result<(), RegistryError>;
    /// Writes a webhook's record if it is still at `expected` (0: does not exist); answers its
    /// revision.
    async fn put_webhook(
        &self,
        id: &WebhookId,
        record: &WebhookRecord,
        expected: Revision,
    ) -> Result<Revision, RegistryError>;
    /// Deletes a webhook's record if it is still at `expected`.
    async fn delete_webhook(&self, id: &WebhookId, expected: Revision)
    -> Result<(), RegistryError>;
    /// Since this node's lease was last renewed, where there are leases and it has one.
    fn lease_age(&self) -> Option<Duration> {
        None
    }
    /// The view and its changes. A receiver that falls behind gets a new `Snapshot` instead of what
    /// it missed.
    fn watch(&self) -> mpsc::Receiver<WatchEvent>;
}
