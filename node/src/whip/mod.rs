//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): publishing and playing with one HTTP request.
//! A session of either is a peer of the room, behind the same door as a WebSocket client.
//!
//! ```text
//! POST offer ─▶ publish or play ─ questions ─▶ Caller ─▶ peer
//!                    │ answer                     │
//! PATCH, DELETE ─▶ Sessions ─ orders ─▶ Live, while the client is there
//! ```

mod caller;
pub(crate) mod http;
mod live;
mod patch;
mod play;
mod publish;
mod sessions;

pub use sessions::Sessions;

#[cfg(test)]
mod tests;
