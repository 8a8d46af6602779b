//! A room on one worker and on two: packets per second that a core forwards, and what the second
//! core costs. As the room's actors have it: half of the receivers on the worker of the publisher,
//! half on another one, with a pipe between them.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use starling_actors::worker::PipeOut;
use starling_media::{Command, ConsumerKey, PipeKey, ProducerKey, TransportKey};
use starling_proto::{rtp::RtpType, transport::SrtpProfile};

use super::{
    forward::source,
    report::{Report, least},
};
use crate::{
    drive::Driver,
    shape::{Shape, Source},
    sink::Sink,
    subject::{SSRC, Subject},
};

const SHAPE: Shape = Shape::Video;
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
/// A room that one core is full of.
const RECEIVERS: usize = 300;
/// Frames of a turn, one each so often: 240 packets a second as from a camera, for each receiver,
/// four times as fast.
const FRAMES: u32 = 90;
const INTERVAL: Duration = Duration::from_micros(8_333);
/// Of the pipe, at both workers.
const TRANSPORT: TransportKey = TransportKey(7);
const PIPE: PipeKey = PipeKey(4);
/// Of the stream, as the publisher's router numbers it.
const MAPPED: u32 = SSRC + 7;
/// Longest wait for the last packet of a turn.
const LATE: Duration = Duration::from_secs(3);

/// A publisher and the workers of its room.
struct Room {
    workers: Vec<Subject>,
    driver: Driver,
    source: Source,
    _sinks: Vec<Sink>,
}

impl Room {
    fn start(workers: usize) -> io::Result<Self> {
        let (mut subjects, mut sinks) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (subject, sink) = (Subject::start(SHAPE, Some(PROFILE))?, Sink::counting()?);
            subject.receivers(SHAPE, &sink, RECEIVERS / workers)?;
            subjects.push(subject);
            sinks.push(sink);
        }
        if let [near, far] = &subjects[..] {
            pipe(near, far)?;
        }
        let (driver, source) = (Driver::new(true)?, source(SHAPE, Some(PROFILE)));
        let mut room = Self { workers: subjects, driver, source, _sinks: sinks };
        // The first key frame starts every receiver; after the second all buffers have their size.
        room.turn(2 * SHAPE.period(), Duration::from_millis(8))?;
        Ok(room)
    }

    /// CPU nanoseconds and packets forwarded to receivers, of each worker, in one turn.
    fn turn(&mut self, frames: u32, interval: Duration) -> io::Result<Vec<(u64, u64)>> {
        let (before, sent) = (self.spent()?, self.source.packets());
        let target = self.workers[0].target();
        self.driver.send(&mut self.source, target, frames, interval);
        let expected = (self.source.packets() - sent) * RECEIVERS as u64;
        let deadline = Instant::now() + LATE;
        loop {
            let spent: Vec<_> = self.spent()?.iter().zip(&before).map(minus).collect();
            let forwarded: u64 = spent.iter().map(|(_, packets)| packets).sum();
            if forwarded >= expected || Instant::now() > deadline {
                return Ok(spent);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn spent(&self) -> io::Result<Vec<(u64, u64)>> {
        let of = |worker: &Subject| {
            let plane = worker.counters()?.plane;
            // Packets into the pipe are a cost, not a result.
            Ok((worker.cpu(), plane.rtp_forwarded - plane.piped_sent.min(plane.rtp_forwarded)))
        };
        self.workers.iter().map(of).collect()
    }
}

fn minus((after, before): (&(u64, u64), &(u64, u64))) -> (u64, u64) {
    (after.0 - before.0, after.1.saturating_sub(before.1))
}

fn pipe(near: &Subject, far: &Subject) -> io::Result<()> {
    for (from, to) in [(near, far), (far, near)] {
        from.worker().set_pipe_out(PIPE, PipeOut::Worker(to.worker().pipe_sink(PIPE)));
        from.tell(Command::AddPipe { transport: TRANSPORT, pipe: PIPE })?;
    }
    let (old, new) = (ProducerKey(1), ProducerKey(2));
    let params = Box::new(SHAPE.producer(MAPPED));
    far.tell(Command::Produce { transport: TRANSPORT, producer: new, params })?;
    far.tell(Command::ReplaceProducer { old, new })?;
    let params = Box::new(SHAPE.consumer(MAPPED, RtpType::Pipe));
    let consumer = ConsumerKey(1);
    near.tell(Command::Consume { transport: TRANSPORT, consumer, producer: old, params })?;
    near.settled()?;
    far.settled()
}

pub(crate) fn run(report: &mut Report, rounds: usize) -> io::Result<()> {
    report
        .title("a room of 300 receivers on one and on two workers (SRTP, least CPU of the rounds)");
    report.line(&format!(
        "{:>7}{:>10}{:>15}{:>10}{:>12}",
        "workers", "ns/packet", "packets/s/core", "node", "first core"
    ));
    let mut rooms = [Room::start(1)?, Room::start(2)?];
    let mut costs = [Vec::new(), Vec::new()];
    let mut share = [1.0, 0.0];
    for _ in 0..rounds {
        for ((room, costs), share) in rooms.iter_mut().zip(&mut costs).zip(&mut share) {
            let spent = room.turn(FRAMES, INTERVAL)?;
            let cpu: u64 = spent.iter().map(|(cpu, _)| cpu).sum();
            let packets: u64 = spent.iter().map(|(_, packets)| packets).sum();
            costs.push(cpu as f64 / packets.max(1) as f64);
            *share = spent[0].0 as f64 / cpu.max(1) as f64;
        }
    }
    for (n, (costs, share)) in costs.iter().zip(share).enumerate() {
        let (workers, cost) = (n + 1, least(costs));
        let per_core = 1e9 / cost;
        report.line(&format!(
            "{workers:>7}{cost:>10.0}{per_core:>15.0}{:>10.0}{:>11.0}%",
            per_core * workers as f64,
            share * 100.0
        ));
        report.put(&format!("cores_{workers}_ns_min_n{rounds}"), cost);
        report.put(&format!("cores_{workers}_packets_per_second_per_core"), per_core);
        report.put(&format!("cores_{workers}_first_core_share"), share);
    }
    Ok(())
}
