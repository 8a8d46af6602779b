//! Bytes on the heap per consumer of video, after a key frame and three seconds of it.

use std::{io, time::Duration};

use starling_proto::transport::SrtpProfile;

use super::{forward::source, report::Report};
use crate::{drive::Driver, memory::live_bytes, shape::Shape, sink::Sink, subject::Subject};

const SHAPE: Shape = Shape::Video;
/// With the publisher's, tables of a power of two are nearly full at each step.
const COUNT: usize = 250;
const INTERVAL: Duration = Duration::from_millis(4);

pub(crate) fn run(report: &mut Report) -> io::Result<()> {
    report.title("heap of the worker, bytes");
    let profile = Some(SrtpProfile::AeadAes128Gcm);
    let sink = Sink::counting()?;
    let subject = Subject::start(SHAPE, profile)?;
    let (mut driver, mut source) = (Driver::new(true)?, source(SHAPE, profile));
    subject.more_receivers(SHAPE, &sink, 0..1)?;
    // The publisher's ring and the plane's buffers have their size after this.
    driver.send(&mut source, subject.target(), 270, INTERVAL);
    let mut settle = || -> io::Result<i64> {
        driver.send(&mut source, subject.target(), 180, INTERVAL);
        subject.counters()?;
        Ok(live_bytes())
    };
    let empty = settle()?;
    subject.more_receivers(SHAPE, &sink, 1..COUNT + 1)?;
    let one = settle()?;
    subject.second_consumers(SHAPE, 1..COUNT + 1)?;
    let two = settle()?;
    let each = |bytes: i64| bytes as f64 / COUNT as f64;
    report.line(&format!(
        "per consumer {:.0}; per transport with its first consumer {:.0} (n = {COUNT})",
        each(two - one),
        each(one - empty)
    ));
    report.put(&format!("memory_consumer_bytes_mean_n{COUNT}"), each(two - one));
    report.put(&format!("memory_transport_and_consumer_bytes_mean_n{COUNT}"), each(one - empty));
    Ok(())
}
