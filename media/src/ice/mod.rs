//! ICE-lite, controlled side (RFC 8445 §2.5), as mediasoup does it. Owns STUN's bytes, who may send
//! and receive on a transport, and consent. Never sends a check, and never answers whoever has not
//! proved to know the password.

pub mod agent;
pub mod candidates;
mod crc32;
pub mod framing;
pub mod stun;
mod tuple;

pub use agent::{Agent, Answer, Verdict};
pub use candidates::{Announcement, HostAddress, credentials, host_candidates, worker_candidates};
pub use stun::{IntegrityKey, StunMessage};
pub use tuple::Tuple;
