//! Pipes of a router: producers pulled from other nodes, and producers served to them. A pipe is a
//! transport of the plane whose packets come from and go to a flow of a link.

use std::sync::Arc;

use starling_cluster::link::{Link, PacketClass};
use starling_media::{
    Command,
    command::{ConsumerParams, ProducerParams},
    negotiation::{pipe_mapping, pipe_parameters},
};
use starling_proto::{
    MediaKind, NodeId, ProducerId, flow::FlowId, roster::ProducerEntry, rtp::RtpType,
};

use super::{Pipe, Producer, RouterState, Served};
use crate::worker::PipeOut;

impl RouterState {
    /// The producer is to be had on `flow`: a pipe transport and a producer on it, in the place of
    /// what had its id until now.
    pub(super) fn pull(&mut self, entry: ProducerEntry, flow: FlowId, link: Arc<dyn Link>) {
        let ProducerEntry { id, kind, paused, consumable, .. } = entry;
        let pipe = self.add_pipe(flow, link, PacketClass::Control);
        let rtp = pipe_parameters(&consumable.0);
        let mapping = pipe_mapping(&rtp);
        let key = self.keys.producer();
        let params = Box::new(ProducerParams { kind, rtp, mapping, paused });
        self.command(Command::Produce { transport: pipe.transport, producer: key, params });
        self.install(id, Producer { key, peer: None, pipe: Some(pipe) }, None);
    }

    /// The flow is dead; consumers keep their place.
    pub(super) fn unpull(&mut self, id: &ProducerId) {
        let Some(producer) = self.producers.get_mut(id) else { return };
        if let Some(pipe) = producer.pipe.take() {
            self.end_pipe(&pipe);
        }
    }

    pub(super) fn serve(
        &mut self,
        entry: &ProducerEntry,
        flow: FlowId,
        link: Arc<dyn Link>,
        layers: u32,
    ) {
        let Some(&Producer { key: producer, .. }) = self.producers.get(&entry.id) else { return };
        let kind = entry.kind;
        let node = link.node().clone();
        self.unserve(&node, flow);
        let class = match kind {
            MediaKind::Audio => PacketClass::Audio,
            MediaKind::Video => PacketClass::Video,
        };
        let pipe = self.add_pipe(flow, link, class);
        let consumer = self.keys.consumer();
        let params = Box::new(ConsumerParams {
            kind,
            rtp: pipe_parameters(&entry.consumable.0),
            rtp_type: RtpType::Pipe,
            paused: false,
            preferred: None,
            pipe_layers: layers,
        });
        self.command(Command::Consume { transport: pipe.transport, consumer, producer, params });
        self.served.insert((node, flow), Served { pipe, consumer });
    }

    pub(super) fn unserve(&mut self, node: &NodeId, flow: FlowId) {
        if let Some(served) = self.served.remove(&(node.clone(), flow)) {
            self.command(Command::RemoveConsumer { consumer: served.consumer });
            self.end_pipe(&served.pipe);
        }
    }

    pub(super) fn unserve_node(&mut self, node: &NodeId) {
        let flows: Vec<_> =
            self.served.keys().filter(|(to, _)| to == node).map(|(_, flow)| *flow).collect();
        flows.into_iter().for_each(|flow| self.unserve(node, flow));
    }

    fn add_pipe(&mut self, flow: FlowId, link: Arc<dyn Link>, class: PacketClass) -> Pipe {
        let (transport, key) = (self.keys.transport(), self.keys.pipe());
        self.command(Command::AddPipe { transport, pipe: key });
        let out = PipeOut::Link(link.clone(), flow, class);
        self.args.worker.set_pipe_out(key, out);
        link.open_flow(flow, self.args.worker.pipe_sink(key));
        Pipe { transport, key, flow, link }
    }

    pub(super) fn end_pipe(&mut self, pipe: &Pipe) {
        pipe.link.close_flow(pipe.flow);
        self.args.worker.clear_pipe_out(pipe.key);
        self.command(Command::RemoveTransport { transport: pipe.transport });
    }
}
