//! Everything over HTTP: page, signalling, REST, probes. This file routes; `api` answers.

mod api;
mod app;
mod assets;
pub mod audit;
mod console;
pub mod dev;
mod doorway;
pub(crate) mod elsewhere;
pub(crate) mod forward;
mod gather;
pub mod guard;
pub mod manners;
mod openapi;
mod page;
mod patience;
mod probes;
pub mod problem;
pub mod server;

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Request, State},
    http::{HeaderName, HeaderValue, Method, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, patch, post, put},
};
use starling_proto::Code;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use app::App;
pub use guard::Side;
pub use manners::Answers;
pub use problem::Problem;

use crate::{
    signal::socket,
    whip::{
        http as whip,
        post::{ACCEPT_PATCH, carries_token},
    },
};

/// Longest body in bytes: the largest, a policy with 64 nodes, is under 8 KiB.
const MAX_BODY: usize = 64 * 1024;
/// The same where RTP parameters are sent: mediasoup's largest, with all codecs, are about 40 KiB.
const MAX_BODY_PRODUCE: usize = 256 * 1024;
/// Longest time for a request, its body included. A handed-on one may take 8 s.
const REQUEST: Duration = Duration::from_secs(15);

/// A path with its methods, as the description has them.
type Route = (&'static str, &'static [&'static str], MethodRouter<App>);

/// What operators use.
fn admin_routes() -> Vec<Route> {
    use api::{
        direct, events, matrix, moves, nodes, pipes, policy, recordings, rooms, tokens, webhooks,
    };
    vec![
        ("/v1/recordings", &["get", "post"], get(recordings::list).post(recordings::create)),
        (
            "/v1/recordings/{recording}",
            &["get", "delete"],
            get(recordings::one).delete(recordings::remove),
        ),
        ("/v1/recordings/{recording}/stop", &["post"], post(recordings::stop)),
        ("/v1/nodes/{id}/recordings", &["get"], get(recordings::of_node)),
        ("/v1/tokens/revocations", &["get", "post"], get(tokens::revocations).post(tokens::revoke)),
        ("/v1/tokens/revocations/{revocation}", &["delete"], delete(tokens::pardon)),
        ("/v1/nodes", &["get"], get(nodes::list)),
        ("/v1/nodes/{id}", &["get"], get(nodes::one)),
        ("/v1/nodes/{id}/cordon", &["post"], post(nodes::cordon)),
        ("/v1/nodes/{id}/drain", &["get", "post"], get(nodes::drain_info).post(nodes::drain)),
        ("/v1/nodes/{id}/undrain", &["post"], post(nodes::undrain)),
        ("/v1/nodes/{id}/reload", &["post"], post(nodes::reload)),
        ("/v1/nodes/{id}/events", &["get"], get(events::events)),
        ("/v1/nodes/{id}/log", &["put"], put(nodes::log)),
        ("/v1/nodes/{id}/workers", &["get"], get(nodes::workers)),
        ("/v1/nodes/{id}/routers/{room}", &["get"], get(nodes::router)),
        ("/v1/nodes/{id}/links", &["get"], get(pipes::links_of)),
        ("/v1/nodes/{id}/pipes", &["get"], get(pipes::pipes_of)),
        ("/v1/events", &["get"], get(events::all)),
        ("/v1/links", &["get"], get(pipes::links)),
        ("/v1/pipes", &["get"], get(pipes::pipes)),
        ("/v1/rooms", &["get", "post"], get(rooms::list).post(rooms::create)),
        ("/v1/rooms/{room}", &["get", "delete"], get(rooms::one).delete(rooms::delete)),
        ("/v1/rooms/{room}/rtp-capabilities", &["get"], get(rooms::rtp_capabilities)),
        (
            "/v1/rooms/{room}/policy",
            &["get", "put", "patch"],
            get(policy::one).put(policy::set).patch(policy::change_some),
        ),
        ("/v1/rooms/{room}/explain", &["get"], get(rooms::explain)),
        ("/v1/rooms/{room}/matrix", &["get"], get(matrix::matrix)),
        ("/v1/rooms/{room}/move", &["post"], post(moves::move_room)),
        ("/v1/tokens", &["post"], post(tokens::create)),
        ("/v1/webhooks", &["get", "post"], get(webhooks::list).post(webhooks::create)),
        ("/v1/webhooks/{webhook}", &["get", "delete"], get(webhooks::one).delete(webhooks::delete)),
        ("/v1/webhooks/{webhook}/try", &["post"], post(webhooks::try_out)),
        ("/v1/webhooks/{webhook}/dead-letters", &["get"], get(webhooks::dead_letters)),
        ("/v1/webhooks/{webhook}/redeliver", &["post"], post(webhooks::redeliver)),
        // A WebSocket is not handed on: it is opened on the peer's node.
        ("/v1/rooms/{room}/peers/{peer}/direct", &["get"], get(direct::open)),
    ]
}

/// What is handed on to the node that has the peer.
fn peer_routes() -> Vec<Route> {
    use api::{data, inspect, peers, transports};
    let produce = post(transports::produce).layer(DefaultBodyLimit::max(MAX_BODY_PRODUCE));
    let consume = post(transports::consume).layer(DefaultBodyLimit::max(MAX_BODY_PRODUCE));
    vec![
        ("/v1/rooms/{room}/peers", &["get", "post"], get(peers::list).post(peers::create)),
        (
            "/v1/rooms/{room}/peers/{peer}",
            &["get", "delete"],
            get(inspect::objects).delete(peers::remove),
        ),
        ("/v1/rooms/{room}/peers/{peer}/move", &["post"], post(peers::move_away)),
        ("/v1/rooms/{room}/peers/{peer}/mute", &["get", "put"], get(peers::muted).put(peers::mute)),
        ("/v1/rooms/{room}/peers/{peer}/transports", &["post"], post(transports::create)),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}",
            &["get", "delete"],
            get(inspect::transport).delete(transports::remove),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}/bitrates",
            &["put"],
            put(transports::bitrates),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}/connect",
            &["post"],
            post(transports::connect),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}/restart-ice",
            &["post"],
            post(transports::restart_ice),
        ),
        ("/v1/rooms/{room}/peers/{peer}/transports/{transport}/producers", &["post"], produce),
        ("/v1/rooms/{room}/peers/{peer}/transports/{transport}/consumers", &["post"], consume),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}/data-producers",
            &["post"],
            post(data::produce),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}/data-consumers",
            &["post"],
            post(data::consume),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/resume",
            &["post"],
            post(transports::resume),
        ),
    ]
}

/// What is looked at, on the node that has the peer.
fn object_routes() -> Vec<Route> {
    use api::{data, inspect, steer};
    vec![
        (
            "/v1/rooms/{room}/peers/{peer}/data-producers/{dataProducer}",
            &["get", "patch", "delete"],
            get(data::producer).patch(data::change_data_producer).delete(data::remove_producer),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/data-producers/{dataProducer}/stats",
            &["get"],
            get(data::producer_stats),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/data-consumers/{dataConsumer}",
            &["get", "patch", "delete"],
            get(data::consumer).patch(data::change_data_consumer).delete(data::remove_consumer),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/data-consumers/{dataConsumer}/stats",
            &["get"],
            get(data::consumer_stats),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}/stats",
            &["get"],
            get(inspect::transport_stats),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/transports/{transport}/trace",
            &["get"],
            get(inspect::trace_transport),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/producers/{producer}",
            &["get", "patch", "delete"],
            get(inspect::producer).patch(steer::change_producer).delete(steer::close_producer),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/producers/{producer}/stats",
            &["get"],
            get(inspect::producer_stats),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/producers/{producer}/trace",
            &["get"],
            get(inspect::trace_producer),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}",
            &["get", "patch", "delete"],
            get(inspect::consumer).patch(steer::change_consumer).delete(steer::close_consumer),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/keyframe",
            &["post"],
            post(steer::request_key_frame),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/stats",
            &["get"],
            get(inspect::consumer_stats),
        ),
        (
            "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/trace",
            &["get"],
            get(inspect::trace_consumer),
        ),
    ]
}

/// mediasoup-demo's API for programs, on the node that is asked.
fn broadcaster_routes() -> Vec<Route> {
    use api::broadcasters::{self, newest};
    let produce = post(broadcasters::produce).layer(DefaultBodyLimit::max(MAX_BODY_PRODUCE));
    let produce_new = post(newest::produce).layer(DefaultBodyLimit::max(MAX_BODY_PRODUCE));
    let consume_new = post(newest::consume).layer(DefaultBodyLimit::max(MAX_BODY_PRODUCE));
    vec![
        ("/rooms/{room}", &["get"], get(broadcasters::capabilities)),
        ("/rooms/{room}/broadcasters", &["post"], post(broadcasters::create)),
        ("/rooms/{room}/broadcasters/{broadcaster}", &["delete"], delete(broadcasters::remove)),
        (
            "/rooms/{room}/broadcasters/{broadcaster}/transports",
            &["post"],
            post(broadcasters::transport),
        ),
        (
            "/rooms/{room}/broadcasters/{broadcaster}/transports/{transport}/connect",
            &["post"],
            post(broadcasters::connect),
        ),
        (
            "/rooms/{room}/broadcasters/{broadcaster}/transports/{transport}/producers",
            &["post"],
            produce,
        ),
        (
            "/rooms/{room}/broadcasters/{broadcaster}/transports/{transport}/consume",
            &["post"],
            post(broadcasters::consume),
        ),
        ("/rooms/{room}/broadcasters/{broadcaster}/join", &["post"], post(newest::join)),
        ("/rooms/{room}/broadcasters/{broadcaster}/producers", &["post"], produce_new),
        ("/rooms/{room}/broadcasters/{broadcaster}/consumers", &["post"], consume_new),
        (
            "/rooms/{room}/broadcasters/{broadcaster}/peerProducersInfos",
            &["get"],
            get(newest::producers),
        ),
        (
            "/rooms/{room}/broadcasters/{broadcaster}/consumers/{consumer}/resume",
            &["post"],
            post(newest::resume),
        ),
    ]
}

/// What has its own rules on who may ask, or none.
fn open_routes() -> Vec<Route> {
    vec![
        ("/livez", &["get"], get(probes::livez)),
        ("/readyz", &["get"], get(probes::readyz)),
        ("/metrics", &["get"], get(probes::metrics)),
        ("/v1/rooms/{room}/placement", &["get"], get(api::rooms::placement)),
        ("/whip/{room}", &["post"], post(whip::publish)),
        ("/whip/{room}/{session}", &["patch", "delete"], patch(whip::patch).delete(whip::end)),
        ("/whep/{room}", &["post"], post(whip::play)),
        ("/whep/{room}/{session}", &["patch", "delete"], patch(whip::patch).delete(whip::end)),
        ("/whep/{room}/{session}/layer", &["post"], post(whip::layer)),
        ("/whep/{room}/{session}/events", &["post"], post(whip::make_events)),
        (
            "/whep/{room}/{session}/events/{stream}",
            &["get", "delete"],
            get(whip::events).delete(whip::end_events),
        ),
    ]
}

/// Of `starling dev` alone.
fn dev_routes() -> Vec<Route> {
    vec![
        ("/dev/nodes", &["get"], get(dev::list)),
        ("/dev/nodes/{id}/kill", &["post"], post(dev::kill)),
        ("/dev/nodes/{id}/start", &["post"], post(dev::start)),
    ]
}

/// Everything one listener serves.
pub fn router(app: &App, side: Side) -> Router {
    let add = |router: Router<App>, routes: Vec<Route>| {
        routes.into_iter().fold(router, |router, (path, _, methods)| router.route(path, methods))
    };
    let handed_on = middleware::from_fn_with_state(app.clone(), forward::layer);
    let of_peers = add(add(Router::new(), peer_routes()), object_routes());
    let mut router = of_peers.route_layer(handed_on);
    router = add(router, admin_routes());
    router = add(router, open_routes());
    router = add(router, broadcaster_routes());
    if app.dev.is_some() {
        router = add(router, dev_routes());
    }
    if side != Side::Public {
        router = router
            .route("/openapi.json", get(openapi::document))
            .route("/docs", get(openapi::page))
            .route("/docs/docs.js", get(openapi::script))
            .route("/console", get(console::enter))
            .route("/console/", get(console::file))
            .route("/console/{file}", get(console::file));
    }
    if side != Side::Admin {
        router = router.route("/", get(root)).route("/ws", get(socket::connect));
        router = router.fallback(assets::file);
    } else {
        router = router.fallback(problem::not_found);
    }
    let routes = router
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY));
    // What comes before is around all routes at once, for it may look at another method than it was
    // asked for; `Router::layer` is around each.
    Router::new()
        .fallback_service(routes.with_state(app.clone()))
        .layer(middleware::from_fn(manners::etags))
        .layer(middleware::from_fn_with_state(app.clone(), manners::idempotent))
        .layer(middleware::from_fn_with_state(app.clone(), within))
        .layer(cors(app))
        .layer(middleware::from_fn_with_state(app.clone(), whip::options))
        .layer(middleware::from_fn_with_state(app.clone(), counted))
        .layer(middleware::from_fn_with_state(app.clone(), audit::layer))
        .layer(middleware::from_fn(manners::request_ids))
        .layer(Extension(side))
}

/// The page, or signalling if the client asks for a WebSocket: mediasoup-demo's clients use `/`.
async fn root(State(app): State<App>, request: Request) -> Response {
    if !request.headers().contains_key(header::UPGRADE) {
        return assets::file(request).await.into_response();
    }
    let (mut parts, _) = request.into_parts();
    match socket::Asked::from_request_parts(&mut parts, &app).await {
        Ok(asked) => socket::connect(State(app), asked).await.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Bounds a request in time. A drain that is waited for has a deadline of its own.
async fn within(State(_): State<App>, request: Request, next: Next) -> Response {
    if request.uri().path().ends_with("/drain") {
        return next.run(request).await;
    }
    tokio::time::timeout(REQUEST, next.run(request)).await.unwrap_or_else(|_| {
        Problem::new(Code::Timeout, "the request took too long")
            .hint("send the body at once; if it was sent, the node is overloaded: try again")
            .into_response()
    })
}

async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    app.counters.answered(response.status().as_u16());
    if let Some(code) = response.extensions().get::<Code>() {
        app.counters.refused(*code);
    }
    response
}

/// There are no cookies, so an origin that may call can do no more than its token allows.
fn cors(app: &App) -> CorsLayer {
    let app = app.clone();
    let origin = AllowOrigin::predicate(move |origin: &HeaderValue, parts: &Parts| {
        let origin = origin.to_str().unwrap_or_default();
        // A page that was sent on by a node that was not its own comes without its origin (Fetch,
        // HTTP-redirect fetch, step 10), and with the token that the node put into the URL.
        let sent = origin == "null" && !app.cors_origins.is_empty() && carries_token(&parts.uri);
        sent || app.lists_origin(origin)
    });
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
            manners::IDEMPOTENCY_KEY,
            manners::REQUEST_ID,
        ])
        .expose_headers([
            header::LOCATION,
            header::ETAG,
            header::LINK,
            ACCEPT_PATCH,
            manners::REPLAYED,
            manners::REQUEST_ID,
        ])
        .max_age(Duration::from_secs(600))
}

#[cfg(test)]
mod access_tests;
#[cfg(test)]
mod tests;
