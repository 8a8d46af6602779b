//! Who is told what happens, as operators make and see it.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{NodeId, RoomId, WebhookId, time::Timestamp};

/// Body of `POST /v1/webhooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateWebhook {
    /// A name for it; absent: one is made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<WebhookId>,
    /// Where events are sent, by POST: `https://…`; where `webhook_private` allows it, also to
    /// private addresses, and there by `http://…`.
    #[cfg_attr(feature = "schema", schema(example = "https://example.org/starling"))]
    pub url: String,
    /// Types of events that are sent, as `room.started` or `room.*`; empty: all.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(example = json!(["room.*", "peer.joined"])))]
    pub events: Vec<String>,
    /// Events of this room alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Its name.
    pub id: WebhookId,
    /// Where events are sent.
    pub url: String,
    /// Types of events that are sent; empty: all.
    pub events: Vec<String>,
    /// Events of this room alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// When it was made.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// How nodes fare with it: each sends what it tells.
    pub nodes: Vec<WebhookAt>,
    /// Nodes that did not answer.
    #[serde(default)]
    pub missing: Vec<NodeId>,
}

/// How a node fares with a webhook, since it knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebhookAt {
    /// Which.
    pub node: NodeId,
    /// Events that wait, those on their way included.
    pub waiting: u64,
    /// Events that were taken.
    pub delivered: u64,
    /// Events that were given up.
    pub dead_letters: u64,
    /// What went wrong last; absent since an event was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An event that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// When.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// Why: `refused`, `failed`, `too_old` or `queue_full`.
    #[cfg_attr(feature = "schema", schema(example = "refused"))]
    pub reason: String,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// The event. The node that tells it is the one that gave it up.
    pub event: Event,
}

/// What was given up for a webhook, on all nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DeadLetters {
    /// The last of it, the oldest first: at most 100 of each node.
    pub letters: Vec<DeadLetter>,
    /// Nodes that did not answer.
    #[serde(default)]
    pub missing: Vec<NodeId>,
}

/// What is sent once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Redelivered {
    /// How many events.
    pub count: usize,
    /// Nodes that did not answer: theirs are not sent.
    #[serde(default)]
    pub missing: Vec<NodeId>,
}

/// What became of an event that was sent to try a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebhookTried {
    /// It was taken.
    pub delivered: bool,
    /// Status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong, if something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}
