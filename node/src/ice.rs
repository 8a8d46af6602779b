//! STUN and TURN servers as clients are told of them, each with what it shows there: over WHIP as
//! `Link` headers, over signalling as `iceServers`. Never does: speak to one.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use starling_proto::{PeerId, rest::IceServerInfo};

use crate::config::{Ice, IceAccess};

/// A server as `RTCPeerConnection` takes it (W3C WebRTC §4.2.2, `RTCIceServer`).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// Its URI.
    pub urls: String,
    /// Of a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IceServer").field(&self.urls).finish()
    }
}

impl IceServer {
    /// As the value of a `Link` header (RFC 9725 §4.6).
    pub fn link(&self) -> String {
        let mut link = format!("<{}>; rel=\"ice-server\"", self.urls);
        if let (Some(username), Some(credential)) = (&self.username, &self.credential) {
            // RFC 9110 §5.6.4: in a quoted string a backslash is one of two.
            let quoted = |text: &str| text.replace('\\', "\\\\");
            link += &format!(
                "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                quoted(username),
                quoted(credential)
            );
        }
        link
    }
}

impl From<IceServer> for IceServerInfo {
    fn from(server: IceServer) -> Self {
        let IceServer { urls, username, credential } = server;
        Self { urls, username, credential }
    }
}

/// The servers of this node; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct IceServers(Arc<Ice>);

impl IceServers {
    /// As configured.
    pub fn new(config: &Ice) -> Self {
        Self(Arc::new(config.clone()))
    }

    /// For a client that comes now.
    pub fn for_client(&self, peer: PeerId) -> ForClient {
        let came = (Instant::now(), since_1970());
        ForClient { servers: self.clone(), peer, came }
    }

    /// For a peer that asks `since_1970`.
    pub fn of(&self, peer: &PeerId, since_1970: Duration) -> Vec<IceServer> {
        let Ice { servers, access } = &*self.0;
        let (username, credential) = match access {
            IceAccess::Open => (None, None),
            IceAccess::Fixed { username, credential } => {
                (Some(username.clone()), Some(credential.expose().to_owned()))
            }
            IceAccess::Shared { secret, ttl } => {
                let until = since_1970.saturating_add(*ttl).as_secs();
                let (username, credential) = ending(secret.expose(), until, peer);
                (Some(username), Some(credential))
            }
        };
        let of = |urls: &String| {
            let relays = urls.starts_with("turn");
            IceServer {
                urls: urls.clone(),
                username: username.clone().filter(|_| relays),
                credential: credential.clone().filter(|_| relays),
            }
        };
        servers.iter().map(of).collect()
    }
}

/// The wall clock. One before 1970 makes credentials that have ended, which is what it deserves.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Name and password that a TURN server with the same secret takes until `until`, in seconds since
/// 1970 (draft-uberti-behave-turn-rest §2.2; coturn's `use-auth-secret`).
fn ending(secret: &str, until: u64, peer: &PeerId) -> (String, String) {
    let username = format!("{until}:{peer}");
    // SHA-1 is what the scheme says, and as an HMAC it is not broken (RFC 6151 is about MD5).
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
    (username, credential)
}

/// The servers for one client, whose wall clock was read once.
#[derive(Clone, Debug)]
pub struct ForClient {
    /// Which.
    pub servers: IceServers,
    /// Who.
    pub peer: PeerId,
    /// When it came, by both clocks.
    pub came: (Instant, Duration),
}

impl ForClient {
    /// If it asks now.
    pub fn at(&self, now: Instant) -> Vec<IceServer> {
        let (came, since_1970) = self.came;
        self.servers.of(&self.peer, since_1970 + now.saturating_duration_since(came))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn of(access: IceAccess) -> Vec<IceServer> {
        let servers = vec!["stun:s.example".to_owned(), "turn:t.example?transport=udp".to_owned()];
        let servers = IceServers::new(&Ice { servers, access });
        servers.of(&"ann".parse().unwrap(), Duration::from_secs(1_700_000_000))
    }

    #[test]
    fn a_turn_server_gets_a_name_that_ends_and_its_hmac_and_a_stun_server_nothing() {
        let secret = Secret::new("north");
        let told = of(IceAccess::Shared { secret, ttl: Duration::from_secs(3600) });
        assert_eq!((told[0].username.as_deref(), told[0].credential.as_deref()), (None, None));
        assert_eq!(told[1].username.as_deref(), Some("1700003600:ann"));
        // printf 1700003600:ann | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(told[1].credential.as_deref(), Some("TwqKCcbzejRFa1sgGqGS7SEzCGg="));
        assert!(!format!("{told:?}").contains("TwqKCcbzejRFa1sgGqGS7SEzCGg"));
    }

    #[test]
    fn links_have_the_form_of_the_rfc() {
        let credential = Secret::new(r"my\Password");
        let told = of(IceAccess::Fixed { username: "user".into(), credential });
        assert_eq!(told[0].link(), r#"<stun:s.example>; rel="ice-server""#);
        assert_eq!(
            told[1].link(),
            r#"<turn:t.example?transport=udp>; rel="ice-server"; username="user"; credential="my\\Password"; credential-type="password""#
        );
    }

    #[test]
    fn a_client_that_asks_later_gets_what_lasts_longer() {
        let secret = Secret::new("north");
        let access = IceAccess::Shared { secret, ttl: Duration::from_secs(60) };
        let servers = IceServers::new(&Ice { servers: vec!["turn:t.example".to_owned()], access });
        let came = Instant::now();
        let peer = "ann".parse().unwrap();
        let client = ForClient { servers, peer, came: (came, Duration::from_secs(1000)) };
        let name = |after| client.at(came + Duration::from_secs(after))[0].username.clone();
        assert_eq!(name(0).as_deref(), Some("1060:ann"));
        assert_eq!(name(500).as_deref(), Some("1560:ann"));
    }
}
