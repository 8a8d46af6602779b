//! Anything in any order: no panic, nothing left behind. A red run names its seed.

use std::time::Duration;

use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use starling_proto::{
    rtp::{ConsumerLayers, RtpType},
    transport::SrtpProfile,
};

use super::{bench::*, camera::Camera};
use crate::{
    Command, ConsumerKey, PipeKey, ProducerKey, SocketId, TransportKey,
    command::{ConsumerParams, IceCredentials, ProducerParams, SrtpKey, SrtpKeys, StatsOf},
    rtcp::build,
};

struct Soak {
    bench: Bench,
    rng: SmallRng,
    cameras: Vec<Camera>,
}

impl Soak {
    fn new(seed: u64) -> Self {
        let bench = Bench::new(seed);
        let cameras = (0..3).map(|_| Camera::new(bench.now)).collect();
        Self { bench, rng: SmallRng::seed_from_u64(seed), cameras }
    }

    /// Few, so that commands often meet what is there or just gone.
    fn key(&mut self) -> u64 {
        self.rng.random_range(0..5)
    }

    fn command(&mut self) -> Command {
        let (transport, producer) = (TransportKey(self.key()), ProducerKey(self.key()));
        let consumer = ConsumerKey(self.key());
        let paused = self.rng.random_bool(0.3);
        match self.rng.random_range(0..22) {
            0 => Command::AddWebRtc {
                transport,
                ice: IceCredentials { ufrag: format!("u{}", self.key()), password: "p".repeat(24) },
                consent: Duration::from_secs(10),
            },
            1 => Command::RestartIce {
                transport,
                ice: IceCredentials { ufrag: format!("u{}", self.key()), password: "q".repeat(24) },
            },
            2 | 3 => Command::AddPlain {
                transport,
                rtp: SocketId(10 + self.key() as u32),
                rtcp: self.rng.random_bool(0.3).then(|| SocketId(30 + self.key() as u32)),
                comedia: self.rng.random_bool(0.7),
                srtp: self.rng.random_bool(0.1),
            },
            4 => Command::AddPipe { transport, pipe: PipeKey(self.key()) },
            5 => Command::RemoveTransport { transport },
            6 => Command::ConnectPlain {
                transport,
                rtp: address(5_010 + self.key() as u16),
                rtcp: None,
            },
            7 => Command::SetSrtp {
                transport,
                keys: Box::new(SrtpKeys {
                    profile: SrtpProfile::AeadAes128Gcm,
                    send: SrtpKey { key: vec![1; 16], salt: vec![1; 12] },
                    recv: SrtpKey {
                        key: vec![2; self.rng.random_range(15..17)],
                        salt: vec![2; 12],
                    },
                }),
            },
            8..=10 => self.produce(transport, producer, paused),
            11 => Command::PauseProducer { producer, paused },
            12 => Command::RemoveProducer { producer },
            13 if paused => {
                Command::SucceedProducer { old: producer, new: ProducerKey(self.key()) }
            }
            13 => Command::ReplaceProducer { old: producer, new: ProducerKey(self.key()) },
            14..=16 => {
                let params = self.consumer();
                Command::Consume { transport, consumer, producer, params: Box::new(params) }
            }
            17 => Command::PauseConsumer { consumer, paused },
            18 => Command::SetPreferredLayers {
                consumer,
                layers: ConsumerLayers {
                    spatial_layer: self.rng.next_u32() as u8,
                    temporal_layer: self.rng.random_bool(0.5).then_some(self.key() as u8),
                },
            },
            19 => Command::SetPipeLayers { consumer, layers: self.rng.next_u32() },
            20 => Command::RemoveConsumer { consumer },
            _ => Command::CollectStats {
                token: 1,
                of: *[
                    StatsOf::Transport(transport),
                    StatsOf::Producer(producer),
                    StatsOf::Consumer(consumer),
                ]
                .choose(&mut self.rng)
                .unwrap(),
            },
        }
    }

    fn produce(&mut self, transport: TransportKey, producer: ProducerKey, paused: bool) -> Command {
        let rtp = match self.rng.random_range(0..4) {
            0 => opus(self.rng.random_range(100..104)),
            1 => vp8(self.rng.random_range(100..104)),
            _ => vp8_simulcast(),
        };
        let kind = if rtp.codecs[0].payload_type == 111 {
            starling_proto::MediaKind::Audio
        } else {
            starling_proto::MediaKind::Video
        };
        let mapping = starling_proto::rtp::RtpMapping::default();
        let params = Box::new(ProducerParams {
            kind,
            rtp,
            mapping,
            paused,
            encrypted: false,
            key_frame_delay: Duration::ZERO,
        });
        Command::Produce { transport, producer, params }
    }

    fn consumer(&mut self) -> ConsumerParams {
        let ssrc = self.rng.random_range(2_000..2_010);
        let mut params = match self.rng.random_range(0..3) {
            0 => audio_consumer(ssrc),
            1 => video_consumer(ssrc, RtpType::Simple),
            _ => video_consumer(ssrc, RtpType::Simulcast),
        };
        if self.rng.random_bool(0.3) {
            params.rtp_type = RtpType::Pipe;
            params.pipe_layers = self.rng.next_u32();
            let mut second = params.rtp.encodings[0].clone();
            second.ssrc = Some(ssrc + 100);
            params.rtp.encodings.push(second);
        }
        params
    }

    fn packet(&mut self) -> Vec<u8> {
        let mut packet = match self.rng.random_range(0..6) {
            0 => {
                let mut garbage = vec![0; self.rng.random_range(0..80)];
                self.rng.fill_bytes(&mut garbage);
                garbage
            }
            1 => {
                let mut rtcp = Vec::new();
                let ssrc = self.rng.random_range(2_000..2_010);
                build::pli(&mut rtcp, 1, ssrc);
                let lost: Vec<u16> = (0..20).map(|n| n * 7).collect();
                build::nack(&mut rtcp, 1, ssrc, &lost, 500);
                rtcp
            }
            2 => {
                let camera = self.key() as usize % 3;
                self.cameras[camera].reports(self.bench.now)
            }
            _ => {
                let camera = self.key() as usize % 3;
                self.cameras[camera].key = [self.rng.random_bool(0.2); 3];
                self.cameras[camera].on = std::array::from_fn(|layer| layer == camera);
                let packets = self.cameras[camera].frame(self.bench.now);
                packets.choose(&mut self.rng).unwrap().clone()
            }
        };
        if self.rng.random_bool(0.2) && !packet.is_empty() {
            let at = self.rng.random_range(0..packet.len());
            packet[at] = self.rng.next_u32() as u8;
        }
        if self.rng.random_bool(0.1) {
            packet.truncate(self.rng.random_range(0..=packet.len()));
        }
        packet
    }

    /// Something that forwards, as far as it is not there already.
    fn populate(&mut self) {
        let mut commands = Vec::new();
        for key in 0..3 {
            commands.push(Command::AddPlain {
                transport: TransportKey(key),
                rtp: SocketId(10 + key as u32),
                rtcp: None,
                comedia: true,
                srtp: false,
            });
        }
        for key in 3..5 {
            let (transport, pipe) = (TransportKey(key), PipeKey(key));
            commands.push(Command::AddPipe { transport, pipe });
        }
        for key in 0..5u64 {
            let rtp = if key == 1 { vp8(100) } else { vp8_simulcast() };
            let params = ProducerParams {
                kind: starling_proto::MediaKind::Video,
                rtp,
                mapping: starling_proto::rtp::RtpMapping::default(),
                paused: false,
                encrypted: false,
                key_frame_delay: Duration::ZERO,
            };
            commands.push(Command::Produce {
                transport: TransportKey(key),
                producer: ProducerKey(key),
                params: Box::new(params),
            });
            let mut params = self.consumer();
            params.paused = false;
            commands.push(Command::Consume {
                transport: TransportKey((key + 1) % 5),
                consumer: ConsumerKey(key),
                producer: ProducerKey(key),
                params: Box::new(params),
            });
        }
        for command in commands {
            self.bench.plane.handle_command(self.bench.now, command);
        }
    }

    fn step(&mut self) {
        match self.rng.random_range(0..60) {
            0..=1 => {
                // What goes is rarer than what comes.
                let mut command = self.command();
                let goes = matches!(
                    command,
                    Command::RemoveTransport { .. }
                        | Command::RemoveProducer { .. }
                        | Command::RemoveConsumer { .. }
                        | Command::AddWebRtc { .. }
                        | Command::SetSrtp { .. }
                );
                if goes && self.rng.random_bool(0.7) {
                    command = self.command();
                }
                self.bench.plane.handle_command(self.bench.now, command);
            }
            2..=50 => {
                let mut packet = self.packet();
                let now = self.bench.now;
                if self.rng.random_bool(0.3) {
                    let pipe = PipeKey(self.key());
                    self.bench.plane.handle_pipe(now, pipe, &packet);
                } else {
                    let socket = SocketId(
                        *[0, 10, 10, 10, 11, 11, 11, 12, 12, 12, 13, 30]
                            .choose(&mut self.rng)
                            .unwrap(),
                    );
                    let stranger = self.rng.random_bool(0.1);
                    let from = address(5_000 + if stranger { 99 } else { socket.0 as u16 });
                    self.bench.plane.handle_datagram(now, socket, from, &mut packet);
                }
            }
            51..=55 => self.bench.settle(),
            _ => {
                let ms = *[1, 5, 40, 700].choose(&mut self.rng).unwrap();
                self.bench.advance(ms);
            }
        }
    }
}

#[test]
fn anything_in_any_order_leaves_nothing_behind() {
    let mut forwarded = 0;
    for seed in 0..60 {
        let mut soak = Soak::new(seed);
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for step in 0..3_000 {
                if step % 300 == 0 {
                    soak.populate();
                }
                soak.step();
                soak.bench.packets.clear();
                soak.bench.piped.clear();
            }
            for key in 0..5 {
                let transport = TransportKey(key);
                soak.bench
                    .plane
                    .handle_command(soak.bench.now, Command::RemoveTransport { transport });
            }
            soak.bench.settle();
            // What was due soon may fire once more, for nothing.
            soak.bench.advance(1_000);
        }));
        assert!(done.is_ok(), "seed {seed}");
        let plane = &soak.bench.plane;
        let counters = plane.counters();
        assert_eq!(
            (counters.transports, counters.producers, counters.consumers),
            (0, 0, 0),
            "seed {seed}"
        );
        assert_eq!(plane.next_timeout(), None, "seed {seed}");
        assert!(plane.is_empty(), "seed {seed}");
        forwarded += counters.rtp_forwarded;
    }
    assert!(forwarded > 2_000, "hardly anything was forwarded: {forwarded}");
}
