//! Capability negotiation: mediasoup's `ortc` as pure functions over `starling_proto::rtp` types.
//! What a router offers, how a producer's numbers become the router's, what a consumer gets of
//! them. Never does: signalling, SDP beyond the one ffmpeg reads, packets.
//!
//! ```text
//! media codecs ─ router_capabilities ─→ router ────────────┬────────────────┐
//! client's parameters ─ normalize, validate ─ producer_mapping ─ consumable_parameters ─┐
//!                                 consumer_parameters (one client)  ←───────────────────┤
//!                                 pipe_parameters, pipe_mapping (another node) ←────────┘
//! ```
//! An SDP offer is cut to what the router takes by `accepted_parameters`; its receiver has
//! `Numbers` of its own.

mod codec;
mod consumable;
mod consumer;
pub(crate) mod extension;
mod h264;
mod numbers;
mod pipe;
mod plain;
mod producer;
mod refuse;
mod router;
mod scalability;
mod sctp;
mod sdp;
mod supported;
mod validate;

pub use codec::{is_red, is_rtx};
pub use consumable::consumable_parameters;
pub use consumer::{ConsumerOptions, can_consume, consumer_parameters};
pub use extension::{EXTENSIONS, Extension, extension_id};
pub use h264::{Level, Profile, ProfileLevelId};
pub use numbers::{Numbers, accepted_parameters};
pub use pipe::{pipe_consumable, pipe_mapping, pipe_parameters};
pub use plain::plain_capabilities;
pub use producer::{producer_mapping, producer_type};
pub use router::router_capabilities;
pub use scalability::ScalabilityMode;
pub use sctp::stream_delivery;
pub use sdp::sdp_of;
pub use supported::default_media_codecs;
pub use validate::{
    limits, normalize_rtp_parameters, validate_rtp_capabilities, validate_rtp_parameters,
};

#[cfg(test)]
mod tests;
