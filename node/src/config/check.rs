//! From texts to a [`Config`], telling every mistake and not only the first. Reads secret files
//! through a closure; never does any other I/O.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use starling_cluster::decide::cores::PEERS_PER_CORE;
use starling_proto::{
    Id, NodeId,
    link::{VERSION_MAX, VERSION_MIN},
    transport::Protocol,
};

mod access;
mod hooks;
mod ice;
pub(crate) mod traces;

use super::{
    Config, Etcd, Http, Link, Log, Mistake, Raw, Recordings, Registry, Rtc, Secret, Traces,
    value::{self, PortRange},
};

/// Most workers: ports are counted up from `rtc_port`, and no machine we know of has more cores.
const MAX_WORKERS: usize = 512;

/// What the machine says of itself, for defaults.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its cores.
    pub cores: usize,
    /// Its address on the default route.
    pub address: Option<IpAddr>,
    /// Random text for secrets that nobody else needs.
    pub random_secret: String,
}

/// Checks all settings.
///
/// # Errors
/// Every mistake there is.
pub fn check(
    raw: &Raw,
    host: &Host,
    read: impl Fn(&str) -> std::io::Result<String>,
) -> Result<Config, Vec<Mistake>> {
    let (config, mistakes) = examine(raw, host, read);
    if mistakes.is_empty() { Ok(config) } else { Err(mistakes) }
}

/// The same for whoever goes on looking: where something is wrong, with a default in its place.
pub fn examine(
    raw: &Raw,
    host: &Host,
    read: impl Fn(&str) -> std::io::Result<String>,
) -> (Config, Vec<Mistake>) {
    let mut checker = Checker { raw, read: &read, mistakes: Vec::new(), files: Vec::new() };
    let config = checker.config(host);
    (config, checker.mistakes)
}

struct Checker<'a> {
    raw: &'a Raw,
    read: &'a dyn Fn(&str) -> std::io::Result<String>,
    mistakes: Vec<Mistake>,
    /// Read, or read later.
    files: Vec<PathBuf>,
}

impl Checker<'_> {
    /// After a mistake it goes on with a default, so that the next one is found too.
    fn config(&mut self, host: &Host) -> Config {
        let id = self.id(host);
        let http = self.http();
        let rtc = self.rtc(host);
        let link = self.link(&rtc);
        let registry = self.registry();
        let clustered = matches!(registry, Registry::Etcd(_));
        if clustered && link.tls.is_none() && !self.any(&["link_ca", "link_cert", "link_key"]) {
            self.wrong("link_ca", "links between nodes need certificates", CERTS);
        }
        let cluster_secret = match self.secret("cluster_secret") {
            Some(secret) => secret,
            None if !clustered => Secret::new(&*host.random_secret),
            None => self.missing_secret("cluster_secret", "nodes share a secret"),
        };
        let token_keys = self.token_keys();
        let admin_tokens = self.admin_tokens();
        let api_url = self.api_url(&http, &rtc);
        let ice = self.ice();
        let hooks = self.hooks();
        Config {
            id,
            region: self.place_name("region"),
            zone: self.place_name("zone"),
            max_peers: self.parse("max_peers", "a number", 0),
            max_mbps: self.parse("max_mbps", "a number", 0),
            drain_deadline: self.duration("drain_deadline", Duration::from_secs(150)),
            recordings: self.recordings(),
            http: Http { api_url, ..http },
            rtc,
            ice,
            link,
            registry,
            cluster_secret,
            token_keys,
            admin_tokens,
            hooks,
            log: self.log(),
            traces: self.traces(),
            files: std::mem::take(&mut self.files),
        }
    }

    fn recordings(&mut self) -> Recordings {
        let usual = Recordings::default();
        let folder = self.raw.value("recordings_dir").filter(|folder| !folder.is_empty());
        let folder = folder.map(PathBuf::from);
        if folder.as_ref().is_some_and(|folder| !folder.is_absolute()) {
            self.wrong("recordings_dir", "it is no absolute path", "write it from / on");
        }
        let mb = self.parse("recordings_max_mb", "a number", usual.most_bytes / 1_000_000);
        let longest = self.duration("recordings_max_time", usual.longest);
        if longest.as_secs() == 0 {
            self.wrong("recordings_max_time", "a recording takes a second at least", "try 4h");
        }
        Recordings { folder, most_bytes: mb.saturating_mul(1_000_000), longest }
    }

    fn id(&mut self, host: &Host) -> NodeId {
        let text = self.raw.value("id").unwrap_or(&host.name);
        NodeId::parse(text).unwrap_or_else(|error| {
            self.wrong("id", &format!("{text:?} is no id: {error}"), "give one with --id");
            NodeId::parse("invalid").expect("letters are an id")
        })
    }

    fn place_name(&mut self, key: &'static str) -> String {
        let text = self.raw.value(key).unwrap_or_default();
        if !text.is_empty() && NodeId::parse(text).is_err() {
            self.wrong(key, &format!("{text:?} is no {key} name"), ID_FORM);
        }
        text.to_owned()
    }

    fn http(&mut self) -> Http {
        let listen = self.parse_list("listen", "addresses with port", "0.0.0.0:4443");
        let admin_listen = self.admin_listen();
        if admin_listen.is_some_and(|admin: SocketAddr| listen.contains(&admin)) {
            self.wrong("admin_listen", "it is the same as listen", "give another port");
        }
        Http {
            listen,
            admin_listen,
            api_url: String::new(),
            tls: self.tls(),
            cors_origins: self.origins("cors_origins", ""),
            ws_origins: self.origins("ws_origins", "*"),
            trust_forwarded_for: self.parse("trust_forwarded_for", "true or false", false),
            sessions_per_second: self.parse("sessions_per_second", "a number", 20),
            joins_per_second: self
                .raw
                .value("joins_per_second")
                .is_some()
                .then(|| self.parse("joins_per_second", "a number", 0)),
        }
    }

    fn rtc(&mut self, host: &Host) -> Rtc {
        let listen: Vec<IpAddr> = self.parse_list("rtc_listen", "IP addresses", "0.0.0.0");
        let workers = self.parse("workers", "a number", host.cores.clamp(1, MAX_WORKERS));
        if workers == 0 || workers > MAX_WORKERS {
            let message = format!("{workers} is not 1 to {MAX_WORKERS}");
            self.wrong("workers", &message, "leave it out for one per core");
        }
        let port: u16 = self.parse("rtc_port", "a port, 1 to 65535", 7000);
        if port == 0 || usize::from(port) + workers.min(MAX_WORKERS) - 1 > 65_535 {
            let message = format!("{workers} workers do not fit between {port} and 65535");
            self.wrong("rtc_port", &message, "give a lower port, at least 1");
        }
        let room_peers_per_core = self.parse("room_peers_per_core", "a number", PEERS_PER_CORE);
        if room_peers_per_core == 0 {
            self.wrong("room_peers_per_core", "0 is no number of peers", "give at least 1");
        }
        Rtc {
            announced: self.announced(&listen, host),
            lookup: self.parse("announce_lookup", "true or false", false),
            internal: self.internal(&listen, host),
            listen,
            port,
            plain_ports: self
                .parse_some("rtc_plain_ports", "a range of ports, as 40000-40999")
                .map(|PortRange(ports)| ports),
            tcp: self.parse("rtc_tcp", "true or false", true),
            prefer: self.prefer(),
            workers,
            room_peers_per_core,
        }
    }

    /// The machine's own addresses, if clients are to know them.
    fn internal(&mut self, listen: &[IpAddr], host: &Host) -> Vec<IpAddr> {
        if !self.parse("expose_internal_ip", "true or false", false) {
            return Vec::new();
        }
        let mut own: Vec<_> = listen.iter().copied().filter(|ip| !ip.is_unspecified()).collect();
        if own.len() < listen.len() {
            own.extend(host.address);
        }
        own
    }

    fn prefer(&mut self) -> Option<Protocol> {
        match self.raw.value("rtc_prefer") {
            None => None,
            Some("udp") => Some(Protocol::Udp),
            Some("tcp") => Some(Protocol::Tcp),
            Some(other) => {
                let message = format!("{other:?} is no protocol of media");
                self.wrong("rtc_prefer", &message, "write udp or tcp, or leave it out");
                None
            }
        }
    }

    fn announced(&mut self, listen: &[IpAddr], host: &Host) -> Vec<String> {
        if let Some(text) = self.raw.value("announce") {
            let hosts: Vec<_> = value::list(text).map(String::from).collect();
            if hosts.is_empty() || !hosts.iter().all(|host| value::is_host(host)) {
                let message = format!("{text:?} are not addresses or host names");
                self.wrong("announce", &message, "give those under which clients reach the node");
            }
            return hosts;
        }
        let concrete = listen.iter().filter(|ip| !ip.is_unspecified());
        let mut hosts: Vec<_> = concrete.map(ToString::to_string).collect();
        if hosts.is_empty() {
            match host.address {
                Some(address) => hosts.push(address.to_string()),
                None => self.wrong(
                    "announce",
                    "rtc_listen is a wildcard and the machine has no default route",
                    "give the addresses under which clients reach the node",
                ),
            }
        }
        hosts
    }

    fn link(&mut self, rtc: &Rtc) -> Link {
        let listen: SocketAddr = self
            .parse_some("link_listen", "an address with port")
            .unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 7443).into());
        let given = self.parse_some("link_announce", "an IP address with port");
        let announced = given.or_else(|| {
            let ip = rtc.announced.iter().find_map(|host| host.parse::<IpAddr>().ok())?;
            let ip = if listen.ip().is_unspecified() { ip } else { listen.ip() };
            Some(SocketAddr::new(ip, listen.port()))
        });
        if announced.is_none() && self.raw.value("etcd").is_some() {
            let message = "other nodes need an IP address and announce has only names";
            self.wrong("link_announce", message, "give it as IP:PORT");
        }
        let names = ["link_ca", "link_cert", "link_key"];
        let files = names.map(|name| self.raw.value(name).map(PathBuf::from));
        let tls = match files {
            [Some(ca), Some(cert), Some(key)] => {
                self.files.extend([ca.clone(), cert.clone(), key.clone()]);
                Some([ca, cert, key])
            }
            [None, None, None] => None,
            files => {
                for (name, _) in names.iter().zip(&files).filter(|(_, file)| file.is_none()) {
                    self.wrong(name, "it goes with link_ca, link_cert and link_key", CERTS);
                }
                None
            }
        };
        Link { listen, announced, tls, protocol_max: self.link_protocol_max() }
    }

    fn link_protocol_max(&mut self) -> u16 {
        let spoken = VERSION_MIN..=VERSION_MAX;
        let newest = self.parse("link_protocol_max", "a number", VERSION_MAX);
        if !spoken.contains(&newest) {
            let message = format!("this release speaks {VERSION_MIN} to {VERSION_MAX}");
            self.wrong("link_protocol_max", &message, "give one of those, or nothing");
        }
        newest
    }

    fn registry(&mut self) -> Registry {
        let Some(text) = self.raw.value("etcd") else { return Registry::Memory };
        let endpoints: Vec<_> = value::list(text).map(String::from).collect();
        let fine = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        if endpoints.is_empty() || !endpoints.iter().all(fine) {
            let message = format!("{text:?} are not URLs");
            self.wrong("etcd", &message, "write http://host:2379 or https://host:2379");
        }
        let user = match (self.raw.value("etcd_user"), self.plain_secret("etcd_password")) {
            (Some(user), Some(password)) => Some((user.to_owned(), password)),
            (None, None) => None,
            (Some(_), None) => {
                self.wrong("etcd_password", "etcd_user needs it", "give etcd_password_file");
                None
            }
            (None, Some(_)) => {
                self.wrong("etcd_user", "etcd_password needs it", "give both or none");
                None
            }
        };
        let prefix = self.raw.value("etcd_prefix").unwrap_or("/starling/").to_owned();
        if !prefix.ends_with('/') {
            self.wrong("etcd_prefix", "it does not end with /", "add one, as in /starling/");
        }
        let ca = self.raw.value("etcd_ca").map(PathBuf::from);
        let https = endpoints.iter().filter(|url| url.starts_with("https://")).count();
        if https != 0 && https != endpoints.len() {
            self.wrong("etcd", "http and https endpoints are mixed", "use https for all");
        } else if https != 0 && ca.is_none() {
            let message = "etcd's https endpoints need the authority of their certificates";
            self.wrong("etcd_ca", message, "give its PEM file");
        } else if https == 0 && self.any(&["etcd_ca", "etcd_cert", "etcd_key"]) {
            let message = "certificates are given and the endpoints are http";
            self.wrong("etcd", message, "write https:// or leave etcd_ca, etcd_cert, etcd_key out");
        }
        let client = self.pair("etcd_cert", "etcd_key");
        Registry::Etcd(Box::new(Etcd { endpoints, prefix, user, ca, client }))
    }

    fn api_url(&mut self, http: &Http, rtc: &Rtc) -> String {
        if let Some(url) = self.raw.value("api_url") {
            let host = url.strip_prefix("https://").or(url.strip_prefix("http://"));
            if host.is_none_or(|host| host.is_empty() || host.contains(['?', '#'])) {
                let message = format!("{url:?} is no http or https URL");
                self.wrong("api_url", &message, "write http://host:port or https://host");
            }
            return url.trim_end_matches('/').to_owned();
        }
        let scheme = if http.tls.is_some() { "https" } else { "http" };
        let host = rtc.announced.first().map_or("localhost", String::as_str);
        let port = http.listen.first().map_or(0, SocketAddr::port);
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}")
        } else {
            format!("{scheme}://{host}:{port}")
        }
    }

    fn log(&mut self) -> Log {
        let filter = self.raw.value("log").unwrap_or("info").to_owned();
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            self.wrong("log", &format!("{filter:?} is no filter: {error}"), "write e.g. info");
        }
        let json = match self.raw.value("log_format") {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => {
                self.wrong("log_format", &format!("{other:?} is unknown"), "write text or json");
                false
            }
        };
        Log { filter, json }
    }

    /// The value of a secret, which must not be weak.
    fn secret(&mut self, name: &str) -> Option<Secret> {
        let secret = self.plain_secret(name)?;
        if let Some(why) = value::weak(secret.expose()) {
            self.wrong(name, &why, GENERATE);
        }
        Some(secret)
    }

    /// From `name` or from the file that `name_file` names.
    fn plain_secret(&mut self, name: &str) -> Option<Secret> {
        let file_key = format!("{name}_file");
        let Some(path) = self.raw.value(&file_key) else {
            return self.raw.value(name).map(Secret::new);
        };
        self.files.push(path.into());
        match (self.read)(path) {
            Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) => {
                let message = format!("{path} cannot be read: {error}");
                self.wrong(&file_key, &message, "make it readable for the node's user");
                // Not missing: one mistake is told once.
                Some(Secret::new("pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe"))
            }
        }
    }

    fn missing_secret(&mut self, name: &str, why: &str) -> Secret {
        let variable = super::keys::find(name).map(super::keys::Key::env).unwrap_or_default();
        let fix = format!("set {variable} or {name}_file; {GENERATE}");
        self.wrong(name, why, &fix);
        Secret::new("")
    }

    fn pair(&mut self, first: &str, second: &str) -> Option<(PathBuf, PathBuf)> {
        match (self.raw.value(first), self.raw.value(second)) {
            (Some(a), Some(b)) => Some((a.into(), b.into())),
            (None, None) => None,
            (Some(_), None) => {
                self.wrong(second, &format!("{first} needs it"), "give both or none");
                None
            }
            (None, Some(_)) => {
                self.wrong(first, &format!("{second} needs it"), "give both or none");
                None
            }
        }
    }

    fn parse<T: FromStr>(&mut self, key: &str, form: &str, default: T) -> T {
        self.parse_some(key, form).unwrap_or(default)
    }

    fn parse_some<T: FromStr>(&mut self, key: &str, form: &str) -> Option<T> {
        let text = self.raw.value(key)?;
        let value = text.trim().parse().ok();
        if value.is_none() {
            self.wrong(key, &format!("{text:?} is not {form}"), &format!("give {form}"));
        }
        value
    }

    fn parse_list<T: FromStr>(&mut self, key: &str, form: &str, default: &str) -> Vec<T> {
        let text = self.raw.value(key).unwrap_or(default);
        let values: Option<Vec<T>> = value::list(text).map(|item| item.parse().ok()).collect();
        let values = values.filter(|values| !values.is_empty());
        values.unwrap_or_else(|| {
            self.wrong(key, &format!("{text:?} are not {form}"), &format!("give {form}"));
            Vec::new()
        })
    }

    fn duration(&mut self, key: &str, default: Duration) -> Duration {
        let Some(text) = self.raw.value(key) else { return default };
        value::duration(text).unwrap_or_else(|| {
            self.wrong(key, &format!("{text:?} is no duration"), "write it as 150s, 2m or 500ms");
            default
        })
    }

    fn any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.raw.value(key).is_some())
    }

    fn wrong(&mut self, key: &str, message: &str, fix: &str) {
        let origin = self.raw.origin(key);
        let (key, message, fix) = (key.to_owned(), message.to_owned(), fix.to_owned());
        self.mistakes.push(Mistake { key, origin, message, fix });
    }
}

const CERTS: &str = "make them with `starling pki issue` and give link_ca, link_cert and link_key";
const GENERATE: &str = "make one with `openssl rand -base64 32`";
const ID_FORM: &str = "use 1 to 64 letters, digits, '.', '_', '~' or '-'";

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
