//! A packet's way from one node's worker to another's over QUIC, beside the same way as SRTP over
//! UDP.

use std::{fs, io, sync::Arc, thread, time::Duration};

use starling_actors::worker::PipeOut;
use starling_cluster::link::{
    DevCa, Link, LinkConfig, LinkEndpoint, LinkEvent, LinkTls, PacketClass, Target,
};
use starling_media::{Command, ConsumerKey, PipeKey, ProducerKey, TransportKey, command::SrtpKeys};
use starling_proto::{Id, NodeId, flow::FlowId, rtp::RtpType, transport::SrtpProfile};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
};

use super::{
    forward::source,
    latency::{HEAD, sampling, taken, tell},
    report::{Report, least, median, percentile},
};
use crate::{
    drive::Driver,
    shape::{self, Shape, Source},
    subject::{SSRC, Subject},
};

const SHAPE: Shape = Shape::Video;
const PIPE: PipeKey = PipeKey(4);
const FLOW: FlowId = FlowId(2);
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
/// Of the pipe's stream, as the near router numbers it.
const MAPPED: u32 = SSRC + 7;
const TRANSPORT: TransportKey = TransportKey(7);
/// As many packets as so many videos have, in frames one after the other. With ten of them threads
/// sleep between any two frames, and waking is all that is measured.
const LOADS: [usize; 2] = [50, 100];
/// Frames of each of them in a turn.
const FRAMES: u32 = 18;
/// For latency.
const INTERVAL: Duration = Duration::from_micros(3_333);

fn interval(videos: usize) -> Duration {
    Duration::from_nanos(33_333_333 / videos as u64)
}

/// Two endpoints on this machine with a link between them, each on its own thread.
struct Links {
    near: Arc<dyn Link>,
    far: Arc<dyn Link>,
    runtimes: [Option<Runtime>; 2],
    _endpoints: [(LinkEndpoint, mpsc::Receiver<LinkEvent>); 2],
}

impl Drop for Links {
    fn drop(&mut self) {
        self.runtimes.iter_mut().filter_map(Option::take).for_each(Runtime::shutdown_background);
    }
}

fn links() -> io::Result<Links> {
    let runtime = |name: &str| {
        Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()
    };
    let (near, far) = (runtime("link-near")?, runtime("link-far")?);
    let ca = DevCa::new().map_err(io::Error::other)?;
    let id = |name: &str| NodeId::parse(name).map_err(io::Error::other);
    let bind = |name: &str| -> io::Result<_> {
        let tls = LinkTls::ephemeral(&ca, &id(name)?).map_err(io::Error::other)?;
        let listen = ([127, 0, 0, 1], 0).into();
        LinkEndpoint::bind(LinkConfig::new(id(name)?, 1, listen, tls)).map_err(io::Error::other)
    };
    let mut a = near.block_on(async { bind("near") })?;
    let mut b = far.block_on(async { bind("far") })?;
    let target = |name: &str, addr| Ok::<_, io::Error>(Target { node: id(name)?, epoch: 1, addr });
    b.0.set_targets(vec![target("near", a.0.local_addr())?]);
    a.0.set_targets(vec![target("far", b.0.local_addr())?]);
    let up = |events: &mut mpsc::Receiver<LinkEvent>| match events.blocking_recv() {
        Some(LinkEvent::Up(link)) => Ok(link),
        _ => Err(io::Error::other("the link did not come up")),
    };
    let (to_far, to_near) = (up(&mut a.1)?, up(&mut b.1)?);
    // It looks for the path's largest datagram first.
    thread::sleep(Duration::from_millis(500));
    let runtimes = [Some(near), Some(far)];
    Ok(Links { near: to_far, far: to_near, runtimes, _endpoints: [a, b] })
}

/// Nanoseconds per packet of a turn, of each part that `cpu` counts.
fn turn(
    near: &Subject,
    driver: &mut Driver,
    source: &mut Source,
    videos: usize,
    cpu: impl Fn() -> [u64; 4],
) -> [f64; 4] {
    let (before, packets) = (cpu(), source.packets());
    driver.send(source, near.target(), videos as u32 * FRAMES, interval(videos));
    thread::sleep(Duration::from_millis(50));
    let (after, packets) = (cpu(), (source.packets() - packets) as f64);
    std::array::from_fn(|part| (after[part] - before[part]) as f64 / packets)
}

/// A publisher's worker that nobody listens to; what it pipes or protects goes to another.
fn publisher() -> io::Result<(Subject, Driver, Source)> {
    Ok((Subject::start(SHAPE, None)?, Driver::new(true)?, source(SHAPE, None)))
}

fn pipe_to(near: &Subject, far: &Subject, links: &Links) -> io::Result<()> {
    far.tell(Command::AddPipe { transport: TRANSPORT, pipe: PIPE })?;
    let params = Box::new(SHAPE.producer(MAPPED));
    let producer = ProducerKey(2);
    far.tell(Command::Produce { transport: TRANSPORT, producer, params })?;
    links.far.open_flow(FLOW, far.worker().pipe_sink(PIPE));
    links.near.open_flow(FLOW, near.worker().pipe_sink(PIPE));
    far.worker().set_pipe_out(
        PIPE,
        PipeOut::Link(Arc::clone(&links.far), FLOW, PacketClass::Video, Arc::default()),
    );
    near.worker().set_pipe_out(
        PIPE,
        PipeOut::Link(Arc::clone(&links.near), FLOW, PacketClass::Video, Arc::default()),
    );
    near.tell(Command::AddPipe { transport: TRANSPORT, pipe: PIPE })?;
    let params = Box::new(SHAPE.consumer(MAPPED, RtpType::Pipe));
    let (consumer, producer) = (ConsumerKey(1), ProducerKey(1));
    near.tell(Command::Consume { transport: TRANSPORT, consumer, producer, params })
}

fn srtp_to(near: &Subject, far: &Subject) -> io::Result<()> {
    let rtp = near.worker().bind_plain(false)?.rtp.0;
    let (transport, rtcp, comedia, srtp) = (TRANSPORT, None, false, true);
    near.tell(Command::AddPlain { transport, rtp, rtcp, comedia, srtp })?;
    near.tell(Command::ConnectPlain { transport, rtp: far.target().into(), rtcp: None })?;
    let key = shape::key(PROFILE, usize::MAX);
    let keys = Box::new(SrtpKeys { profile: PROFILE, send: key.clone(), recv: key });
    near.tell(Command::SetSrtp { transport, keys })?;
    let params = Box::new(SHAPE.consumer(SSRC, RtpType::Simple));
    near.tell(Command::Consume {
        transport,
        consumer: ConsumerKey(1),
        producer: ProducerKey(1),
        params,
    })
}

pub(crate) fn run(report: &mut Report, rounds: usize) -> io::Result<()> {
    report.title(
        "CPU of a packet to another node's worker, ns, without receiving it from its publisher",
    );
    let (near_alone, mut driver_alone, mut source_alone) = publisher()?;
    let (near_quic, mut driver_quic, mut source_quic) = publisher()?;
    let (near_srtp, mut driver_srtp, mut source_srtp) = publisher()?;
    let far_quic = Subject::start(SHAPE, None)?;
    let far_srtp = Subject::start(SHAPE, Some(PROFILE))?;
    let links = links()?;
    pipe_to(&near_quic, &far_quic, &links)?;
    srtp_to(&near_srtp, &far_srtp)?;
    for subject in [&near_alone, &near_quic, &near_srtp, &far_quic, &far_srtp] {
        subject.settled()?;
    }
    report.line(
        "videos      QUIC  (worker    link    link  worker)      SRTP   ratio  receiving   arrived",
    );
    for videos in LOADS {
        // Both ways without receiving, of each round: what a core is slower in is taken off alike.
        let (mut alones, mut costs): (Vec<f64>, [Vec<f64>; 2]) = Default::default();
        let mut parts = [f64::INFINITY; 4];
        for round in 0..=rounds {
            let alone = turn(&near_alone, &mut driver_alone, &mut source_alone, videos, || {
                [near_alone.cpu(), 0, 0, 0]
            });
            let quic = turn(&near_quic, &mut driver_quic, &mut source_quic, videos, || {
                [near_quic.cpu(), cpu("link-near"), cpu("link-far"), far_quic.cpu()]
            });
            let srtp = turn(&near_srtp, &mut driver_srtp, &mut source_srtp, videos, || {
                [near_srtp.cpu(), 0, 0, far_srtp.cpu()]
            });
            // The first one warms up.
            if round > 0 {
                parts = std::array::from_fn(|part| parts[part].min(quic[part]));
                let alone = alone[0];
                alones.push(alone);
                for (all, turn) in costs.iter_mut().zip([quic, srtp]) {
                    all.push(turn.iter().sum::<f64>() - alone);
                }
            }
        }
        let ([quic, srtp], alone) = (costs.map(|turns| median(&turns)), median(&alones));
        let arrived =
            far_quic.counters()?.plane.piped_received as f64 / source_quic.packets() as f64;
        let [worker, link, far_link, far_worker] = parts;
        report.line(&format!(
            "{videos:6}{quic:10.0}{:10.0}{link:8.0}{far_link:8.0}{far_worker:8.0}\
             {srtp:11.0}{:8.2}{alone:11.0}{arrived:10.4}",
            worker - least(&alones),
            quic / srtp
        ));
        let key = format!("pipe_{videos}_videos");
        report.put(&format!("{key}_ns_median_n{rounds}"), quic);
        report.put(&format!("{key}_srtp_ns_median_n{rounds}"), srtp);
        report.put(&format!("{key}_ratio_of_median_n{rounds}"), quic / srtp);
        report.put(&format!("{key}_share_arrived"), arrived);
    }
    drop((near_alone, near_srtp, far_srtp));
    latency(report, &near_quic, &far_quic, &mut driver_quic, &mut source_quic)
}

/// A receiver at each end of the pipe.
fn latency(
    report: &mut Report,
    near: &Subject,
    far: &Subject,
    driver: &mut Driver,
    source: &mut Source,
) -> io::Result<()> {
    report.title("latency of a packet at the first and at the second node, us");
    report.line(HEAD);
    let ((near_sink, near_measure), (far_sink, far_measure)) = (sampling(None)?, sampling(None)?);
    near.receivers(SHAPE, &near_sink, 1)?;
    far.receiver_of(SHAPE, &far_sink, 0, ProducerKey(2))?;
    driver.send(source, near.target(), 900, INTERVAL);
    thread::sleep(Duration::from_millis(100));
    let (near, far) = (taken(&near_measure), taken(&far_measure));
    tell(report, "first", "pipe_latency_first", &near);
    tell(report, "second", "pipe_latency_second", &far);
    for (percent, text) in [(50.0, "p50"), (99.0, "p99")] {
        let added = (percentile(&far.delays, percent) - percentile(&near.delays, percent)) / 1e3;
        report.line(&format!("one pipe adds {added:.0} us at {text}"));
        report.put(&format!("pipe_latency_added_{text}_us"), added);
    }
    Ok(())
}

/// CPU nanoseconds of this process's threads of that name.
fn cpu(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let named = tasks.filter(|task| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    });
    let ids = named.filter_map(|task| task.file_name().to_str()?.parse().ok());
    ids.map(crate::sys::thread_cpu).sum()
}
