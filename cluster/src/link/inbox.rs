//! From QUIC datagrams to the sinks of their flows. Never waits for a sink.
#![expect(clippy::disallowed_methods, reason = "drives the pure `reassembly` with the clock")]

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering::Relaxed},
    time::Instant,
};

use bytes::Bytes;
use quinn::Connection;
use starling_proto::flow::{self, FlowId, Part};

use super::{
    PacketSink,
    counters::Cells,
    handshake::Ended,
    reassembly::{Half, Reassembly},
};

/// Where the packets of each flow go. As many entries as this node has pipes open on the link.
#[derive(Default)]
pub(super) struct Flows(RwLock<HashMap<FlowId, Arc<dyn PacketSink>>>);

impl std::fmt::Debug for Flows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Flows")
    }
}

impl Flows {
    pub(super) fn open(&self, flow: FlowId, sink: Arc<dyn PacketSink>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(flow, sink);
    }

    pub(super) fn close(&self, flow: FlowId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&flow);
    }

    /// A sink may open or close flows: the lock is free while it runs.
    fn sink(&self, flow: FlowId) -> Option<Arc<dyn PacketSink>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&flow).cloned()
    }
}

/// Delivers until the connection ends.
pub(super) async fn run(flows: &Flows, connection: &Connection, cells: &Cells) -> Ended {
    let mut reassembly = Reassembly::default();
    loop {
        match connection.read_datagram().await {
            Ok(datagram) => receive(&datagram, flows, &mut reassembly, cells),
            Err(e) => return e.into(),
        }
    }
}

fn receive(datagram: &Bytes, flows: &Flows, reassembly: &mut Reassembly, cells: &Cells) {
    if **datagram == flow::PROBE {
        // QUIC has acknowledged it, which was its purpose.
        return;
    }
    let Some((flow, part, payload)) = flow::decode(datagram) else {
        cells.malformed.fetch_add(1, Relaxed);
        return;
    };
    let Some(sink) = flows.sink(flow) else {
        cells.unknown_flow.fetch_add(1, Relaxed);
        return;
    };
    let payload = datagram.slice_ref(payload);
    let packet = match part {
        Part::Whole => Some(payload),
        Part::First(tag) => reassembly.handle_part(Instant::now(), flow, tag, Half::First, payload),
        Part::Last(tag) => reassembly.handle_part(Instant::now(), flow, tag, Half::Last, payload),
    };
    Cells::add(&cells.reassembly_failed, reassembly.take_failed());
    let Some(packet) = packet else { return };
    cells.packets_in.fetch_add(1, Relaxed);
    cells.bytes_in.fetch_add(packet.len() as u64, Relaxed);
    sink.deliver(packet);
}
