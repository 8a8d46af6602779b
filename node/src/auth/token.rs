//! Room tokens: JWT (RFC 7519), HS256 and nothing else. Never does: keep one.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::ErrorKind,
};
use serde::{Deserialize, Serialize};
use starling_actors::session::Grants;
use starling_proto::{
    Code, PeerId, Refusal, RoomId,
    rest::{CreateToken, TokenCreated},
};

use crate::config::Secret;

/// Clocks of issuer and node may differ by this much, in seconds; the library's own default of 60
/// would make a one-minute token a two-minute one.
const LEEWAY: u64 = 10;
/// Longest token in bytes. Ours have 200; other issuers add claims.
const MAX_LEN: usize = 4096;
/// Longest life of a token that we issue: a month. Who needs more can sign their own.
pub const MAX_TTL: Duration = Duration::from_secs(31 * 86_400);

/// What a room token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// For which room.
    pub room: RoomId,
    /// For which peer.
    pub sub: PeerId,
    /// May produce.
    #[serde(default)]
    pub publish: bool,
    /// May consume.
    #[serde(default)]
    pub subscribe: bool,
    /// Not after, in seconds since 1970.
    pub exp: u64,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
}

/// Issues and verifies room tokens.
#[derive(Clone)]
pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    /// The same, but for the time.
    timeless: Validation,
}

/// Whether a token must still be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Yes.
    Now,
    /// It was once: whoever asks shows a resume ticket, too, which the node checks and which is
    /// good for the length of a call. A call outlives the token that opened it.
    WithTicket,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// With the secret that issuers share with the cluster.
    pub fn new(secret: &Secret) -> Self {
        let secret = secret.expose().as_bytes();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        let mut timeless = validation.clone();
        timeless.validate_exp = false;
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            validation,
            timeless,
        }
    }

    /// A token as asked for.
    ///
    /// # Errors
    /// `bad_request` if it should live for no time or longer than [`MAX_TTL`].
    pub fn issue(&self, wish: &CreateToken) -> Result<TokenCreated, Refusal> {
        if wish.ttl_seconds == 0 || wish.ttl_seconds > MAX_TTL.as_secs() {
            let message = format!("a token cannot live for {} seconds", wish.ttl_seconds);
            return Err(Refusal::new(Code::BadRequest, message)
                .hint(format!("give 1 to {} seconds", MAX_TTL.as_secs())));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let expires_at = now.as_secs() + wish.ttl_seconds;
        let claims = Claims {
            room: wish.room.clone(),
            sub: wish.peer.clone(),
            publish: wish.publish,
            subscribe: wish.subscribe,
            exp: expires_at,
            nbf: None,
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .map_err(|error| Refusal::new(Code::Internal, format!("cannot sign: {error}")))?;
        Ok(TokenCreated { token, expires_at })
    }

    /// What the token says, if it is good now.
    ///
    /// # Errors
    /// `unauthorized`, with what is wrong and what to do.
    pub fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        self.read(token, &self.validation)
    }

    fn read(&self, token: &str, validation: &Validation) -> Result<Claims, Refusal> {
        let refuse =
            |message: &str, hint: &str| Err(Refusal::new(Code::Unauthorized, message).hint(hint));
        if token.len() > MAX_LEN {
            return refuse("the token is too long", "a room token is under 4 KiB");
        }
        match decode::<Claims>(token, &self.verifying, validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => match error.kind() {
                ErrorKind::ExpiredSignature => {
                    refuse("the token has expired", "get a new one from whoever issued it")
                }
                ErrorKind::ImmatureSignature => {
                    refuse("the token is not valid yet", "check the clocks of issuer and node")
                }
                ErrorKind::InvalidSignature => refuse(
                    "the token's signature is wrong",
                    "the issuer must sign with the cluster's token_secret",
                ),
                ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
                    refuse("the token's algorithm is not HS256", "sign with HS256")
                }
                ErrorKind::MissingRequiredClaim(_)
                | ErrorKind::InvalidClaimFormat(_)
                | ErrorKind::Json(_) => refuse(
                    "the token's claims are not those of a room token",
                    "it needs room, sub (the peer), exp, and publish and subscribe as booleans",
                ),
                _ => refuse(
                    "the token is not a JWT",
                    "make one with POST /v1/tokens or `starling token create`",
                ),
            },
        }
    }

    /// What a peer may do in a room with this token.
    ///
    /// # Errors
    /// As [`Tokens::verify`]; `forbidden` if it is another's.
    pub fn grants(
        &self,
        token: &str,
        room: &RoomId,
        peer: &PeerId,
        freshness: Freshness,
    ) -> Result<Grants, Refusal> {
        let claims = match freshness {
            Freshness::Now => self.verify(token)?,
            Freshness::WithTicket => self.read(token, &self.timeless)?,
        };
        if claims.room != *room {
            return Err(Refusal::new(Code::Forbidden, "the token is for another room")
                .hint("roomId must be the token's room"));
        }
        if claims.sub != *peer {
            return Err(Refusal::new(Code::Forbidden, "the token is for another peer")
                .hint("peerId must be the token's sub"));
        }
        Ok(Grants { publish: claims.publish, subscribe: claims.subscribe })
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
