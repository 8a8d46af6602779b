//! What nodes tell each other of joins that they place, and rooms that are moved.

use starling_proto::{
    Code,
    rest::{ClientAt, NodeScore, PolicyChange},
    signal::ServerNotification,
};

use super::world::{Client, World, room, until};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_moved_by_asking_its_clients_to_go_to_the_named_node() {
    let [one, _two, _three] = World::new().nodes(["n1", "n2", "n3"]).await;
    let mut ann = Client::join(&one, "ann", None).await;
    let moving = one.move_room(&room(), &"n3".parse().unwrap()).await.unwrap();
    assert_eq!((moving.nodes.len(), moving.nodes[0].clients, moving.nodes[0].others), (1, 1, 0));
    ann.until("ann is told where to go", |ann| {
        ann.notifications.iter().any(|told| {
            matches!(told, ServerNotification::MoveTo { nodes, .. }
                if nodes.first().is_some_and(|node| node.node_id.to_string() == "n3"))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_not_moved_to_where_it_could_not_stay() {
    let [one, two] = World::new().nodes(["n1", "n2"]).await;
    let _ann = Client::join(&one, "ann", None).await;
    let refused = async |to: &str| {
        one.move_room(&room(), &to.parse().unwrap()).await.err().map(|refusal| refusal.code)
    };
    assert_eq!(refused("nowhere").await, Some(Code::NodeNotFound));
    let pinned_nodes = Some(vec!["n1".parse().unwrap()]);
    let pin = PolicyChange { pinned_nodes, ..PolicyChange::default() };
    one.set_room_policy(&room(), pin).await.unwrap();
    until("the pin is known", async || refused("n2").await == Some(Code::WrongState)).await;
    one.set_room_policy(&room(), PolicyChange { pinned_nodes: Some(vec![]), ..Default::default() })
        .await
        .unwrap();
    two.cordon().await.unwrap();
    until("the cordon is known", async || refused("n2").await == Some(Code::Draining)).await;
}
