//! A session while its client is there: it hears what the peer says, carries out orders, and ends
//! with the client's connection. Never does: send a packet.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use serde_json::json;
use starling_actors::session::{ToClient, TransportState};
use starling_proto::{
    Code, Refusal,
    signal::{ClientRequest, Join, ServerNotification},
    transport::{IceParameters, WebRtcTransportInfo},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep_until},
};

use super::{
    caller::Caller,
    events::{Event, Feeds, Kind},
    layers::Wish,
    patch::{Asked, asked},
    slots::Slots,
};
use crate::sdp::{Credentials, Fragment};

/// How long the client may take from its answer to its first connectivity check. Full ICE gives up
/// after about 30 s (RFC 8445 §14.3 at 50 ms pacing and 100 pairs).
const CONNECT_WITHIN: Duration = Duration::from_secs(30);
/// How long the session waits for a client whose checks have stopped: it may restart ICE on another
/// network. The checks were missed for 20 s before.
const RETURN_WITHIN: Duration = Duration::from_secs(10);

/// How often it is looked for what changes without a word: the bitrates of layers. A person who
/// chooses a layer looks at a list for longer.
const LOOK: Duration = Duration::from_secs(2);

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
    Patch { if_match: Option<String>, fragment: Fragment, reply: Reply<Option<Restarted>> },
    /// Other layers.
    Prefer { wish: Wish, reply: Reply<()> },
    /// An event stream of that id, with these events.
    Open { id: String, wanted: BTreeSet<Kind>, reply: Reply<()> },
    /// Somebody listens to it.
    Listen { id: String, reply: Reply<mpsc::Receiver<Event>> },
    /// It is not wanted any more.
    Close { id: String, reply: Reply<()> },
    /// Its end; answered when it has come.
    End(oneshot::Sender<()>),
}

/// Where the answer to an order goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

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
    /// Who is told of it.
    pub(super) feeds: Feeds,
    /// Path and query of the POST that made it, for making another on another node.
    pub(super) again: String,
    /// Ends when its token is good no longer.
    pub(super) revoked: BoxFuture<'static, ()>,
}

impl Live {
    /// Until the client, the peer or an order ends it.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut until = Some(Instant::now() + CONNECT_WITHIN);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
                    Some(order) => self.carry_out(order).await,
                },
                () = late => break None,
                () = &mut self.revoked => break None,
                _ = look.tick(), if self.feeds.heard() => self.look().await,
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
            // Neither protocol can move a session: its client comes again. Who plays can be told so
            // and where, who publishes sees its connection end.
            ToClient::Notification(ServerNotification::MoveTo { nodes, .. })
                if !nodes.is_empty() =>
            {
                let url = nodes.first().map(|node| http(&node.url) + &self.again);
                self.feeds.reconnect(url);
                Heard::End
            }
            ToClient::Notification(notification) => {
                let changed = self.slots.hear(&mut self.caller, notification).await;
                if changed && self.feeds.heard() {
                    self.look().await;
                }
                Heard::Nothing
            }
            ToClient::Transport { .. }
            | ToClient::Request(_)
            | ToClient::Response { .. }
            | ToClient::Close { .. } => Heard::Nothing,
        }
    }

    /// All but its end, which is the loop's.
    async fn carry_out(&mut self, order: Order) {
        match order {
            Order::Patch { if_match, fragment, reply } => {
                let _ = reply.send(self.patch(if_match.as_deref(), &fragment).await);
            }
            Order::Prefer { wish, reply } => {
                let _ = reply.send(self.slots.prefer(&mut self.caller, wish).await);
            }
            Order::Open { id, wanted, reply } => {
                let _ = reply.send(self.feeds.open(id, wanted));
            }
            Order::Listen { id, reply } => {
                self.look().await;
                let _ = reply.send(self.feeds.listen(&id).ok_or_else(no_feed));
            }
            Order::Close { id, reply } => {
                let closed = self.feeds.close(&id);
                let _ = reply.send(if closed { Ok(()) } else { Err(no_feed()) });
            }
            Order::End(_) => {}
        }
    }

    /// Sees how things stand and tells who listens.
    async fn look(&mut self) {
        let state = self.slots.state(&mut self.caller).await;
        self.feeds.update(state);
    }

    async fn patch(
        &mut self,
        if_match: Option<&str>,
        fragment: &Fragment,
    ) -> Result<Option<Restarted>, Refusal> {
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

fn no_feed() -> Refusal {
    Refusal::new(Code::SessionNotFound, "the session has no such event stream")
        .hint("POST to its events URL makes one")
}

/// Scheme and host of where a WebSocket would go.
fn http(url: &str) -> String {
    let url = url.replacen("ws", "http", 1);
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[host..].find('/').map_or(url.len(), |path| host + path);
    url[..end].to_owned()
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
