//! Datagrams to transports: by first byte, then by socket or exact tuple; STUN by ufrag. Nothing
//! that fails authentication changes any state but a counter, and nobody unproven is answered.

use std::{net::SocketAddr, time::Instant};

use crate::{
    command::SocketId,
    event::Event,
    ice::{StunMessage, Tuple, Verdict, agent::Answer},
    rtp::{PacketClass, RtpHeader, classify, is_rtcp},
};

use super::{
    Plane,
    outbox::Destination,
    transport::{Kind, Transport},
};

/// Of an SCTP packet between data channels: 5000 both (mediasoup `SctpAssociation::IsSctp`).
const SCTP_PORTS: [u8; 4] = [0x13, 0x88, 0x13, 0x88];
/// The first chunk of an association's first packet (RFC 9260 §3.3.2).
const INIT: u8 = 1;

impl Plane {
    pub(super) fn demultiplex(&mut self, now: Instant, tuple: Tuple, datagram: &mut [u8]) {
        let Some(&first) = datagram.first() else {
            self.counters.dropped_malformed += 1;
            return;
        };
        if let Some(&(transport, rtcp)) = self.sockets.get(&tuple.socket) {
            match classify(first) {
                PacketClass::RtpOrRtcp => {
                    self.take_plain(now, transport, rtcp, tuple.remote, datagram);
                }
                PacketClass::Other if !rtcp && datagram.starts_with(&SCTP_PORTS) => {
                    self.take_sctp(now, transport, tuple.remote, datagram);
                }
                _ => self.counters.dropped_malformed += 1,
            }
            return;
        }
        match classify(first) {
            PacketClass::Stun => self.take_stun(now, tuple, datagram),
            PacketClass::Dtls => self.take_dtls(now, tuple, datagram),
            PacketClass::RtpOrRtcp => self.take_webrtc(now, tuple, datagram),
            PacketClass::Other => self.counters.dropped_malformed += 1,
        }
    }

    fn take_stun(&mut self, now: Instant, tuple: Tuple, datagram: &[u8]) {
        let Some(message) = StunMessage::parse(datagram) else {
            self.counters.dropped_stun += 1;
            return;
        };
        let place = message.local_ufrag().and_then(|ufrag| self.ufrags.get(ufrag)).copied();
        let Some(place) = place else {
            self.counters.dropped_stun += 1;
            return;
        };
        let mut reply = std::mem::take(&mut self.scratch.reply);
        let transport = &mut self.transports[place];
        if let Kind::WebRtc(agent) = &mut transport.kind {
            let answer = agent.handle_request(now, tuple, &message, &mut reply);
            if matches!(answer.verdict, Verdict::Accepted | Verdict::Refused(_)) {
                transport.received.all.add(now, datagram.len());
            } else {
                self.counters.dropped_stun += 1;
            }
            if !reply.is_empty() {
                self.send_plain(now, place, &reply, Destination::Udp(tuple.socket, tuple.remote));
            }
            self.apply_answer(now, place, answer);
        }
        self.scratch.reply = reply;
    }

    fn apply_answer(&mut self, now: Instant, transport: usize, answer: Answer) {
        if let Some(ufrag) = answer.retired_ufrag {
            self.ufrags.remove(&ufrag);
        }
        if let Some(tuple) = answer.evicted {
            self.forget_tuple(transport, tuple);
        }
        if let Some(tuple) = answer.admitted {
            self.tuples.insert(tuple, transport);
        }
        if answer.state.is_some() || answer.selected.is_some() {
            self.tell_ice(transport);
            self.refresh_transport(now, transport);
        }
    }

    /// Another transport may have taken the address over.
    pub(super) fn forget_tuple(&mut self, transport: usize, tuple: Tuple) {
        if self.tuples.get(&tuple) == Some(&transport) {
            self.tuples.remove(&tuple);
        }
    }

    pub(super) fn tell_ice(&mut self, transport: usize) {
        let key = self.transports[transport].key;
        if let Some((state, remote)) = self.ice_state(transport) {
            self.tell(Event::IceState { transport: key, state, remote });
        }
    }

    fn take_dtls(&mut self, now: Instant, tuple: Tuple, datagram: &[u8]) {
        let Some(&place) = self.tuples.get(&tuple) else {
            self.counters.dropped_unknown_source += 1;
            return;
        };
        let transport = &mut self.transports[place];
        transport.received.all.add(now, datagram.len());
        let event = Event::Dtls { transport: transport.key, datagram: datagram.to_vec() };
        self.tell(event);
    }

    fn take_webrtc(&mut self, now: Instant, tuple: Tuple, datagram: &mut [u8]) {
        let Some(&place) = self.tuples.get(&tuple) else {
            self.counters.dropped_unknown_source += 1;
            return;
        };
        let transport = &mut self.transports[place];
        if transport.srtp.is_none() {
            self.counters.dropped_unkeyed += 1;
            return;
        }
        let rtcp = is_rtcp(datagram);
        let len = datagram.len();
        let Some(packet) = unprotect(transport, rtcp, datagram) else {
            self.counters.dropped_srtp += 1;
            return;
        };
        transport.received.all.add(now, len);
        if let Kind::WebRtc(agent) = &mut transport.kind
            && agent.on_packet_from(tuple)
        {
            self.tell_ice(place);
        }
        self.take_packet(now, place, rtcp, packet);
    }

    fn take_plain(
        &mut self,
        now: Instant,
        place: usize,
        rtcp_socket: bool,
        from: SocketAddr,
        datagram: &mut [u8],
    ) {
        let transport = &mut self.transports[place];
        let Kind::Plain(plain) = &transport.kind else { return };
        let known = if rtcp_socket { plain.rtcp_remote } else { plain.rtp_remote };
        let learn = known.is_none() && plain.comedia;
        // RTCP that shares our socket may still come from a port of its own.
        let rtcp_of_its_own = plain.rtcp.is_none() && plain.rtcp_remote == Some(from);
        if !learn && known != Some(from) && !rtcp_of_its_own {
            self.counters.dropped_unknown_source += 1;
            return;
        }
        if transport.needs_keys() && transport.srtp.is_none() {
            self.counters.dropped_unkeyed += 1;
            return;
        }
        let rtcp = is_rtcp(datagram);
        let len = datagram.len();
        let Some(packet) = unprotect(transport, rtcp, datagram) else {
            self.counters.dropped_srtp += 1;
            return;
        };
        if learn && !rtcp && RtpHeader::parse(packet).is_none() {
            self.counters.dropped_malformed += 1;
            return;
        }
        transport.received.all.add(now, len);
        if learn {
            self.learn_plain(now, place, rtcp_socket, from);
        }
        self.take_packet(now, place, rtcp, packet);
    }

    /// Of a plain transport. Nobody vouches for it, so where there is SRTP, addresses are learnt
    /// from that alone; where there is none, from the beginning of an association.
    fn take_sctp(&mut self, now: Instant, place: usize, from: SocketAddr, datagram: &[u8]) {
        let transport = &mut self.transports[place];
        let Kind::Plain(plain) = &transport.kind else { return };
        if !plain.sctp {
            self.counters.dropped_malformed += 1;
            return;
        }
        let begins = plain.comedia && !plain.srtp && datagram.get(12) == Some(&INIT);
        let learn = plain.rtp_remote.is_none() && begins;
        if !learn && plain.rtp_remote != Some(from) {
            self.counters.dropped_unknown_source += 1;
            return;
        }
        transport.received.all.add(now, datagram.len());
        let event = Event::Sctp { transport: transport.key, datagram: datagram.to_vec() };
        if learn {
            self.learn_plain(now, place, false, from);
        }
        self.tell(event);
    }

    fn learn_plain(&mut self, now: Instant, place: usize, rtcp_socket: bool, from: SocketAddr) {
        let transport = &mut self.transports[place];
        let Kind::Plain(plain) = &mut transport.kind else { return };
        if rtcp_socket {
            plain.rtcp_remote = Some(from);
        } else {
            plain.rtp_remote = Some(from);
        }
        let event = Event::PlainTuple {
            transport: transport.key,
            rtp: plain.rtp_remote,
            rtcp: plain.rtcp_remote,
        };
        self.tell(event);
        self.refresh_transport(now, place);
    }

    fn take_packet(&mut self, now: Instant, transport: usize, rtcp: bool, packet: &mut [u8]) {
        if rtcp {
            self.take_rtcp(now, transport, packet);
        } else {
            self.take_rtp(now, transport, packet);
        }
    }

    /// A socket of a plain transport.
    pub(super) fn own_socket(&mut self, socket: SocketId, transport: usize, rtcp: bool) {
        self.sockets.insert(socket, (transport, rtcp));
    }
}

/// The packet without its protection, if it is authentic or needs none.
fn unprotect<'a>(
    transport: &mut Transport,
    rtcp: bool,
    datagram: &'a mut [u8],
) -> Option<&'a mut [u8]> {
    let len = match &mut transport.srtp {
        None => datagram.len(),
        Some(srtp) if rtcp => srtp.receiver.unprotect_rtcp(datagram)?,
        Some(srtp) => srtp.receiver.unprotect_rtp(datagram)?,
    };
    datagram.get_mut(..len)
}
