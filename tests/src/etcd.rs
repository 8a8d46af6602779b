//! A real etcd on loopback for a test: spawn, kill, stop, restart, wipe. Ends only the process it
//! started; its data dies with it.

use std::{
    ffi::OsString,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long etcd may take to serve: it elects itself within a second, a loaded machine takes
/// longer.
const START: Duration = Duration::from_secs(30);

/// One member, one cluster.
#[derive(Debug)]
pub struct EtcdServer {
    data: TempDir,
    client: u16,
    peer: u16,
    health: u16,
    tls: bool,
    process: Option<Child>,
}

/// What etcd speaks TLS with, as PEM. Clients must have a certificate of the same authority.
#[derive(Clone, Copy, Debug)]
pub struct ServerTls<'a> {
    /// The authority.
    pub ca: &'a str,
    /// For 127.0.0.1.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a str,
}

impl EtcdServer {
    /// Starts etcd on free ports with an empty data directory, and waits until it serves.
    ///
    /// # Panics
    /// If it does not start: nothing of the test makes sense then.
    pub fn spawn() -> Self {
        let mut server = Self::down();
        server.start();
        server
    }

    /// The same, with TLS for clients.
    ///
    /// # Panics
    /// If it does not start.
    pub fn spawn_tls(tls: &ServerTls<'_>) -> Self {
        let mut server = Self::down();
        server.tls = true;
        for (name, pem) in [("ca.pem", tls.ca), ("crt.pem", tls.certificate), ("key.pem", tls.key)]
        {
            std::fs::write(server.data.path().join(name), pem).expect("a file can be written");
        }
        server.start();
        server
    }

    /// Ports and a data directory, but no process yet: [`start`](Self::start) it.
    ///
    /// # Panics
    /// If no port is free.
    pub fn down() -> Self {
        let data = tempfile::tempdir().expect("a temporary directory can be made");
        let [client, peer, health] = std::array::from_fn(|_| free_port());
        Self { data, client, peer, health, tls: false, process: None }
    }

    /// Where clients connect, `http://127.0.0.1:port` or, with TLS, `https`.
    pub fn url(&self) -> String {
        format!("http{}://127.0.0.1:{}", if self.tls { "s" } else { "" }, self.client)
    }

    /// Its process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Starts it again, on the same ports and data directory, and waits until it serves.
    ///
    /// # Panics
    /// If it does not start, or runs already.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "etcd runs already");
        let program = etcd_bin_vendored::etcd_bin_path().expect("etcd is built for this machine");
        let (client, peer) = (self.url(), format!("http://127.0.0.1:{}", self.peer));
        let health = format!("http://127.0.0.1:{}", self.health);
        let file = |name| self.data.path().join(name).into_os_string();
        let mut command = Command::new(program);
        if self.tls {
            command.args([
                OsString::from("--client-cert-auth"),
                "--trusted-ca-file".into(),
                file("ca.pem"),
                "--cert-file".into(),
                file("crt.pem"),
                "--key-file".into(),
                file("key.pem"),
            ]);
        }
        // fsync makes no difference to a killed process, only to a machine that loses power.
        let process = command
            .args(["--name", "test", "--unsafe-no-fsync", "--log-level", "error"])
            .args(["--listen-metrics-urls", &health])
            .arg("--data-dir")
            .arg(file("data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd can be executed");
        self.process = Some(process);
        let start = Instant::now();
        while !self.serves() {
            assert!(start.elapsed() < START, "etcd does not serve on {}", self.url());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Both fail only if it has ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// SIGKILL, and all data is gone: a new cluster whose revisions begin at 1.
    ///
    /// # Panics
    /// If the data cannot be removed.
    pub fn wipe(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.data.path().join("data")).expect("the data can be removed");
    }

    /// Its data as it is now, while it does not run.
    ///
    /// # Panics
    /// If it runs, or the data cannot be copied.
    pub fn copy(&self) -> TempDir {
        assert!(self.process.is_none(), "etcd runs");
        let copy = tempfile::tempdir().expect("a temporary directory can be made");
        copy_all(&self.data.path().join("data"), &copy.path().join("data"));
        copy
    }

    /// An earlier state: what came after it never was, as after the restore of a backup.
    ///
    /// # Panics
    /// If it runs, or the data cannot be written.
    pub fn restore(&self, copy: &TempDir) {
        assert!(self.process.is_none(), "etcd runs");
        let data = self.data.path().join("data");
        std::fs::remove_dir_all(&data).expect("the data can be removed");
        copy_all(&copy.path().join("data"), &data);
    }

    /// SIGSTOP: connections stay open and nothing answers.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.pid().expect("etcd runs").to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill {signal} {pid}");
    }

    /// Whether `/health` says so: that takes a leader, an open port does not.
    fn serves(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.health));
        let Ok(mut stream) = TcpStream::connect(address) else {
            return false;
        };
        let mut answer = String::new();
        let asked = stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .and_then(|()| stream.write_all(b"GET /health HTTP/1.0\r\n\r\n"))
            .and_then(|()| stream.read_to_string(&mut answer));
        asked.is_ok() && answer.contains(r#""health":"true""#)
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn copy_all(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(status.is_ok_and(|status| status.success()), "cp -r {from:?} {to:?}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("a bound listener has an address").port()
}
