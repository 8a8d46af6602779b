//! T-M04: a check that was seen on its way is sent again from somewhere else, so that media should
//! go there.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::UdpSocket, time::sleep};

use super::{
    Context,
    findings::{Bound, Findings},
    people::{People, unharmed},
};
use crate::client::Failure;

/// How often it is sent again, and how far apart.
const TIMES: u64 = 200;
const APART: Duration = Duration::from_millis(10);
/// Of the victim's checks: a number that no other of its has.
const CAPTURED: u64 = 777_000;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M04").await?;
    let people = People::gather(&node, "talk", &context.identity, 3, 1).await?;
    let victim = &people.all[2].client.down;
    let thief = UdpSocket::bind("127.0.0.77:0").await?;
    let to = SocketAddr::V4(node.media);
    let captured = victim.check(CAPTURED);
    victim.send_bytes(&captured);
    sleep(Duration::from_millis(100)).await;
    let (window, ()) = people
        .window(&node, async {
            for _ in 0..TIMES {
                let _ = thief.send_to(&captured, to).await;
                sleep(APART).await;
            }
            sleep(Duration::from_secs(1)).await;
        })
        .await;
    let stolen = heard(&thief);
    findings.check("datagrams_to_the_thief", stolen as f64, Bound::Exactly(0.0), TIMES);
    unharmed(findings, &window);

    // On the way instead of beside it: the thief's copy comes and the victim's never does. That is
    // a check like any other, until the victim says something itself.
    let kept = victim.check(CAPTURED + 1);
    thief.send_to(&kept, to).await?;
    sleep(Duration::from_millis(300)).await;
    let until_heard = heard(&thief);
    findings.tell("datagrams_to_who_keeps_a_check_from_arriving", until_heard as f64, 1);
    let next = victim.check(CAPTURED + 2);
    victim.send_bytes(&next);
    sleep(Duration::from_secs(1)).await;
    heard(&thief);
    let (window, ()) = people.window(&node, sleep(Duration::from_secs(2))).await;
    let still = heard(&thief) as f64;
    findings.check("and_after_the_victims_next_check", still, Bound::Exactly(0.0), 1);
    unharmed(findings, &window);
    Ok(())
}

fn heard(socket: &UdpSocket) -> u64 {
    let mut buffer = [0; 2_048];
    let mut count = 0;
    while socket.try_recv_from(&mut buffer).is_ok() {
        count += 1;
    }
    count
}
