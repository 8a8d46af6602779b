//! Asking one node: JSON out, JSON or a refusal in. Never does: know a path.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{
    Method, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use starling_proto::{Refusal, rest::Problem};

use crate::{
    Error,
    http::{self, Answer, Ask, ClientError},
};

/// Longest wait for an answer unless another is given: a node bounds itself at 15 s.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Most pages of a list: a million rooms.
const MAX_PAGES: usize = 1_000;

/// One call that was made, for whoever wants to watch.
#[derive(Clone, Debug)]
pub struct Called<'a> {
    /// How.
    pub method: &'a Method,
    /// Whom and what.
    pub url: &'a str,
    /// What came of it; absent if nothing did.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
}

type Watcher = Arc<dyn Fn(Called<'_>) + Send + Sync>;

/// A node's REST API, as somebody. Cheap to clone; each call is a connection of its own.
#[derive(Clone)]
pub struct Client {
    server: String,
    token: Option<HeaderValue>,
    within: Duration,
    watcher: Option<Watcher>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// Of the node at `server`, as `http://host:port` or `https://…`.
    ///
    /// # Errors
    /// [`ClientError::Url`].
    pub fn new(server: &str) -> Result<Self, Error> {
        let server = server.trim_end_matches('/');
        if !server.starts_with("http://") && !server.starts_with("https://") {
            return Err(ClientError::Url(server.to_owned()).into());
        }
        Ok(Self { server: server.to_owned(), token: None, within: PATIENCE, watcher: None })
    }

    /// As whoever has this token: an operator's, or a room's.
    ///
    /// # Errors
    /// [`Error::Token`] if it cannot stand in a header.
    pub fn token(mut self, token: &str) -> Result<Self, Error> {
        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| Error::Token)?;
        value.set_sensitive(true);
        self.token = Some(value);
        Ok(self)
    }

    /// Waits no longer than this for each answer.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Tells `watcher` of every call.
    #[must_use]
    pub fn watched(mut self, watcher: impl Fn(Called<'_>) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
        self
    }

    /// The node that is asked, without a slash at the end.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// `GET`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.ask(Method::GET, path, None::<&()>).await
    }

    /// `POST`; `&()` for no body.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// `PATCH`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    /// `PUT`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Error> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    /// `DELETE`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        self.ask(Method::DELETE, path, None::<&()>).await
    }

    /// `GET` of a list, page by page as the answers' `Link` names them.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Error> {
        let (mut all, mut path) = (Vec::new(), path.to_owned());
        for _ in 0..MAX_PAGES {
            let answer = self.raw(Method::GET, &path, Bytes::new()).await?;
            let next = answer.link.as_ref().and_then(|link| next(link.to_str().ok()?));
            all.append(&mut self.read::<Vec<T>>(&answer)?);
            match next {
                Some(next) => path = next,
                None => return Ok(all),
            }
        }
        let what = format!("has a list of more than {MAX_PAGES} pages");
        Err(Error::Strange { server: self.server.clone(), what })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Error> {
        let body = match body {
            None => Bytes::new(),
            Some(body) => {
                let bytes = serde_json::to_vec(body).map_err(|error| self.strange(&error))?;
                // `()` is no body, and not `null`.
                if bytes == b"null" { Bytes::new() } else { bytes.into() }
            }
        };
        self.read(&self.raw(method, path, body).await?)
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, Error> {
        if !answer.status.is_success() {
            return Err(self.refused(answer.status, &answer.body));
        }
        // Nothing, as of a deletion, is `()`.
        let body: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
        serde_json::from_slice(body).map_err(|error| self.strange(&error))
    }

    /// Asks, and takes any answer.
    pub(crate) async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, Error> {
        let ask = self.question(method, path, body);
        let (method, url, begun) = (ask.method.clone(), ask.url.clone(), Instant::now());
        let answer = http::ask(ask).await;
        self.watch(&method, &url, answer.as_ref().ok().map(|answer| answer.status), begun);
        Ok(answer?)
    }

    pub(crate) fn watch(
        &self,
        method: &Method,
        url: &str,
        status: Option<StatusCode>,
        begun: Instant,
    ) {
        if let Some(watcher) = &self.watcher {
            let status = status.map(|status| status.as_u16());
            watcher(Called { method, url, status, took: begun.elapsed() });
        }
    }

    pub(crate) fn question(&self, method: Method, path: &str, body: Bytes) -> Ask {
        let headers = self.token.iter().map(|token| (AUTHORIZATION, token.clone())).collect();
        Ask { method, url: format!("{}{path}", self.server), headers, body, within: self.within }
    }

    pub(crate) fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => {
                Error::Refused { status: status.as_u16(), refusal: Refusal::from(problem) }
            }
            Err(_) => {
                Error::Strange { server: self.server.clone(), what: format!("answered {status}") }
            }
        }
    }

    /// Reads what a stream said.
    pub(crate) fn text<T: DeserializeOwned>(&self, text: &str) -> Result<T, Error> {
        serde_json::from_str(text).map_err(|error| self.strange(&error))
    }

    fn strange(&self, error: &serde_json::Error) -> Error {
        let what = format!("answered something else than was asked for: {error}");
        Error::Strange { server: self.server.clone(), what }
    }
}

/// The path of the next page in a `Link` header (RFC 8288), if it is one of the same server.
fn next(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let path = next.split_once('<')?.1.split_once('>')?.0;
    path.starts_with('/').then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read_from_the_link() {
        let link = "</v1/rooms?limit=2&cursor=Yg>; rel=\"next\"";
        assert_eq!(next(link).as_deref(), Some("/v1/rooms?limit=2&cursor=Yg"));
        assert_eq!(next("</docs>; rel=\"help\""), None);
        assert_eq!(next("<https://elsewhere/x>; rel=\"next\""), None, "tokens stay here");
    }

    #[test]
    fn a_server_is_a_url_and_its_slash_does_not_matter() {
        assert_eq!(Client::new("http://host:1/").unwrap().server(), "http://host:1");
        assert!(matches!(
            Client::new("host:1"),
            Err(Error::Unreachable(ClientError::Url(url))) if url == "host:1"
        ));
    }

    #[test]
    fn a_token_is_not_shown_and_has_no_line_breaks_inside() {
        let client = Client::new("http://host:1").unwrap();
        let known = client.clone().token("s3cret\n").unwrap();
        assert!(!format!("{known:?}").contains("s3cret"));
        assert!(matches!(client.token("a\nb"), Err(Error::Token)));
    }

    #[test]
    fn a_refusal_keeps_status_code_sentence_and_hint() {
        let client = Client::new("http://host:1").unwrap();
        let body = br#"{"type":"about:blank#room_not_found","title":"there is no room 'x'",
            "status":404,"code":"room_not_found","hint":"list them"}"#;
        let error = client.refused(StatusCode::NOT_FOUND, body);
        assert_eq!(error.to_string(), "there is no room 'x' [room_not_found]");
        assert_eq!(
            (error.status(), error.hint(), error.is_missing()),
            (Some(404), "list them", true)
        );
        let strange = client.refused(StatusCode::BAD_GATEWAY, b"<html>");
        assert_eq!(strange.to_string(), "http://host:1 answered 502 Bad Gateway");
    }
}
