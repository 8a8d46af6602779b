//! The office, with literal letters and times.

use std::sync::Arc;

use axum::body::Bytes;
use starling_proto::rest::{Event, Happening};

use super::*;

fn id(name: &str) -> WebhookId {
    name.parse().unwrap()
}

fn hook(created_at: u64, events: &[&str], room: Option<&str>) -> WebhookRecord {
    WebhookRecord {
        created_at,
        url: format!("https://{created_at}.example"),
        events: events.iter().map(|kind| (*kind).to_owned()).collect(),
        room: room.map(|room| room.parse().unwrap()),
    }
}

fn letter(kind: &'static str, room: Option<&str>) -> Letter {
    let room = || room.unwrap().parse().unwrap();
    let (peer, node) = ("ada".parse().unwrap(), "a".parse().unwrap());
    let what = match kind {
        "room.started" => Happening::RoomStarted { room: room() },
        "room.ended" => Happening::RoomEnded { room: room(), deleted: false },
        "peer.left" => Happening::PeerLeft { room: room(), peer, node },
        _ => Happening::NodeLost { node },
    };
    let event = Event { id: "a.1.1".into(), at: WALL, by: "a".parse().unwrap(), what };
    Letter { event: Arc::new(event), body: Bytes::from_static(b"{}"), born: Instant::now() }
}

fn office(hooks: &[(&str, WebhookRecord)]) -> Office {
    let mut office = Office::default();
    office.set(&hooks.iter().map(|(name, record)| (id(name), record.clone())).collect());
    office
}

fn told(office: &mut Office, letter: &Letter) -> Vec<String> {
    office.accept(WALL, letter);
    let now = Instant::now();
    std::iter::from_fn(|| office.next(now)).map(|parcel| parcel.hook.to_string()).collect()
}

const OK: Outcome = Outcome::Answered(200);
const WALL: Timestamp = Timestamp { unix_ms: 1_796_011_506_789 };

#[test]
fn each_is_told_what_it_asked_for() {
    let hooks = || {
        [
            ("all", hook(1, &[], None)),
            ("rooms", hook(2, &["room.*"], None)),
            ("demo", hook(3, &[], Some("demo"))),
        ]
    };
    for (event, expected) in [
        (letter("room.started", Some("demo")), vec!["all", "demo", "rooms"]),
        (letter("room.ended", Some("other")), vec!["all", "rooms"]),
        (letter("peer.left", Some("demo")), vec!["all", "demo"]),
        (letter("node.lost", None), vec!["all"]),
    ] {
        assert_eq!(told(&mut office(&hooks()), &event), expected, "{event:?}");
    }
}

#[test]
fn a_room_that_waits_holds_up_no_other_lane() {
    let mut office = office(&[("all", hook(1, &[], None))]);
    let now = Instant::now();
    office.accept(WALL, &letter("room.started", Some("a")));
    let stuck = office.next(now).unwrap();
    let failed = Outcome::Silent("nobody".into());
    let again = office.settle((now, WALL), &stuck, &failed, 0.0);
    assert_eq!(again, Some(Verdict::Again(Duration::from_secs(1))));
    assert_eq!(office.status("a".parse().unwrap(), &id("all")).trouble.as_deref(), Some("nobody"));
    office.accept(WALL, &letter("peer.left", Some("a")));
    assert_eq!(office.next(now), None, "it waits for the one before it");
    office.accept(WALL, &letter("room.started", Some("b")));
    let free = office.next(now).unwrap();
    assert_eq!(office.settle((now, WALL), &free, &OK, 0.0), Some(Verdict::Done));
    let status = office.status("a".parse().unwrap(), &id("all"));
    assert_eq!((status.waiting, status.delivered, status.trouble), (2, 1, None));
    assert_eq!(office.wait(now), Some(Duration::from_secs(1)));
    let counts = office.counts();
    assert_eq!((counts.delivered, counts.again, counts.dead), (1, 1, [0; 5]));
}

#[test]
fn what_waits_for_a_webhook_that_is_gone_is_forgotten_and_its_answer_says_nothing() {
    let mut office = office(&[("h", hook(1, &[], None))]);
    let now = Instant::now();
    office.accept(WALL, &letter("node.lost", None));
    let parcel = office.next(now).unwrap();
    office.set(&[(id("h"), hook(2, &[], None))].into());
    assert_eq!((office.waiting(), office.settle((now, WALL), &parcel, &OK, 0.0)), (0, None));
    assert_eq!(office.counts(), Counts::default());
    office.set(&BTreeMap::new());
    assert!(office.is_empty());
    assert_eq!(office.status("a".parse().unwrap(), &id("h")).delivered, 0);
}

#[test]
fn what_is_given_up_is_counted_by_reason() {
    let mut office = office(&[("h", hook(1, &[], None)), ("i", hook(2, &[], None))]);
    office.miss();
    for _ in 0..300 {
        office.accept(WALL, &letter("node.lost", None));
    }
    let parcel = office.next(Instant::now()).unwrap();
    office.settle((Instant::now(), WALL), &parcel, &Outcome::Answered(410), 0.0);
    let [refused, failed, old, crowded, missed] = office.counts().dead;
    assert_eq!((refused, failed, old, crowded, missed), (1, 0, 0, 88, 2));
    assert_eq!(office.status("a".parse().unwrap(), &id("h")).dead_letters, 1 + 44 + 1);
}

#[test]
fn what_is_given_up_is_kept_and_sent_once_more() {
    let mut office = office(&[("h", hook(1, &[], None))]);
    let now = Instant::now();
    for _ in 0..103 {
        office.accept(WALL, &letter("room.started", Some("r")));
        let parcel = office.next(now).unwrap();
        office.settle((now, WALL), &parcel, &Outcome::Answered(410), 0.0);
    }
    let dead = office.dead_letters(&id("h"));
    assert_eq!((dead.len(), dead[0].at, dead[0].attempts), (100, WALL, 1));
    assert_eq!(
        (dead[0].reason.as_str(), dead[0].trouble.as_deref()),
        ("refused", Some("answered 410"))
    );
    assert_eq!(dead[0].event.what.name(), "room.started");
    assert_eq!(office.redeliver((now, WALL), &id("h")), 100);
    assert_eq!((office.dead_letters(&id("h")).len(), office.waiting()), (0, 100));
    assert_eq!(office.redeliver((now, WALL), &id("h")), 0, "they are on their way");
    let parcel = office.next(now).unwrap();
    assert_eq!(
        (parcel.attempt, office.settle((now, WALL), &parcel, &OK, 0.0)),
        (1, Some(Verdict::Done))
    );
    assert_eq!(office.redeliver((now, WALL), &id("other")), 0);
    assert!(office.dead_letters(&id("other")).is_empty());
}
