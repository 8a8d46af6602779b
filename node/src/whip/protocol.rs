//! Which of the two a request is about, told by its path.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::request::Parts,
};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Publishes (RFC 9725).
    Whip,
    /// Plays (draft-ietf-wish-whep).
    Whep,
}

impl Protocol {
    /// As in paths, and as peers see it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }

    /// Of a path, if it is one of ours.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.split('/').nth(1)? {
            "whip" => Some(Self::Whip),
            "whep" => Some(Self::Whep),
            _ => None,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Protocol {
    type Rejection = Infallible;

    /// Only routes of the two ask.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let path = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0).path();
        Ok(Self::of(path).unwrap_or(Self::Whip))
    }
}
