//! How a node is told to leave, and how far it is. Never does: decide who moves when.

use serde::{Deserialize, Serialize};

use crate::NodeId;

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
