//! What `starling dev` may be told, and the configurations it makes of that. Never does: start one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use clap::builder::RangedU64ValueParser;
use starling_cluster::decide::cores::PEERS_PER_CORE;
use starling_proto::{Id, NodeId};

use crate::{
    auth::{AdminTokens, KeySet},
    config::{
        Config, Hooks, Http, Ice, Link, Log, Recordings, Registry, Rtc, Secret, Traces,
        collector_url,
    },
};

/// Most nodes: each has threads of its own, and the page shows them all.
const MAX_NODES: u16 = 32;

/// Starts a cluster in this process: no config, no etcd, no certificates.
#[derive(Clone, Debug, clap::Args)]
pub struct DevArgs {
    /// How many nodes.
    #[arg(long, default_value_t = 1, value_parser = a_few())]
    pub nodes: u16,
    /// HTTP port of the first node; the next have the next.
    #[arg(long, default_value_t = 4443)]
    pub port: u16,
    /// Address to listen on and to announce, to try it from another machine. (Browsers give camera
    /// and microphone only to localhost and https.)
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Media port of the first node, 16 ports apart; without it the system chooses.
    #[arg(long)]
    pub rtc_port: Option<u16>,
    /// Media workers per node; without it the cores are shared out.
    #[arg(long)]
    pub workers: Option<usize>,
    /// Region of each node, in their order, with commas; the last one holds for the rest.
    #[arg(long, value_delimiter = ',')]
    pub regions: Vec<String>,
    /// Zone of each node, likewise.
    #[arg(long, value_delimiter = ',')]
    pub zones: Vec<String>,
    /// Most peers of a node; 0 means no limit.
    #[arg(long, default_value_t = 0)]
    pub max_peers: u32,
    /// The room of the links that are printed.
    #[arg(long, default_value = "demo")]
    pub room: String,
    /// The admin token; without it a random one.
    #[arg(long, env = "STARLING_ADMIN_TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// What webhooks are signed with; without it there are none.
    #[arg(long, env = "STARLING_WEBHOOK_SECRET", hide_env_values = true)]
    pub webhook_secret: Option<String>,
    /// Where traces of joins go: an OpenTelemetry collector, as http://localhost:4318. Needs a
    /// program built with traces.
    #[arg(long, env = "STARLING_OTLP_URL", value_parser = collector)]
    pub otlp_url: Option<String>,
    /// What is logged, as `warn` or `info,starling_actors=debug`.
    #[arg(long, env = "STARLING_LOG", default_value = "warn")]
    pub log: String,
}

fn collector(url: &str) -> Result<String, &'static str> {
    if cfg!(not(feature = "otel")) {
        return Err("this program was built without traces: build it with --features otel");
    }
    collector_url(url).ok_or("it is no http or https URL")
}

fn a_few() -> RangedU64ValueParser<u16> {
    RangedU64ValueParser::new().range(1..=u64::from(MAX_NODES))
}

impl DevArgs {
    /// A configuration for each node.
    pub fn configs(&self, secrets: &Secrets) -> Vec<Config> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = (cores / usize::from(self.nodes)).max(1);
        let workers = self.workers.unwrap_or(share).max(1);
        (0..self.nodes).map(|n| self.config(n, workers, secrets)).collect()
    }

    fn traces(&self) -> Option<Traces> {
        let url = self.otlp_url.clone()?;
        Some(Traces { url, headers: Vec::new(), share: 1.0 })
    }

    /// Hosts under which its pages are opened.
    pub fn hosts(&self) -> Vec<String> {
        ["localhost", "127.0.0.1", "::1"]
            .map(String::from)
            .into_iter()
            .chain([self.host.to_string()])
            .collect()
    }

    fn config(&self, n: u16, workers: usize, secrets: &Secrets) -> Config {
        let port = self.port.saturating_add(n);
        let name = if self.host.is_loopback() { "localhost".into() } else { self.host.to_string() };
        let name = if name.contains(':') { format!("[{name}]") } else { name };
        let region = self.regions.get(usize::from(n)).or(self.regions.last());
        let zone = self.zones.get(usize::from(n)).or(self.zones.last());
        Config {
            id: NodeId::parse(&format!("node-{}", n + 1)).expect("a name of ours is an id"),
            region: region.cloned().unwrap_or_default(),
            zone: zone.cloned().unwrap_or_default(),
            max_peers: self.max_peers,
            max_mbps: 0,
            drain_deadline: std::time::Duration::from_secs(5),
            recordings: Recordings::default(),
            http: Http {
                listen: listen(self.host, port),
                admin_listen: None,
                api_url: format!("http://{name}:{port}"),
                tls: None,
                cors_origins: Vec::new(),
                ws_origins: vec!["*".into()],
                trust_forwarded_for: false,
                sessions_per_second: 0,
                joins_per_second: Some(0),
            },
            rtc: Rtc {
                listen: vec![self.host],
                port: self.rtc_port.map_or(0, |first| first.saturating_add(n * 16)),
                announced: vec![self.host.to_string()],
                lookup: false,
                internal: Vec::new(),
                plain_ports: None,
                tcp: true,
                prefer: None,
                workers,
                room_peers_per_core: PEERS_PER_CORE,
            },
            ice: Ice::default(),
            link: Link::at(SocketAddr::new(self.host, 0)),
            registry: Registry::Memory,
            cluster_secret: secrets.cluster.clone(),
            token_keys: KeySet::of_secret(&secrets.token),
            admin_tokens: AdminTokens::of_secret(&secrets.admin),
            hooks: Hooks { private: true, ..Hooks::signed_with(secrets.webhook.clone()) },
            log: Log { filter: self.log.clone(), json: false },
            traces: self.traces(),
            files: Vec::new(),
        }
    }
}

/// The cluster's secrets, random.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Between nodes.
    pub cluster: Secret,
    /// Room tokens.
    pub token: Secret,
    /// Operators.
    pub admin: Secret,
    /// Receivers of webhooks, if there are any.
    pub webhook: Option<Secret>,
}

/// `localhost` is ::1 first for most browsers: listen there, too, if the machine has it.
fn listen(host: IpAddr, port: u16) -> Vec<SocketAddr> {
    let mut addresses = vec![SocketAddr::new(host, port)];
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for other in [v4, v6] {
        let covered = host.is_unspecified() || addresses.contains(&other);
        if !covered && TcpListener::bind((other.ip(), 0)).is_ok() {
            addresses.push(other);
        }
    }
    addresses
}
