//! Who may call the admin API. Never does: look at what is asked beyond method and path.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, OriginalUri},
    http::{HeaderMap, HeaderName, Method, header::AUTHORIZATION, request::Parts},
};
use starling_proto::Code;

use super::{App, Problem};
use crate::auth::bearer;

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

/// Proof that an operator asks, or a node on an operator's behalf.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// Another node handed the request on.
    pub forwarded: bool,
}

impl Operator {
    /// Checks a request.
    ///
    /// # Errors
    /// `unauthorized`; `method_not_found` where the admin API has a listener of its own.
    pub fn check(
        app: &App,
        side: Side,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        if let Some(pass) = headers.get(FORWARDED) {
            let pass = pass.to_str().unwrap_or_default();
            return match app.passes.verify(pass, method.as_str(), path) {
                Some(_) => Ok(Self { forwarded: true }),
                None => Err(Problem::new(Code::Unauthorized, "that is no pass for this request")
                    .hint("all nodes need the same cluster_secret, and clocks within 20 s")),
            };
        }
        if side == Side::Public {
            return Err(Problem::new(Code::MethodNotFound, "the admin API is not served here")
                .hint("it is on this node's admin_listen"));
        }
        app.admin.check(token(headers))?;
        Ok(Self { forwarded: false })
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let side = side(parts);
        let path = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0).path();
        Self::check(app, side, &parts.method, path, &parts.headers)
    }
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

impl FromRequestParts<App> for Remote {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
        if !app.trust_forwarded_for {
            return Ok(Self(peer));
        }
        // The last entry is the one our own proxy wrote; those before it are hearsay.
        let values = parts.headers.get_all("x-forwarded-for");
        let last = values.iter().next_back().and_then(|value| value.to_str().ok());
        let last = last.and_then(|text| text.rsplit(',').next()?.trim().parse().ok());
        Ok(Self(last.unwrap_or(peer)))
    }
}
