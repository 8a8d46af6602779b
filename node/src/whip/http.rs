//! `/whip/{room}` and `/whep/{room}`: who asks, what is answered. Never does: read an offer itself.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rand::Rng;
use serde::Deserialize;
use starling_actors::session::{Grants, Session, SessionRequest};
use starling_proto::{
    Code, Id, PeerId, Refusal, RoomId, rest::Problem as ProblemBody, transport::WebRtcTransportInfo,
};
use tokio::time::{sleep, timeout};

use super::{
    caller::Caller,
    live::{Introduction, Live, Patched, etag_of},
    play::{Slots, check, play as play_offer},
    publish::{Planned, plan, publish as publish_offer},
    sessions::Place,
};
use crate::{
    auth::Freshness,
    http::{
        App, Problem, dev, elsewhere,
        guard::{self, Remote},
        problem::{Path, Query},
    },
    sdp::{Fragment, Offer},
};

/// RFC 5789 §3.1.
pub(crate) const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Longest way into the room, as for a WebSocket.
const OPEN: Duration = Duration::from_secs(8);
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
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Whip,
    Whep,
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }
}

/// A POST of somebody who may come in.
struct Asked {
    session: SessionRequest,
    offer: Offer,
    /// What of the offer is published.
    planned: Vec<Option<Planned>>,
    who: Introduction,
    of: Option<PeerId>,
    query: String,
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
        dev::check_origin(app, &parts.headers)?;
        let Path(room) = Path::<RoomId>::from_request_parts(&mut parts, app).await?;
        let Query(wish) = Query::<Wish>::from_request_parts(&mut parts, app).await?;
        let (peer, grants) = who(app, &parts, protocol, &room, &wish)?;
        check_type(&parts.headers, SDP)?;
        let who = Introduction {
            name: wish.name.unwrap_or_else(|| peer.to_string()),
            protocol: protocol.name(),
            agent: agent(&parts.headers),
        };
        let query = parts.uri.query().map_or(String::new(), |query| format!("?{query}"));
        let body = bytes(app, Request::from_parts(parts, body)).await?;
        let offer = Offer::parse(&body)?;
        let router = app.node.rtp_capabilities();
        let planned = match protocol {
            Protocol::Whip => plan(&offer, router)?,
            Protocol::Whep => check(&offer, router).map(|()| Vec::new())?,
        };
        let session = SessionRequest { room, peer, resume_ticket: None, remote, grants };
        Ok(Self { session, offer, planned, who, of: wish.peer, query })
    }
}

/// The peer, from its token; in dev, where there is none, from the query.
fn who(
    app: &App,
    parts: &Parts,
    protocol: Protocol,
    room: &RoomId,
    wish: &Wish,
) -> Result<(PeerId, Grants), Problem> {
    let Some(token) = guard::token(&parts.headers) else {
        if app.dev.is_none() {
            return Err(Problem::new(Code::Unauthorized, "this needs a token for the room")
                .hint("send it as `Authorization: Bearer <token>`; OBS has a field for it"));
        }
        let named = wish.peer_id.clone().unwrap_or_else(|| match protocol {
            Protocol::Whip => peer_of("whip"),
            Protocol::Whep => peer_of(&format!("whep-{}", random(4))),
        });
        return Ok((named, Grants { publish: true, subscribe: true }));
    };
    let peer = match &wish.peer_id {
        Some(peer) => peer.clone(),
        None => app.tokens.verify(token)?.sub,
    };
    let grants = app.tokens.grants(token, room, &peer, Freshness::Now)?;
    let (granted, what) = match protocol {
        Protocol::Whip => (grants.publish, "publish"),
        Protocol::Whep => (grants.subscribe, "subscribe"),
    };
    if !granted {
        return Err(Problem::new(Code::Forbidden, format!("the token does not grant {what}"))
            .hint(format!("ask for a token with {what}")));
    }
    Ok((peer, grants))
}

fn peer_of(text: &str) -> PeerId {
    PeerId::parse(text).expect("our own names are ids")
}

/// `bytes` random bytes, as hex.
fn random(bytes: usize) -> String {
    let mut rng = rand::rng();
    (0..bytes).map(|_| format!("{:02x}", rng.random::<u8>())).collect()
}

fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    agent.unwrap_or_default().chars().take(AGENT).collect()
}

fn check_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let bare = given.and_then(|given| given.split(';').next()).unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(Code::WrongContentType, format!("the body is not {expected}"))
        .hint(format!("send `Content-Type: {expected}`")))
}

async fn bytes(app: &App, request: Request) -> Result<Bytes, Problem> {
    Bytes::from_request(request, app).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Problem::new(Code::TooLarge, "the body is too large").hint("64 KiB are read");
        }
        Problem::new(Code::BadRequest, "the body cannot be read").hint("send it whole")
    })
}

async fn start(app: App, protocol: Protocol, request: Request) -> Response {
    let asked = match Asked::read(&app, protocol, request).await {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let opened = match app.whip.check_room() {
        Ok(()) => open(&app, &asked.session).await,
        Err(refusal) => Err(refusal),
    };
    let session = match opened {
        Ok(session) => session,
        Err(refusal) => return turn_away(&app, protocol, &asked, refusal).await,
    };
    match serve(&app, protocol, asked, session).await {
        Ok(response) => response,
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

/// A place in the room. Who has one here already by the same protocol comes again after its
/// connection broke, and takes its own place.
async fn open(app: &App, request: &SessionRequest) -> Result<Session, Refusal> {
    let attempt = async || {
        timeout(OPEN, app.node.open_session(request.clone())).await.unwrap_or_else(|_| {
            Err(Refusal::new(Code::Timeout, "the node did not answer in time").hint("try again"))
        })
    };
    let mut opened = attempt().await;
    if opened.as_ref().is_err_and(|refusal| refusal.code == Code::PeerExists)
        && app.whip.end_of(&request.room, &request.peer).await
    {
        for _ in 0..AGAIN.0 {
            opened = attempt().await;
            if !opened.as_ref().is_err_and(|refusal| refusal.code == Code::PeerExists) {
                break;
            }
            sleep(AGAIN.1).await;
        }
    }
    opened
}

/// To the node that takes the client in (RFC 9725 §4.5), if there is one.
async fn turn_away(app: &App, protocol: Protocol, asked: &Asked, refusal: Refusal) -> Response {
    let room = &asked.session.room;
    if matches!(refusal.code, Code::WrongNode | Code::Draining | Code::NoCapacity)
        && let Some(node) = elsewhere::nodes(app, room).await.first()
    {
        let url = format!("{}/{}/{room}{}", node.api_url, protocol.name(), asked.query);
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
    let Asked { session: SessionRequest { room, peer, .. }, offer, planned, who, of, .. } = asked;
    let mut caller = Caller::new(session);
    let number = rand::rng().random_range(1..i64::MAX as u64);
    let (text, transport, slots) = match protocol {
        Protocol::Whip => {
            let (text, transport) =
                publish_offer(&mut caller, &offer, planned, who, number).await?;
            (text, transport, Slots::default())
        }
        Protocol::Whep => {
            let router = app.node.rtp_capabilities();
            play_offer(&mut caller, router, &offer, of, who, number).await?
        }
    };
    let id = random(16);
    let response = created(app, protocol, &room, &id, text, &transport);
    let live = Live {
        caller,
        etag: etag_of(&transport.ice_parameters),
        transport,
        ice: offer.ice,
        mid: offer.sections.first().and_then(|section| section.mid.clone()),
        slots,
    };
    app.whip.start(Place { protocol: protocol.name(), room, peer, id }, live);
    Ok(response)
}

fn created(
    app: &App,
    protocol: Protocol,
    room: &RoomId,
    id: &str,
    text: String,
    transport: &WebRtcTransportInfo,
) -> Response {
    let location = format!("{}/{}/{room}/{id}", app.api_url, protocol.name());
    let headers = [
        (header::CONTENT_TYPE, SDP.to_owned()),
        (header::LOCATION, location),
        (header::ETAG, etag_of(&transport.ice_parameters)),
        (ACCEPT_PATCH, FRAGMENT.to_owned()),
    ];
    (StatusCode::CREATED, headers, text).into_response()
}

async fn patch(app: App, protocol: Protocol, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let path = Path::<(RoomId, String)>::from_request_parts(&mut parts, &app).await?;
    let Path((room, id)) = path;
    check_type(&parts.headers, FRAGMENT)?;
    let if_match = parts.headers.get(header::IF_MATCH).and_then(|tag| tag.to_str().ok());
    let if_match = if_match.map(str::to_owned);
    let body = bytes(&app, Request::from_parts(parts, body)).await?;
    let fragment = Fragment::parse(&body)?;
    let patched: Patched = app.whip.patch(protocol.name(), &room, &id, if_match, fragment).await;
    Ok(match patched? {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(restarted) => {
            let headers =
                [(header::CONTENT_TYPE, FRAGMENT.to_owned()), (header::ETAG, restarted.etag)];
            (StatusCode::OK, headers, restarted.fragment).into_response()
        }
    })
}

/// Answers with a body, because ffmpeg's muxer takes the end of an empty one for an error.
async fn end(
    app: App,
    protocol: Protocol,
    path: (RoomId, String),
) -> Result<&'static str, Problem> {
    let (room, id) = path;
    app.whip.end(protocol.name(), &room, &id).await?;
    Ok("ended\n")
}

/// Says what can be posted, which CORS preflights are not the only ones to ask (RFC 9725 §4.2).
pub(crate) async fn options(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let ours = path.starts_with("/whip/") || path.starts_with("/whep/");
    let asks = ours && request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if asks {
        response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    }
    response
}

/// Publishes an offer's streams in a room (WHIP, RFC 9725).
///
/// The bearer token is a room token with `publish`; its `sub` is the peer. `starling dev` needs
/// none and takes the peer from `peerId`.
#[utoipa::path(
    post, path = "/whip/{room}", tag = "whip", security(("room" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peerId" = Option<PeerId>, Query, description = "The peer; the token's if left out."),
        ("name" = Option<String>, Query, description = "Its name, for people.")
    ),
    request_body(content = String, content_type = "application/sdp", description = "The offer."),
    responses(
        (status = 201, body = String, content_type = "application/sdp",
         description = "The answer; the session is at Location."),
        (status = 307, description = "The room is joined through the node at Location."),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn publish(State(app): State<App>, request: Request) -> Response {
    start(app, Protocol::Whip, request).await
}

/// Trickles candidates, or restarts ICE: then with `If-Match: *` and new credentials.
#[utoipa::path(
    patch, path = "/whip/{room}/{session}", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL.")
    ),
    request_body(content = String, content_type = "application/trickle-ice-sdpfrag"),
    responses(
        (status = 200, body = String, content_type = "application/trickle-ice-sdpfrag",
         description = "ICE was restarted; these are the node's new credentials."),
        (status = 204, description = "Noted."),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn patch_published(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    patch(app, Protocol::Whip, request).await
}

/// Ends a session.
#[utoipa::path(
    delete, path = "/whip/{room}/{session}", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL.")
    ),
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn unpublish(
    State(app): State<App>,
    Path(path): Path<(RoomId, String)>,
) -> Result<&'static str, Problem> {
    end(app, Protocol::Whip, path).await
}

/// Plays streams of a room on the m-lines of an offer (WHEP).
///
/// The bearer token is a room token with `subscribe`. `peer` names whose streams; without it they
/// are those of the first peer that has some. An m-line that nothing fits yet is filled when
/// something comes.
#[utoipa::path(
    post, path = "/whep/{room}", tag = "whip", security(("room" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = Option<PeerId>, Query, description = "Whose streams."),
        ("peerId" = Option<PeerId>, Query, description = "The player's own id; the token's if left out."),
        ("name" = Option<String>, Query, description = "The player's name, for people.")
    ),
    request_body(content = String, content_type = "application/sdp", description = "The offer."),
    responses(
        (status = 201, body = String, content_type = "application/sdp",
         description = "The answer; the session is at Location."),
        (status = 307, description = "The room is joined through the node at Location."),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn play(State(app): State<App>, request: Request) -> Response {
    start(app, Protocol::Whep, request).await
}

/// Trickles candidates, or restarts ICE: then with `If-Match: *` and new credentials.
#[utoipa::path(
    patch, path = "/whep/{room}/{session}", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL.")
    ),
    request_body(content = String, content_type = "application/trickle-ice-sdpfrag"),
    responses(
        (status = 200, body = String, content_type = "application/trickle-ice-sdpfrag",
         description = "ICE was restarted; these are the node's new credentials."),
        (status = 204, description = "Noted."),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn patch_played(
    State(app): State<App>,
    request: Request,
) -> Result<Response, Problem> {
    patch(app, Protocol::Whep, request).await
}

/// Ends a session.
#[utoipa::path(
    delete, path = "/whep/{room}/{session}", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL.")
    ),
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn stop(
    State(app): State<App>,
    Path(path): Path<(RoomId, String)>,
) -> Result<&'static str, Problem> {
    end(app, Protocol::Whep, path).await
}
