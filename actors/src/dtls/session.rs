//! One DTLS session: waits for a ClientHello or sends one, shakes hands, checks the fingerprint,
//! gives the keys, carries data channels until the peer closes. One task of ours and two of the
//! `dtls` crate, all
//! gone when the handle is dropped.

use std::{
    collections::VecDeque,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, Once, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dtls::{
    cipher_suite::CipherSuiteId,
    config::{ClientAuthType, Config, ExtendedMasterSecretType},
    conn::DTLSConn,
};
use futures::FutureExt;
use starling_media::{
    command::SrtpKeys,
    dtls::{HelloReader, preferred_profile},
};
use starling_proto::transport::{DtlsFingerprint, SrtpProfile};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep_until, timeout},
};
use webrtc_util::KeyingMaterialExporter;

use super::{
    certificate::{self, Certificate},
    guard::{Guard, GuardCounters},
    keys,
};
use crate::data::{DataEvent, DataInbox, DataSession, Doorbell};

/// Datagrams waiting for a session's task: a third of what an association with a window of a
/// megabyte has under way.
const MAX_INBOUND: usize = 256;
/// Largest piece of data: a path's width. SCTP sends no more at once.
const MAX_DATA: usize = 2_048;
/// Datagrams kept until a ClientHello is whole: it comes in two.
const MAX_FIRST: usize = 16;
/// A handshake takes 3 round trips; one that is not over after this long has lost its peer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The session repeats a flight this often; the crate's second is a second of silence per lost
/// datagram.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(150);
/// Of a handshake fragment's body; with 25 bytes of headers it fits a path of 1,200.
const MTU: usize = 1_150;
/// Suites with forward secrecy and authenticated encryption, of those the crate knows (RFC 8827
/// §6.5 asks for the first; BCP 195 leaves nothing else). A server whose certificate is RSA may be
/// met where we are the client. The crate's own list has AES-CBC with SHA-1.
const SUITES: [CipherSuiteId; 3] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
];
/// Longest wait for our close_notify to be written.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Who sends the ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We do.
    Client,
    /// They do.
    Server,
}

/// Sends a datagram to the peer; called on the session's tasks, must not block.
pub type Output = Arc<dyn Fn(Bytes) + Send + Sync>;

/// What a session starts from.
#[derive(Clone)]
pub struct DtlsConfig {
    /// Ours. A client begins at once and has 10 s: start it when ICE is up. A server has 10 s from
    /// the first ClientHello.
    pub role: Role,
    /// Ours.
    pub certificate: Certificate,
    /// Theirs, from the signalling.
    pub remote_fingerprints: Vec<DtlsFingerprint>,
    /// To the peer.
    pub out: Output,
    /// What happens; called on the session's task, must not block.
    pub events: Arc<dyn Fn(DtlsEvent) + Send + Sync>,
}

impl fmt::Debug for DtlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsConfig").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// The handshake is over and the peer is who the signalling says.
    Connected(SrtpKeys),
    /// It will never be, for this reason. Nothing follows.
    Failed(Cause, String),
    /// The peer closed it. Nothing follows.
    Closed,
    /// About its data channels.
    Data(DataEvent),
}

/// Why a session came to nothing, as far as it is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer is not who its signalling said.
    Certificate,
    /// Anything else: no suite or profile in common, no answer, a broken flight.
    Handshake,
}

/// Starts sessions.
#[derive(Debug)]
pub struct DtlsSession;

impl DtlsSession {
    /// Starts a session on the current runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn spawn(config: DtlsConfig) -> DtlsHandle {
        let (_, data) = crate::data::port();
        Self::spawn_with_data(config, data)
    }

    /// The same with data channels.
    pub(crate) fn spawn_with_data(config: DtlsConfig, data: DataInbox) -> DtlsHandle {
        install_provider();
        let (input, inbound) = mpsc::channel(MAX_INBOUND);
        let (alive, dropped) = oneshot::channel();
        let guard = Arc::new(OnceLock::new());
        let (events, session) = (config.events.clone(), guard.clone());
        tokio::spawn(async move {
            let session = run(config, inbound, dropped, session, data);
            // What a client sends goes through crates that are not ours.
            if AssertUnwindSafe(session).catch_unwind().await.is_err() {
                let why = "the session failed on the node".to_owned();
                events(DtlsEvent::Failed(Cause::Handshake, why));
            }
        });
        DtlsHandle { input, guard, _alive: alive }
    }
}

/// A session. Dropping it says goodbye to the peer if there is one, and frees everything.
#[derive(Debug)]
pub struct DtlsHandle {
    input: mpsc::Sender<Vec<u8>>,
    guard: Arc<OnceLock<std::sync::Weak<Guard>>>,
    _alive: oneshot::Sender<()>,
}

impl DtlsHandle {
    /// Gives the session a datagram of the peer. Never blocks; false if it was dropped because 256
    /// wait or the session is over.
    pub fn input(&self, datagram: Vec<u8>) -> bool {
        self.input.try_send(datagram).is_ok()
    }

    /// What its guard did so far.
    pub fn counters(&self) -> GuardCounters {
        let guard = self.guard.get().and_then(std::sync::Weak::upgrade);
        guard.map_or_else(GuardCounters::default, |guard| guard.counters())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

/// The `dtls` crate finds its provider in the process; without one it panics.
pub(super) fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails if the program has installed one already, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
}

async fn run(
    config: DtlsConfig,
    mut inbound: mpsc::Receiver<Vec<u8>>,
    mut dropped: oneshot::Receiver<()>,
    guard_slot: Arc<OnceLock<std::sync::Weak<Guard>>>,
    mut data: DataInbox,
) {
    let mut first = VecDeque::new();
    let profiles = match config.role {
        Role::Client => vec![
            SrtpProfile::AeadAes128Gcm,
            SrtpProfile::AeadAes256Gcm,
            SrtpProfile::AesCm128HmacSha1_80,
            SrtpProfile::AesCm128HmacSha1_32,
        ],
        Role::Server => {
            let Some(profile) = hello(&mut inbound, &mut first).await else { return };
            vec![profile]
        }
    };
    let guard = Guard::new(config.role, first, inbound, config.out.clone());
    let _ = guard_slot.set(Arc::downgrade(&guard));
    let connected = tokio::select! {
        connected = handshake(&config, &profiles, &guard) => connected,
        _ = &mut dropped => return,
    };
    let (conn, keys) = match connected {
        Ok(connected) => connected,
        Err(reason) => {
            let stranger = reason == WRONG_CERTIFICATE;
            let cause = if stranger { Cause::Certificate } else { Cause::Handshake };
            return (config.events)(DtlsEvent::Failed(cause, reason));
        }
    };
    (config.events)(DtlsEvent::Connected(keys));
    tokio::select! {
        () = carry(&conn, &config, &mut data) => (config.events)(DtlsEvent::Closed),
        _ = &mut dropped => farewell(&conn).await,
    }
}

/// Waits for a whole ClientHello and picks the profile; keeps what was read in `first`. `None` if
/// the handle is dropped.
async fn hello(
    inbound: &mut mpsc::Receiver<Vec<u8>>,
    first: &mut VecDeque<Vec<u8>>,
) -> Option<SrtpProfile> {
    let mut reader = HelloReader::default();
    loop {
        let datagram = inbound.recv().await?;
        let offered = reader.push(&datagram);
        if first.len() == MAX_FIRST {
            first.pop_front();
        }
        first.push_back(datagram);
        if let Some(offered) = offered {
            // A client without a profile we know is refused by the session, with an alert.
            return Some(preferred_profile(&offered).unwrap_or(SrtpProfile::AesCm128HmacSha1_80));
        }
    }
}

async fn handshake(
    config: &DtlsConfig,
    profiles: &[SrtpProfile],
    guard: &Arc<Guard>,
) -> Result<(DTLSConn, SrtpKeys), String> {
    let refused = Arc::new(Mutex::new(None));
    let settings = settings(config, profiles, refused.clone());
    let new = DTLSConn::new(guard.clone(), settings, config.role == Role::Client, None);
    let conn = match timeout(HANDSHAKE_TIMEOUT, new).await {
        Ok(Ok(conn)) => conn,
        Ok(Err(error)) => {
            let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Err(refused.unwrap_or_else(|| format!("DTLS handshake failed: {error}")));
        }
        Err(_) => return Err("DTLS handshake was not over after 10 s".to_owned()),
    };
    guard.establish();
    match keys_of(&conn, config).await {
        Ok(keys) => Ok((conn, keys)),
        Err(reason) => {
            farewell(&conn).await;
            Err(reason)
        }
    }
}

/// Checks who the peer is and exports the keys.
async fn keys_of(conn: &DTLSConn, config: &DtlsConfig) -> Result<SrtpKeys, String> {
    let state = conn.connection_state().await;
    let shown = state.peer_certificates.first();
    if !shown.is_some_and(|der| certificate::matches(der, &config.remote_fingerprints)) {
        return Err(WRONG_CERTIFICATE.to_owned());
    }
    let profile = keys::from_dtls(conn.selected_srtpprotection_profile())
        .ok_or("the peer agreed to no SRTP profile")?;
    let material = state
        .export_keying_material(keys::LABEL, &[], keys::length(profile))
        .await
        .map_err(|error| format!("SRTP keys cannot be exported: {error}"))?;
    keys::split(&material, profile, config.role)
        .ok_or_else(|| "exported SRTP keys have the wrong length".to_owned())
}

/// Says close_notify. A peer that cannot be told finds out by itself.
async fn farewell(conn: &DTLSConn) {
    let _ = timeout(CLOSE_TIMEOUT, conn.close()).await;
}

const WRONG_CERTIFICATE: &str = "the peer's certificate is not the one its signalling announced";

fn settings(
    config: &DtlsConfig,
    profiles: &[SrtpProfile],
    refused: Arc<Mutex<Option<String>>>,
) -> Config {
    let announced = config.remote_fingerprints.clone();
    Config {
        certificates: vec![config.certificate.inner.clone()],
        cipher_suites: SUITES.to_vec(),
        srtp_protection_profiles: profiles.iter().map(|it| keys::to_dtls(*it)).collect(),
        client_auth: ClientAuthType::RequireAnyClientCert,
        extended_master_secret: ExtendedMasterSecretType::Require,
        // Certificates are self-signed: the fingerprint below is what counts.
        insecure_skip_verify: true,
        server_name: "starling".to_owned(),
        verify_peer_certificate: Some(Arc::new(move |chain, _| {
            if chain.first().is_some_and(|der| certificate::matches(der, &announced)) {
                return Ok(());
            }
            *refused.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(WRONG_CERTIFICATE.to_owned());
            Err(dtls::Error::Other(WRONG_CERTIFICATE.to_owned()))
        })),
        flight_interval: FLIGHT_INTERVAL,
        mtu: MTU,
        ..Config::default()
    }
}

/// Carries data channels until the peer closes.
async fn carry(conn: &DTLSConn, config: &DtlsConfig, data: &mut DataInbox) {
    let bell = Arc::new(Doorbell::default());
    let mut session = DataSession::new(Instant::now(), bell.clone());
    let mut datagram = vec![0; MAX_DATA];
    loop {
        let deadline = session.poll_timeout();
        tokio::select! {
            read = conn.read(&mut datagram, None) => match read {
                Ok(len) => session.handle_datagram(Instant::now(), &datagram[..len]),
                Err(dtls::Error::ErrBufferTooSmall) => {}
                Err(_) => return,
            },
            Some(command) = data.recv() => session.handle_command(command),
            () = bell.heard() => {}
            () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => {
                session.handle_timeout(Instant::now());
            }
        }
        let now = Instant::now();
        session.pump(now);
        data.set_state(session.sctp_state());
        while let Some(datagrams) = session.poll_transmit(now) {
            for datagram in datagrams {
                if conn.write(&datagram, None).await.is_err() {
                    return;
                }
            }
        }
        while let Some(event) = session.poll_event() {
            (config.events)(DtlsEvent::Data(event));
        }
    }
}
