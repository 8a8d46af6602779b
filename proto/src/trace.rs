//! Trace events: what passes a producer, consumer or transport, told one by one to whoever looks
//! (PD8, CO8, WT12). Never written unless somebody asked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What may be traced, in mediasoup's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TraceType {
    /// Every RTP packet.
    Rtp,
    /// The first packet of a key frame.
    KeyFrame,
    /// Packets are asked for again.
    Nack,
    /// A picture was lost.
    Pli,
    /// A full picture is wanted.
    Fir,
    /// A sender report. Of producers only.
    Sr,
    /// A packet sent for nothing but its bytes. Of transports only.
    Probation,
    /// What can be sent is another now. Of transports only.
    Bwe,
}

impl TraceType {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Rtp,
        Self::KeyFrame,
        Self::Nack,
        Self::Pli,
        Self::Fir,
        Self::Sr,
        Self::Probation,
        Self::Bwe,
    ];
    /// Those of a producer.
    pub const OF_PRODUCER: &[Self] = Self::ALL.split_at(6).0;
    /// Those of a consumer.
    pub const OF_CONSUMER: &[Self] = Self::ALL.split_at(5).0;
    /// Those of a transport.
    pub const OF_TRANSPORT: &[Self] = Self::ALL.split_at(6).1;

    /// mediasoup's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rtp => "rtp",
            Self::KeyFrame => "keyframe",
            Self::Nack => "nack",
            Self::Pli => "pli",
            Self::Fir => "fir",
            Self::Sr => "sr",
            Self::Probation => "probation",
            Self::Bwe => "bwe",
        }
    }
}

/// Which way it went, seen from the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TraceDirection {
    /// From the client.
    In,
    /// To the client.
    Out,
}

/// One thing that passed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TraceEvent {
    /// What.
    #[serde(rename = "type")]
    pub kind: TraceType,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Which way.
    pub direction: TraceDirection,
    /// mediasoup's fields of this type.
    pub info: Value,
}

/// What a tracer gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Traced {
    /// Something passed.
    Event(Box<TraceEvent>),
    /// It read too slowly: so many events before the next one are lost.
    Lost(u64),
}
