//! What an admin token may do: named parts of the REST API, and which part each route is of. Never
//! does: know who asks.

use std::fmt;

use axum::http::Method;

/// A part of the REST API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Looking at anything: every GET.
    Read,
    /// Rooms: make, delete, move, policies.
    Rooms,
    /// Peers: make, send away, move.
    Peers,
    /// Transports, producers and consumers of peers.
    Media,
    /// Nodes: cordon, drain, log, reload; and who is told what happens on them.
    Nodes,
    /// Room tokens.
    Tokens,
    /// Recordings: make, end, delete.
    Recordings,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Rooms,
        Self::Peers,
        Self::Media,
        Self::Nodes,
        Self::Tokens,
        Self::Recordings,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Rooms => "rooms",
            Self::Peers => "peers",
            Self::Media => "media",
            Self::Nodes => "nodes",
            Self::Tokens => "tokens",
            Self::Recordings => "recordings",
        }
    }

    /// The one that is written so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Which part a route is of, by its template as in the OpenAPI document. A route of none is
    /// open to nobody: whoever adds one says here what it is.
    pub fn of(method: &Method, template: &str) -> Option<Self> {
        // A WebSocket that sends and receives begins as a GET.
        if template.ends_with("/direct") {
            return Some(Self::Media);
        }
        if method == Method::GET {
            return Some(Self::Read);
        }
        let parts: Vec<_> =
            template.strip_prefix("/v1").unwrap_or(template).split('/').skip(1).collect();
        match parts.as_slice() {
            ["nodes" | "admin" | "webhooks", ..] => Some(Self::Nodes),
            ["tokens", ..] => Some(Self::Tokens),
            ["recordings", ..] => Some(Self::Recordings),
            ["rooms"] | ["rooms", "{room}"] | ["rooms", "{room}", "policy" | "move"] => {
                Some(Self::Rooms)
            }
            ["rooms", "{room}", "peers" | "broadcasters"]
            | ["rooms", "{room}", "peers" | "broadcasters", _]
            | ["rooms", "{room}", "peers" | "broadcasters", _, "move" | "join" | "mute"] => {
                Some(Self::Peers)
            }
            ["rooms", "{room}", "peers" | "broadcasters", _, ..] => Some(Self::Media),
            _ => None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an admin of a room may do over REST with the room token alone: see who is there, send them
/// away, mute them, pause and end what they send. Nothing of a transport: its dump has keys and
/// addresses.
pub fn is_moderation(method: &Method, template: &str) -> bool {
    matches!(
        (method.as_str(), template),
        ("GET", "/v1/rooms/{room}" | "/v1/rooms/{room}/peers")
            | ("DELETE", "/v1/rooms/{room}/peers/{peer}")
            | ("GET" | "PUT", "/v1/rooms/{room}/peers/{peer}/mute")
            | ("PATCH" | "DELETE", "/v1/rooms/{room}/peers/{peer}/producers/{producer}")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_of_one_part_and_strange_ones_of_none() {
        let of = |method: Method, template| Scope::of(&method, template);
        assert_eq!(of(Method::GET, "/v1/nodes"), Some(Scope::Read));
        assert_eq!(of(Method::POST, "/v1/nodes/{id}/drain"), Some(Scope::Nodes));
        assert_eq!(of(Method::POST, "/v1/admin/reload"), Some(Scope::Nodes));
        assert_eq!(of(Method::POST, "/v1/tokens"), Some(Scope::Tokens));
        assert_eq!(of(Method::POST, "/v1/recordings"), Some(Scope::Recordings));
        assert_eq!(of(Method::DELETE, "/v1/rooms/{room}"), Some(Scope::Rooms));
        assert_eq!(of(Method::PATCH, "/v1/rooms/{room}/policy"), Some(Scope::Rooms));
        assert_eq!(of(Method::DELETE, "/v1/rooms/{room}/peers/{peer}"), Some(Scope::Peers));
        assert_eq!(of(Method::POST, "/rooms/{room}/broadcasters"), Some(Scope::Peers));
        let transports = "/v1/rooms/{room}/peers/{peer}/transports";
        assert_eq!(of(Method::POST, transports), Some(Scope::Media));
        assert_eq!(of(Method::GET, "/v1/rooms/{room}/peers/{peer}/direct"), Some(Scope::Media));
        assert_eq!(of(Method::POST, "/v1/new/things"), None);
        for scope in Scope::ALL {
            assert_eq!(Scope::named(scope.name()), Some(scope));
        }
    }
}
