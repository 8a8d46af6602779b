//! Pipes of a router: producers pulled from other nodes and cores, and producers served to them. A
//! pipe is a transport of the plane whose packets come from and go to a flow of a link, or the
//! queue of another core.

use std::{sync::Arc, time::Duration};

use starling_cluster::{
    decide::{budget, traced::Stream},
    link::{Link, PacketClass},
};
use starling_media::{
    Command, ConsumerKey, PipeKey,
    command::{ConsumerParams, ProducerParams},
    negotiation::{pipe_mapping, pipe_parameters},
};
use starling_proto::{
    MediaKind, NodeId, ProducerId, flow::FlowId, link::LinkMessage, roster::ProducerEntry,
    rtp::RtpType,
};

use super::{Pipe, PipeEnd, Producer, RouterMsg, RouterState, Served, Source, Taker};
use crate::worker::PipeOut;

impl PipeEnd {
    /// Tells the other end which encodings are of use here.
    pub(super) fn want(&self, layers: u32) {
        match self {
            Self::Flow(flow, link) => {
                link.send(LinkMessage::PipeLayers { flow: *flow, layers });
            }
            Self::Source(router, key) => {
                let taker = Taker::Core(*key);
                let _ = router.cast(RouterMsg::ServeLayers { taker, layers });
            }
            Self::Taker => {}
        }
    }
}

impl RouterState {
    /// The producer is to be had there: a pipe transport and a producer on it, in the place of what
    /// had its id until now.
    pub(super) fn pull(&mut self, entry: ProducerEntry, from: Source) {
        let pipe = match from {
            Source::Flow(flow, link) => {
                self.add_flow(flow, link, PacketClass::Control, Arc::default())
            }
            Source::Core { router, worker } => {
                let there = self.keys.pipe();
                let pipe = self.add_pipe(
                    PipeOut::Worker(worker.pipe_sink(there)),
                    PipeEnd::Source(router.clone(), there),
                );
                let out = PipeOut::Worker(self.args.worker.pipe_sink(pipe.key));
                let entry = Box::new(entry.clone());
                let _ = router.cast(RouterMsg::ServeCore { entry, pipe: there, out });
                pipe
            }
        };
        let encrypted = entry.is_encrypted();
        let ProducerEntry { id, kind, paused, consumable, .. } = entry;
        let rtp = pipe_parameters(&consumable.0);
        let mapping = pipe_mapping(&rtp);
        let key = self.keys.producer();
        // Its sender's own plane keeps the delay.
        let key_frame_delay = Duration::ZERO;
        let params = ProducerParams { kind, rtp, mapping, paused, encrypted, key_frame_delay };
        let params = Box::new(params);
        self.command(Command::Produce { transport: pipe.transport, producer: key, params });
        self.install(id, Producer { key, peer: None, pipe: Some(pipe) });
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
        let taker = Taker::Node(link.node().clone(), flow);
        self.unserve(&taker);
        let class = match entry.kind {
            MediaKind::Audio => PacketClass::Audio,
            MediaKind::Video => PacketClass::Video,
        };
        let ssrcs = entry.consumable.0.encodings.iter().filter_map(|encoding| encoding.ssrc);
        let pipe = self.add_flow(flow, link, class, ssrcs.collect());
        self.serve_on(taker, pipe, entry, layers);
    }

    fn serve_on(&mut self, taker: Taker, pipe: Pipe, entry: &ProducerEntry, wished: u32) {
        let consumer = self.consume_for_pipe(&pipe, entry, wished);
        let top = Some(u8::MAX);
        self.served.insert(taker, Served { pipe, consumer, wished, top });
    }

    /// Other layers are wanted there, or the link takes others: which are to be carried now.
    pub(super) fn change_served(
        &mut self,
        taker: &Taker,
        change: impl FnOnce(&mut Served),
    ) -> Option<(ConsumerKey, u32)> {
        let served = self.served.get_mut(taker)?;
        change(served);
        Some((served.consumer, budget::layers(served.wished, served.top)))
    }

    /// Another core wants the producer. No layers at first, as between nodes: its plane says which
    /// its consumers can use. What is yet to be pulled here itself has a place to wait in.
    pub(super) fn serve_core(&mut self, entry: &ProducerEntry, key: PipeKey, out: PipeOut) {
        let transport = self.keys.transport();
        self.command(Command::AddPipe { transport, pipe: key });
        self.args.worker.set_pipe_out(key, out);
        let pipe = Pipe { transport, key, end: PipeEnd::Taker, wanted: 0 };
        self.serve_on(Taker::Core(key), pipe, entry, 0);
    }

    fn consume_for_pipe(&mut self, pipe: &Pipe, entry: &ProducerEntry, layers: u32) -> ConsumerKey {
        let producer = self.producer_or_place(&entry.id);
        let consumer = self.keys.consumer();
        let params = Box::new(ConsumerParams {
            kind: entry.kind,
            rtp: pipe_parameters(&entry.consumable.0),
            rtp_type: RtpType::Pipe,
            paused: false,
            preferred: None,
            pipe_layers: layers,
            encrypted: entry.is_encrypted(),
            ignore_dtx: false,
        });
        self.command(Command::Consume { transport: pipe.transport, consumer, producer, params });
        consumer
    }

    pub(super) fn unserve(&mut self, taker: &Taker) {
        if let Some(served) = self.served.remove(taker) {
            if let Taker::Node(node, flow) = taker {
                self.await_no_more(|| Stream::Serve(node.clone(), *flow));
            }
            self.command(Command::RemoveConsumer { consumer: served.consumer });
            self.end_pipe(&served.pipe);
        }
    }

    pub(super) fn unserve_node(&mut self, node: &NodeId) {
        let of_it = |taker: &&Taker| matches!(taker, Taker::Node(to, _) if to == node);
        let takers: Vec<_> = self.served.keys().filter(of_it).cloned().collect();
        takers.iter().for_each(|taker| self.unserve(taker));
    }

    fn add_flow(
        &mut self,
        flow: FlowId,
        link: Arc<dyn Link>,
        class: PacketClass,
        ssrcs: Arc<[u32]>,
    ) -> Pipe {
        let out = PipeOut::Link(link.clone(), flow, class, ssrcs);
        let pipe = self.add_pipe(out, PipeEnd::Flow(flow, link.clone()));
        link.open_flow(flow, self.args.worker.pipe_sink(pipe.key));
        pipe
    }

    fn add_pipe(&mut self, out: PipeOut, end: PipeEnd) -> Pipe {
        let (transport, key) = (self.keys.transport(), self.keys.pipe());
        self.command(Command::AddPipe { transport, pipe: key });
        self.args.worker.set_pipe_out(key, out);
        Pipe { transport, key, end, wanted: 0 }
    }

    pub(super) fn end_pipe(&mut self, pipe: &Pipe) {
        match &pipe.end {
            PipeEnd::Flow(flow, link) => link.close_flow(*flow),
            PipeEnd::Source(router, key) => {
                let _ = router.cast(RouterMsg::Unserve(Taker::Core(*key)));
            }
            PipeEnd::Taker => {}
        }
        self.args.worker.clear_pipe_out(pipe.key);
        self.command(Command::RemoveTransport { transport: pipe.transport });
    }
}
