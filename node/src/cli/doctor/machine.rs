//! Whether the kernel gives a node what it needs: file descriptors, socket buffers, GSO and GRO.

use std::{fs, path::Path};

use starling_actors::worker::SHARED_BUFFER;

use super::finding::Finding;
use crate::config::Config;

/// Files of a node without clients: sockets of workers and links, etcd, logs.
const IDLE_FILES: u64 = 256;
/// Files of a client: its WebSocket, and one more if its media comes over TCP.
const FILES_PER_PEER: u64 = 2;
/// Clients that are expected of a node without max_peers: what its cores can serve.
const PEERS_PER_CORE: u64 = 1_000;
/// UDP_SEGMENT, which sends many datagrams in one call (Linux 4.18).
const GSO: (u32, u32) = (4, 18);
/// UDP_GRO, which receives many (Linux 5.0).
const GRO: (u32, u32) = (5, 0);

/// Reads what the kernel tells.
pub(super) fn examine(proc: &Path, config: &Config) -> Vec<Finding> {
    let read = |name: &str| fs::read_to_string(proc.join(name)).ok();
    let number = |name: &str| read(name).and_then(|text| text.trim().parse::<u64>().ok());
    let mut found = vec![files(read("self/limits").as_deref(), config)];
    for (name, way) in [("rmem_max", "receive"), ("wmem_max", "send")] {
        found.extend(buffers(name, way, number(&format!("sys/net/core/{name}"))));
    }
    found.extend(read("sys/kernel/osrelease").map(|release| kernel(&release)));
    found
}

fn files(limits: Option<&str>, config: &Config) -> Finding {
    let check = "file descriptors";
    let peers = match u64::from(config.max_peers) {
        0 => PEERS_PER_CORE * config.rtc.workers as u64,
        peers => peers,
    };
    let needed = IDLE_FILES + FILES_PER_PEER * peers;
    let Some(soft) = limits.and_then(soft_limit) else {
        return Finding::odd(check, "the limit cannot be read", "`ulimit -n` shows it");
    };
    if soft >= needed {
        return Finding::fine(check, format!("{soft}, of which {peers} peers need {needed}"));
    }
    let message = format!("at most {soft}, and {peers} peers need {needed}");
    let fix = "LimitNOFILE=65536 in the systemd unit, `ulimit -n 65536` in a shell, or a lower \
               max_peers";
    // Nobody comes any more when they are gone, which is an error if it happens soon.
    if soft < IDLE_FILES + FILES_PER_PEER * peers.min(100) {
        Finding::wrong(check, message, fix)
    } else {
        Finding::odd(check, message, fix)
    }
}

/// The soft limit of `/proc/self/limits`.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let word = line.split_whitespace().next()?;
    if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() }
}

fn buffers(name: &str, way: &str, most: Option<u64>) -> Option<Finding> {
    let check = "socket buffers";
    let (most, wanted) = (most?, SHARED_BUFFER as u64);
    if most >= wanted {
        return Some(Finding::fine(check, format!("net.core.{name} is {most}")));
    }
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    Some(Finding::odd(
        check,
        format!(
            "net.core.{name} is {}: bursts lose packets of what is to be {} of {way} buffer (unless \
             the node has CAP_NET_ADMIN)",
            mb(most),
            mb(wanted)
        ),
        format!("sysctl -w net.core.{name}={wanted}, and in /etc/sysctl.d to keep it"),
    ))
}

fn kernel(release: &str) -> Finding {
    let check = "kernel";
    let release = release.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|it| it.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let missing: Vec<_> = [(GSO, "GSO"), (GRO, "GRO")]
        .iter()
        .filter(|(since, _)| version < *since)
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return Finding::fine(check, format!("Linux {release} has UDP GSO and GRO"));
    }
    let message = format!(
        "Linux {release} has no UDP {}: each packet costs several times as much",
        missing.join(" and ")
    );
    Finding::odd(check, message, "run Linux 5.0 or newer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::doctor::finding::Level, testing::config};

    #[test]
    fn files_are_counted_against_peers() {
        let limits = |n: &str| format!("Limit  Soft  Hard\nMax open files  {n}  4096  files\n");
        let level = |n: &str, max_peers| {
            let mut config = config();
            config.max_peers = max_peers;
            files(Some(&limits(n)), &config).level
        };
        assert_eq!(level("256", 0), Level::Error);
        assert_eq!(level("1024", 0), Level::Warning);
        assert_eq!(level("1024", 300), Level::Ok);
        assert_eq!(level("unlimited", 0), Level::Ok);
        assert_eq!(files(None, &config()).level, Level::Warning);
    }

    #[test]
    fn small_buffers_are_found() {
        assert_eq!(buffers("rmem_max", "receive", Some(212_992)).unwrap().level, Level::Warning);
        assert_eq!(buffers("rmem_max", "receive", Some(8 << 20)).unwrap().level, Level::Ok);
        assert_eq!(buffers("rmem_max", "receive", None), None);
    }

    #[test]
    fn an_old_kernel_is_found() {
        assert_eq!(kernel("6.1.0-18-amd64\n").level, Level::Ok);
        assert!(kernel("4.19.0").message.contains("no UDP GRO:"));
        assert!(kernel("3.10.0-1160.el7").message.contains("no UDP GSO and GRO"));
    }
}
