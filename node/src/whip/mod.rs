//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): publishing and playing with one HTTP request.
//! A session of either is a peer of the room, behind the same door as a WebSocket client.
//!
//! ```text
//! POST offer ─▶ publish or play ─ questions ─▶ Caller ─▶ peer
//!                    │ answer                     │
//! PATCH, DELETE, ─▶ Sessions ─ orders ─▶ Live, while the client is there
//! layer, events                          └─▶ Slots: what it plays
//! ```

mod caller;
mod events;
pub(crate) mod http;
mod layers;
mod live;
mod patch;
mod play;
pub(crate) mod post;
mod protocol;
mod publish;
mod sessions;
mod slots;

pub use sessions::Sessions;

#[cfg(test)]
mod tests;
