//! Nodes around a real etcd that stops, forgets everything, or is restored from a backup: media
//! does not notice, and the cluster is whole again afterwards.

use std::time::Duration;

use starling_cluster::registry::{
    Registry, WatchEvent,
    etcd::{EtcdConfig, EtcdRegistry},
};
use starling_proto::{Code, rest::CreatePeer};
use tokio::time::{Instant, sleep, timeout};

use super::{
    etcd::EtcdServer,
    rtp::{Camera, Viewer},
    world::{World, metric, peer, room, until},
};

/// From etcd's return until all is as it was: leases of 5 s, records restored after 2 s, backoff.
const WHOLE: Duration = Duration::from_secs(30);

/// What a stranger reads in etcd: three nodes with the room, and its record.
async fn is_whole(server: &EtcdServer) -> bool {
    let operator = "operator".parse().unwrap();
    let operator = EtcdRegistry::connect(EtcdConfig::new(vec![server.url()], operator)).unwrap();
    match timeout(Duration::from_secs(3), operator.watch().recv()).await {
        Ok(Some(WatchEvent::Snapshot(view))) => {
            view.nodes.len() == 3 && view.presence.len() == 3 && view.rooms.contains_key(&room())
        }
        _ => false,
    }
}

async fn becomes_whole(server: &EtcdServer, what: &str) {
    let start = Instant::now();
    while !is_whole(server).await {
        assert!(start.elapsed() < WHOLE, "{what}: in vain waited until all is as it was");
        sleep(Duration::from_millis(100)).await;
    }
    println!("{what}: whole after {:?}", start.elapsed());
}

async fn available(node: &crate::Node) -> bool {
    metric(node, "starling_registry_available").await == 1.0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_stops_forgets_or_goes_back_in_time_costs_no_packet_and_no_life() {
    let mut server = EtcdServer::spawn();
    let world = World { etcd: Some(server.url()), ..World::new() };
    let [one, two, three] = world.nodes(["n1", "n2", "n3"]).await;
    let epochs = [&one, &two, &three].map(crate::Node::epoch);
    let camera = Camera::start(&one, "cam", 1).await;
    let viewer = Viewer::start(&two, "eye2", &camera.producer, false).await;
    viewer.first().await;

    server.kill();
    for node in [&one, &two, &three] {
        until("it knows", async || !available(node).await).await;
    }
    // A room that others have is joined, a new one is not.
    let late = Viewer::start(&three, "eye3", &camera.producer, false).await;
    late.first().await;
    viewer.next(100).await;
    let program = CreatePeer::new(peer("x"), "");
    let refused = three.create_peer(&"other".parse().unwrap(), program).await.unwrap_err();
    assert_eq!(refused.code, Code::RegistryUnavailable);
    server.start();
    becomes_whole(&server, "stopped").await;
    server.kill();
    let backup = server.copy();
    server.start();
    viewer.next(20).await;

    server.wipe();
    server.start();
    becomes_whole(&server, "wiped").await;
    viewer.next(100).await;

    server.kill();
    server.restore(&backup);
    server.start();
    becomes_whole(&server, "restored").await;
    viewer.next(100).await;
    late.next(100).await;

    assert_eq!([&one, &two, &three].map(crate::Node::epoch), epochs);
    for (node, id) in [(&one, "cam"), (&two, "eye2"), (&three, "eye3")] {
        assert_eq!(metric(node, "starling_lives_renewed_total").await, 0.0);
        node.remove_peer(&room(), &peer(id)).await.unwrap();
    }
    camera.stop().await;
}
