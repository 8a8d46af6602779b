//! The POST that makes a session: who asks, whether the node takes them in, and what is answered.
//! Never does: read an offer itself, or know what becomes of the session.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use rand::Rng;
use serde::Deserialize;
use starling_actors::session::{Grants, Session, SessionRequest};
use starling_proto::{
    Code, Id, PeerId, Refusal, RoomId, span::Parent, transport::WebRtcTransportInfo,
};
use tokio::time::sleep;

use super::{
    caller::Caller,
    events::{Feeds, KINDS, Kind},
    live::{Introduction, Live, etag_of},
    play::{check, play},
    protocol::Protocol,
    publish::{Planned, plan, publish},
    sessions::Place,
    slots::Slots,
};
use crate::{
    auth::{Badge, Freshness, Reason},
    entrance::Entrance,
    http::{
        App, Problem, dev, elsewhere,
        guard::{self, Remote},
        problem::{Path, Query},
    },
    ice::{self, IceServer},
    sdp::Offer,
    traces::came_with,
};

/// RFC 5789 §3.1.
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
pub(super) const SDP: &str = "application/sdp";
pub(super) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// What the names of WHEP's extensions begin with (draft-ietf-wish-whep §4.10).
const URN: &str = "urn:ietf:params:whep:ext:core:";
/// A peer that came again waits so often and so long for its old session to be out of the room.
const AGAIN: (u32, Duration) = (20, Duration::from_millis(50));
/// Longest `User-Agent` that is shown to the room.
const AGENT: usize = 128;

/// Query of both endpoints.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    /// Own id, where no token says it.
    peer_id: Option<PeerId>,
    /// For people.
    name: Option<String>,
    /// WHEP: whose producers.
    peer: Option<PeerId>,
    /// The token, of a client that can send no header, or was sent here by another node.
    token: Option<String>,
}

/// A POST of somebody who may come in.
struct Asked {
    session: SessionRequest,
    /// The trace that the client is part of.
    parent: Option<Parent>,
    offer: Offer,
    /// What of the offer is published.
    planned: Vec<Option<Planned>>,
    who: Introduction,
    of: Option<PeerId>,
    /// Path and query of this POST on another node, without a token.
    again: String,
    /// What a redirect adds.
    token: Option<String>,
    /// Of its token; in dev it may have none.
    badge: Option<Badge>,
}

impl Asked {
    async fn read(app: &App, protocol: Protocol, request: Request) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Remote(remote) = Remote::from_request_parts(&mut parts, app).await?;
        if !app.admit(remote) {
            return Err(Problem::new(
                Code::LimitReached,
                "too many new sessions from this address",
            )
            .hint("wait a second; operators can raise sessions_per_second"));
        }
        if let Err(wait) = app.enter(false) {
            let wait = wait.as_millis().div_ceil(1_000);
            return Err(Problem::new(Code::Busy, "this node takes in as many as it can")
                .hint(format!("try again in {wait} s")));
        }
        dev::check_origin(app, &parts.headers)?;
        let Path(room) = Path::<RoomId>::from_request_parts(&mut parts, app).await?;
        let Query(wish) = Query::<Wish>::from_request_parts(&mut parts, app).await?;
        let (peer, grants, badge) = who(app, &parts, protocol, &room, &wish)?;
        check_type(&parts.headers, SDP)?;
        let (token, parent) = (carried(&parts.headers, &wish), came_with(&parts.headers));
        let who = Introduction {
            name: wish.name.unwrap_or_else(|| peer.to_string()),
            protocol: protocol.name(),
            agent: agent(&parts.headers),
        };
        let query = with_token(parts.uri.query(), None);
        let again = format!("/{}/{room}{query}", protocol.name());
        let body = bytes(app, Request::from_parts(parts, body)).await?;
        let offer = Offer::parse(&body)?;
        let router = app.node.rtp_capabilities();
        let planned = match protocol {
            Protocol::Whip => plan(&offer, router)?,
            Protocol::Whep => check(&offer, router).map(|()| Vec::new())?,
        };
        let session = SessionRequest {
            room,
            peer,
            resume_ticket: None,
            remote,
            grants,
            narrowed: false,
            trace: None,
        };
        Ok(Self { session, parent, offer, planned, who, of: wish.peer, again, token, badge })
    }
}

/// The token that goes into a URL of another node: of a client that has it there already, and of a
/// browser, which leaves its `Authorization` behind where it follows to another origin (Fetch,
/// HTTP-redirect fetch, step 13).
fn carried(headers: &HeaderMap, wish: &Wish) -> Option<String> {
    let browser = headers.contains_key(header::ORIGIN);
    let shown = guard::token(headers).filter(|_| browser);
    shown.map(str::to_owned).or_else(|| wish.token.clone())
}

/// Whether a URL is one of ours with a token in it.
pub(crate) fn carries_token(uri: &Uri) -> bool {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    Protocol::of(uri.path()).is_some() && pairs.any(|pair| pair.starts_with("token="))
}

/// A query with this token, or with none.
fn with_token(query: Option<&str>, token: Option<&str>) -> String {
    let pairs = query.into_iter().flat_map(|query| query.split('&'));
    let mut pairs: Vec<String> =
        pairs.filter(|pair| !pair.starts_with("token=")).map(str::to_owned).collect();
    pairs.extend(token.map(|token| format!("token={token}")));
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// The peer, from its token; in dev, where there is none, from the query.
fn who(
    app: &App,
    parts: &Parts,
    protocol: Protocol,
    room: &RoomId,
    wish: &Wish,
) -> Result<(PeerId, Grants, Option<Badge>), Problem> {
    let Some(token) = guard::token(&parts.headers).or(wish.token.as_deref()) else {
        if app.dev.is_none() {
            return Err(Problem(app.tokens.refuse(Reason::Missing))
                .hint("send it as `Authorization: Bearer <token>`; OBS has a field for it"));
        }
        let named = wish.peer_id.clone().unwrap_or_else(|| match protocol {
            Protocol::Whip => peer_of("whip"),
            Protocol::Whep => peer_of(&format!("whep-{}", random(4))),
        });
        return Ok((named, Grants::member(), None));
    };
    let peer = match &wish.peer_id {
        Some(peer) => peer.clone(),
        None => app.tokens.verify(token)?.peer,
    };
    let seat = app.tokens.seat(token, room, &peer, Freshness::Now)?;
    let (badge, grants) = (seat.badge(), seat.grants);
    let (granted, what) = granted(protocol, &grants);
    if !granted {
        return Err(Problem::new(Code::Forbidden, format!("the token does not grant {what}"))
            .hint(format!("ask for a token with {what}")));
    }
    Ok((peer, grants, Some(badge)))
}

/// Whether what a protocol is for is granted, and what that is.
const fn granted(protocol: Protocol, grants: &Grants) -> (bool, &'static str) {
    match protocol {
        Protocol::Whip => (grants.publish, "publish"),
        Protocol::Whep => (grants.subscribe, "subscribe"),
    }
}

fn peer_of(text: &str) -> PeerId {
    PeerId::parse(text).expect("our own names are ids")
}

/// `bytes` random bytes, as hex.
pub(super) fn random(bytes: usize) -> String {
    let mut rng = rand::rng();
    (0..bytes).map(|_| format!("{:02x}", rng.random::<u8>())).collect()
}

fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    agent.unwrap_or_default().chars().take(AGENT).collect()
}

pub(super) fn check_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let bare = given.and_then(|given| given.split(';').next()).unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(Code::WrongContentType, format!("the body is not {expected}"))
        .hint(format!("send `Content-Type: {expected}`")))
}

pub(super) async fn bytes(app: &App, request: Request) -> Result<Bytes, Problem> {
    Bytes::from_request(request, app).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Problem::new(Code::TooLarge, "the body is too large").hint("64 KiB are read");
        }
        Problem::new(Code::BadRequest, "the body cannot be read").hint("send it whole")
    })
}

pub(super) async fn start(app: App, protocol: Protocol, request: Request) -> Response {
    let mut asked = match Asked::read(&app, protocol, request).await {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let entrance = Entrance::new(&app, &mut asked.session, protocol.name(), asked.parent);
    let entered = enter(&app, protocol, &entrance, &mut asked.session).await;
    entrance.end(&entered);
    let session = match entered {
        Ok(session) => session,
        Err(refusal) => return turn_away(&app, &asked, refusal).await,
    };
    match serve(&app, protocol, asked, session).await {
        Ok(response) => response,
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

async fn enter(
    app: &App,
    protocol: Protocol,
    entrance: &Entrance<'_>,
    request: &mut SessionRequest,
) -> Result<Session, Refusal> {
    app.whip.check_room()?;
    entrance.admit(request).await?;
    let (left, what) = granted(protocol, &request.grants);
    if !left {
        return Err(Refusal::new(Code::Forbidden, format!("this client may not {what} here"))
            .hint("the application behind this service decided so"));
    }
    open(app, entrance, request).await
}

/// A place in the room. Who has one here already by the same protocol comes again after its
/// connection broke, and takes its own place.
async fn open(
    app: &App,
    entrance: &Entrance<'_>,
    request: &SessionRequest,
) -> Result<Session, Refusal> {
    let mut opened = entrance.open(request).await;
    if opened.as_ref().is_err_and(|refusal| refusal.code == Code::PeerExists)
        && app.whip.end_of(&request.room, &request.peer).await
    {
        for _ in 0..AGAIN.0 {
            opened = entrance.open(request).await;
            if !opened.as_ref().is_err_and(|refusal| refusal.code == Code::PeerExists) {
                break;
            }
            sleep(AGAIN.1).await;
        }
    }
    opened
}

/// To the node that takes the client in (RFC 9725 §4.5), if there is one.
async fn turn_away(app: &App, asked: &Asked, refusal: Refusal) -> Response {
    if matches!(refusal.code, Code::WrongNode | Code::Draining | Code::NoCapacity)
        && let Some(node) = elsewhere::nodes(app, &asked.session.room).await.first()
    {
        let (path, query) = asked.again.split_once('?').unzip();
        let query = with_token(query, asked.token.as_deref());
        let url = format!("{}{}{query}", node.api_url, path.unwrap_or(&asked.again));
        if let Ok(url) = HeaderValue::from_str(&url) {
            return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, url)]).into_response();
        }
    }
    Problem::from(refusal).into_response()
}

async fn serve(
    app: &App,
    protocol: Protocol,
    asked: Asked,
    session: Session,
) -> Result<Response, Refusal> {
    let Asked {
        session: SessionRequest { room, peer, .. },
        offer,
        planned,
        who,
        of,
        again,
        badge,
        ..
    } = asked;
    let mut caller = Caller::new(session);
    let number = rand::rng().random_range(1..i64::MAX as u64);
    let (text, transport, slots) = match protocol {
        Protocol::Whip => {
            let (text, transport) = publish(&mut caller, &offer, planned, who, number).await?;
            (text, transport, Slots::default())
        }
        Protocol::Whep => {
            let router = app.node.rtp_capabilities();
            play(&mut caller, router, &offer, of, who, number).await?
        }
    };
    let place = Place { protocol, room, peer, id: random(16) };
    let response = created(app, &place, text, &transport);
    let live = Live {
        caller,
        etag: etag_of(&transport.ice_parameters),
        transport,
        ice: offer.ice,
        mid: offer.sections.first().and_then(|section| section.mid.clone()),
        slots,
        feeds: Feeds::default(),
        again,
        revoked: app.tokens.revoked(badge),
    };
    app.whip.start(place, live);
    Ok(response)
}

fn created(app: &App, place: &Place, text: String, transport: &WebRtcTransportInfo) -> Response {
    let location = app.api_url.clone() + &place.path();
    let mut links: Vec<String> = Vec::new();
    if place.protocol == Protocol::Whep {
        links.push(format!("<{location}/layer>; rel=\"{URN}layer\""));
        let events = KINDS.map(Kind::name).join(",");
        let events = format!("rel=\"{URN}server-sent-events\"; events=\"{events}\"");
        links.push(format!("<{location}/events>; {events}"));
    }
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, location),
        (header::ETAG, etag_of(&transport.ice_parameters)),
        (ACCEPT_PATCH, FRAGMENT.to_owned()),
    ];
    let mut response = (StatusCode::CREATED, headers, text).into_response();
    let servers = app.ice.of(&place.peer, ice::since_1970());
    links.extend(servers.iter().map(IceServer::link));
    add_links(response.headers_mut(), links);
    response
}

/// Adds `Link` headers, one for each (RFC 8288).
pub(super) fn add_links(headers: &mut HeaderMap, links: impl IntoIterator<Item = String>) {
    for link in links {
        // What a setting or an id puts into one was checked.
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.append(header::LINK, link);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_in_a_url_once_or_not_at_all() {
        assert_eq!(with_token(None, None), "");
        assert_eq!(with_token(None, Some("t")), "?token=t");
        assert_eq!(with_token(Some("name=A&token=x&peer=b"), None), "?name=A&peer=b");
        assert_eq!(with_token(Some("token=x&name=A"), Some("t")), "?name=A&token=t");
    }

    #[test]
    fn a_browser_takes_its_token_along_and_others_send_their_header_again() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer t"));
        assert_eq!(carried(&headers, &Wish::default()), None);
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://app.example"));
        assert_eq!(carried(&headers, &Wish::default()).as_deref(), Some("t"));
        let wish = Wish { token: Some("u".into()), ..Wish::default() };
        assert_eq!(carried(&HeaderMap::new(), &wish).as_deref(), Some("u"));
    }
}
