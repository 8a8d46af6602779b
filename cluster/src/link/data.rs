//! Messages of data channels on a link: reliable, in order, and held back by whoever cannot take
//! more. All flows share one QUIC stream each way, so that they can neither starve nor be starved
//! by the control stream; each flow sends no more than its receiver has granted it, so that one
//! that stands still holds back no other. Never looks inside a message.
//!
//! A frame is: u32 length (big endian) of what follows, u8 kind, u64 flow, then a message's bytes,
//! or a u32 of granted bytes.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use bytes::{BufMut, Bytes, BytesMut};
use quinn::{Connection, RecvStream};
use starling_proto::{flow::FlowId, message, sctp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{handshake::Ended, lock};

/// Bytes of frames that wait to be written: as much as QUIC has under way.
const WAITING: usize = 1024 * 1024;
/// What a frame costs beside its message.
const OVERHEAD: usize = 128;
/// Most bytes a flow may be granted in all.
const MAX_GRANT: usize = 4 * 1024 * 1024;
/// Kind and flow.
const HEAD: usize = 9;
/// Longest frame.
const MAX_FRAME: usize = HEAD + message::MAX_HEADER + sctp::MAX_MESSAGE;
/// Frames put together for one write.
const BATCH: usize = 64;

const MESSAGE: u8 = 0;
const GRANT: u8 = 1;

/// Takes the messages of a flow. Called on the link's task: must neither block nor fail.
pub trait DataSink: Send + Sync + 'static {
    /// One message, as it was given to [`DataLane::send`].
    fn deliver(&self, message: &[u8]);
}

struct Frame {
    bytes: Vec<Bytes>,
    /// Given back when it is written.
    _room: Option<OwnedSemaphorePermit>,
}

/// A link's data, both ways.
pub struct DataLane {
    frames: mpsc::UnboundedSender<Frame>,
    room: Arc<Semaphore>,
    sinks: Mutex<HashMap<FlowId, Arc<dyn DataSink>>>,
    grants: Mutex<HashMap<FlowId, Arc<Semaphore>>>,
}

impl std::fmt::Debug for DataLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataLane")
    }
}

impl DataLane {
    pub(super) fn new() -> (Self, LaneEnd) {
        let (frames, end) = mpsc::unbounded_channel();
        let lane = Self {
            frames,
            room: Arc::new(Semaphore::new(WAITING)),
            sinks: Mutex::default(),
            grants: Mutex::default(),
        };
        (lane, LaneEnd(end))
    }

    /// Where messages of a flow go from now on.
    pub fn open(&self, flow: FlowId, sink: Arc<dyn DataSink>) {
        lock(&self.sinks).insert(flow, sink);
    }

    /// Messages of a flow may be sent, as many bytes as the other side has granted.
    pub fn serve(&self, flow: FlowId, granted: usize) {
        let granted = Arc::new(Semaphore::new(granted.min(MAX_GRANT)));
        lock(&self.grants).insert(flow, granted);
    }

    /// Nothing is sent or delivered on a flow any more.
    pub fn close(&self, flow: FlowId) {
        lock(&self.sinks).remove(&flow);
        if let Some(granted) = lock(&self.grants).remove(&flow) {
            granted.close();
        }
    }

    /// The other side may send so many bytes more.
    pub fn grant(&self, flow: FlowId, bytes: usize) {
        let mut out = head(GRANT, flow, 4);
        out.put_u32(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.queue(vec![out.freeze()], None);
    }

    /// Sends a message, when the flow has been granted `cost` bytes and the lane has room. False if
    /// the flow is closed, or the link is down.
    pub async fn send(&self, flow: FlowId, header: &[u8], payload: &[u8], cost: usize) -> bool {
        let granted = lock(&self.grants).get(&flow).cloned();
        let Some(granted) = granted else { return false };
        match granted.acquire_many(cost.try_into().unwrap_or(u32::MAX)).await {
            Ok(permits) => permits.forget(),
            Err(_) => return false,
        }
        let len = header.len() + payload.len();
        let room = self.room.clone().acquire_many_owned((len + OVERHEAD) as u32).await;
        let Ok(room) = room else { return false };
        let mut out = head(MESSAGE, flow, len);
        out.put_slice(header);
        self.queue(vec![out.freeze(), Bytes::copy_from_slice(payload)], Some(room))
    }

    fn queue(&self, bytes: Vec<Bytes>, room: Option<OwnedSemaphorePermit>) -> bool {
        self.frames.send(Frame { bytes, _room: room }).is_ok()
    }

    /// The link is down: whoever waits to send is told.
    pub(super) fn shut(&self) {
        self.room.close();
        lock(&self.grants).drain().for_each(|(_, granted)| granted.close());
        lock(&self.sinks).clear();
    }

    fn take(&self, frame: &[u8]) -> Option<()> {
        let (kind, rest) = frame.split_first()?;
        let (flow, body) = rest.split_first_chunk::<8>()?;
        let flow = FlowId(u64::from_be_bytes(*flow));
        match *kind {
            MESSAGE => {
                // A sink may open or close flows: the lock is free while it runs.
                let sink = lock(&self.sinks).get(&flow).cloned();
                if let Some(sink) = sink {
                    sink.deliver(body);
                }
            }
            GRANT => {
                let bytes = u32::from_be_bytes(*body.first_chunk::<4>()?) as usize;
                if let Some(granted) = lock(&self.grants).get(&flow) {
                    let most = MAX_GRANT.saturating_sub(granted.available_permits());
                    granted.add_permits(bytes.min(most));
                }
            }
            _ => return None,
        }
        Some(())
    }
}

fn head(kind: u8, flow: FlowId, body: usize) -> BytesMut {
    let mut out = BytesMut::with_capacity(4 + HEAD + message::MAX_HEADER);
    out.put_u32((HEAD + body) as u32);
    out.put_u8(kind);
    out.put_u64(flow.0);
    out
}

/// What the link's task writes from. Unbounded, but all in it but grants holds a part of
/// [`WAITING`], and one grant stands for many messages that came.
pub(super) struct LaneEnd(mpsc::UnboundedReceiver<Frame>);

/// Writes until the connection ends.
pub(super) async fn write(connection: &Connection, mut end: LaneEnd) -> Ended {
    let mut batch = Vec::new();
    let mut stream = None;
    while end.0.recv_many(&mut batch, BATCH).await > 0 {
        let stream = match &mut stream {
            Some(stream) => stream,
            none => match connection.open_uni().await {
                Ok(opened) => {
                    // Rosters go first.
                    let _ = opened.set_priority(-1);
                    none.insert(opened)
                }
                Err(e) => return e.into(),
            },
        };
        let mut out = BytesMut::new();
        batch.iter().flat_map(|frame| &frame.bytes).for_each(|bytes| out.extend_from_slice(bytes));
        if let Err(e) = stream.write_all(&out).await {
            return Ended::Lost(e.to_string());
        }
        batch.clear();
    }
    Ended::Shutdown
}

/// Delivers until the connection ends.
pub(super) async fn read(lane: &DataLane, connection: &Connection) -> Ended {
    let mut stream = match connection.accept_uni().await {
        Ok(stream) => stream,
        Err(e) => return e.into(),
    };
    let mut frame = Vec::new();
    loop {
        match read_frame(&mut stream, &mut frame).await {
            Ok(()) if lane.take(&frame).is_some() => {}
            Ok(()) => return Ended::Malformed("a data frame cannot be read".into()),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                return Ended::Malformed(e.to_string());
            }
            Err(e) => {
                let reason = connection.close_reason();
                return reason.map_or_else(|| Ended::Lost(e.to_string()), Ended::from);
            }
        }
        // An idle link keeps no message's memory.
        frame.clear();
        frame.shrink_to(4 * 1024);
    }
}

async fn read_frame(stream: &mut RecvStream, frame: &mut Vec<u8>) -> io::Result<()> {
    let ended = |e: quinn::ReadExactError| io::Error::other(e.to_string());
    let mut len = [0; 4];
    stream.read_exact(&mut len).await.map_err(ended)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > MAX_FRAME {
        let message = format!("a data frame of {len} bytes is above the limit of {MAX_FRAME}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    frame.resize(len, 0);
    stream.read_exact(frame).await.map_err(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frames_head_is_as_version_3_has_it() {
        let head = head(GRANT, FlowId(66_001), 4);
        assert_eq!(head[..], [0, 0, 0, 13, 1, 0, 0, 0, 0, 0, 1, 1, 0xd1]);
    }
}
