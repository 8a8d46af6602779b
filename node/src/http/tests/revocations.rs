//! Revocation over REST: what holds on every node of a cluster, and on those that come later.

use std::sync::Arc;

use starling_cluster::registry::memory::MemoryRegistry;

use super::*;
use crate::{
    auth::Tokens,
    config::{Config, Secret},
    run::Surroundings,
    testing::{app_around, around, config},
};

const REVOKE: &str = "/v1/tokens/revocations";

/// A node of a cluster whose registry this is.
async fn node(registry: &MemoryRegistry, id: &str) -> App {
    let config = Config { id: id.parse().unwrap(), ..config() };
    let own = Arc::new(registry.for_node(config.id.clone()));
    let around = Surroundings { registry: own, ..around(&config) };
    app_around(config, around).await
}

fn token(app: &App, room: &str, peer: &str) -> String {
    let wish = serde_json::from_value(json!({"room": room, "peer": peer})).unwrap();
    app.tokens.issue(&wish).unwrap().token
}

async fn revoke(app: &App, wish: Value) -> Value {
    let answer = ask(app, "POST", REVOKE, Some(wish)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// What each node says of a token, once they agree.
async fn agreed(nodes: &[&App], token: &str, good: bool) {
    for _ in 0..500 {
        if nodes.iter().all(|app| app.tokens.verify(token).is_ok() == good) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the nodes do not agree that it is {good}");
}

#[tokio::test]
async fn a_token_that_is_revoked_on_one_node_is_good_on_none_and_not_on_a_later_one() {
    let registry = MemoryRegistry::new();
    let (first, second) = (node(&registry, "node-1").await, node(&registry, "node-2").await);
    let (anns, bobs) = (token(&first, "r", "ann"), token(&first, "r", "bob"));
    agreed(&[&first, &second], &anns, true).await;
    let made = revoke(&first, json!({"token": anns, "reason": "stolen"})).await;
    assert!(!made.to_string().contains(&anns), "a token is never kept");
    assert!(first.tokens.verify(&anns).is_err(), "whoever asked need not wait");
    agreed(&[&first, &second], &anns, false).await;
    agreed(&[&first, &second], &bobs, true).await;
    // Each of them starts anew.
    drop(first);
    let later = node(&registry, "node-1").await;
    agreed(&[&later], &anns, false).await;
    let listed = ask(&later, "GET", REVOKE, None).await.json();
    assert_eq!((&listed[0]["id"], &listed[0]["by"]), (&made["id"], &json!("admin_token")));
    let one = format!("{REVOKE}/{}", made["id"].as_str().unwrap());
    assert_eq!(ask(&second, "DELETE", &one, None).await.status, 204);
    agreed(&[&later, &second], &anns, true).await;
    assert_eq!(ask(&later, "DELETE", &one, None).await.code(), "revocation_not_found");
}

#[tokio::test]
async fn a_room_a_peer_or_a_time_is_revoked_for_what_was_issued_until_then() {
    let app = app().await;
    let refused = |token: &str| app.tokens.verify(token).map_err(|refusal| refusal.code).is_err();
    let (anns, bobs, elsewhere) =
        (token(&app, "r", "ann"), token(&app, "r", "bob"), token(&app, "s", "bob"));
    revoke(&app, json!({"room": "r", "peer": "ann"})).await;
    assert_eq!([&anns, &bobs, &elsewhere].map(|it| refused(it)), [true, false, false]);
    revoke(&app, json!({"room": "r"})).await;
    assert_eq!([&anns, &bobs, &elsewhere].map(|it| refused(it)), [true, true, false]);
    revoke(&app, json!({"issuedBefore": 1_000})).await;
    assert!(!refused(&elsewhere), "it was issued later");
    revoke(&app, json!({"peer": "bob"})).await;
    assert!(refused(&elsewhere));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(!refused(&token(&app, "r", "ann")), "a new one is good");
    let first = ask(&app, "GET", &format!("{REVOKE}?limit=3"), None).await;
    assert_eq!(first.json().as_array().map(Vec::len), Some(3));
    assert!(first.headers.contains_key("link"));
}

#[tokio::test]
async fn what_cannot_be_revoked_is_told_why() {
    let app = app().await;
    let foreign = Tokens::new(&Secret::new("x".repeat(32)));
    let wish = serde_json::from_value(json!({"room": "r", "peer": "p"})).unwrap();
    let foreign = foreign.issue(&wish).unwrap().token;
    for (wish, code) in [
        (json!({}), "bad_request"),
        (json!({"token": "a.b.c"}), "unauthorized"),
        (json!({"token": foreign}), "unauthorized"),
        (json!({"room": "r", "expiresAt": 1}), "bad_request"),
        (json!({"jti": "t"}), "bad_request"),
    ] {
        let answer = ask(&app, "POST", REVOKE, Some(wish.clone())).await;
        assert_eq!(answer.code(), code, "{wish}");
    }
}
