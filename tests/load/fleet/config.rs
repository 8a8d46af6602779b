//! What a fleet is made of.

use starling_node::{auth::Tokens, config::Secret};
use starling_proto::rest::CreateToken;

use crate::{client::Failure, room::Words};

/// The settings' name of the secret that nodes check room tokens with.
const SECRET: &str = "STARLING_TOKEN_SECRET";
/// As long as tokens may live: a fleet outlives no test.
const TTL_S: u64 = 24 * 3600;

/// See [`super`].
#[derive(Clone, Debug)]
pub(crate) struct FleetConfig {
    /// `http://…` of each node.
    pub(super) nodes: Vec<String>,
    pub(super) room: String,
    pub(super) prefix: String,
    pub(super) rooms: usize,
    /// In each room.
    pub(super) publishers: usize,
    pub(super) members: usize,
    /// Pictures and sounds a second; none: no camera, no microphone.
    pub(super) fps: u32,
    pub(super) sounds: u32,
    /// Members that join at once, and at most in a second: nodes turn faster ones away.
    pub(super) at_once: usize,
    pub(super) per_second: u32,
}

impl FleetConfig {
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let mut words = Words::new(words)?;
        let nodes = words.text("--nodes", "http://127.0.0.1:4443");
        let config = Self {
            nodes: nodes.split(',').map(|url| url.trim_end_matches('/').to_owned()).collect(),
            room: words.text("--room", "fleet"),
            prefix: words.text("--prefix", "fleet"),
            rooms: words.number("--rooms", 1)?.max(1),
            publishers: words.number("--publishers", 2)?,
            members: words.number("--members", 10)?,
            fps: words.number("--fps", 15)?.min(60) as u32,
            sounds: words.number("--sounds", 10)?.min(50) as u32,
            at_once: words.number("--at-once", 8)?.max(1),
            per_second: words.number("--per-second", 1_000)?.clamp(1, 10_000) as u32,
        };
        words.end().map(|()| config)
    }

    /// The room's id; one alone has no number.
    pub(super) fn room_of(&self, room: usize) -> String {
        if self.rooms == 1 { self.room.clone() } else { format!("{}-{room}", self.room) }
    }
}

/// Makes room tokens, if the nodes want any.
pub(super) struct Issuer(Option<Tokens>);

impl Issuer {
    pub(super) fn from_env() -> Self {
        let secret = std::env::var(SECRET).ok().filter(|secret| !secret.is_empty());
        Self(secret.map(|secret| Tokens::new(&Secret::new(secret))))
    }

    pub(super) fn token(&self, room: &str, peer: &str) -> Result<Option<String>, Failure> {
        let Some(tokens) = &self.0 else { return Ok(None) };
        let wish =
            CreateToken { ttl_seconds: TTL_S, ..CreateToken::member(room.parse()?, peer.parse()?) };
        let made = tokens.issue(&wish).map_err(|refusal| refusal.to_string())?;
        Ok(Some(made.token))
    }
}
