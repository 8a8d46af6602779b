//! CPU of a forwarded packet: a worker's thread beside the bare loop's, taking turns in one run.

use std::{
    io,
    net::SocketAddrV4,
    thread,
    time::{Duration, Instant},
};

use starling_media::srtp::Sender;
use starling_proto::transport::SrtpProfile;

use super::report::{Report, least, median};
use crate::{
    drive::Driver,
    floor::{Floor, FloorConfig},
    shape::{self, Shape, Source},
    sink::Sink,
    subject::{SSRC, Subject},
};

/// How the packets of a cell are protected.
pub(crate) const PROTECTIONS: [(&str, Option<SrtpProfile>); 3] = [
    ("plain", None),
    ("gcm", Some(SrtpProfile::AeadAes128Gcm)),
    ("cm", Some(SrtpProfile::AesCm128HmacSha1_80)),
];
/// Receivers of one stream.
pub(crate) const RECEIVERS: [usize; 4] = [1, 10, 100, 500];

/// Turns in a row after which a ring has its size: one is 800 packets, and a ring holds 1,024.
const REFILL: usize = 2;
/// Longest wait for the last packet of a turn.
const LATE: Duration = Duration::from_secs(3);

/// One turn of a cell: so many frames, one each so often. Few receivers get them faster than people
/// would, so that a turn costs milliseconds of CPU.
const fn pace(shape: Shape, receivers: usize) -> (u32, Duration) {
    let (frames, micros) = match (shape, receivers) {
        (Shape::Audio, ..10) => (400, 1_000),
        (Shape::Audio, ..100) => (300, 1_000),
        (Shape::Audio, ..500) => (120, 2_500),
        (Shape::Audio, _) => (60, 10_000),
        (Shape::Video, ..100) => (90, 3_333),
        (Shape::Video, ..500) => (90, 8_333),
        (Shape::Video, _) => (90, 33_333),
    };
    (frames, Duration::from_micros(micros))
}

pub(crate) fn source(shape: Shape, profile: Option<SrtpProfile>) -> Source {
    let srtp = profile.map(|profile| {
        Sender::new(profile, &shape::key(profile, usize::MAX))
            .expect("keys of the profile's length")
    });
    Source::new(shape, SSRC, srtp)
}

/// What one cell of the table came to, in nanoseconds per packet, one entry per round.
#[derive(Default)]
pub(crate) struct Cell {
    pub(crate) worker: Vec<f64>,
    pub(crate) floor: Vec<f64>,
    pub(crate) single: Vec<f64>,
    pub(crate) allocations: f64,
    pub(crate) lost: f64,
}

impl Cell {
    /// Least of the worker's over least of the floor's.
    pub(crate) fn ratio(&self) -> f64 {
        least(&self.worker) / least(&self.floor)
    }

    /// Median of the rounds' ratios.
    fn median_ratio(&self) -> f64 {
        let rounds = self.worker.iter().zip(&self.floor);
        median(&rounds.map(|(worker, floor)| worker / floor).collect::<Vec<_>>())
    }
}

/// One thing measured, with its own publisher.
struct Lane<'a> {
    source: Source,
    driver: Driver,
    target: SocketAddrV4,
    receivers: usize,
    spent: Box<dyn Fn() -> io::Result<(u64, u64)> + 'a>,
}

impl Lane<'_> {
    /// Nanoseconds per packet of one turn, and packets forwarded.
    fn turn(&mut self, frames: u32, interval: Duration) -> io::Result<(f64, u64)> {
        let ((cpu, packets), sent) = ((self.spent)()?, self.source.packets());
        self.driver.send(&mut self.source, self.target, frames, interval);
        // A thread that others keep from its core is late, and that is not what is measured.
        let expected = packets + (self.source.packets() - sent) * self.receivers as u64;
        let deadline = Instant::now() + LATE;
        let (cpu_after, packets_after) = loop {
            let spent = (self.spent)()?;
            if spent.1 >= expected {
                break spent;
            }
            if Instant::now() > deadline {
                let text = format!("{} of {expected} packets were forwarded", spent.1);
                return Err(io::Error::other(text));
            }
            thread::sleep(Duration::from_millis(20));
        };
        let packets = packets_after - packets;
        Ok(((cpu_after - cpu) as f64 / packets.max(1) as f64, packets))
    }
}

/// Measures one cell.
pub(crate) fn cell(
    shape: Shape,
    profile: Option<SrtpProfile>,
    receivers: usize,
    rounds: usize,
    singles: usize,
) -> io::Result<Cell> {
    let sink = Sink::counting()?;
    let subject = Subject::start(shape, profile)?;
    subject.receivers(shape, &sink, receivers)?;
    let config = FloorConfig { profile, receivers, gso: true, sockets: profile.is_none() };
    let floor = Floor::start(config, &sink)?;
    let bare = Floor::start(FloorConfig { gso: false, ..config }, &sink)?;
    let lane = |target, spent| -> io::Result<Lane<'_>> {
        let source = source(shape, profile);
        Ok(Lane { source, driver: Driver::new(true)?, target, receivers, spent })
    };
    let mut worker = lane(subject.target(), Box::new(|| subject.spent()))?;
    let mut with_gso = lane(floor.target(), Box::new(|| Ok(floor.spent())))?;
    let mut without = lane(bare.target(), Box::new(|| Ok(bare.spent())))?;
    let (frames, interval) = pace(shape, receivers);
    // The first key frame starts every receiver; after the second the publisher's ring and the
    // plane's buffers have their size.
    let quickly = interval.min(Duration::from_millis(8));
    worker.turn(2 * shape.period().max(45), quickly)?;
    with_gso.turn(30, quickly)?;
    let mut cell = Cell::default();
    let (mut forwarded, mut lost) = (0, 0);
    for round in 0..rounds {
        let got = sink.received();
        let (cost, packets) = worker.turn(frames, interval)?;
        lost += packets.saturating_sub(sink.received() - got);
        forwarded += packets;
        cell.worker.push(cost);
        cell.floor.push(with_gso.turn(frames, interval)?.0);
        if round < singles {
            cell.single.push(without.turn(frames, interval)?.0);
        }
    }
    // A stream's ring gives its buffers back in the silence of the others' turns, and takes them
    // again until it is full.
    for _ in 0..REFILL {
        worker.turn(frames, interval)?;
    }
    let before = subject.allocations()?;
    let (_, packets) = worker.turn(frames, interval)?;
    cell.allocations = (subject.allocations()? - before) as f64 / packets.max(1) as f64;
    cell.lost = lost as f64 / forwarded.max(1) as f64;
    Ok(cell)
}

/// The table.
pub(crate) fn run(
    report: &mut Report,
    rounds: usize,
    wanted: &dyn Fn(&str) -> bool,
) -> io::Result<()> {
    report.title(
        "CPU of a forwarded packet, ns (least of the rounds; floor: bare loop in the same run)",
    );
    report.line(&format!(
        "{:7}{:6}{:>10}{:>10}{:>10}{:>12}{:>8}{:>9}{:>10}{:>10}",
        "shape",
        "srtp",
        "receivers",
        "starling",
        "floor",
        "floor-nogso",
        "ratio",
        "median",
        "allocs/p",
        "sink loss"
    ));
    for shape in [Shape::Video, Shape::Audio] {
        for (name, profile) in PROTECTIONS {
            let mut by_count = Vec::new();
            for receivers in RECEIVERS {
                let key = format!("forward_{}_{name}_{receivers}", shape.name());
                if !wanted(&key) {
                    continue;
                }
                let rounds =
                    if receivers == 500 && shape == Shape::Video { rounds.min(3) } else { rounds };
                let cell = cell(
                    shape,
                    profile,
                    receivers,
                    rounds,
                    if receivers == 500 { 1 } else { rounds },
                )?;
                report.line(&format!(
                    "{:7}{:6}{:>10}{:>10.0}{:>10.0}{:>12.0}{:>8.2}{:>9.2}{:>10.5}{:>10.4}",
                    shape.name(),
                    name,
                    receivers,
                    least(&cell.worker),
                    least(&cell.floor),
                    least(&cell.single),
                    cell.ratio(),
                    cell.median_ratio(),
                    cell.allocations,
                    cell.lost,
                ));
                keep(report, &key, rounds, &cell);
                by_count.push((receivers, least(&cell.worker)));
            }
            if let [_, (10, ten), _, (500, most)] = by_count[..] {
                report.line(&format!(
                    "{:7}{:6} growth from 10 to 500 receivers: {:.2}",
                    shape.name(),
                    name,
                    most / ten
                ));
                report.put(&format!("growth_{}_{name}_10_to_500", shape.name()), most / ten);
            }
        }
    }
    Ok(())
}

fn keep(report: &mut Report, key: &str, rounds: usize, cell: &Cell) {
    report.put(&format!("{key}_ns_min_n{rounds}"), least(&cell.worker));
    report.put(&format!("{key}_floor_ns_min_n{rounds}"), least(&cell.floor));
    report.put(&format!("{key}_floor_nogso_ns_min"), least(&cell.single));
    report.put(&format!("{key}_ratio_of_min_n{rounds}"), cell.ratio());
    report.put(&format!("{key}_ratio_median_n{rounds}"), cell.median_ratio());
    report.put(&format!("{key}_allocations_per_packet"), cell.allocations);
}
