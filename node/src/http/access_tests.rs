//! Every route of the description, asked by everybody who may not (T-S09). A route that somebody
//! adds is asked as well: it is red until the route is somebody's, and its scope is known.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{AdminTokens, Scope, is_moderation, sha256_hex},
    config::{Config, Secret},
    testing::{ADMIN, app_with, config, request, send},
};

/// What anybody may ask: probes, and `starling dev`, which says so itself.
const OPEN: [&str; 5] =
    ["/livez", "/readyz", "/dev/nodes", "/dev/nodes/{id}/kill", "/dev/nodes/{id}/start"];
/// Known by their URLs, which are secrets (RFC 9725 §4.2), and answered without a token.
const SECRET_URLS: [&str; 2] = ["/whip/{room}/{session}", "/whep/{room}/{session}"];

fn is_open(template: &str) -> bool {
    OPEN.contains(&template) || SECRET_URLS.iter().any(|url| template.starts_with(url))
}

struct Operation {
    method: Method,
    template: String,
    /// Names of security schemes.
    security: BTreeSet<String>,
}

impl Operation {
    fn path(&self) -> String {
        let segments = self.template.split('/').map(|part| match part {
            "{room}" => "r",
            part if part.starts_with('{') => "x",
            part => part,
        });
        segments.collect::<Vec<_>>().join("/")
    }

    fn ask(&self, token: Option<&str>) -> Request<Body> {
        let mut asked = request(self.method.as_str(), &self.path(), Some(json!({})));
        let headers = asked.headers_mut();
        headers.remove("authorization");
        if let Some(token) = token {
            headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        asked
    }
}

fn operations() -> Vec<Operation> {
    let described: Value = serde_json::from_str(openapi::json()).unwrap();
    let mut all = Vec::new();
    for (template, item) in described["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !operation["responses"].is_object() {
                continue;
            }
            let listed = operation["security"].as_array().into_iter().flatten();
            let names =
                listed.filter_map(|one| one.as_object()).flat_map(|one| one.keys().cloned());
            let (template, security) = (template.clone(), names.collect());
            all.push(Operation { method, template, security });
        }
    }
    assert!(all.len() > 50, "{}", all.len());
    all
}

/// The setting's token, and one for each set of scopes but one.
fn settings() -> Config {
    let mut file = String::new();
    for left_out in Scope::ALL {
        let others = Scope::ALL.into_iter().filter(|scope| *scope != left_out);
        let names: Vec<_> = others.map(Scope::name).collect();
        let hash = sha256_hex(&without(left_out));
        file +=
            &format!("[[token]]\nname = 'no-{left_out}'\nsha256 = '{hash}'\nscopes = {names:?}\n");
    }
    let hash = sha256_hex("of the room q alone");
    file += &format!("[[token]]\nname = 'q'\nsha256 = '{hash}'\nscopes = ['all']\nrooms = ['q']\n");
    let admin_tokens = AdminTokens::of_secret(&Secret::new(ADMIN)).with_file(&file).unwrap();
    Config { admin_tokens, ..config() }
}

fn without(scope: Scope) -> String {
    format!("a token with every scope but {scope}")
}

#[test]
fn every_route_is_open_somebodys_or_of_a_scope() {
    for operation in operations() {
        let Operation { method, template, security } = &operation;
        if security.is_empty() {
            assert!(is_open(template), "{method} {template} says nothing of who may ask");
        }
        if security.contains("admin") {
            assert!(Scope::of(method, template).is_some(), "{method} {template} has no scope");
        }
    }
}

#[tokio::test]
async fn whoever_may_not_is_refused_on_every_route() {
    let app = app_with(settings()).await;
    let token = |room: &str, more: Value| {
        let mut wish = json!({"room": room, "peer": "p", "publish": false, "subscribe": false});
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.tokens.issue(&serde_json::from_value(wish).unwrap()).unwrap().token
    };
    let (member, other) = (
        token("r", json!({})),
        token("q", json!({"publish": true, "subscribe": true, "admin": true})),
    );
    let key = jsonwebtoken::EncodingKey::from_secret(crate::testing::TOKEN_SECRET.as_bytes());
    let claims = json!({"room": "r", "sub": "p", "exp": 1_000, "admin": true, "publish": true});
    let expired = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let mut asked = 0;
    for operation in operations() {
        let Operation { method, template, security } = &operation;
        if security.is_empty() {
            continue;
        }
        let mut cases = vec![
            ("no token", operation.ask(None)),
            ("a removed one", operation.ask(Some("a token that was taken out of the file"))),
            ("an expired one", operation.ask(Some(&expired))),
            ("one of another room", operation.ask(Some(&other))),
            ("an override", {
                let mut asked = operation.ask(None);
                asked.headers_mut().insert("x-http-method-override", "GET".parse().unwrap());
                asked.headers_mut().insert("x-method-override", "OPTIONS".parse().unwrap());
                asked
            }),
            ("a forged pass", {
                let mut asked = operation.ask(None);
                asked.headers_mut().insert(guard::FORWARDED, other.parse().unwrap());
                asked
            }),
            ("the token as a query", {
                let path = format!("{}?token={ADMIN}&access_token={ADMIN}", operation.path());
                let mut asked = request(method.as_str(), &path, Some(json!({})));
                asked.headers_mut().remove("authorization");
                asked
            }),
        ];
        // Where to join is for every client of the room.
        if !template.ends_with("/placement") {
            cases.push(("a member's", operation.ask(Some(&member))));
        }
        if security.contains("admin") && !template.ends_with("/placement") {
            let scope = Scope::of(method, template).unwrap();
            cases.push(("another scope", operation.ask(Some(&without(scope)))));
            let in_body = ["/v1/tokens", "/v1/tokens/revocations", "/v1/rooms"];
            let later = template.starts_with("/v1/recordings");
            if !later && (!in_body.contains(&template.as_str()) || method == Method::GET) {
                cases.push(("other rooms", operation.ask(Some("of the room q alone"))));
            }
            let mut foreign = operation.ask(Some(ADMIN));
            foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
            cases.push(("another origin", foreign));
        }
        for (case, request) in cases {
            let answer = send(&app, Side::Whole, request).await;
            let status = answer.status.as_u16();
            assert!(matches!(status, 401 | 403), "{method} {template}, {case}: {answer:?}");
            asked += 1;
        }
    }
    assert!(asked > 500, "{asked}");
}

const REVOKE: &str = "/v1/tokens/revocations";

#[tokio::test]
async fn the_right_scope_comes_through_and_rooms_of_bodies_are_checked() {
    let app = app_with(settings()).await;
    let with = |method: &str, path: &str, token: &str, body: Value| {
        let mut asked = request(method, path, Some(body));
        asked.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        asked
    };
    let (nodes, tokens) = (without(Scope::Nodes), without(Scope::Tokens));
    for (method, path, token, body, status) in [
        ("GET", "/v1/rooms", nodes.as_str(), json!({}), 200),
        ("POST", "/v1/rooms", tokens.as_str(), json!({"id": "made"}), 201),
        ("POST", "/v1/rooms", "of the room q alone", json!({"id": "r"}), 403),
        ("POST", "/v1/rooms", "of the room q alone", json!({"id": "q"}), 201),
        ("GET", "/v1/rooms/q", "of the room q alone", json!({}), 200),
        ("GET", "/v1/rooms/%71", "of the room q alone", json!({}), 403),
        ("POST", "/v1/tokens", "of the room q alone", json!({"room": "q", "peer": "p"}), 201),
        ("POST", "/v1/tokens", "of the room q alone", json!({"room": "r", "peer": "p"}), 403),
        ("POST", REVOKE, "of the room q alone", json!({"room": "q"}), 201),
        ("POST", REVOKE, "of the room q alone", json!({"room": "r"}), 403),
        ("POST", REVOKE, "of the room q alone", json!({"peer": "p"}), 403),
        ("POST", REVOKE, tokens.as_str(), json!({"room": "q"}), 403),
        ("POST", "/v1/nodes/node-1/cordon", tokens.as_str(), json!({}), 200),
    ] {
        let answer = send(&app, Side::Whole, with(method, path, token, body)).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {token}: {answer:?}");
    }
}

#[tokio::test]
async fn an_admin_of_a_room_moderates_it_through_either_listener_and_does_nothing_else() {
    let app = app_with(settings()).await;
    let wish = json!({"room": "r", "peer": "host", "admin": true, "join": false});
    let wish = serde_json::from_value(wish).unwrap();
    let token = app.tokens.issue(&wish).unwrap().token;
    for id in ["ann", "bob"] {
        let made = request("POST", "/v1/rooms/r/peers", Some(json!({"id": id})));
        assert_eq!(send(&app, Side::Whole, made).await.status, 201);
    }
    for operation in operations().iter().filter(|one| one.security.contains("admin")) {
        let Operation { method, template, .. } = operation;
        if is_moderation(method, template) || template.ends_with("/placement") {
            continue;
        }
        for side in [Side::Whole, Side::Admin] {
            let status = send(&app, side, operation.ask(Some(&token))).await.status.as_u16();
            let open = template == "/metrics" && side == Side::Admin;
            assert!(open || status == 401, "{method} {template}: {status}");
        }
        let public = send(&app, Side::Public, operation.ask(Some(&token))).await.status.as_u16();
        assert!(matches!(public, 401 | 404), "{method} {template}: {public}");
    }
    let ask = |method: &str, path: &str| {
        let mut asked = request(method, path, None);
        asked.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        asked
    };
    let peers = send(&app, Side::Public, ask("GET", "/v1/rooms/r/peers")).await;
    assert_eq!(peers.json().as_array().map(Vec::len), Some(2), "{peers:?}");
    assert_eq!(send(&app, Side::Public, ask("DELETE", "/v1/rooms/r/peers/ann")).await.status, 204);
    assert_eq!(send(&app, Side::Whole, ask("DELETE", "/v1/rooms/r/peers/bob")).await.status, 204);
}

#[tokio::test]
async fn figures_are_open_to_this_machine_and_not_to_a_page_whose_name_leads_to_it() {
    let app = app_with(settings()).await;
    let ask = async |from: &str, host: &str, token: bool| {
        let mut asked = request("GET", "/metrics", None);
        asked.headers_mut().insert("host", host.parse().unwrap());
        if !token {
            asked.headers_mut().remove("authorization");
        }
        let from: std::net::SocketAddr = from.parse().unwrap();
        asked.extensions_mut().insert(axum::extract::ConnectInfo(from));
        send(&app, Side::Admin, asked).await.status.as_u16()
    };
    for host in ["localhost:9400", "127.0.0.1:9400", "[::1]:9400", "LocalHost", "10.0.0.7"] {
        assert_eq!(ask("127.0.0.1:5", host, false).await, 200, "{host}");
    }
    for host in ["evil.example:9400", "localhost.evil.example", "127.0.0.1.evil.example"] {
        for from in ["127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert_eq!(ask(from, host, false).await, 401, "{host} from {from}");
        }
        assert_eq!(ask("127.0.0.1:5", host, true).await, 200, "{host}, with the token");
    }
    assert_eq!(ask("10.0.0.9:5", "starling-0.starling:9400", false).await, 200, "Prometheus");
}
