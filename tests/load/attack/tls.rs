//! T-S11: TLS of the public listener: who connects and says nothing, a certificate that is replaced
//! under a hundred who are connected, one that has ended.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    Context,
    findings::{Bound, Findings},
    wire::{address, dial, hear, host, upgrade},
};
use crate::{
    client::Failure,
    node::{Node, Wish},
};

const CONNECTED: usize = 100;
const SILENT: usize = 100;
/// How long one that says no hello may stay.
const HANDSHAKE: f64 = 10.5;
const WATCH: Duration = Duration::from_secs(20);
/// Until a node that was told so shows the new certificate.
const RELOADED: f64 = 2.0;
/// Until a node that cannot start has ended.
const ENDED: Duration = Duration::from_secs(10);
/// A masked `ping` of RFC 6455 §5.5.2, without a body.
const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];

/// A certificate of localhost's own, in files.
fn certificate(folder: &Path, ended: bool) -> Result<CertificateDer<'static>, Failure> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let (from, to) = if ended { (2_020, 2_021) } else { (2_025, 2_125) };
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    let key = KeyPair::generate()?;
    let made = params.self_signed(&key)?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    fs::write(folder.join("cert.pem"), made.pem())?;
    Ok(made.der().clone())
}

fn settings(folder: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("TLS_CERT", file("cert.pem")),
        ("TLS_KEY", file("key.pem")),
        ("SESSIONS_PER_SECOND", "0".to_owned()),
        ("JOINS_PER_SECOND", "0".to_owned()),
    ]
}

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let old = certificate(folder.path(), false)?;
    let wish = Wish { id: "t-s11".into(), settings: settings(folder.path()), files: None };
    let node = Node::start(&context.secrets, wish).await?;
    let mut silent = JoinSet::new();
    let to = address(&node.url)?;
    for n in 0..SILENT {
        silent.spawn(async move {
            let mut stream = dial(host(n), to).await?;
            let began = Instant::now();
            let over = timeout(WATCH, stream.read(&mut [0; 16])).await;
            Ok::<_, Failure>(over.map_or(f64::NAN, |_| began.elapsed().as_secs_f64()))
        });
    }
    replaced(&node, folder.path(), &old, findings).await?;
    let mut stays = Vec::new();
    while let Some(stay) = silent.join_next().await {
        stays.push(stay??);
    }
    let longest =
        stays.iter().copied().fold(0.0, |a: f64, b| if b.is_nan() { b } else { a.max(b) });
    let n = stays.len() as u64;
    findings.check("without_a_hello_closed_within_s", longest, Bound::AtMost(HANDSHAKE), n);
    ended(context, findings).await
}

/// The certificate is another one while a hundred are connected.
async fn replaced(
    node: &Node,
    folder: &Path,
    old: &CertificateDer<'static>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mut connected = Vec::new();
    for n in 0..CONNECTED {
        let mut stream = shake_hands(node, old).await?;
        let (room, peer) = (format!("tls-{}", n % 10), format!("peer-{n}"));
        let token = node.token(&room, &peer)?;
        let path = format!("/ws?roomId={room}&peerId={peer}&token={token}");
        stream.write_all(upgrade(&path).as_bytes()).await?;
        let reply = hear(&mut stream).await;
        if reply.status != 101 {
            return Err(format!("the upgrade was answered with {}", reply.status).into());
        }
        connected.push(stream);
    }
    let new = certificate(folder, false)?;
    node.signal("-HUP")?;
    let began = Instant::now();
    let shown = loop {
        match shake_hands(node, &new).await {
            Ok(_) => break began.elapsed().as_secs_f64(),
            Err(_) if began.elapsed() < Duration::from_secs(5) => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(why) => {
                findings.note(&why.to_string());
                break f64::NAN;
            }
        }
    };
    findings.check("new_certificate_shown_after_s", shown, Bound::AtMost(RELOADED), 1);
    let mut alive = 0;
    for stream in &mut connected {
        alive += u32::from(answers(stream).await);
    }
    let n = CONNECTED as u64;
    findings.check("still_connected", f64::from(alive), Bound::Exactly(CONNECTED as f64), n);
    Ok(())
}

async fn shake_hands(
    node: &Node,
    trusted: &CertificateDer<'static>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(address(&node.url)?).await?;
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?)
}

/// Whether a session's ping is answered.
async fn answers(stream: &mut TlsStream<TcpStream>) -> bool {
    if stream.write_all(&PING).await.is_err() {
        return false;
    }
    let pong = async {
        loop {
            let mut head = [0; 2];
            if stream.read_exact(&mut head).await.is_err() || head[0] & 0x0f == 8 {
                return false;
            }
            let len = match head[1] {
                126 => usize::from(stream.read_u16().await.unwrap_or_default()),
                short => usize::from(short & 0x7f),
            };
            if stream.read_exact(&mut vec![0; len]).await.is_err() {
                return false;
            }
            if head[0] & 0x0f == 10 {
                return true;
            }
        }
    };
    timeout(Duration::from_secs(2), pong).await.unwrap_or(false)
}

/// A node with a certificate that has ended does not start, and says why.
async fn ended(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    certificate(folder.path(), true)?;
    let wish = Wish { id: "t-s11-ended".into(), settings: settings(folder.path()), files: None };
    let mut node = Node::launch(&context.secrets, &wish)?;
    let began = Instant::now();
    let refused = loop {
        match node.ended() {
            Some(how) => break !how.success(),
            None if began.elapsed() > ENDED => break false,
            None => sleep(Duration::from_millis(20)).await,
        }
    };
    let named = refused && node.logged().contains("tls_cert");
    findings.check("an_ended_one_refused", f64::from(u8::from(named)), Bound::Exactly(1.0), 1);
    Ok(())
}
