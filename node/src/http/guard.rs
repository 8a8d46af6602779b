//! Who may call the admin API, from where, and for which part of it. Never does: look at what is
//! asked beyond method, path and headers.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, MatchedPath, OriginalUri},
    http::{
        Extensions, HeaderMap, HeaderName, Method, Uri,
        header::{AUTHORIZATION, HOST, ORIGIN},
        request::Parts,
        uri::Authority,
    },
};
use starling_proto::{Code, Id, RoomId};

use super::{App, Problem, audit::Audit, dev};
use crate::auth::{Scope, Who, bearer, is_moderation};

/// Carries a node's pass; a request that has it is not handed on again.
pub const FORWARDED: HeaderName = HeaderName::from_static("x-starling-forwarded");

/// Which listener a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The only one.
    Whole,
    /// The one for everyone, beside one for operators.
    Public,
    /// The one for operators.
    Admin,
}

/// Proof that an operator asks for what their token allows, or a node on an operator's behalf.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Who.
    pub who: Who,
    /// Another node handed the request on.
    pub forwarded: bool,
}

/// What of a request is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> Asked<'a> {
    /// Of a request on its way.
    pub fn of<B>(request: &'a axum::http::Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// Of a request's head.
    pub fn of_parts(parts: &'a Parts) -> Self {
        let Parts { method, uri, headers, extensions, .. } = parts;
        Self { method, uri, headers, extensions }
    }

    fn path(&self) -> &'a str {
        self.extensions.get::<OriginalUri>().map_or(self.uri, |uri| &uri.0).path()
    }

    /// The path as routes have it, with names in braces.
    fn template(&self) -> &'a str {
        self.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str)
    }

    /// The room that the path is about. One that is written in another way than it is called is
    /// none: it opens nothing to a token that is for some rooms alone.
    fn room(&self) -> Option<RoomId> {
        let mut parts = self.path().split('/').skip(1);
        let mut names = self.template().split('/').skip(1);
        let part = names.by_ref().zip(parts.by_ref()).find(|(name, _)| *name == "{room}");
        RoomId::parse(part?.1).ok()
    }

    fn side(&self) -> Side {
        self.extensions.get::<Side>().copied().unwrap_or(Side::Whole)
    }
}

impl Operator {
    /// Checks a request.
    ///
    /// # Errors
    /// `unauthorized`, `forbidden`; `method_not_found` where the admin API has a listener of its
    /// own.
    pub fn check(app: &App, asked: Asked<'_>) -> Result<Self, Problem> {
        if let Some(pass) = asked.headers.get(FORWARDED) {
            let pass = pass.to_str().unwrap_or_default();
            return match app.passes.verify(pass, asked.method.as_str(), asked.path()) {
                Some(node) => {
                    let who = Who::all(node.as_str());
                    Ok(Self { who, forwarded: true })
                }
                None => Err(Problem::new(Code::Unauthorized, "that is no pass for this request")
                    .hint("all nodes need the same cluster_secret, and clocks within 20 s")),
            };
        }
        let operator = match Self::of_room(app, asked)? {
            Some(admin) => admin,
            None => Self::of_token(app, asked)?,
        };
        check_origin(app, asked)?;
        if let Some(audit) = asked.extensions.get::<Audit>() {
            audit.name(&operator.who.name);
        }
        Ok(operator)
    }

    /// An admin of the room, by a room token, whichever listener they come through.
    fn of_room(app: &App, asked: Asked<'_>) -> Result<Option<Self>, Problem> {
        // An admin token may have dots, too.
        let is_room_token =
            |token: &&str| token.split('.').count() == 3 && app.admin.check(Some(token)).is_err();
        let shown = token(asked.headers).filter(is_room_token);
        let moderates = is_moderation(asked.method, asked.template());
        let (Some(token), Some(room), true) = (shown, asked.room(), moderates) else {
            return Ok(None);
        };
        let peer = app.tokens.admin(token, &room)?;
        let who = Who::all(&format!("{peer}@{room}"));
        Ok(Some(Self { who, forwarded: false }))
    }

    fn of_token(app: &App, asked: Asked<'_>) -> Result<Self, Problem> {
        if asked.side() == Side::Public {
            return Err(Problem::new(Code::MethodNotFound, "the admin API is not served here")
                .hint("it is on this node's admin_listen"));
        }
        let who = app.admin.check(token(asked.headers))?;
        let Some(scope) = Scope::of(asked.method, asked.template()) else {
            return Err(Problem::new(Code::Forbidden, "no scope opens this")
                .hint("it is a mistake of this release: please report it"));
        };
        if let Some(audit) = asked.extensions.get::<Audit>() {
            audit.name(&who.name);
        }
        who.check_scope(scope)?;
        // The room of the body is checked by the handler, which has read it.
        let in_body =
            matches!(asked.template(), "/v1/rooms" | "/v1/tokens" | "/v1/tokens/revocations");
        // A recording's room is known once it is found.
        let found = asked.template().starts_with("/v1/recordings");
        if !(found || in_body && asked.method == Method::POST) {
            who.check_room(asked.room().as_ref())?;
        }
        Ok(Self { who, forwarded: false })
    }

    /// Checks the room of the body.
    ///
    /// # Errors
    /// `forbidden`.
    pub fn check_room(&self, room: &RoomId) -> Result<(), Problem> {
        Ok(self.who.check_room(Some(room))?)
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Self::check(app, Asked::of_parts(parts))
    }
}

/// A page of another site may not use an operator's token, even where it has got hold of one: only
/// listed origins, and pages of this very listener. Programs send no origin.
fn check_origin(app: &App, asked: Asked<'_>) -> Result<(), Problem> {
    let Some(origin) = asked.headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    if app.lists_origin(origin) || is_same(asked.headers, origin) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "pages of this origin may not call the admin API")
        .hint("operators can list it in cors_origins"))
}

/// Whether a page comes from the host and port that it asks.
pub fn is_same(headers: &HeaderMap, origin: &str) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = origin.strip_prefix("https://").or(origin.strip_prefix("http://"));
    !host.is_empty() && own.is_some_and(|own| own.eq_ignore_ascii_case(host))
}

impl App {
    /// Whether pages of this origin may call the API from a browser.
    pub fn lists_origin(&self, origin: &str) -> bool {
        self.cors_origins.iter().any(|allowed| allowed == "*" || allowed == origin)
            || self.dev.as_ref().is_some_and(|dev| dev::is_own(dev, origin))
    }
}

/// Whether a request came from this machine by a name that somebody else may have given it: a page
/// whose name leads here (DNS rebinding) would read what is open to this machine. Addresses,
/// `localhost` and no name at all are nobody's.
pub fn is_rebound(parts: &Parts) -> bool {
    let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let host = parts.headers.get(HOST).map(|host| host.to_str().unwrap_or("?"));
    from.is_some_and(|from| from.0.ip().to_canonical().is_loopback())
        && host.is_some_and(|host| !is_unnamed(host))
}

fn is_unnamed(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || bare.parse::<IpAddr>().is_ok()
}

/// Which listener a request came through.
pub fn side(parts: &Parts) -> Side {
    parts.extensions.get::<Side>().copied().unwrap_or(Side::Whole)
}

/// The bearer token of a request.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok().and_then(bearer)
}

/// The client's address.
#[derive(Clone, Copy, Debug)]
pub struct Remote(pub IpAddr);

impl Remote {
    /// As it is known of a request.
    pub fn of(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
        if !app.trust_forwarded_for {
            return Self(peer);
        }
        // The last entry is the one our own proxy wrote; those before it are hearsay.
        let values = headers.get_all("x-forwarded-for");
        let last = values.iter().next_back().and_then(|value| value.to_str().ok());
        let last = last.and_then(|text| text.rsplit(',').next()?.trim().parse().ok());
        Self(last.unwrap_or(peer))
    }
}

impl FromRequestParts<App> for Remote {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self::of(app, &parts.extensions, &parts.headers))
    }
}
