//! The audit log: one line for each change that somebody with a token asked for, done or refused,
//! with target `audit`. Never does: log a body, a query, a token, or anything of who has no token.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use starling_proto::Code;

use super::{App, guard::Remote};
use crate::logs::AUDIT;

/// Where the guard says who it is that asks.
#[derive(Clone, Debug, Default)]
pub struct Audit(Arc<OnceLock<Arc<str>>>);

impl Audit {
    /// Takes the first name; the guard may look twice.
    pub fn name(&self, who: &Arc<str>) {
        let _ = self.0.set(who.clone());
    }
}

/// Logs changes after they were answered.
pub(crate) async fn layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let audit = Audit::default();
    request.extensions_mut().insert(audit.clone());
    let Remote(from) = Remote::of(&app, request.extensions(), request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    if let Some(who) = audit.0.get() {
        let status = response.status().as_u16();
        let code = response.extensions().get::<Code>().map_or("", |code| code.as_str());
        tracing::info!(target: AUDIT, %who, %method, %path, %from, status, code, "asked");
    }
    response
}
