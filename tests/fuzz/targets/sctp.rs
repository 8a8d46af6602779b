//! An association whose client is real and whose wire is not to be trusted: an input says what both
//! ends do, what the wire does to the client's datagrams, and what it slips in between them.
//!
//! ```text
//! 0..=3      the client, the node say a message: stream, length / 8
//! 4, 5       the client, the node close a stream
//! 6..=9      a datagram of the client is let through, lost, doubled, kept back until the next
//! 10, 11     a datagram of the node is let through, lost
//! 12         a byte of the client's next datagram is another: where, by what it is changed
//! 13, 14     the node reads a stream; it has read all there is, or has not
//! 15         time passes: times 10 ms
//! 16         a chunk of the client's: length, then its bytes; numbers in it count from the first
//! ```

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Payload,
    PayloadProtocolIdentifier,
};
use starling_media::sctp::{Sctp, seal};
use starling_proto::{
    message::{DataMessage, MessageKind},
    sctp::Delivery,
};

use super::{DATAGRAM, Kind, Target, behaviour, size};

pub(super) const KIND: Kind = Kind {
    name: "sctp",
    about: "a real client's association over a wire that is not to be trusted",
    cost: 40,
    max_len: 512,
    words: &[
        &[16, 20, 0, 3, 0, 20],
        &[16, 28, 3, 0, 0, 28],
        &[16, 20, 130, 0, 0, 20, 0, 13, 0, 16],
        &[16, 16, 130, 0, 0, 16, 0, 16, 0, 12],
        &[16, 8, 192, 0, 0, 8],
        &[0, 1, 40],
        &[12, 13, 2],
        &[6, 10, 6, 10],
        &[15, 100],
    ],
    seeds,
    make: || Box::new(Wire),
};

/// Streams that are used.
const STREAMS: u16 = 4;
/// Steps of one input.
const STEPS: usize = 128;

struct Wire;

impl Target for Wire {
    fn run(&mut self, input: &[u8]) -> u64 {
        let mut world = World::connected();
        let mut input = Input(input);
        let mut shape = Vec::new();
        for _ in 0..STEPS {
            let Some(step) = input.next() else { break };
            shape.push(world.step(step, &mut input));
            world.settle();
        }
        // What is left comes through: it ends well, or is over.
        for _ in 0..40 {
            world.turn();
        }
        let read: Vec<_> = (0..STREAMS).map(|id| world.read(id)).collect();
        let counters = world.node.counters();
        shape.retain(|seen| *seen != 0);
        shape.dedup();
        shape.truncate(6);
        let over = world.node.state();
        behaviour((
            shape,
            read,
            over as u8,
            size(counters.held_off as usize),
            counters.malformed > 0,
        ))
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn some(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    fn take(&mut self, len: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct World {
    now: Instant,
    endpoint: Endpoint,
    handle: AssociationHandle,
    client: Association,
    node: Sctp,
    /// Ports and tag of a datagram for the node.
    header: [u8; 8],
    /// First number of a piece of the client's, and of the node's.
    first: (u32, u32),
    to_node: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    over: bool,
}

fn somewhere() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 5_000))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

impl World {
    fn connected() -> Self {
        let now = Instant::now();
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::new()), None);
        let (handle, client) =
            endpoint.connect(ClientConfig::new(), somewhere()).expect("it is the first");
        let (header, first) = ([0; 8], (0, 0));
        let (to_node, to_client) = (VecDeque::new(), VecDeque::new());
        let node = Sctp::new();
        let mut it = Self {
            now,
            endpoint,
            handle,
            client,
            node,
            header,
            first,
            to_node,
            to_client,
            over: false,
        };
        it.settle();
        it.first.0 = number(&it.to_node[0], 28);
        for _ in 0..4 {
            it.turn();
        }
        assert!(it.node.is_connected(), "nothing is in its way yet");
        it.over = false;
        for id in 0..STREAMS {
            it.node.open(id, &Delivery::RELIABLE);
        }
        it
    }

    /// Takes from both ends what they want to send.
    fn settle(&mut self) {
        while let Some(event) = self.client.poll_endpoint_event() {
            self.endpoint.handle_event(self.handle, event);
        }
        while self.client.poll().is_some() {}
        while let Some(transmit) = self.client.poll_transmit(self.now) {
            let Payload::RawEncode(datagrams) = transmit.payload else { continue };
            self.to_node.extend(datagrams.iter().map(|datagram| datagram.to_vec()));
        }
        let mut sent = 0;
        while let Some(datagrams) = self.node.poll_transmit(self.now) {
            sent += datagrams.len();
            assert!(sent < 1_500, "a window of a megabyte is 900 datagrams");
            for datagram in datagrams {
                assert!(datagram.len() <= 1_188, "{} bytes", datagram.len());
                if datagram[12] == 2 && self.first.1 == 0 {
                    self.header[..4].copy_from_slice(&datagram[..4]);
                    self.header[4..].copy_from_slice(&datagram[16..20]);
                    self.first.1 = number(&datagram, 28);
                }
                self.to_client.push_back(datagram.to_vec());
            }
        }
        while self.node.poll_event().is_some() {}
    }

    /// Everything comes through, and 10 ms pass.
    fn turn(&mut self) {
        while let Some(datagram) = self.to_node.pop_front() {
            self.node.handle_datagram(self.now, &datagram);
        }
        self.settle();
        while let Some(datagram) = self.to_client.pop_front() {
            self.hear(&datagram);
        }
        self.pass(1);
        self.settle();
    }

    fn pass(&mut self, times: u8) {
        self.now += Duration::from_millis(10) * u32::from(times);
        self.client.handle_timeout(self.now);
        self.node.handle_timeout(self.now);
    }

    fn hear(&mut self, datagram: &[u8]) {
        let bytes = bytes::Bytes::copy_from_slice(datagram);
        if let Some((_, DatagramEvent::AssociationEvent(event))) =
            self.endpoint.handle(self.now, somewhere(), None, None, bytes)
        {
            self.client.handle_event(event);
        }
    }

    /// Gives what tells one course of events from another; 0: nothing.
    fn step(&mut self, step: u8, input: &mut Input<'_>) -> u8 {
        let kind = step % 17;
        let happened = match kind {
            0 | 1 => {
                let (id, len) = (u16::from(input.some()) % STREAMS, usize::from(input.some()) * 8);
                self.client_says(id, len, kind == 1)
            }
            2 | 3 => {
                let (id, len) = (u16::from(input.some()) % STREAMS, usize::from(input.some()) * 8);
                self.node.has_room(id)
                    && self.node.write(id, &DataMessage::new(MessageKind::Binary, &vec![5; len]))
            }
            4 => {
                let id = u16::from(input.some()) % STREAMS;
                self.client.stream(id).is_ok_and(|mut stream| stream.close().is_ok())
            }
            5 => {
                self.node.close(u16::from(input.some()) % STREAMS);
                true
            }
            6 | 8 => {
                let datagram = self.to_node.pop_front();
                for datagram in datagram.iter().cycle().take(if kind == 8 { 2 } else { 1 }) {
                    self.node.handle_datagram(self.now, datagram);
                }
                datagram.is_some()
            }
            7 => self.to_node.pop_front().is_some(),
            9 => {
                let late = self.to_node.len() > 1;
                self.to_node.rotate_left(usize::from(late));
                late
            }
            10 => {
                let datagram = self.to_client.pop_front();
                datagram.iter().for_each(|datagram| self.hear(datagram));
                datagram.is_some()
            }
            11 => self.to_client.pop_front().is_some(),
            12 => self.corrupt(usize::from(input.some()), input.some()),
            13 => self.read(u16::from(input.some()) % STREAMS) > 0,
            14 => {
                self.node.set_drained(input.some().is_multiple_of(2));
                true
            }
            15 => {
                self.pass(input.some());
                true
            }
            _ => {
                let len = usize::from(input.some());
                let chunk = input.take(len).to_vec();
                self.slip_in(chunk)
            }
        };
        if happened { kind + 1 } else { 0 }
    }

    fn client_says(&mut self, id: u16, len: usize, unordered: bool) -> bool {
        if self.client.stream(id).is_err()
            && self.client.open_stream(id, PayloadProtocolIdentifier::Binary).is_err()
        {
            return false;
        }
        self.client.stream(id).is_ok_and(|mut stream| {
            let kind = sctp_proto::ReliabilityType::Reliable;
            stream.set_reliability_params(unordered, kind, 0).is_ok()
                && stream
                    .write_with_ppi(&vec![3; len.max(1)], PayloadProtocolIdentifier::Binary)
                    .is_ok()
        })
    }

    /// Behind the ports and the tag: what has another tag is nobody's.
    fn corrupt(&mut self, at: usize, by: u8) -> bool {
        let Some(datagram) = self.to_node.front_mut() else { return false };
        let at = 12 + at % (datagram.len() - 12);
        datagram[at] ^= by;
        seal(datagram);
        by != 0
    }

    fn slip_in(&mut self, mut chunk: Vec<u8>) -> bool {
        let (ours, theirs) = self.first;
        let (kind, parameter) = (chunk.first().copied(), chunk.get(5).copied());
        let mut from = |at: usize, first: u32| {
            if let Some(place) = chunk.get_mut(at..at + 4) {
                let counted = number(place, 0).wrapping_add(first);
                place.copy_from_slice(&counted.to_be_bytes());
            }
        };
        match kind {
            Some(0 | 192) => from(4, ours),
            Some(3) => from(4, theirs.wrapping_sub(1)),
            Some(130) if parameter == Some(16) => from(8, theirs),
            Some(130) => {
                from(8, ours);
                from(12, theirs);
                from(16, ours);
            }
            Some(_) => {}
            None => return false,
        }
        let mut datagram = [&self.header[..], &[0; 4], &chunk].concat();
        datagram.resize(datagram.len().next_multiple_of(4).min(DATAGRAM), 0);
        seal(&mut datagram);
        self.node.handle_datagram(self.now, &datagram);
        true
    }

    /// How much was read of a stream.
    fn read(&mut self, id: u16) -> u32 {
        let mut bytes = 0;
        while let Some(message) = self.node.read(id) {
            bytes += message.payload.len() + 1;
        }
        size(bytes)
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let slip = |chunk: &[u8]| [&[16, chunk.len() as u8][..], chunk].concat();
    let piece = |flags: u8, tsn: u8, stream: u8| {
        slip(&[0, flags, 0, 20, 0, 0, 0, tsn, 0, stream, 0, 0, 0, 0, 0, 53, 1, 2, 3, 4])
    };
    let sack = slip(&[3, 0, 0, 20, 0, 0, 0, 1, 0, 16, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3]);
    let window = slip(&[3, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let forward = slip(&[192, 0, 0, 12, 0, 0, 0, 3, 0, 1, 0, 0]);
    let reset = slip(&[130, 0, 0, 22, 0, 13, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
    let answer = slip(&[130, 0, 0, 16, 0, 16, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1]);
    let alive = slip(&[4, 0, 0, 12, 0, 1, 0, 8, 1, 2, 3, 4]);
    let shutdown = slip(&[7, 0, 0, 8, 0, 0, 0, 0]);
    vec![
        [&[0, 1, 40, 6, 13, 1, 10][..], &[2, 1, 250, 10, 10, 6, 6]].concat(),
        // Long messages with loss, doubling, reordering and time.
        vec![0, 2, 255, 0, 2, 255, 7, 8, 9, 6, 15, 60, 6, 6, 6, 13, 2, 14, 0, 15, 200, 6, 6],
        vec![1, 1, 255, 1, 1, 3, 9, 6, 6, 12, 9, 3, 6, 13, 1],
        [&[0, 1, 3, 6][..], &piece(2, 9, 2), &piece(0, 10, 2), &piece(1, 12, 2), &[13, 2]].concat(),
        [&piece(3, 0, 1)[..], &piece(7, 2, 3), &forward, &piece(3, 4, 1), &[13, 1, 13, 3]].concat(),
        [&[2, 1, 255, 2, 1, 255, 11, 10][..], &sack, &window, &[15, 100, 10]].concat(),
        [&piece(3, 0, 1)[..], &reset, &[13, 1, 10], &answer, &[0, 1, 2, 6]].concat(),
        [&[0, 1, 9, 6, 4, 1, 6, 10, 6, 10, 0, 1, 9, 6, 5, 1, 10, 6][..], &alive].concat(),
        [&[2, 3, 90, 10][..], &shutdown, &[6, 10, 6, 10]].concat(),
        slip(&[6, 0, 0, 4]),
    ]
}
