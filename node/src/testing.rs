//! What the tests of this crate share: a real node on loopback, and a client for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
    response::Response,
};
use serde_json::Value;
use starling_actors::{Node, Traces};
use starling_cluster::{
    link::{DevCa, LinkTls},
    registry::memory::MemoryRegistry,
};
use tower::ServiceExt;

use crate::{
    auth::{AdminTokens, KeySet},
    config::{Config, Hooks, Http, Ice, Link, Log, Recordings, Registry, Rtc, Secret},
    http::{App, Side, router},
    reload::Renewal,
    run::{self, Surroundings},
    traces::Exported,
};

/// The admin token of every node of the tests.
pub(crate) const ADMIN: &str = "admin-admin-admin-admin-admin-admin";

/// What their room tokens are signed with.
pub(crate) const TOKEN_SECRET: &str = "tokens-tokens-tokens-tokens-tokens";

/// A node's settings: loopback, ports that the system chooses.
pub(crate) fn config() -> Config {
    let local: SocketAddr = ([127, 0, 0, 1], 0).into();
    Config {
        zone: String::new(),
        max_mbps: 0,
        id: "node-1".parse().unwrap(),
        region: "eu".into(),
        max_peers: 0,
        drain_deadline: Duration::from_secs(1),
        recordings: Recordings::default(),
        http: Http {
            listen: vec![local],
            admin_listen: None,
            api_url: "http://127.0.0.1:0".into(),
            tls: None,
            cors_origins: vec!["https://app.example".into()],
            ws_origins: vec!["*".into()],
            trust_forwarded_for: false,
            sessions_per_second: 0,
            joins_per_second: Some(0),
        },
        rtc: Rtc {
            listen: vec![local.ip()],
            port: 0,
            announced: vec!["127.0.0.1".into()],
            lookup: false,
            internal: Vec::new(),
            plain_ports: None,
            tcp: true,
            prefer: None,
            workers: 1,
            room_peers_per_core: 32,
        },
        ice: Ice::default(),
        link: Link::at(local),
        registry: Registry::Memory,
        cluster_secret: Secret::new("cluster-cluster-cluster-cluster-cluster"),
        token_keys: KeySet::of_secret(&Secret::new(TOKEN_SECRET)),
        admin_tokens: AdminTokens::of_secret(&Secret::new(ADMIN)),
        hooks: Hooks {
            private: true,
            ..Hooks::signed_with(Some(Secret::new(crate::hooks::receiver::SECRET)))
        },
        log: Log::default(),
        traces: None,
        files: Vec::new(),
    }
}

/// What a lone node needs.
pub(crate) fn around(config: &Config) -> Surroundings {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ca = DevCa::new().unwrap();
    Surroundings {
        registry: Arc::new(MemoryRegistry::new().for_node(config.id.clone())),
        link_tls: LinkTls::ephemeral(&ca, &config.id).unwrap(),
        dev: None,
        settings: None,
    }
}

/// A running node behind a router, without listeners.
pub(crate) async fn app() -> App {
    app_with(config()).await
}

/// The same with other settings.
pub(crate) async fn app_with(config: Config) -> App {
    let around = around(&config);
    app_around(config, around).await
}

/// The same in a cluster of the test's own.
pub(crate) async fn app_around(config: Config, around: Surroundings) -> App {
    let node_config =
        run::node_config(&config, around.registry, around.link_tls, Traces::default());
    let node = Node::start(node_config).await.unwrap();
    registered(&node).await;
    App::new(node, &config, None, Renewal::default(), Exported::default())
}

/// Waits until a node has registered, which takes a turn of its actors.
pub(crate) async fn registered(node: &Node) {
    for _ in 0..500 {
        if node.readiness().await.ready {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not ready within 5 s: {:?}", node.readiness().await);
}

/// Sends a request to an app's router.
pub(crate) async fn send(app: &App, side: Side, request: Request<Body>) -> Answer {
    Answer::of(router(app, side).oneshot(request).await.unwrap()).await
}

/// A request of an operator.
pub(crate) fn request(method: &str, path: &str, body: Option<Value>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {ADMIN}"));
    match body {
        None => request.body(Body::empty()).unwrap(),
        Some(body) => request
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
    }
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, text }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The code of a refusal, which must be a complete problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16(), "{self:?}");
        for field in ["type", "title", "hint"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        problem["code"].as_str().unwrap().to_owned()
    }
}
