//! T-M09: a client whose certificate is not the one that its signalling announced.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{
    Context,
    findings::{Bound, Findings},
};
use crate::{
    bench::percentile,
    client::{Failure, Identity, Signal, announce, check, door, transport},
    node::Node,
};

/// Milliseconds from the first flight to the alert that ends it: two round trips of nothing here,
/// and what the node has to compute.
const AT_ONCE: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(12);

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M09").await?;
    let tries = context.scale(10, 100);
    let stranger = Identity::new()?;
    let (mut refused, mut times) = (0, Vec::new());
    for n in 0..tries {
        if let Some(took) = attempt(context, &node, &stranger, n).await? {
            refused += 1;
            times.push(took.as_secs_f64() * 1e3);
        }
    }
    // The last one is counted when its peer has heard of it.
    sleep(Duration::from_millis(300)).await;
    let figures = node.figures().await?;
    let share = 100.0 * f64::from(refused) / f64::from(tries);
    let n = u64::from(tries);
    findings.check("refused_percent", share, Bound::Exactly(100.0), n);
    findings.tell("handshake_and_refusal_p50_ms", percentile(&times, 50.0), n);
    let latest = percentile(&times, 100.0);
    findings.time("handshake_and_refusal_max_ms", latest, Bound::AtMost(AT_ONCE), n);
    let label = "reason=\"certificate\"";
    let counted = figures.labelled("starling_dtls_failed_total", label);
    findings.check("counted_by_reason", counted, Bound::Exactly(f64::from(tries)), n);
    Ok(())
}

/// How long it took from the handshake's beginning until the client was told; none if it was let
/// in.
async fn attempt(
    context: &Context,
    node: &Node,
    stranger: &Identity,
    n: u32,
) -> Result<Option<Duration>, Failure> {
    let (room, peer) = ("liars", format!("liar-{n}"));
    let token = node.token(room, &peer)?;
    let signal = Signal::connect(&door(&node.url, room, &peer, Some(&token))).await?;
    signal.request("getRouterRtpCapabilities", json!({})).await?;
    let (_, info) = transport(&signal, "producer").await?;
    announce(&signal, &info, &context.identity).await?;
    let checked = check(&info, true).await?;
    let began = Instant::now();
    let shaken = timeout(PATIENCE, checked.handshake(stranger)).await?;
    let took = began.elapsed();
    // Whoever leaves at once is not heard of any more.
    sleep(Duration::from_millis(50)).await;
    signal.close().await;
    Ok(shaken.is_err().then_some(took))
}
