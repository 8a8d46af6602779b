//! A WebRTC client of its own: protoo, ICE, DTLS and SRTP on the same crates as everybody's,
//! without a browser, so that hundreds fit a machine.

mod signal;
mod transport;
mod wire;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use starling_proto::transport::WebRtcTransportInfo;

pub use signal::{Heard, Listener, Signal, Told};
pub use transport::{Arrived, Checked, Look, Transport, check, check_at};

/// Why a client gave up.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A certificate, shared by all clients: making one costs more than using it.
#[derive(Clone)]
pub struct Identity {
    certificate: dtls::crypto::Certificate,
    fingerprint: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Identity {
    /// As its signalling announces it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// A fresh one.
    ///
    /// # Errors
    /// The library's.
    pub fn new() -> Result<Self, Failure> {
        let certificate = dtls::crypto::Certificate::generate_self_signed(["load".to_owned()])?;
        let hash = digest(&SHA256, &certificate.certificate[0]);
        let pairs: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Ok(Self { certificate, fingerprint: pairs.join(":") })
    }
}

/// A peer in a room, with a transport each way.
#[derive(Debug)]
pub struct Client {
    signal: Signal,
    capabilities: Value,
    /// Its transport to the node.
    pub sending: String,
    /// And that from it.
    pub receiving: String,
    /// With which it may go on elsewhere.
    pub ticket: String,
    /// To the node.
    pub up: Transport,
    /// From it.
    pub down: Transport,
}

/// How a client joins.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Takes what others produce.
    pub consume: bool,
    /// Goes on checking its pairs, as browsers do.
    pub keep: bool,
}

impl Client {
    /// Does what a page does: capabilities, two transports, join, ICE and DTLS on both.
    ///
    /// # Errors
    /// What the node said, or did not.
    pub async fn enter(
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

    /// What the room's routers can do, as mediasoup-client has it.
    pub const fn capabilities(&self) -> &Value {
        &self.capabilities
    }

    /// Publishes a stream of these parameters; send its packets on [`Self::up`].
    ///
    /// # Errors
    /// What the node said.
    pub async fn produce(&self, kind: &str, source: &str, rtp: &Value) -> Result<(), Failure> {
        let data = json!({
            "transportId": self.sending, "kind": kind, "rtpParameters": rtp,
            "appData": {"source": source}
        });
        self.signal.request("produce", data).await.map(|_| ())
    }

    /// The room's payload type of a codec.
    pub fn payload_type(&self, mime: &str) -> Option<u8> {
        self.codec(mime)?["preferredPayloadType"].as_u64().map(|it| it as u8)
    }

    /// Publishes a stream with these encodings; send its packets on [`Self::up`].
    ///
    /// # Errors
    /// What the node said, and a codec that the room lacks.
    pub async fn publish(&self, kind: &str, mime: &str, encodings: &Value) -> Result<(), Failure> {
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
        self.produce(kind, kind, &rtp).await
    }

    /// Says that the client leaves.
    pub async fn leave(&self) {
        self.signal.close().await;
    }

    /// What the node asked and told since the last call.
    pub fn told(&self) -> Vec<Told> {
        self.signal.told()
    }

    /// Asks the node something.
    ///
    /// # Errors
    /// What the node said.
    pub async fn request(&self, method: &str, data: Value) -> Result<Value, Failure> {
        self.signal.request(method, data).await
    }

    /// Says nothing any more, as if its machine had lost its power; what comes is still heard on
    /// its transports.
    pub fn go_dead(&self) {
        self.signal.be_deaf();
        self.up.be_silent();
        self.down.be_silent();
    }

    /// Tells the node something.
    ///
    /// # Errors
    /// A session that is over.
    pub async fn notify(&self, method: &str, data: Value) -> Result<(), Failure> {
        self.signal.notify(method, data).await
    }

    fn codec(&self, mime: &str) -> Option<&Value> {
        self.capabilities["codecs"].as_array()?.iter().find(|codec| codec["mimeType"] == mime)
    }
}

/// Where a peer's session is opened.
pub fn door(url: &str, room: &str, peer: &str, token: Option<&str>) -> String {
    let token = token.map(|it| format!("&token={it}")).unwrap_or_default();
    format!("{}/?roomId={room}&peerId={peer}{token}", url.replacen("http", "ws", 1))
}

/// A transport of the node, for `producer` or `consumer`, and its id.
///
/// # Errors
/// What the node said.
pub async fn transport(
    signal: &Signal,
    direction: &str,
) -> Result<(String, WebRtcTransportInfo), Failure> {
    let data = json!({"forceTcp": false, "appData": {"direction": direction}});
    let answer = signal.request("createWebRtcTransport", data).await?;
    let id = answer["transportId"].as_str().ok_or("no transportId")?.to_owned();
    Ok((id, serde_json::from_value(answer)?))
}

/// Connects to it: ICE, DTLS, keys.
///
/// # Errors
/// What the node said, or that it cannot be reached.
pub async fn connect(
    signal: &Signal,
    info: &WebRtcTransportInfo,
    identity: &Identity,
    keep: bool,
) -> Result<Transport, Failure> {
    announce(signal, info, identity).await?;
    check(info, keep).await?.handshake(identity).await
}

/// Says whose certificate will be shown on it.
///
/// # Errors
/// What the node said.
pub async fn announce(
    signal: &Signal,
    info: &WebRtcTransportInfo,
    identity: &Identity,
) -> Result<(), Failure> {
    let fingerprints = json!([{"algorithm": "sha-256", "value": identity.fingerprint()}]);
    let dtls = json!({"role": "client", "fingerprints": fingerprints});
    let data = json!({"transportId": info.transport_id, "dtlsParameters": dtls});
    signal.request("connectWebRtcTransport", data).await.map(|_| ())
}
