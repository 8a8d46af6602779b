//! A `starling node` on loopback, and what it has printed.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node's process.
pub(crate) struct Program {
    child: Child,
    printed: Arc<Mutex<String>>,
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    folder: TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// The built program.
pub(crate) fn starling() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STARLING_")) {
        command.env_remove(name);
    }
    command
}

fn free_tcp() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A port that is free in UDP and TCP.
fn free_port() -> u16 {
    let free = (0..100).find_map(|_| {
        let port = free_tcp().port();
        UdpSocket::bind(("127.0.0.1", port)).ok().map(|_| port)
    });
    free.expect("some port is free")
}

impl Program {
    /// Starts a node with these variables; a value `@name` is that file of the folder.
    pub(crate) fn start(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        Self::start_by(starling(), files, variables)
    }

    /// The same with so few file descriptors.
    pub(crate) fn start_poor(descriptors: u32, variables: &[(&str, &str)]) -> Self {
        let program = starling();
        let mut shell = Command::new("sh");
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        let run = format!("ulimit -n {descriptors}; exec \"$0\" \"$@\"");
        shell.args(["-c", &run]).arg(program.get_program());
        Self::start_by(shell, &[], variables)
    }

    fn start_by(mut command: Command, files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let (listen, admin) = (free_tcp(), free_tcp());
        command
            .args(["node", "--id", "n1", "--rtc-listen", "127.0.0.1", "--workers", "1"])
            .args(["--listen", &listen.to_string(), "--admin-listen", &admin.to_string()])
            .args(["--rtc-port", &free_port().to_string(), "--drain-deadline", "1s"])
            .args(["--link-listen", &format!("127.0.0.1:{}", free_port())])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in variables {
            let value = match value.strip_prefix('@') {
                Some(file) => folder.path().join(file).display().to_string(),
                None => (*value).to_owned(),
            };
            command.env(format!("STARLING_{name}"), value);
        }
        let mut child = command.spawn().unwrap();
        let printed = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for mut stream in [Box::new(out) as Box<dyn Read + Send>, Box::new(err)] {
            let printed = printed.clone();
            thread::spawn(move || {
                let mut bytes = [0; 8192];
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    printed.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
                }
            });
        }
        let program = Self { child, printed, listen, admin, folder };
        program.until("it is ready", || {
            TcpStream::connect(program.listen).is_ok()
                && program.ask(program.listen, "GET", "/readyz", None, None).status == 200
        });
        program
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds() {
            assert!(Instant::now() < end, "in vain waited until {what}: {}", self.printed());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Asks it, with a bearer token.
    pub(crate) fn ask(
        &self,
        at: SocketAddr,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n{}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            bearer.unwrap_or_default(),
            body.len()
        );
        let Ok(mut tcp) = TcpStream::connect(at) else {
            return Answer { status: 0, body: String::new() };
        };
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut text = Vec::new();
        let _ = tcp.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        Answer { status, body: body.unwrap_or_default() }
    }

    /// Ends it as an operator does.
    pub(crate) fn end(mut self) -> String {
        self.signal("-TERM");
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end: {}", self.printed());
            thread::sleep(Duration::from_millis(50));
        }
        thread::sleep(Duration::from_millis(100));
        self.printed()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
