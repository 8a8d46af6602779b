//! A room token of one's own, for nodes that want one.

use serde_json::json;
use starling_node::{auth::Tokens, config::Secret};
use starling_proto::rest::CreateToken;

use super::Failure;

/// The nodes' own setting: whoever may start nodes may make tokens.
const SECRET: &str = "STARLING_TOKEN_SECRET";
/// Longer than any load lasts.
const SECONDS: u32 = 86_400;

/// A token for a peer of a room; none if the environment has no secret, as with `starling dev`.
pub(super) fn token(room: &str, peer: &str) -> Result<Option<String>, Failure> {
    let Ok(secret) = std::env::var(SECRET) else { return Ok(None) };
    issue(&secret, room, peer).map(Some)
}

/// A token that grants all, of whoever knows the secret.
pub(crate) fn issue(secret: &str, room: &str, peer: &str) -> Result<String, Failure> {
    let wish: CreateToken = serde_json::from_value(json!({
        "room": room, "peer": peer, "publish": true, "subscribe": true, "ttlSeconds": SECONDS
    }))?;
    let issued = Tokens::new(&Secret::new(secret.to_owned())).issue(&wish);
    Ok(issued.map_err(|refusal| refusal.message)?.token)
}
