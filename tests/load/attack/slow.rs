//! T-M12: receivers that go on proving that they are there and take nothing in: no report, no
//! feedback, no request, while ten others talk and show themselves.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Context,
    findings::{Bound, Findings},
    people::{People, bystanders},
};
use crate::client::{Client, Failure, Wish};

/// Who do not read.
const DEAF: usize = 8;
/// Bytes that the node may keep for each.
const EACH: f64 = 2e6;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M12").await?;
    let people = People::gather(&node, "talk", &context.identity, 10, 3).await?;
    let time = Duration::from_secs(context.scale(4, 60));
    let quiet = people.quiet(&node, Duration::from_secs(context.scale(3, 20))).await;
    let memory = node.memory();
    let mut deaf = Vec::new();
    for n in 0..DEAF {
        let peer = format!("deaf-{n}");
        let token = node.token("talk", &peer)?;
        let wish = Wish { consume: true, keep: true };
        let room = ("talk", peer.as_str());
        let client = Client::enter(&node.url, room, Some(&token), &context.identity, wish).await?;
        // Datagrams that nobody takes are all that a node can see of who does not read.
        client.down.look(Box::new(|_, _| {}));
        deaf.push(client);
    }
    sleep(Duration::from_secs(1)).await;
    let (attacked, ()) = people.window(&node, sleep(time)).await;
    let each = (node.memory() - memory) / DEAF as f64;
    // Eight more receivers of thirteen streams are work, whoever they are.
    bystanders(findings, &quiet, &attacked, 2.0);
    findings.check("memory_per_receiver_bytes", each, Bound::AtMost(EACH), DEAF as u64);
    Ok(())
}
