//! T-S07: a node with 256 descriptors, and 400 who want one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::{sleep, timeout};

use super::{
    Context,
    findings::{Bound, Findings},
    people::{People, unharmed},
    wire::{address, dial, host},
};
use crate::{
    client::{Client, Failure, Wish},
    node::{Node, Wish as NodeWish},
};

const FILES: u32 = 256;
const CLIENTS: usize = 400;
/// Until somebody can join again after descriptors are back.
const RECOVERED: f64 = 5.0;
const HELD: Duration = Duration::from_secs(4);
/// The kernel holds connections that nobody accepts for longer than this.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let settings = ["SESSIONS_PER_SECOND", "JOINS_PER_SECOND"].map(|key| (key, "0".to_owned()));
    let wish = NodeWish { id: "t-s07".into(), settings: settings.into(), files: Some(FILES) };
    let mut node = Node::start(&context.secrets, wish).await?;
    let people = People::gather(&node, "talk", &context.identity, 3, 0).await?;
    let to = address(&node.url)?;
    let (window, held) = people
        .window(&node, async {
            let dials = (0..CLIENTS).map(|n| timeout(PATIENCE, dial(host(n), to)));
            let held: Vec<_> = join_all(dials).await.into_iter().flatten().flatten().collect();
            sleep(HELD).await;
            held
        })
        .await;
    let opened = held.len() as u64;
    unharmed(findings, &window);
    findings.tell("connections_opened", opened as f64, CLIENTS as u64);
    findings.tell("descriptors_of_the_node", node.descriptors() as f64, 1);
    drop(held);
    let began = Instant::now();
    let recovered = loop {
        match join(context, &node).await {
            Ok(()) => break began.elapsed().as_secs_f64(),
            Err(_) if began.elapsed() < Duration::from_secs(20) => {
                sleep(Duration::from_millis(100)).await;
            }
            Err(why) => return Err(why),
        }
    };
    findings.check("joins_again_after_s", recovered, Bound::AtMost(RECOVERED), 1);
    let figures = node.figures().await?;
    let refused = figures.sum("starling_http_connections_refused_total");
    findings.check("refusals_counted", refused, Bound::AtLeast(1.0), opened);
    let alive = f64::from(u8::from(node.ended().is_none()));
    findings.check("alive", alive, Bound::Exactly(1.0), 1);
    Ok(())
}

async fn join(context: &Context, node: &Node) -> Result<(), Failure> {
    let peer = format!("late-{}", rand::random::<u32>());
    let token = node.token("talk", &peer)?;
    let wish = Wish { consume: true, keep: false };
    let room = ("talk", peer.as_str());
    let entering = Client::enter(&node.url, room, Some(&token), &context.identity, wish);
    timeout(Duration::from_secs(2), entering).await??.leave().await;
    Ok(())
}
