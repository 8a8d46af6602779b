//! Facts of the merged view, with literal times.

use std::time::{Duration, Instant};

use serde_json::json;
use starling_proto::{
    Id, MediaKind, NodeId, PeerId, ProducerId, RtpParameters,
    json::Json,
    roster::{Change, DataProducerEntry, PeerEntry, ProducerEntry, Snapshot},
    rtp::RtpType,
    sctp::Delivery,
};

use super::*;

pub(super) fn node(name: &str) -> NodeId {
    NodeId::parse(name).unwrap()
}

pub(super) fn peer(id: &str, incarnation: u64) -> PeerEntry {
    PeerEntry {
        id: PeerId::parse(id).unwrap(),
        incarnation,
        display_name: id.to_owned(),
        device: Json(json!({})),
        producers: Vec::new(),
        data_producers: Vec::new(),
    }
}

pub(super) fn producer(id: &str, source: &str, mime: &str) -> ProducerEntry {
    let codec = json!({"mimeType": mime, "payloadType": 101, "clockRate": 90000});
    let consumable: RtpParameters = serde_json::from_value(json!({"codecs": [codec]})).unwrap();
    ProducerEntry {
        id: ProducerId::parse(id).unwrap(),
        kind: MediaKind::Video,
        rtp_type: RtpType::Simulcast,
        source: source.to_owned(),
        paused: false,
        consumable: Json(consumable),
        app_data: Json(json!({})),
    }
}

pub(super) fn data(id: &str, label: &str) -> DataProducerEntry {
    DataProducerEntry {
        id: id.parse().unwrap(),
        label: label.to_owned(),
        protocol: String::new(),
        delivery: Delivery::RELIABLE,
        paused: false,
        app_data: Json(json!({})),
    }
}

fn with(mut entry: PeerEntry, producers: &[ProducerEntry]) -> PeerEntry {
    entry.producers = producers.to_vec();
    entry
}

fn id(id: &str) -> PeerId {
    PeerId::parse(id).unwrap()
}

fn room() -> RoomReplica {
    RoomReplica::new(node("a"), 100, RESUME_WINDOW)
}

fn says(seq: u64, peers: &[PeerEntry]) -> Snapshot {
    Snapshot { seq, peers: peers.to_vec() }
}

fn joined(name: &str, on: &str) -> Fact {
    Fact::PeerJoined {
        peer: id(name),
        node: node(on),
        display_name: name.to_owned(),
        device: Json(json!({})),
    }
}

fn moved(name: &str, from: &str, to: &str) -> Fact {
    Fact::PeerMoved { peer: id(name), from: node(from), to: node(to) }
}

fn left(name: &str, on: &str) -> Fact {
    Fact::PeerLeft { peer: id(name), node: node(on) }
}

fn added(name: &str, on: &str, producer: &ProducerEntry) -> Fact {
    Fact::ProducerAdded { peer: id(name), node: node(on), producer: producer.clone() }
}

fn replaced(name: &str, on: &str, old: &ProducerEntry, producer: &ProducerEntry) -> Fact {
    let (old, producer) = (old.id.clone(), producer.clone());
    Fact::ProducerReplaced { peer: id(name), node: node(on), old, producer }
}

fn closed(name: &str, producer: &ProducerEntry) -> Fact {
    Fact::ProducerClosed { peer: id(name), producer: producer.id.clone() }
}

#[test]
fn a_local_change_is_told_once_and_numbered_from_the_first_seq() {
    let (now, mut room) = (Instant::now(), room());
    let told = room.local_join(now, peer("p", 1));
    assert_eq!(told.delta, Some((101, Change::PeerJoined(peer("p", 1)))));
    assert_eq!(told.facts, [joined("p", "a")]);
    assert_eq!(room.local_join(now, peer("p", 1)), Local::default());
    let camera = producer("x", "camera", "video/VP8");
    let told = room.local_produce(now, &id("p"), camera.clone());
    assert_eq!(told.delta.unwrap().0, 102);
    assert_eq!(told.facts, [added("p", "a", &camera)]);
    assert_eq!(room.snapshot(), says(102, &[with(peer("p", 1), &[camera])]));
}

#[test]
fn a_peer_that_leaves_closes_its_producers_first() {
    let (now, mut room) = (Instant::now(), room());
    let camera = producer("x", "camera", "video/VP8");
    let _ = room.local_join(now, with(peer("p", 2), std::slice::from_ref(&camera)));
    assert_eq!(room.local_leave(now, &id("p"), 1), Local::default());
    let told = room.local_leave(now, &id("p"), 2);
    assert_eq!(told.facts, [closed("p", &camera), left("p", "a")]);
    assert!(room.is_empty());
}

#[test]
fn a_missing_delta_asks_for_a_snapshot_once_a_second() {
    let (now, mut room, b) = (Instant::now(), room(), node("b"));
    let join = |name: &str| Change::PeerJoined(peer(name, 1));
    assert!(room.remote_delta(now, &b, 7, 5, &join("p")).want_snapshot);
    let soon = now + Duration::from_millis(999);
    assert!(!room.remote_delta(soon, &b, 7, 6, &join("q")).want_snapshot);
    let later = now + Duration::from_secs(1);
    assert!(room.remote_delta(later, &b, 7, 7, &join("r")).want_snapshot);
    let outcome = room.remote_snapshot(later, &b, 7, says(7, &[peer("p", 1)]));
    assert_eq!(outcome.facts, [joined("p", "b")]);
    assert_eq!(room.remote_delta(later, &b, 7, 7, &join("r")), Outcome::default());
    assert_eq!(room.remote_delta(later, &b, 7, 8, &join("s")).facts, [joined("s", "b")]);
    assert!(room.remote_delta(later, &b, 7, 10, &join("t")).want_snapshot);
}

#[test]
fn an_older_epoch_says_nothing_and_a_newer_one_loses_the_old_ones_peers() {
    let (now, mut room, b) = (Instant::now(), room(), node("b"));
    let _ = room.remote_snapshot(now, &b, 7, says(1, &[peer("p", 1)]));
    assert_eq!(room.remote_snapshot(now, &b, 6, says(9, &[])), Outcome::default());
    let outcome = room.remote_snapshot(now, &b, 8, says(0, &[peer("q", 2)]));
    let lost = Fact::PeerLost { peer: id("p"), node: b.clone() };
    assert_eq!(outcome.facts, [lost, joined("q", "b")]);
    assert_eq!(room.remote_delta(now, &b, 7, 2, &Change::PeerJoined(peer("r", 1))).facts, []);
    assert_eq!(room.expire(now + RESUME_WINDOW), [left("p", "b")]);
}

#[test]
fn a_lost_peer_that_does_not_come_back_leaves_after_the_window() {
    let (now, mut room, b) = (Instant::now(), room(), node("b"));
    let _ = room.remote_snapshot(now, &b, 1, says(1, &[peer("p", 1)]));
    let lost = Fact::PeerLost { peer: id("p"), node: b.clone() };
    assert_eq!(room.node_lost(now, &b), [lost]);
    assert!(room.peer(&id("p")).unwrap().lost);
    assert_eq!(room.node_lost(now + Duration::from_secs(1), &b), [], "the window goes on");
    assert_eq!(room.next_deadline(), Some(now + RESUME_WINDOW));
    assert_eq!(room.expire(now + RESUME_WINDOW - Duration::from_millis(1)), []);
    assert_eq!(room.expire(now + RESUME_WINDOW), [left("p", "b")]);
    assert_eq!(room.next_deadline(), None);
}

#[test]
fn a_lost_node_that_is_found_keeps_its_peers() {
    let (now, mut room, b) = (Instant::now(), room(), node("b"));
    let _ = room.remote_snapshot(now, &b, 1, says(1, &[peer("p", 1)]));
    let _ = room.node_lost(now, &b);
    let delta = Change::PeerJoined(peer("q", 1));
    assert!(room.remote_delta(now, &b, 1, 2, &delta).want_snapshot, "what was missed is not known");
    let outcome = room.remote_snapshot(now, &b, 1, says(2, &[peer("p", 1), peer("q", 1)]));
    assert_eq!(outcome.facts, [Fact::PeerFound { peer: id("p"), node: b }, joined("q", "b")]);
    assert_eq!(room.next_deadline(), None);
}

#[test]
fn a_publisher_that_resumes_elsewhere_keeps_what_it_produces_again() {
    let (now, mut room) = (Instant::now(), room());
    let (camera, screen) =
        (producer("x", "camera", "video/VP8"), producer("y", "screen", "video/VP8"));
    let old = with(peer("p", 1), &[camera.clone(), screen.clone()]);
    let _ = room.remote_snapshot(now, &node("b"), 1, says(1, &[old]));
    let _ = room.node_lost(now, &node("b"));
    let outcome = room.remote_snapshot(now, &node("c"), 1, says(1, &[peer("p", 2)]));
    assert_eq!(outcome.facts, [moved("p", "b", "c")]);
    assert!(!room.peer(&id("p")).unwrap().lost);
    let again = producer("z", "camera", "VIDEO/vp8");
    let change = Change::ProducerAdded { peer: id("p"), producer: again.clone() };
    let outcome = room.remote_delta(now, &node("c"), 1, 2, &change);
    assert_eq!(outcome.facts, [replaced("p", "c", &camera, &again)]);
    assert_eq!(room.next_deadline(), Some(now + SETTLE));
    assert_eq!(room.expire(now + SETTLE), [closed("p", &screen)]);
    assert_eq!(room.next_deadline(), None, "the lost session is forgotten with the move");
}

#[test]
fn a_resume_here_gives_the_same_facts_and_an_equal_id_is_still_a_replacement() {
    let (now, mut room) = (Instant::now(), room());
    let camera = producer("x", "camera", "video/VP8");
    let old = with(peer("p", 1), std::slice::from_ref(&camera));
    let _ = room.remote_snapshot(now, &node("b"), 1, says(1, &[old]));
    let _ = room.node_lost(now, &node("b"));
    assert_eq!(room.next_incarnation(&id("p"), 0), 2);
    let told = room.local_join(now, peer("p", 2));
    assert_eq!(told.facts, [moved("p", "b", "a")]);
    let told = room.local_produce(now, &id("p"), camera.clone());
    assert_eq!(told.facts, [replaced("p", "a", &camera, &camera)]);
    assert_eq!(room.next_deadline(), None);
}

#[test]
fn a_new_session_on_the_same_node_is_a_move_to_itself() {
    let (now, mut room) = (Instant::now(), room());
    let camera = producer("x", "camera", "video/VP8");
    let _ = room.local_join(now, with(peer("p", 1), std::slice::from_ref(&camera)));
    let told = room.local_join(now, peer("p", 2));
    assert_eq!(told.facts, [moved("p", "a", "a")]);
    let again = producer("y", "camera", "video/VP8");
    let told = room.local_produce(now, &id("p"), again.clone());
    assert_eq!(told.facts, [replaced("p", "a", &camera, &again)]);
}

#[test]
fn another_codec_is_another_producer() {
    let (now, mut room) = (Instant::now(), room());
    let camera = producer("x", "camera", "video/VP8");
    let _ = room.local_join(now, with(peer("p", 1), std::slice::from_ref(&camera)));
    let _ = room.local_join(now, peer("p", 2));
    let again = producer("x", "camera", "video/H264");
    let told = room.local_produce(now, &id("p"), again.clone());
    assert_eq!(told.facts, [closed("p", &camera), added("p", "a", &again)]);
}

#[test]
fn the_highest_incarnation_owns_the_peer_whatever_comes_last() {
    let (now, mut room) = (Instant::now(), room());
    let _ = room.local_join(now, peer("p", 5));
    let outcome = room.remote_snapshot(now, &node("b"), 1, says(1, &[peer("p", 4)]));
    assert_eq!(outcome.facts, []);
    let outcome = room.remote_snapshot(now, &node("c"), 1, says(1, &[peer("p", 6)]));
    assert_eq!(outcome.facts, [moved("p", "a", "c")]);
    let told = room.local_leave(now, &id("p"), 5);
    assert_eq!(told.facts, []);
    assert!(told.delta.is_some(), "others must know that it is gone here");
}

#[test]
fn a_peer_that_leaves_after_a_resume_does_not_fall_back_to_its_lost_session() {
    let (now, mut room) = (Instant::now(), room());
    let _ = room.remote_snapshot(now, &node("b"), 1, says(1, &[peer("p", 1)]));
    let _ = room.node_lost(now, &node("b"));
    let _ = room.local_join(now, peer("p", 2));
    assert_eq!(room.local_leave(now, &id("p"), 2).facts, [left("p", "a")]);
}

#[test]
fn a_node_that_closes_the_room_takes_its_peers_along_at_once() {
    let (now, mut room, b) = (Instant::now(), room(), node("b"));
    let _ = room.remote_snapshot(now, &b, 2, says(1, &[peer("p", 1)]));
    assert_eq!(room.node_gone(now, &b, 1), [], "another life of it");
    assert_eq!(room.node_gone(now, &b, 2), [left("p", "b")]);
}

#[test]
fn what_is_older_than_what_is_known_changes_nothing() {
    let (now, mut room, b) = (Instant::now(), room(), node("b"));
    let _ = room.remote_snapshot(now, &b, 1, says(5, &[peer("p", 3)]));
    assert_eq!(room.remote_snapshot(now, &b, 1, says(4, &[])), Outcome::default());
    let earlier = Change::PeerLeft { peer: id("p"), incarnation: 2 };
    assert_eq!(room.remote_delta(now, &b, 1, 6, &earlier), Outcome::default());
    let this = Change::PeerLeft { peer: id("p"), incarnation: 3 };
    assert_eq!(room.remote_delta(now, &b, 1, 7, &this).facts, [left("p", "b")]);
}

#[test]
fn pause_and_name_are_facts_only_when_they_change() {
    let (now, mut room) = (Instant::now(), room());
    let camera = producer("x", "camera", "video/VP8");
    let _ = room.local_join(now, with(peer("p", 1), std::slice::from_ref(&camera)));
    let told = room.local_pause(now, &id("p"), &camera.id, true);
    let paused = Fact::ProducerPaused { peer: id("p"), producer: camera.id.clone(), paused: true };
    assert_eq!(told.facts, [paused]);
    assert_eq!(room.local_pause(now, &id("p"), &camera.id, true), Local::default());
    let told = room.local_rename(now, &id("p"), "P".to_owned());
    assert_eq!(told.facts, [Fact::Renamed { peer: id("p"), display_name: "P".to_owned() }]);
    assert_eq!(room.local_rename(now, &id("p"), "P".to_owned()), Local::default());
    assert_eq!(room.local_rename(now, &id("nobody"), "P".to_owned()), Local::default());
}

#[test]
fn a_producer_that_takes_an_id_over_from_another_source_closes_that_one_first() {
    let (now, mut room) = (Instant::now(), room());
    let (camera, screen) =
        (producer("x", "camera", "video/VP8"), producer("y", "screen", "video/VP8"));
    let _ = room.local_join(now, with(peer("p", 1), &[camera.clone(), screen.clone()]));
    let _ = room.local_join(now, peer("p", 2));
    let again = producer("y", "camera", "video/VP8");
    let told = room.local_produce(now, &id("p"), again.clone());
    assert_eq!(told.facts, [closed("p", &screen), replaced("p", "a", &camera, &again)]);
}

#[test]
fn a_session_that_ends_for_a_newer_one_is_not_seen_to_leave_by_who_hears_of_the_end_first() {
    let now = Instant::now();
    let camera = producer("x", "camera", "video/VP8");
    let old = with(peer("p", 1), std::slice::from_ref(&camera));
    let mut b = RoomReplica::new(node("b"), 100, RESUME_WINDOW);
    let _ = b.local_join(now, old.clone());
    let _ = b.remote_snapshot(now, &node("c"), 1, says(1, &[peer("p", 2)]));
    let (seq, end) = b.local_leave(now, &id("p"), 1).delta.unwrap();
    let mut a = room();
    let _ = a.remote_snapshot(now, &node("b"), 1, says(seq - 1, &[old]));
    let facts = a.remote_delta(now, &node("b"), 1, seq, &end).facts;
    assert_eq!(facts, [Fact::PeerLost { peer: id("p"), node: node("b") }]);
    let facts = a.remote_snapshot(now, &node("c"), 1, says(1, &[peer("p", 2)])).facts;
    assert_eq!(facts, [moved("p", "b", "c")]);
}

#[test]
fn a_channel_of_the_same_label_goes_on_after_a_resume_and_another_does_not() {
    let (mut room, now) = (room(), Instant::now());
    let was =
        PeerEntry { data_producers: vec![data("d1", "chat"), data("d2", "bot")], ..peer("p", 1) };
    let _ = room.remote_snapshot(now, &node("b"), 1, says(1, &[was]));
    let chat = data("d3", "chat");
    let is = PeerEntry { data_producers: vec![chat.clone()], ..peer("p", 2) };
    let facts = room.remote_snapshot(now, &node("c"), 1, says(1, &[is])).facts;
    assert_eq!(
        facts[1..],
        [Fact::DataProducerReplaced {
            peer: id("p"),
            node: node("c"),
            old: "d1".parse().unwrap(),
            producer: chat,
        }]
    );
    let closed = Fact::DataProducerClosed { peer: id("p"), producer: "d2".parse().unwrap() };
    assert_eq!(room.expire(now + SETTLE), [closed]);
}
