//! The door to a worker: commands in, sockets and pipes in and out, counters. Never blocks on the
//! worker's thread.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use starling_media::{Command, PipeKey, SocketId};

use super::{
    config::WorkerConfig,
    counters::WorkerCounters,
    driver::Driver,
    events::EventSink,
    pipe::{PipeOut, PipeSink},
    plain::PlainPorts,
    shared::{Order, Shared},
    socket::Socket,
};

/// Sockets of plain transports of one worker: half of the 1,024 descriptors a process has by
/// default on two workers, twice over; the machine's own limit shows as an error of `bind`.
pub const MAX_PLAIN_SOCKETS: usize = 1_024;
/// A socket for RTP, and one for RTCP.
type Bound = io::Result<(Socket, Option<Socket>)>;
/// Ids of the shared sockets come first.
const FIRST_PLAIN: u32 = 2;

/// Starts workers.
#[derive(Debug)]
pub struct Worker;

impl Worker {
    /// Binds the shared sockets and starts the thread.
    ///
    /// # Errors
    /// `InvalidInput` for more than one address of a family or none at all; what `bind` and the
    /// start of a thread give.
    pub fn spawn(config: WorkerConfig, events: EventSink) -> io::Result<WorkerHandle> {
        let driver = Driver::new(&config, events)?;
        let shared = driver.shared().clone();
        let local = driver.local_addrs()?;
        let name = format!("worker-{}", config.index);
        let thread = std::thread::Builder::new().name(name).spawn(move || driver.run())?;
        Ok(WorkerHandle(Arc::new(Owner {
            index: config.index,
            local,
            tcp: config.tcp,
            shared,
            plain: PlainPorts::new(config.plain_ip, config.plain_ports, config.plain_buffer),
            plain_count: AtomicUsize::new(0),
            next_socket: AtomicU32::new(FIRST_PLAIN),
            thread: Mutex::new(Some(thread)),
        })))
    }
}

/// A worker. The last clone that is dropped stops it.
#[derive(Clone, Debug)]
pub struct WorkerHandle(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    index: usize,
    local: Vec<(SocketId, SocketAddr)>,
    tcp: bool,
    shared: Arc<Shared>,
    plain: PlainPorts,
    plain_count: AtomicUsize,
    next_socket: AtomicU32,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Sockets of a plain transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainSockets {
    /// RTP, and RTCP too unless `rtcp` is there.
    pub rtp: (SocketId, SocketAddr),
    /// RTCP.
    pub rtcp: Option<(SocketId, SocketAddr)>,
}

impl WorkerHandle {
    /// Which of the node's workers.
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// Queues a command and wakes the thread. False if the worker is dead or
    /// [`super::MAX_COMMANDS`] wait.
    pub fn command(&self, command: Command) -> bool {
        self.0.shared.order(Order::Plane(command))
    }

    /// The shared sockets.
    pub fn local_addrs(&self) -> &[(SocketId, SocketAddr)] {
        &self.0.local
    }

    /// Whether it listens for TCP connections at the addresses of its shared sockets.
    pub fn listens_tcp(&self) -> bool {
        self.0.tcp
    }

    /// Binds sockets for a plain transport: usable by the next command.
    ///
    /// # Errors
    /// `AddrInUse` if all ports are taken, `QuotaExceeded` above [`MAX_PLAIN_SOCKETS`],
    /// `BrokenPipe` if the worker is dead or its queue full.
    pub fn bind_plain(&self, rtcp: bool) -> io::Result<PlainSockets> {
        self.bind_counted(rtcp, || self.0.plain.bind(rtcp))
    }

    /// The same on these ports and no others.
    ///
    /// # Errors
    /// As [`Self::bind_plain`]; `InvalidInput` for a port that the worker may not use.
    pub fn bind_plain_on(&self, port: u16, rtcp: Option<u16>) -> io::Result<PlainSockets> {
        self.bind_counted(rtcp.is_some(), || self.0.plain.bind_these(port, rtcp))
    }

    fn bind_counted(&self, rtcp: bool, bind: impl FnOnce() -> Bound) -> io::Result<PlainSockets> {
        let wanted = 1 + usize::from(rtcp);
        let taken = self.0.plain_count.fetch_add(wanted, Ordering::Relaxed);
        let result = if taken + wanted > MAX_PLAIN_SOCKETS {
            Err(io::ErrorKind::QuotaExceeded.into())
        } else {
            self.add_bound(bind())
        };
        if result.is_err() {
            self.0.plain_count.fetch_sub(wanted, Ordering::Relaxed);
        }
        result
    }

    fn add_bound(&self, bound: Bound) -> io::Result<PlainSockets> {
        let (rtp, rtcp) = bound?;
        let add = |socket: Socket| {
            let addr = socket.local_addr()?;
            let id = SocketId(self.0.next_socket.fetch_add(1, Ordering::Relaxed));
            let added = self.0.shared.order(Order::AddSocket(id, socket));
            if added { Ok((id, addr)) } else { Err(io::Error::from(io::ErrorKind::BrokenPipe)) }
        };
        let rtp = add(rtp)?;
        let rtcp = rtcp.map(add).transpose();
        if rtcp.is_err() {
            self.0.shared.order(Order::ReleaseSocket(rtp.0));
        }
        Ok(PlainSockets { rtp, rtcp: rtcp? })
    }

    /// Closes a socket of [`Self::bind_plain`], after the commands queued so far. Once for each.
    pub fn release_plain(&self, socket: SocketId) {
        if socket.0 >= FIRST_PLAIN && self.0.shared.order(Order::ReleaseSocket(socket)) {
            self.0.plain_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The way in of a pipe's packets, from any thread: bounded, never blocks, one wake per burst.
    pub fn pipe_sink(&self, pipe: PipeKey) -> Arc<PipeSink> {
        Arc::new(PipeSink::new(pipe, self.0.shared.pipes.clone()))
    }

    /// Where a pipe's packets go from now on. False as for [`Self::command`].
    pub fn set_pipe_out(&self, pipe: PipeKey, out: PipeOut) -> bool {
        self.0.shared.order(Order::PipeOut(pipe, out))
    }

    /// A pipe's packets are dropped from now on. False as for [`Self::command`].
    pub fn clear_pipe_out(&self, pipe: PipeKey) -> bool {
        self.0.shared.order(Order::ClearPipeOut(pipe))
    }

    /// What it counted, at most half a second old.
    pub fn counters(&self) -> WorkerCounters {
        self.0.shared.counters()
    }

    /// Its thread has ended: it was stopped or died.
    pub fn is_dead(&self) -> bool {
        self.0.shared.is_dead()
    }

    /// Ends the thread after its current turn; its sockets close.
    pub fn stop(&self) {
        self.0.shared.stop();
    }

    /// Waits until the thread has ended. Blocks: not for tasks. Once per worker; others return at
    /// once.
    pub fn join(&self) {
        let thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic inside was reported as `Died`.
            let _ = thread.join();
        }
    }

    /// Does something on the worker's thread; a panic there is the worker's death.
    #[cfg(any(test, feature = "testing"))]
    pub fn run_inside(&self, probe: impl FnOnce() + Send + 'static) -> bool {
        self.0.shared.order(Order::Run(super::shared::Probe(Box::new(probe))))
    }
}
