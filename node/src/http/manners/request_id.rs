//! `X-Request-Id`: what the caller named a request, or a new name for it, in its answer.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use rand::Rng;

/// The header.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest one that is taken over; a UUID has 36 characters, a trace with its span 51.
const MAX_LEN: usize = 128;

/// Names requests.
pub(crate) async fn layer(mut request: Request, next: Next) -> Response {
    let id = given(request.headers()).unwrap_or_else(|| made(rand::rng().random()));
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn made(random: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("{random:016x}")).expect("hex is ASCII")
}

/// What the caller says, if it is fit for a log: one, short, and without spaces.
fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(REQUEST_ID).iter();
    let (id, None) = (all.next()?, all.next()) else { return None };
    let text = id.to_str().ok()?;
    let fine = (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fine.then(|| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(ids: &[&str]) -> HeaderMap {
        ids.iter().map(|id| (REQUEST_ID, id.parse().unwrap())).collect()
    }

    #[test]
    fn a_callers_name_is_taken_over_if_it_is_one_and_short() {
        assert_eq!(given(&headers(&["abc-1"])).unwrap(), "abc-1");
        for bad in [vec![], vec!["a b"], vec![""], vec!["a", "b"]] {
            assert_eq!(given(&headers(&bad)), None, "{bad:?}");
        }
        assert_eq!(given(&headers(&[&"x".repeat(129)])), None);
        assert_eq!(made(7), "0000000000000007");
    }
}
