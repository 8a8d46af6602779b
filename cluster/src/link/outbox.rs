//! From any thread to the link's sender task, and from there into QUIC datagrams. Never sheds by
//! itself (`queue`), never lets QUIC shed.
#![expect(clippy::disallowed_methods, reason = "drives the pure `queue` with the clock")]

use std::{
    sync::{Mutex, atomic::Ordering::Relaxed},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use quinn::{Connection, SendDatagramError};
use starling_proto::flow::{FlowId, MAX_HEADER, Part, encode_header};
use tokio::sync::Notify;

use super::{
    PacketClass,
    counters::Cells,
    handshake::Ended,
    lock,
    queue::{DeadlineQueue, Shed, Waiting},
};

/// Most packets taken from the queue at once: a key frame, so that its datagrams leave in few
/// syscalls, while audio that comes meanwhile waits for no more than this.
const BATCH: usize = 64;
/// What a datagram costs in quinn's send buffer beside its bytes, with room for a split packet's
/// second header.
const OVERHEAD: usize = 128;

/// The queue, and who sleeps on it.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    queue: DeadlineQueue,
    /// The sender task waits: the next packet wakes it, those after it need not.
    asleep: bool,
}

impl Outbox {
    /// Adds a packet.
    pub(super) fn push(&self, flow: FlowId, class: PacketClass, packet: &[u8]) {
        let now = Instant::now();
        let mut inner = lock(&self.inner);
        inner.queue.push(now, flow, class, packet);
        let wake = std::mem::take(&mut inner.asleep);
        drop(inner);
        if wake {
            self.wake.notify_one();
        }
    }

    /// What was shed so far.
    pub(super) fn shed(&self) -> Shed {
        lock(&self.inner).queue.shed()
    }

    /// Moves packets out; true if more wait. With nothing to move, the next push wakes.
    fn take(&self, space: usize, most: usize, out: &mut Vec<Waiting>) -> bool {
        let mut inner = lock(&self.inner);
        let more = inner.queue.take(Instant::now(), space, OVERHEAD, most, out);
        inner.asleep = out.is_empty() && !more;
        more
    }
}

/// Carries packets from the outbox to QUIC until the connection ends.
pub(super) async fn run(outbox: &Outbox, connection: &Connection, cells: &Cells) -> Ended {
    let mut batch = Vec::with_capacity(BATCH);
    let mut tag = 0;
    loop {
        let more = outbox.take(connection.datagram_send_buffer_space(), BATCH, &mut batch);
        if batch.is_empty() && !more {
            outbox.wake.notified().await;
            continue;
        }
        let Some(max) = connection.max_datagram_size() else {
            return Ended::Malformed("the other side takes no datagrams".into());
        };
        if batch.is_empty() {
            // QUIC is full: one packet waits there for its turn, the others here, where they can
            // be overtaken and shed.
            outbox.take(usize::MAX, 1, &mut batch);
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
        if more {
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
