//! A WebRTC client of its own: protoo, ICE, DTLS and SRTP on the same crates as everybody's,
//! without a browser, so that hundreds fit a machine.

mod pass;
mod signal;
mod transport;
mod wire;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use starling_proto::transport::WebRtcTransportInfo;

use crate::shape::{Shape, Source};
pub(crate) use pass::issue;
pub(crate) use signal::{Heard, Signal, Told};
pub(crate) use transport::{Arrived, Look, Transport, check, check_at};

/// Why a client gave up.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A certificate, shared by all clients: making one costs more than using it.
#[derive(Clone)]
pub(crate) struct Identity {
    certificate: dtls::crypto::Certificate,
    fingerprint: String,
}

impl Identity {
    /// As its signalling announces it.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn new() -> Result<Self, Failure> {
        let certificate = dtls::crypto::Certificate::generate_self_signed(["load".to_owned()])?;
        let hash = digest(&SHA256, &certificate.certificate[0]);
        let pairs: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Self { certificate, fingerprint: pairs.join(":") })
    }
}

/// A peer in a room, with a transport each way.
pub(crate) struct Client {
    signal: Signal,
    capabilities: Value,
    /// Ids of its transports.
    pub(crate) sending: String,
    pub(crate) receiving: String,
    /// With which it may go on elsewhere.
    pub(crate) ticket: String,
    pub(crate) up: Transport,
    pub(crate) down: Transport,
}

/// How a client joins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Takes what others produce.
    pub(crate) consume: bool,
    /// Goes on checking its pairs, as browsers do.
    pub(crate) keep: bool,
}

impl Client {
    /// Does what a page does: capabilities, two transports, join, ICE and DTLS on both.
    pub(crate) async fn join(
        url: &str,
        room: &str,
        peer: &str,
        identity: &Identity,
        wish: Wish,
    ) -> Result<Self, Failure> {
        Self::enter(url, (room, peer), pass::token(room, peer)?.as_deref(), identity, wish).await
    }

    /// The same, with a token of one's own, or none.
    pub(crate) async fn enter(
        url: &str,
        (room, peer): (&str, &str),
        token: Option<&str>,
        identity: &Identity,
        wish: Wish,
    ) -> Result<Self, Failure> {
        let signal = Signal::connect(&door(url, room, peer, token)).await?;
        let answer = signal.request("getRouterRtpCapabilities", json!({})).await?;
        let capabilities = answer["routerRtpCapabilities"].clone();
        let (producer, up) = transport(&signal, "producer").await?;
        let (receiving, down) = transport(&signal, "consumer").await?;
        let mut joining = json!({"displayName": peer, "device": {"name": "starling-load"}});
        if wish.consume {
            joining["rtpCapabilities"] = capabilities.clone();
        }
        let joined = signal.request("join", joining).await?;
        let ticket = joined["resumeTicket"].as_str().unwrap_or_default().to_owned();
        let up = connect(&signal, &up, identity, wish.keep).await?;
        let down = connect(&signal, &down, identity, wish.keep).await?;
        Ok(Self { signal, capabilities, sending: producer, receiving, ticket, up, down })
    }

    /// Publishes a stream; send its packets on [`Self::up`].
    pub(crate) async fn produce(&self, shape: Shape, ssrc: u32) -> Result<Source, Failure> {
        let rtp = shape.publish(&self.capabilities, ssrc).ok_or("the room lacks the codec")?;
        let payload_type = rtp["codecs"][0]["payloadType"].as_u64().unwrap_or_default() as u8;
        let data = json!({
            "transportId": self.sending, "kind": shape.kind(), "rtpParameters": rtp,
            "appData": {"source": shape.name()}
        });
        self.signal.request("produce", data).await?;
        Ok(Source::new(shape, ssrc, None).with_payload_type(payload_type))
    }

    /// What its router can take.
    pub(crate) const fn capabilities(&self) -> &Value {
        &self.capabilities
    }

    /// The room's payload type of a codec.
    pub(crate) fn payload_type(&self, mime: &str) -> Option<u8> {
        self.codec(mime)?["preferredPayloadType"].as_u64().map(|it| it as u8)
    }

    /// Publishes a stream with these encodings; send its packets on [`Self::up`].
    pub(crate) async fn publish(
        &self,
        kind: &str,
        mime: &str,
        encodings: &Value,
    ) -> Result<(), Failure> {
        let codec = self.codec(mime).ok_or("the room lacks the codec")?;
        let codec = json!({
            "mimeType": mime, "payloadType": codec["preferredPayloadType"],
            "clockRate": codec["clockRate"], "channels": codec["channels"], "parameters": {},
            "rtcpFeedback": codec["rtcpFeedback"]
        });
        let rtp = json!({
            "mid": kind, "codecs": [codec], "headerExtensions": [], "encodings": encodings,
            "rtcp": {"cname": "load"}
        });
        let data = json!({
            "transportId": self.sending, "kind": kind, "rtpParameters": rtp,
            "appData": {"source": kind}
        });
        self.signal.request("produce", data).await.map(|_| ())
    }

    /// What the node asked and told since the last call.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.signal.told()
    }

    /// Asks the node something.
    pub(crate) async fn request(&self, method: &str, data: Value) -> Result<Value, Failure> {
        self.signal.request(method, data).await
    }

    /// Says nothing any more, as if its machine had lost its power; what comes is still heard on
    /// its transports.
    pub(crate) fn go_dead(&self) {
        self.signal.be_deaf();
        self.up.be_silent();
        self.down.be_silent();
    }

    /// Leaves its room.
    pub(crate) async fn leave(&self) {
        self.signal.close().await;
    }

    /// Tells the node something.
    pub(crate) async fn notify(&self, method: &str, data: Value) -> Result<(), Failure> {
        self.signal.notify(method, data).await
    }

    fn codec(&self, mime: &str) -> Option<&Value> {
        self.capabilities["codecs"].as_array()?.iter().find(|codec| codec["mimeType"] == mime)
    }
}

/// Where a peer's session is opened.
pub(crate) fn door(url: &str, room: &str, peer: &str, token: Option<&str>) -> String {
    let token = token.map(|it| format!("&token={it}")).unwrap_or_default();
    format!("{}/?roomId={room}&peerId={peer}{token}", url.replacen("http", "ws", 1))
}

/// A transport of the node, for `producer` or `consumer`, and its id.
pub(crate) async fn transport(
    signal: &Signal,
    direction: &str,
) -> Result<(String, WebRtcTransportInfo), Failure> {
    let data = json!({"forceTcp": false, "appData": {"direction": direction}});
    let answer = signal.request("createWebRtcTransport", data).await?;
    let id = answer["transportId"].as_str().ok_or("no transportId")?.to_owned();
    Ok((id, serde_json::from_value(answer)?))
}

/// Connects to it: ICE, DTLS, keys.
pub(crate) async fn connect(
    signal: &Signal,
    info: &WebRtcTransportInfo,
    identity: &Identity,
    keep: bool,
) -> Result<Transport, Failure> {
    announce(signal, info, identity).await?;
    check(info, keep).await?.handshake(identity).await
}

/// Says whose certificate will be shown on it.
pub(crate) async fn announce(
    signal: &Signal,
    info: &WebRtcTransportInfo,
    identity: &Identity,
) -> Result<(), Failure> {
    let fingerprints = json!([{"algorithm": "sha-256", "value": identity.fingerprint()}]);
    let dtls = json!({"role": "client", "fingerprints": fingerprints});
    let data = json!({"transportId": info.transport_id, "dtlsParameters": dtls});
    signal.request("connectWebRtcTransport", data).await.map(|_| ())
}
