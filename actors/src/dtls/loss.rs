//! Handshakes over a wire that loses datagrams, with a client that behaves like Chromium: a
//! ClientHello in two datagrams, repeated every 50 ms, a profile list that begins with counter
//! mode. For tests and measurements.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use dtls::{
    cipher_suite::CipherSuiteId,
    config::{ClientAuthType, Config, ExtendedMasterSecretType},
    conn::DTLSConn,
    extension::extension_use_srtp::SrtpProtectionProfile,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use starling_media::command::SrtpKeys;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use webrtc_util::{Conn, Error};

use super::{Certificate, DtlsConfig, DtlsEvent, DtlsHandle, DtlsSession, Output, Role};

/// Handshakes at the same time.
const CONCURRENT: usize = 25;
/// As long as a session tries.
const PATIENCE: Duration = Duration::from_secs(10);
/// Chromium's extra bytes: a post-quantum key share.
const KEY_SHARE: usize = 1_258;
/// Datagrams on the wire at once.
const WIRE: usize = 64;

/// What came of many handshakes.
#[derive(Debug)]
pub struct LossReport {
    /// From the first datagram to keys on both sides; ascending.
    pub times: Vec<Duration>,
    /// Those that were not over after 10 s, or failed.
    pub failed: Vec<String>,
    /// Flights the guard repeated.
    pub repeated: u64,
}

impl LossReport {
    /// The time that `percent` of the handshakes did not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.times.len().saturating_sub(1);
        self.times.get(last * percent.min(100) / 100).copied().unwrap_or_default()
    }
}

impl fmt::Display for LossReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} handshakes, {} failed, p50 {:?}, p95 {:?}, max {:?}, {} flights repeated",
            self.times.len() + self.failed.len(),
            self.failed.len(),
            self.percentile(50),
            self.percentile(95),
            self.percentile(100),
            self.repeated,
        )
    }
}

/// Shakes `count` hands with sessions of `role` over wires that lose a share of `loss` of the
/// datagrams in each direction. A server meets a client like Chromium, a client meets a server of
/// ours.
pub async fn handshakes(role: Role, count: usize, loss: f64, seed: u64) -> LossReport {
    let certificates = Arc::new((Certificate::generate(), Certificate::generate()));
    let mut report = LossReport { times: vec![], failed: vec![], repeated: 0 };
    let mut running = JoinSet::new();
    for n in 0..count {
        if running.len() == CONCURRENT {
            report.add(running.join_next().await);
        }
        let rng = SmallRng::seed_from_u64(seed.wrapping_add(n as u64));
        let (certificates, loss) = (certificates.clone(), Loss::new(loss, rng));
        running.spawn(async move {
            let began = Instant::now();
            let over = timeout(PATIENCE, one(role, &certificates, loss)).await;
            match over {
                Ok(Ok(repeated)) => Ok((began.elapsed(), repeated)),
                Ok(Err(why)) => Err(format!("seed {}: {why}", seed.wrapping_add(n as u64))),
                Err(_) => Err(format!("seed {}: not over", seed.wrapping_add(n as u64))),
            }
        });
    }
    while !running.is_empty() {
        report.add(running.join_next().await);
    }
    report.times.sort();
    report
}

type Outcome = Result<(Duration, u64), String>;

impl LossReport {
    fn add(&mut self, outcome: Option<Result<Outcome, tokio::task::JoinError>>) {
        match outcome {
            Some(Ok(Ok((time, repeated)))) => {
                self.times.push(time);
                self.repeated += repeated;
            }
            Some(Ok(Err(why))) => self.failed.push(why),
            Some(Err(panic)) => self.failed.push(panic.to_string()),
            None => {}
        }
    }
}

/// Decides which datagrams arrive.
#[derive(Clone, Debug)]
pub(super) struct Loss(Arc<Mutex<(f64, SmallRng)>>);

impl Loss {
    pub(super) fn new(share: f64, rng: SmallRng) -> Self {
        Self(Arc::new(Mutex::new((share, rng))))
    }

    fn arrives(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (share, rng) = &mut *state;
        !rng.random_bool(*share)
    }
}

async fn one(
    role: Role,
    certificates: &(Certificate, Certificate),
    loss: Loss,
) -> Result<u64, String> {
    let (ours, theirs) = certificates;
    match role {
        Role::Server => {
            let (server, mut events, wire) = session(Role::Server, ours, theirs, loss.clone());
            let client = chromium(theirs, wire, &CHROMIUM, server.clone(), loss).await?;
            let keys = connected(&mut events).await?;
            drop(client);
            if keys.profile != starling_proto::transport::SrtpProfile::AeadAes128Gcm {
                return Err(format!("agreed on {:?}", keys.profile));
            }
            Ok(server.counters().repeated)
        }
        Role::Client => {
            let (server, mut theirs_events, mut from_server) =
                session(Role::Server, theirs, ours, loss.clone());
            let (client, mut events, mut from_client) =
                session(Role::Client, ours, theirs, loss.clone());
            let carry = async {
                loop {
                    tokio::select! {
                        Some(it) = from_server.recv() => client.input(it),
                        Some(it) = from_client.recv() => server.input(it),
                        else => return,
                    };
                }
            };
            let both =
                async { tokio::join!(connected(&mut events), connected(&mut theirs_events)) };
            tokio::select! {
                () = carry => Err("both sessions ended".to_owned()),
                (client_keys, server_keys) = both => {
                    let (ours, theirs) = (client_keys?, server_keys?);
                    if (ours.send, ours.recv) != (theirs.recv, theirs.send) {
                        return Err("the two sides have different keys".to_owned());
                    }
                    Ok(client.counters().repeated + server.counters().repeated)
                }
            }
        }
    }
}

async fn connected(events: &mut mpsc::UnboundedReceiver<DtlsEvent>) -> Result<SrtpKeys, String> {
    match events.recv().await {
        Some(DtlsEvent::Connected(keys)) => Ok(keys),
        other => Err(format!("{other:?}")),
    }
}

/// A session of ours, its events and what arrives of what it sends.
pub(super) fn session(
    role: Role,
    certificate: &Certificate,
    remote: &Certificate,
    loss: Loss,
) -> (Arc<DtlsHandle>, mpsc::UnboundedReceiver<DtlsEvent>, mpsc::Receiver<Vec<u8>>) {
    let (wire, arrived) = mpsc::channel(WIRE);
    let (report, events) = mpsc::unbounded_channel();
    let out: Output = Arc::new(move |datagram: Bytes| {
        if loss.arrives() {
            let _ = wire.try_send(datagram.to_vec());
        }
    });
    let handle = DtlsSession::spawn(DtlsConfig {
        role,
        certificate: certificate.clone(),
        remote_fingerprints: remote.fingerprints().to_vec(),
        out,
        events: Arc::new(move |event| {
            let _ = report.send(event);
        }),
    });
    (Arc::new(handle), events, arrived)
}

/// Chromium's `use_srtp`.
pub(super) const CHROMIUM: [SrtpProtectionProfile; 3] = [
    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
];

/// A client without a guard, with Chromium's timer and length of hello.
pub(super) async fn chromium(
    certificate: &Certificate,
    arrived: mpsc::Receiver<Vec<u8>>,
    profiles: &[SrtpProtectionProfile],
    server: Arc<DtlsHandle>,
    loss: Loss,
) -> Result<DTLSConn, String> {
    client(certificate, arrived, profiles, &[], server, loss).await
}

/// The same with cipher suites of its own; none: all that the crate has.
pub(super) async fn client(
    certificate: &Certificate,
    arrived: mpsc::Receiver<Vec<u8>>,
    profiles: &[SrtpProtectionProfile],
    suites: &[CipherSuiteId],
    server: Arc<DtlsHandle>,
    loss: Loss,
) -> Result<DTLSConn, String> {
    let config = Config {
        cipher_suites: suites.to_vec(),
        certificates: vec![certificate.inner.clone()],
        srtp_protection_profiles: profiles.to_vec(),
        client_auth: ClientAuthType::RequireAnyClientCert,
        extended_master_secret: ExtendedMasterSecretType::Require,
        insecure_skip_verify: true,
        server_name: "k".repeat(KEY_SHARE),
        flight_interval: Duration::from_millis(50),
        mtu: 1_175,
        ..Config::default()
    };
    let wire = Wire { arrived: tokio::sync::Mutex::new(arrived), server, loss };
    DTLSConn::new(Arc::new(wire), config, true, None).await.map_err(|error| error.to_string())
}

/// A client's end of the wire.
struct Wire {
    arrived: tokio::sync::Mutex<mpsc::Receiver<Vec<u8>>>,
    server: Arc<DtlsHandle>,
    loss: Loss,
}

#[async_trait]
impl Conn for Wire {
    async fn recv(&self, buf: &mut [u8]) -> Result<usize, Error> {
        match self.arrived.lock().await.recv().await {
            Some(datagram) => {
                buf[..datagram.len()].copy_from_slice(&datagram);
                Ok(datagram.len())
            }
            None => std::future::pending().await,
        }
    }

    async fn send(&self, buf: &[u8]) -> Result<usize, Error> {
        if self.loss.arrives() {
            self.server.input(buf.to_vec());
        }
        Ok(buf.len())
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn connect(&self, _: SocketAddr) -> Result<(), Error> {
        Err(Error::Other("a wire has two ends".to_owned()))
    }

    async fn recv_from(&self, _: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        Err(Error::Other("a wire has no addresses".to_owned()))
    }

    async fn send_to(&self, _: &[u8], _: SocketAddr) -> Result<usize, Error> {
        Err(Error::Other("a wire has no addresses".to_owned()))
    }

    fn local_addr(&self) -> Result<SocketAddr, Error> {
        Err(Error::Other("a wire has no addresses".to_owned()))
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}
