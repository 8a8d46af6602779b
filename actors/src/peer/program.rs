//! What programs ask of their peers over REST. Routes, and has their data channels: on a WebRTC
//! transport, on a plain one with SCTP, or on a direct one. And what operators see of anybody's.

use serde_json::{Value, json};
use starling_media::negotiation::stream_delivery;
use starling_proto::{
    Code, DataConsumerId, DataProducerId, PeerId, Refusal, TransportId,
    rest::{
        ChangeDataConsumer, ChangeDataProducer, CreateDataConsumer, CreateDataProducer,
        CreateWebRtcTransport, DataConsumerCreated, DataConsumerObject, DataProducerCreated,
        DataProducerObject, IceRestarted, WebRtcConnected,
    },
    roster::DataProducerEntry,
    sctp::{STREAMS, SctpState, SctpStreamParameters},
    transport::{DtlsParameters, WebRtcTransportInfo},
};

use super::{
    PeerState,
    data::{Available, Consumer, NewChannel},
    too_many,
    transports::{Transport, Way, no_transport},
};
use crate::{
    data::{Channel, DataPort},
    fresh,
    limits::{DATA_CONSUMERS_PER_PEER, SUBCHANNELS},
    node::Reply,
};

/// What is asked over REST of a peer's data channels.
pub(crate) enum ProgramMsg {
    /// Produce on a plain or direct transport.
    ProduceData {
        transport: TransportId,
        producer: Box<CreateDataProducer>,
        reply: Reply<DataProducerCreated>,
    },
    /// Consume on one.
    ConsumeData {
        transport: TransportId,
        consumer: CreateDataConsumer,
        of: (PeerId, Box<DataProducerEntry>),
        reply: Reply<DataConsumerCreated>,
    },
    /// End one.
    CloseDataProducer(DataProducerId, Reply<()>),
    /// End one.
    CloseDataConsumer(DataConsumerId, Reply<()>),
    /// Pause one, or let it go on.
    ChangeDataProducer { id: DataProducerId, change: ChangeDataProducer, reply: Reply<()> },
    /// Change one.
    ChangeDataConsumer { id: DataConsumerId, change: ChangeDataConsumer, reply: Reply<()> },
    /// Make a WebRTC transport.
    CreateWebRtc { options: CreateWebRtcTransport, reply: Reply<WebRtcTransportInfo> },
    /// Who its client is.
    ConnectWebRtc { transport: TransportId, dtls: DtlsParameters, reply: Reply<WebRtcConnected> },
    /// New ICE credentials.
    RestartIce { transport: TransportId, reply: Reply<IceRestarted> },
    /// Statistics, or what there is of it.
    InspectDataProducer { id: DataProducerId, dump: bool, reply: Reply<Value> },
    /// Statistics, or what there is of it.
    InspectDataConsumer { id: DataConsumerId, dump: bool, reply: Reply<Value> },
}

impl PeerState {
    pub(super) fn handle_program(&mut self, message: ProgramMsg) {
        match message {
            ProgramMsg::ProduceData { transport, producer, reply } => {
                let _ = reply.send(self.program_produce_data(transport, *producer));
            }
            ProgramMsg::ConsumeData { transport, consumer, of: (peer, entry), reply } => {
                let _ = reply.send(self.program_consume_data(transport, consumer, peer, *entry));
            }
            ProgramMsg::CloseDataProducer(id, reply) => {
                let known = self.channels.producers.contains_key(&id);
                self.close_data_producer(&id);
                let _ = reply.send(known.then_some(()).ok_or_else(no_data_producer));
            }
            ProgramMsg::CloseDataConsumer(id, reply) => {
                let known = self.channels.consumers.contains_key(&id);
                self.end_data_consumer(&id);
                let _ = reply.send(known.then_some(()).ok_or_else(no_data_consumer));
            }
            ProgramMsg::ChangeDataProducer { id, change, reply } => {
                let _ = reply.send(self.change_data_producer(id, change));
            }
            ProgramMsg::ChangeDataConsumer { id, change, reply } => {
                let _ = reply.send(self.change_data_consumer(&id, change));
            }
            ProgramMsg::CreateWebRtc { options, reply } => {
                let _ = reply.send(self.program_webrtc(options));
            }
            ProgramMsg::ConnectWebRtc { transport, dtls, reply } => {
                let _ = reply.send(self.program_connect(transport, dtls));
            }
            ProgramMsg::RestartIce { transport, reply } => {
                let restarted = self.restart_ice(&transport);
                let _ = reply.send(restarted.map(|ice_parameters| IceRestarted { ice_parameters }));
            }
            ProgramMsg::InspectDataProducer { id, dump, reply } => {
                self.inspect_data_producer(&id, dump, reply);
            }
            ProgramMsg::InspectDataConsumer { id, dump, reply } => {
                self.inspect_data_consumer(&id, dump, reply);
            }
        }
    }

    fn program_produce_data(
        &mut self,
        transport: TransportId,
        options: CreateDataProducer,
    ) -> Result<DataProducerCreated, Refusal> {
        let (port, direct) = self.program_port(&transport)?;
        let CreateDataProducer { sctp_stream_parameters, label, protocol, paused, app_data } =
            options;
        let wanted = match (sctp_stream_parameters, direct) {
            (Some(wanted), false) => wanted,
            (None, true) => {
                // Of no stream, but told apart by one.
                let stream_id = self.free_stream(&transport).ok_or_else(no_stream)?;
                SctpStreamParameters { stream_id, ..SctpStreamParameters::default() }
            }
            (Some(_), true) => {
                let message = "a direct transport has no streams";
                return Err(Refusal::new(Code::BadRequest, message)
                    .hint("leave 'sctpStreamParameters' out"));
            }
            (None, false) => {
                let message = "'sctpStreamParameters' are missing";
                return Err(Refusal::new(Code::BadRequest, message));
            }
        };
        let channel = NewChannel { label, protocol, paused, app_data };
        let data_producer_id = self.start_data_producer(transport, port, &wanted, channel)?;
        Ok(DataProducerCreated { data_producer_id })
    }

    fn program_consume_data(
        &mut self,
        transport: TransportId,
        options: CreateDataConsumer,
        peer: PeerId,
        entry: DataProducerEntry,
    ) -> Result<DataConsumerCreated, Refusal> {
        let (_, direct) = self.program_port(&transport)?;
        if self.channels.consumers.len() >= DATA_CONSUMERS_PER_PEER {
            return Err(too_many("data consumers", DATA_CONSUMERS_PER_PEER));
        }
        let CreateDataConsumer { ordered, max_packet_life_time, max_retransmits, .. } = options;
        let asked =
            SctpStreamParameters { stream_id: 0, ordered, max_packet_life_time, max_retransmits };
        let own = asked != SctpStreamParameters::default();
        let delivery = if own { stream_delivery(&asked)? } else { entry.delivery };
        let stream = self.free_stream(&transport).ok_or_else(no_stream)?;
        let id: DataConsumerId = fresh::id();
        let channel = Channel { label: entry.label.clone(), protocol: entry.protocol.clone() };
        let consumer = Consumer {
            transport,
            stream,
            delivery,
            producer: entry.id.clone(),
            channel,
            accepted: true,
            paused: options.paused,
            subchannels: options.subchannels.into_iter().take(SUBCHANNELS).collect(),
            low_threshold: 0,
        };
        self.channels.consumers.insert(id.clone(), consumer);
        let created = DataConsumerCreated {
            data_consumer_id: id.clone(),
            data_producer_id: entry.id.clone(),
            sctp_stream_parameters: (!direct).then(|| delivery.on(stream)),
            label: entry.label.clone(),
            protocol: entry.protocol.clone(),
        };
        self.channels.available.insert(entry.id.clone(), Available { peer, entry: entry.into() });
        self.ask_to_consume(&id);
        Ok(created)
    }

    /// To the data channels of a program's transport, and whether it is a direct one.
    fn program_port(&self, transport: &TransportId) -> Result<(DataPort, bool), Refusal> {
        match self.transports.get(transport) {
            Some(Transport::Direct(port)) => Ok((port.clone(), true)),
            Some(Transport::Plain(plain)) => match &plain.data {
                Some(port) => Ok((port.clone(), false)),
                None => {
                    let message = "the transport was made without 'enableSctp'";
                    Err(Refusal::new(Code::BadRequest, message))
                }
            },
            Some(Transport::WebRtc { way: Way::Both, data, .. }) => Ok((data.clone(), false)),
            Some(Transport::WebRtc { .. }) | None => Err(no_transport(transport)),
        }
    }

    /// mediasoup's stats or dump of a data producer.
    fn inspect_data_producer(&self, id: &DataProducerId, dump: bool, reply: Reply<Value>) {
        if !self.channels.producers.contains_key(id) {
            let _ = reply.send(Err(no_data_producer()));
            return;
        }
        if !dump {
            return self.data_producer_stats(id, reply);
        }
        let dumped = self.channels.producers.get(id).map(|own| {
            let parameters = self.stream_of(&own.transport, || own.delivery.on(own.stream));
            json!({
                "id": id,
                "transportId": own.transport,
                "type": if parameters.is_some() { "sctp" } else { "direct" },
                "sctpStreamParameters": parameters,
                "label": own.channel.label,
                "protocol": own.channel.protocol,
                "paused": own.paused,
                "appData": own.app_data,
            })
        });
        let _ = reply.send(dumped.ok_or_else(no_data_producer));
    }

    /// mediasoup's stats or dump of a data consumer.
    fn inspect_data_consumer(&self, id: &DataConsumerId, dump: bool, reply: Reply<Value>) {
        if !self.channels.consumers.contains_key(id) {
            let _ = reply.send(Err(no_data_consumer()));
            return;
        }
        if !dump {
            return self.data_consumer_stats(id, reply);
        }
        let dumped = self.channels.consumers.get(id).map(|it| {
            let parameters = self.stream_of(&it.transport, || it.delivery.on(it.stream));
            let of = self.channels.available.get(&it.producer);
            json!({
                "id": id,
                "transportId": it.transport,
                "dataProducerId": it.producer,
                "type": if parameters.is_some() { "sctp" } else { "direct" },
                "sctpStreamParameters": parameters,
                "label": it.channel.label,
                "protocol": it.channel.protocol,
                "bufferedAmountLowThreshold": it.low_threshold,
                "paused": it.paused,
                "dataProducerPaused": of.is_some_and(|of| of.entry.paused),
                "subchannels": it.subchannels,
            })
        });
        let _ = reply.send(dumped.ok_or_else(no_data_consumer));
    }

    fn stream_of(
        &self,
        transport: &TransportId,
        parameters: impl FnOnce() -> SctpStreamParameters,
    ) -> Option<SctpStreamParameters> {
        let direct = matches!(self.transports.get(transport), Some(Transport::Direct(_)));
        (!direct).then(parameters)
    }

    pub(super) fn data_producer_objects(&self) -> Vec<DataProducerObject> {
        let all = self.channels.producers.iter().map(|(id, own)| DataProducerObject {
            id: id.clone(),
            transport_id: own.transport.clone(),
            label: own.channel.label.clone(),
        });
        all.collect()
    }

    pub(super) fn data_consumer_objects(&self) -> Vec<DataConsumerObject> {
        let all = self.channels.consumers.iter().map(|(id, it)| DataConsumerObject {
            id: id.clone(),
            transport_id: it.transport.clone(),
            data_producer_id: it.producer.clone(),
            label: it.channel.label.clone(),
        });
        all.collect()
    }

    /// Of a transport that carries SCTP.
    pub(super) fn sctp_state(&self, transport: &TransportId) -> Option<SctpState> {
        match self.transports.get(transport)? {
            Transport::WebRtc { data, .. } => Some(data.state()),
            Transport::Plain(plain) => plain.data.as_ref().map(DataPort::state),
            Transport::Direct(_) => None,
        }
    }
}

fn no_stream() -> Refusal {
    too_many("streams on a transport", usize::from(STREAMS))
}

pub(super) fn no_data_producer() -> Refusal {
    Refusal::new(Code::ProducerNotFound, "this peer has no such data producer")
        .hint("GET …/peers/{peer} lists them")
}

pub(super) fn no_data_consumer() -> Refusal {
    Refusal::new(Code::ConsumerNotFound, "this peer has no such data consumer")
        .hint("GET …/peers/{peer} lists them")
}
