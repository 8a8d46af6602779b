//! Keys and values of the registry in etcd. `rooms/<name>` and `rooms/<name>/on/<node>` share a
//! prefix and are told apart by their parts; no id contains a slash. Never talks to etcd.

use serde::{Serialize, de::DeserializeOwned};
use starling_proto::{
    Id, NodeId, RevocationId, RoomId, WebhookId,
    registry::{MAX_RECORD, NodeRecord},
};

use super::super::{Change, Revision};

/// What a key is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Revocation(RevocationId),
    Node(NodeId),
    Room(RoomId),
    Presence(RoomId, NodeId),
    Webhook(WebhookId),
}

/// All keys, below one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys below `prefix`, which ends with a slash or gets one.
    pub(super) fn new(prefix: &str) -> Self {
        let slash = if prefix.ends_with('/') { "" } else { "/" };
        Self { prefix: format!("{prefix}{slash}") }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn revocation(&self, id: &RevocationId) -> String {
        format!("{}revocations/{id}", self.prefix)
    }

    pub(super) fn node(&self, node: &NodeId) -> String {
        format!("{}nodes/{node}", self.prefix)
    }

    pub(super) fn room(&self, room: &RoomId) -> String {
        format!("{}rooms/{room}", self.prefix)
    }

    pub(super) fn presence(&self, room: &RoomId, node: &NodeId) -> String {
        format!("{}rooms/{room}/on/{node}", self.prefix)
    }

    pub(super) fn webhook(&self, id: &WebhookId) -> String {
        format!("{}webhooks/{id}", self.prefix)
    }

    fn parse(&self, key: &[u8]) -> Option<Key> {
        let key = std::str::from_utf8(key).ok()?.strip_prefix(&self.prefix)?;
        let mut parts = key.split('/');
        let parts = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
        match parts {
            [Some("revocations"), Some(id), None, ..] => {
                Some(Key::Revocation(RevocationId::parse(id).ok()?))
            }
            [Some("nodes"), Some(node), None, ..] => Some(Key::Node(NodeId::parse(node).ok()?)),
            [Some("rooms"), Some(room), None, ..] => Some(Key::Room(RoomId::parse(room).ok()?)),
            [Some("rooms"), Some(room), Some("on"), Some(node), None] => {
                Some(Key::Presence(RoomId::parse(room).ok()?, NodeId::parse(node).ok()?))
            }
            [Some("webhooks"), Some(id), None, ..] => {
                Some(Key::Webhook(WebhookId::parse(id).ok()?))
            }
            _ => None,
        }
    }

    /// What a key now holds; none if it is not ours, or its value is too large, does not decode, or
    /// names another node than the key.
    pub(super) fn written(&self, key: &[u8], value: &[u8], revision: Revision) -> Option<Change> {
        match self.parse(key)? {
            Key::Revocation(id) => Some(Change::Revocation(id, Some(decode(value)?))),
            Key::Node(id) => {
                let record: NodeRecord = decode(value).filter(|r: &NodeRecord| r.id == id)?;
                Some(Change::Node(id, Some(record)))
            }
            Key::Room(id) => Some(Change::Room(id, Some((revision, decode(value)?)))),
            Key::Presence(room, node) => Some(Change::Presence(room, node, Some(decode(value)?))),
            Key::Webhook(id) => Some(Change::Webhook(id, Some((revision, decode(value)?)))),
        }
    }

    /// That a key is gone; none if it is not ours.
    pub(super) fn deleted(&self, key: &[u8]) -> Option<Change> {
        Some(match self.parse(key)? {
            Key::Revocation(id) => Change::Revocation(id, None),
            Key::Node(id) => Change::Node(id, None),
            Key::Room(id) => Change::Room(id, None),
            Key::Presence(room, node) => Change::Presence(room, node, None),
            Key::Webhook(id) => Change::Webhook(id, None),
        })
    }
}

/// A value as readable JSON.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have string keys and finite shapes")
}

/// A value, unless it is too large or something else.
pub(super) fn decode<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    if value.len() > MAX_RECORD {
        return None;
    }
    serde_json::from_slice(value).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_room_and_its_presence_are_told_apart_whatever_the_room_is_called() {
        let keys = Keys::new("/starling");
        let node = NodeId::parse("n1").unwrap();
        for name in ["r", "on", "rooms", "nodes", "..", "a.b~c_d-e"] {
            let room = RoomId::parse(name).unwrap();
            let key = keys.room(&room);
            assert_eq!(keys.parse(key.as_bytes()), Some(Key::Room(room.clone())));
            let key = keys.presence(&room, &node);
            assert_eq!(keys.parse(key.as_bytes()), Some(Key::Presence(room, node.clone())));
        }
        let key = keys.node(&node);
        assert_eq!(
            (key.as_str(), keys.parse(key.as_bytes())),
            ("/starling/nodes/n1", Some(Key::Node(node)))
        );
    }

    #[test]
    fn a_key_of_somebody_else_is_not_ours() {
        let keys = Keys::new("/starling/");
        for key in [
            "/starling/revocations/",
            "/starling/revocations/a/b",
            "/starling/nodes",
            "/starling/nodes/",
            "/starling/nodes/a/b",
            "/starling/rooms/r/on",
            "/starling/rooms/r/on/",
            "/starling/rooms/r/off/n",
            "/starling/rooms/r/on/n/x",
            "/starling/rooms//on/n",
            "/starling/webhooks/",
            "/starling/webhooks/a/b",
            "/starling/other/x",
            "/starlings/nodes/a",
            "",
        ] {
            assert_eq!(keys.parse(key.as_bytes()), None, "{key}");
        }
        assert_eq!(keys.parse(b"/starling/nodes/\xff"), None);
    }

    #[test]
    fn a_value_that_is_too_large_or_something_else_is_no_change() {
        let keys = Keys::new("/starling/");
        let room = br#"{"incarnation":7}"#;
        let key = b"/starling/rooms/r";
        assert!(keys.written(key, room, 3).is_some());
        let mut large = room.to_vec();
        large.resize(MAX_RECORD + 1, b' ');
        assert_eq!(keys.written(key, &large, 3), None);
        assert_eq!(keys.written(key, b"{", 3), None);
        let record = br#"{"id":"n2","epoch":1,"region":"","linkAddr":"127.0.0.1:1","apiUrl":"",
            "version":"","protocol":[1,1],"state":"up","load":{"stress":0.5,"peers":1,"rooms":1,
            "consumers":1,"maxPeers":0}}"#;
        assert!(keys.written(b"/starling/nodes/n2", record, 3).is_some());
        assert_eq!(keys.written(b"/starling/nodes/n1", record, 3), None, "says it is another");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(key: Vec<u8>, value: Vec<u8>) {
            let keys = Keys::new("");
            let _ = keys.written(&key, &value, 1);
            let _ = keys.deleted(&key);
        }
    }
}
