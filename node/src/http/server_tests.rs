//! The listener against clients that are slow, many, or without an end (T-S01), and the certificate
//! changed under a hundred clients (T-S11). Real sockets and real time: ten seconds, asleep.

use std::{path::PathBuf, sync::Arc};

use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    config::{Config, Mistake},
    reload,
    run::{self, RunError, Surroundings},
    testing::{around, config, registered},
};

/// How much later than the limit a connection may end on a machine under load.
const SLACK: Duration = Duration::from_secs(3);

/// When the other side closed it.
async fn closed(mut tcp: TcpStream) -> Duration {
    let begun = Instant::now();
    let mut bytes = [0; 1024];
    let end = async { while tcp.read(&mut bytes).await.is_ok_and(|read| read > 0) {} };
    timeout(HEAD + SLACK, end).await.expect("it is closed in time");
    begun.elapsed()
}

async fn get(at: SocketAddr, path: &str) -> String {
    let mut tcp = TcpStream::connect(at).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_nothing_or_a_byte_now_and_then_is_closed_and_others_are_served() {
    let running = run::start(&config(), around(&config())).await.unwrap();
    let at = running.listening[0];
    let mut waits = tokio::task::JoinSet::new();
    for _ in 0..100 {
        waits.spawn(async move { closed(TcpStream::connect(at).await.unwrap()).await });
        waits.spawn(async move {
            let mut tcp = TcpStream::connect(at).await.unwrap();
            tcp.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
            let (read, mut write) = tcp.into_split();
            let drip = tokio::spawn(async move {
                while write.write_all(b"y").await.is_ok() {
                    sleep(Duration::from_secs(2)).await;
                }
                write
            });
            let begun = Instant::now();
            let mut read = read;
            let mut bytes = [0; 1024];
            let end = async { while read.read(&mut bytes).await.is_ok_and(|read| read > 0) {} };
            timeout(HEAD + SLACK, end).await.expect("it is closed in time");
            drip.abort();
            begun.elapsed()
        });
        waits.spawn(async move {
            // Kept alive, and then silent.
            let mut tcp = TcpStream::connect(at).await.unwrap();
            tcp.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            closed(tcp).await
        });
    }
    for _ in 0..20 {
        assert!(get(at, "/livez").await.starts_with("HTTP/1.1 200"), "others are served");
        sleep(Duration::from_millis(200)).await;
    }
    let mut longest = Duration::ZERO;
    while let Some(waited) = waits.join_next().await {
        longest = longest.max(waited.unwrap());
    }
    assert!(longest >= HEAD - SLACK, "{longest:?}");
}

/// A certificate for localhost that is good for so many days from now, in these files.
fn issue(files: &(PathBuf, PathBuf), days: i64) -> CertificateDer<'static> {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let now = std::time::SystemTime::now();
    let day = Duration::from_secs(86_400);
    params.not_before = (now - 30 * day).into();
    let ends = if days < 0 { now - day } else { now + day * u32::try_from(days).unwrap() };
    params.not_after = ends.into();
    let key = KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    std::fs::write(&files.1, key.serialize_pem()).unwrap();
    std::fs::write(&files.0, made.pem()).unwrap();
    CertificateDer::from_pem_slice(made.pem().as_bytes()).unwrap()
}

async fn connect(at: SocketAddr, trusts: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusts.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(at).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

async fn alive(stream: &mut TlsStream<TcpStream>) -> bool {
    let asked = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut bytes = [0; 4096];
    asked.is_ok()
        && matches!(stream.read(&mut bytes).await, Ok(read) if bytes[..read].starts_with(b"HTTP/1.1 200"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_over_and_none_of_a_hundred_clients_notices() {
    let folder = tempfile::tempdir().unwrap();
    let files = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let old = issue(&files, 60);
    let with_tls = |files: &(PathBuf, PathBuf)| {
        let mut config = config();
        config.http.tls = Some(files.clone());
        config
    };
    let config = with_tls(&files);
    let again = config.clone();
    let settings: reload::Settings = Arc::new(move || Ok::<Config, Vec<Mistake>>(again.clone()));
    let running = run::start(&config, Surroundings { settings: Some(settings), ..around(&config) })
        .await
        .unwrap();
    registered(&running.node).await;
    let at = running.listening[0];
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(connect(at, &old).await);
    }
    for client in &mut clients {
        assert!(alive(client).await);
    }
    let shown =
        |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let app = running.app.clone();
    let new = issue(&files, 7);
    reload::now(&app).unwrap();
    assert_eq!(shown(&connect(at, &new).await), new);
    let metric = |app: &App| app.renewal.metrics()[0].value;
    let soon = metric(&app);
    // One that is over is not taken, nor one without its key.
    issue(&files, -1);
    assert!(reload::now(&app).unwrap_err().message.contains("expired"));
    std::fs::write(&files.1, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    issue(&(files.0.clone(), folder.path().join("other.pem")), 60);
    assert!(reload::now(&app).is_err(), "the key is another's");
    assert!((metric(&app) - soon).abs() < 1.0);
    assert_eq!(shown(&connect(at, &new).await), new);
    let mut dropped = 0;
    for client in &mut clients {
        dropped += u32::from(!alive(client).await);
    }
    assert_eq!(dropped, 0, "of 100 clients");
}

#[tokio::test]
async fn a_node_does_not_start_with_a_certificate_that_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let files = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    issue(&files, -1);
    let start = async |config: Config| {
        let started = run::start(&config, around(&config)).await;
        match started.err().expect("it does not start") {
            RunError::File(setting, _, why) if why.contains("expired") => setting,
            other => panic!("{other}"),
        }
    };
    let mut of_listen = config();
    of_listen.http.tls = Some(files.clone());
    assert_eq!(start(of_listen).await, "tls_cert");
    let mut of_links = config();
    of_links.link.tls = Some([files.0.clone(), files.0, files.1]);
    assert_eq!(start(of_links).await, "link_cert");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_links_is_renewed_without_a_restart_if_it_is_this_nodes() {
    use starling_cluster::link::{DevCa, tls::issue};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |ca: &DevCa, node: &str| {
        let issued = issue(ca, &node.parse().unwrap()).unwrap();
        std::fs::write(at("ca.pem"), ca.cert_pem()).unwrap();
        std::fs::write(at("cert.pem"), issued.cert_pem).unwrap();
        std::fs::write(at("key.pem"), issued.key_pem).unwrap();
    };
    let mut config = config();
    config.link.tls = Some(["ca.pem", "cert.pem", "key.pem"].map(at));
    write(&DevCa::new().unwrap(), &config.id.to_string());
    let again = config.clone();
    let settings: reload::Settings = Arc::new(move || Ok::<Config, Vec<Mistake>>(again.clone()));
    let running = run::start(&config, Surroundings { settings: Some(settings), ..around(&config) })
        .await
        .unwrap();
    registered(&running.node).await;
    let first = reload::now(&running.app).unwrap().link_certificate_expires_at;
    assert!(first.is_some());
    write(&DevCa::new().unwrap(), &config.id.to_string());
    assert!(reload::now(&running.app).is_ok(), "of another authority");
    write(&DevCa::new().unwrap(), "somebody-else");
    let refused = reload::now(&running.app).unwrap_err();
    assert!(refused.message.contains("somebody-else"), "{refused}");
}
