//! The way into a room, for clients of every protocol: whoever decides about joins is asked, then
//! the node opens a session. It is timed as a client sees it. Never does: know a protocol.

use std::time::{Duration, Instant};

use starling_actors::session::{Session, SessionRequest};
use starling_proto::{Code, Refusal};
use tokio::time::timeout;

use crate::http::App;

/// Longest wait for a place while the client does not yet know whether it is in.
const OPEN: Duration = Duration::from_secs(8);

/// A client on its way in.
pub(crate) struct Entrance<'a> {
    app: &'a App,
    began: Instant,
}

impl<'a> Entrance<'a> {
    /// It is at the door.
    pub(crate) fn new(app: &'a App) -> Self {
        Self { app, began: Instant::now() }
    }

    /// Asks whether it may come in, and with what.
    ///
    /// # Errors
    /// What the admission hook refuses.
    pub(crate) async fn admit(&self, request: &mut SessionRequest) -> Result<(), Refusal> {
        self.app.admission.admit(request).await
    }

    /// Opens its session. May be asked again after a refusal.
    ///
    /// # Errors
    /// What the node refuses; `timeout`.
    pub(crate) async fn open(&self, request: &SessionRequest) -> Result<Session, Refusal> {
        let opened = timeout(OPEN, self.app.node.open_session(request.clone())).await;
        let session = opened.unwrap_or_else(|_| {
            Err(Refusal::new(Code::Timeout, "the node did not answer in time").hint("try again"))
        })?;
        self.app.counters.joins.add(self.began.elapsed());
        Ok(session)
    }
}
