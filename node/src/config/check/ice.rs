//! `ice_*`: which servers clients are told of, and what they show there.

use std::time::Duration;

use super::Checker;
use crate::config::{Ice, IceAccess, Secret, value};

/// Most servers: browsers say aloud that five slow down the search for a way, and each is one more
/// header of every WHIP answer.
const MAX_SERVERS: usize = 8;
/// Shortest life of a credential: a client may gather long after it was told, and clocks differ.
const MIN_TTL: Duration = Duration::from_secs(60);
/// coturn's REST scheme (draft-uberti-behave-turn-rest §2.2) advises a day.
const TTL: Duration = Duration::from_secs(24 * 3600);

impl Checker<'_> {
    pub(super) fn ice(&mut self) -> Ice {
        let text = self.raw.value("ice_servers").unwrap_or_default();
        let servers: Vec<_> = value::list(text).map(String::from).collect();
        for server in servers.iter().filter(|server| !is_uri(server)) {
            let fix = "write stun:HOST:PORT or turn:HOST:PORT?transport=udp";
            self.wrong("ice_servers", &format!("{server:?} is no STUN or TURN URI"), fix);
        }
        if servers.len() > MAX_SERVERS {
            let message = format!("there are {} of them", servers.len());
            self.wrong("ice_servers", &message, &format!("give at most {MAX_SERVERS}"));
        }
        let access = self.ice_access();
        let relays = servers.iter().any(|server| is_turn(server));
        if relays && access == IceAccess::Open {
            let fix = "give ice_secret_file, or ice_username and ice_credential_file";
            self.wrong("ice_servers", "TURN servers let nobody in without a password", fix);
        }
        if !relays && access != IceAccess::Open {
            let message = "no TURN server is there for the credentials";
            self.wrong("ice_servers", message, "name one, or leave out the other ice_ settings");
        }
        Ice { servers, access }
    }

    fn ice_access(&mut self) -> IceAccess {
        let ttl = self.duration("ice_ttl", TTL);
        if ttl < MIN_TTL {
            self.wrong("ice_ttl", "it is under a minute", "give at least 1m");
        }
        let username = self.raw.value("ice_username").map(String::from);
        let (credential, secret) = (self.plain_secret("ice_credential"), self.secret("ice_secret"));
        let quotable = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"');
        let shown = |secret: &Secret| quotable(secret.expose());
        if !username.as_deref().is_none_or(quotable) || !credential.as_ref().is_none_or(shown) {
            let fix = "use printable ASCII without quotation marks";
            self.wrong("ice_credential", "it or ice_username does not fit a header", fix);
        }
        match (username, credential, secret) {
            (None, None, None) => IceAccess::Open,
            (Some(username), Some(credential), None) => IceAccess::Fixed { username, credential },
            (None, None, Some(secret)) => IceAccess::Shared { secret, ttl },
            (_, _, Some(_)) => {
                let message = "it makes user names and passwords, and others are given, too";
                self.wrong("ice_secret", message, "give it, or ice_username and ice_credential");
                IceAccess::Open
            }
            (_, _, None) => {
                let message = "ice_username and ice_credential go together";
                self.wrong("ice_credential", message, "give both or none");
                IceAccess::Open
            }
        }
    }
}

pub(crate) fn is_turn(uri: &str) -> bool {
    uri.starts_with("turn:") || uri.starts_with("turns:")
}

/// `stun:host[:port]` (RFC 7064 §3.1) or `turn:host[:port][?transport=udp|tcp]` (RFC 7065 §3.1).
fn is_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else { return false };
    let (place, query) = match rest.split_once('?') {
        None => (rest, None),
        Some((place, query)) => (place, Some(query)),
    };
    let fits = match scheme {
        "stun" | "stuns" => query.is_none(),
        "turn" | "turns" => matches!(query, None | Some("transport=udp" | "transport=tcp")),
        _ => false,
    };
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, "")) => (v6, None),
        Some((v6, port)) => (v6, Some(port.strip_prefix(':').unwrap_or("none"))),
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    fits && port && value::is_host(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_those_of_the_rfcs() {
        for good in [
            "stun:stun.example.org",
            "stun:192.0.2.1:3478",
            "turn:turn.example.org?transport=udp",
            "turns:turn.example.org:443?transport=tcp",
            "turn:[2001:db8::1]:3478",
            "turn:[2001:db8::1]",
        ] {
            assert!(is_uri(good), "{good}");
        }
        for bad in [
            "turn.example.org",
            "http://turn.example.org",
            "turn://turn.example.org",
            "stun:stun.example.org?transport=udp",
            "turn:turn.example.org?transport=sctp",
            "turn:turn.example.org:0",
            "turn:turn.example.org:99999",
            "turn:[2001:db8::1]x",
            "turn:a>; rel=b",
            "turn:",
        ] {
            assert!(!is_uri(bad), "{bad}");
        }
    }
}
