//! Recordings that nodes make. Never does: name a file outside of a recording's own folder.

use serde::{Deserialize, Serialize};

use crate::{NodeId, PeerId, ProducerId, RecordingId, RoomId, time::Timestamp};

/// Body of `POST /v1/recordings`. Empty lists are everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateRecording {
    /// Of which room.
    pub room: RoomId,
    /// Only what these peers send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerId>,
    /// Only these sources, as `audio`, `video` or `screen`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Only this producer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ProducerId>,
    /// Ends after so long; absent: after the node's `recordings_max_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seconds: Option<u64>,
    /// Which node records; absent: the one that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
}

impl CreateRecording {
    /// All of a room, on the node that is asked.
    pub fn new(room: RoomId) -> Self {
        let (peers, sources) = (Vec::new(), Vec::new());
        Self { room, peers, sources, producer: None, max_seconds: None, node: None }
    }
}

/// How a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// It is under way.
    Recording,
    /// It is over, and its files are whole.
    Ended,
    /// It ended before it should; `reason` says why.
    Failed,
    /// Its node died. The files are what had been written by then.
    Lost,
}

/// A recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordingInfo {
    /// Its id, and the name of its folder in the node's `recordings_dir`.
    pub id: RecordingId,
    /// Which node has it.
    pub node: NodeId,
    /// What was asked for.
    #[serde(flatten)]
    pub wish: CreateRecordingOf,
    /// How it stands.
    pub state: RecordingState,
    /// Why it is over, once it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it began.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub started_at: Timestamp,
    /// When it was over.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = DateTime))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// What all its files take.
    pub bytes: u64,
    /// One for each track, and another for a track that comes again.
    pub files: Vec<RecordingFile>,
}

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateRecordingOf {
    /// Which room.
    pub room: RoomId,
    /// These peers; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<PeerId>,
    /// These sources; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// This producer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer: Option<ProducerId>,
    /// It ends after so many seconds.
    pub max_seconds: u64,
}

/// A file of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RecordingFile {
    /// Its name in the recording's folder.
    pub file: String,
    /// Who is in it.
    pub peer: PeerId,
    /// The producer that it began with.
    pub producer: ProducerId,
    /// Of which source.
    pub source: String,
    /// Codec.
    pub mime_type: String,
    /// Milliseconds since 1970 when the node began to send: files are put beside each other by it.
    pub began_at: u64,
    /// How large it is.
    pub bytes: u64,
}

/// All recordings of a cluster, and which nodes did not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Recordings {
    /// Of all nodes that answered.
    pub recordings: Vec<RecordingInfo>,
    /// Nodes that did not.
    pub missing: Vec<NodeId>,
}
