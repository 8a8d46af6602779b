//! The SCTP association of one transport: datagrams, messages and `now` in; datagrams, messages,
//! facts and the next deadline out. Wraps `sctp-proto` and bounds what it keeps. Never does: DTLS,
//! waiting, fan-out (`data`).
//!
//! The client begins the association: browsers, werift and aiortc all do, because they are the
//! controlling ICE agent of an ICE-lite server.

mod arrived;
mod door;
mod ledger;
mod packet;
mod resets;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Instant,
};

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, DatagramEvent, Endpoint, Event, Payload,
    PayloadProtocolIdentifier, ReliabilityType, Stream, StreamEvent,
};
use starling_proto::{
    message::{DataMessage, MessageKind},
    sctp::{Delivery, SEND_BUFFER, STREAMS, SctpState},
};

use door::{Door, Inspected};
use ledger::Ledger;
pub use packet::seal;
use settings::MTU;

/// Bytes of one stream that may wait to be sent: one busy stream leaves room for others.
const STREAM_BUFFER: usize = SEND_BUFFER / 2;

/// What happens to an association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SctpEvent {
    /// Streams can be used.
    Connected,
    /// A stream has a message.
    Readable(u16),
    /// The client closed a stream.
    Reset(u16),
    /// What waits on a stream has fallen to its threshold.
    BufferedAmountLow(u16),
    /// It is over; nothing follows.
    Lost(String),
}

/// What an association counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SctpCounters {
    /// Datagrams that were not SCTP, or not of this association.
    pub malformed: u64,
    /// Datagrams dropped because too much was not read yet; they are sent again.
    pub held_off: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Sctp {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    connected: bool,
    lost: bool,
    door: Door,
    ledger: Ledger,
    /// Streams in use, so that a client cannot open more.
    streams: BTreeSet<u16>,
    /// Thresholds of `BufferedAmountLow`, and whether it is due.
    low: BTreeMap<u16, (usize, bool)>,
    events: VecDeque<SctpEvent>,
    /// The first datagram, which says whom an ABORT is for.
    init: Vec<u8>,
    /// Tells the client that it is over; kept, because it may be lost.
    abort: Option<Bytes>,
    abort_due: bool,
    counters: SctpCounters,
}

impl Default for Sctp {
    fn default() -> Self {
        Self::new()
    }
}

impl Sctp {
    /// Waits for the client.
    pub fn new() -> Self {
        Self {
            endpoint: settings::endpoint(),
            association: None,
            connected: false,
            lost: false,
            door: Door::default(),
            ledger: Ledger::default(),
            streams: BTreeSet::new(),
            low: BTreeMap::new(),
            events: VecDeque::new(),
            init: Vec::new(),
            abort: None,
            abort_due: false,
            counters: SctpCounters::default(),
        }
    }

    /// Takes a datagram of the client.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let aborts = packet::chunks(datagram).any(|(kind, _)| kind == packet::ABORT);
        if self.lost {
            // RFC 9260 §8.4: it has not heard of the end yet.
            self.abort_due = !aborts;
            return;
        }
        let other = |tag| packet::initiate_tag(&self.init).is_some_and(|before| before != tag);
        if !self.connected && packet::initiate_tag(datagram).is_some_and(other) {
            // Nothing is agreed on yet, and who began before may be gone (RFC 9260 §5.2.1).
            let low = std::mem::take(&mut self.low);
            *self = Self { low, counters: self.counters, ..Self::new() };
        }
        match self.door.inspect(datagram) {
            Inspected::Fine => {}
            Inspected::Malformed => {
                self.counters.malformed += 1;
                return;
            }
            Inspected::HeldOff => {
                self.counters.held_off += 1;
                return;
            }
            Inspected::Hostile(why) => return self.lose(why, true),
        }
        if self.door.is_crowded() && packet::chunks(datagram).nth(1).is_some() {
            if !packet::is_sound(datagram) {
                self.counters.malformed += 1;
                return;
            }
            for (_, chunk) in packet::chunks(datagram) {
                self.hand_on(now, packet::alone(datagram, chunk).into());
            }
        } else {
            self.hand_on(now, Bytes::copy_from_slice(datagram));
        }
        self.settle(!aborts);
    }

    fn hand_on(&mut self, now: Instant, datagram: Bytes) {
        match self.endpoint.handle(now, SOMEWHERE, None, None, datagram.clone()) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                // One per DTLS session (RFC 8261 §6.1): a second one would be another client.
                self.endpoint.reject_new_associations();
                self.association = Some((handle, association));
                self.init = datagram.to_vec();
            }
            Some((_, DatagramEvent::AssociationEvent(event))) => {
                if let Some((_, association)) = &mut self.association {
                    association.handle_event(event);
                }
            }
            None => self.counters.malformed += 1,
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
            self.settle(true);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association.as_ref().and_then(|(_, association)| association.poll_timeout())
    }

    /// Datagrams for the client.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Vec<Bytes>> {
        if std::mem::take(&mut self.abort_due) {
            return self.abort.clone().map(|abort| vec![abort]);
        }
        let transmit = self.endpoint.poll_transmit();
        let transmit = transmit.or_else(|| self.association.as_mut()?.1.poll_transmit(now))?;
        self.settle(true);
        let Payload::RawEncode(datagrams) = transmit.payload else { return None };
        let mut out = Vec::with_capacity(datagrams.len());
        for datagram in datagrams {
            self.door.sent(&datagram);
            if datagram.len() > MTU as usize {
                out.extend(packet::fitting(&datagram, MTU as usize).into_iter().map(Bytes::from));
            } else {
                out.push(datagram);
            }
        }
        Some(out)
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<SctpEvent> {
        self.events.pop_front()
    }

    /// Where it is.
    pub fn state(&self) -> SctpState {
        match (&self.association, self.connected) {
            _ if self.lost => SctpState::Closed,
            (None, _) => SctpState::New,
            (Some(_), false) => SctpState::Connecting,
            (Some(_), true) => SctpState::Connected,
        }
    }

    /// Streams can be used.
    pub fn is_connected(&self) -> bool {
        self.connected && !self.lost
    }

    /// What it has counted.
    pub fn counters(&self) -> SctpCounters {
        self.counters
    }

    /// Opens our end of a stream that both sides have agreed on. False if it cannot be, because an
    /// earlier use of it has not ended, or because there is no association (yet).
    pub fn open(&mut self, id: u16, delivery: &Delivery) -> bool {
        if !self.is_connected() {
            return false;
        }
        let Some((_, association)) = &mut self.association else { return false };
        let (kind, value) = match (delivery.max_retransmits, delivery.max_packet_life_time) {
            (Some(most), _) => (ReliabilityType::Rexmit, u32::from(most)),
            (None, Some(ms)) => (ReliabilityType::Timed, u32::from(ms)),
            (None, None) => (ReliabilityType::Reliable, 0),
        };
        let opened = if association.stream(id).is_ok() {
            association.stream(id)
        } else {
            association.open_stream(id, PayloadProtocolIdentifier::Binary)
        };
        let set = opened
            .is_ok_and(|mut it| it.set_reliability_params(!delivery.ordered, kind, value).is_ok());
        if set {
            self.streams.insert(id);
        }
        set
    }

    /// Closes our end of a stream; the other side is told by a reset (RFC 6525).
    pub fn close(&mut self, id: u16) {
        self.streams.remove(&id);
        self.low.remove(&id);
        self.ledger.forget(id);
        if let Some(mut stream) = self.stream(id) {
            let _ = stream.close();
        }
        self.settle(true);
    }

    /// The next message of a stream.
    pub fn read(&mut self, id: u16) -> Option<DataMessage> {
        loop {
            let chunks = self.stream(id)?.read_sctp().ok().flatten()?;
            self.door.read(chunks.chunks.len());
            let kind = match chunks.ppi {
                PayloadProtocolIdentifier::String | PayloadProtocolIdentifier::StringEmpty => {
                    MessageKind::String
                }
                PayloadProtocolIdentifier::Binary | PayloadProtocolIdentifier::BinaryEmpty => {
                    MessageKind::Binary
                }
                // DCEP (RFC 8832): channels are agreed on over signalling.
                PayloadProtocolIdentifier::Dcep | PayloadProtocolIdentifier::Unknown => continue,
            };
            let empty = matches!(
                chunks.ppi,
                PayloadProtocolIdentifier::StringEmpty | PayloadProtocolIdentifier::BinaryEmpty
            );
            let mut payload = vec![0; if empty { 0 } else { chunks.len() }];
            if !empty && chunks.read(&mut payload).is_err() {
                continue;
            }
            self.settle(true);
            return Some(DataMessage::new(kind, &payload));
        }
    }

    /// Whether all that can be read was read: then what a client sends is let in that makes more
    /// readable, however much there is.
    pub fn set_drained(&mut self, drained: bool) {
        self.door.set_drained(drained);
    }

    /// Whether a message may be written to a stream now: less than its share and the association's
    /// waits.
    pub fn has_room(&self, id: u16) -> bool {
        self.is_connected()
            && self.ledger.waiting(id) < STREAM_BUFFER
            && self.ledger.total() < SEND_BUFFER
    }

    /// Queues a message. False if the stream is closed.
    pub fn write(&mut self, id: u16, message: &DataMessage) -> bool {
        let empty = message.payload.is_empty();
        let ppi = match (message.kind, empty) {
            (MessageKind::String, false) => PayloadProtocolIdentifier::String,
            (MessageKind::Binary, false) => PayloadProtocolIdentifier::Binary,
            (MessageKind::String, true) => PayloadProtocolIdentifier::StringEmpty,
            (MessageKind::Binary, true) => PayloadProtocolIdentifier::BinaryEmpty,
        };
        // SCTP has no empty messages: one byte stands for it (RFC 8831 §6.6).
        let payload = if empty { &[0][..] } else { &message.payload };
        let Some(mut stream) = self.stream(id) else { return false };
        if stream.write_with_ppi(payload, ppi).is_err() {
            return false;
        }
        self.ledger.write(id, payload.len());
        if let Some((threshold, due)) = self.low.get_mut(&id) {
            *due |= self.ledger.payload(id) > *threshold;
        }
        true
    }

    /// Bytes of messages that wait on a stream, those under way included.
    pub fn buffered_amount(&self, id: u16) -> usize {
        self.ledger.payload(id)
    }

    /// [`SctpEvent::BufferedAmountLow`] when what waits on a stream has fallen to this.
    pub fn set_low_threshold(&mut self, id: u16, threshold: usize) {
        let due = self.ledger.payload(id) > threshold;
        self.low.insert(id, (threshold, due));
    }

    fn stream(&mut self, id: u16) -> Option<Stream<'_>> {
        self.association.as_mut()?.1.stream(id).ok()
    }

    /// An association that is over keeps nothing.
    fn lose(&mut self, why: &str, tell: bool) {
        if self.lost {
            return;
        }
        self.lost = true;
        self.association = None;
        self.ledger = Ledger::default();
        self.abort = packet::abort(&self.init, why).map(Bytes::from);
        self.abort_due = tell;
        self.events.push_back(SctpEvent::Lost(why.to_owned()));
    }

    /// Takes up what the association has to say. A client that said itself that it is over, is not
    /// told.
    fn settle(&mut self, tell: bool) {
        let Some((handle, association)) = &mut self.association else { return };
        while let Some(event) = association.poll_endpoint_event() {
            self.endpoint.handle_event(*handle, event);
        }
        let mut lost = None;
        while let Some(event) = association.poll() {
            match event {
                Event::Connected => {
                    self.connected = true;
                    self.events.push_back(SctpEvent::Connected);
                }
                Event::HandshakeFailed { reason } | Event::AssociationLost { reason } => {
                    lost = Some(reason.to_string());
                }
                Event::Stream(StreamEvent::Readable { id })
                    if self.events.back() != Some(&SctpEvent::Readable(id)) =>
                {
                    self.events.push_back(SctpEvent::Readable(id));
                }
                Event::Stream(StreamEvent::Opened { id }) => {
                    while association.accept_stream().is_some() {}
                    self.streams.insert(id);
                    if id >= STREAMS || self.streams.len() > usize::from(STREAMS) {
                        lost = Some(format!("stream {id} is beyond the {STREAMS} agreed on"));
                    }
                }
                Event::Stream(StreamEvent::Finished { id }) => {
                    self.streams.remove(&id);
                    self.events.push_back(SctpEvent::Reset(id));
                }
                _ => {}
            }
        }
        let ids = self.ledger.ids();
        for id in ids {
            let left = association.stream(id).and_then(|it| it.buffered_amount()).unwrap_or(0);
            self.ledger.settle(id, left);
            if let Some((threshold, due)) = self.low.get_mut(&id)
                && *due
                && left <= *threshold
            {
                *due = false;
                self.events.push_back(SctpEvent::BufferedAmountLow(id));
            }
        }
        if let Some(why) = lost {
            self.lose(&why, tell);
        }
    }
}

/// DTLS knows where the client is.
const SOMEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5_000);
