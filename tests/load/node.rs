//! A node in a process of its own, seen from the outside: what it says, what it takes of the
//! machine, what it logs. Ends only the process it started.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use starling_node::client::{Answer, Ask, ask};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Method, header::AUTHORIZATION};

use crate::{
    client::{Failure, issue},
    figures::Figures,
    sys::process_cpu,
};

/// Until a node that starts has to answer; a debug build on a busy machine takes seconds.
const START: Duration = Duration::from_secs(30);
/// Longer than a node takes for any request.
const PATIENCE: Duration = Duration::from_secs(20);
/// Ports from which a free one is taken: below those that the kernel gives to clients by itself
/// (`ip_local_port_range` begins at 32,768), which would take it in between.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The secrets of all nodes of a run, so that tokens of one are good at the others.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    pub(crate) token: String,
    pub(crate) admin: String,
    pub(crate) cluster: String,
}

impl Secrets {
    /// New ones.
    pub(crate) fn new() -> Self {
        let word = |name: &str| format!("{name}{:032x}", rand::random::<u128>());
        Self { token: word("tokens"), admin: word("admin"), cluster: word("cluster") }
    }
}

/// What is different about a node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// Its id; and its log's name.
    pub(crate) id: String,
    /// Settings as `STARLING_<NAME>`, over ours.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Most open files.
    pub(crate) files: Option<u32>,
}

/// See the module.
pub(crate) struct Node {
    child: Child,
    /// `http://…` of pages and signalling.
    pub(crate) url: String,
    /// `http://…` of REST and metrics.
    pub(crate) admin: String,
    /// UDP and TCP of media.
    pub(crate) media: SocketAddrV4,
    /// QUIC between nodes.
    pub(crate) link: SocketAddrV4,
    pub(crate) secrets: Secrets,
    pub(crate) log: PathBuf,
}

impl Node {
    /// Starts `starling node` with one worker and waits until it serves.
    pub(crate) async fn start(secrets: &Secrets, wish: Wish) -> Result<Self, Failure> {
        let mut node = Self::launch(secrets, &wish)?;
        let end = Instant::now() + START;
        let address =
            node.url.trim_start_matches("http://").trim_start_matches("https://").to_owned();
        while TcpStream::connect(&address).is_err() {
            if let Some(how) = node.child.try_wait()? {
                return Err(format!("the node ended with {how}:\n{}", node.tail()).into());
            }
            if Instant::now() > end {
                return Err(format!("the node does not listen:\n{}", node.tail()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(node)
    }

    /// Starts it and waits for nothing.
    pub(crate) fn launch(secrets: &Secrets, wish: &Wish) -> io::Result<Self> {
        let [http, admin, media, link] = [free_port()?, free_port()?, free_port()?, free_port()?];
        let own = |name: &str, value: String| (format!("STARLING_{name}"), value);
        let at = |port: u16| format!("127.0.0.1:{port}");
        let mut settings = vec![
            own("ID", wish.id.clone()),
            own("LISTEN", at(http)),
            own("API_URL", format!("http://{}", at(http))),
            own("ADMIN_LISTEN", at(admin)),
            own("RTC_LISTEN", "127.0.0.1".into()),
            own("ANNOUNCE", "127.0.0.1".into()),
            own("RTC_PORT", media.to_string()),
            own("LINK_LISTEN", at(link)),
            own("WORKERS", "1".into()),
            own("DRAIN_DEADLINE", "1s".into()),
            own("TOKEN_SECRET", secrets.token.clone()),
            own("ADMIN_TOKEN", secrets.admin.clone()),
            own("CLUSTER_SECRET", secrets.cluster.clone()),
        ];
        settings.extend(wish.settings.iter().map(|(name, value)| own(name, value.clone())));
        let folder = PathBuf::from("target/reports/logs/attack");
        fs::create_dir_all(&folder)?;
        let log = folder.join(format!("{}.log", wish.id));
        let file = fs::File::create(&log)?;
        let program = starling()?;
        let mut command = match wish.files {
            None => Command::new(&program),
            Some(files) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]);
                shell.arg(&program);
                shell
            }
        };
        let command = command.arg("node").env_clear().envs(settings.iter().cloned());
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        let scheme = if wish.settings.iter().any(|(name, _)| *name == "TLS_CERT") {
            "https"
        } else {
            "http"
        };
        let socket = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        Ok(Self {
            child,
            url: format!("{scheme}://{}", at(http)),
            admin: format!("http://{}", at(admin)),
            media: socket(media),
            link: socket(link),
            secrets: secrets.clone(),
            log,
        })
    }

    /// CPU nanoseconds since it started.
    pub(crate) fn cpu(&self) -> u64 {
        process_cpu(self.child.id())
    }

    /// Resident bytes.
    pub(crate) fn memory(&self) -> f64 {
        resident(self.child.id())
    }

    /// Open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).map_or(0, Iterator::count)
    }

    /// Threads.
    pub(crate) fn threads(&self) -> usize {
        fs::read_dir(self.proc("task")).map_or(0, Iterator::count)
    }

    /// Its command line, as every user of the machine can read it.
    pub(crate) fn command_line(&self) -> String {
        let bytes = fs::read(self.proc("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    fn proc(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.child.id())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Tells it something by a signal, as an operator would.
    pub(crate) fn signal(&self, name: &str) -> io::Result<()> {
        let kill = Command::new("kill").args([name, &self.child.id().to_string()]).status()?;
        if kill.success() { Ok(()) } else { Err(io::Error::other(format!("kill {name} failed"))) }
    }

    /// All it wrote.
    pub(crate) fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of it.
    pub(crate) fn tail(&self) -> String {
        let text = self.logged();
        let lines: Vec<_> = text.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// What it counts.
    pub(crate) async fn figures(&self) -> Result<Figures, Failure> {
        Figures::read(&self.admin, &self.secrets.admin).await
    }

    /// Asks REST as its operator.
    pub(crate) async fn api(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Answer, Failure> {
        let bearer = format!("Bearer {}", self.secrets.admin);
        self.request(&self.admin, method, path, &bearer, body).await
    }

    /// Asks with whatever authorization, wherever it listens.
    pub(crate) async fn request(
        &self,
        at: &str,
        method: Method,
        path: &str,
        authorization: &str,
        body: Value,
    ) -> Result<Answer, Failure> {
        let body = if body.is_null() { Vec::new().into() } else { body.to_string().into() };
        let headers = vec![(AUTHORIZATION, HeaderValue::from_str(authorization)?)];
        let url = format!("{at}{path}");
        Ok(ask(Ask { method, url, headers, body, within: PATIENCE }).await?)
    }

    /// A room token of its.
    pub(crate) fn token(&self, room: &str, peer: &str) -> Result<String, Failure> {
        issue(&self.secrets.token, room, peer)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server: `STARLING`, or what was built beside this program.
pub(crate) fn starling() -> io::Result<PathBuf> {
    let built = std::env::current_exe()?.with_file_name("starling");
    let named = std::env::var_os("STARLING").map_or(built, PathBuf::from);
    if named.exists() {
        return Ok(named);
    }
    let text = format!("{} is missing; cargo build --release -p starling-node", named.display());
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

/// Resident bytes of a process.
pub(crate) fn resident(pid: u32) -> f64 {
    let text = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("statm"));
    let text = text.unwrap_or_default();
    let pages: f64 = text.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or_default();
    pages * 4_096.0
}

/// A port that is free for TCP and UDP.
pub(crate) fn free_port() -> io::Result<u16> {
    for _ in 0..1_000 {
        let port = PORTS.start + rand::random::<u16>() % (PORTS.end - PORTS.start);
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}
