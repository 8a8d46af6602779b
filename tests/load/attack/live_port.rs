//! T-M02: a million random datagrams and a million that are nearly valid, at the port that people
//! talk through.

use std::time::Duration;

use rand::{SeedableRng, rngs::SmallRng};

use super::{
    Context,
    findings::{Bound, Findings},
    flood::{Flood, answered, strangers},
    forge,
    people::{People, bystanders, ssrc},
};
use crate::{
    client::{Client, Failure, Wish},
    shape::Shape,
};

/// Those who talk.
const PEOPLE: usize = 10;
/// Strangers' sockets.
const STRANGERS: usize = 64;
/// What a node may keep of it.
const GROWN: f64 = 16e6;
/// The node answers nobody that fast: what comes later was not for this.
const LATE: Duration = Duration::from_millis(200);

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M02").await?;
    let people = People::gather(&node, "talk", &context.identity, PEOPLE, 0).await?;
    let (rate, count) = context.scale((20_000, 80_000), (50_000, 2_000_000));
    let valid = valid(context, &node).await?;
    let quiet = people.quiet(&node, Duration::from_secs(context.scale(3, 10))).await;
    let before = node.figures().await?;
    let mut rng = SmallRng::seed_from_u64(2);
    let (attacked, (sent, sockets)) = people
        .window(&node, async {
            let make = move |n: u64, out: &mut Vec<u8>| {
                if n.is_multiple_of(2) {
                    forge::junk(&mut rng, out);
                } else {
                    forge::mutated(&mut rng, &valid, out);
                }
            };
            let sockets = strangers(STRANGERS).unwrap_or_default();
            Flood::start(sockets, node.media, rate, count, make).done().await
        })
        .await;
    tokio::time::sleep(LATE).await;
    let after = node.figures().await?;
    let dropped = after.sum("starling_dropped_total") - before.sum("starling_dropped_total");
    let (replies, _) = answered(&sockets);
    findings.check("datagrams_sent", sent as f64, Bound::Exactly(count as f64), sent);
    findings.tell("dropped_and_counted_percent", 100.0 * dropped / sent as f64, sent);
    findings.check("answers_to_strangers", replies as f64, Bound::Exactly(0.0), sent);
    bystanders(findings, &quiet, &attacked, 2.0);
    findings.check("memory_grown_bytes", attacked.grown, Bound::AtMost(GROWN), sent);
    let lines = node.logged().lines().count() as f64;
    findings.check("log_lines", lines, Bound::AtMost(200.0), sent);
    Ok(())
}

/// What a client that may be here would send.
async fn valid(context: &Context, node: &crate::node::Node) -> Result<Vec<Vec<u8>>, Failure> {
    let (room, peer) = ("elsewhere", "nobody");
    let token = node.token(room, peer)?;
    let wish = Wish { consume: true, keep: false };
    let client =
        Client::enter(&node.url, (room, peer), Some(&token), &context.identity, wish).await?;
    let mut rng = SmallRng::seed_from_u64(1);
    let mut valid: Vec<_> = (0..8).map(|n| client.up.check(50_000 + n)).collect();
    for n in 0..8 {
        let plain = forge::rtp(100, ssrc(0, Shape::Audio), n, &mut rng);
        valid.push(client.up.seal(&plain)?.to_vec());
        valid.push(plain);
        valid.push(forge::null_hello(u64::from(n)));
    }
    for plain in forge::rtcp(ssrc(0, Shape::Audio)) {
        valid.push(client.up.seal_rtcp(&plain)?.to_vec());
        valid.push(plain);
    }
    Ok(valid)
}
