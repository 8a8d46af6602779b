//! Bodies of the REST API `/v1`. Never does: HTTP.

mod data;
mod events;
mod matrix;
mod objects;
mod pipes;
mod placement;
mod transports;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use data::*;
pub use events::*;
pub use matrix::*;
pub use objects::*;
pub use pipes::*;
pub use placement::*;
pub use transports::*;

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

/// Body of `POST /v1/nodes/{id}/drain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct DrainNode {
    /// Peers that are still there after so many milliseconds are cut; absent: as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Answer when the node is empty or the deadline has passed, not at once.
    pub wait: bool,
    /// Everybody at once, within 25 s: the machine is about to be taken away.
    pub emergency: bool,
}

/// How far a node is with leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DrainStage {
    /// It takes new peers.
    #[default]
    Up,
    /// It takes no new peers; nobody is moved.
    Cordoned,
    /// Its peers are on their way to other nodes.
    Draining,
    /// Nobody is left.
    Drained,
    /// The deadline passed, and whoever was left was cut.
    Cut,
}

/// A node's drain; counts are of clients that can be moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DrainInfo {
    /// Which.
    pub node: NodeId,
    /// How far.
    pub stage: DrainStage,
    /// Everybody at once.
    pub emergency: bool,
    /// Seen here since it began.
    pub total: usize,
    /// Gone.
    pub moved: usize,
    /// Asked to go, and still here.
    pub on_the_way: usize,
    /// Asked more than once.
    pub retried: usize,
    /// Sessions of all kinds here now.
    pub left: u32,
    /// Milliseconds since it began.
    pub elapsed_ms: u64,
    /// Milliseconds that it may take.
    pub deadline_ms: u64,
}

impl DrainInfo {
    /// Of a node that moves nobody.
    pub const fn quiet(node: NodeId, stage: DrainStage, left: u32) -> Self {
        Self {
            node,
            stage,
            emergency: false,
            total: 0,
            moved: 0,
            on_the_way: 0,
            retried: 0,
            left,
            elapsed_ms: 0,
            deadline_ms: 0,
        }
    }
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

/// Body of `POST /v1/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateToken {
    /// For which room.
    pub room: RoomId,
    /// For which peer.
    pub peer: PeerId,
    /// May come in; without it the token is for the room's REST API alone.
    #[serde(default = "granted")]
    pub join: bool,
    /// May produce.
    #[serde(default = "granted")]
    pub publish: bool,
    /// Only these kinds; all if empty.
    #[serde(default)]
    pub kinds: Vec<MediaKind>,
    /// Only these sources (`appData.source`): `camera`, `microphone`, `screen`, `screen_audio` by
    /// any of their names, or others; all if empty.
    #[serde(default)]
    pub sources: Vec<String>,
    /// May consume.
    #[serde(default = "granted")]
    pub subscribe: bool,
    /// May send over data channels; absent: as `publish`.
    #[serde(default)]
    pub data: Option<bool>,
    /// May send the room's peers away, and mute them.
    #[serde(default)]
    pub admin: bool,
    /// Others are not told of it; it can send nothing.
    #[serde(default)]
    pub hidden: bool,
    /// Others are told that it records (`device.recorder`).
    #[serde(default)]
    pub recorder: bool,
    /// Good for so many seconds.
    #[serde(default = "CreateToken::default_ttl")]
    pub ttl_seconds: u64,
}

impl CreateToken {
    /// What somebody in a call needs, for the default time.
    pub fn member(room: RoomId, peer: PeerId) -> Self {
        Self {
            room,
            peer,
            join: true,
            publish: true,
            kinds: Vec::new(),
            sources: Vec::new(),
            subscribe: true,
            data: None,
            admin: false,
            hidden: false,
            recorder: false,
            ttl_seconds: Self::default_ttl(),
        }
    }

    /// An hour: longer than people take to open a page, shorter than a leaked link is worth.
    pub const fn default_ttl() -> u64 {
        3600
    }
}

const fn granted() -> bool {
    true
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenCreated {
    /// To be given as `token` in the WebSocket URL, or as bearer token for the room's placement.
    pub token: String,
    /// Its `jti`, by which it can be revoked.
    #[serde(default)]
    pub id: String,
    /// Seconds since 1970.
    pub expires_at: u64,
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

/// Body of every refusal: RFC 9457 problem details with a code and a hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `about:blank#<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: crate::Code,
    /// What is wrong here. (Release 0.1 said it in `title`.)
    #[serde(default)]
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// Where the code is explained, on the node that answered.
    #[serde(default)]
    pub docs: String,
}

impl From<crate::Refusal> for Problem {
    fn from(refusal: crate::Refusal) -> Self {
        let crate::Refusal { code, message, hint } = refusal;
        Self {
            hint: if hint.is_empty() { format!("see /docs#{code}") } else { hint },
            kind: format!("about:blank#{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: message,
            docs: format!("/docs#{code}"),
        }
    }
}

impl From<Problem> for crate::Refusal {
    fn from(problem: Problem) -> Self {
        let Problem { code, title, detail, hint, .. } = problem;
        Self { code, message: if detail.is_empty() { title } else { detail }, hint }
    }
}
