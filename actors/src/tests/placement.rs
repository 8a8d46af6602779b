//! What nodes tell each other of joins that they place.

use starling_proto::rest::{ClientAt, NodeScore};

use super::world::{World, room, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_one_node_places_counts_on_the_others_before_it_comes() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let placed = one.place(&room(), ClientAt::default()).await.unwrap();
    let counts = |of: &NodeScore| of.node == placed.node && of.placed == 1;
    // Loads are told every 500 ms; this is told at once, and lasts until they are.
    until("n2 has heard of it", async || {
        two.explain(&room(), ClientAt::default()).await.unwrap().nodes.iter().any(counts)
    })
    .await;
    let there = two.explain(&room(), ClientAt::default()).await.unwrap();
    assert_eq!(there.node, Some(placed.node), "the room is to be there");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_tell_what_their_work_costs() {
    let [_one, two] = World::new().nodes(["n1", "n2"]).await;
    until("n2 knows the cost of n1", async || {
        let explained = two.explain(&room(), ClientAt::default()).await.unwrap();
        explained.nodes.iter().all(|of| of.cost.is_some_and(|cost| cost.memory > 0.0))
    })
    .await;
}
