//! Misconfigurations, each made and found by its name with what mends it.

use std::{
    net::UdpSocket,
    path::Path,
    process::{Command, Stdio},
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::Value;

use crate::bench::{Etcd, Process, file, free_ports, run, starling, until_served};

pub(crate) const SECRET: &str = "pQ3v9sZk1LmX7tRb2NcY8wHd4JfG6aUe";
const OTHER: &str = "aB7xw2Vn5Kd9Qm4Lz8Tr1Yc6Hs3Jp0Ge";

/// A node's settings with nothing wrong, on free ports.
pub(crate) struct Settings {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    port: u16,
}

impl Settings {
    pub(crate) fn new(id: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_ports(3);
        let mut settings = Self { folder, variables: Vec::new(), port };
        let link = format!("127.0.0.1:{}", port + 2);
        for (name, value) in [
            ("id", id),
            ("workers", "1"),
            ("max_peers", "100"),
            ("listen", &format!("127.0.0.1:{port}")),
            ("admin_listen", "listen"),
            ("rtc_listen", "127.0.0.1"),
            ("rtc_port", &(port + 1).to_string()),
            ("announce", "127.0.0.1"),
            ("link_listen", &link),
            ("link_announce", &link),
            ("api_url", &format!("http://127.0.0.1:{port}")),
            ("cluster_secret", SECRET),
            ("token_secret", SECRET),
            ("admin_token", SECRET),
            ("log", "error"),
        ] {
            settings.set(name, value);
        }
        settings
    }

    /// With etcd, and certificates of its own authority in `certs`.
    fn clustered(id: &str, etcd: &str, certs: &Path) -> Self {
        let mut settings = Self::new(id);
        let out = certs.to_str().unwrap();
        assert_eq!(run(&mut starling(["pki", "issue", "--out", out, id])).code, 0);
        let path = |name: &str| certs.join(name).to_str().unwrap().to_owned();
        settings.set("etcd", etcd);
        settings.set("link_ca", &path("ca.pem"));
        settings.set("link_cert", &path(&format!("{id}.pem")));
        settings.set("link_key", &path(&format!("{id}.key")));
        settings
    }

    fn set(&mut self, name: &str, value: &str) {
        let name = format!("STARLING_{}", name.to_uppercase());
        self.variables.retain(|(known, _)| *known != name);
        self.variables.push((name, value.to_owned()));
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = starling(words);
        command.envs(self.variables.iter().cloned());
        command
    }

    /// What the doctor found, without what is fine.
    fn found(&self, more: &[&str]) -> Vec<(String, String, String)> {
        let words: Vec<_> = ["doctor", "-o", "json"].iter().chain(more).copied().collect();
        read(&run(&mut self.command(&words)).out)
    }

    /// Asserts that one finding of a check says this, and has a fix.
    fn shows(&self, more: &[&str], level: &str, check: &str, words: &str) {
        named(&self.found(more), level, check, words);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn node(&self) -> Process {
        let child = self.command(&["node"]).stdout(Stdio::null()).spawn().unwrap();
        let mut process = Process(child);
        until_served(self.port, &mut process);
        process
    }
}

/// Level, check, and message with fix.
fn read(out: &str) -> Vec<(String, String, String)> {
    let all: Vec<Value> = serde_json::from_str(out).expect(out);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |it: &Value| {
        let told = format!("{} | {}", text(&it["message"]), text(&it["fix"]));
        (text(&it["level"]), text(&it["check"]), told)
    };
    all.iter().map(one).collect()
}

fn named(found: &[(String, String, String)], level: &str, check: &str, words: &str) {
    let fits = |it: &&(String, String, String)| {
        it.0 == level && it.1 == check && it.2.contains(words) && !it.2.ends_with("| ")
    };
    assert!(found.iter().any(|it| fits(&it)), "no {level} of {check} with {words:?} in {found:#?}");
}

/// Of the machine and of the settings, which need nobody else: seven of them.
#[test]
fn what_is_wrong_on_this_machine_is_named() {
    let mut fine = Settings::new("n1");
    let wrong: Vec<_> =
        fine.found(&[]).into_iter().filter(|(level, ..)| level == "error").collect();
    assert!(wrong.is_empty(), "nothing is wrong yet: {wrong:#?}");
    // 1: a port that another program has.
    let held = UdpSocket::bind(("127.0.0.1", fine.port + 1)).unwrap();
    fine.shows(&[], "error", "ports", "(rtc_port) is taken by another program");
    drop(held);
    // 2: a private address in a public setting.
    fine.set("announce", "10.0.0.5");
    fine.set("api_url", "https://sfu.example.org");
    fine.shows(&[], "error", "addresses", "10.0.0.5, a private address");
    // 3: too few ports.
    fine.set("rtc_plain_ports", "40000-40003");
    fine.shows(&[], "warning", "addresses", "rtc_plain_ports has 4 ports");
    // 4: small socket buffers, and 5: an old kernel.
    let proc = tempfile::tempdir().unwrap();
    file(proc.path(), "sys/net/core/rmem_max", "212992\n");
    file(proc.path(), "sys/kernel/osrelease", "4.15.0-20-generic\n");
    let found = fine.found(&["--proc", proc.path().to_str().unwrap()]);
    named(&found, "warning", "socket buffers", "sysctl -w net.core.rmem_max=");
    named(&found, "warning", "kernel", "no UDP GSO and GRO");
    // 6: few file descriptors.
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_starling")]);
    few.args(["doctor", "-o", "json"]).envs(fine.variables.iter().cloned());
    named(&read(&run(&mut few).out), "error", "file descriptors", "at most 64");
    // 7: a weak secret.
    fine.set("cluster_secret", "short");
    fine.shows(&[], "error", "settings", "cluster_secret (STARLING_CLUSTER_SECRET)");
}

#[test]
fn certificates_that_do_not_serve_are_named() {
    let mut settings = Settings::new("n1");
    let folder = settings.folder.path().to_owned();
    let make = |name: &str, host: &str, until: i32| {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap().pem();
        let path = |kind: &str| format!("{name}.{kind}");
        let cert = file(&folder, &path("pem"), &cert);
        let key = file(&folder, &path("key"), &key.serialize_pem());
        (cert.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
    };
    let (good, good_key) = make("good", "127.0.0.1", 2100);
    let (old, old_key) = make("old", "127.0.0.1", 2021);
    let (strange, strange_key) = make("strange", "sfu.example.org", 2100);
    let mut with = |cert: &str, key: &str| {
        settings.set("tls_cert", cert);
        settings.set("tls_key", key);
        settings.found(&[]).into_iter().filter(|it| it.1 == "certificates").collect::<Vec<_>>()
    };
    assert!(with(&good, &good_key).is_empty());
    // 8 to 10.
    named(&with(&old, &old_key), "error", "certificates", "expired");
    named(&with(&good, &old_key), "error", "certificates", "do not belong together");
    named(&with(&strange, &strange_key), "error", "certificates", "is not for 127.0.0.1");
}

#[test]
fn an_etcd_that_is_away_or_refuses_is_named() {
    let certs = tempfile::tempdir().unwrap();
    // 11.
    let away = Settings::clustered("n1", "http://127.0.0.1:1", certs.path());
    away.shows(&[], "error", "etcd", "is it running?");
    // 12.
    let etcd = Etcd::start();
    for (path, body) in [
        ("auth/user/add", r#"{"name":"root","password":"right"}"#),
        ("auth/role/add", r#"{"name":"root"}"#),
        ("auth/user/grant", r#"{"user":"root","role":"root"}"#),
        ("auth/enable", "{}"),
    ] {
        assert_eq!(etcd.post(path, body), Some(200), "{path}");
    }
    let mut settings = Settings::clustered("n1", &etcd.url, certs.path());
    settings.set("etcd_user", "root");
    settings.set("etcd_password", "wrong");
    settings.shows(&[], "error", "etcd", "does not let this node in");
    settings.set("etcd_password", "right");
    let found = settings.found(&[]);
    assert!(!found.iter().any(|it| it.1 == "etcd"), "{found:#?}");
}

#[test]
fn another_node_with_another_clock_secret_or_address_is_named() {
    let (etcd, certs) = (Etcd::start(), tempfile::tempdir().unwrap());
    let other = Settings::clustered("n2", &etcd.url, certs.path());
    let node = other.node();
    let mut here = Settings::clustered("n1", &etcd.url, certs.path());
    let begun = std::time::Instant::now();
    // It registers in its own time.
    while !here
        .found(&["--all"])
        .iter()
        .any(|it| it.2.contains("node n2 has the same cluster_secret"))
    {
        assert!(begun.elapsed().as_secs() < 30, "{:#?}", here.found(&["--all"]));
    }
    // 13.
    here.shows(&["--clock-ahead", "60"], "error", "clock", "s ahead of node n2");
    // 14.
    here.set("cluster_secret", OTHER);
    here.shows(&[], "error", "secrets", "node n2 has another cluster_secret");
    here.set("cluster_secret", SECRET);
    here.set("token_secret", OTHER);
    here.shows(&[], "error", "secrets", "node n2 has another token_secret");
    here.set("token_secret", SECRET);
    drop(node);
    // 15: its record outlives it by its lease, and nobody answers.
    here.shows(&[], "error", "api_url", "node n2 says it is at http://127.0.0.1:");
}
