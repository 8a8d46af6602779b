//! Room tokens: JWT (RFC 7519), verified with the key that they name and by that key's algorithm
//! alone. Never does: keep one.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::BoxFuture;
use jsonwebtoken::{
    Header, Validation, dangerous::insecure_decode_claims, decode, decode_header, encode,
    errors::ErrorKind,
};
use rand::Rng;
use serde::Deserialize;
use starling_actors::{Metric, Revocations};
use starling_proto::{
    Code, Grants, Id, PeerId, Refusal, RevocationId, RoomId,
    rest::{CreateToken, RevocationInfo, RevokeTokens, TokenCreated},
};
use tokio::sync::watch;

use super::{
    Badge, KeySet, Reason,
    claims::{Claims, Seat},
    keys::Key,
    reason::Reasons,
    revoked::{self, seconds},
};
use crate::config::Secret;

/// Clocks of issuer and node may differ by this much, in seconds; the library's own default of 60
/// would make a one-minute token a two-minute one.
const LEEWAY: u64 = 10;
/// Longest token in bytes. Ours have 300; other issuers add claims, RS256 340 of signature.
const MAX_LEN: usize = 4096;
/// Longest life of a token that we issue: a month. Who needs more can sign their own.
pub const MAX_TTL: Duration = Duration::from_secs(31 * 86_400);

/// Issues and verifies room tokens. Cheap to clone; all clones have the same keys.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    revocations: watch::Receiver<Revocations>,
    keys: RwLock<Arc<KeySet>>,
    refused: Reasons,
}

/// Whether a token must still be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Yes.
    Now,
    /// It was once: whoever asks shows a resume ticket, too, which the node checks and which is
    /// good for the length of a call. A call outlives the token that opened it, and not its key or
    /// its being revoked.
    WithTicket,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// With the secret alone that issuers share with the cluster.
    pub fn new(secret: &Secret) -> Self {
        Self::of(KeySet::of_secret(secret))
    }

    /// With all keys, and nothing revoked but what they say.
    pub fn of(keys: KeySet) -> Self {
        Self::watching(keys, watch::Sender::default().subscribe())
    }

    /// With all keys, and what operators revoke.
    pub fn watching(keys: KeySet, revocations: watch::Receiver<Revocations>) -> Self {
        let keys = RwLock::new(Arc::new(keys));
        Self(Arc::new(Inner { revocations, keys, refused: Reasons::default() }))
    }

    /// Goes on with other keys. Whoever is in a room stays there.
    pub fn replace(&self, keys: KeySet) {
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<KeySet> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A token as asked for.
    ///
    /// # Errors
    /// `bad_request` if it should live for no time or longer than [`MAX_TTL`], `wrong_state` if
    /// there is nothing to sign with.
    pub fn issue(&self, wish: &CreateToken) -> Result<TokenCreated, Refusal> {
        if wish.ttl_seconds == 0 || wish.ttl_seconds > MAX_TTL.as_secs() {
            let message = format!("a token cannot live for {} seconds", wish.ttl_seconds);
            return Err(Refusal::new(Code::BadRequest, message)
                .hint(format!("give 1 to {} seconds", MAX_TTL.as_secs())));
        }
        let keys = self.keys();
        let Some((name, algorithm, signing)) = keys.signer() else {
            return Err(Refusal::new(Code::WrongState, "this node has others' public keys alone")
                .hint("give it token_secret, or ask who has a private key"));
        };
        let id = random_id();
        let claims = Claims::of(wish, seconds(), id.clone());
        let expires_at = claims.exp;
        let header = Header { kid: name.map(str::to_owned), ..Header::new(algorithm) };
        let token = encode(&header, &claims, signing)
            .map_err(|error| Refusal::new(Code::Internal, format!("cannot sign: {error}")))?;
        if token.len() > MAX_LEN {
            return Err(Refusal::new(Code::TooLarge, "the token would be longer than 4 KiB")
                .hint("name fewer sources"));
        }
        Ok(TokenCreated { token, id, expires_at })
    }

    /// What the token says, if it is good now.
    ///
    /// # Errors
    /// `unauthorized`, with what is wrong and what to do.
    pub fn verify(&self, token: &str) -> Result<Seat, Refusal> {
        self.counted(self.read(token, Freshness::Now))
    }

    /// What is to be revoked by this wish, made by somebody of this name.
    ///
    /// # Errors
    /// `bad_request`; of a token that is sent, as [`Tokens::verify`], but for its time.
    pub fn revocation(&self, wish: RevokeTokens, by: &str) -> Result<RevocationInfo, Refusal> {
        let token = match &wish.token {
            Some(token) => {
                // A refusal of it is no attack on a room: it is not counted.
                let (claims, _) = self.claims(token, Freshness::WithTicket)?;
                let ends = claims.exp.saturating_add(LEEWAY);
                Some((claims.seat()?.badge(), ends))
            }
            None => None,
        };
        let record = revoked::plan(wish, token, by, seconds())?;
        Ok(RevocationInfo { id: new_revocation(), record })
    }

    /// What operators have revoked.
    pub fn revocations(&self) -> Vec<RevocationInfo> {
        revoked::held(&self.0.revocations.borrow(), seconds())
    }

    /// Ends when a token is revoked, for the session that came with it.
    pub fn revoked(&self, badge: Option<Badge>) -> BoxFuture<'static, ()> {
        revoked::revoked(self.0.revocations.clone(), badge)
    }

    /// What a peer may do in a room with this token.
    ///
    /// # Errors
    /// As [`Tokens::verify`]; `forbidden` if it is another's, or for no peer.
    pub fn grants(
        &self,
        token: &str,
        room: &RoomId,
        peer: &PeerId,
        freshness: Freshness,
    ) -> Result<Grants, Refusal> {
        self.seat(token, room, peer, freshness).map(|seat| seat.grants)
    }

    /// The same, with what revokes it.
    ///
    /// # Errors
    /// As [`Tokens::grants`].
    pub fn seat(
        &self,
        token: &str,
        room: &RoomId,
        peer: &PeerId,
        freshness: Freshness,
    ) -> Result<Seat, Refusal> {
        let fits = |seat: Seat| match seat {
            Seat { room: of, .. } if of != *room => Err(Reason::OtherRoom),
            Seat { peer: of, .. } if of != *peer => Err(Reason::OtherPeer),
            Seat { join: false, .. } => Err(Reason::NoJoin),
            seat => Ok(seat),
        };
        self.counted(self.read(token, freshness).and_then(fits))
    }

    /// Who administers this room by this token.
    ///
    /// # Errors
    /// As [`Tokens::grants`].
    pub fn admin(&self, token: &str, room: &RoomId) -> Result<PeerId, Refusal> {
        let fits = |seat: Seat| match seat {
            Seat { room: of, .. } if of != *room => Err(Reason::OtherRoom),
            Seat { grants: Grants { admin: false, .. }, .. } => Err(Reason::NoAdmin),
            Seat { peer, .. } => Ok(peer),
        };
        self.counted(self.read(token, Freshness::Now).and_then(fits))
    }

    /// Counts a refusal of the caller's.
    pub fn refuse(&self, reason: Reason) -> Refusal {
        self.0.refused.count(reason);
        reason.into()
    }

    /// Refusals by reason.
    pub fn metrics(&self) -> Vec<Metric> {
        self.0.refused.metrics()
    }

    fn counted<T>(&self, read: Result<T, Reason>) -> Result<T, Refusal> {
        read.map_err(|reason| self.refuse(reason))
    }

    fn read(&self, token: &str, freshness: Freshness) -> Result<Seat, Reason> {
        let (claims, keys) = self.claims(token, freshness)?;
        if claims.jti.as_deref().is_some_and(|id| keys.revokes(id)) {
            return Err(Reason::Revoked);
        }
        let seat = claims.seat()?;
        if revoked::revokes(&self.0.revocations.borrow(), &seat.badge(), seconds()) {
            return Err(Reason::Revoked);
        }
        Ok(seat)
    }

    fn claims(&self, token: &str, freshness: Freshness) -> Result<(Claims, Arc<KeySet>), Reason> {
        if token.len() > MAX_LEN {
            return Err(Reason::TooLong);
        }
        let header = decode_header(token).map_err(|_| unread(token))?;
        if header.crit.is_some() {
            return Err(Reason::Critical);
        }
        let keys = self.keys();
        let issuer = header.kid.is_none().then(|| issuer(token)).flatten();
        let key = keys.choose(header.kid.as_deref(), issuer.as_deref())?;
        let validation = validation(key, freshness);
        let claims = decode::<Claims>(token, &key.verifying, &validation);
        let claims = claims.map_err(|error| reason_of(error.kind()))?.claims;
        Ok((claims, keys))
    }
}

fn new_revocation() -> RevocationId {
    RevocationId::parse(&random_id()).expect("hexadecimal digits are an id")
}

fn random_id() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

fn validation(key: &Key, freshness: Freshness) -> Validation {
    let mut validation = Validation::new(key.algorithm);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.validate_exp = freshness == Freshness::Now;
    validation.set_required_spec_claims(&["exp"]);
    validation
}

/// Who says that they issued it: read before the signature, to find the key, and for nothing else.
fn issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: Option<String>,
    }
    insecure_decode_claims::<Issuer>(token).ok()?.iss
}

/// Why a header cannot be read: for its algorithm, which is none that exists, or altogether.
fn unread(token: &str) -> Reason {
    #[derive(Deserialize)]
    struct Algorithm {
        #[serde(rename = "alg")]
        _named: String,
    }
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
    let whole = token.split('.').count() == 3;
    match serde_json::from_slice::<Algorithm>(&header) {
        Ok(_) if whole => Reason::Algorithm,
        Ok(_) | Err(_) => Reason::Malformed,
    }
}

fn reason_of(kind: &ErrorKind) -> Reason {
    match kind {
        ErrorKind::ExpiredSignature => Reason::Expired,
        ErrorKind::ImmatureSignature => Reason::NotYet,
        ErrorKind::InvalidSignature => Reason::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Reason::Algorithm,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::Json(_) => Reason::Claims,
        _ => Reason::Malformed,
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "key_tests.rs"]
mod key_tests;
