//! What every route has: ids of requests, ETags, answers given again, lists in pages.

use super::*;

async fn with(app: &App, method: &str, path: &str, header: (&str, &str), body: Value) -> Answer {
    let body = (!body.is_null()).then_some(body);
    let mut asked = request(method, path, body);
    let name: HeaderName = header.0.parse().unwrap();
    asked.headers_mut().insert(name, header.1.parse().unwrap());
    send(app, Side::Whole, asked).await
}

#[tokio::test]
async fn a_request_is_found_by_the_id_that_its_caller_or_the_node_gave_it() {
    let app = app().await;
    let named = with(&app, "GET", "/v1/nowhere", ("x-request-id", "mine"), Value::Null).await;
    assert_eq!(named.headers["x-request-id"], "mine");
    let unnamed = ask(&app, "GET", "/v1/nodes", None).await;
    assert_eq!(unnamed.headers["x-request-id"].len(), 16);
}

#[tokio::test]
async fn a_problem_says_what_its_code_means_what_is_wrong_what_to_do_and_where_to_read() {
    let app = app().await;
    let problem = ask(&app, "GET", "/v1/rooms/nope", None).await.json();
    assert_eq!(problem["title"], "No such room.");
    assert!(problem["detail"].as_str().unwrap().contains("nope"), "{problem}");
    assert_eq!(problem["docs"], "/docs#room_not_found");
    let document: Value = serde_json::from_str(openapi::json()).unwrap();
    let explained = document["x-codes"].as_array().unwrap();
    assert!(explained.iter().any(|code| code["code"] == problem["code"]));
}

#[tokio::test]
async fn lists_come_in_pages_that_link_to_the_next() {
    let app = app().await;
    for id in ["c", "a", "b"] {
        assert_eq!(ask(&app, "POST", "/v1/rooms", Some(json!({ "id": id }))).await.status, 201);
    }
    let (mut path, mut got) = ("/v1/rooms?limit=2".to_owned(), Vec::new());
    let mut pages = 0;
    loop {
        let page = ask(&app, "GET", &path, None).await;
        let rooms = page.json();
        got.extend(rooms.as_array().unwrap().iter().map(|room| room["id"].clone()));
        pages += 1;
        let Some(link) = page.headers.get("link") else { break };
        let link = link.to_str().unwrap();
        path = link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned();
    }
    assert_eq!((got, pages), (vec![json!("a"), json!("b"), json!("c")], 2));
    assert_eq!(ask(&app, "GET", "/v1/rooms?limit=0", None).await.code(), "bad_request");
    assert_eq!(ask(&app, "GET", "/v1/rooms?cursor=%2e", None).await.code(), "bad_request");
}

#[tokio::test]
async fn a_policy_is_changed_by_who_has_seen_it() {
    let app = app().await;
    ask(&app, "POST", "/v1/rooms", Some(json!({"id": "r"}))).await;
    let policy = "/v1/rooms/r/policy";
    let seen = ask(&app, "GET", policy, None).await;
    let tag = seen.headers["etag"].to_str().unwrap().to_owned();
    let again = with(&app, "GET", policy, ("if-none-match", &tag), Value::Null).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    let change = async |tag: &str, most: u32| {
        with(&app, "PATCH", policy, ("if-match", tag), json!({ "maxPeers": most })).await
    };
    assert_eq!(change(&tag, 3).await.json()["policy"]["maxPeers"], 3);
    assert_eq!(change(&tag, 4).await.code(), "precondition_failed");
    assert_eq!(ask(&app, "GET", policy, None).await.json()["maxPeers"], 3);
    assert_eq!(change("*", 5).await.status, 200);
    // The node's own comparison, where the other one let two through.
    let room = "r".parse().unwrap();
    let stale = serde_json::from_value(seen.json()).unwrap();
    let refused = app.node.change_room_policy(&room, Default::default(), stale).await;
    assert_eq!(refused.unwrap_err().code, Code::PreconditionFailed);
    let gone = with(&app, "DELETE", "/v1/rooms/r", ("if-match", &tag), Value::Null).await;
    assert_eq!(gone.code(), "precondition_failed", "it is the policy's");
}

#[tokio::test]
async fn what_is_posted_again_is_answered_again() {
    let app = app().await;
    let post = async |key: &str, id: &str| {
        with(&app, "POST", "/v1/rooms", ("idempotency-key", key), json!({ "id": id })).await
    };
    let first = post("one", "r").await;
    assert_eq!((first.status.as_u16(), first.headers.get("idempotency-replayed")), (201, None));
    let again = post("one", "r").await;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["content-type"], "application/json");
    assert_eq!(post("one", "other").await.code(), "idempotency_key_reused");
    assert_eq!(post("two", "r").await.code(), "room_exists");
    let replayed = post("two", "r").await;
    assert_eq!(replayed.code(), "room_exists");
    assert_eq!(replayed.headers["idempotency-replayed"], "true");
    assert_eq!(post(&"x".repeat(256), "r").await.code(), "bad_request");
    // Somebody else's key is another one.
    let mut asked = request("POST", "/v1/rooms", Some(json!({ "id": "r" })));
    asked.headers_mut().insert("idempotency-key", "one".parse().unwrap());
    asked.headers_mut().remove("authorization");
    assert_eq!(send(&app, Side::Whole, asked).await.code(), "unauthorized");
}
