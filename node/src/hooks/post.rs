//! One signed request to somebody else's server. Never does: follow a redirect, try again, or read
//! of an answer what it was not asked to.

use std::time::{Duration, SystemTime};

use axum::{
    body::Bytes,
    http::{
        HeaderName, HeaderValue, Method,
        header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
    },
};
use starling_client::http::{self, Ask, ClientError, Reach, Streamed};

use super::signature::Signing;

/// LiveKit's, so that its receivers read the body as they are used to.
const KIND: HeaderValue = HeaderValue::from_static("application/webhook+json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("starling/", env!("CARGO_PKG_VERSION")));
/// The event's id, for who wants to know one that comes again without reading it (Standard
/// Webhooks' name).
const ID: HeaderName = HeaderName::from_static("webhook-id");

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// Nothing to sign with.
    #[error("this node has no webhook_secret to sign with")]
    Unsigned,
    /// It was not reached, or did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What is sent, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Where to.
    pub(crate) url: String,
    /// The event's id.
    pub(crate) id: String,
    /// The event.
    pub(crate) body: Bytes,
}

/// Sends it; `within` bounds the wait for the beginning of the answer.
///
/// # Errors
/// [`PostError`]; an answer with an error status is an answer.
pub(crate) async fn post(
    signing: &Signing,
    message: Message,
    reach: Reach,
    within: Duration,
) -> Result<Streamed, PostError> {
    let Message { url, id, body } = message;
    let signature = signing.sign(SystemTime::now(), &body).ok_or(PostError::Unsigned)?;
    let signature = HeaderValue::from_str(&signature).expect("a JWT is ASCII");
    let id = HeaderValue::from_str(&id).expect("ids are ASCII");
    let headers =
        vec![(AUTHORIZATION, signature), (CONTENT_TYPE, KIND), (USER_AGENT, AGENT), (ID, id)];
    let ask = Ask { method: Method::POST, url, headers, body, within };
    Ok(http::stream_from(ask, reach).await?)
}
