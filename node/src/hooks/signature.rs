//! How a receiver knows that a request is of this cluster, and unchanged: a JWT in `Authorization`
//! with the SHA-256 of the body, as LiveKit's webhooks have it, so that its verifiers work. Never
//! does: keep a request from being sent twice (an event's id is for that).

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use crate::config;

/// How long a signature is good: an attempt takes seconds, the rest is for clocks that differ
/// (LiveKit's value).
const LIFE: u64 = 300;
/// For clocks that are behind.
const EARLIER: u64 = 10;

/// What requests are signed with now: it changes while the node runs.
#[derive(Clone, Debug)]
pub(crate) struct Signing(Arc<RwLock<Option<Signer>>>);

impl Signing {
    /// As configured.
    pub(super) fn new(config: &config::Hooks) -> Self {
        Self(Arc::new(RwLock::new(Signer::of(config))))
    }

    /// From now on as configured there.
    pub(super) fn replace(&self, config: &config::Hooks) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Signer::of(config);
    }

    /// Whether there is a secret.
    pub(super) fn is_possible(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What goes into `Authorization`; nothing without a secret.
    pub(super) fn sign(&self, now: SystemTime, body: &[u8]) -> Option<String> {
        let signer = self.0.read().unwrap_or_else(PoisonError::into_inner);
        signer.as_ref().map(|signer| signer.sign(now, body))
    }
}

/// A secret that receivers share.
struct Signer {
    /// Which secret the receiver is to take: LiveKit's API key.
    key: String,
    secret: EncodingKey,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    nbf: u64,
    exp: u64,
    sha256: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    fn of(config::Hooks { key, secret, .. }: &config::Hooks) -> Option<Self> {
        let secret = EncodingKey::from_secret(secret.as_ref()?.expose().as_bytes());
        Some(Self { key: key.clone(), secret })
    }

    fn sign(&self, now: SystemTime, body: &[u8]) -> String {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let sha256 = STANDARD.encode(digest(&SHA256, body));
        let (nbf, exp) = (now.saturating_sub(EARLIER), now + LIFE);
        let claims = Claims { iss: &self.key, nbf, exp, sha256 };
        encode(&Header::new(Algorithm::HS256), &claims, &self.secret)
            .expect("texts and numbers are JSON, and HMAC takes any key")
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Secret;

    fn part(signed: &str, at: usize) -> Value {
        let bytes = URL_SAFE_NO_PAD.decode(signed.split('.').nth(at).unwrap()).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn settings(key: &str) -> config::Hooks {
        let secret = Secret::new("pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe");
        config::Hooks { key: key.to_owned(), ..config::Hooks::signed_with(Some(secret)) }
    }

    #[test]
    fn a_signature_names_the_key_the_time_and_the_body() {
        let signing = Signing::new(&settings("starling"));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_011_506);
        let signed = signing.sign(now, b"{}").unwrap();
        assert_eq!(part(&signed, 0), json!({"typ": "JWT", "alg": "HS256"}));
        // `printf '{}' | openssl dgst -sha256 -binary | base64`
        let sha256 = "RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=";
        assert_eq!(
            part(&signed, 1),
            json!({
                "iss": "starling", "nbf": 1_796_011_496, "exp": 1_796_011_806, "sha256": sha256
            })
        );
        assert_ne!(signing.sign(now, b"{ }"), Some(signed));
    }

    #[test]
    fn a_secret_comes_goes_and_changes_for_whoever_signs() {
        let none = config::Hooks { secret: None, ..settings("starling") };
        let signing = Signing::new(&none);
        let same = signing.clone();
        let sign = || same.sign(SystemTime::now(), b"{}");
        assert_eq!((same.is_possible(), sign()), (false, None));
        signing.replace(&settings("2026-12"));
        assert_eq!(part(&sign().unwrap(), 1)["iss"], "2026-12");
        signing.replace(&none);
        assert!(sign().is_none());
    }
}
