//! What we offer to a client: host candidates and credentials. Never knows a socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rand::Rng;
use starling_proto::transport::{IceCandidate, Protocol};

use crate::command::IceCredentials;

/// Characters of ufrag and password each: 165 bits, where RFC 8445 §5.3 asks for 24 and 128.
pub const CREDENTIAL_LEN: usize = 32;

/// ice-chars (RFC 8839 §5.4) that mediasoup uses, too.
const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Type preference that mediasoup gives its host candidates (`WebRtcTransport.cpp`).
const TYPE_PREFERENCE: u32 = 64;

/// Local preference of the first address (`WebRtcTransport.cpp`).
const LOCAL_PREFERENCE: u32 = 10_000;

/// How much less each further address is preferred.
const LOCAL_PREFERENCE_STEP: u32 = 100;

/// How much more the preferred protocol is preferred (`WebRtcServer.cpp`).
const PROTOCOL_PREFERENCE: u32 = 1_000;

/// How much lower an internal address's priority is than that of the announced one it stands
/// behind.
const INTERNAL_PENALTY: u32 = 1_000;

/// A listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// Where the socket is bound.
    pub ip: IpAddr,
    /// What clients are told instead, an IP address or a host name.
    pub announced: Option<String>,
    /// Tell clients `ip`, too, if there is an announced address.
    pub expose_internal: bool,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Port.
    pub port: u16,
}

/// How a worker's sockets are told to clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// IP addresses, and host names (which go with IPv4). Empty: the sockets' own.
    pub announced: Vec<String>,
    /// The machine's own addresses, told beside the announced ones of their family (mediasoup's
    /// `exposeInternalIp`).
    pub internal: Vec<IpAddr>,
    /// The sockets listen for TCP connections, too.
    pub tcp: bool,
    /// Told with a higher priority than the other.
    pub preferred: Option<Protocol>,
}

/// Candidates for sockets bound to `bound`: UDP of all of them, then TCP at the same ports.
pub fn worker_candidates(bound: &[SocketAddr], how: &Announcement) -> Vec<IceCandidate> {
    let mut addresses = Vec::new();
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        if protocol == Protocol::Tcp && !how.tcp {
            continue;
        }
        for bound in bound {
            let internal = how.internal.iter().find(|ip| ip.is_ipv4() == bound.is_ipv4());
            let own =
                if bound.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { bound.ip() };
            let address = |announced| HostAddress {
                ip: internal.copied().unwrap_or(own),
                announced,
                expose_internal: internal.is_some(),
                protocol,
                port: bound.port(),
            };
            let family = |text: &&String| {
                let ipv4 = text.parse::<IpAddr>().map_or(true, |ip| ip.is_ipv4());
                ipv4 == bound.is_ipv4()
            };
            let announced: Vec<_> = how.announced.iter().filter(family).cloned().collect();
            if announced.is_empty() {
                addresses.push(address(None));
            }
            // The internal address once, behind the first one.
            for (place, text) in announced.into_iter().enumerate() {
                let address = address(Some(text));
                let expose_internal = address.expose_internal && place == 0;
                addresses.push(HostAddress { expose_internal, ..address });
            }
        }
    }
    host_candidates(&addresses, how.preferred)
}

/// Candidates for `addresses`, which are in order of preference. Addresses of the `preferred`
/// protocol go before the others.
pub fn host_candidates(
    addresses: &[HostAddress],
    preferred: Option<Protocol>,
) -> Vec<IceCandidate> {
    let mut candidates = Vec::with_capacity(addresses.len());
    for (place, address) in addresses.iter().enumerate() {
        let step = LOCAL_PREFERENCE_STEP.saturating_mul(place as u32);
        let mut local = LOCAL_PREFERENCE.saturating_sub(step);
        if preferred == Some(address.protocol) {
            local += PROTOCOL_PREFERENCE;
        }
        let priority = priority(local);
        match &address.announced {
            Some(announced) => {
                candidates.push(candidate(address, announced.clone(), priority));
                if address.expose_internal {
                    let priority = priority - INTERNAL_PENALTY;
                    candidates.push(candidate(address, address.ip.to_string(), priority));
                }
            }
            None => candidates.push(candidate(address, address.ip.to_string(), priority)),
        }
    }
    candidates
}

/// Fresh credentials. `rng` must be cryptographically secure: the password is what proves a client.
pub fn credentials(rng: &mut impl Rng) -> IceCredentials {
    IceCredentials { ufrag: secret(rng), password: secret(rng) }
}

/// RFC 8445 §5.1.2.1 for component 1.
fn priority(local: u32) -> u32 {
    (TYPE_PREFERENCE << 24) + (local << 8) + 255
}

fn candidate(of: &HostAddress, address: String, priority: u32) -> IceCandidate {
    let (foundation, tcp_type) = match of.protocol {
        Protocol::Udp => ("udpcandidate", None),
        Protocol::Tcp => ("tcpcandidate", Some("passive".to_owned())),
    };
    IceCandidate {
        foundation: foundation.to_owned(),
        priority,
        ip: address.clone(),
        address,
        protocol: of.protocol,
        port: of.port,
        kind: "host".to_owned(),
        tcp_type,
    }
}

fn secret(rng: &mut impl Rng) -> String {
    (0..CREDENTIAL_LEN).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn address(protocol: Protocol) -> HostAddress {
        HostAddress {
            ip: [10, 0, 0, 1].into(),
            announced: None,
            expose_internal: false,
            protocol,
            port: 4443,
        }
    }

    #[test]
    fn priorities_are_mediasoups() {
        let both = [address(Protocol::Udp), address(Protocol::Tcp)];
        let candidates = host_candidates(&both, None);
        assert_eq!(candidates[0].priority, 1_076_302_079);
        assert_eq!(candidates[1].priority, 1_076_276_479);
        assert_eq!(candidates[0].foundation, "udpcandidate");
        assert_eq!(candidates[0].tcp_type, None);
        assert_eq!(candidates[1].foundation, "tcpcandidate");
        assert_eq!(candidates[1].tcp_type.as_deref(), Some("passive"));
    }

    #[test]
    fn preferred_protocol_overtakes_the_order() {
        let both = [address(Protocol::Udp), address(Protocol::Tcp)];
        let candidates = host_candidates(&both, Some(Protocol::Tcp));
        assert!(candidates[1].priority > candidates[0].priority);
        assert_eq!(candidates[1].priority, 1_076_276_479 + 256_000);
    }

    #[test]
    fn announced_address_hides_the_internal_one_unless_told() {
        let mut behind = address(Protocol::Udp);
        behind.announced = Some("sfu.example.org".to_owned());
        let hidden = host_candidates(std::slice::from_ref(&behind), None);
        assert_eq!(hidden.len(), 1);
        assert_eq!((&*hidden[0].address, &*hidden[0].ip), ("sfu.example.org", "sfu.example.org"));

        behind.expose_internal = true;
        let exposed = host_candidates(&[behind], None);
        assert_eq!(exposed[1].address, "10.0.0.1");
        assert_eq!(exposed[1].priority, exposed[0].priority - 1_000);
    }

    #[test]
    fn a_worker_tells_udp_then_tcp_of_each_announced_address_of_the_sockets_family() {
        let bound = [SocketAddr::from(([0, 0, 0, 0], 7000)), "[::]:7000".parse().unwrap()];
        let how = Announcement {
            announced: ["sfu.example", "198.51.100.7", "2001:db8::7"].map(String::from).to_vec(),
            internal: vec![[10, 0, 0, 7].into()],
            tcp: true,
            preferred: Some(Protocol::Udp),
        };
        let told = worker_candidates(&bound, &how);
        let seen: Vec<_> = told.iter().map(|c| (c.protocol, c.address.as_str(), c.port)).collect();
        let of = |protocol| {
            ["sfu.example", "10.0.0.7", "198.51.100.7", "2001:db8::7"]
                .map(|address| (protocol, address, 7000))
        };
        assert_eq!(seen, [of(Protocol::Udp), of(Protocol::Tcp)].concat());
        assert_eq!(told[1].priority, told[0].priority - 1_000);
        assert!(told[..4].iter().all(|udp| udp.priority > told[4].priority));
        let bare = worker_candidates(&[([192, 0, 2, 1], 7001).into()], &Announcement::default());
        assert_eq!((bare.len(), bare[0].address.as_str()), (1, "192.0.2.1"));
    }

    #[test]
    fn far_down_the_list_stays_a_priority() {
        let many = vec![address(Protocol::Udp); 150];
        let candidates = host_candidates(&many, None);
        assert_eq!(candidates[149].priority, (64 << 24) + 255);
    }

    #[test]
    fn credentials_are_32_ice_chars_and_differ() {
        let mut rng = StdRng::seed_from_u64(7);
        let (first, second) = (credentials(&mut rng), credentials(&mut rng));
        for secret in [&first.ufrag, &first.password, &second.ufrag, &second.password] {
            assert_eq!(secret.len(), 32);
            assert!(secret.bytes().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase()));
        }
        assert_ne!(first, second);
        assert_ne!(first.ufrag, first.password);
    }
}
