//! A session while its client is there: it hears what the peer says, carries out orders, and ends
//! with the client's connection. Never does: send a packet.

use std::time::{Duration, Instant};

use serde_json::json;
use starling_actors::session::{ToClient, TransportState};
use starling_proto::{
    Refusal,
    signal::{ClientRequest, Join, ServerNotification},
    transport::{IceParameters, WebRtcTransportInfo},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep_until,
};

use super::{
    caller::Caller,
    patch::{Asked, asked},
    play::Slots,
};
use crate::sdp::{Credentials, Fragment};

/// How long the client may take from its answer to its first connectivity check. Full ICE gives up
/// after about 30 s (RFC 8445 §14.3 at 50 ms pacing and 100 pairs).
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long the session waits for a client whose checks have stopped: it may restart ICE on another
/// network. The checks were missed for 20 s before.
const RETURN_WITHIN: Duration = Duration::from_secs(10);

/// How a client shows itself to the room.
#[derive(Clone, Debug)]
pub(super) struct Introduction {
    pub(super) name: String,
    pub(super) protocol: &'static str,
    pub(super) agent: String,
}

impl Introduction {
    /// Consumes nothing by itself; who plays is told what it could.
    pub(super) fn join(self, plays: bool) -> Join {
        Join {
            display_name: self.name,
            device: json!({ "flag": self.protocol, "name": self.agent }),
            rtp_capabilities: None,
            auto_consume: !plays,
            ignore_dtx: false,
        }
    }
}

/// What somebody wants of a session.
#[derive(Debug)]
pub(super) enum Order {
    /// A PATCH.
    Patch { if_match: Option<String>, fragment: Fragment, reply: oneshot::Sender<Patched> },
    /// Its end; answered when it has come.
    End(oneshot::Sender<()>),
}

/// The answer to a PATCH.
pub(super) type Patched = Result<Option<Restarted>, Refusal>;

/// ICE has been restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Restarted {
    /// Our new side.
    pub(super) fragment: String,
    /// Of the new ICE session.
    pub(super) etag: String,
}

/// A session.
pub(super) struct Live {
    pub(super) caller: Caller,
    pub(super) transport: WebRtcTransportInfo,
    /// The client's, of the present ICE session.
    pub(super) ice: Credentials,
    pub(super) etag: String,
    /// The m-line that ICE is named after.
    pub(super) mid: Option<String>,
    /// What it plays; nothing if it publishes.
    pub(super) slots: Slots,
}

impl Live {
    /// Until the client, the peer or an order ends it.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut until = Some(Instant::now() + CONNECT_WITHIN);
        let ended = loop {
            let late = async {
                match until {
                    Some(until) => sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                told = self.caller.told() => match told {
                    None | Some(ToClient::Close { .. }) => break None,
                    Some(told) => match self.hear(told).await {
                        Heard::Nothing => {}
                        Heard::Connected => until = None,
                        Heard::Lost => until = Some(Instant::now() + RETURN_WITHIN),
                        Heard::End => break None,
                    },
                },
                order = orders.recv() => match order {
                    None => break None,
                    Some(Order::End(reply)) => break Some(reply),
                    Some(Order::Patch { if_match, fragment, reply }) => {
                        let patched = self.patch(if_match.as_deref(), &fragment).await;
                        let _ = reply.send(patched);
                    }
                },
                () = late => break None,
            }
        };
        // The peer leaves with its session, and whoever asked for the end hears of it then.
        drop(self);
        if let Some(reply) = ended {
            let _ = reply.send(());
        }
    }

    async fn hear(&mut self, told: ToClient) -> Heard {
        match told {
            ToClient::Transport { id, state } if id == self.transport.transport_id => match state {
                TransportState::Connected => Heard::Connected,
                TransportState::Disconnected => Heard::Lost,
                TransportState::Closed => Heard::End,
            },
            // Neither protocol can move a session: its client comes again, and is sent elsewhere.
            ToClient::Notification(ServerNotification::MoveTo { .. }) => Heard::End,
            ToClient::Notification(notification) => {
                self.slots.hear(&mut self.caller, notification).await;
                Heard::Nothing
            }
            ToClient::Transport { .. }
            | ToClient::Request(_)
            | ToClient::Response { .. }
            | ToClient::Close { .. } => Heard::Nothing,
        }
    }

    async fn patch(&mut self, if_match: Option<&str>, fragment: &Fragment) -> Patched {
        if asked(if_match, &self.etag, &self.ice, fragment)? == Asked::Trickle {
            return Ok(None);
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Answer {
            ice_parameters: IceParameters,
        }
        let transport = self.transport.transport_id.clone();
        let restart = ClientRequest::RestartIce { transport };
        let Answer { ice_parameters } = self.caller.ask(restart).await?;
        if let Some(theirs) = &fragment.ice {
            self.ice = theirs.clone();
        }
        self.etag = etag_of(&ice_parameters);
        let fragment = Fragment::restarted(
            self.mid.as_deref(),
            &ice_parameters.username_fragment,
            &ice_parameters.password,
            &self.transport.ice_candidates,
        );
        Ok(Some(Restarted { fragment, etag: self.etag.clone() }))
    }
}

/// What was heard.
enum Heard {
    Nothing,
    Connected,
    Lost,
    End,
}

/// An ICE session is told from the next by our user name.
pub(super) fn etag_of(ice: &IceParameters) -> String {
    format!("\"{}\"", ice.username_fragment)
}
