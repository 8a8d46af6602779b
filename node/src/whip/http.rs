//! `/whip/{room}` and `/whep/{room}` and what is under them, as handlers. Never does: make or keep
//! a session.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use starling_proto::{PeerId, RoomId, rest::Problem as ProblemBody};

use super::{
    events::wanted,
    layers::Wish,
    live::{Order, Restarted},
    post::{self, FRAGMENT, SDP, add_links, bytes, check_type, random},
    protocol::Protocol,
    sessions::Found,
};
use crate::{
    auth::Freshness,
    http::{
        App, Problem, guard,
        problem::{Body, Path},
    },
    ice::{self, IceServer},
    sdp::Fragment,
};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

impl FromRequestParts<App> for Found {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Ok(protocol) = Protocol::from_request_parts(parts, app).await;
        let Path((room, id)) = Path::<(RoomId, String)>::from_request_parts(parts, app).await?;
        Ok(Self { protocol, room, id })
    }
}

/// An event stream of a session.
pub(crate) struct Feed(Found, String);

impl FromRequestParts<App> for Feed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = Path::<(RoomId, String, String)>::from_request_parts(parts, app).await?;
        let Path((room, id, feed)) = path;
        Ok(Self(Found { protocol: Protocol::Whep, room, id }, feed))
    }
}

/// Says what can be posted, for which CORS preflights are not the only ones to ask (RFC 9725 §4.2),
/// and to who shows a token also which STUN and TURN servers there are: clients that gather before
/// they POST ask so.
pub(crate) async fn options(State(app): State<App>, request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS && Protocol::of(request.uri().path()).is_some();
    let token = guard::token(request.headers()).filter(|_| asks).map(str::to_owned);
    let room = request.uri().path().split('/').nth(2).and_then(|room| room.parse().ok());
    let mut response = next.run(request).await;
    if asks {
        response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(SDP));
    }
    if let (Some(token), Some(room)) = (token, room) {
        let peer = app.tokens.verify(&token).map(|seat| seat.peer);
        let may = |peer: &PeerId| app.tokens.grants(&token, &room, peer, Freshness::Now).is_ok();
        if let Some(peer) = peer.ok().filter(may) {
            let servers = app.ice.of(&peer, ice::since_1970());
            add_links(response.headers_mut(), servers.iter().map(IceServer::link));
        }
    }
    response
}

/// Publishes an offer's streams in a room (WHIP, RFC 9725).
///
/// The bearer token is a room token with `publish`; its `sub` is the peer. `starling dev` needs
/// none and takes the peer from `peerId`. `Link` headers name STUN and TURN servers.
#[utoipa::path(
    post, path = "/whip/{room}", tag = "whip", operation_id = "publish", security(("room" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peerId" = Option<PeerId>, Query, description = "The peer; the token's if left out."),
        ("name" = Option<String>, Query, description = "Its name, for people."),
        ("token" = Option<String>, Query, description = "The token, where no header can be sent.")
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
    post::start(app, Protocol::Whip, request).await
}

/// Plays streams of a room on the m-lines of an offer (WHEP).
///
/// The bearer token is a room token with `subscribe`. `peer` names whose streams; without it they
/// are those of the first peer that has some. An m-line that nothing fits yet is filled when
/// something comes. `Link` headers name where layers are chosen and events are told.
#[utoipa::path(
    post, path = "/whep/{room}", tag = "whip", operation_id = "play", security(("room" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = Option<PeerId>, Query, description = "Whose streams."),
        ("peerId" = Option<PeerId>, Query, description = "The player's own id; the token's if left out."),
        ("name" = Option<String>, Query, description = "The player's name, for people."),
        ("token" = Option<String>, Query, description = "The token, where no header can be sent.")
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
    post::start(app, Protocol::Whep, request).await
}

/// Trickles candidates, or restarts ICE: then with `If-Match: *` and new credentials.
#[utoipa::path(
    patch, path = "/whip/{room}/{session}", tag = "whip", operation_id = "patch_whip",
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
pub(crate) async fn patch(
    State(app): State<App>,
    of: Found,
    request: Request,
) -> Result<Response, Problem> {
    check_type(request.headers(), FRAGMENT)?;
    let if_match = request.headers().get(header::IF_MATCH).and_then(|tag| tag.to_str().ok());
    let if_match = if_match.map(str::to_owned);
    let fragment = Fragment::parse(&bytes(&app, request).await?)?;
    let patch = |reply| Order::Patch { if_match, fragment, reply };
    Ok(match app.whip.order(&of, patch).await? {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Restarted { fragment, etag }) => {
            let headers = [(header::CONTENT_TYPE, FRAGMENT.to_owned()), (header::ETAG, etag)];
            (StatusCode::OK, headers, fragment).into_response()
        }
    })
}

/// Ends a session.
#[utoipa::path(
    delete, path = "/whip/{room}/{session}", tag = "whip", operation_id = "end_whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL.")
    ),
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn end(State(app): State<App>, of: Found) -> Result<&'static str, Problem> {
    app.whip.end(&of).await?;
    // A body, because ffmpeg's muxer takes the end of an empty one for an error.
    Ok("ended\n")
}

/// Chooses the highest layers of pictures (WHEP's video layer selection).
///
/// `{mediaId?, spatialLayerId?, temporalLayerId?, maxSpatialLayerId?, maxTemporalLayerId?}`. Less
/// is sent where bandwidth does not allow them. Without a number it is as at the beginning.
#[utoipa::path(
    post, path = "/whep/{room}/{session}/layer", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL.")
    ),
    request_body = Object,
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn layer(
    State(app): State<App>,
    of: Found,
    Body(wish): Body<Wish>,
) -> Result<StatusCode, Problem> {
    app.whip.order(&of, |reply| Order::Prefer { wish, reply }).await?;
    Ok(StatusCode::OK)
}

/// Makes an event stream of a player (WHEP's server-sent events).
///
/// The body lists the wanted ones out of `active`, `inactive`, `layers`, `reconnect` and
/// `viewercount`; without one, all are told.
#[utoipa::path(
    post, path = "/whep/{room}/{session}/events", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL.")
    ),
    request_body = Vec<String>,
    responses(
        (status = 201, description = "The stream is at Location."),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn make_events(
    State(app): State<App>,
    of: Found,
    request: Request,
) -> Result<Response, Problem> {
    let body = bytes(&app, request).await?;
    let names: Vec<String> = if body.is_empty() {
        Vec::new()
    } else {
        serde_json::from_slice(&body).map_err(|error| {
            let message = format!("the body is no list of event names: {error}");
            Problem::new(starling_proto::Code::BadRequest, message)
                .hint("send a JSON array, as [\"layers\"], or nothing")
        })?
    };
    let id = random(16);
    let open = |reply| Order::Open { id: id.clone(), wanted: wanted(&names), reply };
    app.whip.order(&of, open).await?;
    let location = format!("{}/whep/{}/{}/events/{id}", app.api_url, of.room, of.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}

/// Listens to an event stream. A second listener takes the first one's place.
#[utoipa::path(
    get, path = "/whep/{room}/{session}/events/{stream}", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL."),
        ("stream" = String, Path, description = "Of the stream's URL.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn events(
    State(app): State<App>,
    Feed(of, id): Feed,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let told = app.whip.order(&of, |reply| Order::Listen { id, reply }).await?;
    let events = futures::stream::unfold(told, async |mut told| {
        let (kind, data) = told.recv().await?;
        Some((Ok(Event::default().event(kind.name()).data(data.to_string())), told))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Ends an event stream.
#[utoipa::path(
    delete, path = "/whep/{room}/{session}/events/{stream}", tag = "whip",
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("session" = String, Path, description = "Of the session's URL."),
        ("stream" = String, Path, description = "Of the stream's URL.")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn end_events(
    State(app): State<App>,
    Feed(of, id): Feed,
) -> Result<StatusCode, Problem> {
    app.whip.order(&of, |reply| Order::Close { id, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}
