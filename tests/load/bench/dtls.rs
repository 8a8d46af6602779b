//! DTLS handshakes over a wire that loses a fifth of the datagrams each way.

use std::io;

use starling_actors::dtls::{Role, loss};

use super::report::Report;

const LOSS: f64 = 0.2;

pub(crate) fn run(report: &mut Report, count: usize) -> io::Result<()> {
    report.title(&format!(
        "DTLS: {count} handshakes with Chromium-like flights, 20 % of datagrams lost"
    ));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    for (role, name) in [(Role::Server, "server"), (Role::Client, "client")] {
        let result = runtime.block_on(loss::handshakes(role, count, LOSS, 2));
        report.line(&format!("as {name}: {result}"));
        for why in result.failed.iter().take(3) {
            report.line(why);
        }
        let key = format!("dtls_loss20_{name}_n{count}");
        report.put(&format!("{key}_failed"), result.failed.len() as f64);
        for (percent, text) in [(50, "p50"), (95, "p95"), (100, "max")] {
            let time = result.percentile(percent).as_secs_f64() * 1e3;
            report.put(&format!("{key}_{text}_ms"), time);
        }
    }
    Ok(())
}
