//! Why a room token was refused: one word for the metric, and what the person is told. Never does:
//! tell how much of a wrong signature was right.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use starling_actors::Metric;
use starling_proto::{Code, Refusal};

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $code:ident, $message:literal, $hint:literal;)*) => {
        /// A reason.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }
        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// Its word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            fn told(self) -> (Code, &'static str, &'static str) {
                match self { $(Self::$name => (Code::$code, $message, $hint),)* }
            }
        }
    };
}

reasons! {
    /// None where one is needed.
    Missing = "missing", Unauthorized, "this needs a token for the room",
        "make one with POST /v1/tokens or `starling token create`";
    /// Longer than any that is looked at.
    TooLong = "too_long", Unauthorized, "the token is too long", "a room token is under 4 KiB";
    /// Not three parts of base64url and JSON.
    Malformed = "malformed", Unauthorized, "the token is not a JWT",
        "make one with POST /v1/tokens or `starling token create`";
    /// Its key is for another one, or nobody's.
    Algorithm = "algorithm", Unauthorized, "the token's algorithm is not the one of its key",
        "each key has one algorithm: token_secret HS256, others what the key set says";
    /// `crit` (RFC 7515 §4.1.11).
    Critical = "critical", Unauthorized, "the token wants something understood that is not",
        "issue it without `crit` in its header";
    /// Its key is not in the key set, or not any more.
    UnknownKey = "unknown_key", Unauthorized, "the token's key is not known here",
        "its `kid` (or `iss`) must name a key of token_keys_file; keys are taken out to revoke";
    /// There are several, and it names none.
    KeyNotNamed = "key_not_named", Unauthorized, "the token does not say which key signed it",
        "put the key's `kid` into the header; there are several keys";
    /// Of another secret or key.
    Signature = "signature", Unauthorized, "the token's signature is wrong",
        "the issuer must sign with the cluster's token_secret, or the key that it names";
    /// Missing claims, or strange ones.
    Claims = "claims", Unauthorized, "the token's claims are not those of a room token",
        "it needs room, sub (the peer) and exp, or LiveKit's video grants with sub and exp";
    /// `exp`.
    Expired = "expired", Unauthorized, "the token has expired",
        "get a new one from whoever issued it";
    /// `nbf`.
    NotYet = "not_yet", Unauthorized, "the token is not valid yet",
        "check the clocks of issuer and node";
    /// Its `jti` is in the list.
    Revoked = "revoked", Unauthorized, "the token was revoked",
        "get a new one from whoever issued it";
    /// Another room's.
    OtherRoom = "other_room", Forbidden, "the token is for another room",
        "roomId must be the token's room";
    /// Another peer's.
    OtherPeer = "other_peer", Forbidden, "the token is for another peer",
        "peerId must be the token's sub";
    /// It does not let anybody in.
    NoJoin = "no_join", Forbidden, "the token does not grant joining",
        "ask for a token with join";
    /// It does not make its holder the room's admin.
    NoAdmin = "no_admin", Forbidden, "the token does not make its holder the room's admin",
        "ask for a token with admin";
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        let (code, message, hint) = reason.told();
        Self::new(code, message).hint(hint)
    }
}

/// How often each was the reason.
#[derive(Debug, Default)]
pub struct Reasons([AtomicU64; Reason::ALL.len()]);

impl Reasons {
    /// Counts one.
    pub fn count(&self, reason: Reason) {
        let place = Reason::ALL.iter().position(|other| *other == reason);
        self.0[place.expect("ALL has all reasons")].fetch_add(1, Relaxed);
    }

    /// For `/metrics`.
    pub fn metrics(&self) -> Vec<Metric> {
        let help = "Room tokens refused, by reason.";
        let each = Reason::ALL.iter().zip(&self.0).map(|(reason, count)| {
            let metric =
                Metric::counter("starling_token_refusals_total", help, count.load(Relaxed));
            metric.label("reason", reason.word())
        });
        each.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own_a_sentence_and_a_hint() {
        let words: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let refusal = Refusal::from(*reason);
            assert!(matches!(refusal.code.status(), 401 | 403), "{refusal:?}");
            assert!(!refusal.message.is_empty() && !refusal.hint.is_empty(), "{refusal:?}");
        }
    }

    #[test]
    fn each_is_counted_by_itself() {
        let reasons = Reasons::default();
        reasons.count(Reason::Expired);
        reasons.count(Reason::Expired);
        reasons.count(Reason::UnknownKey);
        let counted = reasons.metrics().into_iter().filter(|metric| metric.value > 0.0);
        let counted: Vec<_> =
            counted.map(|metric| (metric.labels[0].1.clone(), metric.value)).collect();
        assert_eq!(counted, [("unknown_key".into(), 1.0), ("expired".into(), 2.0)]);
    }
}
