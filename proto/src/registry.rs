//! Records of the registry: readable JSON under `nodes/`, `rooms/`, `rooms/…/on/`, `revocations/`
//! and `webhooks/`. Values are untrusted input to whoever reads them. Never holds a peer, a
//! producer or a secret.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{NodeId, PeerId, RoomId};

/// Largest value read from the registry, in bytes. A node record is about 500.
pub const MAX_RECORD: usize = 64 * 1024;

/// `revocations/<id>`, under a lease of its own that ends with it: which room tokens are good no
/// longer. A token is one of them if it is all that is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RevocationRecord {
    /// The token with this `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Tokens for this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Tokens for this peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerId>,
    /// Tokens issued (`iat`, else `nbf`) before then, in seconds since 1970, and those that do not
    /// say when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// Until when it holds, in seconds since 1970: by then all of them have expired.
    pub expires_at: u64,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// By which admin token.
    #[serde(default)]
    pub by: String,
    /// Why, for operators.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// `nodes/<id>`, under the node's lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeRecord {
    /// Its id, also the last part of the key.
    pub id: NodeId,
    /// Which life of that id: microseconds since 1970 at its start.
    pub epoch: u64,
    /// Where it is, as operators name it; empty if they do not.
    pub region: String,
    /// What of that region may fail as a whole, as operators name it; empty if they do not.
    #[serde(default)]
    pub zone: String,
    /// Where other nodes reach its QUIC endpoint.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub link_addr: SocketAddr,
    /// Where clients reach its HTTP and WebSocket server, `http://host:port` or `https://…`.
    pub api_url: String,
    /// Release.
    pub version: String,
    /// Oldest and newest link protocol it speaks.
    pub protocol: (u16, u16),
    /// May it take new peers?
    pub state: NodeState,
    /// It may not, but keeps those it has: its state is `draining` for nodes that do not know this.
    #[serde(default)]
    pub cordoned: bool,
    /// How busy it is, rewritten every 5 s.
    pub load: NodeLoad,
    /// What makes it so; absent from a node that does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NodeCost>,
}

/// Whether a node takes new peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Yes.
    #[default]
    Up,
    /// No: it is about to leave.
    Draining,
}

/// What a node's work costs it, measured over the last second: the parts of its stress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeCost {
    /// Its workers' mean share of their cores, 0.0 to 1.0.
    pub cpu: f32,
    /// Datagrams in and out, per second.
    pub packets_per_second: u32,
    /// Bits in and out, whichever are more, per second.
    pub bits_per_second: u64,
    /// The same as a share of what its network carries; 0 if nobody said how much that is.
    pub bandwidth: f32,
    /// How late its control plane's timers are, in milliseconds.
    pub delay_ms: f32,
    /// Share of its memory that is in use.
    pub memory: f32,
}

/// How busy a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeLoad {
    /// Share of the scarcest of what it has that is in use (see [`NodeCost`]), 0.0 to 1.0: what
    /// placement goes by.
    pub stress: f32,
    /// Peers here.
    pub peers: u32,
    /// Rooms with peers here.
    pub rooms: u32,
    /// Consumers here.
    pub consumers: u32,
    /// Most peers it accepts; 0 means no limit.
    pub max_peers: u32,
}

/// `rooms/<name>`, without a lease; changed only by compare-and-swap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RoomRecord {
    /// Which room of that name: microseconds since 1970 at its creation. A deleted and recreated
    /// room has another.
    pub incarnation: u64,
    /// Who may be where.
    #[serde(default)]
    pub policy: RoomPolicy,
    /// Made by an operator: stays when the last peer leaves.
    #[serde(default)]
    pub persistent: bool,
}

/// Whom a room's `speakingPeers` names, and how often: the options of mediasoup's
/// AudioLevelObserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct AudioLevels {
    /// At most so many, loudest first.
    pub max_entries: u16,
    /// Nobody quieter, in dBov: -127 to 0.
    pub threshold: i8,
    /// Milliseconds, in steps of 500 from 500 to 5,000.
    pub interval: u16,
}

impl AudioLevels {
    /// mediasoup's threshold and interval; as many as a person could tell apart, twice over.
    pub const DEFAULT: Self = Self { max_entries: 16, threshold: -80, interval: 1_000 };
}

impl Default for AudioLevels {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How a room's peers are shared out among nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PolicyMode {
    /// Small rooms stay together, large ones take nodes as they need them.
    #[default]
    Balance,
    /// On as many nodes as there are: the death of one is felt by the fewest.
    Spread,
    /// On as few nodes as can take it: the fewest streams between nodes.
    Pack,
    /// As `balance`, and a client is never sent out of its region while a node there is up.
    Region,
}

/// Where a room's peers may be placed, and what they are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct RoomPolicy {
    /// Only on these nodes, while any of them is up; empty means anywhere.
    pub pinned_nodes: Vec<NodeId>,
    /// Only in these regions, while any node of them is up; empty means anywhere.
    pub regions: Vec<String>,
    /// How peers are shared out among the nodes that are allowed.
    pub mode: PolicyMode,
    /// Most peers; 0 means no limit.
    pub max_peers: u32,
    /// Last-N: a peer gets the video of so many last speakers and of those it pins; 0 means
    /// everybody's.
    pub last_n: u32,
    /// Who is told to be heard.
    pub audio_levels: AudioLevels,
}

/// `rooms/<name>/on/<node>`, under the node's lease: the node has peers of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceRecord {
    /// Which life of the node.
    pub epoch: u64,
    /// Which room of that name.
    pub incarnation: u64,
}

/// `webhooks/<id>`, without a lease: whom each node tells what happens on it. What it is signed
/// with is every node's setting and no part of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookRecord {
    /// Milliseconds since 1970 at its creation.
    pub created_at: u64,
    /// Where it is told, by POST.
    pub url: String,
    /// Types of events it is told; empty: all. As texts, because a later release has more.
    #[serde(default)]
    pub events: Vec<String>,
    /// Of this room alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
}
