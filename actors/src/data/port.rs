//! The way to a transport's session, and what is known of it without asking.

use std::sync::{Arc, Mutex, PoisonError};

use starling_proto::sctp::SctpState;
use tokio::sync::mpsc;

use super::DataCommand;

/// To a transport's session, from the transport's beginning to its end; what is said before the
/// client has connected waits. Unbounded: a peer may have a bounded number of producers and
/// consumers, and says little about each.
#[derive(Clone, Debug)]
pub(crate) struct DataPort {
    commands: mpsc::UnboundedSender<DataCommand>,
    state: Arc<Mutex<SctpState>>,
}

/// The session's end of it.
#[derive(Debug)]
pub(crate) struct DataInbox {
    commands: mpsc::UnboundedReceiver<DataCommand>,
    state: Arc<Mutex<SctpState>>,
}

/// Both ends.
pub(crate) fn port() -> (DataPort, DataInbox) {
    let (to, from) = mpsc::unbounded_channel();
    let state = Arc::<Mutex<SctpState>>::default();
    (DataPort { commands: to, state: state.clone() }, DataInbox { commands: from, state })
}

impl DataPort {
    /// Says something; lost if the transport is over.
    pub(crate) fn send(&self, command: DataCommand) {
        let _ = self.commands.send(command);
    }

    /// Where the association is.
    pub(crate) fn state(&self) -> SctpState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DataInbox {
    /// What is said; none once the transport is over.
    pub(crate) async fn recv(&mut self) -> Option<DataCommand> {
        self.commands.recv().await
    }

    /// The association is there now.
    pub(crate) fn set_state(&self, state: SctpState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Drop for DataInbox {
    fn drop(&mut self) {
        let before =
            std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner));
        if before != SctpState::New {
            self.set_state(SctpState::Closed);
        }
    }
}
