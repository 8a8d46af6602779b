//! WebRTC transports of a program's peer, for an application that does its own signalling over
//! REST; and what it changes of its data channels.

use starling_proto::{
    Code, DataConsumerId, DataProducerId, Refusal, TransportId,
    rest::{ChangeDataConsumer, ChangeDataProducer, CreateWebRtcTransport, WebRtcConnected},
    transport::{DtlsParameters, DtlsRole, WebRtcTransportInfo},
};

use super::{
    PeerState,
    program::{no_data_consumer, no_data_producer},
    transports::Way,
};
use crate::{data::DataCommand, dtls::Role, limits::SUBCHANNELS, transport::role_against};

impl PeerState {
    /// A client's own transports are made by its client.
    pub(super) fn program_webrtc(
        &mut self,
        options: CreateWebRtcTransport,
    ) -> Result<WebRtcTransportInfo, Refusal> {
        if self.args.outbox.is_some() {
            let message = "this peer's WebRTC transports are made by its client";
            return Err(Refusal::new(Code::WrongState, message)
                .hint("make a peer of your own with POST …/peers"));
        }
        self.create_webrtc(Way::Both, options.force_tcp)
    }

    pub(super) fn program_connect(
        &mut self,
        transport_id: TransportId,
        dtls: DtlsParameters,
    ) -> Result<WebRtcConnected, Refusal> {
        let dtls_local_role = match role_against(dtls.role) {
            Role::Client => DtlsRole::Client,
            Role::Server => DtlsRole::Server,
        };
        self.connect_webrtc(&transport_id, dtls)?;
        Ok(WebRtcConnected { transport_id, dtls_local_role })
    }

    pub(super) fn change_data_producer(
        &mut self,
        id: DataProducerId,
        change: ChangeDataProducer,
    ) -> Result<(), Refusal> {
        if !self.channels.producers.contains_key(&id) {
            return Err(no_data_producer());
        }
        if let Some(paused) = change.paused {
            self.pause_data_producer(id, paused);
        }
        Ok(())
    }

    pub(super) fn change_data_consumer(
        &mut self,
        id: &DataConsumerId,
        change: ChangeDataConsumer,
    ) -> Result<(), Refusal> {
        let ChangeDataConsumer { paused, subchannels, buffered_amount_low_threshold } = change;
        if !self.channels.consumers.contains_key(id) {
            return Err(no_data_consumer());
        }
        if let Some(subchannels) = subchannels {
            if subchannels.len() > SUBCHANNELS {
                let message = format!("a data consumer is in at most {SUBCHANNELS} subchannels");
                return Err(Refusal::new(Code::TooLarge, message));
            }
            self.set_subchannels(id, subchannels.into_iter().collect());
        }
        if let Some(threshold) = buffered_amount_low_threshold {
            self.set_low_threshold(id, threshold);
        }
        if let Some(paused) = paused {
            self.pause_data_consumer(id, paused);
        }
        Ok(())
    }

    pub(super) fn set_low_threshold(&mut self, id: &DataConsumerId, bytes: u32) {
        if let Some(consumer) = self.channels.consumers.get_mut(id) {
            consumer.low_threshold = bytes;
        }
        let threshold = bytes as usize;
        self.to_consumer(id, |id| DataCommand::LowThreshold { id, threshold });
    }
}
