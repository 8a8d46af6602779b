//! Answers about links between nodes, and about what is pulled over them.

use serde::{Deserialize, Serialize};

use crate::{MediaKind, NodeId, ProducerId, RoomId};

/// A link, as one of its two nodes sees it. Counters begin when the link comes up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LinkInfo {
    /// Who tells.
    pub from: NodeId,
    /// The other node.
    pub to: NodeId,
    /// Link protocol spoken on it.
    pub protocol: u16,
    /// Smoothed round trip. A packet takes half of it, if both ways are alike.
    pub rtt_ms: f64,
    /// Its median over the last minute.
    pub rtt_p50_ms: f64,
    /// 99 of 100 of the last minute's are below.
    pub rtt_p99_ms: f64,
    /// Media packets sent.
    pub packets_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Media packets received.
    pub packets_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Packets not sent because the link was full: video.
    pub shed_video: u64,
    /// Audio.
    pub shed_audio: u64,
    /// RTCP.
    pub shed_control: u64,
    /// QUIC packets that were lost on the way.
    pub quic_packets_lost: u64,
    /// Media packets sent in two parts.
    pub split: u64,
    /// Largest datagram the path carries, in bytes.
    pub datagram_bytes: u64,
}

/// A producer of another node that is pulled, as the node sees it that it comes to. Counters begin
/// anew when it comes by another way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PipeInfo {
    /// Which room.
    pub room: RoomId,
    /// What.
    pub producer: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Over whose link; absent while it comes from nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NodeId>,
    /// Who tells.
    pub to: NodeId,
    /// Nodes on the way here, the publisher's first; empty while the way is not known.
    pub path: Vec<NodeId>,
    /// Links on it.
    pub hops: usize,
    /// Nodes that get it from here.
    pub passed_on_to: Vec<NodeId>,
    /// Somebody here consumes it.
    pub used: bool,
    /// Encodings, or spatial layers, that are wanted here or behind here now.
    pub layers: Vec<u8>,
    /// Packets received.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bits per second now.
    pub bitrate: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came when they were asked for again.
    pub repaired: u64,
    /// Round trip between the planes at both ends, their queues included, from their last reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<f64>,
}

/// Answer to `GET /v1/links`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Links {
    /// Each from both ends.
    pub links: Vec<LinkInfo>,
    /// Nodes that did not answer.
    pub missing: Vec<NodeId>,
}

/// Answer to `GET /v1/pipes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pipes {
    /// Each from the node that it comes to.
    pub pipes: Vec<PipeInfo>,
    /// Nodes that did not answer.
    pub missing: Vec<NodeId>,
}
