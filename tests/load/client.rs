//! Clients of a node that wants tokens: with its own secret from the environment, whoever may start
//! nodes may make them.

use serde_json::json;
use starling_node::{auth::Tokens, config::Secret};
use starling_proto::rest::CreateToken;

use crate::shape::{Shape, Source};
pub(crate) use starling_people::client::{
    Arrived, Client, Failure, Heard, Identity, Look, Signal, Transport, Wish, announce, check,
    check_at, connect, door, transport,
};

/// The nodes' own setting.
const SECRET: &str = "STARLING_TOKEN_SECRET";
/// Longer than any load lasts.
const SECONDS: u32 = 86_400;

/// Joins a room as a page does.
pub(crate) async fn join(
    url: &str,
    room: &str,
    peer: &str,
    identity: &Identity,
    wish: Wish,
) -> Result<Client, Failure> {
    let token = token(room, peer)?;
    Client::enter(url, (room, peer), token.as_deref(), identity, wish).await
}

/// Publishes a stream of this shape; send its packets on [`Client::up`].
pub(crate) async fn produce(client: &Client, shape: Shape, ssrc: u32) -> Result<Source, Failure> {
    let rtp = shape.publish(client.capabilities(), ssrc).ok_or("the room lacks the codec")?;
    let payload_type = rtp["codecs"][0]["payloadType"].as_u64().unwrap_or_default() as u8;
    let kind = match shape {
        Shape::Audio => "audio",
        Shape::Video => "video",
    };
    client.produce(kind, shape.name(), &rtp).await?;
    Ok(Source::new(shape, ssrc, None).with_payload_type(payload_type))
}

/// A token for a peer of a room; none if the environment has no secret, as with `starling dev`.
fn token(room: &str, peer: &str) -> Result<Option<String>, Failure> {
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
