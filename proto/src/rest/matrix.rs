//! Answer about what a room's peers get of each other.

use serde::{Deserialize, Serialize};

use crate::{MediaKind, NodeId, PeerId, RoomId};

/// Query of `GET /v1/rooms/{room}/matrix`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct MatrixWish {
    /// Audio or video alone; absent: both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
}

/// Who gets what of whom in a room, now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RoomMatrix {
    /// Which.
    pub room: RoomId,
    /// What each peer gets, one by one.
    pub cells: Vec<MatrixCell>,
    /// Peers who were not asked, because there are too many.
    pub left_out: usize,
    /// Nodes of the room that did not answer.
    pub missing: Vec<NodeId>,
}

/// What a peer gets of a producer of another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MatrixCell {
    /// Who gets it.
    pub to: PeerId,
    /// On which node.
    pub node: NodeId,
    /// Whose it is.
    pub from: PeerId,
    /// Which of that peer's sources.
    pub source: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// Nothing is sent: one of both has paused it.
    pub paused: bool,
    /// The spatial layer that is sent, or -1 if none is yet; absent if there are no layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spatial_layer: Option<i64>,
    /// The temporal layer; absent if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_layer: Option<i64>,
    /// mediasoup's score of what arrives there, 0 to 10.
    pub score: u8,
    /// Share of packets lost on the way from the node to the peer, 0 to 1, as last reported.
    pub lost: f64,
    /// Bits per second.
    pub bitrate: u64,
    /// Round trip between the node and the peer.
    pub rtt_ms: f64,
    /// Median of what the node adds to a packet's time; absent before the first packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added_ms: Option<f64>,
}
