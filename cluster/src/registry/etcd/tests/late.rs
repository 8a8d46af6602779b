//! Writes of a node that were given up and are applied after later ones: here a stranger makes
//! them, because no etcd can be asked to be late on purpose.

use etcd_client::PutOptions;

use super::*;

#[tokio::test]
async fn what_is_written_late_under_a_nodes_name_is_put_right() {
    let server = EtcdServer::spawn();
    let (a, mut late) = (connect(&server, "a"), raw(&server).await);
    a.register(record("a", 1)).await.unwrap();
    for name in ["open", "ended"] {
        a.set_presence(&room(name), Some(PRESENCE)).await.unwrap();
    }
    a.set_presence(&room("ended"), None).await.unwrap();
    let right = |view: &View| {
        let rooms: Vec<_> = view.presence.keys().map(|(room, _)| room.clone()).collect();
        view.nodes.get(&node("a")) == Some(&record("a", 1)) && rooms == [room("open")]
    };
    let b = connect(&server, "b");
    let mut seen = Seen::new(b.watch());
    seen.until(right).await;

    let lease = late.leases().await.unwrap().leases()[0].id();
    let under = || Some(PutOptions::new().with_lease(lease));
    let key = "/starling/rooms/ended/on/a";
    late.put(key, encode(&PRESENCE), under()).await.unwrap();
    seen.until(|view| view.presence.len() == 2).await;
    seen.until(right).await;
    late.delete("/starling/rooms/open/on/a", None).await.unwrap();
    seen.until(|view| view.presence.is_empty()).await;
    seen.until(right).await;
    let cordoned = NodeRecord { cordoned: true, ..record("a", 1) };
    late.put("/starling/nodes/a", encode(&cordoned), under()).await.unwrap();
    seen.until(|view| view.nodes.values().any(|node| node.cordoned)).await;
    seen.until(right).await;
    assert_eq!(a.counters().leases, 1, "its lease goes on");
    late.delete("/starling/nodes/a", None).await.unwrap();
    seen.until(|view| view.nodes.is_empty()).await;
    seen.until(right).await;
}
