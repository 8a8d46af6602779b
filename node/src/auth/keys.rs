//! The keys that room tokens are signed with: the cluster's `token_secret`, and a set of named
//! ones, each for exactly one algorithm, so that no token can choose how it is verified. The set is
//! a JSON Web Key Set (RFC 7517) with one member more: `revoked`, ids of tokens that are good no
//! longer. Never does: read a file, or fetch a key that a token points at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm},
};
use serde::Deserialize;

use super::Reason;
use crate::config::{Secret, value};

/// Most keys of a set: a few issuers, each with an old and a new one.
const MAX_KEYS: usize = 64;
/// Most revoked tokens. They need to be listed only until they expire; more are revoked by taking
/// their key out.
const MAX_REVOKED: usize = 10_000;
/// Longest name of a key in bytes; names are hashes or dates.
const MAX_NAME: usize = 128;
/// Shortest RSA modulus in bytes: 2,048 bits (RFC 7518 §3.3).
const MIN_RSA: usize = 256;

/// A key and its one algorithm.
#[derive(Clone)]
pub struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) verifying: DecodingKey,
    /// Of shared secrets; others' private keys stay with their issuers.
    signing: Option<EncodingKey>,
}

/// All keys.
#[derive(Clone, Default)]
pub struct KeySet {
    /// `token_secret`.
    unnamed: Option<Key>,
    named: BTreeMap<String, Key>,
    revoked: BTreeSet<String>,
}

/// Neither keys nor ids are shown.
impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.named.keys().collect();
        f.debug_struct("KeySet")
            .field("named", &names)
            .field("revoked", &self.revoked.len())
            .finish()
    }
}

#[derive(Deserialize)]
struct File {
    keys: Vec<serde_json::Value>,
    #[serde(default)]
    revoked: Vec<String>,
}

impl KeySet {
    /// `token_secret` alone.
    pub fn of_secret(secret: &Secret) -> Self {
        Self { unnamed: Some(Key::shared(secret.expose().as_bytes())), ..Self::default() }
    }

    /// Adds the keys of a file.
    ///
    /// # Errors
    /// What is wrong, without a word of a key.
    pub fn with_file(mut self, text: &str) -> Result<Self, String> {
        // serde_json's own message may quote the text.
        let file: File = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("it is no JSON Web Key Set (RFC 7517): line {line}, column {column}")
        })?;
        if file.keys.len() > MAX_KEYS {
            return Err(format!(
                "it has {} keys, and at most {MAX_KEYS} are read",
                file.keys.len()
            ));
        }
        if file.revoked.len() > MAX_REVOKED {
            let found = file.revoked.len();
            return Err(format!("it revokes {found} tokens, and at most {MAX_REVOKED} are read"));
        }
        for (place, value) in file.keys.into_iter().enumerate() {
            let at = |why: String| format!("key {}: {why}", place + 1);
            let (name, key) = Key::read(value).map_err(at)?;
            if self.named.insert(name.clone(), key).is_some() {
                return Err(at(format!("another one is called {name:?}, too")));
            }
        }
        self.revoked.extend(file.revoked);
        if self.named.is_empty() && self.unnamed.is_none() {
            return Err("it has no key".to_owned());
        }
        Ok(self)
    }

    /// The key that a token names in its header, or as LiveKit's do by their issuer; without either
    /// there must be no doubt which one it is.
    ///
    /// # Errors
    /// Which it is not.
    pub fn choose(&self, kid: Option<&str>, issuer: Option<&str>) -> Result<&Key, Reason> {
        if let Some(kid) = kid {
            return self.named.get(kid).ok_or(Reason::UnknownKey);
        }
        if let Some(key) = issuer.and_then(|issuer| self.named.get(issuer)) {
            return Ok(key);
        }
        if let Some(key) = &self.unnamed {
            return Ok(key);
        }
        let mut keys = self.named.values();
        match (keys.next(), keys.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Reason::KeyNotNamed),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.named.len() + usize::from(self.unnamed.is_some())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the token of this id is good no longer.
    pub fn revokes(&self, id: &str) -> bool {
        self.revoked.contains(id)
    }

    /// What this node signs with, and its name: `token_secret`, or the first shared secret.
    pub fn signer(&self) -> Option<(Option<&str>, Algorithm, &EncodingKey)> {
        let named = self.named.iter().map(|(name, key)| (Some(name.as_str()), key));
        let mut all = self.unnamed.iter().map(|key| (None, key)).chain(named);
        all.find_map(|(name, key)| Some((name, key.algorithm, key.signing.as_ref()?)))
    }
}

impl Key {
    fn shared(secret: &[u8]) -> Self {
        Self {
            algorithm: Algorithm::HS256,
            verifying: DecodingKey::from_secret(secret),
            signing: Some(EncodingKey::from_secret(secret)),
        }
    }

    fn read(value: serde_json::Value) -> Result<(String, Self), String> {
        let jwk: Jwk = serde_json::from_value(value).map_err(|_| "it is no JSON Web Key")?;
        let name = jwk.common.key_id.clone().unwrap_or_default();
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(format!("it needs a `kid` of 1 to {MAX_NAME} bytes"));
        }
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::OctetKey(_) => (Algorithm::HS256, KeyAlgorithm::HS256),
            AlgorithmParameters::EllipticCurve(of) if of.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::OctetKeyPair(of) if of.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            _ => return Err("its kind is none of oct, EC P-256, RSA and OKP Ed25519".to_owned()),
        };
        if jwk.common.key_algorithm.is_some_and(|given| given != named) {
            return Err(format!("keys of its kind are used with {algorithm:?} alone"));
        }
        let signing = match &jwk.algorithm {
            AlgorithmParameters::OctetKey(of) => Some(shared_secret(&of.value)?),
            AlgorithmParameters::RSA(of) if decoded(&of.n)?.len() < MIN_RSA => {
                return Err("its modulus is shorter than 2048 bits".to_owned());
            }
            _ => None,
        };
        let verifying = DecodingKey::from_jwk(&jwk).map_err(|_| "its numbers cannot be read")?;
        Ok((name, Self { algorithm, verifying, signing }))
    }
}

fn shared_secret(text: &str) -> Result<EncodingKey, String> {
    let secret = decoded(text)?;
    let weak = match std::str::from_utf8(&secret) {
        Ok(text) => value::weak(text),
        Err(_) if secret.len() < value::MIN_SECRET => {
            Some(format!("it has {} bytes and needs {}", secret.len(), value::MIN_SECRET))
        }
        Err(_) => None,
    };
    weak.map_or_else(|| Ok(EncodingKey::from_secret(&secret)), Err)
}

fn decoded(text: &str) -> Result<Vec<u8>, String> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "it has something that is not base64url".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shared(kid: &str) -> Value {
        let secret = format!("pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe{kid}");
        json!({"kty": "oct", "kid": kid, "k": URL_SAFE_NO_PAD.encode(secret)})
    }

    fn read(keys: &[Value]) -> Result<KeySet, String> {
        KeySet::default().with_file(&json!({ "keys": keys }).to_string())
    }

    #[test]
    fn a_token_that_names_no_key_is_taken_only_if_there_is_no_doubt() {
        let one = read(&[shared("a")]).unwrap();
        assert!(one.choose(None, None).is_ok());
        assert!(one.choose(None, Some("a stranger")).is_ok());
        let two = read(&[shared("a"), shared("b")]).unwrap();
        assert_eq!(two.choose(None, None).err(), Some(Reason::KeyNotNamed));
        assert!(two.choose(None, Some("b")).is_ok(), "LiveKit's tokens name it as issuer");
        assert!(two.choose(Some("b"), None).is_ok());
        for unknown in ["c", "", "../a", "A"] {
            assert_eq!(two.choose(Some(unknown), Some("a")).err(), Some(Reason::UnknownKey));
        }
        let secret = KeySet::of_secret(&Secret::new("x".repeat(32)));
        let both = secret.with_file(&json!({"keys": [shared("a"), shared("b")]}).to_string());
        assert!(both.unwrap().choose(None, None).is_ok(), "it is token_secret's");
    }

    #[test]
    fn a_key_with_another_algorithm_or_none_of_ours_is_a_mistake() {
        let with = |field: &str, value: Value| {
            let mut key = shared("a");
            key[field] = value;
            read(&[key]).map(drop).unwrap_err()
        };
        assert!(with("alg", json!("HS512")).contains("HS256 alone"));
        assert!(with("alg", json!("RS256")).contains("HS256 alone"));
        assert!(with("kid", json!("")).contains("kid"));
        assert!(with("k", json!("c2hvcnQ")).contains("needs 32"));
        assert!(with("kty", json!("what")).contains("none of"));
        let short = json!({"kty": "RSA", "kid": "r", "e": "AQAB", "n": "AQAB"});
        assert!(read(&[short]).unwrap_err().contains("2048"));
        let curve = json!({"kty": "EC", "kid": "e", "crv": "P-384", "x": "AA", "y": "AA"});
        assert!(read(&[curve]).unwrap_err().contains("none of"));
        assert!(read(&[shared("a"), shared("a")]).unwrap_err().contains("too"));
        assert!(read(&[]).unwrap_err().contains("no key"));
    }

    #[test]
    fn sizes_are_bounded_and_nothing_of_a_key_is_shown() {
        let many: Vec<_> = (0..=MAX_KEYS).map(|n| shared(&n.to_string())).collect();
        assert!(read(&many).unwrap_err().contains("at most"));
        let revoked: Vec<_> = (0..=MAX_REVOKED).map(|n| n.to_string()).collect();
        let file = json!({"keys": [shared("a")], "revoked": revoked}).to_string();
        assert!(KeySet::default().with_file(&file).unwrap_err().contains("at most"));
        let broken = KeySet::default().with_file(r#"{"keys": ["c2VjcmV0" c2VjcmV0]}"#);
        assert!(!broken.unwrap_err().contains("c2VjcmV0"));
        let shown = format!("{:?}", read(&[shared("a")]).unwrap());
        assert_eq!(shown, r#"KeySet { named: ["a"], revoked: 0 }"#);
    }
}
