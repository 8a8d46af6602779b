//! `Idempotency-Key`: a POST that is sent again with the same key is not done again, it is answered
//! again (draft-ietf-httpapi-idempotency-key-header-07). Kept in memory by the node that was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, LOCATION},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use starling_proto::Code;

use crate::http::{App, MAX_BODY_PRODUCE, Problem};

/// The header of a request.
pub(crate) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// That of an answer which was given before.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Longest key; a UUID has 36 characters.
const MAX_KEY: usize = 255;
/// How long an answer is kept: whoever retries does so within seconds, and a deployment that hangs
/// is looked after within minutes.
const LIFE: Duration = Duration::from_secs(600);
/// Answers kept: one a second for a quarter of an hour.
const MAX_ANSWERS: usize = 1_024;
/// Longest answer that is kept; consumers' parameters are about 10 KiB. All of them are 64 MiB, of
/// which real ones fill a hundredth.
const MAX_BYTES: usize = 64 * 1024;

/// Whose key, and which.
type Name = [u8; 32];
/// What was asked.
type Print = [u8; 32];

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

#[derive(Debug)]
struct Entry {
    print: Print,
    /// Not there yet.
    answer: Option<Kept>,
    since: Instant,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
enum Begin {
    /// Do it, and say what came of it.
    New,
    /// Do it; there is no room for its answer.
    Unkept,
    /// Answer this.
    Again(Kept),
    /// It is being done.
    Busy,
    /// The key is that of another request.
    Other,
}

/// The answers. Pure but for the lock.
#[derive(Debug, Default)]
struct Book {
    entries: BTreeMap<Name, Entry>,
    /// From the oldest on.
    order: VecDeque<Name>,
}

impl Book {
    fn begin(&mut self, now: Instant, name: Name, print: Print) -> Begin {
        self.forget(now);
        if let Some(entry) = self.entries.get(&name) {
            return match &entry.answer {
                _ if entry.print != print => Begin::Other,
                Some(answer) => Begin::Again(answer.clone()),
                None => Begin::Busy,
            };
        }
        if self.entries.len() >= MAX_ANSWERS {
            return Begin::Unkept;
        }
        self.entries.insert(name, Entry { print, answer: None, since: now });
        self.order.push_back(name);
        Begin::New
    }

    /// Without an answer it may be done again.
    fn end(&mut self, name: &Name, answer: Option<Kept>) {
        match answer {
            Some(answer) => {
                if let Some(entry) = self.entries.get_mut(name) {
                    entry.answer = Some(answer);
                }
            }
            None => {
                self.entries.remove(name);
                self.order.retain(|other| other != name);
            }
        }
    }

    /// What is too old, and the oldest of too many.
    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.order.front() {
            let entry = self.entries.get(oldest);
            let old = entry.is_none_or(|it| now.saturating_duration_since(it.since) >= LIFE);
            let crowded = self.entries.len() >= MAX_ANSWERS;
            let makes_way = crowded && entry.is_some_and(|entry| entry.answer.is_some());
            if !old && !makes_way {
                return;
            }
            self.entries.remove(oldest);
            self.order.pop_front();
        }
    }
}

/// A node's.
#[derive(Debug, Default)]
pub struct Answers(Mutex<Book>);

impl Answers {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a request's answer go if nobody waits for it any more.
struct UnderWay<'a> {
    answers: &'a Answers,
    name: Option<Name>,
}

impl UnderWay<'_> {
    fn end(mut self, answer: Option<Kept>) {
        if let Some(name) = self.name.take() {
            self.answers.book().end(&name, answer);
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.answers.book().end(&name, None);
        }
    }
}

/// Answers again what was asked again.
pub(crate) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let of_v1 = request.method() == Method::POST && request.uri().path().starts_with("/v1/");
    if !of_v1 || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    let Some(key) = key(request.headers()) else {
        return Problem::new(Code::BadRequest, "'Idempotency-Key' has 1 to 255 characters")
            .hint("give one, such as a new UUID for each thing to be done")
            .into_response();
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_PRODUCE).await else {
        return Problem::new(Code::TooLarge, "the body is too large or broke off")
            .hint("see /docs")
            .into_response();
    };
    let who = parts.headers.get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
    let name = hash(&[who, &key]);
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let print = hash(&[target.as_bytes(), &body]);
    let begun = app.answers.book().begin(Instant::now(), name, print);
    let request = Request::from_parts(parts, Body::from(body));
    match begun {
        Begin::Unkept => next.run(request).await,
        Begin::Again(kept) => again(kept),
        Begin::Busy => Problem::new(Code::WrongState, "a request with this key is being done")
            .hint("wait for its answer, or ask again in a moment")
            .into_response(),
        Begin::Other => {
            Problem::new(Code::IdempotencyKeyReused, "the key was used for another request")
                .hint("give each thing to be done a key of its own")
                .into_response()
        }
        Begin::New => {
            let under_way = UnderWay { answers: &app.answers, name: Some(name) };
            let (response, kept) = kept(next.run(request).await).await;
            under_way.end(kept);
            response
        }
    }
}

fn key(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut all = headers.get_all(KEY).iter();
    let (key, None) = (all.next()?, all.next()) else { return None };
    // The draft has it as a quoted string, and everybody sends it bare.
    let key = key.as_bytes();
    let bare = key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")).unwrap_or(key);
    (1..=MAX_KEY).contains(&bare.len()).then(|| bare.to_vec())
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        // With their lengths, so that no two lists are the same bytes.
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// What is ours to mend, or too much at the moment, may be tried again with the same key; an answer
/// that goes on is no answer to keep.
async fn kept(response: Response) -> (Response, Option<Kept>) {
    let status = response.status();
    let size = axum::body::HttpBody::size_hint(response.body()).exact();
    let fits = size.is_some_and(|size| size <= MAX_BYTES as u64);
    let later = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED);
    if later || !fits {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let header = |name: HeaderName| Some((name.clone(), parts.headers.get(name)?.clone()));
    let headers = [CONTENT_TYPE, LOCATION].into_iter().filter_map(header).collect();
    let kept = Kept { status, headers, body: body.clone() };
    (Response::from_parts(parts, Body::from(body)), Some(kept))
}

fn again(kept: Kept) -> Response {
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = kept.status;
    response.headers_mut().extend(kept.headers);
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str) -> Kept {
        Kept { status: StatusCode::CREATED, headers: Vec::new(), body: Bytes::from(body) }
    }

    fn name(n: usize) -> Name {
        hash(&[&n.to_be_bytes()])
    }

    #[test]
    fn what_is_asked_again_is_answered_again_and_nothing_else_is() {
        let (mut book, now) = (Book::default(), Instant::now());
        assert_eq!(book.begin(now, name(1), name(7)), Begin::New);
        assert_eq!(book.begin(now, name(1), name(7)), Begin::Busy);
        assert_eq!(book.begin(now, name(1), name(8)), Begin::Other);
        book.end(&name(1), Some(answer("made")));
        assert_eq!(book.begin(now, name(1), name(7)), Begin::Again(answer("made")));
        assert_eq!(book.begin(now, name(1), name(8)), Begin::Other);
        assert_eq!(book.begin(now, name(2), name(7)), Begin::New, "another key");
        book.end(&name(2), None);
        assert_eq!(book.begin(now, name(2), name(7)), Begin::New, "it failed");
    }

    #[test]
    fn answers_are_kept_for_ten_minutes_and_the_oldest_make_way() {
        let (mut book, now) = (Book::default(), Instant::now());
        for n in 0..MAX_ANSWERS {
            assert_eq!(book.begin(now, name(n), name(0)), Begin::New);
        }
        assert_eq!(book.begin(now, name(9_999), name(0)), Begin::Unkept, "all are being done");
        book.end(&name(0), Some(answer("first")));
        assert_eq!(book.begin(now, name(9_999), name(0)), Begin::New);
        assert_eq!(book.entries.len(), MAX_ANSWERS);
        book.end(&name(1), Some(answer("second")));
        let later = now + LIFE;
        assert_eq!(book.begin(later, name(1), name(0)), Begin::New);
        assert_eq!((book.entries.len(), book.order.len()), (1, 1));
    }

    #[test]
    fn a_key_is_taken_bare_or_quoted() {
        let of = |keys: &[&str]| {
            key(&keys.iter().map(|key| (KEY, key.parse().unwrap())).collect::<HeaderMap>())
        };
        assert_eq!(of(&["a b"]), Some(b"a b".to_vec()));
        assert_eq!(of(&["\"a\""]), Some(b"a".to_vec()));
        assert_eq!(of(&["\"\""]), None);
        assert_eq!(of(&["a", "b"]), None);
        assert_eq!(of(&[&"x".repeat(256)]), None);
    }
}
