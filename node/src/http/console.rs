//! The operators' console: embedded, and served where the admin API is. Never does: let it load
//! anything from elsewhere, or talk to anybody but the node it came from.

use axum::{
    extract::Request,
    http::HeaderValue,
    response::{Redirect, Response},
};

use super::{Problem, assets, problem};

/// Nothing inline, nothing from elsewhere, in nobody's frame; its form is read by its own script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; \
    frame-ancestors 'none'";

/// Where its files are among the embedded ones.
pub(super) const FOLDER: &str = "console/";

/// `/console`: its files are named relative to `/console/`.
pub(crate) async fn enter() -> Redirect {
    Redirect::to("console/")
}

/// `/console/` and its files.
pub(crate) async fn file(request: Request) -> Result<Response, Problem> {
    let path = request.uri().path().trim_start_matches('/');
    let path = if path == FOLDER { "console/index.html" } else { path };
    match assets::embedded(path, request.headers()) {
        Some(mut response) => {
            let policy = HeaderValue::from_static(POLICY);
            response.headers_mut().insert("content-security-policy", policy);
            Ok(response)
        }
        None => Err(problem::not_found(request).await),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_SECURITY_POLICY;

    use crate::{
        http::Side,
        testing::{app, request, send},
    };

    #[tokio::test]
    async fn it_is_served_where_the_admin_api_is_and_nowhere_else() {
        let app = app().await;
        for (side, status) in [(Side::Whole, 303), (Side::Admin, 303), (Side::Public, 404)] {
            let answer = send(&app, side, request("GET", "/console", None)).await;
            assert_eq!(answer.status, status, "{side:?}");
        }
        for path in ["/console/", "/console/index.html", "/console/console.js"] {
            let answer = send(&app, Side::Public, request("GET", path, None)).await;
            assert_eq!(answer.status, 404, "{path}");
        }
        // Without `make web` there is a call page that says so, and no console.
        if crate::http::assets::embedded("console/index.html", &Default::default()).is_none() {
            return;
        }
        for path in ["/console/", "/console/console.js", "/console/console.css"] {
            let answer = send(&app, Side::Admin, request("GET", path, None)).await;
            assert_eq!(answer.status, 200, "{path}");
            let policy = answer.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        }
    }
}
