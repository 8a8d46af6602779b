//! What is measured: one worker of Starling as a node runs it, told by commands what its actors
//! would tell it. Receivers of SRTP are WebRTC transports on the worker's port, receivers of plain
//! RTP are plain transports with sockets of their own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use starling_actors::worker::{
    EventSink, Worker, WorkerConfig, WorkerCounters, WorkerEvent, WorkerHandle,
};
use starling_media::{
    Command, ConsumerKey, Event, ProducerKey, TransportKey,
    command::{Bitrates, IceCredentials, SrtpKeys},
    event::IceState,
    ice::stun::{BindingRequest, IntegrityKey, write_request},
};
use starling_proto::{rtp::RtpType, transport::SrtpProfile};

use crate::{
    memory,
    shape::{self, Shape},
    sink::Sink,
    sys,
};

/// Patience with a worker that sets up 500 transports.
const SOON: Duration = Duration::from_secs(10);
/// Of the publisher.
pub(crate) const SSRC: u32 = 77_000;
/// Sinks tell nothing of what they receive, and get all of it.
const UNLIMITED: Bitrates = Bitrates {
    initial_outgoing: None,
    min_outgoing: Some(10_000_000_000),
    max_outgoing: None,
    max_incoming: None,
};
/// Receivers' transports and SSRCs count from here.
const FIRST: u64 = 100;
/// Of the first receiver.
pub(crate) const FIRST_SSRC: u32 = 1_000_000;

/// A worker with one publisher and its receivers.
pub(crate) struct Subject {
    worker: WorkerHandle,
    connected: Arc<Mutex<Vec<TransportKey>>>,
    tid: i32,
    target: SocketAddrV4,
    profile: Option<SrtpProfile>,
}

impl Subject {
    /// A worker whose publisher sends `shape` to [`Self::target`] from anywhere.
    pub(crate) fn start(shape: Shape, profile: Option<SrtpProfile>) -> io::Result<Self> {
        let (events, mut told) = EventSink::channel();
        let config = WorkerConfig::new(0, vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], 0);
        let worker = Worker::spawn(config, events)?;
        let connected = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&connected);
        thread::Builder::new().name("events".into()).spawn(move || {
            while let Some(event) = told.blocking_recv() {
                hear(event, &heard);
            }
        })?;
        let tid = ask(&worker, || sys::thread_id() as u64)? as i32;
        let sockets = worker.bind_plain(false)?;
        let SocketAddr::V4(target) = sockets.rtp.1 else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let subject = Self { worker, connected, tid, target, profile };
        let transport = TransportKey(1);
        let (rtp, srtp) = (sockets.rtp.0, profile.is_some());
        subject.tell(Command::AddPlain { transport, rtp, rtcp: None, comedia: true, srtp })?;
        subject.protect(transport, usize::MAX)?;
        let (producer, params) = (ProducerKey(1), Box::new(shape.producer(SSRC)));
        subject.tell(Command::Produce { transport, producer, params })?;
        Ok(subject)
    }

    /// Adds `count` receivers at the sink's addresses.
    pub(crate) fn receivers(&self, shape: Shape, sink: &Sink, count: usize) -> io::Result<()> {
        self.more_receivers(shape, sink, 0..count)
    }

    /// Adds those at some of the sink's addresses.
    pub(crate) fn more_receivers(
        &self,
        shape: Shape,
        sink: &Sink,
        places: Range<usize>,
    ) -> io::Result<()> {
        for n in places.clone() {
            let transport = transport(n);
            if self.profile.is_some() {
                let (ice, consent) = (credentials(n), Duration::from_secs(600));
                self.tell(Command::AddWebRtc { transport, ice, consent })?;
                self.protect(transport, n)?;
            } else {
                let rtp = self.worker.bind_plain(false)?.rtp.0;
                let (rtcp, comedia, srtp) = (None, false, false);
                self.tell(Command::AddPlain { transport, rtp, rtcp, comedia, srtp })?;
                let rtp = SocketAddr::V4(sink.addr(n));
                self.tell(Command::ConnectPlain { transport, rtp, rtcp: None })?;
            }
            self.tell(Command::SetBitrates { transport, bitrates: UNLIMITED })?;
            self.consume(shape, n)?;
        }
        if self.profile.is_some() {
            self.connect(sink, places)?;
        }
        self.settled()
    }

    /// Adds one receiver of another producer.
    pub(crate) fn receiver_of(
        &self,
        shape: Shape,
        sink: &Sink,
        n: usize,
        producer: ProducerKey,
    ) -> io::Result<()> {
        let (transport, rtp) = (transport(n), self.worker.bind_plain(false)?.rtp.0);
        let (rtcp, comedia, srtp) = (None, false, false);
        self.tell(Command::AddPlain { transport, rtp, rtcp, comedia, srtp })?;
        let rtp = SocketAddr::V4(sink.addr(n));
        self.tell(Command::ConnectPlain { transport, rtp, rtcp: None })?;
        let params = Box::new(shape.consumer(ssrc(n), RtpType::Simple));
        self.tell(Command::Consume { transport, consumer: ConsumerKey(900), producer, params })?;
        self.settled()
    }

    /// Adds another consumer to each of these receivers.
    pub(crate) fn second_consumers(&self, shape: Shape, places: Range<usize>) -> io::Result<()> {
        for n in places {
            let params = Box::new(shape.consumer(ssrc(n) + 50_000, RtpType::Simple));
            let (consumer, producer) = (ConsumerKey(50_000 + n as u64), ProducerKey(1));
            self.tell(Command::Consume { transport: transport(n), consumer, producer, params })?;
        }
        self.settled()
    }

    /// Waits until the commands so far are carried out.
    pub(crate) fn settled(&self) -> io::Result<()> {
        ask(&self.worker, || 0).map(|_| ())
    }

    fn consume(&self, shape: Shape, n: usize) -> io::Result<()> {
        // Its retransmissions have the next SSRC.
        let params = Box::new(shape.consumer(ssrc(n), RtpType::Simple));
        let (consumer, producer) = (ConsumerKey(1_000 + n as u64), ProducerKey(1));
        self.tell(Command::Consume { transport: transport(n), consumer, producer, params })
    }

    /// Sends authenticated checks until every receiver's pair is nominated.
    fn connect(&self, sink: &Sink, places: Range<usize>) -> io::Result<()> {
        let SocketAddr::V4(to) = self.worker.local_addrs()[0].1 else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let deadline = Instant::now() + SOON;
        loop {
            let known = self.connected.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let missing = places.clone().filter(|n| !known.contains(&transport(*n)));
            let missing = missing.collect::<Vec<_>>();
            if missing.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let text = format!("{} receivers did not connect", missing.len());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            for n in missing {
                sink.send_as(n, to, &check(n))?;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn protect(&self, transport: TransportKey, n: usize) -> io::Result<()> {
        let Some(profile) = self.profile else { return Ok(()) };
        let (send, recv) = (shape::key(profile, n), shape::key(profile, n));
        let keys = Box::new(SrtpKeys { profile, send, recv });
        self.tell(Command::SetSrtp { transport, keys })
    }

    /// Queues a command; waits for room.
    pub(crate) fn tell(&self, command: Command) -> io::Result<()> {
        let deadline = Instant::now() + SOON;
        while !self.worker.command(command.clone()) {
            if Instant::now() > deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// CPU nanoseconds of its thread so far.
    pub(crate) fn cpu(&self) -> u64 {
        sys::thread_cpu(self.tid)
    }

    pub(crate) const fn worker(&self) -> &WorkerHandle {
        &self.worker
    }

    /// Where the publisher sends to.
    pub(crate) const fn target(&self) -> SocketAddrV4 {
        self.target
    }

    /// CPU nanoseconds of its thread, and packets forwarded so far.
    pub(crate) fn spent(&self) -> io::Result<(u64, u64)> {
        let counters = self.counters()?;
        Ok((sys::thread_cpu(self.tid), counters.plane.rtp_forwarded))
    }

    /// As of now.
    pub(crate) fn counters(&self) -> io::Result<WorkerCounters> {
        // Counters are copied out before any sleep of 10 ms and at least every 10 ms.
        thread::sleep(Duration::from_millis(30));
        Ok(self.worker.counters())
    }

    /// Allocations of its thread so far.
    pub(crate) fn allocations(&self) -> io::Result<u64> {
        ask(&self.worker, memory::allocations)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.worker.stop();
        self.worker.join();
    }
}

const fn transport(n: usize) -> TransportKey {
    TransportKey(FIRST + n as u64)
}

/// Of the `n`-th receiver.
pub(crate) const fn ssrc(n: usize) -> u32 {
    FIRST_SSRC + 2 * n as u32
}

fn credentials(n: usize) -> IceCredentials {
    IceCredentials { ufrag: format!("receiver{n}"), password: format!("{n:032}") }
}

fn check(n: usize) -> Vec<u8> {
    let ours = credentials(n);
    let request = BindingRequest {
        username: &format!("{}:load", ours.ufrag),
        priority: Some(1),
        use_candidate: true,
        nomination: None,
        ice_controlling: Some(1),
        ice_controlled: None,
    };
    let mut bytes = Vec::new();
    let mut transaction = [0; 12];
    transaction[..8].copy_from_slice(&(n as u64).to_be_bytes());
    write_request(&mut bytes, &transaction, &request, &IntegrityKey::new(&ours.password));
    bytes
}

fn hear(event: WorkerEvent, connected: &Mutex<Vec<TransportKey>>) {
    let WorkerEvent::Facts(facts) = event else { return };
    for fact in facts {
        if let Event::IceState { transport, state: IceState::Completed, .. } = fact {
            connected.lock().unwrap_or_else(PoisonError::into_inner).push(transport);
        }
    }
}

/// What `question` gives on the worker's thread, after the commands queued so far.
fn ask(worker: &WorkerHandle, question: impl FnOnce() -> u64 + Send + 'static) -> io::Result<u64> {
    let (answer, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (write, finish) = (Arc::clone(&answer), Arc::clone(&done));
    worker.run_inside(move || {
        write.store(question(), Ordering::Relaxed);
        finish.store(1, Ordering::Release);
    });
    let deadline = Instant::now() + SOON;
    while done.load(Ordering::Acquire) == 0 {
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the worker does not turn"));
        }
        thread::sleep(Duration::from_micros(200));
    }
    Ok(answer.load(Ordering::Relaxed))
}
