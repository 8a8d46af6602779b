//! What one node takes from another, and from etcd.

use serde::{Serialize, de::DeserializeOwned};
use starling_proto::{
    Id, MediaKind, NodeId, PeerId, ProducerId, RoomId, codec,
    flow::{FlowId, MAX_FLOW, MAX_HEADER, Part, decode, encode_header},
    json::Json,
    link::{Hello, LinkMessage, PlacedJoins},
    registry::{
        AudioLevels, NodeCost, NodeLoad, NodeRecord, NodeState, PolicyMode, PresenceRecord,
        RoomPolicy, RoomRecord,
    },
    roster::{Change, DataProducerEntry, PeerEntry, ProducerEntry, Snapshot},
    rtp::{RtpParameters, RtpType},
    sctp::Delivery,
    voice::{Speech, Turn, Voice, Voices},
};

use super::{DATAGRAM, Kind, Target, behaviour, size};

pub(super) const FLOW: Kind = Kind {
    name: "flow",
    about: "flow::decode of datagrams between nodes",
    cost: 1,
    max_len: DATAGRAM,
    words: &[&[0x40], &[0x80, 0, 0], &[0xc0, 0, 0, 0, 0, 0, 0]],
    seeds: || {
        let parts = [Part::Whole, Part::First(7), Part::Last(7)];
        let flows = [0, 5, 4_000, 1 << 20, MAX_FLOW];
        let pairs = flows.iter().flat_map(|flow| parts.map(|part| (*flow, part)));
        pairs
            .map(|(flow, part)| {
                let mut header = [0; MAX_HEADER];
                let len = encode_header(FlowId(flow), part, &mut header);
                [&header[..len], &[0x80, 0x60, 0, 1][..]].concat()
            })
            .collect()
    },
    make: || Box::new(Flow),
};

pub(super) const LINK: Kind = Kind {
    name: "link",
    about: "codec::decode of Hello and LinkMessage",
    cost: 1,
    max_len: 4_096,
    words: &[
        &[0xfb, 0xff, 0xff],
        &[0xfc, 0xff, 0xff, 0xff, 0xff],
        &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        b"[[[[",
        b"{\"a\":",
    ],
    seeds: messages,
    make: || Box::new(Link),
};

pub(super) const RECORDS: Kind = Kind {
    name: "records",
    about: "records of the registry",
    cost: 1,
    max_len: 4_096,
    words: &[
        b"null",
        b"-1",
        b"1e999",
        b"\"up\"",
        b"\"\\u0000\"",
        b"[[[[[[[[",
        b"99999999999999999999",
    ],
    seeds: records,
    make: || Box::new(Records),
};

struct Flow;

impl Target for Flow {
    fn run(&mut self, input: &[u8]) -> u64 {
        let Some((flow, part, payload)) = decode(input) else { return behaviour(input.is_empty()) };
        assert!(flow.0 <= MAX_FLOW, "{flow:?}");
        let mut header = [0; MAX_HEADER];
        let len = encode_header(flow, part, &mut header);
        let again = [&header[..len], payload].concat();
        assert_eq!(decode(&again), Some((flow, part, payload)));
        let kind = match part {
            Part::Whole => 0,
            Part::First(_) => 1,
            Part::Last(_) => 2,
        };
        behaviour((kind, len, size(payload.len())))
    }
}

struct Link;

impl Target for Link {
    fn run(&mut self, input: &[u8]) -> u64 {
        let hello = same_again::<Hello>(input);
        let message = same_again::<LinkMessage>(input);
        let kind = message.as_ref().map(std::mem::discriminant);
        let change = match &message {
            Some(LinkMessage::Delta { change, .. }) => Some(std::mem::discriminant(change)),
            _ => None,
        };
        behaviour((hello.is_some(), kind, change, input.first(), size(input.len())))
    }
}

/// What was read is read again from what is written of it.
fn same_again<T: Serialize + DeserializeOwned>(input: &[u8]) -> Option<T> {
    let value: T = codec::decode(input).ok()?;
    let bytes = codec::encode(&value).expect("what was read can be written");
    let again: T = codec::decode(&bytes).expect("and read again");
    // Bytes, because a load of NaN equals nothing.
    assert_eq!(codec::encode(&again).expect("as before"), bytes);
    Some(value)
}

struct Records;

impl Target for Records {
    fn run(&mut self, input: &[u8]) -> u64 {
        let node = serde_json::from_slice::<NodeRecord>(input);
        let room = serde_json::from_slice::<RoomRecord>(input);
        let presence = serde_json::from_slice::<PresenceRecord>(input);
        let why = |error: &serde_json::Error| (error.classify() as u8, size(error.column()));
        behaviour((
            node.as_ref().map_err(why).map(|record| size(record.api_url.len())),
            room.as_ref().map_err(why).map(|record| record.policy.pinned_nodes.len()),
            presence.is_ok(),
        ))
    }
}

fn node() -> NodeId {
    NodeId::parse("n-1").expect("an id")
}

fn room() -> RoomId {
    RoomId::parse("demo").expect("an id")
}

fn entry() -> PeerEntry {
    let rtp: RtpParameters = serde_json::from_str(
        r#"{"codecs":[{"mimeType":"audio/opus","payloadType":100,"clockRate":48000,"channels":2}],
            "headerExtensions":[],"encodings":[{"ssrc":7}],"rtcp":{"cname":"c"}}"#,
    )
    .expect("parameters");
    let producer = ProducerEntry {
        id: ProducerId::parse("p1").expect("an id"),
        kind: MediaKind::Audio,
        rtp_type: RtpType::Simple,
        source: "mic".into(),
        paused: false,
        consumable: Json(rtp),
        app_data: Json(serde_json::json!({"source": "mic"})),
    };
    PeerEntry {
        id: PeerId::parse("alice").expect("an id"),
        incarnation: 1_700_000_000_000_000,
        display_name: "Alice".into(),
        device: Json(serde_json::json!({"name": "Chrome"})),
        producers: vec![producer],
        data_producers: vec![channel()],
    }
}

fn channel() -> DataProducerEntry {
    DataProducerEntry {
        id: "d1".parse().expect("an id"),
        label: "chat".into(),
        protocol: String::new(),
        delivery: Delivery::RELIABLE,
        paused: false,
        app_data: Json(serde_json::json!({"channel": "chat"})),
    }
}

fn voices() -> LinkMessage {
    let producer = entry().producers[0].id.clone();
    let turn = Some(Turn { count: 3, producer: producer.clone() });
    let speech = Speech { immediate: 9, medium: 5, long: 4 };
    let voices = vec![Voice { producer, volume: -30, speech }];
    LinkMessage::Voices { room: room(), voices: Voices { voices, turn } }
}

fn messages() -> Vec<Vec<u8>> {
    let hello = Hello { node: node(), epoch: 5, version_min: 1, version_max: 1 };
    let peer = entry();
    let producer = peer.producers[0].clone();
    let load = NodeLoad { stress: 0.5, peers: 3, ..NodeLoad::default() };
    let delta = |seq, change| LinkMessage::Delta { room: room(), seq, change };
    let snapshot = Snapshot { seq: 4, peers: vec![peer.clone()] };
    let messages = [
        LinkMessage::Load { load, state: NodeState::Draining },
        LinkMessage::Rooms(vec![room(), room()]),
        LinkMessage::Snapshot { room: room(), snapshot },
        delta(5, Change::PeerJoined(peer.clone())),
        delta(6, Change::PeerLeft { peer: peer.id.clone(), incarnation: 7 }),
        delta(7, Change::ProducerAdded { peer: peer.id.clone(), producer: producer.clone() }),
        delta(9, Change::DataProducerAdded { peer: peer.id.clone(), producer: channel() }),
        delta(8, Change::Renamed { peer: peer.id, display_name: "A".into() }),
        LinkMessage::PipeOpen { flow: FlowId(3), room: room(), producer: producer.id, layers: 7 },
        LinkMessage::DataOpen { flow: FlowId(3), room: room(), producer: channel().id, granted: 9 },
        LinkMessage::PipeLayers { flow: FlowId(3), layers: 1 },
        LinkMessage::Draining(node()),
        LinkMessage::Cost(NodeCost { cpu: 0.5, ..NodeCost::default() }),
        LinkMessage::Placed(vec![PlacedJoins { room: room(), node: node(), joins: 3 }]),
        voices(),
    ];
    let mut all = vec![codec::encode(&hello).expect("a message")];
    all.extend(messages.iter().map(|message| codec::encode(message).expect("a message")));
    all
}

fn records() -> Vec<Vec<u8>> {
    let node = NodeRecord {
        id: node(),
        epoch: 5,
        region: "eu".into(),
        zone: "a".into(),
        link_addr: "192.0.2.1:7443".parse().expect("an address"),
        api_url: "http://192.0.2.1:4443".into(),
        version: "0.1.0".into(),
        protocol: (1, 1),
        state: NodeState::Up,
        cordoned: false,
        load: NodeLoad::default(),
        cost: Some(NodeCost { cpu: 0.5, ..NodeCost::default() }),
    };
    let policy = RoomPolicy {
        pinned_nodes: vec![node.id.clone()],
        regions: vec!["eu".into()],
        mode: PolicyMode::Spread,
        max_peers: 9,
        last_n: 4,
        audio_levels: AudioLevels::DEFAULT,
    };
    let room = RoomRecord { incarnation: 3, policy, persistent: true };
    let presence = PresenceRecord { epoch: 5, incarnation: 3 };
    let json = "plain values are JSON";
    vec![
        serde_json::to_vec(&node).expect(json),
        serde_json::to_vec(&room).expect(json),
        serde_json::to_vec(&presence).expect(json),
    ]
}
