//! Two nodes of one cluster and their etcd, each a process of its own.

use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use starling_cluster::link::{DevCa, issue};
use starling_node::client::{Ask, ask};
use starling_tests::etcd::EtcdServer;
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::http::Method;

use crate::{
    client::Failure,
    node::{Node, Secrets, Wish},
};

const IDS: [&str; 2] = ["soak-1", "soak-2"];
/// Until both see each other.
const WHOLE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Cluster {
    pub(super) nodes: Vec<Node>,
    etcd: EtcdServer,
    _certificates: TempDir,
}

impl Cluster {
    pub(super) async fn start() -> Result<Self, Failure> {
        let (etcd, certificates) = (EtcdServer::spawn(), tempfile::tempdir()?);
        let ca = DevCa::new()?;
        let file = |name: String, text: &str| {
            let path = certificates.path().join(name);
            std::fs::write(&path, text).map(|()| path.display().to_string())
        };
        let authority = file("ca.pem".into(), &ca.cert_pem())?;
        let secrets = Secrets::new();
        let mut nodes = Vec::new();
        for id in IDS {
            let issued = issue(&ca, &id.parse()?)?;
            let settings = vec![
                ("ETCD", etcd.url()),
                ("LINK_CA", authority.clone()),
                ("LINK_CERT", file(format!("{id}.pem"), &issued.cert_pem)?),
                ("LINK_KEY", file(format!("{id}.key"), &issued.key_pem)?),
                ("SESSIONS_PER_SECOND", "0".to_owned()),
                ("JOINS_PER_SECOND", "0".to_owned()),
                ("LOG", "warn".to_owned()),
            ];
            let wish = Wish { id: id.to_owned(), settings, files: None };
            nodes.push(Node::start(&secrets, wish).await?);
        }
        let cluster = Self { nodes, etcd, _certificates: certificates };
        cluster.whole().await?;
        Ok(cluster)
    }

    async fn whole(&self) -> Result<(), Failure> {
        let end = Instant::now() + WHOLE;
        for node in &self.nodes {
            while node.figures().await?.sum("starling_links") < 1.0 {
                if Instant::now() > end {
                    return Err(format!("the nodes do not link:\n{}", node.tail()).into());
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }

    /// Keys in etcd.
    pub(super) async fn keys(&self) -> Result<f64, Failure> {
        // From the first key there can be to the end of all (etcd's API, `range_end` "\0").
        let zero = BASE64_STANDARD.encode([0]);
        let body = json!({"key": zero, "range_end": zero, "count_only": true});
        let url = format!("{}/v3/kv/range", self.etcd.url());
        let (headers, body) = (Vec::new(), body.to_string().into());
        let question = Ask { method: Method::POST, url, headers, body, within: PATIENCE };
        let answer: Value = serde_json::from_slice(&ask(question).await?.body)?;
        // It leaves out what is 0, and writes 64-bit numbers as text.
        Ok(answer["count"].as_str().unwrap_or("0").parse()?)
    }
}
