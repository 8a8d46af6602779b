//! The registry is out of reach for a while, or comes back empty.

use starling_cluster::registry::Registry;
use starling_proto::Code;

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, all_zero, metric, peer, room, until},
};

async fn available(node: &crate::Node) -> bool {
    metric(node, "starling_registry_available").await == 1.0
}

#[tokio::test(flavor = "multi_thread")]
async fn known_rooms_go_on_without_the_registry_and_all_converges_after() {
    let world = World::new();
    let [one, two, three] = world.nodes(["n1", "n2", "n3"]).await;
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye2", &camera.producer, false).await;
    viewer.first().await;
    world.registry.set_available(false);
    until("n3 knows", async || !available(&three).await).await;
    let late = Viewer::start(&three, "eye3", &camera.producer, false).await;
    late.first().await;
    viewer.next(100).await;
    let other = "other".parse().unwrap();
    let program = starling_proto::rest::CreatePeer::new(peer("x"), "");
    let refused = three.create_peer(&other, program).await.unwrap_err();
    assert_eq!(refused.code, Code::RegistryUnavailable);
    let refused = one.delete_room(&room()).await.unwrap_err();
    assert_eq!(refused.code, Code::RegistryUnavailable);
    world.registry.set_available(true);
    until("the registry says that n3 has the room", async || {
        let rooms = one.rooms().await;
        rooms.iter().any(|info| info.id == room() && info.nodes.len() == 3)
    })
    .await;
    viewer.next(50).await;
    for (node, id) in [(&one, "cam"), (&two, "eye2"), (&three, "eye3")] {
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
    camera.stop().await;
    all_zero(&[&one, &two, &three]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_known_only_through_a_link_is_joined_without_the_registry() {
    let world = World::new();
    let [one, two] = world.nodes(["n1", "n2"]).await;
    let ann = Client::join(&one, "ann", None).await;
    // n2 has heard of the room from n1; of its record it knows nothing.
    let operator = world.registry.for_node("operator".parse().unwrap());
    let (revision, _) = operator.room(&room()).await.unwrap().expect("it has a record");
    operator.delete_room(&room(), revision).await.unwrap();
    until("n2 knows it only from n1", async || two.rooms().await.is_empty()).await;
    world.registry.set_available(false);
    until("n2 knows", async || !available(&two).await).await;
    let bob = Client::join(&two, "bob", None).await;
    until("they meet", async || two.peers(&room()).await.is_ok_and(|peers| peers.len() == 2)).await;
    world.registry.set_available(true);
    until("the record is back", async || {
        one.rooms().await.iter().any(|info| info.id == room() && info.nodes.len() == 2)
    })
    .await;
    drop((ann, bob));
    all_zero(&[&one, &two]).await;
}
