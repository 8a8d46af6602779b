//! Who may do what: room tokens, the operators' token, and the passes nodes give each other. Never
//! does: HTTP beyond reading one header's text.

mod admin;
mod forward;
mod token;

pub use admin::{Admin, bearer};
pub use forward::Passes;
pub use token::{Claims, Freshness, MAX_TTL, Tokens};
