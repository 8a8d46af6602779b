//! Room tokens as the REST API makes them. Never does: sign one.

use serde::{Deserialize, Serialize};

use crate::{MediaKind, PeerId, RevocationId, RoomId, registry::RevocationRecord};

/// Body of `POST /v1/tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateToken {
    /// For which room.
    pub room: RoomId,
    /// For which peer.
    pub peer: PeerId,
    /// May come in; without it the token is for the room's REST API alone.
    #[serde(default = "granted")]
    pub join: bool,
    /// May produce.
    #[serde(default = "granted")]
    pub publish: bool,
    /// Only these kinds; all if empty.
    #[serde(default)]
    pub kinds: Vec<MediaKind>,
    /// Only these sources (`appData.source`): `camera`, `microphone`, `screen`, `screen_audio` by
    /// any of their names, or others; all if empty.
    #[serde(default)]
    pub sources: Vec<String>,
    /// May consume.
    #[serde(default = "granted")]
    pub subscribe: bool,
    /// May send over data channels; absent: as `publish`.
    #[serde(default)]
    pub data: Option<bool>,
    /// May send the room's peers away, and mute them.
    #[serde(default)]
    pub admin: bool,
    /// Others are not told of it; it can send nothing.
    #[serde(default)]
    pub hidden: bool,
    /// Others are told that it records (`device.recorder`).
    #[serde(default)]
    pub recorder: bool,
    /// Good for so many seconds.
    #[serde(default = "CreateToken::default_ttl")]
    pub ttl_seconds: u64,
}

impl CreateToken {
    /// What somebody in a call needs, for the default time.
    pub fn member(room: RoomId, peer: PeerId) -> Self {
        Self {
            room,
            peer,
            join: true,
            publish: true,
            kinds: Vec::new(),
            sources: Vec::new(),
            subscribe: true,
            data: None,
            admin: false,
            hidden: false,
            recorder: false,
            ttl_seconds: Self::default_ttl(),
        }
    }

    /// An hour: longer than people take to open a page, shorter than a leaked link is worth.
    pub const fn default_ttl() -> u64 {
        3600
    }
}

const fn granted() -> bool {
    true
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenCreated {
    /// To be given as `token` in the WebSocket URL, or as bearer token for the room's placement.
    pub token: String,
    /// Its `jti`, by which it can be revoked.
    #[serde(default)]
    pub id: String,
    /// Seconds since 1970.
    pub expires_at: u64,
}

/// Body of `POST /v1/tokens/revocations`: one token by itself or by its `jti`, or all of a room, of
/// a peer, or issued before a time; of several of these, those that are all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevokeTokens {
    /// The token itself; nothing else is needed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Its `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// For this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// For this peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerId>,
    /// Issued before then, in seconds since 1970; absent, and without a `tokenId`: until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
    /// When the last of them expires, in seconds since 1970; absent: the token's own end, or in 31
    /// days, which is the longest life of a token that a node makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// Why, for operators.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Which room tokens are good no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RevocationInfo {
    /// By which it can be lifted.
    pub id: RevocationId,
    /// What it says.
    #[serde(flatten)]
    pub record: RevocationRecord,
}
