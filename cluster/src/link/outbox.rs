//! From any thread to the link's sender task, and from there into QUIC datagrams. Never sheds by
//! itself (`queue`), never lets QUIC shed.
#![expect(clippy::disallowed_methods, reason = "drives the pure `queue` with the clock")]

use std::{
    sync::{Mutex, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use quinn::{Connection, SendDatagramError};
use starling_proto::{
    NodeId,
    flow::{FlowId, MAX_HEADER, Part, encode_header},
};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use super::{
    LinkEvent, PacketClass,
    congestion::acknowledged,
    counters::Cells,
    handshake::Ended,
    lock,
    meter::Meter,
    queue::{DeadlineQueue, Shed, Waiting},
};
use crate::decide::budget::Top;

/// Most packets taken from the queue at once: a key frame, so that its datagrams leave in few
/// syscalls, while audio that comes meanwhile waits for no more than this.
const BATCH: usize = 64;
/// Packets wait here if the oldest is older: longer than a key frame of 60 packets takes on a path
/// of 10 Mb/s.
const WAITING: Duration = Duration::from_millis(60);
/// What a datagram costs in quinn's send buffer beside its bytes, with room for a split packet's
/// second header.
const OVERHEAD: usize = 128;

/// Within a limit, packets go out as fast as it says, at most this much at once: sound overtakes
/// what still waits here, and nothing in a router's queue.
const AT_ONCE: Duration = Duration::from_millis(20);
/// And never less: a packet or two.
const LEAST_AT_ONCE: f64 = 3_000.0;
/// Until there is room for the next: 625 bytes of 1 Mb/s.
const PACE: Duration = Duration::from_millis(5);
/// What a packet costs the path beside its bytes: IP, UDP, QUIC, and the flow's header.
const ON_THE_WIRE: usize = 68;

/// The queue, and who sleeps on it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    queue: DeadlineQueue,
    meter: Meter,
    /// Bytes that may go out now, and since when.
    spare: f64,
    refilled: Option<Instant>,
    /// The sender task waits: the next packet wakes it, those after it need not.
    asleep: bool,
}

impl Outbox {
    /// Adds a packet.
    pub(super) fn push(&self, flow: FlowId, class: PacketClass, layer: u8, packet: &[u8]) {
        let now = Instant::now();
        let mut inner = lock(&self.inner);
        inner.meter.count(flow, class, layer, packet.len());
        inner.queue.push(now, flow, class, packet);
        let wake = std::mem::take(&mut inner.asleep);
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
    }

    /// The other side wants these layers of a pipe.
    pub(super) fn wish(&self, flow: FlowId, layers: u32) {
        lock(&self.inner).meter.wish(flow, layers);
    }

    /// A pipe is over.
    pub(super) fn forget(&self, flow: FlowId) {
        lock(&self.inner).meter.forget(flow);
    }

    /// Bits per second that the link takes, if that is less than what is wanted.
    pub(super) fn limit(&self) -> Option<u64> {
        lock(&self.inner).meter.limit()
    }

    /// Looks at what gets through, if it is time to; which pipes may carry other layers now.
    fn measure(&self, connection: &Connection) -> Vec<(FlowId, Top)> {
        let now = Instant::now();
        if !lock(&self.inner).meter.is_due(now) {
            return Vec::new();
        }
        let acked = acknowledged(connection.congestion_state());
        let stats = connection.stats();
        let acked = acked.unwrap_or(stats.udp_tx.bytes.saturating_sub(stats.path.lost_bytes));
        let mut inner = lock(&self.inner);
        let waiting = inner.queue.wait(now) > WAITING;
        inner.meter.step(now, acked, stats.path.rtt, waiting)
    }

    /// Sleeps until there is a packet, or something to measure.
    async fn sleep(&self) {
        let due = lock(&self.inner).meter.due();
        match due {
            // Either end of the wait is a reason to look.
            Some(due) => drop(timeout(due, self.wake.notified()).await),
            None => self.wake.notified().await,
        }
    }

    /// What was shed so far.
    pub(super) fn shed(&self) -> Shed {
        lock(&self.inner).queue.shed()
    }

    /// Moves packets out. With nothing to move, the next push wakes.
    fn take(&self, space: usize, most: usize, out: &mut Vec<Waiting>) -> Left {
        let now = Instant::now();
        let mut inner = lock(&self.inner);
        let spare = inner.refill(now);
        let more = inner.queue.take(now, space.min(spare), OVERHEAD, most, out);
        let bytes: usize = out.iter().map(|waiting| waiting.datagram.len() + ON_THE_WIRE).sum();
        inner.spare -= bytes as f64;
        inner.asleep = out.is_empty() && !more;
        match (more, out.is_empty() && spare < space) {
            (false, _) => Left::Nothing,
            (true, false) => Left::More,
            (true, true) => Left::Paced,
        }
    }
}

/// What is left in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    More,
    /// And has to wait for its time.
    Paced,
}

impl Inner {
    /// Bytes that may go out now.
    fn refill(&mut self, now: Instant) -> usize {
        let Some(limit) = self.meter.limit() else {
            self.refilled = None;
            return usize::MAX;
        };
        let rate = limit as f64 / 8.0;
        let most = (rate * AT_ONCE.as_secs_f64()).max(LEAST_AT_ONCE);
        self.spare = match self.refilled.replace(now) {
            Some(at) => self.spare + rate * now.saturating_duration_since(at).as_secs_f64(),
            // What went out before there was a limit does not count.
            None => most,
        };
        self.spare = self.spare.min(most);
        self.spare.max(0.0) as usize
    }
}

/// Carries packets from the outbox to QUIC until the connection ends.
pub(super) async fn run(
    outbox: &Outbox,
    connection: &Connection,
    cells: &Cells,
    (node, epoch): (&NodeId, u64),
    events: &mpsc::Sender<LinkEvent>,
) -> Ended {
    let mut batch = Vec::with_capacity(BATCH);
    let mut tag = 0;
    loop {
        let tops = outbox.measure(connection);
        if !tops.is_empty() {
            let node = node.clone();
            // An owner that is gone wants no events.
            let _ = events.send(LinkEvent::Budget { node, epoch, tops }).await;
        }
        let left = outbox.take(connection.datagram_send_buffer_space(), BATCH, &mut batch);
        match left {
            Left::Nothing if batch.is_empty() => {
                outbox.sleep().await;
                continue;
            }
            Left::Paced => {
                sleep(PACE).await;
                continue;
            }
            _ => {}
        }
        let Some(max) = connection.max_datagram_size() else {
            return Ended::Malformed("the other side takes no datagrams".into());
        };
        if batch.is_empty() {
            // QUIC is full: one packet waits there for its turn, the others here, where they can
            // be overtaken and shed.
            if outbox.take(usize::MAX, 1, &mut batch) == Left::Paced {
                sleep(PACE).await;
                continue;
            }
            let parts = batch.drain(..).flat_map(|w| datagrams(w, max, &mut tag, cells));
            for datagram in parts.flatten() {
                match connection.send_datagram_wait(datagram).await {
                    Ok(()) | Err(SendDatagramError::TooLarge) => {}
                    Err(e) => return ended(e),
                }
            }
            continue;
        }
        for waiting in batch.drain(..) {
            if let Err(e) = send(connection, waiting, max, &mut tag, cells) {
                return ended(e);
            }
        }
        if left == Left::More {
            tokio::task::yield_now().await;
        }
    }
}

fn send(
    connection: &Connection,
    waiting: Waiting,
    max: usize,
    tag: &mut u16,
    cells: &Cells,
) -> Result<(), SendDatagramError> {
    for datagram in datagrams(waiting, max, tag, cells).into_iter().flatten() {
        match connection.send_datagram(datagram) {
            // The path has shrunk since `max` was asked for: lost like any packet then under way.
            Ok(()) | Err(SendDatagramError::TooLarge) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The one or two datagrams that carry a packet, counted.
fn datagrams(waiting: Waiting, max: usize, tag: &mut u16, cells: &Cells) -> [Option<Bytes>; 2] {
    let packet = waiting.datagram.len() - waiting.header;
    let parts = if waiting.datagram.len() <= max {
        [Some(waiting.datagram), None]
    } else if let Some(parts) = split(&waiting, max, *tag) {
        *tag = tag.wrapping_add(1);
        cells.split.fetch_add(1, Relaxed);
        parts.map(Some)
    } else {
        cells.oversize.fetch_add(1, Relaxed);
        return [None, None];
    };
    cells.packets_out.fetch_add(1, Relaxed);
    cells.bytes_out.fetch_add(packet as u64, Relaxed);
    parts
}

/// The first part as large as the path carries, so that GSO finds equal lengths.
fn split(waiting: &Waiting, max: usize, tag: u16) -> Option<[Bytes; 2]> {
    let packet = &waiting.datagram[waiting.header..];
    let mut header = [0; MAX_HEADER];
    let len = encode_header(waiting.flow, Part::First(tag), &mut header);
    let room = max.checked_sub(len).filter(|room| *room > 0 && packet.len() <= 2 * room)?;
    let (first, last) = packet.split_at(room.min(packet.len()));
    let first = concat(&header[..len], first);
    let len = encode_header(waiting.flow, Part::Last(tag), &mut header);
    Some([first, concat(&header[..len], last)])
}

fn concat(header: &[u8], rest: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(header.len() + rest.len());
    out.extend_from_slice(header);
    out.extend_from_slice(rest);
    out.freeze()
}

fn ended(e: SendDatagramError) -> Ended {
    match e {
        SendDatagramError::ConnectionLost(e) => e.into(),
        other => Ended::Malformed(other.to_string()),
    }
}
