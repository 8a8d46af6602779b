//! Refusals as problem+json (RFC 9457), and extractors whose rejections are such. Never does: put
//! into an answer what the caller did not say or may not know.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use starling_proto::{Code, Refusal, rest};

/// A refusal as an HTTP answer.
#[derive(Clone, Debug)]
pub struct Problem(pub Refusal);

impl Problem {
    /// A refusal without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Refusal::new(code, message))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self(self.0.hint(hint))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, Json(rest::Problem::from(self.0))).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status.as_u16(), 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(code);
        response
    }
}

/// A JSON body. An empty one is `{}`.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                return Problem::new(Code::TooLarge, "the body is too large")
                    .hint("64 KiB are read, 256 KiB where a producer is made");
            }
            Problem::new(Code::BadRequest, "the body cannot be read").hint("send it whole")
        })?;
        if bytes.is_empty() {
            return read(b"{}").map(Self);
        }
        let is_json = |kind: &str| kind.split(';').next().is_some_and(|kind| kind.contains("json"));
        if !kind.as_ref().and_then(|kind| kind.to_str().ok()).is_some_and(is_json) {
            return Err(Problem::new(Code::BadRequest, "the body is not marked as JSON")
                .hint("send `Content-Type: application/json`"));
        }
        read(&bytes).map(Self)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("the body cannot be read: {error}");
        Problem::new(Code::BadRequest, message).hint("its fields are described at /docs")
    })
}

/// Parameters of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| {
            Problem::new(Code::BadRequest, "the path has something in it that is no id")
                .hint("an id has 1 to 64 characters out of A-Z a-z 0-9 . _ ~ -")
        })
    }
}

/// Parameters of the query.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| {
            let message = format!("the query cannot be read: {}", rejection.body_text());
            Problem::new(Code::BadRequest, message).hint("see /docs")
        })
    }
}

/// For paths that do not exist.
pub async fn not_found(request: Request) -> Problem {
    let path: String = request.uri().path().chars().take(100).collect();
    Problem::new(Code::MethodNotFound, format!("there is nothing at {path}"))
        .hint("the API is described at /docs")
}

/// For methods that a path does not have.
pub async fn method_not_allowed(request: Request) -> Problem {
    let message = format!("this path has no {}", request.method());
    Problem::new(Code::MethodNotAllowed, message).hint("the API is described at /docs")
}
