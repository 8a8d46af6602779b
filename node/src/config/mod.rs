//! Settings of a node: texts from flags, environment and file (`raw`), checked into one struct
//! (`check`). Never does: use a setting.

mod check;
pub mod effective;
mod hooks;
pub mod keys;
mod raw;
pub mod schema;
pub mod value;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use axum::http::{HeaderName, HeaderValue};
pub(crate) use check::traces::collector_url;
pub use check::{Host, check, examine};
pub use hooks::{Admission, Hooks};
pub use raw::{Flags, Origin, Raw};
use starling_proto::{NodeId, link::VERSION_MAX, transport::Protocol};
pub use value::Secret;

use crate::auth::{AdminTokens, KeySet};

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who the node is.
    pub id: NodeId,
    /// Where.
    pub region: String,
    /// In which part of that.
    pub zone: String,
    /// Most peers; 0 means no limit.
    pub max_peers: u32,
    /// What its network carries, in Mbit/s; 0 means not counted.
    pub max_mbps: u32,
    /// How long a drain waits.
    pub drain_deadline: Duration,
    /// What is recorded here.
    pub recordings: Recordings,
    /// The HTTP side.
    pub http: Http,
    /// The media side.
    pub rtc: Rtc,
    /// Where clients find relays.
    pub ice: Ice,
    /// The cluster side.
    pub link: Link,
    /// Where rooms and nodes are agreed on.
    pub registry: Registry,
    /// Signs resume tickets and requests between nodes.
    pub cluster_secret: Secret,
    /// Verify room tokens.
    pub token_keys: KeySet,
    /// Open the REST API.
    pub admin_tokens: AdminTokens,
    /// Whom it tells and asks.
    pub hooks: Hooks,
    /// What is logged and how.
    pub log: Log,
    /// Where traces of joins go, if anywhere.
    pub traces: Option<Traces>,
    /// Files that were read, or are when it starts: a change of them is a change of settings.
    pub files: Vec<PathBuf>,
}

/// Where recordings go, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// Absent: nothing is recorded.
    pub folder: Option<PathBuf>,
    /// What all of them may take.
    pub most_bytes: u64,
    /// The longest.
    pub longest: Duration,
}

impl Default for Recordings {
    /// An evening of ten people, and the longest meeting.
    fn default() -> Self {
        Self { folder: None, most_bytes: 10_240_000_000, longest: Duration::from_secs(4 * 3_600) }
    }
}

/// Page, signalling and REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The listener for everyone.
    pub listen: Vec<SocketAddr>,
    /// The one for operators, if it is another.
    pub admin_listen: Option<SocketAddr>,
    /// Where `listen` is reached, without a slash at the end.
    pub api_url: String,
    /// Certificate and key of `listen`.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Pages that may call the API.
    pub cors_origins: Vec<String>,
    /// Pages that may open signalling; `*` for all.
    pub ws_origins: Vec<String>,
    /// Believe `X-Forwarded-For`.
    pub trust_forwarded_for: bool,
    /// Per address; 0 means no limit.
    pub sessions_per_second: u32,
    /// Of all addresses; 0 means no limit, absent what the workers can do.
    pub joins_per_second: Option<u32>,
}

/// Media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtc {
    /// Addresses.
    pub listen: Vec<IpAddr>,
    /// Port of the first worker.
    pub port: u16,
    /// What clients are told.
    pub announced: Vec<String>,
    /// Whether they are told the addresses behind names instead.
    pub lookup: bool,
    /// Internal addresses that clients are told, too.
    pub internal: Vec<IpAddr>,
    /// Ports of plain transports; absent: ephemeral ones.
    pub plain_ports: Option<RangeInclusive<u16>>,
    /// ICE over TCP.
    pub tcp: bool,
    /// What clients are to try first.
    pub prefer: Option<Protocol>,
    /// Threads.
    pub workers: usize,
    /// Before a room takes another.
    pub room_peers_per_core: usize,
}

/// STUN and TURN servers for clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ice {
    /// URIs (RFC 7064, RFC 7065).
    pub servers: Vec<String>,
    /// What clients show to the TURN servers.
    pub access: IceAccess,
}

/// How clients are known to TURN servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IceAccess {
    /// There are none, or they want nothing.
    #[default]
    Open,
    /// All by the same name and password.
    Fixed {
        /// Name.
        username: String,
        /// Password.
        credential: Secret,
    },
    /// Each by a name and password that are made of a secret, and end.
    Shared {
        /// Known to the servers.
        secret: Secret,
        /// How long they are good for.
        ttl: Duration,
    },
}

/// The QUIC endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Address.
    pub listen: SocketAddr,
    /// What other nodes are told.
    pub announced: Option<SocketAddr>,
    /// CA, certificate, key; absent: an authority of this process alone.
    pub tls: Option<[PathBuf; 3]>,
    /// Newest protocol to speak.
    pub protocol_max: u16,
}

impl Link {
    /// Without certificates, and known by its own address.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, announced: None, tls: None, protocol_max: VERSION_MAX }
    }
}

/// The registry to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registry {
    /// This process alone.
    Memory,
    /// etcd.
    Etcd(Box<Etcd>),
}

/// How etcd is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etcd {
    /// URLs.
    pub endpoints: Vec<String>,
    /// Before all keys.
    pub prefix: String,
    /// Name and password.
    pub user: Option<(String, Secret)>,
    /// The authority of its certificate.
    pub ca: Option<PathBuf>,
    /// Certificate and key to show it.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `tracing_subscriber::EnvFilter`'s syntax.
    pub filter: String,
    /// One JSON object per line.
    pub json: bool,
}

/// Traces.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// An OpenTelemetry collector's, for OTLP over HTTP.
    pub url: String,
    /// What it is shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Which share of the joins is traced, of 0 to 1.
    pub share: f64,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which.
    pub key: String,
    /// Where it was given.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, origin, message, fix } = self;
        write!(f, "{key} ({origin}): {message}; {fix}")
    }
}
