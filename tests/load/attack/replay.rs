//! T-M08: every packet is sent three times, and their numbers roll over meanwhile.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    Context,
    findings::{Bound, Findings},
};
use crate::{
    client::{Client, Failure, Wish, produce},
    shape::{Shape, Source},
};

/// Of a microphone: far from everybody's.
const SSRC: u32 = 910_000;
const PACKETS: u64 = 5_000;
/// So that the rollover comes after 2,536 of them.
const FIRST: u16 = 63_000;
/// Between two: four times as fast as speech.
const APART: Duration = Duration::from_millis(2);
/// How much later a packet may be sent again that must not arrive again.
const LATER: usize = 700;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M08").await?;
    let join = async |peer: &str| {
        let token = node.token("replay", peer)?;
        let wish = Wish { consume: true, keep: true };
        let room = ("replay", peer);
        Client::enter(&node.url, room, Some(&token), &context.identity, wish).await
    };
    let (listener, speaker) = (join("listener").await?, join("speaker").await?);
    let source = produce(&speaker, Shape::Audio, SSRC).await?;
    let mut source: Source = source.with_sequence(FIRST);
    // Its consumer is there before the first packet.
    sleep(Duration::from_millis(500)).await;
    let before = node.figures().await?;
    let packets = context.scale(PACKETS / 5, PACKETS);
    let skipped = if context.short { 2_400 } else { 0 };
    source = source.with_sequence(FIRST.wrapping_add(skipped));
    let (mut frame, mut sealed) = (Vec::new(), Vec::new());
    for n in 0..packets as usize {
        source.frame(&mut frame);
        sealed.push(speaker.up.seal(&frame)?);
        let again = n.checked_sub(LATER).map(|then| &sealed[then]);
        for bytes in [&sealed[n], &sealed[n]].into_iter().chain(again) {
            while !speaker.up.send_bytes(bytes) {
                sleep(APART).await;
            }
        }
        sleep(APART).await;
    }
    for bytes in &sealed[sealed.len() - LATER..] {
        while !speaker.up.send_bytes(bytes) {
            sleep(APART).await;
        }
        if bytes[3] % 8 == 0 {
            sleep(APART).await;
        }
    }
    sleep(Duration::from_millis(500)).await;
    let after = node.figures().await?;
    let measure = listener.down.measure();
    let of = |name: &str| after.sum(name) - before.sum(name);
    let label = "reason=\"srtp\"";
    let refused = after.labelled("starling_dropped_total", label)
        - before.labelled("starling_dropped_total", label);
    let all = packets as f64;
    findings.check("received", measure.received() as f64, Bound::Exactly(all), packets);
    findings.check("received_twice", measure.duplicates as f64, Bound::Exactly(0.0), packets);
    findings.check("lost", measure.lost() as f64, Bound::Exactly(0.0), packets);
    let taken = of("starling_rtp_received_total");
    findings.check("taken_by_the_node", taken, Bound::Exactly(all), packets);
    findings.check("repetitions_refused", refused, Bound::Exactly(2.0 * all), 2 * packets);
    Ok(())
}
