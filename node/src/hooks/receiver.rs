//! Somebody else's server, for tests: notes what it is told, and answers as it is bidden.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::LOCATION},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// What `testing::config` signs with.
pub(crate) const SECRET: &str = "hooks-hooks-hooks-hooks-hooks-hooks";
const SOON: Duration = Duration::from_secs(20);

/// See the module.
pub(crate) struct Receiver {
    addr: SocketAddr,
    told: mpsc::UnboundedReceiver<Told>,
    answers: Answers,
}

/// The next ones; 200 and nothing if there are none.
type Answers = Arc<Mutex<VecDeque<(StatusCode, &'static str)>>>;

/// A request.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) path: String,
    pub(crate) signed: bool,
    pub(crate) event: Value,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        let answers = Answers::default();
        let router = Router::new().fallback(take).with_state((tell, answers.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { addr, told, answers }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }

    /// The next request is answered so, after those that were bidden before.
    pub(crate) fn answer(&self, status: u16, body: &'static str) {
        let status = StatusCode::from_u16(status).unwrap();
        self.answers.lock().unwrap().push_back((status, body));
    }

    pub(crate) async fn next(&mut self) -> Told {
        timeout(SOON, self.told.recv()).await.expect("told soon").unwrap()
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        timeout(Duration::from_millis(300), self.told.recv()).await.is_err()
    }
}

async fn take(
    State((tell, answers)): State<(mpsc::UnboundedSender<Told>, Answers)>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let signed = verified(&headers, &body);
    let event = serde_json::from_slice(&body).unwrap();
    let _ = tell.send(Told { path: uri.path().to_owned(), signed, event });
    let answer = answers.lock().unwrap().pop_front().unwrap_or((StatusCode::OK, ""));
    (answer.0, [(LOCATION, "/elsewhere")], answer.1).into_response()
}

/// As a receiver of LiveKit's does it.
fn verified(headers: &HeaderMap, body: &[u8]) -> bool {
    let token = headers["authorization"].to_str().unwrap();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_nbf = true;
    validation.set_issuer(&["starling"]);
    validation.set_required_spec_claims(&["exp", "iss", "nbf"]);
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let claims = decode::<Value>(token, &key, &validation).unwrap().claims;
    let event: Value = serde_json::from_slice(body).unwrap();
    headers.get_all("content-type").iter().eq(["application/webhook+json"])
        && event["id"] == headers["webhook-id"].to_str().unwrap()
        && claims["sha256"] == STANDARD.encode(digest(&SHA256, body))
}
