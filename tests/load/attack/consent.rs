//! T-M10: a client that says nothing any more, neither on its transports nor over its WebSocket,
//! while everything goes on to it.

use std::time::{Duration, Instant};

use tokio::time::{interval, timeout};

use super::{
    Context,
    findings::{Bound, Findings},
    people::People,
};
use crate::client::{Client, Failure, Wish};

/// What RFC 7675 §5.1 allows, and what is left to be freed in.
const CONSENT: f64 = 30.0;
const FREED: f64 = 5.0;
/// Longer than both.
const WATCH: Duration = Duration::from_secs(45);

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M10").await?;
    let people = People::gather(&node, "talk", &context.identity, 2, 0).await?;
    let transports = "starling_transports";
    let before = node.figures().await?.sum(transports);
    let token = node.token("talk", "gone")?;
    let (room, wish) = (("talk", "gone"), Wish { consume: true, keep: true });
    let gone = Client::enter(&node.url, room, Some(&token), &context.identity, wish).await?;
    let mut arriving = gone.down.listen();
    timeout(Duration::from_secs(5), arriving.recv()).await?.ok_or("nothing comes to it")?;
    gone.go_dead();
    let dead = Instant::now();
    let (mut last, mut freed) = (Duration::ZERO, None);
    let mut ticks = interval(Duration::from_millis(100));
    while dead.elapsed() < WATCH
        && (freed.is_none() || last + Duration::from_secs(3) > dead.elapsed())
    {
        ticks.tick().await;
        while arriving.try_recv().is_ok() {
            last = dead.elapsed();
        }
        if freed.is_none() && node.figures().await?.sum(transports) <= before {
            freed = Some(dead.elapsed());
        }
    }
    let stopped = last.as_secs_f64();
    findings.check("media_stopped_after_s", stopped, Bound::AtMost(CONSENT), 1);
    let freed = freed.map_or(f64::NAN, |it| it.as_secs_f64());
    findings.check("freed_after_s", freed, Bound::AtMost(CONSENT + FREED), 1);
    let window = people.quiet(&node, Duration::from_secs(1)).await;
    super::people::unharmed(findings, &window);
    Ok(())
}
