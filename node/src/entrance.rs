//! The way into a room, for clients of every protocol: whoever decides about joins is asked, then
//! the node opens a session. It is timed as a client sees it, and may be traced. Never does: know a
//! protocol.

use std::time::{Duration, Instant};

use starling_actors::session::{Session, SessionRequest};
use starling_proto::{
    Code, Refusal,
    span::{Parent, names},
};
use tokio::time::timeout;

use crate::{http::App, traces::Join};

/// Longest wait for a place while the client does not yet know whether it is in.
const OPEN: Duration = Duration::from_secs(8);

/// A client on its way in.
pub(crate) struct Entrance<'a> {
    app: &'a App,
    began: Instant,
    join: Join<'a>,
}

impl<'a> Entrance<'a> {
    /// It is at the door, by this protocol and perhaps as a part of a trace of its own.
    pub(crate) fn new(
        app: &'a App,
        request: &mut SessionRequest,
        protocol: &str,
        parent: Option<Parent>,
    ) -> Self {
        let join = app.traces.join(request, protocol, parent);
        Self { app, began: Instant::now(), join }
    }

    /// Asks whether it may come in, and with what.
    ///
    /// # Errors
    /// What the admission hook refuses.
    pub(crate) async fn admit(&self, request: &mut SessionRequest) -> Result<(), Refusal> {
        if !self.app.admission.asks(request) {
            return Ok(());
        }
        self.join.part(names::ADMIT, self.app.admission.admit(request)).await
    }

    /// Opens its session. May be asked again after a refusal.
    ///
    /// # Errors
    /// What the node refuses; `timeout`.
    pub(crate) async fn open(&self, request: &SessionRequest) -> Result<Session, Refusal> {
        let opening = async {
            let opened = timeout(OPEN, self.app.node.open_session(request.clone())).await;
            opened.unwrap_or_else(|_| {
                let late = Refusal::new(Code::Timeout, "the node did not answer in time");
                Err(late.hint("try again"))
            })
        };
        let session = self.join.part(names::OPEN, opening).await?;
        self.app.counters.joins.add(self.began.elapsed());
        Ok(session)
    }

    /// It is in, or was refused.
    pub(crate) fn end(self, entered: &Result<Session, Refusal>) {
        self.join.end(entered);
    }
}
