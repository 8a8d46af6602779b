//! One core's media plane: commands, datagrams and pipe packets in; datagrams, pipe packets, events
//! and the next deadline out. Composes transports, producers and consumers; decides nothing itself.

mod attach;
mod bandwidth;
mod commands;
mod counters;
mod demux;
mod dump;
mod fanout;
mod flush;
mod hash;
mod ingress;
mod ladder;
mod layers;
mod outbox;
mod probation;
mod replay;
mod rtcp_in;
mod rtcp_out;
mod share;
mod stats;
mod succeed;
#[cfg(test)]
mod tests;
mod timers;
mod trace;
mod transport;
mod voices;
mod wheel;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{RngCore, SeedableRng, rngs::SmallRng};
use slab::Slab;

pub use counters::{ByKind, Estimates, Flow, PlaneCounters};

use crate::{
    command::{ConsumerKey, PipeKey, ProducerKey, SocketId, TransportKey},
    consumer::Consumer,
    event::{Event, Flight, IceState},
    ice::Tuple,
    producer::{Producer, StreamUid},
    rtcp::RtcpItem,
    rtp::{WallClock, is_rtcp},
};
use flush::Departure;
use hash::{Seeded, SeededMap};
use outbox::{Destination, Outbox};
use share::Sharing;
use timers::Timers;
use transport::Transport;

/// Events that may wait to be polled: layers and scores of 500 consumers for ten seconds. Drivers
/// poll each turn.
const MAX_EVENTS: usize = 16_384;

/// What a plane starts from.
#[derive(Clone, Copy, Debug)]
pub struct PlaneConfig {
    /// Of its random numbers: initial sequence numbers, SSRCs of reports, hash keys.
    pub seed: u64,
    /// Now.
    pub start: Instant,
    /// Wall clock time at `start`, since 1970: NTP times of sender reports are made from it.
    pub wall: Duration,
}

/// The plane. `Send`; owned and driven by one thread.
#[derive(Debug)]
pub struct Plane {
    start: Instant,
    wall: WallClock,
    rng: SmallRng,
    seed: Seeded,
    counters: PlaneCounters,
    transports: Slab<Transport>,
    producers: Slab<Producer>,
    consumers: Slab<Consumer>,
    transport_keys: SeededMap<TransportKey, usize>,
    producer_keys: SeededMap<ProducerKey, usize>,
    consumer_keys: SeededMap<ConsumerKey, usize>,
    /// Of WebRTC transports.
    tuples: SeededMap<Tuple, usize>,
    ufrags: SeededMap<String, usize>,
    /// Of plain transports; true for those of RTCP alone.
    sockets: SeededMap<SocketId, (usize, bool)>,
    pipes: SeededMap<PipeKey, usize>,
    events: VecDeque<Event>,
    timers: Timers,
    outbox: Outbox,
    /// Producers with packets pending.
    fan_out_due: Vec<u32>,
    /// Transports with a queue.
    send_due: Vec<u32>,
    last_uid: u32,
    /// Consumers that are traced.
    traced_consumers: usize,
    scratch: Scratch,
}

/// Buffers that are reused.
#[derive(Debug, Default)]
struct Scratch {
    reply: Vec<u8>,
    piped: Vec<u8>,
    rtcp: Vec<u8>,
    descriptor: Vec<u8>,
    departures: Vec<Departure>,
    items: Vec<RtcpItem>,
    asked: Vec<u16>,
    ssrcs: Vec<u32>,
    places: Vec<u32>,
    key_frames: Vec<(usize, usize)>,
    sharing: Sharing,
}

impl Plane {
    /// A plane without transports.
    pub fn new(config: PlaneConfig) -> Self {
        let mut rng = SmallRng::seed_from_u64(config.seed);
        let seed = Seeded(rng.next_u64());
        Self {
            start: config.start,
            wall: WallClock::new(config.start, config.wall),
            rng,
            seed,
            counters: PlaneCounters::default(),
            transports: Slab::new(),
            producers: Slab::new(),
            consumers: Slab::new(),
            transport_keys: SeededMap::with_hasher(seed),
            producer_keys: SeededMap::with_hasher(seed),
            consumer_keys: SeededMap::with_hasher(seed),
            tuples: SeededMap::with_hasher(seed),
            ufrags: SeededMap::with_hasher(seed),
            sockets: SeededMap::with_hasher(seed),
            pipes: SeededMap::with_hasher(seed),
            events: VecDeque::new(),
            timers: Timers::new(config.start),
            outbox: Outbox::default(),
            fan_out_due: Vec::new(),
            send_due: Vec::new(),
            last_uid: 0,
            traced_consumers: 0,
            scratch: Scratch::default(),
        }
    }

    /// Takes a datagram from a socket. Decrypts in place.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        socket: SocketId,
        from: SocketAddr,
        datagram: &mut [u8],
    ) {
        self.counters.datagrams_received += 1;
        self.counters.bytes_received += datagram.len() as u64;
        self.demultiplex(now, Tuple { socket, remote: from }, datagram);
    }

    /// Takes a plaintext RTP or RTCP packet from a pipe.
    pub fn handle_pipe(&mut self, now: Instant, pipe: PipeKey, packet: &[u8]) {
        self.counters.piped_received += 1;
        let Some(&transport) = self.pipes.get(&pipe) else {
            self.counters.dropped_unknown_source += 1;
            return;
        };
        self.transports[transport].received.all.add(now, packet.len());
        if is_rtcp(packet) {
            self.take_rtcp(now, transport, packet);
            return;
        }
        let mut copy = std::mem::take(&mut self.scratch.piped);
        copy.clear();
        copy.extend_from_slice(packet);
        self.take_rtp(now, transport, &mut copy);
        self.scratch.piped = copy;
    }

    /// Does what is due. Bounded; call again while [`Self::next_timeout`] is not after `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.run_timers(now);
    }

    /// When [`Self::handle_timeout`] wants to be called, and what for (for metrics).
    pub fn next_timeout(&self) -> Option<(Instant, &'static str)> {
        self.timers.next()
    }

    /// The next fact for the control plane.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Hands everything that waits to be sent to `sink`, in batches. The bytes live only for the
    /// call, which answers when they were sent.
    pub fn flush(&mut self, now: Instant, sink: &mut dyn FnMut(Flight<'_>) -> Instant) {
        let mut due = std::mem::take(&mut self.fan_out_due);
        for producer in due.drain(..) {
            if let Some(producer) = self.producers.get_mut(producer as usize) {
                producer.queued = false;
            }
            self.fan_out(now, producer as usize);
        }
        self.fan_out_due = due;
        let mut due = std::mem::take(&mut self.send_due);
        for transport in due.drain(..) {
            self.write_queue(now, transport as usize);
            if self.outbox.is_full() {
                self.fly(sink);
            }
        }
        self.send_due = due;
        self.fly(sink);
    }

    /// What happened so far. Looks at every transport that is estimated: not for every packet.
    pub fn counters(&self) -> PlaneCounters {
        PlaneCounters {
            rtp_forwarded: self.counters.forwarded.packets(),
            estimates: self.estimates(),
            transports: self.transports.len() as u64,
            producers: self.producers.len() as u64,
            consumers: self.consumers.len() as u64,
            ..self.counters
        }
    }

    fn fly(&mut self, sink: &mut dyn FnMut(Flight<'_>) -> Instant) {
        let flown = self.outbox.fly(sink);
        self.counters.datagrams_sent += flown.datagrams;
        self.counters.bytes_sent += flown.bytes;
        self.counters.runs_sent += flown.runs;
        self.counters.piped_sent += flown.piped;
        if let Some(at) = flown.at {
            self.note_departures(at);
        }
    }

    fn tell(&mut self, event: Event) {
        if self.events.len() < MAX_EVENTS {
            self.events.push_back(event);
        } else {
            self.counters.dropped_events += 1;
        }
    }

    fn next_uid(&mut self) -> StreamUid {
        self.last_uid = self.last_uid.wrapping_add(1);
        StreamUid(self.last_uid)
    }

    fn ms(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.start).as_millis() as u32
    }

    fn ice_state(&self, transport: usize) -> Option<(IceState, Option<SocketAddr>)> {
        match &self.transports.get(transport)?.kind {
            transport::Kind::WebRtc(agent) => {
                Some((agent.state(), agent.selected().map(|tuple| tuple.remote)))
            }
            transport::Kind::Plain(_) | transport::Kind::Pipe(_) | transport::Kind::Direct(_) => {
                None
            }
        }
    }

    /// Protects and queues an RTCP packet.
    fn send_rtcp(&mut self, now: Instant, transport: usize, packet: &[u8]) {
        let transport = &mut self.transports[transport];
        let Some(to) = transport.rtcp_destination() else { return };
        if self.outbox.is_overflowing() || (transport.srtp.is_none() && transport.needs_keys()) {
            return;
        }
        let start = self.outbox.bytes.len();
        self.outbox.bytes.extend_from_slice(packet);
        if let Some(srtp) = &mut transport.srtp {
            let overhead = srtp.sender.rtcp_overhead();
            self.outbox.bytes.resize(start + packet.len() + overhead, 0);
            let sealed = srtp.sender.protect_rtcp(&mut self.outbox.bytes[start..], packet.len());
            let Some(len) = sealed else {
                self.outbox.bytes.truncate(start);
                return;
            };
            self.outbox.bytes.truncate(start + len);
        }
        transport.sent.all.add(now, self.outbox.bytes.len() - start);
        self.outbox.commit(start, to);
    }

    /// Queues an answer that needs no keys.
    fn send_plain(&mut self, now: Instant, transport: usize, packet: &[u8], to: Destination) {
        if !self.outbox.is_overflowing() {
            self.transports[transport].sent.all.add(now, packet.len());
            self.outbox.push(packet, to);
        }
    }
}
