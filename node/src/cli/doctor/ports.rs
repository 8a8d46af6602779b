//! Whether the ports that a node needs are free, or its own.

use std::{
    io::{Error, ErrorKind},
    net::{SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use starling_client::Client;

use super::finding::Finding;
use crate::config::Config;

const CHECK: &str = "ports";
/// A node on this machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// One port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    udp: bool,
    address: SocketAddr,
    key: &'static str,
}

/// Tries them all.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let needs = needs(config);
    let tried: Vec<_> = needs.iter().map(|need| (*need, take(need))).collect();
    let taken = tried
        .iter()
        .any(|(_, taken)| taken.as_ref().is_err_and(|error| error.kind() == ErrorKind::AddrInUse));
    let ours = taken && is_ours(config).await;
    let found: Vec<_> = tried.iter().filter_map(|(need, taken)| judge(need, taken, ours)).collect();
    if !found.is_empty() {
        return found;
    }
    let how = if ours { "a node of this id runs here and has them" } else { "all are free" };
    vec![Finding::fine(CHECK, format!("{} UDP and TCP ports: {how}", needs.len()))]
}

/// What a node with these settings listens on. A port of 0 is chosen by the system.
fn needs(config: &Config) -> Vec<Need> {
    let mut all = Vec::new();
    let mut add = |udp, address: SocketAddr, key| {
        if address.port() != 0 {
            all.push(Need { udp, address, key });
        }
    };
    config.http.listen.iter().for_each(|address| add(false, *address, "listen"));
    if let Some(address) = config.http.admin_listen {
        add(false, address, "admin_listen");
    }
    add(true, config.link.listen, "link_listen");
    let workers = u16::try_from(config.rtc.workers).unwrap_or(u16::MAX);
    for ip in config.rtc.listen.iter().filter(|_| config.rtc.port != 0) {
        for n in 0..workers {
            let address = SocketAddr::new(*ip, config.rtc.port.saturating_add(n));
            add(true, address, "rtc_port");
            if config.rtc.tcp {
                add(false, address, "rtc_port");
            }
        }
    }
    all
}

fn take(need: &Need) -> Result<(), Error> {
    if need.udp {
        UdpSocket::bind(need.address).map(drop)
    } else {
        TcpListener::bind(need.address).map(drop)
    }
}

/// Whether what listens is a node of this id.
async fn is_ours(config: &Config) -> bool {
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    let Some(address) = config.http.listen.first() else { return false };
    let ip = if address.ip().is_unspecified() { [127, 0, 0, 1].into() } else { address.ip() };
    let url = format!("{scheme}://{}", SocketAddr::new(ip, address.port()));
    let Ok(client) = Client::new(&url) else { return false };
    let client = client.within(PATIENCE);
    // The admin listener may be another: being healthy is enough.
    client.health().await.is_ok()
}

fn judge(need: &Need, taken: &Result<(), Error>, ours: bool) -> Option<Finding> {
    let Need { udp, address, key } = need;
    let error = taken.as_ref().err()?;
    let kind = if *udp { "UDP" } else { "TCP" };
    let port = address.port();
    let (message, fix) = match error.kind() {
        ErrorKind::AddrInUse if ours => return None,
        ErrorKind::AddrInUse => (
            format!("{kind} {address} ({key}) is taken by another program"),
            format!("`ss -{}lpn 'sport = :{port}'` names it: end it, or change {key}",
                if *udp { 'u' } else { 't' }),
        ),
        ErrorKind::PermissionDenied => (
            format!("{kind} {address} ({key}) is not for this user"),
            format!("give {key} a port above 1023, or the program CAP_NET_BIND_SERVICE"),
        ),
        ErrorKind::AddrNotAvailable => (
            format!("{} ({key}) is not an address of this machine", address.ip()),
            "`ip address` shows those it has; 0.0.0.0 is all of them, and announce is what clients \
             are told"
                .to_owned(),
        ),
        _ => (format!("{kind} {address} ({key}): {error}"), format!("change {key}")),
    };
    Some(Finding::wrong(CHECK, message, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::doctor::finding::Level, testing::config};

    #[test]
    fn a_worker_needs_a_port_of_each_kind() {
        let mut config = config();
        (config.rtc.port, config.rtc.workers) = (7_000, 2);
        let ports: Vec<_> = needs(&config).iter().map(|it| (it.udp, it.address.port())).collect();
        assert_eq!(ports, [(true, 7_000), (false, 7_000), (true, 7_001), (false, 7_001)]);
        config.rtc.tcp = false;
        assert_eq!(needs(&config).len(), 2);
    }

    #[test]
    fn a_taken_port_is_named_with_its_key_unless_the_node_itself_has_it() {
        let need = Need { udp: true, address: ([127, 0, 0, 1], 7_000).into(), key: "rtc_port" };
        let taken = Err(ErrorKind::AddrInUse.into());
        let found = judge(&need, &taken, false).unwrap();
        assert_eq!(found.level, Level::Error);
        assert!(found.message.contains("UDP 127.0.0.1:7000 (rtc_port) is taken"));
        assert!(found.fix.contains("ss -ulpn"));
        assert_eq!(judge(&need, &taken, true), None);
        assert_eq!(judge(&need, &Ok(()), false), None);
    }
}
