//! ICE over TCP (RFC 6544, passive): streams of RFC 4571 frames that clients open to the port of
//! the worker's UDP socket. To the plane each is one more socket with one remote end; who is let in
//! is the plane's to say. Owns the listeners, the connections and their bounds. Never blocks: what
//! a client does not read in time is dropped by whole frames.

mod connection;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use starling_media::{Plane, Run, SocketId};

use super::{counters::TcpCounters, poll::Poll};
use connection::Connection;

/// Connections of a worker: as many as plain sockets, so that both fit the descriptors of a
/// process. Each receiver costs one.
const MAX_CONNECTIONS: usize = 1_024;
/// Of them, those that have not proved an ICE password: each is a connection on its first two round
/// trips. Above, the oldest makes room for the newest.
const MAX_UNPROVEN: usize = 256;
/// Of those, from one address: an office of sixteen that comes back at once, with a connection for
/// each of two transports.
const MAX_UNPROVEN_PER_ADDRESS: usize = 32;
/// How long a connection may be without a proven pair: at first, and after its consent has ended. A
/// client sends its first check at once; one lost segment costs a second.
const UNPROVEN: Duration = Duration::from_secs(10);
/// How often that is looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Connections taken in one turn.
const ACCEPTS_PER_TURN: usize = 32;
/// Connections the kernel finishes for us between two turns.
const BACKLOG: i32 = 128;
/// Kernel buffer for what a client sends in bytes: half a second of a 4 Mb/s camera.
const RECEIVE_BUFFER: usize = 256 << 10;
/// Kernel buffer for what we send in bytes: what waits there is late, and 10 Mb/s at a round trip
/// of 100 ms are no more.
const SEND_BUFFER: usize = 128 << 10;
/// Read from a connection in one turn, in bytes: what 54 full packets are.
const READ: usize = 64 << 10;
/// Ids of listeners: below those of connections, above those of plain sockets.
const FIRST_LISTENER: u32 = SocketId::FIRST_TCP - 2;
/// Ports tried where the system chooses: each fails only if the UDP port's number is taken in TCP.
pub(super) const PORT_TRIES: usize = 16;

struct Listener {
    io: TcpListener,
    /// The process has no more descriptors: asked again by the next sweep.
    resting: bool,
}

/// See the module.
pub(super) struct Tcp {
    listeners: Vec<Listener>,
    connections: HashMap<SocketId, Connection>,
    last: u32,
    read: Vec<u8>,
    write: Vec<u8>,
    broken: Vec<SocketId>,
    swept: Instant,
}

/// Listens at the address of a UDP socket.
///
/// # Errors
/// What `bind` and `listen` give.
pub(super) fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(addr),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // Connections of a worker that died linger; they do not share the port with a listener.
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Accepted connections inherit these, and the kernel then grows neither by itself.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Whether it could be listened there now.
///
/// # Errors
/// As [`listen`].
pub(crate) fn check(addr: SocketAddr) -> io::Result<()> {
    listen(addr).map(drop)
}

impl Tcp {
    pub(super) fn new(now: Instant, listeners: Vec<TcpListener>, poll: &Poll) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(|io| Listener { io, resting: false });
        let listeners: Vec<_> = listeners.collect();
        for (id, listener) in (FIRST_LISTENER..).zip(&listeners) {
            poll.add(&listener.io, id)?;
        }
        Ok(Self {
            listeners,
            connections: HashMap::new(),
            last: SocketId::FIRST_TCP - 1,
            read: vec![0; READ],
            write: Vec::new(),
            broken: Vec::new(),
            swept: now,
        })
    }

    /// The socket is a listener or a connection.
    pub(super) const fn owns(id: SocketId) -> bool {
        id.0 >= FIRST_LISTENER
    }

    /// A listener has connections, or a connection has bytes, or room for some. Datagrams go to the
    /// plane. True if there may be more.
    pub(super) fn ready(
        &mut self,
        now: Instant,
        id: SocketId,
        (plane, poll): (&mut Plane, &Poll),
        counters: &mut TcpCounters,
    ) -> bool {
        if !id.is_tcp() {
            let place = (id.0 - FIRST_LISTENER) as usize;
            return self.accept(now, place, (plane, poll), counters);
        }
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let remote = connection.remote;
        let mut take = |datagram: &mut [u8]| {
            counters.frames_received += 1;
            plane.handle_datagram(now, id, remote, datagram);
        };
        let writes = connection.write_waiting();
        let read = if writes { connection.read(&mut self.read, &mut take) } else { None };
        connection.prove(plane.is_admitted(id, remote));
        if read.is_none() {
            self.close(now, id, plane, counters);
        }
        read.unwrap_or(false)
    }

    /// Sends datagrams as frames. What does not fit the connection's buffer is dropped.
    pub(super) fn send(
        &mut self,
        id: SocketId,
        bytes: &[u8],
        runs: &[Run],
        counters: &mut TcpCounters,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        self.write.clear();
        let mut frames = 0;
        for run in runs {
            for datagram in bytes[run.bytes.clone()].chunks(run.segment.max(1)) {
                if connection.has_room(self.write.len(), datagram.len()) {
                    starling_media::ice::framing::frame(&mut self.write, datagram);
                    frames += 1;
                } else {
                    counters.frames_dropped += 1;
                }
            }
        }
        counters.frames_sent += frames;
        if !connection.write(&self.write) {
            self.broken.push(id);
        }
    }

    /// Ends connections that broke while something was sent, and those that nobody has proved for
    /// too long.
    pub(super) fn sweep(
        &mut self,
        now: Instant,
        (plane, poll): (&mut Plane, &Poll),
        counters: &mut TcpCounters,
    ) {
        while let Some(id) = self.broken.pop() {
            self.close(now, id, plane, counters);
        }
        if now.saturating_duration_since(self.swept) < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        for (id, connection) in &mut self.connections {
            let admitted = plane.is_admitted(*id, connection.remote);
            if connection.look_after(now, admitted) > UNPROVEN {
                self.broken.push(*id);
            }
        }
        counters.unproven_ended += self.broken.len() as u64;
        while let Some(id) = self.broken.pop() {
            self.close(now, id, plane, counters);
        }
        for place in 0..self.listeners.len() {
            if std::mem::take(&mut self.listeners[place].resting) {
                self.accept(now, place, (plane, poll), counters);
            }
        }
    }

    /// True if there may be more.
    fn accept(
        &mut self,
        now: Instant,
        place: usize,
        (plane, poll): (&mut Plane, &Poll),
        counters: &mut TcpCounters,
    ) -> bool {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get_mut(place) else { return false };
            let (io, remote) = match listener.io.accept() {
                Ok(accepted) => accepted,
                Err(error) if is_of_one(&error) => continue,
                Err(error) => {
                    // What waits while there are no descriptors is not reported again.
                    listener.resting = error.kind() != io::ErrorKind::WouldBlock;
                    return false;
                }
            };
            if !self.has_place_for(now, remote.ip(), plane, counters) {
                counters.refused += 1;
                continue;
            }
            let id = self.next_id();
            let Ok(connection) = Connection::new(io, remote, now) else { continue };
            if poll.add_stream(connection.io(), id.0).is_ok() {
                self.connections.insert(id, connection);
                counters.accepted += 1;
                counters.connections = self.connections.len() as u64;
            }
        }
        true
    }

    /// Whether one more may come from `ip`; one that nobody has proved may have to go for it.
    fn has_place_for(
        &mut self,
        now: Instant,
        ip: IpAddr,
        plane: &mut Plane,
        counters: &mut TcpCounters,
    ) -> bool {
        let unproven = self.connections.iter().filter(|(_, connection)| !connection.is_proven());
        let from_there = unproven.clone().filter(|(_, other)| other.remote.ip() == ip).count();
        if from_there >= MAX_UNPROVEN_PER_ADDRESS {
            return false;
        }
        let full = self.connections.len() >= MAX_CONNECTIONS;
        if full || unproven.clone().count() >= MAX_UNPROVEN {
            let oldest = unproven.min_by_key(|(_, connection)| connection.since());
            let Some(id) = oldest.map(|(id, _)| *id) else { return false };
            counters.unproven_ended += 1;
            self.close(now, id, plane, counters);
        }
        true
    }

    fn next_id(&mut self) -> SocketId {
        loop {
            self.last = self.last.wrapping_add(1).max(SocketId::FIRST_TCP);
            let id = SocketId(self.last);
            if !self.connections.contains_key(&id) {
                return id;
            }
        }
    }

    fn close(&mut self, now: Instant, id: SocketId, plane: &mut Plane, counters: &mut TcpCounters) {
        if let Some(connection) = self.connections.remove(&id) {
            plane.close_connection(now, id, connection.remote);
            counters.connections = self.connections.len() as u64;
        }
    }
}

/// The connection that would have been next has gone, or we were interrupted (accept(2)).
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
