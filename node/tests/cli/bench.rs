//! What the tests here share: the binary, a development cluster, and an etcd.

use std::{
    ffi::OsStr,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// The admin token of all nodes here.
pub(crate) const TOKEN: &str = "a-token-of-the-tests-0123456789-abcdef";
/// What webhooks are signed with.
const WEBHOOKS: &str = "Xv7pQ2mZ9kLs4RtY8wBn3CdF6gHj1aUe";
/// Longest wait for a process to serve, on a machine that compiles beside it.
const START: Duration = Duration::from_secs(30);

/// The binary, without anything of the environment that it would read.
pub(crate) fn starling<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
    command.args(words).stdin(Stdio::null()).env("STARLING_CONTEXTS", "/nonexistent/contexts");
    for (name, _) in std::env::vars() {
        if name.starts_with("STARLING_") && name != "STARLING_CONTEXTS" {
            command.env_remove(name);
        }
    }
    command
}

/// Both streams and the exit code.
pub(crate) struct Ran {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
        let code = output.status.code().unwrap_or(-1);
        Self { out: text(output.stdout), err: text(output.stderr), code }
    }
}

pub(crate) fn run(command: &mut Command) -> Ran {
    command.output().expect("the binary is there").into()
}

/// A first port of several neighbours that are free now.
pub(crate) fn free_ports(count: u16) -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first < 60_000 && (first..first + count).all(free) {
            return first;
        }
    }
    panic!("no {count} neighbouring ports are free");
}

/// A process that ends with its test.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a URL is answered.
pub(crate) fn until_served(port: u16, process: &mut Process) {
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Ok(Some(status)) = process.0.try_wait() {
            panic!("it ended: {status}");
        }
        assert!(begun.elapsed() < START, "nobody serves on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `starling dev`.
pub(crate) struct Dev {
    _process: Process,
    port: u16,
}

impl Dev {
    pub(crate) fn start(nodes: u16) -> Self {
        let port = free_ports(nodes);
        let mut command = starling(["dev", "--nodes", &nodes.to_string(), "--log", "error"]);
        command.args(["--port", &port.to_string(), "--admin-token", TOKEN]);
        command.args(["--regions", "eu,us", "--workers", "1", "--webhook-secret", WEBHOOKS]);
        command.stdout(Stdio::null());
        let mut process = Process(command.spawn().expect("the binary is there"));
        for n in 0..nodes {
            until_served(port + n, &mut process);
        }
        let dev = Self { _process: process, port };
        let begun = Instant::now();
        // Nodes know each other when their links are up.
        let expected = usize::from(nodes);
        loop {
            let told = dev.run(["nodes", "list", "-o", "jsonl"]).out;
            let linked =
                |line: &&str| line.contains("\"here\":true") || line.contains("\"linked\":true");
            if told.lines().filter(linked).count() == expected {
                return dev;
            }
            assert!(begun.elapsed() < START, "the nodes do not find each other: {told}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The first node's port.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until nodes say what their work costs and how far they are from each other.
    pub(crate) fn until_measured(&self) {
        let begun = Instant::now();
        let known = |line: &str| {
            let far = line.contains("\"here\":true") || line.contains("\"rttMs\":");
            far && line.contains("\"cost\":")
        };
        while !self.run(["nodes", "list", "-o", "jsonl"]).out.lines().all(known) {
            assert!(begun.elapsed() < START, "the nodes do not measure");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// A command that asks this cluster.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = starling(words);
        command.env("STARLING_SERVER", self.url()).env("STARLING_TOKEN", TOKEN);
        command
    }

    /// Asks the first node.
    pub(crate) fn post(&self, path: &str) -> u16 {
        post(format!("{}{path}", self.url()), "").expect("it answers")
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        run(&mut self.command(words))
    }
}

/// One etcd, with its data in memory's stead on disk.
pub(crate) struct Etcd {
    _process: Process,
    _data: tempfile::TempDir,
    pub(crate) url: String,
}

impl Etcd {
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let port = free_ports(2);
        let (url, peer) =
            (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", port + 1));
        let child = Command::new(etcd_bin_vendored::etcd_bin_path().expect("etcd is here"))
            .args(["--name", "test", "--unsafe-no-fsync", "--log-level", "error"])
            .arg("--data-dir")
            .arg(data.path())
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd can be executed");
        let mut process = Process(child);
        until_served(port, &mut process);
        let etcd = Self { _process: process, _data: data, url };
        let begun = Instant::now();
        while etcd.post("kv/range", "{\"key\":\"YQ==\"}") != Some(200) {
            assert!(begun.elapsed() < START, "etcd does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        etcd
    }

    /// Asks over its JSON gateway.
    pub(crate) fn post(&self, path: &str, body: &'static str) -> Option<u16> {
        post(format!("{}/v3/{path}", self.url), body)
    }
}

/// The status of the answer, if there is one.
fn post(url: String, body: &'static str) -> Option<u16> {
    use starling_client::http::{Ask, ask};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = ask(Ask {
        method: hyper::Method::POST,
        url,
        headers: Vec::new(),
        body: hyper::body::Bytes::from_static(body.as_bytes()),
        within: Duration::from_secs(5),
    });
    Some(runtime.block_on(ask).ok()?.status.as_u16())
}

/// A folder with a file in it.
pub(crate) fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}
