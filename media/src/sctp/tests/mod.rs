//! Both ends of an association, over a wire that loses and with a clock of the tests'.

mod caps;

use std::{sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use sctp_proto::{ClientConfig, EndpointConfig, StreamId, TransportConfig};
use starling_proto::sctp::MAX_MESSAGE;

use super::*;

/// A client: the same crate's other half, as a browser uses it.
struct Client {
    endpoint: Endpoint,
    handle: AssociationHandle,
    association: Association,
    connected: bool,
}

impl Client {
    fn new() -> Self {
        let transport = TransportConfig::default().with_max_send_message_size(10_000_000);
        let mut config = ClientConfig::new();
        config.transport = Arc::new(transport);
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::new()), None);
        let (handle, association) = endpoint.connect(config, SOMEWHERE).unwrap();
        Self { endpoint, handle, association, connected: false }
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let datagram = Bytes::copy_from_slice(datagram);
        if let Some((_, DatagramEvent::AssociationEvent(event))) =
            self.endpoint.handle(now, SOMEWHERE, None, None, datagram)
        {
            self.association.handle_event(event);
        }
    }

    fn send(&mut self, now: Instant) -> Vec<Bytes> {
        let mut out = Vec::new();
        while let Some(event) = self.association.poll_endpoint_event() {
            self.endpoint.handle_event(self.handle, event);
        }
        while let Some(event) = self.association.poll() {
            self.connected |= matches!(event, Event::Connected);
        }
        while let Some(transmit) = self.association.poll_transmit(now) {
            if let Payload::RawEncode(datagrams) = transmit.payload {
                out.extend(datagrams);
            }
        }
        out
    }

    fn open(&mut self, id: StreamId) {
        self.association.open_stream(id, PayloadProtocolIdentifier::Binary).unwrap();
    }

    fn write(&mut self, id: StreamId, payload: &[u8], ppi: PayloadProtocolIdentifier) {
        self.association.stream(id).unwrap().write_with_ppi(payload, ppi).unwrap();
    }

    fn read(&mut self, id: StreamId) -> Option<(PayloadProtocolIdentifier, Vec<u8>)> {
        let chunks = self.association.stream(id).ok()?.read_sctp().ok()??;
        let mut payload = vec![0; chunks.len()];
        chunks.read(&mut payload).unwrap();
        Some((chunks.ppi, payload))
    }
}

/// Both ends, a wire that loses a share, and a clock.
struct World {
    now: Instant,
    client: Client,
    server: Sctp,
    events: Vec<SctpEvent>,
    rng: SmallRng,
    loss: f64,
}

impl World {
    fn connected(loss: f64) -> Self {
        let rng = SmallRng::seed_from_u64(7);
        let (client, server) = (Client::new(), Sctp::new());
        let mut world = Self { now: Instant::now(), client, server, events: vec![], rng, loss };
        world.run(|world| world.client.connected && world.server.is_connected());
        world
    }

    /// A round trip of 10 ms.
    fn turn(&mut self) {
        for datagram in self.client.send(self.now) {
            if !self.rng.random_bool(self.loss) {
                self.server.handle_datagram(self.now, &datagram);
            }
        }
        self.now += Duration::from_millis(10);
        while let Some(datagrams) = self.server.poll_transmit(self.now) {
            for datagram in datagrams {
                assert!(datagram.len() <= MTU as usize);
                if !self.rng.random_bool(self.loss) {
                    self.client.receive(self.now, &datagram);
                }
            }
        }
        self.client.association.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
        }
    }

    fn run(&mut self, mut until: impl FnMut(&mut Self) -> bool) {
        for _ in 0..60_000 {
            if until(self) {
                return;
            }
            self.turn();
        }
        panic!("in vain waited; {:?}", self.events);
    }
}

fn number(message: &DataMessage) -> u32 {
    u32::from_be_bytes(message.payload[..4].try_into().unwrap())
}

#[test]
fn reliable_messages_arrive_in_order_both_ways_over_a_wire_that_loses() {
    let mut world = World::connected(0.05);
    world.client.open(3);
    assert!(world.server.open(3, &Delivery::RELIABLE));
    assert!(world.server.open(4, &Delivery::RELIABLE));
    for n in 0..500u32 {
        let payload = [&n.to_be_bytes()[..], &vec![7; (n as usize % 5) * 1_000]].concat();
        world.client.write(3, &payload, PayloadProtocolIdentifier::Binary);
        assert!(world.server.write(4, &DataMessage::new(MessageKind::Binary, &payload)));
    }
    let (mut there, mut back) = (0, 0);
    world.run(|world| {
        while let Some(message) = world.server.read(3) {
            assert_eq!(number(&message), there);
            there += 1;
        }
        while let Some((_, payload)) = world.client.read(4) {
            assert_eq!(payload[..4], u32::to_be_bytes(back));
            back += 1;
        }
        (there, back) == (500, 500)
    });
    world.run(|world| world.server.buffered_amount(4) == 0);
}

#[test]
fn texts_bytes_and_empty_messages_stay_what_they_are() {
    use PayloadProtocolIdentifier::{Binary, BinaryEmpty, String, StringEmpty};
    let mut world = World::connected(0.0);
    world.client.open(0);
    assert!(world.server.open(0, &Delivery::RELIABLE));
    for (payload, ppi) in
        [(&b"a"[..], String), (b"b", Binary), (b"\0", StringEmpty), (b"\0", BinaryEmpty)]
    {
        world.client.write(0, payload, ppi);
    }
    let mut read = Vec::new();
    world.run(|world| {
        while let Some(message) = world.server.read(0) {
            assert!(world.server.write(0, &message));
            read.push((message.kind, message.payload.to_vec()));
        }
        read.len() == 4
    });
    let (text, bytes) = (MessageKind::String, MessageKind::Binary);
    let expected = [(text, &b"a"[..]), (bytes, b"b"), (text, b""), (bytes, b"")];
    assert_eq!(read, expected.map(|(kind, payload)| (kind, payload.to_vec())));
    let mut echoed = Vec::new();
    world.run(|world| {
        echoed.extend(std::iter::from_fn(|| world.client.read(0)).map(|(ppi, _)| ppi));
        echoed.len() == 4
    });
    assert_eq!(echoed, [String, Binary, StringEmpty, BinaryEmpty]);
}

#[test]
fn a_message_that_is_not_read_closes_the_window_and_is_not_lost() {
    let mut world = World::connected(0.0);
    world.client.open(0);
    assert!(world.server.open(0, &Delivery::RELIABLE));
    for n in 0..100u32 {
        let payload = [&n.to_be_bytes()[..], &vec![0; 40_000]].concat();
        world.client.write(0, &payload, PayloadProtocolIdentifier::Binary);
    }
    for _ in 0..500 {
        world.turn();
    }
    let mut next = 0;
    let mut reads = 0;
    world.run(|world| {
        reads += 1;
        while let Some(message) = world.server.read(0) {
            assert_eq!(number(&message), next);
            next += 1;
        }
        assert!(reads > 1 || next < 40, "a window of a megabyte holds 26 of them");
        next == 100
    });
}

#[test]
fn a_message_above_the_limit_ends_the_association() {
    let mut world = World::connected(0.0);
    world.client.open(0);
    assert!(world.server.open(0, &Delivery::RELIABLE));
    world.client.write(0, &vec![0; MAX_MESSAGE + 1], PayloadProtocolIdentifier::Binary);
    world.run(|world| matches!(world.events.last(), Some(SctpEvent::Lost(_))));
    assert!(!world.server.is_connected());
}

#[test]
fn the_largest_message_arrives() {
    let mut world = World::connected(0.02);
    world.client.open(0);
    assert!(world.server.open(0, &Delivery::RELIABLE));
    world.client.write(0, &vec![5; MAX_MESSAGE], PayloadProtocolIdentifier::Binary);
    world.run(|world| world.server.read(0).is_some_and(|it| it.payload.len() == MAX_MESSAGE));
}

#[test]
fn a_stream_beyond_those_agreed_on_ends_the_association() {
    let mut world = World::connected(0.0);
    world.client.open(STREAMS);
    world.client.write(STREAMS, b"x", PayloadProtocolIdentifier::Binary);
    world.run(|world| matches!(world.events.last(), Some(SctpEvent::Lost(_))));
}

#[test]
fn a_client_that_closes_its_stream_is_noticed_and_the_stream_can_be_used_again() {
    let mut world = World::connected(0.0);
    for _ in 0..3 {
        world.client.open(5);
        assert!(world.server.open(5, &Delivery::RELIABLE));
        world.client.write(5, b"x", PayloadProtocolIdentifier::String);
        world.run(|world| world.server.read(5).is_some());
        world.client.association.stream(5).unwrap().close().unwrap();
        world.events.clear();
        world.run(|world| world.events.contains(&SctpEvent::Reset(5)));
        world.server.close(5);
        for _ in 0..20 {
            world.turn();
        }
    }
}

#[test]
fn what_waits_to_be_sent_is_bounded_and_falls_to_its_threshold() {
    let mut world = World::connected(0.0);
    world.client.open(0);
    assert!(world.server.open(0, &Delivery::RELIABLE));
    world.server.set_low_threshold(0, 1_024);
    let mut written = 0;
    let message = DataMessage::new(MessageKind::Binary, &[0; 100]);
    while world.server.has_room(0) {
        assert!(world.server.write(0, &message));
        written += 1;
    }
    assert!((1_000..2_000).contains(&written), "{written} messages cost {STREAM_BUFFER}");
    let mut read = 0;
    world.run(|world| {
        while world.client.read(0).is_some() {
            read += 1;
        }
        read == written
    });
    world.run(|world| world.events.contains(&SctpEvent::BufferedAmountLow(0)));
}

#[test]
fn messages_that_may_be_given_up_are_and_the_rest_arrives() {
    let mut world = World::connected(0.0);
    world.client.open(0);
    let delivery =
        Delivery { ordered: false, max_packet_life_time: None, max_retransmits: Some(0) };
    assert!(world.server.open(0, &delivery));
    world.loss = 0.3;
    for n in 0..300u32 {
        assert!(world.server.write(0, &DataMessage::new(MessageKind::Binary, &n.to_be_bytes())));
        world.turn();
    }
    world.loss = 0.0;
    let mut read = 0;
    world.run(|world| {
        read += std::iter::from_fn(|| world.client.read(0)).count();
        world.server.buffered_amount(0) == 0
    });
    assert!((100..300).contains(&read), "{read} of 300");
}
