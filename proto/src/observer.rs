//! What happens to the objects of a node, told one by one to whoever observes it (WK8, TR6): what
//! mediasoup's observers emit. Never kept for anybody who comes later.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ConsumerId, PeerId, ProducerId, RoomId, TransportId};

/// What happened, in mediasoup's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Happened {
    /// A room has peers here now.
    NewRouter,
    /// Of a peer.
    NewTransport,
    /// Of a peer.
    NewProducer,
    /// Of a peer.
    NewConsumer,
    /// The object ended.
    Close,
    /// A producer or consumer.
    Pause,
    /// A producer or consumer.
    Resume,
    /// Of a WebRTC transport: `iceState`.
    IceStateChange,
    /// Of a WebRTC transport: `dtlsState`.
    DtlsStateChange,
    /// A plain transport has learnt where its other side is: `remoteIp`, `remotePort`.
    Tuple,
    /// The same for RTCP.
    RtcpTuple,
    /// Of a producer or consumer: `score`.
    Score,
    /// Of a consumer: `layers`, absent if nothing flows.
    LayersChange,
    /// Of a producer: `videoOrientation`.
    VideoOrientationChange,
    /// Somebody else has the floor in the room, or nobody: `peerId`.
    DominantSpeaker,
    /// Who is heard in the room, each interval of its policy: `peerVolumes`, loudest first, each a
    /// `peerId` and a `volume` in dBov.
    Volumes,
    /// Nobody is heard any more.
    Silence,
    /// A worker's thread ended: `workerIndex`. Another is started.
    Died,
}

/// One thing that happened. The object is the last of the ids that are there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// What.
    pub event: Happened,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<PeerId>,
    /// Of which transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport_id: Option<TransportId>,
    /// Of which producer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer_id: Option<ProducerId>,
    /// Of which consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_id: Option<ConsumerId>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub info: Value,
}
