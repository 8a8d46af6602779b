//! T-M13: ten thousand SSRCs that nobody was told of, on one transport; among them those that
//! somebody else in the room has.

use std::time::Duration;

use rand::{SeedableRng, rngs::SmallRng};
use tokio::time::sleep;

use super::{
    Context,
    findings::{Bound, Findings},
    forge,
    people::{People, ssrc, unharmed},
};
use crate::{
    client::{Client, Failure, Wish, produce},
    shape::Shape,
};

const SSRCS: u32 = 10_000;
/// Of every so many one is somebody else's.
const STOLEN: u32 = 10;
/// What the transport may keep of all that.
const GROWN: f64 = 2e6;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M13").await?;
    let people = People::gather(&node, "talk", &context.identity, 3, 1).await?;
    let token = node.token("talk", "many")?;
    let (room, wish) = (("talk", "many"), Wish { consume: false, keep: true });
    let many = Client::enter(&node.url, room, Some(&token), &context.identity, wish).await?;
    // It may speak: its transport is one that packets are taken from.
    produce(&many, Shape::Audio, 990_000).await?;
    sleep(Duration::from_millis(500)).await;
    let before = node.figures().await?;
    let mut rng = SmallRng::seed_from_u64(13);
    let (window, sent) = people
        .window(&node, async {
            let mut sent = 0_u64;
            for n in 0..SSRCS {
                let number = if n % STOLEN == 0 {
                    [ssrc(0, Shape::Audio), ssrc(0, Shape::Video)][(n / STOLEN) as usize % 2]
                } else {
                    2_000_000 + n
                };
                let packet = forge::rtp(100, number, n as u16, &mut rng);
                let Ok(sealed) = many.up.seal(&packet) else { continue };
                sent += u64::from(many.up.send_bytes(&sealed));
                if n % 10 == 0 {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            sleep(Duration::from_millis(300)).await;
            sent
        })
        .await;
    let after = node.figures().await?;
    let label = "reason=\"unknown_stream\"";
    let dropped = after.labelled("starling_dropped_total", label)
        - before.labelled("starling_dropped_total", label);
    findings.check("sent", sent as f64, Bound::Exactly(f64::from(SSRCS)), 1);
    findings.check("dropped_and_counted", dropped, Bound::Exactly(sent as f64), sent);
    unharmed(findings, &window);
    let twice = window.duplicates as f64;
    findings.check("heard_of_somebody_elses", twice, Bound::Exactly(0.0), sent);
    findings.check("memory_grown_bytes", window.grown, Bound::AtMost(GROWN), sent);
    Ok(())
}
