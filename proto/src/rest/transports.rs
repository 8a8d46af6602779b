//! Bodies about transports of a program's peer, of each kind.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

use super::{ConnectPlainTransport, CreatePlainTransport, PlainTransportInfo};
use crate::{
    TransportId,
    transport::{DtlsParameters, DtlsRole, IceParameters, WebRtcTransportInfo},
};

/// Body of `POST …/peers/{peer}/transports`: by its `type`, which is `plain` if it is absent.
/// Direct transports are made by a WebSocket to `…/peers/{peer}/direct`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum CreateTransport {
    /// RTP on UDP, for ffmpeg, GStreamer and recorders.
    Plain(CreatePlainTransport),
    /// ICE and DTLS, for browsers.
    Webrtc(CreateWebRtcTransport),
}

impl<'de> Deserialize<'de> for CreateTransport {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(from)?;
        let kind = fields.remove("type").unwrap_or_else(|| "plain".into());
        let fields = Value::Object(fields);
        match kind.as_str() {
            Some("plain") => serde_json::from_value(fields).map(Self::Plain),
            Some("webrtc") => serde_json::from_value(fields).map(Self::Webrtc),
            _ => return Err(D::Error::custom("'type' is 'plain' or 'webrtc'")),
        }
        .map_err(D::Error::custom)
    }
}

/// A WebRTC transport to be. It carries media and data both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CreateWebRtcTransport {
    /// The client is told of TCP candidates alone.
    pub force_tcp: bool,
}

/// A STUN or TURN server as `RTCPeerConnection` takes it (W3C WebRTC §4.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct IceServerInfo {
    /// Its URI.
    pub urls: String,
    /// Of a TURN server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// A WebRTC transport: with its id as `id`, the argument of mediasoup-client's
/// `createSendTransport` and `createRecvTransport`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebRtcTransportMade {
    /// Ours.
    #[serde(flatten)]
    pub transport: WebRtcTransportInfo,
    /// For the client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ice_servers: Vec<IceServerInfo>,
}

/// Answer to it, of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum TransportCreated {
    /// `webrtc`.
    Webrtc(Box<WebRtcTransportMade>),
    /// `plain`.
    Plain(PlainTransportInfo),
}

/// Body of `POST …/transports/{transport}/connect`: of a WebRTC transport `dtlsParameters`, of a
/// plain one the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectTransport {
    /// The client's role and fingerprints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtls_parameters: Option<DtlsParameters>,
    /// Of a plain transport.
    #[serde(flatten)]
    pub plain: ConnectPlainTransport,
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum TransportConnected {
    /// Of a WebRTC transport.
    Webrtc(WebRtcConnected),
    /// Of a plain one.
    Plain(PlainTransportInfo),
}

/// Answer to `connect` of a WebRTC transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebRtcConnected {
    /// Which.
    pub transport_id: TransportId,
    /// Our role: `client` sends the ClientHello.
    pub dtls_local_role: DtlsRole,
}

/// Answer to `POST …/transports/{transport}/restart-ice`: for mediasoup-client's `restartIce`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IceRestarted {
    /// New ones; the old ones work until the client has used these.
    pub ice_parameters: IceParameters,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transport_is_plain_unless_its_type_says_otherwise() {
        let read = |body| serde_json::from_value::<CreateTransport>(body);
        let plain = CreatePlainTransport { comedia: true, ..CreatePlainTransport::default() };
        let expected = CreateTransport::Plain(plain);
        assert_eq!(read(json!({"comedia": true})).unwrap(), expected);
        assert_eq!(read(json!({"type": "plain", "comedia": true})).unwrap(), expected);
        let webrtc = CreateTransport::Webrtc(CreateWebRtcTransport { force_tcp: true });
        assert_eq!(read(json!({"type": "webrtc", "forceTcp": true})).unwrap(), webrtc);
        assert_eq!(read(serde_json::to_value(&webrtc).unwrap()).unwrap(), webrtc);
        for bad in [
            json!({"type": "direct"}),
            json!({"type": 3}),
            json!({"type": "webrtc", "comedia": true}),
            json!([]),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_connects_is_told_apart_by_what_there_is() {
        let read = |body| serde_json::from_value::<ConnectTransport>(body).unwrap();
        let plain = read(json!({"ip": "192.0.2.7", "port": 5004}));
        assert!(plain.dtls_parameters.is_none() && plain.plain.address.is_some());
        let print = json!({"algorithm": "sha-256", "value": "AA"});
        let webrtc = read(json!({"dtlsParameters": {"role": "client", "fingerprints": [print]}}));
        assert!(webrtc.plain.address.is_none());
        assert_eq!(webrtc.dtls_parameters.unwrap().role, DtlsRole::Client);
        assert!(read(json!({})).plain.address.is_none());
    }
}
