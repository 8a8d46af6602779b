//! What forwarding adds to a packet's way at half load, beside the bare loop at the same load.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use starling_media::srtp::Receiver;
use starling_proto::transport::SrtpProfile;

use super::{
    forward::source,
    report::{Report, percentile},
};
use crate::{
    drive::Driver,
    floor::{Floor, FloorConfig},
    measure::Measure,
    shape::{self, Shape},
    sink::Sink,
    subject::{Subject, ssrc},
};

const RECEIVERS: usize = 100;
/// One receiver in so many is decrypted and measured.
const SAMPLE: usize = 16;
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
/// Between two frames, however fast the worker: 215,000 packets a second are what the receivers'
/// thread takes on a machine of two cores, and its queue is not what is measured.
const SHORTEST: Duration = Duration::from_millis(4);
/// Between two frames, were the worker ever so slow: the run is bounded.
const LONGEST: Duration = Duration::from_millis(10);
/// Packets of an average frame, with its share of key frames.
const FRAME: f64 = (89.0 * 8.0 + 60.0) / 90.0;

/// A sink that decrypts a sample.
pub(super) fn sampling(profile: Option<SrtpProfile>) -> io::Result<(Sink, Arc<Mutex<Measure>>)> {
    let measure = Arc::new(Mutex::new(Measure::default()));
    let receivers = (0..RECEIVERS).step_by(SAMPLE).map(|n| {
        let receiver = profile.map(|profile| {
            Receiver::new(profile, &shape::key(profile, n)).expect("keys of the profile's length")
        });
        (ssrc(n), receiver)
    });
    let (mut receivers, into) = (receivers.collect::<HashMap<_, _>>(), Arc::clone(&measure));
    let sink = Sink::reading(move |packet| {
        let Some(ssrc) = packet.get(8..12).and_then(|it| it.first_chunk()) else { return };
        let Some(keys) = receivers.get_mut(&u32::from_be_bytes(*ssrc)) else { return };
        let len = match keys {
            Some(keys) => keys.unprotect_rtp(packet),
            None => Some(packet.len()),
        };
        if let Some(packet) = len.and_then(|len| packet.get(..len)) {
            into.lock().unwrap_or_else(PoisonError::into_inner).take(packet);
        }
    })?;
    Ok((sink, measure))
}

pub(super) fn taken(measure: &Mutex<Measure>) -> Measure {
    measure.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Prints percentiles and keeps them.
pub(super) fn tell(report: &mut Report, name: &str, key: &str, measure: &Measure) {
    let at = |percent| percentile(&measure.delays, percent) / 1e3;
    report.line(&format!(
        "{name:10}{:>10.0}{:>10.0}{:>10.0}{:>12}{:>8}{:>11}{:>12}",
        at(50.0),
        at(99.0),
        at(99.9),
        measure.received(),
        measure.lost(),
        measure.reordered,
        measure.duplicates
    ));
    for (percent, text) in [(50.0, "p50"), (99.0, "p99"), (99.9, "p999")] {
        report.put(&format!("{key}_{text}_us"), at(percent));
    }
    report.put(&format!("{key}_n"), measure.received() as f64);
    report.put(&format!("{key}_lost"), measure.lost() as f64);
    report.put(&format!("{key}_reordered"), measure.reordered as f64);
    report.put(&format!("{key}_duplicates"), measure.duplicates as f64);
}

pub(super) const HEAD: &str =
    "                 p50       p99     p99.9     packets    lost  reordered  duplicates";

pub(crate) fn run(report: &mut Report, rounds: usize) -> io::Result<()> {
    let profile = Some(PROFILE);
    let (worker_sink, worker_measure) = sampling(profile)?;
    let (floor_sink, floor_measure) = sampling(profile)?;
    let subject = Subject::start(Shape::Video, profile)?;
    subject.receivers(Shape::Video, &worker_sink, RECEIVERS)?;
    let config = FloorConfig { profile, receivers: RECEIVERS, gso: true, sockets: false };
    let floor = Floor::start(config, &floor_sink)?;
    let (mut to_worker, mut to_floor) = (Driver::new(true)?, Driver::new(true)?);
    let (mut first, mut second) = (source(Shape::Video, profile), source(Shape::Video, profile));
    let before = subject.spent()?;
    to_worker.send(&mut first, subject.target(), 90, Duration::from_millis(8));
    let after = subject.spent()?;
    let cost = (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64;
    let interval = Duration::from_nanos((cost * FRAME * RECEIVERS as f64 * 2.0) as u64);
    let interval = interval.clamp(SHORTEST, LONGEST);
    report.title(&format!(
        "added latency, us: bursts to {RECEIVERS} receivers with GCM at half load or 4 ms \
         (a frame each {interval:?})"
    ));
    report.line(HEAD);
    to_floor.send(&mut second, floor.target(), 90, interval);
    for measure in [&worker_measure, &floor_measure] {
        measure.lock().unwrap_or_else(PoisonError::into_inner).delays.clear();
    }
    for _ in 0..rounds {
        to_worker.send(&mut first, subject.target(), 360, interval);
        std::thread::sleep(Duration::from_millis(50));
        to_floor.send(&mut second, floor.target(), 360, interval);
        std::thread::sleep(Duration::from_millis(50));
    }
    let (worker, floor) = (taken(&worker_measure), taken(&floor_measure));
    tell(report, "starling", "latency_burst_gcm_100", &worker);
    tell(report, "floor", "latency_burst_gcm_100_floor", &floor);
    for (percent, text) in [(50.0, "p50"), (99.0, "p99"), (99.9, "p999")] {
        let ratio =
            percentile(&worker.delays, percent) / percentile(&floor.delays, percent).max(1.0);
        report.put(&format!("latency_burst_gcm_100_{text}_ratio"), ratio);
        report.line(&format!("{text} is {ratio:.2} times the floor's"));
    }
    Ok(())
}
