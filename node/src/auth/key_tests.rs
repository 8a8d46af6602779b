//! Tests of tokens of many keys: each algorithm, each way to forge one, rotation and revocation.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use serde_json::{Value, json};

use super::*;

const SHARED: &str = "pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe";
/// What PKCS #8 puts before the PKCS #1 key of 2,048 bits, which is what is signed with.
const PKCS8_HEAD: usize = 26;

/// A private key, and the public half as an issuer gives it away.
struct Issuer {
    kid: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

impl Issuer {
    fn hs256(kid: &'static str, secret: &str) -> Self {
        let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret), "alg": "HS256"});
        Self::new(kid, Algorithm::HS256, EncodingKey::from_secret(secret.as_bytes()), jwk)
    }

    fn es256(kid: &'static str) -> Self {
        let rng = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EncodingKey::from_ec_der(der.as_ref());
        let jwk = json!(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap());
        Self::new(kid, Algorithm::ES256, key, jwk)
    }

    fn rs256(kid: &'static str) -> Self {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'static> = pair.as_der().unwrap();
        let key = EncodingKey::from_rsa_der(&der.as_ref()[PKCS8_HEAD..]);
        let jwk = json!(Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap());
        Self::new(kid, Algorithm::RS256, key, jwk)
    }

    fn eddsa(kid: &'static str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        Self::new(kid, Algorithm::EdDSA, EncodingKey::from_ed_der(der.as_ref()), jwk)
    }

    fn new(kid: &'static str, algorithm: Algorithm, key: EncodingKey, mut jwk: Value) -> Self {
        jwk["kid"] = json!(kid);
        Self { kid, algorithm, key, jwk }
    }

    fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(self.algorithm) };
        encode(&header, claims, &self.key).unwrap()
    }
}

fn all() -> [Issuer; 4] {
    [Issuer::hs256("hs", SHARED), Issuer::es256("es"), Issuer::rs256("rs"), Issuer::eddsa("ed")]
}

fn keys(issuers: &[&Issuer], revoked: &[&str]) -> KeySet {
    let keys: Vec<_> = issuers.iter().map(|issuer| &issuer.jwk).collect();
    KeySet::default().with_file(&json!({"keys": keys, "revoked": revoked}).to_string()).unwrap()
}

fn claims() -> Value {
    json!({"room": "r", "sub": "p", "exp": 4_000_000_000u64, "publish": true, "jti": "1"})
}

/// Whether it is let in, or the reason that was counted.
fn verdict(tokens: &Tokens, token: &str) -> Result<(), String> {
    let count = || {
        let counted = tokens.metrics().into_iter();
        counted.map(|metric| (metric.labels[0].1.clone(), metric.value)).collect::<Vec<_>>()
    };
    let before = count();
    match tokens.verify(token) {
        Ok(_) => {
            assert_eq!(count(), before, "only refusals are counted");
            Ok(())
        }
        Err(_) => {
            let raised = count().into_iter().zip(before).filter(|(now, then)| now != then);
            let raised: Vec<_> = raised.map(|(now, _)| now.0).collect();
            assert_eq!(raised.len(), 1, "one reason is counted: {raised:?}");
            Err(raised[0].clone())
        }
    }
}

#[test]
fn each_algorithm_is_taken_of_its_own_key_alone() {
    let issuers = all();
    let tokens = Tokens::of(keys(&issuers.each_ref(), &[]));
    for issuer in &issuers {
        assert_eq!(verdict(&tokens, &issuer.sign(Some(issuer.kid), &claims())), Ok(()));
        for other in issuers.iter().filter(|other| other.kid != issuer.kid) {
            let forged = issuer.sign(Some(other.kid), &claims());
            assert_eq!(verdict(&tokens, &forged), Err("algorithm".into()));
        }
        let unknown = issuer.sign(Some("../../dev/null"), &claims());
        assert_eq!(verdict(&tokens, &unknown), Err("unknown_key".into()));
        assert_eq!(verdict(&tokens, &issuer.sign(None, &claims())), Err("key_not_named".into()));
        let mut livekit = claims();
        livekit["iss"] = json!(issuer.kid);
        assert_eq!(verdict(&tokens, &issuer.sign(None, &livekit)), Ok(()), "named by its issuer");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let issuers = all();
    let tokens = Tokens::of(keys(&issuers.each_ref(), &[]));
    // The classic: the public key, in whichever form, as the secret of an HMAC.
    for issuer in &issuers[1..] {
        for part in ["n", "x", "y"] {
            let Some(text) = issuer.jwk[part].as_str() else { continue };
            for secret in [text.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode(text).unwrap()] {
                let header =
                    Header { kid: Some(issuer.kid.into()), ..Header::new(Algorithm::HS256) };
                let forged =
                    encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
                assert_eq!(verdict(&tokens, &forged), Err("algorithm".into()));
            }
        }
    }
}

#[test]
fn every_forgery_has_its_reason() {
    let issuers = all();
    let tokens = Tokens::of(keys(&issuers.each_ref(), &["gone"]));
    let hs = &issuers[0];
    let with = |field: &str, value: Value| {
        let mut claims = claims();
        claims[field] = value;
        hs.sign(Some("hs"), &claims)
    };
    let good = hs.sign(Some("hs"), &claims());
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut parts = good.split('.');
    let (head, body) = (parts.next().unwrap(), parts.next().unwrap());
    let stranger = Issuer::hs256("hs", "another secret that nobody knows here");
    let critical = Header {
        kid: Some("hs".into()),
        crit: Some(vec!["exp".into()]),
        ..Header::new(Algorithm::HS256)
    };
    let doubled = part(r#"{"room":"r","sub":"p","exp":4000000000,"exp":5000000000}"#);
    let signed_twice = {
        let message = format!("{head}.{doubled}");
        let tag = aws_lc_rs::hmac::sign(
            &aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, SHARED.as_bytes()),
            message.as_bytes(),
        );
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
    };
    for (reason, token) in [
        ("too_long", "x".repeat(1 << 20)),
        ("malformed", String::new()),
        ("malformed", "a.b".into()),
        ("malformed", format!("{head}.{body}")),
        ("malformed", format!("!{good}")),
        ("algorithm", format!("{}.{body}.", part(r#"{"alg":"none","kid":"hs"}"#))),
        ("algorithm", format!("{}.{body}.AAAA", part(r#"{"alg":"nOnE","kid":"hs"}"#))),
        ("critical", encode(&critical, &claims(), &hs.key).unwrap()),
        ("signature", format!("{head}.{body}.")),
        ("signature", format!("{head}.{}.{}", part("{}"), good.rsplit('.').next().unwrap())),
        ("signature", stranger.sign(Some("hs"), &claims())),
        ("claims", signed_twice),
        ("claims", with("exp", Value::Null)),
        ("claims", with("exp", json!(4_000_000_000.5))),
        ("claims", with("exp", json!(-1))),
        ("claims", with("exp", json!(1u64 << 63))),
        ("claims", with("room", json!(["r"]))),
        ("expired", with("exp", json!(1))),
        ("not_yet", with("nbf", json!(3_999_999_999u64))),
        ("revoked", with("jti", json!("gone"))),
    ] {
        let shown = &token[..token.len().min(60)];
        assert_eq!(verdict(&tokens, &token), Err(reason.into()), "{shown}");
    }
    assert_eq!(verdict(&tokens, &good), Ok(()));
}

#[test]
fn another_room_another_peer_and_no_way_in_have_their_reasons_too() {
    let tokens = Tokens::new(&Secret::new(SHARED));
    let token = |more: Value| {
        let mut wish = json!({"room": "r", "peer": "p"});
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tokens.issue(&serde_json::from_value(wish).unwrap()).unwrap().token
    };
    let member = token(json!({}));
    let grants = |token: &str, room: &str, peer: &str| {
        let (room, peer) = (room.parse().unwrap(), peer.parse().unwrap());
        tokens.grants(token, &room, &peer, Freshness::Now).map_err(|refusal| refusal.message)
    };
    assert!(grants(&member, "s", "p").unwrap_err().contains("another room"));
    assert!(grants(&member, "r", "q").unwrap_err().contains("another peer"));
    let rest = token(json!({"join": false, "admin": true}));
    assert!(grants(&rest, "r", "p").unwrap_err().contains("joining"));
    let room = |text: &str| text.parse().unwrap();
    assert_eq!(tokens.admin(&rest, &room("r")).map(|peer| peer.to_string()), Ok("p".into()));
    assert!(tokens.admin(&rest, &room("s")).is_err());
    assert!(tokens.admin(&member, &room("r")).unwrap_err().message.contains("admin"));
}

#[test]
fn keys_rotate_and_tokens_are_revoked_without_a_restart() {
    let (old, new) = (Issuer::es256("2026-11"), Issuer::es256("2026-12"));
    let tokens = Tokens::of(keys(&[&old], &[]));
    let clone = tokens.clone();
    let (of_old, of_new) = (old.sign(Some(old.kid), &claims()), new.sign(Some(new.kid), &claims()));
    assert_eq!(
        (verdict(&tokens, &of_old), verdict(&tokens, &of_new)),
        (Ok(()), Err("unknown_key".into()))
    );
    clone.replace(keys(&[&old, &new], &[]));
    assert_eq!((verdict(&tokens, &of_old), verdict(&tokens, &of_new)), (Ok(()), Ok(())));
    clone.replace(keys(&[&new], &[]));
    assert_eq!(
        (verdict(&tokens, &of_old), verdict(&tokens, &of_new)),
        (Err("unknown_key".into()), Ok(()))
    );
    clone.replace(keys(&[&new], &["1"]));
    assert_eq!(verdict(&tokens, &of_new), Err("revoked".into()));
    let (room, peer) = ("r".parse().unwrap(), "p".parse().unwrap());
    let resumed = tokens.grants(&of_new, &room, &peer, Freshness::WithTicket);
    assert!(resumed.is_err(), "not with a ticket either");
}

#[test]
fn a_node_signs_with_what_it_has() {
    let wish: CreateToken = serde_json::from_value(json!({"room": "r", "peer": "p"})).unwrap();
    let (hs, es) = (Issuer::hs256("hs", SHARED), Issuer::es256("es"));
    let both = Tokens::of(keys(&[&hs, &es], &[]));
    let made = both.issue(&wish).unwrap();
    assert_eq!(verdict(&both, &made.token), Ok(()), "it names its key");
    let public = Tokens::of(keys(&[&es], &[]));
    assert_eq!(public.issue(&wish).unwrap_err().code, Code::WrongState);
    let revoked = Tokens::of(keys(&[&hs, &es], &[&made.id]));
    assert_eq!(verdict(&revoked, &made.token), Err("revoked".into()));
}
