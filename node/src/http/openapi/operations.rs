//! What an operation is called, and why it may refuse beside what its path and method say.

use starling_proto::Code;

/// Method, path, name, and codes of its own.
pub(crate) type Operation = (&'static str, &'static str, &'static str, &'static [Code]);

/// What making something for a peer may run into.
const MADE: &[Code] = &[Code::LimitReached];
/// The same where media has to fit.
const MEDIA: &[Code] = &[Code::LimitReached, Code::UnsupportedMedia];
/// What joining a room may run into.
const JOINED: &[Code] = &[
    Code::PeerExists,
    Code::LimitReached,
    Code::WrongNode,
    Code::RegistryUnavailable,
    Code::Draining,
    Code::Busy,
    Code::NoCapacity,
];
/// What an offer may run into.
const OFFERED: &[Code] = &[
    Code::AdmissionUnavailable,
    Code::BadRequest,
    Code::Unauthorized,
    Code::Forbidden,
    Code::NotAcceptable,
    Code::PeerExists,
    Code::UnsupportedMedia,
    Code::WrongContentType,
    Code::TooLarge,
    Code::WrongNode,
    Code::LimitReached,
    Code::RegistryUnavailable,
    Code::Draining,
    Code::Busy,
    Code::NoCapacity,
];
/// What a change of a session may run into.
const PATCHED: &[Code] = &[
    Code::BadRequest,
    Code::Unauthorized,
    Code::WrongState,
    Code::PreconditionFailed,
    Code::WrongContentType,
    Code::PreconditionRequired,
];

/// What the end of a session may run into.
const ENDED: &[Code] = &[Code::BadRequest, Code::Unauthorized];

/// Where a room's objects begin.
macro_rules! peer {
    ($rest:literal) => {
        concat!("/v1/rooms/{room}/peers/{peer}", $rest)
    };
}
macro_rules! broadcaster {
    ($rest:literal) => {
        concat!("/rooms/{room}/broadcasters/{broadcaster}", $rest)
    };
}

/// All of them.
pub(crate) const OPERATIONS: &[Operation] = &[
    ("get", "/livez", "getLiveness", &[]),
    ("get", "/readyz", "getReadiness", &[]),
    ("get", "/metrics", "getMetrics", &[Code::Unauthorized]),
    ("get", "/v1/events", "streamEvents", &[Code::LimitReached]),
    ("get", "/v1/nodes", "listNodes", &[]),
    ("get", "/v1/nodes/{id}", "getNode", &[]),
    ("post", "/v1/nodes/{id}/cordon", "cordonNode", &[]),
    ("get", "/v1/nodes/{id}/drain", "getNodeDrain", &[]),
    ("post", "/v1/nodes/{id}/drain", "drainNode", &[]),
    ("post", "/v1/nodes/{id}/undrain", "undrainNode", &[]),
    ("post", "/v1/nodes/{id}/reload", "reloadNode", &[]),
    ("get", "/v1/nodes/{id}/events", "streamNodeEvents", &[Code::LimitReached]),
    ("put", "/v1/nodes/{id}/log", "setNodeLog", &[]),
    ("get", "/v1/nodes/{id}/workers", "listNodeWorkers", &[]),
    ("get", "/v1/nodes/{id}/routers/{room}", "getNodeRouter", &[Code::RoomNotFound]),
    ("get", "/v1/nodes/{id}/links", "listNodeLinks", &[]),
    ("get", "/v1/nodes/{id}/pipes", "listNodePipes", &[]),
    ("get", "/v1/links", "listLinks", &[]),
    ("get", "/v1/pipes", "listPipes", &[]),
    ("get", "/v1/recordings", "listRecordings", &[]),
    (
        "post",
        "/v1/recordings",
        "startRecording",
        &[
            Code::RoomNotFound,
            Code::LimitReached,
            Code::NodeNotFound,
            Code::NodeUnreachable,
            Code::WrongNode,
            Code::NoCapacity,
        ],
    ),
    ("get", "/v1/recordings/{recording}", "getRecording", &[Code::RecordingNotFound]),
    (
        "delete",
        "/v1/recordings/{recording}",
        "deleteRecording",
        &[Code::RecordingNotFound, Code::WrongState, Code::NodeUnreachable],
    ),
    (
        "post",
        "/v1/recordings/{recording}/stop",
        "stopRecording",
        &[Code::RecordingNotFound, Code::NodeUnreachable],
    ),
    ("get", "/v1/nodes/{id}/recordings", "listNodeRecordings", &[]),
    ("get", "/v1/tokens/revocations", "listRevocations", &[]),
    (
        "post",
        "/v1/tokens/revocations",
        "revokeTokens",
        &[Code::LimitReached, Code::RegistryUnavailable],
    ),
    (
        "delete",
        "/v1/tokens/revocations/{revocation}",
        "liftRevocation",
        &[Code::RevocationNotFound, Code::RegistryUnavailable],
    ),
    ("get", "/v1/rooms", "listRooms", &[]),
    ("post", "/v1/rooms", "createRoom", &[Code::RoomExists, Code::RegistryUnavailable]),
    ("get", "/v1/rooms/{room}", "getRoom", &[Code::RoomNotFound]),
    ("delete", "/v1/rooms/{room}", "deleteRoom", &[Code::RoomNotFound, Code::RegistryUnavailable]),
    ("get", "/v1/rooms/{room}/rtp-capabilities", "getRoomRtpCapabilities", &[]),
    ("get", "/v1/rooms/{room}/policy", "getRoomPolicy", &[Code::RoomNotFound]),
    (
        "put",
        "/v1/rooms/{room}/policy",
        "setRoomPolicy",
        &[Code::RoomNotFound, Code::RegistryUnavailable],
    ),
    (
        "patch",
        "/v1/rooms/{room}/policy",
        "changeRoomPolicy",
        &[Code::RoomNotFound, Code::RegistryUnavailable],
    ),
    ("get", "/v1/rooms/{room}/explain", "explainRoom", &[]),
    ("get", "/v1/rooms/{room}/matrix", "getRoomMatrix", &[Code::RoomNotFound]),
    (
        "get",
        "/v1/rooms/{room}/placement",
        "placeRoom",
        &[Code::NoCapacity, Code::RegistryUnavailable],
    ),
    (
        "post",
        "/v1/rooms/{room}/move",
        "moveRoom",
        &[
            Code::RoomNotFound,
            Code::NodeNotFound,
            Code::Draining,
            Code::NoCapacity,
            Code::NodeUnreachable,
        ],
    ),
    ("post", "/v1/tokens", "createToken", &[]),
    ("get", "/v1/webhooks", "listWebhooks", &[]),
    (
        "post",
        "/v1/webhooks",
        "createWebhook",
        &[Code::WebhookExists, Code::LimitReached, Code::RegistryUnavailable],
    ),
    ("get", "/v1/webhooks/{webhook}", "getWebhook", &[]),
    ("delete", "/v1/webhooks/{webhook}", "deleteWebhook", &[Code::RegistryUnavailable]),
    ("post", "/v1/webhooks/{webhook}/try", "tryWebhook", &[]),
    ("get", "/v1/webhooks/{webhook}/dead-letters", "listDeadLetters", &[]),
    ("post", "/v1/webhooks/{webhook}/redeliver", "redeliverDeadLetters", &[]),
    ("get", "/v1/rooms/{room}/peers", "listPeers", &[]),
    ("post", "/v1/rooms/{room}/peers", "createPeer", JOINED),
    ("get", peer!(""), "getPeer", &[]),
    ("delete", peer!(""), "removePeer", &[]),
    ("post", peer!("/move"), "movePeer", &[Code::NodeNotFound, Code::Draining, Code::NoCapacity]),
    ("get", peer!("/mute"), "getPeerMute", &[]),
    ("put", peer!("/mute"), "setPeerMute", MADE),
    ("get", peer!("/direct"), "openDirectTransport", MADE),
    ("post", peer!("/transports"), "createTransport", &[Code::LimitReached, Code::NoCapacity]),
    ("get", peer!("/transports/{transport}"), "getTransport", &[]),
    ("delete", peer!("/transports/{transport}"), "closeTransport", &[]),
    ("put", peer!("/transports/{transport}/bitrates"), "setTransportBitrates", &[]),
    ("post", peer!("/transports/{transport}/connect"), "connectTransport", &[]),
    ("post", peer!("/transports/{transport}/restart-ice"), "restartTransportIce", &[]),
    ("get", peer!("/transports/{transport}/stats"), "getTransportStats", &[]),
    ("get", peer!("/transports/{transport}/trace"), "traceTransport", MADE),
    ("post", peer!("/transports/{transport}/producers"), "createProducer", MEDIA),
    (
        "post",
        peer!("/transports/{transport}/consumers"),
        "createConsumer",
        &[Code::LimitReached, Code::UnsupportedMedia, Code::ProducerNotFound],
    ),
    ("post", peer!("/transports/{transport}/data-producers"), "createDataProducer", MADE),
    (
        "post",
        peer!("/transports/{transport}/data-consumers"),
        "createDataConsumer",
        &[Code::LimitReached, Code::ProducerNotFound],
    ),
    ("get", peer!("/producers/{producer}"), "getProducer", &[]),
    ("patch", peer!("/producers/{producer}"), "changeProducer", &[]),
    ("delete", peer!("/producers/{producer}"), "closeProducer", &[]),
    ("get", peer!("/producers/{producer}/stats"), "getProducerStats", &[]),
    ("get", peer!("/producers/{producer}/trace"), "traceProducer", MADE),
    ("get", peer!("/consumers/{consumer}"), "getConsumer", &[]),
    ("patch", peer!("/consumers/{consumer}"), "changeConsumer", &[]),
    ("delete", peer!("/consumers/{consumer}"), "closeConsumer", &[]),
    ("post", peer!("/consumers/{consumer}/resume"), "resumeConsumer", &[]),
    ("post", peer!("/consumers/{consumer}/keyframe"), "requestKeyFrame", &[]),
    ("get", peer!("/consumers/{consumer}/stats"), "getConsumerStats", &[]),
    ("get", peer!("/consumers/{consumer}/trace"), "traceConsumer", MADE),
    ("get", peer!("/data-producers/{dataProducer}"), "getDataProducer", &[]),
    ("patch", peer!("/data-producers/{dataProducer}"), "changeDataProducer", &[]),
    ("delete", peer!("/data-producers/{dataProducer}"), "closeDataProducer", &[]),
    ("get", peer!("/data-producers/{dataProducer}/stats"), "getDataProducerStats", &[]),
    ("get", peer!("/data-consumers/{dataConsumer}"), "getDataConsumer", &[]),
    ("patch", peer!("/data-consumers/{dataConsumer}"), "changeDataConsumer", &[]),
    ("delete", peer!("/data-consumers/{dataConsumer}"), "closeDataConsumer", &[]),
    ("get", peer!("/data-consumers/{dataConsumer}/stats"), "getDataConsumerStats", &[]),
    ("get", "/rooms/{room}", "getBroadcasterCapabilities", &[]),
    ("post", "/rooms/{room}/broadcasters", "createBroadcaster", JOINED),
    ("delete", broadcaster!(""), "removeBroadcaster", &[]),
    (
        "post",
        broadcaster!("/transports"),
        "createBroadcasterTransport",
        &[Code::LimitReached, Code::NoCapacity],
    ),
    (
        "post",
        broadcaster!("/transports/{transport}/connect"),
        "connectBroadcasterTransport",
        &[Code::WrongState],
    ),
    (
        "post",
        broadcaster!("/transports/{transport}/producers"),
        "createTransportBroadcasterProducer",
        MEDIA,
    ),
    (
        "post",
        broadcaster!("/transports/{transport}/consume"),
        "createTransportBroadcasterConsumer",
        &[Code::LimitReached, Code::UnsupportedMedia, Code::ProducerNotFound],
    ),
    ("post", broadcaster!("/join"), "joinBroadcaster", &[]),
    (
        "post",
        broadcaster!("/producers"),
        "createBroadcasterProducer",
        &[Code::TransportNotFound, Code::LimitReached, Code::UnsupportedMedia],
    ),
    (
        "post",
        broadcaster!("/consumers"),
        "createBroadcasterConsumer",
        &[
            Code::TransportNotFound,
            Code::ProducerNotFound,
            Code::LimitReached,
            Code::UnsupportedMedia,
        ],
    ),
    ("get", broadcaster!("/peerProducersInfos"), "listBroadcasterSources", &[]),
    ("post", broadcaster!("/consumers/{consumer}/resume"), "resumeBroadcasterConsumer", &[]),
    ("post", "/whip/{room}", "publishWhip", OFFERED),
    ("patch", "/whip/{room}/{session}", "changeWhip", PATCHED),
    ("delete", "/whip/{room}/{session}", "endWhip", ENDED),
    ("post", "/whep/{room}", "playWhep", OFFERED),
    ("patch", "/whep/{room}/{session}", "changeWhep", PATCHED),
    ("delete", "/whep/{room}/{session}", "endWhep", ENDED),
    ("post", "/whep/{room}/{session}/layer", "chooseWhepLayer", PATCHED),
    ("post", "/whep/{room}/{session}/events", "openWhepEvents", PATCHED),
    ("get", "/whep/{room}/{session}/events/{stream}", "streamWhepEvents", ENDED),
    ("delete", "/whep/{room}/{session}/events/{stream}", "closeWhepEvents", ENDED),
    ("get", "/dev/nodes", "listDevNodes", &[]),
    ("post", "/dev/nodes/{id}/kill", "killDevNode", &[Code::WrongState]),
    ("post", "/dev/nodes/{id}/start", "startDevNode", &[Code::WrongState]),
];

/// An operation's.
pub(crate) fn find(method: &str, path: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|(of, at, ..)| *of == method && *at == path)
}

/// Why any operation of this method and path may refuse.
pub(super) fn usual(method: &str, path: &str, has_body: bool) -> Vec<Code> {
    let mut codes = vec![Code::Timeout];
    let mut with = |holds: bool, more: &[Code]| {
        if holds {
            codes.extend_from_slice(more);
        }
    };
    let open = path == "/v1/rooms/{room}/placement";
    let v1 = path.starts_with("/v1/");
    let admin = v1 || path.starts_with("/rooms/");
    let of_peers = path.contains("{room}/peers");
    with(admin, &[Code::Unauthorized, Code::BadRequest, Code::Forbidden]);
    with(v1 && !open, &[Code::MethodNotFound]);
    with(path.contains("/nodes/{id}"), &[Code::NodeNotFound]);
    with(
        path.starts_with("/v1/nodes/{id}/"),
        &[Code::NodeNotFound, Code::NodeUnreachable, Code::WrongNode],
    );
    let here = method == "post" && path.ends_with("/peers") || path.ends_with("/direct");
    with(of_peers && !here, &[Code::RoomNotFound, Code::NodeUnreachable]);
    with(
        path.contains("{peer}") || path.contains("{broadcaster}"),
        &[Code::RoomNotFound, Code::PeerNotFound],
    );
    with(path.contains("{transport}"), &[Code::TransportNotFound]);
    with(path.contains("{producer}") || path.contains("{dataProducer}"), &[Code::ProducerNotFound]);
    with(path.contains("{consumer}") || path.contains("{dataConsumer}"), &[Code::ConsumerNotFound]);
    with(path.contains("{session}"), &[Code::SessionNotFound]);
    with(path.contains("{webhook}"), &[Code::WebhookNotFound]);
    with(has_body && admin, &[Code::TooLarge]);
    with(v1 && method == "post", &[Code::IdempotencyKeyReused, Code::WrongState]);
    let changes = matches!(method, "put" | "patch" | "delete");
    with(v1 && changes, &[Code::PreconditionFailed]);
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let names: BTreeSet<_> = OPERATIONS.iter().map(|(_, _, name, _)| *name).collect();
        assert_eq!(names.len(), OPERATIONS.len());
    }

    #[test]
    fn why_it_may_refuse_follows_from_what_it_names() {
        let of = |method, path| usual(method, path, false);
        let stats = of("get", "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/stats");
        for code in [Code::RoomNotFound, Code::PeerNotFound, Code::ConsumerNotFound] {
            assert!(stats.contains(&code), "{code}");
        }
        assert!(!stats.contains(&Code::TransportNotFound));
        assert!(of("post", "/v1/rooms").contains(&Code::IdempotencyKeyReused));
        assert!(!of("get", "/livez").contains(&Code::Unauthorized));
    }
}
