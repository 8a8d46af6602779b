//! Another node's events, read for as long as somebody reads the merged stream: connected again
//! when they break off, and nothing told twice.

use std::time::Duration;

use starling_proto::{rest::NodeInfo, time::Timestamp};
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};

use super::line::{Fresh, Line, Lines};
use crate::http::{App, forward};

/// A node that says nothing for so long, five of its beats, is asked anew.
const SILENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads until it is dropped.
#[derive(Debug)]
pub(super) struct Source(AbortHandle);

impl Drop for Source {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Source {
    /// Begins to read a node's events from `since` on.
    pub(super) fn start(
        app: App,
        node: NodeInfo,
        since: Timestamp,
        to: mpsc::Sender<(NodeInfo, Line)>,
    ) -> Self {
        let reads = async move {
            let mut reader = Reader { since, fresh: Fresh::default(), node, to };
            loop {
                reader.read(&app).await;
                tokio::time::sleep(PAUSE).await;
            }
        };
        Self(tokio::spawn(reads).abort_handle())
    }
}

struct Reader {
    /// All before was told.
    since: Timestamp,
    fresh: Fresh,
    node: NodeInfo,
    to: mpsc::Sender<(NodeInfo, Line)>,
}

impl Reader {
    /// Until it breaks off.
    async fn read(&mut self, app: &App) -> Option<()> {
        let path = format!("/v1/events?since={}", self.since);
        let mut stream = forward::stream(app, &self.node, &path).await.ok()?;
        if !stream.status.is_success() {
            return None;
        }
        let mut lines = Lines::default();
        loop {
            let bytes = timeout(SILENCE, stream.chunk()).await.ok()??;
            for line in lines.take(&bytes).ok()? {
                self.pass_on(line).await?;
            }
        }
    }

    async fn pass_on(&mut self, line: Line) -> Option<()> {
        match &line {
            Line::Event(event) if !self.fresh.is_new(&event.id) => return Some(()),
            Line::Mark(until) => self.since = *until,
            Line::Event(_) | Line::Gap(_) => {}
        }
        self.to.send((self.node.clone(), line)).await.ok()
    }
}
