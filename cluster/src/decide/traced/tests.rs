//! One room's traces, seen from one node.

use starling_proto::Id;

use super::*;

/// Of a peer of this node, and of one of another.
const OURS: SpanContext = SpanContext { trace: [7; 16], span: [1; 8] };
const THEIRS: SpanContext = SpanContext { trace: [9; 16], span: [2; 8] };
const S: u64 = 1_000_000;

fn traced() -> Traced {
    Traced::new("r".parse().unwrap())
}

fn peer(id: &str) -> PeerId {
    id.parse().unwrap()
}

fn node(id: &str) -> NodeId {
    id.parse().unwrap()
}

/// Names 10, 11, …
fn names() -> impl FnMut() -> [u8; 8] {
    let mut next = 9;
    move || {
        next += 1;
        [next; 8]
    }
}

fn forward(consumer: &str) -> Stream {
    Stream::Forward(consumer.parse().unwrap())
}

#[test]
fn a_peer_of_another_node_is_shown_as_part_of_its_join() {
    let (mut traced, mut draw) = (traced(), names());
    traced.announced(5 * S, &peer("ann"), THEIRS, &mut draw);
    let spans = traced.shown(5 * S + 300, &peer("ann"), &mut draw);
    let [show] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((show.name, show.parent), (names::SHOW, Some(THEIRS)));
    assert_eq!(show.context, SpanContext { trace: THEIRS.trace, span: [10; 8] });
    assert_eq!((show.start_us, show.end_us), (5 * S, 5 * S + 300));
    assert_eq!((show.room.as_str(), show.peer.as_str()), ("r", "ann"));
    assert_eq!(traced.shown(6 * S, &peer("ann"), &mut draw), [], "once");
    assert_eq!(traced.shown(6 * S, &peer("ben"), &mut draw), [], "nobody traces ben");
}

#[test]
fn who_comes_back_was_away_since_its_node_was_lost() {
    let (mut traced, mut draw) = (traced(), names());
    traced.lost(2 * S, &peer("ann"), &node("n2"));
    traced.announced(3 * S, &peer("ann"), THEIRS, &mut draw);
    let spans = traced.shown(3 * S + 9, &peer("ann"), &mut draw);
    let [_, away] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((away.name, away.parent), (names::AWAY, Some(THEIRS)));
    assert_eq!((away.start_us, away.end_us), (2 * S, 3 * S + 9));
    assert_eq!(away.notes, [(names::FROM, "n2".to_owned())]);
}

#[test]
fn who_was_asked_to_move_is_handed_over_until_it_is_there() {
    let (mut traced, mut draw) = (traced(), names());
    traced.asked_to_move(2 * S, &peer("ann"), &node("n3"));
    traced.asked_to_move(2 * S, &peer("ben"), &node("n3"));
    traced.stays_away(&peer("ben"));
    for id in ["ann", "ben"] {
        traced.announced(3 * S, &peer(id), THEIRS, &mut draw);
    }
    let spans = traced.shown(4 * S, &peer("ann"), &mut draw);
    assert_eq!(
        (spans[1].name, spans[1].start_us, spans[1].end_us),
        (names::HAND_OVER, 2 * S, 4 * S)
    );
    assert_eq!(spans[1].notes, [(names::TO, "n3".to_owned())]);
    assert_eq!(traced.shown(4 * S, &peer("ben"), &mut draw).len(), 1, "it had left in between");
}

#[test]
fn a_stream_belongs_to_who_has_just_come_and_else_to_its_publisher() {
    let (mut traced, mut draw) = (traced(), names());
    let (ann, ben) = (peer("ann"), peer("ben"));
    traced.entered(S, &ann, OURS);
    traced.announced(S, &ben, THEIRS, &mut draw);
    traced.shown(S, &ben, &mut draw);
    let pair = (&ben, Some(&ann));
    assert!(traced.sets_out(2 * S, forward("c1"), pair, Vec::new(), &mut draw));
    let to_node = Stream::Serve(node("n2"), FlowId(4));
    let notes = vec![(names::TO, "n2".to_owned())];
    assert!(traced.sets_out(2 * S, to_node.clone(), (&ann, None), notes, &mut draw));
    let unknown = (&peer("cleo"), Some(&peer("dan")));
    assert!(!traced.sets_out(2 * S, forward("c2"), unknown, Vec::new(), &mut draw));
    let watched = traced.arrived(3 * S, &forward("c1")).unwrap();
    assert_eq!((watched.name, watched.parent, &watched.peer), (names::FORWARD, Some(OURS), &ann));
    assert_eq!((watched.start_us, watched.end_us), (2 * S, 3 * S));
    let said = [(names::PUBLISHER, "ben".to_owned()), (names::RECEIVER, "ann".to_owned())];
    assert_eq!(watched.notes, said);
    assert_eq!(traced.arrived(3 * S, &forward("c1")), None, "the first packet is one");
    let served = traced.arrived(3 * S, &to_node).unwrap();
    let said = [(names::PUBLISHER, "ann".to_owned()), (names::TO, "n2".to_owned())];
    assert_eq!((served.name, served.notes), (names::SERVE, said.to_vec()));
}

#[test]
fn a_join_is_followed_for_ten_seconds_and_sixteen_streams() {
    let (mut traced, mut draw) = (traced(), names());
    let ann = peer("ann");
    traced.entered(S, &ann, OURS);
    let mut sets_out = |traced: &mut Traced, at, n: usize| {
        traced.sets_out(at, forward(&format!("c{n}")), (&ann, None), Vec::new(), &mut draw)
    };
    for n in 0..STREAMS {
        assert!(sets_out(&mut traced, 10 * S, n), "{n}");
    }
    assert!(!sets_out(&mut traced, 10 * S, STREAMS), "one too many");
    assert!(!sets_out(&mut traced, 11 * S, 99), "too late");
    assert_eq!(traced.arrived(12 * S, &forward("c0")), None, "untold");
    assert!(traced.streams.is_empty() && traced.joins.is_empty());
}

#[test]
fn nodes_that_announce_peers_who_never_come_fill_nothing() {
    let (mut traced, mut draw) = (traced(), names());
    for n in 0..3 * JOINS {
        let id = peer(&format!("p{n}"));
        traced.announced(S, &id, THEIRS, &mut draw);
        traced.lost(S, &id, &node("n2"));
        traced.entered(S, &id, OURS);
    }
    assert_eq!((traced.awaited.len(), traced.joins.len()), (JOINS, JOINS));
    assert!(traced.away.len() <= JOINS);
    traced.announced(11 * S, &peer("late"), THEIRS, &mut draw);
    assert_eq!(traced.awaited.len(), 1, "who was awaited for ten seconds does not come");
}
