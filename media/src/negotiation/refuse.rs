//! How negotiation says no. Never decides to.

use starling_proto::{Code, Refusal};

/// The request itself is wrong.
pub(super) fn bad(message: impl Into<String>, hint: &str) -> Refusal {
    Refusal::new(Code::BadRequest, message).hint(hint)
}

/// The request is well formed, but this router cannot do it.
pub(super) fn unsupported(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
    Refusal::new(Code::UnsupportedMedia, message).hint(hint)
}
