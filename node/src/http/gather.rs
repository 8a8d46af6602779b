//! What each node knows for itself, asked of all: any node answers for the cluster. Never does: ask
//! a node that was itself asked by a node.

use axum::{
    body::{Bytes, to_bytes},
    http::Method,
};
use futures::{StreamExt, stream};
use serde::de::DeserializeOwned;
use starling_proto::{NodeId, rest::NodeInfo};

use super::{App, forward};

/// Nodes asked at a time: an answer may be a megabyte.
const AT_ONCE: usize = 16;
/// Longest answer of one node: 10,000 pipes of 400 bytes.
const MAX_ANSWER: usize = 4 << 20;

/// What all other nodes answer, by node; and who did not. `path` is made for each.
pub(crate) async fn gather<T: DeserializeOwned>(
    app: &App,
    method: &Method,
    path: impl Fn(&NodeId) -> String,
) -> (Vec<T>, Vec<NodeId>) {
    let nodes = app.node.nodes().await;
    let asked: Vec<_> = nodes
        .into_iter()
        .filter(|node| !node.here)
        .map(|node| {
            let path = path(&node.id);
            async move { (told::<T>(app, &node, method.clone(), &path).await, node.id) }
        })
        .collect();
    let answers: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    let (mut all, mut missing) = (Vec::new(), Vec::new());
    for (told, node) in answers {
        match told {
            Some(told) => all.push(told),
            None => missing.push(node),
        }
    }
    (all, missing)
}

async fn told<T: DeserializeOwned>(
    app: &App,
    node: &NodeInfo,
    method: Method,
    path: &str,
) -> Option<T> {
    let asked = forward::hand_on(app, node, method, path, Bytes::new(), forward::WITHIN);
    let answer = asked.await.ok().filter(|answer| answer.status().is_success())?;
    let body = to_bytes(answer.into_body(), MAX_ANSWER).await.ok()?;
    serde_json::from_slice(&body).ok()
}
