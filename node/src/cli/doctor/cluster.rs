//! Whether the other nodes are reached, have the same secrets, and the same time.

use std::time::{Duration, SystemTime};

use hyper::{
    Method, StatusCode,
    body::Bytes,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use starling_client::http::{self, Ask};
use starling_proto::{Id, PeerId, RoomId, registry::NodeRecord, rest::CreateToken};

use super::{clocks, finding::Finding};
use crate::{
    auth::{Passes, Tokens},
    config::Config,
    http::guard::FORWARDED,
};

/// A node answers within milliseconds, across an ocean within a second.
const PATIENCE: Duration = Duration::from_secs(3);
/// Nodes looked at: what is wrong with all is wrong with these.
const MOST: usize = 16;
/// A room that nobody makes.
const NOBODY: &str = "starling-doctor";

/// Asks each of them.
pub(super) async fn examine(
    config: &Config,
    nodes: &[NodeRecord],
    now: SystemTime,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let others = nodes.iter().filter(|node| node.id != config.id);
    for node in others.take(MOST) {
        found.extend(one(config, node, now).await);
    }
    found
}

async fn one(config: &Config, node: &NodeRecord, now: SystemTime) -> Vec<Finding> {
    let (id, url) = (&node.id, node.api_url.trim_end_matches('/'));
    let Some(date) = clocks::date(&format!("{url}/livez")).await else {
        return vec![Finding::wrong(
            "api_url",
            format!("node {id} says it is at {url}, and nobody answers there from here"),
            format!(
                "set api_url of {id} to a URL that other nodes reach, and let its port through"
            ),
        )];
    };
    let mut found = vec![clocks::judge(&format!("node {id}"), now, date)];
    let pass = Passes::new(&config.cluster_secret).issue(&config.id, "GET", "/v1/nodes");
    let cluster = ask(&format!("{url}/v1/nodes"), FORWARDED, &pass).await;
    let nobody = (RoomId::parse(NOBODY).ok(), PeerId::parse(NOBODY).ok());
    let wish = nobody.0.zip(nobody.1).map(|(room, peer)| CreateToken::member(room, peer));
    let token = wish.and_then(|wish| Tokens::of(config.token_keys.clone()).issue(&wish).ok());
    let token = match token {
        Some(token) => {
            let url = format!("{url}/v1/rooms/{NOBODY}/placement");
            ask(&url, AUTHORIZATION, &format!("Bearer {}", token.token)).await
        }
        None => None,
    };
    for (name, answer) in [("cluster_secret", cluster), ("token_secret", token)] {
        found.extend(judge(id.as_str(), name, answer));
    }
    found
}

async fn ask(url: &str, header: HeaderName, value: &str) -> Option<StatusCode> {
    let headers = vec![(header, HeaderValue::from_str(value).ok()?)];
    let (url, body) = (url.to_owned(), Bytes::new());
    let ask = Ask { method: Method::GET, url, headers, body, within: PATIENCE };
    Some(http::ask(ask).await.ok()?.status)
}

/// What an answer to something that our secret vouches for means.
fn judge(node: &str, name: &str, answer: Option<StatusCode>) -> Option<Finding> {
    match answer? {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Finding::wrong(
            "secrets",
            format!("node {node} has another {name} than this one"),
            format!("give all nodes the same {name}, from one file"),
        )),
        status if status.is_success() => {
            Some(Finding::fine("secrets", format!("node {node} has the same {name}")))
        }
        // Its API is elsewhere, or it is busy: nothing follows from that.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn a_refusal_means_another_secret_and_nothing_else_does() {
        let level = |status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            judge("n2", "cluster_secret", Some(status)).map(|finding| finding.level)
        };
        assert_eq!(level(401), Some(Level::Error));
        assert_eq!(level(200), Some(Level::Ok));
        assert_eq!(level(404), None);
        assert_eq!(level(503), None);
        assert_eq!(judge("n2", "cluster_secret", None), None);
    }
}
