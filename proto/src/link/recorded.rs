//! What an earlier release put on a link, byte by byte (`proto/fixtures/link-3.txt`, one message a
//! line: its name, its bytes). This release must read it, and write the same to whoever speaks
//! that version. A recorded line is never changed; a version that is no longer spoken goes away
//! with its file.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::*;
use crate::{
    MediaKind, RtpParameters, codec,
    json::Json,
    registry::{NodeRecord, PresenceRecord, RoomRecord},
    roster::{DataProducerEntry, PeerEntry, ProducerEntry},
    rtp::RtpType,
    sctp::Delivery,
    voice::{Speech, Turn, Voice},
};

/// Written by the release that spoke 3 as its newest version.
const VERSION_3: &str = include_str!("../../fixtures/link-3.txt");

fn id<T: std::str::FromStr<Err = crate::IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

fn producer() -> ProducerEntry {
    ProducerEntry {
        id: id("cam"),
        kind: MediaKind::Video,
        rtp_type: RtpType::Simulcast,
        source: "webcam".into(),
        paused: true,
        consumable: Json(RtpParameters::default()),
        app_data: Json(json!({"source": "webcam", "n": [1, null]})),
    }
}

fn data_producer() -> DataProducerEntry {
    let delivery = Delivery { ordered: false, max_packet_life_time: Some(300), ..UNORDERED };
    DataProducerEntry {
        id: id("chat"),
        label: "chat".into(),
        protocol: "text".into(),
        delivery,
        paused: false,
        app_data: Json(json!({})),
    }
}

const UNORDERED: Delivery =
    Delivery { ordered: false, max_packet_life_time: None, max_retransmits: None };

fn peer() -> PeerEntry {
    PeerEntry {
        id: id("ada"),
        incarnation: 1_764_000_000_000_001,
        display_name: "Ada Ä".into(),
        device: Json(json!({"name": "Chrome", "version": "142"})),
        producers: vec![producer(), ProducerEntry { rtp_type: RtpType::Svc, ..producer() }],
        data_producers: vec![data_producer()],
    }
}

fn changes() -> Vec<(&'static str, Change)> {
    let (peer_id, producer_id, data_id) = (id("ada"), id("cam"), id("chat"));
    let who = || id("ada");
    vec![
        ("PeerJoined", Change::PeerJoined(peer())),
        ("PeerLeft", Change::PeerLeft { peer: peer_id, incarnation: 7 }),
        ("Renamed", Change::Renamed { peer: who(), display_name: "Ada L.".into() }),
        ("ProducerAdded", Change::ProducerAdded { peer: who(), producer: producer() }),
        ("ProducerClosed", Change::ProducerClosed { peer: who(), producer: id("cam") }),
        (
            "ProducerPaused",
            Change::ProducerPaused { peer: who(), producer: producer_id, paused: true },
        ),
        ("PeerSuperseded", Change::PeerSuperseded { peer: who(), incarnation: 300 }),
        ("DataProducerAdded", Change::DataProducerAdded { peer: who(), producer: data_producer() }),
        ("DataProducerClosed", Change::DataProducerClosed { peer: who(), producer: id("chat") }),
        (
            "DataProducerPaused",
            Change::DataProducerPaused { peer: who(), producer: data_id, paused: false },
        ),
    ]
}

fn load() -> NodeLoad {
    NodeLoad { stress: 0.25, peers: 70_000, rooms: 300, consumers: 9, max_peers: 0 }
}

fn voices() -> Voices {
    let speech = Speech { immediate: 3, medium: 5, long: 10 };
    let voices = vec![Voice { producer: id("mic"), volume: -42, speech }];
    Voices { voices, turn: Some(Turn { count: 300, producer: id("mic") }) }
}

fn messages() -> Vec<(String, LinkMessage)> {
    let room = || id("stand-up");
    let (flow, layers) = (FlowId(66_001), 5);
    let mut all = vec![
        ("Load", LinkMessage::Load { load: load(), state: NodeState::Draining }),
        ("Rooms", LinkMessage::Rooms(vec![room(), id("b")])),
        ("RoomOpened", LinkMessage::RoomOpened(room())),
        ("RoomClosed", LinkMessage::RoomClosed(room())),
        (
            "Snapshot",
            LinkMessage::Snapshot {
                room: room(),
                snapshot: Snapshot { seq: 1 << 40, peers: vec![peer()] },
            },
        ),
        ("SnapshotWanted", LinkMessage::SnapshotWanted(room())),
        (
            "PipeOpen",
            LinkMessage::PipeOpen { flow, room: room(), producer: id("cam"), layers: layers + 1 },
        ),
        ("PipeRefused", LinkMessage::PipeRefused { flow }),
        ("PipeLayers", LinkMessage::PipeLayers { flow, layers }),
        ("PipeClose", LinkMessage::PipeClose { flow }),
        ("RoomDeleted", LinkMessage::RoomDeleted(room())),
        ("Draining", LinkMessage::Draining(id("node-1"))),
        ("Voices", LinkMessage::Voices { room: room(), voices: voices() }),
        (
            "DataOpen",
            LinkMessage::DataOpen { flow, room: room(), producer: id("chat"), granted: 262_144 },
        ),
    ]
    .into_iter()
    .map(|(name, message)| (name.to_owned(), message))
    .collect::<Vec<_>>();
    all.extend(changes().into_iter().map(|(name, change)| {
        (format!("Delta.{name}"), LinkMessage::Delta { room: room(), seq: 9_000, change })
    }));
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn recorded(name: &str) -> Vec<u8> {
    let mut lines = VERSION_3.lines().filter_map(|line| line.split_once(' '));
    unhex(lines.find(|(of, _)| *of == name).map(|(_, bytes)| bytes).unwrap_or_default())
}

/// Why the value is not what was recorded under its name.
fn differs<T>(name: &str, value: &T) -> Option<String>
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let (then, now) = (recorded(name), codec::encode(value).unwrap());
    let read = codec::decode::<T>(&then);
    let same = now == then && read.as_ref().is_ok_and(|read| read == value);
    (!same).then(|| format!("{name} {}", hex(&now)))
}

#[test]
fn what_version_3_said_is_read_and_written_as_it_was() {
    let hello =
        Hello { node: id("node-1"), epoch: 1_764_000_000_000_000, version_min: 3, version_max: 3 };
    let wrong: Vec<_> = differs("Hello", &hello)
        .into_iter()
        .chain(messages().iter().filter_map(|(name, message)| differs(name, message)))
        .collect();
    assert!(wrong.is_empty(), "written otherwise than recorded:\n{}", wrong.join("\n"));
    let of_3 = messages().into_iter().all(|(_, message)| message.since() <= 3);
    assert!(of_3, "a newer message is not in the record of version 3");
    assert_eq!(VERSION_3.lines().count(), messages().len() + 1, "each line is compared");
}

#[test]
fn records_that_the_release_of_version_3_wrote_are_read() {
    let node = r#"{"id":"node-1","epoch":1764000000000000,"region":"eu","linkAddr":"10.0.0.1:7443",
        "apiUrl":"https://node-1.example","version":"0.1.0","protocol":[3,3],"state":"draining",
        "load":{"stress":0.25,"peers":70000,"rooms":300,"consumers":9,"maxPeers":0}}"#;
    let node: NodeRecord = serde_json::from_str(node).unwrap();
    assert_eq!((node.protocol, node.state, node.load), ((3, 3), NodeState::Draining, load()));
    let room = r#"{"incarnation":7,"policy":{"pinnedNodes":["node-1"],"regions":["eu"],"maxPeers":5,
        "lastN":4,"audioLevels":{"maxEntries":3,"threshold":-70,"interval":500}},
        "persistent":true}"#;
    let room: RoomRecord = serde_json::from_str(room).unwrap();
    assert_eq!((room.incarnation, room.policy.max_peers, room.persistent), (7, 5, true));
    let presence = r#"{"epoch":1764000000000000,"incarnation":7}"#;
    let presence: PresenceRecord = serde_json::from_str(presence).unwrap();
    assert_eq!(presence, PresenceRecord { epoch: 1_764_000_000_000_000, incarnation: 7 });
}
