//! Refusals to people and programs: a stable code, a sentence, a hint. Never for bad packets, which
//! are counted and dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

// Fragments are tokens, for those who read attributes do not see through a `literal`.
macro_rules! codes {
    ($($(#[doc = $doc:tt])* $name:ident = $text:tt, $status:literal;)*) => {
        /// Stable codes. The text and the number are part of the API: never change them, only add.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        pub enum Code {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name,)*
        }
        impl Code {
            /// The code as programs see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            /// What it means, as a sentence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),*).trim_ascii(),)* }
            }
            /// HTTP status; also protoo's `errorCode`.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }
            /// All of them, for the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

codes! {
    /// The request cannot be read or breaks a rule.
    BadRequest = "bad_request", 400;
    /// No token, or one that does not verify.
    Unauthorized = "unauthorized", 401;
    /// The token does not grant this.
    Forbidden = "forbidden", 403;
    /// No such room.
    RoomNotFound = "room_not_found", 404;
    /// No such node.
    NodeNotFound = "node_not_found", 404;
    /// No such peer.
    PeerNotFound = "peer_not_found", 404;
    /// No such transport.
    TransportNotFound = "transport_not_found", 404;
    /// No such producer.
    ProducerNotFound = "producer_not_found", 404;
    /// No such consumer.
    ConsumerNotFound = "consumer_not_found", 404;
    /// No such WHIP or WHEP session.
    SessionNotFound = "session_not_found", 404;
    /// No such method or path.
    MethodNotFound = "method_not_found", 404;
    /// The path exists, but not with this HTTP method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The offer can be read, but nothing in it can be answered.
    NotAcceptable = "not_acceptable", 406;
    /// The request does not fit the state, as a second `connect`.
    WrongState = "wrong_state", 409;
    /// A peer with this id is in the room.
    PeerExists = "peer_exists", 409;
    /// The room exists.
    RoomExists = "room_exists", 409;
    /// The ETag of `If-Match` is not the session's.
    PreconditionFailed = "precondition_failed", 412;
    /// A message, list or text is larger than its limit.
    TooLarge = "too_large", 413;
    /// Codecs or parameters do not fit each other.
    UnsupportedMedia = "unsupported_media", 415;
    /// The body is of another kind than the path takes.
    WrongContentType = "wrong_content_type", 415;
    /// The room is placed elsewhere; the message names the node.
    WrongNode = "wrong_node", 421;
    /// `If-Match` is missing.
    PreconditionRequired = "precondition_required", 428;
    /// The `Idempotency-Key` was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused", 422;
    /// A limit of this peer, room or node is reached.
    LimitReached = "limit_reached", 429;
    /// Something of ours failed.
    Internal = "internal", 500;
    /// The node did not finish the request: in time, or before what it is about ended.
    Timeout = "timeout", 503;
    /// The registry does not answer and the room is not known here.
    RegistryUnavailable = "registry_unavailable", 503;
    /// This node takes no new peers.
    Draining = "draining", 503;
    /// The node takes in as many clients as it can; the message says when to come again.
    Busy = "busy", 503;
    /// No node has room.
    NoCapacity = "no_capacity", 503;
    /// Another node did not answer in time.
    NodeUnreachable = "node_unreachable", 504;
    /// No such revocation, or it has ended.
    RevocationNotFound = "revocation_not_found", 404;
    /// No such webhook.
    WebhookNotFound = "webhook_not_found", 404;
    /// The webhook exists.
    WebhookExists = "webhook_exists", 409;
    /// Whoever decides about joins did not answer, and nobody comes in without.
    AdmissionUnavailable = "admission_unavailable", 503;
    /// No such recording on any node that answers.
    RecordingNotFound = "recording_not_found", 404;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why something was refused, for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: Code,
    /// For people: what is wrong.
    pub message: String,
    /// For people: what to do about it; may be empty.
    pub hint: String,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: String::new() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}
