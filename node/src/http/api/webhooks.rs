//! `/v1/webhooks`: who is told what happens. Each node sends what it tells, and knows how it fares;
//! any node gathers that.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{Method, StatusCode},
};
use rand::Rng;
use starling_proto::{
    Code, Id, WebhookId,
    registry::WebhookRecord,
    rest::{
        CreateWebhook, DeadLetters, Event, Happening, Problem as ProblemBody, Redelivered, Webhook,
        WebhookTried, is_named,
    },
    time::Timestamp,
};
use tokio::time::timeout;

use crate::{
    events::now,
    http::{
        App, Problem,
        gather::gather,
        guard::Operator,
        problem::{Body, Path},
    },
};

/// Longest wait until this node has heard of what it has written.
const HEARD: Duration = Duration::from_secs(2);
/// Most kinds of events that a webhook names: there are about 30.
const WISHES: usize = 64;
/// Not sent to webhooks: it is the admission hook's, and that a webhook was tried is its own
/// affair.
const OTHERS: [&str; 2] = ["admission.requested", "webhook.tried"];

/// All webhooks, with how each node fares with them.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", security(("admin" = [])),
    responses((status = 200, body = Vec<Webhook>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn list(operator: Operator, State(app): State<App>) -> Json<Vec<Webhook>> {
    let known = app.node.webhooks().borrow().clone().unwrap_or_default();
    let mut all: Vec<_> = known.iter().map(|(id, record)| shown(&app, id, record)).collect();
    if !operator.forwarded && !all.is_empty() {
        let path = |_: &_| "/v1/webhooks".to_owned();
        let (told, missing) = gather::<Vec<Webhook>>(&app, &Method::GET, path).await;
        let mut told: Vec<_> = told.into_iter().flatten().collect();
        for hook in &mut all {
            let theirs = told.iter_mut().filter(|other| other.id == hook.id);
            hook.nodes.extend(theirs.flat_map(|other| std::mem::take(&mut other.nodes)));
            hook.missing.clone_from(&missing);
        }
    }
    Json(all)
}

/// Makes a webhook: every node sends what happens on it there, as signed POSTs.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", security(("admin" = [])),
    request_body = CreateWebhook,
    responses((status = 201, body = Webhook), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    _: Operator,
    State(app): State<App>,
    Body(wish): Body<CreateWebhook>,
) -> Result<(StatusCode, Json<Webhook>), Problem> {
    app.hooks.check(&wish.url)?;
    check_events(&wish.events)?;
    let CreateWebhook { id, url, events, room } = wish;
    let id = id.unwrap_or_else(made_up);
    let record = WebhookRecord { created_at: now().unix_ms, url, events, room };
    app.node.create_webhook(&id, record.clone()).await?;
    let mut known = app.node.webhooks();
    let heard = known.wait_for(|all| all.as_ref().is_some_and(|all| all.get(&id) == Some(&record)));
    // Written it is; that this node is late is no reason to refuse.
    let _ = timeout(HEARD, heard).await;
    Ok((StatusCode::CREATED, Json(shown(&app, &id, &record))))
}

/// One webhook.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook}", tag = "webhooks", security(("admin" = [])),
    params(("webhook" = WebhookId, Path, description = "The webhook.")),
    responses((status = 200, body = Webhook), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn one(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<WebhookId>,
) -> Result<Json<Webhook>, Problem> {
    let mut hook = shown(&app, &id, &find(&app, &id)?);
    if !operator.forwarded {
        let path = |_: &_| format!("/v1/webhooks/{id}");
        let (told, missing) = gather::<Webhook>(&app, &Method::GET, path).await;
        hook.nodes.extend(told.into_iter().flat_map(|other| other.nodes));
        hook.missing = missing;
    }
    Ok(Json(hook))
}

/// Deletes a webhook. What waits to be sent is forgotten.
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook}", tag = "webhooks", security(("admin" = [])),
    params(("webhook" = WebhookId, Path, description = "The webhook.")),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn delete(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<WebhookId>,
) -> Result<StatusCode, Problem> {
    app.node.delete_webhook(&id).await?;
    let mut known = app.node.webhooks();
    let _ = timeout(
        HEARD,
        known.wait_for(|all| all.as_ref().is_some_and(|all| !all.contains_key(&id))),
    )
    .await;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a `webhook.tried` from the node that is asked, once, and says what came of it.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/try", tag = "webhooks", security(("admin" = [])),
    params(("webhook" = WebhookId, Path, description = "The webhook.")),
    responses((status = 200, body = WebhookTried), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn try_out(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<WebhookId>,
) -> Result<Json<WebhookTried>, Problem> {
    let record = find(&app, &id)?;
    let event = Event {
        id: format!("{}.try.{}", app.node.id(), random()),
        at: now(),
        by: app.node.id().clone(),
        what: Happening::WebhookTried { webhook: id },
    };
    Ok(Json(app.hooks.try_out(record.url, &event).await))
}

/// The events that were given up last, of each node at most 100.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook}/dead-letters", tag = "webhooks", security(("admin" = [])),
    params(("webhook" = WebhookId, Path, description = "The webhook.")),
    responses((status = 200, body = DeadLetters), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn dead_letters(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<WebhookId>,
) -> Result<Json<DeadLetters>, Problem> {
    find(&app, &id)?;
    let mut all = DeadLetters { letters: app.hooks.dead_letters(&id), missing: Vec::new() };
    if !operator.forwarded {
        let path = |_: &_| format!("/v1/webhooks/{id}/dead-letters");
        let (told, missing) = gather::<DeadLetters>(&app, &Method::GET, path).await;
        all.letters.extend(told.into_iter().flat_map(|other| other.letters));
        all.letters.sort_by_key(|letter| letter.at);
        all.missing = missing;
    }
    Ok(Json(all))
}

/// Sends the events that were given up, and are still kept, once more, from all nodes: after a
/// receiver was mended. They come behind what waits.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/redeliver", tag = "webhooks", security(("admin" = [])),
    params(("webhook" = WebhookId, Path, description = "The webhook.")),
    responses((status = 200, body = Redelivered), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn redeliver(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<WebhookId>,
) -> Result<Json<Redelivered>, Problem> {
    find(&app, &id)?;
    let mut done = Redelivered { count: app.hooks.redeliver(&id), missing: Vec::new() };
    if !operator.forwarded {
        let path = |_: &_| format!("/v1/webhooks/{id}/redeliver");
        let (told, missing) = gather::<Redelivered>(&app, &Method::POST, path).await;
        done.count += told.into_iter().map(|other| other.count).sum::<usize>();
        done.missing = missing;
    }
    Ok(Json(done))
}

fn find(app: &App, id: &WebhookId) -> Result<WebhookRecord, Problem> {
    let known = app.node.webhooks();
    let record = known.borrow().as_ref().and_then(|all| all.get(id).cloned());
    record.ok_or_else(|| {
        Problem::new(Code::WebhookNotFound, format!("there is no webhook '{id}'"))
            .hint("GET /v1/webhooks lists them")
    })
}

fn shown(app: &App, id: &WebhookId, record: &WebhookRecord) -> Webhook {
    let WebhookRecord { created_at, url, events, room } = record.clone();
    let created_at = Timestamp { unix_ms: created_at };
    let nodes = vec![app.hooks.status(app.node.id().clone(), id)];
    Webhook { id: id.clone(), url, events, room, created_at, nodes, missing: Vec::new() }
}

fn check_events(events: &[String]) -> Result<(), Problem> {
    if events.len() > WISHES {
        let message = format!("more than {WISHES} kinds of events are named");
        return Err(Problem::new(Code::BadRequest, message).hint("name none for all of them"));
    }
    let known = || Happening::TYPES.iter().map(|it| it.name).filter(|name| !OTHERS.contains(name));
    match events.iter().find(|wish| !known().any(|kind| is_named(kind, wish))) {
        None => Ok(()),
        Some(event) => {
            let event: String = event.chars().take(64).collect();
            let all = known().collect::<Vec<_>>().join(", ");
            Err(Problem::new(Code::BadRequest, format!("there are no events '{event}'"))
                .hint(format!("there are {all}; and room.* and the like")))
        }
    }
}

fn made_up() -> WebhookId {
    WebhookId::parse(&format!("webhook-{}", random())).expect("letters and digits are an id")
}

fn random() -> String {
    format!("{:012x}", rand::rng().random::<u64>() >> 16)
}
