//! Whether clients and other nodes are told addresses that can be right. Pure.

use std::net::IpAddr;

use super::finding::Finding;
use crate::config::{Config, Registry};

const CHECK: &str = "addresses";
/// Fewer ports than this are gone after as many recordings or RTP senders, two each.
const FEW_PORTS: usize = 32;

/// Looks at all of them.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    let clustered = matches!(config.registry, Registry::Etcd(_));
    let public =
        is_public(&config.http.api_url) || config.rtc.announced.iter().any(|it| is_public(it));
    for host in &config.rtc.announced {
        found.extend(announced(host, clustered, public, &config.rtc.listen));
    }
    let nowhere = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    if let Some(link) = config.link.announced.filter(|link| clustered && nowhere(link.ip())) {
        found.push(Finding::wrong(
            CHECK,
            format!("other nodes are told to reach this one at {link}"),
            "set link_announce to the address under which other nodes reach this machine",
        ));
    }
    let host = host_of(&config.http.api_url);
    let local = host.parse::<IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback());
    if clustered && local {
        found.push(Finding::wrong(
            CHECK,
            format!("api_url is {}: every machine takes that for itself", config.http.api_url),
            "set api_url to the URL under which clients and other nodes reach this node",
        ));
    }
    found.extend(plain_ports(config));
    if found.is_empty() {
        let told = config.rtc.announced.join(", ");
        found.push(Finding::fine(CHECK, format!("clients are told {told}")));
    }
    found
}

fn announced(host: &str, clustered: bool, public: bool, listen: &[IpAddr]) -> Option<Finding> {
    let ip: IpAddr = host.parse().ok()?;
    let fix = "set announce to the address under which clients reach this machine";
    if ip.is_unspecified() {
        let message = format!("clients are told to send media to {ip}, which is no address");
        return Some(Finding::wrong(CHECK, message, fix));
    }
    let beyond = listen.iter().any(|own| !own.is_loopback());
    if ip.is_loopback() && (clustered || public) {
        let message = format!("clients are told to send media to {ip}: each takes that for itself");
        return Some(Finding::wrong(CHECK, message, fix));
    }
    if ip.is_loopback() && beyond {
        let message = format!("clients are told {ip}: only those on this machine can come");
        return Some(Finding::odd(CHECK, message, fix));
    }
    if is_private(ip) && public {
        let message = format!("clients are told {ip}, a private address, and the node is public");
        let fix = "set announce to the public address (of the NAT in front, if there is one); \
                   expose_internal_ip = true adds the private one for clients inside";
        return Some(Finding::wrong(CHECK, message, fix));
    }
    None
}

fn plain_ports(config: &Config) -> Option<Finding> {
    let ports = config.rtc.plain_ports.clone()?;
    let count = ports.len();
    let workers = u16::try_from(config.rtc.workers).unwrap_or(u16::MAX);
    let last = config.rtc.port.saturating_add(workers.saturating_sub(1));
    if *ports.start() <= last && config.rtc.port <= *ports.end() {
        return Some(Finding::wrong(
            CHECK,
            format!(
                "rtc_plain_ports {}-{} and the workers' ports {}-{last} overlap",
                ports.start(),
                ports.end(),
                config.rtc.port
            ),
            "move one of them: rtc_plain_ports = \"40000-40999\" is far enough from 7000",
        ));
    }
    (count < FEW_PORTS).then(|| {
        Finding::odd(
            CHECK,
            format!("rtc_plain_ports has {count} ports: enough for {} plain transports", count / 2),
            "give at least two for each recording and each RTP sender: \"40000-40999\"",
        )
    })
}

/// Whether a host, or that of a URL, is for everybody. A name with a dot may be.
fn is_public(text: &str) -> bool {
    let host = host_of(text);
    match host.parse::<IpAddr>() {
        Ok(ip) => !(is_private(ip) || ip.is_loopback() || ip.is_unspecified()),
        Err(_) => {
            let inner = [".local", ".internal", ".lan", ".svc", ".home.arpa", ".localhost"];
            host.contains('.') && !inner.iter().any(|end| host.ends_with(end))
        }
    }
}

/// RFC 1918, RFC 6598, RFC 3927; for IPv6 RFC 4193 and link-local.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The host of a URL, or of `host:port`.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    match rest.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None if rest.matches(':').count() == 1 => rest.split(':').next().unwrap_or(rest),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::doctor::finding::Level, testing::config};

    fn levels(change: impl FnOnce(&mut Config)) -> Vec<Level> {
        let mut config = config();
        config.rtc.port = 7_000;
        change(&mut config);
        examine(&config).iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn addresses_that_lead_elsewhere_are_found() {
        let any: IpAddr = [0, 0, 0, 0].into();
        assert_eq!(levels(|_| {}), [Level::Ok]);
        assert_eq!(levels(|it| it.rtc.listen = vec![any]), [Level::Warning]);
        assert_eq!(levels(|it| it.rtc.announced = vec!["0.0.0.0".into()]), [Level::Error]);
        let public = |announced: &str| {
            levels(|it| {
                it.rtc.announced = vec![announced.into()];
                it.http.api_url = "https://sfu.example.org".into();
            })
        };
        assert_eq!(public("203.0.113.7"), [Level::Ok]);
        assert_eq!(public("10.0.0.5"), [Level::Error]);
        assert_eq!(public("100.64.1.1"), [Level::Error]);
        assert_eq!(public("127.0.0.1"), [Level::Error]);
        assert_eq!(public("sfu.example.org"), [Level::Ok]);
        let inside = |it: &mut Config| {
            it.rtc.announced = vec!["10.0.0.5".into()];
            it.http.api_url = "http://node-1.sfu.svc:4443".into();
        };
        assert_eq!(levels(inside), [Level::Ok]);
    }

    #[test]
    fn ports_that_are_few_or_taken_twice_are_found() {
        let ports = |first, last| levels(|it| it.rtc.plain_ports = Some(first..=last));
        assert_eq!(ports(40_000, 40_999), [Level::Ok]);
        assert_eq!(ports(40_000, 40_003), [Level::Warning]);
        assert_eq!(ports(7_000, 7_999), [Level::Error]);
    }

    #[test]
    fn hosts_are_read_out_of_urls() {
        for (url, host) in [
            ("http://a.b:1/c", "a.b"),
            ("https://[::1]:4443", "::1"),
            ("::1", "::1"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
