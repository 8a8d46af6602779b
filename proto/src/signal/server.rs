//! What a node asks and tells its clients.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ConsumerId, DataConsumerId, DataProducerId, MediaKind, NodeId, PeerId, ProducerId,
    RtpParameters, TransportId,
    mute::Muted,
    rtp::{ConsumerLayers, RtpType},
    sctp::SctpStreamParameters,
};

/// A request of the node: the client must answer before media flows.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "method", content = "data", rename_all = "camelCase")]
pub enum ServerRequest {
    /// A producer can be consumed; consumption starts paused and resumes with the answer.
    NewConsumer(Box<NewConsumer>),
    /// A data producer can be consumed; messages follow the answer.
    NewDataConsumer(Box<NewDataConsumer>),
}

/// Data of `newConsumer`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewConsumer {
    /// Whose producer.
    pub peer_id: PeerId,
    /// On which of the client's transports.
    pub transport_id: TransportId,
    /// Its id.
    pub consumer_id: ConsumerId,
    /// Of what.
    pub producer_id: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// What will be sent.
    pub rtp_parameters: RtpParameters,
    /// Simple, simulcast or svc.
    #[serde(rename = "type")]
    pub rtp_type: RtpType,
    /// Paused by its peer.
    pub producer_paused: bool,
    /// Scores 0 to 10.
    pub consumer_score: Value,
    /// The producer's, with `peerId` added.
    pub app_data: Value,
}

/// Data of `newDataConsumer`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDataConsumer {
    /// Whose data producer.
    pub peer_id: PeerId,
    /// On which of the client's transports.
    pub transport_id: TransportId,
    /// Its id.
    pub data_consumer_id: DataConsumerId,
    /// Of what.
    pub data_producer_id: DataProducerId,
    /// On which stream, and how messages are delivered.
    pub sctp_stream_parameters: SctpStreamParameters,
    /// The channel's.
    pub label: String,
    /// The channel's.
    pub protocol: String,
    /// Ours: paused by its peer.
    pub data_producer_paused: bool,
    /// The data producer's, with `peerId` added.
    pub app_data: Value,
}

/// A notification of the node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(
    tag = "method",
    content = "data",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum ServerNotification {
    /// A peer joined.
    NewPeer {
        /// Who.
        peer: PeerSummary,
    },
    /// A peer left.
    PeerClosed {
        /// Who.
        peer_id: PeerId,
    },
    /// Ours: a peer is on another node now, after its node died or was drained.
    PeerMoved {
        /// Who.
        peer_id: PeerId,
        /// Where.
        node_id: NodeId,
    },
    /// A peer has another name.
    PeerDisplayNameChanged {
        /// Who.
        peer_id: PeerId,
        /// New.
        display_name: String,
        /// Old.
        old_display_name: String,
    },
    /// A consumer ended.
    ConsumerClosed {
        /// Which.
        consumer_id: ConsumerId,
    },
    /// Its producer paused.
    ConsumerPaused {
        /// Which.
        consumer_id: ConsumerId,
    },
    /// Its producer resumed.
    ConsumerResumed {
        /// Which.
        consumer_id: ConsumerId,
    },
    /// Ours: last-N left it out, or took it in again.
    ConsumerSuspended {
        /// Which.
        consumer_id: ConsumerId,
        /// Nothing is sent on it.
        suspended: bool,
    },
    /// Its streams are better or worse.
    ConsumerScore {
        /// Which.
        consumer_id: ConsumerId,
        /// `{score, producerScore, producerScores}`.
        score: Value,
    },
    /// It forwards other layers.
    ConsumerLayersChanged {
        /// Which.
        consumer_id: ConsumerId,
        /// Absent: none.
        #[serde(skip_serializing_if = "Option::is_none")]
        layers: Option<ConsumerLayers>,
    },
    /// What this client can receive is another now, in bits per second.
    DownlinkBwe {
        /// What there would be to send.
        desired_bitrate: u64,
        /// The same within the transport's limits.
        effective_desired_bitrate: u64,
        /// What can be sent.
        available_bitrate: u64,
    },
    /// Ours: somebody else has paused it, an admin of the room or an operator.
    ProducerPaused {
        /// Which.
        producer_id: ProducerId,
    },
    /// Ours: an operator has resumed it.
    ProducerResumed {
        /// Which.
        producer_id: ProducerId,
    },
    /// A producer's streams are better or worse.
    ProducerScore {
        /// Which.
        producer_id: ProducerId,
        /// `[{encodingIdx, ssrc, rid?, score}]`.
        score: Value,
    },
    /// Ours: a producer's camera is held otherwise (mediasoup's `videoorientationchange`).
    ProducerVideoOrientationChanged {
        /// Which.
        producer_id: ProducerId,
        /// Now.
        video_orientation: VideoOrientation,
    },
    /// Somebody else has the floor, or nobody.
    ActiveSpeaker {
        /// Who; absent: nobody.
        #[serde(skip_serializing_if = "Option::is_none")]
        peer_id: Option<PeerId>,
    },
    /// Who is heard, once a second, and once when nobody is any more.
    SpeakingPeers {
        /// Loudest first.
        peer_volumes: Vec<PeerVolume>,
    },
    /// Ours: there is a producer, for a client that chooses what it consumes.
    NewProducer(Box<ProducerSummary>),
    /// Ours: it is gone, for such a client.
    ProducerClosed {
        /// Which.
        producer_id: ProducerId,
    },
    /// A data consumer ended.
    DataConsumerClosed {
        /// Which.
        data_consumer_id: DataConsumerId,
        /// Ours: why, if not because its data producer ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Ours: its data producer paused.
    DataConsumerPaused {
        /// Which.
        data_consumer_id: DataConsumerId,
    },
    /// Ours: its data producer resumed.
    DataConsumerResumed {
        /// Which.
        data_consumer_id: DataConsumerId,
    },
    /// Ours: its data producer moved, or a link failed. Messages may be missing between the last
    /// one and the next.
    DataConsumerInterrupted {
        /// Which.
        data_consumer_id: DataConsumerId,
        /// Sentence for people.
        reason: String,
    },
    /// Ours: what waits to be sent has fallen to the threshold that the client has set.
    DataConsumerBufferedAmountLow {
        /// Which.
        data_consumer_id: DataConsumerId,
        /// Bytes that wait.
        buffered_amount: u64,
    },
    /// Ours: a data producer ended, and not because the client said so.
    DataProducerClosed {
        /// Which.
        data_producer_id: DataProducerId,
        /// Sentence for people.
        reason: String,
    },
    /// Ours: an operator has silenced what this client sends of these kinds, or not any more. What
    /// is silenced is paused, and goes on only when it is no longer.
    Muted(Muted),
    /// Ours: the standby nodes or the ticket changed.
    StandbyChanged(ResumeOffer),
    /// Ours: leave this node for another, which is ready; or, before a close, be gone from here.
    MoveTo {
        /// Where to, best first; none: stay after all.
        nodes: Vec<NodeHint>,
        /// Sentence for people.
        reason: String,
        /// Over how long those who are told spread, in milliseconds; 0: as they like.
        #[serde(skip_serializing_if = "is_zero")]
        within_ms: u32,
        /// How long not to come back to this node, in milliseconds.
        #[serde(skip_serializing_if = "is_zero")]
        retry_after_ms: u32,
    },
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How a camera is held (3GPP TS 26.114 §7.4.5), in mediasoup's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct VideoOrientation {
    /// It looks away from the person who holds it.
    pub camera: bool,
    /// The picture is mirrored.
    pub flip: bool,
    /// Degrees to turn it: 0, 90, 180 or 270.
    pub rotation: u16,
}

impl From<u8> for VideoOrientation {
    /// Reads the extension's byte: `0 0 0 0 C F R1 R0`.
    fn from(byte: u8) -> Self {
        let rotation = 90 * u16::from(byte & 0b11);
        Self { camera: byte & 0b1000 != 0, flip: byte & 0b100 != 0, rotation }
    }
}

/// How loud a peer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerVolume {
    /// Who.
    pub peer_id: PeerId,
    /// In dBov: 0 down to -127.
    pub volume: i8,
}

/// A peer as others see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerSummary {
    /// Who.
    pub peer_id: PeerId,
    /// For people.
    pub display_name: String,
    /// As the client described itself.
    pub device: Value,
    /// Ours: on which node.
    pub node_id: NodeId,
}

/// A producer as a client sees it that chooses what it consumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducerSummary {
    /// Whose.
    pub peer_id: PeerId,
    /// Its id.
    pub producer_id: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows, as its peer named it.
    pub source: String,
    /// Simple, simulcast or svc.
    #[serde(rename = "type")]
    pub rtp_type: RtpType,
    /// MIME type of its media codec.
    pub mime_type: String,
    /// Paused by its peer.
    pub paused: bool,
    /// The producer that this one is the same source as, under a new id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaces: Option<ProducerId>,
}

/// Answer to `join`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinAnswer {
    /// Who else is there.
    pub peers: Vec<PeerSummary>,
    /// Ours: where the client is.
    pub node: NodeHint,
    /// Ours: where to go, and with what, if this node dies.
    #[serde(flatten)]
    pub resume: ResumeOffer,
}

/// How to go on if the node dies.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumeOffer {
    /// Nodes to go to, best first.
    pub standby: Vec<NodeHint>,
    /// To be given as `resume` in the WebSocket URL there.
    pub resume_ticket: String,
    /// How long the room keeps the peer's place, in milliseconds.
    pub resume_within_ms: u32,
}

/// A node a client may connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeHint {
    /// Its id.
    pub node_id: NodeId,
    /// `ws://…/` or `wss://…/`, to which the query is added.
    pub url: String,
    /// As its operator named it.
    pub region: String,
}
