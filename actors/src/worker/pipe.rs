//! Packets between planes: in from a link or another worker through one bounded queue per worker,
//! out to a link or another worker. The same envelope both times. Never blocks; full drops and
//! counts.

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use starling_cluster::link::{Link, PacketClass, PacketSink};
use starling_media::PipeKey;
use starling_proto::flow::FlowId;
use tokio::sync::mpsc;

use super::poll::Waker;

/// Packets waiting for a worker: 20 ms at the 400,000 packets a second a core can take at most.
/// What waits longer is late.
pub(crate) const MAX_PACKETS: usize = 8_192;
/// Bytes of them: [`MAX_PACKETS`] of a link's largest usual packet.
pub(crate) const MAX_BYTES: usize = MAX_PACKETS * 1_500;

/// Where the packets of a pipe transport go.
#[derive(Clone)]
pub enum PipeOut {
    /// To another node. RTCP goes as [`PacketClass::Control`], whatever the class. Which of the
    /// SSRCs a packet has says which layer it is of.
    Link(Arc<dyn Link>, FlowId, PacketClass, Arc<[u32]>),
    /// To another worker of this node.
    Worker(Arc<PipeSink>),
    /// To a program, which is told nothing of what its queue cannot hold.
    Tap(mpsc::Sender<Bytes>),
}

impl fmt::Debug for PipeOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(_, flow, class, _) => {
                f.debug_tuple("Link").field(flow).field(class).finish()
            }
            Self::Worker(sink) => f.debug_tuple("Worker").field(&sink.pipe).finish(),
            Self::Tap(_) => f.write_str("Tap"),
        }
    }
}

/// Sends the packets of a flight on their ways: those for another worker that follow each other
/// share a lock and a wake. How many were shed or had no way out.
pub(crate) fn send_all(
    outs: &HashMap<PipeKey, PipeOut>,
    bytes: &[u8],
    piped: &[(PipeKey, Range<usize>)],
) -> u64 {
    let mut lost = 0;
    let mut batch: Option<Batch<'_>> = None;
    for (pipe, range) in piped {
        let packet = &bytes[range.clone()];
        let sent = match outs.get(pipe) {
            Some(PipeOut::Worker(sink)) => {
                if !batch.as_ref().is_some_and(|batch| std::ptr::eq(batch.queue, &*sink.queue)) {
                    // Two workers that hold a queue and wait for the other's would be for ever.
                    drop(batch.take());
                }
                batch.get_or_insert_with(|| sink.queue.open()).push(sink.pipe, packet)
            }
            Some(PipeOut::Link(link, flow, class, ssrcs)) => {
                let class = if is_rtcp(packet) { PacketClass::Control } else { *class };
                link.send_packet(*flow, class, layer(ssrcs, packet), packet)
            }
            Some(PipeOut::Tap(program)) => program.try_send(Bytes::copy_from_slice(packet)).is_ok(),
            None => false,
        };
        lost += u64::from(!sent);
    }
    lost
}

/// The place of an RTP packet's SSRC; the first if it is none of them.
fn layer(ssrcs: &[u32], packet: &[u8]) -> u8 {
    let ssrc = packet.get(8..12).and_then(|bytes| bytes.first_chunk()).copied();
    let ssrc = ssrc.map(u32::from_be_bytes);
    ssrcs.iter().position(|it| Some(*it) == ssrc).unwrap_or(0) as u8
}

/// RFC 5761 §4.
fn is_rtcp(packet: &[u8]) -> bool {
    matches!(packet.get(1), Some(192..=223))
}

/// One pipe's way into a worker; give it to [`Link::open_flow`] or to another worker.
#[derive(Debug)]
pub struct PipeSink {
    pipe: PipeKey,
    queue: Arc<PipeQueue>,
}

impl PipeSink {
    pub(crate) const fn new(pipe: PipeKey, queue: Arc<PipeQueue>) -> Self {
        Self { pipe, queue }
    }

    /// Copies a packet into the worker's queue. False if it was full.
    pub fn push(&self, packet: &[u8]) -> bool {
        self.queue.open().push(self.pipe, packet)
    }
}

impl PacketSink for PipeSink {
    fn deliver(&self, packet: Bytes) {
        self.push(&packet);
    }
}

/// Packets waiting for a worker.
#[derive(Debug)]
pub(crate) struct PipeQueue {
    waiting: Mutex<Packets>,
    dropped: AtomicU64,
    waker: Arc<Waker>,
}

impl PipeQueue {
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Self { waiting: Mutex::default(), dropped: AtomicU64::new(0), waker }
    }

    fn open(&self) -> Batch<'_> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        Batch { queue: self, waiting: Some(waiting), pushed: false }
    }

    /// Exchanges what waits for `taken`, which must be empty; its memory is used again.
    pub(crate) fn take(&self, taken: &mut Packets) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *waiting, taken);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Packets for a worker, under one lock; the worker is woken when it is dropped.
struct Batch<'a> {
    queue: &'a PipeQueue,
    waiting: Option<MutexGuard<'a, Packets>>,
    pushed: bool,
}

impl Batch<'_> {
    fn push(&mut self, pipe: PipeKey, packet: &[u8]) -> bool {
        let fits = self.waiting.as_mut().is_some_and(|waiting| waiting.push(pipe, packet));
        self.pushed |= fits;
        if !fits {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
        fits
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // Who is woken wants the lock at once.
        drop(self.waiting.take());
        if self.pushed {
            self.queue.waker.wake();
        }
    }
}

/// Packets back to back.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    bytes: Vec<u8>,
    ends: Vec<(PipeKey, usize)>,
    next: usize,
}

impl Packets {
    fn push(&mut self, pipe: PipeKey, packet: &[u8]) -> bool {
        if self.ends.len() >= MAX_PACKETS || self.bytes.len() + packet.len() > MAX_BYTES {
            return false;
        }
        self.bytes.extend_from_slice(packet);
        self.ends.push((pipe, self.bytes.len()));
        true
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The next packet; once there is none, the whole is empty and may be filled again.
    pub(crate) fn next(&mut self) -> Option<(PipeKey, &[u8])> {
        let Some(&(pipe, end)) = self.ends.get(self.next) else {
            self.bytes.clear();
            self.ends.clear();
            self.next = 0;
            return None;
        };
        let start = if self.next == 0 { 0 } else { self.ends[self.next - 1].1 };
        self.next += 1;
        Some((pipe, &self.bytes[start..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::poll::Poll, *};

    fn queue() -> (Poll, Arc<PipeQueue>) {
        let poll = Poll::new().unwrap();
        let queue = Arc::new(PipeQueue::new(poll.waker().clone()));
        (poll, queue)
    }

    #[test]
    fn packets_come_out_as_they_went_in() {
        let (_poll, queue) = queue();
        let one = PipeSink::new(PipeKey(1), queue.clone());
        let two = PipeSink::new(PipeKey(2), queue.clone());
        one.deliver(Bytes::from_static(b"first"));
        assert!(two.push(b""));
        assert!(two.push(b"third"));
        let mut taken = Packets::default();
        queue.take(&mut taken);
        assert_eq!(taken.next(), Some((PipeKey(1), &b"first"[..])));
        assert_eq!(taken.next(), Some((PipeKey(2), &b""[..])));
        assert_eq!(taken.next(), Some((PipeKey(2), &b"third"[..])));
        assert_eq!(taken.next(), None);
        assert!(taken.is_empty());
    }

    #[test]
    fn a_flight_goes_to_each_worker_in_order_and_what_has_no_way_out_is_counted() {
        let ((_poll_a, a), (_poll_b, b)) = (queue(), queue());
        let out = |pipe, queue: &Arc<PipeQueue>| {
            PipeOut::Worker(Arc::new(PipeSink::new(PipeKey(pipe), queue.clone())))
        };
        let outs = HashMap::from([
            (PipeKey(1), out(11, &a)),
            (PipeKey(2), out(12, &a)),
            (PipeKey(3), out(13, &b)),
        ]);
        let piped = [1, 2, 3, 9, 1].map(PipeKey).into_iter().enumerate();
        let piped: Vec<_> = piped.map(|(at, pipe)| (pipe, at..at + 1)).collect();
        assert_eq!(send_all(&outs, b"abcde", &piped), 1);
        let mut taken = Packets::default();
        a.take(&mut taken);
        for (pipe, packet) in [(11, b"a"), (12, b"b"), (11, b"e")] {
            assert_eq!(taken.next(), Some((PipeKey(pipe), &packet[..])));
        }
        assert_eq!(taken.next(), None);
        b.take(&mut taken);
        assert_eq!(taken.next(), Some((PipeKey(13), &b"c"[..])));
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_counts() {
        let (_poll, queue) = queue();
        let sink = PipeSink::new(PipeKey(1), queue.clone());
        for _ in 0..MAX_PACKETS {
            assert!(sink.push(b"x"));
        }
        assert!(!sink.push(b"y"));
        assert_eq!(queue.dropped(), 1);
        queue.take(&mut Packets::default());
        assert!(sink.push(&[0; MAX_BYTES]));
        assert!(!sink.push(b"y"));
    }

    #[test]
    fn a_layer_is_told_by_its_ssrc() {
        let packet = |ssrc: u32| [&[0; 8][..], &ssrc.to_be_bytes()].concat();
        assert_eq!([7, 8, 9].map(|ssrc| layer(&[7, 8], &packet(ssrc))), [0, 1, 0]);
        assert_eq!(layer(&[7, 8], &[0; 11]), 0);
    }

    #[test]
    fn rtcp_is_told_from_rtp() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(!is_rtcp(&[0x80, 96]));
        assert!(!is_rtcp(&[0x80, 96 | 0x80]));
        assert!(!is_rtcp(&[0x80]));
    }
}
