//! Peers that go on after their node died: on another node, or on the same one in its next life.

use starling_proto::signal::ServerNotification;

use super::{
    rtp::{Camera, Viewer},
    world::{Client, World, all_zero, linked, peer, room, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_goes_on_when_its_node_has_started_again() {
    let world = World::new();
    let (dies, two) = (world.island("n1").await, world.node("n2").await);
    linked(&[&dies.node, &two]).await;
    let camera = Camera::start(&dies.node, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye", &camera.producer, false).await;
    viewer.first().await;
    viewer.next(20).await;
    dies.kill();
    camera.stop().await;
    let again = world.island("n1").await;
    until("the new life is linked", async || {
        let infos = two.nodes().await;
        infos.iter().any(|info| info.linked && info.epoch == again.node.epoch())
    })
    .await;
    let camera = Camera::start(&again.node, "cam", 1).await;
    viewer.goes_on_to_key_frame().await;
    viewer.next(20).await;
    again.node.remove_peer(&room(), &peer("cam")).await.unwrap();
    two.remove_peer(&room(), &peer("eye")).await.unwrap();
    camera.stop().await;
    all_zero(&[&again.node, &two]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_of_a_dead_node_meets_again() {
    let world = World::new();
    let dies = world.island("n1").await;
    let (two, three) = (world.node("n2").await, world.node("n3").await);
    linked(&[&dies.node, &two, &three]).await;
    let mut ann = Client::join(&dies.node, "ann", None).await;
    let mut bob = Client::join(&dies.node, "bob", None).await;
    let mut eve = Client::join(&two, "eve", None).await;
    for client in [&mut ann, &mut bob, &mut eve] {
        client.produce("audio", "mic").await;
        client.produce("video", "webcam").await;
    }
    for client in [&mut ann, &mut bob, &mut eve] {
        client.until("four streams", |client| client.consumers.len() == 4).await;
    }
    let (ann_ticket, bob_ticket) = (ann.ticket(), bob.ticket());
    dies.kill();
    // Both at once, each before the other produces: ann where eve is, bob where nobody is.
    let (mut ann, mut bob) = tokio::join!(
        Client::join(&two, "ann", Some(ann_ticket)),
        Client::join(&three, "bob", Some(bob_ticket)),
    );
    for client in [&mut ann, &mut bob] {
        client.produce("video", "webcam").await;
        client.produce("audio", "mic").await;
    }
    for client in [&mut ann, &mut bob] {
        client.until("four streams again", |client| client.consumers.len() >= 4).await;
    }
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    for client in [&mut ann, &mut bob, &mut eve] {
        client.ask("getRtcStatsUrl", serde_json::json!({})).await.unwrap();
        let mut alive: Vec<_> = client.consumers.iter().map(|c| c.consumer_id.clone()).collect();
        for told in &client.notifications {
            if let ServerNotification::ConsumerClosed { consumer_id } = told {
                alive.retain(|alive| alive != consumer_id);
            }
        }
        assert_eq!(alive.len(), 4, "each of the others' streams once");
        for consumer in alive {
            let stats = serde_json::json!({ "consumerId": consumer });
            let stats = client.ask("getConsumerStats", stats).await.unwrap();
            assert_ne!(stats["stats"].as_array().map(Vec::len), Some(0), "it is forwarded");
        }
    }
    assert_eq!(eve.consumers.len(), 4, "she kept hers");
    drop((ann, bob, eve));
    all_zero(&[&two, &three]).await;
}
