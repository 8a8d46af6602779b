//! The API's description, from the handlers' own attributes, and a page that shows it offline.
//! Never does: describe by hand what an attribute knows.

mod complete;
pub(crate) mod operations;

use std::sync::OnceLock;

use axum::{
    http::{
        Method,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
};

use super::{api, assets, dev, probes};
use crate::{auth::is_moderation, whip::http as whip};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Starling",
        description = "The admin API of a Starling node. Every refusal is a problem (RFC 9457) with a \
                       stable code and a hint. Any node of a cluster answers for all of it.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        probes::livez, probes::readyz, probes::metrics,
        api::nodes::list, api::nodes::one, api::nodes::drain, api::nodes::drain_info,
        api::nodes::cordon, api::nodes::undrain, api::nodes::reload,
        api::events::all, api::events::events, api::nodes::log, api::nodes::workers,
        api::nodes::router,
        api::pipes::links, api::pipes::pipes, api::pipes::links_of, api::pipes::pipes_of,
        api::rooms::list, api::rooms::create, api::rooms::one, api::rooms::delete,
        api::policy::one, api::policy::set, api::policy::change_some, api::rooms::placement,
        api::rooms::explain, api::rooms::rtp_capabilities, api::matrix::matrix,
        api::moves::move_room,
        api::peers::list, api::peers::create, api::peers::remove,
        api::peers::move_away, api::peers::muted, api::peers::mute,
        api::transports::create, api::transports::connect, api::transports::restart_ice,
        api::transports::bitrates,
        api::transports::remove, api::transports::produce, api::transports::consume,
        api::transports::resume,
        api::inspect::objects,
        api::inspect::transport, api::inspect::transport_stats,
        api::inspect::trace_transport,
        api::inspect::producer, api::inspect::producer_stats, api::inspect::trace_producer,
        api::inspect::consumer, api::inspect::consumer_stats, api::inspect::trace_consumer,
        api::data::produce, api::data::consume,
        api::data::producer, api::data::producer_stats, api::data::change_data_producer,
        api::data::remove_producer, api::data::consumer, api::data::consumer_stats,
        api::data::change_data_consumer, api::data::remove_consumer,
        api::steer::change_producer, api::steer::close_producer,
        api::steer::change_consumer, api::steer::close_consumer,
        api::steer::request_key_frame,
        api::direct::open,
        api::recordings::list, api::recordings::of_node, api::recordings::create,
        api::recordings::one, api::recordings::stop, api::recordings::remove,
        api::tokens::create, api::tokens::revocations, api::tokens::revoke, api::tokens::pardon,
        api::webhooks::list, api::webhooks::create, api::webhooks::one, api::webhooks::delete,
        api::webhooks::try_out, api::webhooks::dead_letters, api::webhooks::redeliver,
        api::broadcasters::capabilities, api::broadcasters::create, api::broadcasters::remove,
        api::broadcasters::transport, api::broadcasters::connect, api::broadcasters::produce,
        api::broadcasters::consume,
        api::broadcasters::newest::join, api::broadcasters::newest::produce,
        api::broadcasters::newest::producers, api::broadcasters::newest::consume,
        api::broadcasters::newest::resume,
        whip::publish, whip::play, whip::patch, whip::end,
        whip::layer, whip::make_events, whip::events, whip::end_events,
        dev::list, dev::kill, dev::start,
    ),
    modifiers(&Schemes, &Players, &Moderators)
)]
struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = || SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("admin", bearer());
        components.add_security_scheme("room", bearer());
    }
}

/// A session that plays takes the same requests as one that publishes, of the same handlers.
struct Players;

impl Modify for Players {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let paths = &mut openapi.paths.paths;
        let Some(mut session) = paths.get("/whip/{room}/{session}").cloned() else { return };
        for operation in [&mut session.patch, &mut session.delete].into_iter().flatten() {
            let id = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(id.replace("whip", "whep"));
        }
        paths.insert("/whep/{room}/{session}".to_owned(), session);
    }
}

/// What admins of a room may do with their room token, as the guard has it.
struct Moderators;

impl Modify for Moderators {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            let operations = [
                (Method::GET, &mut item.get),
                (Method::PUT, &mut item.put),
                (Method::PATCH, &mut item.patch),
                (Method::DELETE, &mut item.delete),
            ];
            for (method, operation) in operations {
                let Some(operation) = operation.as_mut() else { continue };
                if is_moderation(&method, path) {
                    let room = SecurityRequirement::new("room", Vec::<String>::new());
                    operation.security.get_or_insert_default().push(room);
                }
            }
        }
    }
}

/// The description as JSON.
pub(crate) fn json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let described = serde_json::to_value(Description::openapi());
        let mut document = described.expect("the description is plain data");
        complete::complete(&mut document);
        serde_json::to_string_pretty(&document).expect("it is JSON")
    })
}

/// `/openapi.json`.
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json")], json()).into_response()
}

/// `/docs`.
pub(crate) async fn page() -> Response {
    shown("text/html; charset=utf-8", include_str!("../docs/index.html"))
}

/// `/docs/docs.js`.
pub(crate) async fn script() -> Response {
    shown("text/javascript; charset=utf-8", include_str!("../docs/docs.js"))
}

fn shown(kind: &'static str, text: &'static str) -> Response {
    let mut response = ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response();
    assets::harden(response.headers_mut());
    response
}
