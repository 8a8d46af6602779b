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
use starling_proto::signal::Frame;
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::Failure;

/// Longer than a node may take for any request.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<Result<Value, String>>>>>;
type Out = Arc<tokio::sync::Mutex<SplitSink<Socket, Message>>>;

/// Requests and notifications kept until they are taken: consumers of a room of hundreds.
const MAX_TOLD: usize = 4_096;

/// A request or notification of the node.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) method: String,
    pub(crate) data: Value,
}

/// An open session.
pub(crate) struct Signal {
    out: Out,
    waiting: Waiting,
    told: Arc<Mutex<Vec<Told>>>,
    next: AtomicU32,
    reader: JoinHandle<()>,
}

impl Signal {
    /// Connects to `ws://…/?roomId=…&peerId=…`. Every `newConsumer` is accepted.
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        let mut request = url.into_client_request()?;
        let protocol = HeaderValue::from_static("protoo");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, _) = timeout(PATIENCE, connect_async(request)).await??;
        let (out, mut from) = socket.split();
        let (out, waiting) = (Arc::new(tokio::sync::Mutex::new(out)), Waiting::default());
        let (answers, pending) = (Arc::clone(&out), Arc::clone(&waiting));
        let told = Arc::default();
        let hear = Arc::clone(&told);
        let reader = tokio::spawn(async move {
            while let Some(Ok(message)) = from.next().await {
                let Message::Text(text) = message else { continue };
                match Frame::parse(text.as_str()) {
                    Ok(Frame::Request { id, method, data }) => {
                        keep(&hear, method, data);
                        let answer = Frame::Response { id, data: json!({}) }.to_text();
                        let _ = answers.lock().await.send(Message::text(answer)).await;
                    }
                    Ok(Frame::Response { id, data }) => settle(&pending, id, Ok(data)),
                    Ok(Frame::Failure { id, reason, .. }) => settle(&pending, id, Err(reason)),
                    Ok(Frame::Notification { method, data }) => keep(&hear, method, data),
                    Err(_) => {}
                }
            }
            // Whoever waits is told by the end of its channel.
            pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(Self { out, waiting, told, next: AtomicU32::new(1), reader })
    }

    /// What the node asked and told since the last call; what nobody takes is lost at some time.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the node something.
    pub(crate) async fn notify(&self, method: &str, data: Value) -> Result<(), Failure> {
        let text = Frame::Notification { method: method.to_owned(), data }.to_text();
        Ok(self.out.lock().await.send(Message::text(text)).await?)
    }

    /// Asks and waits for the answer.
    pub(crate) async fn request(&self, method: &str, data: Value) -> Result<Value, Failure> {
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

fn keep(told: &Mutex<Vec<Told>>, method: String, data: Value) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < MAX_TOLD {
        told.push(Told { method, data });
    }
}

fn settle(waiting: &Waiting, id: u32, answer: Result<Value, String>) {
    let waiter = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    if let Some(waiter) = waiter {
        let _ = waiter.send(answer);
    }
}
