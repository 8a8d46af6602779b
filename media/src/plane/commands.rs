//! Commands to what they mean: transports come, change and go here; producers and consumers in
//! `attach`. One that names something gone, or repeats another, is counted and changes nothing.

use std::{net::SocketAddr, time::Instant};

use rand::RngCore;

use crate::{
    command::{Command, ConsumerKey, IceCredentials, PipeKey, SocketId, SrtpKeys, TransportKey},
    consumer::Consumer,
    event::IceState,
    ice::{Agent, Tuple, agent::Expiry},
    srtp,
};

use super::{
    Plane,
    transport::{Kind, Plain, Srtp, Transport},
};

impl Plane {
    /// Carries out a wish. One that names something gone is counted and ignored.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        if self.obey(now, command).is_none() {
            self.counters.commands_ignored += 1;
        }
    }

    fn obey(&mut self, now: Instant, command: Command) -> Option<()> {
        match command {
            Command::AddWebRtc { transport, ice, consent } => {
                let agent = Agent::new(&ice, consent);
                let place = self.add(now, transport, Kind::WebRtc(Box::new(agent)))?;
                self.ufrags.insert(ice.ufrag, place);
                Some(())
            }
            Command::RestartIce { transport, ice } => self.restart_ice(transport, ice),
            Command::SendDtls { transport, datagram } => {
                let place = self.place(transport)?;
                let to = self.transports[place].rtp_destination()?;
                self.send_plain(now, place, &datagram, to);
                Some(())
            }
            Command::SetSrtp { transport, keys } => self.set_srtp(now, transport, &keys),
            Command::AddPlain { transport, rtp, rtcp, comedia, srtp } => {
                self.add_plain(now, transport, (rtp, rtcp), comedia, srtp)
            }
            Command::EnableSctp { transport } => {
                let place = self.place(transport)?;
                let Kind::Plain(plain) = &mut self.transports[place].kind else { return None };
                plain.sctp = true;
                Some(())
            }
            Command::ConnectPlain { transport, rtp, rtcp } => {
                self.connect_plain(now, transport, rtp, rtcp)
            }
            Command::AddPipe { transport, pipe } => {
                self.add_piped(now, transport, pipe, Kind::Pipe(pipe))
            }
            Command::AddDirect { transport, pipe } => {
                self.add_piped(now, transport, pipe, Kind::Direct(pipe))
            }
            Command::RemoveTransport { transport } => self.remove_transport(now, transport),
            Command::Produce { transport, producer, params } => {
                self.produce(now, transport, producer, &params)
            }
            Command::PauseProducer { producer, paused } => {
                self.pause_producer(now, producer, paused)
            }
            Command::RemoveProducer { producer } => self.remove_producer(now, producer),
            Command::ReplaceProducer { old, new } => self.replace_producer(now, old, new),
            Command::SucceedProducer { old, new } => self.succeed_producer(now, old, new),
            Command::SetBitrates { transport, bitrates } => {
                let place = self.place(transport)?;
                self.set_bitrates(now, place, bitrates);
                Some(())
            }
            Command::CollectStats { token, of } => {
                self.collect_stats(now, token, of);
                Some(())
            }
            command => self.obey_about_consumer(now, command),
        }
    }

    fn obey_about_consumer(&mut self, now: Instant, command: Command) -> Option<()> {
        match command {
            Command::Consume { transport, consumer, producer, params } => {
                self.consume(now, transport, consumer, producer, &params)
            }
            Command::PauseConsumer { consumer, paused } => {
                self.pause_consumer(now, consumer, paused)
            }
            Command::SetPreferredLayers { consumer, layers } => {
                self.change(now, consumer, |consumer| {
                    consumer.wish = Some(layers);
                    consumer.memory.forget();
                })
            }
            Command::SetPipeLayers { consumer, layers } => {
                self.change(now, consumer, |consumer| consumer.pipe_layers = layers)
            }
            Command::WithholdPipeLayers { consumer, layers } => {
                let place = self.consumer_place(consumer)?;
                let dropped = self.consumers[place].pipe_layers & !layers;
                self.tell_pipe_of_silence(now, place, dropped);
                self.change(now, consumer, |consumer| consumer.pipe_layers = layers)
            }
            Command::SetPriority { consumer, priority } => {
                self.change(now, consumer, |consumer| consumer.priority = priority.max(1))
            }
            Command::RequestKeyFrame { consumer } => {
                let place = self.consumer_place(consumer)?;
                self.request_for_consumer(now, place);
                Some(())
            }
            Command::RemoveConsumer { consumer } => {
                let place = self.consumer_place(consumer)?;
                self.remove_consumer(now, place);
                Some(())
            }
            Command::Trace { of, types } => self.set_trace(of, types),
            Command::Dump { token, of } => {
                self.dump(token, of);
                Some(())
            }
            _ => None,
        }
    }

    fn change(
        &mut self,
        now: Instant,
        key: ConsumerKey,
        wish: impl FnOnce(&mut Consumer),
    ) -> Option<()> {
        let place = self.consumer_place(key)?;
        wish(&mut self.consumers[place]);
        self.share(now, self.consumers[place].transport);
        self.aim(now, place);
        Some(())
    }

    pub(super) fn place(&self, transport: TransportKey) -> Option<usize> {
        self.transport_keys.get(&transport).copied()
    }

    fn add(&mut self, now: Instant, key: TransportKey, kind: Kind) -> Option<usize> {
        if self.transport_keys.contains_key(&key) {
            return None;
        }
        let rtcp_ssrc = self.rng.next_u32();
        let place = self.transports.insert(Transport::new(key, kind, self.seed, rtcp_ssrc));
        self.transport_keys.insert(key, place);
        let random = self.rng.next_u64();
        self.timers.wheel.add(now, place as u32, random);
        Some(place)
    }

    fn add_plain(
        &mut self,
        now: Instant,
        key: TransportKey,
        (rtp, rtcp): (SocketId, Option<SocketId>),
        comedia: bool,
        srtp: bool,
    ) -> Option<()> {
        if std::iter::once(rtp).chain(rtcp).any(|socket| self.sockets.contains_key(&socket)) {
            return None;
        }
        let (rtp_remote, rtcp_remote) = (None, None);
        let plain = Plain { rtp, rtcp, comedia, srtp, sctp: false, rtp_remote, rtcp_remote };
        let place = self.add(now, key, Kind::Plain(plain))?;
        self.own_socket(rtp, place, false);
        if let Some(rtcp) = rtcp {
            self.own_socket(rtcp, place, true);
        }
        Some(())
    }

    fn add_piped(
        &mut self,
        now: Instant,
        key: TransportKey,
        pipe: PipeKey,
        kind: Kind,
    ) -> Option<()> {
        if self.pipes.contains_key(&pipe) {
            return None;
        }
        let place = self.add(now, key, kind)?;
        self.pipes.insert(pipe, place);
        self.refresh_transport(now, place);
        Some(())
    }

    fn connect_plain(
        &mut self,
        now: Instant,
        key: TransportKey,
        rtp: SocketAddr,
        rtcp: Option<SocketAddr>,
    ) -> Option<()> {
        let place = self.place(key)?;
        let Kind::Plain(plain) = &mut self.transports[place].kind else { return None };
        plain.rtp_remote = Some(rtp);
        plain.rtcp_remote = rtcp.or(plain.rtcp.and(Some(rtp)));
        self.refresh_transport(now, place);
        Some(())
    }

    fn restart_ice(&mut self, key: TransportKey, ice: IceCredentials) -> Option<()> {
        let place = self.place(key)?;
        let Kind::WebRtc(agent) = &mut self.transports[place].kind else { return None };
        if let Some(retired) = agent.restart(&ice) {
            self.ufrags.remove(&retired);
        }
        self.ufrags.insert(ice.ufrag, place);
        Some(())
    }

    /// Keys of the wrong length are ignored like a command that names something gone: the control
    /// plane checks them before it sends them.
    fn set_srtp(&mut self, now: Instant, key: TransportKey, keys: &SrtpKeys) -> Option<()> {
        let place = self.place(key)?;
        let sender = srtp::Sender::new(keys.profile, &keys.send).ok()?;
        let receiver = srtp::Receiver::new(keys.profile, &keys.recv).ok()?;
        self.transports[place].srtp = Some(Box::new(Srtp { sender, receiver }));
        self.refresh_transport(now, place);
        Some(())
    }

    fn remove_transport(&mut self, now: Instant, key: TransportKey) -> Option<()> {
        let place = self.place(key)?;
        while let Some(&consumer) = self.transports[place].consumers.last() {
            self.remove_consumer(now, consumer as usize);
        }
        while let Some(&producer) = self.transports[place].producers.last() {
            self.detach_producer(now, producer as usize);
        }
        let transport = self.transports.remove(place);
        self.transport_keys.remove(&key);
        self.timers.forget_transport(place as u32);
        self.send_due.retain(|due| *due as usize != place);
        match transport.kind {
            Kind::WebRtc(agent) => {
                for ufrag in agent.ufrags() {
                    self.ufrags.remove(ufrag);
                }
                for tuple in agent.tuples() {
                    self.forget_tuple(place, tuple);
                }
            }
            Kind::Plain(plain) => {
                for socket in std::iter::once(plain.rtp).chain(plain.rtcp) {
                    if self.sockets.get(&socket).is_some_and(|(owner, _)| *owner == place) {
                        self.sockets.remove(&socket);
                    }
                }
            }
            Kind::Pipe(pipe) | Kind::Direct(pipe) => {
                self.pipes.remove(&pipe);
            }
        }
        Some(())
    }

    /// Consent of a WebRTC transport may have ended.
    pub(super) fn check_consent(&mut self, now: Instant, place: usize) {
        let Kind::WebRtc(agent) = &mut self.transports[place].kind else { return };
        if agent.next_deadline().is_none_or(|(at, _)| now < at) {
            return;
        }
        let expiry = agent.handle_timeout(now);
        self.apply_expiry(now, place, expiry);
    }

    /// A TCP connection of the driver's ended: what was reached by it is so no more.
    pub fn close_connection(&mut self, now: Instant, socket: SocketId, remote: SocketAddr) {
        let tuple = Tuple { socket, remote };
        let Some(&place) = self.tuples.get(&tuple) else { return };
        let Kind::WebRtc(agent) = &mut self.transports[place].kind else { return };
        let expiry = agent.forget(tuple);
        self.apply_expiry(now, place, expiry);
    }

    /// Whether somebody has proved an ICE password from there, and still may send.
    pub fn is_admitted(&self, socket: SocketId, remote: SocketAddr) -> bool {
        self.tuples.contains_key(&Tuple { socket, remote })
    }

    fn apply_expiry(&mut self, now: Instant, place: usize, expiry: Expiry) {
        for tuple in expiry.removed {
            self.forget_tuple(place, tuple);
        }
        debug_assert!(expiry.state.is_none_or(|state| state == IceState::Disconnected));
        if expiry.state.is_some() || expiry.selected.is_some() {
            self.tell_ice(place);
            self.refresh_transport(now, place);
        }
    }
}
