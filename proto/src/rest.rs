//! Bodies of the REST API `/v1`. Never does: HTTP.

mod data;
mod drain;
mod events;
mod matrix;
mod objects;
mod pipes;
mod placement;
mod problem;
mod recordings;
mod tokens;
mod transports;
mod webhooks;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use data::*;
pub use drain::*;
pub use events::*;
pub use matrix::*;
pub use objects::*;
pub use pipes::*;
pub use placement::*;
pub use problem::*;
pub use recordings::*;
pub use tokens::*;
pub use transports::*;
pub use webhooks::*;

use crate::{
    ConsumerId, MediaKind, NodeId, PeerId, ProducerId, RoomId, TransportId,
    mute::Muted,
    registry::{NodeCost, NodeLoad, NodeState, RoomPolicy},
    rtp::{RtpCodecParameters, RtpType},
};

/// A node as the answering node knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Which life of that id.
    pub epoch: u64,
    /// Region.
    pub region: String,
    /// Zone of that region.
    #[serde(default)]
    pub zone: String,
    /// Where clients reach it.
    pub api_url: String,
    /// Release.
    pub version: String,
    /// Up or draining.
    pub state: NodeState,
    /// It takes no new peers, and is not about to leave.
    #[serde(default)]
    pub cordoned: bool,
    /// How busy.
    pub load: NodeLoad,
    /// What makes it so; absent if the node does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<NodeCost>,
    /// The answering node itself.
    pub here: bool,
    /// The answering node has a link to it.
    pub linked: bool,
    /// Round trip of that link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Link protocol spoken on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_protocol: Option<u16>,
}

/// A room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// Its name.
    pub id: RoomId,
    /// Which room of that name.
    pub incarnation: u64,
    /// Where its peers may be.
    pub policy: RoomPolicy,
    /// Stays when empty.
    pub persistent: bool,
    /// Nodes with peers of it.
    pub nodes: Vec<NodeId>,
    /// Peers the answering node knows, on all nodes; absent in lists, and where it has none of its
    /// own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<u32>,
    /// Who has the floor; absent as `peers`, and while nobody has spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_speaker: Option<PeerId>,
}

/// Body of `POST /v1/rooms`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateRoom {
    /// Its name.
    pub id: RoomId,
    /// Where its peers may be.
    #[serde(default)]
    pub policy: RoomPolicy,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    /// Its id.
    pub id: PeerId,
    /// For people.
    pub display_name: String,
    /// Where it is.
    pub node: NodeId,
    /// As the client described itself.
    pub device: Value,
    /// Its node is gone and it has not come back yet.
    pub lost: bool,
    /// Nobody in the room is told of it, and only its own node lists it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub hidden: bool,
    /// What an operator has silenced.
    #[serde(default)]
    pub muted: Muted,
    /// What it sends.
    pub producers: Vec<ProducerInfo>,
    /// Its data channels.
    #[serde(default)]
    pub data_producers: Vec<DataProducerInfo>,
}

/// A producer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProducerInfo {
    /// Its id.
    pub id: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Simple, simulcast or svc.
    #[serde(rename = "type")]
    pub rtp_type: RtpType,
    /// Which of the peer's sources.
    pub source: String,
    /// Paused.
    pub paused: bool,
    /// Codec of its first encoding.
    pub mime_type: String,
    /// All that its consumers may get, for whoever asks in this process.
    #[serde(skip)]
    pub codecs: Vec<RtpCodecParameters>,
}

/// Ids of what a peer has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PeerObjects {
    /// Its transports.
    pub transports: Vec<TransportObject>,
    /// What it sends.
    pub producers: Vec<ProducerObject>,
    /// What it gets.
    pub consumers: Vec<ConsumerObject>,
    /// Its data channels.
    #[serde(default)]
    pub data_producers: Vec<DataProducerObject>,
    /// Those it gets.
    #[serde(default)]
    pub data_consumers: Vec<DataConsumerObject>,
}

/// A transport of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TransportObject {
    /// Its id.
    pub id: TransportId,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: TransportKind,
}

/// What a transport is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TransportKind {
    /// ICE and DTLS.
    Webrtc,
    /// RTP on UDP.
    Plain,
    /// A program's tap: RTP without a network.
    Direct,
}

/// A producer of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProducerObject {
    /// Its id.
    pub id: ProducerId,
    /// On which transport.
    pub transport_id: TransportId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Which of the peer's sources.
    pub source: String,
}

/// A consumer of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerObject {
    /// Its id.
    pub id: ConsumerId,
    /// On which transport.
    pub transport_id: TransportId,
    /// Of what.
    pub producer_id: ProducerId,
}

/// A node's process and its workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkersInfo {
    /// Of the process.
    pub pid: u32,
    /// Of the process, as mediasoup's `getResourceUsage`.
    pub resource_usage: ResourceUsage,
    /// Rooms with peers here: each has a router on every core it uses.
    pub router_ids: Vec<RoomId>,
    /// One per core.
    pub workers: Vec<WorkerInfo>,
}

/// One core's media thread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WorkerInfo {
    /// Which.
    pub index: u32,
    /// Its thread has ended and is about to be started again.
    pub dead: bool,
    /// CPU time of its thread since it started.
    pub cpu_seconds: f64,
    /// Share of the last second it was awake.
    pub busy: f32,
    /// Longest turn of the last second.
    pub longest_turn_ms: f64,
    /// Where it takes datagrams of WebRTC transports: one socket per address.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub udp_sockets: Vec<SocketAddr>,
    /// Where it takes TCP connections of such; those go to the worker whose transport they name.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub tcp_servers: Vec<SocketAddr>,
    /// Sessions whose transports are on it.
    pub peers: u32,
    /// Transports, pipes too.
    pub transports: u64,
    /// Producers, pulled ones too.
    pub producers: u64,
    /// Consumers, served pipes too.
    pub consumers: u64,
}

/// `getrusage(2)` of the process; times in milliseconds, memory in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the names are the system call's")]
pub struct ResourceUsage {
    pub ru_utime: i64,
    pub ru_stime: i64,
    pub ru_maxrss: i64,
    pub ru_ixrss: i64,
    pub ru_idrss: i64,
    pub ru_isrss: i64,
    pub ru_minflt: i64,
    pub ru_majflt: i64,
    pub ru_nswap: i64,
    pub ru_inblock: i64,
    pub ru_oublock: i64,
    pub ru_msgsnd: i64,
    pub ru_msgrcv: i64,
    pub ru_nsignals: i64,
    pub ru_nvcsw: i64,
    pub ru_nivcsw: i64,
}

/// Body of `POST /v1/rooms/{room}/peers`: a peer without signalling, for programs such as ffmpeg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreatePeer {
    /// Its id.
    pub id: PeerId,
    /// For people.
    #[serde(default)]
    pub display_name: String,
    /// As the others see it; absent: that it is a program's.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub device: Value,
}

impl CreatePeer {
    /// With what every program says.
    pub fn new(id: PeerId, display_name: impl Into<String>) -> Self {
        Self { id, display_name: display_name.into(), device: Value::Null }
    }
}

/// Body of `PUT /v1/nodes/{id}/log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SetLog {
    /// As `RUST_LOG`: a level, or `module=level` separated by commas.
    pub filter: String,
}

/// Body of `POST /v1/rooms/{room}/peers/{peer}/move`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct MovePeer {
    /// To which node; absent: where a join would be placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeId>,
}

/// A peer that has moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PeerMoved {
    /// Who.
    pub peer: PeerId,
    /// Where it was.
    pub from: NodeId,
    /// Where it is.
    pub to: NodeId,
}

/// Answer to `POST /v1/nodes/{id}/reload`: what holds now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// Keys of room tokens.
    pub token_keys: usize,
    /// Admin tokens.
    pub admin_tokens: usize,
    /// When the certificate of `listen` expires, in seconds since 1970; absent without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_expires_at: Option<i64>,
    /// The same of the certificate of links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_certificate_expires_at: Option<i64>,
}

/// Answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// May the node get new peers?
    pub ready: bool,
    /// What does not work, in sentences.
    pub degraded: Vec<String>,
}
