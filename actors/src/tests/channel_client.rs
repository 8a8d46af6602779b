//! A client's end of a transport that carries data channels: a check, a DTLS handshake as client,
//! and SCTP by the crate's other half, over a real socket on loopback. Of a plain transport: SCTP
//! alone.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use dtls::{
    config::{ClientAuthType, Config, ExtendedMasterSecretType},
    conn::DTLSConn,
    extension::extension_use_srtp::SrtpProtectionProfile,
};
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier,
};
use serde_json::{Value, json};
use starling_media::ice::stun::{BindingRequest, IntegrityKey, write_request};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, sleep_until, timeout},
};
use webrtc_util::{Conn, Error};

use super::world::{Client, PATIENCE};
use crate::dtls::Certificate;

/// A message, and on which stream.
pub(super) type Said = (u16, Vec<u8>);

/// See the module.
pub(super) struct Line {
    say: mpsc::UnboundedSender<Said>,
    heard: mpsc::UnboundedReceiver<Said>,
    listen: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Line {
    /// Connects `transport`, an answer to `createWebRtcTransport`, of a client.
    pub(super) async fn connect(client: &mut Client, transport: &Value) -> Self {
        let certificate = Certificate::generate();
        let connect = json!({
            "transportId": transport["transportId"],
            "dtlsParameters": { "role": "client", "fingerprints": certificate.fingerprints() },
        });
        client.ask("connectWebRtcTransport", connect).await.expect("it connects");
        Self::shake(certificate, transport.clone(), Duration::from_millis(100)).await
    }

    /// Shakes hands with a transport, whether or not signalling has said whose hands these are.
    /// What is not answered is said again after `patience`.
    pub(super) async fn shake(
        certificate: Certificate,
        transport: Value,
        patience: Duration,
    ) -> Self {
        let socket = checked(&transport).await;
        let config = Config {
            certificates: vec![certificate.inner.clone()],
            srtp_protection_profiles: vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm],
            client_auth: ClientAuthType::RequireAnyClientCert,
            extended_master_secret: ExtendedMasterSecretType::Require,
            insecure_skip_verify: true,
            flight_interval: patience,
            ..Config::default()
        };
        let conn = DTLSConn::new(Arc::new(Wire { socket, dtls: true }), config, true, None);
        let conn = timeout(PATIENCE, conn).await.expect("in time").expect("hands are shaken");
        Self::over(conn)
    }

    /// To a plain transport.
    pub(super) async fn plain(ip: IpAddr, port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback has ports");
        socket.connect((ip, port)).await.expect("it is there");
        Self::over(Wire { socket, dtls: false })
    }

    fn over(conn: impl Conn + Send + Sync + 'static) -> Self {
        let (say, to_say) = mpsc::unbounded_channel();
        let (tell, heard) = mpsc::unbounded_channel();
        let (listen, listens) = watch::channel(true);
        let task = tokio::spawn(drive(conn, to_say, tell, listens));
        Self { say, heard, listen, task }
    }

    /// Whether it takes what the node sends; otherwise it acknowledges nothing.
    pub(super) fn listen(&self, listens: bool) {
        self.listen.send(listens).expect("the line is up");
    }

    pub(super) fn say(&self, stream: u16, payload: &[u8]) {
        self.say.send((stream, payload.to_vec())).expect("the line is up");
    }

    pub(super) async fn hear(&mut self) -> Said {
        let heard = timeout(PATIENCE, self.heard.recv()).await.expect("something in time");
        heard.expect("the line is up")
    }

    /// What comes in `time`.
    pub(super) async fn hears_within(&mut self, time: Duration) -> Option<Said> {
        timeout(time, self.heard.recv()).await.ok().flatten()
    }
}

/// A socket whose pair is nominated.
pub(super) async fn checked(transport: &Value) -> UdpSocket {
    let candidate = &transport["iceCandidates"][0];
    let ip = candidate["ip"].as_str().expect("an address").parse().expect("an address");
    let port = candidate["port"].as_u64().expect("a port") as u16;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback has ports");
    socket.connect(SocketAddr::new(ip, port)).await.expect("it is there");
    let ice = &transport["iceParameters"];
    let text = |key: &str| ice[key].as_str().expect("credentials").to_owned();
    let request = BindingRequest {
        username: &format!("{}:test", text("usernameFragment")),
        priority: Some(1),
        use_candidate: true,
        nomination: None,
        ice_controlling: Some(1),
        ice_controlled: None,
    };
    let mut bytes = Vec::new();
    // A transaction that comes again from elsewhere is taken for a captured one.
    let [high, low] = socket.local_addr().expect("it is bound").port().to_be_bytes();
    let transaction = [high, low, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
    write_request(&mut bytes, &transaction, &request, &IntegrityKey::new(&text("password")));
    let mut answer = [0; 1_500];
    loop {
        socket.send(&bytes).await.expect("it is there");
        let answered = timeout(Duration::from_millis(100), socket.recv(&mut answer)).await;
        if answered.is_ok() {
            return socket;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn drive(
    conn: impl Conn,
    mut to_say: mpsc::UnboundedReceiver<Said>,
    tell: mpsc::UnboundedSender<Said>,
    mut listens: watch::Receiver<bool>,
) {
    let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::new()), None);
    let there = "192.0.2.1:5000".parse().expect("an address");
    let connected = endpoint.connect(ClientConfig::new(), there);
    let (handle, mut association) = connected.expect("an association");
    let mut datagram = vec![0; 8_192];
    let (mut up, mut waiting) = (false, Vec::new());
    loop {
        while let Some(transmit) = association.poll_transmit(Instant::now()) {
            let Payload::RawEncode(datagrams) = transmit.payload else { continue };
            for datagram in datagrams {
                if conn.send(&datagram).await.is_err() {
                    return;
                }
            }
        }
        let due = association.poll_timeout();
        tokio::select! {
            read = conn.recv(&mut datagram) => {
                let Ok(len) = read else { return };
                if !*listens.borrow() {
                    continue;
                }
                let bytes = Bytes::copy_from_slice(&datagram[..len]);
                if let Some((_, DatagramEvent::AssociationEvent(event))) =
                    endpoint.handle(Instant::now(), there, None, None, bytes)
                {
                    association.handle_event(event);
                }
            }
            Some(said) = to_say.recv() => waiting.push(said),
            Ok(()) = listens.changed() => {}
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {
                association.handle_timeout(Instant::now());
            }
        }
        up |= hear(&mut endpoint, handle, &mut association, &tell);
        if up {
            waiting
                .drain(..)
                .for_each(|(stream, payload)| write(&mut association, stream, &payload));
        }
    }
}

/// True when the association has just come up.
fn hear(
    endpoint: &mut Endpoint,
    handle: AssociationHandle,
    association: &mut Association,
    tell: &mpsc::UnboundedSender<Said>,
) -> bool {
    while let Some(event) = association.poll_endpoint_event() {
        endpoint.handle_event(handle, event);
    }
    let mut up = false;
    while let Some(event) = association.poll() {
        up |= matches!(event, Event::Connected);
    }
    let streams: BTreeSet<_> = association.stream_ids().into_iter().collect();
    for id in streams {
        while let Ok(Some(chunks)) = association.stream(id).and_then(|mut it| it.read_sctp()) {
            let mut payload = vec![0; chunks.len()];
            chunks.read(&mut payload).expect("it fits");
            let _ = tell.send((id, payload));
        }
    }
    up
}

fn write(association: &mut Association, id: u16, payload: &[u8]) {
    if association.stream(id).is_err() {
        association.open_stream(id, PayloadProtocolIdentifier::Binary).expect("a new stream");
    }
    let mut stream = association.stream(id).expect("it is open");
    stream.write_with_ppi(payload, PayloadProtocolIdentifier::Binary).expect("it is open");
}

/// A socket; with DTLS on it, or SCTP alone.
struct Wire {
    socket: UdpSocket,
    dtls: bool,
}

#[async_trait]
impl Conn for Wire {
    async fn recv(&self, buf: &mut [u8]) -> Result<usize, Error> {
        loop {
            let len = self.socket.recv(buf).await?;
            // DTLS (RFC 7983).
            if !self.dtls || (20..64).contains(&buf[0]) {
                return Ok(len);
            }
        }
    }

    async fn send(&self, buf: &[u8]) -> Result<usize, Error> {
        Ok(self.socket.send(buf).await?)
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn connect(&self, _: SocketAddr) -> Result<(), Error> {
        Ok(())
    }

    async fn recv_from(&self, _: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        Err(Error::Other("it is connected".to_owned()))
    }

    async fn send_to(&self, _: &[u8], _: SocketAddr) -> Result<usize, Error> {
        Err(Error::Other("it is connected".to_owned()))
    }

    fn local_addr(&self) -> Result<SocketAddr, Error> {
        Ok(self.socket.local_addr()?)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}
