//! T-M03: everything that could make a node a reflector, from addresses that proved nothing. Bytes
//! out for bytes in.

use std::{
    net::{SocketAddr, SocketAddrV4},
    time::Duration,
};

use rand::{SeedableRng, rngs::SmallRng};
use tokio::{net::UdpSocket, time::sleep};

use super::{
    Context,
    findings::{Bound, Findings},
    forge,
};
use crate::client::{Client, Failure, Wish};

/// Of each kind.
const EACH: u64 = 100;
/// Between two of them: nobody's queue is to be the reason for silence.
const APART: Duration = Duration::from_millis(1);
/// How long an answer is waited for: QUIC repeats its own after a third of a second.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// What RFC 9000 §8.1 allows a server before it knows the address.
const QUIC: f64 = 3.0;
/// Least length of a QUIC client's first datagram (RFC 9000 §14.1).
const INITIAL: usize = 1_200;

type Make = Box<dyn FnMut(u64) -> Vec<u8>>;

pub(super) async fn run(context: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let node = context.node("T-M03").await?;
    let token = node.token("reflect", "client")?;
    let (room, wish) = (("reflect", "client"), Wish { consume: true, keep: true });
    let client = Client::enter(&node.url, room, Some(&token), &context.identity, wish).await?;
    let user = client.up.user();
    let (right, other) = (user.clone(), user.clone());
    let mut rng = SmallRng::seed_from_u64(3);
    let reports = forge::rtcp(1);
    let hello = quic_hello().await?;
    let (quic, quic_media) = (hello.clone(), hello.clone());
    let mut junk_rng = SmallRng::seed_from_u64(4);
    let junk_quic = move |_| {
        let mut bytes = hello.clone();
        rand::RngCore::fill_bytes(&mut junk_rng, &mut bytes[60..]);
        bytes
    };
    let seals: Vec<_> = (0..EACH).map(|n| client.up.check(90_000 + n)).collect();
    let media = node.media;
    let cases: Vec<(&str, SocketAddrV4, f64, Make)> = vec![
        ("stun_without_proof", media, 0.0, Box::new(move |n| forge::unproven(&right, n))),
        ("stun_unknown_user", media, 0.0, Box::new(|n| forge::binding("nobody:x", "guess", n))),
        ("stun_wrong_password", media, 0.0, Box::new(move |n| forge::binding(&other, "guess", n))),
        ("stun_indication", media, 0.0, Box::new(move |n| forge::indication(&user, n))),
        ("turn_allocate", media, 0.0, Box::new(forge::allocate)),
        ("dtls_client_hello", media, 0.0, Box::new(forge::null_hello)),
        ("rtp", media, 0.0, Box::new(move |n| forge::rtp(100, 1, n as u16, &mut rng))),
        ("rtcp", media, 0.0, Box::new(move |n| reports[n as usize % reports.len()].clone())),
        ("quic_at_media", media, 0.0, Box::new(move |_| quic_media.clone())),
        ("stun_authentic", media, 1.0, Box::new(move |n| seals[n as usize].clone())),
        ("quic_initial", node.link, QUIC, Box::new(move |_| quic.clone())),
        // Asked to prove its address before anything of it is looked at (RFC 9000 §8.1.2).
        ("quic_junk", node.link, QUIC, Box::new(junk_quic)),
    ];
    let all = cases.into_iter().map(|(name, to, most, mut make)| async move {
        exchange(to, &mut make).await.map(|bytes| (name, most, bytes))
    });
    for done in futures::future::join_all(all).await {
        let (name, most, (sent, answered)) = done?;
        let ratio = answered as f64 / sent as f64;
        findings.check(&format!("{name}_bytes_out_per_byte_in"), ratio, Bound::AtMost(most), EACH);
    }
    Ok(())
}

/// Sends all of a kind from one fresh address of another host; bytes each way.
async fn exchange(to: SocketAddrV4, make: &mut Make) -> Result<(u64, u64), Failure> {
    let socket = UdpSocket::bind("127.0.0.9:0").await?;
    let mut sent = 0;
    for n in 0..EACH {
        let bytes = make(n);
        sent += socket.send_to(&bytes, SocketAddr::V4(to)).await? as u64;
        sleep(APART).await;
    }
    sleep(PATIENCE).await;
    let mut answered = 0;
    let mut buffer = [0; 2_048];
    while let Ok((len, _)) = socket.try_recv_from(&mut buffer) {
        answered += len as u64;
    }
    Ok((sent, answered))
}

/// The first datagram of a QUIC client, as it comes out of one.
async fn quic_hello() -> Result<Vec<u8>, Failure> {
    let ear = UdpSocket::bind("127.0.0.1:0").await?;
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls)?;
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse()?)?;
    let config = quinn::ClientConfig::new(std::sync::Arc::new(tls));
    let _connecting = endpoint.connect_with(config, ear.local_addr()?, "node-1")?;
    let mut buffer = vec![0; 2_048];
    let (len, _) = tokio::time::timeout(PATIENCE, ear.recv_from(&mut buffer)).await??;
    buffer.truncate(len);
    if len < INITIAL {
        return Err(format!("a QUIC client began with {len} bytes").into());
    }
    Ok(buffer)
}
