//! Who may do what: room tokens, the operators' tokens, and the passes nodes give each other. Never
//! does: HTTP beyond reading one header's text.

mod admin;
mod claims;
mod forward;
mod keys;
mod reason;
mod revoked;
mod scope;
mod token;

pub use admin::{Admin, AdminTokens, Who, bearer, sha256_hex};
pub use claims::{Claims, LiveKit, Seat};
pub use forward::Passes;
pub use keys::{Key, KeySet};
pub use reason::{Reason, Reasons};
pub use revoked::Badge;
pub use scope::{Scope, is_moderation};
pub use token::{Freshness, MAX_TTL, Tokens};
