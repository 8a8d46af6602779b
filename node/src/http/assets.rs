//! The call page, embedded, and the files of the console. Never does: let it load anything from
//! elsewhere.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

use super::{Problem, console, problem};

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Page;

/// Pages may talk to other nodes (they rejoin there) and load nothing from elsewhere, nor run or
/// look as anything says that stands in the page itself.
const POLICY: &str = "default-src 'self'; connect-src 'self' http: https: ws: wss:; \
    img-src 'self' data: blob:; media-src 'self' blob: mediastream:; \
    style-src 'self'; worker-src 'self' blob:; object-src 'none'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Any file of the page; `/` is its index. Where there is no file: 404.
pub(crate) async fn file(request: Request) -> Result<Response, Problem> {
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    // The console is served where the admin API is.
    if path.starts_with(console::FOLDER) {
        return Err(problem::not_found(request).await);
    }
    match embedded(path, request.headers()) {
        Some(response) if matches!(*request.method(), Method::GET | Method::HEAD) => Ok(response),
        Some(_) => Err(problem::method_not_allowed(request).await),
        None => Err(problem::not_found(request).await),
    }
}

/// A file that is embedded, if there is such a one.
pub(super) fn embedded(path: &str, headers: &HeaderMap) -> Option<Response> {
    let file = Page::get(path)?;
    let hash = file.metadata.sha256_hash();
    let tag: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Some(StatusCode::NOT_MODIFIED.into_response());
    }
    let kind = file.metadata.mimetype().to_owned();
    let mut response = (
        [(header::CONTENT_TYPE, kind), (header::ETAG, tag)],
        [(header::CACHE_CONTROL, "no-cache")],
        file.data.into_owned(),
    )
        .into_response();
    harden(response.headers_mut());
    Some(response)
}

/// Headers that keep a page to itself.
pub(crate) fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
