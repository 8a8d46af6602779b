//! The client's side of a session, spoken by us on behalf of a client that speaks SDP. Owns the ids
//! of requests and what came between an answer and its question.

use std::{collections::VecDeque, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;
use starling_actors::session::{FromClient, Session, ToClient};
use starling_proto::{
    Code, Refusal,
    signal::{ClientNotification, ClientRequest},
};
use tokio::time::timeout;

/// Longest wait for an answer of the peer. It has none that takes longer than a room's turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// What may come unasked while one answer is awaited: a full outbox.
const ASIDE: usize = starling_actors::session::OUTBOX;

/// See the module.
#[derive(Debug)]
pub(super) struct Caller {
    session: Session,
    next: u32,
    aside: VecDeque<ToClient>,
}

impl Caller {
    pub(super) fn new(session: Session) -> Self {
        Self { session, next: 1, aside: VecDeque::new() }
    }

    /// Asks the peer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        request: ClientRequest,
    ) -> Result<T, Refusal> {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let request = FromClient::Request { id, request };
        if self.session.inbox.send(request).await.is_err() {
            return Err(ended());
        }
        let answer = timeout(PATIENCE, self.answer(id)).await.unwrap_or_else(|_| {
            Err(Refusal::new(Code::Timeout, "the node did not answer in time").hint("try again"))
        })?;
        serde_json::from_value(answer)
            .map_err(|error| Refusal::new(Code::Internal, format!("an unknown answer: {error}")))
    }

    /// Tells the peer, which does not answer.
    pub(super) async fn tell(&mut self, notification: ClientNotification) {
        // A peer that has ended says so by itself.
        let _ = self.session.inbox.send(FromClient::Notification(notification)).await;
    }

    async fn answer(&mut self, of: u32) -> Result<Value, Refusal> {
        loop {
            match self.session.outbox.recv().await {
                Some(ToClient::Response { id, result }) if id == of => return result,
                Some(ToClient::Close { code: _, reason }) => {
                    return Err(Refusal::new(Code::WrongState, reason)
                        .hint("the node ended the session; start another"));
                }
                Some(other) if self.aside.len() < ASIDE => self.aside.push_back(other),
                Some(_) => {}
                None => return Err(ended()),
            }
        }
    }

    /// What the peer says next; nothing if it has ended.
    pub(super) async fn told(&mut self) -> Option<ToClient> {
        match self.aside.pop_front() {
            Some(told) => Some(told),
            None => self.session.outbox.recv().await,
        }
    }
}

fn ended() -> Refusal {
    Refusal::new(Code::Internal, "the node lost this session").hint("start another")
}
