//! Webhooks of a cluster: each node sends what it tells, any node answers for all.

use super::*;

#[test]
fn a_webhook_made_on_one_node_is_told_by_all_also_of_those_that_come_later() {
    let case = Case::new(2);
    case.until("links", |case| case.linked(0) == 1 && case.linked(1) == 1);
    let mut receiver = case.main.block_on(Receiver::start());
    let kinds = ["node.*", "peer.joined"];
    let hook = json!({"id": "ops", "url": receiver.url(), "events": kinds});
    let made = case.ask(0, Method::POST, "/v1/webhooks", Some(hook)).unwrap();
    assert_eq!(made.status, 201, "{made:?}");
    case.until("the other knows it", |case| case.json(1, "/v1/webhooks/ops")["id"] == "ops");
    for (node, peer) in [(0, "ada"), (1, "ben")] {
        let body = json!({"id": peer, "displayName": peer});
        let made = case.ask(node, Method::POST, "/v1/rooms/r/peers", Some(body)).unwrap();
        assert_eq!(made.status, 201, "{made:?}");
        let told = case.main.block_on(receiver.next());
        assert!(told.signed);
        let by = format!("node-{}", node + 1);
        assert_eq!((&told.event["peer"], &told.event["by"]), (&json!(peer), &json!(by)));
    }
    case.until("both say how they fare", |case| {
        let seen = case.json(1, "/v1/webhooks/ops");
        let all = case.json(1, "/v1/webhooks");
        let delivered = |of: &Value| {
            let nodes = of["nodes"].as_array().unwrap().iter();
            nodes.filter(|node| node["delivered"] == 1).count()
        };
        delivered(&seen) == 2 && delivered(&all[0]) == 2 && seen["missing"] == json!([])
    });
    case.ask(0, Method::POST, "/dev/nodes/node-2/kill", None).unwrap();
    let mut until = |kind: &str, by: &str| {
        loop {
            let event = case.main.block_on(receiver.next()).event;
            if event["type"] == kind && event["node"] == "node-2" {
                return assert_eq!(event["by"], by, "{event}");
            }
        }
    };
    until("node.lost", "node-1");
    case.until("lease ended", |case| {
        case.json(0, "/v1/nodes").as_array().is_some_and(|nodes| nodes.len() == 1)
    });
    case.ask(0, Method::POST, "/dev/nodes/node-2/start", None).unwrap();
    // It tells of itself, before it can know of any webhook.
    until("node.joined", "node-2");
}
