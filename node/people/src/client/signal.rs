//! A client's end of protoo: requests with answers, and answers to the node's requests.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::{Value, json};
use starling_client::http::{Io, dial};
use starling_proto::signal::Frame;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::Failure;

/// Longer than a node may take for any request.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<Box<dyn Io>>;
type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<Result<Value, String>>>>>;
type Out = Arc<tokio::sync::Mutex<SplitSink<Socket, Message>>>;

/// Requests and notifications kept until they are taken: consumers of a room of hundreds.
const MAX_TOLD: usize = 4_096;

/// A request or notification of the node.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which.
    pub method: String,
    /// With what.
    pub data: Value,
}

/// What a session hears, in order.
#[derive(Clone, Debug)]
pub enum Heard {
    /// The node asked or told something. A request is answered when the listener returns.
    Told(Told),
    /// The session is over; 1006 if the node said no code.
    Closed {
        /// WebSocket's.
        code: u16,
        /// The node's words.
        reason: String,
    },
}

/// Without a close frame (RFC 6455 §7.1.5).
const ABNORMAL: u16 = 1006;

/// Called for each thing that is heard; must not wait.
pub type Listener = Box<dyn Fn(Heard) + Send + Sync>;

/// An open session.
pub struct Signal {
    out: Out,
    waiting: Waiting,
    told: Arc<Mutex<Vec<Told>>>,
    next: AtomicU32,
    reader: JoinHandle<()>,
}

impl std::fmt::Debug for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signal")
    }
}

impl Signal {
    /// Connects to `ws://…/?roomId=…&peerId=…`. Every `newConsumer` is accepted.
    ///
    /// # Errors
    /// A node that cannot be reached, or refuses.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        let told = Arc::default();
        let hear = Arc::clone(&told);
        let listener = move |heard| match heard {
            Heard::Told(told) => keep(&hear, told),
            Heard::Closed { .. } => {}
        };
        let mut signal = Self::listening(url, Box::new(listener)).await?;
        signal.told = told;
        Ok(signal)
    }

    /// The same; all that is heard goes to `listener`.
    ///
    /// # Errors
    /// As [`Signal::connect`].
    pub async fn listening(url: &str, listener: Listener) -> Result<Self, Failure> {
        let mut request = url.into_client_request()?;
        let protocol = HeaderValue::from_static("protoo");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (http, secure) = (request.uri().clone(), request.uri().scheme_str() == Some("wss"));
        let host = http.host().ok_or("the URL has no host")?.trim_matches(['[', ']']);
        let port = http.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = timeout(PATIENCE, dial(host, port, secure)).await??;
        let (socket, _): (Socket, _) = timeout(PATIENCE, client_async(request, stream)).await??;
        let (out, mut from) = socket.split();
        let (out, waiting) = (Arc::new(tokio::sync::Mutex::new(out)), Waiting::default());
        let (answers, pending) = (Arc::clone(&out), Arc::clone(&waiting));
        let reader = tokio::spawn(async move {
            let (mut code, mut reason) = (ABNORMAL, String::new());
            while let Some(Ok(message)) = from.next().await {
                if let Message::Close(Some(frame)) = &message {
                    (code, reason) = (frame.code.into(), frame.reason.to_string());
                }
                let Message::Text(text) = message else { continue };
                match Frame::parse(text.as_str()) {
                    Ok(Frame::Request { id, method, data }) => {
                        listener(Heard::Told(Told { method, data }));
                        let answer = Frame::Response { id, data: json!({}) }.to_text();
                        let _ = answers.lock().await.send(Message::text(answer)).await;
                    }
                    Ok(Frame::Response { id, data }) => settle(&pending, id, Ok(data)),
                    Ok(Frame::Failure { id, reason, .. }) => settle(&pending, id, Err(reason)),
                    Ok(Frame::Notification { method, data }) => {
                        listener(Heard::Told(Told { method, data }));
                    }
                    Err(_) => {}
                }
            }
            // First why, then whoever waits, by the end of its channel.
            listener(Heard::Closed { code, reason });
            pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(Self { out, waiting, told: Arc::default(), next: AtomicU32::new(1), reader })
    }

    /// What the node asked and told since the last call; what nobody takes is lost at some time.
    pub fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the node something.
    ///
    /// # Errors
    /// A session that is over.
    pub async fn notify(&self, method: &str, data: Value) -> Result<(), Failure> {
        let text = Frame::Notification { method: method.to_owned(), data }.to_text();
        Ok(self.out.lock().await.send(Message::text(text)).await?)
    }

    /// Reads nothing any more, and so answers no ping.
    pub fn be_deaf(&self) {
        self.reader.abort();
    }

    /// Says that the client leaves.
    pub async fn close(&self) {
        let _ = self.out.lock().await.send(Message::Close(None)).await;
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// What the node said, or that it said nothing in time.
    pub async fn request(&self, method: &str, data: Value) -> Result<Value, Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (settled, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, settled);
        let text = Frame::Request { id, method: method.to_owned(), data }.to_text();
        self.out.lock().await.send(Message::text(text)).await?;
        let answer = timeout(PATIENCE, answer).await??;
        answer.map_err(|reason| format!("{method}: {reason}").into())
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn keep(all: &Mutex<Vec<Told>>, told: Told) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() < MAX_TOLD {
        all.push(told);
    }
}

fn settle(waiting: &Waiting, id: u32, answer: Result<Value, String>) {
    let waiter = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    if let Some(waiter) = waiter {
        let _ = waiter.send(answer);
    }
}
