//! Tests of `token`.

use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe";

fn tokens() -> Tokens {
    Tokens::new(&Secret::new(SECRET))
}

fn secret_key() -> EncodingKey {
    EncodingKey::from_secret(SECRET.as_bytes())
}

fn wish() -> CreateToken {
    serde_json::from_value(json!({"room": "r", "peer": "p"})).unwrap()
}

fn signed(claims: Value) -> String {
    encode(&Header::new(Algorithm::HS256), &claims, &secret_key()).unwrap()
}

fn id<T: std::str::FromStr<Err: fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

#[test]
fn a_token_opens_its_room_for_its_peer_and_nothing_else() {
    let token = tokens().issue(&wish()).unwrap().token;
    let grants = tokens().grants(&token, &id("r"), &id("p"), Freshness::Now);
    assert_eq!(grants, Ok(Grants::member()));
    let other_room = tokens().grants(&token, &id("r2"), &id("p"), Freshness::Now).unwrap_err();
    assert_eq!(other_room.code, Code::Forbidden);
    let other_peer = tokens().grants(&token, &id("r"), &id("p2"), Freshness::Now).unwrap_err();
    assert_eq!(other_peer.code, Code::Forbidden);
}

#[test]
fn another_algorithm_is_refused_even_if_the_signature_would_fit() {
    let claims = json!({"room": "r", "sub": "p", "exp": 4_000_000_000u64});
    let hs512 = encode(&Header::new(Algorithm::HS512), &claims, &secret_key()).unwrap();
    assert!(tokens().verify(&hs512).unwrap_err().message.contains("algorithm"));
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE", "RS256", ""] {
        let header = part(json!({"alg": alg, "typ": "JWT", "kid": "../../etc/passwd"}));
        let body = part(claims.clone());
        for signature in ["", "AAAA"] {
            let forged = format!("{header}.{body}.{signature}");
            assert_eq!(tokens().verify(&forged).unwrap_err().code, Code::Unauthorized, "{alg}");
        }
    }
}

#[test]
fn claims_that_are_missing_or_strange_are_refused() {
    for claims in [
        json!({"room": "r", "sub": "p"}),
        json!({"room": "r", "sub": "p", "exp": -1}),
        json!({"room": "r", "sub": "p", "exp": "soon"}),
        json!({"room": "r", "sub": "p", "exp": 1}),
        json!({"room": "r", "sub": "p", "exp": 4_000_000_000u64, "nbf": 3_999_999_999u64}),
        json!({"room": "../r", "sub": "p", "exp": 4_000_000_000u64}),
        json!({"sub": "p", "exp": 4_000_000_000u64}),
        json!({"room": "r", "exp": 4_000_000_000u64}),
    ] {
        let refusal = tokens().verify(&signed(claims.clone())).unwrap_err();
        assert_eq!(refusal.code, Code::Unauthorized, "{claims}");
        assert!(!refusal.hint.is_empty(), "{claims}");
    }
}

#[test]
fn what_a_token_does_not_grant_it_does_not_grant() {
    let token = signed(json!({"room": "r", "sub": "p", "exp": 4_000_000_000u64}));
    let grants = tokens().grants(&token, &id("r"), &id("p"), Freshness::Now);
    let none = Grants { publish: false, subscribe: false, data: false, ..Grants::member() };
    assert_eq!(grants, Ok(none));
}

#[test]
fn another_secret_and_garbage_are_refused() {
    let other = Tokens::new(&Secret::new("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    let foreign = other.issue(&wish()).unwrap().token;
    let refusal = tokens().verify(&foreign).unwrap_err();
    assert!(refusal.hint.contains("token_secret"));
    for garbage in ["", ".", "..", "a.b.c", "äöü", &"x".repeat(1_000_000)] {
        assert_eq!(tokens().verify(garbage).unwrap_err().code, Code::Unauthorized);
    }
}

#[test]
fn a_token_ends_ten_seconds_after_its_time_at_the_latest() {
    let now = seconds();
    let at = |exp: u64| signed(json!({"room": "r", "sub": "p", "exp": exp}));
    assert!(tokens().verify(&at(now - 3)).is_ok());
    assert!(tokens().verify(&at(now - 12)).is_err());
}

#[test]
fn a_life_of_nothing_or_of_years_is_refused() {
    for ttl_seconds in [0, MAX_TTL.as_secs() + 1, u64::MAX] {
        let refusal = tokens().issue(&CreateToken { ttl_seconds, ..wish() }).unwrap_err();
        assert_eq!(refusal.code, Code::BadRequest);
    }
}

#[test]
fn a_ticket_stands_in_for_the_time_and_for_nothing_else() {
    let expired = signed(json!({"room": "r", "sub": "p", "exp": 1_000, "publish": true}));
    let grants = |token: &str, peer: &str, freshness| {
        tokens().grants(token, &id("r"), &id(peer), freshness).map_err(|refusal| refusal.code)
    };
    assert_eq!(grants(&expired, "p", Freshness::Now), Err(Code::Unauthorized));
    let granted = Ok(Grants { subscribe: false, ..Grants::member() });
    assert_eq!(grants(&expired, "p", Freshness::WithTicket), granted);
    assert_eq!(grants(&expired, "q", Freshness::WithTicket), Err(Code::Forbidden));
    let other = Tokens::new(&Secret::new("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
    let foreign = other.issue(&wish()).unwrap().token;
    assert_eq!(grants(&foreign, "p", Freshness::WithTicket), Err(Code::Unauthorized));
}
