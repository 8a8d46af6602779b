//! Joins that are traced, on every node of their room.

use std::time::Duration;

use serde_json::json;
use starling_proto::{
    rest::MovePeer,
    span::{Note, Span, SpanContext, SpanName, names},
};
use tokio::{sync::mpsc, time::timeout};

use super::world::{Client, PATIENCE, World, linked, peer, room};
use crate::{Node, Traces};

const TRACE: SpanContext = SpanContext { trace: [7; 16], span: [1; 8] };

async fn node(world: &mut World, id: &str) -> (Node, mpsc::Receiver<Span>) {
    let (traces, spans) = Traces::new();
    world.traces = traces;
    (world.node(id).await, spans)
}

/// The next one of that name; what comes before is another's.
async fn next(spans: &mut mpsc::Receiver<Span>, name: SpanName) -> Span {
    let named = async {
        loop {
            let span = spans.recv().await.expect("the node lives");
            if span.name == name {
                return span;
            }
        }
    };
    timeout(PATIENCE, named).await.unwrap_or_else(|_| panic!("no {}", name.name))
}

fn said(span: &Span, note: Note) -> Option<&str> {
    span.notes.iter().find(|(of, _)| *of == note).map(|(_, value)| value.as_str())
}

async fn knows(client: &mut Client, of: &str) {
    client
        .until("it knows the other", |client| {
            let joined = client.joined["peers"].to_string();
            joined.contains(of)
                || client.notifications.iter().any(|told| format!("{told:?}").contains(of))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_is_one_trace_on_all_nodes_of_the_room_and_on_no_other() {
    let mut world = World::new();
    let (one, mut of_one) = node(&mut world, "n1").await;
    let (two, mut of_two) = node(&mut world, "n2").await;
    let (three, mut of_three) = node(&mut world, "n3").await;
    linked(&[&one, &two, &three]).await;
    let mut ann = Client::join(&two, "ann", None).await;
    let mut cleo = Client::join(&one, "cleo", None).await;
    knows(&mut ann, "cleo").await;
    knows(&mut cleo, "ann").await;
    let mut ben = Client::open_traced(&one, "ben", None, TRACE).await.unwrap();
    ben.finish_join("ben").await;
    let entered = next(&mut of_one, names::ENTER).await;
    let shown = next(&mut of_two, names::SHOW).await;
    assert_eq!((entered.parent, shown.parent), (Some(TRACE), Some(entered.context)));
    for span in [&entered, &shown] {
        assert_eq!((span.context.trace, &span.peer), (TRACE.trace, &peer("ben")));
        assert!(span.start_us >= entered.start_us && span.end_us >= span.start_us);
    }
    // A stream of who has just come is a part of it, on both of its nodes.
    let producer = ben.produce("audio", "mic").await;
    ann.until("ann is offered it", |ann| !ann.consumers.is_empty()).await;
    let pulled = next(&mut of_two, names::PULL).await;
    assert_eq!(pulled.parent, Some(shown.context));
    let notes = [names::FROM, names::PUBLISHER, names::PRODUCER].map(|note| said(&pulled, note));
    assert_eq!(notes, [Some("n1"), Some("ben"), Some(&*producer)]);
    assert!(of_three.try_recv().is_err(), "the room is not there");
    cleo.ask("getRouterRtpCapabilities", json!({})).await.unwrap();
    assert!(of_one.try_recv().is_err() && of_two.try_recv().is_err(), "others were not traced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_peer_is_traced_on_its_own_node_alone() {
    let mut world = World::new();
    let (one, mut of_one) = node(&mut world, "n1").await;
    let (two, mut of_two) = node(&mut world, "n2").await;
    linked(&[&one, &two]).await;
    let mut ann = Client::join(&two, "ann", None).await;
    let mut cleo = Client::join(&one, "cleo", None).await;
    knows(&mut ann, "cleo").await;
    knows(&mut cleo, "ann").await;
    let mut spy = Client::open_hidden(&one, "spy", TRACE).await.unwrap();
    spy.finish_join("spy").await;
    next(&mut of_one, names::ENTER).await;
    let seen = timeout(Duration::from_millis(300), of_two.recv()).await;
    assert!(seen.is_err(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_who_comes_back_says_how_long_it_was_away() {
    let mut world = World::new();
    let (traces, _) = Traces::new();
    world.traces = traces;
    let dies = world.island("n1").await;
    let (two, mut of_two) = node(&mut world, "n2").await;
    let (three, _of_three) = node(&mut world, "n3").await;
    linked(&[&dies.node, &two, &three]).await;
    let mut ben = Client::join(&dies.node, "ben", None).await;
    let mut ann = Client::join(&two, "ann", None).await;
    let mut cleo = Client::join(&three, "cleo", None).await;
    knows(&mut ben, "ann").await;
    knows(&mut ann, "ben").await;
    knows(&mut ann, "cleo").await;
    knows(&mut cleo, "ann").await;
    let ticket = ben.ticket();
    dies.kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut back = Client::open_traced(&three, "ben", Some(ticket), TRACE).await.unwrap();
    back.finish_join("ben").await;
    let shown = next(&mut of_two, names::SHOW).await;
    let away = next(&mut of_two, names::AWAY).await;
    assert_eq!((away.parent, said(&away, names::FROM)), (shown.parent, Some("n1")));
    assert!(away.start_us < shown.start_us && away.end_us == shown.end_us, "{away:?} {shown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_that_a_peer_left_says_how_long_its_move_took() {
    let mut world = World::new();
    let (one, mut of_one) = node(&mut world, "n1").await;
    let (two, _of_two) = node(&mut world, "n2").await;
    linked(&[&one, &two]).await;
    let mut ben = Client::join(&one, "ben", None).await;
    let to = MovePeer { to: Some(two.id().clone()) };
    let moves = one.clone();
    let moved = tokio::spawn(async move { moves.move_peer(&room(), &peer("ben"), to).await });
    let told =
        |ben: &Client| ben.notifications.iter().any(|it| format!("{it:?}").contains("MoveTo"));
    ben.until("it is told to go", told).await;
    let ticket = ben.ticket();
    let mut there = Client::open_traced(&two, "ben", Some(ticket), TRACE).await.unwrap();
    there.finish_join("ben").await;
    moved.await.unwrap().unwrap();
    let handed = next(&mut of_one, names::HAND_OVER).await;
    assert_eq!((handed.context.trace, said(&handed, names::TO)), (TRACE.trace, Some("n2")));
    assert!(handed.end_us > handed.start_us);
}
