//! Who is in a room on one node, as that node tells the room's other nodes. Never holds what a
//! client does not need to see or a node does not need to pull.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    DataProducerId, MediaKind, NodeId, PeerId, ProducerId, RtpParameters, json::Json, rtp::RtpType,
    sctp::Delivery,
};

/// What a node knows of another one's peers of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Of which node.
    pub node: NodeId,
    /// Of which life of it; 0 if of none.
    pub epoch: u64,
    /// Up to which of its changes; 0 if its peers are not known.
    pub seq: u64,
}

/// A peer of the telling node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerEntry {
    /// Its id.
    pub id: PeerId,
    /// Which session of that id this is: microseconds since 1970 when it joined, and always above
    /// the one it resumes. Where two nodes name the same peer, the higher one is true.
    pub incarnation: u64,
    /// For people.
    pub display_name: String,
    /// As the client described itself.
    pub device: Json<Value>,
    /// What it sends.
    pub producers: Vec<ProducerEntry>,
    /// What it sends over data channels.
    pub data_producers: Vec<DataProducerEntry>,
}

/// A producer of a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProducerEntry {
    /// Its id, the same on every node.
    pub id: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Simple, simulcast or svc.
    pub rtp_type: RtpType,
    /// Which of the peer's sources it is (`appData.source`): with the peer's id, what a publisher
    /// that comes back is recognised by.
    pub source: String,
    /// Paused by its peer.
    pub paused: bool,
    /// Consumable parameters: the router's payload types, extension ids and SSRCs.
    pub consumable: Json<RtpParameters>,
    /// The client's.
    pub app_data: Json<Value>,
}

/// `appData.source` of a shared screen, in mediasoup-demo's client and ours: whoever shares one
/// wants it to be seen.
const SCREEN: &str = "screensharing";

impl ProducerEntry {
    /// Pictures of its peer, not of a screen: what last-N limits.
    pub fn is_camera(&self) -> bool {
        self.kind == MediaKind::Video && self.source != SCREEN
    }

    /// Whether its sender encrypts it for its receivers (`appData.encrypted`): no node reads or
    /// changes a byte of its payloads. mediasoup-client hands `appData` on as it is.
    pub fn is_encrypted(&self) -> bool {
        self.app_data.0.get("encrypted").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// A data producer of a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataProducerEntry {
    /// Its id, the same on every node.
    pub id: DataProducerId,
    /// The channel's label: with the peer's id, what a data producer that comes back is recognised
    /// by.
    pub label: String,
    /// The channel's protocol.
    pub protocol: String,
    /// How its messages are delivered.
    pub delivery: Delivery,
    /// Paused by its peer.
    pub paused: bool,
    /// The client's.
    pub app_data: Json<Value>,
}

/// All peers of a node in a room after `seq` changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// How many changes this includes.
    pub seq: u64,
    /// In order of id.
    pub peers: Vec<PeerEntry>,
}

/// One change of a node's peers in a room. Applying it twice is harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A peer joined, or is now this.
    PeerJoined(PeerEntry),
    /// A session of a peer ended.
    PeerLeft {
        /// Whose.
        peer: PeerId,
        /// Which.
        incarnation: u64,
    },
    /// A peer has another name.
    Renamed {
        /// Whose.
        peer: PeerId,
        /// New.
        display_name: String,
    },
    /// A peer produces.
    ProducerAdded {
        /// Whose.
        peer: PeerId,
        /// What.
        producer: ProducerEntry,
    },
    /// A producer ended.
    ProducerClosed {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: ProducerId,
    },
    /// A producer paused or resumed.
    ProducerPaused {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: ProducerId,
        /// Now.
        paused: bool,
    },
    /// A session of a peer ended because a newer one is elsewhere. Whoever has not heard of that
    /// one yet waits for it instead of seeing the peer leave.
    PeerSuperseded {
        /// Whose.
        peer: PeerId,
        /// Which.
        incarnation: u64,
    },
    /// A peer produces data.
    DataProducerAdded {
        /// Whose.
        peer: PeerId,
        /// What.
        producer: DataProducerEntry,
    },
    /// A data producer ended.
    DataProducerClosed {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: DataProducerId,
    },
    /// A data producer paused or resumed.
    DataProducerPaused {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: DataProducerId,
        /// Now.
        paused: bool,
    },
}
