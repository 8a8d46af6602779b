//! Values that cross a wire, and their bytes.
//!
//! Every type here is plain data: it knows no time, does no I/O, and neither tokio nor ractor is
//! among its dependencies. What reads it: `media` and `cluster` (never each other), `actors`,
//! `node`, and whoever writes a client.
#![forbid(unsafe_code)]

pub mod codec;
pub mod direct;
pub mod error;
pub mod flow;
pub mod grants;
pub mod id;
pub mod json;
pub mod link;
pub mod message;
pub mod mute;
pub mod observer;
pub mod registry;
pub mod rest;
pub mod roster;
pub mod rtp;
pub mod sctp;
pub mod signal;
pub mod span;
pub mod time;
pub mod trace;
pub mod transport;
pub mod voice;

pub use error::{Code, Refusal};
pub use grants::{Grants, Moderation};
pub use id::{
    ConsumerId, DataConsumerId, DataProducerId, Id, IdError, NodeId, PeerId, ProducerId,
    RecordingId, RevocationId, RoomId, TransportId, WebhookId,
};
pub use rtp::{MediaKind, RtpCapabilities, RtpParameters};
