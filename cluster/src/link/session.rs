//! One link that is up: its handle for everyone, and the task that runs it. Never dials.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use quinn::{Connection, RecvStream, SendStream};
use starling_proto::{
    NodeId,
    codec::MAX_MESSAGE,
    flow::{self, FlowId},
    link::LinkMessage,
};
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinHandle,
};

use super::{
    DataLane, Link, LinkCounters, LinkEvent, MAX_PACKET, PacketClass, PacketSink, control,
    counters::Cells,
    data::{self, LaneEnd},
    handshake::{Ended, Established, why},
    inbox::{self, Flows},
    lock,
    outbox::{self, Outbox},
    peers::LinkId,
    watch::Watch,
};
use crate::decide::liveness::Sample;

/// Control messages that may wait: roster changes of a 500-peer room joining at once, three each,
/// twice over.
const MAX_MESSAGES: usize = 4_096;
/// Control messages written at once.
const MESSAGES_PER_WRITE: usize = 64;

/// A link that is up, or was.
#[derive(Debug)]
pub(super) struct QuicLink {
    node: NodeId,
    epoch: u64,
    /// This node's life that the other side knows.
    ours: u64,
    version: u16,
    parity: u64,
    connection: Connection,
    messages: mpsc::Sender<LinkMessage>,
    outbox: Outbox,
    data: Arc<DataLane>,
    flows: Flows,
    cells: Cells,
    /// Why this side ended it.
    ended: Mutex<Option<Ended>>,
}

/// What the task of a link needs beside its handle.
pub(super) struct Session {
    id: LinkId,
    watch: Arc<Watch>,
    link: Arc<QuicLink>,
    send: SendStream,
    recv: RecvStream,
    messages: mpsc::Receiver<LinkMessage>,
    lane: LaneEnd,
}

impl Session {
    pub(super) fn new(
        me: &NodeId,
        id: LinkId,
        watch: Arc<Watch>,
        established: Established,
    ) -> Self {
        let Established { node, epoch, ours, version, connection, send, recv } = established;
        let (sender, messages) = mpsc::channel(MAX_MESSAGES);
        let (data, lane) = DataLane::new();
        let link = Arc::new(QuicLink {
            parity: u64::from(*me > node),
            node,
            epoch,
            ours,
            version,
            connection,
            messages: sender,
            outbox: Outbox::default(),
            data: Arc::new(data),
            flows: Flows::default(),
            cells: Cells::default(),
            ended: Mutex::new(None),
        });
        Self { id, watch, link, send, recv, messages, lane }
    }
}

impl QuicLink {
    /// Ends it; the first reason counts.
    pub(super) fn end(&self, why: Ended) {
        why.close(&self.connection);
        lock(&self.ended).get_or_insert(why);
    }

    /// Sends what the other side must acknowledge, and nothing else.
    pub(super) fn probe(&self) {
        // A connection that is over is noticed by those who read from it.
        let _ = self.connection.send_datagram(Bytes::from_static(&flow::PROBE));
    }

    /// What says that the other side lives.
    pub(super) fn sample(&self) -> Sample {
        let stats = self.connection.stats();
        Sample { received: stats.udp_rx.datagrams, answers: stats.frame_rx.acks }
    }
}

impl Link for QuicLink {
    fn node(&self) -> &NodeId {
        &self.node
    }

    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn version(&self) -> u16 {
        self.version
    }

    fn flow_parity(&self) -> u64 {
        self.parity
    }

    fn send(&self, message: LinkMessage) -> bool {
        // An older release cannot read it, and is better off without it than without the link.
        if message.since() > self.version {
            return true;
        }
        if let LinkMessage::PipeClose { flow } | LinkMessage::PipeRefused { flow } = &message {
            self.outbox.forget(*flow);
        }
        match self.messages.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.end(Ended::Backlog);
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    fn open_flow(&self, flow: FlowId, sink: Arc<dyn PacketSink>) {
        self.flows.open(flow, sink);
    }

    fn close_flow(&self, flow: FlowId) {
        self.flows.close(flow);
    }

    fn send_packet(&self, flow: FlowId, class: PacketClass, layer: u8, packet: &[u8]) -> bool {
        if self.messages.is_closed() {
            return false;
        }
        if packet.len() > MAX_PACKET {
            self.cells.oversize.fetch_add(1, Relaxed);
            return false;
        }
        self.outbox.push(flow, class, layer, packet);
        true
    }

    fn data(&self) -> &Arc<DataLane> {
        &self.data
    }

    fn rtt(&self) -> Duration {
        self.connection.rtt()
    }

    fn counters(&self) -> LinkCounters {
        let (stats, shed) = (self.connection.stats(), self.outbox.shed());
        LinkCounters {
            shed_video: shed.video,
            shed_audio: shed.audio,
            shed_control: shed.control,
            lost: stats.path.lost_packets,
            datagrams_out: stats.udp_tx.datagrams,
            transmits: stats.udp_tx.ios,
            rtt: stats.path.rtt,
            limit: self.outbox.limit(),
            max_datagram: self.connection.max_datagram_size().unwrap_or(0) as u64,
            ..self.cells.read()
        }
    }
}

impl Session {
    pub(super) fn link(&self) -> &Arc<QuicLink> {
        &self.link
    }

    /// Runs the link to its end. `previous` is the link to the same node before this one: its Down
    /// comes before this Up.
    pub(super) async fn run(
        self,
        previous: Option<JoinHandle<()>>,
        events: mpsc::Sender<LinkEvent>,
    ) {
        if let Some(previous) = previous {
            // An error is a panic there, which has been reported; this link is another.
            let _ = previous.await;
        }
        let Self { id, watch, link, mut send, mut recv, mut messages, lane } = self;
        let (node, epoch) = (link.node.clone(), link.epoch);
        watch.up(id, &link);
        // An owner that is gone wants no events; the endpoint ends soon after it.
        let _ = events.send(LinkEvent::Up(Arc::clone(&link) as Arc<dyn Link>)).await;
        tracing::info!(%node, epoch, "link is up");

        let inbox = tokio::spawn({
            let link = Arc::clone(&link);
            async move { inbox::run(&link.flows, &link.connection, &link.cells).await }
        });
        let outbox = tokio::spawn({
            let (link, events) = (Arc::clone(&link), events.clone());
            async move {
                let to = (&link.node, link.epoch);
                outbox::run(&link.outbox, &link.connection, &link.cells, to, &events).await
            }
        });
        let data = tokio::spawn({
            let link = Arc::clone(&link);
            async move {
                tokio::select! {
                    why = data::write(&link.connection, lane) => why,
                    why = data::read(&link.data, &link.connection) => why,
                }
            }
        });
        let stop = [inbox.abort_handle(), outbox.abort_handle(), data.abort_handle()];
        let died = |_| Ended::Lost("a task of the link panicked".into());
        let why = tokio::select! {
            why = read(&link, &watch, &mut recv, &events) => why,
            why = write(&link, &mut send, &mut messages) => why,
            why = inbox => why.unwrap_or_else(died),
            why = outbox => why.unwrap_or_else(died),
            why = data => why.unwrap_or_else(died),
        };
        link.end(why);
        stop.iter().for_each(|task| task.abort());
        link.data.shut();
        messages.close();
        let ended = lock(&link.ended).clone().unwrap_or(Ended::Shutdown);
        let (verdict, reason) = (watch.down(id, &link, &ended), ended.to_string());
        tracing::info!(%node, epoch, %reason, ?verdict, "link is down");
        if ended.is_over() {
            let (by, reason, epoch) = (node.clone(), reason.clone(), link.ours);
            let _ = events.send(LinkEvent::Over { by, epoch, reason }).await;
        }
        let left = ended.has_left();
        let _ = events.send(LinkEvent::Down { node, epoch, reason, verdict, left }).await;
    }
}

async fn read(
    link: &QuicLink,
    watch: &Watch,
    recv: &mut RecvStream,
    events: &mpsc::Sender<LinkEvent>,
) -> Ended {
    loop {
        let message = match control::read::<LinkMessage>(recv, MAX_MESSAGE).await {
            Ok(message) => message,
            Err(e) => return why(&link.connection, &e),
        };
        link.cells.messages_in.fetch_add(1, Relaxed);
        let Some(message) = watch.take(link, message).await.map(Box::new) else { continue };
        match &*message {
            LinkMessage::PipeOpen { flow, layers, .. }
            | LinkMessage::PipeOpenVia { flow, layers, .. }
            | LinkMessage::PipeLayers { flow, layers } => link.outbox.wish(*flow, *layers),
            LinkMessage::PipeClose { flow } | LinkMessage::PipeRefused { flow } => {
                link.outbox.forget(*flow);
            }
            _ => {}
        }
        let (node, epoch) = (link.node.clone(), link.epoch);
        if events.send(LinkEvent::Message { node, epoch, message }).await.is_err() {
            return Ended::Shutdown;
        }
    }
}

async fn write(
    link: &QuicLink,
    send: &mut SendStream,
    messages: &mut mpsc::Receiver<LinkMessage>,
) -> Ended {
    let (mut batch, mut out) = (Vec::new(), BytesMut::new());
    while messages.recv_many(&mut batch, MESSAGES_PER_WRITE).await > 0 {
        let count = batch.len() as u64;
        for message in batch.drain(..) {
            if let Err(e) = control::frame(&message, &mut out) {
                return why(&link.connection, &e);
            }
        }
        if let Err(e) = send.write_all(&out.split().freeze()).await {
            return why(&link.connection, &control::ControlError::Ended(e.into()));
        }
        link.cells.messages_out.fetch_add(count, Relaxed);
    }
    Ended::Shutdown
}
