//! T-M06 and T-M07: packets that are nobody's, from a client's own address and from others: with
//! tags that do not fit, and without any.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::{SeedableRng, rngs::SmallRng};
use tokio::time::sleep;

use super::{
    Context,
    findings::{Bound, Findings},
    flood::{Flood, strangers},
    forge,
    people::{People, ssrc, unharmed},
};
use crate::{
    client::{Failure, Transport},
    shape::Shape,
};

/// From each side.
const FORGED: u64 = 10_000;
/// A second, so that nobody's buffer is what stops them.
const RATE: u32 = 10_000;
/// Payload type of a router's Opus: the first.
const OPUS: u8 = 100;
/// Counters are copied out every 10 ms.
const COUNTED: Duration = Duration::from_millis(100);

/// Sends from the address that the node knows, a millisecond's worth at a time.
async fn inject(line: &Transport, mut make: impl FnMut(u64) -> Vec<u8>) -> u64 {
    let mut sent = 0;
    for n in 0..FORGED {
        sent += u64::from(line.send_bytes(&make(n)));
        if n % u64::from(RATE / 1_000) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    sent
}

pub(super) async fn wrong_tags(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M06").await?;
    let people = People::gather(&node, "talk", &context.identity, 3, 0).await?;
    let victim = ssrc(0, Shape::Audio);
    let before = node.figures().await?;
    let (window, (own, others)) = people
        .window(&node, async {
            let mut rng = SmallRng::seed_from_u64(6);
            let line = &people.all[0].client.up;
            let own = inject(line, |n| forge::rtp(OPUS, victim, n as u16, &mut rng)).await;
            let mut rng = SmallRng::seed_from_u64(7);
            let make = move |n: u64, out: &mut Vec<u8>| {
                out.extend_from_slice(&forge::rtp(OPUS, victim, n as u16, &mut rng));
            };
            let sockets = strangers(16).unwrap_or_default();
            let (others, _) = Flood::start(sockets, node.media, RATE, FORGED, make).done().await;
            sleep(COUNTED).await;
            (own, others)
        })
        .await;
    let after = node.figures().await?;
    let dropped = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        let of = |it: &crate::figures::Figures| it.labelled("starling_dropped_total", &label);
        of(&after) - of(&before)
    };
    let (srtp, unknown) = (dropped("srtp"), dropped("unknown_source"));
    findings.check("from_its_own_address_counted", srtp, Bound::Exactly(own as f64), own);
    let wanted = Bound::Exactly(others as f64);
    findings.check("from_other_addresses_counted", unknown, wanted, others);
    findings.check("sent", (own + others) as f64, Bound::Exactly(2.0 * FORGED as f64), 1);
    unharmed(findings, &window);
    let twice = window.duplicates as f64;
    findings.check("forwarded", twice, Bound::Exactly(0.0), window.expected);
    Ok(())
}

pub(super) async fn in_the_clear(
    context: &Context,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let node = context.node("T-M07").await?;
    let people = People::gather(&node, "talk", &context.identity, 3, 1).await?;
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let camera = &people.all[0].client.up;
    camera.look(Box::new(move |rtcp, packet| {
        if rtcp {
            count.fetch_add(forge::key_frames_asked(packet), Relaxed);
        }
    }));
    // Requests for the first key frame are over by now.
    sleep(Duration::from_secs(2)).await;
    let before = node.figures().await?;
    asked.store(0, Relaxed);
    let published = [ssrc(0, Shape::Video), ssrc(0, Shape::Audio)];
    let mut forged: Vec<_> = published.iter().flat_map(|ssrc| forge::rtcp(*ssrc)).collect();
    let mut rng = SmallRng::seed_from_u64(8);
    forged.extend((0..10).map(|n| forge::rtp(OPUS, published[1], n, &mut rng)));
    let (window, (own, others)) = people
        .window(&node, async {
            let of = |n: u64| forged[n as usize % forged.len()].clone();
            // As the sender of the picture, and as one of its receivers.
            let mut own = inject(camera, of).await;
            own += inject(&people.all[1].client.down, of).await;
            let all = forged.clone();
            let make = move |n: u64, out: &mut Vec<u8>| {
                out.extend_from_slice(&all[n as usize % all.len()]);
            };
            let sockets = strangers(16).unwrap_or_default();
            let (others, _) = Flood::start(sockets, node.media, RATE, FORGED, make).done().await;
            sleep(COUNTED).await;
            (own, others)
        })
        .await;
    let after = node.figures().await?;
    let of = |name: &str| after.sum(name) - before.sum(name);
    let (asked, sent) = (asked.load(Relaxed) as f64, own + others);
    findings.check("sent", sent as f64, Bound::Exactly(3.0 * FORGED as f64), 1);
    findings.check("key_frames_asked_of_the_camera", asked, Bound::Exactly(0.0), sent);
    let nacks = of("starling_nacks_received_total");
    findings.check("nacks_believed", nacks, Bound::Exactly(0.0), sent);
    let again = of("starling_rtp_retransmitted_total");
    findings.check("sent_again", again, Bound::Exactly(0.0), sent);
    let dropped = of("starling_dropped_total");
    findings.check("dropped_and_counted", dropped, Bound::Exactly(sent as f64), sent);
    unharmed(findings, &window);
    Ok(())
}
