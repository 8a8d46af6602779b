//! A whole plane with a publisher, viewers, a plain transport and a pipe: inputs are sessions,
//! packet by packet, some of them protected with the right keys so that they get behind the proof.

mod sessions;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use starling_media::{
    Command, ConsumerKey, PipeKey, Plane, PlaneConfig, ProducerKey, SocketId, TransportKey,
    command::{IceCredentials, SrtpKey, SrtpKeys, StatsOf},
    ice::{
        IntegrityKey,
        stun::{self, BindingRequest},
    },
    rtp::{RtpHeader, is_rtcp},
    srtp::{MAX_OVERHEAD, Receiver, Sender},
};
use starling_proto::{
    rtp::{ConsumerLayers, RtpType},
    transport::SrtpProfile,
};

use super::{Kind, Target, behaviour, size};
use sessions::{audio, consumer_of, sessions, video};

pub(super) const KIND: Kind = Kind {
    name: "plane",
    about: "Plane::handle_datagram, handle_pipe, commands and time, in sessions",
    cost: 10,
    max_len: 12_000,
    words: &[
        &[PROVEN, 0, 0, 60],
        &[WAIT, 20],
        &[WAIT, 250],
        &[CHECK, 0],
        &[COMMAND, 3, 1],
        &[PIPE, 0, 0, 40],
        &[0x80, 0x60],
        &[0x90, 0xe0],
        &[0x81, 205],
        &[0x8f, 205],
        &[0x81, 206],
    ],
    seeds: sessions,
    make: || Box::new(Session),
};

/// Longest datagram out: a packet of 1,500 bytes in, with extensions of ours (MID, abs-send-time,
/// transport-cc and their padding), an original sequence number and an SRTP tag.
const LONGEST: usize = 1_500 + 60;

// Steps. Those with bytes have: who, two bytes of length, the bytes.
/// A datagram as it is, from one of the clients or a stranger.
const RAW: u8 = 0;
/// A datagram that a client protected with its key.
const PROVEN: u8 = 1;
/// A packet from the pipe.
const PIPE: u8 = 2;
/// So many milliseconds go by.
const WAIT: u8 = 3;
/// A client's ICE check.
const CHECK: u8 = 4;
/// The control plane does something: which, and with what.
const COMMAND: u8 = 5;
const STEPS: u8 = 6;

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
const PASSWORD: &str = "a password of 24 letters";
const PUBLISHER: u64 = 1;
const VIEWERS: [u64; 2] = [2, 3];
const PLAIN: u64 = 4;
const PIPED: u64 = 5;
const VIDEO: u64 = 1;
const AUDIO: u64 = 2;

struct Session;

impl Target for Session {
    fn run(&mut self, input: &[u8]) -> u64 {
        let mut world = World::new();
        let mut rest = input;
        while let Some((&step, after)) = rest.split_first() {
            rest = after;
            world.step(step % STEPS, &mut rest);
            world.settle();
        }
        world.wait(300);
        let seen = world.behaviour();
        world.end();
        seen
    }
}

/// A client's end of a WebRTC transport.
struct Client {
    at: SocketAddr,
    sender: Sender,
    receiver: Receiver,
}

struct World {
    plane: Plane,
    now: Instant,
    clients: Vec<Client>,
    checks: u8,
    sent: usize,
}

impl World {
    fn new() -> Self {
        let start = Instant::now();
        let wall = Duration::from_secs(1_700_000_000);
        let plane = Plane::new(PlaneConfig { seed: 1, start, wall });
        let mut world = Self { plane, now: start, clients: Vec::new(), checks: 0, sent: 0 };
        for number in [PUBLISHER, VIEWERS[0], VIEWERS[1]] {
            world.add_client(number);
        }
        world.command(Command::AddPlain {
            transport: TransportKey(PLAIN),
            rtp: SocketId(10),
            rtcp: Some(SocketId(11)),
            comedia: true,
            srtp: false,
        });
        world.command(Command::AddPipe { transport: TransportKey(PIPED), pipe: PipeKey(1) });
        world.produce(PUBLISHER, VIDEO);
        world.produce(PUBLISHER, AUDIO);
        for (number, viewer) in (10..).step_by(10).zip(VIEWERS) {
            world.consume(viewer, number, VIDEO);
            world.consume(viewer, number + 1, AUDIO);
        }
        world.consume(PIPED, 30, VIDEO);
        world.consume(PLAIN, 40, AUDIO);
        world.settle();
        world
    }

    fn add_client(&mut self, number: u64) {
        let transport = TransportKey(number);
        let ice = IceCredentials { ufrag: format!("user{number}"), password: PASSWORD.into() };
        self.command(Command::AddWebRtc { transport, ice, consent: Duration::from_secs(30) });
        let key = |byte: u8| SrtpKey { key: vec![byte; 16], salt: vec![byte ^ 0xff; 12] };
        let (theirs, ours) = (key(number as u8), key(number as u8 + 100));
        let right = "the key has the profile's lengths";
        self.clients.push(Client {
            at: SocketAddr::from(([127, 0, 0, 1], 5_000 + number as u16)),
            sender: Sender::new(PROFILE, &theirs).expect(right),
            receiver: Receiver::new(PROFILE, &ours).expect(right),
        });
        self.check(number as usize - 1);
        let keys = SrtpKeys { profile: PROFILE, send: ours, recv: theirs };
        self.command(Command::SetSrtp { transport, keys: Box::new(keys) });
    }

    fn command(&mut self, command: Command) {
        self.plane.handle_command(self.now, command);
    }

    fn produce(&mut self, transport: u64, producer: u64) {
        let (transport, producer) = (TransportKey(transport), ProducerKey(producer));
        let params = if producer.0 == AUDIO { audio() } else { video() };
        self.command(Command::Produce { transport, producer, params: Box::new(params.clone()) });
    }

    fn consume(&mut self, transport: u64, consumer: u64, producer: u64) {
        let mut params = consumer_of(producer, consumer as u32 * 1_000);
        match (transport, producer) {
            (PIPED, _) => {
                (params.rtp_type, params.pipe_layers) = (RtpType::Pipe, 7);
                let encoding = params.rtp.encodings[0].clone();
                params.rtp.encodings = (0..3)
                    .map(|n| {
                        let mut one = encoding.clone();
                        one.ssrc = Some(9_000 + n);
                        one.rtx = None;
                        one
                    })
                    .collect();
            }
            (_, AUDIO) => params.rtp_type = RtpType::Simple,
            _ => params.rtp_type = RtpType::Simulcast,
        }
        self.command(Command::Consume {
            transport: TransportKey(transport),
            consumer: ConsumerKey(consumer),
            producer: ProducerKey(producer),
            params: Box::new(params),
        });
    }

    fn step(&mut self, step: u8, rest: &mut &[u8]) {
        match step {
            RAW => {
                let who = take(rest);
                let mut datagram = take_bytes(rest).to_vec();
                let (socket, from) = self.place(who);
                self.plane.handle_datagram(self.now, socket, from, &mut datagram);
            }
            PROVEN => {
                let who = usize::from(take(rest)) % self.clients.len();
                let bytes = take_bytes(rest);
                self.proven(who, bytes);
            }
            PIPE => {
                take(rest);
                self.plane.handle_pipe(self.now, PipeKey(1), take_bytes(rest));
            }
            WAIT => self.wait(u64::from(take(rest)) * 4),
            CHECK => {
                let who = usize::from(take(rest)) % self.clients.len();
                self.check(who);
            }
            _ => {
                let (which, with) = (take(rest), take(rest));
                self.control(which, with);
            }
        }
    }

    fn place(&self, who: u8) -> (SocketId, SocketAddr) {
        match who % 6 {
            client @ 0..=2 => (SocketId(0), self.clients[usize::from(client)].at),
            3 => (SocketId(10), SocketAddr::from(([127, 0, 0, 1], 6_000))),
            4 => (SocketId(11), SocketAddr::from(([127, 0, 0, 1], 6_001))),
            _ => (SocketId(0), SocketAddr::from(([127, 0, 0, 1], 7_000 + u16::from(who)))),
        }
    }

    fn proven(&mut self, who: usize, bytes: &[u8]) {
        let client = &mut self.clients[who];
        let mut packet = bytes.to_vec();
        packet.resize(bytes.len() + MAX_OVERHEAD, 0);
        let sealed = if is_rtcp(bytes) {
            client.sender.protect_rtcp(&mut packet, bytes.len())
        } else {
            client.sender.protect_rtp(&mut packet, bytes.len())
        };
        let Some(len) = sealed else { return };
        self.plane.handle_datagram(self.now, SocketId(0), client.at, &mut packet[..len]);
    }

    fn check(&mut self, who: usize) {
        self.checks = self.checks.wrapping_add(1);
        let username = format!("user{}:theirs", who + 1);
        let fields = BindingRequest {
            username: &username,
            priority: Some(1),
            use_candidate: true,
            ice_controlling: Some(1),
            ..BindingRequest::default()
        };
        let mut request = Vec::new();
        stun::write_request(
            &mut request,
            &[self.checks; 12],
            &fields,
            &IntegrityKey::new(PASSWORD),
        );
        let at = self.clients[who].at;
        self.plane.handle_datagram(self.now, SocketId(0), at, &mut request);
    }

    fn control(&mut self, which: u8, with: u8) {
        let consumers = [10, 11, 20, 21, 30, 40];
        let consumer = ConsumerKey(consumers[usize::from(with) % consumers.len()]);
        let producer = ProducerKey(1 + u64::from(with) % 3);
        let on = with & 0x80 != 0;
        let layers =
            ConsumerLayers { spatial_layer: with & 3, temporal_layer: Some(with >> 2 & 3) };
        match which % 13 {
            0 => self.command(Command::PauseProducer { producer, paused: on }),
            1 => self.command(Command::PauseConsumer { consumer, paused: on }),
            2 => self.command(Command::SetPreferredLayers { consumer, layers }),
            3 => self.command(Command::RequestKeyFrame { consumer }),
            4 => {
                let consumer = ConsumerKey(30);
                self.command(Command::SetPipeLayers { consumer, layers: u32::from(with & 7) });
            }
            5 => self.command(Command::RemoveConsumer { consumer }),
            6 => {
                let transport = match consumer.0 {
                    10 | 11 => VIEWERS[0],
                    20 | 21 => VIEWERS[1],
                    30 => PIPED,
                    _ => PLAIN,
                };
                let audio = matches!(consumer.0, 11 | 21 | 40);
                self.consume(transport, consumer.0, if audio { AUDIO } else { VIDEO });
            }
            7 => self.command(Command::RemoveProducer { producer }),
            8 => self.produce(if on { PIPED } else { PUBLISHER }, producer.0),
            9 => self.command(Command::ReplaceProducer { old: ProducerKey(VIDEO), new: producer }),
            10 => {
                let rtp = SocketAddr::from(([127, 0, 0, 1], 6_000));
                let transport = TransportKey(PLAIN);
                self.command(Command::ConnectPlain { transport, rtp, rtcp: None });
            }
            11 => {
                let ice = IceCredentials { ufrag: "again".into(), password: PASSWORD.into() };
                self.command(Command::RestartIce { transport: TransportKey(PUBLISHER), ice });
            }
            _ => {
                for of in [StatsOf::Consumer(consumer), StatsOf::Producer(producer)] {
                    self.command(Command::CollectStats { token: 1, of });
                }
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        let mut turns = 0;
        while let Some((at, why)) = self.plane.next_timeout().filter(|(at, _)| *at <= end) {
            self.now = at.max(self.now);
            self.plane.handle_timeout(self.now);
            self.settle();
            turns += 1;
            assert!(turns < 10_000, "timers that do not end: {why}");
        }
        self.now = end;
    }

    /// Takes what the plane sends, and looks at it as the clients would.
    fn settle(&mut self) {
        let (clients, sent, now) = (&mut self.clients, &mut self.sent, self.now);
        self.plane.flush(now, &mut |flight| {
            for run in flight.runs {
                let bytes = &flight.bytes[run.bytes.clone()];
                assert!((1..=LONGEST).contains(&run.segment), "a datagram of {}", run.segment);
                assert!(bytes.len().div_ceil(run.segment) <= 64, "more than the kernel takes");
                for datagram in bytes.chunks(run.segment) {
                    *sent += 1;
                    if let Some(client) = clients.iter_mut().find(|client| client.at == run.to) {
                        received(client, datagram);
                    }
                }
            }
            for (pipe, range) in flight.piped {
                assert_eq!(*pipe, PipeKey(1));
                let packet = &flight.bytes[range.clone()];
                assert!(
                    is_rtcp(packet) || RtpHeader::parse(packet).is_some(),
                    "a broken piped packet"
                );
            }
            now
        });
        while self.plane.poll_event().is_some() {}
    }

    fn behaviour(&self) -> u64 {
        let counters = self.plane.counters();
        // Its debug form names every counter there is, so that new ones count as well.
        let told = format!("{counters:?}");
        let magnitudes: Vec<u32> = told
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .map(|number: usize| size(number).min(4))
            .collect();
        behaviour((magnitudes, size(self.sent)))
    }

    /// Nothing outlives its owner.
    fn end(mut self) {
        for transport in [PUBLISHER, VIEWERS[0], VIEWERS[1], PLAIN, PIPED] {
            self.command(Command::RemoveTransport { transport: TransportKey(transport) });
        }
        self.settle();
        let counters = self.plane.counters();
        assert_eq!((counters.transports, counters.producers, counters.consumers), (0, 0, 0));
    }
}

/// What reaches a client is STUN, or authentic and well formed.
fn received(client: &mut Client, datagram: &[u8]) {
    if datagram[0] < 4 {
        assert!(stun::StunMessage::parse(datagram).is_some(), "a broken answer");
        return;
    }
    let mut packet = datagram.to_vec();
    if is_rtcp(datagram) {
        let len = client.receiver.unprotect_rtcp(&mut packet).expect("our RTCP is authentic");
        let mut items = Vec::new();
        assert_eq!(starling_media::rtcp::parse(&packet[..len], &mut items), 0, "broken RTCP");
    } else if let Some(len) = client.receiver.unprotect_rtp(&mut packet) {
        assert!(RtpHeader::parse(&packet[..len]).is_some(), "a broken packet");
    } else {
        // A retransmission without RTX repeats an index, which a receiver drops as a replay.
        assert_eq!(client.receiver.counters().forged, 0, "a packet that is not authentic");
    }
}

fn take(rest: &mut &[u8]) -> u8 {
    let Some((first, after)) = rest.split_first() else { return 0 };
    *rest = after;
    *first
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let len = usize::from(u16::from_be_bytes([take(rest), take(rest)])) % 1_500;
    let (bytes, after) = rest.split_at(len.min(rest.len()));
    *rest = after;
    bytes
}
