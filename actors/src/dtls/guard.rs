//! Stands between the wire and the `dtls` crate's session and keeps from it what it handles badly:
//!
//! - it never repeats its last flight, so a server's is kept and repeated when the client asks;
//! - it repeats others only on its own timer, so they are repeated when the peer repeats its own;
//! - it obeys alerts and keeps fragments in the clear after the handshake, and queues records of
//!   epochs to come without bound: an established session is given encrypted alerts and data only;
//! - it spins when its connection fails, so a closed one waits for ever.
//!
//! Decides by record headers; never decrypts.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use starling_media::dtls::{is_epoch0_handshake, records, starts_ccs};
use tokio::sync::mpsc;
use webrtc_util::{Conn, Error};

use super::session::{Output, Role};

/// What the session may be given before it is established: a hundred repetitions of the largest
/// flight. It keeps what it cannot use yet, up to 2 MB.
const HANDSHAKE_BUDGET: usize = 512 * 1024;
/// Datagrams of one flight: 4 KiB of certificates.
const MAX_FLIGHT: usize = 8;
/// Flights are repeated for the peer at most this often; Chromium's first repetition is after 50
/// ms.
const REPEAT_EVERY: Duration = Duration::from_millis(20);
/// The session sends a flight's datagrams at once, and its timer's repetition of them much later.
const FLIGHT_GAP: Duration = Duration::from_millis(30);

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const RECORD_HEADER: usize = 13;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// What a guard did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounters {
    /// Datagrams kept from the session, whole or in part.
    pub withheld: u64,
    /// Flights repeated for the peer.
    pub repeated: u64,
}

/// What to do with a datagram.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Hand,
    Withhold,
}

/// The rules, without the queues.
#[derive(Debug)]
struct Rules {
    role: Role,
    established: bool,
    budget: usize,
    /// What we sent last, before it is answered; once established as a server, the last flight.
    flight: Vec<Bytes>,
    sent_at: Option<Instant>,
    /// message_seq with which the peer's last flight began.
    heard_first: Option<u16>,
    /// A new flight of the peer has begun since we sent.
    heard: bool,
    repeated_at: Option<Instant>,
    counters: GuardCounters,
}

impl Rules {
    const fn new(role: Role) -> Self {
        Self {
            role,
            established: false,
            budget: HANDSHAKE_BUDGET,
            flight: Vec::new(),
            sent_at: None,
            heard_first: None,
            heard: false,
            repeated_at: None,
            counters: GuardCounters { withheld: 0, repeated: 0 },
        }
    }

    /// Judges a datagram of the peer, strips what the session must not see, and puts what must be
    /// sent again into `again`.
    fn on_receive(
        &mut self,
        now: Instant,
        datagram: &mut Vec<u8>,
        again: &mut Vec<Bytes>,
    ) -> Verdict {
        if self.asks_again(datagram) {
            self.repeat(now, again);
        }
        if self.established {
            return self.strip(datagram);
        }
        if datagram.len() > self.budget {
            self.counters.withheld += 1;
            return Verdict::Withhold;
        }
        self.budget -= datagram.len();
        Verdict::Hand
    }

    /// The peer repeats the flight before ours: it has not got ours.
    fn asks_again(&mut self, datagram: &[u8]) -> bool {
        if !is_epoch0_handshake(datagram) {
            return false;
        }
        if self.established {
            return self.role == Role::Server;
        }
        let Some(sequence) = message_sequence(datagram) else { return false };
        if self.heard_first.is_some_and(|first| sequence <= first) {
            return !self.heard;
        }
        if !self.heard {
            self.heard = true;
            self.heard_first = Some(sequence);
        }
        false
    }

    fn repeat(&mut self, now: Instant, again: &mut Vec<Bytes>) {
        let recent = |at: Option<Instant>| {
            at.is_some_and(|at| now.saturating_duration_since(at) < REPEAT_EVERY)
        };
        // The session itself answers a repeated first ClientHello.
        let answered_anyway =
            self.flight.first().is_some_and(|it| message_type(it) == Some(HELLO_VERIFY_REQUEST));
        if answered_anyway || recent(self.repeated_at) || recent(self.sent_at) {
            return;
        }
        self.repeated_at = Some(now);
        self.counters.repeated += 1;
        again.extend(self.flight.iter().cloned());
    }

    /// Leaves encrypted alerts and data.
    fn strip(&mut self, datagram: &mut Vec<u8>) -> Verdict {
        let wanted = |epoch, kind| epoch == 1 && matches!(kind, ALERT | APPLICATION_DATA);
        let mut kept = Vec::new();
        let mut at = 0;
        for record in records(datagram) {
            let end = at + RECORD_HEADER + record.body.len();
            if wanted(record.epoch, record.content_type) {
                kept.push(at..end);
            }
            at = end;
        }
        let kept_bytes: usize = kept.iter().map(ExactSizeIterator::len).sum();
        if kept_bytes == datagram.len() {
            return Verdict::Hand;
        }
        self.counters.withheld += 1;
        *datagram = kept.into_iter().flat_map(|range| datagram[range].to_vec()).collect();
        if datagram.is_empty() { Verdict::Withhold } else { Verdict::Hand }
    }

    /// Remembers what the session sends.
    fn on_send(&mut self, now: Instant, datagram: &Bytes) {
        if self.established {
            return;
        }
        if self.role == Role::Server && starts_ccs(datagram) {
            // A server says this only when the client's Finished is in its hands.
            self.establish();
            self.flight.push(datagram.clone());
        } else {
            let pause =
                self.sent_at.is_none_or(|at| now.saturating_duration_since(at) > FLIGHT_GAP);
            if self.heard || pause {
                self.flight.clear();
            }
            if self.flight.len() < MAX_FLIGHT {
                self.flight.push(datagram.clone());
            }
        }
        self.heard = false;
        self.sent_at = Some(now);
    }

    fn establish(&mut self) {
        if !self.established {
            self.established = true;
            self.flight = Vec::new();
            self.sent_at = None;
        }
    }
}

/// message_seq of the first handshake message of a datagram that begins with one (RFC 6347
/// §4.2.2).
fn message_sequence(datagram: &[u8]) -> Option<u16> {
    let record = records(datagram).next().filter(|it| it.content_type == HANDSHAKE)?;
    Some(u16::from_be_bytes([*record.body.get(4)?, *record.body.get(5)?]))
}

/// msg_type of the same.
fn message_type(datagram: &[u8]) -> Option<u8> {
    let record = records(datagram).next().filter(|it| it.content_type == HANDSHAKE)?;
    record.body.first().copied()
}

/// The session's connection: a queue in, a closure out, the rules between.
pub(super) struct Guard {
    rules: Mutex<Rules>,
    inbound: tokio::sync::Mutex<Inbound>,
    out: Output,
}

struct Inbound {
    first: VecDeque<Vec<u8>>,
    queue: mpsc::Receiver<Vec<u8>>,
}

impl Guard {
    /// Gives the session `first`, then what comes.
    pub(super) fn new(
        role: Role,
        first: VecDeque<Vec<u8>>,
        queue: mpsc::Receiver<Vec<u8>>,
        out: Output,
    ) -> Arc<Self> {
        let inbound = tokio::sync::Mutex::new(Inbound { first, queue });
        Arc::new(Self { rules: Mutex::new(Rules::new(role)), inbound, out })
    }

    /// The handshake is over.
    pub(super) fn establish(&self) {
        self.rules().establish();
    }

    pub(super) fn counters(&self) -> GuardCounters {
        self.rules().counters
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Conn for Guard {
    async fn recv(&self, buf: &mut [u8]) -> Result<usize, Error> {
        let mut inbound = self.inbound.lock().await;
        loop {
            let next = match inbound.first.pop_front() {
                Some(datagram) => Some(datagram),
                None => inbound.queue.recv().await,
            };
            let Some(mut datagram) = next else { return std::future::pending().await };
            let mut again = Vec::new();
            let verdict = self.rules().on_receive(Instant::now(), &mut datagram, &mut again);
            for datagram in again {
                (self.out)(datagram);
            }
            if verdict == Verdict::Hand && (1..=buf.len()).contains(&datagram.len()) {
                buf[..datagram.len()].copy_from_slice(&datagram);
                return Ok(datagram.len());
            }
        }
    }

    async fn send(&self, buf: &[u8]) -> Result<usize, Error> {
        let datagram = Bytes::copy_from_slice(buf);
        self.rules().on_send(Instant::now(), &datagram);
        (self.out)(datagram);
        Ok(buf.len())
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn connect(&self, _: SocketAddr) -> Result<(), Error> {
        Err(no_address())
    }

    async fn recv_from(&self, _: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        Err(no_address())
    }

    async fn send_to(&self, _: &[u8], _: SocketAddr) -> Result<usize, Error> {
        Err(no_address())
    }

    fn local_addr(&self) -> Result<SocketAddr, Error> {
        Err(no_address())
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}

fn no_address() -> Error {
    Error::Other("the plane knows the addresses".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content_type: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let header = [content_type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, 0, body.len() as u8];
        [&header[..], body].concat()
    }

    fn handshake(message_type: u8, sequence: u8) -> Vec<u8> {
        record(HANDSHAKE, 0, &[message_type, 0, 0, 0, 0, sequence, 0, 0, 0, 0, 0, 0])
    }

    fn receive(rules: &mut Rules, now: Instant, datagram: &[u8]) -> (Option<Vec<u8>>, usize) {
        let (mut datagram, mut again) = (datagram.to_vec(), vec![]);
        let verdict = rules.on_receive(now, &mut datagram, &mut again);
        ((verdict == Verdict::Hand).then_some(datagram), again.len())
    }

    fn send(rules: &mut Rules, now: Instant, datagram: &[u8]) {
        rules.on_send(now, &Bytes::copy_from_slice(datagram));
    }

    #[test]
    fn an_established_session_sees_encrypted_alerts_and_data_only() {
        let now = Instant::now();
        let mut rules = Rules::new(Role::Client);
        rules.establish();
        let data = record(APPLICATION_DATA, 1, &[1, 2, 3]);
        let alert = record(ALERT, 1, &[9; 20]);
        for withheld in [
            record(ALERT, 0, &[1, 0]),
            record(APPLICATION_DATA, 2, &[0; 30]),
            record(HANDSHAKE, 1, &[0; 30]),
            record(20, 0, &[1]),
            handshake(11, 3),
            b"\x15garbage".to_vec(),
        ] {
            assert_eq!(receive(&mut rules, now, &withheld), (None, 0));
            let mixed = [&data[..], &withheld, &alert].concat();
            let (handed, _) = receive(&mut rules, now, &mixed);
            assert!(handed.unwrap().starts_with(&data));
        }
        let both = [&data[..], &alert].concat();
        assert_eq!(receive(&mut rules, now, &both), (Some(both), 0));
        assert_eq!(rules.counters.withheld, 12);
    }

    #[test]
    fn a_servers_last_flight_is_repeated_at_a_bounded_rate() {
        let at = Instant::now();
        let mut rules = Rules::new(Role::Server);
        let last = [record(20, 0, &[1]), record(HANDSHAKE, 1, &[7; 40])].concat();
        send(&mut rules, at, &last);
        let later = |ms| at + Duration::from_millis(ms);
        let asked = handshake(16, 4);
        assert_eq!(receive(&mut rules, later(5), &asked), (None, 0), "it is on its way");
        assert_eq!(receive(&mut rules, later(50), &asked), (None, 1));
        assert_eq!(receive(&mut rules, later(60), &asked), (None, 0));
        assert_eq!(receive(&mut rules, later(71), &asked), (None, 1));
        assert_eq!(rules.flight, [last]);
    }

    #[test]
    fn a_flight_is_repeated_when_the_one_before_it_comes_again() {
        let at = Instant::now();
        let later = |ms| at + Duration::from_millis(ms);
        let mut rules = Rules::new(Role::Server);
        let hello = handshake(1, 1);
        assert_eq!(receive(&mut rules, at, &hello).1, 0);
        assert_eq!(receive(&mut rules, later(1), &hello).1, 0, "its second fragment");
        send(&mut rules, later(2), &handshake(2, 1));
        send(&mut rules, later(2), &handshake(11, 2));
        assert_eq!(receive(&mut rules, later(52), &hello).1, 2);
        assert_eq!(receive(&mut rules, later(53), &handshake(16, 3)).1, 0, "a new flight");
    }

    #[test]
    fn what_a_handshake_may_take_is_bounded() {
        let mut rules = Rules::new(Role::Server);
        let fragment = record(HANDSHAKE, 0, &[11; 255]);
        let handed = (0..4_000)
            .filter(|_| receive(&mut rules, Instant::now(), &fragment).0.is_some())
            .count();
        assert_eq!(handed, HANDSHAKE_BUDGET / fragment.len());
    }
}
