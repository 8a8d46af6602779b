//! ETags: every JSON answer to a GET has one, `If-None-Match` saves its body, and a change with
//! `If-Match` is made only to what its caller has seen (RFC 9110 §13.1).
//!
//! The comparison comes before the change and is not one with it: of two callers that change the
//! same at the same moment both may be let through. A room's policy has a stricter rule of its own
//! (`api::policy`).

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use starling_proto::Code;

use super::MAX_ANSWER;
use crate::http::Problem;

/// The ETag of a body: 96 bits of its hash, so that no two of a lifetime are alike by chance.
pub(crate) fn of(body: &[u8]) -> HeaderValue {
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, body).as_ref()[..12]);
    HeaderValue::from_str(&format!("\"{hash}\"")).expect("base64 is ASCII")
}

/// Adds and compares them.
pub(crate) async fn layer(request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    match *request.method() {
        Method::GET => get(request, next).await,
        Method::PUT | Method::PATCH | Method::DELETE
            if request.headers().contains_key(IF_MATCH) =>
        {
            change(request, next).await
        }
        _ => next.run(request).await,
    }
}

async fn get(request: Request, next: Next) -> Response {
    let known = listed(request.headers(), &IF_NONE_MATCH);
    let mut response = tagged(next.run(request).await).await;
    let Some(tag) = response.headers().get(ETAG) else { return response };
    // Weak comparison (§13.1.2): the prefix does not count.
    let same = |other: &String| other == "*" || other.trim_start_matches("W/").as_bytes() == tag;
    if known.iter().any(same) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    response
}

async fn change(request: Request, next: Next) -> Response {
    let wanted = listed(request.headers(), &IF_MATCH);
    let mut look = Request::builder().method(Method::GET).uri(request.uri().clone());
    if let Some(headers) = look.headers_mut() {
        headers.clone_from(request.headers());
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_LENGTH);
    }
    let Ok(mut look) = look.body(Body::empty()) else { return next.run(request).await };
    *look.extensions_mut() = request.extensions().clone();
    let seen = tagged(next.clone().run(look).await).await;
    match seen.status() {
        // Not there, or not for this caller: as the change itself would be answered.
        StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return seen,
        _ => {}
    }
    let tag = seen.headers().get(ETAG);
    let fits = |one: &String| tag.is_some_and(|tag| one == "*" || one.as_bytes() == tag);
    if wanted.iter().any(fits) {
        return next.run(request).await;
    }
    let (message, hint) = match tag {
        Some(_) => ("it has changed since you looked at it", "GET it again, and decide again"),
        None => ("what is changed here has no ETag", "leave 'If-Match' out"),
    };
    Problem::new(Code::PreconditionFailed, message).hint(hint).into_response()
}

/// The entries of a header that is a list.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|one| one.trim().to_owned()).collect()
}

/// With the ETag of its body, if that is JSON and at an end.
async fn tagged(response: Response) -> Response {
    let json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let size = axum::body::HttpBody::size_hint(response.body()).exact();
    let fits = size.is_some_and(|size| size <= MAX_ANSWER as u64);
    if response.status() != StatusCode::OK || !json || !fits {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes: Bytes = to_bytes(body, MAX_ANSWER).await.unwrap_or_default();
    parts.headers.insert(ETAG, of(&bytes));
    Response::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use axum::{Router, middleware, routing::get as route};
    use tower::ServiceExt;

    use super::*;

    /// A thing that says 7 and can be changed, and one without a look.
    fn things() -> Router {
        let json = || async { ([(CONTENT_TYPE, "application/json")], "7") };
        let changed = || async { StatusCode::NO_CONTENT };
        let things = Router::new()
            .route("/v1/thing", route(json).put(changed))
            .route("/v1/blind", axum::routing::put(changed))
            .route("/other", route(json));
        Router::new().fallback_service(things).layer(middleware::from_fn(layer))
    }

    async fn ask(method: &str, path: &str, header: Option<(&str, &str)>) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        things().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_seen_is_not_sent_again() {
        let first = ask("GET", "/v1/thing", None).await;
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        assert_eq!((first.status(), tag.len()), (StatusCode::OK, 18));
        let weak = format!("\"other\", W/{tag}");
        for known in [&tag, &weak, "*"] {
            let again = ask("GET", "/v1/thing", Some(("if-none-match", known))).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(again.headers()[ETAG], tag);
            assert!(to_bytes(again.into_body(), 9).await.unwrap().is_empty());
        }
        let other = ask("GET", "/v1/thing", Some(("if-none-match", "\"other\""))).await;
        assert_eq!(other.status(), StatusCode::OK);
        assert!(!ask("GET", "/other", None).await.headers().contains_key(ETAG));
    }

    #[tokio::test]
    async fn a_change_is_made_to_what_was_seen_alone() {
        let tag = of(b"7");
        let put = async |path: &str, tag: &str| ask("PUT", path, Some(("if-match", tag))).await;
        let status = async |path: &str, tag: &str| put(path, tag).await.status().as_u16();
        assert_eq!(status("/v1/thing", tag.to_str().unwrap()).await, 204);
        assert_eq!(status("/v1/thing", "*").await, 204);
        assert_eq!(status("/v1/thing", "\"old\"").await, 412);
        // Weak ones never match here (§13.1.1).
        assert_eq!(status("/v1/thing", &format!("W/{}", tag.to_str().unwrap())).await, 412);
        assert_eq!(status("/v1/blind", "\"any\"").await, 412);
        assert_eq!(status("/v1/nowhere", "\"any\"").await, 404);
        assert_eq!(ask("PUT", "/v1/thing", None).await.status(), StatusCode::NO_CONTENT);
    }
}
