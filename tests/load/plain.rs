//! Plain transports of a running node, made over REST as for ffmpeg; SRTP by `webrtc-srtp`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rand::RngCore;
use serde_json::{Value, json};
use starling_media::rtp::is_rtcp;
use starling_node::client::{Ask, ask};
use tokio::{net::UdpSocket, task::JoinHandle};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Method, header::AUTHORIZATION};
use webrtc_srtp::{context::Context, protection_profile::ProtectionProfile};

use crate::{client::Failure, measure::Measure, shape::Shape};

const SUITE: &str = "AEAD_AES_128_GCM";
const PROFILE: ProtectionProfile = ProtectionProfile::AeadAes128Gcm;
/// Longer than a node takes for any request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A room, as an operator sees it.
pub(crate) struct Admin {
    url: String,
    room: String,
    token: HeaderValue,
}

impl Admin {
    pub(crate) fn new(url: String, token: &str, room: String) -> Result<Self, Failure> {
        Ok(Self { url, room, token: HeaderValue::from_str(&format!("Bearer {token}"))? })
    }

    /// Posts to a path below the room's peers.
    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let question = Ask {
            method: Method::POST,
            url: format!("{}/v1/rooms/{}/peers{path}", self.url, self.room),
            headers: vec![(AUTHORIZATION, self.token.clone())],
            body: body.to_string().into(),
            within: PATIENCE,
        };
        let answer = ask(question).await?;
        if !answer.status.is_success() {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("{path}: {} {text}", answer.status).into());
        }
        if answer.body.is_empty() {
            Ok(Value::Null)
        } else {
            Ok(serde_json::from_slice(&answer.body)?)
        }
    }

    /// A peer with a plain transport.
    async fn transport(&self, peer: &str, comedia: bool, srtp: bool) -> Result<Line, Failure> {
        self.post("", &json!({"id": peer})).await?;
        let mut wish = json!({"rtcpMux": true, "comedia": comedia, "enableSrtp": srtp});
        if srtp {
            wish["srtpCryptoSuite"] = json!(SUITE);
        }
        let path = format!("/{peer}/transports");
        let info = self.post(&path, &wish).await?;
        let to = SocketAddr::new(
            info["ip"].as_str().ok_or("no ip")?.parse()?,
            u16::try_from(info["port"].as_u64().ok_or("no port")?)?,
        );
        let socket = UdpSocket::bind((if to.is_ipv4() { "0.0.0.0" } else { "::" }, 0)).await?;
        socket.connect(to).await?;
        let path = format!("{path}/{}", info["transportId"].as_str().ok_or("no transportId")?);
        let mut connect = json!({});
        if !comedia {
            let local = socket.local_addr()?;
            connect = json!({"ip": local.ip(), "port": local.port()});
        }
        let mut line = Line { path, socket, up: None, down: None };
        if srtp {
            let mut material = [0; 28];
            rand::rng().fill_bytes(&mut material);
            connect["srtpParameters"] =
                json!({"cryptoSuite": SUITE, "keyBase64": BASE64_STANDARD.encode(material)});
            let theirs = info["srtpParameters"]["keyBase64"].as_str().ok_or("no SRTP key")?;
            line.up = Some(context(&material)?);
            line.down = Some(context(&BASE64_STANDARD.decode(theirs)?)?);
        }
        self.post(&format!("{}/connect", line.path), &connect).await?;
        Ok(line)
    }
}

fn context(material: &[u8]) -> Result<Context, Failure> {
    let (key, salt) = material.split_at_checked(16).ok_or("the SRTP key is too short")?;
    Ok(Context::new(key, salt, PROFILE, None, None)?)
}

/// Our end of a plain transport.
struct Line {
    path: String,
    socket: UdpSocket,
    up: Option<Context>,
    down: Option<Context>,
}

/// Sends one stream.
pub(crate) struct Publisher {
    socket: UdpSocket,
    keys: Mutex<Option<Context>>,
    producer: String,
}

impl Publisher {
    pub(crate) async fn new(
        admin: &Admin,
        peer: &str,
        shape: Shape,
        ssrc: u32,
        srtp: bool,
    ) -> Result<Self, Failure> {
        let line = admin.transport(peer, true, srtp).await?;
        let body = json!({"kind": shape.kind(), "rtpParameters": shape.producer(ssrc).rtp});
        let answer = admin.post(&format!("{}/producers", line.path), &body).await?;
        let producer = answer["producerId"].as_str().ok_or("no producerId")?.to_owned();
        Ok(Self { socket: line.socket, keys: Mutex::new(line.up), producer })
    }

    pub(crate) fn producer(&self) -> &str {
        &self.producer
    }

    pub(crate) async fn send(&self, packet: &[u8]) -> Result<(), Failure> {
        let sealed = match &mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(keys) => Some(keys.encrypt_rtp(packet)?),
            None => None,
        };
        self.socket.send(sealed.as_deref().unwrap_or(packet)).await?;
        Ok(())
    }
}

/// Receives one stream.
pub(crate) struct Subscriber {
    measure: Arc<Mutex<Measure>>,
    reader: JoinHandle<()>,
}

impl Subscriber {
    pub(crate) async fn new(
        admin: &Admin,
        peer: &str,
        producer: &str,
        srtp: bool,
    ) -> Result<Self, Failure> {
        let Line { path, socket, mut down, .. } = admin.transport(peer, false, srtp).await?;
        let body = json!({"producerId": producer});
        admin.post(&format!("{path}/consumers"), &body).await?;
        let measure = Arc::new(Mutex::new(Measure::default()));
        let into = Arc::clone(&measure);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; 2_048];
            while let Ok(len) = socket.recv(&mut buffer).await {
                let packet = &buffer[..len];
                if is_rtcp(packet) {
                    continue;
                }
                let mut measure = into.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut down {
                    None => measure.take(packet),
                    Some(keys) => {
                        if let Ok(packet) = keys.decrypt_rtp(packet) {
                            measure.take(&packet);
                        }
                    }
                }
            }
        });
        Ok(Self { measure, reader })
    }

    pub(crate) fn measure(&self) -> Measure {
        self.measure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.reader.abort();
    }
}
