//! Trace events: what passes a producer or consumer, told packet by packet to whoever looks (PD8,
//! CO8). Never written unless somebody asked.

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
}

impl TraceType {
    /// All of them, in order.
    pub const ALL: [Self; 6] =
        [Self::Rtp, Self::KeyFrame, Self::Nack, Self::Pli, Self::Fir, Self::Sr];

    /// mediasoup's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rtp => "rtp",
            Self::KeyFrame => "keyframe",
            Self::Nack => "nack",
            Self::Pli => "pli",
            Self::Fir => "fir",
            Self::Sr => "sr",
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
