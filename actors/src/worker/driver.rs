//! The turn of a worker's thread, always the same and always bounded: orders, datagrams, pipes,
//! timers, flush, events, sleep. Owns the plane and the sockets; decides nothing about packets.

use std::{
    any::Any,
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use starling_media::{Flight, PipeKey, Plane, PlaneConfig, SocketId};

use super::{
    config::WorkerConfig,
    counters::WorkerCounters,
    events::{EventSink, MAX_BATCH},
    load::Load,
    pipe::{Packets, PipeOut, send_all},
    poll::Poll,
    shared::{Order, Shared},
    slice::take_short_slices,
    socket::{Receiver, Sender, Socket},
    tcp::{self, Tcp},
};

/// Orders of one turn: a few hundred microseconds of them.
const ORDERS_PER_TURN: usize = 256;
/// Pipe packets of one turn: as many as two full receive calls of merged datagrams.
const PIPED_PER_TURN: usize = 1_024;
/// Datagrams, or packets from pipes, between two flushes of one turn: what is decrypted should
/// still be in the cache when it is sent.
const DATAGRAMS_PER_FLUSH: usize = 128;
/// Calls of `handle_timeout` of one turn: several timers may be due at once.
const TIMEOUTS_PER_TURN: usize = 16;
/// Longest sleep: `last_turn` and the gauges stay fresh for a watchdog.
const MAX_SLEEP: Duration = Duration::from_millis(500);
/// Sleep while the actor is behind: events are offered again.
const BEHIND_SLEEP: Duration = Duration::from_millis(5);

/// A worker before and inside its thread.
pub(super) struct Driver {
    shared: Arc<Shared>,
    plane: Plane,
    poll: Poll,
    sockets: HashMap<SocketId, Socket>,
    tcp: Tcp,
    pipes_out: HashMap<PipeKey, PipeOut>,
    events: EventSink,
    counters: WorkerCounters,
    ready: Vec<u32>,
    orders: Vec<Order>,
    piped: Packets,
    load: Load,
}

impl Driver {
    pub(super) fn new(config: &WorkerConfig, events: EventSink) -> io::Result<Self> {
        let poll = Poll::new()?;
        let (mut sockets, mut listeners) = (HashMap::new(), Vec::new());
        for ip in &config.listen {
            let id = SocketId(u32::from(ip.is_ipv6()));
            let (socket, listener) = bind(*ip, config)?;
            listeners.extend(listener);
            poll.add(&socket, id.0)?;
            if sockets.insert(id, socket).is_some() {
                let text = "a worker listens on one address of each family";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        }
        if sockets.is_empty() {
            let text = "a worker needs an address to listen on";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let plane = PlaneConfig { seed: config.seed, start: config.start, wall: config.wall };
        Ok(Self {
            shared: Arc::new(Shared::new(config.start, poll.waker().clone())),
            plane: Plane::new(plane),
            tcp: Tcp::new(config.start, listeners, &poll)?,
            poll,
            sockets,
            pipes_out: HashMap::new(),
            events,
            counters: WorkerCounters::default(),
            ready: Vec::new(),
            orders: Vec::new(),
            piped: Packets::default(),
            load: Load::new(config.start),
        })
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn local_addrs(&self) -> io::Result<Vec<(SocketId, SocketAddr)>> {
        let mut local = Vec::new();
        for id in [SocketId(0), SocketId(1)] {
            if let Some(socket) = self.sockets.get(&id) {
                local.push((id, socket.local_addr()?));
            }
        }
        Ok(local)
    }

    /// The thread. A panic ends it and nothing else; its sockets are closed before its death is
    /// known.
    pub(super) fn run(mut self) {
        take_short_slices();
        let end = catch_unwind(AssertUnwindSafe(|| self.turns()));
        let shared = self.shared.clone();
        let Self { events, sockets, tcp, plane, pipes_out, .. } = self;
        // A plane that panicked may panic again when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop((sockets, tcp, plane, pipes_out))));
        shared.bury();
        match end {
            Ok(Ok(())) => {}
            Ok(Err(error)) => events.die(format!("cannot wait for sockets: {error}")),
            Err(panic) => events.die(format!("panicked: {}", panic_text(&*panic))),
        }
    }

    fn turns(&mut self) -> io::Result<()> {
        let mut receiver = Receiver::new();
        let mut sender = Sender::new();
        while !self.shared.is_stopping() {
            let now = Instant::now();
            self.shared.turn_begins(now);
            self.shared.waker.clear();
            let mut more = self.take_orders(now);
            more |= self.receive(now, &mut receiver, &mut sender);
            more |= self.take_piped(now, &mut sender);
            self.fire_timers(now);
            self.flush(now, &mut sender);
            self.tcp.sweep(now, (&mut self.plane, &self.poll), &mut self.counters.tcp);
            more |= self.take_events();
            let behind = self.events.publish();
            self.counters.events_dropped = self.events.dropped();
            self.sleep(now, more, behind)?;
        }
        Ok(())
    }

    /// True if orders are left.
    fn take_orders(&mut self, now: Instant) -> bool {
        let more = self.shared.take_orders(ORDERS_PER_TURN, &mut self.orders);
        for order in self.orders.drain(..) {
            match order {
                Order::Plane(command) => {
                    self.counters.commands += 1;
                    self.plane.handle_command(now, command);
                }
                Order::AddSocket(id, socket) => {
                    // Fails only without kernel memory: the socket can then send, not receive.
                    let _ = self.poll.add(&socket, id.0);
                    self.sockets.insert(id, socket);
                    self.counters.plain_sockets += 1;
                }
                Order::ReleaseSocket(id) => {
                    let known = self.sockets.remove(&id).is_some();
                    self.counters.plain_sockets -= u64::from(known);
                }
                Order::PipeOut(pipe, out) => {
                    self.pipes_out.insert(pipe, out);
                }
                Order::ClearPipeOut(pipe) => {
                    self.pipes_out.remove(&pipe);
                }
                #[cfg(any(test, feature = "testing"))]
                Order::Run(probe) => (probe.0)(),
            }
        }
        more
    }

    /// One batch of each readable socket. Those that may hold more stay among the ready ones. True
    /// if there are such.
    fn receive(&mut self, now: Instant, receiver: &mut Receiver, sender: &mut Sender) -> bool {
        let mut ready = std::mem::take(&mut self.ready);
        let mut unflushed = 0;
        ready.retain(|id| {
            let id = SocketId(*id);
            if Tcp::owns(id) {
                let counters = &mut self.counters.tcp;
                let more = self.tcp.ready(now, id, (&mut self.plane, &self.poll), counters);
                self.flush(now, sender);
                return more;
            }
            let Some(socket) = self.sockets.get(&id) else { return false };
            let more = receiver.receive(socket, &mut self.counters.sockets);
            // GRO makes thousands of datagrams of one batch: what is decrypted is sent before the
            // next.
            receiver.drain(|from, datagram| {
                if let Some(datagram) = datagram {
                    self.counters.sockets.datagrams_received += 1;
                    self.plane.handle_datagram(now, id, from, datagram);
                    unflushed += 1;
                    if unflushed == DATAGRAMS_PER_FLUSH {
                        unflushed = 0;
                        self.flush(now, sender);
                    }
                } else {
                    self.counters.sockets.truncated += 1;
                }
            });
            more
        });
        self.ready = ready;
        !self.ready.is_empty()
    }

    /// True if packets are left.
    fn take_piped(&mut self, now: Instant, sender: &mut Sender) -> bool {
        if self.piped.is_empty() {
            self.shared.pipes.take(&mut self.piped);
        }
        for taken in 1..=PIPED_PER_TURN {
            let Some((pipe, packet)) = self.piped.next() else { return false };
            self.plane.handle_pipe(now, pipe, packet);
            if taken % DATAGRAMS_PER_FLUSH == 0 {
                self.flush(now, sender);
            }
        }
        true
    }

    fn fire_timers(&mut self, now: Instant) {
        for _ in 0..TIMEOUTS_PER_TURN {
            match self.plane.next_timeout() {
                Some((at, _)) if at <= now => self.plane.handle_timeout(now),
                _ => return,
            }
        }
    }

    fn flush(&mut self, now: Instant, sender: &mut Sender) {
        let Self { plane, sockets, tcp, pipes_out, counters, .. } = self;
        plane.flush(now, &mut |flight: Flight<'_>| {
            let same_socket =
                |a: &starling_media::Run, b: &starling_media::Run| a.socket == b.socket;
            for runs in flight.runs.chunk_by(same_socket) {
                let id = runs[0].socket;
                if id.is_tcp() {
                    tcp.send(id, flight.bytes, runs, &mut counters.tcp);
                } else if let Some(socket) = sockets.get_mut(&id) {
                    sender.send(socket, flight.bytes, runs, &mut counters.sockets);
                }
            }
            counters.piped_lost += send_all(pipes_out, flight.bytes, flight.piped);
            Instant::now()
        });
    }

    /// True if events are left.
    fn take_events(&mut self) -> bool {
        for _ in 0..MAX_BATCH {
            let Some(event) = self.plane.poll_event() else { return false };
            self.events.push(event);
        }
        true
    }

    fn sleep(&mut self, began: Instant, more: bool, behind: bool) -> io::Result<()> {
        let now = Instant::now();
        self.counters.turns += 1;
        let due = self.plane.next_timeout().map(|(at, _)| at.saturating_duration_since(now));
        let timeout = if more {
            Duration::ZERO
        } else {
            due.unwrap_or(MAX_SLEEP).min(if behind { BEHIND_SLEEP } else { MAX_SLEEP })
        };
        if self.load.turn_ended(began, now, timeout, &mut self.counters) {
            self.counters.plane = self.plane.counters();
            self.shared.report(&self.counters);
        }
        self.poll.wait(timeout, &mut self.ready)?;
        self.load.woke(Instant::now());
        Ok(())
    }
}

/// A shared socket, and the TCP listener at the same port where one is wanted.
fn bind(ip: IpAddr, config: &WorkerConfig) -> io::Result<(Socket, Option<TcpListener>)> {
    let mut tries = if config.port == 0 { tcp::PORT_TRIES } else { 1 };
    loop {
        let socket = Socket::bind(SocketAddr::new(ip, config.port), config.shared_buffer)?;
        if !config.tcp {
            return Ok((socket, None));
        }
        tries -= 1;
        match tcp::listen(socket.local_addr()?) {
            Ok(listener) => return Ok((socket, Some(listener))),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => {}
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "without a message",
    }
}
