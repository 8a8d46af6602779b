//! Bounds of the control plane, each with its reason.

use std::time::Duration;

/// Longest silence of authenticated checks before a WebRTC transport is disconnected. Chrome checks
/// every 2.5 s on a quiet pair; RFC 7675 §5.1 allows 30 s, mediasoup's users set 20.
pub(crate) const CONSENT: Duration = Duration::from_secs(20);

/// Transports of a peer: one each way, one more of each while it replaces them, and screen sharing
/// on its own in some clients.
pub(crate) const TRANSPORTS_PER_PEER: usize = 8;

/// Producers of a peer: microphone, camera, screen and its sound, with room for multi-camera
/// studios.
pub(crate) const PRODUCERS_PER_PEER: usize = 16;

/// Longest that a producer's sender is left alone between two key-frame requests, in milliseconds:
/// who joins meanwhile sees nothing, and nobody looks at nothing for a minute.
pub(crate) const KEY_FRAME_DELAY_MS: u32 = 60_000;

/// Consumers of a peer: 300 others with two producers each, above what mediasoup advises per core.
pub(crate) const CONSUMERS_PER_PEER: usize = 600;

/// Peers of a room on one node, per worker of the node: 1,000 receivers of one stream are about
/// what a core sends.
pub(crate) const PEERS_PER_CORE: usize = 1_000;

/// Peers that one pins: more than a screen shows.
pub(crate) const PINS: usize = 64;

/// Data producers of a peer: a chat, a whiteboard, a game's state and its events, many times over.
pub(crate) const DATA_PRODUCERS_PER_PEER: usize = 64;

/// Data consumers of a peer: 300 others with two channels each. An association has 1,024 streams.
pub(crate) const DATA_CONSUMERS_PER_PEER: usize = 600;

/// Bytes of a channel's label, and of its protocol, which every other peer is sent.
pub(crate) const CHANNEL_NAME: usize = 1_024;

/// Subchannels of a data consumer: as many as a message can name.
pub(crate) const SUBCHANNELS: usize = starling_proto::message::MAX_SUBCHANNELS;

/// Bytes of a peer's display name.
pub(crate) const DISPLAY_NAME: usize = 256;

/// Bytes of JSON in `device` or `appData`, which every other peer is sent.
pub(crate) const FREE_JSON: usize = 4_096;

/// A peer that opened its session and has not joined by then is sent away (mediasoup-demo's value).
pub(crate) const JOIN_WITHIN: Duration = Duration::from_secs(10);

/// Revocations of a cluster. They need to be kept only until the tokens expire; each token is
/// compared with all of them, in less than 0.1 ms.
pub(crate) const REVOCATIONS: usize = 10_000;

/// Webhooks of a cluster: a product's backend, its billing, a chat bot and what people try out.
/// Each node keeps a queue for each.
pub(crate) const WEBHOOKS: usize = 32;

/// Joins that wait for a room's registry record. Each waits at most the registry's 2 s, so more
/// than this at once is a flood of new room names.
pub(crate) const PENDING_JOINS: usize = 4_096;

/// How often a node tells its load over links: placement needs it fresher than a burst of joins,
/// and reservations cover the rest.
pub(crate) const LOAD_EVERY: Duration = Duration::from_millis(500);

/// How often it rewrites its registry record: 200 nodes then cost etcd 40 writes a second.
pub(crate) const RECORD_EVERY: Duration = Duration::from_secs(5);

/// How long an empty room keeps its actors: a page reload takes about a second, and a room that
/// closes and opens costs two registry writes.
pub(crate) const ROOM_LINGER: Duration = Duration::from_secs(3);

/// How long a room with peers here goes without a record before it is written again: the word that
/// it was deleted comes over a link, within a round trip of the registry's.
pub(crate) const RESTORE_AFTER: Duration = Duration::from_secs(2);

/// How long a room's record stays when no node has the room: longer than a node takes from writing
/// it to saying that it is there.
pub(crate) const FORGET_AFTER: Duration = Duration::from_secs(5);

/// DTLS datagrams kept until signalling says who the client is: a ClientHello is two, sent again
/// after 50, 100, 200 and 400 ms.
pub(crate) const DTLS_BACKLOG: usize = 16;

/// A worker whose thread has not turned for this long is stuck: `/livez` says so.
pub(crate) const WORKER_SILENCE: Duration = Duration::from_secs(5);
