//! Handing a request on to the node that can answer it, once. Decides by what the node says about
//! the room; never does: keep state, or hand on what was handed on.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, LINK},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use starling_proto::{
    Code, Id, NodeId, PeerId, RoomId,
    rest::{NodeInfo, PeerInfo},
};

use super::{
    App, MAX_BODY_PRODUCE, Problem,
    guard::{Asked, FORWARDED, Operator},
};
use crate::client::{self, Ask, ClientError, Streamed};

/// Longest wait for the other node: its own bound on an answer is 5 s.
pub(crate) const WITHIN: Duration = Duration::from_secs(8);

/// Hands requests on peers on, if the peer, or the whole room, is on another node.
pub(crate) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let asked = subject(request.uri().path());
    let on_peer = asked.as_ref().is_some_and(|(_, peer)| peer.is_some());
    // A new peer is made where it is asked for.
    let Some((room, peer)) = asked.filter(|_| on_peer || request.method() != Method::POST) else {
        return next.run(request).await;
    };
    match Operator::check(&app, Asked::of(&request)) {
        Ok(Operator { forwarded: true, .. }) => return next.run(request).await,
        Ok(Operator { forwarded: false, .. }) => {}
        Err(problem) => return problem.into_response(),
    }
    match elsewhere(&app, &room, peer.as_ref()).await {
        None => next.run(request).await,
        Some(node) if request.uri().path().ends_with("/trace") => {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let passed_on = stream_on(&app, &node, path, "text/event-stream").await;
            passed_on.unwrap_or_else(Problem::into_response)
        }
        Some(node) => pass_on(&app, &node, request).await.unwrap_or_else(Problem::into_response),
    }
}

async fn elsewhere(app: &App, room: &RoomId, peer: Option<&PeerId>) -> Option<NodeInfo> {
    let peers = app.node.peers(room).await.ok();
    let nodes = app.node.room(room).await.ok()?.nodes;
    let target = owner(app.node.id(), &nodes, peers.as_deref(), peer)?;
    app.node.nodes().await.into_iter().find(|node| node.id == target)
}

/// Room and peer of a path under `/v1/rooms/{room}/peers`.
fn subject(path: &str) -> Option<(RoomId, Option<PeerId>)> {
    let mut parts = path.strip_prefix("/v1/rooms/")?.split('/');
    let room = RoomId::parse(parts.next()?).ok()?;
    if parts.next()? != "peers" {
        return None;
    }
    match parts.next() {
        None => Some((room, None)),
        Some(peer) => Some((room, Some(PeerId::parse(peer).ok()?))),
    }
}

/// Who can answer for a peer, or for a room; `None`: this node, or nobody better.
fn owner(
    here: &NodeId,
    nodes: &[NodeId],
    peers: Option<&[PeerInfo]>,
    peer: Option<&PeerId>,
) -> Option<NodeId> {
    match (peers, peer) {
        (Some(peers), Some(peer)) => {
            let info = peers.iter().find(|info| info.id == *peer)?;
            (info.node != *here && !info.lost).then(|| info.node.clone())
        }
        (Some(_), None) => None,
        (None, _) => nodes.iter().find(|node| *node != here).cloned(),
    }
}

async fn pass_on(app: &App, node: &NodeInfo, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_PRODUCE).await.map_err(|_| {
        Problem::new(Code::TooLarge, "the body is too large or broke off").hint("see /docs")
    })?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    hand_on(app, node, parts.method, path, body, WITHIN).await
}

/// Asks `node` in an operator's name.
///
/// # Errors
/// `node_unreachable`.
pub(crate) async fn hand_on(
    app: &App,
    node: &NodeInfo,
    method: Method,
    path: &str,
    body: Bytes,
    within: Duration,
) -> Result<Response, Problem> {
    let asked = with_pass(app, node, method, path, body, within);
    let answer = client::ask(asked).await.map_err(|error| unreached(node, &error))?;
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = [(CONTENT_TYPE, answer.content_type), (LINK, answer.link)];
    response.headers_mut().extend(headers.into_iter().filter_map(|(name, it)| Some((name, it?))));
    if answer.status == StatusCode::UNAUTHORIZED {
        return Err(Problem::new(Code::NodeUnreachable, "the other node refused the pass")
            .hint("all nodes need the same cluster_secret, and clocks within 20 s"));
    }
    Ok(response)
}

/// Asks `node` in this node's name for an answer that goes on.
///
/// # Errors
/// `node_unreachable`; an answer with an error status is an answer.
pub(crate) async fn stream(app: &App, node: &NodeInfo, path: &str) -> Result<Streamed, Problem> {
    let asked = with_pass(app, node, Method::GET, path, Bytes::new(), WITHIN);
    client::stream(asked).await.map_err(|error| unreached(node, &error))
}

/// Passes on what has no end, or the refusal.
///
/// # Errors
/// `node_unreachable`.
pub(crate) async fn stream_on(
    app: &App,
    node: &NodeInfo,
    path: &str,
    kind: &'static str,
) -> Result<Response, Problem> {
    let answer = stream(app, node, path).await?;
    let status = answer.status;
    let (kind, body) = if status.is_success() {
        let chunks = futures::stream::unfold(answer, async |mut answer| {
            Some((Ok::<_, Infallible>(answer.chunk().await?), answer))
        });
        (kind, Body::from_stream(chunks))
    } else {
        let body = answer.read(path).await.map_err(|error| unreached(node, &error))?;
        ("application/problem+json", Body::from(body))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}

fn with_pass(
    app: &App,
    node: &NodeInfo,
    method: Method,
    path: &str,
    body: Bytes,
    within: Duration,
) -> Ask {
    let bare = path.split('?').next().unwrap_or(path);
    let pass = app.passes.issue(app.node.id(), method.as_str(), bare);
    let pass = HeaderValue::from_str(&pass).expect("a JWT is ASCII");
    let url = format!("{}{path}", node.api_url);
    app.counters.forwarded.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    Ask { method, url, headers: vec![(FORWARDED, pass)], body, within }
}

fn unreached(node: &NodeInfo, error: &ClientError) -> Problem {
    tracing::debug!(%error, node = %node.id, "request not handed on");
    let message = format!("node {} holds this and did not answer", node.id);
    Problem::new(Code::NodeUnreachable, message)
        .hint("try again, or ask that node itself; its api_url must be reachable from here")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
        text.parse().unwrap()
    }

    fn peer(name: &str, node: &str, lost: bool) -> PeerInfo {
        serde_json::from_value(json!({
            "id": name, "displayName": "", "node": node, "device": {}, "lost": lost, "producers": []
        }))
        .unwrap()
    }

    #[test]
    fn room_and_peer_are_read_from_the_path() {
        assert_eq!(subject("/v1/rooms/r/peers"), Some((id("r"), None)));
        let with_peer = Some((id("r"), Some(id("p"))));
        assert_eq!(subject("/v1/rooms/r/peers/p"), with_peer);
        assert_eq!(subject("/v1/rooms/r/peers/p/transports/t/connect"), with_peer);
        assert_eq!(subject("/v1/rooms/r"), None);
        assert_eq!(subject("/v1/rooms/r/policy"), None);
        assert_eq!(subject("/v1/rooms/%2e/peers"), None);
    }

    #[test]
    fn a_peer_is_asked_for_where_it_is_and_a_room_where_it_has_peers() {
        let here = id("a");
        let peers = [peer("p", "a", false), peer("q", "b", false), peer("l", "c", true)];
        let of = |peers: Option<&[PeerInfo]>, peer: Option<&str>| {
            owner(&here, &[id("a"), id("b")], peers, peer.map(id).as_ref())
        };
        assert_eq!(of(Some(&peers), Some("p")), None);
        assert_eq!(of(Some(&peers), Some("q")), Some(id("b")));
        assert_eq!(of(Some(&peers), Some("l")), None);
        assert_eq!(of(Some(&peers), Some("nobody")), None);
        assert_eq!(of(Some(&peers), None), None);
        assert_eq!(of(None, None), Some(id("b")));
        assert_eq!(of(None, Some("q")), Some(id("b")));
        assert_eq!(owner(&here, &[], None, None), None);
    }
}
