//! protoo on one side, the peer's session on the other: a pure machine. Owns the ids of our
//! requests and what waits for an answer. Never does: read a clock, a socket or a token.
//!
//! ```text
//! text frame ─ handle_text ─▶ ┌─────────┐ ─ Effect::Forward ─▶ peer
//!                             │ Adaptor │
//! client ◀── Effect::Send ─── └─────────┘ ◀─ handle_peer ──── ToClient
//! ```
//! After any `handle_*` the caller drains [`Adaptor::poll_effect`].

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use starling_actors::session::{FromClient, ToClient};
use starling_proto::{
    Code, ConsumerId, DataConsumerId, Refusal,
    signal::{ClientNotification, ClientRequest, Frame, ServerRequest},
};

use super::generation::Generation;
use crate::{ice::ForClient, limit::Rate};

/// A client that has not answered a `newConsumer` for so long never will: protoo's server waits 30
/// s, but meanwhile the consumer holds its place in the bandwidth budget.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Requests that may wait for the client: three for each peer of a 300-peer room that it joins.
pub const MAX_PENDING: usize = 1024;
/// Requests of the client that may be under way: as many as its peer lets wait, and those whose
/// answers wait for the client. The answer to one beyond is given as the new generation has it.
const MAX_ASKED: usize = starling_actors::session::INBOX + starling_actors::session::OUTBOX;
/// protoo's range of ids (`lib/utils.js`).
const MAX_ID: u32 = 10_000_000;
/// Frames per second of one client. A client that moves a slider sends 60.
pub const FRAMES_PER_SECOND: u32 = 100;
/// Frames at once: the answers to all the `newConsumer`s of a 150-peer room.
pub const FRAMES_BURST: u32 = 500;
/// protoo-client does not come back after this code.
pub const CLOSE_FOR_GOOD: u16 = 4000;
/// Ours: go to another node.
pub const CLOSE_GO_ELSEWHERE: u16 = 4001;
/// Longest reason of a close frame (RFC 6455 §5.5: 125 bytes with the code).
const MAX_REASON: usize = 123;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Give it to the peer.
    Forward(FromClient),
    /// Send it to the client.
    Send(String),
    /// Close the WebSocket; nothing follows.
    Close {
        /// WebSocket close code.
        code: u16,
        /// At most 123 bytes.
        reason: String,
    },
}

/// What went through, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were no protoo frames.
    pub malformed: u64,
    /// Requests refused before the peer saw them.
    pub refused: u64,
    /// Requests that the client never answered.
    pub unanswered: u64,
}

/// One client's protoo side.
#[derive(Debug)]
pub struct Adaptor {
    rate: Rate,
    used: Instant,
    next_id: u32,
    pending: BTreeMap<u32, Pending>,
    /// What the peer was asked, by the client's id: its answer depends on it.
    asked: BTreeMap<u32, String>,
    generation: Generation,
    ice: Option<ForClient>,
    effects: VecDeque<Effect>,
    closed: bool,
    counts: Counts,
}

#[derive(Debug)]
struct Pending {
    consumer: Asked,
    until: Instant,
}

/// What the client was asked to open.
#[derive(Clone, Debug)]
enum Asked {
    Stream(ConsumerId),
    Data(DataConsumerId),
}

impl Asked {
    fn answered(self, accepted: bool) -> FromClient {
        match self {
            Self::Stream(consumer) => FromClient::ConsumerAnswered { consumer, accepted },
            Self::Data(consumer) => FromClient::DataConsumerAnswered { consumer, accepted },
        }
    }
}

impl Adaptor {
    /// For a client that has just connected.
    pub fn new(now: Instant) -> Self {
        Self {
            rate: Rate::new(FRAMES_PER_SECOND, FRAMES_BURST),
            used: now,
            next_id: 1,
            pending: BTreeMap::new(),
            asked: BTreeMap::new(),
            generation: Generation::default(),
            ice: None,
            effects: VecDeque::new(),
            closed: false,
            counts: Counts::default(),
        }
    }

    /// Tells the client of STUN and TURN servers where it makes a transport or restarts its ICE.
    #[must_use]
    pub fn with_ice(self, ice: ForClient) -> Self {
        Self { ice: Some(ice), ..self }
    }

    /// Takes a text frame of the client.
    pub fn handle_text(&mut self, now: Instant, text: &str) {
        if self.closed {
            return;
        }
        if !self.rate.admit(now, &mut self.used) {
            let reason = format!("more than {FRAMES_PER_SECOND} messages a second [limit_reached]");
            return self.close(CLOSE_FOR_GOOD, &reason);
        }
        let Ok(frame) = Frame::parse(text) else {
            self.counts.malformed += 1;
            return;
        };
        match frame {
            Frame::Request { id, method, data } => self.on_request(id, &method, data),
            Frame::Notification { method, data } => {
                match ClientNotification::parse(&method, data) {
                    Ok(notification) => self.forward(FromClient::Notification(notification)),
                    Err(_) => self.counts.refused += 1,
                }
            }
            Frame::Response { id, .. } => self.on_answer(id, true),
            Frame::Failure { id, .. } => self.on_answer(id, false),
        }
    }

    /// Takes what the peer says.
    pub fn handle_peer(&mut self, now: Instant, said: ToClient) {
        if self.closed {
            return;
        }
        match said {
            ToClient::Response { id, result: Ok(mut data) } => {
                let method = self.asked.remove(&id).unwrap_or_default();
                if matches!(method.as_str(), "createWebRtcTransport" | "restartIce") {
                    self.add_ice(now, &mut data);
                }
                self.respond(id, self.generation.answer(&method, data));
            }
            ToClient::Response { id, result: Err(refusal) } => {
                self.asked.remove(&id);
                self.send(&Frame::refusal(id, &refusal));
            }
            ToClient::Request(request) => self.on_server_request(now, &request),
            ToClient::Notification(notification) => {
                let (method, data) = named(&notification);
                if let Some((method, data)) = self.generation.said(method, data) {
                    self.send(&Frame::Notification { method, data });
                }
            }
            // protoo's clients see their transports themselves.
            ToClient::Transport { .. } => {}
            ToClient::Close { code, reason } => self.close(code, &reason),
        }
    }

    /// Gives up on answers that are overdue.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut overdue = Vec::new();
        self.pending.retain(|_, pending| {
            let waits = pending.until > now;
            if !waits {
                overdue.push(pending.consumer.clone());
            }
            waits
        });
        for consumer in overdue {
            self.counts.unanswered += 1;
            self.forward(consumer.answered(false));
        }
    }

    /// When the next answer is overdue.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.values().map(|pending| pending.until).min()
    }

    /// What is to be done next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What went through so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn on_request(&mut self, id: u32, method: &str, data: Value) {
        // A heartbeat is about this socket and its node, and not worth a peer's time.
        if method == "ping" {
            return self.respond(id, json!({}));
        }
        self.generation.learn(method, &data);
        let request = match ClientRequest::parse(method, data.clone()) {
            Ok(request) => {
                if self.asked.len() < MAX_ASKED {
                    self.asked.insert(id, method.to_owned());
                }
                return self.forward(FromClient::Request { id, request });
            }
            Err(refusal) => refusal,
        };
        // Generation A of mediasoup-demo sends today's notifications as requests.
        if request.code == Code::MethodNotFound {
            match ClientNotification::parse(method, data) {
                Ok(notification) => {
                    self.forward(FromClient::Notification(notification));
                    return self.respond(id, json!({}));
                }
                Err(refusal) if refusal.code != Code::MethodNotFound => {
                    return self.refuse(id, &refusal);
                }
                Err(_) => {}
            }
        }
        self.refuse(id, &request);
    }

    /// `iceServers` is what mediasoup-client's transports and `RTCPeerConnection` call them.
    fn add_ice(&self, now: Instant, data: &mut Value) {
        let servers = self.ice.as_ref().map(|ice| ice.at(now)).unwrap_or_default();
        if let (false, Value::Object(fields)) = (servers.is_empty(), data) {
            fields.insert("iceServers".to_owned(), json!(servers));
        }
    }

    fn on_answer(&mut self, id: u32, accepted: bool) {
        if let Some(Pending { consumer, .. }) = self.pending.remove(&id) {
            self.forward(consumer.answered(accepted));
        }
    }

    fn on_server_request(&mut self, now: Instant, request: &ServerRequest) {
        let consumer = match request {
            ServerRequest::NewConsumer(new) => Asked::Stream(new.consumer_id.clone()),
            ServerRequest::NewDataConsumer(new) => Asked::Data(new.data_consumer_id.clone()),
        };
        if self.pending.len() >= MAX_PENDING {
            self.counts.unanswered += 1;
            return self.forward(consumer.answered(false));
        }
        while self.pending.contains_key(&self.next_id) {
            self.next_id = (self.next_id + 1) % MAX_ID;
        }
        let id = self.next_id;
        self.next_id = (id + 1) % MAX_ID;
        self.pending.insert(id, Pending { consumer, until: now + ANSWER_TIMEOUT });
        let (method, data) = named(request);
        if let Some((method, data)) = self.generation.said(method, data) {
            self.send(&Frame::Request { id, method, data });
        }
    }

    fn respond(&mut self, id: u32, data: Value) {
        // mediasoup-demo's clients destructure the data of every answer.
        let data = if data.is_null() { json!({}) } else { data };
        self.send(&Frame::Response { id, data });
    }

    fn refuse(&mut self, id: u32, refusal: &Refusal) {
        self.counts.refused += 1;
        self.send(&Frame::refusal(id, refusal));
    }

    fn send(&mut self, frame: &Frame) {
        self.effects.push_back(Effect::Send(frame.to_text()));
    }

    fn forward(&mut self, said: FromClient) {
        self.effects.push_back(Effect::Forward(said));
    }

    fn close(&mut self, code: u16, reason: &str) {
        self.closed = true;
        let reason = fitting(reason).to_owned();
        self.effects.push_back(Effect::Close { code, reason });
    }
}

/// As much of a reason as a close frame holds.
pub fn fitting(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

/// Method and data of a message that serde tags with them.
pub fn named<T: serde::Serialize>(message: &T) -> (String, Value) {
    let mut value = serde_json::to_value(message).expect("our messages are JSON objects");
    let data = value.get_mut("data").map_or_else(|| json!({}), Value::take);
    let method = value.get("method").and_then(Value::as_str).unwrap_or_default();
    (method.to_owned(), data)
}

#[cfg(test)]
#[path = "adaptor_tests.rs"]
mod tests;
