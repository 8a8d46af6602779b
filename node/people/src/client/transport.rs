//! One WebRTC transport of a client: a check with USE-CANDIDATE, a DTLS handshake as client, SRTP
//! by `webrtc-srtp`. Keeps consent alive and measures what comes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use dtls::{
    config::{ClientAuthType, Config, ExtendedMasterSecretType},
    conn::DTLSConn,
    extension::extension_use_srtp::SrtpProtectionProfile,
};
use starling_media::{
    ice::stun::{BindingRequest, Class, IntegrityKey, StunMessage, write_request},
    rtp::{PacketClass, classify, is_rtcp},
};
use starling_proto::transport::{IceParameters, WebRtcTransportInfo};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{interval, timeout},
};
use webrtc_srtp::{context::Context, protection_profile::ProtectionProfile};
use webrtc_util::KeyingMaterialExporter;

use super::{Failure, Identity, wire::Wire};
use crate::{clock::monotonic, measure::Measure};

/// libwebrtc's interval of checks on a pair that works.
const CONSENT: Duration = Duration::from_millis(2_500);
/// Until an unanswered first check is repeated.
const REPEAT: Duration = Duration::from_millis(100);
/// As a node's session tries.
const PATIENCE: Duration = Duration::from_secs(10);
/// Datagrams waiting for DTLS: more than any flight.
const FLIGHT: usize = 32;

/// Packets waiting for whoever listens: a second of 40 Mb/s.
const LISTENED: usize = 4_096;

/// A packet in the clear.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// When.
    pub at: std::time::Instant,
    /// Nanoseconds of the clock that all processes share.
    pub clock: u64,
    /// RTCP, and not RTP.
    pub rtcp: bool,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// Looks at a packet in the clear: whether it is RTCP, and its bytes.
pub type Look = Box<dyn FnMut(bool, &[u8]) + Send>;

/// Who gets packets in the clear.
#[derive(Default)]
enum Listens {
    /// They are measured.
    #[default]
    Measure,
    /// They are kept for somebody.
    Channel(mpsc::Sender<Arrived>),
    /// Somebody looks at them at once.
    Call(Look),
}

type Listener = Arc<Mutex<Listens>>;

/// A transport with keys.
pub struct Transport {
    socket: Arc<UdpSocket>,
    ice: IceParameters,
    send: Mutex<Context>,
    measure: Arc<Mutex<Measure>>,
    listener: Listener,
    tasks: Vec<JoinHandle<()>>,
    _dtls: DTLSConn,
}

/// A transport whose pair is nominated.
pub struct Checked {
    socket: Arc<UdpSocket>,
    ice: IceParameters,
    datagrams: mpsc::Receiver<Vec<u8>>,
    keys: Arc<Mutex<Option<Context>>>,
    measure: Arc<Mutex<Measure>>,
    listener: Listener,
    tasks: Vec<JoinHandle<()>>,
}

/// Sends checks until one is answered. `keep`: goes on sending them.
///
/// # Errors
/// Nobody answers.
pub async fn check(info: &WebRtcTransportInfo, keep: bool) -> Result<Checked, Failure> {
    let candidate =
        info.ice_candidates.iter().find(|it| it.address.parse::<std::net::IpAddr>().is_ok());
    let candidate = candidate.ok_or("the node offers no candidate with an address")?;
    let to = SocketAddr::new(candidate.address.parse()?, candidate.port);
    check_at(info.ice_parameters.clone(), to, keep).await
}

/// The same with what an SDP says.
///
/// # Errors
/// Nobody answers.
pub async fn check_at(ice: IceParameters, to: SocketAddr, keep: bool) -> Result<Checked, Failure> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = Arc::new(UdpSocket::bind(any).await?);
    socket.connect(to).await?;
    let (answered, mut nominated) = watch::channel(false);
    let (to_dtls, datagrams) = mpsc::channel(FLIGHT);
    let (keys, measure, listener) = (Arc::default(), Arc::default(), Listener::default());
    let reader = Reader {
        keys: Arc::clone(&keys),
        measure: Arc::clone(&measure),
        listener: Arc::clone(&listener),
        answered,
        to_dtls,
    };
    let mut tasks = vec![tokio::spawn(reader.run(Arc::clone(&socket)))];
    let begun = timeout(PATIENCE, async {
        for n in 0.. {
            socket.send(&request(&ice, n)).await?;
            if timeout(REPEAT, nominated.wait_for(|done| *done)).await.is_ok() {
                break;
            }
        }
        Ok::<(), std::io::Error>(())
    });
    begun.await??;
    if keep {
        let (socket, ice) = (Arc::clone(&socket), ice.clone());
        tasks.push(tokio::spawn(async move {
            let mut ticks = interval(CONSENT);
            for n in 1_000.. {
                ticks.tick().await;
                let _ = socket.send(&request(&ice, n)).await;
            }
        }));
    }
    Ok(Checked { socket, ice, datagrams, keys, measure, listener, tasks })
}

fn request(ice: &IceParameters, n: u64) -> Vec<u8> {
    let request = BindingRequest {
        username: &format!("{}:load", ice.username_fragment),
        priority: Some(1),
        use_candidate: true,
        nomination: None,
        ice_controlling: Some(1),
        ice_controlled: None,
    };
    let mut transaction = [0; 12];
    transaction[..8].copy_from_slice(&n.to_be_bytes());
    let mut bytes = Vec::new();
    write_request(&mut bytes, &transaction, &request, &IntegrityKey::new(&ice.password));
    bytes
}

/// Whatever arrives, to where it belongs.
struct Reader {
    keys: Arc<Mutex<Option<Context>>>,
    measure: Arc<Mutex<Measure>>,
    listener: Listener,
    answered: watch::Sender<bool>,
    to_dtls: mpsc::Sender<Vec<u8>>,
}

impl Reader {
    async fn run(self, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; 2_048];
        while let Ok(len) = socket.recv(&mut buffer).await {
            let datagram = &buffer[..len];
            let Some(&first) = datagram.first() else { continue };
            match classify(first) {
                PacketClass::Stun => {
                    let good =
                        StunMessage::parse(datagram).is_some_and(|it| it.class == Class::Success);
                    self.answered.send_if_modified(|done| good && !std::mem::replace(done, true));
                }
                PacketClass::Dtls => {
                    // Full means that nobody reads: the handshake is over.
                    let _ = self.to_dtls.try_send(datagram.to_vec());
                }
                PacketClass::RtpOrRtcp => self.take(datagram, is_rtcp(datagram)),
                PacketClass::Other => {}
            }
        }
    }

    fn take(&self, datagram: &[u8], rtcp: bool) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = keys.as_mut() else { return };
        let opened = if rtcp { keys.decrypt_rtcp(datagram) } else { keys.decrypt_rtp(datagram) };
        let Ok(packet) = opened else { return };
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *listener {
            Listens::Channel(to) => {
                let (at, clock) = (std::time::Instant::now(), monotonic());
                // Full: it is lost, as in a socket's buffer.
                let _ = to.try_send(Arrived { at, clock, rtcp, bytes: packet.to_vec() });
            }
            Listens::Call(look) => look(rtcp, &packet),
            Listens::Measure if !rtcp => {
                self.measure.lock().unwrap_or_else(PoisonError::into_inner).take(&packet);
            }
            Listens::Measure => {}
        }
    }
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checked")
    }
}

impl Checked {
    /// Shakes hands as client.
    ///
    /// # Errors
    /// The library's, and a node that does not answer in time.
    pub async fn handshake(self, identity: &Identity) -> Result<Transport, Failure> {
        let Self { socket, ice, datagrams, keys, measure, listener, tasks } = self;
        let config = Config {
            certificates: vec![identity.certificate.clone()],
            srtp_protection_profiles: vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ],
            client_auth: ClientAuthType::RequireAnyClientCert,
            extended_master_secret: ExtendedMasterSecretType::Require,
            insecure_skip_verify: true,
            flight_interval: Duration::from_millis(100),
            ..Config::default()
        };
        let wire =
            Wire { socket: Arc::clone(&socket), arrived: tokio::sync::Mutex::new(datagrams) };
        let conn = timeout(PATIENCE, DTLSConn::new(Arc::new(wire), config, true, None)).await??;
        let profile = match conn.selected_srtpprotection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
                ProtectionProfile::Aes128CmHmacSha1_80
            }
            other => return Err(format!("agreed on {other:?}").into()),
        };
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let state = conn.connection_state().await;
        let label = "EXTRACTOR-dtls_srtp";
        let material = state.export_keying_material(label, &[], 2 * (key + salt)).await?;
        let (keys_of, salts) = material.split_at(2 * key);
        let context = |n: usize| {
            let (key, salt) = (&keys_of[n * key..][..key], &salts[n * salt..][..salt]);
            Context::new(key, salt, profile, None, None)
        };
        *keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(context(1)?);
        let send = Mutex::new(context(0)?);
        Ok(Transport { socket, ice, send, measure, listener, tasks, _dtls: conn })
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transport")
    }
}

impl Transport {
    /// Protects and sends an RTP packet.
    ///
    /// # Errors
    /// A socket that is gone.
    pub async fn send(&self, packet: &[u8]) -> Result<(), Failure> {
        let sealed = self.seal(packet)?;
        self.socket.send(&sealed).await?;
        Ok(())
    }

    /// Protects and sends an RTCP packet.
    ///
    /// # Errors
    /// A socket that is gone.
    pub async fn send_rtcp(&self, packet: &[u8]) -> Result<(), Failure> {
        let sealed = self.seal_rtcp(packet)?;
        self.socket.send(&sealed).await?;
        Ok(())
    }

    /// An RTP packet as it would be sent.
    ///
    /// # Errors
    /// The library's.
    pub fn seal(&self, packet: &[u8]) -> Result<Bytes, Failure> {
        Ok(self.send.lock().unwrap_or_else(PoisonError::into_inner).encrypt_rtp(packet)?)
    }

    /// An RTCP packet as it would be sent.
    ///
    /// # Errors
    /// The library's.
    pub fn seal_rtcp(&self, packet: &[u8]) -> Result<Bytes, Failure> {
        Ok(self.send.lock().unwrap_or_else(PoisonError::into_inner).encrypt_rtcp(packet)?)
    }

    /// A check with its credentials that nobody has sent yet, if `n` was never used.
    pub fn check(&self, n: u64) -> Vec<u8> {
        request(&self.ice, n)
    }

    /// Sends bytes as they are, from the address that the node knows. False if there is no room.
    pub fn send_bytes(&self, bytes: &[u8]) -> bool {
        self.socket.try_send(bytes).is_ok()
    }

    /// What its checks are signed with.
    pub fn password(&self) -> String {
        self.ice.password.clone()
    }

    /// The user that its checks name.
    pub fn user(&self) -> String {
        format!("{}:load", self.ice.username_fragment)
    }

    /// All that comes from now on, in place of measuring it.
    pub fn listen(&self) -> mpsc::Receiver<Arrived> {
        let (to, from) = mpsc::channel(LISTENED);
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Listens::Channel(to);
        from
    }

    /// The same, without keeping it: `look` must not wait.
    pub fn look(&self, look: Look) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Listens::Call(look);
    }

    /// Sends no checks any more.
    pub fn be_silent(&self) {
        self.tasks.iter().skip(1).for_each(JoinHandle::abort);
    }

    /// What came since the last call of this.
    pub fn measure_anew(&self) -> Measure {
        self.measure.lock().unwrap_or_else(PoisonError::into_inner).begin_anew()
    }

    /// What came so far.
    pub fn measure(&self) -> Measure {
        self.measure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
