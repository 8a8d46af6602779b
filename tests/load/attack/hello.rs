//! T-M05: others' ClientHellos while a client sets up its transport (CVE-2023-49786 and its kin).

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    Context,
    findings::{Bound, Findings},
    flood::{Flood, answered, strangers},
    forge,
};
use crate::{
    bench::percentile,
    client::{Failure, Signal, connect, door, transport},
    node::Node,
};

/// Hellos a second, and tuples they come from.
const RATE: u32 = 10_000;
const TUPLES: usize = 1_000;
/// More than are sent before it is stopped.
const ENDLESS: u64 = 10_000_000;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M05").await?;
    let setups = context.scale(20, 200);
    // The first ones warm both sides up.
    times(context, &node, 5).await;
    let quiet = times(context, &node, setups).await;
    let make = |n: u64, out: &mut Vec<u8>| out.extend_from_slice(&forge::null_hello(n));
    let flood = Flood::start(strangers(TUPLES)?, node.media, RATE, ENDLESS, make);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let attacked = times(context, &node, setups).await;
    let (sent, sockets) = flood.stop().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (replies, _) = answered(&sockets);
    let n = setups as u64;
    findings.check("setups_percent", share(&attacked, setups), Bound::Exactly(100.0), n);
    findings.tell("quiet_p50_ms", percentile(&quiet, 50.0), n);
    findings.tell("quiet_p99_ms", percentile(&quiet, 99.0), n);
    findings.tell("attacked_p50_ms", percentile(&attacked, 50.0), n);
    let most = Bound::AtMost(1.5 * percentile(&quiet, 99.0));
    findings.time("attacked_p99_ms", percentile(&attacked, 99.0), most, n);
    findings.check("answers_to_strangers", replies as f64, Bound::Exactly(0.0), sent);
    findings.tell("hellos_sent", sent as f64, sent);
    Ok(())
}

fn share(done: &[f64], of: usize) -> f64 {
    100.0 * done.len() as f64 / of as f64
}

/// Milliseconds from the first check to the keys, of each setup that came about.
async fn times(context: &Context, node: &Node, setups: usize) -> Vec<f64> {
    let mut times = Vec::new();
    for n in 0..setups {
        match time(context, node, n).await {
            Ok(took) => times.push(took.as_secs_f64() * 1e3),
            Err(why) => eprintln!("  setup {n}: {why}"),
        }
    }
    times
}

async fn time(context: &Context, node: &Node, n: usize) -> Result<Duration, Failure> {
    let (room, peer) = ("race", format!("runner-{n}"));
    let token = node.token(room, &peer)?;
    let signal = Signal::connect(&door(&node.url, room, &peer, Some(&token))).await?;
    signal.request("getRouterRtpCapabilities", json!({})).await?;
    let (_, info) = transport(&signal, "producer").await?;
    let began = Instant::now();
    let line = connect(&signal, &info, &context.identity, false).await?;
    let took = began.elapsed();
    drop(line);
    signal.close().await;
    Ok(took)
}
